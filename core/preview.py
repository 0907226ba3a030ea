"""Small pictures for people: display previews, differences around grey, and labelled contact sheets.

These are for looking only. Nothing here ever flows back into a plate.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw, ImageFont

from .checks import expect_shape
from .curve import encode_srgb

Picture = npt.NDArray[np.uint8]

_BACKGROUND, _INK = (24, 24, 24), (235, 235, 235)
_GAP_PX, _TEXT_PX = 6, 13


@dataclass(frozen=True)
class Tile:
    """One picture (H, W, 3) uint8, display-referred sRGB, and the words below it."""

    picture: Picture
    label: str = ""


def to_display(linear709: npt.NDArray[Any], exposure: float = 1.0) -> Picture:
    """Return scene-linear Rec.709 (H, W, 3) as a display picture, uint8 sRGB; NaN becomes black.

    The plain sRGB curve, clipped at 1: what a compositor sees in a viewer without a view transform.
    """
    expect_shape(linear709, "H W 3", name="linear709")
    encoded = encode_srgb(np.asarray(linear709, dtype=np.float32) * np.float32(exposure))
    return _to_uint8(encoded)


def from_unit(picture: npt.NDArray[Any]) -> Picture:
    """Return an encoded picture or mask in [0, 1], (H, W, 3) or (H, W), as uint8 (H, W, 3)."""
    values = np.asarray(picture, dtype=np.float32)
    return _to_uint8(values if values.ndim == 3 else np.repeat(values[..., None], 3, axis=2))


def difference(before: Picture, after: Picture, gain: float = 4.0) -> Picture:
    """Return ``gain`` times the signed difference of two display pictures around grey 128."""
    expect_shape(after, "H W 3", name="after", H=before.shape[0], W=before.shape[1])
    signed = after.astype(np.float32) - before.astype(np.float32)
    return np.asarray(np.clip(128.0 + gain * signed, 0.0, 255.0), dtype=np.uint8)


def _to_uint8(encoded: npt.NDArray[np.float32]) -> Picture:
    clean = np.nan_to_num(encoded, nan=0.0, posinf=1.0, neginf=0.0)
    return (np.clip(clean, 0.0, 1.0) * 255.0 + 0.5).astype(np.uint8)


def sheet(rows: Sequence[Sequence[Tile]], *, tile_height_px: int = 0, title: str = "") -> Image.Image:
    """Return a contact sheet, RGB: rows of tiles from the left, each with its label below.

    ``tile_height_px`` scales every picture to that height (0 keeps sizes). Columns are as wide as their
    widest tile, so pictures of one column line up. Raises ValueError for a sheet without tiles.
    """
    if not any(rows):
        raise ValueError("a contact sheet needs at least one tile")
    pictures = [[_scaled(tile.picture, tile_height_px) for tile in row] for row in rows]
    widths = [
        max(row[column].width for row in pictures if column < len(row))
        for column in range(max(len(row) for row in pictures))
    ]
    heights = [max((picture.height for picture in row), default=0) for row in pictures]
    font = ImageFont.load_default(_TEXT_PX)
    line_px = _TEXT_PX + _GAP_PX
    top = _GAP_PX + (line_px if title else 0)
    size = (
        _GAP_PX + sum(width + _GAP_PX for width in widths),
        top + sum(height + line_px + _GAP_PX for height in heights),
    )
    canvas = Image.new("RGB", size, _BACKGROUND)
    draw = ImageDraw.Draw(canvas)
    draw.text((_GAP_PX, _GAP_PX // 2), title, fill=_INK, font=font)
    for row, row_pictures, height in zip(rows, pictures, heights, strict=True):
        left = _GAP_PX
        for tile, picture, width in zip(row, row_pictures, widths, strict=False):
            canvas.paste(picture, (left, top))
            label = _shortened(tile.label, draw, font, width)
            draw.text((left, top + height + 2), label, fill=_INK, font=font)
            left += width + _GAP_PX
        top += height + line_px + _GAP_PX
    return canvas


def _scaled(picture: Picture, height_px: int) -> Image.Image:
    """The picture for pasting, at ``height_px`` (0 keeps its size)."""
    expect_shape(picture, "H W 3", name="picture")
    image = Image.fromarray(np.ascontiguousarray(picture))
    if height_px in (0, image.height):
        return image
    width = max(1, round(image.width * height_px / image.height))
    return image.resize((width, height_px), Image.Resampling.LANCZOS)


def _shortened(label: str, draw: ImageDraw.ImageDraw, font: Any, width_px: int) -> str:
    """The label, cut to the width of its column, so that it never runs into its neighbour."""
    if draw.textlength(label, font=font) <= width_px:
        return label
    while label and draw.textlength(f"{label}...", font=font) > width_px:
        label = label[:-1]
    return f"{label}..."
