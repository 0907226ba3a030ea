"""``lineament shot``: one shot of a show file, analysed once and rendered as often as its strengths change."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from .cli_flags import flag, option

if TYPE_CHECKING:
    from lineament.core.shots.analysis import Analysis
    from rich.console import Console

shot = typer.Typer(
    help="Analyse one shot of a show file, then render it, again and again.", no_args_is_help=True
)

Words = Annotated[
    list[str],
    typer.Argument(
        metavar="[FILE] SHOT", help="Show file or timeline, and a shot of it; the usual file if not given."
    ),
]
Device = Annotated[str | None, flag("device")]
Cache = Annotated[
    str | None, option("--cache", help="Folder of analyses; the user's cache folder if not given.")
]

OpenJD = Annotated[
    bool, option("--openjd", help="Print the lines by which Open Job Description follows a task.")
]


def register(app: typer.Typer) -> None:
    """Add the group to the program."""
    app.add_typer(shot, name="shot")


@shot.command()
def analyse(
    words: Words,
    device: Device = None,
    cache: Cache = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one line of JSON for programs.")] = False,
    openjd: OpenJD = False,
) -> None:
    """Find the shot's faces on every frame, what hides them, one exposure, and their latents; keep it all.

    Strengths may change afterwards as they like. An analysis that was interrupted goes on where it stopped, and one
    that is there already costs nothing. Frames without a face are reported, not refused.
    """
    from lineament.core.shots.analyse import analyse as analyse_shot
    from lineament.core.shots.plates import shot_plates
    from lineament.core.shots.shot_file import read_show
    from lineament.core.tools import open_tools

    from .engine import tool_options
    from .farm_report import AnalysisProgress, engine_told
    from .shot_engine import shot_choices
    from .show_source import split_words
    from .terminal import err, out

    with engine_told(openjd) as lines:
        path, rest = split_words(words)
        chosen = read_show(path).shot(only_shot(rest))
        plates = shot_plates(chosen)
        tools = open_tools(tool_options(shot_choices(chosen, device or "cpu")))
        teller = Teller(err(), len(plates.frames))
        stages = AnalysisProgress(lines, 1 + 2 * len(chosen.faces) + bool(chosen.analysis.tune_steps))

        def tell(stage: str, done: int, total: int) -> None:
            teller(stage, done, total)
            stages(stage, done, total)

        analysis = analyse_shot(chosen, plates.frames, tools, analysis_cache(cache), on_progress=tell)
        lines.progress(1, 1)
    if as_json:
        out().print(json.dumps(as_data(analysis)), markup=False)
        return
    for line in described(chosen.name, analysis):
        out().print(line, markup=False)


def only_shot(words: list[str], command: str = "shot analyse") -> str:
    """The shot that was named; BadParameter for none or several, which shows how ``command`` is given."""
    if len(words) != 1:
        raise typer.BadParameter(f"name one shot: lineament {command} shots.yaml sh010")
    return words[0]


def analysis_cache(cache: str | None) -> Path:
    """Where analyses are kept: the folder named, or the user's cache folder."""
    from .options import default_cache

    return Path(cache) if cache else Path(default_cache()).parent


class Teller:
    """Prints a line at the end of each stage and at every quarter of it, of long ones only."""

    def __init__(self, console: Console, frames: int) -> None:
        self._console, self._frames = console, frames

    def __call__(self, stage: str, done: int, total: int) -> None:
        """One step was done."""
        quarter = total >= 100 and done % max(1, total // 4) == 0
        if done == total or quarter:
            self._console.print(f"{stage}: {done} of {total}", markup=False)


def described(name: str, analysis: Analysis) -> list[str]:
    """What a person should know, a line each."""
    lines = []
    for face, told in analysis.summary().items():
        seen = ", ".join(
            f"{status} {told[status]}"
            for status in ("found", "bridged", "occluded", "missing")
            if told[status]
        )
        lines.append(f"{name}, {face}: {seen}; exposure {told['exposure']:g}")
    lines += analysis.problems
    lines.append(f"Analysis: {analysis.folder}")
    return lines


def as_data(analysis: Analysis) -> dict[str, object]:
    """The same for programs."""
    return {
        "key": analysis.key,
        "digest": analysis.digest,
        "folder": str(analysis.folder),
        "tuned": analysis.render_id != analysis.generator_id,
        "faces": analysis.summary(),
        "problems": list(analysis.problems),
    }
