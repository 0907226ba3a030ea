"""A first show file from what lies on disk: every image sequence below a folder becomes a shot."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fileseq.exceptions import FileSeqException
from fileseq.filesequence import FileSequence

from ..errors import PlateError
from ..io.sequences import format_frames
from ..io.stills import FORMATS
from .shot_file import plain_name
from .shot_schema import SCHEMA_VERSION

SUFFIXES = frozenset({".exr", *FORMATS})
MAX_FILES = 2_000_000
"""Of a whole project server somebody would have to wait for; name a folder below it."""

DEFAULT_OUTPUT = "out/{shot}/{version}/"


@dataclass(frozen=True)
class Found:
    """An image sequence: the ``pattern`` of its files, its ``frames`` in rising order, and those ``missing`` between
    the first and the last."""

    name: str
    pattern: Path
    frames: tuple[int, ...]
    missing: tuple[int, ...]


def find_plates(folder: Path) -> tuple[Found, ...]:
    """Every image sequence of two frames or more below a folder, in the order of its path; hidden folders are left out.

    A shot is called like its files, with the folder's name in front where two are called the same. Raises PlateError.
    """
    if not folder.is_dir():
        raise PlateError(
            "The folder of plates does not exist.",
            where=str(folder),
            remedy="Name the folder that holds the plates.",
        )
    found = list(_sequences(folder))
    if not found:
        raise PlateError(
            "There are no image sequences below the folder.",
            where=str(folder),
            remedy=f"Plates are numbered files such as sh010.1001.exr ({', '.join(sorted(SUFFIXES))}).",
        )
    names = _names(found, folder)
    return tuple(
        Found(name, pattern, frames, missing)
        for name, (_, pattern, frames, missing) in zip(names, found, strict=True)
    )


def show_data(found: tuple[Found, ...], root: Path, output: str = DEFAULT_OUTPUT) -> dict[str, Any]:
    """The data of a show file that lies in ``root``: each sequence with the frames that are there, all of its gaps
    told by its frames."""
    shots = {
        each.name: {"plate": _relative(each.pattern, root), "frames": format_frames(each.frames)}
        for each in found
    }
    head = {"schema_version": SCHEMA_VERSION, "show": {"name": plain_name(root.absolute().name)}}
    return head | {"defaults": {"output": output, "handles": 0, "strengths": {}}, "shots": shots}


def _sequences(folder: Path) -> Iterator[tuple[str, Path, tuple[int, ...], tuple[int, ...]]]:
    """Name of the files, pattern, frames and gaps of each sequence."""
    count = 0
    for place, folders, files in os.walk(folder, onerror=_cannot_list):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        count += len(files)
        if count > MAX_FILES:
            raise PlateError(
                f"There are more than {MAX_FILES} files below the folder.",
                where=str(folder),
                remedy="Name a folder further down, one for each show.",
            )
        names = sorted(
            name for name in files if Path(name).suffix.lower() in SUFFIXES and not name.startswith(".")
        )
        for sequence in _grouped(names):
            frames = tuple(sorted(int(frame) for frame in sequence.frameSet() or ()))
            if len(frames) > 1:
                digits = max(sequence.zfill(), 1)
                mark = "#" * digits if digits > 1 and "#" not in sequence.basename() else f"%0{digits}d"
                name = f"{sequence.basename()}{mark}{sequence.extension()}"
                gaps = tuple(sorted(set(range(frames[0], frames[-1] + 1)) - set(frames)))
                yield sequence.basename(), Path(place) / name, frames, gaps


def _grouped(names: list[str]) -> list[Any]:
    try:
        return sorted(FileSequence.findSequencesInList(names), key=str)
    except (FileSeqException, ValueError) as err:
        raise PlateError(
            f"The files cannot be grouped into sequences: {err}.",
            where=names[0],
            remedy="Write the show file by hand; docs/shots.md shows one.",
        ) from err


def _cannot_list(err: OSError) -> None:
    raise PlateError(
        f"Cannot list a folder: {err.strerror or err}.",
        where=str(err.filename),
        remedy="Check its permissions.",
    ) from err


def _names(found: list[tuple[str, Path, tuple[int, ...], tuple[int, ...]]], folder: Path) -> list[str]:
    plain = [_stem(basename, pattern) for basename, pattern, _, _ in found]
    names: list[str] = []
    for name, (_, pattern, _, _) in zip(plain, found, strict=True):
        if plain.count(name) > 1 and pattern.parent != folder and pattern.parent.name != name:
            name = plain_name(f"{pattern.parent.name}_{name}")
        unique, count = name, 1
        while unique in names:
            count += 1
            unique = f"{name}_{count}"
        names.append(unique)
    return names


def _stem(basename: str, pattern: Path) -> str:
    """What the files are called in front of their number; the folder's name if that is nothing."""
    letters = basename.strip("._- ")
    return plain_name(letters or pattern.parent.name)


def _relative(pattern: Path, root: Path) -> str:
    """A path from the show file's folder if it lies below it or beside it, else the whole path."""
    whole, base = Path(os.path.abspath(pattern)), Path(os.path.abspath(root))  # noqa: PTH100 - links stay links
    if whole.is_relative_to(base):
        return str(whole.relative_to(base))
    return os.path.relpath(whole, base) if whole.is_relative_to(base.parent) else str(whole)
