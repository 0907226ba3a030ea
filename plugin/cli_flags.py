"""Command-line options generated from the node's declaration, so that help, bounds and names have one
source."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import typer

from .node_spec import ATTRIBUTE_EDIT, ParameterSpec

PREFIX = "LINEAMENT_"


def flag(parameter_id: str) -> Any:
    """The option of one parameter: None if neither it nor its environment variable was given."""
    parameter = ATTRIBUTE_EDIT.get(parameter_id)
    names = [f"--{name.replace('_', '-')}" for name in (parameter.id, parameter.alias) if name]
    return typer.Option(
        *names,
        help=_help(parameter),
        envvar=PREFIX + parameter.id.upper(),
        min=parameter.minimum,
        max=parameter.maximum,
        metavar="|".join(parameter.choices) or None,
        callback=_one_of(parameter.choices) if parameter.choices else None,
        show_default=False,
        rich_help_panel=f"{parameter.tab} of the node",
    )


_NEVER_FROM_ENVIRONMENT = {"--output", "--name", "--licence"}
"""What belongs to one call alone: a forgotten variable must not send a render somewhere."""


def option(*names: str, help: str, **settings: Any) -> Any:
    """An option of a command, with an environment variable named after it."""
    name = names[0].split("/")[0]
    envvar = None if name in _NEVER_FROM_ENVIRONMENT else PREFIX + name.strip("-").replace("-", "_").upper()
    return typer.Option(*names, help=help, envvar=envvar, **settings)


def _help(parameter: ParameterSpec) -> str:
    default = f"{parameter.default}" if parameter.default != "" else "empty"
    return f"{parameter.tooltip} [default: {default}]".replace("[", "\\[")


def _one_of(choices: tuple[str, ...]) -> Callable[[str | None], str | None]:
    def check(value: str | None) -> str | None:
        if value is not None and value not in choices:
            raise typer.BadParameter(f"{value!r} is not one of {', '.join(choices)}.")
        return value

    return check
