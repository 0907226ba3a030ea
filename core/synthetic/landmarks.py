"""The 68 landmarks of the iBUG annotation (Sagonas et al. 2016) on the base mesh, and the six alignment points.

A landmark is a fixed weighted mean of up to four vertices, so it follows every morph. Lids and lash lines come from the
lash strips; everything else is placed by hand on the base mesh, relative to the midpoint of its eyes.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from scipy.interpolate import CubicSpline

from .geometry import Floats, Ints
from .occlusion import sample_quads

Point = tuple[float, ...]
Tables = dict[str, npt.NDArray[np.generic]]

JAW: tuple[Point, ...] = (
    (-0.72, -0.02, -0.58), (-0.71, -0.22, -0.55), (-0.68, -0.41, -0.5), (-0.62, -0.61, -0.42), (-0.53, -0.78, -0.3),
    (-0.42, -0.92, -0.15), (-0.29, -1.01, 0.0), (-0.15, -1.07, 0.12), (0.0, -1.09, 0.18),
)  # fmt: skip
"""Contour from the ear on the picture's left to the chin; the other half is its mirror image. (x, y, z)."""

BROW: tuple[Point, ...] = ((-0.55, 0.15), (-0.455, 0.22), (-0.345, 0.245), (-0.23, 0.225), (-0.115, 0.185))
"""Middle line of the eyebrow on the picture's left, temple to nose (x, y); the skin's front is looked up."""

NOSE: tuple[Point, ...] = (
    (0, 0.02),
    (0, -0.11),
    (0, -0.24),
    (0, -0.355),
    (-0.14, -0.43),
    (-0.075, -0.455),
    (0.0, -0.47),
)
"""Bridge, tip, and the base from the nostril wing on the picture's left to the middle (x, y)."""

OUTER_UPPER: tuple[Point, ...] = ((-0.235, -0.668), (-0.16, -0.625), (-0.065, -0.588), (0.0, -0.595))
OUTER_LOWER: tuple[Point, ...] = ((0.0, -0.792), (-0.085, -0.782), (-0.165, -0.742))
INNER_UPPER: tuple[Point, ...] = ((-0.205, -0.668), (-0.09, -0.661), (0.0, -0.66))
INNER_LOWER: tuple[Point, ...] = ((0.0, -0.681), (-0.09, -0.681))
"""Lips on the picture's left and in the middle (x, y); inner points lie on the rims of the lips."""

SAMPLES = 7
"""Places along each side of a quad at which the skin is searched for the nearest point."""

BROW_POINTS = 9
"""Points of each eyebrow guide curve."""


def landmark_tables(base: Floats, middle: Floats, tables: Tables) -> Tables:
    """``landmark_index`` (68, 4) int32 and ``landmark_weight`` (68, 4) float32, and the same for ``brow`` guide
    curves (2, BROW_POINTS, 4), subject's left first, nose to temple. ``middle`` (3,) is the midpoint of the base eyes.
    """
    masks = np.asarray(tables["masks"], np.int32)
    skin = base[: len(masks)] - middle
    quads = np.asarray(tables["quads"], np.int32)
    finder = _Finder(skin, quads, masks[:, 2] < 13)
    upper, lower = (np.asarray(tables[f"lash_{name}"], np.int32)[..., 0] for name in ("upper", "lower"))
    placed = [*JAW, *_mirror(JAW[:-1]), *BROW, *_mirror(BROW), *NOSE, *_mirror(NOSE[4:6])]
    found = [finder.place(point) for point in placed]
    found += _lids(upper[1], lower[1]) + _other_lids(upper[0], lower[0])
    mouth = [*OUTER_UPPER, *_mirror(OUTER_UPPER[:-1]), *_mirror(OUTER_LOWER[1:]), *OUTER_LOWER]
    mouth += [*INNER_UPPER, *_mirror(INNER_UPPER[:-1]), *_mirror(INNER_LOWER[1:]), *INNER_LOWER]
    found += [finder.place(point) for point in mouth]
    spline = CubicSpline(np.arange(5), np.array(BROW)[::-1])(np.linspace(0, 4, BROW_POINTS))
    brows = [finder.place((sign * -x, y)) for sign in (1, -1) for x, y in spline.tolist()]
    return {
        "landmark_index": np.stack([index for index, _ in found]),
        "landmark_weight": np.stack([weight for _, weight in found]),
        "brow_index": np.stack([index for index, _ in brows]).reshape(2, BROW_POINTS, 4),
        "brow_weight": np.stack([weight for _, weight in brows]).reshape(2, BROW_POINTS, 4),
    }


def six_points(landmarks: Floats) -> npt.NDArray[np.float64]:
    """The alignment points (6, 3) float64 in LANDMARK_NAMES order from ``landmarks`` (70, 3)."""
    return landmarks[[69, 68, 30, 54, 48, 8]].astype(np.float64)


def weighted_points(points: Floats, index: Ints, weight: Floats) -> Floats:
    """Weighted means (..., 3) of ``points`` (N, 3) by tables ``index`` and ``weight`` (..., 4)."""
    return np.asarray((points[index] * weight[..., None]).sum(axis=-2), np.float32)


def _mirror(points: Sequence[Point]) -> list[Point]:
    """The points of the other half of the face, in reverse order."""
    return [(-point[0], *point[1:]) for point in points][::-1]


class _Finder:
    """Looks up points on the base skin: (x, y, z) takes the nearest of the skin, (x, y) the front of the quad there."""

    def __init__(self, skin: Floats, quads: Ints, allowed: npt.NDArray[np.bool_]) -> None:
        self.skin = skin
        self.quads = quads[allowed[quads].all(axis=1)]
        self.samples = sample_quads(skin, self.quads, SAMPLES)
        self.triangles = np.concatenate([quads[:, [0, 1, 2]], quads[:, [0, 2, 3]]])

    def place(self, point: Point) -> tuple[Ints, Floats]:
        if len(point) == 3:
            nearest = int(((self.samples - np.array(point, np.float32)) ** 2).sum(axis=1).argmin())
            place, quad = divmod(nearest, len(self.quads))
            v, u = ((k + 0.5) / SAMPLES for k in divmod(place, SAMPLES))
            return _entry(self.quads[quad].tolist(), [(1 - u) * (1 - v), u * (1 - v), u * v, (1 - u) * v])
        a, b, c = (self.skin[self.triangles[:, k]] for k in range(3))
        u, v = (b - a)[:, :2], (c - a)[:, :2]
        w = np.array(point) - a[:, :2]
        area = u[:, 0] * v[:, 1] - u[:, 1] * v[:, 0]
        area = np.where(area > 1e-9, area, np.nan)  # only triangles that face the front
        s = (w[:, 0] * v[:, 1] - w[:, 1] * v[:, 0]) / area
        t = (u[:, 0] * w[:, 1] - u[:, 1] * w[:, 0]) / area
        depth = a[:, 2] + s * (b - a)[:, 2] + t * (c - a)[:, 2]
        inside = (s >= -1e-6) & (t >= -1e-6) & (s + t <= 1 + 1e-6)
        best = int(np.where(inside, depth, -np.inf).argmax())
        return _entry(self.triangles[best].tolist(), [1 - s[best] - t[best], s[best], t[best]])


def _entry(index: Sequence[int], weight: Sequence[float]) -> tuple[Ints, Floats]:
    pad = 4 - len(index)
    return np.array([*index, *[index[0]] * pad], np.int32), np.array([*weight, *[0.0] * pad], np.float32)


def _lids(upper: Ints, lower: Ints) -> list[tuple[Ints, Floats]]:
    """Outer corner, two on the upper lid, inner corner, two on the lower lid, from lid edges inner to outer."""
    return [
        _entry([upper[-1], lower[-1]], [0.5, 0.5]),
        _along(upper, 2 / 3),
        _along(upper, 1 / 3),
        _entry([upper[0], lower[0]], [0.5, 0.5]),
        _along(lower, 1 / 3),
        _along(lower, 2 / 3),
    ]


def _other_lids(upper: Ints, lower: Ints) -> list[tuple[Ints, Floats]]:
    """The same for the eye on the picture's right, where the order starts at the inner corner."""
    points = _lids(upper, lower)
    return [points[3], points[2], points[1], points[0], points[5], points[4]]


def _along(line: Ints, share: float) -> tuple[Ints, Floats]:
    place = share * (len(line) - 1)
    k = int(place)
    return _entry([line[k], line[k + 1]], [k + 1 - place, place - k])
