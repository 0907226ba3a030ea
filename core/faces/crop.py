"""Pictures between plate and crop, both ways, without half-pixel shifts and without aliasing.

Whoever is coarser decides the filter: when the target is coarser than the source, every target pixel is the
average of a grid of samples at most one source pixel apart (close to an area average); when it is finer, the
source is made finer first by Catmull-Rom interpolation (exact for parabolas, so it puts no steps into smooth
increments). Plates may hold NaN and infinities; those pixels count as missing, their neighbours fill in.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.nn import functional

from .align import inverse, transform_points
from .base import Array, Matrix

MAX_SAMPLED_SIDE = 8192
"""Bounds the memory of one crop (8192^2 samples); beyond it the average is taken over fewer samples."""
MAX_FINE_SIDE = 2048
"""Bounds the memory of the enlarged crop; larger generators need no enlarging to look smooth."""
FINE_ENOUGH = 512
"""The same for crops that are finer than the plate: they need little enlarging, and none from this size on."""

HOLE = 0.05
"""Share of a crop's side up to which missing pixels are guessed; guessing more would paint a face over an occluder."""
FILL_PX = 192
"""Holes are filled from a picture of so many pixels a side at most."""
TOLD = 0.05
"""Share of a crop's pixel that must be finite to be believed; of less, rounding is a part."""


def crop_plate(encoded: Array, plate_from_crop: Matrix, resolution: int) -> tuple[Array, Array]:
    """Resample the plate (H, W, 3) float32 into the crop; the values' encoding stays what it is.

    Returns the image (3, R, R) float32 and the share of each crop pixel that lies on finite plate pixels, (1,
    R, R) float32 in [0, 1]. Outside the plate the edge pixels repeat, with valid 0.
    """
    if encoded.ndim != 3 or 0 in encoded.shape:
        raise ValueError(f"encoded has shape {encoded.shape}; expected (H, W, C) with at least one pixel")
    pitch = pitch_of(plate_from_crop)
    count = max(1, min(math.ceil(pitch - 1e-6), MAX_SAMPLED_SIDE // resolution))
    places = _Places.of(plate_from_crop, resolution, resolution, count)
    region, x0, y0 = _region(encoded, places)
    finite = np.isfinite(region).all(-1, keepdims=True)
    is_whole = bool(finite.all())
    known = np.asarray(region if is_whole else np.where(finite, region, 0.0), np.float32)
    inside = places.inside(encoded.shape[1], encoded.shape[0])
    grid = places.grid(region.shape[1], region.shape[0], x0, y0)
    image = _average(_sample(torch.from_numpy(known).permute(2, 0, 1), grid), count)  # (C, R, R)
    if is_whole:
        return image.numpy(), _average(inside, count).numpy()
    # Missing pixels were sampled as 0; dividing by the share of finite ones takes them out of the average.
    share = _sample(torch.from_numpy(finite.astype(np.float32)).permute(2, 0, 1), grid)
    image = image / _average(share, count).clamp(min=1e-6)
    valid = _average(share * inside, count)
    return image.numpy(), valid.numpy()


def warp_to_plate(
    crop_picture: Array, plate_from_crop: Matrix, height: int, width: int
) -> tuple[Array, int, int]:
    """Bring a crop picture (C, R, R) float32 to the plate's pixels.

    Returns ``(roi, x0, y0)``: roi (C, h, w) float32 belongs to plate columns x0 .. x0+w and rows y0 .. y0+h
    and covers every plate pixel inside the crop; it is 0 outside the crop's square and empty if the square
    misses the plate. Interpolation may overshoot steps by a few percent.
    """
    channels, resolution, _ = crop_picture.shape
    x0, y0, x1, y1 = _roi(plate_from_crop, resolution, height, width)
    if x1 <= x0 or y1 <= y0:
        return np.zeros((channels, 0, 0), np.float32), 0, 0
    crop_from_plate = inverse(plate_from_crop)
    pitch = pitch_of(crop_from_plate)  # crop pixels for one plate pixel
    count = max(1, math.ceil(pitch - 1e-6))
    shifted = crop_from_plate @ np.array([[1.0, 0.0, x0], [0.0, 1.0, y0], [0.0, 0.0, 1.0]])
    places = _Places.of(shifted, y1 - y0, x1 - x0, count)
    side = MAX_FINE_SIDE if pitch < 1.0 else FINE_ENOUGH
    finer = min(max(math.ceil(2.0 / pitch), 4), 16, max(1, side // resolution))
    picture = enlarge(torch.from_numpy(np.ascontiguousarray(crop_picture, np.float32)), finer)
    inside = places.inside(resolution, resolution)
    sampled = _sample(picture, places.grid(resolution, resolution)) * inside
    return _average(sampled, count).numpy(), x0, y0


def pitch_of(matrix: Matrix) -> float:
    """Source pixels for one target pixel, along the longer axis where pixels are not square."""
    return float(np.linalg.norm(matrix[:2, :2], 2))


def rescaled(plate_from_crop: Matrix, size: int, other: int) -> Matrix:
    """The matrix of a crop of ``size`` pixels a side for the same square at ``other`` pixels."""
    return plate_from_crop @ np.diag([size / other, size / other, 1.0])


def resized(picture: Array, size: int) -> Array:
    """(M, M) or (C, M, M) float32 at another size: averaged when smaller, linear when larger."""
    if picture.shape[-1] == size:
        return picture
    kind = cv2.INTER_AREA if size < picture.shape[-1] else cv2.INTER_LINEAR
    planes = picture[None] if picture.ndim == 2 else picture
    done = np.stack(
        [cv2.resize(np.ascontiguousarray(plane), (size, size), interpolation=kind) for plane in planes]
    )
    return np.asarray(done[0] if picture.ndim == 2 else done, np.float32)


def mended(picture: Array, valid: Array) -> tuple[Array, Array]:
    """A crop (C, M, M) and its ``valid`` (1, M, M) with small holes filled from around them; large ones stay.

    Holes up to HOLE wide are single pixels of the plate that are not finite; what lies outside the plate is no hole.
    """
    if float(valid.min()) >= 1.0:
        return picture, valid
    size = picture.shape[-1]
    reach = max(1, round(0.5 * HOLE * size))
    block = np.ones((2 * reach + 1, 2 * reach + 1), np.uint8)
    closed = cv2.morphologyEx((valid[0] > 0.5).astype(np.uint8), cv2.MORPH_CLOSE, block)
    told = valid > TOLD  # (1, M, M): there, crop_plate has averaged the finite pixels alone
    if told.all():
        return picture, np.maximum(valid, closed[None].astype(np.float32))
    coarse = min(size, FILL_PX)  # what is filled in is blurred: it needs few pixels
    sigma = reach * coarse / size
    near, *fill = (
        resized(np.asarray(cv2.GaussianBlur(resized(plane, coarse), (0, 0), sigma), np.float32), size)
        for plane in (valid[0], *(picture * valid))
    )
    image = np.where(told, picture, np.stack(fill) / np.maximum(near, 1e-6)).astype(np.float32)
    return image, np.maximum(valid, closed[None].astype(np.float32))


def enlarge(picture: Tensor, factor: int) -> Tensor:
    """Enlarge (C, h, w) by a whole factor with Catmull-Rom splines; edges repeat, pixel centres keep their
    place."""
    if factor == 1:
        return picture
    rows = _catmull_rom(picture.shape[1], factor).to(picture)
    columns = _catmull_rom(picture.shape[2], factor).to(picture)
    return rows @ picture @ columns.T


def _catmull_rom(size: int, factor: int) -> Tensor:
    """The (factor * size, size) matrix of the interpolation (Keys 1981 with a = -1/2)."""
    position = (np.arange(size * factor) + 0.5) / factor - 0.5
    first = np.floor(position).astype(int) - 1
    matrix = np.zeros((size * factor, size))
    for tap in range(4):
        index = first + tap
        t = np.abs(position - index)
        near = (1.5 * t - 2.5) * t * t + 1.0
        far = ((-0.5 * t + 2.5) * t - 4.0) * t + 2.0
        weight = np.where(t <= 1, near, np.where(t < 2, far, 0.0))
        np.add.at(matrix, (np.arange(size * factor), index.clip(0, size - 1)), weight)
    return torch.from_numpy(matrix)


@dataclass(frozen=True)
class _Places:
    """Where ``count`` x ``count`` sub-pixel centres of each target pixel fall in the source: the place of column u and
    row v is (x_u[u] + x_v[v], y_u[u] + y_v[v]), all of them (n,) float64."""

    x_u: Matrix
    x_v: Matrix
    y_u: Matrix
    y_v: Matrix

    @classmethod
    def of(cls, matrix: Matrix, rows: int, columns: int, count: int) -> _Places:
        """The places of a target of ``rows`` x ``columns`` pixels; ``matrix`` (3, 3) takes it to the source."""
        u = (np.arange(columns * count) + 0.5) / count
        v = (np.arange(rows * count) + 0.5) / count
        return cls(
            matrix[0, 0] * u + matrix[0, 2],
            matrix[0, 1] * v,
            matrix[1, 0] * u + matrix[1, 2],
            matrix[1, 1] * v,
        )

    def reach(self) -> tuple[float, float, float, float]:
        """Least and largest x, least and largest y."""
        ends = ((self.x_u, self.x_v), (self.y_u, self.y_v))
        (x0, x1), (y0, y1) = ((float(a.min() + b.min()), float(a.max() + b.max())) for a, b in ends)
        return x0, x1, y0, y1

    def grid(self, width: int, height: int, x0: float = 0.0, y0: float = 0.0) -> Tensor:
        """(1, rows, columns, 2) float32 as ``grid_sample`` takes it, for a source of ``width`` x ``height`` pixels that
        begins at (x0, y0). Scaled before they are rounded and added: that is good to 1e-7 of the source."""
        made = np.empty((len(self.x_v), len(self.x_u), 2), np.float32)
        for axis, (u, v, size, start) in enumerate(
            ((self.x_u, self.x_v, width, x0), (self.y_u, self.y_v, height, y0))
        ):
            across = ((u - start) * (2.0 / size) - 1.0).astype(np.float32)
            np.add((v * (2.0 / size)).astype(np.float32)[:, None], across[None], out=made[..., axis])
        return torch.from_numpy(made)[None]

    def inside(self, width: int, height: int) -> Tensor:
        """(1, rows, columns): 1 where a place lies in (0, width) x (0, height), else 0."""
        x0, x1, y0, y1 = self.reach()
        if x0 > 0 and x1 < width and y0 > 0 and y1 < height:
            return torch.ones((1, len(self.x_v), len(self.x_u)))
        x, y = self.x_u[None] + self.x_v[:, None], self.y_u[None] + self.y_v[:, None]
        within = (x > 0) & (x < width) & (y > 0) & (y < height)
        return torch.from_numpy(within.astype(np.float32))[None]


def _region(encoded: Array, places: _Places) -> tuple[npt.NDArray[np.float32], int, int]:
    """The part of the plate that the samples touch; at least one pixel even if they all miss the plate."""
    height, width = encoded.shape[:2]
    left, right, top, bottom = places.reach()
    x0 = int(np.clip(math.floor(left) - 2, 0, width - 1))
    y0 = int(np.clip(math.floor(top) - 2, 0, height - 1))
    x1 = int(np.clip(math.ceil(right) + 2, x0 + 1, width))
    y1 = int(np.clip(math.ceil(bottom) + 2, y0 + 1, height))
    return encoded[y0:y1, x0:x1], x0, y0


def _sample(picture: Tensor, grid: Tensor) -> Tensor:
    """Bilinear samples of (C, h, w) where a ``grid`` of _Places says; edges repeat."""
    return functional.grid_sample(
        picture[None], grid, mode="bilinear", padding_mode="border", align_corners=False
    )[0]


def _average(picture: Tensor, count: int) -> Tensor:
    """Mean over count x count blocks."""
    return picture if count == 1 else functional.avg_pool2d(picture[None], count)[0]


def _roi(matrix: Matrix, resolution: int, height: int, width: int) -> tuple[int, int, int, int]:
    """The plate window (x0, y0, x1, y1) around the crop's square, clipped to the plate."""
    corners = transform_points(matrix, np.array([(0, 0), (1, 0), (1, 1), (0, 1)], np.float64) * resolution)
    low, high = np.floor(corners.min(0)), np.ceil(corners.max(0))
    x0, y0 = (int(v) for v in np.clip(low, 0, (width, height)))
    x1, y1 = (int(v) for v in np.clip(high, 0, (width, height)))
    return x0, y0, x1, y1
