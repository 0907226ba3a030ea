"""Where things lie: a node's results beside the file, the taps of a moment in memory."""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import bpy
from lineament.core.atomic import is_alive

from .cache import Location
from .compat import views

DEFAULT_FOLDER = "//lineament_cache"
"""Beside the Blender file, so that both move together and the saved file names no absolute path."""

_TAPS = "lineament-taps-"
_IN_MEMORY = Path("/dev/shm")  # noqa: S108 - a memory file system; folders in it are made with mkdtemp
_ROOM = 1 << 30
"""Bytes that must be free in memory before taps are put there: four of a 4K frame with its mask."""


def node_folder(tree: Any) -> Path:
    """The folder of an edit tree's results: its own choice or one beside the file; in it one named after its uid.

    A file that was never saved keeps them in Blender's temporary folder, which ends with the session.
    """
    properties = tree.lineament
    told = (properties.cache_folder or DEFAULT_FOLDER).strip()
    if os.sep == "/":
        told = told.replace("\\", "/")  # a file that was saved on Windows
    if told.startswith("//") and not bpy.data.filepath:
        return Path(bpy.app.tempdir) / told[2:] / str(properties.uid)
    return Path(bpy.path.abspath(told, library=tree.library)) / str(properties.uid)


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
