"""Independent jobs in several processes, each with its own state (such as a GL context) that it opens once.

Processes are started afresh (not forked: a GL driver does not survive that) and end with their parent.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from collections import deque
from collections.abc import Callable, Generator, Sequence
from contextlib import AbstractContextManager
from multiprocessing.connection import Connection, wait
from typing import Generic, TypeVar

from ..errors import HostError, LineamentError

Job = TypeVar("Job")
Result = TypeVar("Result")

PATIENCE_S = 5.0
"""How long a process may take to leave when it is told to, before it is killed."""


def run_jobs(
    opener: Callable[[], AbstractContextManager[Callable[[Job], Result]]], jobs: Sequence[Job], workers: int
) -> Generator[Result, None, None]:
    """Yield the result of every job as it is finished, in whatever order that is.

    ``opener`` is called once in each process; it and the jobs must be importable from a fresh interpreter. Raises
    the first LineamentError that a job raises, or HostError for a process that died; the others are stopped then, and
    so are all when the caller leaves the iteration.
    """
    waiting = deque(jobs)
    crew = [_Hand[Job, Result](opener) for _ in range(min(workers, len(jobs)))]
    try:
        for hand in crew:
            hand.give(waiting.popleft())
        while busy := [hand for hand in crew if hand.job is not None]:
            ready = set(wait([hand.pipe for hand in busy]))
            for hand in busy:
                if hand.pipe in ready:
                    result = hand.take()
                    if waiting:
                        hand.give(waiting.popleft())
                    yield result
    finally:
        for hand in crew:
            hand.process.terminate()
        for hand in crew:
            hand.leave()


class _Hand(Generic[Job, Result]):
    """One process, its pipe, and the job it is at."""

    def __init__(self, opener: Callable[[], AbstractContextManager[Callable[[Job], Result]]]) -> None:
        context = multiprocessing.get_context("spawn")
        self.pipe, theirs = context.Pipe()
        self.job: Job | None = None
        self.process = context.Process(target=_serve, args=(opener, theirs), daemon=True)
        self.process.start()
        theirs.close()  # so that the end of the process is the end of the pipe

    def give(self, job: Job) -> None:
        self.job = job
        try:
            self.pipe.send(job)
        except BrokenPipeError:
            raise self._death() from None

    def take(self) -> Result:
        try:
            answer = self.pipe.recv()
        except (EOFError, ConnectionResetError):
            raise self._death() from None
        if isinstance(answer, LineamentError):
            raise answer
        self.job = None
        return answer  # type: ignore[no-any-return]

    def leave(self) -> None:
        self.process.join(PATIENCE_S)
        if self.process.is_alive():
            self.process.kill()
            self.process.join()
        self.pipe.close()

    def _death(self) -> HostError:
        self.process.join(PATIENCE_S)
        code = self.process.exitcode or 0
        how = f"was ended by {signal.Signals(-code).name}" if code < 0 else f"ended with exit status {code}"
        return HostError(
            f"A worker process {how}.",
            where=str(self.job),
            remedy="If memory ran out, use fewer --workers. The same command goes on with what is missing.",
        )


def _serve(opener: Callable[[], AbstractContextManager[Callable[[Job], Result]]], pipe: Connection) -> None:
    """The process: open once, then one job after the other until the pipe ends."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the whole group; the parent decides
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    threading.Thread(target=_leave_with_parent, daemon=True).start()
    try:
        with opener() as work:
            while True:
                pipe.send(work(pipe.recv()))
    except LineamentError as err:
        pipe.send(err)
    except EOFError:
        return


def _leave_with_parent() -> None:
    """A killed parent cannot stop its children; nobody would ever read what they make."""
    parent = multiprocessing.parent_process()
    assert parent is not None
    parent.join()
    os._exit(1)
