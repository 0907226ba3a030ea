"""How a face, its camera and its light move through a shot: smooth functions of a seed and the frame.

Every channel is a sum of three slow sines, so that a frame can be asked for alone, in any order and between two frames,
and never jumps. Blinks are the only fast thing.
"""

from __future__ import annotations

import math
import zlib
from dataclasses import dataclass, replace

import numpy as np

from .params import RANGES, FaceParams

SHORTEST_PERIOD = 56.0
"""Frames of the fastest sine; shorter ones look nervous at 24 frames a second."""
LONGEST_PERIOD = 190.0

SWINGS = {
    "yaw": 6.5, "pitch": 3.0, "roll": 2.2, "light_azimuth": 14.0, "light_elevation": 5.0, "gaze_yaw": 2.5,
    "gaze_pitch": 1.2, "key_warmth": 0.05, "fill": 0.05,
}  # fmt: skip
"""Largest excursion of a channel to either side, in its own unit."""

EXPRESSIONS = {"smile": 0.07, "brow_inner": 0.10, "brow_down": 0.06, "mouth_open": 0.02}
"""How far an expression drifts upwards from its base."""

KEY_STOPS = 0.18
"""The key light brightens and darkens by so many stops."""
WALK = (0.28, 0.12, 0.30)
"""The actor sways by so many decimetres: sideways, up, towards the camera."""
PAN = (0.030, 0.012)
"""The camera wanders by this share of the picture's height: sideways, up."""
BREATHE = 0.012
"""The focal length changes by this share: nobody's hand is a tripod."""

BLINK_EVERY, BLINK_SHARE = 84.0, 0.85
"""One chance to blink in so many frames (3.5 s), taken with this probability."""
CLOSING, OPENING = 3.0, 5.0
"""Frames in which lids fall and rise."""


@dataclass(frozen=True)
class Moment:
    """One frame before any edit: the face, the actor's ``offset`` in decimetres, the camera's ``pan`` (x right, y
    down, in shares of the picture's height) and ``zoom`` (factor on the focal length)."""

    params: FaceParams
    offset: tuple[float, float, float]
    pan: tuple[float, float]
    zoom: float


def wave(seed: int, channel: str, frame: float) -> float:
    """A smooth number in -1..1: three sines whose periods, phases and weights follow from seed and channel."""
    rng = np.random.default_rng([seed, zlib.crc32(channel.encode())])
    frequencies = rng.uniform(1.0 / LONGEST_PERIOD, 1.0 / SHORTEST_PERIOD, 3)
    phases, weights = rng.uniform(0.0, 2.0 * math.pi, 3), rng.uniform(0.4, 1.0, 3)
    return float(np.sin(2.0 * math.pi * frequencies * frame + phases) @ weights / weights.sum())


def blink(seed: int, frame: float) -> float:
    """How far the lids have fallen by blinking, 0..1; most frames give exactly 0."""
    slot = math.floor(frame / BLINK_EVERY)
    rng = np.random.default_rng([seed, zlib.crc32(b"blink"), slot % 2**32])
    happens, place = rng.random(2)
    if happens >= BLINK_SHARE:
        return 0.0
    shut = BLINK_EVERY * (slot + 0.15 + 0.7 * float(place))  # far enough inside the slot to end there
    away = (shut - frame) / CLOSING if frame < shut else (frame - shut) / OPENING
    return 0.5 + 0.5 * math.cos(math.pi * away) if away < 1.0 else 0.0


@dataclass(frozen=True)
class Performance:
    """A shot of one face: ``base`` is the face at rest, ``seed`` decides every movement."""

    base: FaceParams
    seed: int

    def at(self, frame: float) -> Moment:
        """The moment of a frame, which need not be whole; the same at every call."""
        base = self.base
        values = {name: self._swung(name, swing, frame) for name, swing in SWINGS.items()}
        values |= {name: self._drifted(name, drift, frame) for name, drift in EXPRESSIONS.items()}
        lids = blink(self.seed, frame)
        values["eyes_closed"] = base.eyes_closed + (1.0 - base.eyes_closed) * lids
        values["key_strength"] = base.key_strength * 2.0 ** (KEY_STOPS * self._wave("key_strength", frame))
        walk = [reach * self._wave(f"walk {i}", frame) for i, reach in enumerate(WALK)]
        pan = [reach * self._wave(f"pan {i}", frame) for i, reach in enumerate(PAN)]
        return Moment(
            replace(base, **values),  # type: ignore[arg-type]
            (walk[0], walk[1], walk[2]),
            (pan[0], pan[1]),
            1.0 + BREATHE * self._wave("zoom", frame),
        )

    def _wave(self, channel: str, frame: float) -> float:
        return wave(self.seed, channel, frame)

    def _swung(self, name: str, swing: float, frame: float) -> float:
        """Around the base; the middle moves inwards where the range would end."""
        low, high = LIMITS[name] if name in LIMITS else (RANGES[name].low, RANGES[name].high)
        middle = min(max(float(getattr(self.base, name)), low + swing), high - swing)
        return middle + swing * self._wave(name, frame)

    def _drifted(self, name: str, drift: float, frame: float) -> float:
        """From the base upwards; a smile is never less than it is."""
        middle = min(float(getattr(self.base, name)), 1.0 - drift)
        return middle + drift * (0.5 + 0.5 * self._wave(name, frame))


LIMITS = {
    "gaze_yaw": (-30.0, 30.0),
    "gaze_pitch": (-20.0, 20.0),
    "key_warmth": (-1.0, 1.0),
    "fill": (0.0, 1.0),
}
"""Ranges of swinging fields that are no attributes."""
