"""The last lines of the log, kept for whoever asks what happened: the engine's own words are among them."""

from __future__ import annotations

import logging
import sys
from collections import deque
from contextlib import suppress

KEPT_LINES = 500
"""Enough for a traceback of the engine and what led to it; more than anybody reads."""

_FORMAT = "%(asctime)s %(levelname)s %(name)s: %(message)s"


class Journal(logging.Handler):
    """Keeps lines in memory while it is attached, and leaves logging as it was."""

    def __init__(self) -> None:
        super().__init__(logging.INFO)
        self.setFormatter(logging.Formatter(_FORMAT))
        self._lines: deque[str] = deque(maxlen=KEPT_LINES)
        self._level_before: int | None = None

    @property
    def lines(self) -> tuple[str, ...]:
        """The kept lines, oldest first."""
        return tuple(self._lines)

    def emit(self, record: logging.LogRecord) -> None:
        """Keep one line."""
        self._lines.append(self.format(record))

    def attach(self) -> None:
        """Begin to listen to everything that Lineament logs."""
        if self._level_before is None:
            logger = logging.getLogger("lineament")
            self._level_before = logger.level
            logger.setLevel(min(logger.getEffectiveLevel(), logging.INFO))
            logger.addHandler(self)

    def detach(self) -> None:
        """Listen no more; the kept lines stay."""
        if self._level_before is not None:
            logger = logging.getLogger("lineament")
            logger.removeHandler(self)
            logger.setLevel(self._level_before)
            self._level_before = None


def announce(log: logging.Logger, text: str, level: int = logging.WARNING) -> str:
    """Tell something that nobody must miss, in the log and on the console that Blender was started from; the text."""
    log.log(level, "%s", text)
    with suppress(OSError, ValueError, AttributeError):  # a Blender on Windows may have no console
        sys.stderr.write(f"lineament: {text}\n")
        sys.stderr.flush()
    return text


JOURNAL = Journal()
"""The one of this Blender."""
