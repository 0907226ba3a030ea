"""A call of the engine in a thread of its own, so that whoever waits can do something else meanwhile."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor, wait
from typing import Generic, TypeVar

from lineament.plugin.session import WorkerSession

Answer = TypeVar("Answer")

PULSE_S = 0.02
"""How long one look at the engine may block whoever looks: a window that answers within 50 ms feels at once."""

_LEAVE_S = 5.0
"""How long an abandoned call may go on after its cancel; the session has killed its process long before."""


class Errand(Generic[Answer]):
    """One call that runs; ``stage`` is the last one that the engine told."""

    def __init__(self, session: WorkerSession, call: Callable[[Callable[[str], None]], Answer]) -> None:
        self.stage = ""
        self._session = session
        self._is_cancelled = False
        executor = ThreadPoolExecutor(1, thread_name_prefix="lineament-errand")
        self._future = executor.submit(call, self._told)
        executor.shutdown(wait=False)

    def wait(self) -> Iterator[str]:
        """Yield the stage until the call has ended; leaving early cancels it."""
        try:
            while not wait((self._future,), PULSE_S).done:
                yield self.stage
        finally:
            if not self._future.done():
                self.cancel()
                wait((self._future,), _LEAVE_S)
            if self._is_cancelled and self._future.done() and self._future.exception() is None:
                self._session.close()  # the cancel came too late for this call and must not meet the next one

    @property
    def answer(self) -> Answer:
        """What the call returned; raises what it raised."""
        return self._future.result()

    def cancel(self) -> None:
        """End the call; its answer is then RenderCancelled. May come from any thread."""
        if not self._future.done():
            self._is_cancelled = True
            self._session.cancel()

    def _told(self, stage: str) -> None:
        self.stage = stage
