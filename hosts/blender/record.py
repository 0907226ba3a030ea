"""The sidecar of a frame: what was asked, of which pixels, with which model, and how it ended.

It answers three questions: whether the frame is still valid, where it came from, and how to make it again.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass, field, fields
from functools import lru_cache
from pathlib import Path
from typing import Any

from lineament.core.errors import LineamentError
from lineament.core.recipe import EditRecipe
from lineament.plugin.messages import (
    FrameRequest,
    ToolChoices,
    error_data,
    error_from,
    request_data,
    request_from,
)

RECORD_SCHEMA = 2
"""Raise it when a field changes its meaning: older sidecars then count as missing and their frames are made again."""

EDITED, IDENTITY, FAILED = "edited", "identity", "failed"

_KINDS: dict[str, tuple[type, ...]] = {
    "bool": (bool,),
    "int": (int,),
    "float": (int, float),
    "str": (str,),
    "dict": (dict,),
}
"""Declared kind -> what may stand for it in a file that somebody else may have written."""

_LARGEST = 1 << 63
"""No whole number of a record is larger, and Python makes no float of some that JSON can write."""

_BLOCK = 1 << 22
"""Bytes read at once: a result at 4K is 142 MB and need not be in memory twice."""

ENGINE_FIELDS = ("generator_id", "weights", "inverter", "version")
"""What of an engine decides the pixels: a frame of another one is made again."""


@dataclass(frozen=True)
class Ask:
    """All that decides the pixels of one frame of one node.

    ``plate`` and ``matte`` are digests of their pixels ("" for no matte), ``recipe`` has constant strengths and a
    chosen exposure, ``spec_version`` is that of the node, ``pixel_aspect`` a pixel's width by its height.
    """

    plate: str
    matte: str
    invert_matte: bool
    recipe: EditRecipe
    choices: ToolChoices
    spec_version: str
    pixel_aspect: float = 0.0

    @property
    def key(self) -> str:
        """SHA-256 over everything; files count with what they hold, not with where they lie."""
        tools = {name: value for name, value in vars(self.choices).items() if name != "cache"}
        for name in ("ocio", "track"):
            tools[name] = _content(tools[name])
        recipe = asdict(self.recipe)
        recipe.pop("notes")
        pixels = [self.plate, self.matte, self.invert_matte, self.pixel_aspect]
        told = [RECORD_SCHEMA, pixels, recipe, tools, self.spec_version]
        return hashlib.sha256(json.dumps(told, sort_keys=True).encode("utf-8")).hexdigest()


@dataclass(frozen=True)
class FrameRecord:
    """One sidecar. ``status`` is EDITED, IDENTITY (nothing to do, the plate passes) or FAILED.

    ``engine`` is what the engine told of itself and its model; ``report`` what it told of the frame; ``size`` is
    how many bytes the result has, which a truncated file betrays itself by, and ``digest`` their SHA-256, which any
    other damage does.
    """

    frame: int
    status: str
    key: str
    node: str = ""
    ask: dict[str, Any] = field(default_factory=dict)
    engine: dict[str, Any] = field(default_factory=dict)
    report: dict[str, Any] = field(default_factory=dict)
    error: dict[str, Any] = field(default_factory=dict)
    size: int = 0
    digest: str = ""
    schema: int = RECORD_SCHEMA

    def is_of(self, engine: dict[str, Any]) -> bool:
        """Whether the frame was made by that engine, or one that gives the same pixels."""
        return all(self.engine.get(name) == engine.get(name) for name in ENGINE_FIELDS)

    @property
    def failure(self) -> LineamentError | None:
        """The error that the frame met, None if it met none."""
        return error_from(self.error) if self.error else None

    def encoded(self) -> bytes:
        """As the file holds it."""
        return json.dumps(asdict(self), indent=1, sort_keys=True, default=str).encode("utf-8") + b"\n"


def decoded(data: bytes) -> FrameRecord | None:
    """The record of a sidecar's bytes; None if it is none, or of another schema."""
    try:
        told = json.loads(data.decode("utf-8"))
    except ValueError:
        return None
    if not isinstance(told, dict) or told.get("schema") != RECORD_SCHEMA:
        return None
    known = {entry.name for entry in fields(FrameRecord)}
    try:
        record = FrameRecord(**{name: value for name, value in told.items() if name in known})
        _refuse_other_kinds(record)
    except TypeError:
        return None
    return record


def _refuse_other_kinds(values: Any) -> None:
    """Raise TypeError if a plain field of a data class holds another kind of value than it declares."""
    for entry in fields(values):
        kinds = _KINDS.get(str(entry.type).partition("[")[0])
        value = getattr(values, entry.name)
        is_flag = isinstance(value, bool) and bool not in (kinds or ())
        is_huge = isinstance(value, int) and abs(value) > _LARGEST
        if kinds is not None and (is_flag or is_huge or not isinstance(value, kinds)):
            raise TypeError(f"{entry.name} is {value!r}")


def ask_data(ask: Ask) -> dict[str, Any]:
    """An ask as plain data, for the sidecar."""
    request = request_data(FrameRequest("", "", 0, ask.recipe))
    return {
        "plate": ask.plate,
        "matte": ask.matte,
        "invert_matte": ask.invert_matte,
        "recipe": json.loads(json.dumps(request["recipe"])),  # as it will be read back: lists, no tuples
        "choices": asdict(ask.choices),
        "spec_version": ask.spec_version,
        "pixel_aspect": ask.pixel_aspect,
    }


def ask_from(record: FrameRecord) -> Ask:
    """The ask that a record was made of. Raises KeyError, TypeError or ValueError if the record lacks it."""
    told = dict(record.ask)
    recipe = request_from({"plate": "", "output": "", "number": 0, "recipe": told.pop("recipe")}).recipe
    ask = Ask(recipe=recipe, choices=ToolChoices(**told.pop("choices")), **told)
    for part in (ask, ask.recipe, ask.choices):
        _refuse_other_kinds(part)
    return ask


def failed_record(frame: int, node: str, error: LineamentError) -> FrameRecord:
    """The record of a frame that has no result."""
    return FrameRecord(frame, FAILED, "", node, error=error_data(error))


def _content(path: str) -> str:
    """What a file holds, as a digest; the path itself if there is no such file."""
    place = Path(path)
    try:
        stat = place.stat()
        return _digest(path, stat.st_mtime_ns, stat.st_size) if path else ""
    except OSError:
        return path


@lru_cache(maxsize=64)
def _digest(path: str, changed: int, size: int) -> str:
    """SHA-256 of a file, read again when its time or size has changed."""
    return content_digest(Path(path))


def content_digest(path: Path) -> str:
    """SHA-256 of a file's bytes, in hexadecimal. Raises OSError."""
    found = hashlib.sha256()
    with path.open("rb") as stream:
        for block in iter(lambda: stream.read(_BLOCK), b""):
            found.update(block)
    return found.hexdigest()


def request_of(record: FrameRecord, plate: Path, output: Path, matte: Path | None = None) -> FrameRequest:
    """The request that makes a frame again from its sidecar, a plate and its matte, both as they were then."""
    ask = ask_from(record)
    return FrameRequest(
        str(plate),
        str(output),
        record.frame,
        ask.recipe,
        matte="" if matte is None else str(matte),
        invert_matte=ask.invert_matte,
        pixel_aspect=ask.pixel_aspect,
    )
