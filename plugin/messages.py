"""What a session and its worker say to each other: plain data, and its form as JSON lines.

Standard library only and no syntax newer than Python 3.9, because hosts load it in-process. Every message
is one line with a ``type``:

parent to worker: ``open`` (tools), ``render`` and ``probe`` (id, request), ``cancel``, ``close``.
worker to parent: ``hello`` (protocol, version, pid), ``ready`` (info), ``heartbeat``, ``event`` (id, stage),
``result`` (id, result), ``error`` (id, error), ``bye``.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from typing import Any

from lineament.core import errors
from lineament.core.errors import HostError, LineamentError
from lineament.core.recipe import EditRecipe, Move, Strength

PROTOCOL_VERSION = 4
"""Raise it whenever a message changes its meaning: host and worker may come from different installations."""

HEARTBEAT_S = 1.0


@dataclass(frozen=True)
class ToolChoices:
    """What is opened once for a shot; the fields of ``core.pipeline.ToolOptions``."""

    model: str = "default"
    inverter: str = "encoder"
    device: str = "cpu"
    track: str = ""
    locator: str = "auto"
    ocio: str = ""
    cache: str = ""
    seed: int = 0


@dataclass(frozen=True)
class FrameRequest:
    """One frame to render: ``plate`` and ``output`` are files, ``number`` decides keyed strengths.

    ``source`` is the number of the plate's own picture, where a track is looked up; it differs from ``number`` for a
    plate that is held in place of a missing one. None means the same. ``matte`` is the file of a matte that limits the
    edit, empty for none; ``invert_matte`` turns it round. ``pixel_aspect`` is a pixel's width by its height for plates
    whose header does not say it; 0 takes the header's.
    """

    plate: str
    output: str
    number: int
    recipe: EditRecipe
    overwrite: bool = True
    source: int | None = None
    matte: str = ""
    invert_matte: bool = False
    pixel_aspect: float = 0.0


@dataclass(frozen=True)
class FrameResult:
    """A frame that was written: where, how long it took, and the engine's report as plain data."""

    output: str
    number: int
    seconds: float
    report: dict[str, Any] = field(default_factory=dict)


class RenderCancelled(HostError):
    """The frame was cancelled on request; nothing was written."""

    exit_code = 130


def encode(message: dict[str, Any]) -> bytes:
    """One message as one line; numpy scalars become numbers, anything else unknown its text."""
    return json.dumps(message, default=_plain).encode("utf-8") + b"\n"


def decode(line: bytes) -> dict[str, Any]:
    """One line back. Raises HostError if it is not a message."""
    cause: Exception | None = None
    try:
        message = json.loads(line.decode("utf-8"))
    except (ValueError, RecursionError) as err:
        message, cause = None, err
    if not isinstance(message, dict) or "type" not in message:
        raise HostError(
            f"The worker sent something that is not a message: {line[:80]!r}.",
            where="worker",
            remedy="Is LINEAMENT_PYTHON the Python of this installation of Lineament?",
        ) from cause
    return message


def request_data(request: FrameRequest) -> dict[str, Any]:
    """A request as plain data."""
    return asdict(request)


def request_from(data: dict[str, Any]) -> FrameRequest:
    """The request that ``request_data`` described."""
    fields = dict(data["recipe"])
    moves = tuple(
        Move(
            move["attribute"],
            Strength(
                tuple((int(frame), float(value)) for frame, value in move["strength"]["keys"]),
                str(move["strength"]["interpolation"]),
            ),
        )
        for move in fields.pop("moves")
    )
    return FrameRequest(**{**data, "recipe": EditRecipe(moves=moves, **fields)})


def error_data(error: LineamentError) -> dict[str, Any]:
    """An error as plain data: its class and its three parts."""
    return {"kind": type(error).__name__, "what": error.what, "where": error.where, "remedy": error.remedy}


def error_from(data: dict[str, Any]) -> LineamentError:
    """The error that ``error_data`` described; of an unknown class it becomes a HostError."""
    kind = (
        RenderCancelled
        if data.get("kind") == "RenderCancelled"
        else getattr(errors, str(data.get("kind")), None)
    )
    if not (isinstance(kind, type) and issubclass(kind, LineamentError)):
        kind = HostError
    return kind(
        str(data.get("what", "")), where=str(data.get("where", "")), remedy=str(data.get("remedy", ""))
    )


def _plain(value: object) -> object:
    item = getattr(value, "item", None)
    return item() if callable(item) else str(value)
