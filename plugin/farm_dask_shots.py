"""Shots of a show on Dask: each analysed as one task, then all of them rendered in chunks of frames.

Workers render with the code of ``shot render``; this process plans, counts and reports. Chunks of several shots are on
their way at once, and each shot is reported as a whole, in order.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass

from lineament.core.errors import LineamentError
from lineament.core.shots.shot import Shot

from .batch import Outcome, Reporter
from .farm_dask import DaskPool, TaskOutcome, TaskRun
from .farm_dask_chunk import (
    Analyse,
    AnalysisTask,
    Chunk,
    analyse_shot,
    cut,
    parameters_of,
    render_chunk,
)
from .manifest import Manifest
from .messages import FrameRequest
from .plan import Plan
from .shot_frame import FrameStages, ShotRenderer
from .shot_plan import ShotPlan, make_shot_plan
from .shot_render import FrameStep, OpenFlow, Total, render_shot
from .shot_run import OrderOf, Prepared, ReportersOf, ShotsJob
from .shot_worker import OpenShot

MOST_CHUNK = 10
"""A larger chunk saves nothing more, and a worker that dies takes it along."""
CHUNKS_A_WORKER = 4
"""So many at least, where there are frames enough: slow and quick workers then end at about the same time."""

ChunkRun = TaskRun[Chunk, tuple[FrameStep, ...]]
ChunkOutcome = TaskOutcome[Chunk, tuple[FrameStep, ...]]


@dataclass(frozen=True)
class Trade:
    """How shots are opened: ``order_of`` gives the orders of workers and ``own_order_of`` those of this process, which
    may have another device; ``open_shot``, ``analyse`` and ``set_up`` (once in every worker) must pickle."""

    order_of: OrderOf
    own_order_of: OrderOf
    open_shot: OpenShot
    analyse: Analyse
    set_up: Callable[[], None] | None = None


@dataclass
class _Opened:
    """A shot on its way through the run: how it was prepared, then its plan and what it was planned with, or the error
    that keeps it from being rendered."""

    one: Prepared
    error: LineamentError | None
    plan: ShotPlan | None = None
    renderer: ShotRenderer | None = None


class DaskShots:
    """Analyses and renders prepared shots with the workers of a pool. ``chunk`` is the most frames of a task, 0 leaves
    it to the number of frames and workers."""

    def __init__(self, job: ShotsJob, pool: DaskPool, trade: Trade, chunk: int = 0) -> None:
        self._job, self._pool, self._trade, self._chunk = job, pool, trade, chunk

    def render(
        self,
        shots: Sequence[Prepared],
        reporters_of: ReportersOf,
        on_analysed: Callable[[Shot, tuple[str, ...]], None] = lambda shot, lines: None,
    ) -> Total:
        """Analyse all shots, then render them; a signal ends the run, an error does if it fails fast.

        ``on_analysed`` gets what people should know of each analysis. Raises HostError for what ends the run before the
        first frame: a lost scheduler, no workers, workers with other software.
        """
        opened = [_Opened(one, one.error) for one in shots]
        self._analyse(opened, on_analysed)
        for one in opened:
            self._plan(one)
        outcomes: list[Outcome] = []
        with closing(_Stream(self._chunks_run(opened), self._job.keep_going)) as stream:
            for index, each in enumerate(opened):
                outcomes.append(self._rendered(index, each, stream, reporters_of(each.one.shot)))
                last = outcomes[-1]
                if last.signal_code or (last.exit_code and not self._job.keep_going):
                    break
        return Total(tuple(outcomes))

    def _analyse(
        self, opened: Sequence[_Opened], on_analysed: Callable[[Shot, tuple[str, ...]], None]
    ) -> None:
        trade = self._trade
        tasks = [
            AnalysisTask(
                index, trade.order_of(each.one.shot, each.one.plates), trade.open_shot, trade.analyse
            )
            for index, each in enumerate(opened)
            if each.error is None
        ]
        with closing(self._pool.run(tasks, analyse_shot, set_up=trade.set_up)) as run:
            for outcome in run:
                each = opened[outcome.task.shot]
                each.error = outcome.error
                if outcome.error is None:
                    on_analysed(each.one.shot, outcome.result or ())
                elif not self._job.keep_going:
                    return

    def _plan(self, each: _Opened) -> None:
        """Open a shot here too, to see which frames are valid, and what workers must find."""
        if each.error is not None:
            return
        shot, requests = each.one.shot, each.one.requests
        try:
            each.renderer = self._trade.open_shot(self._trade.own_order_of(shot, each.one.plates))
            each.plan = make_shot_plan(shot, requests, each.renderer, overwrite=self._job.overwrite)
        except LineamentError as err:
            each.error = err

    def _chunks_run(self, opened: Sequence[_Opened]) -> ChunkRun:
        chunks = [chunk for index, each in enumerate(opened) for chunk in self._chunks(index, each, opened)]
        return self._pool.run(chunks, render_chunk, set_up=self._trade.set_up, split=cut)

    def _chunks(self, index: int, each: _Opened, opened: Sequence[_Opened]) -> Iterator[Chunk]:
        if each.plan is None or each.renderer is None:
            return
        frames = sum(len(one.plan.requests) for one in opened if one.plan is not None)
        size = self._chunk or chunk_size(frames, len(self._pool.workers()[1]))
        order = self._trade.order_of(each.one.shot, each.one.plates)
        requests = each.plan.requests
        for begin in range(0, len(requests), size):
            part = requests[begin : begin + size]
            yield Chunk(
                index,
                order,
                self._trade.open_shot,
                each.plan.manifest,
                part,
                each.renderer.model,
                tuple(parameters_of(each.renderer, request) for request in part),
                self._job.keep_going,
            )

    def _rendered(self, index: int, each: _Opened, stream: _Stream, reporters: Sequence[Reporter]) -> Outcome:
        """How a shot ended; one that cannot be opened has no frames and an error."""
        if each.plan is not None and each.renderer is not None:
            flow = stream.flow(index, each.renderer)
            return render_shot(each.plan, flow, reporters, keep_going=self._job.keep_going)
        outcome = Outcome(Plan(each.one.requests), stopped_by=each.error)
        for reporter in reporters:
            reporter.started(outcome.plan)
            reporter.finished(outcome)
        return outcome


def chunk_size(frames: int, workers: int) -> int:
    """How many frames a task has if nobody says."""
    return max(1, min(MOST_CHUNK, frames // (CHUNKS_A_WORKER * max(1, workers))))


class _Stream:
    """The chunks of all shots on their way, and the frames of each shot as they come back. Close it."""

    def __init__(self, run: ChunkRun, keep_going: bool) -> None:
        self._run, self._keep_going = run, keep_going
        self._outcomes = iter(run)
        self._ready: dict[int, deque[ChunkOutcome]] = {}
        self._error: LineamentError | None = None

    def flow(self, shot: int, renderer: ShotRenderer) -> OpenFlow:
        """The frames of one shot."""
        return lambda plan: _ShotFlow(self, shot, plan, renderer)

    def next_of(self, shot: int) -> ChunkOutcome | None:
        """The next chunk of a shot that has ended, None if the run was stopped; those of others wait. Raises what ended
        the run, for every shot."""
        ready = self._ready.setdefault(shot, deque())
        while not ready:
            if self._error is not None:
                raise self._error
            try:
                outcome = next(self._outcomes, None)
                if outcome is None:
                    return None
                self._keep(outcome)
            except LineamentError as err:
                self._error = err
        return ready.popleft()

    def drop(self, shot: int) -> int:
        """Render no more of a shot, or of any if the run fails fast; how many of the shot's frames nobody has begun."""
        dropped = self._run.drop(lambda chunk: chunk.shot == shot)
        if not self._keep_going:
            self._run.stop()
        return sum(len(chunk.requests) for chunk in dropped)

    def end(self, shot: int) -> Sequence[ChunkOutcome]:
        """End the whole run, and give what has come of a shot."""
        for outcome in self._run.close():
            self._keep(outcome)
        return tuple(self._ready.pop(shot, ()))

    def close(self) -> None:
        """End what is on its way."""
        self._run.close()

    def _keep(self, outcome: ChunkOutcome) -> None:
        self._ready.setdefault(outcome.task.shot, deque()).append(outcome)


class _ShotFlow:
    """The frames of one shot, as ``FrameFlow``."""

    def __init__(self, stream: _Stream, shot: int, plan: ShotPlan, renderer: ShotRenderer) -> None:
        self._stream, self._shot, self._left = stream, shot, len(plan.requests)
        self._stages = FrameStages(renderer, Manifest(plan.manifest))

    def __iter__(self) -> Iterator[FrameStep]:
        while self._left > 0 and (outcome := self._stream.next_of(self._shot)) is not None:
            yield from self._steps(outcome)

    def stop(self) -> None:
        """Begin no further frame of this shot."""
        self._left -= self._stream.drop(self._shot)

    def close(self) -> Sequence[FrameStep]:
        """Whatever is still on its way when the shot has not come to its end ends the run."""
        if self._left <= 0:
            return ()
        return tuple(step for outcome in self._stream.end(self._shot) for step in self._steps(outcome))

    def _steps(self, outcome: ChunkOutcome) -> tuple[FrameStep, ...]:
        """What became of a chunk's frames. Frames that nobody could render are told here, and recorded."""
        requests: tuple[FrameRequest, ...] = outcome.task.requests
        self._left -= len(requests)
        if outcome.error is None:
            return outcome.result or ()
        failed = self._stages.failed
        return tuple(FrameStep(request, error=failed(request, outcome.error)) for request in requests)
