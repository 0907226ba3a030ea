"""The path of one frame: read this file first.

``render_frame`` is the whole product in nine steps. Reading and writing files is left to the caller (``read_frame``,
``write_frame``), and so are loops over frames, progress and devices.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch

from .checks import expect_shape
from .colour import PlateColour
from .composite import LARGEST_INCREMENT, CompositeReport, give_back
from .devices import device_errors
from .directions.apply import apply_moves, check_strength
from .faces.align import surrounding
from .faces.base import Face, FaceCrop, FineFace, Matrix
from .faces.crop import rescaled, resized, warp_to_plate
from .faces.detail import with_detail
from .faces.mask import FEATHER, fine_mask
from .frame import Frame, Layer, Window
from .latent import Latent
from .plate_colour import header_chromaticities as header_chromaticities
from .plate_colour import plate_colour as plate_colour
from .recipe import EditRecipe
from .sight import Plate, cut_face, locate_faces, overview, pick_face, read_plate, suited_exposure
from .tools import ToolOptions, Tools, open_tools

__all__ = ["RenderReport", "RenderResult", "ToolOptions", "Tools", "open_tools", "render_frame"]

Array = npt.NDArray[np.float32]
NOTHING = CompositeReport()
log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Sight:
    """What was seen in a frame: its ``colour``, the chosen ``face`` out of ``faces_found``, the ``exposure`` that suits
    it (keep it for the shot), and the ``crop`` the generator gets."""

    colour: PlateColour
    face: Face
    faces_found: int
    exposure: float
    crop: FaceCrop


@dataclass(frozen=True)
class Increment:
    """What an edit adds to a face, or where it may act: ``picture`` (C, M, M) float32, in the encoded domain [0, 1]
    with its mask, and ``plate_from_crop`` (3, 3) from its pixels to the plate's."""

    picture: Array
    plate_from_crop: Matrix


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
    pixel_aspect: float = 0.0,
    on_stage: Callable[[str], None] = lambda stage: None,
) -> RenderResult:
    """Edit the face of one frame; with all strengths (or the mix) at 0 the plate comes back untouched.

    ``matte`` (H, W) in [0, 1] over the data window limits the edit further, and counts as 0 where it is not finite;
    ``pixel_aspect`` is a pixel's width by its height where the header does not say it (0: the header's); ``on_stage``
    is told what begins. Raises FaceError if there is no such face, RecipeError, GeneratorError,
    ColourError, DeviceError, and ValueError if the matte has another size.
    """
    layer = frame.layer(recipe.layer)
    limits = None if matte is None else finite_matte(matte, frame.parts[layer.part].data_window)
    strengths = recipe.strengths_at(frame.number)
    for name, strength in strengths.items():
        check_strength(tools.library.get(name), strength)
    if not strengths or recipe.mix == 0.0 or (limits is not None and not limits.any()):
        return RenderResult(frame, RenderReport(strengths))

    plate = read_plate(frame, layer)
    seen = see_face(frame, layer, recipe, tools, on_stage, plate=plate, pixel_aspect=pixel_aspect)

    on_stage("invert")  # the latent that makes the generator draw this face
    with device_errors(tools.device):
        latent = tools.inverter.invert(seen.crop)

        on_stage("edit")  # pure arithmetic on the latent
        edited = apply_moves(latent, strengths, tools.library)

        on_stage("synthesise")  # what changes in the face, by the generator and the refiner
        change = face_change(latent, edited, seen.crop.fine, tools)

    on_stage("composite")  # only the difference goes back into the plate
    increment = placed(recipe.mix * change, edit_area(seen.crop, tools, recipe.mask_feather))
    result, counts = composite(frame, layer, plate, increment, seen, recipe, tools, limits)
    return RenderResult(result, RenderReport(strengths, seen, latent, counts))


def finite_matte(matte: Array, window: Window) -> Array:
    """A matte as (H, W) float32, 0 where it is not finite. Raises ValueError unless it covers the data window."""
    values = np.asarray(matte)
    expect_shape(values, "H W", name="matte", H=window.height, W=window.width)
    return np.where(np.isfinite(values), values, 0.0).astype(np.float32)


def see_face(
    frame: Frame,
    layer: Layer,
    recipe: EditRecipe,
    tools: Tools,
    on_stage: Callable[[str], None] = lambda stage: None,
    *,
    plate: Plate | None = None,
    pixel_aspect: float = 0.0,
) -> Sight:
    """The first half of the path: colour, locate, crop. Raises FaceError or ColourError.

    ``plate`` saves reading the layer's pixels again. ``recipe.exposure`` decides how the crop is exposed, never where
    the face is found. ``pixel_aspect`` wins over the header's unless it is 0.
    """
    on_stage("colour")  # plate space -> linear Rec.709 -> the generator's encoding, on a reduced picture
    plate = plate or read_plate(frame, layer)
    part = frame.parts[layer.part]
    colour = plate_colour(frame, layer, recipe, tools.ocio)
    view = overview(plate, colour, tools.curve, pixel_aspect or part.pixel_aspect)

    on_stage("locate")  # where is the face?
    faces = locate_faces(view, frame.number, tools.locator, part.data_window, part.display_window)
    face = pick_face(faces, recipe.face, frame.number, frame.path)
    exposure = recipe.exposure or suited_exposure(view, face)

    on_stage("crop")  # bring it to the generator's framing; what is person and what is background?
    crop = cut_face(plate, face, colour, exposure, view.pixel_aspect, tools, recipe.mask_feather)
    return Sight(colour, face, len(faces), exposure, crop)


def synthesise_pair(latent: Latent, edited: Latent, tools: Tools) -> tuple[Array, Array]:
    """The pictures (3, R, R) of both latents, from one batch so that equal latents give equal pictures."""
    with torch.inference_mode():
        ws = torch.from_numpy(np.stack([latent.ws, edited.ws])).to(tools.device)
        images = tools.generator.synthesise(ws).float().cpu().numpy()
    return images[0], images[1]


def face_change(latent: Latent, edited: Latent, face: FineFace | None, tools: Tools) -> Array:
    """What the edit changes in the encoded face, (3, K, K) float32 in units of [-1, 1].

    ``face`` is ``FaceCrop.fine``, by which the model's refiner places the change; without it, or without a refiner, the
    change is the generator's own, in its own square. Equal latents give zeros.
    """
    before, after = synthesise_pair(latent, edited, tools)
    return refined_change(latent, edited, before, after, face, tools)


def refined_change(
    latent: Latent, edited: Latent, before: Array, after: Array, face: FineFace | None, tools: Tools
) -> Array:
    """``face_change`` where the generator's pictures (3, R, R) of both latents are there already."""
    if face is None or tools.refiner is None:
        return after - before
    step = np.mean(edited.ws.astype(np.float64) - latent.ws, axis=0).astype(np.float32)  # (w_dim,)
    seen = resized(face.picture, tools.refiner.surround.size)
    change, flow, drawn = tools.refiner.parts(seen, before, after, step)
    return with_detail(face.picture, change, flow, drawn, face.pitch)


def edit_area(crop: FaceCrop, tools: Tools, feather: float = 0.0) -> Increment:
    """Where a change that ``face_change`` gives may act, (1, M, M) in [0, 1]: in the generator's square, or in the
    refiner's around it. ``feather`` widens the soft edge, as a share of the generator's square."""
    if crop.fine is None or tools.refiner is None:
        return Increment(crop.mask, crop.plate_from_crop)
    surround, size = tools.refiner.surround, crop.image.shape[-1]
    mask = fine_mask(crop.fine, surround, feather=FEATHER + feather)
    return Increment(mask, surrounding(crop.plate_from_crop, size, surround))


def placed(change: Array, area: Increment) -> Increment:
    """What a change (3, K, K) in units of [-1, 1] adds to the plate in its ``area``, which covers the same square."""
    size, mask = change.shape[-1], area.picture
    picture = (0.5 * change * resized(mask, size)).astype(np.float32)
    return Increment(picture, rescaled(area.plate_from_crop, mask.shape[-1], size))


def composite(
    frame: Frame,
    layer: Layer,
    plate: Plate,
    increment: Increment,
    seen: Sight,
    recipe: EditRecipe,
    tools: Tools,
    matte: Array | None,
) -> tuple[Frame, CompositeReport]:
    """Warp the increment to the plate and add it there; rows and columns outside are not looked at."""
    height, width = plate.rgb.shape[:2]
    delta, x0, y0 = warp_to_plate(increment.picture, increment.plate_from_crop, height, width)
    region = (slice(y0, y0 + delta.shape[1]), slice(x0, x0 + delta.shape[2]))
    d = delta.transpose(1, 2, 0)
    if matte is not None:
        d = d * matte[region][..., None]
    rgb, changed, counts = give_back(
        plate.rgb[region],
        np.ascontiguousarray(d, np.float32),
        seen.colour,
        seen.exposure,
        alpha=None if plate.alpha is None else plate.alpha[region],
        curve=tools.curve,
        limit=recipe.detail_clamp or LARGEST_INCREMENT,
    )
    return frame.with_rgb(layer, rgb, changed, region), counts
