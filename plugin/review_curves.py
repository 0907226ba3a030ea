"""Curves over the frames of a shot, drawn as SVG: strengths of every attribute, and flicker with what is accepted."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

from lineament.core.shots.quality_report import LIMITS, FrameEntry

WIDTH, HEIGHT = 320, 56
PAD_X, PAD_Y = 4, 6


@dataclass(frozen=True)
class Curve:
    """One curve: a ``name``, a value for every frame (NaN: none), and a ``limit`` drawn as a line, NaN for none."""

    name: str
    values: tuple[float, ...]
    limit: float = math.nan


def curves_of(entries: Sequence[FrameEntry]) -> list[Curve]:
    """Strengths by face and attribute, in the order of their names, then flicker."""
    several = len({face.name for entry in entries for face in entry.faces}) > 1
    keys = sorted({(face.name, name) for entry in entries for face in entry.faces for name in face.strengths})
    curves = []
    for face_name, name in keys:
        values = tuple(_strength(entry, face_name, name) for entry in entries)
        curves.append(Curve(f"{face_name}: {name}" if several else name, values))
    flicker = tuple(math.nan if one.quality is None else one.quality.flicker for one in entries)
    return (
        [*curves, Curve("flicker", flicker, LIMITS["flicker"])]
        if any(map(math.isfinite, flicker))
        else curves
    )


def _strength(entry: FrameEntry, face_name: str, name: str) -> float:
    for face in entry.faces:
        if face.name == face_name:
            return float(face.strengths.get(name, 0.0))
    return math.nan


def svg(curve: Curve) -> str:
    """One curve as an SVG element of class ``curve``; its line of class ``now`` marks a frame and is moved by the page.

    The scale shows in two labels; a curve with values of both signs has a line at 0, flicker one at what is accepted.
    """
    finite = [value for value in (*curve.values, curve.limit) if math.isfinite(value)]
    low, high = min(finite, default=0.0), max(finite, default=1.0)
    if math.isnan(curve.limit):
        low, high = min(low, 0.0), max(high, 0.0)
    if high - low < 1e-9:
        low, high = low - 0.5, high + 0.5
    scale = _Scale(len(curve.values), low, high)
    parts = [
        f'<svg class="curve" viewBox="0 0 {WIDTH} {HEIGHT}" preserveAspectRatio="none" role="img" '
        f'aria-label="{escape(curve.name)} over the frames">'
    ]
    rule = curve.limit if math.isfinite(curve.limit) else 0.0
    if low <= rule <= high:
        y = scale.y(rule)
        parts.append(f'<line class="rule" x1="0" x2="{WIDTH}" y1="{y:.2f}" y2="{y:.2f}"/>')
    parts += [f'<polyline points="{run}"/>' for run in scale.runs(curve.values)]
    parts += [_dot(scale, index, value) for index, value in _lonely(curve.values)]
    parts.append(f'<line class="now" x1="{PAD_X}" x2="{PAD_X}" y1="0" y2="{HEIGHT}"/></svg>')
    return "".join(parts)


@dataclass(frozen=True)
class _Scale:
    """From frame and value to the drawing."""

    count: int
    low: float
    high: float

    def x(self, index: int) -> float:
        return PAD_X + (WIDTH - 2 * PAD_X) * (index / (self.count - 1) if self.count > 1 else 0.5)

    def y(self, value: float) -> float:
        share = (value - self.low) / (self.high - self.low)
        return HEIGHT - PAD_Y - (HEIGHT - 2 * PAD_Y) * share

    def runs(self, values: Sequence[float]) -> list[str]:
        """Points of every unbroken run of two values or more."""
        runs: list[list[str]] = [[]]
        for index, value in enumerate(values):
            if math.isfinite(value):
                runs[-1].append(f"{self.x(index):.2f},{self.y(value):.2f}")
            elif runs[-1]:
                runs.append([])
        return [" ".join(run) for run in runs if len(run) > 1]


def _lonely(values: Sequence[float]) -> list[tuple[int, float]]:
    """Values with no neighbour, which no line would show."""
    around = [math.nan, *values, math.nan]
    return [
        (index, value)
        for index, value in enumerate(values)
        if math.isfinite(value) and not (math.isfinite(around[index]) or math.isfinite(around[index + 2]))
    ]


def _dot(scale: _Scale, index: int, value: float) -> str:
    x, y = scale.x(index), scale.y(value)
    return f'<polyline points="{x - 2:.2f},{y:.2f} {x + 2:.2f},{y:.2f}"/>'
