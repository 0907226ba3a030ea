"""The pictures of a tuning session: plates made small and shown once, and of every edit only what it changes.

Importing it loads torch.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass, replace
from typing import Generic, Literal, TypeVar

import numpy as np
import numpy.typing as npt
from lineament.core.colour_config import OcioConfig, Processor, load_config
from lineament.core.errors import DataError
from lineament.core.frame import Frame
from lineament.core.io import read_frame
from lineament.core.io.sequences import FramePath, format_frames
from lineament.core.preview import from_unit
from lineament.core.shots.analysis import Analysis
from lineament.core.shots.plates import shot_masks
from lineament.core.shots.preview_frame import (
    PreviewPlate,
    PreviewWindow,
    change_between,
    crop_corners,
    face_window,
    preview_frame,
    preview_mask,
    preview_plate,
    preview_tools,
    whole_window,
)
from lineament.core.shots.render import fine_pictures
from lineament.core.shots.shot import FaceEdit, Shot
from lineament.core.tools import Tools
from lineament.core.view_transform import View, displayed, view_processor, views_of

from .matte import shot_matte

Picture = npt.NDArray[np.uint8]
Kind = Literal["picture", "mask"]
T = TypeVar("T")


@dataclass(frozen=True)
class Look:
    """What is looked at: ``frame`` number, ``zoom`` ("" = the whole frame, else a face's name), ``size`` of the longest
    side in pixels, ``view`` of the OCIO config, and ``stops`` of exposure before it."""

    frame: int
    zoom: str
    size: int
    view: View
    stops: float = 0.0


@dataclass(frozen=True)
class Patch:
    """A rectangle of a picture: ``pixels`` (h, w, 3) uint8 as the display gets them, and its top left corner in a
    picture of ``width`` x ``height``; h and w may be 0."""

    pixels: Picture
    left: int
    top: int
    width: int
    height: int


class Recent(Generic[T]):
    """The last few of something that is dear to make, by key."""

    def __init__(self, size: int) -> None:
        self._size = size
        self._kept: OrderedDict[Hashable, T] = OrderedDict()

    def get(self, key: Hashable, make: Callable[[], T]) -> T:
        """What was made for this key, or what ``make`` makes now."""
        if key not in self._kept:
            self._kept[key] = make()
            if len(self._kept) > self._size:
                self._kept.popitem(last=False)
        self._kept.move_to_end(key)
        return self._kept[key]


class PictureDesk:
    """Makes the pictures of one analysed shot; ``tools`` come from ``tools_for``. Not for several threads at once."""

    def __init__(self, shot: Shot, plates: Sequence[FramePath], analysis: Analysis, tools: Tools) -> None:
        self.shot, self.analysis = shot, analysis
        self.numbers = tuple(plate.number for plate in plates)
        self._tools = preview_tools(tools)
        self._paths = {plate.number: plate for plate in plates}
        self._frames: Recent[Frame] = Recent(2)
        self._plates: Recent[PreviewPlate] = Recent(24)
        self._shown: Recent[Picture] = Recent(24)
        self._edited: Recent[Frame] = Recent(8)

    @property
    def config(self) -> OcioConfig:
        """The shot's OCIO config."""
        return load_config(self.shot.ocio)

    def views(self) -> tuple[View, ...]:
        """The views to choose from, the default first. Raises ColourError."""
        return views_of(self.config)

    def plate(self, look: Look) -> Patch:
        """The whole plate as it is shown, unedited. Raises LineamentError, as everything here."""
        pixels = self._shown_plate(look)
        return Patch(pixels, 0, 0, pixels.shape[1], pixels.shape[0])

    def patch(self, look: Look, faces: tuple[FaceEdit, ...], kind: Kind = "picture") -> Patch:
        """What the edit changes in the shown plate; a "mask", where it may change anything, is a whole picture."""
        if kind == "mask":
            mask = preview_mask(self._small(look), look.frame, faces, self.analysis, self._tools)
            return Patch(from_unit(mask), 0, 0, mask.shape[1], mask.shape[0])
        plate, before = self._small(look), self._shown_plate(look)
        edited = self._edited.get(
            (look.frame, plate.window, edit_key(faces, look.frame)),
            lambda: preview_frame(plate, look.frame, self.shot, faces, self.analysis, self._tools).frame,
        )
        change = change_between(plate.frame, edited)
        rows = slice(change.y0, change.y0 + change.changed.shape[0])
        columns = slice(change.x0, change.x0 + change.changed.shape[1])
        pixels = before[rows, columns].copy(order="C")
        if change.changed.size:
            chosen = np.flatnonzero(change.changed)  # gathering by indices is faster than by a mask
            light = change.rgb.reshape(-1, 3).take(chosen, axis=0)
            pixels.reshape(-1, 3)[chosen] = displayed(light, self._processor(look, plate))
        return Patch(pixels, change.x0, change.y0, before.shape[1], before.shape[0])

    def _processor(self, look: Look, plate: PreviewPlate) -> Processor:
        return view_processor(self.config, plate.colour.space, look.view, look.stops)

    def _shown_plate(self, look: Look) -> Picture:
        plate = self._small(look)
        key = (look.frame, plate.window, look.view, look.stops)
        return self._shown.get(key, lambda: displayed(plate.frame.rgb(), self._processor(look, plate)))

    def _small(self, look: Look) -> PreviewPlate:
        return self._plates.get((look.frame, look.zoom, look.size), lambda: self._reduced(look))

    def _reduced(self, look: Look) -> PreviewPlate:
        path = self.path(look.frame)
        frame = self._frames.get(look.frame, lambda: read_frame(path.path, path.source_number))
        small = preview_plate(
            frame, self.shot, self._window(frame, look), self._tools, self._matte(path, frame)
        )
        return replace(small, fine=fine_pictures(frame, look.frame, self.shot, self.analysis, self._tools))

    def _window(self, frame: Frame, look: Look) -> PreviewWindow:
        part = frame.parts[frame.layer(self.shot.layer).part]
        aspect = self.shot.pixel_aspect or part.pixel_aspect
        size = (part.data_window.width, part.data_window.height)
        corners = None
        if look.zoom:
            corners = crop_corners(self.analysis, self.shot, look.zoom, look.frame, aspect, self._tools)
        if corners is None:
            return whole_window(*size, aspect, look.size)
        return face_window(corners, *size, aspect, look.size)

    def _matte(self, path: FramePath, frame: Frame) -> npt.NDArray[np.float32] | None:
        file = shot_masks(self.shot, [path])[0]
        return shot_matte(self.shot, "" if file is None else str(file), path.source_number, frame)

    def path(self, number: int) -> FramePath:
        """The plate of a frame. Raises DataError for one that the shot does not have."""
        if number not in self._paths:
            raise DataError(
                f"The shot has no frame {number}.",
                where=self.shot.where,
                remedy=f"It has {format_frames(self.numbers)}.",
            )
        return self._paths[number]


def edit_key(faces: Sequence[FaceEdit], frame: int) -> Hashable:
    """What is equal for edits that give one frame the same pixels."""
    recipes = [(face.name, face.recipe) for face in faces]
    return tuple(
        (name, tuple(sorted(one.strengths_at(frame).items())), one.mix, one.mask_feather, one.detail_clamp)
        for name, one in recipes
    )
