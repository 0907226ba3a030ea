"""How each haircut wants to lie: per guide strand a combing direction, lift, weight, length and volume.

A style is described on the base head by where a guide's root is: angle from the front, elevation, side of the parting.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .geometry import Floats
from .params import FaceParams
from .skull import COLUMNS, LOWER, UPPER, chart
from .strands import single, smoothstep, waves

X, UP, FRONT = np.eye(3, dtype=np.float32)
"""Axes of the head: to its left, up, and out of the face."""


@dataclass(frozen=True)
class Zones:
    """Where guides (G,) stand on the base head. ``angle`` degrees from the front, ``elevation`` degrees above the
    skull's centre (negative below), ``side`` -1 or 1 of the parting (1 without one), ``beside`` -1 or 1 the side on
    which a strand has to pass the face, ``bangs`` 1 for the front hair of a fringe, ``front``, ``back``, ``top`` soft
    0..1, ``rest`` (G, 3) the roots."""

    angle: Floats
    elevation: Floats
    side: Floats
    beside: Floats
    bangs: Floats
    front: Floats
    back: Floats
    top: Floats
    rest: Floats

    @property
    def family(self) -> Floats:
        """See ``families``."""
        return self.side + 4 * self.bangs


@dataclass(frozen=True)
class Design:
    """What guides do. ``comb`` (G, 3) direction along the skull, ``lift`` (G,) how far roots stand up, ``weight``
    (G,) pull of gravity, ``length`` (G,) decimetres, ``volume`` (G,) height of the hair's shell in decimetres,
    ``stiff`` share of the old direction kept a step, ``wave`` amplitude and ``pitch`` length of waves in decimetres,
    ``curl`` 0 flat waves to 1 corkscrews, ``clump`` 0..1 gathering into locks, ``frizz`` decimetres, ``hug``
    pull towards neck and cheeks below the eyes, ``open_face`` (G,) degrees from the front that stay free of hair
    beside the face (0: no curtain), ``ragged`` variation of length."""

    comb: Floats
    lift: Floats
    weight: Floats
    length: Floats
    volume: Floats
    stiff: float
    wave: float
    pitch: float
    curl: float
    clump: float
    frizz: float
    hug: float
    open_face: Floats
    ragged: float


PARTINGS = {"parted": 0.75, "long": 0.5, "fringe": 0.3}
"""Styles with a parting, and how far across the head look[10] may move it (decimetres)."""


def part_at(params: FaceParams) -> float:
    """Sideways place of the parting on the base head, decimetres."""
    place = (params.look[10] - 0.5) * PARTINGS[params.hair_style]
    if params.hair_style == "parted":
        place += 0.14 if place >= 0 else -0.14
    return place


def zones(rest: Floats, params: FaceParams) -> Zones:
    """Describe roots (G, 3) on the base head."""
    row, column, _, _ = chart(rest)
    angle = _angle(column)
    elevation = single((row - LOWER) * (90 / UPPER))
    front, back = smoothstep(72, 38, angle), smoothstep(105, 140, angle)
    side, bangs = _sides(rest, params), _bangs(rest, angle, params)
    beside = np.where(rest[:, 0] >= 0, 1.0, -1.0).astype(np.float32)
    if params.hair_style in PARTINGS:
        beside = np.where(front > 0.3, side, beside)
    return Zones(angle, elevation, side, beside, bangs, front, back, smoothstep(22, 58, elevation), rest)


def families(rest: Floats, params: FaceParams) -> Floats:
    """A number (N,) for roots (N, 3) on the base head; only strands of the same number are mixed."""
    side = _sides(rest, params)
    if params.hair_style != "fringe":
        return side
    return single(side + 4 * _bangs(rest, _angle(chart(rest)[1]), params))


def _angle(column: Floats) -> Floats:
    """Degrees (N,) from the front of chart columns (N,)."""
    return single(np.abs(column - COLUMNS / 2) * (360 / COLUMNS))


def _sides(rest: Floats, params: FaceParams) -> Floats:
    """Side (N,) of the parting, -1 or 1; 1 everywhere without a parting."""
    if params.hair_style not in PARTINGS:
        return np.ones(len(rest), np.float32)
    line = part_at(params) * smoothstep(-1.35, -0.75, rest[:, 2])
    # Behind the crown there is no line to see: the sides run into each other there.
    blur = 0.02 + 0.2 * smoothstep(-0.95, -1.35, rest[:, 2])
    return np.where(rest[:, 0] > line + blur * waves(rest, 12.0, 31), 1.0, -1.0).astype(np.float32)


def _bangs(rest: Floats, angle: Floats, params: FaceParams) -> Floats:
    """1 (N,) where a fringe's front hair grows, with a ragged border."""
    if params.hair_style != "fringe":
        return np.zeros(len(rest), np.float32)
    edge = 46 + 4 * waves(rest, 5.0, 32) + 7 * waves(rest, 40.0, 33)
    depth = -0.55 + 0.13 * waves(rest, 40.0, 34)
    return ((angle < edge) & (rest[:, 2] > depth)).astype(np.float32)


def design(where: Zones, params: FaceParams) -> Design:
    """The haircut of ``params`` for guides at ``where``."""
    return _STYLES[params.hair_style](where, params)


def _rows(weights: Floats, axis: Floats) -> Floats:
    return np.asarray(weights[:, None] * axis, np.float32)


def _mix(low: float, high: float, amount: float) -> float:
    return low + (high - low) * amount


def _whorl(where: Zones) -> Floats:
    """Directions (G, 3) away from the crown, with the slight turn that hair has there."""
    away = where.rest - np.array([0.08, 1.1, -1.15], np.float32)
    away = away / np.maximum(np.linalg.norm(away, axis=1, keepdims=True), 0.25)
    turn = np.stack([away[:, 2], np.zeros(len(away), np.float32), -away[:, 0]], axis=1)
    return np.asarray(away + 0.35 * turn, np.float32)


def _buzz(where: Zones, params: FaceParams) -> Design:
    length = np.full(len(where.side), _mix(0.035, 0.13, params.hair_length), np.float32)
    length *= 0.75 + 0.25 * where.top
    half = np.full_like(length, 0.55)
    return Design(
        _whorl(where),
        half * 1.6,
        half * 0.1,
        length,
        half * 0.0,
        0.6,
        0.0,
        1.0,
        0.0,
        0.15,
        0.006,
        0.0,
        half * 0,
        0.3,
    )


def _short(where: Zones, params: FaceParams) -> Design:
    volume = 0.05 + 0.13 * params.look[12]
    sweep = 1.0 if params.look[10] >= 0.5 else -1.0
    top = _mix(0.32, 0.8, params.hair_length)
    sides = _mix(0.12, 0.4, params.hair_length)
    length = sides + (top - sides) * where.top + 0.12 * where.front * where.top
    length *= 1 - 0.35 * smoothstep(0.2, -0.5, where.rest[:, 1])
    comb = _whorl(where) + _rows(0.9 * where.top * sweep, X) + _rows(0.35 * where.front * where.top, UP)
    lift = single(0.35 + (0.5 + 0.8 * params.look[12]) * where.top * (0.5 + 0.5 * where.front))
    weight = 0.25 + 0.1 * (1 - where.top)
    shell = volume * (0.25 + 0.75 * where.top)
    wave, pitch = 0.02 + 0.05 * params.look[11], _mix(0.5, 0.28, params.look[11])
    return Design(
        comb, lift, weight, length, shell, 0.55, wave, pitch, 0.2, 0.6, 0.02, 0.0, 0 * lift + 62, 0.3
    )


def _parted(where: Zones, params: FaceParams) -> Design:
    top = _mix(0.7, 1.15, params.hair_length)
    sides = _mix(0.25, 0.75, params.hair_length)
    length = sides + (top - sides) * where.top
    comb = _rows(where.side * (0.25 + 0.95 * where.top), X) + _rows(-0.35 * where.front - 0.15, FRONT)
    comb += _rows(-0.9 * (1 - where.top), UP)
    comb += _rows(0.25 * where.front * where.top, UP)
    lift = 0.25 + (0.45 + 0.6 * params.look[12]) * where.top
    weight = 0.3 + 0.35 * (1 - where.top)
    shell = (0.05 + 0.14 * params.look[12]) * (0.35 + 0.65 * where.top)
    wave, pitch = 0.01 + 0.05 * params.look[11], _mix(0.8, 0.42, params.look[11])
    return Design(
        comb, lift, weight, length, shell, 0.6, wave, pitch, 0.2, 0.65, 0.018, 0.1, 0 * lift + 66, 0.32
    )


def _swept(where: Zones, params: FaceParams) -> Design:
    top = _mix(0.75, 1.5, params.hair_length)
    sides = _mix(0.3, 1.0, params.hair_length)
    length = sides + (top - sides) * where.top
    length *= 1 - 0.7 * smoothstep(0.25, 0.05, where.rest[:, 1]) * smoothstep(96, 84, where.angle)
    lean = (params.look[10] - 0.5) * 0.7
    comb = _rows(-1.0 + 0.3 * where.back, FRONT) + _rows(lean * where.top, X)
    comb += _rows(-0.35 * (1 - where.top) - 0.8 * where.back, UP)
    comb = _hang_before_ears(where, comb + _rows(0.5 * where.front * where.top, UP))
    lift = 0.2 + (0.5 + 0.9 * params.look[12]) * where.top * where.front + 0.2 * where.top
    weight = 0.1 + 0.45 * where.back
    shell = (0.06 + 0.16 * params.look[12]) * (0.3 + 0.7 * where.top)
    wave, pitch = 0.012 + 0.045 * params.look[11], _mix(0.8, 0.4, params.look[11])
    return Design(
        comb, lift, weight, length, shell, 0.62, wave, pitch, 0.2, 0.65, 0.018, 0.25, 0 * lift + 78, 0.22
    )


def _hang_before_ears(where: Zones, comb: Floats) -> Floats:
    """Combing (G, 3) with the hair before the ears turned down; combed back it would stand across the ears."""
    burns = smoothstep(0.25, 0.05, where.rest[:, 1]) * smoothstep(96, 84, where.angle)
    return comb * (1 - 0.8 * burns)[:, None] + _rows(-burns, UP)


def _hanging(where: Zones, end: float, extra: float) -> Floats:
    """Lengths (G,) that let strands end near height ``end`` when they first run over the skull."""
    over = np.maximum(where.elevation, 0) / 90 * 0.5
    return np.asarray(np.maximum(where.rest[:, 1] - end, 0.15) + over + extra, np.float32)


def _long(where: Zones, params: FaceParams) -> Design:
    end = _mix(-0.95, -2.8, params.hair_length)
    length = _hanging(where, end, 0.1) - 0.35 * where.front * (1 - params.look[13])
    aside = where.side * (0.2 + 0.8 * where.top) * (1 - 0.85 * smoothstep(-0.7, -1.15, where.rest[:, 2]))
    behind = smoothstep(-0.75, -1.2, where.rest[:, 2]) * where.top
    comb = _rows(aside, X) + _rows(-0.3 - 0.45 * where.front - 0.6 * behind, FRONT)
    comb += _rows(where.rest[:, 0] * 0.5 * behind, X) + _rows(0.3 * where.front * where.top, UP)
    comb = _hang_before_ears(where, comb)
    lift = 0.2 + (0.35 + 0.6 * params.look[12]) * where.top
    weight = 0.42 + 0.45 * (1 - where.top)
    shell = (0.08 + 0.17 * params.look[12]) * (0.55 + 0.45 * where.top)
    wave, pitch = 0.1 * params.look[11] ** 1.5 + 0.008, _mix(1.0, 0.5, params.look[11])
    opening = 50 + 30 * params.look[13] + 0 * lift
    return Design(comb, lift, weight, length, shell, 0.6, wave, pitch, 0.55, 0.7, 0.022, 0.3, opening, 0.14)


def _curly(where: Zones, params: FaceParams) -> Design:
    length = np.full(len(where.side), _mix(0.4, 1.5, params.hair_length), np.float32)
    length *= 0.72 + 0.28 * where.top
    length *= 1 - 0.75 * smoothstep(0.1, -0.15, where.rest[:, 1]) * smoothstep(95, 80, where.angle)
    comb = _whorl(where) * 0.4 + _rows(where.side * 0.3 * where.top, X)
    weight = np.full_like(length, _mix(0.05, 0.32, params.hair_length))
    lift = np.full_like(length, 1.5 + 0.8 * params.look[12])
    shell = 0.08 + 0.12 * params.look[12] + 0 * length
    wave = _mix(0.035, 0.075, params.look[11])
    return Design(
        comb, lift, weight, length, shell, 0.75, wave, 2.6 * wave, 1.0, 0.55, 0.03, 0.0, 0 * lift + 58, 0.3
    )


def _fringe(where: Zones, params: FaceParams) -> Design:
    base = _long(where, params)
    end = _mix(-0.55, -2.1, params.hair_length)
    length = _hanging(where, end, 0.1)
    bangs = where.bangs
    sweep = (params.look[10] - 0.5) * 0.7
    forward = _rows(bangs, FRONT) + _rows(bangs * sweep, X) + _rows(-0.5 * bangs, UP)
    beside = (1 - bangs) * smoothstep(85, 50, where.angle)  # closes the gap behind the fringe
    comb = base.comb * (1 - bangs)[:, None] + forward + _rows(0.45 * beside, FRONT)
    reach = np.maximum(where.rest[:, 1] - 0.30, 0.2) + 0.42 * np.maximum(0.1 - where.rest[:, 2], 0)
    length = length + (reach - length) * bangs
    reach += 0.3 * smoothstep(30, 52, where.angle)
    lift = base.lift * (1 - 0.4 * bangs)
    weight = base.weight * (1 - bangs) + 0.55 * bangs
    shell = base.volume * (1 - bangs) + (0.06 + 0.06 * params.look[12]) * bangs
    opening = 64 * (1 - bangs)
    wave = base.wave * 0.6
    return Design(
        comb, lift, weight, length, shell, 0.6, wave, base.pitch, 0.4, 0.6, 0.02, 0.3, opening, 0.12
    )


_STYLES = {
    "bald": _buzz, "buzz": _buzz, "short": _short, "parted": _parted, "swept": _swept, "long": _long,
    "curly": _curly, "fringe": _fringe,
}  # fmt: skip
