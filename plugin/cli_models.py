"""``lineament model`` and ``lineament directions``: what is installed, what it can do, and how more is
brought in."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from lineament.core.errors import DataError, LineamentError

from .cli_flags import option

if TYPE_CHECKING:
    from lineament.core.directions.library import DirectionLibrary

models = typer.Typer(help="List, inspect and import model packages.", no_args_is_help=True)
directions = typer.Typer(help="List and show the attribute directions of a model.", no_args_is_help=True)

Model = Annotated[str, option("--model", help="Name of an installed model package, or its folder.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON for programs.")]


@models.command("list")
def list_models(as_json: AsJson = False) -> None:
    """List the models that can be named with --model."""
    from lineament.core.generators.package import available_models, model_folders

    from .terminal import out

    console = out()
    found = available_models()
    if as_json:
        console.print(
            json.dumps({name: str(folder) for name, folder in found.items()}, indent=2), markup=False
        )
        return
    for name, folder in found.items():
        console.print(f"{name}: {_about(folder)}", markup=False)
    console.print("tiny: untrained, for tests; made in memory, so it has no folder", markup=False)
    if not found:
        places = ", ".join(str(folder) for folder in model_folders())
        console.print(f"No model is installed in {places}. Import one: lineament model import FILE -o FOLDER")


def _about(folder: Path) -> str:
    """What the card says, and whether the files it lists are there; their contents are for inspect."""
    from lineament.core.errors import GeneratorError
    from lineament.core.generators.package import read_card

    try:
        card = read_card(folder)
    except GeneratorError as err:
        return f"DAMAGED, {err.what} {folder}"
    missing = [name for name in sorted(card.files) if not (folder / name).is_file()]
    trouble = f"INCOMPLETE, without {', '.join(missing)}; " if missing else ""
    return f"{trouble}{card.architecture}, {card.resolution} px, licence {card.licence}, {folder}"


class FolderTakenError(LineamentError):
    """The folder of a new model package is in use; nothing is replaced."""

    exit_code = 2


@models.command("inspect")
def inspect_model(
    model: Annotated[
        str, typer.Argument(help="Name of an installed model package, or its folder.")
    ] = "default",
) -> None:
    """Verify every file of a model and print its card as JSON."""
    import dataclasses

    from lineament.core.generators.package import load_package

    from .terminal import out

    package = load_package(model)
    package.verify()
    card = dataclasses.asdict(package.card)
    out().print(json.dumps({"folder": str(package.folder), **card}, indent=2, default=str), markup=False)


@models.command("import")
def import_model(
    file: Annotated[Path, typer.Argument(help="Checkpoint to convert: NVIDIA .pkl or rosinality .pt.")],
    output: Annotated[Path, option("--output", "-o", help="Folder of the new model package; new or empty.")],
    name: Annotated[
        str | None, option("--name", help="Name of the model; the folder's name if not given.")
    ] = None,
    licence: Annotated[
        str, option("--licence", help="Licence of the weights, as their owner states it.")
    ] = "unknown",
) -> None:
    """Convert a foreign checkpoint into a model package; nothing stored in the file is executed."""
    from lineament.core.importers.checkpoint import import_checkpoint

    from .terminal import out

    _check_paths(file, output)
    card = import_checkpoint(file, output, name=name, licence=licence)
    out().print(f"{output}: {card.architecture}, {card.resolution} px, id {card.id}", markup=False)


def _check_paths(file: Path, output: Path) -> None:
    """Refuse paths that are no good before the weights are read: DataError or FolderTakenError."""
    try:
        trouble = "" if file.is_file() else "is a folder" if file.is_dir() else "does not exist"
        if not trouble:
            file.open("rb").close()
        is_taken = output.exists() and (not output.is_dir() or any(output.iterdir()))
    except OSError as err:
        raise DataError(
            f"A path cannot be looked at: {err.strerror or err}.",
            where=str(err.filename or file),
            remedy="Check the permissions.",
        ) from err
    if trouble:
        raise DataError(
            f"The checkpoint {trouble}.",
            where=str(file),
            remedy="Name a file: an NVIDIA .pkl or a rosinality .pt.",
        )
    if is_taken:
        raise FolderTakenError(
            "The folder of the new model is in use.",
            where=str(output),
            remedy="Choose another one with -o, or remove this one first.",
        )


@directions.command("list")
def list_directions(model: Model = "default", as_json: AsJson = False) -> None:
    """List the attributes of a model with their limits in standard deviations."""
    from .terminal import out

    console = out()
    library = _library(model)
    if as_json:
        rows = [{"name": d.name, "limits": d.limits, "layers": d.layers} for d in library.directions]
        console.print(json.dumps(rows, indent=2), markup=False)
        return
    for direction in library.directions:
        low, high = direction.limits
        label = f", {direction.label}" if direction.label else ""
        console.print(f"{direction.name}: {low:g} to {high:g}{label}", markup=False)
    if not library.directions:
        console.print("This model has no directions.")


@directions.command("show")
def show_direction(
    attribute: Annotated[str, typer.Argument(help="Attribute, as directions list names it.")],
    model: Model = "default",
) -> None:
    """Print everything that is known of one direction as JSON: method, layers, limits, scores."""
    from .terminal import out

    direction = _library(model).get(attribute)
    card = {
        "name": direction.name,
        "label": direction.label,
        "generator_id": direction.generator_id,
        "layers": direction.layers,
        "limits": direction.limits,
        "card": direction.card,
    }
    out().print(json.dumps(card, indent=2, default=str), markup=False)


def _library(model: str) -> DirectionLibrary:
    from lineament.core.directions.library import load_library
    from lineament.core.generators.package import load_package

    return load_library(load_package(model))
