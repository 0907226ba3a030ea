"""Keeper of the engine's processes: one per set of tools, reused from frame to frame and bake to bake.

The engine runs in its own Python, never in Blender's: whoever asks gets a session, and everything that can be wrong
with that Python is said in one sentence.
"""

from __future__ import annotations

import os
import subprocess
import threading
from collections import OrderedDict
from dataclasses import dataclass
from typing import Any

from lineament.core.errors import HostError
from lineament.plugin.messages import ToolChoices
from lineament.plugin.session import WorkerSession

MAX_WORKERS = 2
"""Each holds a model in memory, half a gigabyte and more; with one, two nodes of different models would load anew on
every frame."""

CANCEL_S = 0.4
"""How long a cancelled frame may end in an orderly way before its process is killed: with the time that a killed
process takes it stays under the second that a person waits without wondering."""

CHECK_S = 120.0
"""How long the check of an installation may take; importing torch from a network drive takes half a minute."""


@dataclass(frozen=True)
class Check:
    """What the engine's own check says: ``lines`` to show, ``is_sound`` whether it can work."""

    is_sound: bool
    lines: tuple[str, ...]


class Keeper:
    """Sessions by tools, the longest unused one closed first."""

    def __init__(self) -> None:
        self.preferred = ""
        self._sessions: OrderedDict[ToolChoices, WorkerSession] = OrderedDict()
        self._info: dict[ToolChoices, dict[str, Any]] = {}
        self._lock = threading.Lock()

    @property
    def interpreter(self) -> str:
        """The engine's Python: LINEAMENT_PYTHON, or the one of the preferences.

        Raises HostError if there is none.
        """
        told = os.environ.get("LINEAMENT_PYTHON") or self.preferred
        if told:
            return told
        raise HostError(
            "No engine is set up: Blender does not know the Python that Lineament is installed in.",
            where="Preferences > Add-ons > Lineament > Interpreter",
            remedy='Run "lineament doctor" in a terminal; its line "python" names the path to enter there, '
            "or set LINEAMENT_PYTHON.",
        )

    def session(self, choices: ToolChoices) -> WorkerSession:
        """The session of these tools, started when it is first used. Raises HostError without an interpreter."""
        with self._lock:
            found = self._sessions.pop(choices, None)
            if found is None:
                found = WorkerSession(choices, self._command(), cancel_s=CANCEL_S)
            self._sessions[choices] = found
            surplus = [self._sessions.popitem(last=False) for _ in range(len(self._sessions) - MAX_WORKERS)]
        for dropped, session in surplus:
            self._info.pop(dropped, None)
            session.close()
        return found

    def info(self, choices: ToolChoices) -> dict[str, Any]:
        """What the engine tells of these tools: model, licence, attributes. Starts it; raises LineamentError."""
        if choices not in self._info or self.session(choices).pid is None:
            self._info[choices] = self.session(choices).open()
        return self._info[choices]

    def pids(self) -> tuple[int, ...]:
        """The process ids of the engines that run."""
        found = [session.pid for session in tuple(self._sessions.values())]
        return tuple(pid for pid in found if pid is not None)

    def close(self) -> None:
        """End every engine; the next frame starts them again."""
        with self._lock:
            sessions = tuple(self._sessions.values())
            self._sessions.clear()
            self._info.clear()
        for session in sessions:
            session.close()

    def _command(self) -> tuple[str, ...]:
        python = self.interpreter
        os.environ.setdefault(
            "LINEAMENT_PYTHON", python
        )  # the worker's environment drops Blender's paths only then
        return (python, "-m", "lineament.plugin.worker")


KEEPER = Keeper()
"""The one of this Blender: processes belong to it, not to a scene or a file."""


def use_interpreter(path: str) -> None:
    """Take the preferences' interpreter from now on; LINEAMENT_PYTHON, where a farm sets it, still wins."""
    if path != KEEPER.preferred:
        if os.environ.get("LINEAMENT_PYTHON") == KEEPER.preferred:
            os.environ.pop("LINEAMENT_PYTHON", None)
        KEEPER.preferred = path
        KEEPER.close()


def interpreter() -> str:
    """The engine's Python. Raises HostError if none is set up."""
    return KEEPER.interpreter


def session(choices: ToolChoices) -> WorkerSession:
    """The kept session of these tools. Raises HostError."""
    return KEEPER.session(choices)


def info(choices: ToolChoices) -> dict[str, Any]:
    """What the engine tells of these tools. Raises LineamentError."""
    return KEEPER.info(choices)


def close_all() -> None:
    """End every engine of this Blender."""
    KEEPER.close()


def check(python: str) -> Check:
    """Let the engine's own ``doctor`` look at its installation; never raises for what it finds."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    environment["NO_COLOR"] = "1"
    try:
        done = subprocess.run(  # noqa: S603 - the interpreter that the user names, no shell
            (python, "-m", "lineament.plugin.cli", "doctor"),
            capture_output=True,
            encoding="utf-8",
            errors="replace",
            timeout=CHECK_S,
            env=environment,
            check=False,
        )
    except OSError as err:
        return Check(False, (f"{python} cannot be started: {err.strerror or err}.",))
    except subprocess.TimeoutExpired:
        return Check(False, (f"{python} did not answer within {CHECK_S:.0f} s.",))
    lines = tuple(line.rstrip() for line in (done.stdout + done.stderr).splitlines() if line.strip())
    return Check(done.returncode == 0, lines or (f"{python} ended with exit status {done.returncode}.",))
