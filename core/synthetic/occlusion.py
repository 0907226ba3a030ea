"""Ambient occlusion of the head, baked once: the cosine-weighted share of directions from which a point is seen.

The classic inside-out accessibility of Zhukov, Iones and Kronin 1998 ("An ambient light illumination model"), by
depth buffers: the surface is sampled densely, splatted into one orthographic depth map per direction, and every vertex
asks whether something lies in front of it.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from .geometry import Floats, Ints

DIRECTIONS = 128
"""Depth maps; fewer show as bands below the chin."""

CELL = 0.022
"""Decimetres of a depth map's pixel; samples of the surface must lie closer than that."""

LIFT, BIAS = 0.02, 0.012
"""Decimetres by which a point is raised along its normal, and by which something must be in front to hide it."""


def sample_quads(positions: Floats, quads: Ints, count: int = 9) -> Floats:
    """``count`` x ``count`` bilinear samples of every quad: (count^2 F, 3), all quads of one place in turn."""
    a, b, c, d = (positions[quads[:, k]] for k in range(4))
    t = (np.arange(count, dtype=np.float32) + 0.5) / count
    u, v = (grid.reshape(-1, 1, 1) for grid in np.meshgrid(t, t))
    points = (1 - u) * (1 - v) * a + u * (1 - v) * b + u * v * c + (1 - u) * v * d
    return np.asarray(points.reshape(-1, 3), np.float32)


def sample_ball(centre: Floats, radius: float, count: int = 1500) -> Floats:
    """Points (count, 3) spread evenly over a ball."""
    return np.asarray(centre + radius * _spread(count), np.float32)


def visibility(points: Floats, normals: Floats, occluders: Floats) -> Floats:
    """Share (N,) in 0..1 of the half space above each point that ``occluders`` (M, 3) samples do not hide."""
    raised, hiding = np.ascontiguousarray((points + LIFT * normals).T), np.ascontiguousarray(occluders.T)
    reach = float(np.sqrt(max((raised**2).sum(axis=0).max(), (hiding**2).sum(axis=0).max())))
    seen = np.zeros(len(points), np.float64)
    total = np.zeros(len(points), np.float64)
    for direction in _spread(DIRECTIONS):
        basis = _basis(direction)
        cosine = np.maximum(normals @ direction, 0)
        seen += cosine * _in_front(basis @ raised, basis @ hiding, reach)
        total += cosine
    return np.asarray(seen / np.maximum(total, 1e-9), np.float32)


def _in_front(points: Floats, occluders: Floats, reach: float) -> npt.NDArray[np.bool_]:
    """Which ``points`` (3, N) no occluder (3, M) covers, looking against the third axis; all within ``reach``."""
    width = int(2 * reach / CELL) + 2

    def cells(of: Floats) -> npt.NDArray[np.int32]:
        row, column = ((of[:2] + np.float32(reach)) * np.float32(1 / CELL)).astype(np.int32)
        return np.asarray(row * width + column, np.int32)

    depth = np.full(width * width, -np.inf, np.float32)
    np.maximum.at(depth, cells(occluders), occluders[2])
    return np.asarray(points[2] + BIAS > depth[cells(points)])


def _spread(count: int) -> Floats:
    """Unit vectors (count, 3) on a Fibonacci spiral."""
    k = np.arange(count) + 0.5
    height = 1 - 2 * k / count
    angle = np.pi * (1 + 5**0.5) * k
    radius = np.sqrt(1 - height**2)
    return np.stack([radius * np.cos(angle), height, radius * np.sin(angle)], axis=1).astype(np.float32)


def _basis(direction: Floats) -> Floats:
    """Rows: two axes across ``direction``, then ``direction``."""
    helper = np.eye(3, dtype=np.float32)[np.abs(direction).argmin()]
    first = np.cross(direction, helper)
    first /= np.linalg.norm(first)
    return np.stack([first, np.cross(direction, first), direction]).astype(np.float32)
