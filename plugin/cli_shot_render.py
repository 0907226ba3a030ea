"""``lineament shot render``: analysed shots of a show file, frame by frame to disk."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from .cli_flags import flag, option
from .cli_shot import Cache, Device, OpenJD, analysis_cache

if TYPE_CHECKING:
    from lineament.core.shots.shot import Shot

    from .batch import Reporter
    from .farm_report import EngineLines
    from .shot_plan import ShotPlan
    from .shot_render import Total
    from .shot_run import Prepared, ReportersOf, ShotsRun

Words = Annotated[
    list[str],
    typer.Argument(
        metavar="[FILE] SHOT...", help="Show file or timeline, and shots of it; the usual file if not given."
    ),
]
Frames = Annotated[
    str, option("--frames", help="Frames such as 1001-1100x2,1105; empty takes the whole shot.")
]
Jobs = Annotated[int, option("--jobs", "-j", min=1, max=256, help="Processes that render at the same time.")]
KeepGoing = Annotated[
    bool,
    option("--keep-going/--fail-fast", help="Go on after a frame that failed, or stop at the first one."),
]
Overwrite = Annotated[
    bool, option("--overwrite", help="Render valid frames again, and replace files of somebody else.")
]
DryRun = Annotated[bool, option("--dry-run", help="Print what would be rendered, and why; write nothing.")]
LogJson = Annotated[Path | None, option("--log-json", help="Append one JSON line per event to this file.")]

PARAMETERS = ("mix", "mask", "invert_mask", "mask_feather", "detail_clamp")
"""The node's parameters that change a render without a new analysis; they win over the show file."""


def register(app: typer.Typer) -> None:
    """Add the command to the group ``shot``."""
    app.command()(render)


def render(
    words: Words,
    frames: Frames = "",
    jobs: Jobs = 1,
    keep_going: KeepGoing = True,
    overwrite: Overwrite = False,
    dry_run: DryRun = False,
    log_json: LogJson = None,
    mix: Annotated[float | None, flag("mix")] = None,
    mask: Annotated[str | None, flag("mask")] = None,
    invert_mask: Annotated[bool | None, flag("invert_mask")] = None,
    mask_feather: Annotated[float | None, flag("mask_feather")] = None,
    detail_clamp: Annotated[float | None, flag("detail_clamp")] = None,
    device: Device = None,
    cache: Cache = None,
    openjd: OpenJD = False,
) -> None:
    """Render shots that were analysed. Frames that are valid stay: run it again to finish or to follow a change.

    A frame is valid if its file has the bytes that the manifest beside it recorded for the same plate, parameters and
    model.
    """
    given = dict(locals())
    from .farm_report import engine_told

    with engine_told(openjd) as lines:
        code = _rendered(given, lines)
    raise typer.Exit(code)


def _rendered(given: dict[str, Any], lines: EngineLines) -> int:
    """What the command does, from its arguments by name; the exit code."""
    from lineament.core.shots.overrides import overridden
    from lineament.core.shots.shot_file import read_show

    from .shot_finished import LateOpener, known_shot
    from .shot_order import orders
    from .shot_run import ShotsJob, ShotsRun, prepare
    from .show_source import split_words

    path, names = split_words(given["words"])
    if not names or len(set(names)) < len(names):
        raise typer.BadParameter("name each shot once: lineament shot render shots.yaml sh010 sh020")
    show, values = read_show(path), {name: given[name] for name in PARAMETERS}
    shots = tuple(overridden(show.shot(name), values) for name in names)
    job = ShotsJob(shots, given["frames"], given["jobs"], given["keep_going"], given["overwrite"])
    prepared = prepare(job)
    if given["log_json"] is not None:
        refuse_log(given["log_json"], prepared)
    order_of = orders(given["device"] or "cpu", analysis_cache(given["cache"]))
    run = ShotsRun(job, order_of, LateOpener(), known_shot)
    return (
        _describe(run, prepared)
        if given["dry_run"]
        else render_shots(run.render, path, prepared, given["log_json"], lines)
    )


def refuse_log(log_json: Path, shots: Sequence[Prepared]) -> None:
    """Raise RecipeError for a log that would be a picture or manifest of the shots."""
    from .event_log import refuse_as_log
    from .manifest import manifest_path

    pictures = [
        name for one in shots for request in one.requests for name in (request.plate, request.output) if name
    ]
    refuse_as_log(log_json, [*pictures, *(manifest_path(one.shot.output) for one in shots)])


def render_shots(
    render: Callable[[Sequence[Prepared], ReportersOf], Total],
    path: Path,
    shots: Sequence[Prepared],
    log_json: Path | None,
    lines: EngineLines,
    command: str = "lineament shot render",
) -> int:
    """Render prepared shots and report them; the exit code. ``command`` is what a person types to go on."""
    from .farm_report import EngineReporter
    from .shot_run import left_over
    from .terminal import JsonReporter, err, out, reporter_for_terminal

    begun: list[str] = []

    def reporters(shot: Shot) -> list[Reporter]:
        begun.append(shot.name)
        err().print(f"shot {shot.name}", markup=False)
        log = [] if log_json is None else [JsonReporter(log_json, shot=shot.name)]
        engine = EngineReporter(lines, shot.name, len(begun) - 1, len(shots))
        return [reporter_for_terminal(), *log, engine]

    total = render(shots, reporters)
    commands = left_over(path, shots, total, command)
    if len(shots) > 1:
        complete = len(shots) - len(commands)
        out().print(f"{complete} of {len(shots)} shots complete.", markup=False)
    for line in commands if len(shots) > 1 else ():
        out().print(f"To do again: {line}", markup=False)
    return total.exit_code


def _describe(run: ShotsRun, shots: Sequence[Prepared]) -> int:
    from lineament.core.errors import LineamentError

    from .terminal import out, show_error

    code = 0
    for one in shots:
        try:
            lines = _described(one, run.plan(one))
        except LineamentError as error:
            show_error(error)
            code = code or error.exit_code
            continue
        for name, value in lines:
            out().print(f"{name}: {value}", markup=False)
    return code


def _described(one: Prepared, plan: ShotPlan) -> list[tuple[str, str]]:
    """Name and value of everything that was resolved, in reading order."""
    from lineament.core.io.sequences import format_frames

    numbers = [request.number for request in plan.requests]
    by_reason: dict[str, list[int]] = {}
    for request, reason in zip(plan.requests, plan.reasons, strict=True):
        by_reason.setdefault(reason, []).append(request.number)
    lines = [
        ("shot", one.shot.name),
        ("frames", f"{format_frames(numbers)} ({len(numbers)})" if numbers else "none"),
        *((f"because {reason}", format_frames(frames)) for reason, frames in by_reason.items()),
        ("valid, left alone", format_frames(plan.plan.skipped)),
        ("held for missing plates", format_frames(plan.plan.held)),
        ("faces", ", ".join(f"{face.name} ({face.choice})" for face in one.shot.faces)),
        ("mask", str(one.shot.mask or "")),
        ("model", one.shot.model),
        ("manifest", str(plan.manifest)),
    ]
    lines += [(f"frame {each.number}", f"{each.plate} -> {each.output}") for each in plan.requests]
    return [(name, value) for name, value in lines if value]
