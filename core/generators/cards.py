"""Model packages found and their cards read without torch, for those who ask what a model is, not for pictures."""

from __future__ import annotations

import hashlib
import json
import os
import shlex
from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path

from pydantic import TypeAdapter, ValidationError

from ..errors import GeneratorError
from .base import GeneratorCard
from .package_files import MAX_CARD_BYTES, MAX_FILE_BYTES, damaged, parse_json, read_bytes

CARD = "card.json"
SCHEMA_VERSION = 1
EMBEDDED = Path(__file__).resolve().parent.parent / "models"
FOREIGN_SUFFIXES = (".pkl", ".pickle", ".pt", ".pth", ".ckpt")
_CARD_ADAPTER = TypeAdapter(GeneratorCard)


def model_folders() -> list[Path]:
    """Where named models are looked for, first match wins."""
    folders = [EMBEDDED]
    if named := os.environ.get("LINEAMENT_MODELS"):
        folders += [Path(part).expanduser() for part in named.split(os.pathsep) if part]
    data = os.environ.get("XDG_DATA_HOME") or "~/.local/share"
    return [*folders, Path(data).expanduser() / "lineament" / "models"]


def available_models() -> dict[str, Path]:
    """Name -> folder of every model that can be loaded by name, besides "tiny"."""
    found: dict[str, Path] = {}
    for parent in model_folders():
        children = sorted(parent.iterdir()) if parent.is_dir() else []
        for folder in children:
            if (folder / CARD).is_file():
                found.setdefault(folder.name, folder)
    return found


def find_package(path_or_name: str | Path) -> Path:
    """The folder that a path or name stands for. Raises GeneratorError that says what to do instead."""
    named = available_models()
    if str(path_or_name) in named:
        return named[str(path_or_name)]
    path = Path(path_or_name).expanduser()
    if path.is_dir():
        if (path / CARD).is_file():
            return path
        raise GeneratorError(f"{path} has no {CARD}, so it is no model package.", remedy=_available(named))
    if path.is_file() or path.suffix in FOREIGN_SUFFIXES:
        if path.name == CARD or path.suffix == ".safetensors":
            raise GeneratorError(f"{path} is a part of a model package.", remedy="Name its folder instead.")
        raise GeneratorError(
            f"{path} is a foreign checkpoint; only model packages are loaded.",
            remedy=f"Run: lineament model import {shlex.quote(str(path))} -o {shlex.quote(path.stem)}",
        )
    raise GeneratorError(f'There is no model "{path_or_name}".', remedy=_available(named))


def _available(named: Mapping[str, Path]) -> str:
    return f"Available: {', '.join([*named, 'tiny'])}; or give the folder of a model package."


def read_card(folder: str | Path) -> GeneratorCard:
    """The validated card of a package folder; weights are not touched."""
    path = Path(folder) / CARD
    data = read_bytes(path, MAX_CARD_BYTES)
    values = parse_json(data, str(path))
    known = {entry.name for entry in fields(GeneratorCard)}
    if not isinstance(values, dict) or values.get("schema_version", SCHEMA_VERSION) != SCHEMA_VERSION:
        version = values.get("schema_version") if isinstance(values, dict) else None
        raise GeneratorError(
            f"The model card has schema version {version}; this release reads {SCHEMA_VERSION}.",
            where=str(path),
            remedy="Update Lineament, or import the model again.",
        )
    if unknown := sorted(values.keys() - known):
        raise damaged(f'The model card has the unknown key "{unknown[0]}".', str(path))
    try:
        card = _CARD_ADAPTER.validate_json(data, strict=True)
    except ValidationError as err:
        first = err.errors()[0]
        place = ".".join(str(part) for part in first["loc"])
        raise damaged(f'The model card\'s "{place}" is wrong: {first["msg"]}.', str(path)) from err
    for filename in card.files:
        if Path(filename).name != filename or filename in ("", ".", "..", CARD):
            raise damaged(f"The model card lists {filename!a}, which is no plain file name.", str(path))
    return card


def verified_bytes(folder: Path, card: GeneratorCard, filename: str) -> bytes:
    """The bytes of one file of a package. Raises GeneratorError if the card does not list it or describes another."""
    if filename not in card.files:
        listed = ", ".join(sorted(card.files)) or "none"
        raise GeneratorError(
            f'The model "{card.name}" has no {filename}.',
            where=str(folder),
            remedy=f"Its files: {listed}.",
        )
    path = folder / filename
    data = read_bytes(path, MAX_FILE_BYTES)
    found = hashlib.sha256(data).hexdigest()
    if found != card.files[filename]:
        raise damaged(
            f"{filename} is not the file that the card describes (SHA-256 {found[:12]}, expected "
            f"{card.files[filename][:12]}).",
            str(path),
        )
    return data


def card_sha256(card: GeneratorCard) -> str:
    """SHA-256 over a model's identity and the checksums of all its files, as 64 hex digits."""
    return hashlib.sha256(json.dumps([card.id, card.files], sort_keys=True).encode()).hexdigest()
