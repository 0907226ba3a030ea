"""Steadiness: motion is no flicker, flicker is, and an edit that sticks to the face does not jitter."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from lineament.core.flicker import edit_jitter, flicker_ratio, motion, unsteadiness, warped

SIZE = 96


def texture(seed: int = 3) -> np.ndarray:
    """A large smooth picture (2 SIZE, 2 SIZE, 3) in stops with details to follow."""
    noise = np.random.default_rng(seed).standard_normal((2 * SIZE, 2 * SIZE, 3)).astype(np.float32)
    return cv2.GaussianBlur(noise, (0, 0), 3.0) * 12.0


def window(picture: np.ndarray, dx: float, dy: float) -> np.ndarray:
    """SIZE x SIZE pixels of a picture, moved by a part of a pixel."""
    move = np.float32([[1, 0, 40 + dx], [0, 1, 40 + dy]])
    return cv2.warpAffine(picture, move, (SIZE, SIZE), flags=cv2.INTER_CUBIC | cv2.WARP_INVERSE_MAP)


@pytest.fixture(scope="module")
def pair() -> tuple[np.ndarray, np.ndarray]:
    whole = texture()
    return window(whole, 0.0, 0.0), window(whole, -2.5, 1.25)


def test_when_a_picture_moves_then_the_motion_is_found(pair: tuple[np.ndarray, np.ndarray]) -> None:
    move = motion(*pair)
    assert move.is_sure.mean() > 0.8
    inner = move.flow[12:-12, 12:-12]
    assert np.median(inner[..., 0]) == pytest.approx(-2.5, abs=0.1)
    assert np.median(inner[..., 1]) == pytest.approx(1.25, abs=0.1)


def test_when_only_motion_happens_then_little_is_left(pair: tuple[np.ndarray, np.ndarray]) -> None:
    before, after = pair
    raw = float(np.sqrt(np.mean((after - before) ** 2)))
    assert unsteadiness(before, after, motion(before, after)) < 0.12 * raw


def test_when_an_edit_sticks_to_the_face_then_it_neither_flickers_nor_jitters(
    pair: tuple[np.ndarray, np.ndarray],
) -> None:
    step = texture(9)
    outputs = (pair[0] + window(step, 0.0, 0.0), pair[1] + window(step, -2.5, 1.25))
    move = motion(*pair)
    assert edit_jitter(pair, outputs, move) < 0.15


def test_when_an_edit_is_new_on_every_frame_then_it_jitters(pair: tuple[np.ndarray, np.ndarray]) -> None:
    outputs = (pair[0] + window(texture(9), 0, 0), pair[1] + window(texture(10), 0, 0))
    move = motion(*pair)
    assert edit_jitter(pair, outputs, move) > 1.0
    assert flicker_ratio(pair, outputs, move) > 3.0


def test_when_plate_and_output_are_one_then_the_ratio_is_one_and_there_is_no_jitter(
    pair: tuple[np.ndarray, np.ndarray],
) -> None:
    move = motion(*pair)
    assert flicker_ratio(pair, pair, move) == 1.0
    assert np.isnan(edit_jitter(pair, pair, move))


def test_when_no_pixel_may_be_looked_at_then_there_is_no_figure(pair: tuple[np.ndarray, np.ndarray]) -> None:
    nowhere = np.zeros((SIZE, SIZE), bool)
    assert np.isnan(unsteadiness(*pair, motion(*pair), nowhere))


def test_when_something_appears_then_its_pixels_are_not_sure(pair: tuple[np.ndarray, np.ndarray]) -> None:
    before, after = pair
    covered = after.copy()
    covered[30:60, 30:60] = texture(21)[:30, :30] * 2.0
    move = motion(before, covered)
    assert move.is_sure[30:60, 30:60].mean() < 0.5 < move.is_sure[65:85, 65:85].mean()


def test_when_a_plate_holds_nan_then_motion_is_found_all_the_same(
    pair: tuple[np.ndarray, np.ndarray],
) -> None:
    before = pair[0].copy()
    before[5, 5] = np.nan
    assert np.isfinite(motion(before, pair[1]).flow).all()


def test_when_pictures_are_tiny_then_there_is_still_a_motion() -> None:
    small = np.zeros((9, 11, 3), np.float32)
    assert motion(small, small).flow.shape == (9, 11, 2)
    assert (warped(small, motion(small, small)) == 0).all()


def test_when_sizes_differ_then_the_message_says_so(pair: tuple[np.ndarray, np.ndarray]) -> None:
    with pytest.raises(ValueError, match="after has shape"):
        motion(pair[0], pair[1][:50])
