"""Saving the open file whole or not at all: a Blender without the add-on then shows what was baked."""

from __future__ import annotations

import os
import shutil
from contextlib import suppress
from pathlib import Path

import bpy
from lineament.core.errors import PlateError

from . import handlers

_COMPRESSED = (b"\x28\xb5\x2f\xfd", b"\x1f\x8b")
"""How compressed files begin, of today and of before 3.0; a file keeps its kind, as its users chose it."""

_REMEDY = "Make it writable, or leave --save out: results and renders are the same without it."


def refuse_unwritable(file: Path) -> None:
    """Raise PlateError for a Blender file that cannot be replaced: better before a bake of hours than after it."""
    target = file.resolve()
    if not target.stat().st_mode & 0o222 or not os.access(target, os.W_OK):
        raise PlateError(
            "The Blender file is read-only and cannot be saved.", where=str(target), remedy=_REMEDY
        )
    if not os.access(target.parent, os.W_OK):
        raise PlateError(
            "The Blender file cannot be saved: its folder is read-only.", where=str(target), remedy=_REMEDY
        )


def save_atomically(file: Path) -> None:
    """Let Blender save beside the file, then replace it. Raises PlateError; the file is as before then."""
    target = file.resolve()
    partial = target.with_name(f".{target.stem}.{os.getpid()}.partial.blend")
    try:
        with target.open("rb") as stream:
            is_compressed = stream.read(4).startswith(_COMPRESSED)
        with handlers.staying():
            bpy.ops.wm.save_as_mainfile(
                filepath=str(partial), copy=True, compress=is_compressed, relative_remap=False
            )
        shutil.copymode(target, partial)
        partial.replace(target)
    except (OSError, RuntimeError) as err:
        raise PlateError(
            f"The Blender file could not be saved: {' '.join(str(err).split())}",
            where=str(target),
            remedy=_REMEDY,
        ) from err
    finally:
        with suppress(OSError):
            partial.unlink()
