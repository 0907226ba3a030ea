"""The real engine behind a session: read a frame, run the pipeline, write the frame. Importing it loads
torch."""

from __future__ import annotations

import dataclasses
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from lineament.core.errors import PlateError
from lineament.core.frame import Frame
from lineament.core.io import read_frame, refuse_same_file, write_frame
from lineament.core.io.files import overwritten
from lineament.core.pipeline import RenderReport, ToolOptions, Tools, open_tools, render_frame, see_face
from lineament.core.recipe import EditRecipe

from .engine_info import describe_tools
from .matte import Matte, read_matte
from .messages import FrameRequest, FrameResult, RenderCancelled, ToolChoices
from .plan import make_folder


class PipelineEngine:
    """One opened set of tools; ``info`` is what ``describe_tools`` tells of them."""

    def __init__(self, tools: Tools) -> None:
        self._tools = tools
        self.info: dict[str, Any] = describe_tools(tools)

    def probe(self, plate: str, number: int, recipe: EditRecipe, pixel_aspect: float = 0.0) -> float:
        """The exposure that suits the recipe's face in one plate. Raises what ``render`` would."""
        frame = read_frame(plate, number)
        layer = frame.layer(recipe.layer)
        return float(see_face(frame, layer, recipe, self._tools, pixel_aspect=pixel_aspect).exposure)

    def render(
        self, request: FrameRequest, cancelled: Callable[[], bool], tell: Callable[[str], None]
    ) -> FrameResult:
        """Read, edit and write one frame; cancelling is seen between stages."""
        refuse_same_file(request.plate, request.output)
        if request.matte and overwritten([request.matte], [request.output]) is not None:
            raise PlateError(
                "The output is the mask itself.", where=request.output, remedy="Choose another output."
            )
        if not request.overwrite and os.path.lexists(request.output):  # before the work, not after it
            raise PlateError(
                "The output exists.",
                where=request.output,
                remedy="Use --overwrite, or a new version folder.",
            )
        watch = _Watch(cancelled, tell)
        for move in request.recipe.moves:
            self._tools.library.get(move.attribute)  # a misspelt attribute must not cost an inversion
        watch.enter("read")
        frame = read_frame(request.plate, request.number if request.source is None else request.source)
        matte = _matte_of(request, frame)
        result = render_frame(
            frame,
            request.recipe.frozen_at(request.number),
            self._tools,
            matte=matte,
            pixel_aspect=request.pixel_aspect,
            on_stage=watch.enter,
        )
        watch.enter("write")
        output = Path(request.output)
        make_folder(output.parent)
        write_frame(output, result.frame, overwrite=request.overwrite)
        watch.leave()
        report = report_data(result.report)
        report |= {"inverter": self._tools.inverter.key, "stages": watch.seconds}
        return FrameResult(str(output), request.number, round(sum(watch.seconds.values()), 4), report)


def _matte_of(request: FrameRequest, frame: Frame) -> Matte | None:
    """The matte of a request over the plate's data window, or None. Raises PlateError."""
    if not request.matte:
        return None
    plate = frame.parts[frame.layer(request.recipe.layer).part]
    return read_matte(request.matte, frame.number, plate, invert=request.invert_matte)


def open_engine(choices: ToolChoices) -> PipelineEngine:
    """Load everything a shot needs. Raises LineamentError."""
    return PipelineEngine(open_tools(tool_options(choices)))


def tool_options(choices: ToolChoices) -> ToolOptions:
    """The choices as the core's options; both have the same fields, as far as the core knows them."""
    known = {field.name for field in dataclasses.fields(ToolOptions)}
    return ToolOptions(**{name: value for name, value in vars(choices).items() if name in known})


def report_data(report: RenderReport) -> dict[str, Any]:
    """The pipeline's report as plain data, without the latent; ``exposure`` is 0 where none was chosen."""
    seen = report.seen
    return {
        "identity": seen is None,
        "strengths": report.strengths,
        "face": None
        if seen is None
        else {
            "landmarks": seen.face.landmarks.tolist(),
            "score": float(seen.face.score),
            "source": seen.face.source,
        },
        "faces_found": seen.faces_found if seen else 0,
        "space": seen.colour.space if seen else "",
        "space_reason": seen.colour.reason if seen else "",
        "config": seen.colour.config_name if seen else "",
        "exposure": float(seen.exposure) if seen else 0.0,
        "composite": dataclasses.asdict(report.composite),
    }


class _Watch:
    """Tells stages, times them, and ends the frame between two of them when it was cancelled."""

    def __init__(self, cancelled: Callable[[], bool], tell: Callable[[str], None]) -> None:
        self.seconds: dict[str, float] = {}
        self._cancelled, self._tell = cancelled, tell
        self._stage, self._since = "", time.perf_counter()

    def enter(self, stage: str) -> None:
        """A stage begins; the one before has ended."""
        self.leave()
        if self._cancelled():
            raise RenderCancelled("The frame was cancelled.")
        self._stage = stage
        self._tell(stage)

    def leave(self) -> None:
        """The running stage has ended."""
        now = time.perf_counter()
        if self._stage:
            self.seconds[self._stage] = round(now - self._since, 4)
        self._stage, self._since = "", now
