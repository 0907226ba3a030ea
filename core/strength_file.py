"""Strengths as people write them: numbers, keys by frame, how they are interpolated; in files and on the command line.

In a file a strength is a number (``age: 1.5``), keys by frame (``age: {1001: 0, 1040: 1.5}``), or keys with an
interpolation (``age: {interpolation: smooth, keys: {1001: 0, 1040: 1.5}}``). On the command line it is ``age=1.5``,
``age=1001:0,1040:1.5`` or ``age=1001:0,1040:1.5,smooth``.
"""

from __future__ import annotations

import math
from typing import Any

from .errors import RecipeError
from .recipe import INTERPOLATIONS, Move, Strength

MAX_STRENGTH = 10.0
"""In standard deviations. Beyond ten no generator has seen anything."""

WRITE_A_STRENGTH = (
    "Write it as a number (age: 1.5), as keys by frame (age: {1001: 0, 1040: 1.5}), or with an interpolation "
    "(age: {interpolation: smooth, keys: {1001: 0, 1040: 1.5}})."
)


def strength_from_data(value: object) -> Strength:
    """Parsed YAML or JSON -> a strength. Raises ValueError saying what is wrong with it."""
    if not isinstance(value, dict):
        return Strength.constant(checked_number(value, "a strength"))
    interpolation: object = "linear"
    keys: object = value
    if not value.keys().isdisjoint(("interpolation", "keys")):
        unknown = [name for name in value if name not in ("interpolation", "keys")]
        if unknown:
            raise ValueError(f"{quote(unknown[0])} does not belong beside interpolation and keys")
        interpolation, keys = value.get("interpolation", "linear"), value.get("keys")
    if interpolation not in INTERPOLATIONS:
        raise ValueError(
            f"interpolation must be one of {', '.join(INTERPOLATIONS)}, not {quote(interpolation)}"
        )
    if not isinstance(keys, dict) or not keys:
        raise ValueError("the keys are empty" if keys == {} else "the keys must be values by frame")
    numbers = [
        (_frame(frame), checked_number(number, f"the value at frame {frame}"))
        for frame, number in keys.items()
    ]
    try:
        return Strength(tuple(sorted(numbers)), str(interpolation))
    except RecipeError as err:
        raise ValueError(err.what) from err


def strength_data(strength: Strength) -> float | dict[int, float] | dict[str, Any]:
    """The strength as plain data for a file, in its shortest form."""
    if len(strength.keys) == 1:
        return strength.keys[0][1]
    if strength.interpolation == "linear":
        return dict(strength.keys)
    return {"interpolation": strength.interpolation, "keys": dict(strength.keys)}


def strength_text(strength: Strength) -> str:
    """The strength as it is typed behind ``age=``; ``parse_strength`` reads it back."""
    if len(strength.keys) == 1:
        return _shortest(strength.keys[0][1])
    keys = ",".join(f"{frame}:{_shortest(value)}" for frame, value in strength.keys)
    return keys if strength.interpolation == "linear" else f"{keys},{strength.interpolation}"


def parse_strength(text: str) -> Strength:
    """What ``strength_text`` writes -> a strength. Raises ValueError saying what is wrong with it."""
    if ":" not in text:
        return Strength.constant(checked_number(_float(text), "a strength"))
    *items, last = text.split(",")
    interpolation = last.strip()
    if interpolation not in INTERPOLATIONS:
        items, interpolation = [*items, last], "linear"
    keys: list[tuple[int, float]] = []
    for item in items:
        frame, colon, number = item.partition(":")
        try:
            if not colon:
                raise ValueError
            keys.append((int(frame), checked_number(float(number), "a strength")))
        except ValueError as err:
            raise ValueError(f'"{item}" is not frame:value or out of range') from err
    try:
        return Strength(tuple(sorted(keys)), interpolation)
    except RecipeError as err:
        raise ValueError(err.what) from err


def parse_set(text: str) -> Move:
    """``"age=1.5"`` -> a constant move."""
    name, value = _split(text, "--set", "age=1.5")
    try:
        return Move(name, Strength.constant(checked_number(_float(value), "a strength")))
    except ValueError as err:
        raise bad_option("--set", text, str(err), "age=1.5") from err


def parse_keys(text: str) -> Move:
    """``"age=1001:0,1040:1.5"`` -> a move keyed by frame, held beyond the ends.

    It is linear in between unless a last word says "step" or "smooth".
    """
    example = "age=1001:0,1040:1.5"
    name, value = _split(text, "--keys", example)
    try:
        if ":" not in value:
            raise ValueError(f'"{value}" is not frame:value or out of range')
        return Move(name, parse_strength(value))
    except ValueError as err:
        raise bad_option("--keys", text, str(err), example) from err


def checked_number(value: object, where: str) -> float:
    """A finite number within MAX_STRENGTH as float. Raises ValueError that begins with ``where``."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ValueError(f"{where} must be a number, not {quote(value)}")
    if not math.isfinite(value):
        raise ValueError(f"{where} must be finite, not {value}")
    if abs(value) > MAX_STRENGTH:
        raise ValueError(f"{where} must lie between -{MAX_STRENGTH:g} and {MAX_STRENGTH:g}, not {value:g}")
    return float(value)


def quote(value: object) -> str:
    """A value in a message, shortened."""
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."


def bad_option(option: str, text: str, why: str, example: str) -> RecipeError:
    """The error for something typed that cannot be understood."""
    return RecipeError(
        f"{option} {text[:80]} cannot be understood: {why}.",
        where="command line",
        remedy=f"Write {option} {example}.",
    )


def _frame(value: object) -> int:
    """A frame number; JSON has only text as keys, so digits are accepted too."""
    try:
        if isinstance(value, bool) or not isinstance(value, int | str):
            raise ValueError
        return int(value)
    except ValueError:
        raise ValueError(f"a key must be a whole frame number, not {quote(value)}") from None


def _float(text: str) -> float:
    try:
        return float(text)
    except ValueError as err:
        raise ValueError(f'"{text}" is not a number') from err


def _shortest(value: float) -> str:
    """Digits that give exactly this number back, without a needless ``.0``."""
    return repr(value).removesuffix(".0")


def _split(text: str, option: str, example: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    name, value = name.strip(), value.strip()
    if not equals or not value or not name.isidentifier():
        raise bad_option(option, text, "it is not attribute=strength", example)
    return name, value
