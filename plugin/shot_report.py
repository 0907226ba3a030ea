"""A rendered shot, looked at frame by frame: what the manifest says of it, what lies on disk, and what it measures.

Plates and outputs are read once, in order, and two frames are held at a time. Importing it loads torch.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt
from lineament.core.atomic import write_atomically
from lineament.core.colour import PlateColour
from lineament.core.errors import LineamentError, PlateError
from lineament.core.faces.crop import warp_to_plate
from lineament.core.frame import Frame
from lineament.core.io import read_frame
from lineament.core.io.sequences import FramePath
from lineament.core.pipeline import finite_matte, plate_colour
from lineament.core.shots.analysis import Analysis
from lineament.core.shots.analysis_store import load_analysis
from lineament.core.shots.crops import plate_aspect
from lineament.core.shots.embedding import FaceHistory, open_embedder
from lineament.core.shots.looks import Opened, open_plate
from lineament.core.shots.plates import shot_plates
from lineament.core.shots.quality import FrameQuality, QualityMeter, SeenFrame
from lineament.core.shots.quality_report import (
    FaceIdentity,
    FaceOnFrame,
    FrameEntry,
    ShotReport,
    State,
    face_identity,
)
from lineament.core.shots.render import face_mask, fine_picture
from lineament.core.shots.shot import FaceEdit, Shot
from lineament.core.sight import read_plate
from lineament.core.tools import Tools

from .engine_info import weights_hash
from .manifest import SUFFIX, History, ManifestLine, manifest_path, read_manifest
from .matte import shot_matte
from .messages import FrameRequest, error_data
from .report_lines import entry_of, told_faces
from .shot_engine import AnalysedShot, ShotOpener, shot_choices
from .shot_frame import source_of
from .shot_plan import requests_of, why_render

log = logging.getLogger(__name__)

Array = npt.NDArray[np.float32]
Mask = npt.NDArray[np.bool_]

REPORT_SUFFIX = ".report.json"
NO_IDENTITY = "the model has no identity network"


@dataclass(frozen=True)
class ReportedFrame:
    """One frame as it was found: its ``entry``, and the pictures it was measured on.

    ``plate`` and ``output`` are None where they cannot be read. ``mask`` (H, W) in [0, 1] over the plate's data window
    is where the edit may act; ``colour`` the plate's.
    """

    entry: FrameEntry
    plate: Opened | None = None
    output: Opened | None = None
    mask: Array | None = None
    colour: PlateColour | None = None


@dataclass
class ShotSurvey:
    """A shot that is being looked at. Iterate it once, to the end; ``report`` then has the whole.

    Raises what reading plates raises only where the shot itself is at fault; of single frames it becomes their error.
    """

    shot: Shot
    show: str
    plates: tuple[FramePath, ...]
    skipped: tuple[int, ...]
    analysis: Analysis
    tools: Tools
    _entries: list[FrameEntry] = field(default_factory=list)
    _faces: dict[str, FaceHistory] = field(default_factory=dict)
    _seen_before: set[str] = field(default_factory=set)

    def __post_init__(self) -> None:
        self._history: History = read_manifest(manifest_path(self.shot.output))
        self._renderer = AnalysedShot(self.shot, self.analysis, self.tools, weights_hash(self.tools.package))
        self._embedder = open_embedder(self.shot, self.analysis, self.tools)
        self._meter = QualityMeter()

    def __iter__(self) -> Iterator[ReportedFrame]:
        """Every frame of the shot in order."""
        for plate, request in zip(self.plates, requests_of(self.shot, self.plates), strict=True):
            found = self._looked_at(plate, request)
            if found.entry.quality is None:
                self._meter.skip()
                self._seen_before.clear()
            entry = replace(found.entry, is_animated=self._is_animated(found.entry))
            self._entries.append(entry)
            yield replace(found, entry=entry)

    def _is_animated(self, entry: FrameEntry) -> bool:
        """Whether any strength differs from the frame before."""
        if not self._entries:
            return False
        pairs = zip(self._entries[-1].faces, entry.faces, strict=True)
        return any(last.strengths != now.strengths for last, now in pairs)

    def report(self) -> ShotReport:
        """What was found, after the last frame."""
        identity: dict[str, FaceIdentity] | None = None
        if self._embedder is not None:
            over_time = {name: (one, one.over_time()) for name, one in self._faces.items()}
            identity = {
                name: face_identity(figures, history.to_plate)
                for name, (history, figures) in over_time.items()
                if figures is not None
            }
        return ShotReport(
            show=self.show,
            shot=self.shot.name,
            frames=tuple(self._entries),
            identity=identity,
            identity_reason="" if identity is not None else NO_IDENTITY,
            problems=self.analysis.problems,
            skipped=self.skipped,
            output=Path(self.shot.output).name,
            model=self._renderer.model,
            analysis=self.analysis.key,
        )

    def _looked_at(self, plate: FramePath, request: FrameRequest) -> ReportedFrame:
        line = self._history.last.get(request.number)
        done = self._history.done.get(request.number)
        if (
            done is not None and done.output != Path(request.output).name
        ):  # another pattern shares the manifest
            line, done = None, None
        entry = entry_of(plate, request, line, done, self._shown_faces(plate.number, done))
        try:
            before = open_plate(plate, self.shot)
            colour = plate_colour(before.frame, before.layer, self.shot.faces[0].recipe, self.tools.ocio)
            mask, reach = self._mask(before, request, entry.faces)
        except LineamentError as err:
            return ReportedFrame(_failed(entry, err))
        if entry.state == "missing" or not Path(request.output).is_file():
            state: State = "failed" if entry.state == "failed" else "missing"
            return ReportedFrame(replace(entry, state=state), before, None, mask, colour)
        try:
            after = _open_output(request, before)
            quality = self._measured(plate.number, (before, after), mask, reach, colour)
            faces = self._with_identity(entry.faces, before, after, plate.number)
        except LineamentError as err:
            return ReportedFrame(_failed(entry, err), before, None, mask, colour)
        stale = why_render(request, done, self._renderer) if done is not None else "not of the manifest"
        entry = replace(entry, quality=quality, faces=faces, stale=stale)
        return ReportedFrame(entry, before, after, mask, colour)

    def _measured(
        self, number: int, pictures: tuple[Opened, Opened], mask: Array, reach: Mask, colour: PlateColour
    ) -> FrameQuality:
        """Figures in scene-linear light: in the plate's own channels where these are linear."""
        linear = [
            one.plate.rgb if colour.is_linear else colour.to_linear709(one.plate.rgb) for one in pictures
        ]
        return self._meter.measure(SeenFrame(number, linear[0], linear[1], mask, reach))

    def _shown_faces(self, number: int, done: ManifestLine | None) -> tuple[FaceOnFrame, ...]:
        """The faces as they were rendered; what the manifest does not tell is as the shot file has it now."""
        told = told_faces(done)
        row = self.analysis.row(number)
        faces = []
        for edit in self.shot.faces:
            track, data = self.analysis.face(edit.name), told.get(edit.name, {})
            strengths = data.get("strengths", edit.recipe.strengths_at(number))
            status = str(data.get("status", track.track.statuses[row]))
            covered = float(track.covered[row])
            faces.append(FaceOnFrame(edit.name, status, dict(strengths), edit.recipe.mix, covered))
        return tuple(faces)

    def _mask(
        self, before: Opened, request: FrameRequest, faces: Sequence[FaceOnFrame]
    ) -> tuple[Array, Mask]:
        """Where any face may be edited, (H, W) in [0, 1] over the data window, and how far that may reach."""
        height, width = before.plate.rgb.shape[:2]
        mask, reach = np.zeros((height, width), np.float32), np.zeros((height, width), np.bool_)
        for edit, face in zip(self.shot.faces, faces, strict=True):
            if face.strengths and edit.recipe.mix != 0.0 and face.status != "missing":
                self._add_mask(mask, reach, edit, request.number, before)
        limits = shot_matte(self.shot, request.matte, source_of(request), before.frame)
        if limits is not None:
            limits = finite_matte(limits, before.frame.parts[before.layer.part].data_window)
            mask, reach = mask * limits, reach & (limits > 0.0)
        return mask, reach

    def _add_mask(self, mask: Array, reach: Mask, edit: FaceEdit, number: int, before: Opened) -> None:
        aspect = plate_aspect(before.pixel_aspect)
        face = self.analysis.face(edit.name)
        row, tools = self.analysis.row(number), self.tools
        fine = fine_picture(before.frame, before.layer, face, row, edit, aspect, tools)
        own = face_mask(face, row, edit, aspect, tools, fine)
        support = cv2.dilate((own.picture[0] > 0.0).astype(np.float32), np.ones((5, 5), np.uint8))
        both = np.stack([own.picture[0], support])  # the filter of the warp looks two pixels far
        warped, x0, y0 = warp_to_plate(both, own.plate_from_crop, *mask.shape)
        region = (slice(y0, y0 + warped.shape[1]), slice(x0, x0 + warped.shape[2]))
        np.maximum(mask[region], np.clip(warped[0], 0.0, 1.0), out=mask[region])
        # the edit travels in finer pixels, which may touch half of a plate pixel beside
        reach[region] |= cv2.dilate((warped[1] != 0.0).astype(np.uint8), np.ones((3, 3), np.uint8)) > 0

    def _with_identity(
        self, faces: tuple[FaceOnFrame, ...], before: Opened, after: Opened, number: int
    ) -> tuple[FaceOnFrame, ...]:
        """The faces with their cosines; those that cannot be embedded as they are."""
        if self._embedder is None:
            return faces
        found = []
        for face in faces:
            pair = self._embedder.embed((before, after), number, face.name)
            if pair is None:
                self._seen_before.discard(face.name)
                found.append(face)
                continue
            history = self._faces.setdefault(face.name, FaceHistory())
            is_neighbour = face.name in self._seen_before
            local = history.add(pair[0], pair[1], is_neighbour=is_neighbour)
            self._seen_before.add(face.name)
            known = replace(face, to_plate=history.to_plate[-1])
            found.append(known if local is None else replace(known, local=local[0], plate_local=local[1]))
        return tuple(found)


def survey(
    shot: Shot, show: str, cache: Path, device: str = "cpu", opener: ShotOpener | None = None
) -> ShotSurvey:
    """Open a rendered shot to look at it. ``opener`` saves opening the same model again.

    Raises PlateError, RecipeError, GeneratorError, and DataError if the shot was not analysed or its plates changed.
    """
    plates = shot_plates(shot)
    tools = (opener or ShotOpener()).tools(shot_choices(shot, device))
    analysis = load_analysis(cache, shot, plates.frames, tools)
    return ShotSurvey(shot, show, plates.frames, plates.skipped, analysis, tools)


def report_path(pattern: str | Path) -> Path:
    """Where the report of an output pattern lies: beside its manifest, ``out/a.report.json`` for ``out/a.####.exr``."""
    path = manifest_path(pattern)
    return path.with_name(path.name.removesuffix(SUFFIX) + REPORT_SUFFIX)


def write_report(report: ShotReport, path: Path) -> None:
    """Write a report as JSON, whole or not at all. Raises PlateError if it cannot be written."""
    data = json.dumps(report.as_data(), indent=1, allow_nan=False, ensure_ascii=False).encode("utf-8")
    try:
        write_atomically(path, data + b"\n")
    except OSError as err:
        raise PlateError(
            f"The report cannot be written: {err.strerror or err}.",
            where=str(path),
            remedy="Check the free space and the permissions of the outputs' folder.",
        ) from err


def _failed(entry: FrameEntry, error: LineamentError) -> FrameEntry:
    return replace(entry, state="failed", error=error_data(error))


def _open_output(request: FrameRequest, before: Opened) -> Opened:
    """The output, whose layer is the plate's. Raises PlateError if it is damaged or another picture."""
    frame: Frame = read_frame(request.output, request.number)
    ours, its = before.frame.parts[before.layer.part], None
    if before.layer.part < len(frame.parts):
        its = frame.parts[before.layer.part]
    if its is None or its.data_window != ours.data_window or not set(before.layer.rgb) <= set(its.channels):
        raise PlateError(
            "The output has another size or other channels than its plate.",
            where=request.output,
            remedy='Render the frame again: "lineament shot render" with --overwrite.',
        )
    return replace(before, frame=frame, plate=read_plate(frame, before.layer))
