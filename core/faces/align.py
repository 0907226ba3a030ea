"""The square in which a generator wants to see a face, from six landmarks (Karras et al. 2019, FFHQ).

The square is a similarity: rotated and scaled, never sheared. Matrices are 3 x 3 float64 in the pixel
convention of ``faces.base`` (centre of the first pixel at 0.5), for the crop as well as for the plate.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from .base import Alignment, Face, Matrix, Surround

MIN_HALF_AXIS_PX = 0.5
"""Squares with a smaller half axis carry no picture: they come from landmarks that fell together."""


def plate_from_crop(face: Face, alignment: Alignment) -> Matrix:
    """Return the (3, 3) matrix from crop pixels to plate pixels.

    Raises ValueError if the landmarks are not finite or fall together, because no square follows from them.
    """
    return square_from_landmarks(face.landmarks, alignment)


def crop_from_plate(face: Face, alignment: Alignment) -> Matrix:
    """Return the inverse of :func:`plate_from_crop`."""
    return inverse(plate_from_crop(face, alignment))


def square_from_landmarks(landmarks: npt.ArrayLike, alignment: Alignment) -> Matrix:
    """Return plate_from_crop for landmarks (6, 2) in LANDMARK_NAMES order, plate pixels."""
    points = np.asarray(landmarks, np.float64)
    if points.shape != (6, 2) or not np.isfinite(points).all():
        raise ValueError(f"landmarks must be six finite points, got shape {points.shape}: {points.tolist()}")
    eye_left, eye_right, _, mouth_left, mouth_right, _ = points
    eye_mid = (eye_left + eye_right) / 2
    # FFHQ counts from the viewer's left, which is the subject's right; so x points to the viewer's right.
    eye_to_eye = eye_left - eye_right
    eye_to_mouth = (mouth_left + mouth_right) / 2 - eye_mid
    axis = eye_to_eye - np.array([-eye_to_mouth[1], eye_to_mouth[0]])
    length = float(np.hypot(*axis))
    reach = max(2.0 * float(np.hypot(*eye_to_eye)), 1.8 * float(np.hypot(*eye_to_mouth))) * alignment.scale
    if length < 1e-6 or reach < MIN_HALF_AXIS_PX:
        raise ValueError(f"landmarks fall together, no square follows from them: {points.tolist()}")
    x_axis = axis / length * reach
    return _matrix(x_axis, eye_mid + alignment.shift * eye_to_mouth, alignment.resolution)


def _matrix(x_axis: Matrix, centre: Matrix, resolution: int) -> Matrix:
    """A similarity with half axis ``x_axis`` around ``centre``; the crop spans [0, resolution]."""
    a, b = x_axis * (2.0 / resolution)
    linear = np.array([[a, -b], [b, a]])
    offset = centre - linear @ np.full(2, resolution / 2)
    return np.array([[a, -b, offset[0]], [b, a, offset[1]], [0.0, 0.0, 1.0]])


def surrounding(matrix: Matrix, resolution: int, surround: Surround) -> Matrix:
    """plate_from_surround (3, 3) of ``surround.size`` pixels, from the plate_from_crop of ``resolution`` pixels."""
    pitch, (left, top, _, _) = resolution / surround.inner, surround.margins
    grown: Matrix = matrix @ np.array(
        [[pitch, 0.0, -left * pitch], [0.0, pitch, -top * pitch], [0.0, 0.0, 1.0]]
    )
    return grown


def inverse(matrix: Matrix) -> Matrix:
    """Return the inverse of a (3, 3) similarity, exactly affine in its last row."""
    result: Matrix = np.linalg.inv(matrix).astype(np.float64)
    result[2] = (0.0, 0.0, 1.0)
    return result


def transform_points(matrix: Matrix, points: npt.ArrayLike) -> Matrix:
    """Apply a (3, 3) affine matrix to points (..., 2)."""
    moved: Matrix = np.asarray(points, np.float64) @ matrix[:2, :2].T + matrix[:2, 2]
    return moved


def side_px(matrix: Matrix, resolution: int) -> float:
    """The side of the square in plate pixels."""
    return float(np.hypot(matrix[0, 0], matrix[1, 0])) * resolution
