"""Presets: recipes as JSON files, the same that the command line reads, in the user's preset folder.

A preset holds what belongs to the look (attributes, inversion, mix and so on), not what belongs to a plate (its
layer, colour space, exposure and which face). Files come from other people, so every value is checked.
"""

from __future__ import annotations

import json
import math
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from lineament.core.errors import RecipeError
from lineament.core.recipe import SCHEMA_VERSION
from lineament.plugin.node_spec import ATTRIBUTE_EDIT, MAX_STRENGTH, ParameterSpec, Value

OF_THE_PLATE = ("face", "layer", "colourspace", "exposure")
"""Parameters of the recipe that a preset leaves alone: another plate needs others."""

MAX_BYTES = 1 << 20
"""A preset is a few hundred bytes; a larger file is something else."""

_NAME = re.compile(r"[^\W_][\w \-().,+]{0,62}$")
_ATTRIBUTE = re.compile(r"[A-Za-z][A-Za-z0-9_]{0,62}$")


@dataclass(frozen=True)
class Preset:
    """Strengths in standard deviations by attribute, and the values of parameters by id."""

    strengths: dict[str, float] = field(default_factory=dict)
    values: dict[str, Value] = field(default_factory=dict)


SHIPPED: dict[str, Preset] = {
    "Older": Preset({"age": 1.5, "grey_hair": 0.5}),
    "Younger": Preset({"age": -1.5}),
    "Gentle Smile": Preset({"smile": 1.0}),
    "Laugh": Preset({"smile": 2.0, "mouth_open": 1.0}),
    "Glasses": Preset({"glasses": 2.0}),
    "Grey Beard": Preset({"beard": 1.5, "moustache": 1.0, "grey_hair": 1.5}),
}
"""Starting points on the embedded model, well inside what its attributes can take."""


def look_parameters() -> tuple[ParameterSpec, ...]:
    """The parameters that a preset may hold."""
    return tuple(entry for entry in ATTRIBUTE_EDIT.for_target("recipe") if entry.id not in OF_THE_PLATE)


def preset_text(preset: Preset) -> str:
    """A preset as a recipe file."""
    told = {"schema_version": SCHEMA_VERSION, "strengths": preset.strengths, **preset.values}
    return json.dumps(told, indent=2, sort_keys=True) + "\n"


def preset_from(text: str, where: str) -> Preset:
    """The preset of a recipe file; parameters of a plate are left out. Raises RecipeError naming ``where``."""
    try:
        told = json.loads(text)
    except (ValueError, RecursionError) as err:
        raise _refused("It is not JSON", where) from err
    if not isinstance(told, dict) or told.pop("schema_version", None) != SCHEMA_VERSION:
        raise _refused(f"It is not a recipe of schema_version {SCHEMA_VERSION}", where)
    strengths = told.pop("strengths", {})
    told.pop("notes", None)
    if not isinstance(strengths, dict):
        raise _refused("Its strengths are not a table", where)
    for name, value in strengths.items():
        if not _ATTRIBUTE.match(name) or not _is_number(value) or abs(value) > MAX_STRENGTH:
            raise _refused(
                f"The strength {name!r} = {value!r} is not a number within {MAX_STRENGTH:g}", where
            )
    known = {entry.id: entry for entry in ATTRIBUTE_EDIT.for_target("recipe")}
    unknown = sorted(set(told) - set(known))
    if unknown:
        raise _refused(f"It has unknown keys: {', '.join(unknown)}", where)
    for name, value in told.items():
        _check(known[name], value, where)
    values = {name: value for name, value in told.items() if name not in OF_THE_PLATE}
    return Preset({name: float(value) for name, value in strengths.items()}, values)


def _check(parameter: ParameterSpec, value: Any, where: str) -> None:
    """Refuse a value that the parameter does not take."""
    if parameter.kind in ("float", "int"):
        low, high = parameter.minimum, parameter.maximum
        is_right = _is_number(value) and low is not None and high is not None and low <= value <= high
        if parameter.kind == "int":
            is_right = is_right and isinstance(value, int)
    elif parameter.kind == "bool":
        is_right = isinstance(value, bool)
    else:
        is_right = isinstance(value, str) and (not parameter.choices or value in parameter.choices)
    if not is_right:
        raise _refused(f"{parameter.label} cannot be {value!r}", where)


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)


def _refused(what: str, where: str) -> RecipeError:
    return RecipeError(f"{what}.", where=where, remedy="Save the preset again, or correct the file.")


def preset_path(folder: Path, name: str) -> Path:
    """The file of a preset. Raises RecipeError for a name that is no plain file name."""
    if not _NAME.match(name) or name != name.strip() or name.endswith("."):
        raise RecipeError(
            f"{name!r} cannot be the name of a preset.",
            where=str(folder),
            remedy="Use letters, digits, blanks and - ( ) . , + in at most 63 characters.",
        )
    return folder / f"{name}.json"


def preset_names(folder: Path) -> tuple[str, ...]:
    """The user's presets, sorted; none if there is no folder."""
    try:
        return tuple(sorted(path.stem for path in folder.glob("*.json") if _NAME.match(path.stem)))
    except OSError:
        return ()


def save_preset(folder: Path, name: str, preset: Preset) -> Path:
    """Write a preset, over an older one of that name. Raises RecipeError."""
    path = preset_path(folder, name)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        path.write_text(preset_text(preset), encoding="utf-8")
    except OSError as err:
        raise _not_there("cannot be written", path, err) from err
    return path


def load_preset(folder: Path, name: str) -> Preset:
    """The user's preset of that name, or the shipped one. Raises RecipeError."""
    path = preset_path(folder, name)
    if not path.is_file() and name in SHIPPED:
        return SHIPPED[name]
    try:
        with path.open(encoding="utf-8") as file:
            text = file.read(MAX_BYTES + 1)
    except (OSError, UnicodeDecodeError) as err:
        raise _not_there("cannot be read", path, err) from err
    if len(text) > MAX_BYTES:
        raise _refused(f"It has more than {MAX_BYTES} bytes", str(path))
    return preset_from(text, str(path))


def remove_preset(folder: Path, name: str) -> None:
    """Remove one of the user's presets. Raises RecipeError if there is none."""
    path = preset_path(folder, name)
    try:
        path.unlink()
    except OSError as err:
        raise _not_there("cannot be removed", path, err) from err


def _not_there(what: str, path: Path, err: Exception) -> RecipeError:
    reason = getattr(err, "strerror", None) or err
    return RecipeError(
        f"The preset {what}: {reason}.",
        where=str(path),
        remedy="Choose a preset of the list, or check the folder.",
    )
