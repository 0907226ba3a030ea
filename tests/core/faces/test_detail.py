"""Fine detail: it goes where the flow says, contours under what is drawn go, grain and everything at rest stay."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from lineament.core.faces.detail import FACTORS, fine_size, with_detail

COARSE, FINE = 64, 256


def zeros(channels: int = 3) -> np.ndarray:
    return np.zeros((channels, COARSE, COARSE), np.float32)


@pytest.fixture
def face() -> np.ndarray:
    """A smooth face with lines of two fine pixels, two apart: half of every coarse pixel."""
    y, x = np.mgrid[0:FINE, 0:FINE] / FINE
    smooth = np.stack([0.2 * np.sin(3 * x), 0.2 * np.cos(2 * y), 0.1 * x * y])
    lines = 0.3 * ((np.arange(FINE) % 4) < 2)
    return (smooth + lines).astype(np.float32)


def fine_of(picture: np.ndarray) -> np.ndarray:
    """What a picture holds beyond the coarse resolution, away from its border."""
    small = cv2.resize(picture.transpose(1, 2, 0), (COARSE, COARSE), interpolation=cv2.INTER_AREA)
    large = cv2.resize(small, (FINE, FINE), interpolation=cv2.INTER_CUBIC).transpose(2, 0, 1)
    return (picture - large)[:, 32:-32, 32:-32]


def test_when_nothing_moves_and_nothing_is_drawn_then_all_detail_stays_bit_for_bit(face) -> None:
    assert (with_detail(face, zeros(), zeros(2), zeros()) == 0.0).all()


def test_when_the_face_has_the_refiners_size_then_the_change_is_handed_on(face) -> None:
    change = np.random.default_rng(1).normal(size=(3, FINE, FINE)).astype(np.float32)
    assert with_detail(face, change, np.zeros((2, FINE, FINE), np.float32), change) is change


def test_when_the_whole_face_moves_then_its_detail_arrives_where_the_face_does(face) -> None:
    flow = zeros(2)
    flow[0] = 2.0 * 2.0 / FINE  # taken from two fine pixels to the right: half a period of the lines
    moved = face + with_detail(face, zeros(), flow, zeros())
    expected = fine_of(np.roll(face, -2, axis=2))
    assert np.abs(expected).max() > 0.1
    assert np.abs(fine_of(moved) - expected).max() < 0.02
    assert np.abs(fine_of(moved) - fine_of(face)).max() > 0.2  # and is no longer where it was


def test_when_the_face_moves_by_a_fraction_of_a_pixel_then_detail_and_grain_stay(face) -> None:
    flow = np.full((2, COARSE, COARSE), 0.2 / FINE, np.float32)
    assert (with_detail(face, zeros(), flow, zeros()) == 0.0).all()


def test_when_the_same_face_is_seen_twice_as_fine_then_its_detail_moves_alike(face) -> None:
    """The plate is the same: only the pixels that it is seen with are smaller, as when a face crosses a size."""
    finer = cv2.resize(face.transpose(1, 2, 0), (2 * FINE, 2 * FINE), interpolation=cv2.INTER_CUBIC)
    finer = np.ascontiguousarray(finer.transpose(2, 0, 1))
    for pixels in (0.1, 0.4, 0.6, 3.0):
        flow = zeros(2)
        flow[0] = pixels * 2.0 / FINE
        one = with_detail(face, zeros(), flow, zeros())
        other = with_detail(finer, zeros(), flow, zeros(), 0.5)
        small = cv2.resize(other.transpose(1, 2, 0), (FINE, FINE), interpolation=cv2.INTER_AREA)
        apart = np.abs(small.transpose(2, 0, 1) - one)[:, 8:-8, 8:-8]
        assert apart.mean() < 0.15 * np.abs(one).mean() + 1e-7


def test_when_a_contour_is_drawn_over_then_it_goes_and_grain_stays() -> None:
    grain = 0.02 * np.random.default_rng(3).normal(size=(3, FINE, FINE)).astype(np.float32)
    contour = np.zeros_like(grain)
    contour[:, 100:156, 127:129] = 0.8
    drawn = zeros()
    drawn[:, 24:40, 24:40] = -0.6
    after = contour + grain + with_detail(contour + grain, zeros(), zeros(2), drawn)
    place = (slice(None), slice(112, 144), slice(112, 144))
    line = (slice(None), slice(112, 144), slice(127, 129))
    before_peak, after_peak = (np.abs(p[line] - p[place].mean()).mean() for p in (contour, after))
    assert after_peak < 0.55 * before_peak
    beside = (slice(None), slice(112, 144), slice(132, 144))
    assert 0.9 < after[beside].std() / grain[beside].std() < 1.1
    far = (slice(None), slice(0, 48), slice(0, 48))
    assert (after[far] == (contour + grain)[far]).all()


def test_when_the_whole_skin_changes_colour_then_no_detail_is_lost(face) -> None:
    darker = np.full((3, COARSE, COARSE), -0.5, np.float32)
    change = with_detail(face, darker, zeros(2), darker)
    assert np.abs(change + 0.5).max() < 1e-5


def test_when_the_change_is_coarse_then_its_size_and_place_are_kept(face) -> None:
    change = zeros()
    change[:, 25, 39] = 60.0
    change = np.stack([cv2.GaussianBlur(plane, (0, 0), 3.0) for plane in change])
    large = with_detail(face, change, zeros(2), zeros())
    assert large.dtype == np.float32 and large.shape == face.shape
    again = cv2.resize(large.transpose(1, 2, 0), (COARSE, COARSE), interpolation=cv2.INTER_AREA)
    assert np.abs(again.transpose(2, 0, 1) - change).max() < 0.02
    assert np.abs(again.mean((0, 1)) - change.mean((1, 2))).max() < 1e-3


def test_when_the_face_is_all_grey_then_nothing_is_not_a_number() -> None:
    grey = np.zeros((3, FINE, FINE), np.float32)
    flow = np.full((2, COARSE, COARSE), 0.3, np.float32)
    assert (with_detail(grey, zeros(), flow, np.ones_like(zeros())) == 0.0).all()


@pytest.mark.parametrize(
    ("plate_px", "size"),
    [(20, 64), (64, 64), (65, 96), (128, 128), (129, 192), (300, 384), (512, 512), (9000, 64 * FACTORS[-1])],
)
def test_when_the_plate_holds_more_then_the_face_is_seen_larger(plate_px: int, size: int) -> None:
    turn = np.array([[0.6, -0.8, 5.0], [0.8, 0.6, 7.0], [0.0, 0.0, 1.0]])
    matrix = turn @ np.diag([plate_px / 32.0, plate_px / 32.0, 1.0])
    assert fine_size(matrix, 32, COARSE) == size
