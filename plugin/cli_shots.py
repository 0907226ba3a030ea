"""``lineament shots``: the show file, which says what is edited on which shot, made, checked, shown and changed."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from .cli_flags import option

if TYPE_CHECKING:
    from lineament.core.shots.difference import Change
    from lineament.core.shots.shot import Shot, Show
    from lineament.core.shots.shot_file import Problem

shots = typer.Typer(
    help="Make, check, show and change the file that lists a show's shots.", no_args_is_help=True
)

File = Annotated[
    str | None,
    typer.Argument(help="Show file or timeline; $LINEAMENT_SHOTS, or shots.yaml here, if not given."),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON for programs.")]


@shots.command()
def init(
    source: Annotated[
        Path, typer.Argument(help="Folder of plates, a timeline (.otio, .otioz, .otiod) or a show file.")
    ],
    output: Annotated[
        Path, option("--output", "-o", help="The file to make: .yaml, .json, .otio, .otioz or .otiod.")
    ],
    timeline: Annotated[
        Path | None,
        typer.Option(
            "--timeline", help="Write the settings into a copy of this timeline, kept as it is otherwise."
        ),
    ] = None,
    overwrite: Annotated[bool, option("--overwrite", help="Replace the file if it exists.")] = False,
) -> None:
    """Make a show file from plates on disk, from a cut, or from another show file."""
    from .show_init import make_show_file
    from .terminal import err, out

    made = make_show_file(source, output, timeline=timeline, overwrite=overwrite)
    for note in made.notes:
        err().print(note, markup=False)
    out().print(
        f"{output}: {len(made.show.shots)} shots. Check them: lineament shots check {output}", markup=False
    )


@shots.command()
def check(
    file: File = None,
    quick: Annotated[
        bool, typer.Option("--quick", help="Look for files only: open no plate and no model.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Resolve every plate, mask, frame, attribute and output of a show, and tell all that is wrong."""
    from lineament.core.shots.check import Lookups, check_show
    from lineament.core.shots.shot_file import ShowFileError, read_show

    from .show_source import show_path

    path = show_path(file)
    show: Show | None = None
    try:
        show = read_show(path)
        _tell_notes(path)
        from .shot_look import lookups, unwritable

        problems = check_show(show, Lookups() if quick else lookups()) + unwritable(show)
        code = 3
    except ShowFileError as err:
        problems, code = list(err.problems), err.exit_code
    _tell(problems, show, as_json)
    raise typer.Exit(code if any(problem.is_error for problem in problems) else 0)


@shots.command("list")
def list_shots(file: File = None, as_json: AsJson = False) -> None:
    """Show every shot: frames, faces, strengths, mask, plate and output, defaults merged in."""
    from lineament.core.shots.shot_file import read_show

    from .show_source import show_path
    from .terminal import out

    show = read_show(show_path(file))
    if as_json:
        out().print(json.dumps([_as_data(shot) for shot in show.shots], indent=2), markup=False)
        return
    _print_table(show)


@shots.command("set")
def set_(
    words: Annotated[
        list[str],
        typer.Argument(
            metavar="[FILE] SHOT NAME=VALUE...",
            help="The shot and its changes: age=1.2, age=1001:0,1040:1.5,smooth, handles=8; age= takes it out.",
        ),
    ],
    face: Annotated[
        str, typer.Option("--face-name", help="Name of the face meant, in a shot with several.")
    ] = "",
    defaults: Annotated[
        bool, typer.Option("--defaults", help="Change the defaults of all shots; name no shot.")
    ] = False,
) -> None:
    """Change strengths and fields of one shot in place; comments and order of the file stay."""
    from .show_change import change_show
    from .show_source import split_words
    from .terminal import err, out

    path, rest = split_words(words)
    if not defaults and (not rest or "=" in rest[0]):
        raise typer.BadParameter("name the shot before its changes: lineament shots set sh010 age=1.2")
    shot = "" if defaults else rest.pop(0)
    if not rest:
        raise typer.BadParameter("name at least one change, such as age=1.2")
    done = change_show(path, shot, rest, face)
    for warning in done.warnings:
        err().print(warning, markup=False)
    for change in done.changes:
        out().print(_line_of(change), markup=False)
    if not done.changes:
        out().print("Nothing changed: the file says so already.", markup=False)


@shots.command()
def diff(
    words: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[FILE [OTHER]] [SHOT...]",
            help="One file is compared with its own defaults, two with each other; shots limit it to these.",
        ),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Show what differs between two show files, or between the shots of one and its defaults."""
    from lineament.core.shots.difference import between, from_defaults
    from lineament.core.shots.shot_file import read_show

    from .show_source import is_show_file, show_path, split_words
    from .terminal import out

    path, rest = split_words(words or [])
    if rest and is_show_file(rest[0]):
        changes = between(read_show(path), read_show(show_path(rest[0])), tuple(rest[1:]))
    else:
        changes = from_defaults(read_show(path), tuple(rest))
    if as_json:
        out().print(json.dumps([asdict(change) for change in changes], indent=2), markup=False)
        return
    _print_changes(changes)


def _tell_notes(path: Path) -> None:
    """What a timeline leaves out or extends."""
    from lineament.core.shots.shot_file import TIMELINES

    from .terminal import err

    if path.suffix.lower() in TIMELINES:
        from lineament.core.shots.timeline import read_timeline

        for note in read_timeline(path).notes:
            err().print(f"note: {note}", markup=False)


def _tell(problems: Sequence[Problem], show: Show | None, as_json: bool) -> None:
    """The problems, errors and warnings, each in three parts; the summary last."""
    from .terminal import out

    console = out()
    if as_json:
        console.print(json.dumps([asdict(problem) for problem in problems], indent=2), markup=False)
        return
    for problem in problems:
        console.print(f"{'error' if problem.is_error else 'warning'}: {problem.what}", markup=False)
        console.print(f"    {problem.where}", markup=False)
        console.print(f"    {problem.remedy}", markup=False)
    errors = sum(problem.is_error for problem in problems)
    counts = f"{_count(errors, 'error')}, {_count(len(problems) - errors, 'warning')}"
    console.print(f"{_count(len(show.shots), 'shot')}: {counts}." if show else f"{counts}.", markup=False)


def _count(number: int, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'}"


def _print_table(show: Show) -> None:
    from rich.table import Table

    from .terminal import out

    table = Table(box=None, pad_edge=False)
    for title in ("shot", "frames", "handles", "face", "strengths", "mask", "output"):
        table.add_column(title, overflow="fold")
    for shot in show.shots:
        data = _as_data(shot)
        for row, face in enumerate(data["faces"]):
            first = (
                (shot.name, data["frames"] or "all on disk", str(shot.handles)) if row == 0 else ("", "", "")
            )
            strengths = ", ".join(f"{name} {text}" for name, text in face["strengths"].items())
            named = face["face"] if len(data["faces"]) == 1 else f"{face['name']}: {face['face']}"
            last = (data["mask"], _from_root(shot.output, show)) if row == 0 else ("", "")
            table.add_row(*(_plain(text) for text in (*first, named, strengths or "none", *last)))
    out().print(table)


def _plain(text: str) -> Any:
    from rich.text import Text

    return Text(text)


def _from_root(path: str, show: Show) -> str:
    return path.removeprefix(f"{show.root}/")


def _as_data(shot: Shot) -> dict[str, Any]:
    """A shot for programs: every field as it is after merging, strengths as they are typed."""
    from lineament.core.io.sequences import format_frames
    from lineament.core.strength_file import strength_text

    names = (
        "handles",
        "missing",
        "layer",
        "colourspace",
        "ocio",
        "locator",
        "pixel_aspect",
        "model",
        "seed",
        "version",
    )
    data: dict[str, Any] = {"name": shot.name, "plate": shot.plate, "output": shot.output}
    data["frames"] = format_frames(shot.frames) if shot.frames else ""
    data |= {name: getattr(shot, name) for name in names}
    data["mask"] = str(shot.mask) if shot.mask is not None else ""
    data["analysis"] = asdict(shot.analysis)
    data["faces"] = [
        {
            "name": face.name,
            "face": str(face.choice),
            "strengths": {move.attribute: strength_text(move.strength) for move in face.recipe.moves},
            "mix": face.recipe.mix,
            "exposure": face.recipe.exposure,
            "mask_feather": face.recipe.mask_feather,
            "detail_clamp": face.recipe.detail_clamp,
            "notes": face.recipe.notes,
        }
        for face in shot.faces
    ]
    return data | {"where": shot.where}


def _print_changes(changes: Sequence[Change]) -> None:
    from .terminal import out

    console, last = out(), ""
    for change in changes:
        if change.shot != last:
            console.print(change.shot, markup=False)
            last = change.shot
        console.print(f"    {_line_of(change, with_shot=False)}", markup=False)
    if not changes:
        console.print("No difference.", markup=False)


def _line_of(change: Change, with_shot: bool = True) -> str:
    shot = f"{change.shot}: " if with_shot else ""
    if not change.field:
        return f"{shot}{'only in the second file' if change.after else 'only in the first file'}"
    return f"{shot}{change.field}: {change.before or '(none)'} -> {change.after or '(none)'}"
