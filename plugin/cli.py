"""The command line: parse, call, print, exit code. Commands live in ``cli_*.py``; heavy modules load when
one runs."""

from __future__ import annotations

import os
import signal
from collections.abc import Sequence
from types import FrameType
from typing import Annotated, NoReturn

import typer
from lineament.core.errors import LineamentError

from . import (
    cli_bench,
    cli_dataset,
    cli_edit,
    cli_faces,
    cli_farm,
    cli_farm_run,
    cli_host,
    cli_models,
    cli_review,
    cli_shot,
    cli_shot_faces,
    cli_shot_render,
    cli_shot_report,
    cli_shots,
    cli_tools,
    cli_train,
    cli_tune,
)
from .child import settle_threads
from .program import run_program

app = typer.Typer(
    name="lineament",
    help="Edit attributes of faces in scene-linear plates: every pixel outside the edit stays as it was.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
cli_edit.register(app)
cli_tools.register(app)
app.add_typer(cli_models.models, name="model")
app.add_typer(cli_models.directions, name="directions")
app.add_typer(cli_train.train, name="train")
app.add_typer(cli_faces.faces, name="faces")
app.add_typer(cli_bench.bench, name="bench")
app.add_typer(cli_host.host, name="host")
app.add_typer(cli_shots.shots, name="shots")
cli_shot.register(app)
cli_shot_render.register(cli_shot.shot)
cli_shot_report.register(cli_shot.shot)
cli_review.register(app)
cli_shot_faces.register(cli_faces.faces)
cli_farm.register(app)
cli_farm_run.register(cli_farm.farm)
cli_tune.register(app)
cli_dataset.register(app)


def _show_version(wanted: bool) -> None:
    if wanted:
        from importlib import metadata

        typer.echo(metadata.version("lineament"))
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool,
        typer.Option("--version", help="Print the version and exit.", is_eager=True, callback=_show_version),
    ] = False,
) -> None:
    """Options before the command."""


class _Signals:
    """Turns SIGTERM into the orderly end that Ctrl-C has, and remembers that it was SIGTERM."""

    def __init__(self) -> None:
        self.terminated = False

    def terminate(self, number: int, frame: FrameType | None) -> NoReturn:
        """The handler."""
        from .batch import Terminated

        self.terminated = True
        raise Terminated


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code: 0 ok, 1 some frames failed, 2 usage, 3 input, 4 model or
    colour, 5 device, 130 interrupted, 143 terminated.
    """
    settle_threads(os.environ)
    signals = _Signals()
    signal.signal(signal.SIGTERM, signals.terminate)
    code = _run(arguments)
    return 143 if signals.terminated else code


def _run(arguments: Sequence[str] | None) -> int:
    try:
        app(args=None if arguments is None else list(arguments), prog_name="lineament")
    except SystemExit as leaving:
        return leaving.code if isinstance(leaving.code, int) else 0
    except LineamentError as error:
        from .terminal import show_error

        show_error(error)
        return error.exit_code
    except KeyboardInterrupt:
        return 130
    except Exception as error:  # noqa: BLE001 - the command line's one boundary: no traceback for people
        from .batch import unexpected
        from .terminal import show_error

        show_error(unexpected(error, "command line"))
        return 1
    return 0


def program() -> NoReturn:
    """What the command ``lineament`` starts: ``main``, and the end of the process."""
    run_program(main)


if __name__ == "__main__":
    program()
