"""What was rendered from what: one JSON line a frame beside the pictures, so that a later run knows what is valid.

A line reaches the disk before its picture gets its name: an output that the manifest does not know was made by
somebody else, and a line without its picture is only a frame to be rendered again. Many processes may append to one
manifest, on one machine or on several that share a folder; a line that a killed process or a full disk cut short is
passed over.
"""

from __future__ import annotations

import errno
import fcntl
import hashlib
import json
import logging
import os
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from lineament.core.errors import PlateError
from lineament.core.io.sequences import without_token

log = logging.getLogger(__name__)

FORMAT = 1
"""The meaning of a line; lines of another format are passed over, so that their frames are rendered again."""
SUFFIX = ".manifest.jsonl"
MAX_BYTES = 1 << 30
"""A million frames; a larger file is none of ours and is not read into memory."""
_BLOCK = 1 << 20
_TEXTS = ("plate_sha256", "parameters", "model", "output", "output_sha256")

_NO_LOCKS = (errno.ENOLCK, errno.EOPNOTSUPP, errno.ENOSYS)
_TURN = threading.Lock()
"""A thread that closes a file ends the locks that other threads of its process hold on it."""

State = Literal["done", "failed"]


@dataclass(frozen=True)
class ManifestLine:
    """One frame, rendered or failed.

    ``frame`` is its number, ``source`` that of the plate's picture (another one where a plate is held).
    ``plate_sha256`` and ``output_sha256`` are those of the files' bytes, ``output`` the file's name in the manifest's
    folder; ``parameters`` is the SHA-256 of everything else that decides the pixels, ``model`` that of the model
    package's files. ``seconds`` is what the frame took, ``report`` and ``error`` plain data for people.
    """

    frame: int
    status: State
    source: int = 0
    plate_sha256: str = ""
    parameters: str = ""
    model: str = ""
    output: str = ""
    output_sha256: str = ""
    seconds: float = 0.0
    report: Mapping[str, Any] = field(default_factory=dict)
    error: Mapping[str, Any] = field(default_factory=dict)


class Manifest:
    """Appends lines to a manifest, each one on the disk before ``append`` returns."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def append(self, line: ManifestLine) -> None:
        """Add one line. Raises PlateError if the disk does not take it."""
        data = json.dumps({"format": FORMAT, **vars(line)}, default=str, sort_keys=True).encode("utf-8")
        try:
            with _TURN:
                handle = os.open(self.path, os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o666)
                try:
                    _lock(handle, self.path)
                    _append(handle, data + b"\n")
                finally:
                    os.close(handle)  # the lock ends with it
        except OSError as err:
            raise PlateError(
                f"The manifest cannot be written: {err.strerror or err}.",
                where=str(self.path),
                remedy="Check the free space and the permissions; the frame was not written either.",
            ) from err


def _lock(handle: int, path: Path) -> None:
    """Wait for the writers of other machines: NFS keeps two appends at the same time apart only under a lock.

    Where there are no locks, writers of one machine are kept apart all the same.
    """
    try:
        fcntl.lockf(handle, fcntl.LOCK_EX)
    except OSError as err:
        if err.errno not in _NO_LOCKS:
            raise
        log.warning(
            "%s: no locks on this file system (%s); render a shot from one machine only.", path, err.strerror
        )


def _append(handle: int, data: bytes) -> None:
    """One write a line, because only then lines of several processes never mix; after what was cut short, a new
    line begins."""
    end = os.fstat(handle).st_size
    if end and os.pread(handle, 1, end - 1) != b"\n":
        data = b"\n" + data
    written = os.write(handle, data)
    if written != len(data):
        raise OSError(f"only {written} of {len(data)} bytes were taken")
    os.fsync(handle)


@dataclass(frozen=True)
class History:
    """What a manifest says by frame number: the ``last`` line of every frame, and the last one that is ``done``, which
    tells of the picture that lies there; ``damaged`` lines were passed over."""

    last: Mapping[int, ManifestLine] = field(default_factory=dict)
    done: Mapping[int, ManifestLine] = field(default_factory=dict)
    damaged: int = 0


def read_manifest(path: Path) -> History:
    """What the manifest at ``path`` says; nothing if there is none. Raises PlateError if it may not be read."""
    try:
        if path.stat().st_size > MAX_BYTES:
            raise OSError("it is larger than any manifest")
        data = path.read_bytes()
    except FileNotFoundError:
        return History()
    except OSError as err:
        raise PlateError(
            f"The manifest cannot be read: {err.strerror or err}.",
            where=str(path),
            remedy="Check its permissions, or move it away to render everything again with --overwrite.",
        ) from err
    found = [_parsed(raw) for raw in data.split(b"\n") if raw.strip()]
    lines = [line for line in found if line is not None]
    damaged = len(found) - len(lines)
    if damaged:
        log.warning("%s: %d damaged or foreign line(s) were passed over.", path, damaged)
    done = {line.frame: line for line in lines if line.status == "done"}
    return History({line.frame: line for line in lines}, done, damaged)


def _parsed(raw: bytes) -> ManifestLine | None:
    """A line, or None for what is none, whatever it holds."""
    try:
        data = json.loads(raw)
        if not isinstance(data, dict) or data.pop("format", None) != FORMAT:
            return None
        line = ManifestLine(**data)
    except (ValueError, TypeError, RecursionError):
        return None
    is_sound = (
        type(line.frame) is int
        and line.status in ("done", "failed")
        and all(isinstance(getattr(line, name), str) for name in _TEXTS)
    )
    return line if is_sound else None


def manifest_path(pattern: str | Path) -> Path:
    """Where the manifest of an output pattern lies: ``out/a.####.exr`` has ``out/a.manifest.jsonl``."""
    path = Path(pattern)
    stem = without_token(path).removesuffix(path.suffix).rstrip("._- ")
    return path.with_name((stem or "frames") + SUFFIX)


def file_sha256(path: str | Path) -> str:
    """SHA-256 of a file's bytes as 64 hex digits. Raises OSError."""
    digest = hashlib.sha256()
    with Path(path).open("rb", buffering=0) as stream:
        while block := stream.read(_BLOCK):
            digest.update(block)
    return digest.hexdigest()


def data_sha256(data: object) -> str:
    """SHA-256 of plain data, whatever the order of its mappings. Raises TypeError for what JSON does not know."""
    text = json.dumps(data, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return hashlib.sha256(text.encode("utf-8")).hexdigest()
