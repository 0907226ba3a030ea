"""A model's directions: looked up by name, stored beside its weights, useless on any other generator.

``directions.safetensors`` holds the numbers, ``directions.json`` names, layers, limits and cards.
"""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, TypedDict

import numpy as np
import torch
from torch import Tensor

from ..errors import GeneratorError, RecipeError
from ..generators.base import GeneratorCard
from ..latent import Direction
from .limits import CARDS_FILE, NUMBERS_FILE, SCHEMA_VERSION, check_origin, unreadable


class Package(Protocol):
    """The part of a model package that a library is read from."""

    @property
    def folder(self) -> Path: ...

    @property
    def card(self) -> GeneratorCard: ...

    def tensors(self, filename: str) -> dict[str, Tensor]: ...

    def document(self, filename: str) -> Any: ...


@dataclass(frozen=True)
class DirectionLibrary:
    """Directions of one generator, in the order in which they are shown."""

    directions: tuple[Direction, ...]
    generator_id: str

    def __post_init__(self) -> None:
        names = [direction.name for direction in self.directions]
        if len(set(names)) != len(names):
            raise ValueError(f"direction names are not unique: {names}")
        for direction in self.directions:
            if direction.generator_id != self.generator_id:
                raise GeneratorError(
                    f'Direction "{direction.name}" was found on generator {direction.generator_id[:12]}, '
                    f"not on {self.generator_id[:12]}.",
                    remedy="Find the directions again on this generator.",
                )

    @property
    def names(self) -> tuple[str, ...]:
        """All attribute names."""
        return tuple(direction.name for direction in self.directions)

    def get(self, name: str) -> Direction:
        """One direction. Raises RecipeError listing close matches, or all names."""
        for direction in self.directions:
            if direction.name == name:
                return direction
        raise RecipeError(f'There is no attribute "{name}".', remedy=self._advice(name))

    def _advice(self, name: str) -> str:
        if not self.directions:
            return "This model has no directions: find some, or choose a model that ships with them."
        close = difflib.get_close_matches(name, self.names, n=3)
        hint = f"Did you mean {' or '.join(close)}? " if close else ""
        return f"{hint}Attributes of this model: {', '.join(self.names)}."


class LibraryFiles(TypedDict):
    """A library as the further files of a model package; the keys are what a package writer calls them."""

    tensors: dict[str, dict[str, Tensor]]
    documents: dict[str, dict[str, Any]]


def library_files(library: DirectionLibrary) -> LibraryFiles:
    """What to store of a library, by file name: ``add_files(folder, **library_files(library))``."""
    entries = [
        {
            "name": direction.name,
            "label": direction.label,
            "layers": list(direction.layers),
            "limits": list(direction.limits),
            "card": direction.card,
        }
        for direction in library.directions
    ]
    numbers = {each.name: torch.from_numpy(each.delta.copy()) for each in library.directions}
    document = {
        "schema_version": SCHEMA_VERSION,
        "generator_id": library.generator_id,
        "directions": entries,
    }
    return LibraryFiles(tensors={NUMBERS_FILE: numbers}, documents={CARDS_FILE: document})


def load_library(package: Package) -> DirectionLibrary:
    """The directions of a model package; an empty library if it has none.

    The package compares both files with its card. Raises GeneratorError if they belong to another generator,
    or are damaged or incomplete.
    """
    listed = [name for name in (CARDS_FILE, NUMBERS_FILE) if name in package.card.files]
    if not listed:
        return DirectionLibrary((), package.card.id)
    where = str(package.folder / CARDS_FILE)
    content = package.document(CARDS_FILE)
    try:
        check_origin(content, package.card.id, where)
        tensors = package.tensors(NUMBERS_FILE)
        directions = tuple(restored(entry, tensors, package.card) for entry in content["directions"])
        return DirectionLibrary(directions, package.card.id)
    except (KeyError, TypeError, ValueError, AttributeError) as err:
        raise unreadable(err, where) from err


def restored(entry: Mapping[str, Any], tensors: Mapping[str, Tensor], card: GeneratorCard) -> Direction:
    """One direction from its entry and its numbers. Raises KeyError, TypeError or ValueError if they do not
    fit.
    """
    delta = tensors[entry["name"]].float().numpy()
    start, end = (int(value) for value in entry["layers"])
    low, high = (float(value) for value in entry["limits"])
    if delta.shape != (card.num_ws, card.w_dim) or not np.isfinite(delta).all():
        raise ValueError(f"{entry['name']} is {delta.shape}, not {(card.num_ws, card.w_dim)}, or not finite")
    if not 0 <= start < end <= card.num_ws or not low < high:
        raise ValueError(f"{entry['name']} has layers {start} to {end}, limits {low} to {high}")
    return Direction(
        entry["name"], delta, card.id, (start, end), (low, high), entry["label"], dict(entry["card"])
    )
