"""What people read: progress, errors in three parts, summaries; and the same for machines as JSON lines."""

from __future__ import annotations

import sys
import time
from pathlib import Path

from lineament.core.errors import LineamentError
from lineament.core.io.sequences import format_frames
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn
from rich.text import Text

from .batch import Failure, Outcome
from .event_log import EventLog
from .messages import FrameRequest, FrameResult, error_data
from .plan import Plan


def out() -> Console:
    """Standard output: results."""
    return Console(highlight=False, soft_wrap=True)


def err() -> Console:
    """Standard error: progress and problems."""
    return Console(stderr=True, highlight=False, soft_wrap=True)


def show_error(error: LineamentError) -> None:
    """What, where, what to do; a part that is empty is left out."""
    console = err()
    parts = (("What", error.what), ("Where", error.where), ("What to do", error.remedy))
    for index, (name, text) in enumerate(part for part in parts if part[1]):
        line = Text(f"{name}: ", style="bold red" if index == 0 else "bold")
        console.print(line.append(text, style="not bold default"))


def summary_line(outcome: Outcome) -> str:
    """One line with the counts, and the frames to ask for again."""
    plan = outcome.plan
    words = [f"{len(outcome.done)} of {len(plan.requests)} frames written"]
    if plan.skipped:
        words.append(f"{len(plan.skipped)} skipped as {plan.skipped_because}")
    if plan.held:
        words.append(f"held for missing plates: {format_frames(plan.held)}")
    words.append(f"{outcome.seconds:.1f} s")
    if outcome.failed:
        numbers = [failure.number for failure in outcome.failed]
        frames = "frame" if len(numbers) == 1 else "frames"
        words.append(f"{len(numbers)} failed ({frames} {format_frames(numbers)})")
    is_whole_shot = len(plan.requests) + len(plan.skipped) > 1  # for one frame the same command does
    if outcome.left and is_whole_shot:
        words.append(f"to do again: --frames {format_frames(outcome.left)}")
    return ", ".join(words) + "."


class Pace:
    """Seconds per frame and what is left, from the frames so far."""

    def __init__(self, total: int) -> None:
        self.total, self.finished, self._begin = total, 0, 0.0

    def begin(self) -> None:
        """Start the clock if it does not run: with the first stage, when the model has been opened."""
        self._begin = self._begin or time.monotonic()

    def text(self) -> str:
        """Such as ``1.32 s/frame, ETA 0:05``; empty before the first frame."""
        if not self.finished or not self._begin:
            return ""
        each = (time.monotonic() - self._begin) / self.finished
        minutes, seconds = divmod(round(each * (self.total - self.finished)), 60)
        return f"{each:.2f} s/frame, ETA {minutes}:{seconds:02d}"


class PlainReporter:
    """One line a frame: for logs and farms."""

    def __init__(self) -> None:
        self._console = err()
        self._pace = Pace(0)

    def started(self, plan: Plan) -> None:
        self._pace = Pace(len(plan.requests))

    def exposure_chosen(self, exposure: float, plate: str) -> None:
        self._console.print(Text(f"exposure {exposure:g}, chosen on {plate}"))

    def frame_begins(self, request: FrameRequest) -> None:
        """A line for a frame that has only begun would say nothing."""

    def stage(self, name: str) -> None:
        """Stages are too many lines for a log; the first one starts the clock."""
        self._pace.begin()

    def frame_done(self, result: FrameResult) -> None:
        self._pace.finished += 1
        self._line(f"frame {result.number} ({self._count()}) {result.output}{_remark(result)}")

    def frame_failed(self, failure: Failure) -> None:
        self._pace.finished += 1
        self._line(f"frame {failure.number} ({self._count()}) FAILED")
        show_error(failure.error)

    def finished(self, outcome: Outcome) -> None:
        if outcome.refusal is not None:
            show_error(outcome.refusal)
        out().print(Text(summary_line(outcome)))

    def _count(self) -> str:
        return f"{self._pace.finished}/{self._pace.total}"

    def _line(self, text: str) -> None:
        self._console.print(Text(f"{text}  {self._pace.text()}".rstrip()))


class LiveReporter(PlainReporter):
    """A bar that moves: for terminals."""

    def started(self, plan: Plan) -> None:
        super().started(plan)
        columns = (TextColumn("{task.description}"), BarColumn(), TextColumn("{task.fields[pace]}"))
        self._bar = Progress(*columns, console=self._console, transient=True)
        self._task = self._bar.add_task("opening the model", total=len(plan.requests), pace="")
        self._number = 0
        self._bar.start()

    def frame_begins(self, request: FrameRequest) -> None:
        self._number = request.number
        if self._pace.finished:
            self.stage("")

    def stage(self, name: str) -> None:
        super().stage(name)
        position = min(self._pace.finished + 1, self._pace.total)
        text = f"frame {self._number} ({position}/{self._pace.total}) {name}"
        self._bar.update(self._task, description=text)

    def frame_done(self, result: FrameResult) -> None:
        super().frame_done(result)
        self._bar.update(self._task, completed=self._pace.finished, pace=self._pace.text())

    def frame_failed(self, failure: Failure) -> None:
        super().frame_failed(failure)
        self._bar.update(self._task, completed=self._pace.finished, pace=self._pace.text())

    def finished(self, outcome: Outcome) -> None:
        self._bar.stop()
        super().finished(outcome)


class JsonReporter:
    """One JSON line per event, for programs; see ``EventLog`` for what becomes of a log that is lost. ``fields`` are
    in the first and the last one."""

    def __init__(self, path: Path, **fields: str) -> None:
        self._log = EventLog(path, on_loss=show_error)
        self._fields = fields

    def started(self, plan: Plan) -> None:
        numbers = [request.number for request in plan.requests]
        self._log.write(
            "start", **self._fields, frames=format_frames(numbers), skipped=format_frames(plan.skipped)
        )

    def exposure_chosen(self, exposure: float, plate: str) -> None:
        self._log.write("exposure", exposure=exposure, plate=plate)

    def frame_begins(self, request: FrameRequest) -> None:
        """The result holds everything."""

    def stage(self, name: str) -> None:
        """Stage times are in the result's report."""

    def frame_done(self, result: FrameResult) -> None:
        self._log.write("frame", status="done", **vars(result))

    def frame_failed(self, failure: Failure) -> None:
        self._log.write("frame", status="failed", number=failure.number, error=error_data(failure.error))

    def finished(self, outcome: Outcome) -> None:
        counts: dict[str, object] = {**self._fields, "done": len(outcome.done), "failed": len(outcome.failed)}
        if outcome.refusal is not None:
            counts["error"] = error_data(outcome.refusal)
        counts["exit_code"] = outcome.exit_code
        self._log.write(
            "summary", **counts, left=format_frames(outcome.left), seconds=round(outcome.seconds, 3)
        )
        self._log.close()


def reporter_for_terminal() -> PlainReporter:
    """A bar if somebody watches, lines otherwise."""
    return LiveReporter() if sys.stderr.isatty() else PlainReporter()


def _remark(result: FrameResult) -> str:
    notes = [str(note) for note in result.report.get("notes", ())]
    return "".join(f"; {note}" for note in notes)
