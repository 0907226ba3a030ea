"""What the page may ask of a tuning session, as checked messages: plain data in, plain data or pixels out.

Nothing here knows of sockets. Messages name frames, faces and attributes, never files.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Literal

import numpy as np
from lineament.core.directions.library import DirectionLibrary
from lineament.core.errors import LineamentError, RecipeError
from lineament.core.recipe import INTERPOLATIONS
from lineament.core.shots.shot import FaceEdit
from lineament.core.view_transform import MAX_STOPS, View
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from .messages import error_data
from .node_spec import ATTRIBUTE_EDIT
from .tune_picture import Look, Patch, PictureDesk
from .tune_session import TuneSession
from .tune_settings import FIELDS, Settings

SIZES = (480, 720, 960, 1440, 2160)
DEFAULT_SIZE = 960
"""Pixels of the preview's longest side."""
MAX_FRAME = 10_000_000

Name = Annotated[str, Field(max_length=100)]
Number = Annotated[float, Field(ge=-1e6, le=1e6)]
FrameNumber = Annotated[int, Field(ge=-MAX_FRAME, le=MAX_FRAME)]


class _Message(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, allow_inf_nan=False)


class SetStrength(_Message):
    """A slider was moved."""

    op: Literal["strength"]
    face: Name
    attribute: Name
    value: Number
    frame: FrameNumber
    gesture: Name = ""


class SetField(_Message):
    """Mix, feather or clamp was moved."""

    op: Literal["field"]
    face: Name
    field: Name
    value: Number
    gesture: Name = ""


class KeyChange(_Message):
    """A key is set or removed at a frame."""

    op: Literal["key", "unkey"]
    face: Name
    attribute: Name
    frame: FrameNumber


class SetInterpolation(_Message):
    """How a strength gets from key to key."""

    op: Literal["interpolation"]
    face: Name
    attribute: Name
    kind: Name


class Reset(_Message):
    """An attribute is switched off."""

    op: Literal["reset"]
    face: Name
    attribute: Name


class Step(_Message):
    """Undo, redo, or read the file again."""

    op: Literal["undo", "redo", "reload"]


Edit = Annotated[
    SetStrength | SetField | KeyChange | SetInterpolation | Reset | Step, Field(discriminator="op")
]
_EDIT: TypeAdapter[Edit] = TypeAdapter(Edit)


class Ask(_Message):
    """A picture is wanted; ``side`` says of what, ``edit`` is made first."""

    frame: FrameNumber
    side: Literal["plate", "edited", "saved"] = "edited"
    kind: Literal["picture", "mask"] = "picture"
    zoom: Name = ""
    size: Annotated[int, Field(ge=16, le=max(SIZES))] = DEFAULT_SIZE
    display: Name = ""
    view: Name = ""
    stops: Annotated[float, Field(ge=-MAX_STOPS, le=MAX_STOPS)] = 0.0
    edit: Edit | None = None


@dataclass(frozen=True)
class Drawn:
    """A picture for the page: RGBA ``pixels``, row by row, and what it must know to place it."""

    pixels: bytes
    told: Mapping[str, Any]


class TuneApi:
    """Answers messages, one at a time, whichever thread they come from. Raises LineamentError for all that is wrong."""

    def __init__(self, session: TuneSession, desk: PictureDesk, library: DirectionLibrary) -> None:
        self.session, self.desk, self.library = session, desk, library
        self._lock = threading.Lock()

    def shot(self) -> dict[str, Any]:
        """What does not change while the page is open."""
        shot, analysis = self.session.shot, self.desk.analysis
        with self._lock:
            views = self.desk.views()
        return {
            "shot": shot.name,
            "file": self.session.path.name,
            "folder": str(self.session.path.absolute().parent),
            "model": shot.model,
            "frames": list(self.desk.numbers),
            "cut": [min(shot.frames), max(shot.frames)] if shot.frames else [],
            "faces": [
                {
                    "name": face.name,
                    "choice": str(face.choice),
                    "statuses": list(analysis.face(face.name).track.statuses),
                }
                for face in shot.faces
            ],
            "problems": list(analysis.problems),
            "attributes": [_attribute(d.name, d.label, d.limits) for d in self.library.directions],
            "fields": [_field(name) for name in FIELDS],
            "interpolations": list(INTERPOLATIONS),
            "sizes": list(SIZES),
            "size": DEFAULT_SIZE,
            "views": [{"display": view.display, "view": view.name} for view in views],
        }

    def state(self) -> dict[str, Any]:
        """The edits as they are now."""
        with self._lock:
            return self._state()

    def edit(self, data: object) -> dict[str, Any]:
        """Make one change and tell the state."""
        change = _checked(_EDIT, data)
        with self._lock:
            self._edit(change)
            return self._state()

    def picture(self, data: object) -> Drawn:
        """Draw what is asked for, after the change that may come with it."""
        ask = _checked(TypeAdapter(Ask), data)
        begin = time.perf_counter()
        with self._lock:
            waited = time.perf_counter() - begin
            if ask.edit is not None:
                self._edit(ask.edit)
            patch = self._drawn(ask)
            revision = self.session.revision
        told = {"width": patch.width, "height": patch.height, "left": patch.left, "top": patch.top}
        told |= {"w": patch.pixels.shape[1], "h": patch.pixels.shape[0], "revision": revision}
        pixels = _rgba(patch)
        ms = 1000.0 * (time.perf_counter() - begin)
        return Drawn(pixels, told | {"ms": round(ms, 2), "waited": round(1000.0 * waited, 2)})

    def save(self) -> dict[str, Any]:
        """Write the changes into the show file; tells them, and the state."""
        with self._lock:
            changes = self.session.save()
            return self._state() | {
                "changes": [f"{each.field}: {each.before or '(none)'} -> {each.after}" for each in changes]
            }

    def _drawn(self, ask: Ask) -> Patch:
        view = View(ask.display, ask.view) if ask.display or ask.view else self.desk.views()[0]
        if ask.zoom:
            self.session.now.face(ask.zoom)
        look = Look(ask.frame, ask.zoom, ask.size, view, ask.stops)
        if ask.side == "plate":
            return self.desk.plate(look)
        settings = self.session.now if ask.side == "edited" else self.session.saved
        return self.desk.patch(look, settings.faces, ask.kind)

    def _edit(self, change: Any) -> None:
        self.desk.path(getattr(change, "frame", self.desk.numbers[0]))  # keys lie inside the shot
        _CALLS[change.op](self.session, change)

    def _state(self) -> dict[str, Any]:
        session, numbers = self.session, self.desk.numbers
        changed = [f"{face}: {text}" for face, text in session.assignments()]
        return {
            "revision": session.revision,
            "dirty": bool(changed),
            "changed": changed,
            "undo": session.can_undo,
            "redo": session.can_redo,
            "faces": {face.name: _face(face, session.now, numbers) for face in session.now.faces},
            "saved": {face.name: _face(face, session.saved, numbers) for face in session.saved.faces},
        }


_CALLS: Mapping[str, Callable[[TuneSession, Any], None]] = {
    "strength": lambda session, m: session.set_strength(m.face, m.attribute, m.value, m.frame, m.gesture),
    "field": lambda session, m: session.set_field(m.face, m.field, m.value, m.gesture),
    "key": lambda session, m: session.set_key(m.face, m.attribute, m.frame),
    "unkey": lambda session, m: session.remove_key(m.face, m.attribute, m.frame),
    "interpolation": lambda session, m: session.set_interpolation(m.face, m.attribute, m.kind),
    "reset": lambda session, m: session.reset(m.face, m.attribute),
    "undo": lambda session, m: session.undo(),
    "redo": lambda session, m: session.redo(),
    "reload": lambda session, m: session.reload(),
}


def refusal(error: LineamentError) -> dict[str, Any]:
    """An error in its three parts, for the page."""
    return error_data(error)


def _checked(adapter: TypeAdapter[Any], data: object) -> Any:
    """The message that plain data are. Raises RecipeError."""
    try:
        return adapter.validate_python(data)
    except ValidationError as err:
        first = err.errors(include_url=False, include_context=False, include_input=False)[0]
        place = ".".join(str(part) for part in first["loc"])
        raise RecipeError(
            f"The page sent something that means nothing: {first['msg']}.",
            where=place or "message",
            remedy="Load the page again.",
        ) from err


def _face(face: FaceEdit, settings: Settings, numbers: tuple[int, ...]) -> dict[str, Any]:
    """One face as the page shows it; ``values`` has a number for every frame where a strength is keyed."""
    strengths = {}
    for move in face.recipe.moves:
        strength, is_keyed = move.strength, (face.name, move.attribute) in settings.keyed
        strengths[move.attribute] = {
            "keyed": is_keyed,
            "keys": [list(key) for key in strength.keys] if is_keyed else [],
            "interpolation": strength.interpolation,
            "values": [strength.at(number) for number in (numbers if is_keyed else numbers[:1])],
        }
    return {"strengths": strengths} | {field: getattr(face.recipe, field) for field in FIELDS}


def _attribute(name: str, label: str, limits: tuple[float, float]) -> dict[str, Any]:
    known = {parameter.id: parameter for parameter in ATTRIBUTE_EDIT.for_target("strength")}
    soft, tooltip = limits, ""
    if name in known:
        low, high = known[name].soft_minimum or limits[0], known[name].soft_maximum or limits[1]
        soft, tooltip = (max(low, limits[0]), min(high, limits[1])), known[name].tooltip
    unit = f"In standard deviations, {limits[0]:g} to {limits[1]:g}."
    return {
        "name": name,
        "label": label or name,
        "tooltip": f"{tooltip} {unit}".strip(),
        "limits": list(limits),
        "soft": list(soft),
    }


def _field(name: str) -> dict[str, Any]:
    parameter = ATTRIBUTE_EDIT.get(name)
    return {
        "name": name,
        "label": parameter.label,
        "tooltip": parameter.tooltip,
        "limits": [parameter.minimum, parameter.maximum],
        "soft": [parameter.soft_minimum, parameter.soft_maximum],
        "default": parameter.default,
    }


def _rgba(patch: Patch) -> bytes:
    """As a canvas takes it: four bytes a pixel, opaque."""
    pixels = np.full((*patch.pixels.shape[:2], 4), 255, np.uint8)
    pixels[..., :3] = patch.pixels
    return pixels.tobytes()
