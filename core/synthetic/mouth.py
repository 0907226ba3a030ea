"""What an open mouth shows: two rows of single teeth, gums and tongue, darker the deeper they lie.

Teeth are built along the dental arches of the head asset, one rounded crown each, so that rows read as teeth and not
as one white chip. The walls of the mouth belong to the skin (its mask ``inside_mouth``); they are closed at the back.
All Meshes have class MOUTH. Shared columns of ``masks`` (MOUTH_MASKS), all 0..1:

light    light that reaches the point: 1 at the lips, falling towards the throat; multiply diffuse and specular
height   teeth: 0 at the biting edge, 1 at the gum line; gums: 0 at the margin, 1 at the root; tongue: 1 on top
seam     teeth: 1 where neighbours touch, 0 on the middle of the crown (darken and redden); gums, tongue: crease
tone     teeth: fixed lightness of the single tooth, .5 average (canines are darker); 0.5 elsewhere

Materials: "tooth" (enamel: yellower at the gum line, bluish and translucent at the edge), "gum", "tongue".
``rest`` lies in the head's rest space without jaw motion; ``uv`` is (position along the arch or tongue, height).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np

from .geometry import Floats, Ints, Mesh
from .head import MorphedHead
from .params import FaceParams
from .sweep import Numbers, grid_faces

MOUTH_MASKS = ("light", "height", "seam", "tone")
"""Columns of the masks of all materials in the mouth, in order."""

WIDTHS = {"upper": (8.6, 6.8, 7.8, 7.0, 6.8, 9.6, 9.0), "lower": (5.4, 5.9, 6.9, 7.1, 7.2, 10.6, 10.0)}
HEIGHTS = {"upper": (10.6, 9.3, 10.2, 8.4, 7.8, 7.2, 7.0), "lower": (8.8, 9.2, 10.4, 8.8, 8.0, 7.4, 7.0)}
"""Crowns from the middle to the back, millimetres (common tables of dental anatomy)."""

RECESS = {"upper": (0.0, 0.7, -0.3, 0.4, 0.6, 0.8, 0.8), "lower": (0.2, 0.1, -0.2, 0.3, 0.5, 0.6, 0.6)}
"""How far each biting edge keeps away from the other row, millimetres."""

TONES = (0.56, 0.5, 0.36, 0.46, 0.45, 0.42, 0.4)
CORNERS = (0.5, 0.9, 1.3, 1.0, 0.9, 0.7, 0.7)
"""How much the corners of the biting edge are rounded off, millimetres; canines are pointed."""

LIGHT_SPREAD = 0.7
"""How fast light falls off behind the lips: larger is darker."""

LIP_DEPTH = 0.06
"""What lies so near to the opening of the lips, decimetres, is in the open."""

BITE = {"upper": (0.0, -0.03, -0.02), "lower": (0.0, -0.02, -0.045)}
"""Where the rows are set against the head asset's: a natural overbite, behind the lips. With the rows as they are the
lips hide the upper teeth even in a laugh."""

# Vertices of the arch helpers in rest space (decimetres, origin at the eyes), one half from the middle to the back.
# Rows: root, gum, edge. The nearest vertices of an asset are taken, so their order and doubling do not matter.
_UPPER = np.array(
    [
        [
            [0, -0.493, 0.266], [0.078, -0.492, 0.263], [0.161, -0.483, 0.209],
            [0.21, -0.473, 0.125], [0.248, -0.462, 0.045], [0.282, -0.457, -0.046],
            [0.292, -0.458, -0.117], [0.306, -0.45, -0.187], [0.31, -0.451, -0.265],
        ],
        [
            [0, -0.586, 0.245], [0.083, -0.583, 0.242], [0.169, -0.571, 0.19],
            [0.216, -0.557, 0.11], [0.252, -0.542, 0.03], [0.283, -0.531, -0.06],
            [0.292, -0.525, -0.129], [0.306, -0.516, -0.198], [0.31, -0.511, -0.274],
        ],
        [
            [0, -0.684, 0.223], [0.089, -0.68, 0.219], [0.174, -0.664, 0.167],
            [0.221, -0.644, 0.097], [0.254, -0.627, 0.015], [0.284, -0.608, -0.072],
            [0.297, -0.596, -0.141], [0.311, -0.58, -0.206], [0.309, -0.564, -0.278],
        ],
    ],
    np.float32,
)  # fmt: skip
_LOWER = np.array(
    [
        [
            [0, -0.865, 0.182], [0.097, -0.856, 0.179], [0.19, -0.834, 0.132],
            [0.235, -0.809, 0.066], [0.264, -0.782, -0.017], [0.287, -0.752, -0.104],
            [0.292, -0.735, -0.171], [0.306, -0.713, -0.233], [0.31, -0.69, -0.303],
        ],
        [
            [0, -0.772, 0.203], [0.092, -0.765, 0.2], [0.183, -0.746, 0.151],
            [0.229, -0.725, 0.081], [0.26, -0.702, -0.001], [0.286, -0.679, -0.089],
            [0.292, -0.665, -0.157], [0.306, -0.648, -0.221], [0.31, -0.63, -0.294],
        ],
        [
            [0, -0.691, 0.222], [0.091, -0.688, 0.217], [0.177, -0.672, 0.168],
            [0.222, -0.653, 0.095], [0.256, -0.635, 0.013], [0.284, -0.619, -0.076],
            [0.292, -0.604, -0.144], [0.306, -0.59, -0.21], [0.31, -0.571, -0.284],
        ],
    ],
    np.float32,
)  # fmt: skip
_ANCHORS = {"upper": _UPPER, "lower": _LOWER}

LOOP = 14
"""Vertices around one crown."""

_ROWS = np.array([-0.02, -0.012, 0.0, 0.06, 0.16, 0.34, 0.56, 0.78, 0.95, 1.12], np.float32)
_SHRINK = np.array([0.02, 0.55, 0.82, 0.95, 1.0, 1.0, 0.985, 0.95, 0.89, 0.82], np.float32)
"""Heights and sizes of the loops of one crown: the first ones close the biting edge, the last ones hide in the gum."""


@dataclass(frozen=True)
class _Row:
    """Fixed tables of a grid laid along a dental arch, V vertices in the order of ``shape`` (blocks, rows, columns).

    ``value``, ``slope`` (V, 17) interpolate the anchors; ``up``, ``out`` (V,) are offsets from the biting edge towards
    the root and towards the lips, decimetres; ``uv`` (V, 2); ``masks`` (V, 3) height, seam and tone; ``faces`` (F, 3).
    """

    value: Floats
    slope: Floats
    up: Floats
    out: Floats
    uv: Floats
    masks: Floats
    faces: Ints
    shape: tuple[int, int, int]


def _hermite(knots: Floats, at: Floats) -> tuple[Floats, Floats]:
    """Catmull-Rom weights (N, K) of values and slopes at arc lengths ``at`` for points at arc lengths ``knots``."""
    count = len(knots)
    i = np.clip(np.searchsorted(knots, at, side="right") - 1, 0, count - 2)
    span = knots[i + 1] - knots[i]
    t = np.clip((at - knots[i]) / span, 0, 1)
    value, slope = np.zeros((len(at), count)), np.zeros((len(at), count))
    rows = np.arange(len(at))
    basis = (2 * t**3 - 3 * t**2 + 1, t**3 - 2 * t**2 + t, -2 * t**3 + 3 * t**2, t**3 - t**2)
    change = (6 * t**2 - 6 * t, 3 * t**2 - 4 * t + 1, -6 * t**2 + 6 * t, 3 * t**2 - 2 * t)
    for weights, (p0, m0, p1, m1), scale in ((value, basis, 1.0), (slope, change, 1 / span)):
        np.add.at(weights, (rows, i), p0 * scale)
        np.add.at(weights, (rows, i + 1), p1 * scale)
        for knot, m in ((i, m0), (i + 1, m1)):
            low, high = np.maximum(knot - 1, 0), np.minimum(knot + 1, count - 1)
            gain = m * scale * span / (knots[high] - knots[low])
            np.add.at(weights, (rows, high), gain)
            np.add.at(weights, (rows, low), -gain)
    return value.astype(np.float32), slope.astype(np.float32)


def _both_sides(half: Floats) -> Floats:
    """(..., 9, 3) points of the subject's left half to (..., 17, 3) of the whole arch, right to left."""
    mirrored = half[..., :0:-1, :] * np.array([-1, 1, 1], np.float32)
    return np.concatenate([mirrored, half], axis=-2)


@cache
def _arch(name: str) -> tuple[Floats, Floats]:
    """Arc lengths (17,) of the anchors along the edge and centres of the crowns (14,), decimetres, 0 in the middle."""
    edge = _both_sides(_ANCHORS[name])[2]
    steps = np.linalg.norm(np.diff(edge, axis=0), axis=1)
    knots = np.concatenate([[0], np.cumsum(steps)])
    knots -= knots[8]
    widths = np.array(WIDTHS[name]) / 100
    centres = np.cumsum(widths) - widths / 2
    return knots.astype(np.float32), np.concatenate([-centres[::-1], centres]).astype(np.float32)


def _row(name: str, arc: Numbers, up: Numbers, out: Numbers, masks: list[Numbers], closed: bool) -> _Row:
    """Tables of a grid from arrays that broadcast to (blocks, rows, columns); ``closed`` joins the columns."""
    arc, up, out, *masks = np.broadcast_arrays(arc, up, out, *masks)
    value, slope = _hermite(_arch(name)[0], arc.ravel())
    blocks, rows, columns = arc.shape
    uv = np.stack([arc.ravel(), masks[0].ravel()], axis=1).astype(np.float32)
    columns_of = np.stack([m.ravel() for m in masks], axis=1).astype(np.float32)
    faces = grid_faces(blocks, rows, columns, closed=closed)
    if name == "lower":
        faces = np.ascontiguousarray(faces[:, ::-1])
    flat = up.ravel().astype(np.float32), out.ravel().astype(np.float32)
    return _Row(value, slope, *flat, uv, columns_of, faces, (blocks, rows, columns))


def _tables(name: str) -> list[Floats]:
    """Width, height, recess, corner (decimetres) and number of the 14 crowns, right to left, each (14, 1, 1)."""
    order = np.array([6, 5, 4, 3, 2, 1, 0, 0, 1, 2, 3, 4, 5, 6])
    sizes = [np.array(table)[order] / 100 for table in (WIDTHS[name], HEIGHTS[name], RECESS[name], CORNERS)]
    return [table[:, None, None].astype(np.float32) for table in (*sizes, order)]


@cache
def _crowns(name: str) -> _Row:
    """Fourteen rounded crowns: chisels in front, points at the canines, blocks behind."""
    width, tall, recess, corner, number = _tables(name)
    angle = np.arange(LOOP) * (2 * np.pi / LOOP)
    # A superellipse of exponent 3.2: flat faces and rounded line angles.
    across, through = (np.sign(w) * np.abs(w) ** (2 / 3.2) for w in (np.cos(angle), np.sin(angle)))
    v, shrink = _ROWS[:, None], _SHRINK[:, None]
    u, inside = across * shrink, np.clip(v, 0, 1)
    half_thick = np.where(number < 3, 0.007 + 0.025 * inside, np.where(number < 5, 0.035, 0.045))
    convex = 0.007 * np.sin(2.5 * inside + 0.35) - 0.004 - 0.009 * np.abs(u) ** 3
    out = np.where(through > 0, convex, 0.0) + half_thick * (through * shrink - 1)
    rounding = np.where(number == 2, 0.7 * np.abs(u) ** 1.3, np.abs(u) ** 3.5)
    cusps = np.where(number > 2, 0.006 * np.cos(2 * np.pi * u) * np.exp(-inside / 0.15), 0.0)
    up = v * tall + recess + corner * rounding * np.exp(-inside / 0.3) - cusps
    arc = _arch(name)[1][:, None, None] + u * width * 0.505
    tone = np.array(TONES)[number.astype(int)]
    return _row(name, arc, up, out, [inside, np.abs(u) ** 5, tone], closed=True)


@cache
def _gums(name: str) -> _Row:
    """The gum ridge: scalloped around every crown, from behind the teeth over the margin to the root."""
    width, tall, _, _, _ = (table.ravel() for table in _tables(name))
    within = np.linspace(-1, 1, 7)[:-1]
    arc = (_arch(name)[1][:, None] + within * width[:, None] / 2).ravel()
    crown = np.interp(arc, _arch(name)[1], tall)
    between = np.tile(np.abs(within) ** 2.2, len(width))
    margin = crown * 0.97 - 0.03 * between
    behind = crown * 0.97 - 0.012 * between
    up = np.stack(
        [behind - 0.03, behind, margin * 0.985, margin, margin + 0.012, crown + 0.045, crown + 0.11]
    )
    swell = 0.009 - 0.005 * between
    flat = np.ones_like(arc)
    out = np.stack(
        [flat * -0.1, flat * -0.06, flat * -0.012, flat * 0.001, swell, flat * 0.008, flat * -0.01]
    )
    height = np.array([0, 0, 0, 0, 0.15, 0.5, 1.0])[:, None]
    crease = between * np.array([0.5, 0.5, 1, 1, 0.6, 0.1, 0])[:, None]
    return _row(
        name, arc[None, None], up[None], out[None], [height[None], crease[None], np.array([[[0.5]]])], False
    )


def _grid_normals(points: Floats, closed: bool, sign: float) -> Floats:
    """Unit normals (V, 3) of vertex grids (blocks, rows, columns, 3)."""
    along = (
        np.roll(points, -1, axis=2) - np.roll(points, 1, axis=2) if closed else np.gradient(points, axis=2)
    )
    normal = np.cross(along, np.gradient(points, axis=1)) * sign
    normal /= np.maximum(np.linalg.norm(normal, axis=-1, keepdims=True), 1e-9)
    if closed:  # the first loop is a point: it faces where its neighbours face on average
        normal[:, 0] = normal[:, 1].mean(axis=1, keepdims=True)
        normal[:, 0] /= np.linalg.norm(normal[:, 0], axis=-1, keepdims=True)
    return np.asarray(normal.reshape(-1, 3), np.float32)


def _anchors(teeth: Mesh, name: str) -> Floats:
    """Where the anchors (root, gum, edge) x 17 are on this head, (3, 17, 3), set for a natural bite."""
    wanted = _both_sides(_ANCHORS[name])
    nearest = ((teeth.rest - wanted.reshape(-1, 1, 3)) ** 2).sum(axis=-1).argmin(axis=1)
    return np.asarray(teeth.positions[nearest].reshape(3, -1, 3) + np.array(BITE[name], np.float32))


def _laid(row: _Row, anchors: Floats) -> Floats:
    """Positions (V, 3) of a grid along an arch given by its anchors (3, 17, 3)."""
    edge = row.value @ anchors[2]
    up = row.value @ (anchors[0] - anchors[2])
    up /= np.linalg.norm(up, axis=1, keepdims=True)
    out = np.cross(row.slope @ anchors[2], up)
    if out[len(out) // 2, 2] < 0:  # root lies above the edge in one row, below it in the other
        out = -out
    out /= np.linalg.norm(out, axis=1, keepdims=True)
    return np.asarray(edge + up * row.up[:, None] + out * row.out[:, None], np.float32)


@cache
def _rest(kind: str, name: str) -> Floats:
    row = _crowns(name) if kind == "tooth" else _gums(name)
    return _laid(row, _both_sides(_ANCHORS[name]))


def _light(points: Floats, head: MorphedHead, loss: float = 1.0) -> Floats:
    """Share of the light (V,) 0..1 that comes in between the lips: the solid angle of their opening, about.

    ``loss`` below 1 stands for light that the surroundings throw back.
    """
    right, left = head.landmarks[60], head.landmarks[64]
    middle = head.landmarks[60:68].mean(axis=0)
    gap = float(np.linalg.norm(head.landmarks[62] - head.landmarks[66]))
    span = left - right
    area = gap * float(np.linalg.norm(span)) + 0.004
    share = np.clip((points - middle) @ span / (span @ span), -0.3, 0.3)
    distance = np.linalg.norm(points - middle - share[:, None] * span, axis=1)
    behind = np.maximum(distance - LIP_DEPTH, 0.0)
    return np.asarray(area / (area + loss * LIGHT_SPREAD * behind**2), np.float32)


def _along_arch(kind: str, name: str, anchors: Floats, head: MorphedHead) -> Mesh:
    row = _crowns(name) if kind == "tooth" else _gums(name)
    positions = _laid(row, anchors)
    normals = _grid_normals(
        positions.reshape(*row.shape, 3), kind == "tooth", -1.0 if name == "upper" else 1.0
    )
    masks = np.concatenate([_light(positions, head)[:, None], row.masks], axis=1)
    return Mesh(kind, positions, normals, _rest(kind, name), row.uv, masks, row.faces)


def _jaw_motion(upper: Floats, lower: Floats) -> Floats:
    """How far front and back of the lower jaw (2, 3) have moved against the upper one since the base head."""
    ends = [[2, 8], [2, 0]]
    motion = []
    for row, column in ends:
        now = lower[row, column] - upper[row, column]
        then = _both_sides(_LOWER)[row, column] - _both_sides(_UPPER)[row, column]
        motion.append(now - then - (np.array(BITE["lower"]) - np.array(BITE["upper"])))
    motion[1][0] = 0.0  # one side stands for both
    return np.asarray(motion, np.float32)


def _tongue(head: MorphedHead, upper: Floats, lower: Floats) -> Mesh:
    """The tongue of the head asset, lying in the lower jaw: it goes down with it and flattens as the mouth opens."""
    mesh = head.tongue
    rest = mesh.rest
    front = _LOWER[2, 0, 2]
    share = np.clip((rest[:, 2] - _LOWER[2, -1, 2]) / (front - _LOWER[2, -1, 2]), 0, 1)[:, None]
    motion = _jaw_motion(upper, lower)
    drop = float(np.clip(-motion[0, 1] / 0.2, 0, 1))
    moved = motion[0] * share + motion[1] * (1 - share)
    # Open, the tip lies behind the lower teeth and the root leaves the throat free.
    moved[:, 1:] += np.array([-0.03, -0.03], np.float32) - drop * np.array([0.07, 0.02], np.float32)
    moved[:, 1:2] += 0.11 * drop * share
    positions = np.asarray(mesh.positions + moved, np.float32)
    height = np.clip(0.5 + 0.5 * mesh.normals[:, 1], 0, 1)
    crease = np.exp(-((rest[:, 0] / 0.03) ** 2)) * height
    masks = np.stack([_light(positions, head, 0.5), height, crease, np.full(len(rest), 0.5)], axis=1).astype(
        np.float32
    )
    uv = np.stack([(rest[:, 2] - rest[:, 2].min()) / np.ptp(rest[:, 2]), height], axis=1).astype(np.float32)
    return Mesh("tongue", positions, mesh.normals, rest, uv, masks, mesh.faces)


def mouth_meshes(head: MorphedHead, params: FaceParams) -> list[Mesh]:
    """Teeth ("tooth") and gums ("gum") of the upper, then the lower row, and the tongue: five Meshes."""
    rows = {"upper": _anchors(head.teeth_upper, "upper"), "lower": _anchors(head.teeth_lower, "lower")}
    meshes = [
        _along_arch(kind, name, anchors, head) for name, anchors in rows.items() for kind in ("tooth", "gum")
    ]
    return [*meshes, _tongue(head, rows["upper"], rows["lower"])]
