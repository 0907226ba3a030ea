"""What the engine looks at: a small view of the plate to find faces in, and the crop the generator gets.

Only the reduced view and the crop's own region are converted and encoded, never the whole plate.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import cv2
import numpy as np
import numpy.typing as npt

from .colour import PlateColour, choose_exposure
from .curve import Curve, picture_from_linear
from .errors import FaceError
from .faces.align import crop_from_plate, plate_from_crop, surrounding, transform_points
from .faces.base import Face, FaceCrop, FaceLocator, FineFace, Matrix, Surround, border_window
from .faces.crop import crop_plate, mended, pitch_of, rescaled, resized
from .faces.detail import fine_size
from .faces.mask import FEATHER, edit_mask, landmark_matte
from .faces.track import TrackLocator
from .frame import WHOLE, Frame, Layer, Region, Window
from .tools import Tools

Array = npt.NDArray[np.float32]

VIEW_PX = 800
"""Longest side of the view: the locator scans 640 px and looks at faces in 64 px, so more would only cost time."""
LIGHT = 4.0
"""Scene-linear light, times the exposure, that no skin reflects: a lamp or its mirror image. The refiner does not see
it, so it neither moves nor dims it."""
MARGIN_PX = 8  # around the crop's region, for the filters at its edge


@dataclass(frozen=True)
class Plate:
    """A layer's pixels in the plate's own space: ``rgb`` (H, W, 3) float32, premultiplied with ``alpha`` (H, W)
    float32, which is None where all of it is opaque."""

    rgb: Array
    alpha: Array | None = None


def read_plate(frame: Frame, layer: Layer, region: Region = WHOLE) -> Plate:
    """The pixels of a layer over its data window, or a ``region`` of its rows and columns; the alpha of stills is
    straight and so of no concern here."""
    alpha = None if frame.is_display_referred else frame.alpha(layer, region)
    # NaN is neither; a region may be empty
    is_opaque = alpha is None or bool(alpha.min(initial=1.0) >= 1.0 and alpha.max(initial=1.0) < np.inf)
    return Plate(frame.rgb(layer, region), None if is_opaque else alpha)


def straight(rgb: Array, alpha: Array | None) -> Array:
    """Colours (h, w, 3) without the coverage they were multiplied with; where alpha is 0, above 1 or not a number there
    is nothing to divide by, and they stay."""
    if alpha is None:
        return np.ascontiguousarray(rgb, np.float32)
    partly = (alpha > 0.0) & (alpha < 1.0)
    if not partly.any():
        return np.ascontiguousarray(rgb, np.float32)
    with np.errstate(over="ignore", invalid="ignore"):  # light over almost no coverage; NaN that signals
        return np.asarray(rgb / np.where(partly, alpha, np.float32(1.0))[..., None], np.float32)


@dataclass(frozen=True)
class View:
    """A reduced plate: ``linear`` (h, w, 3) scene-linear Rec.709, ``picture`` (h, w, 3) in [0, 1] as the generator
    encodes it, pixels made square; ``scale`` (2,) view pixels per plate pixel in x and y."""

    linear: Array
    picture: Array
    scale: tuple[float, float]
    pixel_aspect: float


def encoded(linear: Array, exposure: float, curve: Curve) -> Array:
    """Scene-linear Rec.709 -> the generator's encoding in [0, 1]."""
    return np.asarray(0.5 * picture_from_linear(linear, exposure, curve) + 0.5, dtype=np.float32)


def overview(plate: Plate, colour: PlateColour, curve: Curve, pixel_aspect: float) -> View:
    """Reduce a plate to a view with square pixels.

    Its exposure is the whole frame's own, whatever the recipe asks for: a frame shows the locator the same picture
    alone and inside a shot.
    """
    height, width = plate.rgb.shape[:2]
    aspect = pixel_aspect if np.isfinite(pixel_aspect) and 0.1 <= pixel_aspect <= 10.0 else 1.0
    shrink = min(1.0, VIEW_PX / max(width * aspect, height))
    size = (max(1, round(width * aspect * shrink)), max(1, round(height * shrink)))
    small = straight(_reduced(plate.rgb, size), None if plate.alpha is None else _reduced(plate.alpha, size))
    small = np.nan_to_num(small, nan=0.0, posinf=65504.0, neginf=0.0)  # a bad pixel costs its cell, no more
    linear = colour.to_linear709(small)
    picture = encoded(linear, choose_exposure(linear), curve)
    return View(linear, picture, (size[0] / width, size[1] / height), aspect)


def _reduced(pixels: Array, size: tuple[int, int]) -> Array:
    """(H, W, ...) averaged to ``size`` (width, height)."""
    if size == (pixels.shape[1], pixels.shape[0]):
        return pixels
    return np.asarray(cv2.resize(pixels, size, interpolation=cv2.INTER_AREA), dtype=np.float32)


def locate_faces(
    view: View, number: int, locator: FaceLocator, data: Window, display: Window
) -> tuple[Face, ...]:
    """All faces, largest first, in pixels of the data window's array.

    A track needs no picture, but the windows: it speaks of the display window, and with overscan or a crop that does
    not begin where the array does.
    """
    if isinstance(locator, TrackLocator):
        return locator.locate_in(display, data, view.pixel_aspect, number)
    scale = np.array(view.scale)
    return tuple(replace(f, landmarks=f.landmarks / scale) for f in locator.locate(view.picture, number))


def pick_face(faces: tuple[Face, ...], index: int, number: int, path: str) -> Face:
    """The face asked for, counted from the largest. Raises FaceError if there are too few."""
    where = f"frame {number} of {path}" if path else f"frame {number}"
    if not faces:
        raise FaceError(
            "No face found.", where=where, remedy="Give a track with --track, or set the exposure by hand."
        )
    if not 0 <= index < len(faces):
        raise FaceError(
            f"Face {index} was asked for, but {len(faces)} were found (counted from 0, largest first).",
            where=where,
            remedy="Choose a smaller --face number.",
        )
    return faces[index]


def suited_exposure(view: View, face: Face) -> float:
    """The power of two that brings the face's median luminance to the middle of the generator's range."""
    points = face.landmarks * view.scale
    low = np.maximum(np.floor(points.min(0)).astype(int), 0)
    high = np.maximum(np.ceil(points.max(0)).astype(int), 0)
    region = view.linear[low[1] : high[1], low[0] : high[0]]
    return choose_exposure(region if region.size else view.linear)


def region_of(matrix: Matrix, resolution: int, height: int, width: int) -> tuple[int, int, int, int]:
    """(x0, y0, x1, y1) of the plate that a crop's square covers, with a margin; empty if it misses the plate."""
    corners = np.array([(0, 0), (resolution, 0), (0, resolution), (resolution, resolution)], np.float64)
    points = transform_points(matrix, corners)
    low = np.floor(points.min(0)).astype(int) - MARGIN_PX
    high = np.ceil(points.max(0)).astype(int) + MARGIN_PX
    return max(low[0], 0), max(low[1], 0), min(high[0], width), min(high[1], height)


def face_region(
    face: Face, pixel_aspect: float, tools: Tools, height: int, width: int
) -> tuple[int, int, int, int]:
    """(x0, y0, x1, y1) of a plate that the face's square covers, or the refiner's around it, with a margin.

    Raises FaceError if the face lies outside the plate, or is too small to have a square.
    """
    size, matrix = tools.alignment.resolution, _matrix(face, pixel_aspect, tools)
    x0, y0, x1, y1 = region_of(matrix, size, height, width)
    if x1 - x0 <= 2 * MARGIN_PX or y1 - y0 <= 2 * MARGIN_PX:
        raise FaceError(
            "The face lies outside the frame.",
            where=f"landmarks around {face.landmarks.mean(0).round(1).tolist()}",
            remedy="Leave this frame out, or correct the track.",
        )
    if tools.refiner is None:
        return x0, y0, x1, y1
    surround = tools.refiner.surround
    return region_of(surrounding(matrix, size, surround), surround.size, height, width)


def _matrix(face: Face, pixel_aspect: float, tools: Tools) -> Matrix:
    """``plate_from_crop`` of the face. Raises FaceError if its landmarks do not span a square."""
    squeeze = np.diag([1.0 / pixel_aspect, 1.0, 1.0])  # square pixels -> plate pixels
    try:
        return squeeze @ plate_from_crop(_squared(face, pixel_aspect), tools.alignment)
    except ValueError as err:
        raise FaceError(
            "The face is too small or its landmarks fall together.",
            where=f"eyes {face.interocular_px:.1f} px apart",
            remedy="Leave this frame out, or give a track of a larger face.",
        ) from err


def cut_face(
    plate: Plate,
    face: Face,
    colour: PlateColour,
    exposure: float,
    pixel_aspect: float,
    tools: Tools,
    feather: float = 0.0,
) -> FaceCrop:
    """Warp the face to the generator's framing, matte it, and shape the mask the edit may act in.

    ``feather`` widens the mask's soft edge, as a share of the crop. Pixels that are not finite, infinities of either
    sign included, count as missing: they tell nothing of the face, and giving back leaves them alone. Raises FaceError
    if the face lies outside the plate.
    """
    pixels, matrix, shift = _encoded_region(plate, face, colour, exposure, pixel_aspect, tools)
    size = tools.alignment.resolution
    image, valid = _picture(pixels, shift @ matrix, size)
    if tools.segmenter is not None:
        matte = tools.segmenter.matte(image)[0]
    else:
        square = _squared(face, pixel_aspect)
        landmarks = transform_points(crop_from_plate(square, tools.alignment), square.landmarks)
        matte = landmark_matte(landmarks, size)
    mask = (edit_mask(matte, feather=FEATHER + feather) * valid).astype(np.float32)
    fine = None if tools.refiner is None else _fine(pixels, shift @ matrix, tools, matte)
    return FaceCrop(image, matrix, matte, mask, valid, fine)


def fine_face(
    plate: Plate,
    face: Face,
    colour: PlateColour,
    exposure: float,
    pixel_aspect: float,
    tools: Tools,
    matte: Array | None,
    keep: Array | None = None,
) -> FineFace | None:
    """``FaceCrop.fine`` alone, for a ``matte`` (1, R, R) that is known; None for models without a refiner.

    A ``matte`` of None takes everything for the person. ``keep`` (1, S, S), in the refiner's square, is 0 where
    something passes before the face. Raises FaceError if the face lies outside the plate.
    """
    if tools.refiner is None:
        return None
    pixels, matrix, shift = _encoded_region(plate, face, colour, exposure, pixel_aspect, tools)
    return _fine(pixels, shift @ matrix, tools, matte, keep)


def _fine(
    pixels: Array, matrix: Matrix, tools: Tools, matte: Array | None, keep: Array | None = None
) -> FineFace:
    """The refiner's view out of encoded ``pixels``, whose place in the generator's crop ``matrix`` tells."""
    assert tools.refiner is not None
    surround = tools.refiner.surround
    square = surrounding(matrix, tools.alignment.resolution, surround)
    size = fine_size(square, surround.size, surround.size)
    light = float(tools.curve.encode(np.float32(LIGHT)))
    bright = (pixels > light).any(-1, keepdims=True)
    unlit = np.where(bright, np.float32(np.nan), pixels)
    # a grey spot would be moved over the sound pixels beside it
    image, valid = mended(*_picture(unlit, rescaled(square, surround.size, size), size))
    image = np.nan_to_num(image, nan=0.0, posinf=0.0, neginf=0.0)
    seen = resized(valid, surround.size)
    if bright.any():  # what is not shown to the refiner may be edited all the same
        seen = mended(*_picture(pixels, square, surround.size))[1]
    if matte is None:
        person = np.ones_like(seen)
    else:
        person = _person_around(resized(image, surround.size), matte, surround, tools)
    shown = np.ones_like(seen) if keep is None else keep
    told = valid * resized(person * shown, size) if tools.package.card.matte else valid
    picture, allowed = (image * told).astype(np.float32), (seen * shown).astype(np.float32)
    return FineFace(picture, person, allowed, pitch_of(rescaled(square, surround.size, size)))


def _person_around(image: Array, matte: Array, surround: Surround, tools: Tools) -> Array:
    """The person in the refiner's square (1, S, S): what ``matte`` (1, R, R) says of the generator's, and the segmenter
    around it; without one nothing beyond the generator's square is the person."""
    rows, columns = surround.inside
    within = resized(matte, surround.inner)
    if not any(surround.margins):
        return within
    person = np.zeros((1, surround.size, surround.size), np.float32)
    share = border_window(surround.inner)
    if tools.segmenter is None:
        person[:, rows, columns] = share * within
        return person
    person = tools.segmenter.matte(image)[0].copy()
    person[:, rows, columns] += share * (within - person[:, rows, columns])
    return person


def face_picture(
    plate: Plate, face: Face, colour: PlateColour, exposure: float, pixel_aspect: float, tools: Tools
) -> tuple[Array, Matrix, Array]:
    """The face in the generator's framing, without a matte.

    Returns the image (3, R, R) float32 encoded in [-1, 1], ``plate_from_crop`` (3, 3), and the share of each pixel that
    lies on usable ones of the plate, (1, R, R) in [0, 1]. Raises FaceError if the face lies outside the plate.
    """
    pixels, matrix, shift = _encoded_region(plate, face, colour, exposure, pixel_aspect, tools)
    image, valid = _picture(pixels, shift @ matrix, tools.alignment.resolution)
    return image, matrix, valid


def _picture(pixels: Array, matrix: Matrix, size: int) -> tuple[Array, Array]:
    """Encoded pixels in a crop of ``size``, (3, size, size) in [-1, 1], and which of it is usable."""
    picture, valid = crop_plate(pixels, matrix, size)
    return (2.0 * picture - 1.0).astype(np.float32), valid


def _encoded_region(
    plate: Plate, face: Face, colour: PlateColour, exposure: float, pixel_aspect: float, tools: Tools
) -> tuple[Array, Matrix, Matrix]:
    """The part of the plate around the face, encoded, NaN where it is not finite; ``plate_from_crop``; and what brings
    plate pixels to the part's."""
    matrix = _matrix(face, pixel_aspect, tools)
    x0, y0, x1, y1 = face_region(face, pixel_aspect, tools, *plate.rgb.shape[:2])
    shift = np.array([[1.0, 0.0, -x0], [0.0, 1.0, -y0], [0.0, 0.0, 1.0]])
    region = (slice(y0, y1), slice(x0, x1))
    colours = straight(plate.rgb[region], None if plate.alpha is None else plate.alpha[region])
    pixels = encoded(colour.to_linear709(colours), exposure, tools.curve)
    pixels[~np.isfinite(colours).all(-1)] = np.nan
    return pixels, matrix, shift


def _squared(face: Face, pixel_aspect: float) -> Face:
    """The face in square pixels."""
    return replace(face, landmarks=face.landmarks * (pixel_aspect, 1.0))
