"""``lineament tune``: a page on this machine where a person moves sliders, sees the frame change, and saves."""

from __future__ import annotations

import html
import tempfile
import webbrowser
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from .cli_flags import option
from .cli_shot import Cache, Device, Teller, Words, analysis_cache, only_shot

if TYPE_CHECKING:
    from .tune_api import TuneApi
    from .tune_server import TuneServer
    from .tune_session import TuneSession


def register(app: typer.Typer) -> None:
    """Add the command to the program."""
    app.command()(tune)


def tune(
    words: Words,
    port: Annotated[
        int, option("--port", min=0, max=65535, help="Port of the page on 127.0.0.1; 0 takes a free one.")
    ] = 0,
    browser: Annotated[
        bool,
        typer.Option(
            "--browser/--no-browser", help="Open the page in the browser, or print its address only."
        ),
    ] = True,
    idle: Annotated[
        float, option("--idle", min=0.01, max=10_000, help="Minutes without an open page after which to end.")
    ] = 30.0,
    device: Device = None,
    cache: Cache = None,
) -> None:
    """Tune a shot by eye: move sliders on a page in the browser, see the frame change, save into the show file.

    The shot is analysed first if it has not been. The page talks to this program alone and nothing leaves the machine;
    Quit on the page or Ctrl-C ends it.
    """
    from .show_source import split_words
    from .terminal import err, out

    path, rest = split_words(words)
    api = open_tuner(path, only_shot(rest, "tune"), device or "cpu", analysis_cache(cache))
    with _listening(api, port, idle) as server, telling(api.session):
        out().print(server.url, markup=False)
        err().print("Quit on the page or Ctrl-C here ends the tuner.", markup=False)
        with opened(server.url) if browser else _nothing():
            if server.serve() == "idle":
                err().print(f"No page was open for {idle:g} minutes: the tuner ends.", markup=False)


def open_tuner(path: Path, shot: str, device: str, cache: Path) -> TuneApi:
    """Everything behind the page, the analysis made if there is none. Raises LineamentError."""
    from lineament.core.pipeline import open_tools
    from lineament.core.shots.analyse import analyse
    from lineament.core.shots.plates import shot_plates
    from lineament.core.shots.render import tools_for
    from lineament.core.shots.shot_file import read_show

    from .engine import tool_options
    from .shot_engine import check_moves, shot_choices
    from .terminal import err
    from .tune_api import TuneApi
    from .tune_picture import PictureDesk
    from .tune_session import TuneSession

    chosen = read_show(path).shot(shot)
    plates = shot_plates(chosen).frames
    tools = open_tools(tool_options(shot_choices(chosen, device)))
    for face in chosen.faces:
        check_moves(face, chosen, tools)
    analysis = analyse(chosen, plates, tools, cache, on_progress=Teller(err(), len(plates)))
    for problem in analysis.problems:
        err().print(problem, markup=False)
    limits = {direction.name: direction.limits for direction in tools.library.directions}
    session = TuneSession(path, shot, limits)
    return TuneApi(session, PictureDesk(chosen, plates, analysis, tools_for(tools, analysis)), tools.library)


@contextmanager
def _listening(api: TuneApi, port: int, idle: float) -> Iterator[TuneServer]:
    """The server, closed at the end."""
    from lineament.core.errors import HostError

    from .tune_server import HOST, TuneServer

    try:
        server = TuneServer(api, port, 60.0 * idle)
    except OSError as error:
        raise HostError(
            f"The page cannot be served: {error.strerror or error}.",
            where=f"{HOST}:{port}",
            remedy="Leave --port out to take a free one.",
        ) from error
    with server:
        yield server


@contextmanager
def telling(session: TuneSession) -> Iterator[None]:
    """Whatever ends the tuner: changes that were not saved are told as commands that make them."""
    from .terminal import err

    try:
        yield
    finally:
        commands = session.commands()
        if commands:
            err().print("Not saved. These commands make the changes:", markup=False)
        for command in commands:
            err().print(command, markup=False)


@contextmanager
def opened(url: str) -> Iterator[None]:
    """Open the page by way of a file that only this user can read: a command line is seen by all users."""
    with tempfile.TemporaryDirectory(prefix="lineament-tune-") as folder:
        page = Path(folder) / "open.html"
        page.touch(mode=0o600)
        address = html.escape(url, quote=True)
        page.write_text(
            '<!doctype html><meta charset="utf-8"><title>Lineament</title>'
            f'<meta http-equiv="refresh" content="0; url={address}"><a href="{address}">Open the tuner</a>\n',
            encoding="utf-8",
        )
        webbrowser.open(page.as_uri())
        yield


@contextmanager
def _nothing() -> Iterator[None]:
    yield
