"""A shot frame by frame: open the tools once, render, and stop for nothing avoidable.

The run collects the errors of frames; an error that every frame would meet again (weights, device, recipe)
ends it.
"""

from __future__ import annotations

import logging
import os
import tempfile
import time
import traceback
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Protocol

from lineament.core.errors import (
    DeviceError,
    FaceError,
    GeneratorError,
    HostError,
    LineamentError,
    PlateError,
    RecipeError,
)

from .messages import FrameRequest, FrameResult, RenderCancelled
from .plan import Plan
from .session import Session

log = logging.getLogger(__name__)

_FATAL = (GeneratorError, DeviceError, RecipeError)


class Terminated(KeyboardInterrupt):
    """SIGTERM arrived: end like Ctrl-C, with exit code 143."""


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
    exposure: float = 0.0
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
        if self.stopped_by is not None:
            return self.stopped_by.exit_code
        return exit_code_of(self.failed, any_done=bool(self.done))

    @property
    def refusal(self) -> LineamentError | None:
        """What ended the run without being a frame's error, None if nothing did."""
        told = any(failure.error is self.stopped_by for failure in self.failed)
        return None if told else self.stopped_by


def exit_code_of(failed: Sequence[Failure], *, any_done: bool) -> int:
    """0 nothing failed; the errors' own code if everything failed alike; 1 otherwise."""
    codes = {failure.error.exit_code for failure in failed}
    if codes and not any_done:
        return codes.pop() if len(codes) == 1 else 1
    return 1 if codes else 0


class Reporter(Protocol):
    """Is told how a run goes on."""

    def started(self, plan: Plan) -> None: ...

    def exposure_chosen(self, exposure: float, plate: str) -> None: ...

    def frame_begins(self, request: FrameRequest) -> None: ...

    def stage(self, name: str) -> None: ...

    def frame_done(self, result: FrameResult) -> None: ...

    def frame_failed(self, failure: Failure) -> None: ...

    def finished(self, outcome: Outcome) -> None: ...


def run(plan: Plan, session: Session, reporters: Sequence[Reporter], *, keep_going: bool = True) -> Outcome:
    """Render every frame of the plan; errors are collected, not raised. What fails before the first frame,
    opening the tools or choosing the exposure, ends the run."""
    outcome = Outcome(plan)
    begin = time.monotonic()
    tell(reporters, "started", plan)
    try:
        _prepare(outcome, session, reporters)
        for request in plan.requests if outcome.stopped_by is None else ():
            if outcome.exposure and request.recipe.exposure == 0.0:
                request = replace(request, recipe=replace(request.recipe, exposure=outcome.exposure))
            result = _render(request, session, reporters, outcome)
            if result is None and (outcome.stopped_by is not None or not keep_going):
                break
    except KeyboardInterrupt as err:
        session.cancel()
        outcome.signal_code = 143 if isinstance(err, Terminated) else 130
    outcome.seconds = time.monotonic() - begin
    tell(reporters, "finished", outcome)
    return outcome


def _prepare(outcome: Outcome, session: Session, reporters: Sequence[Reporter]) -> None:
    """Open the tools and choose the shot's exposure, once."""
    plan = outcome.plan
    if not plan.requests:
        return
    try:
        session.open()
        if plan.probes:
            outcome.exposure, plate = _choose_exposure(plan, session)
            log.info("exposure %g, chosen on %s", outcome.exposure, plate)
            tell(reporters, "exposure_chosen", outcome.exposure, plate)
    except RenderCancelled as err:
        outcome.stopped_by, outcome.signal_code = err, 130
    except LineamentError as err:
        outcome.stopped_by = err


def _choose_exposure(plan: Plan, session: Session) -> tuple[float, str]:
    """The exposure of the first plate that has a face, and that plate. Raises the first plate's error if none."""
    first: LineamentError | None = None
    for plate, number in plan.probes:
        try:
            return session.probe(plate, number, plan.requests[0].recipe), plate
        except (FaceError, PlateError) as err:
            first = first or err
    assert first is not None
    raise first


def _render(
    request: FrameRequest, session: Session, reporters: Sequence[Reporter], outcome: Outcome
) -> FrameResult | None:
    tell(reporters, "frame_begins", request)
    try:
        result = session.render(request, lambda name: tell(reporters, "stage", name))
    except RenderCancelled as err:
        outcome.stopped_by, outcome.signal_code = err, 130
        return None
    except LineamentError as err:
        error = err
    except Exception as err:  # noqa: BLE001 - the batch loop's one boundary: the other frames must go on
        error = unexpected(err, request.plate)
    else:
        outcome.done.append(result)
        tell(reporters, "frame_done", result)
        return result
    if ends_run(error, bool(outcome.done)):
        outcome.stopped_by = error
    failure = Failure(request.number, error)
    outcome.failed.append(failure)
    tell(reporters, "frame_failed", failure)
    return None


def ends_run(error: LineamentError, any_done: bool) -> bool:
    """Whether every other frame would meet this error again; a recipe that has worked once may still miss its face in
    one frame."""
    return isinstance(error, _FATAL) and not (isinstance(error, RecipeError) and any_done)


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


def tell(reporters: Sequence[Reporter], event: str, *arguments: Any) -> None:
    """Tell every reporter of an event: a method of ``Reporter`` by name, and what it takes."""
    for reporter in reporters:
        getattr(reporter, event)(*arguments)
