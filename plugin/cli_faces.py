"""``lineament faces``: our own renderer of heads, its data sets and pictures of what it can do."""

from __future__ import annotations

import json
import os
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from .cli_flags import option
from .cli_tools import refuse_taken, save_picture

if TYPE_CHECKING:
    from lineament.core.synthetic.dataset import Correlated

faces = typer.Typer(help="Render faces with known truth: data sets, sheets, shots.", no_args_is_help=True)

Assets = Annotated[
    Path, option("--assets", help="Built head asset, or the folder of the unpacked CC0 package (facekit).")
]
Correlations = Annotated[
    str,
    option(
        "--correlations",
        help='Which attributes go together: ffhq, none, or a JSON file of pairs such as {"age,glasses": 0.5}.',
    ),
]
Framing = Annotated[
    str, option("--framing", help="ffhq shows the whole head, tight the face, neck the face with its neck.")
]
Families = Annotated[
    int, option("--families", help="How many base faces with one variant per attribute each.", min=0)
]
Varied = Annotated[
    str, option("--attributes", help="Attributes that the variants change, such as age,smile,glasses.")
]
GradeShare = Annotated[
    float, option("--grade-share", help="Share of the families, 0 to 1, that is for grading only.")
]
Samples = Annotated[int, option("--samples", help="Samples along one side of a pixel.", min=1, max=8)]
Size = Annotated[int, option("--size", help="Side of a picture in pixels.", min=32, max=1024)]
Overwrite = Annotated[bool, option("--overwrite", help="Replace a file that exists.")]
Seed = Annotated[int, option("--seed", help="Seed of the faces; another seed, other faces.", min=0)]


@faces.command("assets")
def build_assets(
    assets: Assets,
    output: Annotated[Path, option("--output", "-o", help="File to write, ending in .npz.")],
    overwrite: Overwrite = False,
) -> None:
    """Build the head asset: base mesh, morph targets and regions of the CC0 head in one small file."""
    from lineament.core.errors import DataError
    from lineament.core.synthetic.assets import asset_from
    from lineament.core.synthetic.studio import asset_digest

    from .terminal import out

    if output.suffix.lower() != ".npz":
        raise DataError(
            f"A head asset ends in .npz, not in {output.suffix or 'nothing'}.",
            where=str(output),
            remedy="Choose another path with -o.",
        )
    refuse_taken(output, overwrite=overwrite)
    asset = asset_from(assets)
    try:
        asset.save(output)
    except OSError as err:
        raise DataError(
            f"The asset cannot be written: {err.strerror or err}.",
            where=str(output),
            remedy="Choose another path with -o.",
        ) from err
    console = out()
    for name in sorted(asset.tables):
        table = asset.tables[name]
        shape = " x ".join(map(str, table.shape)) or "one"
        console.print(f"{name}: {shape} {table.dtype}", markup=False)
    size = output.stat().st_size / 1e6
    console.print(f"{len(asset.targets.names)} morph targets, {asset_digest(asset)[:12]}", markup=False)
    console.print(f"{output}: {size:.2f} MB", markup=False)


@faces.command("dataset")
def make(
    assets: Assets,
    output: Annotated[
        Path, option("--output", "-o", help="Folder of the data set; an unfinished one goes on.")
    ],
    count: Annotated[int, option("--n", help="How many independent faces.", min=0)] = 1000,
    families: Families = 0,
    attributes: Varied = "",
    size: Size = 128,
    seed: Seed = 1,
    correlations: Correlations = "ffhq",
    workers: Annotated[
        int, option("--workers", help="Processes that render; 0 takes one for each core.", min=0, max=256)
    ] = 0,
    framing: Framing = "ffhq",
    samples: Samples = 2,
    grade_share: GradeShare = 0.5,
) -> None:
    """Render a labelled data set; a run that was stopped goes on with what is missing."""
    from lineament.core.synthetic.assets import HeadAsset
    from lineament.core.synthetic.dataset import DatasetSettings
    from lineament.core.synthetic.dataset_folder import make_dataset
    from lineament.core.synthetic.studio import asset_digest, open_studio, renderer_version

    from .terminal import err, out

    settings = DatasetSettings(
        count,
        families,
        _names(attributes),
        size,
        seed,
        _declared(correlations),
        framing,
        samples,
        grade_share,
    )
    asset = _built(assets)
    made_with = {"assets": asset_digest(HeadAsset.load(asset)), "renderer": renderer_version()}
    progress = err()
    run = make_dataset(
        output,
        settings,
        partial(open_studio, asset, settings.alignment, settings.seed, settings.samples),
        made_with=made_with,
        workers=workers or len(os.sched_getaffinity(0)),
        tell=lambda line: progress.print(line, markup=False),
    )
    console = out()
    if run.made:
        console.print(
            f"{run.made} faces made, {run.found} were there; {run.seconds:.1f} s, "
            f"{run.faces_per_second:.2f} faces/s, {run.faces_per_core_second:.2f} per second of one core",
            markup=False,
        )
    else:
        console.print(f"All {run.found} faces were there.", markup=False)
    console.print(str(output), markup=False)


@faces.command("sheet")
def draw_sheet(
    assets: Assets,
    output: Annotated[Path, option("--output", "-o", help="PNG file to write.")],
    sweep: Annotated[
        str, option("--sweep", help="Attribute that changes from left to right; empty: samples.")
    ] = "",
    seed: Seed = 1,
    columns: Annotated[int, option("--columns", help="Pictures in a row.", min=1, max=64)] = 8,
    rows: Annotated[int, option("--rows", help="Rows of pictures.", min=1, max=64)] = 4,
    size: Size = 128,
    correlations: Correlations = "ffhq",
    framing: Framing = "ffhq",
    samples: Samples = 3,
    overwrite: Overwrite = False,
) -> None:
    """Draw a contact sheet of random faces, or of one attribute changing on several faces."""
    from lineament.core.synthetic.dataset import DatasetSettings
    from lineament.core.synthetic.sampler import Sampler
    from lineament.core.synthetic.sheet import sample_sheet, sweep_sheet
    from lineament.core.synthetic.studio import open_studio

    refuse_taken(output, overwrite=overwrite)
    settings = DatasetSettings(
        size=size, seed=seed, correlations=_declared(correlations), framing=framing, samples=samples
    )
    sampler = Sampler(settings.correlations)
    with open_studio(_built(assets), settings.alignment, seed, samples) as draw:
        picture = (
            sweep_sheet(draw, sampler, seed, sweep, columns, rows)
            if sweep
            else sample_sheet(draw, sampler, seed, columns, rows)
        )
    save_picture(output, picture)


@faces.command("correlations")
def show_correlations(
    correlations: Correlations = "ffhq",
    seed: Seed = 0,
    count: Annotated[
        int, option("--n", help="Faces to measure on; nothing is rendered.", min=100, max=1_000_000)
    ] = 5000,
) -> None:
    """Show which attributes were declared to go together, and how much they do."""
    from lineament.core.synthetic.sampler import Sampler

    from .terminal import out

    out().print(Sampler(_declared(correlations)).report(seed, count).table(), markup=False)


def _built(source: Path) -> Path:
    """The asset file that worker processes open; built from the CC0 package at the first call."""
    from lineament.core.synthetic.studio import built_asset

    from .options import default_cache

    return built_asset(source, Path(default_cache()).parent / "faces")


def _names(text: str) -> tuple[str, ...]:
    """Names between commas."""
    return tuple(name for part in text.split(",") if (name := part.strip()))


def _declared(text: str) -> Correlated:
    """What ``--correlations`` names: a preset, or the pairs of a JSON file."""
    from lineament.core.errors import RecipeError

    presets: dict[str, Correlated] = {"ffhq": "ffhq", "none": "none"}
    if text in presets:
        return presets[text]
    try:
        pairs = json.loads(Path(text).read_bytes(), object_pairs_hook=_each_once)
        if not isinstance(pairs, dict):
            raise ValueError("it holds no pairs")
        return {str(pair): _number(value) for pair, value in pairs.items()}
    except (OSError, ValueError, TypeError, RecursionError) as err:
        raise RecipeError(
            f"The correlations {text!r} are neither ffhq nor none, nor a JSON file of pairs: {err}.",
            where="--correlations",
            remedy='Write pairs like {"age,glasses": 0.5} into a file and name it.',
        ) from err


def _each_once(pairs: list[tuple[str, object]]) -> dict[str, object]:
    """A JSON object whose keys differ; raises ValueError for a key given twice, of which json would keep the last."""
    content = dict(pairs)
    if len(content) < len(pairs):
        keys = [key for key, _ in pairs]
        raise ValueError(f"{next(key for key in keys if keys.count(key) > 1)!r} is given twice")
    return content


def _number(value: object) -> float:
    """A number of a JSON file. Raises ValueError for words, true and false."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ValueError(f"{json.dumps(value)} is no number")
    return float(value)
