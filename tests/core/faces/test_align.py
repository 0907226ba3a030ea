"""The framing square: FFHQ's formula, its invariances, and its refusals."""

from __future__ import annotations

import numpy as np
import pytest
from lineament.core.faces.align import (
    crop_from_plate,
    plate_from_crop,
    side_px,
    square_from_landmarks,
    transform_points,
)
from lineament.core.faces.base import Alignment, Face

FFHQ = Alignment(256)
UPRIGHT = np.array([(120, 100), (80, 100), (100, 120), (115, 140), (85, 140), (100, 165)], np.float64)


def a_face(landmarks: np.ndarray = UPRIGHT) -> Face:
    return Face(np.asarray(landmarks, np.float64), 1.0, "track")


def turned(points: np.ndarray, degrees: float, scale: float, shift: tuple[float, float]) -> np.ndarray:
    angle = np.deg2rad(degrees)
    linear = scale * np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    return points @ linear.T + shift


def test_when_face_is_upright_then_square_follows_the_published_formula() -> None:
    # eyes 40 apart, mouth 40 below: half axis max(80, 72) = 80; centre 10 % of the way from eyes to mouth
    matrix = plate_from_crop(a_face(), FFHQ)
    corners = transform_points(matrix, np.array([(0.0, 0.0), (256.0, 256.0), (128.0, 128.0)]))
    np.testing.assert_allclose(corners, [(20, 24), (180, 184), (100, 104)], atol=1e-9)


def test_when_eyes_are_named_by_the_subject_then_the_crop_is_not_mirrored() -> None:
    eyes = transform_points(crop_from_plate(a_face(), FFHQ), UPRIGHT[:2])
    assert eyes[0, 0] > 128 > eyes[1, 0]
    assert np.linalg.det(plate_from_crop(a_face(), FFHQ)) > 0


@pytest.mark.parametrize("degrees", [-170.0, -30.0, 12.0, 90.0])
def test_when_plate_is_turned_then_the_face_stays_put_in_the_crop(degrees: float) -> None:
    moved = turned(UPRIGHT, degrees, 1.7, (33.0, -20.0))
    before = transform_points(crop_from_plate(a_face(), FFHQ), UPRIGHT)
    after = transform_points(crop_from_plate(a_face(moved), FFHQ), moved)
    np.testing.assert_allclose(after, before, atol=1e-9)


def test_when_scale_is_smaller_then_the_square_is_tighter_by_that_factor() -> None:
    wide = side_px(square_from_landmarks(UPRIGHT, FFHQ), 256)
    tight = side_px(square_from_landmarks(UPRIGHT, Alignment(64, scale=0.62, shift=0.32)), 64)
    assert tight / wide == pytest.approx(0.62)


def test_when_shift_is_larger_then_the_centre_moves_towards_the_mouth() -> None:
    centre = transform_points(
        square_from_landmarks(UPRIGHT, Alignment(64, shift=0.5)), np.array([32.0, 32.0])
    )
    np.testing.assert_allclose(centre, (100, 120), atol=1e-9)


def test_when_multiplied_with_its_inverse_then_nothing_moves() -> None:
    product = plate_from_crop(a_face(), FFHQ) @ crop_from_plate(a_face(), FFHQ)
    np.testing.assert_allclose(product, np.eye(3), atol=1e-9)


@pytest.mark.parametrize(
    "landmarks",
    [np.full((6, 2), 50.0), np.full((6, 2), np.nan), np.zeros((5, 2)), UPRIGHT * 1e-3],
    ids=["one point", "nan", "five points", "below a pixel"],
)
def test_when_no_square_follows_then_value_error(landmarks: np.ndarray) -> None:
    with pytest.raises(ValueError, match="landmarks"):
        square_from_landmarks(landmarks, FFHQ)


def test_when_renders_are_framed_by_their_landmarks_then_the_square_is_the_render(renders) -> None:
    squares = [square_from_landmarks(points, Alignment(128)) for points in renders.landmarks]
    corners = np.array(
        [transform_points(square, np.array([(0.0, 0.0), (128.0, 128.0)])) for square in squares]
    )
    # the renderer frames by the projected points themselves
    np.testing.assert_allclose(np.median(corners, 0), [(0, 0), (128, 128)], atol=0.5)
