"""Pictures on disk: one verb in, one verb out, chosen by the file name."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

from ..errors import PlateError
from ..frame import Frame
from .exr import read_exr, write_exr
from .exr_peek import peek_exr
from .files import refuse_same_file
from .sequences import FramePath, format_frames, frame_path, resolve
from .stills import FORMATS, read_still, write_still

__all__ = [
    "FramePath",
    "format_frames",
    "frame_path",
    "peek_frame",
    "read_frame",
    "refuse_same_file",
    "resolve",
    "write_frame",
]

_NUMBER = re.compile(r"(?:^|[._-])(\d+)$")


def read_frame(path: str | Path, number: int | None = None) -> Frame:
    """Return the picture at ``path`` with everything it holds; ``number`` defaults to the digits before the
    suffix.

    EXR is scene-linear with native half, float and uint planes; PNG, TIFF and JPEG are display-referred
    integers. Raises PlateError for missing, damaged, deep, hostile and unknown files.
    """
    path = Path(path)
    if number is None:
        digits = _NUMBER.search(path.stem)
        number = int(digits.group(1)) if digits else 0
    if path.suffix.lower() == ".exr":
        return read_exr(path, number)
    _check_suffix(path)
    return read_still(path, number)


def peek_frame(path: str | Path, number: int) -> Frame:
    """``read_frame`` for those who want size, channels and header: an EXR's pixels are zeros, whatever they are, and
    only its ends are decoded. Raises PlateError."""
    path = Path(path)
    return peek_exr(path, number) if path.suffix.lower() == ".exr" else read_frame(path, number)


def write_frame(
    path: str | Path,
    frame: Frame,
    *,
    overwrite: bool = True,
    on_written: Callable[[Path], None] = lambda finished: None,
) -> None:
    """Write ``frame`` to ``path`` atomically; what was not edited is what was read, header included.

    The suffix chooses the format, which must be able to hold the frame. ``on_written`` gets the finished file before
    it takes its name, and prevents that by raising. Raises PlateError and leaves no partial file. Callers that know
    the plate's path call ``refuse_same_file`` first.
    """
    path = Path(path)
    if path.suffix.lower() == ".exr":
        write_exr(path, frame, overwrite=overwrite, on_written=on_written)
        return
    _check_suffix(path)
    write_still(path, frame, overwrite=overwrite, on_written=on_written)


def _check_suffix(path: Path) -> None:
    if path.suffix.lower() not in FORMATS:
        raise PlateError(
            f"The picture format {path.suffix or '(no suffix)'!r} is unknown.",
            where=str(path),
            remedy=f"Use .exr, {', '.join(FORMATS)}.",
        )
