"""Scores of edited frames against their truth: what a do-nothing edit gets, what a perfect one gets, and leaks."""

from __future__ import annotations

import numpy as np
import pytest
from lineament.core.score import changed, cosines, edit_gain, grown, outside_share


@pytest.fixture
def plate() -> np.ndarray:
    return np.random.default_rng(1).uniform(0.1, 0.8, (24, 30, 3)).astype(np.float32)


def brighter(picture: np.ndarray, rows: slice, columns: slice, gain: float = 1.5) -> np.ndarray:
    """A copy with a rectangle multiplied."""
    out = picture.copy()
    out[rows, columns] *= np.float32(gain)
    return out


def test_when_nothing_is_done_then_the_gain_is_zero_and_the_truth_gets_one(plate: np.ndarray) -> None:
    truth = brighter(plate, slice(4, 12), slice(5, 15))
    assert edit_gain(plate, plate, truth) == 0.0
    assert edit_gain(plate, truth, truth) == 1.0


def test_when_the_region_grows_over_equal_pixels_then_the_gain_stays(plate: np.ndarray) -> None:
    truth = brighter(plate, slice(4, 12), slice(5, 15))
    output = brighter(plate, slice(4, 12), slice(5, 15), 1.2)
    everywhere = np.ones(plate.shape[:2], bool)
    assert edit_gain(plate, output, truth, everywhere) == pytest.approx(
        edit_gain(plate, output, truth), abs=1e-6
    )


def test_when_all_change_is_in_place_then_nothing_lies_outside(plate: np.ndarray) -> None:
    truth = brighter(plate, slice(4, 12), slice(5, 15))
    output = brighter(plate, slice(6, 10), slice(6, 12), 2.0)
    assert outside_share(plate, output, truth) == 0.0


def test_when_half_of_an_even_change_is_elsewhere_then_half_is_outside() -> None:
    plate = np.full((20, 40, 3), 0.5, np.float32)
    truth = brighter(plate, slice(0, 10), slice(0, 10))
    output = brighter(brighter(plate, slice(0, 10), slice(0, 10)), slice(0, 10), slice(30, 40))
    assert outside_share(plate, output, truth) == pytest.approx(0.5)


def test_when_an_edge_is_off_by_a_pixel_then_the_margin_forgives_it() -> None:
    plate = np.full((20, 20, 3), 0.5, np.float32)
    truth = brighter(plate, slice(5, 10), slice(5, 10))
    output = brighter(plate, slice(4, 11), slice(4, 11))
    assert outside_share(plate, output, truth) > 0.3
    assert outside_share(plate, output, truth, margin_px=1) == 0.0


def test_when_the_output_is_the_plate_then_there_is_no_share(plate: np.ndarray) -> None:
    assert np.isnan(outside_share(plate, plate, brighter(plate, slice(0, 5), slice(0, 5))))


def test_when_a_region_grows_then_it_is_a_square_around_each_pixel_cut_at_the_border() -> None:
    region = np.zeros((7, 9), bool)
    region[0, 4] = True
    wanted = np.zeros_like(region)
    wanted[0:3, 2:7] = True
    assert (grown(region, 2) == wanted).all()
    assert grown(region, 0) is region


def test_when_sizes_differ_then_the_message_names_them(plate: np.ndarray) -> None:
    with pytest.raises(ValueError, match="truth has shape"):
        outside_share(plate, plate, plate[:5])


def test_when_rows_are_compared_then_length_does_not_matter_and_zero_has_no_angle() -> None:
    first = np.array([[1.0, 0.0], [2.0, 2.0], [0.0, 0.0]])
    second = np.array([[5.0, 0.0], [-3.0, -3.0], [1.0, 0.0]])
    found = cosines(first, second)
    assert found[:2] == pytest.approx([1.0, -1.0])
    assert np.isnan(found[2])


def test_when_light_changes_by_less_than_the_threshold_then_it_is_no_change(plate: np.ndarray) -> None:
    assert not changed(plate, plate * np.float32(1.005)).any()
    assert changed(plate, plate * np.float32(1.1)).all()
