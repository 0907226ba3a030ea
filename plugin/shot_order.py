"""What a process must know to open a shot, and what the manifest says of how a frame is made. Loads no torch."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lineament.core.io.sequences import FramePath
from lineament.core.shots.shot import FaceEdit, Shot

from .manifest import file_sha256
from .messages import ToolChoices


@dataclass(frozen=True)
class ShotOrder:
    """What a process must know to open a shot: its ``plates`` are those of the whole shot, ``cache`` holds its
    analysis, ``choices`` are the tools."""

    shot: Shot
    plates: tuple[FramePath, ...]
    choices: ToolChoices
    cache: Path


def shot_choices(shot: Shot, device: str = "cpu") -> ToolChoices:
    """The tools of a shot, for analysing and rendering alike."""
    return ToolChoices(
        model=shot.model,
        inverter=shot.analysis.inverter,
        device=device,
        locator=shot.locator,
        ocio=shot.ocio,
        seed=shot.seed,
    )


def orders(device: str, cache: Path) -> Callable[[Shot, tuple[FramePath, ...]], ShotOrder]:
    """What makes the orders of shots that are rendered on a device from a folder of analyses."""

    def order(shot: Shot, plates: tuple[FramePath, ...]) -> ShotOrder:
        return ShotOrder(shot, plates, shot_choices(shot, device), cache)

    return order


def parameters_of(
    shot: Shot, analysis: tuple[str, str, str], config: str, number: int, source: int
) -> Mapping[str, Any]:
    """The edit of one frame, as ``ShotRenderer.parameters`` gives it; ``analysis`` is its key, digest and generator,
    ``config`` the ``config_hash``."""
    return {
        "analysis": list(analysis),
        "frame": [number, source],
        "colour": [shot.layer, shot.colourspace, config, shot.pixel_aspect],
        "faces": [_edit(face, number) for face in shot.faces],
    }


def _edit(face: FaceEdit, number: int) -> list[Any]:
    """What is done to a face in one frame, as plain data."""
    recipe = face.recipe
    return [face.name, recipe.strengths_at(number), recipe.mix, recipe.mask_feather, recipe.detail_clamp]


def config_hash(ocio: str) -> str:
    """The OCIO config that is named, or the environment's: a file by its bytes, a built-in one by its name."""
    name = ocio or os.environ.get("OCIO", "")
    return file_sha256(name) if name and Path(name).is_file() else name
