"""Recipe files: YAML or JSON in, ``EditRecipe`` out, and back; whatever is not understood is refused by name.

A recipe is a text file from anybody, so it is read with the safe loader, without aliases (they multiply),
without duplicate keys (the last would silently win) and up to one megabyte.
"""

from __future__ import annotations

import difflib
import json
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import (
    AliasChoices,
    BaseModel,
    ConfigDict,
    Field,
    PlainValidator,
    StringConstraints,
    ValidationError,
)

from .atomic import write_atomically
from .errors import RecipeError
from .recipe import SCHEMA_VERSION, EditRecipe, Move, Strength
from .strength_file import WRITE_A_STRENGTH, quote, strength_data, strength_from_data

MAX_BYTES = 1 << 20
"""A thousand attributes with a thousand keys each fit; more is not a recipe."""

AttributeName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z][A-Za-z0-9_]*$", max_length=64)]
StrengthField = Annotated[Strength, PlainValidator(strength_from_data)]
Text = Annotated[str, StringConstraints(max_length=1024)]


class RecipeFile(BaseModel):
    """The fields of a recipe file; a test holds names and bounds equal to those of the node's parameters."""

    model_config = ConfigDict(extra="forbid", strict=True, allow_inf_nan=False, arbitrary_types_allowed=True)

    schema_version: Literal[1]
    strengths: dict[AttributeName, StrengthField] = Field(default_factory=dict)
    model: Text = Field("default", validation_alias=AliasChoices("model", "generator"))
    inverter: Literal["encoder", "optimise"] = "encoder"
    seed: int = Field(0, ge=0, le=2**31 - 1)
    mix: float = Field(1.0, ge=0.0, le=1.0)
    face: int = Field(0, ge=0, le=63)
    exposure: float = Field(0.0, ge=0.0, le=65536.0)
    mask_feather: float = Field(0.0, ge=0.0, le=0.25)
    detail_clamp: float = Field(0.0, ge=0.0, le=1.0)
    layer: Text = ""
    colourspace: Text = Field("", validation_alias=AliasChoices("colourspace", "colorspace"))
    notes: dict[Text, Text] = Field(default_factory=dict)


def read_recipe(path: str | Path) -> EditRecipe:
    """Read a ``.yaml``, ``.yml`` or ``.json`` recipe. Raises RecipeError naming the file and the field."""
    path = Path(path)
    return recipe_from_data(_parse(_read_text(path), path), where=str(path))


def recipe_from_data(data: object, *, where: str) -> EditRecipe:
    """Validate parsed data (mappings, numbers, text) into a recipe; ``where`` names its source in errors."""
    if not isinstance(data, dict):
        raise RecipeError(
            f"A recipe must be a mapping of fields, not {quote(data)}.",
            where=where,
            remedy="Start the file with schema_version: 1 and put the attributes under strengths:.",
        )
    try:
        parsed = RecipeFile.model_validate(data)
    except ValidationError as err:
        raise _translated(err, where) from err
    fields = parsed.model_dump(exclude={"schema_version", "strengths", "model"})
    moves = tuple(Move(name, strength) for name, strength in parsed.strengths.items())
    return EditRecipe(moves=moves, generator=parsed.model, version=parsed.schema_version, **fields)


def recipe_data(recipe: EditRecipe) -> dict[str, Any]:
    """The recipe as plain data, in the file's order; fields at their default are left out."""
    data: dict[str, Any] = {
        "schema_version": SCHEMA_VERSION,
        "model": recipe.generator,
        "strengths": {move.attribute: strength_data(move.strength) for move in recipe.moves},
    }
    default = EditRecipe()
    for name in RecipeFile.model_fields:
        if name not in data and getattr(recipe, name) != getattr(default, name):
            data[name] = getattr(recipe, name)
    return data


def write_recipe(path: str | Path, recipe: EditRecipe) -> None:
    """Write a recipe as YAML or JSON, by suffix, in one step: a reader sees the old file or the new one."""
    path = Path(path)
    data = recipe_data(recipe)
    if _is_json(path):
        text = json.dumps(data, indent=2, allow_nan=False) + "\n"
    else:
        text = yaml.safe_dump(data, sort_keys=False, allow_unicode=True)
    try:
        path.parent.stat()  # a misspelt folder is not to be made
        write_atomically(path, text.encode("utf-8"))
    except OSError as err:
        raise RecipeError(
            f"The recipe cannot be written: {err.strerror or err}.",
            where=str(path),
            remedy="Choose a folder that exists and that you may write to.",
        ) from err


def with_moves(recipe: EditRecipe, moves: Iterable[Move]) -> EditRecipe:
    """The recipe with ``moves`` replacing those of the same attribute, or added at the end."""
    merged = {move.attribute: move for move in recipe.moves}
    merged.update({move.attribute: move for move in moves})
    return replace(recipe, moves=tuple(merged.values()))


def _is_json(path: Path) -> bool:
    suffix = path.suffix.lower()
    if suffix not in {".json", ".yaml", ".yml"}:
        raise RecipeError(
            f'A recipe file ends in .yaml, .yml or .json, not "{path.suffix}".',
            where=str(path),
            remedy="Rename the file.",
        )
    return suffix == ".json"


def _read_text(path: Path) -> str:
    try:
        with path.open("rb") as stream:
            content = stream.read(MAX_BYTES + 1)
        if len(content) > MAX_BYTES:
            raise RecipeError(
                f"The recipe is larger than {MAX_BYTES} bytes.",
                where=str(path),
                remedy="Is it a recipe? Give the path of the YAML or JSON file with the strengths.",
            )
        return content.decode("utf-8-sig")
    except OSError as err:
        raise RecipeError(
            f"The recipe cannot be read: {err.strerror or err}.",
            where=str(path),
            remedy="Check the path of --recipe.",
        ) from err
    except UnicodeDecodeError as err:
        raise RecipeError(
            f"The recipe is not UTF-8 text (byte {err.start}).", where=str(path), remedy="Save it as UTF-8."
        ) from err


class StrictLoader(yaml.SafeLoader):
    """The safe loader without aliases and without duplicate keys."""

    def compose_node(self, parent: Any, index: Any) -> Any:
        if self.check_event(yaml.AliasEvent):
            line = self.line + 1
            raise yaml.YAMLError(f"aliases (*name) are not allowed, line {line}")
        return super().compose_node(parent, index)

    def construct_mapping(self, node: Any, deep: bool = False) -> dict[Any, Any]:
        seen: set[str] = set()
        for key, _ in node.value:
            if key.value in seen:
                raise yaml.YAMLError(f'"{key.value}" is given twice, line {key.start_mark.line + 1}')
            seen.add(str(key.value))
        return super().construct_mapping(node, deep=deep)


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    data = dict(pairs)
    if len(data) != len(pairs):
        names = [name for name, _ in pairs]
        raise ValueError(f'"{next(name for name in names if names.count(name) > 1)}" is given twice')
    return data


def _parse(text: str, path: Path) -> object:
    kind = "JSON" if _is_json(path) else "YAML"
    try:
        if kind == "JSON":
            return json.loads(text, object_pairs_hook=_once)
        return yaml.load(text, Loader=StrictLoader)  # noqa: S506 - a SafeLoader, made stricter
    except (yaml.YAMLError, ValueError, TypeError, RecursionError) as err:
        reason = " ".join(str(err).split()) if str(err) else type(err).__name__
        raise RecipeError(
            f"The recipe is not valid {kind}: {reason[:300]}.",
            where=str(path),
            remedy="Correct the file at that place.",
        ) from err


def _translated(err: ValidationError, where: str) -> RecipeError:
    """The first problem of the file, with its field; the rest are counted."""
    problems = err.errors(include_url=False, include_context=False)
    first = problems[0]
    field = ".".join(str(part) for part in first["loc"] if part != "[key]")
    more = f" ({len(problems) - 1} more problems follow.)" if len(problems) > 1 else ""
    if first["type"] == "extra_forbidden":
        close = difflib.get_close_matches(str(first["loc"][0]), RecipeFile.model_fields, n=1)
        remedy = (
            f'Did you mean "{close[0]}"?' if close else f"Known fields: {', '.join(RecipeFile.model_fields)}."
        )
        return RecipeError(f'The recipe has an unknown field "{field}".{more}', where=where, remedy=remedy)
    if field == "schema_version":
        found = "is missing" if first["type"] == "missing" else f"is {quote(first['input'])}"
        return RecipeError(
            f"The field schema_version {found}; this version reads {SCHEMA_VERSION}.{more}",
            where=where,
            remedy=f"Put schema_version: {SCHEMA_VERSION} at the top, or update Lineament for newer files.",
        )
    reason = first["msg"].removeprefix("Value error, ")
    remedy = WRITE_A_STRENGTH if field.startswith("strengths") else "Correct the value."
    return RecipeError(
        f'The field "{field}" is not valid: {reason} (found {quote(first["input"])}).{more}',
        where=where,
        remedy=remedy,
    )
