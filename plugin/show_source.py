"""Where a command finds its show file, and how what is typed becomes a change of it."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lineament.core.errors import LineamentError, RecipeError
from lineament.core.shots.located import KeyPath
from lineament.core.shots.shot import Show, did_you_mean
from lineament.core.shots.shot_edit import NOTHING
from lineament.core.shots.shot_file import TEXTS, TIMELINES, refuse_suffix
from lineament.core.shots.shot_schema import AnalysisFields, FaceFields, ShotFields, names_of
from lineament.core.strength_file import parse_strength, strength_data

VARIABLE = "LINEAMENT_SHOTS"
USUAL = tuple(f"shots{suffix}" for suffix in TEXTS + TIMELINES)

_NOT_TYPED = {"strengths", "faces", "notes", "analysis"}
"""Fields that hold others; what is inside has its own name."""


def is_show_file(word: str) -> bool:
    """Whether a word of the command line names a show file rather than a shot."""
    return Path(word).suffix.lower() in TEXTS + TIMELINES


def show_path(word: str | None) -> Path:
    """The show file that was named, or else that of the environment, or else the one in the working folder.

    Raises RecipeError if there is none.
    """
    named = word or os.environ.get(VARIABLE, "")
    if named:
        path = Path(named).expanduser()
        refuse_suffix(path)
        if not path.exists():
            raise RecipeError(
                "The show file does not exist.",
                where=str(path),
                remedy="Check the path, or make one with: lineament shots init FOLDER -o shots.yaml",
            )
        return path
    found = next((Path(name) for name in USUAL if Path(name).exists()), None)
    if found is None:
        raise RecipeError(
            f"There is no show file here: neither a path, nor ${VARIABLE}, nor {USUAL[0]} in this folder.",
            where=str(Path.cwd()),
            remedy="Name one, or make one with: lineament shots init FOLDER -o shots.yaml",
        )
    return found


def split_words(words: Sequence[str]) -> tuple[Path, list[str]]:
    """``[FILE] word ...`` -> the show file and the other words."""
    if words and is_show_file(words[0]) and "=" not in words[0]:
        return show_path(words[0]), list(words[1:])
    return show_path(None), list(words)


@dataclass(frozen=True)
class Assignment:
    """One change that was typed: ``place`` below the shot, its new ``value`` (NOTHING takes it out), and the
    ``attribute`` if it is a strength."""

    place: KeyPath
    value: Any
    attribute: str = ""


def assignment(text: str, face: str = "") -> Assignment:
    """``age=1.2``, ``age=1001:0,1040:1.5,smooth``, ``handles=8``, ``smooth_centre=5``; ``age=`` takes it out.

    A name that a shot has as a field is that field, every other one is an attribute; ``face`` names the face meant.
    Raises RecipeError.
    """
    name, equals, value = (part.strip() for part in text.partition("="))
    if not equals or not name.isidentifier() or name in _NOT_TYPED:
        raise RecipeError(
            f'"{text[:80]}" is not a change.',
            where="command line",
            remedy="Write name=value, such as age=1.2, age=1001:0,1040:1.5,smooth or handles=8; age= takes it out.",
        )
    inside: KeyPath = ("faces", face) if face else ()
    name = {"colorspace": "colourspace", "generator": "model"}.get(name, name)
    if name in names_of(AnalysisFields):
        _refuse_face(name, face)
        return Assignment(("analysis", name), _scalar(value))
    if name in names_of(FaceFields):
        return Assignment((*inside, name), _scalar(value))
    if name in names_of(ShotFields):
        _refuse_face(name, face)
        return Assignment(
            (name,), _scalar(value) if name not in ("frames", "plate", "output") else value or NOTHING
        )
    if not value:
        return Assignment((*inside, "strengths", name), NOTHING, name)
    try:
        strength = parse_strength(value)
    except ValueError as err:
        raise RecipeError(
            f"{text[:80]} cannot be understood: {err}.",
            where="command line",
            remedy=f"Write {name}=1.2, {name}=1001:0,1040:1.5 or {name}=1001:0,1040:1.5,smooth.",
        ) from err
    return Assignment((*inside, "strengths", name), _tidy(strength_data(strength)), name)


def _refuse_face(name: str, face: str) -> None:
    if face:
        raise RecipeError(
            f'"{name}" belongs to the shot, not to its face "{face}".',
            where="command line",
            remedy="Leave --face-name out to change it.",
        )


def _scalar(value: str) -> Any:
    """What a show file would read: a number, a truth value, text; nothing takes the field out."""
    if not value:
        return NOTHING
    if value in ("true", "false"):
        return value == "true"
    for kind in (int, float):
        try:
            return kind(value)
        except ValueError:
            continue
    return value


def _tidy(data: Any) -> Any:
    """Whole strengths without their fraction, as people write them."""
    if isinstance(data, dict):
        return {key: _tidy(value) for key, value in data.items()}
    return int(data) if isinstance(data, float) and data.is_integer() else data


def checked_attributes(show: Show, shots: Sequence[str], attributes: Sequence[str]) -> list[str]:
    """Refuse attributes that the models of these shots do not have, and strengths beyond their limits.

    Returns warnings for models that cannot be opened here: what they know cannot be told, which is no reason to refuse
    a strength. Raises RecipeError.
    """
    from .shot_look import attributes_of

    warnings: dict[str, str] = {}
    for name in shots:
        shot = show.shot(name)
        try:
            known = attributes_of(shot.model)
        except LineamentError as err:
            warnings[shot.model] = f'The attributes of the model "{shot.model}" were not checked: {err.what}'
            continue
        for move in (
            move for face in shot.faces for move in face.recipe.moves if move.attribute in attributes
        ):
            if move.attribute not in known:
                raise RecipeError(
                    f'The model "{shot.model}" has no attribute "{move.attribute}".',
                    where=shot.where,
                    remedy=did_you_mean(move.attribute, [*known, *names_of(ShotFields)], "attributes"),
                )
            low, high = known[move.attribute]
            beyond = [value for _, value in move.strength.keys if not low <= value <= high]
            if beyond:
                raise RecipeError(
                    f'The strength {beyond[0]:g} of "{move.attribute}" is beyond what the model can take.',
                    where=shot.where,
                    remedy=f"Use a value from {low:g} to {high:g}.",
                )
    return list(warnings.values())
