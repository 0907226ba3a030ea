"""What a set of edited pictures is made from, found and checked before any work is done."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from lineament.core.augment.draws import Draws
from lineament.core.augment.filters import Limits
from lineament.core.errors import DataError, PlateError, RecipeError
from lineament.core.io.sequences import has_token, resolve
from lineament.core.io.stills import FORMATS
from lineament.core.recipe import EditRecipe

from .messages import ToolChoices

SUFFIXES = (".exr", *FORMATS)
PICTURES, REJECTED, SHARDS = "pictures", "rejected", "data"
"""Folders of a set: what passed, what did not and was to be kept, and shards."""
FOLDER, WEBDATASET = "folder", "webdataset"
KEEP, PNG = "keep", "png"
WHOLE, ALIGNED = "none", "aligned"
_KEPT = {".exr": ".exr", ".jpg": ".jpg", ".jpeg": ".jpg"}
"""TIFF is not among them: its writer puts the time of day into the file."""


@dataclass(frozen=True)
class Source:
    """One picture: its ``path``, and its ``name`` in the set, a relative path without suffix."""

    path: str
    name: str


@dataclass(frozen=True)
class Form:
    """How the set is written: ``layout`` folder or webdataset with shards of ``shard_mb``; ``picture`` keep (EXR stays
    EXR and JPEG JPEG, the rest becomes PNG) or png; ``crop`` none or aligned, ``size`` pixels wide; rejected pictures
    are written too if they are to be ``keep_rejected``."""

    layout: str = FOLDER
    picture: str = KEEP
    crop: str = WHOLE
    size: int = 256
    shard_mb: int = 256
    keep_rejected: bool = False

    def __post_init__(self) -> None:
        for name, allowed in (
            ("layout", (FOLDER, WEBDATASET)), ("picture", (KEEP, PNG)), ("crop", (WHOLE, ALIGNED))
        ):  # fmt: skip
            if getattr(self, name) not in allowed:
                raise RecipeError(
                    f"The {name} {getattr(self, name)!r} is unknown.",
                    where="command line",
                    remedy=f"Use one of {', '.join(allowed)}.",
                )

    def suffix(self, source: str) -> str:
        """The suffix of pictures that are made of this one."""
        kept = _KEPT if self.picture == KEEP and self.crop == WHOLE else {}
        return kept.get(Path(source).suffix.lower(), ".png")


@dataclass(frozen=True)
class AugmentJob:
    """Everything that decides a set. ``choices`` and ``recipe`` say how pictures are read and faces found; the recipe's
    own strengths are empty."""

    sources: tuple[Source, ...]
    draws: Draws
    limits: Limits
    recipe: EditRecipe
    choices: ToolChoices
    form: Form
    output: str

    def settings(self, model: str) -> dict[str, Any]:
        """What decides the bytes of every picture, as plain data; ``model`` is the hash of the model's files.

        The pictures themselves, and how many variants, are not in it: a set may grow.
        """
        draws, choices = asdict(self.draws), asdict(self.choices)
        draws.pop("count")
        for name in ("device", "cache"):
            choices.pop(name, None)
        form = {
            name: value for name, value in asdict(self.form).items() if name not in ("layout", "shard_mb")
        }
        plain = {
            "draws": draws, "limits": asdict(self.limits), "recipe": asdict(self.recipe),
            "choices": choices, "form": form, "model": model,
        }  # fmt: skip
        settings: dict[str, Any] = json.loads(json.dumps(plain, default=str))
        return settings


def digest(settings: object) -> str:
    """A name for settings: 64 hexadecimal digits."""
    return hashlib.sha256(json.dumps(settings, sort_keys=True).encode()).hexdigest()


def find_pictures(inputs: Sequence[str], output: str) -> tuple[Source, ...]:
    """The pictures in folders (searched to their depths), patterns of frames, and files, in order of their names.

    Raises PlateError if there are none, or if two would get one name; DataError if the output lies inside an input or
    the other way round.
    """
    found: dict[str, Source] = {}
    for text in inputs:
        for source in _pictures_of(text, output):
            other = found.setdefault(source.name, source)
            if Path(other.path).resolve() != Path(source.path).resolve():
                raise _same_name(other, source)
    if not found:
        raise PlateError(
            "No picture was found.",
            where=", ".join(inputs),
            remedy=f"Give folders, patterns or files of {', '.join(SUFFIXES)}.",
        )
    return tuple(found[name] for name in sorted(found))


def _same_name(one: Source, other: Source) -> PlateError:
    is_beside = Path(one.path).parent.resolve() == Path(other.path).parent.resolve()
    return PlateError(
        f"Two pictures would both be called {one.name!r} in the set.",
        where=f"{one.path}, {other.path}",
        remedy="They differ in nothing but the suffix: rename one, or move it out of the folder."
        if is_beside
        else "Rename one, or put both below one folder and give that folder.",
    )


def _pictures_of(text: str, output: str) -> list[Source]:
    path = Path(text)
    if path.is_dir():
        _refuse_nested(path, Path(output))
        files = [one for one in sorted(path.rglob("*")) if _is_picture(one, path)]
        return [Source(str(one), one.relative_to(path).with_suffix("").as_posix()) for one in files]
    _refuse_own(path, Path(output))
    if has_token(path) and not path.is_file():
        return [Source(str(one.path), Path(one.path).stem) for one in resolve(text, "")]
    if not path.is_file():
        raise PlateError("The picture does not exist.", where=text, remedy="Check the path.")
    if path.suffix.lower() not in SUFFIXES:
        raise PlateError(
            f"The picture format {path.suffix!r} is unknown.",
            where=text,
            remedy=f"Use {', '.join(SUFFIXES)}.",
        )
    return [Source(str(path), path.stem)]


def _is_picture(path: Path, root: Path) -> bool:
    hidden = any(part.startswith(".") for part in path.relative_to(root).parts)
    return not hidden and path.suffix.lower() in SUFFIXES and path.is_file()


def _refuse_own(source: Path, output: Path) -> None:
    if source.resolve().is_relative_to(output.resolve()):
        raise DataError(
            "The picture lies in the output folder.",
            where=str(source),
            remedy="Give the pictures that the set is made from, and an output folder beside them.",
        )


def _refuse_nested(source: Path, output: Path) -> None:
    inner, outer = output.resolve(), source.resolve()
    if inner == outer or inner.is_relative_to(outer) or outer.is_relative_to(inner):
        raise DataError(
            "The output and the pictures lie inside each other.",
            where=f"{output}, {source}",
            remedy="Choose an output folder beside the pictures: a second run would take edits for pictures.",
        )
