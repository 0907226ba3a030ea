"""How a finished picture gets its name: all of it or nothing, and never over the plate it was made from."""

from __future__ import annotations

import contextlib
import os
import stat
from collections.abc import Iterator
from pathlib import Path

from ..errors import PlateError


def refuse_same_file(source: str | Path, target: str | Path) -> None:
    """Raise PlateError if writing ``target`` would replace ``source``, also through links and odd spellings.

    Both are paths; ``target`` need not exist. Hard links count as the same file.
    """
    source, target = Path(source), Path(target)
    try:
        same = source.resolve() == target.resolve() or (
            target.exists() and source.exists() and source.samefile(target)
        )
    except (
        OSError,
        ValueError,
        RuntimeError,
    ) as err:  # RuntimeError: a loop of symbolic links before Python 3.13
        raise PlateError(
            f"Cannot tell whether {str(target)!r} is the plate itself: {err}.",
            where=str(source),
            remedy="Give plain paths to existing folders.",
        ) from err
    if same:
        raise PlateError(
            f"The output {str(target)!r} is the input plate itself.",
            where=str(source),
            remedy="Choose another folder or file name; plates are never overwritten.",
        )


@contextlib.contextmanager
def replacing(target: Path, *, overwrite: bool = True) -> Iterator[Path]:
    """Yield a temporary path beside ``target``; give it that name on success, remove it on any failure.

    The temporary file is ``.<name>.<pid>.tmp<suffix>`` in the same folder (a rename across file systems would
    be a copy) and reaches the disk before it is renamed. An interrupt cleans up as well. Raises PlateError.
    """
    _check_target(target, overwrite=overwrite)
    temporary = target.with_name(f".{target.name}.{os.getpid()}.tmp{target.suffix}")
    try:
        yield temporary
        _flush(temporary)
        os.replace(temporary, target)  # noqa: PTH105 - the one call whose atomicity matters, by its usual name
    except OSError as err:
        raise _unwritable(target, err) from err
    finally:
        with contextlib.suppress(OSError, ValueError):  # ValueError: a name with a zero byte
            temporary.unlink(missing_ok=True)


def _check_target(target: Path, *, overwrite: bool) -> None:
    """Raise PlateError for a folder, a write-protected file or a name too long, before any work is done."""
    try:
        if not target.parent.is_dir():
            raise PlateError(
                f"The folder {str(target.parent)!r} does not exist.",
                where=str(target),
                remedy="Create the folder first, or choose another one.",
            )
        mode = target.stat().st_mode if target.exists() else None
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
