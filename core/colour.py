"""From a plate's colour space to linear Rec.709 and back, so that an edit made in Rec.709 lands in any plate.

OCIO does plate space <-> linear Rec.709 only; the picture curve is analytic (curve.py), because view
transforms are 25 times dearer and lose negatives, saturated colours and black. The evidence for the plate's
space is ranked in colour_space.py.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from .colour_config import PINNED_CONFIG, Matrix, Processor, linear709_processors, load_config, probe_matrix
from .colour_space import Chromaticities, Resolved, resolve_space
from .curve import decode, encode, picture_from_linear

__all__ = [
    "PINNED_CONFIG",
    "PlateColour",
    "choose_exposure",
    "decode",
    "encode",
    "luminance",
    "picture_from_linear",
    "resolve_colour",
]

Array = npt.NDArray[np.float32]

REC709_LUMINANCE = (0.2126, 0.7152, 0.0722)
_TARGET = math.sqrt(0.18 * 0.25)  # skin at a good exposure; the curve's join at 0.5 lies one stop above
_LARGEST_STOPS = 10  # beyond this a plate is black or broken, and gain would only show its noise


@dataclass(frozen=True)
class PlateColour:
    """A plate's colour space and the way to linear Rec.709 and back.

    ``space`` is canonical in ``config_name``; ``evidence`` is one of "explicit", "header", "file rule",
    "still default", "role", "default rule"; ``reason`` says the same to people. ``is_linear`` is measured,
    not read from the config.
    """

    space: str
    evidence: str
    reason: str
    config_name: str
    is_linear: bool
    _to_709: Processor = field(repr=False, compare=False)
    _from_709: Processor = field(repr=False, compare=False)
    _plate_from_709: Matrix | None = field(repr=False, compare=False)

    def to_linear709(self, rgb: npt.NDArray[Any]) -> Array:
        """Plate values (..., 3) to scene-linear Rec.709, float32, unbounded; a fresh array."""
        return self._to_709(rgb)

    def from_linear709(self, linear709: npt.NDArray[Any]) -> Array:
        """Scene-linear Rec.709 (..., 3) to plate values, float32; fresh. No round trip is bit-exact."""
        return self._from_709(linear709)

    def add_linear709(self, plate_rgb: npt.NDArray[Any], delta709: npt.NDArray[Any]) -> Array:
        """Return plate values (..., 3) to which the linear light ``delta709`` (..., 3) was added.

        The plate itself is never converted: a linear space gets ``P + M^-1 delta``, any other the difference
        of two conversions. A colour whose delta is zero keeps its bits, minus zero, NaN and infinities
        included.
        """
        delta = np.asarray(delta709, dtype=np.float32)
        plate = np.asarray(plate_rgb, dtype=np.float32)
        if self._plate_from_709 is not None:
            columns = self._plate_from_709.astype(
                np.float32
            ).T  # one column of the matrix for each channel of light
            # Three products and two sums: a matrix product with so short an axis takes ten times as long.
            increment = sum(delta[..., i, None] * columns[i] for i in range(3))
            return np.where(increment == 0.0, plate, plate + increment)
        light = self._to_709(plate)
        with np.errstate(invalid="ignore"):  # infinities of the plate, which stay as they are below
            increment = self._from_709(light + delta) - self._from_709(light)
        is_still = (delta == 0.0).all(axis=-1, keepdims=True) | (increment == 0.0)
        return np.where(is_still, plate, plate + increment)


def resolve_colour(
    path: str = "",
    *,
    chromaticities: Chromaticities | None = None,
    interop_id: str = "",
    display_referred: bool = False,
    colourspace: str = "",
    ocio: str = "",
) -> PlateColour:
    """Find the space of the plate at ``path`` and build its conversions; cheap after the first of a kind.

    ``chromaticities`` (rx ry gx gy bx by wx wy) and ``interop_id`` are header values, ``display_referred``
    marks integer stills, ``colourspace`` and ``ocio`` are the user's. Order: colourspace > header > file rule
    > sRGB for stills, role scene_linear for others > catch-all file rule. Raises ColourError for unknown
    names, unreadable configs and contradictions nobody can settle.
    """
    resolved = resolve_space(
        load_config(ocio),
        path=path,
        chromaticities=chromaticities,
        interop_id=interop_id,
        display_referred=display_referred,
        colourspace=colourspace,
    )
    return _plate_colour(resolved)


def _plate_colour(resolved: Resolved) -> PlateColour:
    to_709, from_709 = linear709_processors(resolved.config, resolved.space)
    rec709_from_plate = probe_matrix(to_709)
    return PlateColour(
        space=resolved.space,
        evidence=resolved.evidence,
        reason=resolved.reason,
        config_name=resolved.config.name,
        is_linear=rec709_from_plate is not None,
        _to_709=to_709,
        _from_709=from_709,
        _plate_from_709=None if rec709_from_plate is None else _inverse(rec709_from_plate),
    )


def _inverse(rec709_from_plate: Matrix) -> Matrix:
    """The inverse; an identity probed with noise becomes an exact one, so that channels stay apart."""
    if float(np.abs(rec709_from_plate - np.eye(3)).max()) < 1e-6:
        return np.eye(3)
    return np.asarray(np.linalg.inv(rec709_from_plate), dtype=np.float64)


def luminance(linear709: npt.NDArray[Any]) -> Array:
    """Relative luminance (...) of scene-linear Rec.709 (..., 3), float32."""
    return np.asarray(linear709, dtype=np.float32) @ np.array(REC709_LUMINANCE, dtype=np.float32)


def choose_exposure(linear709: npt.NDArray[Any], mask: npt.NDArray[Any] | None = None) -> float:
    """Return the power of two that brings the median luminance inside the mask nearest to 0.21, in stops.

    ``linear709`` (H, W, 3) scene-linear; ``mask`` (H, W), used where > 0.5. A power of two scales floats
    without rounding. Black, negative and non-finite pixels do not vote; 1.0 if none are left or the face is
    more than ten stops away. Keep the result for the whole shot: a change would flicker.
    """
    with np.errstate(invalid="ignore", over="ignore"):
        light = luminance(linear709)
        votes = np.isfinite(light) & (light > 0.0)
    if mask is not None:
        votes &= np.asarray(mask) > 0.5
    if not votes.any():
        return 1.0
    stops = round(math.log2(_TARGET / float(np.median(light[votes]))))
    return 2.0**stops if abs(stops) <= _LARGEST_STOPS else 1.0
