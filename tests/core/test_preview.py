"""Pictures for people: right tones, honest differences, sheets that hold every tile."""

from __future__ import annotations

import numpy as np
import pytest
from lineament.core.preview import Tile, difference, from_unit, sheet, to_display


def grey(value: int, height: int = 20, width: int = 30) -> np.ndarray:
    return np.full((height, width, 3), value, dtype=np.uint8)


def test_when_light_is_shown_then_it_has_srgb_tones() -> None:
    light = np.array([[[0.0, 0.18, 1.0], [-1.0, 50.0, np.nan]]], dtype=np.float32)
    assert to_display(light).tolist() == [[[0, 118, 255], [0, 255, 0]]]


def test_when_exposure_is_raised_then_the_picture_is_brighter() -> None:
    light = np.full((2, 2, 3), 0.09, dtype=np.float32)
    np.testing.assert_array_equal(to_display(light, 2.0), to_display(light * 2))


def test_when_a_mask_is_shown_then_it_is_grey() -> None:
    assert from_unit(np.array([[0.0, 0.5, 1.0]])).tolist() == [[[0] * 3, [128] * 3, [255] * 3]]


def test_when_pictures_differ_then_the_difference_is_signed_around_grey() -> None:
    before, after = grey(100), grey(100)
    after[0, 0], after[0, 1], after[0, 2] = 110, 95, 255
    found = difference(before, after)
    assert [int(found[0, x, 0]) for x in range(4)] == [168, 108, 255, 128]


def test_when_a_sheet_is_laid_out_then_columns_line_up_and_nothing_overlaps() -> None:
    colours = [(200, 0, 0), (0, 200, 0), (0, 0, 200), (200, 200, 0)]  # no grey: letters have every grey
    first, second, third, fourth = (grey(0) + np.uint8(colour) for colour in colours)
    wide = np.concatenate([second, second], axis=1)
    image = np.asarray(
        sheet([[Tile(first, "before"), Tile(wide, "after")], [Tile(third, "mask"), Tile(fourth)]])
    )
    corners = []
    for colour, width in zip(colours, (30, 60, 30, 30), strict=True):
        ys, xs = np.nonzero((image == colour).all(axis=-1))
        assert len(xs) == 20 * width == (np.ptp(ys) + 1) * (np.ptp(xs) + 1)
        corners.append((int(xs.min()), int(ys.min())))
    (left, top), (right, _), (_, bottom), _ = corners
    assert corners == [(left, top), (right, top), (left, bottom), (right, bottom)]


def test_when_tiles_are_scaled_then_they_keep_their_shape() -> None:
    image = np.asarray(sheet([[Tile(grey(200, 20, 30))]], tile_height_px=60))
    assert int((image == 200).all(axis=-1).sum()) == 60 * 90


def test_when_a_label_is_long_then_it_stays_in_its_column() -> None:
    image = np.asarray(sheet([[Tile(grey(0), "a label much too long for thirty pixels"), Tile(grey(0))]]))
    label_rows = image[28:]
    assert (label_rows[:, 38:] == image[0, 0]).all() and (label_rows[:, :36] > 150).any()


def test_when_there_are_no_tiles_then_the_caller_is_told() -> None:
    with pytest.raises(ValueError, match="at least one tile"):
        sheet([[]])
