"""``lineament host``: run a compositing host without its window, with this installation as its engine."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from contextlib import suppress
from importlib import util
from pathlib import Path
from typing import Annotated

import typer
from lineament.core.errors import HostError

from .cli_flags import option

host = typer.Typer(help="Render files of compositing hosts without their windows.", no_args_is_help=True)
blender = typer.Typer(help="Blender, headless.", no_args_is_help=True)
host.add_typer(blender, name="blender")

Program = Annotated[
    str,
    option(
        "--blender",
        help="Blender's program, or a Python that has bpy; otherwise LINEAMENT_BLENDER, then blender on the path.",
    ),
]

SIGN = "LINEAMENT_SIGN"
"""The variable that names a file for the renderer to make when it begins; ``hosts/blender/launch.py`` reads it."""

STOP_S = 10.0
"""How long Blender may take to end after Ctrl-C before it is killed; it stops the engine and removes its files."""


@blender.command()
def render(
    file: Annotated[Path, typer.Argument(help="Blender file to render.")],
    scene: Annotated[
        str, option("--scene", help="Scene to render; the file's active one if not given.")
    ] = "",
    frames: Annotated[
        str, option("--frames", help="Frames such as 1001-1100x2,1105; the scene's range if not given.")
    ] = "",
    output: Annotated[
        str, option("--output", "-o", help="Output path as Blender writes it, with #### for the frame.")
    ] = "",
    force: Annotated[
        bool, option("--force", help="Edit every frame anew, even where the cache has it.")
    ] = False,
    keep_going: Annotated[
        bool, option("--keep-going/--fail-fast", help="Go on after a frame that failed, or stop at it.")
    ] = True,
    bake_only: Annotated[
        bool, option("--bake-only", help="Fill the nodes' caches and render no picture.")
    ] = False,
    save: Annotated[
        bool,
        option("--save", help="Save the file after the bake, so that it shows its results in any Blender."),
    ] = False,
    blender: Program = "",
) -> None:
    """Bake every Attribute Edit node of a file, then render the frames that succeeded."""
    told = ["render", str(file)]
    told += [part for name, value in (("--scene", scene), ("--frames", frames), ("--output", output))
             for part in ((f"{name}={value}",) if value else ())]  # fmt: skip
    told += ["--force"] if force else []
    told += ["--keep-going" if keep_going else "--fail-fast"]
    told += ["--bake-only"] if bake_only else []
    told += ["--save"] if save else []
    raise typer.Exit(_run(find_blender(blender), told))


@blender.command()
def doctor(blender: Program = "") -> None:
    """Check that a Blender can be started, takes the node, and finds this engine."""
    raise typer.Exit(_run(find_blender(blender), ["doctor"]))


def find_blender(told: str) -> str:
    """The program to start: as told, LINEAMENT_BLENDER, or ``blender`` on the path. Raises HostError."""
    wanted = told or os.environ.get("LINEAMENT_BLENDER") or "blender"
    found = shutil.which(wanted)
    if found is None:
        raise HostError(
            "There is no Blender to start.",
            where=wanted,
            remedy="Name Blender's program, or a Python that has bpy, with --blender or LINEAMENT_BLENDER.",
        )
    return found


def command_of(program: str, arguments: Sequence[str]) -> list[str]:
    """How a Blender, or a Python that has bpy, is started for the headless renderer."""
    script = str(_launcher())
    if "python" in Path(program).name.lower():
        return [program, script, *arguments]
    return [program, "--background", "--python-exit-code", "1", "--python", script, "--", *arguments]


def environment_of() -> dict[str, str]:
    """This process's environment with this Python as the engine, and without its own paths for Python."""
    kept = {name: value for name, value in os.environ.items() if name not in ("PYTHONHOME", "PYTHONPATH")}
    return {**kept, "LINEAMENT_PYTHON": os.environ.get("LINEAMENT_PYTHON") or sys.executable}


def _launcher() -> Path:
    """The file that Blender runs; found beside this layer, which must not import the hosts."""
    spec = util.find_spec("lineament.hosts")
    places = list(spec.submodule_search_locations or ()) if spec is not None else []
    return Path(places[0]) / "blender" / "launch.py"


def _run(program: str, arguments: Sequence[str]) -> int:
    """Run Blender with our own streams; its exit code, 130 or 143 where we were told to stop.

    Raises HostError for a program that ends without having begun to render: an exit code of 0 says nothing then.
    """
    with tempfile.TemporaryDirectory(prefix="lineament-") as folder:
        sign = Path(folder) / "begun"
        code = _exit_code(program, arguments, environment_of() | {SIGN: str(sign)})
        if not sign.exists():
            raise HostError(
                f"The program ended with exit code {code} before the renderer began.",
                where=program,
                remedy="Is it Blender, or a Python that has bpy? Name one with --blender or LINEAMENT_BLENDER.",
            )
    return code


def _exit_code(program: str, arguments: Sequence[str], environment: dict[str, str]) -> int:
    try:
        process = subprocess.Popen(command_of(program, arguments), env=environment)  # noqa: S603 - no shell
    except OSError as err:
        raise HostError(
            f"Blender cannot be started: {err.strerror or err}.",
            where=program,
            remedy="Name Blender's program, or a Python that has bpy, with --blender or LINEAMENT_BLENDER.",
        ) from err
    try:
        code = process.wait()
    except KeyboardInterrupt:
        _stop(process)
        raise
    if code < 0:
        raise HostError(
            f"Blender ended by signal {_signal_name(-code)}.",
            where=program,
            remedy="Run the command again; the frames that are baked are kept. Free memory if it was killed for it.",
        )
    return code


def _stop(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    with suppress(subprocess.TimeoutExpired):
        process.wait(STOP_S)
    if process.poll() is None:
        process.kill()
        process.wait()


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return str(number)
