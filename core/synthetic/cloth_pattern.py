"""Patterns of garments: sheets laid over neck and shoulders of the base head, cut once and worn by every head.

Rays from inside the chest find the skin; a point of the pattern is held by the triangle that its ray meets.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import numpy.typing as npt

from .geometry import Floats, Ints
from .sweep import Numbers, grid_faces

GARMENTS = ("crew", "vneck", "shirt")
"""Kinds of garment; the look's cloth numbers choose."""

AROUND = 72
"""Columns around the neck."""

CENTRE = np.array([0.0, -2.45, -0.95], np.float32)
"""Inside the chest (rest space): from here every point of neck and shoulders is seen once."""

# Height (rest space, dm) of the neckline at the back, the sides and the front, how far a V goes down, and the
# half angle of that V in radians.
_NECKLINES = {
    "crew": (-1.42, -1.45, -1.80, 0.0, 1.0),
    "vneck": (-1.45, -1.50, -1.70, 0.42, 0.75),
    "shirt": (-1.38, -1.42, -1.72, 0.0, 1.0),
}
_LIFT = {"crew": 0.035, "vneck": 0.03, "shirt": 0.04}

_DOWN = (0.15, 0.4, 0.8, 1.4, 2.2, 3.4)
"""Rows below the cut, decimetres under the last row on the skin."""

_BEND = 0.55
"""How far the sheet goes straight on beyond the skin before it hangs, decimetres."""

_ON_SKIN = 18


@dataclass(frozen=True)
class Sheet:
    """A garment in rest space. ``corners`` (V, 3) vertices of the skin and ``weights`` (V, 3) put its points on any
    head; ``added`` (V, 3) lies on top; ``lift`` (V,) goes along the skin's normal; rows x AROUND vertices."""

    corners: Ints
    weights: Floats
    added: Floats
    lift: Floats
    rest: Floats
    uv: Floats
    trim: Floats
    hidden: Floats
    rows: int
    faces: Ints


def farthest_hits(
    origin: Floats, directions: Floats, points: Floats, faces: Ints
) -> tuple[npt.NDArray[np.int64], Floats, Floats]:
    """Farthest triangle hit by each ray: index (-1: none), barycentric weights (N, 3), distance (Moeller-Trumbore)."""
    a, b, c = (points[faces[:, k]] for k in range(3))
    e1, e2 = b - a, c - a
    s = origin - a
    q = np.cross(s, e1)
    chosen, weights, far = [], [], []
    for block in np.array_split(directions, max(1, len(directions) * len(faces) // 500_000)):
        h = np.cross(block[:, None], e2[None])
        det = (h * e1).sum(axis=-1)
        inverse = 1 / np.where(np.abs(det) < 1e-9, np.inf, det)
        u = (h * s).sum(axis=-1) * inverse
        v = block @ q.T * inverse
        t = (e2 * q).sum(axis=-1) * inverse
        t = np.where((u >= -1e-4) & (v >= -1e-4) & (u + v <= 1 + 1e-4) & (t > 0.05), t, -1.0)
        best = t.argmax(axis=1)
        rows = np.arange(len(block))
        u, v, t = u[rows, best], v[rows, best], t[rows, best]
        chosen.append(np.where(t > 0, best, -1))
        weights.append(np.stack([1 - u - v, u, v], axis=1))
        far.append(t)
    return (
        np.concatenate(chosen),
        np.concatenate(weights).astype(np.float32),
        np.concatenate(far).astype(np.float32),
    )


def _directions(azimuth: Floats, elevation: Floats) -> Floats:
    azimuth, elevation = np.broadcast_arrays(azimuth, elevation)
    flat = np.cos(elevation)
    return np.stack([flat * np.cos(azimuth), np.sin(elevation), flat * np.sin(azimuth)], axis=-1).astype(
        np.float32
    )


def _neckline(kind: str, azimuth: Numbers) -> Floats:
    """Height of the neckline at each azimuth (0 subject's left, 90 degrees front)."""
    back, side, front, drop, half = _NECKLINES[kind]
    towards = np.sin(azimuth)
    height = np.where(towards > 0, side + (front - side) * towards**2, side + (back - side) * towards**2)
    from_front = np.abs((azimuth - np.pi / 2 + np.pi) % (2 * np.pi) - np.pi)
    return np.asarray(height - drop * np.logaddexp(0, 8 * (1 - from_front / half)) / 8, np.float32)


@dataclass(frozen=True)
class _Profiles:
    """Neck and shoulders in half planes around the neck, at rest: where rays of ``azimuth`` (AROUND,) and ``elevation``
    (K,), neck to chest, ``hit`` (AROUND, K, 3) the skin (NaN: nowhere); ``lowest`` (AROUND,) is the last usable ray.
    ``points`` and ``faces`` are the skin's."""

    points: Floats
    faces: Ints
    azimuth: Floats
    elevation: Floats
    hit: Floats
    lowest: npt.NDArray[np.int64]


@lru_cache(maxsize=2)
def _profiles(rest_bytes: bytes, faces_bytes: bytes) -> _Profiles:
    rest = np.frombuffer(rest_bytes, np.float32).reshape(-1, 3)
    faces = np.frombuffer(faces_bytes, np.int32).reshape(-1, 3)
    middle = rest[faces].mean(axis=1)
    # The chin is not part of the neck.
    body = faces[(middle[:, 1] < -0.95) & ~((middle[:, 1] > -1.3) & (middle[:, 2] > -0.42))]
    azimuth = (np.arange(AROUND) * (2 * np.pi / AROUND)).astype(np.float32)
    elevation = np.radians(np.linspace(80, 2, 79)).astype(np.float32)
    rays = _directions(azimuth[:, None], elevation[None]).reshape(-1, 3)
    index, _, far = farthest_hits(CENTRE, rays, rest, body)
    hit = (CENTRE + rays * far[:, None]).reshape(AROUND, -1, 3)
    missed = (index < 0).reshape(AROUND, -1)
    hit[missed] = np.nan
    gone = missed & (elevation < np.radians(50))  # above, rays may pass below the chin
    lowest = np.where(gone.any(axis=1), gone.argmax(axis=1), gone.shape[1]) - 2
    # A clean lower edge: nowhere lower than its neighbours allow.
    lowest = np.min([np.roll(lowest, k) for k in range(-1, 2)], axis=0)
    return _Profiles(rest, body, azimuth, elevation, hit, lowest)


def _laid(profiles: _Profiles, azimuth: Floats, elevation: Floats) -> tuple[Ints, Floats, Floats]:
    """Corners, weights and rest points (N, 3) of the skin in the given directions (N,)."""
    rays = _directions(azimuth, elevation)
    index, weights, far = farthest_hits(CENTRE, rays, profiles.points, profiles.faces)
    if (index < 0).any():
        raise ValueError("a garment reaches beyond the skin of this head asset")
    return profiles.faces[index], weights, (CENTRE + rays * far[:, None]).astype(np.float32)


def _elevation_at(profiles: _Profiles, column: int, height: float) -> float:
    """Elevation of the ray of a column that meets the skin at a height; clipped to what is there."""
    rows = profiles.hit[column, : profiles.lowest[column] + 1, 1]
    known = np.isfinite(rows)
    falling = np.minimum.accumulate(rows[known])
    return float(np.interp(-height, -falling, profiles.elevation[: len(rows)][known]))


def _row_elevations(profiles: _Profiles, kind: str, spacing: Floats) -> Floats:
    """Elevations (rows, AROUND) of sheet rows: ``spacing`` first in decimetres under the neckline, then even shares."""
    heights = _neckline(kind, profiles.azimuth)
    rows = []
    for column in range(AROUND):
        top = _elevation_at(profiles, column, float(heights[column]))
        bottom = float(profiles.elevation[profiles.lowest[column]])
        fine = np.linspace(top, min(bottom, top - 0.02), 40)
        at = np.interp(-fine, -profiles.elevation, np.arange(len(profiles.elevation)))
        path = np.stack(
            [np.interp(at, np.arange(profiles.hit.shape[1]), profiles.hit[column, :, k]) for k in range(3)]
        )
        length = np.concatenate([[0], np.cumsum(np.linalg.norm(np.diff(path, axis=1), axis=0))])
        close = np.minimum(spacing, 0.6 * length[-1] * spacing / spacing[-1])
        rest = close[-1] + (length[-1] - close[-1]) * np.linspace(0, 1, _ON_SKIN + 1)[1:] ** 1.2
        rows.append(np.interp(np.concatenate([close, rest]), length, fine))
    return np.asarray(rows, np.float32).T


@lru_cache(maxsize=8)
def sheet_pattern(kind: str, rest_bytes: bytes, faces_bytes: bytes) -> Sheet:
    """The sheet of a garment, from the neckline down."""
    profiles = _profiles(rest_bytes, faces_bytes)
    band = np.array([0.0, 0.012, 0.07, 0.125, 0.14], np.float32)
    elevation = _row_elevations(profiles, kind, band)
    count = len(elevation)
    corners, weights, points = _laid(profiles, np.tile(profiles.azimuth, count), elevation.ravel())
    grid = points.reshape(count, AROUND, 3)
    tangent = grid[-1] - grid[-3]
    tangent /= np.maximum(np.linalg.norm(tangent, axis=1, keepdims=True), 1e-6)
    tangent = (np.roll(tangent, 1, axis=0) + tangent + np.roll(tangent, -1, axis=0)) / 3
    # On along the shoulder, then bending down.
    reach = [_BEND * (1 - np.exp(-d / _BEND)) for d in _DOWN]
    below = [tangent * r - np.array([0, d - r, 0]) for d, r in zip(_DOWN, reach, strict=True)]
    rows = count + len(below)
    added = np.concatenate([np.zeros_like(grid), np.asarray(below, np.float32)])
    rest = np.concatenate([grid, np.repeat(grid[-1:], len(below), axis=0)]) + added
    # Arms hang beside the trunk: a crease between them.
    crease = np.exp(-(((np.abs(rest[..., 0]) - 1.6) / 0.12) ** 2)) * np.clip(
        (-2.0 - rest[..., 1]) / 0.7, 0, 1
    )
    added[..., 2] -= np.sign(rest[..., 2] - CENTRE[2]) * 0.16 * crease
    trimmed = kind != "shirt"
    lift = np.full((rows, AROUND), _LIFT[kind])
    # The ragged edge of the cut must stay inside, most of all at the round of the shoulders.
    wide = 0.05 + 0.13 * np.abs(np.cos(profiles.azimuth)) ** 3
    lift[count - 6 :] += np.interp(np.arange(rows - count + 6), [0, 6], [0, 1])[:, None] * wide
    first = (-0.02, 0.05, 0.054, 0.05) if trimmed else (-0.02, 0.03, _LIFT[kind], _LIFT[kind])
    lift[:4] = np.array(first)[:, None]
    trim = np.zeros(rows)
    trim[:4] = float(trimmed)
    hidden = crease * 0.7
    hidden[4] += 0.35 * trimmed
    if not trimmed:
        hidden[:5] += np.array([0.6, 0.6, 0.5, 0.35, 0.3])[:, None]
        hidden[5:, [AROUND // 4 - 2, AROUND // 4 + 2]] += 0.3  # the edges of the button band
    down = np.concatenate([[0], np.cumsum(np.linalg.norm(np.diff(rest, axis=0), axis=2).mean(axis=1))])
    uv = np.stack(np.broadcast_arrays(np.arange(AROUND) / AROUND, down[:, None]), axis=-1)
    extra = (len(below), 1)
    return Sheet(
        corners=np.concatenate([corners, np.tile(corners[-AROUND:], extra)]),
        weights=np.concatenate([weights, np.tile(weights[-AROUND:], extra)]),
        added=added.reshape(-1, 3).astype(np.float32),
        lift=lift.ravel().astype(np.float32),
        rest=rest.reshape(-1, 3).astype(np.float32),
        uv=uv.reshape(-1, 2).astype(np.float32),
        trim=np.repeat(trim, AROUND).astype(np.float32),
        hidden=np.clip(hidden, 0, 1).ravel().astype(np.float32),
        rows=rows,
        faces=grid_faces(1, rows, AROUND, closed=True),
    )


@lru_cache(maxsize=2)
def collar_pattern(rest_bytes: bytes, faces_bytes: bytes) -> Sheet:
    """A shirt's collar: a stand against the neck and a leaf folded over it, open in front."""
    profiles = _profiles(rest_bytes, faces_bytes)
    gap, columns = 0.04, 72
    azimuth = np.pi / 2 + np.linspace(gap, 2 * np.pi - gap, columns)
    from_end = np.minimum(np.linspace(0, 1, columns), np.linspace(1, 0, columns))
    front = np.clip(1 - from_end / 0.17, 0, 1)
    outward = np.where(np.linspace(0, 1, columns) < 0.5, 1.0, -1.0)
    # Rows: height over the neckline (behind, in front), distance from the skin, how far the front ends spread.
    table = [
        (0.0, -0.03, 0.02, 0.0),
        (0.2, 0.07, 0.028, 0.0),
        (0.225, 0.09, 0.042, 0.01),
        (0.2, 0.06, 0.058, 0.03),
        (0.08, -0.1, 0.07, 0.12),
        (-0.08, -0.33, 0.078, 0.3),
        (-0.085, -0.335, 0.055, 0.3),
    ]
    corners, weights, rests, lifts = [], [], [], []
    for behind, before, away, spread in table:
        turned = azimuth + outward * front * spread
        base = _neckline("crew", azimuth) + 0.06
        height = base + behind + (before - behind) * front
        nearest = np.rint(turned / (2 * np.pi / AROUND)).astype(int) % AROUND
        elevation = [_elevation_at(profiles, int(c), float(y)) for c, y in zip(nearest, height, strict=True)]
        here, share, points = _laid(profiles, turned.astype(np.float32), np.asarray(elevation, np.float32))
        corners.append(here)
        weights.append(share)
        rests.append(points)
        lifts.append(np.full(columns, away))
    rows = len(table)
    uv = np.stack(
        np.broadcast_arrays(np.linspace(0, 1, columns), np.linspace(0, 0.5, rows)[:, None]), axis=-1
    )
    hidden = np.array([0.6, 0.3, 0, 0, 0, 0, 0.4])
    return Sheet(
        corners=np.concatenate(corners),
        weights=np.concatenate(weights),
        added=np.zeros((rows * columns, 3), np.float32),
        lift=np.concatenate(lifts).astype(np.float32),
        rest=np.concatenate(rests),
        uv=uv.reshape(-1, 2).astype(np.float32),
        trim=np.ones(rows * columns, np.float32),
        hidden=np.repeat(hidden, columns).astype(np.float32),
        rows=rows,
        faces=grid_faces(1, rows, columns, closed=False),
    )
