"""A bare hand that passes before the face, in the face's own skin: the hardest thing for an edit to leave alone.

It is a union of tapered capsules (forearm, palm, four fingers, thumb), lit like the post of ``occluder`` and, as that
is, out of focus and drawn the same over plate and truth. Its own frame has the wrist at the origin, y towards the
fingers and the length from wrist to middle finger as the unit.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from .animation import wave
from .geometry import Floats
from .occluder import SOFT, side_light
from .palette import skin_albedo
from .params import FaceParams

LENGTH = (0.38, 0.46)
"""Wrist to finger tip as a share of the picture's height: about as long as the face."""
REACH = 0.62
"""It swings to either side of the middle by this share of the picture's height, so that it leaves the face."""
PERIOD = 96.0
"""Frames of a swing to and fro."""
LEAN = 38.0
"""Largest lean of the forearm in degrees."""
BLEND = 4.0
"""How softly the parts run into each other: the exponent of the mean of their heights; a crease shows from 10 on."""
MOTTLE = 0.05
"""Skin is not of one colour: its albedo varies by this share."""

PARTS = (
    ((0.02, -2.5), (0.0, -0.02), 0.19, 0.14),  # forearm
    ((-0.06, 0.02), (-0.15, 0.43), 0.115, 0.07),  # palm, from the index finger's side on
    ((-0.02, 0.02), (-0.05, 0.46), 0.115, 0.075),
    ((0.02, 0.02), (0.05, 0.45), 0.115, 0.075),
    ((0.05, 0.02), (0.14, 0.41), 0.11, 0.065),
    ((-0.15, 0.43), (-0.21, 0.90), 0.062, 0.046),  # index finger
    ((-0.05, 0.46), (-0.07, 1.00), 0.064, 0.047),
    ((0.05, 0.45), (0.07, 0.94), 0.062, 0.045),
    ((0.14, 0.41), (0.20, 0.79), 0.054, 0.039),
    ((-0.10, 0.10), (-0.27, 0.33), 0.085, 0.062),  # thumb
    ((-0.27, 0.33), (-0.34, 0.55), 0.062, 0.046),
)
"""Capsules: both ends and the radius at each."""


@dataclass(frozen=True)
class Hand:
    """A hand; ``seed`` decides its size, side, lean and way."""

    seed: int

    def drawn(self, width: int, height: int, frame: float, face: FaceParams) -> tuple[Floats, Floats]:
        """Premultiplied light (H, W, 3) float32 ACEScg and coverage (H, W) float32 in [0, 1] of one frame.

        ``face`` tells the colour of the skin, where the key light comes from and how strong it is.
        """
        x, y, unit = self._own_frame(width, height, frame)
        depth, relief = capsules(x, y)
        soft = max(SOFT * height, 1.0) / unit
        t = np.clip(depth / soft + 0.5, 0.0, 1.0)
        coverage = t * t * (3.0 - 2.0 * t)
        down, across = np.gradient(relief * unit)
        facing = 1.0 / np.sqrt(1.0 + across * across + down * down)
        light = side_light(-across * facing, facing, face)
        mottled = 1.0 + MOTTLE * np.sin(9.0 * x + 4.0 * y) * np.cos(7.0 * y - 5.0 * x)
        colour = light * mottled[..., None] * np.asarray(skin_albedo(face), np.float32)
        return (colour * coverage[..., None]).astype(np.float32), coverage.astype(np.float32)

    def _own_frame(self, width: int, height: int, frame: float) -> tuple[Floats, Floats, float]:
        """Every pixel's place (H, W) in the hand's own frame, and its unit in pixels."""
        rng = np.random.default_rng([self.seed, 0x4A17D])
        unit = height * float(rng.uniform(*LENGTH))
        side = 1.0 if rng.random() < 0.5 else -1.0
        swing = math.sin(2.0 * math.pi * frame / PERIOD + float(rng.uniform(0.0, 2.0 * math.pi)))
        lean = math.radians(LEAN * (0.6 * swing + 0.4 * wave(self.seed, "hand lean", frame)))
        middle = (
            0.5 * width + REACH * height * swing,
            height * (0.72 + 0.06 * wave(self.seed, "hand", frame)),
        )
        rows, columns = np.mgrid[0:height, 0:width].astype(np.float32) + np.float32(0.5)
        right, up = (columns - middle[0]) / unit, (middle[1] - rows) / unit
        x = side * (right * math.cos(lean) - up * math.sin(lean))
        return x, right * math.sin(lean) + up * math.cos(lean), unit


def capsules(x: Floats, y: Floats) -> tuple[Floats, Floats]:
    """How deep inside the outline each place (H, W) of the hand's frame lies, negative outside, and its height (H, W)
    above the outline's plane."""
    depth = np.full(x.shape, -np.inf, np.float32)
    powers = np.zeros(x.shape, np.float32)
    for (x0, y0), (x1, y1), first, last in PARTS:
        along = ((x - x0) * (x1 - x0) + (y - y0) * (y1 - y0)) / ((x1 - x0) ** 2 + (y1 - y0) ** 2)
        t = np.clip(along, 0.0, 1.0)
        distance = np.hypot(x - x0 - t * (x1 - x0), y - y0 - t * (y1 - y0))
        radius = first + t * (last - first)
        depth = np.maximum(depth, radius - distance)
        powers += np.maximum(radius * radius - distance * distance, 0.0) ** (0.5 * BLEND)
    return depth, powers ** (1.0 / BLEND)
