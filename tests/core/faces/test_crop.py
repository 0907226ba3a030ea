"""Crops and their way back: no shift, no aliasing, no seam, whatever lies outside."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from lineament.core.faces.align import square_from_landmarks, transform_points
from lineament.core.faces.base import Alignment
from lineament.core.faces.crop import crop_plate, enlarge, warp_to_plate


def similarity(side: float, resolution: int, centre: tuple[float, float], degrees: float = 0.0) -> np.ndarray:
    """plate_from_crop for a square of ``side`` plate pixels around ``centre``."""
    angle, scale = np.deg2rad(degrees), side / resolution
    a, b = scale * np.cos(angle), scale * np.sin(angle)
    linear = np.array([[a, -b], [b, a]])
    offset = np.array(centre) - linear @ np.full(2, resolution / 2)
    return np.array([[a, -b, offset[0]], [b, a, offset[1]], [0, 0, 1]])


def wave(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """A smooth picture with a period of about 60 plate pixels."""
    return 0.5 + 0.3 * np.sin(x / 10 + 0.4) * np.cos(y / 13 - 0.2) + 0.001 * x


def wave_plate(height: int, width: int) -> np.ndarray:
    y, x = np.mgrid[0:height, 0:width] + 0.5
    return np.repeat(wave(x, y)[..., None], 3, -1).astype(np.float32)


def centres(matrix: np.ndarray, resolution: int) -> np.ndarray:
    axis = np.arange(resolution) + 0.5
    return transform_points(matrix, np.stack(np.meshgrid(axis, axis), -1))


@pytest.mark.parametrize(("side", "degrees"), [(150.0, 0.0), (150.0, 17.0), (64.0, 3.0), (40.0, -25.0)])
def test_when_plate_is_smooth_then_crop_samples_it_at_the_mapped_centres(side: float, degrees: float) -> None:
    matrix = similarity(side, 64, (120.3, 97.7), degrees)
    image, valid = crop_plate(wave_plate(200, 240), matrix, 64)
    positions = centres(matrix, 64)
    np.testing.assert_allclose(image[1], wave(positions[..., 0], positions[..., 1]), atol=0.004)
    assert image.dtype == valid.dtype == np.float32
    assert valid.min() == 1.0


@pytest.mark.parametrize("shift", [(0.125, 0.0), (0.37, -0.61), (-1.5, 2.25)])
def test_when_square_moves_by_a_fraction_then_a_ramp_changes_by_exactly_that(
    shift: tuple[float, float],
) -> None:
    y, x = np.mgrid[0:160, 0:160] + 0.5
    ramp = np.stack([x, y, x + y], -1).astype(np.float32)
    still, _ = crop_plate(ramp, similarity(90, 32, (80, 80), 9.0), 32)
    moved, _ = crop_plate(ramp, similarity(90, 32, (80 + shift[0], 80 + shift[1]), 9.0), 32)
    np.testing.assert_allclose((moved - still)[0], shift[0], atol=2e-4)
    np.testing.assert_allclose((moved - still)[1], shift[1], atol=2e-4)


def test_when_crop_is_one_to_one_then_pixels_are_copied() -> None:
    plate = np.random.default_rng(3).random((80, 90, 3), np.float32)
    image, _ = crop_plate(plate, similarity(32, 32, (40.0, 30.0)), 32)
    np.testing.assert_allclose(image, plate[14:46, 24:56].transpose(2, 0, 1), atol=1e-5)


@pytest.mark.parametrize("side", [128.0, 190.0, 256.0])
def test_when_detail_is_finer_than_the_crop_then_it_averages_out(side: float) -> None:
    checks = ((np.indices((300, 300)).sum(0)) % 2).astype(np.float32)
    image, _ = crop_plate(np.repeat(checks[..., None], 3, -1), similarity(side, 32, (150, 150)), 32)
    assert np.abs(image - 0.5).max() < 0.06


def test_when_square_leaves_the_plate_then_edges_repeat_and_valid_is_zero_there() -> None:
    plate = wave_plate(100, 100)
    image, valid = crop_plate(plate, similarity(64, 32, (0.0, 50.0)), 32)
    assert np.isfinite(image).all()
    assert (valid[0, :, :16] == 0).all()
    assert (valid[0, :, 16:] == 1).all()
    np.testing.assert_allclose(image[0, :, :15], image[0, :, 14:15].repeat(15, 1), atol=1e-5)


def test_when_square_misses_the_plate_then_crop_is_finite_and_invalid() -> None:
    image, valid = crop_plate(wave_plate(50, 50), similarity(64, 16, (-500.0, 900.0), 30), 16)
    assert np.isfinite(image).all()
    assert valid.max() == 0.0


def test_when_plate_holds_nan_then_only_its_pixels_are_invalid() -> None:
    plate = wave_plate(100, 100)
    plate[40:60, 40:60, 1] = np.nan
    plate[10, 10] = np.inf
    image, valid = crop_plate(plate, similarity(100, 50, (50.0, 50.0)), 50)
    assert np.isfinite(image).all()
    assert valid[0, 25, 25] == 0.0
    assert valid[0, 15, 25] == 1.0


def test_when_plate_is_a_single_pixel_then_crop_repeats_it() -> None:
    image, valid = crop_plate(np.full((1, 1, 3), 0.25, np.float32), similarity(4, 8, (0.5, 0.5)), 8)
    np.testing.assert_allclose(image, 0.25, atol=1e-6)
    assert valid.sum() == 4.0


@pytest.mark.parametrize(("side", "degrees"), [(400.0, 0.0), (300.0, 21.0), (64.0, 0.0), (30.0, 10.0)])
def test_when_crop_is_smooth_then_plate_samples_it_without_shift(side: float, degrees: float) -> None:
    resolution = 64
    matrix = similarity(side, resolution, (260.2, 251.7), degrees)
    axis = np.arange(resolution) + 0.5
    u, v = np.meshgrid(axis, axis)
    picture = np.stack([np.sin(u / 9) * np.cos(v / 7), u / 64]).astype(np.float32)
    roi, x0, y0 = warp_to_plate(picture, matrix, 512, 512)
    y, x = np.mgrid[0 : roi.shape[1], 0 : roi.shape[2]] + 0.5
    back = transform_points(np.linalg.inv(matrix), np.stack([x + x0, y + y0], -1))
    inside = ((back > 2) & (back < resolution - 2)).all(-1)
    expected = np.stack([np.sin(back[..., 0] / 9) * np.cos(back[..., 1] / 7), back[..., 0] / 64])
    assert inside.sum() > 0.5 * min(side, 512) ** 2
    assert np.abs(roi - expected)[:, inside].max() < (0.002 if side >= resolution else 0.01)


def test_when_smooth_picture_goes_both_ways_then_it_returns() -> None:
    plate = wave_plate(512, 512)
    matrix = similarity(200, 128, (250.4, 243.9), 8.0)
    image, _ = crop_plate(plate, matrix, 128)
    roi, x0, y0 = warp_to_plate(image, matrix, 512, 512)
    covered = np.abs(roi[0]) > 0
    difference = roi[0] - plate[y0 : y0 + roi.shape[1], x0 : x0 + roi.shape[2], 0]
    y, x = np.mgrid[0 : roi.shape[1], 0 : roi.shape[2]] + 0.5
    back = transform_points(np.linalg.inv(matrix), np.stack([x + x0, y + y0], -1))
    inner = ((back > 3) & (back < 125)).all(-1)
    assert covered[inner].all()
    assert np.abs(difference[inner]).max() < 0.003


def test_when_crop_is_zero_at_its_border_then_nothing_outside_the_square_changes() -> None:
    picture = np.zeros((1, 32, 32), np.float32)
    picture[:, 4:-4, 4:-4] = 1.0
    matrix = similarity(200, 32, (150.0, 150.0), 33.0)
    roi, x0, y0 = warp_to_plate(picture, matrix, 300, 300)
    y, x = np.mgrid[0 : roi.shape[1], 0 : roi.shape[2]] + 0.5
    back = transform_points(np.linalg.inv(matrix), np.stack([x + x0, y + y0], -1))
    outside = ((back < 0) | (back > 32)).any(-1)
    assert outside.any()
    assert (roi[0][outside] == 0).all()


def test_when_square_hangs_over_the_plate_then_roi_is_clipped_to_it() -> None:
    roi, x0, y0 = warp_to_plate(np.ones((1, 16, 16), np.float32), similarity(60, 16, (10.0, 95.0)), 100, 200)
    assert (x0, y0) == (0, 65)
    assert roi.shape == (1, 35, 40)
    assert roi == pytest.approx(1.0)


def test_when_square_misses_the_plate_then_roi_is_empty() -> None:
    roi, _, _ = warp_to_plate(np.ones((2, 16, 16), np.float32), similarity(60, 16, (900.0, 20.0)), 100, 200)
    assert roi.shape == (2, 0, 0)


def test_when_pixels_are_not_square_then_both_ways_still_agree() -> None:
    squeeze = np.diag([0.5, 1.0, 1.0])
    matrix = squeeze @ similarity(160, 64, (160.0, 100.0), 5.0)
    image, _ = crop_plate(wave_plate(200, 200), matrix, 64)
    positions = centres(matrix, 64)
    np.testing.assert_allclose(image[0], wave(positions[..., 0], positions[..., 1]), atol=0.004)


def test_when_enlarged_then_a_parabola_stays_one() -> None:
    x = torch.arange(16, dtype=torch.float64) + 0.5
    fine = enlarge((x**2).expand(1, 16, 16), 4)[0, 30]
    positions = (torch.arange(64, dtype=torch.float64) + 0.5) / 4
    assert float((fine - positions**2)[8:-8].abs().max()) < 1e-9


def test_when_face_is_framed_then_landmarks_land_where_the_alignment_says() -> None:
    landmarks = np.array([(330, 200), (250, 210), (292, 250), (325, 290), (265, 296), (300, 350)], np.float64)
    plate = np.zeros((480, 640, 3), np.float32)
    plate[199:201, 329:331] = 1.0  # a dot centred at the subject's left eye
    matrix = square_from_landmarks(landmarks, Alignment(128, 0.62, 0.32))
    image, _ = crop_plate(plate, matrix, 128)
    weight = image[0] / image[0].sum()
    axis = np.arange(128) + 0.5
    found = np.array([(weight.sum(0) * axis).sum(), (weight.sum(1) * axis).sum()])
    np.testing.assert_allclose(found, transform_points(np.linalg.inv(matrix), landmarks[0]), atol=0.05)
