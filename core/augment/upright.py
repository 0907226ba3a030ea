"""Photographs that lie on their side: EXIF says how a viewer turns them, the pixels are turned here for good."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from ..frame import Frame, Part, Plane, Window
from ..io.stills import without_orientation

FIELD = "Orientation"
UPRIGHT = 1


def upright(frame: Frame) -> Frame:
    """The frame as a viewer shows it (EXIF 2.32, tag 274), without the note; EXR and upright ones as they are."""
    part = frame.parts[0]
    noted = part.attribute(FIELD)
    value = noted.value if noted is not None and frame.is_display_referred else UPRIGHT
    if not isinstance(value, int) or not 2 <= value <= 8:
        return frame
    planes = {name: _turned(plane, value) for name, plane in part.planes.items()}
    height, width = next(iter(planes.values())).shape
    window = Window(0, 0, width, height)
    turned: Part = replace(
        part,
        planes=planes,
        data_window=window,
        display_window=window,
        header=without_orientation(part.header),
    )
    return replace(frame, parts=(turned, *frame.parts[1:]))


def _turned(plane: Plane, value: int) -> Plane:
    if value in (2, 4, 5, 7):
        plane = plane[:, ::-1]
    turns = {2: 0, 3: 2, 4: 2, 5: 1, 6: 3, 7: 3, 8: 1}[value]
    done = np.ascontiguousarray(np.rot90(plane, turns))
    done.flags.writeable = False
    return done
