"""A frame of an analysed shot: synthesise and composite, nothing else is looked at.

Faces are edited one after the other. A face's two pictures always come from a batch of two, so that neither the order
of frames nor their grouping can change a bit.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from ..composite import LARGEST_INCREMENT, CompositeReport, give_back
from ..devices import device_errors
from ..directions.apply import apply_moves, check_strength
from ..errors import FaceError, GeneratorError
from ..faces.align import plate_from_crop, surrounding
from ..faces.base import Face, FineFace
from ..faces.crop import pitch_of, rescaled, resized, warp_to_plate
from ..faces.detail import fine_size
from ..faces.mask import FEATHER, edit_mask, fine_mask
from ..frame import Frame, Layer
from ..latent import Latent
from ..pipeline import Increment, face_change, finite_matte, placed, plate_colour
from ..sight import face_region, fine_face, read_plate
from ..tools import Tools
from .analysis import Analysis, FaceAnalysis, Status
from .analysis_store import TUNING
from .crops import plate_aspect
from .margins import kept_around
from .shot import FaceEdit, Shot
from .tune import tuned

Array = npt.NDArray[np.float32]
NOTHING = CompositeReport()


@dataclass(frozen=True)
class FaceReport:
    """What was done to one face in one frame: its ``status``, ``strengths`` in sigma, the share that is ``covered``,
    and the give-back's pixel counts (all 0 where nothing was asked or the face is missing)."""

    name: str
    status: Status
    strengths: dict[str, float]
    covered: float
    composite: CompositeReport = NOTHING


@dataclass(frozen=True)
class ShotResult:
    """The edited frame, and one report a face in the shot's order."""

    frame: Frame
    faces: tuple[FaceReport, ...]


def tools_for(tools: Tools, analysis: Analysis) -> Tools:
    """The tools with the generator that was tuned on the shot, or as they are if none was. Call it once a process.

    Raises GeneratorError if the tools' generator is not the one that the analysis was made with, or if the tuning is
    damaged.
    """
    if tools.generator.id == analysis.render_id:
        return tools
    if tools.generator.id != analysis.generator_id:
        raise GeneratorError(
            f"The shot was analysed with generator {analysis.generator_id[:12]}, not {tools.generator.id[:12]}.",
            where=str(analysis.folder),
            remedy='Choose that model, or analyse the shot again with "lineament shot analyse".',
        )
    return tuned(tools, analysis.folder / TUNING, analysis.render_id)


def render_shot_frame(
    frame: Frame,
    number: int,
    shot: Shot,
    analysis: Analysis,
    tools: Tools,
    *,
    matte: Array | None = None,
    fine: Mapping[str, FineFace | None] | None = None,
) -> ShotResult:
    """Edit every face of the shot in one frame; ``tools`` come from ``tools_for``.

    ``number`` is the shot's frame number: it decides strengths and latents; ``frame.number`` may differ where a plate
    is held. ``matte`` (H, W) in [0, 1] over the data window limits all edits. ``fine`` is what ``fine_pictures`` gave
    of the frame; without it the pictures are cut here. A face that is missing, all of whose strengths are 0 or whose
    mix is 0, leaves the frame as it is, bit for bit. The result depends on the frame, the analysis and the faces'
    recipes alone. Raises RecipeError for strengths out of range, DataError for a frame that was not analysed,
    GeneratorError, ColourError, DeviceError, and ValueError if the matte has another size.
    """
    row, layer = analysis.row(number), frame.layer(shot.layer)
    limits = None if matte is None else finite_matte(matte, frame.parts[layer.part].data_window)
    reports, plate = [], frame
    aspect = plate_aspect(shot.pixel_aspect or frame.parts[layer.part].pixel_aspect)
    for edit in shot.faces:
        face = analysis.face(edit.name)
        strengths = edit.recipe.strengths_at(number)
        for name, strength in strengths.items():
            check_strength(tools.library.get(name), strength)
        status, counts = face.track.statuses[row], NOTHING
        is_idle = not strengths or edit.recipe.mix == 0.0 or status == "missing"
        if not is_idle and (limits is None or limits.any()):
            latent = Latent(face.latents[row], analysis.generator_id)
            view = (
                fine_picture(plate, layer, face, row, edit, aspect, tools)
                if fine is None
                else fine.get(edit.name)
            )
            increment = face_increment(face, row, edit, latent, strengths, aspect, tools, view)
            frame, counts = add_increment(frame, layer, increment, face.exposure, edit, tools, limits)
        reports.append(FaceReport(edit.name, status, strengths, float(face.covered[row]), counts))
    return ShotResult(frame, tuple(reports))


def face_increment(
    face: FaceAnalysis,
    row: int,
    edit: FaceEdit,
    latent: Latent,
    strengths: Mapping[str, float],
    pixel_aspect: float,
    tools: Tools,
    fine: FineFace | None,
) -> Increment:
    """The difference of the edited and the plain face, where it may act; ``fine`` is what ``fine_picture`` gives."""
    edited = apply_moves(latent, strengths, tools.library)
    area = face_mask(face, row, edit, pixel_aspect, tools, fine)
    if fine is not None:  # a preview holds less than the plate it was cut from
        own = area.picture.shape[-1]
        size = min(fine_size(area.plate_from_crop, own, own), fine.picture.shape[-1])
        pitch = pitch_of(rescaled(area.plate_from_crop, own, size))
        fine = replace(fine, picture=resized(fine.picture, size), pitch=pitch)
    with device_errors(tools.device):
        change = face_change(latent, edited, fine, tools)
    return placed(edit.recipe.mix * change, area)


def fine_pictures(
    frame: Frame, number: int, shot: Shot, analysis: Analysis, tools: Tools
) -> dict[str, FineFace | None]:
    """The faces of one frame as the refiner sees them, by name: they do not depend on strengths.

    Raises DataError for a frame that was not analysed, ColourError.
    """
    row, layer = analysis.row(number), frame.layer(shot.layer)
    aspect = plate_aspect(shot.pixel_aspect or frame.parts[layer.part].pixel_aspect)
    found: dict[str, FineFace | None] = {}
    for edit in shot.faces:
        face = analysis.face(edit.name)
        if face.track.statuses[row] != "missing":
            found[edit.name] = fine_picture(frame, layer, face, row, edit, aspect, tools)
    return found


def fine_picture(
    frame: Frame, layer: Layer, face: FaceAnalysis, row: int, edit: FaceEdit, aspect: float, tools: Tools
) -> FineFace | None:
    """The face as the refiner sees it; None for models without one, and for faces outside the frame."""
    if tools.refiner is None:
        return None
    size = tools.alignment.resolution
    person = resized(face.mattes[row].astype(np.float32), size)[None]
    window = frame.parts[layer.part].data_window
    keep = kept_around(face, row, tools.refiner.surround, tools.alignment, window, aspect)
    place = Face(face.track.landmarks[row], 1.0, "shot")
    try:
        x0, y0, x1, y1 = face_region(place, aspect, tools, window.height, window.width)
        plate = read_plate(frame, layer, (slice(y0, y1), slice(x0, x1)))
        near = replace(place, landmarks=place.landmarks - (x0, y0))
        colour = plate_colour(frame, layer, edit.recipe, tools.ocio)
        return fine_face(plate, near, colour, face.exposure, aspect, tools, person, keep)
    except FaceError:
        return None  # nothing of it will be given back either


def face_mask(
    face: FaceAnalysis,
    row: int,
    edit: FaceEdit,
    pixel_aspect: float,
    tools: Tools,
    fine: FineFace | None = None,
) -> Increment:
    """Where the face may be edited, (1, M, M) in [0, 1]: in the refiner's square, which needs ``fine`` of
    ``fine_picture``, or in the generator's."""
    size, feather = tools.alignment.resolution, FEATHER + edit.recipe.mask_feather
    squeeze = np.diag([1.0 / pixel_aspect, 1.0, 1.0])  # square pixels -> plate pixels
    square = Face(face.track.landmarks[row] * (pixel_aspect, 1.0), 1.0, "shot")
    matrix = squeeze @ plate_from_crop(square, tools.alignment)
    if fine is not None and tools.refiner is not None:
        surround = tools.refiner.surround
        return Increment(fine_mask(fine, surround, feather=feather), surrounding(matrix, size, surround))
    person, keep = (resized(maps[row].astype(np.float32), size) for maps in (face.mattes, face.keeps))
    return Increment(edit_mask(person[None], feather=feather) * keep, matrix)


def add_increment(
    frame: Frame,
    layer: Layer,
    increment: Increment,
    exposure: float,
    edit: FaceEdit,
    tools: Tools,
    limits: Array | None,
) -> tuple[Frame, CompositeReport]:
    """Warp an increment to the plate and give it back there; ``limits`` (H, W) or None."""
    window = frame.parts[layer.part].data_window
    delta, x0, y0 = warp_to_plate(increment.picture, increment.plate_from_crop, window.height, window.width)
    region = (slice(y0, y0 + delta.shape[1]), slice(x0, x0 + delta.shape[2]))
    plate = read_plate(frame, layer, region)
    d = delta.transpose(1, 2, 0)
    if limits is not None:
        d = d * limits[region][..., None]
    rgb, changed, counts = give_back(
        plate.rgb,
        np.ascontiguousarray(d, np.float32),
        plate_colour(frame, layer, edit.recipe, tools.ocio),
        exposure,
        alpha=plate.alpha,
        curve=tools.curve,
        limit=edit.recipe.detail_clamp or LARGEST_INCREMENT,
    )
    return frame.with_rgb(layer, rgb, changed, region), counts
