"""Which face of a frame is the face that was meant: chosen once, then followed by overlap.

A face that is out of sight for a while is taken up again where it is expected; no other face takes its place.
Coordinates are pixels of the data window's array.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ..errors import FaceError
from ..faces.base import Face, Matrix
from ..faces.track import TrackLocator
from ..frame import Window
from .shot import Box, FaceChoice

MIN_OVERLAP = 0.15
"""Intersection over union with where the face is expected: two faces side by side have less."""
GROWTH = 0.08
"""How much wider the expected place gets with every frame out of sight, in sides of the face; at most one side."""
FORESIGHT = 3
"""Frames over which the last motion is continued; longer guesses run away."""


@dataclass(frozen=True)
class Look:
    """What the locator saw in one frame: its ``number``, the number ``source`` of its picture, ``faces`` from the
    largest, and the windows and pixel aspect of the picture."""

    number: int
    source: int
    faces: tuple[Face, ...]
    data: Window
    display: Window
    pixel_aspect: float = 1.0


def follow(looks: Sequence[Look], choice: FaceChoice, track: TrackLocator | None = None) -> list[Face | None]:
    """The chosen face on every frame, None where it is not seen.

    ``looks`` are in rising order; with a ``track`` only that is asked, and frames outside it have no face. Raises
    FaceError if the choice fits no face of the shot.
    """
    if track is not None:
        return [tracked_face(track, look) for look in looks]
    start, face = _start(looks, choice)
    forward = _followed(looks[start:], face)
    backward = _followed(looks[start::-1], face)
    return [*backward[:0:-1], *forward]


def tracked_face(track: TrackLocator, look: Look) -> Face | None:
    """The face of a track on one frame, None outside it."""
    try:
        found = track.locate_in(look.display, look.data, look.pixel_aspect, look.source)
    except FaceError:  # outside the track: a frame without a face, not a broken shot
        return None
    return found[0] if found else None


def _start(looks: Sequence[Look], choice: FaceChoice) -> tuple[int, Face]:
    """The row to begin at, and the face meant there."""
    if choice.box is not None:
        rows = [row for row, look in enumerate(looks) if choice.box_frame in (None, look.number)]
        if choice.box_frame is None:
            rows = rows[:1]
        for row in rows:
            for face in looks[row].faces:
                if _lies_in(face, choice.box, looks[row]):
                    return row, face
    else:
        for row, look in enumerate(looks):
            if len(look.faces) > choice.index:
                return row, look.faces[choice.index]
    most = max((len(look.faces) for look in looks), default=0)
    raise FaceError(
        f"No frame of the shot shows {choice}; the most faces seen in one frame are {most}.",
        where=f"frames {looks[0].number} to {looks[-1].number}" if looks else "",
        remedy="Choose another face, give its box on a frame that shows it, or give a track.",
    )


def _lies_in(face: Face, box: Box, look: Look) -> bool:
    """Whether a face's middle lies in a box of the display window."""
    offset = (look.data.x0 - look.display.x0, look.data.y0 - look.display.y0)
    x, y = face.landmarks.mean(0) + offset
    return bool(box[0] <= x < box[2] and box[1] <= y < box[3])


def _followed(looks: Sequence[Look], face: Face) -> list[Face | None]:
    """The face of the first look through all others, in the order given."""
    found: list[Face | None] = [face]
    last, speed, unseen = face.landmarks, np.zeros(2), 0
    for look in looks[1:]:
        expected = last + speed * min(unseen + 1, FORESIGHT)
        best = _nearest(look.faces, expected, min(GROWTH * unseen, 1.0))
        found.append(best)
        if best is None:
            unseen += 1
            continue
        speed = (best.landmarks.mean(0) - last.mean(0)) / (unseen + 1)
        last, unseen = best.landmarks, 0
    return found


def _nearest(faces: Sequence[Face], expected: Matrix, widened: float) -> Face | None:
    """The face that overlaps the expected place most, if any does enough."""
    place = face_box(expected)
    overlaps = [overlap(face_box(face.landmarks), place, widened) for face in faces]
    best = int(np.argmax(overlaps)) if overlaps else -1
    return faces[best] if best >= 0 and overlaps[best] >= MIN_OVERLAP else None


def face_box(landmarks: Matrix) -> Box:
    """The square around a face: the middle of its landmarks, and 0.8 of their larger extent to every side."""
    middle = landmarks.mean(0)
    reach = 0.8 * float(np.ptp(landmarks, axis=0).max())
    return (*(float(v) for v in middle - reach), *(float(v) for v in middle + reach))  # type: ignore[return-value]


def overlap(one: Box, other: Box, widened: float = 0.0) -> float:
    """Intersection over union of two boxes, the second one first moved towards the first by up to ``widened`` of its
    own width."""
    width = other[2] - other[0]
    gap = [0.5 * (one[i] + one[i + 2]) - 0.5 * (other[i] + other[i + 2]) for i in (0, 1)]
    shift = [float(np.clip(g, -widened * width, widened * width)) for g in gap]
    moved = (other[0] + shift[0], other[1] + shift[1], other[2] + shift[0], other[3] + shift[1])
    across = [max(0.0, min(one[i + 2], moved[i + 2]) - max(one[i], moved[i])) for i in (0, 1)]
    common = across[0] * across[1]
    areas = sum((box[2] - box[0]) * (box[3] - box[1]) for box in (one, moved))
    return common / (areas - common) if areas > common else 0.0
