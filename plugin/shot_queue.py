"""Reads ahead and writes behind: three stages, a thread for the first and the last, and a bound on what lies between.

The middle stage runs in the thread that iterates, because that is where a signal arrives and where models live. At any
moment no more than ``ahead + behind`` items exist, however long the shot, and an error keeps none of them alive.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Generic, TypeAlias, TypeVar

Ask = TypeVar("Ask")
Seen = TypeVar("Seen")
Made = TypeVar("Made")
Done = TypeVar("Done")
Thing = TypeVar("Thing")

LEAVE_S = 10.0
"""How long a read that hangs (a file server that is away) may hold up the end of an interrupted run."""


@dataclass(frozen=True)
class Stages(Generic[Ask, Seen, Made, Done]):
    """What becomes of an item: ``read`` and ``write`` run in threads of their own, ``make`` where the flow is iterated.

    ``failed`` turns whatever a stage raised into the error that is handed on.
    """

    read: Callable[[Ask], Seen]
    make: Callable[[Ask, Seen], Made]
    write: Callable[[Ask, Made], Done]
    failed: Callable[[Ask, Exception], Exception]


@dataclass(frozen=True)
class Step(Generic[Ask, Done]):
    """The end of one item: its result, or its error."""

    ask: Ask
    done: Done | None = None
    error: Exception | None = None


@dataclass(frozen=True)
class _Read(Generic[Ask, Seen]):
    """An item waits for the middle stage."""

    ask: Ask
    seen: Seen


@dataclass(frozen=True)
class _Written(Generic[Ask, Done]):
    """An item has left the last stage."""

    step: Step[Ask, Done]


@dataclass(frozen=True)
class _Unread(Generic[Ask, Done]):
    """An item did not get beyond the first stage."""

    step: Step[Ask, Done]


@dataclass(frozen=True)
class _Failure:
    """A stage's error."""

    error: Exception


class _End:
    """The reader has nothing more."""


_Event: TypeAlias = _Read[Ask, Seen] | _Unread[Ask, Done] | _Written[Ask, Done] | _End


class Flow(Generic[Ask, Seen, Made, Done]):
    """Items on their way; iterating gives a step for each, in the order in which they end.

    After ``stop`` no further item is made, and the iteration ends when what was made is written. ``close`` is for the
    end, an early one too: it waits for the writer and gives the steps that were not iterated.
    """

    def __init__(
        self,
        asks: Iterable[Ask],
        stages: Stages[Ask, Seen, Made, Done],
        *,
        ahead: int = 2,
        behind: int = 2,
    ) -> None:
        self._asks, self._stages = asks, stages
        self._events: queue.SimpleQueue[_Event[Ask, Seen, Done]] = queue.SimpleQueue()
        self._made: queue.SimpleQueue[tuple[Ask, Made] | None] = queue.SimpleQueue()
        self._may_read, self._may_make = threading.Semaphore(ahead), threading.Semaphore(behind)
        self._stopped = threading.Event()
        self._threads = [
            threading.Thread(target=task, name=f"lineament-{name}", daemon=True)
            for name, task in (("read", self._read_all), ("write", self._write_all))
        ]

    def __iter__(self) -> Iterator[Step[Ask, Done]]:
        for thread in self._threads:
            thread.start()
        unwritten, has_ended = 0, False
        while unwritten or not has_ended:
            event = self._events.get()
            if isinstance(event, _End):
                has_ended = True
            elif isinstance(event, _Read) and self._stopped.is_set():
                continue
            elif isinstance(event, _Read):
                step = self._make(event)
                unwritten += step is None
                if step is not None:
                    yield step
            else:
                unwritten -= isinstance(event, _Written)
                yield event.step
            del event  # or its pictures would live on while the next ones are waited for

    def stop(self) -> None:
        """Make no further item; may be called from any thread."""
        self._stopped.set()
        self._may_read.release()

    def close(self) -> list[Step[Ask, Done]]:
        """Stop, let the writer finish what it has, and return the steps that were not iterated."""
        self.stop()
        self._made.put(None)
        reader, writer = self._threads
        if writer.is_alive():
            writer.join()
        if reader.is_alive():
            reader.join(LEAVE_S)
        events = [self._events.get() for _ in range(self._events.qsize())]
        return [event.step for event in events if isinstance(event, (_Unread, _Written))]

    def _make(self, event: _Read[Ask, Seen]) -> Step[Ask, Done] | None:
        """Run the middle stage and hand on what it made, or return the step of an item that ends here."""
        self._may_make.acquire()
        self._may_read.release()
        made = self._attempt(event.ask, lambda: self._stages.make(event.ask, event.seen))
        if isinstance(made, _Failure):
            self._may_make.release()
            return Step(event.ask, error=made.error)
        self._made.put((event.ask, made))
        return None

    def _read_all(self) -> None:
        """The reader's thread: as far ahead as allowed."""
        try:
            for ask in self._asks:
                self._may_read.acquire()
                if self._stopped.is_set():
                    break
                self._events.put(self._read(ask))
        finally:
            self._events.put(_End())

    def _read(self, ask: Ask) -> _Event[Ask, Seen, Done]:
        seen = self._attempt(ask, lambda: self._stages.read(ask))
        if not isinstance(seen, _Failure):
            return _Read(ask, seen)
        self._may_read.release()
        return _Unread(Step(ask, error=seen.error))

    def _write_all(self) -> None:
        """The writer's thread: everything that was made, in order."""
        while (item := self._made.get()) is not None:
            self._events.put(self._write(*item))
            del item
            self._may_make.release()

    def _write(self, ask: Ask, made: Made) -> _Event[Ask, Seen, Done]:
        done = self._attempt(ask, lambda: self._stages.write(ask, made))
        return _Written(Step(ask, error=done.error) if isinstance(done, _Failure) else Step(ask, done))

    def _attempt(self, ask: Ask, stage: Callable[[], Thing]) -> Thing | _Failure:
        """The result of a stage, or its error without the traceback, which would keep the stage's pictures alive."""
        try:
            return stage()
        except Exception as err:  # noqa: BLE001 - the batch's one boundary: the other frames must go on
            error = self._stages.failed(ask, err)
        error.__traceback__ = error.__cause__ = error.__context__ = None
        return _Failure(error)
