"""Steady crops: gaps bridged, trembling taken out, and motion left alone."""

from __future__ import annotations

import numpy as np
import pytest
from lineament.core.faces.align import square_from_landmarks
from lineament.core.shots.smoothing import (
    MEASURE,
    bridged,
    poses,
    runs,
    smoothed,
    square_of,
    steady_landmarks,
)

FACE = np.array([(62, 42), (38, 42), (50, 56), (60, 70), (40, 70), (50, 86)], np.float64)


def test_when_a_face_is_unseen_for_a_while_then_the_run_goes_on_and_beyond_it_parts() -> None:
    numbers = list(range(1, 41))
    is_seen = np.array([n <= 5 or 8 <= n <= 10 or n >= 38 for n in numbers])
    found = runs(numbers, is_seen, max_gap=5)
    assert [(run.numbers[0], run.numbers[-1]) for run in found] == [(1, 10), (38, 40)]
    assert runs(numbers, np.zeros(40, bool)) == ()


def test_when_a_gap_is_bridged_then_it_lies_on_the_line_by_frame_number() -> None:
    values = np.array([[0.0], [9.0], [9.0], [10.0]])
    found = bridged(values, [1, 2, 6, 11], np.array([True, False, False, True]))
    assert found[:, 0].tolist() == pytest.approx([0.0, 1.0, 5.0, 10.0])


@pytest.mark.parametrize("numbers", [range(1, 31), [*range(1, 11), *range(15, 31)]])
def test_when_a_face_moves_steadily_then_smoothing_leaves_it_alone_up_to_the_ends(numbers) -> None:
    line = np.array([[2.0 * n - 7.0] for n in numbers])
    assert smoothed(line, list(numbers), 3.0) == pytest.approx(line, abs=1e-9)


def test_when_one_frame_jumps_then_it_is_spread_as_a_gaussian_of_that_width() -> None:
    values = np.zeros((61, 1))
    values[30] = 1.0
    found = smoothed(values, list(range(61)), 2.0)[:, 0]
    offset = np.arange(61) - 30
    expected = np.exp(-(offset**2) / 8.0) / (2.0 * np.sqrt(2 * np.pi))
    assert found == pytest.approx(expected, abs=2e-3)
    assert smoothed(values, list(range(61)), 0.0) == pytest.approx(values)


def test_when_landmarks_tremble_then_the_square_trembles_much_less_and_stays_in_place() -> None:
    random = np.random.default_rng(0)
    truth = np.stack([FACE * (1 + 0.004 * n) + np.array([3.0 * n, 0.5 * n]) for n in range(40)])
    seen = truth + random.normal(0, 1.0, truth.shape)
    steady = steady_landmarks(seen, list(range(40)), centre=3.0, scale=3.0)

    def pose(landmarks):
        return poses(np.stack([square_from_landmarks(one, MEASURE) for one in landmarks]))

    shaking = [np.diff(pose(one), 2, axis=0).std(axis=0) for one in (steady, seen)]
    assert (shaking[0] < 0.15 * shaking[1]).all()
    off = [np.abs(pose(one) - pose(truth))[:, :2].max() for one in (steady, seen)]
    assert off[0] < min(0.6, 0.5 * off[1])


def test_when_pixels_are_not_square_then_the_steady_face_is_the_same_face() -> None:
    seen = np.stack([FACE + np.array([n, 0.0]) for n in range(12)])
    square = steady_landmarks(seen, list(range(12)), centre=2.0, scale=2.0)
    wide = steady_landmarks(seen / (2.0, 1.0), list(range(12)), centre=2.0, scale=2.0, pixel_aspect=2.0)
    assert wide * (2.0, 1.0) == pytest.approx(square)


def test_when_a_pose_becomes_a_square_again_then_nothing_is_lost() -> None:
    square = square_from_landmarks(FACE + np.array([7.0, 3.0]), MEASURE)
    assert square_of(poses(square[None])[0]) == pytest.approx(square)
