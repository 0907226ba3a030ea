"""The benchmark as one picture: edit gain with its interval, and what else each row changes, for every attribute."""

from __future__ import annotations

from collections.abc import Sequence

from lineament.core.directions.evaluate import Estimate
from PIL import Image, ImageDraw, ImageFont

from .bench_truth_methods import CROP_ORACLE, INVERTED_ORACLE, NOTHING, RANDOM, SHIPPED, TRUTH
from .bench_truth_tables import Summary

Colour = tuple[int, int, int]
Font = ImageFont.FreeTypeFont | ImageFont.ImageFont

PAPER, INK, FAINT, GRID = (255, 255, 255), (34, 34, 34), (130, 130, 130), (228, 228, 228)
OWN, FOUND, NULL, BOUND = (200, 80, 20), (40, 90, 170), (150, 150, 150), (60, 140, 80)
LESS, MORE = (40, 90, 170), (200, 60, 40)

ROW, CELL, LABELS, PLOT, GAP = 20, 36, 210, 330, 26
TOP, HEAD = 44, 84
GAINS = (-0.5, 1.0)
STRONGEST = 1.0
"""Dependency that is drawn in full colour."""


def figure(summaries: Sequence[Summary], title: str) -> Image.Image:
    """One block for each inverter and attribute: dots with intervals, then a coloured table of dependencies.

    Raises ValueError if there is nothing to draw.
    """
    if not summaries:
        raise ValueError("a figure needs at least one row")
    blocks: dict[tuple[str, str], list[Summary]] = {}
    for one in summaries:
        if one.row != TRUTH or one.dependency:
            blocks.setdefault((one.inverter, one.attribute), []).append(one)
    names = list(dict.fromkeys(name for one in summaries for name in one.dependency))
    width = LABELS + PLOT + 2 * GAP + CELL * max(1, len(names)) + GAP
    height = TOP + sum(HEAD + ROW * len(rows) + GAP for rows in blocks.values())
    canvas = Image.new("RGB", (width, height), PAPER)
    draw = ImageDraw.Draw(canvas)
    draw.text((GAP // 2, 12), title, fill=INK, font=_font(16))
    top = TOP
    for (inverter, attribute), rows in blocks.items():
        _block(canvas, draw, top, f"{attribute}, {inverter}", rows, names)
        top += HEAD + ROW * len(rows) + GAP
    return canvas


def _font(size: int) -> Font:
    return ImageFont.load_default(size)


def _block(
    canvas: Image.Image,
    draw: ImageDraw.ImageDraw,
    top: int,
    title: str,
    rows: Sequence[Summary],
    names: Sequence[str],
) -> None:
    draw.text((GAP // 2, top), title, fill=INK, font=_font(15))
    draw.text((LABELS, top + 2), f"edit gain, {rows[0].shots} shots", fill=FAINT, font=_font(12))
    table = LABELS + PLOT + 2 * GAP
    begin, end = top + HEAD, top + HEAD + ROW * len(rows)
    for tick in (-0.5, 0.0, 0.5, 1.0):
        x = _x(tick)
        draw.line([(x, begin - 4), (x, end)], fill=FAINT if tick == 0.0 else GRID)
        draw.text((x, begin - 20), f"{tick:g}", fill=FAINT, font=_font(11), anchor="ma")
    for column, name in enumerate(names):
        _upright(canvas, name, table + column * CELL + CELL // 2, begin - 6)
    for number, one in enumerate(rows):
        y = begin + ROW * number + ROW // 2
        draw.text((GAP // 2, y), one.row, fill=INK, font=_font(12), anchor="lm")
        _dot(draw, y, one.gain, _colour(one.row))
        for column, name in enumerate(names):
            if name in one.dependency:
                _cell(draw, table + column * CELL, y, one.dependency[name])


def _x(gain: float) -> int:
    low, high = GAINS
    share = (min(max(gain, low), high) - low) / (high - low)
    return LABELS + round(share * PLOT)


def _dot(draw: ImageDraw.ImageDraw, y: int, gain: Estimate, colour: Colour) -> None:
    draw.line([(_x(gain.low), y), (_x(gain.high), y)], fill=colour, width=2)
    x = _x(gain.mean)
    if gain.mean < GAINS[0]:  # beyond the axis: an arrow and the number
        draw.polygon([(x, y), (x + 8, y - 5), (x + 8, y + 5)], fill=colour)
        draw.text((x + 12, y), f"{gain.mean:.1f}", fill=colour, font=_font(11), anchor="lm")
        return
    draw.ellipse([(x - 4, y - 4), (x + 4, y + 4)], fill=colour)


def _cell(draw: ImageDraw.ImageDraw, left: int, y: int, value: Estimate) -> None:
    strength = min(abs(value.mean) / STRONGEST, 1.0)
    full = MORE if value.mean > 0 else LESS
    shade = tuple(round(p + (f - p) * strength) for p, f in zip(PAPER, full, strict=True))
    box = [(left + 1, y - ROW // 2 + 1), (left + CELL - 1, y + ROW // 2 - 1)]
    draw.rectangle(box, fill=(shade[0], shade[1], shade[2]))
    is_certain = value.low > 0 or value.high < 0
    ink = PAPER if strength > 0.6 else INK if is_certain else FAINT
    draw.text((left + CELL // 2, y), f"{value.mean:+.2f}", fill=ink, font=_font(10), anchor="mm")


def _upright(canvas: Image.Image, text: str, x: int, bottom: int) -> None:
    """Text that reads upwards, ending at ``bottom``."""
    font = _font(11)
    length = round(font.getlength(text)) + 2
    strip = Image.new("RGB", (length, 14), PAPER)
    ImageDraw.Draw(strip).text((0, 0), text, fill=FAINT, font=font)
    turned = strip.rotate(90, expand=True)
    canvas.paste(turned, (x - 7, bottom - length))


def _colour(row: str) -> Colour:
    if row == SHIPPED:
        return OWN
    if row in (NOTHING, RANDOM):
        return NULL
    return BOUND if row in (CROP_ORACLE, INVERTED_ORACLE, TRUTH) else FOUND
