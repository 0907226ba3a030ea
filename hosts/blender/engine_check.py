"""The check of the engine: its own ``doctor`` in its own Python, in a thread, and what it found last."""

from __future__ import annotations

import threading
from collections.abc import Iterator

from . import engine
from .modal import Told, Work

_LAST: list[engine.Check] = []
_PULSE_S = 0.02
_USUAL_S = 20.0
"""How long a check takes when torch is loaded for the first time of the day; only the progress is drawn from it."""


def checked() -> engine.Check | None:
    """What the last check of this session found, None before the first one."""
    return _LAST[0] if _LAST else None


def forget() -> None:
    """Drop what the last check found."""
    _LAST.clear()


class CheckWork(Work):
    """One check; ``found`` is there when the steps have ended by themselves."""

    label = "Check Engine"

    def __init__(self) -> None:
        self.found: engine.Check | None = None
        self._python = engine.interpreter()
        self._is_stopped = False

    def steps(self) -> Iterator[Told]:
        """Wait for the engine's Python without blocking whoever asks; a stopped check ends unheard."""
        answer: list[engine.Check] = []
        asker = threading.Thread(target=lambda: answer.append(engine.check(self._python)), daemon=True)
        asker.start()
        waited_s = 0.0
        while asker.is_alive() and not self._is_stopped:
            asker.join(_PULSE_S)
            waited_s += _PULSE_S
            yield min(0.95, waited_s / _USUAL_S), self._python
        if answer:
            self.found = answer[0]
            _LAST[:] = answer

    def stop(self) -> None:
        """Wait no longer."""
        self._is_stopped = True
