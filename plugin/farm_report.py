"""What a farm's log shows: lines for people, and the lines by which Open Job Description follows a task.

An engine reads standard output for ``openjd_progress:`` (percent), ``openjd_status:`` and ``openjd_fail:``, each at the
beginning of a line of its own.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from lineament.core.errors import LineamentError
from lineament.core.io.sequences import format_frames
from rich.console import Console

from .batch import Failure, Outcome
from .messages import FrameRequest, FrameResult, error_from
from .plan import Plan
from .terminal import err, out, show_error


class EngineLines:
    """Writes such lines; progress never goes back."""

    def __init__(self, console: Console, *, is_wanted: bool = True) -> None:
        self._console, self._is_wanted, self._percent = console, is_wanted, -1.0

    def progress(self, done: float, total: float) -> None:
        """So much is done; told whenever a tenth of a percent is gained."""
        percent = round(100.0 * min(1.0, done / total), 1) if total > 0 else 100.0
        if percent > self._percent:
            self._percent = percent
            self._line(f"openjd_progress: {percent:.1f}")

    def status(self, text: str) -> None:
        """What is being done."""
        self._line(f"openjd_status: {_one_line(text)}")

    def fail(self, text: str) -> None:
        """Why the task fails."""
        self._line(f"openjd_fail: {_one_line(text)}")

    def _line(self, text: str) -> None:
        if self._is_wanted:
            self._console.print(text, markup=False)


@contextmanager
def engine_told(is_wanted: bool) -> Iterator[EngineLines]:
    """Lines for an engine, if there is one; an error that passes is told to it too."""
    lines = EngineLines(out(), is_wanted=is_wanted)
    try:
        yield lines
    except LineamentError as error:
        lines.fail(f"{error.what} {error.remedy}")
        raise


class EngineReporter:
    """Tells an engine about a shot that is rendered, as ``Reporter``; ``index`` of ``count`` shots were done before."""

    def __init__(self, lines: EngineLines, shot: str, index: int = 0, count: int = 1) -> None:
        self._lines, self._shot = lines, shot
        self._index, self._shots = index, count
        self._done, self._total = 0, 0

    def started(self, plan: Plan) -> None:
        self._total = len(plan.requests)
        self._lines.status(f"{self._shot}: {self._total} frames to render, {len(plan.skipped)} are valid")

    def exposure_chosen(self, exposure: float, plate: str) -> None:
        """An analysed shot has its exposure."""

    def frame_begins(self, request: FrameRequest) -> None:
        """Frames are told when they end."""

    def stage(self, name: str) -> None:
        """Frames are told when they end."""

    def frame_done(self, result: FrameResult) -> None:
        self._count()

    def frame_failed(self, failure: Failure) -> None:
        self._count()

    def finished(self, outcome: Outcome) -> None:
        if outcome.refusal is not None:
            self._lines.fail(f"{outcome.refusal.what} {outcome.refusal.remedy}")
        elif outcome.exit_code:
            self._lines.fail(failed_text(self._shot, format_frames(outcome.left)))
        else:
            self._lines.progress(self._index + 1, self._shots)

    def _count(self) -> None:
        self._done += 1
        self._lines.progress(self._index + self._done / self._total, self._shots)


def failed_text(shot: str, left: str) -> str:
    """Which frames a task leaves behind, in the syntax of ``--frames``."""
    return f"{shot}: not rendered: --frames {left}" if left else f"{shot}: the task was stopped"


class AnalysisProgress:
    """One percentage for an analysis of several stages: ``locate``, then two a face, then perhaps ``tune``."""

    def __init__(self, lines: EngineLines, stages: int) -> None:
        self._lines, self._stages = lines, stages
        self._passed, self._stage, self._share = 0, "", 0.0

    def __call__(self, stage: str, done: int, total: int) -> None:
        """One step of a stage was done."""
        share = done / total if total else 1.0
        if stage != self._stage or share < self._share:
            self._passed += bool(self._stage)
            self._lines.status(f"{stage}, {total} steps")
        self._stage, self._share = stage, share
        self._lines.progress(min(self._passed + share, self._stages), self._stages)


class TaskLog:
    """Shows what a resident worker tells about a task."""

    def __init__(self, shot: str, lines: EngineLines) -> None:
        self._shot, self._lines, self._console = shot, lines, err()
        self._count, self._total, self.is_explained = 0, 0, False

    def __call__(self, message: dict[str, Any]) -> None:
        """One message."""
        kind = message["type"]
        if kind == "restarted":
            self._line("The session's worker is not there (any more); another one is started.")
        elif kind == "started":
            self._total = int(message["frames"])
            self._lines.status(f"{self._shot}: {self._total} frames to render")
        elif kind == "frame":
            self._counted(message, f"{message['output']}  {float(message['seconds']):.2f} s")
        elif kind == "failed":
            self._counted(message, "FAILED")
            show_error(error_from(message["error"]))
        elif kind == "finished":
            self._finished(message)
        elif kind == "refused":
            self._explain(error_from(message["error"]))

    def _finished(self, message: dict[str, Any]) -> None:
        if "error" in message:
            self._explain(error_from(message["error"]))
        out().print(str(message["summary"]), markup=False)
        if message["left"] and not self.is_explained:
            self._lines.fail(failed_text(self._shot, str(message["left"])))
            self.is_explained = True

    def _explain(self, error: LineamentError) -> None:
        show_error(error)
        self._lines.fail(f"{error.what} {error.remedy}")
        self.is_explained = True

    def _counted(self, message: dict[str, Any], text: str) -> None:
        self._count += 1
        self._line(f"frame {message['number']} ({self._count}/{self._total}) {text}")
        self._lines.progress(self._count, self._total)

    def _line(self, text: str) -> None:
        self._console.print(text, markup=False)


def _one_line(text: str) -> str:
    return " ".join(text.split())[:900]
