"""The other side of the resident worker: start it, hand it a task, stop it. Each runs in a short process of its own."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from typing import Any

from lineament.core.atomic import is_alive
from lineament.core.errors import HostError

from .child import worker_environment
from .farm_link import Line, Meeting, called, log_path, meeting_path, own_folder, read_meeting
from .farm_task import FrameTask

COMMAND = (sys.executable, "-m", "lineament.plugin.farm_resident")
IDLE_S = 1800.0
"""How long a worker waits for a task; a session whose end was never heard leaves nothing behind for longer."""
LOAD_S = 840.0
"""How long loading a model may take; less than the engine's own limit, so that the reason is told."""
LEAVE_S = 45.0
"""How long a worker may take to finish the frame that it is at."""
_LOOK_S = 0.05

Hear = Callable[[dict[str, Any]], None]


def start(
    folder: Path, task: FrameTask, *, command: Sequence[str] = COMMAND, idle_s: float = IDLE_S
) -> subprocess.Popen[bytes] | None:
    """Start the worker of a session and wait until it has loaded the model of the task's shot.

    Returns None if it is there already. Raises HostError with its last words if it ends or takes too long; what the
    world did wrong (no such model) is among them.
    """
    folder = own_folder(folder)
    meeting = read_meeting(folder)
    if meeting is not None and _answers(meeting):
        return None
    remove_dead(folder, meeting)
    environment = worker_environment()
    environment.pop("LINEAMENT_PARENT")  # it must outlive the process that starts it
    words = [*command, str(folder), json.dumps(asdict(task)), str(idle_s)]
    try:
        with log_path(folder).open("ab") as log:
            process = subprocess.Popen(  # noqa: S603 - our own interpreter, no shell
                words,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env=environment,
                start_new_session=True,
            )
    except OSError as err:
        raise HostError(
            f"The resident worker cannot be started: {err.strerror or err}.",
            where=str(folder),
            remedy="Is there room on the disk of the session's folder?",
        ) from err
    _await_model(process, folder)
    threading.Thread(
        target=process.wait, daemon=True
    ).start()  # no zombie, if this process should live longer
    return process


def render(
    folder: Path, task: FrameTask, hear: Hear, *, command: Sequence[str] = COMMAND, idle_s: float = IDLE_S
) -> int:
    """Let the session's worker render a task; ``hear`` gets its messages. Returns the task's exit code.

    A worker that is not there any more is started anew, and ``hear`` is told ("restarted"). One that dies or falls
    silent during the task is an error, HostError: the engine tries the task again, and valid frames are left alone.
    An interrupt stops the task behind the frame that is being rendered, and is raised again.
    """
    meeting = read_meeting(folder)
    if meeting is None or not _answers(meeting):
        hear({"type": "restarted"})
        start(folder, task, command=command, idle_s=idle_s)
        meeting = read_meeting(folder)
    if meeting is None:
        raise _lost("It has left again at once.", folder)
    try:
        with called(meeting) as line:
            line.say("render", token=meeting.token, task=asdict(task))
            try:
                return _followed(line, hear, folder)
            except KeyboardInterrupt:
                _stop_task(line, hear, folder)
                raise
    except TimeoutError as err:
        stop(folder, patience_s=0.0)
        raise _lost("It has fallen silent and was ended.", folder) from err
    except OSError as err:
        raise _lost(err.strerror or str(err), folder) from err


def stop(folder: Path, *, patience_s: float = LEAVE_S) -> bool:
    """Send the worker away and wait until it has gone; one that does not go is killed, which harms no file.

    Returns whether there was one.
    """
    meeting = read_meeting(folder)
    if meeting is None:
        return False
    with suppress(OSError, HostError), called(meeting) as line:
        line.say("close", token=meeting.token)
        line.hear()
    was_there = _runs(meeting)
    limit = time.monotonic() + patience_s
    while _runs(meeting) and time.monotonic() < limit:
        time.sleep(_LOOK_S)
    remove_dead(folder, meeting)
    return was_there


def remove_dead(folder: Path, meeting: Meeting | None) -> None:
    """Make sure that a worker which answers no more is dead, and take its files away."""
    if meeting is not None and _runs(meeting):
        with suppress(ProcessLookupError, PermissionError):
            os.kill(meeting.pid, signal.SIGKILL)
    for path in (meeting_path(folder), folder / "resident.sock"):
        path.unlink(missing_ok=True)


def _await_model(process: subprocess.Popen[bytes], folder: Path) -> None:
    """Wait for the meeting; whatever else happens, no worker stays behind that nobody knows of."""
    limit = time.monotonic() + LOAD_S
    try:
        while True:
            meeting = read_meeting(folder)
            if meeting is not None and meeting.pid == process.pid:
                return
            code = process.poll()
            if code is not None:
                raise _failed_to_start(
                    f"ended with exit status {code} while it loaded the model", folder, code
                )
            if time.monotonic() > limit:
                raise _failed_to_start(f"has not loaded the model after {LOAD_S:.0f} s", folder, 1)
            time.sleep(_LOOK_S)
    except BaseException:
        process.kill()
        process.wait()
        raise


def _followed(line: Line, hear: Hear, folder: Path) -> int:
    """Hear a task to its end. Raises HostError if the worker dies before."""
    while (message := line.hear()) is not None:
        if message["type"] == "ended":
            return int(message["code"])
        if message["type"] != "beat":
            hear(message)
    raise _lost("It died during the task.", folder)


def _stop_task(line: Line, hear: Hear, folder: Path) -> None:
    """Ask for the task's end and wait for it: what is on its way to the disk arrives."""
    with suppress(OSError, HostError):
        line.say("stop")
        line.limit(LEAVE_S)
        _followed(line, hear, folder)


def _answers(meeting: Meeting) -> bool:
    """Whether the worker lives and knows the session."""
    try:
        with called(meeting) as line:
            line.say("hello", token=meeting.token)
            answer = line.hear()
    except (OSError, HostError):
        return False
    return answer is not None and answer["type"] == "here"


def _runs(meeting: Meeting) -> bool:
    """Whether the worker's process still runs; one that waits for its parent to notice its end does not, and neither
    does another process that has got its number."""
    process = Path("/proc") / str(meeting.pid)
    if not Path("/proc/self").exists():
        return is_alive(meeting.pid)
    try:
        state = (process / "stat").read_text().rpartition(")")[2].split()[0]
        words = (process / "cmdline").read_bytes()
    except OSError:
        return False
    return state not in "ZX" and b"resident" in words


def last_words(folder: Path, lines: int = 12) -> str:
    """The end of what the worker printed."""
    with suppress(OSError):
        text = log_path(folder).read_bytes()[-8000:].decode("utf-8", "replace")
        return "\n".join(text.strip().splitlines()[-lines:])
    return ""


def _lost(why: str, folder: Path) -> HostError:
    words = last_words(folder, 1)
    return HostError(
        f"The resident worker is lost: {why}" + (f" Its last words: {words}" if words else ""),
        where=str(folder),
        remedy="Let the farm try the task again: another worker is started, and valid frames are left alone.",
    )


def _failed_to_start(how: str, folder: Path, code: int) -> HostError:
    error = HostError(
        f"The resident worker {how}. {last_words(folder)}".strip(),
        where=str(folder),
        remedy="Try the same shot with lineament shot render on this machine.",
    )
    error.exit_code = code if code in (2, 3, 4, 5) else 1
    return error
