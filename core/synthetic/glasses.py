"""Glasses and sunglasses, designed by the look vector and fitted to the morphed head.

``glasses_meshes`` gives no Mesh below 0.5 of both attributes; else "frame" (opaque: rims, bridge, temples, pads) and
one "lens" or "dark_lens" per eye (blended over what lies behind; sunglasses win). Class GLASSES.

``masks`` of "frame", columns FRAME_MASKS:

red, green, blue  colour of the frame, scene-linear 0..1 (base colour; for metal the colour of its reflection)
metal             1 metal (reflection in the frame's colour), 0 acetate (white highlight over a diffuse body)
pattern           strength of tortoise mottling 0..1; draw it as noise over ``rest`` (decimetres, frame's own space)

``masks`` of both lens materials, columns LENS_MASKS:

red, green, blue  colour that the lens lets through, scene-linear 0..1
density           share that it holds back 0..1 (alpha of the blend): .03-.06 clear, .8-.95 dark; graded on some
edge              0 in the middle, 1 at the rim: brighter reflection, thicker glass

Lenses are single surfaces facing away from the eye; add Fresnel reflection with ``normals``. ``uv`` is (-1..1 across,
-1..1 up) of a lens, and (x, y) of head space on the frame.
"""

from __future__ import annotations

import numpy as np

from .geometry import Floats, Ints, Mesh
from .glasses_design import Design, design_of
from .glasses_fit import STATIONS, TILT, WRAP, Fit, fit_to, front_height, rim_curve
from .head import MorphedHead
from .params import FaceParams
from .sweep import disc_faces, sweep, tube_faces

FRAME_MASKS = ("red", "green", "blue", "metal", "pattern")
"""Columns of the masks of material "frame", in order."""

LENS_MASKS = ("red", "green", "blue", "density", "edge")
"""Columns of the masks of materials "lens" and "dark_lens", in order."""

LENS_RINGS = np.array([0.3, 0.55, 0.75, 0.9, 1.0], np.float32)
"""Radii of the rings of vertices of a lens, as shares of the rim."""

Part = tuple[Floats, Floats, Ints]


def _rim(design: Design, points: Floats, out: Floats) -> Part:
    top = 0.5 + 0.5 * np.clip(out[:, 1] * 1.6, -1, 1)
    half = (design.rim[1] + (design.rim[0] - design.rim[1]) * top).astype(np.float32)
    along = np.roll(points, -1, axis=0) - np.roll(points, 1, axis=0)
    depth = np.minimum(half * 1.5, design.depth).astype(np.float32)
    # The lens sits in a groove: the rim reaches a little inwards and mostly outwards.
    path = points + out * (half * 0.55)[:, None]
    exponent = 2.0 if design.metal else 3.0
    return *sweep(path, out, along, half, depth, exponent=exponent), tube_faces(STATIONS, 8, True)


def _path_part(design: Design, path: Floats, across: Floats, half: tuple[Floats, Floats]) -> Part:
    along = np.gradient(path, axis=0)
    exponent = 2.0 if design.metal else 3.0
    tube = sweep(path, np.broadcast_to(across, path.shape), along, *half, exponent=exponent)
    return *tube, tube_faces(len(path), 8, False)


def _smooth_path(knots: Floats, count: int) -> Floats:
    """A curve (count, 3) through few points: straight pieces with rounded corners."""
    steps = np.linalg.norm(np.diff(knots, axis=0), axis=1)
    length = np.concatenate([[0], np.cumsum(steps)])
    at = np.linspace(0, length[-1], count * 3)
    line = np.stack([np.interp(at, length, knots[:, k]) for k in range(3)], axis=1)
    padded = np.concatenate([np.repeat(line[:1], 2, axis=0), line, np.repeat(line[-1:], 2, axis=0)])
    window = np.lib.stride_tricks.sliding_window_view(padded, 5, axis=0).mean(axis=-1)
    window[0], window[-1] = knots[0], knots[-1]
    return np.asarray(window[np.linspace(0, len(window) - 1, count).astype(int)], np.float32)


def _nearest(points: Floats, x: float, y: float) -> Floats:
    """A copy of the point (3,) that lies nearest to (x, y) in the picture."""
    return np.array(points[np.argmin((points[:, 0] - x) ** 2 + (points[:, 1] - y) ** 2)], np.float32)


def _bridge(design: Design, fit: Fit, points: Floats, head: MorphedHead) -> list[Part]:
    """The bridge over the nose, kept in front of the skin."""
    start = _nearest(points, points[:, 0].min(), fit.centre[1] + 0.42 * fit.size[1])
    t = np.linspace(-1, 1, 13)
    x = t * float(start[0])
    y = start[1] + (0.03 if design.metal else 0.02) * (1 - t * t)
    z = front_height(x, y, fit.front, fit.centre[1]) + 0.02 * (1 - t * t)
    skin = head.surface
    near = (np.abs(skin.positions[:, 0]) < 0.12) & (np.abs(skin.positions[:, 1] - float(y.mean())) < 0.09)
    near &= skin.positions[:, 2] > 0
    p = skin.positions[near]
    if len(p):
        ridge = float((p[:, 2] + 0.8 * np.abs(p[:, 0])).max()) - 0.8 * np.abs(x)
        z = np.maximum(z, ridge + 0.6 * design.depth)
    half = design.rim[0] * (1.0 if design.metal else 0.95)
    wide = np.full(len(t), half, np.float32)
    deep = np.full(len(t), min(half, design.depth), np.float32)
    path = np.stack([x, y, z], axis=1).astype(np.float32)
    return [_path_part(design, path, np.array([0, 1, 0.0], np.float32), (wide, deep))]


def _temple(design: Design, fit: Fit, points: Floats, head: MorphedHead, side: int) -> Part:
    """The arm from the rim's outer corner over the ear, outside of the skin. Side 0 is the subject's left."""
    sign = 1 - 2 * side
    hinge = _nearest(points, points[:, 0].max(), fit.centre[1] + 0.5 * fit.size[1])
    hinge[0] += design.rim[0]
    ear = fit.ear[side] * np.array([sign, 1, 1], np.float32) + np.array([0.012, 0.02, 0.0], np.float32)
    corner = _corner(hinge, ear, head.surface.positions * np.array([sign, 1, 1], np.float32))
    behind = ear + np.array([-0.025, -0.02, -0.1], np.float32)
    tip = ear + np.array([-0.06, -0.3, -0.24], np.float32)
    knots = np.stack([hinge - np.array([0.02, 0, 0], np.float32), hinge, corner, ear, behind, tip])
    path = _smooth_path(knots, 22)
    tall = 0.011 if design.metal else 0.02 + 0.35 * design.rim[0]
    taper = np.interp(np.linspace(0, 1, 22), [0, 0.25, 1], [1, 0.8, 0.7]).astype(np.float32)
    first = min(1.0, design.rim[0] * 1.1 / tall)
    taper[:3] *= first
    half = (taper * tall, np.full(22, 0.008 if design.metal else 0.012, np.float32))
    path = path * np.array([sign, 1, 1], np.float32)
    return _path_part(design, path, np.array([0, 1, 0.0], np.float32), half)


def _corner(hinge: Floats, ear: Floats, skin: Floats) -> Floats:
    """Where the arm (left side) bends backwards: far enough out for the line to the ear to pass the ``skin`` (V, 3)."""
    corner = np.array([max(hinge[0] + 0.03, 0.8 * ear[0]), hinge[1], hinge[2] - 0.09], np.float32)
    share = (skin[:, 2] - corner[2]) / (ear[2] - corner[2])
    on_the_way = (share > 0) & (share < 0.7) & (skin[:, 0] > 0.3)  # near the ear the arm's own end decides
    on_the_way &= np.abs(skin[:, 1] - corner[1] - share * (ear[1] - corner[1])) < 0.07
    share, outside = share[on_the_way], skin[on_the_way, 0]
    push = (outside - corner[0] - share * (ear[0] - corner[0]) + 0.02) / (1 - share)
    corner[0] += float(np.clip(push.max(initial=0.0), 0, 0.12))
    return corner


def _mirrored(part: Part) -> Part:
    flip = np.array([-1, 1, 1], np.float32)
    return part[0] * flip, part[1] * flip, np.ascontiguousarray(part[2][:, ::-1])


def _pads(design: Design, fit: Fit, points: Floats) -> list[Part]:
    """Nose pads of metal frames: two small drops behind the rims."""
    if not design.metal:
        return []
    near = points[np.argmin(points[:, 0] + 0.4 * np.abs(points[:, 1] - fit.centre[1] + 0.1 * fit.size[1]))]
    t = np.linspace(-1, 1, 7)
    drop = np.array([0.25, 1.0, -0.1], np.float32)
    path = near + np.array([-0.012, 0, -0.05], np.float32) + t[:, None] * drop * -0.05
    round_off = np.sqrt(np.maximum(1 - (0.97 * t) ** 2, 0)).astype(np.float32)
    part = _path_part(
        design,
        path.astype(np.float32),
        np.array([0.3, 0, 1.0], np.float32),
        (0.022 * round_off, 0.008 * round_off),
    )
    return [part, _mirrored(part)]


def _lens(design: Design, fit: Fit, points: Floats, side: int) -> Mesh:
    rings, faces = LENS_RINGS, disc_faces(len(LENS_RINGS), STATIONS)
    (cx, cy), (a, b) = fit.centre, fit.size
    share = np.concatenate([[0.0], np.repeat(rings, STATIONS)])[:, None]
    middle = np.array([cx, cy], np.float32)
    flat = np.concatenate(
        [middle[None], (middle + (points[None, :, :2] - middle) * rings[:, None, None]).reshape(-1, 2)]
    )
    x, y = flat[:, 0], flat[:, 1]
    u, v = (x - cx) / a, (y - cy) / b
    bow = 0.03
    z = front_height(x, y, fit.front, cy) + bow * (1 - np.minimum(u * u + v * v, 1.2))
    normals = np.stack([2 * WRAP * x + 2 * bow * u / a, -TILT + 2 * bow * v / b, np.ones_like(x)], axis=1)
    normals /= np.linalg.norm(normals, axis=1, keepdims=True)
    positions = np.stack([x, y, z], axis=1)
    if side:
        flip = np.array([-1, 1, 1])
        positions, normals, faces = positions * flip, normals * flip, np.ascontiguousarray(faces[:, ::-1])
    top, bottom = design.density
    density = bottom + (top - bottom) * np.clip(0.5 + 0.9 * v, 0, 1)
    masks = np.concatenate([np.tile(design.tint, (len(x), 1)), density[:, None], share**3], axis=1)
    uv = np.stack([u * (1 - 2 * side), v], axis=1)
    rest = np.concatenate([uv, np.zeros((len(uv), 1))], axis=1)
    return Mesh(
        material="dark_lens" if design.dark else "lens",
        positions=positions.astype(np.float32),
        normals=normals.astype(np.float32),
        rest=rest.astype(np.float32),
        uv=uv.astype(np.float32),
        masks=masks.astype(np.float32),
        faces=faces,
    )


def glasses_meshes(head: MorphedHead, params: FaceParams) -> list[Mesh]:
    """Frame and two lenses (subject's left first) on this head, or nothing where none are worn (below 0.5)."""
    design = design_of(params)
    if design is None:
        return []
    fit = fit_to(head, design)
    points, out = rim_curve(design, fit)
    rim = _rim(design, points, out)
    temples = [_temple(design, fit, points, head, side) for side in range(2)]
    parts = [rim, _mirrored(rim), *_bridge(design, fit, points, head), *temples, *_pads(design, fit, points)]
    starts = np.cumsum([0, *(len(part[0]) for part in parts)])
    positions = np.concatenate([part[0] for part in parts])
    faces = np.concatenate([part[2] + start for part, start in zip(parts, starts[:-1], strict=True)]).astype(
        np.int32
    )
    columns = np.array([*design.colour, design.metal, design.pattern], np.float32)
    frame = Mesh(
        "frame",
        positions,
        np.concatenate([part[1] for part in parts]),
        positions - np.array([0, fit.centre[1], fit.front], np.float32),
        positions[:, :2].copy(),
        np.tile(columns, (len(positions), 1)),
        faces,
    )
    return [frame, _lens(design, fit, points, 0), _lens(design, fit, points, 1)]
