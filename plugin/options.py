"""From what was typed to a recipe and tool choices: command line before environment, recipe file, default.

The command line's parser already puts an option before its environment variable and gives None if there is
neither, so what is left to decide here is None.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from lineament.core.recipe import EditRecipe
from lineament.core.recipe_file import parse_keys, parse_set, read_recipe, with_moves

from .messages import ToolChoices
from .node_spec import ATTRIBUTE_EDIT, Value


def build_recipe(
    recipe_path: Path | None, sets: Iterable[str], keys: Iterable[str], values: Mapping[str, Value | None]
) -> EditRecipe:
    """Merge a recipe file, ``--set`` and ``--keys``, and parameter values (id -> value or None)."""
    recipe = read_recipe(recipe_path) if recipe_path is not None else EditRecipe()
    fields: dict[str, Any] = {}
    for parameter in ATTRIBUTE_EDIT.for_target("recipe"):
        value = values.get(parameter.id)
        if value is not None:
            fields[parameter.destination] = value
    moves = [parse_set(text) for text in sets] + [parse_keys(text) for text in keys]
    return with_moves(replace(recipe, **fields), moves)


def build_choices(
    recipe: EditRecipe, values: Mapping[str, Value | None], cache: str | None = None
) -> ToolChoices:
    """The tools a recipe needs, and the parameters that are no part of it."""
    fields: dict[str, Any] = {}
    for parameter in ATTRIBUTE_EDIT.for_target("tools"):
        value = values.get(parameter.id)
        fields[parameter.destination] = parameter.default if value is None else value
    cache_folder = default_cache() if cache is None else cache
    return ToolChoices(model=recipe.generator, inverter=recipe.inverter, cache=cache_folder, **fields)


def default_cache() -> str:
    """Where latents are kept between runs: $XDG_CACHE_HOME/lineament, or ~/.cache/lineament."""
    home = os.environ.get("XDG_CACHE_HOME") or str(Path("~/.cache").expanduser())
    return str(Path(home) / "lineament" / "latents")
