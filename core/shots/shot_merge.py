"""From the fields of a show file to shots: defaults and shot merged, tokens filled in, paths made absolute.

A field of the shot wins over the same field of the defaults. Strengths and notes are merged one by one, and so are
the faces: what is written at the shot holds for each of its faces that does not say otherwise.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from ..errors import RecipeError
from ..io.sequences import has_token
from ..recipe import EditRecipe, Move, Strength
from .shot import AnalysisSettings, FaceChoice, FaceEdit, MaskSource, Shot
from .shot_schema import FaceFields, ShotFields

_PLAIN = (
    "missing",
    "layer",
    "colourspace",
    "locator",
    "pixel_aspect",
    "seed",
    "version",
    "frames",
    "handles",
)
_OF_RECIPE = ("mix", "exposure", "mask_feather", "detail_clamp")


@dataclass(frozen=True)
class Place:
    """Where a shot stands: the ``root`` of its relative paths, its ``show``, and what messages and lines need."""

    root: Path
    show: str
    where: str = ""
    line: int = 0
    lines: Mapping[str, int] | None = None

    def of(self, name: str) -> str:
        """The place of one field of the shot, for messages."""
        line = (self.lines or {}).get(name, 0)
        return re.sub(r"line \d+", f"line {line}", self.where, count=1) if line else self.where


def merged_shot(name: str, defaults: ShotFields, own: ShotFields, place: Place) -> Shot:
    """The shot ``name`` of ``own`` fields over the ``defaults``. Raises RecipeError for what does not fit together."""
    fields = {each: value for each in _PLAIN if (value := _first(each, own, defaults)) is not None}
    filled = _Filler(place, {"show": place.show, "shot": name, "version": f"v{fields.get('version', 1):03d}"})
    plate = _required("plate", name, own, defaults, place)
    plate = filled.path("plate", plate)
    output = _output(filled.path("output", _required("output", name, own, defaults, place)), plate)
    mask = _first("mask", own, defaults)
    settings = {
        **defaults.analysis.model_dump(exclude_none=True),
        **own.analysis.model_dump(exclude_none=True),
    }
    shot = Shot(
        *(name, plate, output),
        mask=_mask(mask, filled) if mask is not None else None,
        model=filled.if_path("model", _first("model", own, defaults) or "default"),
        ocio=filled.if_path("ocio", _first("ocio", own, defaults) or ""),
        analysis=AnalysisSettings(inverter=_first("inverter", own, defaults) or "encoder", **settings),
        where=place.where,
        line=place.line,
        lines=dict(place.lines or {}),
        **fields,
    )
    return replace(shot, faces=_faces(shot, defaults, own, filled))


def defaults_as_shot(defaults: ShotFields, place: Place) -> Shot:
    """The defaults as a shot to compare others with: paths as they are written, tokens left in."""
    written = ShotFields(plate=defaults.plate or "(none)", output=defaults.output or "(none)")
    shot = merged_shot(
        "defaults", defaults.model_copy(update={"plate": None, "output": None, "mask": None}), written, place
    )
    return replace(shot, plate=defaults.plate or "", output=defaults.output or "", mask=defaults.mask)


def _first(name: str, own: FaceFields, defaults: FaceFields) -> Any:
    """The field of the shot, or else of the defaults, or else None."""
    value = getattr(own, name)
    return getattr(defaults, name) if value is None else value


def _required(name: str, shot: str, own: ShotFields, defaults: ShotFields, place: Place) -> str:
    value = _first(name, own, defaults)
    if value is None:
        example = (
            "plates/{shot}/{shot}.####.exr" if name == "plate" else "out/{shot}/{version}/{shot}.####.exr"
        )
        raise RecipeError(
            f'The shot "{shot}" has no {name}.',
            where=place.where,
            remedy=f"Write {name}: {example} in the shot, or under defaults: for all shots.",
        )
    return str(value)


@dataclass(frozen=True)
class _Filler:
    """Fills in tokens and roots paths, for the messages of one shot."""

    place: Place
    tokens: Mapping[str, str]

    def text(self, field: str, pattern: str) -> str:
        def value(found: re.Match[str]) -> str:
            if found[1] in self.tokens:
                return self.tokens[found[1]]
            raise RecipeError(
                f'The {field} "{pattern}" has the unknown token {{{found[1]}}}.',
                where=self.place.of(field),
                remedy="Tokens are {show}, {shot} and {version}; nothing else of the shot gets into a path.",
            )

        filled = re.sub(r"\{([^{}]*)\}", value, pattern)
        if "{" in filled or "}" in filled:
            raise RecipeError(
                f'The {field} "{pattern}" has a brace without its partner.',
                where=self.place.of(field),
                remedy="Tokens are written {show}, {shot} and {version}; braces mean nothing else.",
            )
        return filled

    def path(self, field: str, pattern: str) -> str:
        """An absolute path; a folder's final slash stays."""
        filled = self.text(field, pattern)
        rooted = str(self.place.root / Path(filled).expanduser())
        return rooted + "/" if filled.endswith("/") else rooted

    def if_path(self, field: str, value: str) -> str:
        """Names stay, paths (what has a slash, but is no address) become absolute."""
        return self.path(field, value) if "/" in value and "://" not in value else value


def _output(output: str, plate: str) -> str:
    """A folder keeps the names of the plate's files."""
    if output.endswith("/") or not (Path(output).suffix or has_token(output)):
        return str(Path(output) / Path(plate).name)
    return output


def _mask(mask: MaskSource, filled: _Filler) -> MaskSource:
    return replace(mask, pattern=filled.path("mask", mask.pattern)) if mask.pattern else mask


def _faces(shot: Shot, defaults: ShotFields, own: ShotFields, filled: _Filler) -> tuple[FaceEdit, ...]:
    if own.face is not None and own.faces:
        raise RecipeError(
            f'The shot "{shot.name}" has face: and faces:.',
            where=filled.place.of("face"),
            remedy="Write face: inside each of the faces, or leave faces: out for a shot with one.",
        )
    names = list(own.faces) or ([] if own.face is not None else list(defaults.faces)) or ["main"]
    nothing = FaceFields()
    return tuple(
        _face_edit(
            name,
            shot,
            [defaults, defaults.faces.get(name, nothing), own, own.faces.get(name, nothing)],
            filled,
        )
        for name in names
    )


def _face_edit(name: str, shot: Shot, layers: list[FaceFields], filled: _Filler) -> FaceEdit:
    """One face from the layers of fields that speak of it, the last of which wins."""
    choice, strengths, notes, fields = FaceChoice(), dict[str, Strength](), dict[str, str](), dict[str, Any]()
    for layer in layers:
        choice = layer.face or choice
        strengths |= layer.strengths
        notes |= layer.notes
        fields |= {each: value for each in _OF_RECIPE if (value := getattr(layer, each)) is not None}
    if choice.track:
        choice = replace(choice, track=filled.path("face", choice.track))
    recipe = EditRecipe(
        tuple(Move(attribute, strength) for attribute, strength in strengths.items()),
        generator=shot.model,
        inverter=shot.analysis.inverter,
        seed=shot.seed,
        face=choice.index,
        layer=shot.layer,
        colourspace=shot.colourspace,
        notes=notes,
        **fields,
    )
    return FaceEdit(name, choice, recipe)
