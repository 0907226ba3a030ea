"""Eyeballs: sphere with a corneal bulge, looking at the camera plus the gaze angles.

One Mesh per eye, material "eye", class EYES, subject's left eye first. Iris and pupil are drawn by the shader:

``uv``    the point of the iris plane that is seen through the cornea (refraction of the view ray, index 1.336, is
          already in it), in limbus radii: length 0 is the pupil's centre, PUPIL its edge, 1 the limbus, beyond 1 the
          sclera. x runs to the subject's left, y up, in the eye's own frame.
``normals`` are those of the wet outer surface (use them for the highlight); the iris below is nearly flat, so shade
          it with the ``axis`` columns bent inwards by about -0.35 * (uv.x, uv.y) for its bowl.
``rest``  position in the eye's own frame, in eye radii, +z through the pupil: for veins and sclera noise.
``masks`` columns EYE_MASKS:

upper_gap  distance below the upper lid's edge in eye radii, clipped to 0..1; 0 at the lid: lid shadow, lash shadow
lower_gap  distance above the lower lid's edge, the same; 0 at the lid: tear line
corner     1 at the caruncle (pink inner corner), falling to 0
axis_x, axis_y, axis_z  unit direction of the gaze in head space
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np

from .camera import DEFAULT_DISTANCE, PIVOT, TRUNK, TRUNK_SHARE, rotation
from .geometry import Floats, Ints, Mesh
from .head import EyeCurves, MorphedHead
from .params import FaceParams
from .sweep import disc_faces

EYE_MASKS = ("upper_gap", "lower_gap", "corner", "axis_x", "axis_y", "axis_z")
"""Columns of the masks of material "eye", in order."""

PUPIL = 0.36
"""Radius of the pupil in limbus radii."""

LIMBUS = 0.415
"""Radius of the limbus in eye radii. Larger looks like a doll, smaller looks frightened."""

BULGE = 0.05
"""How far the cornea's apex stands out of the sphere, in eye radii, with open lids."""

MAX_ROTATION = 25.0
"""Largest rotation of an eye away from straight ahead, degrees; approached smoothly from 80 % on."""

CORNEA_INDEX = 1.336
CORNER_SIZE = 0.17


@dataclass(frozen=True)
class _Ball:
    """One eyeball in its own frame, in eye radii: unit ``directions`` (V, 3), sine of the polar angle ``radial``
    (V,), ``faces`` (F, 3)."""

    directions: Floats
    radial: Floats
    faces: Ints


@cache
def _ball(segments: int = 40) -> _Ball:
    limbus = float(np.arcsin(LIMBUS))
    polar = np.concatenate(
        [
            np.linspace(0, 1, 9)[1:] * limbus,
            limbus + (np.linspace(0, 1, 15)[1:] ** 1.2) * (np.radians(112) - limbus),
        ]
    )
    turn = np.arange(segments) * (2 * np.pi / segments)
    ring = np.stack(
        [
            np.sin(polar)[:, None] * np.cos(turn),
            np.sin(polar)[:, None] * np.sin(turn),
            np.repeat(np.cos(polar)[:, None], segments, axis=1),
        ],
        axis=-1,
    )
    directions = np.concatenate([[[0.0, 0.0, 1.0]], ring.reshape(-1, 3)]).astype(np.float32)
    faces = disc_faces(len(polar), segments)
    return _Ball(directions, np.hypot(directions[:, 0], directions[:, 1]), faces)


@cache
def _globe(bulge: float) -> tuple[Floats, Floats]:
    """Positions and normals (V, 3) of the ball in eye radii: a corneal cap of height ``bulge`` set on the sphere."""
    ball = _ball()
    base = float(np.sqrt(1 - LIMBUS**2))
    rise = 1 + bulge - base
    radius = (LIMBUS**2 + rise**2) / (2 * rise)
    inside = ball.radial < LIMBUS * 0.9999
    inside &= ball.directions[:, 2] > 0
    # Rings of the cap are kept at their distance from the axis; only their height changes.
    height = base + rise - radius + np.sqrt(np.maximum(radius**2 - ball.radial**2, 0))
    positions = ball.directions.copy()
    positions[inside, 2] = height[inside]
    cap = ball.directions * np.array([1, 1, 0]) + (height - (base + rise - radius))[:, None] * np.array(
        [0, 0, 1]
    )
    cap /= np.maximum(np.linalg.norm(cap, axis=1, keepdims=True), 1e-6)
    # The limbus is a soft groove, not an edge: blend the two normals across it.
    share = np.clip((LIMBUS * 1.08 - ball.radial) / (LIMBUS * 0.2), 0, 1) * (ball.directions[:, 2] > 0)
    normals = cap * share[:, None] + ball.directions * (1 - share[:, None])
    normals /= np.linalg.norm(normals, axis=1, keepdims=True)
    return positions.astype(np.float32), normals.astype(np.float32)


def camera_in_head(
    params: FaceParams,
    distance: float = DEFAULT_DISTANCE,
    offset: tuple[float, float, float] = (0.0, 0.0, 0.0),
) -> Floats:
    """Position (3,) float32 of the camera in head space, decimetres; ``distance`` and ``offset`` as in View."""
    angles = (params.yaw, params.pitch, params.roll)
    trunk = rotation(*(angle * share for angle, share in zip(angles, TRUNK_SHARE, strict=True)))
    pivot = (PIVOT - TRUNK) @ trunk.T + TRUNK
    from_pivot = np.array([0.0, 0.0, distance]) - np.asarray(offset) - pivot
    return np.asarray(from_pivot @ rotation(*angles) + PIVOT, np.float32)


def gaze_axes(head: MorphedHead, params: FaceParams, camera: Floats | None = None) -> Floats:
    """Unit directions (2, 3) float32 in head space that the two eyes look along, subject's left eye first.

    Both converge on ``camera`` (3,), head space, decimetres; gaze angles turn them away from it in the picture's
    plane (positive gaze_yaw to picture right, positive gaze_pitch up). No eye turns by more than MAX_ROTATION.
    """
    target = camera_in_head(params) if camera is None else np.asarray(camera, np.float32)
    turned = rotation(params.yaw, params.pitch, params.roll)
    towards = (target - head.eye_centres) @ turned.T
    towards /= np.linalg.norm(towards, axis=1, keepdims=True)
    yaw = np.arctan2(towards[:, 0], towards[:, 2]) + np.radians(params.gaze_yaw)
    pitch = np.arcsin(np.clip(towards[:, 1], -1, 1)) + np.radians(params.gaze_pitch)
    looking = (
        np.stack([np.sin(yaw) * np.cos(pitch), np.sin(pitch), np.cos(yaw) * np.cos(pitch)], axis=1) @ turned
    )
    angle = np.arccos(np.clip(looking[:, 2], -1, 1))
    # Both eyes are held back by the same share, so they stay together where one reaches its limit.
    largest = float(angle.max())
    share = _limited(largest) / max(largest, 1e-6)
    side = looking[:, :2] / np.maximum(np.hypot(looking[:, 0], looking[:, 1]), 1e-9)[:, None]
    held = angle * share
    return np.concatenate([side * np.sin(held)[:, None], np.cos(held)[:, None]], axis=1).astype(np.float32)


def _limited(angle: float) -> float:
    """An angle (radians) that grows as it should up to 80 % of MAX_ROTATION and then bends towards it."""
    limit = np.radians(MAX_ROTATION)
    knee = 0.8 * limit
    return angle if angle <= knee else float(knee + (limit - knee) * np.tanh((angle - knee) / (limit - knee)))


def _frame(axis: Floats) -> Floats:
    """Columns (3, 3): the eye's x, y and z in head space after the smallest turn from +z to ``axis``."""
    x, y, z = (float(v) for v in axis)
    k = 1 / (1 + z)
    return np.array([[1 - x * x * k, -x * y * k, x], [-x * y * k, 1 - y * y * k, y], [-x, -y, z]], np.float32)


def _seen_through(positions: Floats, normals: Floats, view: Floats) -> Floats:
    """Iris-plane points (V, 2) in limbus radii behind each vertex, for unit ``view`` (3,) towards the camera."""
    base = float(np.sqrt(1 - LIMBUS**2))
    cosine = np.maximum(normals @ view, 0.0)[:, None]
    ratio = 1 / CORNEA_INDEX
    inner = np.sqrt(1 - ratio**2 * (1 - cosine**2))
    ray = -ratio * view + (ratio * cosine - inner) * normals
    depth = np.maximum(positions[:, 2:] - base, 0.0)
    shift = ray[:, :2] * depth / np.maximum(-ray[:, 2:], 0.3)
    radial = np.hypot(positions[:, 0], positions[:, 1])
    polar = np.arctan2(radial, positions[:, 2])
    # Behind the limbus the coordinate goes on with the angle, so it never turns back towards 1.
    beyond = 1 + (polar - np.arcsin(LIMBUS)) / LIMBUS
    cap = (radial < LIMBUS) & (positions[:, 2] > 0)
    scale = np.where(cap, 1 / LIMBUS, beyond / np.maximum(radial, 1e-6))
    return np.asarray(
        positions[:, :2] * scale[:, None] + np.where(cap[:, None], shift / LIMBUS, 0.0), np.float32
    )


def _angles(points: Floats) -> tuple[Floats, Floats]:
    """Azimuth and elevation (N,) radians of points around the eye's centre."""
    return (
        np.arctan2(points[:, 0], points[:, 2]).astype(np.float32),
        np.arctan2(points[:, 1], np.hypot(points[:, 0], points[:, 2])).astype(np.float32),
    )


def _lid_columns(points: Floats, curves: EyeCurves, centre: Floats) -> Floats:
    """``upper_gap``, ``lower_gap``, ``corner`` (V, 3) for points around the eye's centre, head space."""
    azimuth, elevation = _angles(points)
    gaps = []
    for curve, sign in ((curves.upper, 1.0), (curves.lower, -1.0)):
        along, height = _angles(curve - centre)
        order = np.argsort(along)
        edge = np.interp(azimuth, along[order], height[order])
        gaps.append(np.clip(sign * (edge - elevation), 0, 1))
    inner = 0.5 * (curves.upper[0] + curves.lower[0]) - centre
    inner /= np.linalg.norm(inner)
    away = points / np.linalg.norm(points, axis=1, keepdims=True) - inner
    corner = np.exp(-((away**2).sum(axis=1)) / CORNER_SIZE**2)
    return np.stack([*gaps, corner], axis=1).astype(np.float32)


def eye_meshes(head: MorphedHead, params: FaceParams, camera: Floats | None = None) -> list[Mesh]:
    """Both eyeballs, subject's left first; see the module's text for what uv, rest and masks hold.

    ``camera`` (3,) is the position looked at, in head space and decimetres; by default a camera straight in front at
    DEFAULT_DISTANCE. Closing lids press the corneal bulge flat so that it never comes through them.
    """
    target = camera_in_head(params) if camera is None else np.asarray(camera, np.float32)
    axes = gaze_axes(head, params, target)
    bulge = round(BULGE * (1 - params.eyes_closed), 3)
    positions, normals = _globe(bulge)
    faces = _ball().faces
    meshes = []
    for side in range(2):
        centre, radius = head.eye_centres[side], float(head.eye_radii[side])
        frame = _frame(axes[side])
        view = (target - centre) @ frame
        uv = _seen_through(positions, normals, view / np.linalg.norm(view))
        placed = positions @ frame.T * radius
        lids = _lid_columns(placed, head.eyes[side], centre)
        axis = np.broadcast_to(axes[side], (len(placed), 3))
        masks = np.concatenate([lids, axis], axis=1).astype(np.float32)
        turned = (normals @ frame.T).astype(np.float32)
        meshes.append(Mesh("eye", placed + centre, turned, positions, uv, masks, faces))
    return meshes
