"""What the command line and the environment say, laid over a shot of a show file."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from .shot import FaceChoice, FaceEdit, MaskSource, Shot


def overridden(shot: Shot, values: Mapping[str, Any]) -> Shot:
    """The shot with what the command line or the environment says, by parameter name; None says nothing.

    Known are the fields of a shot (``frames`` as numbers), ``track`` and ``mask`` as paths, ``invert_mask``, and
    the fields of a recipe, which are set for every face. Others, such as ``device``, are not a shot's and are left to
    the caller.
    """
    given = {name: value for name, value in values.items() if value is not None}
    for_shot = {name: given[name] for name in _SHOT_VALUES if name in given}
    for_recipe = {name: given[name] for name in _RECIPE_VALUES if name in given}
    if "model" in given:
        for_recipe["generator"] = given["model"]
    if "inverter" in given:
        for_shot["analysis"] = replace(shot.analysis, inverter=given["inverter"])
    if "mask" in given or "invert_mask" in given:
        for_shot["mask"] = _overridden_mask(shot.mask, given)
    shot = replace(shot, **for_shot)
    if for_recipe:
        shot = shot.with_recipes(**for_recipe)
    choice = _overridden_choice(given)
    return (
        shot if choice is None else replace(shot, faces=tuple(_chosen(face, choice) for face in shot.faces))
    )


_SHOT_VALUES = (
    *("output", "frames", "handles", "missing", "layer", "colourspace", "ocio", "locator", "pixel_aspect"),
    *("model", "seed", "version"),
)
_RECIPE_VALUES = (
    "inverter",
    "seed",
    "mix",
    "exposure",
    "layer",
    "colourspace",
    "mask_feather",
    "detail_clamp",
)


def _overridden_mask(mask: MaskSource | None, given: Mapping[str, Any]) -> MaskSource | None:
    if given.get("mask"):
        mask = MaskSource(str(given["mask"]))
    elif "mask" in given:
        mask = None
    return replace(mask, is_inverted=given["invert_mask"]) if mask and "invert_mask" in given else mask


def _overridden_choice(given: Mapping[str, Any]) -> FaceChoice | None:
    if given.get("track"):
        return FaceChoice(track=str(given["track"]))
    return FaceChoice(index=given["face"]) if "face" in given else None


def _chosen(face: FaceEdit, choice: FaceChoice) -> FaceEdit:
    return replace(face, choice=choice, recipe=replace(face.recipe, face=choice.index))
