"""Where tasks run on Dask: a cluster of this machine's own, or a scheduler that is there already.

Dask's processes talk in pickles, so whoever reaches a scheduler can run programs as its user. The local cluster is
therefore closed: loopback only, encrypted, with a certificate that exists in its own processes alone, and without the
HTTP servers that Dask opens by default.
"""

from __future__ import annotations

import builtins
import logging
import os
import signal
import socket
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from multiprocessing import resource_tracker
from pathlib import Path
from typing import TYPE_CHECKING, Any

import cryptography  # noqa: F401 - what makes the local cluster's certificate; missed here, not in the middle
import dask
from distributed import CancelledError, Client, Nanny, Scheduler, SpecCluster, TimeoutError, Worker
from distributed.comm.addressing import get_address_host_port
from distributed.scheduler import KilledWorker, NoValidWorkerError
from distributed.security import Security
from distributed.utils import silence_logging_cmgr
from lineament.core.errors import HostError, RecipeError

from .child import ALLOCATOR, settle_threads

if TYPE_CHECKING:
    from .farm_dask import DaskOptions

LOOPBACK = "127.0.0.1"
RESTART_S = 10.0
"""How long a local worker that died may take to come back; then it is replaced."""
DEATHS = (KilledWorker, NoValidWorkerError)
"""What a task ends with if its worker died."""
NO_ANSWER = (TimeoutError, builtins.TimeoutError)
GONE = CancelledError
"""What a task ends with if the scheduler is gone, or if it was taken back."""


class _NoHttp:
    """Opens none of the ports on which Dask shows its state."""

    def start_http_server(self, *arguments: object, **named: object) -> None:
        """As ``ServerNode``'s; does nothing."""


class CarefulClient(Client):  # type: ignore[misc]
    """A client that is closed if it cannot be opened. One that is left to the garbage collector closes itself in
    whatever thread that runs in, and stops an event loop for good."""

    def __init__(self, *arguments: object, **named: object) -> None:
        try:
            super().__init__(*arguments, **named)
        except BaseException:
            self.close()
            raise


class QuietScheduler(_NoHttp, Scheduler):  # type: ignore[misc]
    """A scheduler without HTTP server."""


class QuietWorker(_NoHttp, Worker):  # type: ignore[misc]
    """A worker without HTTP server."""


@contextmanager
def connected(options: DaskOptions) -> Iterator[Client]:
    """A client of the scheduler that was named, or of a cluster that ends with the ``with`` block.

    Raises HostError if the scheduler cannot be reached, RecipeError for options that contradict each other.
    """
    with ExitStack() as stack:
        stack.enter_context(silence_logging_cmgr(logging.CRITICAL))
        if options.scheduler:
            yield stack.enter_context(_remote(options))
        else:
            cluster = stack.enter_context(_local(options))
            with CarefulClient(cluster, set_as_default=False) as client:
                yield client


@contextmanager
def _remote(options: DaskOptions) -> Iterator[Client]:
    security = _security(options)
    try:
        host, port = get_address_host_port(options.scheduler, strict=True)
        if options.scheduler.startswith("tls://") and not security.tls_client_cert:
            raise ValueError("tls:// needs certificates (--tls-ca, --tls-cert, --tls-key)")
        socket.getaddrinfo(host, port)  # once: Dask asks again and again, and stands still meanwhile
        client = CarefulClient(
            options.scheduler, timeout=options.connect_s, security=security, set_as_default=False
        )
    except (OSError, ValueError, TypeError, ImportError, TimeoutError) as err:
        raise HostError(
            f"The Dask scheduler cannot be reached: {_told(err)}",
            where=options.scheduler,
            remedy="Does it run, and is the address that of the scheduler (tcp:// or tls://, port 8786 as a rule)? "
            "Without --scheduler the workers are this machine's.",
        ) from err
    with client:
        yield client


def _told(err: BaseException) -> str:
    """The deepest cause in one line."""
    while err.__cause__ is not None:
        err = err.__cause__
    text = " ".join(str(err).split())[:200] or "no answer in time"
    return text if text.endswith(".") else f"{text}."


def _security(options: DaskOptions) -> Security:
    """What the files of the options say, or else Dask's own configuration."""
    if not options.has_tls:
        return Security()
    where = f"--scheduler {options.scheduler}"
    if not options.scheduler.startswith("tls://"):
        raise RecipeError(
            "Certificates were named, but the scheduler's address is not an encrypted one.",
            where=where,
            remedy="Write tls:// before the host, or leave the certificates out.",
        )
    names = {"--tls-ca": options.tls_ca, "--tls-cert": options.tls_cert, "--tls-key": options.tls_key}
    for name, file in names.items():
        if not Path(file).is_file():
            raise RecipeError(
                f'There is no file "{file}".' if file else f"{name} is missing.",
                where=name,
                remedy="Name the certificate authority, the certificate and the key as PEM files.",
            )
    return Security(
        require_encryption=True,
        tls_ca_file=options.tls_ca,
        tls_client_cert=options.tls_cert,
        tls_client_key=options.tls_key,
    )


@contextmanager
def _local(options: DaskOptions) -> Iterator[SpecCluster]:
    """A cluster of this machine. The event loop's thread blocks Ctrl-C before it starts the workers, who inherit that:
    the interrupt is the main thread's to see."""
    if options.has_tls:
        raise RecipeError(
            "Certificates are for a scheduler that is named; the local cluster makes its own.",
            where="--tls-ca, --tls-cert, --tls-key",
            remedy="Add --scheduler tls://host:port, or leave them out.",
        )
    security = Security.temporary()
    common = {"host": LOOPBACK, "protocol": "tls://", "security": security}
    with ExitStack() as stack:
        stack.enter_context(_process_kept())
        folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="lineament-dask-"))
        stack.enter_context(dask.config.set(_settings(folder)))
        scheduler = {
            "cls": QuietScheduler,
            "options": {**common, "dashboard": False, "port": 0, "allowed_failures": 0},
        }
        worker = {
            "cls": Nanny,
            "options": {
                **common,
                "nthreads": 1,
                "memory_limit": 0,  # a worker that is paused for its memory would never go on
                "resources": dict(options.resources),
                "worker_class": QuietWorker,
                "silence_logs": logging.CRITICAL,
            },
        }
        cluster = stack.enter_context(
            SpecCluster(
                workers={},
                scheduler=scheduler,
                worker=worker,
                security=security,
                silence_logs=logging.CRITICAL,
            )
        )
        resource_tracker.ensure_running()  # by itself it starts with the first worker, and lets Ctrl-C through again
        cluster.sync(_block_interrupts)
        cluster.scale(options.workers)
        yield cluster


async def _block_interrupts() -> None:
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})


def _settings(folder: str) -> dict[str, Any]:
    """Dask's configuration of a local cluster: the environment that every process of ours renders with, and a folder
    that is nobody else's, because Dask looks for Python modules in it."""
    environment = dict(ALLOCATOR)
    settle_threads(environment)
    return {
        "temporary-directory": folder,
        "distributed.nanny.pre-spawn-environ": environment,
        "distributed.deploy.lost-worker-timeout": RESTART_S,
        "distributed.worker.profile.enabled": False,
        "distributed.scheduler.work-stealing": False,
        "distributed.admin.system-monitor.gil.enabled": False,
    }


@contextmanager
def _process_kept() -> Iterator[None]:
    """Dask writes what its workers shall inherit into this process's environment, and its folders into the path of
    modules; take both out again."""
    before, path = dict(os.environ), list(sys.path)
    try:
        yield
    finally:
        sys.path[:] = path
        for name in set(os.environ) - set(before):
            del os.environ[name]
        os.environ.update(before)


def count_workers(client: Client, resources: Mapping[str, float]) -> tuple[frozenset[str], frozenset[str]]:
    """Addresses of the workers that are there, and of those that take tasks (a worker short of memory takes none for a
    while) and have the resources. A local cluster is brought back to its size."""
    workers = client.scheduler_info(n_workers=-1)["workers"]
    if isinstance(client.cluster, SpecCluster) and len(workers) < len(client.cluster.worker_spec):
        client.cluster.scale(
            len(client.cluster.worker_spec)
        )  # Dask gives up a process that dies while it starts
    able = (
        address
        for address, about in workers.items()
        if about["status"] == "running"
        and all(about["resources"].get(name, 0.0) >= amount for name, amount in resources.items())
    )
    return frozenset(workers), frozenset(able)
