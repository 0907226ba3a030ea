"""Which Blender file a folder of results belongs to, so that a file that was saved from another writes beside it.

A folder names its owner by a path relative to itself, so both may move together and be mounted anywhere. An owner that
is gone was renamed or left behind: whoever comes next takes the folder over.
"""

from __future__ import annotations

import json
import os
import shutil
import uuid
from pathlib import Path

from lineament.core.atomic import write_atomically

OWNER = "owner.json"
"""The file in a folder of results that names the Blender file."""


FAILURE = ".failed.json"
"""How the name of a failure's record ends; the result beside it may be of anything."""


def own_folder(base: Path, uid: str, file: Path | None) -> Path:
    """The folder in ``base`` for the results of node ``uid`` of ``file``: named after the node, or after node and
    file where another file that is still there has that one. ``file`` is None for one that was never saved.
    """
    if file is None:
        return base / uid
    real_base, real_file = os.path.realpath(base), os.path.realpath(file)
    own = uuid.uuid5(uuid.NAMESPACE_URL, f"{uid} {_named(real_base, real_file)}").hex
    is_elsewhere = _is_owned(Path(real_base, own), real_file) or _is_taken(Path(real_base, uid), real_file)
    return base / (own if is_elsewhere else uid)


def claim(folder: Path, file: Path) -> None:
    """Write into the folder that it is the file's, unless another one that is still there has it. Raises OSError."""
    real = Path(os.path.realpath(folder.parent), folder.name)
    real_file = os.path.realpath(file)
    if _is_owned(real, real_file) or _is_taken(real, real_file):
        return
    told = json.dumps({"file": _named(str(real), real_file)}).encode("utf-8")
    if (real / OWNER).exists():  # of a file that is gone, or damaged
        write_atomically(real / OWNER, told)
        return
    whole = real / f".{uuid.uuid4().hex[:12]}.partial"
    try:
        write_atomically(whole, told)
        lend(whole, real / OWNER, may_copy=True)  # never half of it, and whoever came first keeps it
    finally:
        whole.unlink(missing_ok=True)


def take_over(source: Path, target: Path, *, may_copy: bool) -> None:
    """Let the results of ``source`` appear in ``target`` too, except frames that it has and those that failed since.

    Results are replaced and never changed, so both folders can have the same file as long as it is the same. Where
    the system cannot do that they are copied if ``may_copy``. Raises OSError; what is there by then stays.
    """
    if not source.is_dir() or (target.is_dir() and source.samefile(target)):
        return
    target.mkdir(parents=True, exist_ok=True)
    known = {_frame_name(path) for path in target.iterdir()}
    known |= {_frame_name(path) for path in source.iterdir() if path.name.endswith(FAILURE)}
    names = [
        path.name for path in source.iterdir() if path.suffix in (".exr", ".json") and path.name != OWNER
    ]
    for name in sorted(names):
        if not name.startswith(".") and _frame_name(Path(name)) not in known:
            lend(source / name, target / name, may_copy=may_copy)


def lend(source: Path, target: Path, *, may_copy: bool) -> None:
    """Let a file appear under a second name that is free, whole or not at all. Raises OSError if it cannot."""
    try:
        os.link(source, target)
        return
    except OSError:
        if target.exists():
            return
        if not may_copy:
            raise
    partial = target.with_name(f".{uuid.uuid4().hex[:12]}.partial")
    try:
        shutil.copyfile(source, partial)
        partial.replace(target)
    finally:
        partial.unlink(missing_ok=True)


def _frame_name(path: Path) -> str:
    """What the files of one frame and view share."""
    return path.name.removesuffix(FAILURE).removesuffix(path.suffix)


def _owner(folder: Path) -> str:
    """The path of the file that a folder, named without links, belongs to; "" if it names none."""
    try:
        told = json.loads((folder / OWNER).read_text("utf-8"))
    except (OSError, ValueError):
        return ""
    name = told.get("file") if isinstance(told, dict) else None
    return os.path.normpath(folder / name) if isinstance(name, str) and _is_path(name) else ""


def _is_path(name: str) -> bool:
    """Whether the system could have a file of that name."""
    try:
        return bool(os.fsencode(name)) and "\0" not in name
    except UnicodeEncodeError:
        return False


def _is_owned(folder: Path, file: str) -> bool:
    owner = _owner(folder)
    return bool(owner) and _is_same(owner, file)


def _is_taken(folder: Path, file: str) -> bool:
    owner = _owner(folder)
    return bool(owner) and Path(owner).is_file() and not _is_same(owner, file)


def _is_same(one: str, other: str) -> bool:
    """Whether two paths mean one file; the second has no links in it."""
    return os.path.normcase(one) == os.path.normcase(other) or os.path.realpath(one) == other


def _named(folder: str, file: str) -> str:
    """The file as seen from the folder, both without links; absolute on another drive."""
    try:
        return Path(os.path.relpath(file, folder)).as_posix()
    except ValueError:
        return Path(file).as_posix()
