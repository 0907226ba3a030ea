"""Independent tasks on Dask: done as workers are free, tried again when a worker dies, every one of them answered."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import ExitStack, closing, suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeVar

from .farm_dask_run import Calls, dask_side
from .farm_dask_run import TaskOutcome as TaskOutcome
from .farm_dask_run import TaskRun as TaskRun
from .farm_dask_worker import forget, versions_here

if TYPE_CHECKING:
    from distributed import Client

T = TypeVar("T")
R = TypeVar("R")


@dataclass(frozen=True)
class DaskOptions:
    """Where and how tasks run.

    ``scheduler`` is the address of a running one (``tls://host:8786``), "" starts a cluster of ``workers`` processes on
    this machine. A task whose worker died is tried again ``retries`` times. ``resources`` is what a task needs of a
    worker by Dask's names, such as ``{"GPU": 1}``; local workers have it. ``connect_s`` and ``wait_s`` are seconds to
    wait for the scheduler, and for a worker that has the resources. ``tls_*`` are PEM files.
    """

    scheduler: str = ""
    workers: int = 2
    retries: int = 2
    resources: Mapping[str, float] = field(default_factory=dict)
    connect_s: float = 10.0
    wait_s: float = 300.0
    tls_ca: str = ""
    tls_cert: str = ""
    tls_key: str = ""

    @property
    def has_tls(self) -> bool:
        """Whether certificates were named."""
        return bool(self.tls_ca or self.tls_cert or self.tls_key)


def run_on_dask(
    tasks: Sequence[T],
    work: Callable[[T], R],
    options: DaskOptions,
    *,
    set_up: Callable[[], None] | None = None,
) -> Generator[TaskOutcome[T, R], None, None]:
    """Do ``work`` for every task; outcomes come as tasks end, one for each. Close the iterator to end early.

    ``work``, ``set_up``, tasks and results must pickle, functions by their module's name. ``set_up`` runs once in every
    worker process before its first task; what ``work`` opens and needs again it keeps with ``farm_dask_worker.once``.
    A LineamentError of ``work`` is the task's outcome and is not tried again; a worker's death is. Raises HostError if
    Dask is missing, its scheduler cannot be reached or is lost, no worker has the resources, or workers have other
    software.
    """
    with DaskPool(options) as pool, closing(pool.run(tasks, work, set_up=set_up)) as run:
        yield from run


class DaskPool:
    """Workers for one run after the other; what tasks keep is kept until the pool is closed. Use it in ``with``."""

    def __init__(self, options: DaskOptions) -> None:
        self.options = options
        self._name = f"lineament-{uuid.uuid4().hex}"
        self._stack = ExitStack()
        self._client: Client | None = None

    def __enter__(self) -> DaskPool:
        connected = dask_side().connected
        with ExitStack() as stack:
            self._client = stack.enter_context(connected(self.options))
            stack.callback(self._forget)
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *error: object) -> None:
        self._stack.close()

    @property
    def client(self) -> Client:
        """Dask's client; the pool must be open."""
        assert self._client is not None
        return self._client

    def workers(self) -> tuple[frozenset[str], frozenset[str]]:
        """Addresses of the workers that are there, and of those among them that can take a task."""
        found: tuple[frozenset[str], frozenset[str]] = dask_side().count_workers(
            self.client, self.options.resources
        )
        return found

    def run(
        self,
        tasks: Sequence[T],
        work: Callable[[T], R],
        *,
        set_up: Callable[[], None] | None = None,
        split: Callable[[T], Sequence[T]] | None = None,
    ) -> TaskRun[T, R]:
        """Begin to work on tasks. ``split`` cuts a task that a worker died of into smaller ones, each of which then has
        an outcome of its own."""
        return TaskRun(self, tasks, Calls(self._name, uuid.uuid4().hex, versions_here(), work, set_up), split)

    def broadcast(self, order: Callable[..., None], *arguments: str) -> None:
        """Call a function of ``farm_dask_worker`` in every worker, beside its task."""
        with suppress(OSError, RuntimeError, TimeoutError):  # a cluster that is gone needs no orders
            self.client.run(order, self._name, *arguments, on_error="ignore")

    def _forget(self) -> None:
        if self.options.scheduler and self.client.status == "running":
            self.broadcast(forget)
