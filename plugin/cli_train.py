"""``lineament train``: make the embedded model again; every command resumes where it was stopped."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from .cli_flags import option

train = typer.Typer(help="Train the embedded model and its face locator.", no_args_is_help=True)

Minutes = Annotated[float, option("--minutes", help="Processor minutes for encoder and synthesis.", min=0.0)]
Data = Annotated[Path, option("--data", help="Folder with the rendered faces (tar shards with labels).")]
Work = Annotated[Path, option("--work", help="Folder for checkpoints; a second run continues from there.")]
Device = Annotated[
    str, option("--device", help="cpu, cuda or auto; on a GPU --minutes are minutes of the clock.")
]
Result = Annotated[Path, option("--output", "-o", help="Folder that receives the weights.")]


@train.command("default")
def train_default(
    data: Data,
    work: Work = Path("out/train"),
    output: Result = Path("out/model"),
    minutes: Minutes = 90.0,
    start: Annotated[
        str, option("--start", help="Model to go on from if --work has no checkpoint yet, such as default.")
    ] = "",
    profile: Annotated[
        str, option("--profile", help="Size of the networks: cpu (64 px), gpu128 or gpu256.")
    ] = "cpu",
    device: Device = "cpu",
) -> None:
    """Train generator, encoder and scorers on rendered faces, find directions, and write a model package."""
    from lineament.core.training.default import TrainOptions, train

    from .terminal import out

    console = out()
    options = TrainOptions(
        data=data, run=work, output=output, minutes=minutes, start=start, profile=profile, device=device
    )
    folder = train(options, lambda line: console.print(line, markup=False))
    console.print(f"{folder}: done", markup=False)


@train.command("refiner")
def train_refiner_command(
    data: Data,
    work: Work = Path("out/refiner"),
    output: Result = Path("out/model"),
    minutes: Annotated[
        float, option("--minutes", help="Processor minutes for the refiner, in all.", min=0.0)
    ] = 30.0,
    model: Annotated[
        str, option("--model", help="Model that gets the refiner: default, or the folder of a package.")
    ] = "default",
    device: Device = "cpu",
) -> None:
    """Train the refiner of a finished model on pairs of renders, and write the model with it."""
    from lineament.core.training.refiner import RefinerOptions, train_refiner

    from .terminal import out

    console = out()
    options = RefinerOptions(data=data, run=work, output=output, model=model, minutes=minutes, device=device)
    folder = train_refiner(options, lambda line: console.print(line, markup=False))
    console.print(f"{folder}: done", markup=False)


@train.command("locator")
def train_locator(
    data: Data,
    work: Work = Path("out/train"),
    output: Result = Path("out/locator"),
    seconds: Annotated[
        float, option("--seconds", help="Processor time for each network, in seconds.", min=1.0)
    ] = 600.0,
    seed: Annotated[int, option("--seed", help="Seed of the samples.", min=0)] = 1,
    start: Annotated[
        str,
        option(
            "--start",
            help="Model whose networks go on learning if --work has no checkpoint: default, a folder.",
        ),
    ] = "",
    networks: Annotated[
        str, option("--networks", help="Which networks, separated by commas: landmark, scan, matte.")
    ] = "landmark,scan,matte",
    bfloat16: Annotated[
        bool, option("--bfloat16", help="Compute in bfloat16: faster where the processor has it.")
    ] = False,
    hard_negatives: Annotated[
        int,
        option(
            "--hard-negatives", help="How many deceiving windows to mine with --start, 0 for none.", min=0
        ),
    ] = 0,
) -> None:
    """Train the landmark, scan and matte networks of the face locator."""
    from lineament.core.training.locator import Options, train

    names = tuple(name.strip() for name in networks.split(","))
    train(
        Options(
            shards=data,
            work=work,
            output=output,
            networks=names,
            seconds=seconds,
            seed=seed,
            start=start,
            bfloat16=bfloat16,
            hard_negatives=hard_negatives,
        )
    )
