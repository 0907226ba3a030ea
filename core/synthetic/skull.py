"""Where hair must not go: the head as radii around an axis, and the shoulders as heights.

The chart is a half sphere above the skull's centre and a cylinder below it, so one lookup serves skull, face and neck;
shoulders would reach out of any radius map and are a height field instead. Both are read off fixed points of the
surface, so they follow the morph at the cost of one gather.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.spatial import cKDTree

from .geometry import Floats, Mesh
from .strands import Roots, scatter, smoothstep

CENTRE_Y = 0.28
"""Height of the skull's centre above the eyes on the base head, decimetres; rows above it are elevations."""

COLUMNS, UPPER, LOWER = 48, 10, 14
"""Cells around the axis, rows from the centre to the crown, rows down the neck."""

ROW = 0.12
"""Height of one row below the centre, decimetres."""

GRID_X, GRID_Z = np.linspace(-2.0, 2.0, 29), np.linspace(-1.9, 0.5, 19)
"""Cells of the shoulders' height field."""

SKIN_GAP = np.float32(0.11)
"""Height in decimetres at which hair lies on the shoulders: there is cloth on them."""

RIDGE_Z = -1.1
"""Depth of the shoulders' ridge on the base head; hair before it falls to the chest, behind it to the back."""

NO_GROUND = -9.0
"""Height of the field where there is no body below."""


def chart(points: Floats) -> tuple[Floats, Floats, Floats, Floats]:
    """Row, column (both continuous, in cells), radius (...) and unit vector away from the axis (..., 3) of points in
    the space of the base head."""
    x, y, z = points[..., 0], points[..., 1], points[..., 2]
    depth = z - axis_z(y)
    above = np.maximum(y - CENTRE_Y, 0)
    flat2 = x * x + depth * depth
    radius = np.sqrt(flat2 + above * above)
    column = np.arctan2(x, depth) * np.float32(COLUMNS / (2 * np.pi)) + np.float32(COLUMNS / 2)
    elevation = np.arctan2(above, np.sqrt(flat2))
    row = (
        np.where(
            y > CENTRE_Y, elevation * np.float32(UPPER * 2 / np.pi), (y - CENTRE_Y) * np.float32(1 / ROW)
        )
        + LOWER
    )
    away = np.stack([x, above, depth], axis=-1) / np.maximum(radius, 1e-6)[..., None]
    return row, column, radius, away


def axis_z(y: Floats) -> Floats:
    """Depth of the axis at height ``y``: the skull's centre, moving back to the neck's centre further down."""
    return -0.68 - 0.3 * smoothstep(-0.3, -1.3, y)


@dataclass(frozen=True)
class SkullCells:
    """Fixed points of the surface, one per cell: ``radial`` ((LOWER + UPPER + 1) * COLUMNS roots, row by row) and
    ``ground`` (len(GRID_Z) * len(GRID_X)), ``covered`` (same length) False where the grid cell has no body."""

    radial: Roots
    ground: Roots
    covered: npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Skull:
    """A face's obstacle in the space of the base head: ``radius`` (rows, COLUMNS + 1) float32 with the first column
    repeated, ``ground`` (len(GRID_Z), len(GRID_X)) float32 heights of neck base and shoulders."""

    radius: Floats
    ground: Floats

    def clearance(self, points: Floats) -> tuple[Floats, Floats]:
        """Distance (...) of points outside the head (negative inside) and the unit directions (..., 3) that lead
        out."""
        row, column, radius, away = chart(points)
        return radius - bilinear(self.radius, row, column), away

    def ground_height(self, points: Floats) -> Floats:
        """Height (...) of the shoulders below or above points."""
        row = (points[..., 2] - np.float32(GRID_Z[0])) * np.float32(1 / (GRID_Z[1] - GRID_Z[0]))
        column = (points[..., 0] - np.float32(GRID_X[0])) * np.float32(1 / (GRID_X[1] - GRID_X[0]))
        return bilinear(self.ground, row, column)

    def outside(self, points: Floats, margin: Floats) -> Floats:
        """Points (..., 3) moved straight out to at least ``margin`` (...) above the head and above the shoulders."""
        return self.pushed(points, margin)[0]

    def pushed(self, points: Floats, margin: Floats) -> tuple[Floats, Floats]:
        """``outside`` and the directions (..., 3) away from the axis in which points were moved."""
        free, away = self.clearance(points)
        moved = points + away * np.maximum(margin - free, 0)[..., None]
        low = moved[..., 1] < -0.9
        if low.any():
            moved[low] = self._over_shoulders(moved[low])
        return moved, away

    def _over_shoulders(self, points: Floats) -> Floats:
        """Points (N, 3) lifted onto the shoulders; those that were deep inside also slide to the chest or the back,
        so that hair falls on instead of piling up."""
        deep = np.maximum(self.ground_height(points) + SKIN_GAP - points[:, 1], 0)
        points[:, 2] += np.where(points[:, 2] > RIDGE_Z, deep, -deep)
        points[:, 1] = np.maximum(points[:, 1], self.ground_height(points) + SKIN_GAP)
        return points


def bilinear(table: Floats, row: Floats, column: Floats) -> Floats:
    """Table (R, C) read at continuous places, clamped at its edges."""
    rows, columns = table.shape
    row = np.minimum(np.maximum(row, 0), np.float32(rows - 1.001))
    column = np.minimum(np.maximum(column, 0), np.float32(columns - 1.001))
    i, j = row.astype(np.int32), column.astype(np.int32)
    a, b = row - i, column - j
    flat, at = table.ravel(), i * columns + j
    near = flat[at] * (1 - b) + flat[at + 1] * b
    far = flat[at + columns] * (1 - b) + flat[at + columns + 1] * b
    return np.asarray(near * (1 - a) + far * a, np.float32)


def find_cells(surface: Mesh, open_skin: npt.NDArray[np.bool_]) -> SkullCells:
    """Choose the surface points that stand for the cells: the outermost near a cell's ray among ``open_skin`` (V,),
    which leaves out ears, mouth and lid rims."""
    samples = scatter(surface, open_skin & (surface.rest[:, 1] > -1.6), 60_000, 11)
    row, column, radius, _ = chart(samples.rest)
    wrapped = np.concatenate([column, column - COLUMNS, column + COLUMNS])
    tree = cKDTree(np.stack([np.tile(row, 3), wrapped * 0.6], axis=1))
    rows, columns = np.meshgrid(np.arange(LOWER + UPPER + 1), np.arange(COLUMNS), indexing="ij")
    _, near = tree.query(np.stack([rows.ravel(), columns.ravel() * 0.6], axis=1), k=8)
    near = near % len(row)
    outermost = near[np.arange(len(near)), radius[near].argmax(axis=1)]
    body = scatter(surface, surface.rest[:, 1] < -1.0, 30_000, 12)
    floor = cKDTree(body.rest[:, [0, 2]])
    z, x = np.meshgrid(GRID_Z, GRID_X, indexing="ij")
    distance, near = floor.query(np.stack([x.ravel(), z.ravel()], axis=1), k=12)
    highest = near[np.arange(len(near)), body.rest[near, 1].argmax(axis=1)]
    return SkullCells(samples.take(outermost), body.take(highest), distance[:, 0] < 0.12)


def measure(cells: SkullCells, positions: Floats) -> Skull:
    """The obstacle of surface ``positions`` (V, 3), given in the space of the base head (see hair.py)."""
    _, _, radius, _ = chart(cells.radial.at(positions))
    table = radius.reshape(LOWER + UPPER + 1, COLUMNS)
    ground = np.where(cells.covered, cells.ground.at(positions)[:, 1], NO_GROUND)
    closed = np.concatenate([table, table[:, :1]], axis=1)
    return Skull(closed.astype(np.float32), ground.reshape(len(GRID_Z), len(GRID_X)).astype(np.float32))
