"""``lineament bench``: how good edits are, measured where the truth is known."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import typer

from .cli_faces import Assets
from .cli_flags import flag, option
from .cli_shot_faces import parse_size

bench = typer.Typer(help="Measure edits against shots whose truth is known.", no_args_is_help=True)

Output = Annotated[
    Path, option("--output", "-o", help="Folder of shots and results; an unfinished run goes on.")
]
Profile = Annotated[
    str, option("--profile", help="quick takes minutes; full takes HD shots, more of them, and hours.")
]
Attributes = Annotated[
    str, option("--attributes", help="Attributes between commas; empty takes the profile's.")
]
Inverters = Annotated[
    str, option("--inverters", help="encoder, optimise, or both with a comma; empty takes the profile's.")
]
Seeds = Annotated[
    int, option("--seeds", help="How many shots results are quoted on; 0 takes the profile's.", min=0)
]
FirstSeed = Annotated[
    int, option("--first-seed", help="Seed of the first shot; those below 100 are for development.", min=0)
]
Frames = Annotated[int, option("--frames", help="Frames of a shot; 0 takes the profile's.", min=0)]
Size = Annotated[str, option("--size", help="Width and height such as 1920x1080; empty takes the profile's.")]
Criterion = Annotated[
    str,
    option(
        "--criterion", help="How strengths are chosen: best gain, or the truth's change of the attribute."
    ),
]
Data = Annotated[
    Path | None,
    option(
        "--data", help="Labelled renders to find directions from; else the model's own faces are labelled."
    ),
]
Shots = Annotated[
    Path | None, option("--shots", help="Where rendered shots are kept; inside the output if not given.")
]
Workers = Annotated[
    int,
    option("--workers", help="Processes that render and measure; 0 takes one for each core.", min=0, max=256),
]


@bench.callback()
def _group() -> None:
    """Keeps the group a group while it has one command."""


@bench.command("truth")
def truth(
    assets: Assets,
    output: Output = Path("out/bench_truth"),
    profile: Profile = "quick",
    attributes: Attributes = "",
    inverters: Inverters = "",
    seeds: Seeds = 0,
    first_seed: FirstSeed = 100,
    frames: Frames = 0,
    size: Size = "",
    criterion: Criterion = "gain",
    data: Data = None,
    shots: Shots = None,
    model: Annotated[str | None, flag("model")] = None,
    device: Annotated[str | None, flag("device")] = None,
    workers: Workers = 0,
) -> None:
    """Score every way of finding directions, and rows that all must beat, on shots with known truth."""
    from .bench_truth import run_bench
    from .bench_truth_settings import settings_of
    from .bench_truth_shots import asset_file
    from .terminal import err, out

    settings = settings_of(
        profile,
        output,
        asset_file(assets),
        attributes=_names(attributes),
        inverters=_names(inverters),
        seeds=seeds,
        first_seed=first_seed,
        frames=frames,
        size=parse_size(size) if size else None,
        model=model or "default",
        device=device or "cpu",
        data=data,
        shots=shots,
        criterion=criterion,
        workers=workers or len(os.sched_getaffinity(0)),
    )
    progress = err()
    report = run_bench(settings, lambda line: progress.print(line, markup=False))
    out().print(report, markup=False)
    progress.print(f"look at {output / 'figure.png'} and {output / 'sheet.png'}", markup=False)


def _names(text: str) -> tuple[str, ...]:
    return tuple(name for part in text.split(",") if (name := part.strip()))
