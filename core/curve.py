"""The tone curve between scene-linear light and the encoded pictures a generator sees, and back.

The toe is the sRGB curve (linear, then a power), which makes differences additive in the dark and
multiplicative in the mid-tones; above 0.5 a logarithm takes over, so that x = 16 still fits below 1 and
highlights behave like gain. Everything is mirrored at zero, so negatives survive. numpy only; this leaf
serves colour, composite and preview.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from .errors import GeneratorError

Array = npt.NDArray[np.float32]

# sRGB: the gamma and the offset define the curve; slope and break follow from a tangent through the origin.
# IEC 61966-2-1 prints rounded ones (12.92, 0.04045), which leave a kink; the largest difference is 8e-6.
_GAMMA, _OFFSET = 2.4, 0.055
_TOE_END = _OFFSET / (_GAMMA - 1.0)  # encoded value where the line meets the power
_TOE_SLOPE = _TOE_END / ((_TOE_END + _OFFSET) / (1.0 + _OFFSET)) ** _GAMMA

JOIN = 0.5
"""Linear value where the logarithm takes over: above skin at a good exposure, below highlights."""
CEILING = 16.0
"""Linear value encoded as 1: four stops above diffuse white; what is brighter reaches a generator clipped."""

_FLOAT_MAX = float(np.finfo(np.float32).max)


def _solve_shoulder() -> tuple[float, float, float]:
    """(yk, A, B) of the shoulder yk + A log1p((x - JOIN) / B): value and slope join, CEILING maps to 1.

    The slope gives A = B * slope, the value leaves one equation in B, rising in B, halved until nothing
    changes.
    """
    yk = (1.0 + _OFFSET) * JOIN ** (1.0 / _GAMMA) - _OFFSET
    slope = (1.0 + _OFFSET) / _GAMMA * JOIN ** (1.0 / _GAMMA - 1.0)
    low, high = 1e-6, CEILING
    while (middle := 0.5 * (low + high)) not in (low, high):
        reached = yk + middle * slope * math.log1p((CEILING - JOIN) / middle)
        low, high = (middle, high) if reached < 1.0 else (low, middle)
    return yk, middle * slope, middle


SHOULDER_START, SHOULDER_A, SHOULDER_B = _solve_shoulder()


def encode(linear: npt.ArrayLike) -> Array:
    """Encode scene-linear values (any shape, unbounded) with the sRGB toe and the log shoulder.

    Odd, C1, rising; finite for finite input; NaN and infinities are kept. Linear [0, 16] maps to [0, 1], 0.18
    to 0.461, 1.0 to 0.836. Float32 in and out; the shoulder is computed in float64, because a float32
    logarithm alone would cost the 1.5e-6 round trip.
    """
    values = np.asarray(linear, dtype=np.float32)
    magnitude = np.asarray(np.abs(values))
    encoded = _srgb_from_magnitude(np.minimum(magnitude, np.float32(JOIN)))
    high = magnitude > JOIN
    above = magnitude[high].astype(np.float64)
    encoded[high] = SHOULDER_START + SHOULDER_A * np.log1p((above - JOIN) / SHOULDER_B)
    return np.copysign(encoded, values, out=encoded)


def decode(encoded: npt.ArrayLike) -> Array:
    """Return the scene-linear values of ``encode``'s output (any shape, unbounded, float32).

    Values beyond the encoding of the largest float32 saturate there; infinities and NaN are kept.
    """
    values = np.asarray(encoded, dtype=np.float32)
    magnitude = np.asarray(np.abs(values))
    linear = _magnitude_from_srgb(np.minimum(magnitude, np.float32(SHOULDER_START)))
    high = magnitude > SHOULDER_START
    above = magnitude[high].astype(np.float64)
    with np.errstate(over="ignore"):
        light = JOIN + SHOULDER_B * np.expm1((above - SHOULDER_START) / SHOULDER_A)
    linear[high] = np.where(np.isinf(above), above, np.minimum(light, _FLOAT_MAX))
    return np.copysign(linear, values, out=linear)


def encode_srgb(linear: npt.ArrayLike) -> Array:
    """Encode scene-linear values (any shape, unbounded) with the plain sRGB curve, odd, no shoulder."""
    values = np.asarray(linear, dtype=np.float32)
    encoded = _srgb_from_magnitude(np.abs(values))
    return np.copysign(encoded, values, out=encoded)


def decode_srgb(encoded: npt.ArrayLike) -> Array:
    """Return the scene-linear values of ``encode_srgb``'s output; they saturate at the largest float32."""
    values = np.asarray(encoded, dtype=np.float32)
    linear = _magnitude_from_srgb(np.abs(values))
    return np.copysign(linear, values, out=linear)


def _srgb_from_magnitude(magnitude: Array) -> Array:
    """The sRGB curve of non-negative float32; a fresh array."""
    power = np.power(magnitude, np.float32(1.0 / _GAMMA), dtype=np.float32)
    power *= np.float32(1.0 + _OFFSET)
    power -= np.float32(_OFFSET)
    line = np.minimum(magnitude, np.float32(1.0)) * np.float32(_TOE_SLOPE)
    return np.where(power <= np.float32(_TOE_END), line, power)


def _magnitude_from_srgb(magnitude: Array) -> Array:
    """The inverse sRGB curve of non-negative float32; a fresh array, finite for finite input."""
    base = (magnitude + np.float32(_OFFSET)) * np.float32(1.0 / (1.0 + _OFFSET))
    with np.errstate(over="ignore"):
        power = np.power(base, np.float32(_GAMMA), dtype=np.float32)
    linear = np.where(magnitude <= np.float32(_TOE_END), magnitude * np.float32(1.0 / _TOE_SLOPE), power)
    overflow = np.isinf(linear) & np.isfinite(magnitude)
    linear[overflow] = _FLOAT_MAX
    return linear


@dataclass(frozen=True)
class Curve:
    """A picture encoding: ``encode`` takes scene-linear Rec.709 to it, ``decode`` back."""

    name: str
    encode: Callable[[npt.ArrayLike], Array]
    decode: Callable[[npt.ArrayLike], Array]


SHOULDER = Curve("lineament-709", encode, decode)
"""The default: highlights up to 16 stay inside a picture."""
PLAIN = Curve("srgb", encode_srgb, decode_srgb)
"""For generators trained on ordinary photographs: pictures clip at diffuse white."""


def curve_named(name: str) -> Curve:
    """Return the curve of a generator card's ``encoding``; raises GeneratorError for one we do not know."""
    known = {curve.name: curve for curve in (SHOULDER, PLAIN)}
    if name not in known:
        raise GeneratorError(
            f'Unknown picture encoding "{name}".',
            where="model card, encoding",
            remedy=f"Use one of: {', '.join(known)}.",
        )
    return known[name]


def picture_from_linear(linear709: npt.ArrayLike, exposure: float = 1.0, curve: Curve = SHOULDER) -> Array:
    """Return the picture a generator sees, in [-1, 1]: ``2 clip(f(exposure * linear709), 0, 1) - 1``.

    Clipped because a generator has no values outside; the plate keeps what is lost, and gets only
    differences. NaN becomes black, as one NaN would spread over the whole picture in the network.
    """
    encoded = curve.encode(np.asarray(linear709, dtype=np.float32) * np.float32(exposure))
    np.nan_to_num(encoded, copy=False, nan=0.0, posinf=1.0, neginf=0.0)
    np.clip(encoded, 0.0, 1.0, out=encoded)
    encoded *= 2.0
    encoded -= 1.0
    return encoded
