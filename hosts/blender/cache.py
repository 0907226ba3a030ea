"""Where a node's results lie, and how a frame gets there whole or not at all.

A folder per node holds ``result.1001.exr`` for the frames that were edited, ``result.1001.json`` for every frame
that was right, and ``result.1001.failed.json`` for one that failed since: a failure says nothing of the picture that is
there, which another process may just render. Ordinary names: Blender reads pictures back without this package.
"""

from __future__ import annotations

import errno
import json
import math
import re
import shutil
import stat
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lineament.core.atomic import write_atomically
from lineament.core.errors import HostError, LineamentError

from .frames import frame_digits
from .ownership import FAILURE, lend
from .record import EDITED, FrameRecord, content_digest, decoded, failed_record

MAX_EXPOSURE = 2.0**64
"""No plate is this dark; a whole number of JSON that is larger would be no float."""

_WORK = ".work-"
_ABANDONED_S = 86400.0
"""A work folder older than a day belongs to a process that was killed; a younger one may still be written to."""


@dataclass(frozen=True)
class Location:
    """The files of one node and one view; ``suffix`` is the view's own, such as ``_L`` ("" for the only view)."""

    folder: Path
    suffix: str = ""

    @property
    def pattern(self) -> Path:
        """The results' path with ``####`` for the frame."""
        return self.folder / f"result.####{self.suffix}.exr"

    def result(self, frame: int) -> Path:
        """The picture of a frame, whether it exists or not."""
        return self.folder / f"result.{frame_digits(frame)}{self.suffix}.exr"

    def sidecar(self, frame: int) -> Path:
        """The record of a frame, whether it exists or not."""
        return self.folder / f"result.{frame_digits(frame)}{self.suffix}.json"

    def note(self, frame: int) -> Path:
        """The record of a frame's failure, whether it exists or not."""
        return self.folder / f"result.{frame_digits(frame)}{self.suffix}{FAILURE}"

    def record(self, frame: int) -> FrameRecord | None:
        """What is to be told of a frame, a failure first; None if nothing is known, or nothing readable."""
        return _read(self.note(frame), frame) or self.made(frame)

    def made(self, frame: int) -> FrameRecord | None:
        """The record of a frame's result, whether it failed since or not."""
        return _read(self.sidecar(frame), frame)

    def records(self) -> tuple[FrameRecord, ...]:
        """Every readable record of this view, by frame."""
        found = [self.record(frame) for frame in self._frames()]
        return tuple(record for record in found if record is not None)

    def edited_frames(self) -> tuple[int, ...]:
        """The frames whose result is there and whole, rising."""
        return tuple(record.frame for record in self.records() if self.is_whole(record))

    def is_whole(self, record: FrameRecord) -> bool:
        """Whether a record speaks of an edited frame and its picture has the size that was written: a quick look."""
        try:
            told = self.result(record.frame).stat()
        except OSError:
            return False
        return record.status == EDITED and stat.S_ISREG(told.st_mode) and told.st_size == record.size

    def is_sound(self, record: FrameRecord) -> bool:
        """Whether the picture of an edited frame has the bytes that were written. Reads all of it."""
        try:
            return self.is_whole(record) and content_digest(self.result(record.frame)) == record.digest
        except OSError:
            return False

    def is_valid(self, record: FrameRecord | None, key: str, engine: dict[str, Any] | None = None) -> bool:
        """Whether a frame need not be made again: same key, same engine (None: unknown), the bytes as written."""
        if record is None or record.key != key or record.status != EDITED:
            return False
        return (engine is None or record.is_of(engine)) and self.is_sound(record)

    def place(self, made: Path, record: FrameRecord) -> None:
        """Move a finished picture in and write its record. Raises HostError; then the frame counts as not made.

        A record of other bytes goes first: with it, a picture that was placed by a process that was killed then would
        be shown as what it is not.
        """
        known = self.made(record.frame)
        with _told(self.folder):
            if known is not None and known.digest != record.digest:
                self.sidecar(record.frame).unlink(missing_ok=True)
            made.replace(self.result(record.frame))
            write_atomically(self.sidecar(record.frame), record.encoded())
        self.forget_failure(record.frame)

    def adopt(self, source: Location, record: FrameRecord) -> None:
        """Take a valid frame over from another folder. Raises HostError; then the frame counts as not made."""
        with work_folder(self.folder) as work:
            with _told(self.folder):
                lend(source.result(record.frame), work / "result.exr", may_copy=True)
            self.place(work / "result.exr", record)

    def place_identity(self, record: FrameRecord) -> None:
        """Write the record of a frame on which the plate passes, and remove its old picture. Raises HostError."""
        with _told(self.folder):
            self.result(record.frame).unlink(missing_ok=True)
            write_atomically(self.sidecar(record.frame), record.encoded())
        self.forget_failure(record.frame)

    def place_failure(self, frame: int, node: str, error: LineamentError) -> None:
        """Keep a frame's error as far as the folder allows; the frame is shown no more until it is right again.

        Its picture stays: it may be right for another process, and for this one once the cause is gone.
        """
        with suppress(OSError):
            write_atomically(self.note(frame), failed_record(frame, node, error).encoded())

    def forget_failure(self, frame: int) -> None:
        """The frame is right again. A folder that nobody may write keeps its word."""
        with suppress(OSError):
            self.note(frame).unlink(missing_ok=True)

    def withdraw(self, frame: int) -> None:
        """Remove a result that is proven to be of something else, as far as the folder allows."""
        for path in (self.sidecar(frame), self.result(frame)):
            with suppress(OSError):
                path.unlink(missing_ok=True)

    def clear(self, frames: tuple[int, ...] | None = None) -> int:
        """Remove the results and records of these frames, or of all; how many frames there were. Raises HostError."""
        wanted = self._frames() if frames is None else tuple(sorted(set(frames) & set(self._frames())))
        with _told(self.folder):
            for frame in wanted:
                self.result(frame).unlink(missing_ok=True)
                self.sidecar(frame).unlink(missing_ok=True)
                self.note(frame).unlink(missing_ok=True)
        return len(wanted)

    def _frames(self) -> tuple[int, ...]:
        named = re.compile(rf"result\.(-?\d+){re.escape(self.suffix)}\.(?:failed\.json|json|exr)$")
        try:
            names = [path.name for path in self.folder.iterdir()]
        except OSError:
            return ()
        return tuple(sorted({int(match[1]) for name in names if (match := named.match(name))}))


@contextmanager
def work_folder(folder: Path) -> Iterator[Path]:
    """A folder beside the results for what is being made, gone afterwards whatever happens. Raises HostError.

    It lies in the same file system, so that a finished picture is moved and not copied.
    """
    with _told(folder):
        folder.mkdir(parents=True, exist_ok=True)
        work = folder / f"{_WORK}{uuid.uuid4().hex[:12]}"
        work.mkdir()
    _remove_abandoned(folder)
    try:
        yield work
    finally:
        shutil.rmtree(work, ignore_errors=True)


def remembered_exposure(folder: Path, signature: str) -> float | None:
    """The exposure that was chosen for such an edit before; None if none was."""
    return _exposures(folder).get(signature)


def remember_exposure(folder: Path, signature: str, exposure: float) -> None:
    """Keep a chosen exposure for every later frame, process and machine that shares the folder. Raises HostError."""
    with _told(folder):
        told = {**_exposures(folder), signature: exposure}
        write_atomically(
            folder / "exposures.json", json.dumps(told, indent=1, sort_keys=True).encode("ascii")
        )


def _exposures(folder: Path) -> dict[str, float]:
    try:
        told = json.loads((folder / "exposures.json").read_text("ascii"))
    except (OSError, ValueError):
        return {}
    if not isinstance(told, dict):
        return {}
    return {str(name): float(value) for name, value in told.items() if _is_exposure(value)}


def _is_exposure(value: object) -> bool:
    """Whether a remembered gain can be used; what somebody else wrote is chosen anew."""
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return False
    return 0.0 < value < MAX_EXPOSURE and math.frexp(value)[0] == 0.5


def _read(path: Path, frame: int) -> FrameRecord | None:
    """The record of a frame in a file; None if there is none, or one that was copied from another frame."""
    try:
        record = decoded(path.read_bytes())
    except OSError:
        return None
    return record if record is not None and record.frame == frame else None


def _remove_abandoned(folder: Path) -> None:
    for work in folder.glob(f"{_WORK}*"):
        with suppress(OSError):
            if time.time() - work.stat().st_mtime > _ABANDONED_S:
                shutil.rmtree(work, ignore_errors=True)


@contextmanager
def _told(folder: Path) -> Iterator[None]:
    """Turns the system's refusals into sentences."""
    try:
        yield
    except OSError as err:
        raise cache_error(folder, err) from err


def cache_error(folder: Path, err: OSError) -> HostError:
    """Why the cache folder cannot be written, in three parts."""
    if err.errno in (errno.ENOSPC, errno.EDQUOT):
        return HostError(
            "The disk of the cache folder is full.",
            where=str(folder),
            remedy="Make room or choose another cache folder on the node, then bake again; finished frames stay.",
        )
    if err.errno == errno.EISDIR:
        return HostError(
            "A folder lies in the cache where a file of the frame belongs.",
            where=str(err.filename2 or err.filename or folder),
            remedy="Move it elsewhere, then bake the frame again.",
        )
    return HostError(
        f"The cache folder cannot be written: {err.strerror or err}.",
        where=str(folder),
        remedy="Change the folder's permissions, or choose another cache folder on the node or in the preferences.",
    )
