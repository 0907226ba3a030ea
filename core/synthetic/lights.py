"""The light of a picture: one soft key, a fill, a rim and an ambient sky, from FaceParams, in ACEScg.

Directions are in world space (the camera's axes), so the light stays when the head turns. Radiances are such that a
white diffuse surface facing a light of (1, 1, 1) reads 1.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from .geometry import Floats
from .params import FaceParams

ACESCG_FROM_SRGB = np.array(
    [
        [0.613097, 0.339523, 0.047379],
        [0.070194, 0.916354, 0.013452],
        [0.020616, 0.109570, 0.869815],
    ]
)
"""Linear Rec.709 to ACEScg with Bradford adaptation from D65 to the ACES white."""

KEY_LEVEL = 1.0
"""Radiance of a key of strength 1: the lit side of medium skin then sits near 0.5, highlights above 1."""

SHADOW_HALF = 2.1
"""Half side in decimetres of the square that the shadow map covers."""

SHADOW_CENTRE = (0.0, -0.25, -0.65)


@dataclass(frozen=True)
class Lights:
    """Lights ready for the shaders: directions (3,) towards the light, colours (3,) ACEScg, float32.

    ``softness`` 0..1; ``ambient`` (3, 3): sky, horizon, ground; ``shadow`` (4, 4) shadow clip from world.
    """

    key_direction: Floats
    key_colour: Floats
    fill_direction: Floats
    fill_colour: Floats
    rim_direction: Floats
    rim_colour: Floats
    ambient: Floats
    softness: float
    shadow: Floats


def direction(azimuth: float, elevation: float) -> npt.NDArray[np.float64]:
    """Unit vector towards a light: degrees, azimuth from the camera to picture right, elevation upwards."""
    a, e = math.radians(azimuth), math.radians(elevation)
    return np.array([math.sin(a) * math.cos(e), math.sin(e), math.cos(a) * math.cos(e)])


def lights_of(params: FaceParams, offset: tuple[float, float, float] = (0.0, 0.0, 0.0)) -> Lights:
    """The lights that ``params`` describe, with the shadow map following an actor moved by ``offset``."""
    key = direction(params.light_azimuth, params.light_elevation)
    side = -1.0 if params.light_azimuth >= 0 else 1.0
    fill = direction(side * 42.0, 12.0)
    rim = direction(side * 148.0, 38.0)
    ambient = np.array(params.ambient, np.float64)
    warm = params.key_warmth
    tint = ACESCG_FROM_SRGB @ np.array([1.0 + 0.22 * warm, 1.0 + 0.02 * warm, 1.0 - 0.26 * warm])
    sky = ambient[1] / max(float(ambient[1].max()), 1e-6)
    return Lights(
        key_direction=_f32(key),
        key_colour=_f32(KEY_LEVEL * params.key_strength * tint),
        fill_direction=_f32(fill),
        fill_colour=_f32(0.55 * params.fill * params.key_strength * (0.5 * tint + 0.5 * sky)),
        rim_direction=_f32(rim),
        rim_colour=_f32(1.5 * params.rim * params.key_strength * (0.3 * tint + 0.7 * sky)),
        ambient=_f32(ambient),
        softness=params.key_softness,
        shadow=_f32(_shadow_matrix(key, np.asarray(offset, np.float64))),
    )


def _shadow_matrix(key: npt.NDArray[np.float64], offset: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Orthographic clip matrix looking along the key light at the head."""
    up = np.array([0.0, 1.0, 0.0]) if abs(key[1]) < 0.95 else np.array([0.0, 0.0, -1.0])
    right = np.cross(up, key)
    right /= np.linalg.norm(right)
    above = np.cross(key, right)
    matrix = np.eye(4)
    matrix[0, :3], matrix[1, :3], matrix[2, :3] = right, above, -key
    centre = np.asarray(SHADOW_CENTRE) + offset
    matrix[:3, 3] = -matrix[:3, :3] @ centre
    return np.diag([1 / SHADOW_HALF, 1 / SHADOW_HALF, 1 / 4.0, 1.0]) @ matrix


def _f32(values: npt.NDArray[np.float64]) -> Floats:
    return np.ascontiguousarray(values, np.float32)
