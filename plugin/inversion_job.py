"""``lineament invert``: where a face lies in the model, as a latent file and a picture to judge it by."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
from lineament.core.atomic import write_atomically
from lineament.core.errors import PlateError
from lineament.core.frame import Frame
from lineament.core.latent import Latent
from lineament.core.pipeline import see_face, synthesise_pair
from lineament.core.preview import Picture, Tile, difference, from_unit
from lineament.core.recipe import EditRecipe
from lineament.core.tools import Tools
from safetensors.numpy import save


def invert_frame(frame: Frame, recipe: EditRecipe, tools: Tools) -> tuple[Latent, tuple[Tile, ...]]:
    """The latent of the recipe's face, and three tiles: the crop, its reconstruction, the difference.

    Raises FaceError, ColourError, GeneratorError or DeviceError.
    """
    crop = see_face(frame, frame.layer(recipe.layer), recipe, tools).crop
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
        "format": "lineament-latent-1",
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
