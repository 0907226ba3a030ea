"""Pass over the plates, first part: where every face of every frame is, and how it would be exposed alone.

Each frame's answer is a small file in the work folder; it counts as long as its plate is the same.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from pydantic import TypeAdapter, ValidationError

from ..atomic import write_atomically
from ..faces.base import Face
from ..faces.track import TrackLocator
from ..frame import Frame, Layer, Window
from ..io import read_frame
from ..io.sequences import FramePath
from ..pipeline import plate_colour
from ..sight import Plate, locate_faces, overview, read_plate, suited_exposure
from ..tools import Tools
from .analysis import PlateIdentity
from .analysis_store import identity_of, is_same, writing
from .shot import Shot
from .tracking import Look, tracked_face

_IDENTITY = TypeAdapter(PlateIdentity)


@dataclass(frozen=True)
class Seen:
    """One frame of the shot as the locator saw it.

    ``exposures`` suit its ``look.faces``, one each; ``tracked`` suit the faces with a track, by the face's index, 0
    where the track has none; ``identity`` names the plate.
    """

    identity: PlateIdentity
    look: Look
    exposures: tuple[float, ...]
    tracked: Mapping[int, float]


@dataclass(frozen=True)
class Opened:
    """A plate that was read: ``frame``, its ``layer`` and pixels, and its pixels' aspect."""

    frame: Frame
    layer: Layer
    plate: Plate
    pixel_aspect: float


def open_plate(path: FramePath, shot: Shot) -> Opened:
    """Read one plate of the shot. Raises PlateError."""
    frame = read_frame(path.path, path.source_number)
    layer = frame.layer(shot.layer)
    return Opened(
        frame, layer, read_plate(frame, layer), shot.pixel_aspect or frame.parts[layer.part].pixel_aspect
    )


def look_at_all(
    shot: Shot,
    plates: Sequence[FramePath],
    tools: Tools,
    tracks: Mapping[int, TrackLocator],
    work: Path,
    tell: Callable[[int], None] = lambda done: None,
) -> list[Seen]:
    """Every frame, located now or in an earlier run; ``tracks`` are the locators of faces with a track, by index.

    ``tell`` gets the frames done. Raises PlateError or ColourError.
    """
    found: list[Seen] = []
    for plate in plates:
        path = work / f"look.{plate.number}.json"
        seen = _stored(path, plate)
        if seen is None:
            seen = look_at(shot, plate, tools, tracks)
            with writing(work):
                write_atomically(path, _as_json(seen))
        found.append(seen)
        tell(len(found))
    return found


def look_at(shot: Shot, path: FramePath, tools: Tools, tracks: Mapping[int, TrackLocator]) -> Seen:
    """Locate all faces of one frame. Raises PlateError or ColourError; a frame without faces has none."""
    identity = identity_of(path)
    opened = open_plate(path, shot)
    part = opened.frame.parts[opened.layer.part]
    colour = plate_colour(opened.frame, opened.layer, shot.faces[0].recipe, tools.ocio)
    view = overview(opened.plate, colour, tools.curve, opened.pixel_aspect)
    windows = (part.data_window, part.display_window)
    faces: tuple[Face, ...] = ()
    if len(tracks) < len(shot.faces):  # somebody has to be looked for
        faces = locate_faces(view, path.source_number, tools.locator, *windows)
    look = Look(path.number, path.source_number, faces, *windows, view.pixel_aspect)
    exposures = tuple(suited_exposure(view, face) for face in faces)
    tracked = {index: tracked_face(track, look) for index, track in tracks.items()}
    suited = {index: suited_exposure(view, face) if face else 0.0 for index, face in tracked.items()}
    return Seen(identity, look, exposures, suited)


def _as_json(seen: Seen) -> bytes:
    look = seen.look
    told = {
        "identity": asdict(seen.identity),
        "faces": [(face.landmarks.tolist(), face.score, face.source) for face in look.faces],
        "exposures": seen.exposures,
        "tracked": dict(seen.tracked),
        "data": asdict(look.data),
        "display": asdict(look.display),
        "pixel_aspect": look.pixel_aspect,
    }
    return json.dumps(told).encode()


def _stored(path: Path, plate: FramePath) -> Seen | None:
    """What an earlier run saw in this very plate, or None."""
    try:
        told = json.loads(path.read_bytes())
        identity = _IDENTITY.validate_python(told["identity"])
        if not is_same(identity, plate):
            return None
        faces = tuple(
            Face(np.array(points, np.float64), score, source) for points, score, source in told["faces"]
        )
        windows = (Window(**told["data"]), Window(**told["display"]))
        look = Look(plate.number, plate.source_number, faces, *windows, float(told["pixel_aspect"]))
        tracked = {int(index): float(exposure) for index, exposure in told["tracked"].items()}
        return Seen(identity, look, tuple(told["exposures"]), tracked)
    except (OSError, ValidationError, KeyError, TypeError, ValueError, AttributeError):
        return None
