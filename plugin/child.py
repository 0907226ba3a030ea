"""A child process that talks in JSON lines and cannot outlive its parent.

One keeper thread starts the process and reads its answers until it ends. That thread must be the one that
starts it: Linux ties the parent-death signal to the *thread* that made the child, and a host's worker
threads come and go.
"""

from __future__ import annotations

import logging
import os
import queue
import subprocess
import threading
import time
from collections import deque
from collections.abc import MutableMapping
from typing import IO, Any

from lineament.core.errors import HostError

from .messages import decode, encode

log = logging.getLogger(__name__)

ALLOCATOR = {
    "MALLOC_MMAP_MAX_": "0",
    "MALLOC_TRIM_THRESHOLD_": "100000000000",
    "MALLOC_TOP_PAD_": "268435456",
}
"""Keeps glibc from giving activations back to the kernel after every layer; at 1024 px that halves the time."""

THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS")
"""One thread in a process unless the user says otherwise: a small network gains nothing from more, and threads that
wait for each other on a shared machine cost ten times what they save."""

MAX_LINE = 1 << 24
_TAIL_LINES = 20


class Child:
    """A started process. Messages arrive in ``inbox``; None is the last one, after the process has ended."""

    def __init__(self, command: tuple[str, ...], environment: dict[str, str]) -> None:
        self.command = command
        self.inbox: queue.Queue[dict[str, Any] | HostError | None] = queue.Queue()
        self.last_heard = time.monotonic()
        self._environment = environment
        self._process: subprocess.Popen[bytes] | None = None
        self._failure: OSError | None = None
        self._started = threading.Event()
        self._tail: deque[str] = deque(maxlen=_TAIL_LINES)
        self._write_lock = threading.Lock()
        threading.Thread(target=self._keep, name="lineament-worker-keeper", daemon=True).start()
        self._started.wait()
        if self._failure is not None:
            raise HostError(
                f"The worker cannot be started: {self._failure.strerror or self._failure}.",
                where=" ".join(command),
                remedy="Set LINEAMENT_PYTHON to the Python that has lineament[engine] installed.",
            ) from self._failure

    @property
    def pid(self) -> int:
        """The process id."""
        return self._running().pid

    @property
    def last_words(self) -> str:
        """The last line the process wrote to its standard error, or how it ended."""
        lines = [line for line in self._tail if line.strip()]
        return lines[-1].strip()[:300] if lines else f"exit status {self._running().returncode}"

    def send(self, message: dict[str, Any]) -> None:
        """Write one message; a process that has ended is noticed through ``inbox``, not here."""
        stdin = self._running().stdin
        assert stdin is not None
        try:
            with self._write_lock:
                stdin.write(encode(message))
                stdin.flush()
        except (BrokenPipeError, ValueError):
            log.debug("the worker was gone before it could be told %s", message.get("type"))

    def stop(self, patience_s: float) -> None:
        """Close the input, wait, and kill what is still there."""
        process = self._running()
        assert process.stdin is not None
        with self._write_lock:
            try:
                process.stdin.close()
            except BrokenPipeError:
                log.debug("the worker was gone before its input was closed")
        try:
            process.wait(patience_s)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()

    def _running(self) -> subprocess.Popen[bytes]:
        assert self._process is not None
        return self._process

    def _keep(self) -> None:
        try:
            self._process = subprocess.Popen(  # noqa: S603 - our own interpreter, no shell
                self.command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                env=self._environment,
            )
        except OSError as err:
            self._failure = err
            self._started.set()
            return
        self._started.set()
        process = self._process
        assert process.stdout is not None and process.stderr is not None
        drain = threading.Thread(target=self._drain, args=(process.stderr,), daemon=True)
        drain.start()
        self._read(process.stdout)
        process.wait()
        drain.join()
        self.inbox.put(None)

    def _read(self, stream: IO[bytes]) -> None:
        with stream:
            for line in iter(lambda: stream.readline(MAX_LINE), b""):
                self.last_heard = time.monotonic()
                try:
                    message = decode(line)
                except HostError as err:
                    self.inbox.put(err)
                    continue
                if message["type"] != "heartbeat":
                    self.inbox.put(message)

    def _drain(self, stream: IO[bytes]) -> None:
        with stream:
            for line in stream:
                text = line.decode("utf-8", "replace").rstrip()
                self._tail.append(text)
                log.info("worker: %s", text)


def settle_threads(environment: MutableMapping[str, str]) -> None:
    """Fill in the thread counts that the user has not set; before torch is loaded, which reads them once."""
    for name in THREADS:
        environment.setdefault(name, "1")


def worker_environment(base: dict[str, str] | None = None) -> dict[str, str]:
    """The environment of a worker: the caller's, the allocator's settings, and the parent to die with.

    A host's own PYTHONHOME and PYTHONPATH describe the host's Python, so they are left out when
    LINEAMENT_PYTHON names another one.
    """
    environment = dict(os.environ if base is None else base)
    for name, value in ALLOCATOR.items():
        environment.setdefault(name, value)
    settle_threads(environment)
    if environment.get("LINEAMENT_PYTHON"):
        environment.pop("PYTHONHOME", None)
        environment.pop("PYTHONPATH", None)
    environment["LINEAMENT_PARENT"] = str(os.getpid())
    environment["PYTHONIOENCODING"] = "utf-8"
    return environment
