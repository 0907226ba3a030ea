"""Sessions: all that a host, the command line or a farm task sees of the engine.

``LocalSession`` runs the engine in this process; ``WorkerSession`` in a child process, because a host's
Python and libraries differ from the engine's and an engine that runs out of memory must not take the
artist's scene with it. Standard library only and no syntax newer than Python 3.9.
"""

from __future__ import annotations

import importlib
import os
import queue
import sys
import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import TracebackType
from typing import Any, Protocol, TypeVar

from lineament.core.errors import HostError
from lineament.core.recipe import EditRecipe

from .child import Child, worker_environment
from .messages import (
    PROTOCOL_VERSION,
    FrameRequest,
    FrameResult,
    RenderCancelled,
    ToolChoices,
    error_from,
    request_data,
)

Answer = TypeVar("Answer")
Listener = Callable[[str], None]
"""Is told the stage that begins: "read", "render", "write"."""


class Engine(Protocol):
    """What a session drives: one opened set of tools."""

    def render(self, request: FrameRequest, cancelled: Callable[[], bool], tell: Listener) -> FrameResult:
        """Read, edit and write one frame; raise RenderCancelled between stages if ``cancelled()``."""
        ...

    def probe(self, plate: str, number: int, recipe: EditRecipe, pixel_aspect: float = 0.0) -> float:
        """The exposure that suits the recipe's face in one plate."""
        ...


class Session(Protocol):
    """One shot's worth of rendering with the same tools."""

    def open(self) -> dict[str, Any]:
        """Load the tools and return what is known of them; rendering opens by itself if need be."""
        ...

    def render(self, request: FrameRequest, on_stage: Listener | None = None) -> FrameResult:
        """Render one frame. Raises LineamentError; then nothing was written."""
        ...

    def probe(self, plate: str, number: int, recipe: EditRecipe, pixel_aspect: float = 0.0) -> float:
        """The exposure that suits the recipe's face in one plate; nothing is written. Raises LineamentError.

        ``pixel_aspect`` is that of ``FrameRequest``.
        """
        ...

    def cancel(self) -> None:
        """End the running ``open``, ``probe`` or ``render`` with RenderCancelled, or the next one if none runs.

        May be called from another thread. A frame that is finished all the same is returned.
        """
        ...

    def close(self) -> None:
        """Let the tools go; a closed session may be opened again."""
        ...


class _Closing(ABC):
    """Lets a session be used in a ``with`` statement."""

    def __enter__(self) -> Any:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @abstractmethod
    def close(self) -> None: ...


def _default_engine(choices: ToolChoices) -> Engine:
    """The real engine, fetched when first needed: it loads torch."""
    engine: Engine = importlib.import_module("lineament.plugin.engine").open_engine(choices)
    return engine


class LocalSession(_Closing):
    """The engine in this process: for the command line, tests and small jobs."""

    def __init__(
        self, choices: ToolChoices, open_engine: Callable[[ToolChoices], Engine] = _default_engine
    ) -> None:
        self.choices = choices
        self._open_engine = open_engine
        self._engine: Engine | None = None
        self._cancelled = threading.Event()

    def open(self) -> dict[str, Any]:
        with _cancellable(self._cancelled):
            info: dict[str, Any] = getattr(self._opened(), "info", {})
            return info

    def render(self, request: FrameRequest, on_stage: Listener | None = None) -> FrameResult:
        with _cancellable(self._cancelled):
            return self._opened().render(request, self._cancelled.is_set, on_stage or _ignore)

    def probe(self, plate: str, number: int, recipe: EditRecipe, pixel_aspect: float = 0.0) -> float:
        with _cancellable(self._cancelled):
            exposure = self._opened().probe(plate, number, recipe, pixel_aspect)
            _refuse_cancelled(self._cancelled)
            return exposure

    def cancel(self) -> None:
        self._cancelled.set()

    def close(self) -> None:
        self._engine = None
        self._cancelled.clear()

    def _opened(self) -> Engine:
        if self._engine is None:
            self._engine = self._open_engine(self.choices)
            _refuse_cancelled(self._cancelled)
        return self._engine


class _WorkerDied(Exception):
    """The child ended or fell silent; worth one new start."""


class WorkerSession(_Closing):
    """The engine in a child process.

    A worker that dies during a frame is started once more for that frame; if it dies again, HostError.
    ``silent_s`` is how long it may send nothing (it beats every second) before it counts as dead,
    ``open_s`` how long loading may take, ``frame_s`` how long one frame may take, ``cancel_s`` how long a
    cancelled frame may go on before the worker is killed. A call that ``close`` meets, from another thread, ends with
    RenderCancelled and starts no worker.
    """

    def __init__(
        self,
        choices: ToolChoices,
        command: tuple[str, ...] = (),
        *,
        open_s: float = 300.0,
        frame_s: float = 3600.0,
        silent_s: float = 60.0,
        cancel_s: float = 10.0,
    ) -> None:
        self.choices = choices
        python = os.environ.get("LINEAMENT_PYTHON") or sys.executable
        self._command = command or (python, "-m", "lineament.plugin.worker")
        self._open_s, self._frame_s, self._silent_s, self._cancel_s = open_s, frame_s, silent_s, cancel_s
        self._child: Child | None = None
        self._info: dict[str, Any] = {}
        self._next_id = 0
        self._cancelled = threading.Event()
        self._closings = 0
        self._guard = threading.Lock()

    @property
    def pid(self) -> int | None:
        """The worker's process id, None if none runs."""
        return None if self._child is None else self._child.pid

    def open(self) -> dict[str, Any]:
        with _cancellable(self._cancelled):
            self._twice(self._opened)
            return self._info

    def render(self, request: FrameRequest, on_stage: Listener | None = None) -> FrameResult:
        with _cancellable(self._cancelled):
            answer = self._twice(lambda closings: self._ask("render", request, on_stage or _ignore, closings))
            return FrameResult(**answer["result"])

    def probe(self, plate: str, number: int, recipe: EditRecipe, pixel_aspect: float = 0.0) -> float:
        request = FrameRequest(plate, "", number, recipe, pixel_aspect=pixel_aspect)
        with _cancellable(self._cancelled):
            answer = self._twice(lambda closings: self._ask("probe", request, _ignore, closings))
            _refuse_cancelled(self._cancelled)
            return float(answer["result"])

    def cancel(self) -> None:
        self._cancelled.set()

    def close(self) -> None:
        with self._guard:
            self._closings += 1
        self._drop(patience_s=5.0)
        self._cancelled.clear()

    def _twice(self, attempt: Callable[[int], Answer]) -> Answer:
        """Run ``attempt`` with the count of closings; after the worker's death start it anew and run it once more."""
        closings = self._closings
        try:
            return attempt(closings)
        except _WorkerDied:
            self._refuse_closed(closings)
            self._drop(patience_s=0.0)
        try:
            return attempt(closings)
        except _WorkerDied as died:
            self._refuse_closed(closings)
            self._drop(patience_s=0.0)
            raise HostError(
                f"The worker process died twice: {died}.",
                where=" ".join(self._command),
                remedy='Run "lineament doctor"; if memory is short, close programs or use a smaller plate.',
            ) from died

    def _refuse_closed(self, closings: int) -> None:
        if self._closings != closings:
            raise RenderCancelled("The session was closed while it worked.")

    def _opened(self, closings: int) -> Child:
        """The worker, greeted and with its tools loaded; one that got no further is not kept."""
        with self._guard:  # a close in between would not see the worker that is being started
            self._refuse_closed(closings)
            if self._child is not None:
                return self._child
            child = self._child = Child(self._command, worker_environment())
        is_ready = False
        try:
            self._greet(child)
            is_ready = True
        finally:
            if not is_ready:
                self._drop(patience_s=0.0)
        return child

    def _greet(self, child: Child) -> None:
        hello = self._await(child, "hello", self._open_s)
        if hello.get("protocol") != PROTOCOL_VERSION:
            raise HostError(
                f"The worker speaks protocol {hello.get('protocol')}, this side {PROTOCOL_VERSION}.",
                where=" ".join(self._command),
                remedy="Install the same version of Lineament on both sides, or correct LINEAMENT_PYTHON.",
            )
        child.send({"type": "open", "protocol": PROTOCOL_VERSION, "tools": vars(self.choices)})
        self._info = self._await(child, "ready", self._open_s).get("info", {})

    def _ask(self, verb: str, request: FrameRequest, tell: Listener, closings: int) -> dict[str, Any]:
        child = self._opened(closings)
        self._next_id += 1
        child.send({"type": verb, "id": self._next_id, "request": request_data(request)})
        return self._await(child, "result", self._frame_s, self._next_id, tell)

    def _await(
        self, child: Child, kind: str, limit_s: float, request_id: int = 0, tell: Listener | None = None
    ) -> dict[str, Any]:
        """The next message of that kind for that request; errors are raised, stages told."""
        start = time.monotonic()
        cancelled_at: float | None = None
        while True:
            now = time.monotonic()
            if not request_id:
                _refuse_cancelled(self._cancelled)  # loading cannot be interrupted, its process can be ended
            elif self._cancelled.is_set() and cancelled_at is None:
                child.send({"type": "cancel"})
                cancelled_at = now
            self._check_times(
                child, kind, now - start, limit_s, None if cancelled_at is None else now - cancelled_at
            )
            try:
                message = child.inbox.get(timeout=0.05)
            except queue.Empty:
                continue
            if message is None:
                raise _WorkerDied(child.last_words)
            if isinstance(message, HostError):
                raise message
            if message.get("id", 0) != request_id:
                continue
            if message["type"] == "error":
                raise error_from(message["error"])
            if message["type"] == "event" and tell is not None:
                tell(str(message.get("stage", "")))
            if message["type"] == kind:
                return message

    def _check_times(
        self, child: Child, kind: str, waited_s: float, limit_s: float, since_cancel_s: float | None
    ) -> None:
        if since_cancel_s is not None and since_cancel_s > self._cancel_s:
            self._drop(patience_s=0.0)
            raise RenderCancelled("The frame was cancelled; the worker did not stop and was killed.")
        silent_s = time.monotonic() - child.last_heard
        if silent_s > self._silent_s:
            raise _WorkerDied(f"it has been silent for {silent_s:.0f} s")
        if waited_s > limit_s:
            self._drop(patience_s=0.0)
            raise HostError(
                f'The worker sent no "{kind}" within {limit_s:.0f} s and was stopped.',
                where=" ".join(self._command),
                remedy="Raise the time limit, or render this frame on a faster machine.",
            )

    def _drop(self, patience_s: float) -> None:
        with self._guard:
            child, self._child = self._child, None
        if child is not None:
            child.send({"type": "close"})
            child.stop(patience_s)


@contextmanager
def _cancellable(cancelled: threading.Event) -> Iterator[None]:
    """A call that a cancel before or during it ends, and that uses this cancel up."""
    try:
        _refuse_cancelled(cancelled)
        yield
    finally:
        cancelled.clear()


def _refuse_cancelled(cancelled: threading.Event) -> None:
    if cancelled.is_set():
        raise RenderCancelled("The work was cancelled.")


def _ignore(stage: str) -> None:
    """Listen to nothing."""
