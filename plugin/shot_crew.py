"""Frames rendered by several processes: each opens the model once, takes frames as it is free, and may die."""

from __future__ import annotations

import multiprocessing
import os
import queue
import signal
import threading
from collections import Counter, deque
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from multiprocessing.context import SpawnProcess
from typing import Any

from lineament.core.errors import HostError, LineamentError

from .messages import FrameRequest
from .shot_plan import ShotPlan
from .shot_queue import Step
from .shot_render import FrameStep, OpenFlow
from .shot_worker import Begin, Ended, Enough, Opened, OpenShot, Stop, serve

WINDOW = 4
"""Frames that a worker has at a time: as many as are on their way in it."""
MAX_DEATHS = 3
"""After so many deaths of a worker in the same frame the frame has failed; before, it is tried again, alone."""
MAX_FRUITLESS = 6
"""After so many deaths without a frame in between, the fault is not in frames, and the run ends."""
LEAVE_S = 30.0
"""How long a worker may take to finish its frames when the run is ending; then it is killed, which harms no file."""


@dataclass
class _Hand:
    """A worker as its parent knows it: the frames that it has been sent, whether it has opened the shot, and whether
    its last word was heard."""

    process: SpawnProcess
    link: Connection  # closed by the listener alone: closed twice at once, it takes another file's descriptor with it
    listener: threading.Thread | None = None
    at: dict[int, FrameRequest] = field(default_factory=dict)
    is_open: bool = False
    is_gone: bool = False

    def send(self, message: object) -> None:
        with suppress(OSError):  # its death is heard where its answers are
            self.link.send(message)


_Heard = tuple[_Hand, Any]


class Crew:
    """Worker processes for one shot after the other. Close it, or use it in a ``with`` statement."""

    def __init__(self, jobs: int, open_shot: OpenShot) -> None:
        self._jobs, self._open_shot = jobs, open_shot
        self._hands: list[_Hand] = []
        self._heard: queue.SimpleQueue[_Heard] = queue.SimpleQueue()

    def __enter__(self) -> Crew:
        return self

    def __exit__(self, kind: type[BaseException] | None, *error: object) -> None:
        self.close(LEAVE_S if kind is None else 1.0)

    def flow(self, order: object) -> OpenFlow:
        """Rendering of a shot by this crew; ``order`` is what ``open_shot`` gets."""
        return lambda plan: CrewFlow(self, order, plan)

    def close(self, patience_s: float = LEAVE_S) -> None:
        """Send everybody home; who does not go is killed."""
        hands, self._hands = self._hands, []
        for hand in hands:
            hand.send(None)
        for hand in hands:
            hand.process.join(patience_s)
            if hand.process.is_alive():
                hand.process.kill()
                hand.process.join()
            if hand.listener is not None:
                hand.listener.join()

    def present(self, count: int) -> list[_Hand]:
        """Up to ``count`` workers that live, new ones if need be."""
        self._hands = [hand for hand in self._hands if not hand.is_gone]
        while len(self._hands) < min(self._jobs, count):
            self._hands.append(self._hired())
        return self._hands[:count]

    def listen(self) -> _Heard:
        """The next message and who sent it; None is the last one of a worker that died."""
        return self._heard.get()

    def _hired(self) -> _Hand:
        context = multiprocessing.get_context("spawn")
        ours, theirs = context.Pipe()
        threads = max(1, (os.cpu_count() or 1) // self._jobs)
        process = context.Process(target=serve, args=(theirs, self._open_shot, threads), daemon=True)
        with _signals_ignored():
            process.start()
        theirs.close()
        hand = _Hand(process, ours)
        hand.listener = threading.Thread(target=self._hear, args=(hand,), daemon=True)
        hand.listener.start()
        return hand

    def _hear(self, hand: _Hand) -> None:
        """The thread that receives for one worker: an interrupt in the middle of a message would garble the rest."""
        with suppress(EOFError, OSError):
            while True:
                self._heard.put((hand, hand.link.recv()))
        hand.is_gone = True
        hand.link.close()
        self._heard.put((hand, None))


class CrewFlow:
    """The frames of one plan on their way through a crew, as ``FrameFlow``."""

    def __init__(self, crew: Crew, order: object, plan: ShotPlan) -> None:
        self._crew, self._begin = crew, Begin(order, plan.manifest)
        self._waiting = deque(plan.requests)
        self._deaths: Counter[int] = Counter()
        self._fruitless = 0
        self._hands: list[_Hand] = []
        self._is_stopped = False
        self._ready: deque[FrameStep] = deque()

    def __iter__(self) -> Iterator[FrameStep]:
        self._staff()
        while self._waiting or any(hand.at for hand in self._hands):
            self._take(*self._crew.listen())
            while self._ready:
                yield self._ready.popleft()
        for hand in self._hands:
            hand.send(Enough())
        while self._hands:
            self._take(*self._crew.listen())

    def stop(self) -> None:
        """Hand out no further frame; the workers finish what they have made."""
        self._is_stopped = True
        self._waiting.clear()
        for hand in self._hands:
            hand.send(Stop())

    def close(self) -> Sequence[FrameStep]:
        """Stop, wait for what is on its way to the disk, and give the steps that were not iterated."""
        self.stop()
        limit = threading.Timer(LEAVE_S, self._kill)
        limit.daemon = True
        limit.start()
        while self._hands:
            with suppress(LineamentError):
                self._take(*self._crew.listen())
        limit.cancel()
        return tuple(self._ready)

    def _staff(self) -> None:
        """Bring in as many workers as there is work for, and give them frames."""
        for hand in self._crew.present(len(self._waiting) + len(self._hands)):
            if hand not in self._hands:
                self._hands.append(hand)
                hand.at, hand.is_open = {}, False
                hand.send(self._begin)
        for hand in self._hands:
            self._feed(hand)

    def _feed(self, hand: _Hand) -> None:
        """Give a worker frames up to its window; a frame that a worker died of goes to one that has nothing else, so
        that the next death tells whose fault it was."""
        while self._waiting and len(hand.at) < WINDOW:
            next_one = self._waiting[0].number
            if hand.at and any(self._deaths[number] for number in (next_one, *hand.at)):
                break
            hand.at[next_one] = self._waiting.popleft()
            hand.send(hand.at[next_one])

    def _take(self, hand: _Hand, message: object) -> None:
        """Hear what a worker says; the last words of an earlier shot are passed over."""
        if hand not in self._hands:
            return
        if isinstance(message, Opened):
            hand.is_open = True
        elif isinstance(message, Step):
            hand.at.pop(message.ask.number, None)
            self._fruitless = 0
            self._ready.append(message)
            self._feed(hand)
        else:
            self._hands.remove(hand)
            if isinstance(message, Ended) and message.error is not None:
                raise message.error
            if message is None and not self._is_stopped:
                self._try_again(hand)

    def _try_again(self, dead: _Hand) -> None:
        """A worker died: others get its frames, unless one has killed too often."""
        dead.process.join(1.0)  # for its exit status
        self._fruitless += 1
        for number in dead.at if dead.is_open else ():
            self._deaths[number] += 1
        lost = [request for number, request in dead.at.items() if self._deaths[number] >= MAX_DEATHS]
        self._ready.extend(Step(request, error=_died(dead, request.plate)) for request in lost)
        self._waiting.extendleft(
            request for number, request in reversed(dead.at.items()) if self._deaths[number] < MAX_DEATHS
        )
        if self._fruitless > MAX_FRUITLESS:
            raise _died(dead, "workers")
        if self._waiting:
            self._staff()

    def _kill(self) -> None:
        for hand in tuple(self._hands):
            hand.process.kill()


def _died(hand: _Hand, where: str) -> HostError:
    code = hand.process.exitcode
    return HostError(
        f"The worker process died again and again (exit status {code})."
        if where == "workers"
        else f"The worker process died {MAX_DEATHS} times on this frame (exit status {code}).",
        where=where,
        remedy="Is memory short? Try fewer --jobs; with one job it runs without workers.",
    )


@contextmanager
def _signals_ignored() -> Iterator[None]:
    """What is started here ignores Ctrl-C from its first moment; only the main thread can and need say so."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
