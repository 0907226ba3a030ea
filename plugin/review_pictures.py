"""The small pictures of a review: reduced first, then shown through the show's view transform.

For looking only. File names are made of what the picture shows and a frame number, and of nothing else.
"""

from __future__ import annotations

import io
from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt
from lineament.core.colour import PlateColour
from lineament.core.colour_config import OcioConfig
from lineament.core.errors import ColourError
from lineament.core.frame import Window
from lineament.core.preview import difference
from lineament.core.shots.crops import plate_aspect
from lineament.core.shots.looks import Opened
from lineament.core.view_transform import View, displayed, view_processor, views_of
from PIL import Image

from .shot_report import ReportedFrame

Array = npt.NDArray[np.float32]
Picture = npt.NDArray[np.uint8]

GAIN = 4.0
"""How much a difference is multiplied with around grey 128."""
OVERLAY = (224, 64, 56)
"""Red over the picture where the mask is, as in other viewers; its opacity at a mask of 1 is OVERLAY_OPACITY."""
OVERLAY_OPACITY = 0.5
THUMB_PX = 72
JPEG_QUALITY = 92


@dataclass(frozen=True)
class Viewing:
    """How pictures are shown: a ``view`` of the OCIO ``config``, and their ``height`` in pixels at most."""

    config: OcioConfig
    view: View
    height: int


@dataclass(frozen=True)
class FramePictures:
    """The pictures of one frame, (H, W, 3) uint8 as the display gets them: ``after`` and ``difference`` are None where
    there is no output. ``mask`` (H, W) float32 in [0, 1]."""

    before: Picture
    after: Picture | None
    difference: Picture | None
    mask: Array

    def focus(self) -> tuple[float, float] | None:
        """The middle of the mask, x and y as shares of the picture; None where there is no mask."""
        total = float(self.mask.sum(dtype=np.float64))
        if total <= 0.0:
            return None
        middle = [
            float((self.mask.sum(axis=axis) * (np.arange(self.mask.shape[1 - axis]) + 0.5)).sum()) / total
            for axis in (0, 1)
        ]
        return middle[0] / self.mask.shape[1], middle[1] / self.mask.shape[0]


def choose_view(config: OcioConfig, display: str = "", view: str = "") -> View:
    """The view asked for; "" takes the default one, of a display that was named the first. Raises ColourError listing
    what there is."""
    views = views_of(config)
    for one in views:
        if (not display or one.display == display) and (not view or one.name == view):
            return one
    asked = ", ".join(f'{kind} "{name}"' for kind, name in (("display", display), ("view", view)) if name)
    raise ColourError(
        f'The OCIO config "{config.name}" has no {asked}.',
        where=config.origin,
        remedy=f"It has: {', '.join(f'{one.display} / {one.name}' for one in views)}.",
    )


def pictures_of(found: ReportedFrame, viewing: Viewing) -> FramePictures | None:
    """What a frame looks like; None if not even its plate can be read. Raises ColourError."""
    if found.plate is None or found.colour is None or found.mask is None:
        return None
    window = found.plate.frame.parts[found.plate.layer.part]
    size = _size(window.display_window, found.plate.pixel_aspect, viewing.height)
    windows = (window.data_window, window.display_window)
    before = _shown(found.plate, found.colour, viewing, windows, size)
    mask = _reduced(found.mask, windows, size)
    if found.output is None:
        return FramePictures(before, None, None, mask)
    after = _shown(found.output, found.colour, viewing, windows, size)
    return FramePictures(before, after, difference(before, after, GAIN), mask)


def _shown(
    opened: Opened,
    colour: PlateColour,
    viewing: Viewing,
    windows: tuple[Window, Window],
    size: tuple[int, int],
) -> Picture:
    small = _reduced(opened.plate.rgb, windows, size)
    return displayed(small, view_processor(viewing.config, colour.space, viewing.view))


def _size(display: Window, pixel_aspect: float, height: int) -> tuple[int, int]:
    """Width and height of the pictures: square pixels, never larger than the plate."""
    tall = max(1, min(height, display.height))
    wide = display.width * plate_aspect(pixel_aspect) * tall / max(1, display.height)
    return max(1, round(wide)), tall


def _reduced(pixels: Array, windows: tuple[Window, Window], size: tuple[int, int]) -> Array:
    """(H, W, ...) over the data window -> the display window at ``size``, averaged; black beyond the data."""
    data, display = windows
    clean = np.nan_to_num(pixels, nan=0.0, posinf=65504.0, neginf=0.0)  # a bad pixel costs its cell, no more
    if data != display:
        whole = np.zeros((display.height, display.width, *pixels.shape[2:]), np.float32)
        x0, y0 = max(data.x0, display.x0), max(data.y0, display.y0)
        x1, y1 = min(data.x1, display.x1), min(data.y1, display.y1)
        if x1 > x0 and y1 > y0:
            part = clean[y0 - data.y0 : y1 - data.y0, x0 - data.x0 : x1 - data.x0]
            whole[y0 - display.y0 : y1 - display.y0, x0 - display.x0 : x1 - display.x0] = part
        clean = whole
    if clean.shape[1::-1] == size:
        return clean
    return np.asarray(cv2.resize(clean, size, interpolation=cv2.INTER_AREA), np.float32)


def jpeg(picture: Picture, height: int = 0) -> bytes:
    """A picture as JPEG, without chroma subsampling; ``height`` makes it smaller."""
    image = Image.fromarray(picture)
    if height and image.height > height:
        image = image.resize(
            (max(1, round(image.width * height / image.height)), height), Image.Resampling.LANCZOS
        )
    stream = io.BytesIO()
    image.save(stream, "JPEG", quality=JPEG_QUALITY, subsampling=0)
    return stream.getvalue()


def overlay_png(mask: Array) -> bytes:
    """The mask as a PNG to lay over a picture: one colour, its opacity the mask's."""
    opacity = np.rint(np.clip(mask, 0.0, 1.0) * (255.0 * OVERLAY_OPACITY)).astype(np.uint8)
    colour = np.broadcast_to(np.array(OVERLAY, np.uint8), (*mask.shape, 3))
    stream = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(np.dstack([colour, opacity])), "RGBA").save(stream, "PNG")
    return stream.getvalue()


def file_name(kind: str, number: int) -> str:
    """The name of one picture of a frame."""
    return f"{kind}.{number}.{'png' if kind == 'mask' else 'jpg'}"


def files_of(pictures: FramePictures) -> dict[str, bytes]:
    """Kind -> bytes of everything that a page shows of a frame."""
    files = {"before": jpeg(pictures.before), "mask": overlay_png(pictures.mask)}
    thumb = pictures.before
    if pictures.after is not None and pictures.difference is not None:
        thumb = pictures.after
        files |= {"after": jpeg(pictures.after), "difference": jpeg(pictures.difference)}
    return {**files, "thumb": jpeg(thumb, THUMB_PX)}
