"""Give an edit back to the plate as an increment, so that what the generator did not change keeps its bits.

The generator contributes a difference d of two pictures in the encoded domain, never its picture: the plate
keeps its own grain, sharpness, highlights and negatives. With the plate P as linear Rec.709 light, the curve
f and its inverse g, and the exposure k, the light added is ``(g(f(kP) + d) - g(f(kP))) / k``; it reaches the
plate's space by ``add_linear709``. Where d is zero nothing is computed at all. Because f is linear in the
dark, a power in the middle and a logarithm above, d adds there, scales here, and acts as gain on highlights.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from .checks import expect_shape
from .curve import SHOULDER, Curve

Array = npt.NDArray[np.float32]
Mask = npt.NDArray[np.bool_]

LARGEST_INCREMENT = 0.5
"""Half of the picture's range: more is an accident, and in the log shoulder a gain of thousands."""
HALF_MAX = 65504.0


class PlateSpace(Protocol):
    """What giving back needs of a plate's colour; see colour.py PlateColour."""

    def to_linear709(self, rgb: npt.NDArray[Any]) -> Array: ...

    def add_linear709(self, plate_rgb: npt.NDArray[Any], delta709: npt.NDArray[Any]) -> Array: ...


@dataclass(frozen=True)
class CompositeReport:
    """Pixel counts of one give-back, for reports and exit codes.

    ``changed`` pixels differ from the plate; ``clamped`` had an increment beyond the limit; ``rejected`` had
    one that was not finite, or led to a value that is not, and kept the plate; ``skipped`` asked for a change
    where the plate is not finite or has no alpha; ``beyond_half`` exceed +-65504 and are clipped by a file of
    half floats.
    """

    changed: int = 0
    clamped: int = 0
    rejected: int = 0
    skipped: int = 0
    beyond_half: int = 0


def give_back(
    plate_rgb: Array,
    d: Array,
    colour: PlateSpace,
    k: float = 1.0,
    *,
    alpha: Array | None = None,
    curve: Curve = SHOULDER,
    limit: float = LARGEST_INCREMENT,
) -> tuple[Array, Mask, CompositeReport]:
    """Return (plate with the edit, which pixels changed, counts) for a region of a plate.

    ``plate_rgb`` (h, w, 3) float32 in the plate's space, premultiplied if it has ``alpha`` (h, w); ``d`` (h,
    w, 3) float32, the difference of the edited and the plain reconstruction in the encoded domain [0, 1]
    (half of that of pictures in [-1, 1]), already times strength, mask and mix; ``k`` the exposure the
    pictures were made with, and ``curve`` the one they were encoded with. Pixels with d
    = 0 and pixels of the plate that are not finite are copied bit for bit. Raises ValueError for wrong shapes
    or a useless exposure.
    """
    expect_shape(plate_rgb, "h w 3", name="plate_rgb")
    expect_shape(d, "h w 3", name="d", h=plate_rgb.shape[0], w=plate_rgb.shape[1])
    if not (np.isfinite(k) and k > 0.0):
        raise ValueError(f"exposure k is {k}; expected a positive power of two")
    asked, rejected = _asked_pixels(d)
    usable = asked & ~_in_any_channel(~np.isfinite(plate_rgb))
    coverage = None
    if alpha is not None:
        expect_shape(alpha, "h w", name="alpha", h=plate_rgb.shape[0], w=plate_rgb.shape[1])
        usable &= np.isfinite(alpha) & (alpha > 0.0)
        if (alpha[usable] < 1.0).any():
            coverage = np.minimum(alpha[usable], np.float32(1.0))[:, None]  # (N, 1)
    chosen = np.flatnonzero(usable)  # indices, because gathering by them is five times faster than by a mask
    plate = plate_rgb.reshape(-1, 3).take(chosen, axis=0)  # (N, 3)
    increment, is_clamped = _clamped(d.reshape(-1, 3).take(chosen, axis=0), limit)
    edited = _edited(plate, increment, colour, k, coverage, curve)
    is_broken = _in_any_channel(~np.isfinite(edited))
    edited[is_broken] = plate[is_broken]
    is_changed = _in_any_channel(edited != plate)
    result, changed = plate_rgb.copy(order="C"), np.zeros(asked.shape, dtype=np.bool_)
    result.reshape(-1, 3)[chosen] = edited
    changed.reshape(-1)[chosen] = is_changed
    report = CompositeReport(
        changed=int(is_changed.sum()),
        clamped=int(is_clamped.sum()),
        rejected=rejected + int(is_broken.sum()),
        skipped=int(asked.sum()) - len(plate),
        beyond_half=int((is_changed & _in_any_channel(np.abs(edited) > HALF_MAX)).sum()),
    )
    return result, changed, report


def _asked_pixels(d: Array) -> tuple[Mask, int]:
    """The pixels (h, w) with a finite increment other than zero, and how many are not finite."""
    is_broken = _in_any_channel(~np.isfinite(d))
    return ~is_broken & _in_any_channel(d != 0.0), int(is_broken.sum())


def _in_any_channel(flags: Mask) -> Mask:
    """(..., 3) to (...): ``any(axis=-1)``, which takes ten times as long on an axis this short."""
    return np.asarray(flags[..., 0] | flags[..., 1] | flags[..., 2])


def _clamped(d: Array, limit: float) -> tuple[Array, Mask]:
    """``d`` (N, 3) within +-limit, and which pixels (N,) were beyond."""
    return np.clip(d, -limit, limit), _in_any_channel(np.abs(d) > limit)


def _edited(
    plate: Array, d: Array, colour: PlateSpace, k: float, coverage: Array | None, curve: Curve
) -> Array:
    """The edited plate values (N, 3); with coverage (N, 1) un-premultiplied before, premultiplied after."""
    # Absurd plates overflow; the caller rejects what is not finite.
    with np.errstate(over="ignore", invalid="ignore"):
        straight = plate if coverage is None else plate / coverage
        encoded = curve.encode(colour.to_linear709(straight) * np.float32(k))
        # d of zero in one channel must stay zero: the same g on both sides makes it exact.
        delta709 = (curve.decode(encoded + d) - curve.decode(encoded)) / np.float32(k)
        added = colour.add_linear709(straight, delta709)
        if coverage is None:
            return added
        # Only the difference is premultiplied: plate / alpha * alpha would not give the plate's bits back.
        return np.asarray(plate + (added - straight) * coverage, dtype=np.float32)
