"""Model packages: a folder with ``card.json`` and safetensors files whose SHA-256 the card knows.

A file is read once, its hash compared with the card, its header measured, and only then parsed from the very
bytes that were hashed. Nothing here can read a pickle.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ..atomic import write_atomically
from ..errors import GeneratorError
from .base import GeneratorCard
from .cards import (
    CARD,
    EMBEDDED,
    FOREIGN_SUFFIXES,
    SCHEMA_VERSION,
    available_models,
    find_package,
    model_folders,
    read_card,
    verified_bytes,
)
from .package_files import (
    damaged,
    from_safetensors,
    one_line,
    parse_json,
    to_json,
    to_safetensors,
    write_folder,
)
from .registry import architecture_named
from .stylegan2 import StyleGAN2, generator_id
from .tiny import build_tiny

WEIGHTS = "generator.safetensors"

__all__ = [
    "CARD",
    "EMBEDDED",
    "FOREIGN_SUFFIXES",
    "SCHEMA_VERSION",
    "WEIGHTS",
    "ModelPackage",
    "add_files",
    "available_models",
    "find_package",
    "load_model",
    "load_package",
    "model_folders",
    "open_package",
    "read_card",
    "save_package",
]


@dataclass(frozen=True)
class ModelPackage:
    """A package that has been opened: its ``folder``, its ``card``, and the network built when first asked
    for.

    ``tensors`` and ``document`` read the other files; each is verified against the card before it is parsed.
    """

    folder: Path
    card: GeneratorCard

    @cached_property
    def generator(self) -> StyleGAN2:
        """The network in float32 on the CPU, without gradients, whatever precision it was stored in."""
        return _build_generator(self)

    def has(self, filename: str) -> bool:
        """Whether the card lists ``filename``."""
        return filename in self.card.files

    def tensors(self, filename: str) -> dict[str, Tensor]:
        """All tensors of one safetensors file, as stored. Raises GeneratorError if it was altered or is
        missing.
        """
        data = self._verified(filename)
        where = str(self.folder / filename)
        return from_safetensors(data, where)

    def document(self, filename: str) -> Any:
        """The contents of one JSON file. Raises GeneratorError if it was altered or is missing."""
        return parse_json(self._verified(filename), str(self.folder / filename))

    def verify(self) -> None:
        """Compare every file with the card; raises GeneratorError for the first that differs."""
        for filename in sorted(self.card.files):
            self._verified(filename)

    def _verified(self, filename: str) -> bytes:
        return verified_bytes(self.folder, self.card, filename)


def load_model(path_or_name: str | Path = "default") -> StyleGAN2:
    """The generator of a model package; see ``load_package``."""
    return load_package(path_or_name).generator


def load_package(path_or_name: str | Path = "default") -> ModelPackage:
    """Open a model package by folder or by name and build its generator.

    Names are "default" (embedded), "tiny" (untrained, for tests), and the folders under ``LINEAMENT_MODELS``
    and the user's data directory. Raises GeneratorError for unknown names, foreign checkpoints and altered
    files.
    """
    if str(path_or_name) == "tiny":
        return _tiny_package()
    package = open_package(path_or_name)
    _ = package.generator  # damaged weights are reported here, not at the first picture
    return package


def open_package(path_or_name: str | Path) -> ModelPackage:
    """A package on disk with only its card read: for those who want its other files, not its generator."""
    folder = find_package(path_or_name)
    return ModelPackage(folder, read_card(folder))


def save_package(
    folder: str | Path,
    generator: StyleGAN2,
    *,
    name: str,
    encoding: str = "srgb",
    alignment: Mapping[str, Any] | None = None,
    matte: bool = False,
    licence: str = "unknown",
    provenance: Mapping[str, Any] | None = None,
    metrics: Mapping[str, Any] | None = None,
    tensors: Mapping[str, Mapping[str, Tensor]] | None = None,
    documents: Mapping[str, Any] | None = None,
    half: bool = False,
    overwrite: bool = False,
) -> GeneratorCard:
    """Write a package completely or not at all, and return its card.

    ``tensors`` maps further safetensors file names to tensors, ``documents`` JSON file names to plain values.
    ``half`` stores the generator's weights as float16; the card's id is that of the rounded weights, which
    are what loading gives back. Raises GeneratorError if the folder exists (unless ``overwrite``) or cannot
    be written.
    """
    folder = Path(folder)
    state = generator.state_dict()
    stored = {key: value.half() for key, value in state.items()} if half else state
    rounded = {key: value.float() for key, value in stored.items()}
    if not all(bool(torch.isfinite(value).all()) for value in rounded.values()):
        raise GeneratorError(
            "The generator has weights beyond float16.", where=str(folder), remedy="Save it with half=False."
        )
    contents = {WEIGHTS: to_safetensors(stored)}
    contents |= {filename: to_safetensors(values) for filename, values in (tensors or {}).items()}
    contents |= {filename: to_json(values) for filename, values in (documents or {}).items()}
    architecture = architecture_named("stylegan2")
    card = GeneratorCard(
        id=generator_id(rounded, generator.config.conv_clamp),
        name=name,
        architecture=architecture.name,
        resolution=generator.resolution,
        num_ws=generator.num_ws,
        w_dim=generator.w_dim,
        z_dim=generator.z_dim,
        c_dim=generator.c_dim,
        kwargs=architecture.describe(generator),
        encoding=encoding,
        alignment=dict(alignment or {}),
        matte=matte,
        licence=licence,
        provenance=dict(provenance or {}),
        metrics=dict(metrics or {}),
        files={filename: hashlib.sha256(data).hexdigest() for filename, data in sorted(contents.items())},
    )
    write_folder(folder, {**contents, CARD: to_json(asdict(card))}, overwrite=overwrite)
    return card


def add_files(
    folder: str | Path,
    *,
    tensors: Mapping[str, Mapping[str, Tensor]] | None = None,
    documents: Mapping[str, Any] | None = None,
    metrics: Mapping[str, Any] | None = None,
) -> GeneratorCard:
    """Add or replace files of an existing package and update its card; the card is written last."""
    folder = Path(folder)
    card = read_card(folder)
    contents = {filename: to_safetensors(values) for filename, values in (tensors or {}).items()}
    contents |= {filename: to_json(values) for filename, values in (documents or {}).items()}
    hashes = {filename: hashlib.sha256(data).hexdigest() for filename, data in contents.items()}
    files = dict(sorted({**card.files, **hashes}.items()))
    card = replace(card, files=files, metrics={**card.metrics, **(metrics or {})})
    for filename, data in {**contents, CARD: to_json(asdict(card))}.items():
        write_atomically(folder / filename, data)
    return card


def _build_generator(package: ModelPackage) -> StyleGAN2:
    card = package.card
    where = str(package.folder)
    architecture = architecture_named(card.architecture, where=where)
    state = {key: value.float() for key, value in package.tensors(WEIGHTS).items()}
    try:
        with torch.device(
            "meta"
        ):  # no memory for what the card announces, and no random start, only the shapes
            generator = architecture.build(card.kwargs)
        generator.load_state_dict(state, assign=True)
    except (KeyError, ValueError, TypeError, AttributeError, RuntimeError) as err:
        raise damaged(f"The weights do not fit the card's kwargs: {one_line(err)}.", where) from err
    announced = (card.id, card.resolution, card.num_ws, card.w_dim, card.z_dim, card.c_dim)
    found = (
        generator.id,
        generator.resolution,
        generator.num_ws,
        generator.w_dim,
        generator.z_dim,
        generator.c_dim,
    )
    if announced != found:
        raise damaged(f"The card describes {announced}; the weights are {found}.", where)
    generator.arrange()
    return generator.requires_grad_(False).eval()


def _tiny_package() -> ModelPackage:
    generator = build_tiny()
    card = GeneratorCard(
        id=generator.id,
        name="tiny",
        architecture="stylegan2",
        resolution=generator.resolution,
        num_ws=generator.num_ws,
        w_dim=generator.w_dim,
        z_dim=generator.z_dim,
        c_dim=generator.c_dim,
        kwargs=architecture_named("stylegan2").describe(generator),
        alignment={"resolution": generator.resolution, "scale": 1.0, "shift": 0.1},
        licence="CC0-1.0",
        provenance={"untrained": True},
    )
    package = ModelPackage(Path("tiny"), card)
    package.__dict__["generator"] = (
        generator  # what the cached property would hold; there is no file to build from
    )
    return package
