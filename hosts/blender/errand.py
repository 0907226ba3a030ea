"""A call of the engine in a thread of its own, so that whoever waits can do something else meanwhile."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor, wait
from typing import Generic, TypeVar

from lineament.plugin.session import WorkerSession

Answer = TypeVar("Answer")

PULSE_S = 0.02
"""How long one look at the engine may block whoever looks: a window that answers within 50 ms feels at once."""

_LEAVE_S = 5.0
"""How long an abandoned call may go on after its cancel; the session has killed its process long before."""


class Errand(Generic[Answer]):
    """One call, which runs from the first look at ``wait`` on; ``stage`` is the last one that the engine told.

    Ctrl-C may arrive between any two lines: a call that ran before somebody waits for it would then never end.
    """

    def __init__(self, session: WorkerSession, call: Callable[[Callable[[str], None]], Answer]) -> None:
        self.stage = ""
        self._session = session
        self._is_cancelled = False
        self._call = call
        self._future: Future[Answer] | None = None

    def wait(self) -> Iterator[str]:
        """Start the call and yield the stage until it has ended; leaving early cancels it."""
        executor = ThreadPoolExecutor(1, thread_name_prefix="lineament-errand")
        try:
            self._future = executor.submit(self._call, self._told)
            while not wait((self._future,), PULSE_S).done:
                yield self.stage
        finally:
            self._leave(executor)

    @property
    def answer(self) -> Answer:
        """What the call returned; raises what it raised. Only after ``wait``."""
        assert self._future is not None
        return self._future.result()

    def _leave(self, executor: ThreadPoolExecutor) -> None:
        future = self._future
        if future is None:  # interrupted while it was started: nobody can tell whether it runs
            self.cancel()
            executor.shutdown()
            return
        executor.shutdown(wait=False)
        if not future.done():
            self.cancel()
            wait((future,), _LEAVE_S)
        if self._is_cancelled and future.done() and future.exception() is None:
            self._session.close()  # the cancel came too late for this call and must not meet the next one

    def cancel(self) -> None:
        """End the call; its answer is then RenderCancelled. May come from any thread."""
        if self._future is None or not self._future.done():
            self._is_cancelled = True
            self._session.cancel()

    def _told(self, stage: str) -> None:
        self.stage = stage
