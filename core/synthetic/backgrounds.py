"""What is behind a face: out-of-focus backdrops in scene-linear ACEScg, smooth functions of FaceParams.

Six kinds follow each other along ``look[29]`` and fade into the next: studio paper, a wall with the sun of a window,
a room, foliage, open sky over a skyline, evening lights. ``look[30]`` moves and mixes their shapes. All shapes come
from fixed tables, so a network can learn them; the colours are lit by ``ambient`` and nothing else.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from ..errors import RecipeError
from .geometry import Floats
from .params import FaceParams

Doubles = npt.NDArray[np.float64]

MAX_COARSE_PX = 480
"""Longest side that shapes are drawn at; everything is out of focus, so larger pictures are enlarged from it."""

_FADE = 0.16  # share of a kind's stretch of look[29] over which it turns into the next
_REACH = 2.4  # tables reach this far to either side, in half picture heights: enough for 2.39:1


@dataclass(frozen=True)
class Canvas:
    """Pixel centres in half picture heights: ``x`` (W,) from the middle to the right, ``y`` (H,) upwards; ``turn``
    is look[30]; ``amount`` 0..1 the place within the kind; ``sky``, ``horizon``, ``ground`` (3,) light, ACEScg."""

    x: Doubles
    y: Doubles
    turn: float
    amount: float
    sky: Doubles
    horizon: Doubles
    ground: Doubles

    def plain(self, colour: Doubles) -> Floats:
        """A picture (H, W, 3) of one colour."""
        return np.full((len(self.y), len(self.x), 3), colour, np.float32)


def background(params: FaceParams, width: int, height: int) -> Floats:
    """The backdrop (height, width, 3) float32, scene-linear ACEScg, not negative.

    Depends on look[29], look[30], ambient and the size only; wider pictures see more to the sides. Raises RecipeError
    for sizes below 1 px.
    """
    if width < 1 or height < 1:
        raise RecipeError(
            f"A picture of {width} x {height}.", where="background", remedy="Ask for 1 px or more."
        )
    shrink = max(1.0, max(width, height) / MAX_COARSE_PX)
    size = max(1, round(width / shrink)), max(1, round(height / shrink))
    place = min(max(params.look[29], 0.0), 1.0) * len(_KINDS)
    number = min(int(place), len(_KINDS) - 1)
    amount = place - number
    picture = _KINDS[number](_canvas(params, size, amount))
    fade = (amount - (1.0 - _FADE)) / _FADE
    if fade > 0.0 and number + 1 < len(_KINDS):
        weight = np.float32(fade * fade * (3.0 - 2.0 * fade))
        picture = picture + weight * (_KINDS[number + 1](_canvas(params, size, 0.0)) - picture)
    if size != (width, height):
        picture = np.asarray(cv2.resize(picture, (width, height), interpolation=cv2.INTER_CUBIC), np.float32)
    return np.maximum(picture, np.float32(0.0))


def _canvas(params: FaceParams, size: tuple[int, int], amount: float) -> Canvas:
    width, height = size
    sky, horizon, ground = (np.asarray(triple, np.float64) for triple in params.ambient)
    return Canvas(
        x=np.asarray((np.arange(width) + 0.5 - 0.5 * width) / (0.5 * height), np.float64),
        y=np.asarray((0.5 * height - 0.5 - np.arange(height)) / (0.5 * height), np.float64),
        turn=params.look[30],
        amount=amount,
        sky=sky,
        horizon=horizon,
        ground=ground,
    )


# ---- shapes


def _table(seed: int, count: int, columns: int) -> Doubles:
    """Fixed numbers in 0..1: additive recurrence of the generalised golden ratio (Roberts 2018), evenly spread."""
    root = 2.0
    for _ in range(60):
        root = (1.0 + root) ** (1.0 / (columns + 1))
    steps = root ** -np.arange(1.0, columns + 1.0)
    return np.asarray(np.mod(0.5 + 0.37 * seed + np.outer(np.arange(1, count + 1), steps), 1.0))


def _swing(canvas: Canvas, phase: Doubles, reach: float) -> Doubles:
    """How far shapes have moved at ``turn``: smooth, each with its own phase (N,) in 0..1."""
    return reach * np.sin(2.0 * np.pi * (phase + canvas.turn))


def _edge(distance: Doubles, softness: float) -> Doubles:
    """1 where ``distance`` is negative, 0 where it is positive, smooth over ``softness`` to either side."""
    t = np.clip(0.5 - 0.5 * distance / softness, 0.0, 1.0)
    return np.asarray(t * t * (3.0 - 2.0 * t))


def _blobs(canvas: Canvas, centres: Doubles, radii: Doubles, weights: Doubles) -> Floats:
    """Sum (H, W, C) of Gaussians at ``centres`` (N, 2) with ``radii`` (N, 2) and ``weights`` (N, C)."""
    columns = np.exp(-0.5 * np.square((canvas.x[None] - centres[:, :1]) / radii[:, :1]))
    rows = np.exp(-0.5 * np.square((canvas.y[None] - centres[:, 1:]) / radii[:, 1:]))
    channels = [(rows * weights[:, c, None]).T @ columns for c in range(weights.shape[1])]
    return np.stack(channels, -1).astype(np.float32)


def _discs(
    picture: Floats, canvas: Canvas, centres: Doubles, radii: Doubles, colours: Doubles, edge: float
) -> None:
    """Add discs (N, 2), (N,), (N, 3) of light to a picture, the rims a little brighter, as lenses draw them."""
    step = 2.0 / len(canvas.y)
    softness = max(edge, 1.2 * step)
    for (cx, cy), radius, colour in zip(centres, radii, colours, strict=True):
        reach = radius + softness
        left, right = np.searchsorted(canvas.x, (cx - reach, cx + reach))
        top, bottom = np.searchsorted(-canvas.y, (-cy - reach, -cy + reach))
        if left == right or top == bottom:
            continue
        distance = np.hypot(canvas.x[None, left:right] - cx, canvas.y[top:bottom, None] - cy)
        light = _edge(distance - radius, softness) * (
            0.8 + 0.3 * np.square(np.minimum(distance / radius, 1.0))
        )
        picture[top:bottom, left:right] += (light[..., None] * colour).astype(np.float32)


def _between(low: float, high: float, share: Doubles) -> Doubles:
    return low + (high - low) * share


# ---- kinds


def _studio(canvas: Canvas) -> Floats:
    """Paper, from charcoal over blue-grey to near white, with one pool of light."""
    tones = np.array([(0.10, 0.10, 0.11), (0.20, 0.24, 0.30), (0.42, 0.38, 0.34), (0.62, 0.62, 0.63)])
    place = canvas.amount * 3.0
    first = min(int(place), 2)
    colour = (tones[first] + (place - first) * (tones[first + 1] - tones[first])) * canvas.horizon
    angle = 2.0 * math.pi * canvas.turn
    pool = _blobs(
        canvas,
        np.array([(0.7 * math.cos(angle), 0.25 + 0.5 * math.sin(angle)), (0.0, -1.6)]),
        np.array([(1.1, 0.9), (3.0, 0.8)]),
        np.stack([1.1 * colour, -0.35 * colour]),
    )
    return canvas.plain(0.65 * colour) + pool


def _wall(canvas: Canvas) -> Floats:
    """A painted wall: light falling off to one side, and the soft shape of a window's sun on it."""
    shade = np.array([math.sin(2.0 * math.pi * (canvas.amount + k)) for k in (0.0, 0.31, 0.67)])
    colour = (0.34 + 0.05 * shade) * canvas.horizon
    x, y = canvas.x[None], canvas.y[:, None]
    side = math.cos(2.0 * math.pi * canvas.turn)
    fall = np.exp2(0.55 * side * x + 0.25 * y - 0.2)
    slanted = x + 0.45 * y * side - 1.1 * math.sin(2.0 * math.pi * (canvas.turn + 0.2))
    panes = _edge(np.abs(np.abs(slanted) - 0.36) - 0.28, 0.16) * _edge(
        np.abs(np.abs(y - 0.1) - 0.42) - 0.34, 0.16
    )
    sun = (0.5 + 0.5 * math.sin(2.0 * math.pi * canvas.amount)) * 0.55 * np.array([1.15, 1.0, 0.8])
    picture = fall[..., None] * colour + panes[..., None] * (colour * sun)
    return np.asarray(picture, np.float32)


def _room(canvas: Canvas) -> Floats:
    """An interior far out of focus: furniture as upright soft shapes, one bright window, a lamp."""
    t = _table(3, 26, 6)
    centres = np.stack(
        [_between(-_REACH, _REACH, t[:, 0]) + _swing(canvas, t[:, 2], 0.3), _between(-1.1, 1.0, t[:, 1])], 1
    )
    radii = np.stack([_between(0.10, 0.38, t[:, 3]), _between(0.18, 0.65, t[:, 4])], 1)
    warm = np.stack([1.0 + 0.25 * (t[:, 5] - 0.4), np.ones(26), 1.0 - 0.35 * (t[:, 5] - 0.4)], 1)
    weights = _between(-0.10, 0.15, t[:, 2])[:, None] * warm * canvas.horizon
    picture = canvas.plain(np.array([0.25, 0.22, 0.19]) * canvas.horizon) + _blobs(
        canvas, centres, radii, weights
    )
    x, y = canvas.x[None], canvas.y[:, None]
    middle = 1.25 * math.cos(2.0 * math.pi * (canvas.turn + 0.1))
    window = _edge(np.abs(x - middle) - 0.3, 0.14) * _edge(np.abs(y - 0.35) - 0.55, 0.14)
    picture += (window[..., None] * (0.5 + 0.9 * canvas.amount) * canvas.sky).astype(np.float32)
    lamp = np.array([[-0.7 * middle + 0.3 * math.sin(2.0 * math.pi * canvas.turn), 0.3]])
    picture += _blobs(
        canvas, lamp, np.array([[0.17, 0.15]]), np.array([[0.75, 0.52, 0.28]]) * (1.0 - canvas.amount)
    )
    return np.asarray(np.maximum(picture, np.float32(0.01)), np.float32)


def _foliage(canvas: Canvas) -> Floats:
    """Leaves: dark and sunlit green in layers, with the sky shining through as discs."""
    t = _table(5, 70, 6)
    centres = np.stack(
        [_between(-_REACH, _REACH, t[:, 0]) + _swing(canvas, t[:, 3], 0.22), _between(-1.2, 1.2, t[:, 1])], 1
    )
    size = _between(0.09, 0.34, np.square(t[:, 2]))
    stops = _between(-1.3, 1.9, t[:, 3])[:, None] + _between(-0.35, 0.35, t[:, 4])[:, None] * np.array(
        [1.0, 0.0, -0.6]
    )
    layers = _blobs(canvas, centres, np.stack([size, 0.8 * size], 1), 0.8 * stops)
    autumn = canvas.amount * np.array([1.0, 0.1, -0.3]) * 0.9
    leaf = np.array([0.047, 0.069, 0.024]) * np.exp2(autumn)
    leaves = leaf.astype(np.float32) * np.exp2(np.minimum(layers, 2.6))
    picture = leaves * (0.5 * (canvas.horizon + canvas.sky)).astype(np.float32)
    haze = (0.5 + 0.5 * np.tanh(1.5 * canvas.y))[:, None, None] * np.array([0.11, 0.13, 0.10]) * canvas.sky
    picture += haze.astype(np.float32)
    g = _table(6, 34, 5)
    spots = np.stack(
        [
            _between(-_REACH, _REACH, g[:, 0]) + _swing(canvas, g[:, 3], 0.22),
            _between(-0.3, 1.1, np.sqrt(g[:, 1])),
        ],
        1,
    )
    light = _between(0.06, 0.42, np.square(g[:, 3]))[:, None] * np.array([1.0, 1.03, 0.95]) * canvas.sky
    _discs(picture, canvas, spots, _between(0.05, 0.13, g[:, 2]), light, 0.03)
    return picture


def _skyline(canvas: Canvas) -> Floats:
    """Sky over houses or hills, all soft; the horizon is above or below the eyes."""
    x, y = canvas.x[None], canvas.y[:, None]
    level = -0.15 + 0.35 * math.sin(2.0 * math.pi * canvas.turn)
    t = _table(8, 15, 4)
    left = _between(-_REACH, _REACH, t[:, 0]) + _swing(canvas, t[:, 2], 0.25)
    height = level + _between(-0.25, 0.5, np.square(t[:, 1])) * (1.0 - 0.8 * canvas.amount)
    tone = _between(0.10, 0.34, t[:, 3])
    up = np.clip((y - level) * 0.6 + 0.1, 0.0, 1.0)
    clouds = _blobs(
        canvas,
        np.stack(
            [_between(-_REACH, _REACH, t[:, 1]) + _swing(canvas, t[:, 3], 0.4), _between(-0.1, 1.1, t[:, 2])],
            1,
        ),
        np.stack([_between(0.3, 0.8, t[:, 0]), _between(0.07, 0.2, t[:, 3])], 1),
        _between(0.0, 0.16, t[:, 1])[:, None] * canvas.horizon,
    )
    sky = (1.0 - up[..., None]) * (1.15 * canvas.horizon) + up[..., None] * (
        np.array([0.55, 0.72, 1.0]) * canvas.sky
    )
    picture = np.asarray(np.broadcast_to(sky, clouds.shape), np.float32) + clouds
    hill = level - 0.12 + 0.10 * np.sin(1.6 * x + 6.0 * canvas.turn) + 0.05 * np.sin(3.7 * x + 2.0)
    picture = _cover(picture, _edge(y - hill, 0.09), np.array([0.16, 0.19, 0.13]) * canvas.ground * 2.0)
    columns = _edge(np.abs(canvas.x[None] - left[:, None]) - (0.09 + 0.17 * t[:, 2:3]), 0.11)
    rows = _edge(canvas.y[None] - height[:, None], 0.11) * (1.0 - 0.85 * canvas.amount)
    built = rows.T @ columns
    tones = (rows * tone[:, None]).T @ columns / np.maximum(built, 1e-6)
    houses = tones[..., None] * (np.array([1.06, 1.0, 0.93]) * canvas.horizon)
    picture = _cover(picture, 1.0 - np.exp(-2.5 * built), houses)
    ground = np.array([0.26, 0.26, 0.23]) * canvas.ground * 2.0
    return _cover(picture, _edge(y - (level - 0.42), 0.2) * np.ones_like(x), ground)


def _cover(picture: Floats, share: Doubles, colour: Doubles) -> Floats:
    """Lay ``colour`` (3,) or (H, W, 3) over a picture by ``share`` (H, W) in 0..1."""
    weight = share.astype(np.float32)[..., None]
    return np.asarray(picture + weight * (colour.astype(np.float32) - picture), np.float32)


def _evening(canvas: Canvas) -> Floats:
    """Dusk or night in a street: a dim gradient and many coloured lights as large discs."""
    up = (0.5 + 0.5 * np.tanh(1.2 * canvas.y))[:, None, None]
    low = np.array([0.11, 0.085, 0.075]) * canvas.horizon
    high = np.array([0.055, 0.075, 0.13]) * canvas.sky
    picture = np.asarray((1.0 - up) * low + up * high + np.zeros((1, len(canvas.x), 1)), np.float32)
    t = _table(11, 46, 6)
    palette = np.array(
        [(1.0, 0.62, 0.28), (1.0, 0.86, 0.62), (0.62, 0.8, 1.0), (0.95, 0.3, 0.18), (0.45, 0.85, 0.6)]
    )
    kind = np.minimum((np.square(t[:, 4]) * len(palette)).astype(int), len(palette) - 1)
    colours = palette[kind] * _between(0.05, 0.55, np.power(t[:, 3], 3.0))[:, None]
    centres = np.stack(
        [_between(-_REACH, _REACH, t[:, 0]) + _swing(canvas, t[:, 5], 0.35), _between(-0.75, 0.85, t[:, 1])],
        1,
    )
    radii = _between(0.06, 0.17, t[:, 2]) * (0.8 + 0.7 * canvas.amount)
    glow = _blobs(canvas, centres[::3], np.repeat(3.2 * radii[::3, None], 2, 1), 0.28 * colours[::3])
    picture += glow
    _discs(picture, canvas, centres, radii, colours, 0.025)
    return picture


_KINDS: tuple[Callable[[Canvas], Floats], ...] = (_studio, _wall, _room, _foliage, _skyline, _evening)
