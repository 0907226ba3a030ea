"""What to do to a face, as plain data: the standard library only, so that hosts can load it in-process.

Files (YAML, JSON) are read and validated in ``recipe_file.py``.
"""

from __future__ import annotations

import bisect
import math
from dataclasses import dataclass, field, replace

from .errors import RecipeError

SCHEMA_VERSION = 1
INTERPOLATIONS = ("linear", "step", "smooth")
"""How a keyed strength gets from one key to the next."""


@dataclass(frozen=True)
class Strength:
    """A strength in sigma: constant, or keyed by frame number and held outside its keys.

    ``keys`` is a tuple of (frame, value) sorted by frame; a constant has one key. ``interpolation`` is one of
    INTERPOLATIONS: "linear"; "step", which holds each value until the next key; or "smooth", a cubic Hermite curve
    between two keys (f0, v0, m0) and (f1, v1, m1), with t = (f - f0) / (f1 - f0) and h = f1 - f0:
    ``v = v0 (2t^3 - 3t^2 + 1) + h m0 (t^3 - 2t^2 + t) + v1 (3t^2 - 2t^3) + h m1 (t^3 - t^2)``.

    The slope m is 0 at the first and the last key and where the curve turns, otherwise the weighted harmonic mean of
    the slopes on both sides (Fritsch and Butland, 1984), so that the curve never leaves the range of two neighbouring
    values. With two keys it is ``v0 + (v1 - v0) (3t^2 - 2t^3)``.
    """

    keys: tuple[tuple[int, float], ...]
    interpolation: str = "linear"

    def __post_init__(self) -> None:
        if self.interpolation not in INTERPOLATIONS:
            raise RecipeError(
                f'There is no interpolation "{self.interpolation}".',
                remedy=f"Use one of {', '.join(INTERPOLATIONS)}.",
            )
        if not self.keys:
            raise RecipeError(
                "A strength has no keys.", remedy="Give a number, or keys such as {1001: 0, 1040: 1.5}."
            )
        for frame, value in self.keys:
            if not math.isfinite(value):
                raise RecipeError(
                    f"Strength {value} at frame {frame} is not a finite number.", remedy="Use a plain number."
                )
        frames = [frame for frame, _ in self.keys]
        if frames != sorted(set(frames)):
            raise RecipeError(
                f"Strength keys are not in rising frame order: {frames}.",
                remedy="Sort them, one value a frame.",
            )

    @staticmethod
    def constant(value: float) -> Strength:
        """A strength that is the same on every frame."""
        return Strength(((0, float(value)),))

    def at(self, frame: int) -> float:
        """The strength, in sigma, on one frame."""
        frames = [key for key, _ in self.keys]
        right = bisect.bisect_right(frames, frame)
        if right == 0:
            return self.keys[0][1]
        if right == len(self.keys):
            return self.keys[-1][1]
        (f0, v0), (f1, v1) = self.keys[right - 1], self.keys[right]
        if self.interpolation == "step":
            return v0
        if self.interpolation == "linear":
            return v0 + (v1 - v0) * (frame - f0) / (f1 - f0)
        span, t = f1 - f0, (frame - f0) / (f1 - f0)
        m0, m1 = self._slope(right - 1), self._slope(right)
        rise = (v1 - v0) * t * t * (3 - 2 * t)
        curve = v0 + rise + span * t * (1 - t) * (m0 * (1 - t) - m1 * t)
        return min(max(curve, min(v0, v1)), max(v0, v1))  # no overshoot by rounding either

    def _slope(self, index: int) -> float:
        """Strength per frame of the smooth curve at a key."""
        if index in (0, len(self.keys) - 1):
            return 0.0
        (f0, v0), (f1, v1), (f2, v2) = self.keys[index - 1 : index + 2]
        h0, h1 = f1 - f0, f2 - f1
        before, after = (v1 - v0) / h0, (v2 - v1) / h1
        if before * after <= 0.0:
            return 0.0
        w0, w1 = 2 * h1 + h0, h1 + 2 * h0
        return (w0 + w1) / (w0 / before + w1 / after)


@dataclass(frozen=True)
class Move:
    """One attribute of the library and how far to push it."""

    attribute: str
    strength: Strength


@dataclass(frozen=True)
class EditRecipe:
    """Everything that decides the pixels besides the plate.

    The same recipe and the same frame give the same pixels on the same device. ``generator`` and ``inverter``
    are names of a model package and of an inversion method; ``mix`` in [0, 1] scales the finished increment;
    ``exposure`` is the power-of-two gain before encoding (0 = choose from the first frame); ``mask_feather``
    softens the mask's edge further, as a fraction of the face crop's width; ``detail_clamp`` bounds the
    encoded increment of a pixel (0 = the built-in bound of 0.5).

    ``generator`` and ``inverter`` are read by whoever opens the tools, before the first frame; the path of one frame
    works with the tools it is given and does not look at these two.
    """

    moves: tuple[Move, ...] = ()
    generator: str = "default"
    inverter: str = "encoder"
    seed: int = 0
    mix: float = 1.0
    face: int = 0
    exposure: float = 0.0
    layer: str = ""
    colourspace: str = ""
    version: int = SCHEMA_VERSION
    notes: dict[str, str] = field(default_factory=dict)
    mask_feather: float = 0.0
    detail_clamp: float = 0.0

    def frozen_at(self, frame: int) -> EditRecipe:
        """This recipe with every keyed strength held at its value on ``frame``."""
        moves = tuple(Move(move.attribute, Strength.constant(move.strength.at(frame))) for move in self.moves)
        return replace(self, moves=moves)

    def strengths_at(self, frame: int) -> dict[str, float]:
        """Attribute -> strength in sigma on ``frame``; attributes at exactly 0 are left out."""
        found = {move.attribute: move.strength.at(frame) for move in self.moves}
        return {name: value for name, value in found.items() if value != 0.0}
