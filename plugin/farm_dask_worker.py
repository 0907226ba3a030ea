"""The worker's side of a run on Dask: one task at a time, what is costly kept for the next one, an end when told.

Dask runs these functions inside its own worker processes. Nothing is raised through Dask: an error is an answer.
"""

from __future__ import annotations

import platform
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from importlib import metadata
from typing import Any, TypeVar, cast

from lineament.core.errors import HostError, LineamentError

from .batch import unexpected
from .messages import RenderCancelled

V = TypeVar("V")

PACKAGES = ("lineament", "numpy", "torch", "OpenImageIO", "opencolorio", "scipy")
"""What decides pixels: two processes with other versions of one of these may render other bytes."""


class ForeignWorker(HostError):
    """A worker runs other software than the program that sends it tasks: no task of the run can be trusted to it."""


@dataclass(frozen=True)
class Call:
    """One task on its way to a worker. ``run`` names what its process keeps things for, ``part`` what may be stopped;
    ``versions`` are the sender's."""

    run: str
    part: str
    versions: tuple[tuple[str, str], ...]
    work: Callable[[Any], Any]
    set_up: Callable[[], None] | None
    task: Any


@dataclass(frozen=True)
class Answer:
    """What became of a task: its result, or the error instead of it."""

    result: Any = None
    error: LineamentError | None = None


@dataclass
class _Run:
    """What this process knows of a run: whether it has been set up, what is kept for it, which parts have ended."""

    is_set_up: bool = False
    kept: dict[str, Any] = field(default_factory=dict)
    stopped: set[str] = field(default_factory=set)


class _Process:
    """The runs that this process works for. Tasks take turns even if Dask gives a worker several threads: the network
    and what is kept belong to one thread at a time."""

    def __init__(self) -> None:
        self.turn = threading.RLock()
        self.current: _Run | None = None
        self.part = ""
        self._runs: dict[str, _Run] = {}
        self._guard = threading.Lock()

    def run(self, name: str) -> _Run:
        """What is known of a run; begun if it is new."""
        with self._guard:
            return self._runs.setdefault(name, _Run())

    def forget(self, name: str) -> None:
        """Let go of what was kept for a run."""
        with self._guard:
            self._runs.pop(name, None)


_PROCESS = _Process()


def perform(call: Call) -> Answer:
    """Do one task; the process is set up before its first one of a run."""
    with _PROCESS.turn:
        run = _PROCESS.current = _PROCESS.run(call.run)
        _PROCESS.part = call.part
        try:
            return Answer(_performed(call, run))
        except LineamentError as err:
            error = err
        except Exception as err:  # noqa: BLE001 - the worker's one boundary: the sender must hear of everything
            error = unexpected(err, f"worker on {platform.node()}")
        finally:
            _PROCESS.current = None
    error.__traceback__ = error.__cause__ = error.__context__ = None
    return Answer(error=error)


def _performed(call: Call, run: _Run) -> Any:
    if call.part in run.stopped:
        raise RenderCancelled("The run was stopped before this task.", remedy="Run it again.")
    refuse_foreign(call.versions)
    if call.set_up is not None and not run.is_set_up:
        call.set_up()
    run.is_set_up = True
    return call.work(call.task)


def once(name: str, make: Callable[[], V]) -> V:
    """What ``make`` gives, made at the first call in this process and kept for the other tasks of the same run.

    Outside a task nothing is kept.
    """
    run = _PROCESS.current
    if run is None:
        return make()
    if name not in run.kept:
        run.kept[name] = make()
    return cast(V, run.kept[name])


def is_stopped() -> bool:
    """Whether the current task should come to an early end, because its run was stopped."""
    run = _PROCESS.current
    return run is not None and _PROCESS.part in run.stopped


def stop(run: str, part: str) -> None:
    """Tell this process that a part of a run ends; called by Dask beside the task that is being done."""
    _PROCESS.run(run).stopped.add(part)


def forget(run: str) -> None:
    """Tell this process that a run has ended; what was kept for it is let go."""
    _PROCESS.forget(run)


def versions_here() -> tuple[tuple[str, str], ...]:
    """Name and version of Python and of every package that decides pixels, "" for one that is not installed; builds of
    one version count as the same."""
    python = ".".join(platform.python_version_tuple()[:2])
    return (("python", python), *((name, _version(name)) for name in PACKAGES))


def _version(name: str) -> str:
    try:
        return metadata.version(name).partition("+")[0]
    except metadata.PackageNotFoundError:
        return ""


def refuse_foreign(versions: tuple[tuple[str, str], ...]) -> None:
    """Raise ForeignWorker if this process has other versions than the sender of a task."""
    here = dict(versions_here())
    others = [
        f"{name} {here.get(name) or 'is missing'} instead of {wanted or 'none'}"
        for name, wanted in versions
        if here.get(name, "") != wanted
    ]
    if others:
        raise ForeignWorker(
            f"A worker has other software than this program: {', '.join(others)}.",
            where=platform.node(),
            remedy="Install the same versions on all machines, or start the workers from one environment.",
        )
