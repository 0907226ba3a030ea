"""Where things lie: a node's results beside the file, the taps of a moment in memory."""

from __future__ import annotations

import os
import re
import shutil
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import bpy
from lineament.core.atomic import is_alive
from lineament.core.errors import HostError

from .cache import Location
from .compat import views
from .ownership import own_folder

DEFAULT_FOLDER = "//lineament_cache"
"""Beside the Blender file, so that both move together and the saved file names no absolute path."""

_TAPS = "lineament-taps-"
_IN_MEMORY = Path("/dev/shm")  # noqa: S108 - a memory file system; folders in it are made with mkdtemp
_ROOM = 1 << 30
"""Bytes that must be free in memory before taps are put there: four of a 4K frame with its mask."""


def file_of(tree: Any) -> Path | None:
    """The Blender file that an edit tree belongs to; None if it was never saved."""
    name = tree.library.filepath if tree.library is not None else bpy.data.filepath
    return Path(bpy.path.abspath(name)) if name else None


def node_folder(tree: Any, file: Path | None = None) -> Path:
    """The folder of an edit tree's results: its own choice or one beside the file; in it one that is the node's and
    the file's alone. ``file`` is where the Blender file is going to be, where it is if None.

    A file that was never saved keeps them in Blender's temporary folder, which ends with the session.
    """
    file = file or file_of(tree)
    told = _setting(tree)
    if not told.startswith("//"):
        base = Path(bpy.path.abspath(told))
    else:
        base = (Path(bpy.app.tempdir) if file is None else file.parent) / told[2:]
    return own_folder(Path(os.path.normpath(base)), str(tree.lineament.uid), file)


def is_of_setting(tree: Any, folder: Path) -> bool:
    """Whether results in ``folder`` were made with the tree's present cache folder, whatever the file's name was.

    Whoever chooses another cache folder wants to begin there.
    """
    told = _setting(tree)
    if not told.startswith("//"):
        return folder.parent == Path(os.path.normpath(bpy.path.abspath(told)))
    tail = tuple(part for part in Path(told[2:]).parts if part != "..")
    return not tail or folder.parent.parts[-len(tail) :] == tail


def refuse_foreign_folder(tree: Any, name: str) -> None:
    """Raise HostError naming the node ``name`` if its cache folder is one of Windows, and this is another system."""
    told = str(tree.lineament.cache_folder).strip()
    if os.sep == "/" and (told.startswith("\\\\") or re.match(r"[A-Za-z]:[\\/]", told)):
        raise HostError(
            f"The cache folder {told} is a place on Windows, and this is another system.",
            where=name,
            remedy="Choose a folder that is there on every machine; // means beside the Blender file.",
        )


def _setting(tree: Any) -> str:
    """The folder as ``//`` and what follows, or absolute; what is neither lies beside the file too."""
    told = str(tree.lineament.cache_folder or DEFAULT_FOLDER).strip()
    if os.sep == "/":
        told = told.replace("\\", "/")  # a file that was saved on Windows
    return told if told.startswith("//") or Path(told).is_absolute() else f"//{told}"


def location(scene: Any, tree: Any, view: str = "") -> Location:
    """The results of an edit tree for one view, named as Blender names the files of a view."""
    return Location(node_folder(tree), views(scene)[view])


@contextmanager
def tap_folder() -> Iterator[Path]:
    """A folder for the taps of one frame, in memory where there is room, gone afterwards."""
    folder = keep_tap_folder()
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def keep_tap_folder() -> Path:
    """Such a folder that whoever asked must remove."""
    return Path(tempfile.mkdtemp(prefix=f"{_TAPS}{os.getpid()}-", dir=_memory()))


def remove_abandoned_taps() -> None:
    """Remove what killed processes left in memory; nobody can tell on Windows, where they lie on the disk."""
    base = _memory()
    if base is None or sys.platform == "win32":
        return
    for folder in Path(base).glob(f"{_TAPS}*"):
        owner = folder.name[len(_TAPS) :].split("-")[0]
        with suppress(OSError):
            if owner.isdigit() and not is_alive(int(owner)):
                shutil.rmtree(folder, ignore_errors=True)


def _memory() -> str | None:
    """The memory file system, if there is one with room; None takes the system's temporary folder."""
    with suppress(OSError):
        if os.access(_IN_MEMORY, os.W_OK) and shutil.disk_usage(_IN_MEMORY).free > _ROOM:
            return str(_IN_MEMORY)
    return None
