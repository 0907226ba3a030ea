"""Figures over time: identity, flicker and seams say what they should of cases whose answer is known."""

from __future__ import annotations

import numpy as np
import pytest
from lineament.core.shots.temporal_metrics import identity_over_time, mean_flicker, seam, steadiness, stops


def test_when_the_output_is_the_plate_then_identity_over_time_is_one() -> None:
    plates = np.random.default_rng(0).normal(size=(5, 8)) + 2.0
    found = identity_over_time(plates, plates)
    assert found.tl_id == found.tg_id == pytest.approx(1.0)
    assert found.local == pytest.approx(found.plate_local) and found.local.shape == (4,)


def test_when_the_edit_takes_variety_out_then_the_ratio_stops_at_one_but_the_cosines_tell() -> None:
    plates = np.random.default_rng(0).normal(size=(5, 8)) + 2.0
    found = identity_over_time(plates, np.ones((5, 8)))
    assert found.tl_id == found.tg_id == 1.0
    assert found.overall == pytest.approx(1.0)
    assert found.plate_overall < 0.95


def test_when_the_identity_drifts_then_all_pairs_tell_more_than_neighbours() -> None:
    angle = np.linspace(0.0, 1.2, 20)
    drifting = np.stack([np.cos(angle), np.sin(angle)], axis=1)
    found = identity_over_time(np.tile([1.0, 0.0], (20, 1)), drifting)
    assert found.tl_id > 0.99 > 0.95 > found.tg_id
    assert np.isnan(identity_over_time(drifting[:1], drifting[:1]).tg_id)


def textured(seed: int = 0) -> np.ndarray:
    return (0.2 + 0.1 * np.random.default_rng(seed).random((48, 64, 3))).astype(np.float32)


def test_when_an_edit_is_steady_then_the_output_flickers_like_the_plate_and_else_more() -> None:
    gain = np.ones((48, 64, 1), np.float32)
    gain[10:40, 10:50] = 1.5
    plates = [textured() + 0.002 * textured(n) for n in range(4)]
    steady = steadiness((n, plate, plate * gain) for n, plate in enumerate(plates))
    assert [frame.number for frame in steady] == [0, 1, 2, 3] and np.isnan(steady[0].flicker)
    assert mean_flicker(steady) == pytest.approx(1.0, abs=0.1)
    popping = steadiness((n, plate, plate * (gain if n % 2 else gain**1.2)) for n, plate in enumerate(plates))
    assert mean_flicker(popping) > 2.0
    assert np.nanmean([frame.jitter for frame in popping]) > 5 * np.nanmean([f.jitter for f in steady])


def test_when_nothing_was_edited_then_there_is_no_figure() -> None:
    frames = steadiness((n, textured(), textured()) for n in range(3))
    assert np.isnan(mean_flicker(frames))


def test_when_a_mask_ends_hard_then_the_seam_is_steep_and_when_it_is_feathered_it_is_not() -> None:
    plate = stops(textured())
    x = np.arange(64)[None, :, None]
    hard = plate + 0.5 * (x < 32)
    soft = plate + 0.5 * np.clip((48 - x) / 32.0, 0.0, 1.0)
    steep, gentle = (seam(plate, np.asarray(one, np.float32)) for one in (hard, soft))
    assert steep.step > 8 * gentle.step and steep.inside == pytest.approx(0.0)
    assert steep.plate > 0.0


def test_when_light_is_not_finite_or_black_then_stops_are_finite() -> None:
    nasty = np.array([[[np.nan, -1.0, 0.0], [np.inf, 2.0**-20, 1.0]]], np.float32)
    assert np.isfinite(stops(nasty)).all() and stops(nasty).min() == -10.0
