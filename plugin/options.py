"""From what was typed to a recipe and tool choices: command line before environment, recipe file, default.

The command line's parser already puts an option before its environment variable and gives None if there is
neither, so what is left to decide here is None.
"""

from __future__ import annotations

import math
import os
from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from lineament.core.errors import RecipeError
from lineament.core.recipe import EditRecipe, Move
from lineament.core.recipe_file import read_recipe, with_moves
from lineament.core.strength_file import parse_keys, parse_set

from .messages import ToolChoices
from .node_spec import ATTRIBUTE_EDIT, MIN_EXPOSURE, Value


def build_recipe(
    recipe_path: Path | None, sets: Iterable[str], keys: Iterable[str], values: Mapping[str, Value | None]
) -> EditRecipe:
    """Merge a recipe file, ``--set`` and ``--keys``, and parameter values (id -> value or None).

    Raises RecipeError for an attribute or frame that was typed twice, and for an exposure that is no power of
    two, wherever it came from.
    """
    recipe = read_recipe(recipe_path) if recipe_path is not None else EditRecipe()
    fields: dict[str, Any] = {}
    for parameter in ATTRIBUTE_EDIT.for_target("recipe"):
        value = values.get(parameter.id)
        if value is not None:
            fields[parameter.destination] = value
    merged = with_moves(replace(recipe, **fields), _typed_moves(sets, keys))
    _check_exposure(merged.exposure, "--exposure" if "exposure" in fields else str(recipe_path))
    return merged


def _typed_moves(sets: Iterable[str], keys: Iterable[str]) -> list[Move]:
    """The moves of the command line; the last of two would silently win, so two are refused."""
    found: dict[str, tuple[str, Move]] = {}
    for option, text in [("--set", text) for text in sets] + [("--keys", text) for text in keys]:
        if option == "--keys":
            _refuse_repeated_frames(text)
        move = parse_set(text) if option == "--set" else parse_keys(text)
        if move.attribute in found:
            raise RecipeError(
                f'The attribute "{move.attribute}" is given twice: {found[move.attribute][0]} and '
                f"{option} {text[:80]}.",
                where="command line",
                remedy="Give every attribute once: one strength with --set, or all its keys with --keys.",
            )
        found[move.attribute] = (f"{option} {text[:80]}", move)
    return [move for _, move in found.values()]


def _refuse_repeated_frames(text: str) -> None:
    """Two keys on one frame contradict each other; what is no frame is left to the parser's message."""
    seen: set[int] = set()
    for item in text.partition("=")[2].split(","):
        try:
            frame = int(item.partition(":")[0])
        except ValueError:
            continue
        if frame in seen:
            raise RecipeError(
                f"--keys {text[:80]} has a duplicate key: frame {frame} is given twice.",
                where="command line",
                remedy="Give one value a frame.",
            )
        seen.add(frame)


def _check_exposure(exposure: float, where: str) -> None:
    """0 chooses; any other gain must be a power of two, because only such a gain divides out exactly."""
    if exposure == 0.0:
        return
    mantissa, exponent = math.frexp(exposure)
    if exposure < MIN_EXPOSURE:
        raise RecipeError(
            f"The exposure gain {exposure:g} is too small.",
            where=where,
            remedy=f"Use a power of two from {MIN_EXPOSURE:g} on, or 0 to have it chosen from the plate.",
        )
    if mantissa != 0.5:
        lower = math.ldexp(0.5, exponent)
        raise RecipeError(
            f"The exposure gain {exposure:.12g} is not a power of two.",
            where=where,
            remedy=f"Use {lower:.12g} or {2 * lower:.12g}, or 0 to have it chosen from the plate.",
        )


def build_choices(
    recipe: EditRecipe, values: Mapping[str, Value | None], cache: str | None = None
) -> ToolChoices:
    """The tools a recipe needs, and the parameters that are no part of it."""
    fields: dict[str, Any] = {}
    for parameter in ATTRIBUTE_EDIT.for_target("tools"):
        value = values.get(parameter.id)
        fields[parameter.destination] = parameter.default if value is None else value
    cache_folder = default_cache() if cache is None else cache
    return ToolChoices(
        model=recipe.generator, inverter=recipe.inverter, seed=recipe.seed, cache=cache_folder, **fields
    )


def default_cache() -> str:
    """Where latents are kept between runs: $XDG_CACHE_HOME/lineament, or ~/.cache/lineament."""
    home = os.environ.get("XDG_CACHE_HOME") or str(Path("~/.cache").expanduser())
    return str(Path(home) / "lineament" / "latents")
