"""Figures of a rendered frame, on pictures whose flicker, seam and size of edit are known."""

from __future__ import annotations

import numpy as np
import pytest
from lineament.core.shots.quality import FrameQuality, QualityMeter, SeenFrame
from lineament.core.shots.temporal_metrics import steadiness

HEIGHT, WIDTH = 96, 128
CENTRE, RADIUS = (48.0, 60.0), 24.0


@pytest.fixture(scope="module")
def texture() -> np.ndarray:
    """Smooth light (H, W + 40, 3) that motion can be followed in."""
    import cv2

    noise = np.random.default_rng(3).random((HEIGHT, WIDTH + 40, 3)).astype(np.float32)
    return (0.05 + 1.5 * cv2.GaussianBlur(noise, (0, 0), 2.0)).astype(np.float32)


def plate_at(texture: np.ndarray, index: int) -> np.ndarray:
    """The camera pans one pixel a frame, and every frame has grain of its own."""
    grain = np.random.default_rng(100 + index).normal(1.0, 0.01, (HEIGHT, WIDTH, 3))
    return (texture[:, index : index + WIDTH] * grain).astype(np.float32)


def disc(softness: float, index: int = 0) -> np.ndarray:
    """A mask that is 1 in the disc and falls to 0 over so many pixels; it sticks to the texture."""
    y, x = np.mgrid[0:HEIGHT, 0:WIDTH]
    distance = np.hypot(y - CENTRE[0], x + index - CENTRE[1])
    return np.clip((RADIUS - distance) / max(softness, 1e-6), 0.0, 1.0).astype(np.float32)


def seen(number: int, plate: np.ndarray, stops: float, mask: np.ndarray) -> SeenFrame:
    """The plate brightened by so many stops where the mask is."""
    return SeenFrame(
        number, plate, (plate * 2.0 ** (stops * mask[..., None])).astype(np.float32), mask, mask > 0
    )


def measured(texture: np.ndarray, stops: list[float], softness: float) -> list[FrameQuality]:
    meter = QualityMeter()
    return [
        meter.measure(seen(1001 + index, plate_at(texture, index), value, disc(softness, index)))
        for index, value in enumerate(stops)
    ]


def test_when_an_edit_is_steady_then_it_flickers_as_its_plate_does(texture: np.ndarray) -> None:
    found = measured(texture, [0.5] * 5, 10.0)
    assert np.isnan(found[0].flicker)
    for one in found[1:]:
        assert one.flicker == pytest.approx(1.0, abs=0.05)
        assert one.plate_unsteadiness == pytest.approx(0.02, abs=0.01)  # grain of 1 %, in two frames


def test_when_the_picture_is_large_then_looking_around_the_edit_is_as_good_as_looking_at_all(
    texture: np.ndarray,
) -> None:
    wide = np.tile(texture, (4, 4, 1))
    grain = np.random.default_rng(9).normal(1.0, 0.02, (2, wide.shape[0], 640, 3))
    plates = [(wide[:, index : index + 640] * grain[index]).astype(np.float32) for index in (0, 1)]
    mask = np.zeros(plates[0].shape[:2], np.float32)
    mask[150 : 150 + HEIGHT, 300 : 300 + WIDTH] = disc(10.0)
    frames = [seen(1001 + index, plate, 0.5, mask) for index, plate in enumerate(plates)]
    meter = QualityMeter()
    found = [meter.measure(frame) for frame in frames][-1]
    whole = steadiness((one.number, one.plate, one.output) for one in frames)[-1]
    assert found.flicker == pytest.approx(whole.flicker, rel=0.05)
    assert found.seam.step == pytest.approx(whole.seam.step, rel=0.2)


def test_when_one_frame_is_brighter_then_it_flickers_by_that(texture: np.ndarray) -> None:
    found = measured(texture, [0.5, 0.5, 0.8, 0.8], 1e-6)
    assert found[2].output_unsteadiness == pytest.approx(0.3, abs=0.02)
    assert found[2].flicker > 5.0
    assert found[3].flicker == pytest.approx(1.0, abs=0.05)


def test_when_an_edit_vanishes_on_a_frame_then_that_frame_flickers(texture: np.ndarray) -> None:
    meter, nowhere = QualityMeter(), np.zeros((HEIGHT, WIDTH), np.float32)
    meter.measure(seen(1001, plate_at(texture, 0), 0.5, disc(10.0)))
    gone = meter.measure(seen(1002, plate_at(texture, 1), 0.5, nowhere))
    assert gone.mask_px == 0.0 and gone.edit_max == 0.0
    assert gone.flicker > 3.0


def test_when_a_frame_is_missing_then_its_neighbours_are_not_compared(texture: np.ndarray) -> None:
    meter = QualityMeter()
    meter.measure(seen(1001, plate_at(texture, 0), 0.5, disc(10.0)))
    meter.skip()
    after = meter.measure(seen(1003, plate_at(texture, 2), 0.5, disc(10.0)))
    assert np.isnan(after.flicker) and np.isnan(after.flicker_above_still)


def test_when_the_plate_stands_still_then_an_edit_that_moves_is_still_found() -> None:
    plate = np.full((HEIGHT, WIDTH, 3), 0.18, np.float32)
    meter, mask = QualityMeter(), disc(1e-6)
    meter.measure(seen(1001, plate, 0.5, mask))
    moved = meter.measure(seen(1002, plate, 0.6, mask))
    assert np.isnan(moved.flicker)  # nothing to compare with
    assert moved.output_unsteadiness == pytest.approx(0.1, abs=0.01)
    assert moved.flicker_above_still > 10.0


def test_when_the_mask_ends_abruptly_then_its_seam_is_steeper_than_all_around(texture: np.ndarray) -> None:
    soft, hard = (measured(texture, [0.5], width)[0] for width in (16.0, 1e-6))
    flat = np.full((HEIGHT, WIDTH, 3), 0.18, np.float32)
    on_flat = QualityMeter().measure(seen(1001, flat, 0.5, disc(1e-6)))
    assert hard.seam.step > 4.0 * soft.seam.step
    assert soft.seam_ratio < 1.0
    assert on_flat.seam.plate == 0.0 and on_flat.seam_ratio > 10.0


def test_when_an_edit_is_measured_then_its_size_and_place_are_told(texture: np.ndarray) -> None:
    mask = disc(1e-6)
    one = measured(texture, [0.5], 1e-6)[0]
    assert one.edit_mean == pytest.approx(0.5, abs=1e-3) and one.edit_max == pytest.approx(0.5, abs=1e-3)
    assert one.mask_px == mask.sum()
    assert one.mask_share == pytest.approx(mask.mean())
    assert (one.outside_px, one.non_finite, one.plate_non_finite) == (0, 0, 0)


def test_when_pixels_change_outside_or_break_then_they_are_counted(texture: np.ndarray) -> None:
    frame = seen(1001, plate_at(texture, 0), 0.5, disc(10.0))
    frame.plate[0, 0] = frame.output[0, 0] = np.nan  # the plate's own: neither changed nor fresh
    frame.output[2, 3:10] *= 1.5
    frame.output[48, 60, 1] = np.inf
    one = QualityMeter().measure(frame)
    assert (one.outside_px, one.non_finite, one.plate_non_finite) == (7, 2, 1)


def test_when_pictures_differ_in_size_then_they_are_refused() -> None:
    small, large = np.zeros((4, 4, 3), np.float32), np.zeros((4, 5, 3), np.float32)
    with pytest.raises(ValueError, match="output"):
        SeenFrame(1, small, large, small[..., 0], small[..., 0] > 0)
