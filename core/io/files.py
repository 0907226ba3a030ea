"""How a finished picture gets its name: all of it or nothing, and never over the plate it was made from."""

from __future__ import annotations

import contextlib
import hashlib
import os
import platform
import re
import stat
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path

from ..atomic import is_alive
from ..errors import PlateError


def refuse_same_file(source: str | Path, target: str | Path) -> None:
    """Raise PlateError if writing ``target`` would replace ``source``, also through links and odd spellings.

    Both are paths; ``target`` need not exist. Hard links count as the same file.
    """
    if overwritten([source], [target]) is not None:
        raise PlateError(
            f"The output {str(target)!r} is the input plate itself.",
            where=str(source),
            remedy="Choose another folder or file name; plates are never overwritten.",
        )


def overwritten(sources: Iterable[str | Path], targets: Iterable[str | Path]) -> Path | None:
    """The first of ``targets`` that is one of ``sources``, under whatever name, or None.

    Each path is looked at once, so a long shot costs no more than its number of files. Raises PlateError if the
    system does not tell.
    """
    names: set[str] = set()
    identities: set[tuple[int, int]] = set()
    folders: dict[str, tuple[str, bool]] = {}
    for source in sources:
        name, identity = _identity(source, folders)
        names.add(name)
        identities |= {identity} if identity else set()
    for target in targets:
        name, identity = _identity(target, folders)
        if name in names or identity in identities:
            return Path(target)
    return None


def _identity(path: str | Path, folders: dict[str, tuple[str, bool]]) -> tuple[str, tuple[int, int] | None]:
    """The path without links, and device and inode of the file if there is one.

    ``folders`` remembers where each folder really lies and whether it is there, for a shot has many files in few.
    """
    folder, last = os.path.split(path)
    try:
        if last in ("", ".", ".."):
            return str(Path(path).resolve()), None
        if folder not in folders:
            real = Path(folder).resolve()
            folders[folder] = (str(real), real.is_dir())
        name, is_there = folders[folder]
        name = f"{name}/{last}"
        try:
            status = os.lstat(path) if is_there else None
            if status is None or not stat.S_ISLNK(status.st_mode):
                return name, None if status is None else _inode(status)
            name = str(Path(path).resolve())
            return name, _inode(Path(path).stat())
        except (FileNotFoundError, NotADirectoryError):
            return name, None
    except (OSError, ValueError, RuntimeError) as err:  # RuntimeError: a loop of links before Python 3.13
        raise PlateError(
            f"Cannot tell whether {str(path)!r} is a plate: {err}.",
            where=str(path),
            remedy="Give plain paths to existing folders that you may read.",
        ) from err


def _inode(status: os.stat_result) -> tuple[int, int] | None:
    return (status.st_dev, status.st_ino) if status.st_ino else None


@contextlib.contextmanager
def replacing(target: Path, *, overwrite: bool = True) -> Iterator[Path]:
    """Yield a temporary path beside ``target``; give it that name on success, remove it on any failure.

    The temporary file is ``.<name>.<host>-<pid>.tmp<suffix>`` in the same folder (a rename across file systems
    would be a copy) and reaches the disk before it is renamed. An interrupt cleans up as well; what a killed
    process left of the same target is removed by the next writer on its host. Raises PlateError.
    """
    _check_target(target, overwrite=overwrite)
    temporary = temporary_of(target, os.getpid())
    try:
        _sweep(target)
        yield temporary
        _flush(temporary)
        os.replace(temporary, target)  # noqa: PTH105 - the one call whose atomicity matters, by its usual name
    except OSError as err:
        raise _unwritable(target, err) from err
    finally:
        with contextlib.suppress(OSError, ValueError):  # ValueError: a name with a zero byte
            temporary.unlink(missing_ok=True)


def temporary_of(target: Path, pid: int) -> Path:
    """Where a process of this host puts its unfinished ``target``."""
    host = hashlib.sha256(platform.node().encode()).hexdigest()[:8]
    return target.with_name(f".{target.name}.{host}-{pid}.tmp{target.suffix}")


def _sweep(target: Path) -> None:
    """Remove unfinished copies of ``target`` whose process on this host is dead; nobody can tell for others."""
    if sys.platform == "win32":  # there, asking a process whether it lives would end it
        return
    before, after = temporary_of(target, 0).name.rsplit("-0.tmp", 1)
    shape = re.compile(re.escape(before) + r"-(\d{1,9})\.tmp" + re.escape(after))
    with contextlib.suppress(OSError):  # tidying may fail; the picture is what matters
        for path in target.parent.iterdir():
            found = shape.fullmatch(path.name)
            if found and not is_alive(int(found[1])):
                path.unlink(missing_ok=True)


def _check_target(target: Path, *, overwrite: bool) -> None:
    """Raise PlateError for a folder, a write-protected file or a name too long, before any work is done."""
    try:
        if not target.parent.is_dir():
            raise PlateError(
                f"The folder {str(target.parent)!r} does not exist.",
                where=str(target),
                remedy="Create the folder first, or choose another one.",
            )
        leads_nowhere = target.is_symlink() and not target.exists()
        mode = target.lstat().st_mode if leads_nowhere else target.stat().st_mode if target.exists() else None
    except (OSError, ValueError) as err:
        raise _unwritable(target, err) from err
    if mode is None:
        return
    if not overwrite:
        raise PlateError(
            "The output exists.", where=str(target), remedy="Use --overwrite, or a new version folder."
        )
    if not stat.S_ISREG(mode):
        raise PlateError("The output is not a file.", where=str(target), remedy="Name a file.")
    if not mode & 0o222:  # a rename would silently replace a file that somebody locked
        raise PlateError(
            "The output exists and is write-protected.",
            where=str(target),
            remedy="Publish to a new version, or remove the protection.",
        )


def _flush(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _unwritable(target: Path, err: Exception) -> PlateError:
    return PlateError(
        f"Cannot write the picture: {err}.",
        where=str(target),
        remedy="Check the folder's permissions and the free space; nothing was left behind.",
    )
