"""The render pass over a shot: frames flow through, errors are collected, and an interrupt leaves nothing half done."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

from lineament.core.errors import LineamentError

from .batch import Failure, Outcome, Reporter, Terminated, ends_run, tell
from .manifest import Manifest
from .messages import FrameRequest, FrameResult, RenderCancelled
from .shot_frame import FrameStages, OutputLost, ShotRenderer
from .shot_plan import ShotPlan
from .shot_queue import Flow, Step

FrameStep = Step[FrameRequest, FrameResult]


class FrameFlow(Protocol):
    """Frames being rendered, in this process or in others: ``Flow``, or a crew of workers."""

    def __iter__(self) -> Iterator[FrameStep]: ...

    def stop(self) -> None:
        """Begin no further frame; what was begun ends."""
        ...

    def close(self) -> Sequence[FrameStep]:
        """End early or late; gives the steps that were not iterated."""
        ...


OpenFlow = Callable[[ShotPlan], FrameFlow]
"""Begins to render what a plan has left."""


def local_flow(renderer: ShotRenderer, *, ahead: int = 2, behind: int = 2) -> OpenFlow:
    """Rendering in this process: one thread reads ahead, one writes behind."""

    def begin(plan: ShotPlan) -> FrameFlow:
        stages = FrameStages(renderer, Manifest(plan.manifest)).stages()
        return Flow(plan.requests, stages, ahead=ahead, behind=behind)

    return begin


def render_shot(
    plan: ShotPlan, open_flow: OpenFlow, reporters: Sequence[Reporter], *, keep_going: bool = True
) -> Outcome:
    """Render every frame of the plan; errors are collected, not raised.

    A frame that fails stops the run only without ``keep_going``, or if every other frame would fail alike (device,
    model, a full disk). An interrupt lets frames that are on their way to the disk arrive.
    """
    outcome = Outcome(plan.plan)
    begin = time.monotonic()
    tell(reporters, "started", plan.plan)
    flow: FrameFlow | None = None
    try:
        flow = open_flow(plan) if plan.requests else None
        for request in plan.requests[:1]:
            tell(reporters, "frame_begins", request)
            tell(reporters, "stage", "and those behind it")
        for step in flow or ():
            if _note(step, outcome, reporters) and (outcome.stopped_by is not None or not keep_going):
                assert flow is not None
                flow.stop()
    except LineamentError as err:
        outcome.stopped_by = err
    except KeyboardInterrupt as err:
        outcome.signal_code = 143 if isinstance(err, Terminated) else 130
    for step in flow.close() if flow is not None else ():
        _note(step, outcome, reporters)
    outcome.seconds = time.monotonic() - begin
    tell(reporters, "finished", outcome)
    return outcome


def _note(step: FrameStep, outcome: Outcome, reporters: Sequence[Reporter]) -> bool:
    """Record the end of a frame; whether it failed."""
    if step.done is not None:
        outcome.done.append(step.done)
        tell(reporters, "frame_done", step.done)
        return False
    error = step.error
    assert isinstance(error, LineamentError)
    if isinstance(error, RenderCancelled):
        outcome.stopped_by, outcome.signal_code = error, 130
        return True
    if outcome.stopped_by is None and (isinstance(error, OutputLost) or ends_run(error, bool(outcome.done))):
        outcome.stopped_by = error
    failure = Failure(step.ask.number, error)
    outcome.failed.append(failure)
    tell(reporters, "frame_failed", failure)
    return True


@dataclass(frozen=True)
class Total:
    """How several shots ended."""

    outcomes: tuple[Outcome, ...]

    @property
    def exit_code(self) -> int:
        """0 all written; a signal's code; the errors' own code if no frame of any shot was written for one reason; 1
        otherwise."""
        for outcome in self.outcomes:
            if outcome.signal_code:
                return outcome.signal_code
        codes = {outcome.exit_code for outcome in self.outcomes}
        if codes <= {0} or any(outcome.done or outcome.plan.skipped for outcome in self.outcomes):
            return max((min(code, 1) for code in codes), default=0)
        return codes.pop() if len(codes) == 1 else 1
