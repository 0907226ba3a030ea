"""``lineament invert``: where a face lies in the model, as a latent file and a picture to judge it by."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from lineament.core.atomic import write_atomically
from lineament.core.devices import device_errors
from lineament.core.errors import DeviceError, GeneratorError, LineamentError, PlateError
from lineament.core.frame import Frame
from lineament.core.io import read_frame
from lineament.core.io.sequences import FramePath
from lineament.core.latent import Latent
from lineament.core.pipeline import see_face, synthesise_pair
from lineament.core.preview import Picture, Tile, difference, from_unit
from lineament.core.recipe import EditRecipe
from lineament.core.tools import Tools
from safetensors.numpy import save

from .batch import Failure

FORMAT = "lineament-inversion-1"
"""Not the latent cache's: a cache entry is named by its content and comes and goes, this file is somebody's result."""


def invert_shot(
    paths: Sequence[FramePath],
    recipe: EditRecipe,
    tools: Tools,
    output: Path,
    *,
    tell: Callable[[str], None],
    show: Callable[[LineamentError], None],
) -> tuple[list[tuple[Tile, ...]], list[Failure]]:
    """Invert every frame into ``output``: the tiles of those that worked, and the failures of the others.

    ``tell`` gets a line a frame, ``show`` each error. GeneratorError and DeviceError, which every frame would meet
    again, are raised.
    """
    rows: list[tuple[Tile, ...]] = []
    failures: list[Failure] = []
    for path in paths:
        try:
            frame = read_frame(path.path, path.number)
            latent, tiles = invert_frame(frame, recipe, tools)
            target = output / f"{path.path.stem}.latent.safetensors"
            save_latent(target, latent, frame)
        except (GeneratorError, DeviceError):
            raise
        except LineamentError as err:
            failures.append(Failure(path.number, err))
            tell(f"frame {path.number}: FAILED")
            show(err)
            continue
        rows.append(tiles)
        tell(f"frame {path.number}: {target} ({tiles[1].label})")
    return rows, failures


def invert_frame(frame: Frame, recipe: EditRecipe, tools: Tools) -> tuple[Latent, tuple[Tile, ...]]:
    """The latent of the recipe's face, and three tiles: the crop, its reconstruction, the difference.

    Raises FaceError, ColourError, GeneratorError or DeviceError.
    """
    crop = see_face(frame, frame.layer(recipe.layer), recipe, tools).crop
    with device_errors(tools.device):
        latent = tools.inverter.invert(crop)
        drawn, _ = synthesise_pair(latent, latent, tools)
    error = float(
        np.sqrt(np.mean(((drawn - crop.image) * crop.mask) ** 2) / max(float(crop.mask.mean()), 1e-6))
    )
    pictures = (_picture(crop.image), _picture(drawn))
    return latent, (
        Tile(pictures[0], f"frame {frame.number}"),
        Tile(pictures[1], f"rms error {0.5 * error:.3f}"),
        Tile(difference(*pictures), "difference x4"),
    )


def save_latent(path: Path, latent: Latent, frame: Frame) -> None:
    """Write one latent as safetensors, with its generator's id and the plate it came from."""
    metadata = {
        "format": FORMAT,
        "generator_id": latent.generator_id,
        "space": latent.space,
        "source": json.dumps({"plate": frame.path, "frame": frame.number}),
    }
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(path, save({"ws": np.ascontiguousarray(latent.ws)}, metadata))
    except OSError as err:
        raise PlateError(
            f"The latent cannot be written: {err.strerror or err}.",
            where=str(path),
            remedy="Choose another folder with -o.",
        ) from err


def _picture(image: np.ndarray[tuple[int, ...], np.dtype[np.float32]]) -> Picture:
    """(3, R, R) in [-1, 1] -> a picture to look at."""
    return from_unit(0.5 * image.transpose(1, 2, 0) + 0.5)
