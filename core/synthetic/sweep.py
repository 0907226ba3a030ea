"""Triangles of regular vertex grids, and tubes along curves: what eyes, teeth, glasses and cloth are made of."""

from __future__ import annotations

from functools import cache

import numpy as np
import numpy.typing as npt

from .geometry import Floats, Ints

Numbers = npt.NDArray[np.floating]
"""Floats of any precision, where tables are made; meshes are float32."""


def grid_faces(blocks: int, rows: int, columns: int, *, closed: bool) -> Ints:
    """Triangles (F, 3) of ``blocks`` grids of vertices (rows, columns); ``closed`` joins the last column to the first.

    Rows going down and columns going right are counter-clockwise.
    """
    here = np.arange(columns if closed else columns - 1)
    after = (here + 1) % columns
    start = (np.arange(blocks)[:, None] * rows + np.arange(rows - 1)).reshape(-1, 1) * columns
    a, b, c, d = (
        x.ravel() for x in (start + here, start + after, start + columns + here, start + columns + after)
    )
    return np.concatenate([np.stack([a, c, b], axis=1), np.stack([b, c, d], axis=1)]).astype(np.int32)


def disc_faces(rings: int, columns: int) -> Ints:
    """Triangles (F, 3) of a middle vertex and ``rings`` closed rings around it, each turning counter-clockwise."""
    here = np.arange(columns)
    fan = np.stack([np.zeros_like(here), 1 + here, 1 + (here + 1) % columns], axis=1)
    return np.concatenate([fan, 1 + grid_faces(1, rings, columns, closed=True)]).astype(np.int32)


@cache
def tube_faces(stations: int, around: int, closed: bool) -> Ints:
    """Triangles (F, 3) of a tube of ``stations`` loops of ``around`` vertices; open tubes get a cap at each end."""
    loops = stations + 1 if closed else stations
    faces = [grid_faces(1, loops, around, closed=True)[:, ::-1] % (stations * around)]
    if not closed:
        fan = np.arange(1, around - 1)
        last = (stations - 1) * around
        faces.append(np.stack([np.zeros_like(fan), fan + 1, fan], axis=1))
        faces.append(np.stack([np.full_like(fan, last), last + fan, last + fan + 1], axis=1))
    return np.ascontiguousarray(np.concatenate(faces), np.int32)


@cache
def _section(around: int, exponent: float) -> tuple[Floats, Floats]:
    """Superellipse section (around, 2) and its unit normals."""
    angle = (np.arange(around) + 0.5) * (2 * np.pi / around)
    unit = np.stack([np.cos(angle), np.sin(angle)], axis=1)
    points = np.sign(unit) * np.abs(unit) ** (2 / exponent)
    normals = np.sign(unit) * np.abs(unit) ** (2 - 2 / exponent)
    normals /= np.linalg.norm(normals, axis=1, keepdims=True)
    return points.astype(np.float32), normals.astype(np.float32)


def sweep(
    path: Floats,
    across: Floats,
    along: Floats,
    half_width: Floats,
    half_height: Floats,
    *,
    around: int = 8,
    exponent: float = 2.0,
) -> tuple[Floats, Floats]:
    """Positions and normals (N * around, 3) of a tube along ``path`` (N, 3).

    ``across`` (N, 3) is the direction of the half width (N,); the half height (N,) is measured at right angles to it
    and to ``along`` (N, 3), the direction of the path. ``exponent`` 2 is an ellipse, 4 nearly a box. Seen along the
    path with ``across`` to the right, the section runs counter-clockwise when across x height points against the path.
    """
    across = across / np.linalg.norm(across, axis=1, keepdims=True)
    height = np.cross(along, across)
    height /= np.maximum(np.linalg.norm(height, axis=1, keepdims=True), 1e-9)
    section, outward = _section(around, exponent)
    w, h = half_width[:, None, None], half_height[:, None, None]
    offset = across[:, None] * section[:, :1] * w + height[:, None] * section[:, 1:] * h
    # A squeezed section's normals lean towards its short side.
    normals = across[:, None] * outward[:, :1] * h + height[:, None] * outward[:, 1:] * w
    normals /= np.maximum(np.linalg.norm(normals, axis=2, keepdims=True), 1e-9)
    positions = path[:, None] + offset
    return positions.reshape(-1, 3).astype(np.float32), normals.reshape(-1, 3).astype(np.float32)
