"""Beard, moustache and stubble.

Roots are fixed to the lower face in one table; the attributes decide which of them carry hair and how long it is, so
growing a beard lengthens hairs in place. Stubble is mostly a shadow in the skin's shading; here it adds short hairs.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from scipy.spatial import cKDTree

from .geometry import BEARD, Floats, Mesh, Strands
from .head import MASKS, MorphedHead
from .params import FaceParams
from .strands import (
    Roots,
    bare_mesh,
    no_strands,
    scatter,
    single,
    smoothstep,
    taper,
    uniform_table,
    unit,
    waves,
)

ROOTS = 11_000
"""Beard hairs at detail 1."""

CHEEK_ANGLE = np.array([0, 14, 26, 38, 50, 62, 74, 86, 100])
CHEEK_LINE = np.array([-0.87, -0.86, -0.75, -0.66, -0.52, -0.34, -0.12, -0.02, -0.02])
NECK_LINE = np.array([-1.2, -1.21, -1.23, -1.22, -1.2, -1.08, -0.9, -0.62, -0.3])
"""Upper and lower edge of the beard on the base head: heights above the eyes by angle from the front, degrees."""


@dataclass(frozen=True)
class BeardTables:
    """``roots`` in random order; ``ahead`` the skin points a little way along the growth of each; ``jaw`` (N,) and
    ``lip`` (N,) how much a root belongs to beard and to moustache, ``chin`` (N,) how near the chin it is; ``chance``
    (N, 6) uniform numbers, ``tangle`` (N, 3) how hairs stray."""

    roots: Roots
    ahead: Roots
    jaw: Floats
    lip: Floats
    chin: Floats
    chance: Floats
    tangle: Floats


def beard_strands(head: MorphedHead, params: FaceParams, detail: float) -> Strands:
    """Beard, moustache and stubble in the space of the head, as strands of class BEARD.

    ``detail`` in 0..1 sets how many hairs show it and how wide they are; look[31] is the style, from chin and
    moustache alone (0) to cheeks and all (1). A hair keeps its index whatever the attributes are; one that does not
    grow has no width. No strands where all three attributes are 0. Raises ValueError for another detail.
    """
    if not 0.0 < detail <= 1.0:
        raise ValueError(f"detail is {detail}; it must be above 0 and at most 1")
    if max(params.beard, params.moustache, params.stubble) <= 0.02:
        return no_strands(BEARD)
    tables = beard_tables(head.surface)
    count = int(ROOTS * detail**1.55)
    length, present = _amounts(tables, params, count)
    curves = _grown(tables, length, head.surface, 5 if detail < 0.6 else 8)
    chance = tables.chance[:count]
    fine = 0.55 + 0.45 * smoothstep(0.0, 0.12, length)
    width = (0.0085 * detail**-1.1) * (0.7 + 0.5 * chance[:, 2]) * fine * present
    shade = np.stack([chance[:, 3], chance[:, 4] < 1.15 * params.grey], axis=1).astype(np.float32)
    return Strands(BEARD, curves, taper(width, curves.shape[1], 0.9, 0.25), shade)


def beard_tint(skin: Mesh, params: FaceParams) -> Floats:
    """How much (V,) in 0..1 the skin's colour is replaced by the beard's because dense roots stand on it.

    Covers beard, moustache and stubble; ``skin`` is a mesh with the head's mask columns, at any level.
    """
    jaw, lip, chin = _regions(skin.rest, _bare(skin.masks))
    style = _style_share(chin, skin.rest, params)
    full = jaw * style * _ramp(params.beard, 0.5) * 0.75
    upper = lip * _ramp(params.moustache, 0.5) * 0.75
    shadow = np.maximum(jaw, lip) * params.stubble * 0.45
    return np.asarray(np.maximum(np.maximum(full, upper), shadow), np.float32)


def _ramp(value: float, full: float) -> float:
    """0 where an attribute starts to show, 1 from ``full`` on."""
    return float(smoothstep(0.02, full, np.array(value, np.float32)))


def _amounts(tables: BeardTables, params: FaceParams, count: int) -> tuple[Floats, Floats]:
    """Length in decimetres and presence 0..1 of the first ``count`` roots: beard, else moustache, else stubble."""
    jaw, lip, chin = tables.jaw[:count], tables.lip[:count], tables.chin[:count]
    chance = tables.chance[:count, 0]
    full = jaw * _style_share(chin, tables.roots.rest[:count], params) * _ramp(params.beard, 0.45)
    full = smoothstep(0.0, 0.2, full * 1.2 - chance)
    throat = smoothstep(-0.1, -0.4, tables.roots.rest[:count, 2]) * smoothstep(
        -1.0, -1.12, tables.roots.rest[:count, 1]
    )
    grown = (0.05 + 0.55 * params.beard**1.5) * (0.35 + 0.65 * chin) * (0.4 + 0.6 * smoothstep(0.0, 0.7, jaw))
    grown *= 1 - 0.75 * throat
    upper = smoothstep(0.0, 0.2, lip * _ramp(params.moustache, 0.45) * 1.2 - chance)
    outer = smoothstep(0.16, 0.34, np.abs(tables.roots.rest[:count, 0]))
    whiskers = (0.04 + 0.16 * params.moustache**1.2) * (1 - 0.45 * outer) * np.sqrt(lip)
    shadow = smoothstep(
        0.0, 0.2, np.maximum(jaw, lip) * (1 - 0.6 * throat) * _ramp(params.stubble, 0.6) - chance
    )
    short = 0.01 + 0.016 * params.stubble
    length = np.maximum(np.maximum(grown * full, whiskers * upper), short * shadow)
    return length.astype(np.float32), np.maximum(np.maximum(full, upper), shadow)


def _style_share(chin: Floats, rest: Floats, params: FaceParams) -> Floats:
    """How much (N,) the style keeps of each place: goatees keep the chin, full beards all of it."""
    cheeks = smoothstep(0.12, 0.45, np.array(params.look[31], np.float32))
    goatee = smoothstep(0.35, 0.75, chin)
    patchy = 1 - 0.5 * (1 - chin) * smoothstep(0.1, 0.7, waves(rest, 3.0, 101)) * (1 - params.look[31])
    return np.asarray((goatee + (1 - goatee) * cheeks) * patchy, np.float32)


def _grown(tables: BeardTables, length: Floats, surface: Mesh, steps: int) -> Floats:
    """Curves (N, steps, 3) of the first N roots: along the skin's growth first, standing off it, then hanging."""
    count = len(length)
    roots, chance, tangle = tables.roots.first(count), tables.chance[:count], tables.tangle[:count]
    start = roots.at(surface.positions)
    normal = unit(roots.at(surface.normals))
    along = unit(tables.ahead.first(count).at(surface.positions) - start)
    heading = unit(along + normal * (0.5 - 0.28 * tables.lip[:count, None]) + tangle)
    down = np.array([0, -1, 0], np.float32) + np.float32(0.3) * normal
    reach = (length * (0.7 + 0.5 * chance[:, 1]))[:, None, None]
    t = np.linspace(0, 1, steps, dtype=np.float32)[None, :, None]
    sag = smoothstep(0.05, 0.35, length)[:, None, None]
    phase = np.float32(6.3) * chance[:, 5, None, None]
    curl = np.sin(t * 9 + phase) - np.sin(phase)
    curves = (start + normal * np.float32(0.003))[:, None] + reach * heading[:, None] * (
        t - 0.35 * sag * t * t
    )
    curves += reach * down[:, None] * (0.55 * sag * t * t)
    curves += sag * curl * (0.012 * tangle)[:, None]
    return curves


def beard_tables(surface: Mesh) -> BeardTables:
    """The fixed tables of the head asset that ``surface`` (level 0) belongs to; made once per asset."""
    return _made(surface.rest.tobytes(), surface.faces.tobytes(), _bare(surface.masks).tobytes())


@lru_cache(maxsize=2)
def _made(rest_bytes: bytes, face_bytes: bytes, bare_bytes: bytes) -> BeardTables:
    rest = np.frombuffer(rest_bytes, np.float32).reshape(-1, 3)
    faces = np.frombuffer(face_bytes, np.int32).reshape(-1, 3)
    bare = np.frombuffer(bare_bytes, np.float32)
    surface = bare_mesh(rest, faces)
    jaw, lip, _ = _regions(rest, bare)
    samples = scatter(surface, np.maximum(jaw, lip) > 0, 60_000, 17)
    jaw, lip, chin = _regions(samples.rest, samples.at(bare[:, None])[:, 0])
    grown = np.nonzero(np.maximum(jaw, lip) > 0.02)[0]
    order = np.random.default_rng(18).permutation(grown)[:ROOTS]
    roots = samples.take(order)
    aim = roots.rest + 0.05 * _growth(roots.rest, roots.normals, lip[order])
    _, near = cKDTree(samples.rest).query(aim)
    chance = uniform_table(len(order), 6, 19)
    tangle = 0.28 * np.stack([waves(roots.rest, 7.0, k) for k in (111, 112, 113)], axis=1)
    tangle = (tangle + 0.55 * (chance[:, [1, 3, 5]] - 0.5)).astype(np.float32)
    return BeardTables(roots, samples.take(near), jaw[order], lip[order], chin[order], chance, tangle)


def _growth(rest: Floats, normals: Floats, lip: Floats) -> Floats:
    """Unit directions (N, 3) along the skin in which hair grows: down the jaw, aside on the lip."""
    side = np.tanh(rest[:, 0] / 0.06)
    wish = np.stack([side * (0.15 + 0.3 * lip), -1 + 0 * lip, 0.35 * (1 - lip)], axis=1)
    wish[:, 2] += 0.5 * smoothstep(-1.0, -1.2, rest[:, 1])
    flat = wish - normals * np.einsum("nc,nc->n", wish, normals)[:, None]
    return unit(flat.astype(np.float32))


def _bare(masks: Floats) -> Floats:
    """Share (V,) of skin that may carry a beard: neither lips nor mouth nor ears."""
    return single(1 - masks[:, [MASKS.index(name) for name in ("lips", "inside_mouth", "ears")]].max(axis=1))


def _regions(rest: Floats, bare: Floats) -> tuple[Floats, Floats, Floats]:
    """Share (N,) of jaw beard, of moustache, and nearness to the chin, at points of the base head."""
    x, y, z = np.abs(rest[:, 0]), rest[:, 1], rest[:, 2]
    angle = np.degrees(np.arctan2(x, z + 0.55))
    ragged = 0.03 * waves(rest, 6.0, 102)
    below = smoothstep(0.03, -0.12, y - np.interp(angle, CHEEK_ANGLE, CHEEK_LINE) + ragged)
    above = smoothstep(-0.04, 0.12, y - np.interp(angle, CHEEK_ANGLE, NECK_LINE) + ragged)
    bare = smoothstep(0.5, 1.0, bare)
    # Under the lip only a small tuft grows; both sides of it stay free.
    tuft = smoothstep(0.06, 0.02, x) * smoothstep(-0.8, -0.84, y) * (angle < 30)
    jaw = np.maximum(below, tuft) * above * bare * smoothstep(102, 90, angle)
    lip = smoothstep(-0.72, -0.67, y - 0.28 * np.maximum(x - 0.12, 0)) * bare * smoothstep(0.36, 0.27, x)
    lip = lip * smoothstep(-0.455, -0.505, y + 0.36 * x) * (z > 0.1)
    corner = smoothstep(0.1, 0.02, np.abs(x - 0.31 - 0.02 * (y + 0.8))) * bare * (z > 0.05)
    corner = corner * smoothstep(-0.62, -0.7, y)
    chin = smoothstep(0.5, 0.16, np.hypot(x, 0.8 * (y + 1.0)) - 0.1 * (z > 0.1))
    jaw = np.maximum(jaw, corner * above)
    return jaw.astype(np.float32), lip.astype(np.float32), np.maximum(chin, corner).astype(np.float32)
