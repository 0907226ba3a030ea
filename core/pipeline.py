"""The path of one frame: read this file first.

``render_frame`` is the whole product in nine steps. Reading and writing files is left to the caller (``read_frame``,
``write_frame``), and so are loops over frames, progress and devices.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch

from .colour import PlateColour, resolve_colour
from .composite import LARGEST_INCREMENT, CompositeReport, give_back
from .devices import device_errors
from .directions.apply import apply_moves, check_strength
from .faces.base import Face, FaceCrop
from .faces.crop import warp_to_plate
from .frame import Frame, Layer
from .latent import Latent
from .recipe import EditRecipe
from .sight import cut_face, locate_faces, overview, pick_face, suited_exposure
from .tools import ToolOptions, Tools, open_tools

__all__ = ["RenderReport", "RenderResult", "ToolOptions", "Tools", "open_tools", "render_frame"]

Array = npt.NDArray[np.float32]
NOTHING = CompositeReport()


@dataclass(frozen=True)
class Sight:
    """What was seen in a frame: its ``colour``, the chosen ``face`` out of ``faces_found``, the ``exposure`` that suits
    it (keep it for the shot), the ``crop`` the generator gets, and the ``plate`` (H, W, 3) as stored."""

    colour: PlateColour
    face: Face
    faces_found: int
    exposure: float
    crop: FaceCrop
    plate: Array


@dataclass(frozen=True)
class RenderReport:
    """What was done to one frame: ``strengths`` in sigma, what was ``seen`` and its ``latent`` (None if nothing was
    asked), and the give-back's pixel counts."""

    strengths: dict[str, float]
    seen: Sight | None = None
    latent: Latent | None = None
    composite: CompositeReport = NOTHING


@dataclass(frozen=True)
class RenderResult:
    """The edited frame; every pixel, channel and header field that the edit did not ask for is the plate's own."""

    frame: Frame
    report: RenderReport


def render_frame(
    frame: Frame,
    recipe: EditRecipe,
    tools: Tools,
    *,
    matte: Array | None = None,
    on_stage: Callable[[str], None] = lambda stage: None,
) -> RenderResult:
    """Edit the face of one frame; with all strengths (or the mix) at 0 the plate comes back untouched.

    ``matte`` (H, W) in [0, 1] over the data window limits the edit further; ``on_stage`` is told what begins.
    Raises FaceError if there is no such face, RecipeError, GeneratorError, ColourError, DeviceError.
    """
    layer = frame.layer(recipe.layer)
    strengths = recipe.strengths_at(frame.number)
    for name, strength in strengths.items():
        check_strength(tools.library.get(name), strength)
    if not strengths or recipe.mix == 0.0 or (matte is not None and not np.any(matte)):
        return RenderResult(frame, RenderReport(strengths))

    seen = see_face(frame, layer, recipe, tools, on_stage)  # colour, locate, crop

    on_stage("invert")  # the latent that makes the generator draw this face
    with device_errors(tools.device):
        latent = tools.inverter.invert(seen.crop)

        on_stage("edit")  # pure arithmetic on the latent
        edited = apply_moves(latent, strengths, tools.library)

        on_stage("synthesise")  # the face as the generator sees it, before and after
        before, after = synthesise_pair(latent, edited, tools)

    on_stage("composite")  # only the difference goes back into the plate
    increment = 0.5 * recipe.mix * (after - before) * seen.crop.mask  # (3, R, R), encoded domain [0, 1]
    result, counts = composite(frame, layer, increment, seen, recipe, tools, matte)
    return RenderResult(result, RenderReport(strengths, seen, latent, counts))


def see_face(
    frame: Frame,
    layer: Layer,
    recipe: EditRecipe,
    tools: Tools,
    on_stage: Callable[[str], None] = lambda stage: None,
) -> Sight:
    """The first half of the path: colour, locate, crop. Raises FaceError or ColourError."""
    on_stage("colour")  # plate space -> linear Rec.709 -> the generator's encoding, on a reduced picture
    plate = frame.rgb(layer)
    part = frame.parts[layer.part]
    colour = plate_colour(frame, layer, recipe, tools)
    view = overview(plate, colour, tools.curve, recipe.exposure, part.pixel_aspect)

    on_stage("locate")  # where is the face?
    faces = locate_faces(view, frame.number, tools.locator, part.data_window, part.display_window)
    face = pick_face(faces, recipe.face, frame.number, frame.path)
    exposure = recipe.exposure or suited_exposure(view, face)

    on_stage("crop")  # bring it to the generator's framing; what is person and what is background?
    crop = cut_face(plate, face, colour, exposure, view.pixel_aspect, tools, recipe.mask_feather)
    return Sight(colour, face, len(faces), exposure, crop, plate)


def plate_colour(frame: Frame, layer: Layer, recipe: EditRecipe, tools: Tools) -> PlateColour:
    """Resolve the plate's colour space from the user's word, the header, the file name and the config."""
    chromaticities = frame.header_value(layer, "chromaticities")
    numbers = np.asarray(chromaticities if chromaticities is not None else (), dtype=np.float64).ravel()
    return resolve_colour(
        frame.path,
        chromaticities=tuple(float(v) for v in numbers) if len(numbers) else None,
        interop_id=str(frame.header_value(layer, "colorInteropID") or ""),
        display_referred=frame.is_display_referred,
        colourspace=recipe.colourspace,
        ocio=tools.ocio,
    )


def synthesise_pair(latent: Latent, edited: Latent, tools: Tools) -> tuple[Array, Array]:
    """The pictures (3, R, R) of both latents, from one batch so that equal latents give equal pictures."""
    with torch.inference_mode():
        ws = torch.from_numpy(np.stack([latent.ws, edited.ws])).to(tools.device)
        images = tools.generator.synthesise(ws).float().cpu().numpy()
    return images[0], images[1]


def composite(
    frame: Frame,
    layer: Layer,
    increment: Array,
    seen: Sight,
    recipe: EditRecipe,
    tools: Tools,
    matte: Array | None,
) -> tuple[Frame, CompositeReport]:
    """Warp the increment (3, R, R) to the plate and add it there; rows and columns outside are not looked at."""
    plate = seen.plate
    alpha = None if frame.is_display_referred else frame.alpha(layer)
    height, width = plate.shape[:2]
    delta, x0, y0 = warp_to_plate(increment, seen.crop.plate_from_crop, height, width)
    region = (slice(y0, y0 + delta.shape[1]), slice(x0, x0 + delta.shape[2]))
    d = delta.transpose(1, 2, 0)
    if matte is not None:
        d = d * matte[region][..., None]
    rgb, changed_here, counts = give_back(
        plate[region],
        np.ascontiguousarray(d, np.float32),
        seen.colour,
        seen.exposure,
        alpha=None if alpha is None else alpha[region],
        curve=tools.curve,
        limit=recipe.detail_clamp or LARGEST_INCREMENT,
    )
    edited, changed = plate.copy(), np.zeros((height, width), bool)
    edited[region], changed[region] = rgb, changed_here
    return frame.with_rgb(layer, edited, changed), counts
