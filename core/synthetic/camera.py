"""Cameras for heads: where the head stands, how it bends at the neck, and which pixels its points land on.

World space has the axes of the camera: x to picture right, y up, z towards the camera, in decimetres. The head turns
about the top of the neck, the trunk follows by a part of the angle, and the neck between them bends smoothly.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from ..faces.align import inverse, square_from_landmarks
from ..faces.base import Alignment
from .geometry import Floats
from .params import FaceParams

Matrix = npt.NDArray[np.float64]

DEFAULT_DISTANCE = 10.0
"""Decimetres from the camera to the eyes: a portrait lens. Nearer ones swell the nose."""

PIVOT = np.array([0.0, -0.95, -0.95])
"""Where the head turns: below and behind the eyes, at the top of the spine."""

TRUNK = np.array([0.0, -2.3, -1.0])
TRUNK_SHARE = (0.4, 0.15, 0.2)
"""Share of yaw, pitch and roll that the shoulders follow, about TRUNK."""

BEND = (-2.35, -1.3)
"""Heights (y + 0.6 z) between which the neck goes from trunk to head; the chin lies above, the collar below."""


@dataclass(frozen=True)
class View:
    """What the camera sees: ``width`` x ``height`` pixels; ``plane`` (3, 3) float64 takes a point on the plane one
    decimetre before the camera (x right, y DOWN) to pixels (origin top left, centres at .5); ``distance`` in
    decimetres from the camera to the resting eye midpoint; ``offset`` (3,) moves the actor in world space."""

    width: int
    height: int
    plane: Matrix
    distance: float = DEFAULT_DISTANCE
    offset: tuple[float, float, float] = (0.0, 0.0, 0.0)

    def __post_init__(self) -> None:
        if self.width < 1 or self.height < 1:
            raise ValueError(f"a view needs at least one pixel, not {self.width} x {self.height}")
        if np.shape(self.plane) != (3, 3) or not np.isfinite(self.plane).all():
            raise ValueError("plane must be a finite (3, 3) matrix")
        if self.distance < 3.0:
            raise ValueError(f"a camera {self.distance} dm away stands inside the head")

    def cropped(self, left: int, top: int, width: int, height: int) -> View:
        """The same camera, showing only a window of the picture (it may reach outside)."""
        shift = np.array([[1.0, 0.0, -left], [0.0, 1.0, -top], [0.0, 0.0, 1.0]])
        return replace(self, width=width, height=height, plane=shift @ self.plane)


@dataclass(frozen=True)
class Pose:
    """Rotation of head and trunk, (3, 3) float64 each, world from head space, and the actor's offset."""

    head: Matrix
    trunk: Matrix
    offset: Matrix

    @classmethod
    def of(cls, params: FaceParams, view: View) -> Pose:
        """The pose that ``params`` ask for."""
        angles = (params.yaw, params.pitch, params.roll)
        follow = tuple(a * share for a, share in zip(angles, TRUNK_SHARE, strict=True))
        return cls(rotation(*angles), rotation(*follow), np.asarray(view.offset, np.float64))

    def world(self, points: npt.ArrayLike) -> Matrix:
        """Head space (..., 3) to world space, float64; the shaders do exactly the same."""
        p = np.asarray(points, np.float64)
        low, high = BEND
        t = np.clip((p[..., 1] + 0.6 * p[..., 2] - low) / (high - low), 0.0, 1.0)[..., None]
        weight = t * t * (3.0 - 2.0 * t)
        with_trunk = (p - TRUNK) @ self.trunk.T + TRUNK
        pivot = (PIVOT - TRUNK) @ self.trunk.T + TRUNK
        with_head = (p - PIVOT) @ self.head.T + pivot
        moved: Matrix = with_trunk * (1.0 - weight) + with_head * weight + self.offset
        return moved


def rotation(yaw: float, pitch: float, roll: float) -> Matrix:
    """World from head (3, 3): degrees, signs as in ``params``; roll is applied in the picture, so last."""
    y, p, r = (math.radians(a) for a in (yaw, pitch, roll))
    about_y = np.array([[math.cos(y), 0, math.sin(y)], [0, 1, 0], [-math.sin(y), 0, math.cos(y)]])
    about_x = np.array([[1, 0, 0], [0, math.cos(p), math.sin(p)], [0, -math.sin(p), math.cos(p)]])
    about_z = np.array([[math.cos(r), math.sin(r), 0], [-math.sin(r), math.cos(r), 0], [0, 0, 1]])
    result: Matrix = about_z @ about_y @ about_x
    return result


def project(view: View, world: npt.ArrayLike) -> Matrix:
    """World points (..., 3) to pixels (..., 2), float64. Points behind the camera give nonsense, as they must."""
    p = np.asarray(world, np.float64)
    depth = view.distance - p[..., 2]
    flat = np.stack([p[..., 0] / depth, -p[..., 1] / depth, np.ones_like(depth)], axis=-1)
    mapped = flat @ view.plane.T
    result: Matrix = mapped[..., :2] / mapped[..., 2:]
    return result


def clip_matrix(view: View) -> Floats:
    """Clip space from world space, (4, 4) float32, for column vectors; picture row 0 is the target's first row."""
    far_w, near_w = view.distance + 12.0, max(0.5, view.distance - 6.0)
    d = view.distance
    depth_row = np.array([0.0, 0.0, -1.0, d])
    pixel = np.zeros((3, 4))
    plane_rows = np.array([[1.0, 0, 0, 0], [0, -1.0, 0, 0], [0.0, 0, -1.0, d]])
    pixel[:] = view.plane @ plane_rows
    a, b = (far_w + near_w) / (far_w - near_w), -2.0 * far_w * near_w / (far_w - near_w)
    w = pixel[2]
    result = np.stack(
        [
            2.0 * pixel[0] / view.width - w,
            2.0 * pixel[1] / view.height - w,
            a * depth_row + np.array([0, 0, 0, b]),
            w,
        ]
    )
    return result.astype(np.float32)


def aligned_view(
    six: npt.ArrayLike,
    params: FaceParams,
    size: int,
    alignment: Alignment,
    *,
    distance: float = DEFAULT_DISTANCE,
) -> tuple[View, Matrix]:
    """A square view framed as a generator wants it, and where the six points land in it.

    ``six`` (6, 3) are a morphed head's alignment points in LANDMARK_NAMES order, head space. The similarity of
    ``alignment`` (its scale and shift; its resolution is not read) is part of the projection, so nothing is resampled.
    Returns the view and the (6, 2) float64 pixels. Raises ValueError if the points fall together.
    """
    if size < 1:
        raise ValueError(f"a picture of {size} pixels")
    world = np.asarray(six, np.float64)
    wide = View(
        size, size, np.diag([1000.0, 1000.0, 1.0]), distance
    )  # any scale will do: the square follows it
    pixels = project(wide, Pose.of(params, wide).world(world))
    crop = inverse(square_from_landmarks(pixels, replace(alignment, resolution=size)))
    view = replace(wide, plane=crop @ wide.plane)
    return view, project(view, Pose.of(params, view).world(world))


def shot_view(
    width: int,
    height: int,
    *,
    focal_px: float,
    distance: float = DEFAULT_DISTANCE,
    offset: tuple[float, float, float] = (0.0, 0.0, 0.0),
    centre: tuple[float, float] | None = None,
) -> View:
    """A free camera: ``focal_px`` pixels per unit of slope; ``centre`` is the optical axis, the middle by default.

    A face is about 2.3 dm tall, so it covers 2.3 * focal_px / distance pixels.
    """
    x, y = centre or (width / 2, height / 2)
    plane = np.array([[focal_px, 0.0, x], [0.0, focal_px, y], [0.0, 0.0, 1.0]])
    return View(width, height, plane, distance, offset)
