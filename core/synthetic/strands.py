"""What all strands share: roots that stick to the skin, small noise, frames along a curve, and the class of strands.

Roots are chosen once on the base surface from fixed tables and kept as barycentric coordinates, so they follow every
morph and expression; no random number is drawn while a picture is made.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt

from .geometry import Floats, Ints, Mesh, Strands

Reals = npt.NDArray[np.floating[Any]]
"""Numbers of either precision, on their way to float32."""

SEED = 20_240_607
"""Seed of all fixed tables. Another value moves every root and thereby every picture."""


@dataclass(frozen=True)
class Roots:
    """Points fixed to a mesh: ``vertices`` (N, 3) int32 corner indices, ``weights`` (N, 3) float32 summing to one,
    ``rest`` (N, 3) and ``normals`` (N, 3) float32 on the base head."""

    vertices: Ints
    weights: Floats
    rest: Floats
    normals: Floats

    def at(self, values: Floats) -> Floats:
        """Vertex values (V, C) at the roots, (N, C) float32."""
        w, corner = self.weights, self.vertices
        first, second = w[:, :1] * values[corner[:, 0]], w[:, 1:2] * values[corner[:, 1]]
        return np.asarray(first + second + w[:, 2:] * values[corner[:, 2]], np.float32)

    def take(self, index: npt.NDArray[np.intp]) -> Roots:
        """The roots of an index array, in its order."""
        return Roots(self.vertices[index], self.weights[index], self.rest[index], self.normals[index])

    def first(self, count: int) -> Roots:
        """The first ``count`` roots, without copying."""
        return Roots(self.vertices[:count], self.weights[:count], self.rest[:count], self.normals[:count])


def bare_mesh(rest: Floats, faces: Ints) -> Mesh:
    """A mesh that is nothing but a base shape, for choosing roots on it."""
    nothing = np.zeros((len(rest), 0), np.float32)
    return Mesh("skin", rest, rest, rest, nothing, nothing, faces)


def scatter(mesh: Mesh, allowed: npt.NDArray[np.bool_], count: int, seed: int) -> Roots:
    """``count`` roots spread at random, evenly by area, on the base shape of the triangles whose corners are all
    ``allowed`` (V,). Raises ValueError if there is no such triangle."""
    faces = mesh.faces[allowed[mesh.faces].all(axis=1)]
    if not len(faces):
        raise ValueError("No triangle is allowed to carry roots.")
    rng = np.random.default_rng(seed)
    corners = mesh.rest[faces]
    area = np.linalg.norm(np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]), axis=1)
    edges = np.cumsum(area, dtype=np.float64)
    chosen = np.searchsorted(edges, (np.arange(count) + rng.random(count)) / count * edges[-1])
    chosen = np.minimum(chosen, len(faces) - 1)
    first, second = np.sqrt(rng.random(count)), rng.random(count)
    weights = np.stack([1 - first, first * (1 - second), first * second], axis=1).astype(np.float32)
    normals = rest_normals(mesh)
    return place(mesh.rest, normals, faces[chosen], weights)


def place(rest: Floats, normals: Floats, vertices: Ints, weights: Floats) -> Roots:
    """Roots from corners and weights, with their base positions and unit normals looked up."""
    points = np.einsum("nk,nkc->nc", weights, rest[vertices]).astype(np.float32)
    directions = np.einsum("nk,nkc->nc", weights, normals[vertices]).astype(np.float32)
    return Roots(vertices.astype(np.int32), weights, points, unit(directions))


def rest_normals(mesh: Mesh) -> Floats:
    """Area-weighted unit normals (V, 3) float32 of a mesh's base shape."""
    corners = mesh.rest[mesh.faces]
    across = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    total = np.zeros_like(mesh.rest)
    for corner in range(3):
        np.add.at(total, mesh.faces[:, corner], across)
    return unit(total)


def single(values: Reals) -> Floats:
    """The same numbers as float32, copied only if they are not."""
    return np.asarray(values, np.float32)


def unit(vectors: Reals) -> Floats:
    """Vectors (..., 3) scaled to length one; zero stays zero."""
    x, y, z = vectors[..., 0], vectors[..., 1], vectors[..., 2]
    length = np.sqrt(x * x + y * y + z * z)
    return np.asarray(vectors / np.maximum(length, np.float32(1e-9))[..., None], np.float32)


def smoothstep(low: float, high: float, value: Reals) -> Floats:
    """Hermite ramp from 0 at ``low`` to 1 at ``high`` (falling if low > high), elementwise."""
    t = np.minimum(np.maximum((value - np.float32(low)) * np.float32(1 / (high - low)), 0), 1)
    return np.asarray(t * t * (3 - 2 * t), np.float32)


def waves(points: Reals, frequency: float, seed: int) -> Floats:
    """Smooth pseudo-noise in about -1..1 of points (..., 3): five fixed plane waves near ``frequency``
    per decimetre."""
    directions, phases = _plane_waves(frequency, seed)
    return np.asarray(np.sin(points @ directions + phases).sum(axis=-1) / np.float32(2.6), np.float32)


@lru_cache(maxsize=64)
def _plane_waves(frequency: float, seed: int) -> tuple[Floats, Floats]:
    rng = np.random.default_rng(SEED + seed)
    directions = rng.normal(size=(3, 5)) * frequency * 2.2
    return directions.astype(np.float32), (rng.random(5) * 2 * np.pi).astype(np.float32)


def uniform_table(count: int, columns: int, seed: int) -> Floats:
    """A fixed table (count, columns) float32 of numbers in 0..1; a shorter table is the start of a longer one."""
    return np.random.default_rng(SEED + seed).random((count, columns), dtype=np.float32)


def even_table(count: int, columns: int) -> Floats:
    """A fixed table (count, columns <= 3) float32 in 0..1 whose every beginning fills the range evenly (Roberts' R
    sequences); a shorter table is the start of a longer one."""
    base = (1.618033988749895, 1.3247179572447460, 1.2207440846057596)[columns - 1]
    steps = base ** -np.arange(1.0, columns + 1)
    return np.asarray((0.5 + np.arange(1, count + 1)[:, None] * steps) % 1.0, np.float32)


def side_frames(points: Floats, outward: Floats) -> tuple[Floats, Floats]:
    """Unit vectors (N, S, 3) across curves (N, S, 3): first sideways along the surface, then away from it.

    ``outward`` (N, S, 3) points roughly away from the surface.
    """
    tangent = np.empty_like(points)
    tangent[:, 1:-1] = points[:, 2:] - points[:, :-2]
    tangent[:, 0] = points[:, 1] - points[:, 0]
    tangent[:, -1] = points[:, -1] - points[:, -2]
    sideways = unit(cross(tangent, outward))
    return sideways, unit(cross(sideways, tangent))


def cross(a: Floats, b: Floats) -> Floats:
    """Cross product over the last axis, several times faster than numpy's for many short vectors."""
    ax, ay, az = a[..., 0], a[..., 1], a[..., 2]
    bx, by, bz = b[..., 0], b[..., 1], b[..., 2]
    return np.stack([ay * bz - az * by, az * bx - ax * bz, ax * by - ay * bx], axis=-1)


def taper(widths: Reals, steps: int, root: float, tip: float) -> Floats:
    """Widths (N, steps) of strands that start at ``root`` times their width, swell and end at ``tip`` times it."""
    t = np.linspace(0, 1, steps, dtype=np.float32)
    profile = (root + (1 - root) * smoothstep(0.0, 0.15, t)) * (1 - (1 - tip) * t**2)
    return np.asarray(widths[:, None] * profile[None], np.float32)


def no_strands(class_id: int) -> Strands:
    """A set without strands (zero strands of two points)."""
    empty = np.zeros((0, 2, 3), np.float32)
    return Strands(class_id, empty, np.zeros((0, 2), np.float32), np.zeros((0, 2), np.float32))
