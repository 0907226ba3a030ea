"""A contact sheet of a set: some people down, their variants across."""

from __future__ import annotations

import io
import tempfile
import unicodedata
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
from lineament.core.colour import resolve_colour
from lineament.core.errors import LineamentError
from lineament.core.io import read_frame
from lineament.core.pipeline import header_chromaticities
from lineament.core.preview import Tile, sheet, to_display

from .augment_job import ALIGNED, AugmentJob
from .augment_work import PictureDone

ROWS, COLUMNS, TILE_PX = 6, 7, 220

Picture = npt.NDArray[np.uint8]


def contact_sheet(
    job: AugmentJob, every: Sequence[PictureDone], bytes_of: Callable[[str], bytes]
) -> bytes | None:
    """PNG of up to 6 pictures with up to 7 variants each, spread evenly; None if no variant passed."""
    usable = [
        (done, [record for record in done.records if not record["rejected"]])
        for done in every
        if any(not record["rejected"] for record in done.records)
    ]
    if not usable:
        return None
    rows = [
        [_tile(job, record, bytes_of) for record in _spread(records, COLUMNS)]
        for _, records in _spread(usable, ROWS)
    ]
    stream = io.BytesIO()
    sheet(rows, tile_height_px=TILE_PX, title="variants that passed").save(stream, "PNG")
    return stream.getvalue()


def _spread(items: Sequence[Any], most: int) -> list[Any]:
    """Up to ``most`` of the items, the first and the last among them."""
    if len(items) <= most:
        return list(items)
    return [items[round(index * (len(items) - 1) / (most - 1))] for index in range(most)]


def _tile(job: AugmentJob, record: Mapping[str, Any], bytes_of: Callable[[str], bytes]) -> Tile:
    strengths = ", ".join(f"{name} {value:+.2g}" for name, value in record["strengths"].items())
    label = f"{_legible(Path(record['source']).name)}  {strengths or record['variant']}"
    return Tile(_shown(job, record, bytes_of(record["file_name"])), label)


def _legible(name: str) -> str:
    """A name in the letters that the sheet's font has: without accents, and ? for what is left."""
    letters = (one for one in unicodedata.normalize("NFKD", name) if not unicodedata.combining(one))
    return "".join(letters).encode("ascii", "replace").decode()


def _shown(job: AugmentJob, record: Mapping[str, Any], data: bytes) -> Picture:
    """The picture around the face for the screen, at the tile's height."""
    name = record["file_name"]
    with tempfile.TemporaryDirectory(prefix="lineament-sheet-") as folder:
        path = Path(folder, "picture" + Path(name).suffix)
        path.write_bytes(data)
        frame = read_frame(path, 0)
    layer = frame.layer(job.recipe.layer if not frame.is_display_referred else "")
    rgb = frame.rgb(layer)
    if job.form.crop != ALIGNED:
        rgb = _around(rgb, record["face_box"])
    size = (max(1, round(rgb.shape[1] * TILE_PX / rgb.shape[0])), TILE_PX)
    small = cv2.resize(np.ascontiguousarray(rgb), size, interpolation=cv2.INTER_AREA)
    if frame.is_display_referred:
        return np.asarray(np.clip(small, 0.0, 1.0) * 255.0 + 0.5, np.uint8)
    try:
        colour = resolve_colour(
            name,
            chromaticities=header_chromaticities(frame, layer),
            interop_id=str(frame.header_value(layer, "colorInteropID") or ""),
            display_referred=False,
            colourspace=job.recipe.colourspace,
            ocio=job.choices.ocio,
        )
    except LineamentError:
        return to_display(small)
    return to_display(colour.to_linear709(np.asarray(small, np.float32)))


def _around(rgb: npt.NDArray[np.float32], box: Sequence[float]) -> npt.NDArray[np.float32]:
    """The square of twice the face's size around it, as far as there is picture."""
    x0, y0, x1, y1 = box
    reach = max(x1 - x0, y1 - y0, 2.0)
    x, y = 0.5 * (x0 + x1), 0.5 * (y0 + y1)
    top, left = max(0, int(y - reach)), max(0, int(x - reach))
    part = rgb[top : max(top + 1, int(y + reach)), left : max(left + 1, int(x + reach))]
    return part if part.size else rgb
