"""An export on disk: a folder that is there whole or not at all, and that replaces nothing but an earlier export."""

from __future__ import annotations

import json
import os
import secrets
import shutil
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from lineament.core.atomic import write_atomically
from lineament.core.errors import PlateError

from .farm_deadline import deadline_files
from .farm_job import FarmFile, FarmJob
from .farm_opencue import opencue_files
from .farm_openjd import openjd_files
from .farm_tractor import tractor_files
from .plan import UsageError, make_folder, refuse_unwritable

LIST = "lineament_export.json"
"""The names of an export's files: a later one with ``--overwrite`` takes away those that it has no more."""

ENGINES: Mapping[str, Callable[[FarmJob], tuple[FarmFile, ...]]] = {
    "openjd": openjd_files,
    "opencue": opencue_files,
    "deadline": deadline_files,
    "tractor": tractor_files,
}


def export_files(job: FarmJob, engine: str) -> tuple[FarmFile, ...]:
    """The files of a job for an engine. Raises UsageError for an engine that there is none of."""
    if engine not in ENGINES:
        raise UsageError(
            f'There is no engine "{engine}".', where="--engine", remedy=f"Choose {', '.join(ENGINES)}."
        )
    return ENGINES[engine](job)


def refuse_export(folder: Path, *, overwrite: bool) -> None:
    """Raise UsageError if an export must not go to ``folder``, PlateError if it cannot; nothing is written."""
    if folder.is_dir() and any(folder.iterdir()):
        if not overwrite:
            raise UsageError(
                "The folder is not empty.", where=str(folder), remedy="Name a new one, or say --overwrite."
            )
        if earlier_files(folder) is None:
            raise UsageError(
                "The folder holds something else than an export.",
                where=str(folder),
                remedy="Name a new folder, or an earlier export.",
            )
    refuse_unwritable(folder)


def write_export(folder: Path, files: Sequence[FarmFile], *, overwrite: bool = False) -> None:
    """Write an export. A new folder appears whole; in an earlier export file after file is replaced.

    Raises UsageError for a folder with something else, PlateError if it cannot be written; then nothing is left behind.
    """
    refuse_export(folder, overwrite=overwrite)
    names = sorted(file.name for file in files)
    listed = FarmFile(LIST, json.dumps({"files": names}, indent=1, ensure_ascii=False) + "\n")
    try:
        if folder.exists():
            _replace(folder, (listed, *files))
        else:
            _make(folder, (*files, listed))
    except OSError as err:
        raise PlateError(
            f"The export cannot be written: {err.strerror or err}.",
            where=str(folder),
            remedy="Choose another folder with -o, or make room.",
        ) from err


def earlier_files(folder: Path) -> tuple[str, ...] | None:
    """The files of the export in a folder, None if there is no export."""
    try:
        names = json.loads((folder / LIST).read_text(encoding="utf-8"))["files"]
    except (OSError, ValueError, KeyError, TypeError):
        return None
    plain = [
        name for name in names if isinstance(name, str) and name == Path(name).name and name not in ("", "..")
    ]
    return tuple(plain)


def _make(folder: Path, files: Sequence[FarmFile]) -> None:
    """Write a sibling and give it the name at the end."""
    make_folder(folder.parent)
    temporary = folder.parent / f".tmp-{secrets.token_hex(8)}"
    temporary.mkdir()
    try:
        for file in files:
            write_atomically(temporary / file.name, file.text.encode())
        os.replace(temporary, folder)  # noqa: PTH105 - Path.replace reads as if a file were meant
    except BaseException:
        shutil.rmtree(temporary, ignore_errors=True)
        raise


def _replace(folder: Path, files: Sequence[FarmFile]) -> None:
    """Replace the files of an earlier export, its list first: what a stop leaves behind is still known as ours."""
    stale = set(earlier_files(folder) or ()) - {file.name for file in files}
    for file in files:
        write_atomically(folder / file.name, file.text.encode())
    for name in stale:
        (folder / name).unlink(missing_ok=True)
