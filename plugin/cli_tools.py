"""``lineament invert``, ``sample``, ``doctor`` and ``demo``."""

from __future__ import annotations

import importlib
import os
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from .cli_flags import flag, option

if TYPE_CHECKING:
    from PIL.Image import Image

Model = Annotated[str | None, flag("model")]
Device = Annotated[str | None, flag("device")]
Picture = Annotated[Path, option("--output", "-o", help="PNG file to write.")]


def register(app: typer.Typer) -> None:
    """Add the commands to the program."""
    for command in (invert, sample, doctor, demo):
        app.command()(command)


def invert(
    plate: Annotated[str, typer.Argument(help="Plate: a file, or a pattern such as shot.%04d.exr.")],
    output: Annotated[Path, option("--output", "-o", help="Folder for latents and the picture of them.")],
    frames: Annotated[
        str, option("--frames", help="Frames such as 1001-1100x2; empty takes all on disk.")
    ] = "",
    face: Annotated[int | None, flag("face")] = None,
    locator: Annotated[str | None, flag("locator")] = None,
    track: Annotated[str | None, flag("track")] = None,
    model: Model = None,
    inverter: Annotated[str | None, flag("inverter")] = None,
    layer: Annotated[str | None, flag("layer")] = None,
    colourspace: Annotated[str | None, flag("colourspace")] = None,
    ocio: Annotated[str | None, flag("ocio")] = None,
    exposure: Annotated[float | None, flag("exposure")] = None,
    device: Device = None,
) -> None:
    """Find the latents of a face, and draw crop, reconstruction and their difference to judge them by."""
    given = dict(locals())
    from lineament.core.io import resolve
    from lineament.core.io.sequences import format_frames
    from lineament.core.preview import sheet
    from lineament.core.tools import open_tools

    from .batch import exit_code_of
    from .engine import tool_options
    from .inversion_job import invert_shot
    from .node_spec import ATTRIBUTE_EDIT
    from .options import build_choices, build_recipe
    from .plan import refuse_unwritable
    from .terminal import out, show_error

    values = {p.id: given[p.id] for p in ATTRIBUTE_EDIT.parameters if p.id in given}
    recipe = build_recipe(None, (), (), values)
    paths = resolve(plate, frames)
    refuse_unwritable(output)
    console = out()
    rows, failures = invert_shot(
        paths,
        recipe,
        open_tools(tool_options(build_choices(recipe, values))),
        output,
        tell=lambda line: console.print(line, markup=False),
        show=show_error,
    )
    if rows:
        save_picture(output / "inversion.png", sheet(rows, tile_height_px=192))
    if failures:
        numbers = format_frames(failure.number for failure in failures)
        console.print(f"{len(rows)} of {len(paths)} frames inverted, failed: {numbers}.", markup=False)
    raise typer.Exit(exit_code_of(failures, any_done=bool(rows)))


def sample(
    output: Picture,
    count: Annotated[int, option("--count", help="How many faces.", min=1, max=1024)] = 24,
    columns: Annotated[int, option("--columns", help="Faces in a row.", min=1, max=64)] = 6,
    seed: Annotated[int, option("--seed", help="Seed of the first face; the next ones count up.", min=0)] = 0,
    truncation: Annotated[
        float,
        option(
            "--truncation", help="0 draws the average face, 1 the model's full variety.", min=0.0, max=2.0
        ),
    ] = 0.7,
    model: Model = None,
    device: Device = None,
    overwrite: Annotated[bool, option("--overwrite", help="Replace a picture that exists.")] = False,
) -> None:
    """Draw random faces of a model as a grid."""
    refuse_taken(output, overwrite=overwrite)
    from lineament.core.devices import choose_device, device_errors
    from lineament.core.generators.package import load_package

    from .samples import sample_grid

    chosen = choose_device(device or "cpu")
    generator = load_package(model or "default").generator
    with device_errors(chosen):
        grid = sample_grid(
            generator, count=count, columns=columns, seed=seed, truncation=truncation, device=chosen
        )
    save_picture(output, grid)


def doctor(
    model: Model = None,
    device: Device = None,
    ocio: Annotated[str | None, flag("ocio")] = None,
    cache: Annotated[str | None, option("--cache", help="Folder of the latent cache to check.")] = None,
    assets: Annotated[
        str,
        option("--assets", help="Head asset, or folder of the CC0 package, that faces are rendered from."),
    ] = "",
    as_json: Annotated[bool, typer.Option("--json", help="Print one line of JSON for programs.")] = False,
) -> None:
    """Check libraries, device, colour config, model and caches; every finding comes with its remedy."""
    from .doctor import examine, exit_code, findings_json
    from .options import default_cache
    from .terminal import out

    findings = examine(
        model or "default",
        device or "cpu",
        ocio or "",
        default_cache() if cache is None else cache,
        assets,
    )
    if as_json:
        typer.echo(findings_json(findings))
        raise typer.Exit(exit_code(findings))
    console = out()
    marks = {"ok": "[green]ok     [/]", "note": "[yellow]note   [/]", "problem": "[red]PROBLEM[/]"}
    for finding in findings:
        console.print(marks[finding.status], end=" ")
        console.print(f"{finding.subject}: {finding.detail}", markup=False)
        if finding.remedy:
            console.print(f"        {finding.remedy}", markup=False)
    raise typer.Exit(exit_code(findings))


def demo(
    output: Annotated[Path, option("--output", "-o", help="Folder for frames and pictures.")] = Path(
        "out/demo"
    ),
) -> None:
    """Edit the small shot that comes with the program, and measure the edit against its known truth."""
    from .terminal import out

    console = out()
    importlib.import_module("lineament.plugin.demo").run_demo(
        output, lambda line: console.print(line, markup=False)
    )


def refuse_taken(output: Path, *, overwrite: bool) -> None:
    """Raise UsageError if the output exists and nobody said that it may be replaced."""
    if os.path.lexists(output) and not overwrite:
        from .plan import UsageError

        raise UsageError("The output exists.", where=str(output), remedy="Use --overwrite, or another name.")


def save_picture(path: Path, picture: Image) -> None:
    """Write a PNG and print its path. Raises PlateError."""
    from lineament.core.atomic import write_atomically
    from lineament.core.errors import PlateError

    from .terminal import out

    if path.suffix.lower() != ".png":
        raise PlateError(
            f"Pictures are written as PNG, not as {path.suffix or 'a file without a suffix'}.",
            where=str(path),
            remedy="Choose another path with -o, ending in .png.",
        )
    png = BytesIO()
    picture.save(png, "PNG")
    try:
        write_atomically(path, png.getvalue())
    except OSError as err:
        raise PlateError(
            f"The picture cannot be written: {err}.",
            where=str(path),
            remedy="Choose another path with -o, ending in .png.",
        ) from err
    out().print(str(path), markup=False)
