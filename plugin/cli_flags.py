"""Command-line options generated from the node's declaration, so that help, bounds and names have one
source."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import typer

from .node_spec import ATTRIBUTE_EDIT, ParameterSpec, Value

PREFIX = "LINEAMENT_"


def flag(parameter_id: str) -> Any:
    """The option of one parameter: None if neither it nor its environment variable was given."""
    parameter = ATTRIBUTE_EDIT.get(parameter_id)
    names = [f"--{name.replace('_', '-')}" for name in (parameter.id, parameter.alias) if name]
    return typer.Option(
        *names,
        help=_help(parameter),
        envvar=PREFIX + parameter.id.upper(),
        metavar="|".join(parameter.choices) or None,
        callback=_check_of(parameter),
        show_default=False,
        rich_help_panel=parameter.tab,
    )


_NEVER_FROM_ENVIRONMENT = {
    *("--output", "--name", "--licence"),
    *("--overwrite", "--recipe", "--frames", "--set", "--keys"),
}
"""What belongs to one call alone: a forgotten variable must not send a render somewhere."""


def option(*names: str, help: str, **settings: Any) -> Any:
    """An option of a command, with an environment variable named after it."""
    name = names[0].split("/")[0]
    envvar = None if name in _NEVER_FROM_ENVIRONMENT else PREFIX + name.strip("-").replace("-", "_").upper()
    return typer.Option(*names, help=help, envvar=envvar, **settings)


def _help(parameter: ParameterSpec) -> str:
    notes = f"default: {parameter.default_text}"
    if parameter.minimum is not None and parameter.maximum is not None:
        notes += f", {parameter.minimum:.12g} to {parameter.maximum:.12g}"
    return f"{parameter.tooltip} \\[{notes}]"


def _check_of(parameter: ParameterSpec) -> Callable[[Value | None], Value | None]:
    """Refuse what the declaration does not allow, and say what was given."""
    low, high = parameter.minimum, parameter.maximum

    def check(value: Value | None) -> Value | None:
        if value is None:
            return None
        if parameter.choices and value not in parameter.choices:
            raise typer.BadParameter(f"{value!r} is not one of {', '.join(parameter.choices)}.")
        if low is not None and high is not None and not low <= float(value) <= high:
            raise typer.BadParameter(f"{value} is not between {low:.12g} and {high:.12g}.")
        return value

    return check
