"""Several shots of a show, one after the other: checked first, then rendered with the same tools and workers."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lineament.core.errors import LineamentError, RecipeError
from lineament.core.io.sequences import FramePath, format_frames
from lineament.core.shots.plates import shot_plates
from lineament.core.shots.shot import Shot

from .batch import Outcome, Reporter
from .messages import FrameRequest
from .plan import Plan, UsageError
from .shot_crew import Crew
from .shot_frame import ShotRenderer
from .shot_plan import ShotPlan, has_all, make_shot_plan, refuse_shared_outputs, shot_requests
from .shot_render import FrameFlow, OpenFlow, Total, local_flow, render_shot

OrderOf = Callable[[Shot, tuple[FramePath, ...]], Any]
"""What a process must be told to open a shot with these plates."""


ReportersOf = Callable[[Shot], Sequence[Reporter]]
"""Who is told how the rendering of a shot goes on."""


@dataclass(frozen=True)
class ShotsJob:
    """What was asked: shots in order, a range of frames ("" = all), and how to go about it."""

    shots: tuple[Shot, ...]
    frames: str = ""
    jobs: int = 1
    keep_going: bool = True
    overwrite: bool = False


@dataclass(frozen=True)
class Prepared:
    """A shot whose paths were checked: its plates and the frames asked for, or the error that keeps it from being
    rendered."""

    shot: Shot
    plates: tuple[FramePath, ...] = ()
    requests: tuple[FrameRequest, ...] = ()
    error: LineamentError | None = None


def prepare(job: ShotsJob) -> tuple[Prepared, ...]:
    """Check every path of every shot before the first pixel; nothing is written.

    A shot with a missing plate or the like does not keep others from being rendered if the job keeps going. Raises
    UsageError or RecipeError for what is wrong with the command or the file, and PlateError if the job fails fast.
    """
    prepared = []
    for shot in job.shots:
        try:
            plates = shot_plates(shot).frames
            prepared.append(Prepared(shot, plates, shot_requests(shot, plates, job.frames)))
        except (UsageError, RecipeError):
            raise
        except LineamentError as err:
            if not job.keep_going:
                raise
            prepared.append(Prepared(shot, error=err))
    refuse_shared_outputs([(one.shot, one.requests) for one in prepared])
    return tuple(prepared)


class ShotsRun:
    """Renders prepared shots. ``open_shot`` opens the renderer of an order, here and in workers; both must pickle.

    ``known`` tells what the frames of an order are made from without opening it, or None: a shot all of whose frames
    are valid is then never opened.
    """

    def __init__(
        self,
        job: ShotsJob,
        order_of: OrderOf,
        open_shot: Callable[[Any], ShotRenderer],
        known: Callable[[Any], ShotRenderer | None] = lambda order: None,
    ) -> None:
        self._job, self._order_of, self._open_shot, self._known = job, order_of, open_shot, known
        self._stack = ExitStack()
        self._crew: Crew | None = None

    def render(self, shots: Sequence[Prepared], reporters_of: ReportersOf) -> Total:
        """Render one shot after the other; a signal ends the run, an error does if it fails fast."""
        outcomes: list[Outcome] = []
        with self._stack:
            for one in shots:
                outcomes.append(self._rendered(one, reporters_of(one.shot)))
                last = outcomes[-1]
                if last.signal_code or (last.exit_code and not self._job.keep_going):
                    break
        return Total(tuple(outcomes))

    def plan(self, one: Prepared) -> ShotPlan:
        """Open a shot and find out which of its frames are to be rendered. Raises LineamentError."""
        return self._planned(one)[0]

    def _planned(self, one: Prepared) -> tuple[ShotPlan, OpenFlow]:
        if one.error is not None:
            raise one.error
        order = self._order_of(one.shot, one.plates)
        plan = self._finished(one, order)
        if plan is not None:
            return plan, _nothing_to_render
        renderer = self._open_shot(order)
        plan = make_shot_plan(one.shot, one.requests, renderer, overwrite=self._job.overwrite)
        if self._job.jobs == 1 or len(plan.requests) < 2:
            return plan, local_flow(renderer)
        if self._crew is None:
            self._crew = self._stack.enter_context(Crew(self._job.jobs, self._open_shot))
        return plan, self._crew.flow(order)

    def _finished(self, one: Prepared, order: Any) -> ShotPlan | None:
        """The plan of a shot that has nothing left to do, found without opening it; else None."""
        if self._job.overwrite or not has_all(one.shot, one.requests):
            return None
        known = self._known(order)
        plan = None if known is None else make_shot_plan(one.shot, one.requests, known)
        return plan if plan is not None and not plan.requests else None

    def _rendered(self, one: Prepared, reporters: Sequence[Reporter]) -> Outcome:
        """How a shot ended; one that cannot be opened has no frames and an error."""
        try:
            plan, flow = self._planned(one)
        except LineamentError as err:
            outcome = Outcome(Plan(one.requests), stopped_by=err)
            for reporter in reporters:
                reporter.started(outcome.plan)
                reporter.finished(outcome)
            return outcome
        return render_shot(plan, flow, reporters, keep_going=self._job.keep_going)


def _nothing_to_render(plan: ShotPlan) -> FrameFlow:
    raise AssertionError(f"a flow for {len(plan.requests)} frames of a shot that was not opened")


def left_over(
    file: Path, shots: Sequence[Prepared], total: Total, command: str = "lineament shot render"
) -> list[str]:
    """A line with the ``command`` for every shot that is not complete, with the frames that are left; shots that were
    not begun too."""
    lines = []
    for index, one in enumerate(shots):
        numbers = [request.number for request in one.requests]
        left = total.outcomes[index].left if index < len(total.outcomes) else tuple(numbers)
        is_open = index >= len(total.outcomes) or total.outcomes[index].exit_code != 0
        if left:
            lines.append(f"{command} {file} {one.shot.name} --frames {format_frames(left)}")
        elif is_open:
            lines.append(f"{command} {file} {one.shot.name}")
    return lines
