"""The worker of a farm's session: it loads a model once and renders what the session's tasks hand to it.

It ends when it is told to, when nobody has given it a task for long, when the session's folder goes away, and behind an
error after which it cannot be trusted; the next task then starts another one. It outlives no session by more than its
patience, and what it was writing is whole or not there, as always.
"""

from __future__ import annotations

import json
import logging
import queue
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import closing, suppress
from pathlib import Path
from types import FrameType
from typing import Any

from lineament.core.errors import DeviceError, HostError, LineamentError
from lineament.core.io.sequences import format_frames

from .batch import Failure, Outcome, Terminated, unexpected
from .farm_link import BEAT_S, CONNECT_S, Line, Meeting, meeting_path, open_door, publish
from .farm_task import FrameTask, ShotTasks, TaskRunner
from .messages import FrameRequest, FrameResult, error_data
from .plan import Plan
from .program import run_program

log = logging.getLogger(__name__)

LOOK_S = 0.5
"""How often it looks whether it is still wanted."""
MAX_GUESTS = 16


class _Job:
    """A task on its way, and the task process that waits for it."""

    def __init__(self, task: FrameTask, line: Line) -> None:
        self.task, self._line = task, line
        self.stop, self.done = threading.Event(), threading.Event()

    def say(self, kind: str, **fields: Any) -> None:
        """Tell the task process; if it has gone, the rest of the task is not wanted any more."""
        try:
            self._line.say(kind, **fields)
        except OSError:
            self.stop.set()


class _Teller:
    """Tells the task process how it goes on, as ``Reporter``; ends the run once that is not wanted any more."""

    def __init__(self, job: _Job) -> None:
        self._job, self._has_ended = job, False

    def started(self, plan: Plan) -> None:
        self._job.say("started", frames=len(plan.requests), skipped=format_frames(plan.skipped))

    def exposure_chosen(self, exposure: float, plate: str) -> None:
        """An analysed shot has its exposure."""

    def frame_begins(self, request: FrameRequest) -> None:
        self._end_if_unwanted()

    def stage(self, name: str) -> None:
        """Stages are too many messages."""

    def frame_done(self, result: FrameResult) -> None:
        self._job.say("frame", number=result.number, output=result.output, seconds=result.seconds)
        self._end_if_unwanted()

    def frame_failed(self, failure: Failure) -> None:
        self._job.say("failed", number=failure.number, error=error_data(failure.error))
        self._end_if_unwanted()

    def finished(self, outcome: Outcome) -> None:
        from .terminal import summary_line

        told = {} if outcome.refusal is None else {"error": error_data(outcome.refusal)}
        left = format_frames(outcome.left)
        self._job.say("finished", summary=summary_line(outcome), left=left, **told)

    def _end_if_unwanted(self) -> None:
        if self._job.stop.is_set() and not self._has_ended:
            self._has_ended = True
            raise Terminated


class Resident:
    """The worker: one task at a time, in the thread that serves; each task process has a thread that listens to it."""

    def __init__(self, folder: Path, runner: TaskRunner, idle_s: float) -> None:
        self._folder, self._runner, self._idle_s = folder, runner, idle_s
        self._inbox: queue.SimpleQueue[_Job | None] = queue.SimpleQueue()  # a signal handler may put
        self._current: _Job | None = None
        self._is_leaving = False
        self._guests = threading.Semaphore(MAX_GUESTS)

    def serve(self) -> None:
        """Open the door and render until it is time to leave. Raises OSError if there can be no door."""
        door, meeting = open_door(self._folder)
        with closing(door):
            door.settimeout(LOOK_S)
            publish(self._folder, meeting)
            host = threading.Thread(target=self._receive, args=(door, meeting), daemon=True)
            host.start()
            try:
                self._work()
            finally:
                self._is_leaving = True
                for path in (meeting_path(self._folder), Path(meeting.address or meeting_path(self._folder))):
                    path.unlink(missing_ok=True)
                host.join()

    def leave(self) -> None:
        """End soon; the frame that is being rendered is finished. May be called from a signal handler."""
        self._is_leaving = True
        if self._current is not None:
            self._current.stop.set()
        self._inbox.put(None)

    def _work(self) -> None:
        since = time.monotonic()
        while not self._is_leaving:
            try:
                job = self._inbox.get(timeout=LOOK_S)
            except queue.Empty:
                if time.monotonic() - since > self._idle_s or not meeting_path(self._folder).exists():
                    return
                continue
            if job is None:
                return
            self._current = job
            self._render(job)
            self._current, since = None, time.monotonic()

    def _render(self, job: _Job) -> None:
        """Render a task and tell how it ended."""
        code = 143
        try:
            if not job.stop.is_set():
                code = self._runner.run(job.task, [_Teller(job)])
        except LineamentError as err:
            code = err.exit_code
            job.say("refused", error=error_data(err))
        except Exception as err:  # noqa: BLE001 - the worker's one boundary: the task must hear of everything
            code = 1
            job.say("refused", error=error_data(unexpected(err, "resident worker")))
            self._is_leaving = True
        if code == DeviceError.exit_code:
            self._is_leaving = True  # a device that was lost does not come back in the same process
        job.say("ended", code=code)
        job.done.set()

    def _receive(self, door: socket.socket, meeting: Meeting) -> None:
        """The thread at the door."""
        while not self._is_leaving:
            try:
                link, _ = door.accept()
            except TimeoutError:
                continue
            except OSError as err:
                log.warning("the door: %s", err)
                time.sleep(LOOK_S)
                continue
            if not self._guests.acquire(blocking=False):
                link.close()
                continue
            link.settimeout(CONNECT_S)
            threading.Thread(target=self._attend, args=(Line(link), meeting), daemon=True).start()

    def _attend(self, line: Line, meeting: Meeting) -> None:
        """The thread of one task process: what it wants, and signs of life for it until that is done."""
        with closing(line):
            try:
                message = line.hear()
                if message is not None and meeting.admits(message.get("token")):
                    self._answer(line, message)
                elif message is not None:
                    line.say("refused", error=error_data(_stranger()))
            except (OSError, HostError) as err:
                log.warning("a message was passed over: %s", err)
            finally:
                line.hang_up()
                self._guests.release()

    def _answer(self, line: Line, message: dict[str, Any]) -> None:
        if message["type"] == "render":
            try:
                job = _Job(FrameTask.of(message.get("task")), line)
            except HostError as err:
                line.say("refused", error=error_data(err))
                return
            line.limit(None)
            self._inbox.put(job)
            listener = threading.Thread(target=_listen, args=(line, job), daemon=True)
            listener.start()
            while not job.done.wait(BEAT_S):
                job.say("beat")
            line.hang_up()
            listener.join()
        elif message["type"] == "close":
            self.leave()
            line.say("bye")
        else:
            line.say("here")


def _listen(line: Line, job: _Job) -> None:
    """Whatever the task process says now, or its silence, means that it wants no more frames."""
    with suppress(OSError, HostError):
        line.hear()
    job.stop.set()


def _stranger() -> HostError:
    return HostError(
        "The message has not the token of this session.",
        where="resident worker",
        remedy="Only the tasks of one session may use its worker.",
    )


def main(arguments: Sequence[str], make_runner: Callable[[], TaskRunner] = ShotTasks) -> int:
    """Serve in this process: a folder, a task that tells which model to load, and the patience in seconds.

    The folder's meeting file appears when the model is loaded. Returns the exit code, that of the error if the model
    cannot be loaded.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the task's to hear
    folder, task, idle_s = Path(arguments[0]), FrameTask.of(json.loads(arguments[1])), float(arguments[2])
    try:
        runner = make_runner()
        runner.warm(task)
        resident = Resident(folder, runner, idle_s)

        def leave(number: int, frame: FrameType | None) -> None:
            resident.leave()

        signal.signal(signal.SIGTERM, leave)
        resident.serve()
    except LineamentError as err:
        from .terminal import show_error

        show_error(err)
        return err.exit_code
    return 0


if __name__ == "__main__":
    run_program(lambda: main(sys.argv[1:]))
