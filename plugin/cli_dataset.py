"""``lineament dataset``: edited sets of pictures for training other models, and their check."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from .cli_flags import flag, option

if TYPE_CHECKING:
    from .augment_run import AugmentOutcome
    from .augment_work import PictureDone
    from .farm_dask import DaskOptions

Pictures = Annotated[list[str], typer.Argument(help="Folders, frame patterns or files of stills or EXR.")]
Output = Annotated[
    str, option("--output", "-o", help="Folder of the set; a run that was stopped goes on there.")
]
Sets = Annotated[
    list[str] | None, option("--set", help="A strength that every variant has: --set age=2. May be repeated.")
]
Vary = Annotated[
    list[str] | None,
    typer.Option(
        "--vary",
        help="A range that strengths are drawn from: --vary age=-2:2. May be repeated.",
        show_default=False,
    ),
]
Grid = Annotated[
    list[str] | None,
    typer.Option(
        "--grid", help="Values of which all combinations are made: --grid age=-1,1. May be repeated."
    ),
]
Recipes = Annotated[
    list[Path] | None, typer.Option("--recipe", help="A recipe file for each variant. May be repeated.")
]
Filter = "What passes"
Form_ = "How it is written"

Variants = Annotated[int, option("--variants", min=1, help="How many draws from the ranges.")]
PerImage = Annotated[
    bool, option("--per-image/--consistent", help="Draw for every picture anew, or the same for all.")
]
IncludeOriginal = Annotated[
    bool, option("--include-original", help="The untouched picture belongs to the set too.")
]
Seed = Annotated[int, option("--seed", help="What the draws begin with.")]
Layout = Annotated[
    str,
    typer.Option("--format", metavar="folder|webdataset", help="Files, or shards.", rich_help_panel=Form_),
]
PictureFormat = Annotated[
    str,
    typer.Option(
        "--picture-format",
        metavar="keep|png",
        help="EXR and JPEG stay, TIFF becomes PNG; or all PNG.",
        rich_help_panel=Form_,
    ),
]
Crop = Annotated[
    str,
    typer.Option(
        "--crop",
        metavar="none|aligned",
        help="Whole pictures, or FFHQ's framing.",
        rich_help_panel=Form_,
    ),
]
Size = Annotated[
    int,
    typer.Option("--size", min=32, max=2048, help="Width of aligned crops, px.", rich_help_panel=Form_),
]
ShardMb = Annotated[
    int, typer.Option("--shard-mb", min=1, max=4096, help="Size of shards.", rich_help_panel=Form_)
]
KeepRejected = Annotated[
    bool,
    typer.Option("--keep-rejected", help="Write rejected pictures too, apart.", rich_help_panel=Form_),
]
MinIdentity = Annotated[
    float, typer.Option(help="Least cosine of the identity with the source's.", rich_help_panel=Filter)
]
MinSharpness = Annotated[
    float, typer.Option(help="Least gradient energy over the source's.", rich_help_panel=Filter)
]
MaxSharpness = Annotated[
    float, typer.Option(help="Most gradient energy over the source's.", rich_help_panel=Filter)
]
MinChange = Annotated[
    float, typer.Option(help="Least change inside the mask, rms stops.", rich_help_panel=Filter)
]
MaxChange = Annotated[
    float, typer.Option(help="Most change inside the mask, rms stops.", rich_help_panel=Filter)
]
MinEffect = Annotated[
    float,
    typer.Option(
        help="Least move of an attribute for a sigma, by the model's scorer.", rich_help_panel=Filter
    ),
]
MaxClamped = Annotated[
    float, typer.Option(help="Most of the face whose change was held back.", rich_help_panel=Filter)
]
NeedsFace = Annotated[
    bool,
    typer.Option(
        "--needs-face/--any-face", help="The face must be found again, or not.", rich_help_panel=Filter
    ),
]
MinDistance = Annotated[
    float,
    typer.Option(help="Least distance from every other picture; copies fall out.", rich_help_panel=Filter),
]
Jobs = Annotated[int, option("--jobs", min=1, max=256, help="Processes on this machine.")]
Dask = Annotated[
    str | None,
    typer.Option("--dask", help='Run on Dask: a scheduler\'s address, or "local" for --jobs workers here.'),
]
Overwrite = Annotated[
    bool, option("--overwrite", help="Other options, fewer pictures: what the set has no longer goes.")
]
DryRun = Annotated[bool, option("--dry-run", help="Say what would be made; write nothing.")]
Cache = Annotated[
    str | None,
    option("--cache", help="Folder of the latent cache; the user's cache folder if not given."),
]


def register(app: typer.Typer) -> None:
    """Add the group to the program."""
    group = typer.Typer(no_args_is_help=True, help="Edited sets of pictures for training other models.")
    group.command()(augment)
    group.command()(check)
    app.add_typer(group, name="dataset")


def augment(
    pictures: Pictures,
    output: Output,
    set_: Sets = None,
    vary: Vary = None,
    grid: Grid = None,
    recipe: Recipes = None,
    variants: Variants = 1,
    per_image: PerImage = False,
    include_original: IncludeOriginal = False,
    seed: Seed = 0,
    face: Annotated[int | None, flag("face")] = None,
    locator: Annotated[str | None, flag("locator")] = None,
    model: Annotated[str | None, flag("model")] = None,
    inverter: Annotated[str | None, flag("inverter")] = None,
    layer: Annotated[str | None, flag("layer")] = None,
    colourspace: Annotated[str | None, flag("colourspace")] = None,
    ocio: Annotated[str | None, flag("ocio")] = None,
    exposure: Annotated[float | None, flag("exposure")] = None,
    mix: Annotated[float | None, flag("mix")] = None,
    device: Annotated[str | None, flag("device")] = None,
    layout: Layout = "folder",
    picture_format: PictureFormat = "keep",
    crop: Crop = "none",
    size: Size = 256,
    shard_mb: ShardMb = 256,
    keep_rejected: KeepRejected = False,
    min_identity: MinIdentity = 0.4,
    min_sharpness: MinSharpness = 0.7,
    max_sharpness: MaxSharpness = 1.6,
    min_change: MinChange = 0.01,
    max_change: MaxChange = 1.0,
    min_effect: MinEffect = 0.0,
    max_clamped: MaxClamped = 0.05,
    needs_face: NeedsFace = True,
    min_distance: MinDistance = 0.002,
    jobs: Jobs = 1,
    dask: Dask = None,
    overwrite: Overwrite = False,
    dry_run: DryRun = False,
    cache: Cache = None,
) -> None:
    """Make consistent edited sets of somebody's pictures, with a table, filters, and provenance in every file."""
    given = dict(locals())
    raise typer.Exit(_augment(given))


def check(folder: Annotated[Path, typer.Argument(help="Folder of a set.")]) -> None:
    """Read every picture of a set and compare it with what was written."""
    from .augment_finish import check_set
    from .terminal import err, out

    count, wrong = check_set(folder)
    for line in wrong:
        err().print(line, markup=False, highlight=False)
    said = f"{len(wrong)} things are wrong" if wrong else "all is as it was written"
    out().print(f"{count} pictures in the table; {said}.", highlight=False)
    raise typer.Exit(3 if wrong else 0)


VALUES = (
    *("face", "locator", "model", "inverter", "layer", "colourspace", "ocio", "exposure", "mix", "device"),
)  # fmt: skip
NAMED = 20
"""Pictures that the summary names."""
LIMITS = (
    *("min_identity", "min_sharpness", "max_sharpness", "min_change", "max_change", "min_effect"),
    *("max_clamped", "needs_face", "min_distance"),
)


def _augment(given: dict[str, Any]) -> int:
    from lineament.core.augment.filters import Limits

    from .augment_job import AugmentJob, Form, find_pictures
    from .augment_run import augment as run
    from .augment_words import draws_of
    from .augment_work import open_workshop
    from .options import build_choices, build_recipe
    from .terminal import out

    values = {name: given[name] for name in VALUES} | {"seed": None}
    recipe = build_recipe(None, (), (), values)
    form = Form(
        *(given["layout"], given["picture_format"], given["crop"], given["size"]),
        *(given["shard_mb"], given["keep_rejected"]),
    )
    job = AugmentJob(
        find_pictures(given["pictures"], given["output"]),
        draws_of(given),
        Limits(**{name: given[name] for name in LIMITS}),
        recipe,
        build_choices(recipe, values, given["cache"]),
        form,
        given["output"],
    )
    many = job.draws.per_picture + job.draws.has_original
    told = f"{_count(len(job.sources), 'picture')}, {_count(many, 'variant')} of each"
    out().print(told, highlight=False)
    if given["dry_run"]:
        open_workshop(job)  # refuses attributes and strengths that the model does not have
        for source in job.sources:
            out().print(f"{source.path} -> {source.name}", markup=False, highlight=False)
        return 0
    outcome = run(
        job,
        jobs=given["jobs"],
        dask=_dask(given),
        overwrite=given["overwrite"],
        tell=_tell,
    )
    return _summary(outcome, given["output"])


def _dask(given: dict[str, Any]) -> DaskOptions | None:
    if given["dask"] is None:
        return None
    from .farm_dask import DaskOptions

    scheduler = "" if given["dask"] == "local" else given["dask"]
    return DaskOptions(scheduler=scheduler, workers=given["jobs"])


def _tell(done: PictureDone, number: int, count: int) -> None:
    """One line a picture."""
    from .terminal import out

    rejected = sum(bool(record["rejected"]) for record in done.records)
    said = str(done.error.get("what", "")) if done.error else _count(len(done.records) - rejected, "variant")
    if rejected:
        said += f", {rejected} rejected"
    out().print(f"{number}/{count} {done.source.name}: {said}", markup=False, highlight=False)


def _count(number: int, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'}"


def _summary(outcome: AugmentOutcome, output: str) -> int:
    from .terminal import err, out

    for name, error in outcome.failed.items():
        said = f"{name}: {error.get('what')} {error.get('remedy', '')}"
        err().print(said, markup=False, highlight=False)
    if outcome.faceless:
        some = ", ".join(outcome.faceless[:NAMED]) + (" ..." if len(outcome.faceless) > NAMED else "")
        err().print(f"No face: {some}", markup=False, highlight=False)
    counts = (
        f"{_count(outcome.made + outcome.found, 'source')}: {outcome.made} processed now, {outcome.found} before; "
        f"{len(outcome.faceless)} without a face, {len(outcome.failed)} failed."
    )
    kept = f"{_count(outcome.accepted, 'picture')} in {output}, {outcome.rejected} rejected"
    why = f" (reasons: {output}/rejected.jsonl)" if outcome.rejected else ""
    for line in (counts, f"{kept}{why}."):
        out().print(line, markup=False, highlight=False)
    if outcome.failed:
        return 1
    return 0 if outcome.accepted else 3
