"""What an EXR is, without its pixels: size, parts, channels and header."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import OpenImageIO as oiio

from ..frame import Frame, Plane
from .exr import DTYPES, damaged, read_parts


def peek_exr(path: Path, number: int) -> Frame:
    """``read_exr`` with zeros for pixels, in the planes' own formats: only each part's first and last rows are decoded,
    which tells a file that was cut short. Raises PlateError."""
    return read_parts(path, number, _peek_run)


def _peek_run(
    picture: oiio.ImageInput, path: Path, index: int, names: Sequence[str], channels: Sequence[int], kind: str
) -> dict[str, Plane]:
    """Zeros in place of neighbouring channels, once the first and the last row of them were decoded."""
    if kind not in DTYPES:
        raise damaged(path, f"channel {names[channels[0]]!r} has the format {kind}")
    spec = picture.spec()
    first, last = channels[0], channels[-1] + 1
    for row in (spec.y, spec.y + spec.height - 1):
        if spec.tile_width:
            top = spec.y + (row - spec.y) // spec.tile_height * spec.tile_height
            bottom = min(top + spec.tile_height, spec.y + spec.height)
            columns = (spec.x, spec.x + spec.width)
            window = (*columns, top, bottom, 0, 1)
            pixels = picture.read_tiles(index, 0, *window, first, last, oiio.TypeDesc(kind))
        else:
            pixels = picture.read_scanlines(index, 0, row, row + 1, 0, first, last, oiio.TypeDesc(kind))
        if pixels is None:
            raise damaged(path, picture.geterror())
    plane = np.broadcast_to(np.zeros((), DTYPES[kind]), (spec.height, spec.width))
    return {names[channel]: plane for channel in channels}
