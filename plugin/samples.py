"""``lineament sample``: a grid of what a model can draw, from random z."""

from __future__ import annotations

import numpy as np
import torch
from lineament.core.errors import RecipeError
from lineament.core.generators.stylegan2 import StyleGAN2
from lineament.core.preview import Tile, from_unit, sheet
from PIL import Image

from .node_spec import ATTRIBUTE_EDIT

_BATCH = 8


def sample_grid(
    generator: StyleGAN2, *, count: int, columns: int, seed: int, truncation: float, device: str = "cpu"
) -> Image.Image:
    """Draw ``count`` samples, z ~ N(0, 1) from ``seed``, truncated towards the average face, as a sheet.

    Pictures are shown in the model's own encoding, which is display-like. A sample does not depend on how
    many are drawn with it. Raises RecipeError for a seed beyond those of an edit.
    """
    _check_seeds(seed, count)
    tiles = []
    network = generator.to(device)
    for first in range(0, count, _BATCH):
        numbers = range(first, min(first + _BATCH, count))
        z = torch.stack([_noise(seed + number, generator.z_dim) for number in numbers]).to(device)
        c = torch.zeros(len(z), generator.c_dim, device=device) if generator.c_dim else None
        with torch.inference_mode():
            images = network.synthesise(network.map(z, c, truncation=truncation)).float().cpu().numpy()
        pictures = np.clip(0.5 * images + 0.5, 0.0, 1.0).transpose(0, 2, 3, 1)
        tiles += [Tile(from_unit(p), f"{seed + n}") for n, p in zip(numbers, pictures, strict=True)]
    rows = [tiles[start : start + columns] for start in range(0, count, columns)]
    title = f"truncation {truncation:g}, labels are seeds"
    return sheet(rows, tile_height_px=max(96, generator.resolution), title=title)


def _check_seeds(seed: int, count: int) -> None:
    """Seeds count up from the first, and have the range that the node's seed has."""
    largest = int(ATTRIBUTE_EDIT.get("seed").maximum or 0)
    if seed + count - 1 > largest:
        raise RecipeError(
            f"{count} faces from seed {seed} on go beyond the largest seed, {largest}.",
            where="--seed",
            remedy=f"Choose a seed of at most {largest - count + 1}.",
        )


def _noise(seed: int, size: int) -> torch.Tensor:
    return torch.randn(size, generator=torch.Generator().manual_seed(seed))
