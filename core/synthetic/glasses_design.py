"""Which glasses a face wears: shape, size, rim and colours from the look vector, before they are fitted to a head."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .params import FaceParams


@dataclass(frozen=True)
class Design:
    """What a pair of glasses looks like, before it is fitted. Lengths in decimetres.

    ``exponent`` of the rim's superellipse, ``width`` and ``height`` half sizes of a lens per eye distance, ``taper``
    how much wider it is above, ``rim`` half width of the rim in the picture (top, bottom), ``depth`` half depth,
    ``metal`` 0/1, ``colour`` (3,) scene-linear, ``pattern`` 0..1, ``tint`` (3,), ``density`` (top, bottom) of a lens.
    """

    exponent: float
    width: float
    height: float
    taper: float
    rim: tuple[float, float]
    depth: float
    metal: float
    colour: tuple[float, float, float]
    pattern: float
    tint: tuple[float, float, float]
    density: tuple[float, float]
    dark: bool


def design_of(params: FaceParams) -> Design | None:
    """The glasses that ``params`` wear, None without. A pure function of look, glasses and sunglasses."""
    dark = params.sunglasses >= 0.5
    if not dark and params.glasses < 0.5:
        return None
    shape, size, thick, tone, hue, kind, tint = params.look[14:21]
    height = float(np.interp(shape, [0, 0.35, 1], [0.92, 0.76, 0.62]))
    width = 0.405 + 0.055 * size + (0.025 if dark else 0.0)
    metal = kind < 0.3
    if metal:
        rim, depth = (0.0135 + 0.006 * thick,) * 2, 0.0125
    else:
        upper = 0.021 + 0.022 * thick
        # Half-rim frames hold the lens below with a thin wire.
        rim, depth = (upper, upper * 0.75 if kind < 0.8 else 0.006), 0.02
    colour, pattern = _frame_colour(metal, tone, hue)
    return Design(
        exponent=2.0 + 2.0 * shape,
        width=width,
        height=width * height * (1.08 if dark else 1.0),
        taper=0.05 + 0.09 * shape + (0.04 if dark else 0.0),
        rim=rim,
        depth=depth,
        metal=float(metal),
        colour=colour,
        pattern=pattern,
        tint=_tint(dark, hue),
        density=_density(dark, tint),
        dark=dark,
    )


def _frame_colour(metal: bool, tone: float, hue: float) -> tuple[tuple[float, float, float], float]:
    """Colour of the frame and how mottled it is; half of all acetate frames are black or nearly so."""
    if metal:
        silver, gold = np.array([0.62, 0.63, 0.65]), np.array([0.68, 0.47, 0.2])
        body = np.where(hue < 0.5, silver, gold) * (0.12 + 0.88 * tone)
        return (float(body[0]), float(body[1]), float(body[2])), 0.0
    inks = np.array(
        [[0.16, 0.07, 0.025], [0.2, 0.1, 0.04], [0.03, 0.05, 0.12], [0.16, 0.02, 0.03], [0.3, 0.26, 0.22]]
    )
    place = hue * (len(inks) - 1)
    first = min(int(place), len(inks) - 2)
    ink = inks[first] + (inks[first + 1] - inks[first]) * (place - first)
    share = float(np.clip((tone - 0.35) / 0.65, 0, 1))
    body = 0.012 + (ink * (0.6 + 1.2 * share) - 0.012) * np.clip(share * 3, 0, 1)
    return (float(body[0]), float(body[1]), float(body[2])), float(hue < 0.4) * min(share * 3, 1.0)


def _tint(dark: bool, hue: float) -> tuple[float, float, float]:
    if not dark:
        return (0.97, 1.0, 0.98)
    return ((0.4, 0.4, 0.42), (0.5, 0.33, 0.18), (0.28, 0.36, 0.26))[min(int(hue * 3), 2)]


def _density(dark: bool, tint: float) -> tuple[float, float]:
    if not dark:
        return 0.03 + 0.03 * tint, 0.03 + 0.03 * tint
    top = 0.84 + 0.11 * tint
    return top, top - (0.1 if tint > 0.6 else 0.02)
