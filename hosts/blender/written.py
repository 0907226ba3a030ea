"""Whether the pictures that a render wrote are whole: Blender says nothing when the disk fills up within one."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterable
from pathlib import Path

from lineament.core.errors import HostError

_PAGE = 4096
"""Bytes that every disk gives out at least at once; one that has not these has cut off what came before."""


def refuse_cut_off(pictures: Iterable[Path]) -> None:
    """Raise HostError if one of the pictures that were just written is empty, or its disk has no room left.

    In EXR, PNG and others Blender takes the disk's refusal for success. A disk is asked by a file of one page, which is
    removed at once; that tells of quotas too. Pictures that are not there are passed over.
    """
    there = [path for path in pictures if path.is_file()]
    for path in there:
        if path.stat().st_size == 0:
            raise _cut_off(path, "it is empty")
    for folder in dict.fromkeys(path.parent for path in there):
        try:
            with tempfile.TemporaryFile(dir=folder) as stream:
                stream.write(bytes(_PAGE))
                stream.flush()
                os.fsync(stream.fileno())
        except OSError as err:
            raise _cut_off(folder, err.strerror or str(err)) from err


def _cut_off(path: Path, why: str) -> HostError:
    return HostError(
        f"The picture was not written whole: {why}.",
        where=str(path),
        remedy="Make room for the output, then render this frame again; the bake is valid.",
    )
