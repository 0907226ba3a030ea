"""Growing guide strands over the skull, and mixing the strands between them.

Everything here is in the space of the base head (see hair.py).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from scipy import sparse

from .geometry import Floats, Ints
from .hair_styles import Design, Zones
from .skull import Skull, axis_z, chart
from .strands import side_frames, single, smoothstep, unit, waves

STEPS = 20
"""Points of a guide."""

DOWN = np.array([0, -1, 0], np.float32)
"""Where gravity pulls."""

FACE_HEIGHT = np.array([-2.2, -1.35, -1.05, -0.5, 0.1, 0.45, 0.7, 0.85])
FACE_SHARE = np.array([0.35, 0.5, 0.85, 1.0, 1.0, 0.85, 0.35, 0.0])
"""How much of a style's open face angle is kept free at a height above the eyes."""


@dataclass(frozen=True)
class Guides:
    """Guides about to grow: ``roots`` and ``normals`` (G, 3), ``zones`` and the ``design`` of the haircut."""

    roots: Floats
    normals: Floats
    zones: Zones
    design: Design


def grow(guides: Guides, chance: Floats, length: Floats, skull: Skull) -> Floats:
    """Curves (G, STEPS, 3) of guides; ``chance`` (G, 6) their fixed numbers, ``length`` (G,) share of their length.

    Each step keeps part of the old direction and turns towards combing along the skull, the root's lift and gravity;
    what would enter the head or the shoulders slides along them.
    """
    plan = guides.design
    total = single(plan.length * length * (1 - plan.ragged * chance[:, 0]))
    step = (total / (STEPS - 1))[:, None]
    layer = single(plan.volume) * (
        0.62 + 0.2 * waves(guides.zones.rest, 1.5, 54) + 0.36 * (chance[:, 1] - 0.5)
    )
    comb = plan.comb + 0.16 * np.stack([waves(guides.zones.rest, 2.2, k) for k in (51, 52, 53)], axis=1)
    open_face = single(np.radians(plan.open_face * (0.88 + 0.24 * chance[:, 2])))
    curtain = bool((open_face > 0).any())
    point, away = guides.roots, chart(guides.roots)[3]
    heading = unit(guides.normals * plan.lift[:, None] + comb)
    curve = np.empty((len(point), STEPS, 3), np.float32)
    curve[:, 0] = point
    for k in range(1, STEPS):
        run = (k - 0.5) * step
        along = comb - away * (comb * away).sum(axis=1, keepdims=True)
        fading = np.exp(-run / (0.08 + 0.5 * layer[:, None]))
        falling = plan.weight[:, None] * (1 - np.exp(-run / 0.35)) * 2
        out = plan.lift[:, None] * fading - plan.hug * smoothstep(0.15, -0.5, point[:, 1:2])
        wish = along * np.exp(-run / 0.9) + DOWN * falling + away * out
        heading = unit(plan.stiff * heading + (1 - plan.stiff) * wish)
        moved = single(point + heading * step)
        rise = single(layer * (1 - np.exp(-run[:, 0] / 0.18)) + 0.006)
        moved, away = skull.pushed(moved, rise)
        if curtain:
            moved = _beside_face(moved, open_face, guides.zones.beside)
        heading = unit(heading + unit(moved - point))
        point = moved
        curve[:, k] = point
    return _waved(curve, guides, chance, total)


def _beside_face(point: Floats, open_face: Floats, side: Floats) -> Floats:
    """Points turned about the head's axis until they are beside the face, on the ``side`` (G,) given."""
    depth = point[:, 2] - axis_z(point[:, 1])
    angle = np.arctan2(point[:, 0] * side, depth)
    limit = open_face * np.interp(point[:, 1], FACE_HEIGHT, FACE_SHARE).astype(np.float32)
    hidden = (angle < limit) & (open_face > 0)
    if not hidden.any():
        return point
    radius = np.hypot(point[:, 0], depth)
    turned = np.where(hidden & (angle > -1.5), limit, angle)
    moved = point.copy()
    moved[:, 0] = np.sin(turned) * radius * side
    moved[:, 2] += np.cos(turned) * radius - depth
    return moved


def _waved(curve: Floats, guides: Guides, chance: Floats, total: Floats) -> Floats:
    """Guides with their waves: flat ones across the surface, corkscrews for curls; neighbours are nearly in phase."""
    plan = guides.design
    if plan.wave <= 0:
        return curve
    outward = chart(curve)[3]
    sideways, upward = side_frames(curve, outward)
    run = np.linspace(0, 1, STEPS, dtype=np.float32) * total[:, None]
    phase = 2.5 * waves(guides.zones.rest, 1.2, 61) + (1.2 + 5 * plan.curl) * chance[:, 3]
    turn = run * (2 * np.pi / (plan.pitch * (0.8 + 0.4 * chance[:, 4:5]))) + phase[:, None]
    size = plan.wave * smoothstep(0.0, 0.35, run) * (0.7 + 0.6 * chance[:, 5:6])
    flat = np.sin(turn) - np.sin(phase)[:, None]
    coil = (np.cos(turn) - np.cos(phase)[:, None]) * (0.3 + 0.7 * plan.curl)
    return np.asarray(
        curve + sideways * (size * flat)[..., None] + upward * (size * coil)[..., None], np.float32
    )


@dataclass(frozen=True)
class Bundle:
    """Strands to be drawn between guides: ``start`` (N, 3) their roots, ``near`` (N, K) guides in order of distance
    with ``shares`` (N, K) of any sum, ``chance`` (N, 5) uniform numbers, ``wisps`` (N, 3) which way groups of them
    stray, ``length`` (N,) share of the guides' length."""

    start: Floats
    near: Ints
    shares: Floats
    chance: Floats
    wisps: Floats
    length: Floats


def strands_between(bundle: Bundle, curves: Floats, guides: Guides, steps: int) -> Floats:
    """Strands (N, steps, 3): the guides' ``curves`` mixed by shares, gathered into one of them towards the tip."""
    count, kinds = bundle.shares.shape
    plan, chance = guides.design, bundle.chance
    shares = bundle.shares / bundle.shares.sum(axis=1, keepdims=True)
    bent = _resampled(curves - guides.roots[:, None], steps)
    drawn = (np.cumsum(shares, axis=1) < chance[:, :1]).sum(axis=1)
    lock = bundle.near[np.arange(count), np.minimum(drawn, kinds - 1)]
    places = np.arange(0, (count + 1) * kinds, kinds, dtype=np.int32)
    matrix = sparse.csr_array((shares.ravel(), bundle.near.ravel(), places), shape=(count, len(curves)))
    strands = (matrix @ bent.reshape(len(curves), -1)).reshape(count, steps, 3)
    t = np.linspace(0, 1, steps, dtype=np.float32)
    gather = (plan.clump * (0.25 + 0.75 * chance[:, 1:2]) * smoothstep(0.0, 0.95, t))[..., None]
    pulled = bent[lock]
    pulled -= strands
    pulled += (guides.roots[lock] - bundle.start)[:, None]
    pulled *= gather
    strands += pulled
    spread = (bundle.wisps + 0.9 * (chance[:, 2:] - 0.5)) * np.float32(plan.frizz)
    strands += spread[:, None] * (t * (0.4 + t))[:, None]
    strands += bundle.start[:, None]
    return _shortened(strands, bundle.length)


def _resampled(curves: Floats, steps: int) -> Floats:
    """Curves (G, STEPS, 3) with another number of points, along Catmull-Rom splines."""
    return np.asarray(np.einsum("st,gtc->gsc", _spline(steps), curves, optimize=True), np.float32)


@lru_cache(maxsize=16)
def _spline(steps: int) -> Floats:
    """Weights (steps, STEPS) of a guide's points in a curve of ``steps`` points (Catmull and Rom 1974)."""
    place = np.linspace(0, STEPS - 1, steps)
    low = np.minimum(place.astype(int), STEPS - 2)
    t = place - low
    parts = (-t + 2 * t**2 - t**3, 2 - 5 * t**2 + 3 * t**3, t + 4 * t**2 - 3 * t**3, -(t**2) + t**3)
    weights = np.zeros((steps, STEPS), np.float32)
    for shift, part in zip((-1, 0, 1, 2), parts, strict=True):
        np.add.at(weights, (np.arange(steps), np.clip(low + shift, 0, STEPS - 1)), part / 2)
    return weights


def _shortened(curves: Floats, cut: Floats) -> Floats:
    """Curves (N, S, 3) ended at share ``cut`` (N,) of their way, with the same number of points."""
    count, steps, _ = curves.shape
    place = np.linspace(0, steps - 1.001, steps, dtype=np.float32) * cut[:, None].astype(np.float32)
    low = place.astype(np.int32)
    share = (place - low)[..., None]
    at = low + np.arange(count, dtype=np.int32)[:, None] * steps
    flat = curves.reshape(-1, 3)
    return np.asarray(flat[at] * (1 - share) + flat[at + 1] * share, np.float32)
