"""Performances: smooth, repeatable, inside every range, and alive."""

from __future__ import annotations

import numpy as np
import pytest
from lineament.core.synthetic.animation import BLINK_EVERY, EXPRESSIONS, SWINGS, Performance, blink, wave
from lineament.core.synthetic.params import ATTRIBUTES, RANGES, FaceParams
from lineament.core.synthetic.sampler import check

FRAMES = range(200)


@pytest.fixture(scope="module")
def moments() -> list:
    performance = Performance(FaceParams(yaw=6.0, smile=0.1), seed=107)
    return [performance.at(frame) for frame in FRAMES]


def test_when_a_frame_is_asked_for_again_then_it_is_the_same(moments: list) -> None:
    again = Performance(FaceParams(yaw=6.0, smile=0.1), seed=107)
    assert [again.at(frame) for frame in reversed(FRAMES)][::-1] == moments


def test_when_the_seed_changes_then_so_does_the_performance(moments: list) -> None:
    assert Performance(FaceParams(yaw=6.0, smile=0.1), seed=108).at(5) != moments[5]


@pytest.mark.parametrize("channel", [*SWINGS, *EXPRESSIONS])
def test_when_frames_follow_each_other_then_no_channel_jumps(moments: list, channel: str) -> None:
    values = np.array([getattr(moment.params, channel) for moment in moments])
    largest = SWINGS.get(channel) or 0.5 * EXPRESSIONS[channel]
    assert np.abs(np.diff(values)).max() < 0.12 * largest
    assert np.ptp(values) > 0.3 * largest, "nothing moves"


def test_when_frames_follow_each_other_then_actor_and_camera_glide(moments: list) -> None:
    for name in ("offset", "pan"):
        values = np.array([getattr(moment, name) for moment in moments])
        assert np.abs(np.diff(values, axis=0)).max() < 0.12 * np.abs(values).max()
    assert max(abs(moment.zoom - 1.0) for moment in moments) <= 0.0121


def test_when_time_is_halved_then_the_middle_lies_between(moments: list) -> None:
    middle = Performance(FaceParams(yaw=6.0, smile=0.1), seed=107).at(30.5).params.yaw
    ends = sorted((moments[30].params.yaw, moments[31].params.yaw))
    assert ends[0] - 0.01 < middle < ends[1] + 0.01


def test_when_a_face_stands_at_the_end_of_its_ranges_then_it_stays_inside() -> None:
    extreme = {
        a.name: a.high for a in ATTRIBUTES if a.name not in ("sunglasses", "stubble", "brow_down", "recede")
    }
    base = FaceParams(**extreme)
    for seed in range(20):
        for frame in range(0, 300, 7):
            check(Performance(base, seed).at(frame).params)  # FaceParams itself refuses what is out of range


def test_when_lids_fall_then_they_shut_and_rise_within_eight_frames() -> None:
    values = np.array([blink(5, frame / 4) for frame in range(4 * 600)])
    assert values.max() > 0.99
    shut = np.flatnonzero(values > 0)
    runs = np.split(shut, np.flatnonzero(np.diff(shut) > 1) + 1)
    assert 3 <= len(runs) <= 600 / BLINK_EVERY + 1
    assert max(len(run) for run in runs) / 4 <= 8.25


def test_when_seeds_differ_then_waves_fill_their_range_without_leaving_it() -> None:
    values = np.array([wave(seed, "yaw", frame) for seed in range(30) for frame in range(0, 200, 20)])
    assert np.abs(values).max() <= 1.0
    assert values.min() < -0.6 < 0.6 < values.max()


def test_when_only_movement_happens_then_the_rest_of_the_face_is_kept(moments: list) -> None:
    moving = {*SWINGS, *EXPRESSIONS, "eyes_closed", "key_strength"}
    for name in set(RANGES) - moving:
        assert {getattr(moment.params, name) for moment in moments} == {getattr(FaceParams(), name)}
