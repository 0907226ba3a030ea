"""Steady crops: gaps in a track bridged, and the square's centre, scale and angle smoothed over time.

Tzaban et al. 2022 (arXiv:2201.08361) smooth crops with Gaussians as well. Here the scale is smoothed as a logarithm,
and the ends are continued by point reflection, because a mirror would stop every face that moves through the shot's
first or last frame. Axes: N runs of whole frames, F frames of the shot, K numbers a frame.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.ndimage import gaussian_filter1d

from ..faces.align import inverse, square_from_landmarks, transform_points
from ..faces.base import Alignment, Matrix

Doubles = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]

MAX_GAP = 24
"""Frames without a face that are bridged: a second. Over more, a straight line is a guess that slides off the face."""
MEASURE = Alignment(1, scale=1.0, shift=0.1)
"""Any framing will do to measure a similarity; this is FFHQ's."""


@dataclass(frozen=True)
class Run:
    """Frames that hang together: ``rows`` of the shot, and their ``numbers``, rising."""

    rows: tuple[int, ...]
    numbers: tuple[int, ...]


def runs(numbers: Sequence[int], is_seen: Flags, max_gap: int = MAX_GAP) -> tuple[Run, ...]:
    """The stretches between first and last sight of a face, parted where it is not seen for more than ``max_gap``
    frames. ``numbers`` (F) rise; ``is_seen`` (F,)."""
    found: list[list[int]] = []
    seen = [row for row in range(len(numbers)) if is_seen[row]]
    for row in seen:
        if found and numbers[row] - numbers[found[-1][-1]] <= max_gap + 1:
            found[-1].extend(range(found[-1][-1] + 1, row + 1))  # what lies between is bridged
        else:
            found.append([row])
    return tuple(Run(tuple(rows), tuple(numbers[row] for row in rows)) for rows in found)


def bridged(values: Doubles, numbers: Sequence[int], is_seen: Flags) -> Doubles:
    """(F, K) with the unseen rows interpolated linearly by frame number; beyond the ends the nearest is held."""
    known = np.flatnonzero(is_seen)
    times = np.asarray(numbers, np.float64)
    columns = [np.interp(times, times[known], column[known]) for column in values.T]
    return np.stack(columns, axis=1)


def smoothed(values: Doubles, numbers: Sequence[int], sigma: float) -> Doubles:
    """(F, K) with every column smoothed by a Gaussian of ``sigma`` frames; frames left out are interpolated first.

    The ends are continued by reflection at the point where a line through the nearest frames ends, so that a straight
    line stays one. 0 changes nothing.
    """
    first, last = numbers[0], numbers[-1]
    if sigma <= 0.0 or last == first:
        return values.copy()
    whole = np.arange(first, last + 1)
    dense = bridged_onto(values, numbers, whole)  # (N, K)
    reach = min(len(whole) - 1, int(np.ceil(4.0 * sigma)))
    head = 2.0 * end_of_line(dense, sigma) - dense[reach:0:-1]
    tail = 2.0 * end_of_line(dense[::-1], sigma) - dense[-2 : -2 - reach : -1]
    padded = np.concatenate([head, dense, tail])
    smooth = gaussian_filter1d(padded, sigma, axis=0, mode="nearest")[reach : reach + len(whole)]
    return np.asarray(smooth[np.asarray(numbers) - first])


def end_of_line(dense: Doubles, sigma: float) -> Doubles:
    """Where (N, K) begins, (K,), by a straight line through its first frames: the first frame alone may tremble, and
    every reflected frame with it."""
    count = min(len(dense), 2 + int(np.ceil(2.0 * sigma)))
    times = np.arange(count) - (count - 1) / 2.0
    slope = times @ dense[:count] / float((times**2).sum())
    return np.asarray(dense[:count].mean(axis=0) + slope * times[0])


def bridged_onto(values: Doubles, numbers: Sequence[int], targets: npt.NDArray[np.int_]) -> Doubles:
    """(F, K) at ``numbers`` interpolated linearly onto other frame numbers."""
    return np.stack([np.interp(targets, numbers, column) for column in values.T], axis=1)


def steady_landmarks(
    landmarks: Matrix, numbers: Sequence[int], *, centre: float, scale: float, pixel_aspect: float = 1.0
) -> Matrix:
    """Landmarks (F, 6, 2) moved rigidly, frame by frame, so that the square that follows from them is smooth.

    ``centre`` and ``scale`` (for scale and angle) are the Gaussians' standard deviations in frames. Raises ValueError
    for landmarks from which no square follows.
    """
    to_square = np.array([pixel_aspect, 1.0])
    square_px = landmarks * to_square
    squares = np.stack([square_from_landmarks(points, MEASURE) for points in square_px])  # (F, 3, 3)
    pose = poses(squares)
    smooth = np.concatenate(
        [smoothed(pose[:, :2], numbers, centre), smoothed(pose[:, 2:], numbers, scale)], 1
    )
    moved = [
        transform_points(square_of(target) @ inverse(square), points)
        for target, square, points in zip(smooth, squares, square_px, strict=True)
    ]
    steady: Matrix = np.stack(moved) / to_square
    return steady


def poses(squares: Matrix) -> Doubles:
    """(F, 4) centre x and y, log scale and unwrapped angle of similarities (F, 3, 3) from the unit square."""
    centres = transform_points_each(squares, (0.5, 0.5))
    scale = np.log(np.hypot(squares[:, 0, 0], squares[:, 1, 0]))
    angle = np.unwrap(np.arctan2(squares[:, 1, 0], squares[:, 0, 0]))
    return np.column_stack([centres, scale, angle])


def transform_points_each(squares: Matrix, point: tuple[float, float]) -> Doubles:
    """One point through every matrix (F, 3, 3): (F, 2)."""
    return np.asarray(squares[:, :2, :2] @ np.asarray(point) + squares[:, :2, 2])


def square_of(pose: Doubles) -> Matrix:
    """The similarity (3, 3) of one row of ``poses``."""
    x, y, log_scale, angle = pose
    a, b = np.exp(log_scale) * np.cos(angle), np.exp(log_scale) * np.sin(angle)
    offset = np.array([x, y]) - np.array([[a, -b], [b, a]]) @ np.full(2, 0.5)
    return np.array([[a, -b, offset[0]], [b, a, offset[1]], [0.0, 0.0, 1.0]])
