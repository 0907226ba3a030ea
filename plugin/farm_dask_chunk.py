"""What a Dask worker does for shots: analyse one, render a chunk of frames of one. The model is loaded once."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from lineament.core.errors import GeneratorError, LineamentError

from .batch import ends_run
from .farm_dask_worker import is_stopped, once
from .manifest import Manifest, data_sha256, read_manifest
from .messages import FrameRequest, FrameResult, RenderCancelled
from .shot_frame import FrameStages, OutputLost, ShotRenderer, source_of
from .shot_plan import line_of, why_render
from .shot_queue import Flow
from .shot_render import FrameStep
from .shot_worker import OpenShot

Analyse = Callable[[Any, Any], tuple[str, ...]]
"""Analyses the shot of an order, the second argument; the first is what opens shots and keeps the tools. What people
should know comes back as lines."""


@dataclass(frozen=True)
class AnalysisTask:
    """A shot to be analysed: its place in the run, what it is opened with, and who does it. All of it pickles."""

    shot: int
    order: Any
    open_shot: OpenShot
    analyse: Analyse


@dataclass(frozen=True)
class Chunk:
    """Frames of one shot that a worker renders in one go.

    ``model`` and ``parameters``, one for each frame, are what the sender expects; ``is_again`` tells that a worker died
    of them, so that some may be finished.
    """

    shot: int
    order: Any
    open_shot: OpenShot
    manifest: Path
    requests: tuple[FrameRequest, ...]
    model: str
    parameters: tuple[str, ...]
    keep_going: bool = True
    is_again: bool = False


def cut(chunk: Chunk) -> tuple[Chunk, ...]:
    """A chunk that a worker died of, frame by frame: only the frame whose fault it was shall fail."""
    return tuple(
        replace(chunk, requests=(request,), parameters=(parameters,), is_again=True)
        for request, parameters in zip(chunk.requests, chunk.parameters, strict=True)
    )


class _Desk:
    """The shot that is open in this process, and what opens the next one."""

    def __init__(self, open_shot: OpenShot) -> None:
        self.open_shot = open_shot
        self._order: Any = None
        self._renderer: ShotRenderer | None = None

    def renderer(self, order: object) -> ShotRenderer:
        """The renderer of an order, opened unless it is the last one's. Raises what opening it raises."""
        if self._renderer is None or order != self._order:
            self._renderer = self.open_shot(order)
            self._order = order
        return self._renderer


def _desk(open_shot: OpenShot) -> _Desk:
    return once("desk", lambda: _Desk(open_shot))


def analyse_shot(task: AnalysisTask) -> tuple[str, ...]:
    """Analyse a shot; what people should know about it."""
    return task.analyse(_desk(task.open_shot).open_shot, task.order)


def refuse_stopped(*progress: object) -> None:
    """Raise RenderCancelled if the run has been stopped; as ``on_progress`` of an analysis, which can go on later."""
    if is_stopped():
        raise RenderCancelled(
            "The analysis was stopped.", remedy="Run it again; it goes on where it stopped."
        )


def render_chunk(chunk: Chunk) -> tuple[FrameStep, ...]:
    """Render frames as ``shot render`` does; every frame that ended, well or not.

    Raises GeneratorError for another model than the sender's or a worker that would render something else, and what
    opening the shot raises.
    """
    renderer = _desk(chunk.open_shot).renderer(chunk.order)
    _refuse_other(chunk, renderer)
    steps = _finished(chunk, renderer) if chunk.is_again else []
    left = [request for request in chunk.requests if all(request != step.ask for step in steps)]
    flow = Flow(left, FrameStages(renderer, Manifest(chunk.manifest)).stages())
    try:
        for step in flow:
            steps.append(step)
            if is_stopped() or _ends(chunk, step, steps):
                flow.stop()
    finally:
        steps.extend(flow.close())
    return tuple(_light(step) for step in steps)


def parameters_of(renderer: ShotRenderer, request: FrameRequest) -> str:
    """SHA-256 of what decides a frame's pixels besides plate, mask and model: the same wherever the shot is opened."""
    return data_sha256(renderer.parameters(request.number, source_of(request)))


def _refuse_other(chunk: Chunk, renderer: ShotRenderer) -> None:
    remedy = "Let all machines see the same model, analysis and colour config ($OCIO), or name them in the show file."
    if renderer.model != chunk.model:
        raise GeneratorError(
            f"The worker has another model ({renderer.model[:12]}) than this program ({chunk.model[:12]}).",
            where="Dask worker",
            remedy=remedy,
        )
    for request, expected in zip(chunk.requests, chunk.parameters, strict=True):
        if parameters_of(renderer, request) != expected:
            raise GeneratorError(
                "The worker would render the frame with other parameters than this program.",
                where=f"Dask worker, frame {request.number}",
                remedy=remedy,
            )


def _finished(chunk: Chunk, renderer: ShotRenderer) -> list[FrameStep]:
    """Frames that were written before their worker died."""
    done = read_manifest(chunk.manifest).done
    steps: list[FrameStep] = []
    for request in chunk.requests:
        line = line_of(request, done)
        if line is not None and not why_render(request, line, renderer):
            result = FrameResult(request.output, request.number, line.seconds, dict(line.report))
            steps.append(FrameStep(request, done=result))
    return steps


def _ends(chunk: Chunk, step: FrameStep, steps: list[FrameStep]) -> bool:
    """Whether the frames behind this one need not be tried."""
    error = step.error
    if not isinstance(error, LineamentError):
        return False
    any_done = any(one.done is not None for one in steps)
    return not chunk.keep_going or isinstance(error, OutputLost) or ends_run(error, any_done)


def _light(step: FrameStep) -> FrameStep:
    """The step without tracebacks, which do not pickle."""
    if step.error is not None:
        step.error.__traceback__ = step.error.__cause__ = step.error.__context__ = None
    return step
