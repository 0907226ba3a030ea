"""The tasks of one run on Dask, from the first handed out to the last outcome.

Each worker has one task at a time, and each task is sent to one worker by its address. Dask blames a dead worker's
tasks all alike; so nobody is blamed for another's fault. The last attempt at a task is made while nothing else runs.
"""

from __future__ import annotations

import importlib
import queue
import time
import uuid
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from lineament.core.errors import HostError, LineamentError

from .farm_dask_errors import died_of, hopeless, lost, no_worker, not_run
from .farm_dask_worker import Answer, Call, ForeignWorker, perform, stop
from .messages import RenderCancelled

if TYPE_CHECKING:
    from distributed import Future

    from .farm_dask import DaskPool

T = TypeVar("T")
R = TypeVar("R")

POLL_S = 0.5
"""How often the workers are counted."""
SETTLE_S = 0.4
"""How long a new worker waits for its first task: Dask starts none again that dies before it has quite begun."""
FETCH_S = 30.0
"""How long the answer of a task that is done may take to come; after that its worker counts as dead."""
LEAVE_S = 30.0
"""How long tasks that have begun may take to end when the run is stopped."""
MAX_FRUITLESS = 6
"""After so many deaths (or three for every worker) before any task was done, the fault is not in the tasks."""


@dataclass(frozen=True)
class TaskOutcome(Generic[T, R]):
    """A task that has ended: its ``result``, or the ``error`` because of which there is none."""

    task: T
    result: R | None = None
    error: LineamentError | None = None


@dataclass(frozen=True)
class _Job(Generic[T]):
    """A task and how often a worker has died of it."""

    task: T
    deaths: int = 0


@dataclass(frozen=True)
class Calls:
    """Makes the message of a task."""

    run: str
    part: str
    versions: tuple[tuple[str, str], ...]
    work: Callable[[Any], Any]
    set_up: Callable[[], None] | None

    def of(self, task: object) -> Call:
        return Call(self.run, self.part, self.versions, self.work, self.set_up, task)


class TaskRun(Generic[T, R]):
    """Tasks on their way; iterate to get their outcomes, each once. Close it, whatever happens."""

    def __init__(
        self, pool: DaskPool, tasks: Sequence[T], calls: Calls, split: Callable[[T], Sequence[T]] | None
    ) -> None:
        self._pool, self._calls, self._split = pool, calls, split
        self._waiting: deque[_Job[T]] = deque(_Job(task) for task in tasks)
        self._last: deque[_Job[T]] = deque()
        self._flight: dict[str, tuple[_Job[T], Future]] = {}
        self._heard: queue.SimpleQueue[Future] = queue.SimpleQueue()
        self._ready: deque[TaskOutcome[T, R]] = deque()
        self._workers: frozenset[str] = frozenset()
        self._met: dict[str, float] = {}
        self._counted_at = self._missed_since = 0.0
        self._deaths = self._most = 0
        self._is_any_done = self._is_stopped = False

    def __iter__(self) -> Iterator[TaskOutcome[T, R]]:
        while self._waiting or self._last or self._flight:
            self._count_workers()
            self._hand_out()
            self._listen(POLL_S)
            while self._ready:
                yield self._ready.popleft()

    def drop(self, is_meant: Callable[[T], bool]) -> tuple[T, ...]:
        """Take back tasks that no worker has been given; they will have no outcome."""
        dropped = []
        for jobs in (self._waiting, self._last):
            meant = [job for job in jobs if is_meant(job.task)]
            kept = [job for job in jobs if not is_meant(job.task)]
            jobs.clear()
            jobs.extend(kept)
            dropped += [job.task for job in meant]
        return tuple(dropped)

    def stop(self) -> None:
        """Begin no further task; those that ask ``farm_dask_worker.is_stopped`` come to an early end."""
        self._waiting.clear()
        self._last.clear()
        if not self._is_stopped:
            self._is_stopped = True
            if self._flight:
                self._pool.broadcast(stop, self._calls.part)

    def close(self, patience_s: float = LEAVE_S) -> Sequence[TaskOutcome[T, R]]:
        """Stop, wait for tasks that have begun, and give the outcomes that were not iterated."""
        self.stop()
        end = time.monotonic() + patience_s
        with suppress(LineamentError):  # such as a scheduler that is lost: there is nobody to wait for
            while self._flight and time.monotonic() < end:
                self._count_workers()
                self._listen(min(POLL_S, max(0.0, end - time.monotonic())))
        for _, future in self._flight.values():
            future.cancel()
        self._flight.clear()
        outcomes, self._ready = tuple(self._ready), deque()
        return outcomes

    def _count_workers(self) -> None:
        """Look at the cluster now and then, and mourn the workers that have left with a task."""
        now = time.monotonic()
        if now - self._counted_at < POLL_S and self._workers:
            return
        self._counted_at = now
        present, able = self._pool.workers()
        self._met = {address: self._met.get(address, now) for address in able}
        self._workers = frozenset(one for one, since in self._met.items() if now - since >= SETTLE_S)
        self._most = max(self._most, len(self._workers))
        if self._pool.client.status != "running":
            raise lost(self._pool.options.scheduler)
        for address in [one for one in self._flight if one not in present]:
            job, future = self._flight.pop(address)
            future.cancel()
            self._died(job, address)
        if able:
            self._missed_since = now
        elif now - (self._missed_since or now) > self._pool.options.wait_s:
            raise no_worker(self._pool.options)
        self._missed_since = self._missed_since or now

    def _hand_out(self) -> None:
        """Give a task to each worker that has none; a task on its last attempt is the only one on its way."""
        free = sorted(self._workers - set(self._flight))
        for address in free:
            if any(self._is_last(job) for job, _ in self._flight.values()):
                return
            if self._waiting:
                self._send(self._waiting.popleft(), address)
            elif self._last and not self._flight:
                self._send(self._last.popleft(), address)

    def _send(self, job: _Job[T], address: str) -> None:
        future = self._pool.client.submit(
            perform,
            self._calls.of(job.task),
            key=f"{self._calls.run}-{uuid.uuid4().hex}",
            workers=[address],
            allow_other_workers=False,
            resources=dict(self._pool.options.resources) or None,
            pure=False,
        )
        self._flight[address] = (job, future)
        future.add_done_callback(self._heard.put)

    def _listen(self, timeout_s: float) -> None:
        """Take what has ended, waiting for the first of it."""
        try:
            future = self._heard.get(timeout=timeout_s)
            while True:
                self._take(future)
                future = self._heard.get_nowait()
        except queue.Empty:
            return

    def _take(self, future: Future) -> None:
        address = next((one for one, (_, sent) in self._flight.items() if sent is future), None)
        if address is None:
            return  # its worker was given up before
        job, _ = self._flight.pop(address)
        answer = self._answer(future)
        if answer is None:
            self._counted_at = 0.0
            self._workers -= {address}
            self._met.pop(address, None)
            self._died(job, address)
            return
        self._is_any_done = True
        if isinstance(answer.error, ForeignWorker):
            raise answer.error
        if not (self._is_stopped and isinstance(answer.error, RenderCancelled)):
            self._ready.append(TaskOutcome(job.task, answer.result, answer.error))

    def _answer(self, future: Future) -> Answer | None:
        """What a task has answered; None if its worker died."""
        dask = dask_side()
        try:
            answer: Answer = future.result(timeout=FETCH_S)
        except dask.NO_ANSWER:
            future.cancel()
            return None
        except dask.DEATHS:
            return None
        except dask.GONE as err:
            raise lost(self._pool.options.scheduler) from err
        except Exception as err:  # noqa: BLE001 - whatever Dask or the unpickling of a task may raise
            return Answer(error=not_run(err))
        finally:
            future.release()
        return answer

    def _is_last(self, job: _Job[T]) -> bool:
        return job.deaths > 0 and job.deaths >= self._pool.options.retries

    def _died(self, job: _Job[T], address: str) -> None:
        """A worker died of a task, as far as one can know: try it again, alone in the end."""
        self._deaths += 1
        if self._is_stopped:
            return
        if not self._is_any_done and self._deaths > max(MAX_FRUITLESS, 3 * self._most):
            raise hopeless(self._deaths, address)
        deaths = job.deaths + 1
        if deaths > self._pool.options.retries:
            self._ready.append(TaskOutcome(job.task, error=died_of(deaths, address)))
            return
        for task in self._split(job.task) if self._split is not None else (job.task,):
            again = _Job(task, deaths)
            (self._last if self._is_last(again) else self._waiting).append(again)


def dask_side() -> Any:
    """The module that needs Dask. Raises HostError if it is not installed."""
    try:
        return importlib.import_module("lineament.plugin.farm_dask_cluster")
    except ImportError as err:
        raise HostError(
            f"Dask is not installed ({err}).",
            where="--engine dask",
            remedy='Install it with: pip install "lineament[dask]"',
        ) from err
