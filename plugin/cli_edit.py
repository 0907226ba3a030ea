"""``lineament edit``: a plate or a shot in, the edited one out."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, cast

import typer

from .cli_flags import flag, option
from .node_spec import Value

if TYPE_CHECKING:
    from lineament.core.io.sequences import MissingPolicy
    from lineament.core.recipe import EditRecipe

    from .messages import ToolChoices
    from .plan import Existing, Job, Plan

Plate = Annotated[
    str, typer.Argument(help="Plate: a file, or a pattern such as shot.%04d.exr or shot.####.exr.")
]
Output = Annotated[
    str, option("--output", "-o", help="Where to write: a folder, a pattern with a frame token, or one file.")
]
Frames = Annotated[str, option("--frames", help="Frames such as 1001-1100x2,1105; empty takes all on disk.")]
Sets = Annotated[
    list[str] | None, option("--set", help="Attribute and strength: --set age=1.5. May be repeated.")
]
Keys = Annotated[
    list[str] | None,
    option("--keys", help="Attribute with keys by frame: --keys age=1001:0,1040:1.5. May be repeated."),
]
Recipe = Annotated[Path | None, option("--recipe", help="Recipe file, YAML or JSON; options given here win.")]
Missing = Annotated[
    str, option("--missing", help="Frames without a plate: error, skip, or hold the nearest earlier one.")
]
Overwrite = Annotated[bool, option("--overwrite", help="Replace outputs that exist.")]
SkipExisting = Annotated[
    bool, option("--skip-existing", help="Leave frames whose output exists: resume a shot.")
]
KeepGoing = Annotated[
    bool,
    option("--keep-going/--fail-fast", help="Go on after a frame that failed, or stop at the first one."),
]
DryRun = Annotated[bool, option("--dry-run", help="Print what would be done; write nothing.")]
LogJson = Annotated[Path | None, option("--log-json", help="Append one JSON line per event to this file.")]
Worker = Annotated[bool, option("--worker", help="Render in a child process, which a crash cannot harm.")]
Cache = Annotated[
    str | None, option("--cache", help="Folder of the latent cache; the user's cache folder if not given.")
]


def register(app: typer.Typer) -> None:
    """Add the command to the program."""
    app.command()(edit)


def edit(
    plate: Plate,
    output: Output,
    frames: Frames = "",
    set_: Sets = None,
    keys: Keys = None,
    recipe: Recipe = None,
    face: Annotated[int | None, flag("face")] = None,
    locator: Annotated[str | None, flag("locator")] = None,
    track: Annotated[str | None, flag("track")] = None,
    model: Annotated[str | None, flag("model")] = None,
    inverter: Annotated[str | None, flag("inverter")] = None,
    seed: Annotated[int | None, flag("seed")] = None,
    layer: Annotated[str | None, flag("layer")] = None,
    colourspace: Annotated[str | None, flag("colourspace")] = None,
    ocio: Annotated[str | None, flag("ocio")] = None,
    exposure: Annotated[float | None, flag("exposure")] = None,
    mix: Annotated[float | None, flag("mix")] = None,
    mask: Annotated[str | None, flag("mask")] = None,
    invert_mask: Annotated[bool | None, flag("invert_mask")] = None,
    mask_feather: Annotated[float | None, flag("mask_feather")] = None,
    detail_clamp: Annotated[float | None, flag("detail_clamp")] = None,
    device: Annotated[str | None, flag("device")] = None,
    missing: Missing = "error",
    overwrite: Overwrite = False,
    skip_existing: SkipExisting = False,
    keep_going: KeepGoing = True,
    dry_run: DryRun = False,
    log_json: LogJson = None,
    worker: Worker = False,
    cache: Cache = None,
) -> None:
    """Edit the attributes of a face in a plate or in every frame of a shot."""
    given = dict(locals())
    from .plan import Job, make_plan  # here, not on top: the help must not wait for the libraries

    values: Mapping[str, Value | None] = {name: given[name] for name in PARAMETERS}
    built, choices = _merge(recipe, set_, keys, values, cache)
    policy = _missing_policy(missing)
    job = Job(
        *(plate, output, built, frames, policy, _existing(overwrite, skip_existing), keep_going),
        mask=mask or "",
        invert_mask=bool(invert_mask),
    )
    plan = make_plan(job)
    if log_json is not None:
        from .event_log import refuse_as_log

        refuse_as_log(log_json, plan.pictures)
    if plan.requests:
        from .preflight import check_attributes

        check_attributes(built, choices)
    raise typer.Exit(_describe(plan, choices) if dry_run else _run(job, plan, choices, log_json, worker))


PARAMETERS = (
    *("face", "locator", "track", "model", "inverter", "seed", "layer", "colourspace", "ocio"),
    *("exposure", "mix", "mask", "invert_mask", "mask_feather", "detail_clamp", "device"),
)
"""The node's parameters that ``edit`` takes as options; a test compares them with the declaration."""


def _merge(
    recipe: Path | None,
    sets: list[str] | None,
    keys: list[str] | None,
    values: Mapping[str, Value | None],
    cache: str | None,
) -> tuple[EditRecipe, ToolChoices]:
    from .options import build_choices, build_recipe

    built = build_recipe(recipe, sets or (), keys or (), values)
    return built, build_choices(built, values, cache)


def _missing_policy(text: str) -> MissingPolicy:
    if text not in ("error", "skip", "hold"):
        raise typer.BadParameter(f"{text!r} is not one of error, skip, hold.", param_hint="--missing")
    return cast("MissingPolicy", text)


def _existing(overwrite: bool, skip_existing: bool) -> Existing:
    if overwrite and skip_existing:
        raise typer.BadParameter("--overwrite and --skip-existing exclude each other.")
    return "overwrite" if overwrite else "skip" if skip_existing else "refuse"


def _describe(plan: Plan, choices: ToolChoices) -> int:
    from .preflight import describe
    from .terminal import out

    console = out()
    for name, value in describe(plan, choices):
        console.print(f"{name}: {value}", markup=False)
    return 0


def _run(job: Job, plan: Plan, choices: ToolChoices, log_json: Path | None, worker: bool) -> int:
    from .batch import Reporter, run
    from .session import LocalSession, Session, WorkerSession
    from .terminal import JsonReporter, reporter_for_terminal

    reporters: list[Reporter] = [reporter_for_terminal()]
    if log_json is not None:
        reporters.append(JsonReporter(log_json))
    session: Session = WorkerSession(choices) if worker else LocalSession(choices)
    with closing(session):
        return run(plan, session, reporters, keep_going=job.keep_going).exit_code
