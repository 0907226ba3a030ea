"""The real renderer behind the render pass: an analysed shot and the tools it is rendered with. Importing it loads
torch."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

from lineament.core.directions.apply import check_strength
from lineament.core.errors import LineamentError
from lineament.core.frame import Frame, Part
from lineament.core.pipeline import Tools, open_tools
from lineament.core.shots.analysis import Analysis
from lineament.core.shots.analysis_receipt import note_analysis
from lineament.core.shots.analysis_store import load_analysis
from lineament.core.shots.plates import placed
from lineament.core.shots.render import FaceReport, render_shot_frame, tools_for
from lineament.core.shots.shot import FaceEdit, MaskSource, Shot

from .engine import tool_options
from .engine_info import weights_hash
from .matte import Matte
from .messages import ToolChoices
from .shot_frame import Rendered
from .shot_order import ShotOrder as ShotOrder
from .shot_order import config_hash, parameters_of
from .shot_order import orders as orders
from .shot_order import shot_choices as shot_choices


class ShotOpener:
    """Opens one shot after the other, and the tools only when they are others than the last shot's."""

    def __init__(self) -> None:
        self._choices: ToolChoices | None = None
        self._tools: Tools | None = None

    def __call__(self, order: ShotOrder) -> AnalysedShot:
        """Raises DataError if the shot was not analysed, RecipeError for attributes that the model does not have and
        strengths beyond its limits, and what opening tools raises."""
        tools = self.tools(order.choices)
        for face in order.shot.faces:
            check_moves(face, order.shot, tools)
        analysis = load_analysis(order.cache, order.shot, order.plates, tools)
        note_analysis(order.cache, order.shot, order.plates, analysis.key)
        return AnalysedShot(order.shot, analysis, tools_for(tools, analysis), weights_hash(tools.package))

    def tools(self, choices: ToolChoices) -> Tools:
        """The opened tools."""
        if self._tools is None or choices != self._choices:
            self._tools = open_tools(tool_options(choices))
            self._choices = choices
        return self._tools

    def __reduce__(self) -> tuple[type[ShotOpener], tuple[()]]:
        """Another process opens tools of its own."""
        return ShotOpener, ()


class AnalysedShot:
    """A shot ready to render, as ``ShotRenderer``; ``model`` is the SHA-256 of the model package's files."""

    def __init__(self, shot: Shot, analysis: Analysis, tools: Tools, model: str) -> None:
        self.model = model
        self.mask: MaskSource | None = shot.mask
        self._shot, self._analysis, self._tools = shot, analysis, tools
        self._config = config_hash(shot.ocio)

    def parameters(self, number: int, source: int) -> Mapping[str, Any]:
        """The edit of one frame: strengths at its number, and the analysis that it is rendered from."""
        analysis = self._analysis
        used = (analysis.key, analysis.digest, analysis.render_id)
        return parameters_of(self._shot, used, self._config, number, source)

    def plate_sha256(self, number: int) -> str:
        """The plate that the frame was analysed on. Raises DataError for a frame that was not."""
        return self._analysis.plates[self._analysis.row(number)].sha256

    def plate_part(self, frame: Frame) -> Part:
        """The part of the plate that the shot's layer lies in."""
        return frame.parts[frame.layer(self._shot.layer).part]

    def render(self, frame: Frame, number: int, matte: Matte | None) -> Rendered:
        """Edit every face of the frame."""
        result = render_shot_frame(frame, number, self._shot, self._analysis, self._tools, matte=matte)
        return Rendered(result.frame, {"faces": [_report(face) for face in result.faces]})


def check_moves(face: FaceEdit, shot: Shot, tools: Tools) -> None:
    """Raise RecipeError, before the first frame, for an attribute that the model does not have or a key beyond its
    limits; between keys strengths are interpolated without overshoot."""
    for move in face.recipe.moves:
        try:
            direction = tools.library.get(move.attribute)
            for _, value in move.strength.keys:
                check_strength(direction, value)
        except LineamentError as err:
            raise placed(err, shot, f"faces.{face.name}.strengths.{move.attribute}", "strengths") from err


def _report(face: FaceReport) -> dict[str, Any]:
    return {
        "name": face.name,
        "status": face.status,
        "strengths": face.strengths,
        "covered": round(float(face.covered), 6),
        "composite": {name: int(count) for name, count in dataclasses.asdict(face.composite).items()},
    }
