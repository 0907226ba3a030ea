"""Edit masks: soft, within [0, 1], and zero where a seam could show."""

from __future__ import annotations

import numpy as np
import pytest
from lineament.core.faces.base import border_window
from lineament.core.faces.mask import edit_mask, landmark_matte

LANDMARKS = np.array([(40, 24), (24, 24), (32, 32), (38, 42), (26, 42), (32, 54)], np.float64)


@pytest.mark.parametrize("resolution", [8, 64, 256])
def test_when_matte_fills_the_crop_then_the_border_is_exactly_zero_and_the_middle_one(
    resolution: int,
) -> None:
    mask = edit_mask(np.ones((1, resolution, resolution), np.float32))
    edge = np.concatenate([mask[0, 0], mask[0, -1], mask[0, :, 0], mask[0, :, -1]])
    assert (edge == 0).all()
    assert mask[0, resolution // 2, resolution // 2] == pytest.approx(1.0, abs=1e-5)


def test_when_matte_has_a_hard_edge_then_the_mask_has_no_step() -> None:
    matte = np.zeros((1, 64, 64), np.float32)
    matte[0, :, 20:44] = 1.0
    mask = edit_mask(matte)
    assert np.abs(np.diff(mask[0, 32])).max() < 0.5
    assert np.abs(np.diff(mask, axis=1)).max() < 0.25
    assert mask.min() >= 0
    assert mask.max() <= 1


def test_when_matte_is_empty_then_so_is_the_mask() -> None:
    assert edit_mask(np.zeros((1, 32, 32), np.float32)).max() == 0.0


def test_when_matte_is_broken_then_the_mask_stays_within_bounds() -> None:
    matte = np.full((1, 32, 32), 0.5, np.float32)
    matte[0, 10, 10], matte[0, 11, 11], matte[0, 12, 12] = np.nan, np.inf, -4.0
    mask = edit_mask(matte)
    assert np.isfinite(mask).all()
    assert mask.min() >= 0
    assert mask.max() <= 1


def test_when_mask_is_made_then_the_matte_is_left_alone() -> None:
    matte = np.ones((1, 16, 16), np.float32)
    edit_mask(matte)
    assert (matte == 1).all()


def test_when_border_falls_then_it_never_rises() -> None:
    row = border_window(64)[32]
    assert (np.diff(row[:32]) >= 0).all()
    assert row[0] == 0
    np.testing.assert_array_equal(row, row[::-1])


def test_when_only_landmarks_are_known_then_the_matte_holds_them_and_leaves_the_corners() -> None:
    matte = landmark_matte(LANDMARKS, 64)
    x, y = LANDMARKS.astype(int).T
    assert matte.shape == (1, 64, 64)
    assert (matte[0, y, x] > 0.5).all()
    assert max(matte[0, 0, 0], matte[0, -1, 0], matte[0, 0, -1], matte[0, -1, -1]) < 0.01


def test_when_head_is_in_profile_then_the_ellipse_widens_to_hold_the_nose() -> None:
    profile = LANDMARKS.copy()
    profile[2] = (8, 34)
    assert landmark_matte(profile, 64)[0, 34, 8] > 0.5


def test_when_landmarks_fall_together_then_the_matte_is_finite() -> None:
    assert np.isfinite(landmark_matte(np.full((6, 2), 5.0), 16)).all()
