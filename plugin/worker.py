"""The child process of ``WorkerSession``: JSON lines in, JSON lines out, until its input ends.

Standard output belongs to the protocol, so everything else that is printed, by Python or by C libraries, is
sent to standard error. The process ends with its parent: when the input ends, when Linux says that the
parent died, or when the parent's process id changes.
"""

from __future__ import annotations

import ctypes
import os
import queue
import signal
import sys
import threading
import traceback
from collections.abc import Callable
from dataclasses import asdict
from importlib import metadata
from typing import IO, Any

from lineament.core.errors import DeviceError, HostError, LineamentError

from .messages import (
    HEARTBEAT_S,
    PROTOCOL_VERSION,
    FrameRequest,
    RenderCancelled,
    ToolChoices,
    decode,
    encode,
    error_data,
    request_from,
)
from .program import run_program
from .session import Engine, _default_engine

ORPHAN_S = 10.0
"""How long a frame may go on after the parent has left, so that its temporary file is removed in an orderly
way."""

_PR_SET_PDEATHSIG = 1


class Worker:
    """The loop: one engine, one frame at a time, a heartbeat beside it."""

    def __init__(
        self, source: IO[bytes], sink: IO[bytes], open_engine: Callable[[ToolChoices], Engine]
    ) -> None:
        self._source, self._sink = source, sink
        self._open_engine = open_engine
        self._engine: Engine | None = None
        self._inbox: queue.SimpleQueue[dict[str, Any] | None] = (
            queue.SimpleQueue()
        )  # a signal handler may put
        self._cancelled = threading.Event()
        self._leaving = threading.Event()
        self._lock = threading.Lock()

    def run(self) -> None:
        """Serve until the input ends or ``close`` arrives."""
        hello = {"protocol": PROTOCOL_VERSION, "pid": os.getpid(), "version": metadata.version("lineament")}
        self._say("hello", **hello)
        for task in (self._listen, self._beat):
            threading.Thread(target=task, daemon=True).start()
        while (message := self._inbox.get()) is not None and message["type"] != "close":
            if self._leaving.is_set():
                break
            self._handle(message)
        self._say("bye")

    def _handle(self, message: dict[str, Any]) -> None:
        request_id = message.get("id", 0)
        try:
            if message["type"] == "open":
                self._engine = self._open_engine(ToolChoices(**message["tools"]))
                self._say("ready", info=getattr(self._engine, "info", {}))
            elif message["type"] in ("render", "probe"):
                self._answer(request_id, message["type"], request_from(message["request"]))
        except LineamentError as err:
            self._say("error", id=request_id, error=error_data(err))
        except MemoryError as err:
            told = DeviceError(
                "The engine ran out of memory.",
                where=str(err) or "worker",
                remedy="Close other programs, or edit this plate on a machine with more memory.",
            )
            self._say("error", id=request_id, error=error_data(told))
        except Exception as err:  # noqa: BLE001 - the one boundary of the worker: the parent must hear of everything
            traceback.print_exc()
            unforeseen = HostError(
                f"Unexpected error in the worker: {type(err).__name__}: {err}".rstrip(".") + ".",
                where="worker",
                remedy="Please report it with the worker's log.",
            )
            self._say("error", id=request_id, error=error_data(unforeseen))

    def _answer(self, request_id: int, verb: str, request: FrameRequest) -> None:
        if self._engine is None:
            raise HostError(
                "The worker was asked to render before it was opened.",
                where="worker",
                remedy="Open the session first; both sides must be the same version of Lineament.",
            )
        if self._is_cancelled():
            raise RenderCancelled("The frame was cancelled.")
        if verb == "probe":
            exposure = self._engine.probe(request.plate, request.number, request.recipe, request.pixel_aspect)
            self._say("result", id=request_id, result=exposure)
            return
        result = self._engine.render(
            request, self._is_cancelled, lambda stage: self._say("event", id=request_id, stage=stage)
        )
        self._say("result", id=request_id, result=asdict(result))

    def _is_cancelled(self) -> bool:
        return self._cancelled.is_set() or self._leaving.is_set()

    def stop_soon(self) -> None:
        """Cancel what runs and end; whoever does not end in time is ended."""
        if self._leaving.is_set():
            return
        self._leaving.set()
        self._inbox.put(None)
        timer = threading.Timer(ORPHAN_S, os._exit, (1,))
        timer.daemon = True
        timer.start()

    def _listen(self) -> None:
        try:
            for line in self._source:
                message = decode(line)
                if message["type"] == "cancel":
                    self._cancelled.set()
                    continue
                if message["type"] in ("render", "probe"):
                    self._cancelled.clear()
                self._inbox.put(message)
        finally:
            self.stop_soon()

    def _beat(self) -> None:
        pause = threading.Event()
        while not pause.wait(HEARTBEAT_S):
            if not _parent_lives():
                self.stop_soon()
            self._say("heartbeat")

    def _say(self, kind: str, **fields: Any) -> None:
        """Tell the parent; if nobody listens any more, the frame still ends in an orderly way."""
        try:
            with self._lock:
                self._sink.write(encode({"type": kind, **fields}))
                self._sink.flush()
        except BrokenPipeError:
            self.stop_soon()


def main(open_engine: Callable[[ToolChoices], Engine] = _default_engine) -> int:
    """Run a worker on this process's standard streams. Returns the exit code."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the whole group; the parent decides
    source, sink = _reserve_streams()
    worker = Worker(source, sink, open_engine)
    signal.signal(signal.SIGTERM, lambda *_: worker.stop_soon())
    _die_with_parent()
    worker.run()
    return 0


def _reserve_streams() -> tuple[IO[bytes], IO[bytes]]:
    """Take both ends of the protocol away from everybody else in the process."""
    source = os.fdopen(os.dup(0), "rb")
    sink = os.fdopen(os.dup(1), "wb")
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.close(nothing)
    os.dup2(2, 1)
    sys.stdout = sys.stderr
    return source, sink


def _die_with_parent() -> None:
    """Ask Linux for SIGTERM when the parent dies; elsewhere the end of the input must do."""
    if sys.platform == "linux":
        libc = ctypes.CDLL(None, use_errno=True)
        libc.prctl(_PR_SET_PDEATHSIG, signal.SIGTERM, 0, 0, 0)
    if not _parent_lives():
        os._exit(1)


def _parent_lives() -> bool:
    expected = os.environ.get("LINEAMENT_PARENT", "")
    return sys.platform == "win32" or not expected.isdigit() or os.getppid() == int(expected)


if __name__ == "__main__":
    run_program(main)
