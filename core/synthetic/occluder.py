"""A post that passes before the face: what an edit must leave alone although it lies inside the face's square.

It is out of focus and drawn the same over plate and truth, so any change on it is the fault of the edit.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from .animation import wave
from .geometry import Floats
from .params import FaceParams

WIDTH = (0.045, 0.075)
"""Full width as a share of the picture's height: hides an eye, not the face."""
SOFT = 0.006
"""Width of the blurred edge as a share of the picture's height; the focus lies on the eyes."""
REACH = 0.17
"""It swings to either side of the middle by this share of the picture's height."""
PERIOD = 96.0
"""Frames of a swing to and fro: two seconds after the first frame at the latest it has passed the middle."""
TILT = 14.0
"""Largest lean in degrees."""


@dataclass(frozen=True)
class Occluder:
    """A round post; ``seed`` decides its colour, width and way."""

    seed: int

    def drawn(self, width: int, height: int, frame: float, face: FaceParams) -> tuple[Floats, Floats]:
        """Premultiplied light (H, W, 3) float32 ACEScg and coverage (H, W) float32 in [0, 1] of one frame.

        ``face`` tells where the key light comes from and how strong it is.
        """
        rng = np.random.default_rng([self.seed, 0x0CC1])
        radius = 0.5 * height * float(rng.uniform(*WIDTH))
        albedo = rng.uniform(0.06, 0.34) * (1.0 + 0.25 * rng.uniform(-1.0, 1.0, 3))
        lean = math.radians(TILT * wave(self.seed, "post lean", frame))
        swing = math.sin(2.0 * math.pi * frame / PERIOD + float(rng.uniform(0.0, 2.0 * math.pi)))
        middle = 0.5 * width + REACH * height * swing
        y, x = np.mgrid[0:height, 0:width].astype(np.float32) + np.float32(0.5)
        across = ((x - middle) * math.cos(lean) + (y - 0.5 * height) * math.sin(lean)) / radius
        soft = max(SOFT * height, 1.0) / radius
        t = np.clip((1.0 + 0.5 * soft - np.abs(across)) / soft, 0.0, 1.0)
        coverage = t * t * (3.0 - 2.0 * t)
        light = self._shaded(across, face, albedo) * coverage[..., None]
        return light.astype(np.float32), coverage.astype(np.float32)

    def _shaded(self, across: Floats, face: FaceParams, albedo: np.typing.NDArray[np.float64]) -> Floats:
        """Light of a matt cylinder, (H, W, 3)."""
        side = np.clip(across, -1.0, 1.0)
        front = np.sqrt(np.maximum(1.0 - side * side, 0.0))
        return np.asarray(side_light(side, front, face) * albedo.astype(np.float32), np.float32)


def side_light(side: Floats, front: Floats, face: FaceParams) -> Floats:
    """Light (H, W, 3) on a white matt surface that faces right by ``side`` and the camera by ``front`` (H, W): the
    face's key from its side, ambient from the horizon."""
    angle = math.radians(face.light_azimuth)
    lit = np.maximum(math.sin(angle) * side + math.cos(angle) * front, 0.0)
    return np.asarray(
        1.5 * face.key_strength * lit[..., None] + np.asarray(face.ambient[1], np.float32), np.float32
    )


def over(picture: Floats, light: Floats, coverage: Floats) -> Floats:
    """``picture`` (H, W, 3) behind premultiplied ``light`` with ``coverage`` (H, W)."""
    return np.asarray(picture * (1.0 - coverage[..., None]) + light, np.float32)
