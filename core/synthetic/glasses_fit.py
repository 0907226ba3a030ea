"""Fitting glasses to a head: where lenses, front and ears are, and the curve of the rims."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np

from .geometry import Floats
from .glasses_design import Design
from .head import MorphedHead
from .sweep import Numbers

STATIONS = 56
"""Points around one rim."""

TILT = 0.15
"""Slope of the frame: its lower edge is nearer to the cheeks (about 8.5 degrees)."""

WRAP = 0.22
"""Curve of the front around the face: z falls by this times x squared, per decimetre."""

LENS_CLEARANCE = 0.1
"""Room between cornea and lens, decimetres: lashes must not touch."""

# Where a temple rests on the ear, in rest space (subject's left): the groove between helix and skull.
EAR = np.array([0.735, 0.06, -0.72], np.float32)


@dataclass(frozen=True)
class Fit:
    """A design on a head: lens ``centre`` (x, y) of the left eye, half ``size``, ``front`` z of the frame's surface
    above the middle of the lenses, ``ear`` (2, 3) where the temples rest."""

    centre: tuple[float, float]
    size: tuple[float, float]
    front: float
    ear: Floats


def front_height(x: Numbers, y: Numbers, fit_front: float, middle: float) -> Floats:
    """Height z of the frame's curved, tilted surface."""
    return np.asarray(fit_front - WRAP * x * x + TILT * (y - middle), np.float32)


def fit_to(head: MorphedHead, design: Design) -> Fit:
    """Where a design sits on a head, in its unrotated space, decimetres.

    Lashes, brows and cheeks stay behind the lenses and the nose stays clear of the rims; a broad nose gets smaller
    lenses rather than a squint.
    """
    skin = head.surface
    span = float(np.linalg.norm(head.eye_centres[0] - head.eye_centres[1]))
    a, b = design.width * span, design.height * span
    cy = -0.02 - 0.12 * b
    ahead = (
        (skin.positions[:, 2] > -0.25) & (skin.normals[:, 2] > -0.2) & (np.abs(skin.positions[:, 1]) < 0.6)
    )
    p = skin.positions[ahead]
    rise = (p[:, 1] - cy) / b
    side = np.abs(p[:, 0])
    relief = p[:, 2] - front_height(p[:, 0], p[:, 1], 0.0, cy)
    cornea = float((head.eye_centres[:, 2] + head.eye_radii * 1.06).max()) + LENS_CLEARANCE
    # First the distance, from the brows and cheeks under the lenses without the slopes of the nose.
    cx = 0.5 * span + 0.012
    under = (np.abs(rise) < 1.15) & (side > cx - 0.62 * a) & (side < cx + 1.1 * a)
    front = max(cornea + WRAP * cx * cx, float(relief[under].max(initial=-1.0)) + 0.012 + design.depth)
    # Then the room for the nose: where it comes through the frame's surface the rims must leave it free.
    nose = (np.abs(rise) < 0.98) & (side < cx) & (relief > front - design.depth - 0.01)
    reach = (
        a
        * (1 - np.abs(rise[nose]) ** design.exponent) ** (1 / design.exponent)
        * (1 + design.taper * rise[nose])
    )
    need = float((side[nose] + reach).max(initial=0.0)) + design.rim[1] + 0.012
    widest = cx + 0.035
    if need > widest:  # a broad nose: smaller lenses rather than a squint
        a -= min(need - widest, 0.2 * a)
    cx = min(max(cx, need), widest)
    at = ((skin.rest - np.stack([EAR, EAR * np.array([-1, 1, 1], np.float32)])[:, None]) ** 2).sum(axis=2)
    return Fit((cx, cy), (a, b), front, skin.positions[at.argmin(axis=1)])


@cache
def _outline(exponent: float) -> tuple[Floats, Floats]:
    """Points and outward normals (STATIONS, 2) of a superellipse of half sizes 1, evenly spread, from +x upwards."""
    fine = np.linspace(0, 2 * np.pi, 721)
    unit = np.stack([np.cos(fine), np.sin(fine)], axis=1)
    curve = np.sign(unit) * np.abs(unit) ** (2 / exponent)
    length = np.concatenate([[0], np.cumsum(np.linalg.norm(np.diff(curve, axis=0), axis=1))])
    even = np.arange(STATIONS) * (length[-1] / STATIONS)
    points = np.stack([np.interp(even, length, curve[:, k]) for k in range(2)], axis=1)
    normals = np.sign(points) * np.abs(points) ** (exponent - 1)
    return points.astype(np.float32), (normals / np.linalg.norm(normals, axis=1, keepdims=True)).astype(
        np.float32
    )


def rim_curve(design: Design, fit: Fit) -> tuple[Floats, Floats]:
    """Points (STATIONS, 3) of the left rim on the frame's surface, and outward directions (STATIONS, 3)."""
    unit, normal = _outline(design.exponent)
    (cx, cy), (a, b) = fit.centre, fit.size
    x = cx + a * unit[:, 0] * (1 + design.taper * unit[:, 1])
    y = cy + b * unit[:, 1]
    points = np.stack([x, y, front_height(x, y, fit.front, cy)], axis=1)
    out = np.stack([normal[:, 0] / a, normal[:, 1] / b], axis=1)
    out /= np.linalg.norm(out, axis=1, keepdims=True)
    slope = -2 * WRAP * x * out[:, 0] + TILT * out[:, 1]
    return points.astype(np.float32), np.concatenate([out, slope[:, None]], axis=1).astype(np.float32)
