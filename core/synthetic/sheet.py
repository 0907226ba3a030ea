"""Contact sheets of rendered faces: samples, or several faces of which one attribute changes from left to right."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import count, islice

import numpy as np
from PIL import Image

from ..errors import RecipeError
from ..preview import Tile, sheet
from .dataset import Draw, is_possible
from .params import RANGES, FaceParams, with_attribute
from .sampler import Sampler

_LARGEST_SEARCH = 1000


def sample_sheet(draw: Draw, sampler: Sampler, seed: int, columns: int, rows: int) -> Image.Image:
    """The first ``columns`` times ``rows`` faces of ``seed``, each with age, gender and what it wears."""
    tiles = []
    for index in range(columns * rows):
        params = sampler.sample(seed, index)
        (drawn,) = draw(params, (), index)
        tiles.append(Tile(drawn.picture, _words(params)))
    return sheet([tiles[start : start + columns] for start in range(0, len(tiles), columns)])


def sweep_sheet(draw: Draw, sampler: Sampler, seed: int, name: str, columns: int, rows: int) -> Image.Image:
    """``rows`` faces, each with ``columns`` values of the attribute ``name`` from one end of its range to the other.

    Every row is one family: only the attribute changes. Raises RecipeError for an unknown attribute.
    """
    if name not in RANGES:
        raise RecipeError(f"No attribute {name!r}.", where="sweep", remedy=f"One of: {', '.join(RANGES)}.")
    attribute = RANGES[name]
    values = [float(value) for value in np.linspace(attribute.low, attribute.high, max(2, columns))]
    lines = []
    for index, base in islice(_suited(sampler, seed, name, values), rows):
        drawn = list(draw(base, [with_attribute(base, name, value) for value in values], index))[1:]
        lines.append(
            [Tile(one.picture, f"{name} {value:.4g}") for one, value in zip(drawn, values, strict=True)]
        )
    return sheet(lines)


def _suited(sampler: Sampler, seed: int, name: str, values: list[float]) -> Iterator[tuple[int, FaceParams]]:
    """Faces that can have every value without contradicting themselves."""
    for index in count():
        base = sampler.sample(seed, index)
        if all(is_possible(with_attribute(base, name, value)) for value in values):
            yield index, base
        if index > _LARGEST_SEARCH:
            raise RecipeError(
                f"No face can have every value of {name}.",
                where=f"seed {seed}",
                remedy="Choose another seed.",
            )


def _words(params: FaceParams) -> str:
    """What a person would look for in the picture."""
    gender = "f" if params.gender < 0.35 else "m" if params.gender > 0.65 else "n"
    worn = [name for name in ("sunglasses", "glasses", "beard", "lipstick") if getattr(params, name) >= 0.5]
    return " ".join([f"{params.age:.0f}{gender}", *worn[:1]])
