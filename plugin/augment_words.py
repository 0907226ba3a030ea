"""What the command line says about a set of edited pictures, as values."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

from lineament.core.augment.draws import Draws
from lineament.core.errors import RecipeError
from lineament.core.recipe_file import read_recipe


def draws_of(given: dict[str, Any]) -> Draws:
    """The draws that the options by name ask for. Raises RecipeError."""
    recipes = []
    for path in given["recipe"] or ():
        recipes.append((path.stem, _constant(path, read_recipe(path))))
    return Draws(
        fixed=tuple((name, _number(text, value)) for name, value, text in _pairs(given["set_"], "--set")),
        ranges=tuple((name, *_range(text, value)) for name, value, text in _pairs(given["vary"], "--vary")),
        grid=tuple(
            (name, tuple(_number(text, one) for one in value.split(",")))
            for name, value, text in _pairs(given["grid"], "--grid")
        ),
        recipes=tuple(recipes),
        count=given["variants"],
        seed=given["seed"],
        is_per_image=given["per_image"],
        has_original=given["include_original"],
    )


def _constant(path: Path, recipe: Any) -> tuple[tuple[str, float], ...]:
    found = []
    for move in recipe.moves:
        values = {value for _, value in move.strength.keys}
        if len(values) != 1:
            raise RecipeError(
                f'"{move.attribute}" changes over time; pictures of a set have no time.',
                where=str(path),
                remedy="Give one strength.",
            )
        found.append((move.attribute, values.pop()))
    return tuple(found)


def _pairs(texts: list[str] | None, option_name: str) -> list[tuple[str, str, str]]:
    pairs = []
    for text in " ".join(texts or ()).split():
        name, sign, value = text.partition("=")
        if not (name.strip() and sign and value.strip()):
            raise RecipeError(
                f"{option_name} {text[:80]!r} is no name=value.",
                where="command line",
                remedy=f"Write it like {option_name} age={'-2:2' if option_name == '--vary' else '1'}.",
            )
        pairs.append((name.strip(), value.strip(), f"{option_name} {text[:80]}"))
    return pairs


def _number(text: str, value: str) -> float:
    try:
        number = float(value)
    except ValueError:
        number = math.nan
    if not math.isfinite(number):
        raise RecipeError(
            f"{value!r} is no number.", where=text, remedy="Give strengths as numbers such as -1.5."
        )
    return number


def _range(text: str, value: str) -> tuple[float, float]:
    low, sign, high = value.partition(":")
    if not sign:
        low = high = value
    return _number(text, low), _number(text, high)
