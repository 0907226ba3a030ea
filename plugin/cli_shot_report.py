"""``lineament shot report``: what rendered shots measure, as JSON beside the outputs and as a table, worst frames
first."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from .cli_shot import Cache, Device, analysis_cache

if TYPE_CHECKING:
    from lineament.core.shots.quality_report import FrameEntry, ShotReport
    from lineament.core.shots.shot import Show
    from rich.table import Table

Words = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="[FILE] [SHOT...]",
        help="Show file or timeline, and shots of it, all if none is named; the usual file if not given.",
    ),
]
ROWS = 30
"""Frames that the table shows; the report has all."""


def register(app: typer.Typer) -> None:
    """Add the command to the group ``shot``."""
    app.command()(report)


def report(
    words: Words = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print the reports as one JSON list for programs.")
    ] = False,
    device: Device = None,
    cache: Cache = None,
) -> None:
    """Measure rendered shots: flicker, identity over time, seams, size of the edit, and frames that failed.

    Writes NAME.report.json beside each shot's manifest and prints a table, worst frames first. A shot that cannot be
    measured does not keep others from it; the exit code tells.
    """
    from lineament.core.errors import LineamentError

    from .shot_engine import ShotOpener
    from .shot_report import report_path, survey, write_report
    from .terminal import out, show_error

    show, names = named_shots(words or [])
    opener, code, reports = ShotOpener(), 0, []
    for name in names:
        shot = show.shot(name)
        try:
            looked = survey(shot, show.name, analysis_cache(cache), device or "cpu", opener)
            for _ in looked:
                pass
            found = looked.report()
            path = report_path(shot.output)
            write_report(found, path)
        except LineamentError as error:
            show_error(error)
            code = code or error.exit_code
            continue
        reports.append(found.as_data())
        if not as_json:
            for part in printed(found, path):
                out().print(part, markup=False)
    if as_json:
        out().print(json.dumps(reports), markup=False)
    raise typer.Exit(code)


def named_shots(words: Sequence[str]) -> tuple[Show, list[str]]:
    """The show that was named and the shots asked for, each once; all of them if none was named."""
    from lineament.core.shots.shot_file import read_show

    from .show_source import split_words

    path, names = split_words(words)
    show = read_show(path)
    return show, list(dict.fromkeys(names)) or [shot.name for shot in show.shots]


def printed(report: ShotReport, path: Path) -> Iterator[Table | str]:
    """The table of a shot, and the lines around it."""
    counts = ", ".join(f"{number} {state}" for state, number in report.counts().items() if number)
    yield f"{report.shot}: {counts}"
    yield from report.problems
    yield _table(report.by_severity()[:ROWS])
    if len(report.frames) > ROWS:
        yield f"and {len(report.frames) - ROWS} better frames"
    figures = report.figures()
    yield f"flicker {_number(figures['flicker'])} (worst {_number(figures['flicker_max'])}) of the plate's"
    for name, one in (report.identity or {}).items():
        yield f"{name}: TL-ID {_number(one.tl_id)}, TG-ID {_number(one.tg_id)}"
    if report.identity is None:
        yield f"No identity figures: {report.identity_reason}."
    yield f"Report: {path}"


def _table(frames: Sequence[FrameEntry]) -> Table:
    from lineament.core.shots.quality_report import reasons
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False)
    for name in ("frame", "status", "flicker", "seam", "TL-ID", "edit", "mask"):
        table.add_column(name, justify="left" if name == "status" else "right", no_wrap=True)
    table.add_column("look at", overflow="fold")
    for one in frames:
        quality = one.quality
        local = min((face.local for face in one.faces if face.local is not None), default=None)
        cells = ["-"] * 5
        if quality is not None:
            figures = (quality.flicker, quality.seam_ratio, local, quality.edit_mean)
            cells = [*map(_number, figures), f"{100 * quality.mask_share:.1f} %"]
        notes = [*reasons(one), *([f"stale: {one.stale}"] if one.stale else [])]
        table.add_row(str(one.number), one.state, *cells, Text("; ".join(notes)))
    return table


def _number(value: float | None) -> str:
    return "-" if value is None or value != value else f"{value:.3f}"
