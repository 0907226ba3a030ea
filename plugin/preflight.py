"""What a job would do, found out without loading a network or writing a byte: ``--dry-run``."""

from __future__ import annotations

from pathlib import Path

from lineament.core.errors import RecipeError
from lineament.core.io import read_frame
from lineament.core.io.sequences import format_frames
from lineament.core.recipe import EditRecipe

from .matte import read_matte
from .messages import FrameRequest, ToolChoices
from .plan import Plan

_MODEL_BYTES = 600 << 20
"""torch, OpenImageIO and a small generator at rest."""

_COPIES = 6
"""Float copies of the edited layer alive at once: plate, linear, encoded, increment, result, output."""


def describe(plan: Plan, choices: ToolChoices) -> tuple[tuple[str, str], ...]:
    """Name and value of everything that was resolved, in reading order. Raises what rendering would raise."""
    numbers = [request.number for request in plan.requests]
    lines = [
        ("frames", f"{format_frames(numbers)} ({len(numbers)})" if numbers else "none"),
        ("skipped, output exists", format_frames(plan.skipped)),
        ("held for missing plates", format_frames(plan.held)),
        ("model", choices.model),
        ("inversion", choices.inverter),
        ("device", choices.device),
        ("track", choices.track),
    ]
    if plan.requests:
        lines += _of_first(plan.requests[0], choices)
    lines += [
        (f"frame {request.number}", f"{request.plate} -> {request.output}") for request in plan.requests
    ]
    return tuple((name, value) for name, value in lines if value)


def check_attributes(recipe: EditRecipe, choices: ToolChoices) -> None:
    """Raise RecipeError for an attribute that the model does not have, or a strength or key beyond its limits.

    Between keys strengths are interpolated, so legal keys are legal on every frame.
    """
    if not recipe.moves:
        return
    from lineament.core.directions.apply import check_strength  # loads torch; everything else here is light
    from lineament.core.directions.library import load_library
    from lineament.core.generators.package import load_package

    library = load_library(load_package(choices.model))
    for move in recipe.moves:
        direction = library.get(move.attribute)
        for _, value in move.strength.keys:
            check_strength(direction, value)


def _of_first(request: FrameRequest, choices: ToolChoices) -> list[tuple[str, str]]:
    if choices.track and not Path(choices.track).is_file():
        raise RecipeError(
            f'The track "{choices.track}" does not exist.',
            where="--track",
            remedy="Give the path of its JSON file.",
        )
    from lineament.core.pipeline import plate_colour  # loads torch

    frame = read_frame(request.plate, request.number)
    layer = frame.layer(request.recipe.layer)
    colour = plate_colour(frame, layer, request.recipe, choices.ocio)
    part = frame.parts[layer.part]
    window = part.data_window
    if request.matte:
        read_matte(request.matte, frame.number, part)
    pixels = window.width * window.height
    planes = sum(plane.nbytes for part in frame.parts for plane in part.planes.values())
    estimate = _MODEL_BYTES + 2 * planes + _COPIES * pixels * 12
    return [
        ("layer", f"{layer.name or 'main'} ({', '.join(layer.rgb)})"),
        ("picture", f"{window.width} x {window.height} pixels"),
        ("mask", _mask(request)),
        ("colour space", f"{colour.space} ({colour.reason})"),
        ("colour config", colour.config_name),
        ("strengths", _strengths(request)),
        ("memory, estimated", f"{estimate / (1 << 30):.1f} GiB"),
    ]


def _mask(request: FrameRequest) -> str:
    return f"{request.matte}{', inverted' if request.invert_matte else ''}" if request.matte else ""


def _strengths(request: FrameRequest) -> str:
    keyed = {move.attribute: move.strength for move in request.recipe.moves}
    texts = []
    for name, strength in keyed.items():
        values = [f"{value:g}@{frame}" for frame, value in strength.keys]
        values += [strength.interpolation] if strength.interpolation != "linear" else []
        texts.append(
            f"{name} {strength.keys[0][1]:g}" if len(strength.keys) == 1 else f"{name} {' '.join(values)}"
        )
    return ", ".join(texts) or "none: the plate is copied"
