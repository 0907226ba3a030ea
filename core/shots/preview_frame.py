"""A frame of an analysed shot at the size of a screen: the render pass itself, on a plate that was made small first.

The plate is cut and reduced once, and the analysis is carried to its pixels; then ``render_shot_frame`` edits it like
any other plate, so that what is previewed cannot drift from what is rendered. At full size both agree but for the
rounding to the plate's number format.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any, cast

import cv2
import numpy as np
import numpy.typing as npt
import torch

from ..colour import PlateColour
from ..faces.align import transform_points
from ..faces.base import FineFace
from ..faces.crop import warp_to_plate
from ..frame import Frame, Part, Window
from ..generators.stylegan2 import StyleGAN2
from ..pipeline import plate_colour
from ..sight import read_plate
from ..tools import Tools
from .analysis import Analysis
from .crops import plate_aspect
from .render import ShotResult, face_mask, fine_picture, render_shot_frame
from .shot import FaceEdit, Shot

Array = npt.NDArray[np.float32]
MAX_SIDE = 4096
"""Pixels of a preview's longest side: more is no preview."""
CLOSE_UP = 1.9
"""Sides of a crop that a close-up shows: head and shoulders for a crop that is the face."""
REMEMBERED_PICTURES = 64
"""Faces the generator drew last that are kept, 48 KB each at 64 pixels, 12 MB at 1024."""


@dataclass(frozen=True)
class PreviewWindow:
    """What of a plate is shown, and how large: ``region`` in pixels of the data window's array, half-open, and the
    ``width`` and ``height`` of the picture, whose pixels are square."""

    region: Window
    width: int
    height: int

    @property
    def scale(self) -> tuple[float, float]:
        """Preview pixels for one plate pixel in x and y."""
        return self.width / self.region.width, self.height / self.region.height

    def moved(self, points: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        """Points (..., 2) of the plate's array as points of the preview."""
        return np.asarray((points - (self.region.x0, self.region.y0)) * np.array(self.scale), np.float64)


@dataclass(frozen=True)
class PreviewPlate:
    """A plate made small: its ``frame`` (float32, square pixels, the header's colour), its ``window``, ``limits``
    (height, width) in [0, 1], or None, and the faces ``fine`` from the large plate, as the refiner sees them; None
    where they have to be cut from the small one."""

    frame: Frame
    window: PreviewWindow
    colour: PlateColour
    limits: Array | None = None
    fine: Mapping[str, FineFace | None] | None = None


@dataclass(frozen=True)
class Change:
    """Where two frames of one size differ: ``x0``, ``y0`` and the pixels ``rgb`` (h, w, 3) float32 of the second in
    that rectangle, with ``changed`` (h, w); empty where nothing does."""

    x0: int
    y0: int
    rgb: Array
    changed: npt.NDArray[np.bool_]


def whole_window(width: int, height: int, pixel_aspect: float, longest: int) -> PreviewWindow:
    """All of a plate, its longest side ``longest`` pixels or what it has, if that is less."""
    return _window(Window(0, 0, width, height), plate_aspect(pixel_aspect), longest)


def face_window(
    points: npt.NDArray[np.float64], width: int, height: int, pixel_aspect: float, longest: int
) -> PreviewWindow:
    """The surroundings of a crop whose corners are ``points`` (4, 2), cut at the plate's border."""
    aspect = plate_aspect(pixel_aspect)
    middle, size = points.mean(axis=0), np.ptp(points * (aspect, 1.0), axis=0).max() * CLOSE_UP / 2.0
    low, high = np.floor(middle - size / (aspect, 1.0)), np.ceil(middle + size / (aspect, 1.0))
    x0, y0 = (int(value) for value in np.clip(low, 0, (width - 1, height - 1)))
    x1, y1 = (int(value) for value in np.clip(high, (x0 + 1, y0 + 1), (width, height)))
    return _window(Window(x0, y0, x1, y1), aspect, longest)


def _window(region: Window, aspect: float, longest: int) -> PreviewWindow:
    """Never larger than the plate is: enlarging is the screen's business."""
    if longest < 1:
        raise ValueError(f"longest is {longest}; expected at least 1")
    wide, high = region.width * aspect, float(region.height)
    shrink = min(1.0, min(longest, MAX_SIDE) / max(wide, high))
    return PreviewWindow(region, max(1, round(wide * shrink)), max(1, round(high * shrink)))


def crop_corners(analysis: Analysis, shot: Shot, name: str, number: int, aspect: float, tools: Tools) -> Any:
    """The corners (4, 2) float64 of a face's crop in the plate's array, or None where the face is missing."""
    row, face = analysis.row(number), analysis.face(name)
    if face.track.statuses[row] == "missing":
        return None
    place = face_mask(face, row, shot.face(name), plate_aspect(aspect), tools).plate_from_crop
    return transform_points(
        place, np.array([(0, 0), (1, 0), (1, 1), (0, 1)], np.float64) * tools.alignment.resolution
    )


def preview_plate(
    frame: Frame, shot: Shot, window: PreviewWindow, tools: Tools, limits: Array | None = None
) -> PreviewPlate:
    """Cut and reduce a plate; ``limits`` (H, W) is the shot's matte over the data window.

    A pixel that is not finite costs the preview pixel that it falls into. Raises PlateError or ColourError.
    """
    layer = frame.layer(shot.layer)
    source = frame.parts[layer.part]
    rows = slice(window.region.y0, window.region.y1), slice(window.region.x0, window.region.x1)
    plate = read_plate(frame, layer, rows)
    planes = {"RGB"[i]: _reduced(plate.rgb[..., i], window) for i in range(3)}
    if plate.alpha is not None:
        planes["A"] = _reduced(plate.alpha, window)
    size = Window(0, 0, window.width, window.height)
    own = {field.name for field in source.header}
    header = (*source.header, *(field for field in frame.parts[0].header if field.name not in own))
    part = Part("", tuple(planes), planes, size, size, header=header)
    matte = None if limits is None else _reduced(limits[rows], window)
    colour = plate_colour(frame, layer, shot.faces[0].recipe, tools.ocio)
    return PreviewPlate(replace(frame, parts=(part,)), window, colour, matte)


def _reduced(pixels: Array, window: PreviewWindow) -> Array:
    """(h, w) averaged to the window's size; a new array."""
    size = (window.width, window.height)
    if (pixels.shape[1], pixels.shape[0]) == size:
        return np.ascontiguousarray(pixels, np.float32)
    smaller = window.width <= pixels.shape[1] and window.height <= pixels.shape[0]
    kind = cv2.INTER_AREA if smaller else cv2.INTER_LINEAR
    with np.errstate(invalid="ignore"):
        return np.asarray(cv2.resize(np.ascontiguousarray(pixels), size, interpolation=kind), np.float32)


def preview_frame(
    plate: PreviewPlate,
    number: int,
    shot: Shot,
    faces: tuple[FaceEdit, ...],
    analysis: Analysis,
    tools: Tools,
) -> ShotResult:
    """Edit a small plate as ``render_shot_frame`` would the large one; ``tools`` come from ``preview_tools``.

    ``faces`` are the shot's, with the recipes to look at. Raises what ``render_shot_frame`` does.
    """
    small = replace(shot, faces=faces, layer="", pixel_aspect=1.0)
    return render_shot_frame(
        plate.frame,
        number,
        small,
        _carried(analysis, plate.window),
        tools,
        matte=plate.limits,
        fine=plate.fine,
    )


def preview_mask(
    plate: PreviewPlate, number: int, faces: Iterable[FaceEdit], analysis: Analysis, tools: Tools
) -> Array:
    """Where the faces may be edited, (height, width) float32 in [0, 1]; mix and strengths have no part in it."""
    moved, row = _carried(analysis, plate.window), analysis.row(number)
    height, width = plate.window.height, plate.window.width
    mask = np.zeros((height, width), np.float32)
    for edit in faces:
        face = moved.face(edit.name)
        if face.track.statuses[row] == "missing":
            continue
        if plate.fine is not None:
            fine = plate.fine.get(edit.name)
        else:  # as the render does
            fine = fine_picture(plate.frame, plate.frame.layer(""), face, row, edit, 1.0, tools)
        one = face_mask(face, row, edit, 1.0, tools, fine)
        found, x0, y0 = warp_to_plate(one.picture.astype(np.float32), one.plate_from_crop, height, width)
        region = mask[y0 : y0 + found.shape[1], x0 : x0 + found.shape[2]]
        np.maximum(region, found[0], out=region)
    mask = np.minimum(mask, np.float32(1.0))  # interpolation overshoots steps
    return mask if plate.limits is None else mask * plate.limits


def _carried(analysis: Analysis, window: PreviewWindow) -> Analysis:
    """The analysis with its landmarks in pixels of the preview."""
    faces = tuple(
        replace(face, track=replace(face.track, landmarks=window.moved(face.track.landmarks)))
        for face in analysis.faces
    )
    return replace(analysis, faces=faces)


def change_between(before: Frame, after: Frame) -> Change:
    """What an edit changed in a preview; frames of one plate share the planes that no edit touched."""
    layer = before.layer()
    height, width = before.parts[layer.part].data_window.height, before.parts[layer.part].data_window.width
    changed = np.zeros((height, width), np.bool_)
    for name in layer.rgb:
        old, new = before.parts[layer.part].planes[name], after.parts[layer.part].planes[name]
        if old is not new:
            changed |= (old != new) & ~(np.isnan(old) & np.isnan(new))
    rows, columns = np.flatnonzero(changed.any(axis=1)), np.flatnonzero(changed.any(axis=0))
    if not rows.size:
        return Change(0, 0, np.zeros((0, 0, 3), np.float32), changed[:0, :0])
    region = slice(int(rows[0]), int(rows[-1]) + 1), slice(int(columns[0]), int(columns[-1]) + 1)
    return Change(region[1].start, region[0].start, after.rgb(layer, region), changed[region])


class RememberingGenerator:
    """A generator that draws no face twice: the plain face of a frame stays while its strengths move.

    Pictures come from batches of one, which differ from batches of two in the last bits. Everything else is the
    generator's own.
    """

    def __init__(self, generator: StyleGAN2) -> None:
        self._generator = generator
        self._pictures: OrderedDict[bytes, torch.Tensor] = OrderedDict()
        self.drawn = 0

    def __getattr__(self, name: str) -> Any:
        return getattr(self._generator, name)

    def synthesise(self, ws: torch.Tensor) -> torch.Tensor:
        """(B, num_ws, w_dim) -> (B, 3, R, R) in the network's own range."""
        return torch.cat([self._picture(row[None]) for row in ws])

    def _picture(self, ws: torch.Tensor) -> torch.Tensor:
        key = ws.cpu().numpy().tobytes()
        if key not in self._pictures:
            self.drawn += 1
            self._pictures[key] = self._generator.synthesise(ws)
            if len(self._pictures) > REMEMBERED_PICTURES:
                self._pictures.popitem(last=False)
        self._pictures.move_to_end(key)
        return self._pictures[key]


def preview_tools(tools: Tools) -> Tools:
    """The tools with a generator that remembers, from those of ``tools_for``."""
    return replace(tools, generator=cast(StyleGAN2, RememberingGenerator(tools.generator)))
