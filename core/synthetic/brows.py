"""Eyebrows and eyelashes.

Brows are drawn on a chart of the brow region: a grid of points fixed to the skin. Whatever the chart says follows
morphs and expressions, while thickness, arch and density stay free parameters.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from scipy.spatial import cKDTree

from .geometry import BROWS, EYES, Floats, Mesh, Strands
from .head import EyeCurves, MorphedHead
from .params import FaceParams
from .strands import Roots, bare_mesh, even_table, scatter, smoothstep, taper, uniform_table, unit

CHART_X = np.linspace(0.02, 0.74, 37)
CHART_Y = np.linspace(0.06, 0.52, 24)
"""The chart of one brow, decimetres from the midpoint of the eyes on the base head: towards the temple, up."""

BROW_HAIRS, LASHES = 900, 70
"""Hairs of one brow, and of one upper lid, at detail 1."""

STEPS = 5
"""Points of a brow hair or lash."""

LINE_X = np.array([0.0, 0.2, 0.45, 0.66, 0.82, 1.0])
LINE_Y = np.array([0.58, 0.68, 0.85, 0.97, 0.82, 0.22])
"""The arch of the brow's middle line, from its head to its tail, as shares of its rise."""


@dataclass(frozen=True)
class BrowChart:
    """``points`` the skin's roots of both charts, (2 * len(CHART_Y) * len(CHART_X)): subject's left brow first."""

    points: Roots

    def patches(self, values: Floats) -> Floats:
        """Vertex values (V, C) on the charts, (2, len(CHART_Y), len(CHART_X), C)."""
        return self.points.at(values).reshape(2, len(CHART_Y), len(CHART_X), -1)


def brow_strands(head: MorphedHead, params: FaceParams, detail: float) -> Strands:
    """Both eyebrows in the space of the head, as strands of class BROWS.

    ``detail`` in 0..1 sets how many hairs show the brow and how wide they are, not its shape; look[7..9] are thickness,
    arch and density. Raises ValueError for another detail.
    """
    if not 0.0 < detail <= 1.0:
        raise ValueError(f"detail is {detail}; it must be above 0 and at most 1")
    count = round(BROW_HAIRS * detail**1.1)
    even = np.repeat(even_table(count, 3)[:, None], 2, axis=1)  # the same on both sides: brows nearly mirror
    chance = np.concatenate([even, uniform_table(2 * count, 5, 81).reshape(count, 2, 5)], axis=2)
    chart = brow_chart(head.surface)
    patches = np.concatenate(
        [chart.patches(head.surface.positions), chart.patches(head.surface.normals)], axis=3
    )  # (2, rows, columns, 6)
    thick, arch, dense = params.look[7:10]
    curves, width = [], []
    for side in range(2):
        flat, size = _brow_hairs(chance[:, side], thick, arch, dense)
        held = _read(patches[side], flat)  # (count, STEPS, 6)
        t = np.linspace(0, 1, STEPS, dtype=np.float32)
        height = 0.004 + (0.014 + 0.014 * chance[:, side, 5:6]) * t * (1.6 - t)
        curves.append(held[..., :3] + unit(held[..., 3:]) * height[..., None])
        width.append(size)
    every = chance.transpose(1, 0, 2).reshape(-1, 8)
    shade = np.stack([every[:, 6], every[:, 7] < 0.7 * params.grey], axis=1).astype(np.float32)
    widths = np.concatenate(width) * np.float32(0.0056 * detail**-1.42)
    return Strands(BROWS, np.concatenate(curves).astype(np.float32), taper(widths, STEPS, 0.8, 0.3), shade)


def _brow_hairs(chance: Floats, thick: float, arch: float, dense: float) -> tuple[Floats, Floats]:
    """Places (N, STEPS, 2) on the chart in decimetres and relative widths (N,) of one brow's hairs from ``chance``
    (N, 8), whose first three columns are even.

    Along the brow the hairs turn from up to sideways; above the middle line they lean down to it, below up to it.
    """
    along = chance[:, 0] ** 0.9
    band = 2 * chance[:, 1] - 1
    rise = 0.03 + 0.08 * arch
    x = 0.105 + 0.46 * along
    middle = 0.195 + 0.015 * arch + rise * np.interp(along, LINE_X, LINE_Y)
    half = (0.024 + 0.03 * thick) * np.interp(along, [0, 0.12, 0.5, 1.0], [0.75, 1.0, 0.8, 0.1])
    y = middle + band * half
    slope = np.gradient(np.interp(np.linspace(0, 1, 41), LINE_X, LINE_Y)) * 40 * rise / 0.46
    line = np.arctan(np.interp(along, np.linspace(0, 1, 41), slope))
    upright = np.radians(np.interp(along, [0, 0.1, 0.3, 0.6, 1.0], [82, 62, 34, 16, 2]))
    angle = line + upright * (0.75 - 0.55 * band) - 0.10 * np.maximum(band, 0) + 0.32 * (chance[:, 4] - 0.5)
    length = (0.085 + 0.05 * chance[:, 3]) * np.interp(along, [0, 0.15, 0.7, 1], [0.75, 1.05, 1.0, 0.7])
    t = np.linspace(0, 1, STEPS, dtype=np.float32)
    turning = angle[:, None] - t * (0.45 * upright + 0.12)[:, None]
    step = length[:, None] / (STEPS - 1)
    zero = np.zeros((len(x), 1))
    across = np.concatenate([zero, np.cumsum(np.cos(turning[:, :-1]) * step, axis=1)], axis=1)
    upward = np.concatenate([zero, np.cumsum(np.sin(turning[:, :-1]) * step, axis=1)], axis=1)
    flat = np.stack([x[:, None] + across, y[:, None] + upward], axis=2).astype(np.float32)
    soft = 1 - 0.75 * np.abs(band) ** 3
    soft *= np.interp(along, [0, 0.1, 0.85, 1.0], [0.55, 1.0, 1.0, 0.6])
    present = smoothstep(0.0, 0.15, (0.42 + 0.58 * dense) * soft - chance[:, 2])
    return flat, np.asarray(present * (0.75 + 0.5 * chance[:, 3]), np.float32)


def _read(patch: Floats, flat: Floats) -> Floats:
    """Chart values (rows, columns, C) read bilinearly at places (..., 2) in decimetres."""
    column = (flat[..., 0] - CHART_X[0]) * ((len(CHART_X) - 1) / (CHART_X[-1] - CHART_X[0]))
    row = (flat[..., 1] - CHART_Y[0]) * ((len(CHART_Y) - 1) / (CHART_Y[-1] - CHART_Y[0]))
    column, row = np.clip(column, 0, len(CHART_X) - 1.001), np.clip(row, 0, len(CHART_Y) - 1.001)
    j, i = column.astype(np.int32), row.astype(np.int32)
    b, a = (column - j)[..., None], (row - i)[..., None]
    near = patch[i, j] * (1 - b) + patch[i, j + 1] * b
    far = patch[i + 1, j] * (1 - b) + patch[i + 1, j + 1] * b
    return np.asarray(near * (1 - a) + far * a, np.float32)


def brow_chart(surface: Mesh) -> BrowChart:
    """The chart of the head asset that ``surface`` (level 0) belongs to; made once per asset."""
    return _made(surface.rest.tobytes(), surface.faces.tobytes())


@lru_cache(maxsize=2)
def _made(rest_bytes: bytes, face_bytes: bytes) -> BrowChart:
    rest = np.frombuffer(rest_bytes, np.float32).reshape(-1, 3)
    faces = np.frombuffer(face_bytes, np.int32).reshape(-1, 3)
    surface = bare_mesh(rest, faces)
    reach = (np.abs(rest[:, 0]) < 0.95) & (rest[:, 1] > -0.1) & (rest[:, 1] < 0.75) & (rest[:, 2] > -0.6)
    samples = scatter(surface, reach, 120_000, 15)
    # Lids fold behind the brow bone: of the samples in line with a chart point the foremost counts.
    y, x = np.meshgrid(CHART_Y, CHART_X, indexing="ij")
    wanted = np.concatenate([np.stack([side * x.ravel(), y.ravel()], axis=1) for side in (1, -1)])
    _, near = cKDTree(samples.rest[:, :2]).query(wanted, k=6)
    foremost = near[np.arange(len(near)), samples.rest[near, 2].argmax(axis=1)]
    return BrowChart(samples.take(foremost))


def lash_strands(head: MorphedHead, params: FaceParams, detail: float) -> Strands:
    """The lashes of all four lids in the space of the head, as strands of class EYES.

    They leave the lid's edge, lean outwards towards the temple and curl up (upper) or down (lower); lower ones are
    short and thin. Raises ValueError for a detail outside 0..1.
    """
    if not 0.0 < detail <= 1.0:
        raise ValueError(f"detail is {detail}; it must be above 0 and at most 1")
    upper, lower = max(round(LASHES * detail**0.7), 8), max(round(LASHES * 0.5 * detail**0.7), 6)
    thin = 0.0031 * detail**-0.5
    parts: list[tuple[Floats, Floats]] = []
    for side, eye in enumerate(head.eyes):
        parts.append(_lashes(eye, 1.0, upper, side, thin))
        parts.append(_lashes(eye, -1.0, lower, side + 2, thin * 0.55))
    points, widths = (np.concatenate(values) for values in zip(*parts, strict=True))
    shade = np.zeros((len(points), 2), np.float32)
    return Strands(EYES, points, widths, shade)


def _lashes(eye: EyeCurves, curl: float, count: int, table: int, width: float) -> tuple[Floats, Floats]:
    """Points (count, STEPS, 3) and widths of one lid's lashes; ``curl`` 1 for the upper lid, -1 for the lower."""
    edge, out = (eye.upper, eye.upper_out) if curl > 0 else (eye.lower, eye.lower_out)
    chance = uniform_table(LASHES, 4, 91 + table)[:count]
    place = (np.arange(count) + 0.5 + 0.7 * (chance[:, 0] - 0.5)) / count
    place = 0.08 + 0.92 * place
    knots = np.linspace(0, 1, len(edge))
    root = np.stack([np.interp(place, knots, edge[:, c]) for c in range(3)], axis=1)
    start = unit(np.stack([np.interp(place, knots, out[:, c]) for c in range(3)], axis=1).astype(np.float32))
    temple = np.sign(edge[-1, 0] - edge[0, 0])
    fan = (place - 0.42) * 0.9 + 0.25 * (chance[:, 1] - 0.5)
    start = unit(start + fan[:, None].astype(np.float32) * np.array([temple, 0, 0], np.float32))
    size = np.interp(place, [0, 0.25, 0.7, 1.0], [0.45, 0.85, 1.0, 0.8]) * (0.8 + 0.4 * chance[:, 2])
    length = (0.07 if curl > 0 else 0.03) * size
    t = np.linspace(0, 1, STEPS, dtype=np.float32)[None, :, None]
    bend = np.array([0, curl, -0.25], np.float32)
    points = root[:, None] + length[:, None, None] * (start[:, None] * t + bend * 0.42 * t * t)
    return points.astype(np.float32), taper((width * size).astype(np.float32), STEPS, 1.0, 0.15)
