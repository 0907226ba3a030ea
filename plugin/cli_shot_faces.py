"""``lineament faces shot``: a plate, and the same frames with one attribute changed and nothing else."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated

import typer

from .cli_faces import Assets
from .cli_flags import option

Size = Annotated[str, option("--size", help="Width and height in pixels, such as 1920x1080.")]


def register(faces: typer.Typer) -> None:
    """Add the command to the group ``lineament faces``."""
    faces.command()(shot)


def shot(
    assets: Assets,
    output: Annotated[Path, option("--output", "-o", help="Folder of the shot; an unfinished one goes on.")],
    edit: Annotated[
        list[str] | None,
        option(
            "--edit",
            help="A truth: attribute=value sets, attribute=+step moves, commas join. May be repeated.",
        ),
    ] = None,
    seed: Annotated[int, option("--seed", help="Seed of face, performance and camera.", min=0)] = 0,
    frames: Annotated[int, option("--frames", help="Number of frames.", min=1, max=10000)] = 48,
    first: Annotated[int, option("--first", help="Number of the first frame.", min=0)] = 1001,
    size: Size = "1920x1080",
    occluder: Annotated[
        bool, option("--occluder", help="Let a post pass before the face, the same in plate and truths.")
    ] = False,
    grain: Annotated[
        float, option("--grain", help="Film grain, the same in plate and truths.", min=0.0, max=1.0)
    ] = 0.25,
    samples: Annotated[int, option("--samples", help="Samples along one side of a pixel.", min=1, max=8)] = 3,
) -> None:
    """Render a shot with known truth: EXR plates, edited EXRs, masks, landmarks, and what everything was."""
    from lineament.core.synthetic.backgrounds import background
    from lineament.core.synthetic.edits import parse_edits, plate_face
    from lineament.core.synthetic.sampler import Sampler
    from lineament.core.synthetic.shot import ShotMaker, ShotSettings
    from lineament.core.synthetic.shot_files import write_shot
    from lineament.core.synthetic.studio import open_renderer

    from .bench_truth_shots import asset_file, made_with
    from .terminal import err, out

    width, height = parse_size(size)
    edits = parse_edits(edit or ())
    asset = asset_file(assets)
    settings = ShotSettings(
        seed, edits, frames, first, width, height, occluder, grain, samples, made_with(asset)
    )
    base = plate_face(Sampler("ffhq"), seed, edits)
    progress = err()
    with open_renderer(asset) as renderer:
        maker = ShotMaker(settings, base, renderer, background)
        made = write_shot(maker, output, lambda line: progress.print(line, markup=False))
    truths = "".join(f", {edit.name} ({edit})" for edit in edits)
    out().print(f"{output}: {made} of {frames} frames rendered; plate{truths}", markup=False)


def parse_size(text: str) -> tuple[int, int]:
    """``1920x1080`` -> (1920, 1080). Raises BadParameter for anything else."""
    found = re.fullmatch(r"\s*(\d{1,5})\s*[xX]\s*(\d{1,5})\s*", text)
    if found is None:
        raise typer.BadParameter(f"{text!r} is no size such as 1920x1080.", param_hint="--size")
    return int(found[1]), int(found[2])
