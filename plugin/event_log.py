"""The file behind ``--log-json``: it never grows into somebody's picture, and losing it stops no render."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from contextlib import suppress
from pathlib import Path
from typing import TextIO

from lineament.core.errors import LineamentError, PlateError, RecipeError
from lineament.core.io.files import overwritten

_BEGIN = b'{"event":'
_PICTURES = frozenset(
    (".exr", ".sxr", ".dpx", ".cin", ".hdr", ".tx", ".tif", ".tiff", ".png", ".jpg", ".jpeg", ".tga", ".bmp")
)


class EventLog:
    """A file that gets one JSON line per event, flushed, so that a killed task leaves what it knew.

    Raises PlateError if it cannot be opened. If it cannot be written later (a full disk), ``on_loss`` is told
    once and further events are dropped: frames are worth more than their log.
    """

    def __init__(self, path: Path, on_loss: Callable[[LineamentError], None]) -> None:
        self._path, self._on_loss, self._is_lost = path, on_loss, False
        try:
            self._stream: TextIO = path.open("a", encoding="utf-8")
        except OSError as err:
            raise _unusable(path, err) from err

    def write(self, event: str, **fields: object) -> None:
        """Append one event; fields that JSON does not know are written as text."""
        if self._is_lost:
            return
        try:
            self._stream.write(json.dumps({"event": event, **fields}, default=str) + "\n")
            self._stream.flush()
        except OSError as err:
            self._is_lost = True
            self.close()
            self._on_loss(
                PlateError(
                    f"The log has stopped: {err.strerror or err}.",
                    where=str(self._path),
                    remedy="Frames are rendered all the same; free some space before the next run.",
                )
            )

    def close(self) -> None:
        """Close the file; what a full disk did not take is given up."""
        with suppress(OSError):
            self._stream.close()


def refuse_as_log(path: Path, pictures: Iterable[str | Path]) -> None:
    """Raise RecipeError if ``path`` is no place for a log: one of ``pictures`` (plates and outputs), named like
    a picture, or a file that exists and was not begun by a log. Nothing is written.

    Raises PlateError if the system does not tell.
    """
    remedy = "Name a new file with --log-json, or the log of an earlier run, for example render.jsonl."
    if overwritten(pictures, [path]) is not None:
        raise RecipeError(
            "The log would be written into a plate or an output.", where=str(path), remedy=remedy
        )
    if path.suffix.lower() in _PICTURES:
        raise RecipeError(
            f'The log has the suffix of a picture, "{path.suffix}".', where=str(path), remedy=remedy
        )
    try:
        # Devices and pipes are not looked into: reading one may wait for ever.
        begin = _first_bytes(path) if path.is_file() else b""
    except OSError as err:
        raise _unusable(path, err) from err
    if begin and not begin.startswith(_BEGIN):
        raise RecipeError(
            "The file exists and is not a log of events, so none is appended to it.",
            where=str(path),
            remedy=remedy,
        )


def _first_bytes(path: Path) -> bytes:
    with path.open("rb") as stream:
        return stream.read(len(_BEGIN))


def _unusable(path: Path, err: OSError) -> PlateError:
    return PlateError(
        f"The log cannot be written: {err.strerror or err}.",
        where=str(path),
        remedy="Choose another file for --log-json.",
    )
