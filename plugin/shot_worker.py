"""A process that renders frames for a crew: orders and requests in, steps out, until nobody is there any more."""

from __future__ import annotations

import os
import queue
import signal
import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from types import FrameType
from typing import Any, TypeAlias

from lineament.core.errors import LineamentError

from .batch import Terminated, unexpected
from .manifest import Manifest
from .messages import FrameRequest, FrameResult
from .shot_frame import FrameStages, ShotRenderer
from .shot_queue import Flow

ORPHAN_S = 20.0
"""How long a worker whose parent has gone may take to finish the frames that are on their way to the disk."""

OpenShot = Callable[[Any], ShotRenderer]
"""Opens what an order describes; both it and the order must pickle. Keeps what the next order needs again."""


@dataclass(frozen=True)
class Begin:
    """To a worker: a shot to open, and the manifest of its frames. It answers with steps, then ``Ended``."""

    order: Any
    manifest: Path


class Opened:
    """From a worker: the shot is open, and its frames begin."""


class Enough:
    """To a worker: no more frames of this shot; finish those that were sent."""


class Stop:
    """To a worker: make no further frame; finish what was made."""


@dataclass(frozen=True)
class Ended:
    """From a worker: the shot is done with; ``error`` says why it could not even be opened."""

    error: LineamentError | None = None


Frames: TypeAlias = "queue.SimpleQueue[FrameRequest | None]"
"""The frames of one shot as they come; None is the last one."""


class Worker:
    """The loop of the child: one shot at a time, its frames as they are sent."""

    def __init__(self, link: Connection, open_shot: OpenShot) -> None:
        self._link, self._open_shot = link, open_shot
        self._orders: queue.SimpleQueue[tuple[Begin, Frames] | None] = queue.SimpleQueue()
        self._frames: Frames = queue.SimpleQueue()
        self._flow: Flow[Any, Any, Any, FrameResult] | None = None
        self._is_stopped = threading.Event()

    def run(self) -> None:
        """Serve until the parent leaves or says so."""
        threading.Thread(target=self._listen, daemon=True).start()
        while (order := self._orders.get()) is not None:
            self._say(Ended(self._rendered(*order)))

    def _rendered(self, order: Begin, frames: Frames) -> LineamentError | None:
        """Render a shot's frames as they come; the error if the shot cannot be opened."""
        try:
            renderer = self._open_shot(order.order)
        except LineamentError as err:
            error = err
        except Exception as err:  # noqa: BLE001 - the worker's one boundary: the parent must hear of everything
            error = unexpected(err, "worker")
        else:
            self._say(Opened())
            self._render(FrameStages(renderer, Manifest(order.manifest)), frames)
            return None
        error.__traceback__ = error.__cause__ = error.__context__ = None
        return error

    def _render(self, frame: FrameStages, frames: Frames) -> None:
        flow = self._flow = Flow(iter(frames.get, None), frame.stages())
        if self._is_stopped.is_set():
            flow.stop()
        try:
            for step in flow:
                self._say(step)
        finally:
            for step in flow.close():
                self._say(step)
            self._flow = None

    def _listen(self) -> None:
        """Sort what the parent says; its silence means that it has gone."""
        with suppress(EOFError, OSError):
            while (message := self._link.recv()) is not None:
                if isinstance(message, Begin):
                    self._is_stopped.clear()
                    self._frames = queue.SimpleQueue()
                    self._orders.put((message, self._frames))
                elif isinstance(message, FrameRequest):
                    self._frames.put(message)
                elif isinstance(message, Stop):
                    self._stop()
                else:
                    self._frames.put(None)
        self._stop()
        self._orders.put(None)
        timer = threading.Timer(ORPHAN_S, os._exit, (1,))
        timer.daemon = True
        timer.start()

    def _stop(self) -> None:
        self._is_stopped.set()
        if self._flow is not None:
            self._flow.stop()
        self._frames.put(None)

    def _say(self, message: object) -> None:
        with suppress(
            BrokenPipeError
        ):  # nobody listens any more; what is on its way to the disk still arrives
            self._link.send(message)


def serve(link: Connection, open_shot: OpenShot, threads: int) -> None:
    """The main function of a worker process. Ctrl-C is the parent's to see; SIGTERM ends the worker in order."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, _terminate)
    import OpenImageIO as oiio

    oiio.attribute("threads", threads)
    oiio.attribute("exr_threads", threads)
    with suppress(Terminated):
        Worker(link, open_shot).run()


def _terminate(number: int, frame: FrameType | None) -> None:
    raise Terminated
