"""A shot's before and after as an MP4 that any player opens: H.264 by PyAV, frame by frame, in constant memory."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from types import TracebackType
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
from lineament.core.errors import PlateError

from .plan import UsageError

Picture = npt.NDArray[np.uint8]
Layout = Literal["side", "wipe"]

CODEC = "libx264"
QUALITY = "18"
"""x264's constant rate factor: visually lossless for people who look at edits."""
EMPTY = 38
"""Grey of what is not there."""
GAP_PX = 4


class Movie:
    """An MP4 that is being written; the first picture decides its size. Use it as a context.

    Raises UsageError where PyAV is missing, and PlateError if the file cannot be written.
    """

    def __init__(self, path: Path, fps: float, layout: Layout = "side") -> None:
        self._path, self._fps, self._layout = path, Fraction(fps).limit_denominator(1001), layout
        self._av = require_av()
        self._container: Any = None
        self._stream: Any = None

    def __enter__(self) -> Movie:
        return self

    def add(self, before: Picture, after: Picture | None) -> None:
        """Add a frame; without an output its half is grey."""
        second = np.full_like(before, EMPTY) if after is None else after
        picture = _even(_side(before, second) if self._layout == "side" else _wiped(before, second))
        with self._errors():
            if self._container is None:
                self._open(picture.shape[1], picture.shape[0])
            frame = self._av.VideoFrame.from_ndarray(self._fitted(picture), format="rgb24")
            for packet in self._stream.encode(frame):
                self._container.mux(packet)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._container is None:
            return
        with self._errors():
            if kind is None:
                for packet in self._stream.encode():
                    self._container.mux(packet)
            self._container.close()

    def _open(self, width: int, height: int) -> None:
        self._container = self._av.open(str(self._path), "w", format="mp4")
        self._stream = self._container.add_stream(
            CODEC, rate=self._fps, options={"crf": QUALITY, "threads": "1"}
        )
        self._stream.width, self._stream.height, self._stream.pix_fmt = width, height, "yuv420p"

    def _fitted(self, picture: Picture) -> Picture:
        """A frame of another size in the movie's, cut or with grey beside it."""
        height, width = self._stream.height, self._stream.width
        if picture.shape[:2] == (height, width):
            return picture
        canvas = np.full((height, width, 3), EMPTY, np.uint8)
        part = picture[:height, :width]
        canvas[: part.shape[0], : part.shape[1]] = part
        return canvas

    def _errors(self) -> _AvErrors:
        return _AvErrors(self._av, self._path)


class _AvErrors:
    """Turns what PyAV raises into PlateError."""

    def __init__(self, av: Any, path: Path) -> None:
        self._av, self._path = av, path

    def __enter__(self) -> None:
        return None

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if isinstance(error, self._av.error.FFmpegError):
            raise PlateError(
                f"The movie cannot be written: {error}.",
                where=str(self._path),
                remedy="Check the free space, or leave --movie out.",
            ) from error


def require_av() -> Any:
    """PyAV's module with the encoder in it. Raises UsageError naming the extra."""
    try:
        import av
    except ImportError as err:
        raise UsageError(
            "Movies need PyAV, which is not installed.",
            where="--movie",
            remedy='Install the extra "review": pip install "lineament[review]".',
        ) from err
    if CODEC not in av.codecs_available:
        raise UsageError(
            f"This PyAV cannot encode H.264: it has no {CODEC}.",
            where="--movie",
            remedy="Install PyAV's own wheel, which brings the encoder.",
        )
    return av


def _side(before: Picture, after: Picture) -> Picture:
    gap = np.full((before.shape[0], GAP_PX, 3), EMPTY, np.uint8)
    return np.hstack([before, gap, after])


def _wiped(before: Picture, after: Picture) -> Picture:
    """The left half of one and the right half of the other, with a line between."""
    middle = before.shape[1] // 2
    picture = np.hstack([before[:, :middle], after[:, middle:]])
    picture[:, middle : middle + 1] = 255
    return picture


def _even(picture: Picture) -> Picture:
    """Even width and height, which the chroma of video wants: the last row and column repeat."""
    rows, columns = picture.shape[0] % 2, picture.shape[1] % 2
    return np.ascontiguousarray(np.pad(picture, ((0, rows), (0, columns), (0, 0)), mode="edge"))
