"""A folder of a review on disk: made beside its place, then moved into it file by file, pages last.

What has the same bytes already stays as it is, so that a second run replaces only what changed; pictures of frames that
are not reviewed any more go. Nothing that is not of a review is touched.
"""

from __future__ import annotations

import os
import re
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from lineament.core.atomic import is_alive, write_atomically
from lineament.core.errors import PlateError

from .plan import UsageError

MARK = "<!-- lineament review -->"
"""The second line of every page of ours; a page without it belongs to somebody else."""
INDEX = "index.html"
SHOTS = "shots"
OWN = ".review"
"""An empty file that says a shot's folder is a review's, from before the first picture comes."""
_PICTURE = re.compile(r"(?:(?:before|after|difference|mask|thumb)\.-?\d+\.(?:jpg|png))|movie\.mp4")
_STAGE = re.compile(r"\.review-(\d+)-\w+")
_BESIDE = ("sheet.png", "review.json")
_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]*")


def refuse_foreign(folder: Path) -> None:
    """Raise UsageError if the folder holds a page that is not of a review, or is none."""
    index = folder / INDEX
    try:
        if folder.exists() and not folder.is_dir():
            raise UsageError(
                "The review goes into a folder, and this is a file.",
                where=str(folder),
                remedy="Choose another -o.",
            )
        if index.exists() and MARK not in index.read_text("utf-8", errors="replace")[:200]:
            raise UsageError(
                "There is a page already that is not of a review.",
                where=str(index),
                remedy="Choose another -o.",
            )
    except OSError as err:
        raise unwritable(folder, err) from err


def shot_folder(folder: Path, shot: str) -> Path:
    """Where a shot's page lies. Raises UsageError for a name that could lead elsewhere."""
    if not _NAME.fullmatch(shot):
        raise UsageError(
            f"The shot's name {shot!r} cannot be a folder's.",
            where=str(folder),
            remedy="Use letters, digits, _, . and -, and begin with a letter, a digit or _.",
        )
    return folder / SHOTS / shot


def refuse_foreign_shot(folder: Path) -> None:
    """Raise UsageError if a shot's folder holds files that a review would replace or remove, and no page of ours."""
    try:
        index = folder / INDEX
        is_marked = index.is_file() and MARK in index.read_text("utf-8", errors="replace")[:200]
        if is_marked or (folder / OWN).exists():
            return
        names = sorted(path.name for path in folder.iterdir()) if folder.is_dir() else []
    except OSError as err:
        raise unwritable(folder, err) from err
    mine = [name for name in names if name == INDEX or _PICTURE.fullmatch(name) or name in _BESIDE]
    if mine:
        raise UsageError(
            f"The folder holds {mine[0]}, which is not of a review.",
            where=str(folder),
            remedy="Choose another -o, or move these files away.",
        )


@contextmanager
def staged(target: Path) -> Iterator[Path]:
    """A temporary folder beside ``target``; what lies in it at the end becomes the content of ``target``.

    Raises PlateError if the disk does not take it; ``target`` is then as it was, or has some new pictures and the old
    page.
    """
    parent = target.parent
    try:
        parent.mkdir(parents=True, exist_ok=True)
        _sweep(parent)
        stage = Path(tempfile.mkdtemp(prefix=f".review-{os.getpid()}-", dir=parent))
    except OSError as err:
        raise unwritable(parent, err) from err
    try:
        yield stage
        _publish(stage, target)
    except OSError as err:
        raise unwritable(target, err) from err
    finally:
        shutil.rmtree(stage, ignore_errors=True)


def write_page(path: Path, data: bytes) -> None:
    """Write a page or what belongs to one, unless it has these bytes. Raises PlateError."""
    try:
        if not (path.is_file() and path.read_bytes() == data):
            write_atomically(path, data)
    except OSError as err:
        raise unwritable(path, err) from err


def _publish(stage: Path, target: Path) -> None:
    """Move the staged files to their place, the page last."""
    target.mkdir(parents=True, exist_ok=True)
    if not (target / OWN).exists():
        (target / OWN).touch()
    made = sorted(stage.iterdir(), key=lambda path: (path.name == INDEX, path.name))
    for path in made:
        place = target / path.name
        if not (place.is_file() and _same(path, place)):
            path.replace(place)
    names = {path.name for path in made}
    for old in target.iterdir():
        if _PICTURE.fullmatch(old.name) and old.name not in names:
            old.unlink()


def _same(first: Path, second: Path) -> bool:
    return first.stat().st_size == second.stat().st_size and first.read_bytes() == second.read_bytes()


def _sweep(parent: Path) -> None:
    """Remove what runs that were killed have left."""
    for path in parent.iterdir():
        found = _STAGE.fullmatch(path.name)
        if found and not is_alive(int(found[1])):
            shutil.rmtree(path, ignore_errors=True)


def unwritable(path: Path, err: OSError) -> PlateError:
    """What to say when the disk does not take a review."""
    return PlateError(
        f"The review cannot be written: {err.strerror or err}.",
        where=str(path),
        remedy="Check the free space and the permissions, or choose another folder with -o.",
    )
