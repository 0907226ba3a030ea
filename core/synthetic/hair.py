"""Hair: a few hundred guide strands grown over the skull, and many strands drawn between them.

Guides grow in the space of the base head (hair_growth.py); the scalp's best affine fit takes a face there and back.
Every other strand is a mixture of the guides near its root that gathers into one of them towards the tip, which is
what makes locks. The haircut does not depend on ``detail``; that only sets how many strands show it and how wide.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import numpy.typing as npt
from scipy.spatial import cKDTree

from .geometry import HAIR, Floats, Ints, Mesh, Strands
from .hair_growth import Bundle, Guides, grow, strands_between
from .hair_styles import design, families, zones
from .head import MASKS, MorphedHead
from .params import FaceParams
from .scalp import cover_at, edge_grain, hairline_distance
from .skull import CENTRE_Y, SkullCells, find_cells, measure
from .strands import Roots, bare_mesh, no_strands, scatter, smoothstep, taper, uniform_table, waves

ROOTS = 24_000
"""Strands at detail 1 over the widest hairline."""

GUIDES = 460
"""Guide strands; each is also the middle of a lock."""

NEIGHBOURS = 6
"""Guides that may have a share in a strand."""

WIDEST = FaceParams(hair_style="short", look=(0.5,) * 13 + (0.0,) + (0.5,) * 18)
"""The lowest hairline there is; roots are sampled inside it."""


@dataclass(frozen=True)
class HairTables:
    """What is fixed for a head asset: ``roots`` in an order whose every beginning is even, ``guides``, ``near``
    (N, NEIGHBOURS) guide indices with ``shares``, the skull's ``cells``, ``fit`` (4, GUIDES) that solves for the
    affine map of the scalp, ``chance`` (N, 10) and ``guide_chance`` (GUIDES, 6) uniform numbers, ``grain`` (N,) the
    hairline's irregularity, ``wisps`` (N, 3) which way thin wisps stray, ``streaks`` (N,) brightness 0..1."""

    roots: Roots
    guides: Roots
    near: Ints
    shares: Floats
    cells: SkullCells
    fit: Floats
    chance: Floats
    guide_chance: Floats
    grain: Floats
    wisps: Floats
    streaks: Floats


def hair_strands(head: MorphedHead, params: FaceParams, detail: float) -> Strands:
    """The hair of a head, in its space, as strands of class HAIR.

    ``detail`` in 0..1: 1 for HD (about 20 000 fine strands), 0.3 for 128 pixels (about 3 000 wider ones). ``shade``
    columns are brightness jitter 0..1 and grey 0 or 1. A strand keeps its index whatever the attributes are; one that
    does not grow (hairline) has no width. Raises ValueError for another detail.
    """
    if not 0.0 < detail <= 1.0:
        raise ValueError(f"detail is {detail}; it must be above 0 and at most 1")
    if params.hair_style == "bald" and params.recede <= 0.5:
        return no_strands(HAIR)
    tables = hair_tables(head.surface)
    count = int(len(tables.roots.rest) * detail**1.7)
    roots, chance = tables.roots.first(count), tables.chance[:count]
    inside = hairline_distance(roots.rest, params)
    fit = ScalpFit.between(tables, head.surface.positions)
    skull = measure(tables.cells, fit.to_base(head.surface.positions))
    where = zones(tables.guides.rest, params)
    plan = design(where, params)
    planted = Guides(
        fit.to_base(tables.guides.at(head.surface.positions)), tables.guides.normals, where, plan
    )
    edge = hairline_distance(tables.guides.rest, params)
    curves = grow(planted, tables.guide_chance, _edge_length(edge), skull)
    near, steps = tables.near[:count], strand_steps(params.hair_style, detail)
    related = where.family[near] == families(roots.rest, params)[:, None]
    bundle = Bundle(
        start=fit.to_base(roots.at(head.surface.positions)),
        near=near,
        shares=tables.shares[:count] * related + np.float32(1e-6),
        chance=chance[:, 5:10],
        wisps=tables.wisps[:count],
        length=_edge_length(inside) * (1 - plan.ragged * chance[:, 4] ** 2),
    )
    strands = strands_between(bundle, curves, planted, steps)
    strands = skull.outside(strands, (0.004 + 0.02 * chance[:, 1])[:, None])
    cover = cover_at(inside, tables.grain[:count], params) - chance[:, 0]
    width = (0.0078 * detail**-1.12) * (0.65 + 0.6 * chance[:, 2]) * smoothstep(0.0, 0.25, cover)
    width *= 0.55 + 0.45 * smoothstep(0.0, 0.14, inside)
    shade = np.stack([tables.streaks[:count], chance[:, 3] < params.grey], axis=1).astype(np.float32)
    return Strands(HAIR, fit.to_face(strands), taper(width, steps, 0.7, 0.25), shade)


def strand_steps(style: str, detail: float) -> int:
    """Points of a strand: short hair needs few, curls many."""
    few, many = {
        "bald": (3, 5),
        "buzz": (3, 5),
        "short": (7, 14),
        "swept": (9, 18),
        "parted": (9, 18),
        "curly": (16, 36),
    }.get(style, (12, 24))
    return round(few + (many - few) * min(max((detail - 0.3) / 0.7, 0.0), 1.0))


@dataclass(frozen=True)
class ScalpFit:
    """The affine map between a face and the base head that fits the scalp best: face = base @ ``linear`` + ``offset``
    with ``linear``, ``inverse`` (3, 3), ``offset`` (3,) float32."""

    linear: Floats
    inverse: Floats
    offset: Floats

    @staticmethod
    def between(tables: HairTables, positions: Floats) -> ScalpFit:
        """Fit the surface ``positions`` (V, 3) of a face."""
        solved = tables.fit @ tables.guides.at(positions)
        linear = solved[:3]
        return ScalpFit(linear, np.linalg.inv(linear).astype(np.float32), solved[3])

    def to_base(self, points: Floats) -> Floats:
        """Points (..., 3) of the face in the space of the base head."""
        return np.asarray((points - self.offset) @ self.inverse, np.float32)

    def to_face(self, points: Floats) -> Floats:
        """Points (..., 3) of the base head's space on the face."""
        return np.asarray(points @ self.linear + self.offset, np.float32)


def hair_tables(surface: Mesh) -> HairTables:
    """The fixed tables of the head asset that ``surface`` (level 0) belongs to; made once per asset."""
    hidden = surface.masks[:, [MASKS.index(name) for name in ("ears", "inside_mouth", "lid_rim")]].max(axis=1)
    return _made(surface.rest.tobytes(), surface.faces.tobytes(), hidden.tobytes())


@lru_cache(maxsize=2)
def _made(rest_bytes: bytes, face_bytes: bytes, hidden_bytes: bytes) -> HairTables:
    rest = np.frombuffer(rest_bytes, np.float32).reshape(-1, 3)
    faces = np.frombuffer(face_bytes, np.int32).reshape(-1, 3)
    hidden = np.frombuffer(hidden_bytes, np.float32)
    surface = bare_mesh(rest, faces)
    near_hair = (hairline_distance(rest, WIDEST) > -0.12) & (hidden < 0.3)
    samples = scatter(surface, near_hair, 160_000, 13)
    samples = samples.take(np.nonzero(hairline_distance(samples.rest, WIDEST) > -0.04)[0])
    roots = samples.take(_even_order(samples.rest, ROOTS))
    guides = samples.take(_even_order(samples.rest + np.float32(1e-3), GUIDES * 2)[:GUIDES])
    distance, near = cKDTree(guides.rest).query(roots.rest, k=NEIGHBOURS)
    shares = 1 / (distance + 0.02) ** 3
    shares = (shares / shares.sum(axis=1, keepdims=True)).astype(np.float32)
    fit = np.linalg.pinv(np.concatenate([guides.rest, np.ones((GUIDES, 1))], axis=1).astype(np.float64))
    chance = uniform_table(len(roots.rest), 10, 1)
    wisps = np.stack([waves(roots.rest, 11.0, k) for k in (71, 72, 73)], axis=1)
    streaks = 0.5 + 0.22 * waves(roots.rest, 4.0, 41) + 0.3 * (chance[:, 6] - 0.5)
    return HairTables(
        roots, guides, near.astype(np.int32), shares, find_cells(surface, hidden < 0.4), fit.astype(np.float32),
        chance, uniform_table(GUIDES, 6, 2), edge_grain(roots.rest), wisps, np.clip(streaks, 0, 1),
    )  # fmt: skip


def _even_order(points: Floats, count: int) -> npt.NDArray[np.intp]:
    """Indices of up to ``count`` points such that every beginning of the list covers the scalp evenly: the samples
    nearest to a low-discrepancy sequence of directions (Roberts' R2)."""
    from_centre = points - np.array([0, CENTRE_Y, -0.68], np.float32)
    directions = from_centre / np.linalg.norm(from_centre, axis=1, keepdims=True)
    steps = np.arange(1, 4 * count + 1)[:, None] * np.array([0.7548776662466927, 0.5698402909980532])
    turn, height = (steps % 1.0).T
    height = 2 * height - 1
    flat = np.sqrt(1 - height**2)
    wanted = np.stack([flat * np.cos(2 * np.pi * turn), height, flat * np.sin(2 * np.pi * turn)], axis=1)
    distance, index = cKDTree(directions).query(wanted, distance_upper_bound=0.02)
    index = index[distance < 0.02]
    _, first = np.unique(index, return_index=True)
    return np.asarray(index[np.sort(first)][:count], np.intp)


def _edge_length(inside: Floats) -> Floats:
    """Share (N,) of a strand's length that is left near the hairline, where hair is finer and shorter."""
    return 0.6 + 0.4 * smoothstep(-0.02, 0.16, inside)
