"""A shot frame by frame: plan everything before the first pixel, then render, and stop for nothing avoidable.

The plan resolves every path and refuses what would fail or destroy something later. The run collects the
errors of frames; an error that every frame would meet again (weights, device, recipe) ends it.
"""

from __future__ import annotations

import logging
import os
import tempfile
import time
import traceback
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal, Protocol

from lineament.core.errors import (
    DeviceError,
    GeneratorError,
    HostError,
    LineamentError,
    PlateError,
    RecipeError,
)
from lineament.core.io.files import overwritten
from lineament.core.io.sequences import (
    FramePath,
    MissingPolicy,
    format_frames,
    frame_path,
    has_token,
    resolve,
)
from lineament.core.recipe import EditRecipe

from .messages import FrameRequest, FrameResult, RenderCancelled
from .session import Session

log = logging.getLogger(__name__)

Existing = Literal["refuse", "overwrite", "skip"]
_FATAL = (GeneratorError, DeviceError, RecipeError)
_SAME_FORMAT = {".jpg": ".jpeg", ".tif": ".tiff"}


class UsageError(LineamentError):
    """The command as given cannot be right, or would destroy something."""

    exit_code = 2


class Terminated(KeyboardInterrupt):
    """SIGTERM arrived: end like Ctrl-C, with exit code 143."""


@dataclass(frozen=True)
class Job:
    """What was asked: a plate pattern, where to write, which frames, and what to do to them."""

    plate: str
    output: str
    recipe: EditRecipe
    frames: str = ""
    missing: MissingPolicy = "error"
    existing: Existing = "refuse"
    keep_going: bool = True


@dataclass(frozen=True)
class Plan:
    """What will be done: one request per frame, and the frames left out because their output exists."""

    requests: tuple[FrameRequest, ...]
    skipped: tuple[int, ...] = ()
    held: tuple[int, ...] = ()


@dataclass(frozen=True)
class Failure:
    """A frame that was not written, and why."""

    number: int
    error: LineamentError


@dataclass
class Outcome:
    """How a run ended; filled while it goes on."""

    plan: Plan
    done: list[FrameResult] = field(default_factory=list)
    failed: list[Failure] = field(default_factory=list)
    seconds: float = 0.0
    stopped_by: LineamentError | None = None
    signal_code: int = 0

    @property
    def left(self) -> tuple[int, ...]:
        """Frames that were asked for and are not written, failed ones included."""
        written = {result.number for result in self.done}
        return tuple(request.number for request in self.plan.requests if request.number not in written)

    @property
    def exit_code(self) -> int:
        """0 all written; the error's own code if all failed alike or it ended the run; 1 some failed."""
        if self.signal_code:
            return self.signal_code
        if isinstance(self.stopped_by, _FATAL):
            return self.stopped_by.exit_code
        codes = {failure.error.exit_code for failure in self.failed}
        if codes and not self.done:
            return codes.pop() if len(codes) == 1 else 1
        return 1 if codes else 0


class Reporter(Protocol):
    """Is told how a run goes on."""

    def started(self, plan: Plan) -> None: ...

    def frame_begins(self, request: FrameRequest) -> None: ...

    def stage(self, name: str) -> None: ...

    def frame_done(self, result: FrameResult) -> None: ...

    def frame_failed(self, failure: Failure) -> None: ...

    def finished(self, outcome: Outcome) -> None: ...


def make_plan(job: Job) -> Plan:
    """Resolve and check every path of a job; nothing is written. Raises PlateError or UsageError."""
    try:
        return _planned(job)
    except OSError as err:
        raise PlateError(
            f"A path of the job cannot be looked at: {err.strerror or err}.",
            where=str(err.filename or job.output),
            remedy="Check the permissions of its folder.",
        ) from err


def _planned(job: Job) -> Plan:
    frames = resolve(job.plate, job.frames, job.missing)
    target = _output_pattern(job, len(frames))
    outputs = [frame_path(target, frame.number) for frame in frames]
    _refuse_plate_as_output(frames, outputs)
    _refuse_other_format(frames[0].path, outputs[0])
    _refuse_unwritable(outputs[0].parent)
    exists = [frame.number for frame, output in zip(frames, outputs, strict=True) if output.exists()]
    if exists and job.existing == "refuse":
        raise UsageError(
            f"{len(exists)} output file(s) exist already: frames {format_frames(exists)}.",
            where=str(target),
            remedy="Say --overwrite or --skip-existing, or choose another output.",
        )
    skipped = tuple(exists) if job.existing == "skip" else ()
    requests = tuple(
        FrameRequest(str(frame.path), str(output), frame.number, job.recipe, job.existing == "overwrite")
        for frame, output in zip(frames, outputs, strict=True)
        if frame.number not in skipped
    )
    return Plan(requests, skipped, tuple(frame.number for frame in frames if frame.is_held))


def run(plan: Plan, session: Session, reporters: Sequence[Reporter], *, keep_going: bool = True) -> Outcome:
    """Render every frame of the plan; errors of frames are collected, not raised."""
    outcome = Outcome(plan)
    begin = time.monotonic()
    _tell(reporters, "started", plan)
    try:
        exposure = 0.0
        for request in plan.requests:
            if exposure and request.recipe.exposure == 0.0:
                request = replace(request, recipe=replace(request.recipe, exposure=exposure))
            result = _render(request, session, reporters, outcome)
            if result is not None:
                exposure = exposure or float(result.report.get("exposure") or 0.0)
            elif outcome.stopped_by is not None or not keep_going:
                break
    except KeyboardInterrupt as err:
        session.cancel()
        outcome.signal_code = 143 if isinstance(err, Terminated) else 130
    outcome.seconds = time.monotonic() - begin
    _tell(reporters, "finished", outcome)
    return outcome


def _render(
    request: FrameRequest, session: Session, reporters: Sequence[Reporter], outcome: Outcome
) -> FrameResult | None:
    _tell(reporters, "frame_begins", request)
    try:
        result = session.render(request, lambda name: _tell(reporters, "stage", name))
    except RenderCancelled as err:
        outcome.stopped_by, outcome.signal_code = err, 130
        return None
    except LineamentError as err:
        error = err
    except Exception as err:  # noqa: BLE001 - the batch loop's one boundary: the other frames must go on
        error = unexpected(err, request.plate)
    else:
        outcome.done.append(result)
        _tell(reporters, "frame_done", result)
        return result
    if isinstance(error, _FATAL) and not (isinstance(error, RecipeError) and outcome.done):
        outcome.stopped_by = error  # a recipe that has worked once may still miss its face in one frame
    failure = Failure(request.number, error)
    outcome.failed.append(failure)
    _tell(reporters, "frame_failed", failure)
    return None


def unexpected(error: BaseException, where: str) -> HostError:
    """One sentence for an error that nobody foresaw; its details go to a file."""
    handle, path = tempfile.mkstemp(prefix="lineament-error-", suffix=".txt")
    with os.fdopen(handle, "w", encoding="utf-8") as stream:
        stream.write("".join(traceback.format_exception(type(error), error, error.__traceback__)))
    return HostError(
        f"Unexpected error ({type(error).__name__}); details were written to {path}.",
        where=where,
        remedy="Please report it together with that file.",
    )


def _tell(reporters: Sequence[Reporter], event: str, *arguments: Any) -> None:
    for reporter in reporters:
        getattr(reporter, event)(*arguments)


def _output_pattern(job: Job, count: int) -> Path:
    """Where frames go: a pattern, one file for one frame, or a folder that keeps the plate's file names."""
    output = Path(job.output)
    if has_token(job.output):
        return output
    if output.is_dir() or job.output.endswith(("/", os.sep)) or not output.suffix:
        return output / Path(job.plate).name
    if count > 1:
        raise UsageError(
            f"{count} frames cannot all be written to one file.",
            where=job.output,
            remedy="Put a frame token into the name, for example out.####.exr, or name a folder.",
        )
    return output


def _refuse_plate_as_output(frames: Sequence[FramePath], outputs: Sequence[Path]) -> None:
    plate = overwritten([frame.path for frame in frames], outputs)
    if plate is not None:
        raise UsageError(
            "The output is the plate itself.",
            where=str(plate),
            remedy="Choose another folder or name with -o.",
        )
    if len(set(outputs)) < len(outputs):
        raise UsageError(
            f"{len(outputs)} frames would be written to {len(set(outputs))} file(s).",
            where=str(outputs[0]),
            remedy="Put a frame token into the output's name, for example out.####.exr.",
        )


def _refuse_other_format(plate: Path, output: Path) -> None:
    kinds = [_SAME_FORMAT.get(path.suffix.lower(), path.suffix.lower()) for path in (plate, output)]
    if kinds[0] != kinds[1]:
        raise UsageError(
            f"The plate is a {kinds[0] or 'nameless'} file and the output a {kinds[1] or 'nameless'} one.",
            where=str(output),
            remedy="Edited frames keep the format of their plate; convert them afterwards.",
        )


def _refuse_unwritable(folder: Path) -> None:
    """The nearest folder that exists must be one, and writable; missing ones are made with the first
    frame."""
    nearest = folder
    while not nearest.exists() and nearest != nearest.parent:
        nearest = nearest.parent
    if not nearest.is_dir() or not os.access(nearest, os.W_OK | os.X_OK):
        why = "is not a folder" if not nearest.is_dir() else "may not be written to"
        raise PlateError(
            f"The output cannot be written: {nearest} {why}.",
            where=str(folder),
            remedy="Choose another output with -o, or change the folder's permissions.",
        )
