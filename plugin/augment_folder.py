"""Whose a folder of edited pictures is: one set's, made with one list of settings, and written by one run at a time."""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from lineament.core.errors import DataError, PlateError

from .augment_finish import written
from .augment_shards import CARD
from .plan import make_folder

LOCK = ".lock"
FORMAT = 1
TEMPORARY = ".tmp-"
"""What a killed process leaves of a file that it was writing."""


def own(folder: Path, settings: Mapping[str, Any], *, overwrite: bool) -> None:
    """Make the folder this job's, or see that it is. Raises DataError for somebody else's."""
    card = folder / CARD
    try:
        told = json.loads(card.read_bytes()) if card.exists() else None
        is_ours = told is not None and told.get("format") == FORMAT and told.get("settings") == settings
    except (OSError, ValueError, AttributeError) as err:
        if not overwrite:
            raise _not_ours(folder, f"its {CARD} cannot be read ({err})") from err
        told, is_ours = {}, False
    if is_ours:
        return
    others = [one.name for one in folder.iterdir() if not one.name.startswith((LOCK, TEMPORARY))]
    if told is None and others:
        raise DataError(
            f"The folder holds something else: {', '.join(sorted(others)[:3])}.",
            where=str(folder),
            remedy="Choose an empty or a new folder.",
        )
    if told is not None and not overwrite:
        changed = _differences(told.get("settings"), settings)
        raise _not_ours(folder, f"other settings made it ({changed})")
    written(card, {"format": FORMAT, "settings": settings, "is_finished": False})


def _differences(old: object, new: Mapping[str, Any]) -> str:
    if not isinstance(old, dict):
        return "unknown ones"
    names = [name for name in new if old.get(name) != new[name]]
    return ", ".join(
        f"{name}: {', '.join(sorted(key for key in new[name] if old.get(name, {}).get(key) != new[name][key]))}"
        if isinstance(new[name], dict) and isinstance(old.get(name), dict)
        else name
        for name in names
    )


def _not_ours(folder: Path, why: str) -> DataError:
    return DataError(
        f"The folder is another set: {why}.",
        where=str(folder),
        remedy="Choose another folder, give the same options again, or begin it anew with --overwrite.",
    )


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Make the folder and hold it for this run; the system lets go of it however the run ends."""
    make_folder(folder)
    try:
        handle = os.open(folder / LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
    except OSError as err:
        raise PlateError(
            f"The folder cannot be written: {err.strerror or err}.",
            where=str(folder),
            remedy="Choose a folder you may write to.",
        ) from err
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
    except BlockingIOError as err:
        raise DataError(
            "Another run is writing this set.",
            where=str(folder),
            remedy="Wait for it, or choose another folder.",
        ) from err
    finally:
        os.close(handle)
