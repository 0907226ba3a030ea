"""Faces from a track file: landmarks per frame, made by a host, a tracker or a renderer.

The file is JSON: ``{"size": [width, height], "frames": [{"frame": 1001, "eye_l": [x, y], ... , "chin": [x,
y]}]}`` with all six LANDMARK_NAMES in pixels (origin top left, centres at .5). Instead of landmarks a frame
may carry ``"transform"``, the 3 x 3 matrix (rows, column vectors, projective allowed) that moves the
landmarks of the top-level ``"reference"`` object to that frame, which is what a host's planar or point
tracker exports. Frames that are missing between two tracked ones are interpolated and say so in
``Face.source``.
"""

from __future__ import annotations

import bisect
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import FaceError
from ..frame import Window
from .base import LANDMARK_NAMES, Array, Face, Matrix

INTERPOLATED = "track, interpolated"
INTERPOLATED_SCORE = 0.5
ASPECT_TOLERANCE = 0.01


@dataclass(frozen=True)
class Track:
    """A face over time: ``size`` (width, height) of the tracked picture in pixels, ``landmarks`` (6, 2)
    float64 by frame number, ``name`` of the file for messages."""

    size: tuple[float, float]
    landmarks: Mapping[int, Matrix]
    name: str = ""

    def at(self, number: int) -> tuple[Matrix, bool]:
        """Landmarks at a frame and whether they were tracked there; FaceError outside the track."""
        if number in self.landmarks:
            return self.landmarks[number], True
        numbers = sorted(self.landmarks)
        place = bisect.bisect(numbers, number)
        if place in (0, len(numbers)):
            raise FaceError(
                f"Frame {number} is outside the track, which covers {numbers[0]} to {numbers[-1]}.",
                where=self.name,
                remedy="Track the missing frames, or leave them out of the render.",
            )
        before, after = numbers[place - 1], numbers[place]
        t = (number - before) / (after - before)
        return (1 - t) * self.landmarks[before] + t * self.landmarks[after], False


class TrackLocator:
    """A locator that reads where the face is instead of looking.

    A track speaks of the display window, in pixels of the picture that was tracked: the plate, a smaller proxy of it,
    or, where the plate's pixels are not square, either of them with square pixels.
    """

    def __init__(self, track: Track) -> None:
        self.track = track

    @classmethod
    def from_file(cls, path: Path) -> TrackLocator:
        """A locator for a track file; FaceError if it cannot be read or is not a track."""
        return cls(read_track(path))

    def locate(self, picture: Array, number: int) -> tuple[Face, ...]:
        """The tracked face at a frame, in pixels of a picture (H, W, 3) of the whole display window with square pixels;
        only its size counts. Raises FaceError like ``locate_in``."""
        height, width = picture.shape[:2]
        whole = Window(0, 0, width, height)
        return self.locate_in(whole, whole, 1.0, number)

    def locate_in(self, display: Window, data: Window, pixel_aspect: float, number: int) -> tuple[Face, ...]:
        """The tracked face at a frame, in pixels of the data window's array; overscan is part of the picture.

        ``pixel_aspect`` is the width of a plate pixel divided by its height. Raises FaceError outside the track, when
        the face's centre has left the data window, or when plate and track do not belong together.
        """
        landmarks, tracked = self.track.at(number)
        landmarks = landmarks * self._scale(display, pixel_aspect)  # pixels of the display window
        landmarks = landmarks - (data.x0 - display.x0, data.y0 - display.y0)
        x, y = landmarks.mean(0)
        if not (0 <= x <= data.width and 0 <= y <= data.height):
            raise FaceError(
                f"The tracked face has left the picture in frame {number}: its centre is at "
                f"({x:.0f}, {y:.0f}) of {data.width} x {data.height} pixels.",
                where=self.track.name,
                remedy="End the edit before this frame.",
            )
        score = 1.0 if tracked else INTERPOLATED_SCORE
        return (Face(landmarks, score, "track" if tracked else INTERPOLATED),)

    def _scale(self, display: Window, pixel_aspect: float) -> tuple[float, float]:
        """Plate pixels for one of the track's, in x and y; FaceError if no proxy of the plate has the track's shape."""
        x_scale, y_scale = display.width / self.track.size[0], display.height / self.track.size[1]
        stretch = x_scale / y_scale
        if min(abs(stretch - 1.0), abs(stretch * pixel_aspect - 1.0)) > ASPECT_TOLERANCE:
            squeezed = "" if pixel_aspect == 1.0 else f" with a pixel aspect of {pixel_aspect:g}"
            raise FaceError(
                f"The track belongs to a picture of {self.track.size[0]:g} x {self.track.size[1]:g} pixels, "
                f"this one has {display.width} x {display.height}{squeezed}.",
                where=self.track.name,
                remedy="Use the track of this plate.",
            )
        return x_scale, y_scale


def read_track(path: Path) -> Track:
    """Read a track file; FaceError if it cannot be read or is not a track."""
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as err:
        raise _broken(f"cannot be read ({err})", path) from err
    except (json.JSONDecodeError, RecursionError) as err:
        raise _broken(f"is not JSON ({err})", path) from err
    return parse_track(data, path)


def parse_track(data: Any, path: Path) -> Track:
    """Check the decoded JSON of a track; FaceError naming the frame and the entry that is wrong."""
    if not isinstance(data, dict) or not isinstance(data.get("frames"), list) or not data["frames"]:
        raise _broken('has no list "frames"', path)
    size = _numbers(data.get("size"), (2,), 'entry "size"', path)
    if (size <= 0).any():
        raise _broken(f'has the size {size.tolist()} in "size"', path)
    reference = data.get("reference")
    landmarks: dict[int, Matrix] = {}
    for entry in data["frames"]:
        number = entry.get("frame") if isinstance(entry, dict) else None
        if isinstance(number, bool) or not isinstance(number, int):
            raise _broken(f'has a frame without a whole number "frame": {str(entry)[:60]}', path)
        if number in landmarks:
            raise _broken(f"holds frame {number} twice", path)
        landmarks[number] = _landmarks(entry, reference, path)
    return Track((float(size[0]), float(size[1])), landmarks, str(path))


def _landmarks(entry: dict[str, Any], reference: Any, path: Path) -> Matrix:
    """The six points of one frame, given or moved from the reference."""
    if "transform" not in entry:
        return _points(entry, f"frame {entry['frame']}", path)
    name = f'"transform" of frame {entry["frame"]}'
    matrix = _numbers(entry["transform"], (3, 3), name, path)
    if not isinstance(reference, dict):
        raise _broken(f'has a {name} but no "reference" landmarks', path)
    points = _points(reference, '"reference"', path)
    moved = np.column_stack([points, np.ones(len(points))]) @ matrix.T
    if (moved[:, 2] <= 1e-9).any():
        raise _broken(f"has a {name} that throws landmarks behind the camera", path)
    return moved[:, :2] / moved[:, 2:]


def _points(entry: dict[str, Any], where: str, path: Path) -> Matrix:
    rows = [_numbers(entry.get(name), (2,), f'"{name}" of {where}', path) for name in LANDMARK_NAMES]
    return np.stack(rows)


def _numbers(value: Any, shape: tuple[int, ...], name: str, path: Path) -> Matrix:
    """``value`` as finite float64 numbers of a shape."""
    try:
        array = np.asarray(value, np.float64)
    except (TypeError, ValueError, OverflowError):
        array = np.full(shape, np.nan)
    if array.shape != shape or not np.isfinite(array).all():
        raise _broken(
            f"has no {' x '.join(map(str, shape))} finite numbers in {name}: {str(value)[:60]}", path
        )
    return array


def _broken(what: str, path: Path) -> FaceError:
    return FaceError(f"The track file {what}.", where=str(path), remedy="Export the track again.")
