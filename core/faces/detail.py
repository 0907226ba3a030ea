"""Fine detail of a face: what is smaller than the refiner's pixels goes where the refiner moves the face.

The refiner sees the face at a fixed size. In a close-up the plate holds more: hairs, pores, grain. Left where they are,
they would show the old face over the new one, as a double contour. So the band of the face above the refiner's
resolution is moved by the refiner's flow; where the refiner does not move the face but draws something else over it,
contours of the old one go, and what is no stronger than the face's usual detail stays, so that grain survives.

Pictures are (C, K, K) or (C, S, S) float32 with K one of FACTORS times S, encoded in [-1, 1].
"""

from __future__ import annotations

import cv2
import numpy as np

from .base import Array, Matrix, smooth_step
from .crop import pitch_of

FACTORS = (1.0, 1.5, 2.0, 3.0, 4.0, 6.0, 8.0)
"""The fine face has one of these times the refiner's pixels a side: few, so that a face seldom changes its size."""
MOVES_FROM, MOVES_AT = 0.2, 0.8
"""Detail stays for flows below the first, and goes all the way from the second on; in pixels of the plate, so that a
face that comes nearer is treated alike when its picture doubles."""
DRAWN_FROM, DRAWN_AT = 0.05, 0.2
"""How much has to be drawn over a pixel, against its surroundings, until its contours begin to go and have gone."""
SURROUNDINGS = 41 / 128
"""Side of the surroundings as a share of the face's square: a change of the whole skin draws nothing over it."""
USUAL = 2.5
"""Detail of up to so many standard deviations of the face's own is no contour."""
SIGMA_PER_MEDIAN = 1.4826
SPARSE = 3


def fine_size(plate_from_crop: Matrix, resolution: int, size: int) -> int:
    """Pixels a side at which a face's square is seen: ``size`` times one of FACTORS, no less than the plate has there.

    ``plate_from_crop`` (3, 3) is that of a picture of the square with ``resolution`` pixels a side; ``size`` is the
    refiner's own.
    """
    across = pitch_of(plate_from_crop) * resolution
    return int(size * next((one for one in FACTORS if one >= across / size - 1e-6), FACTORS[-1]))


def with_detail(face: Array, change: Array, flow: Array, drawn: Array, pitch: float = 1.0) -> Array:
    """The refiner's ``change`` (3, S, S) at the size of ``face`` (3, K, K), with the face's fine detail moved.

    ``flow`` (2, S, S), x and y in shares of half the side, is where the refiner takes every pixel from; ``drawn``
    (3, S, S) is the part of the change that is not motion. ``pitch`` is the size of a pixel of ``face`` in pixels of
    the plate. K = S returns the change as it is.
    """
    size, coarse = face.shape[-1], change.shape[-1]
    if size == coarse:
        return change
    small = np.asarray(cv2.resize(_last(face), (coarse, coarse), interpolation=cv2.INTER_AREA), np.float32)
    detail = face - _enlarged(small, size)
    arrived = _moved(detail, flow, pitch)
    contour = _enlarged(_drawn_over(drawn), size)
    limit = _usual(detail)
    arrived += contour * (np.clip(arrived, -limit, limit) - arrived)
    return np.asarray(_enlarged(_last(change), size) + arrived - detail, np.float32)


def _moved(detail: Array, flow: Array, pitch: float) -> Array:
    """Detail (3, K, K) looked up where the flow says; unmoved where that is a fraction of a pixel away."""
    size = detail.shape[-1]
    x, y = cv2.resize(_last(flow), (size, size), interpolation=cv2.INTER_LINEAR).transpose(2, 0, 1) * (
        np.float32(size / 2)
    )
    share = smooth_step((pitch * np.hypot(x, y) - MOVES_FROM) / (MOVES_AT - MOVES_FROM))
    axis = np.arange(size, dtype=np.float32)
    there = cv2.remap(
        _last(detail), x + axis, y + axis[:, None], cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE
    ).transpose(2, 0, 1)
    return np.asarray(detail + share * (there - detail), np.float32)


def _drawn_over(drawn: Array) -> Array:
    """(S, S) in [0, 1]: 1 where the refiner has drawn something else over the face."""
    side = max(1, round(SURROUNDINGS * drawn.shape[-1])) // 2 * 2 + 1
    picture = _last(drawn)
    apart = np.abs(picture - cv2.blur(picture, (side, side), borderType=cv2.BORDER_REPLICATE)).mean(-1)
    apart = cv2.blur(apart, (3, 3), borderType=cv2.BORDER_REPLICATE)
    return smooth_step((apart - DRAWN_FROM) / (DRAWN_AT - DRAWN_FROM))


def _usual(detail: Array) -> float:
    """The largest detail that is no contour. Background is grey and has none: it does not count. One pixel in nine is
    asked: of hundreds of thousands, that moves the median by less than a percent."""
    sparse = detail[:, 1::SPARSE, 1::SPARSE]
    seen = np.abs(sparse[sparse != 0.0])
    return USUAL * SIGMA_PER_MEDIAN * float(np.median(seen)) if seen.size else 0.0


def _enlarged(picture: Array, size: int) -> Array:
    """(S, S, C) or (S, S) -> (C, K, K) or (K, K) by cubic interpolation."""
    done = cv2.resize(picture, (size, size), interpolation=cv2.INTER_CUBIC)
    return np.asarray(done.transpose(2, 0, 1) if done.ndim == 3 else done, np.float32)


def _last(picture: Array) -> Array:
    """(C, S, S) -> (S, S, C) in one block, as OpenCV takes it."""
    return np.ascontiguousarray(picture.transpose(1, 2, 0), np.float32)
