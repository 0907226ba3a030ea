"""Where hair grows: the hairline on the base head, how it recedes, and how much the skin below takes on hair's colour.

All functions read positions on the base head, so the line follows every morph.
"""

from __future__ import annotations

import numpy as np

from .geometry import Floats, Mesh
from .head import MASKS
from .params import FaceParams
from .skull import axis_z
from .strands import smoothstep, waves

AZIMUTH = np.radians(
    [0, 14, 26, 35, 43, 51, 59, 65, 69, 73, 79, 83, 89, 97, 104, 109, 115, 126, 140, 160, 180]
)
HEIGHT = np.array([.76, .77, .76, .70, .57, .40, .22, .04, -.14, -.27, -.27, .06, .17, .19, .13, -.04, -.32, -.62,
                   -.80, -.86, -.86])  # fmt: skip
"""The hairline: height above the eyes in decimetres by angle from the front, round temple, sideburn, ear and nape."""

TEMPLE = np.interp(AZIMUTH, np.radians([0, 30, 60, 75, 90]), [0.55, 1.0, 0.55, 0.12, 0.0])
"""How strongly each part of the line takes part in receding."""

CROWN = np.array([0.0, 1.05, -1.02], np.float32)
"""Centre of the bald spot on the base head."""

SPOT_SHAPE = np.array([1.15, 1.0, 0.9], np.float32)
"""The bald spot is longer than wide."""

ARM = 0.78
"""Radius in decimetres that turns angles along the hairline into distances."""


LEAN = np.sqrt(1 + (np.gradient(HEIGHT + 0.25 * TEMPLE, AZIMUTH) / ARM) ** 2)
"""Turns heights above the line into distances from it; for a line receded half, so that receding never adds hair."""


def hairline_distance(rest: Floats, params: FaceParams) -> Floats:
    """About how far (N,) in decimetres points (N, 3) of the base head lie inside the hair; negative outside."""
    return _inside(rest, 1.0 if params.hair_style == "bald" else params.recede, params.look[13])


def hair_cover(rest: Floats, params: FaceParams) -> Floats:
    """Share (N,) in 0..1 of roots that carry hair at points of the base head: 1 inside, a soft edge at the line."""
    return cover_at(hairline_distance(rest, params), edge_grain(rest), params)


def edge_grain(rest: Floats) -> Floats:
    """Irregularity (N,) of the hairline at points of the base head, about -1..1."""
    return waves(rest, 9.0, 21)


def cover_at(inside: Floats, grain: Floats, params: FaceParams) -> Floats:
    """``hair_cover`` where ``hairline_distance`` and ``edge_grain`` are known already."""
    cover = smoothstep(-0.03, 0.09 + 0.1 * params.recede, inside + np.float32(0.025) * grain)
    return cover * _ring(params) if params.hair_style == "bald" else cover


def scalp_tint(skin: Mesh, params: FaceParams) -> Floats:
    """How much (V,) in 0..1 the skin's colour is replaced by the hair's, because roots and hair stand on it.

    ``skin`` is a mesh with the head's mask columns, at any level of subdivision.
    """
    inside = hairline_distance(skin.rest, params)
    # The tint starts further in than the hair: skin between the first thin hairs keeps its own colour.
    tint = cover_at(inside, edge_grain(skin.rest), params) * smoothstep(0.02, 0.2, inside)
    strength = {"bald": 0.35, "buzz": 0.75}.get(params.hair_style, 0.9)
    return np.asarray(tint * (1 - skin.masks[:, MASKS.index("ears")]) * strength, np.float32)


def _ring(params: FaceParams) -> float:
    """How much of the ring round the back of a bald head grows; it takes a far receded hairline."""
    return float(smoothstep(0.5, 0.75, np.array(params.recede, np.float32)))


def _inside(rest: Floats, recede: float, line: float) -> Floats:
    azimuth = np.arctan2(np.abs(rest[:, 0]), rest[:, 2] - axis_z(rest[:, 1]))
    base = HEIGHT + (line - 0.5) * 0.16 * np.interp(AZIMUTH, [0.0, 0.9, 1.2], [1.0, 0.6, 0.0])
    height = base + TEMPLE * recede * (0.42 + 0.3 * recede)
    lean = np.interp(azimuth, AZIMUTH, LEAN)
    front = (rest[:, 1] - np.interp(azimuth, AZIMUTH, height)) / lean
    spot = 1.02 * float(smoothstep(0.35, 1.05, np.array(recede, np.float32)))
    if spot > 0:
        front = np.minimum(front, np.linalg.norm((rest - CROWN) * SPOT_SHAPE, axis=1) - spot)
    return np.asarray(front, np.float32)
