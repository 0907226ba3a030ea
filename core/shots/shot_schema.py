"""The fields of a show file as pydantic checks them; ``shot_file.py`` merges them into shots.

Every field but ``schema_version`` may be left out, and one without a value counts as left out. What is not known is
refused.
"""

from __future__ import annotations

import math
from typing import Annotated, Any, Literal

from pydantic import (
    AliasChoices,
    BaseModel,
    ConfigDict,
    Field,
    PlainValidator,
    StringConstraints,
)

from ..errors import RecipeError
from ..io.sequences import parse_frames
from ..recipe_file import AttributeName, StrengthField
from ..strength_file import quote
from .shot import MAX_HANDLES, FaceChoice, MaskSource

SCHEMA_VERSION = 1

Name = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]*$", max_length=100)]
"""Shot, show and face names: they become parts of file names."""

Text = Annotated[str, StringConstraints(pattern=r"^[^\x00-\x1f]*$", max_length=1024)]
Pattern = Annotated[str, StringConstraints(pattern=r"^[^\x00-\x1f]+$", max_length=1024)]


def _frames(value: object) -> tuple[int, ...]:
    if isinstance(value, bool) or not isinstance(value, int | str):
        raise ValueError(f"frames must be a range such as 1001-1048, not {quote(value)}")
    if isinstance(value, str) and not value.strip():
        return ()
    try:
        return tuple(sorted(set(parse_frames(str(value)))))
    except RecipeError as err:
        raise ValueError(f"{err.what} {err.remedy}") from err


def _face(value: object) -> FaceChoice:
    """``0``, ``{index: 0}``, ``{box: [x0, y0, x1, y1], frame: 1001}`` or ``{track: face.json}``."""
    if isinstance(value, int) and not isinstance(value, bool):
        value = {"index": value}
    kinds = ({"index"}, {"box"}, {"box", "frame"}, {"track"})
    if not isinstance(value, dict) or set(value) not in kinds:
        raise ValueError(
            "a face is a number from the largest (0), {box: [x0, y0, x1, y1], frame: 1001} or {track: face.json}"
        )
    if "index" in value:
        return FaceChoice(index=_whole(value["index"], "the face's number", 0, 63))
    if "track" in value:
        return FaceChoice(track=_text(value["track"], "the track"))
    frame = value.get("frame")
    try:
        return FaceChoice(
            box=_box(value["box"]), box_frame=None if frame is None else _whole(frame, "the box's frame")
        )
    except RecipeError as err:
        raise ValueError(f"{err.what} {err.remedy}") from err


def _box(value: object) -> tuple[float, float, float, float]:
    numbers = [each for each in value if isinstance(each, int | float)] if isinstance(value, list) else []
    if len(numbers) != 4 or not isinstance(value, list) or len(value) != 4:
        raise ValueError(f"a box is four numbers of pixels [x0, y0, x1, y1], not {quote(value)}")
    x0, y0, x1, y1 = (float(number) for number in numbers)
    return x0, y0, x1, y1


def _mask(value: object) -> MaskSource:
    """``matte.####.exr`` or ``{file: ..., channel: ..., invert: true}``; without a file the plate's own channel."""
    if isinstance(value, str):
        return MaskSource(_text(value, "the mask"))
    if not isinstance(value, dict) or not value or not set(value) <= {"file", "channel", "invert"}:
        raise ValueError("a mask is a file or {file: matte.####.exr, channel: A, invert: false}")
    is_inverted = value.get("invert", False)
    if not isinstance(is_inverted, bool):
        raise ValueError(f"invert is true or false, not {quote(is_inverted)}")
    pattern = _text(value["file"], "the mask's file") if "file" in value else ""
    channel = _text(value["channel"], "the mask's channel") if "channel" in value else ""
    if not pattern and not channel:
        raise ValueError("a mask needs a file, or a channel of the plate")
    return MaskSource(pattern, channel, is_inverted)


def _text(value: object, what: str) -> str:
    if (
        not isinstance(value, str)
        or not value
        or len(value) > 1024
        or any(ord(letter) < 32 for letter in value)
    ):
        raise ValueError(f"{what} must be a text without control characters, not {quote(value)}")
    return value


def _whole(value: object, what: str, low: int = -(10**7), high: int = 10**7) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
        raise ValueError(f"{what} must be a whole number from {low} to {high}, not {quote(value)}")
    return value


def _exposure(value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0.0 <= value <= 65536.0:
        raise ValueError(f"an exposure is a gain from 0 (chosen from the shot) to 65536, not {quote(value)}")
    mantissa, exponent = math.frexp(value)
    if value and mantissa != 0.5:
        low = math.ldexp(0.5, exponent)
        raise ValueError(f"an exposure is a power of two: use {low:g} or {2 * low:g}, or 0 to have it chosen")
    return float(value)


class _Fields(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, allow_inf_nan=False, arbitrary_types_allowed=True)


class FaceFields(_Fields):
    """What is done to one face."""

    face: Annotated[FaceChoice, PlainValidator(_face)] | None = None
    strengths: dict[AttributeName, StrengthField] = Field(default_factory=dict)
    mix: float | None = Field(default=None, ge=0.0, le=1.0)
    exposure: Annotated[float, PlainValidator(_exposure)] | None = None
    mask_feather: float | None = Field(default=None, ge=0.0, le=0.25)
    detail_clamp: float | None = Field(default=None, ge=0.0, le=1.0)
    notes: dict[Text, Text] = Field(default_factory=dict)


class AnalysisFields(_Fields):
    """How the shot is analysed; the fields of ``AnalysisSettings`` but for the inverter."""

    smooth_centre: float | None = Field(default=None, ge=0.0, le=100.0)
    smooth_scale: float | None = Field(default=None, ge=0.0, le=100.0)
    temporal_weight: float | None = Field(default=None, ge=0.0, le=1000.0)
    tune_steps: int | None = Field(default=None, ge=0, le=10_000)
    occlusion: bool | None = None


class ShotFields(FaceFields):
    """A shot, or the defaults of all shots."""

    plate: Pattern | None = None
    output: Pattern | None = None
    frames: Annotated[tuple[int, ...], PlainValidator(_frames)] | None = None
    handles: int | None = Field(default=None, ge=0, le=MAX_HANDLES)
    missing: Literal["error", "hold", "skip"] | None = None
    version: int | None = Field(default=None, ge=0, le=99_999)
    faces: dict[Name, FaceFields] = Field(default_factory=dict)
    mask: Annotated[MaskSource, PlainValidator(_mask)] | None = None
    layer: Text | None = None
    colourspace: Text | None = Field(default=None, validation_alias=AliasChoices("colourspace", "colorspace"))
    ocio: Text | None = None
    locator: Literal["auto", "network", "track", "mediapipe"] | None = None
    pixel_aspect: float | None = Field(default=None, ge=0.0, le=10.0)
    model: Pattern | None = Field(default=None, validation_alias=AliasChoices("model", "generator"))
    inverter: Literal["encoder", "optimise"] | None = None
    seed: int | None = Field(default=None, ge=0, le=2**31 - 1)
    analysis: AnalysisFields = Field(default_factory=AnalysisFields)


class ShowFields(_Fields):
    """The show: its name, and the folder that relative paths start from (relative to the file itself)."""

    name: Name | None = None
    root: Pattern | None = None


class ShowFile(_Fields):
    """A whole show file."""

    schema_version: Literal[1]
    show: ShowFields = Field(default_factory=ShowFields)
    defaults: ShotFields = Field(default_factory=ShotFields)
    shots: dict[Name, ShotFields]


def fields_at(place: tuple[str, ...]) -> type[BaseModel] | None:
    """Which fields belong at a place of the file, such as ``("shots", "sh010")``; None for values and mappings."""
    if not place:
        return ShowFile
    if place == ("show",):
        return ShowFields
    rest = (
        place[1:] if place[0] == "defaults" else place[2:] if place[0] == "shots" and len(place) > 1 else None
    )
    if rest is None:
        return None
    if not rest:
        return ShotFields
    if rest == ("analysis",):
        return AnalysisFields
    return FaceFields if rest[0] == "faces" and len(rest) == 2 else None


def names_of(fields: type[BaseModel]) -> tuple[str, ...]:
    """The names that a file may use, without their aliases."""
    return tuple(fields.model_fields)


def without_empty(data: Any) -> Any:
    """The data without the keys that have no value; a shot without fields is one that only has its name."""
    if isinstance(data, dict):
        shots = data.get("shots")
        if isinstance(shots, dict):
            data = data | {"shots": {name: {} if shot is None else shot for name, shot in shots.items()}}
        return {key: without_empty(value) for key, value in data.items() if value is not None}
    return [without_empty(value) for value in data] if isinstance(data, list) else data
