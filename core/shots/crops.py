"""Pass over the plates, second part: every face in its steady crop, what is person there, and what hides it.

A frame's crop is kept in the work folder under the digest of everything it follows from, so that an interrupted
analysis need not read its plate again. Maps are at most MAP_PX pixels wide: the segmenter sees no more.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save

from ..atomic import write_atomically
from ..errors import DataError, FaceError
from ..faces.base import Face, FaceCrop
from ..faces.crop import resized as resized
from ..io.sequences import FramePath
from ..pipeline import plate_colour
from ..sight import cut_face
from ..tools import Tools
from .analysis import PlateIdentity
from .analysis_store import writing
from .looks import open_plate
from .shot import Shot

Array = npt.NDArray[np.float32]
MAP_PX = 64


@dataclass(frozen=True)
class Place:
    """One face in one frame: ``row`` of the shot, its steady ``landmarks`` (6, 2), and the plate's identity."""

    row: int
    landmarks: npt.NDArray[np.float64]
    identity: PlateIdentity


@dataclass(frozen=True)
class CropFile:
    """A crop kept on disk: ``image`` (3, R, R) float16 is read when asked for; ``picture`` (3, M, M), ``face``,
    ``person`` and ``valid`` (M, M) float32 stay in memory; ``plate_from_crop`` (3, 3)."""

    row: int
    path: Path
    digest: str
    plate_from_crop: npt.NDArray[np.float64]
    picture: Array
    face: Array
    person: Array
    valid: Array

    def crop(
        self, matte: Array | None = None, fill: Array | None = None, keep: Array | None = None
    ) -> FaceCrop:
        """The crop as an inverter wants it.

        ``matte`` (M, M) instead of its own; where ``keep`` (M, M) is below 1, ``fill`` (3, M, M) is shown instead of
        what hides the face. Raises DataError if the file has vanished.
        """
        try:
            with safe_open(self.path, framework="np") as file:
                image = file.get_tensor("image").astype(np.float32)
        except (OSError, SafetensorError) as err:
            raise vanished(self.path) from err
        size = image.shape[-1]
        if keep is not None and fill is not None and float(keep.min()) < 1.0:
            share = resized(keep, size)
            image = image * share + resized(fill, size) * (1.0 - share)
        person = resized(self.person if matte is None else matte, size)[None]
        valid = resized(self.valid, size)[None]
        return FaceCrop(image, self.plate_from_crop, person, person, valid)


def cut_all(
    shot: Shot,
    plates: Sequence[FramePath],
    places: Sequence[Place],
    exposure: float,
    tools: Tools,
    work: Path,
    tell: Callable[[int], None] = lambda done: None,
) -> list[CropFile | None]:
    """The crop of every place, cut now or in an earlier run; None where the face lies outside the plate.

    ``tell`` gets the places done. Raises PlateError, ColourError, GeneratorError or DataError.
    """
    found: list[CropFile | None] = []
    for place in places:
        digest = crop_key(place, exposure, shot)
        path = work / f"crop.{digest[:32]}.safetensors"
        crop = _stored(place.row, path, digest)
        if crop is None and _cut(shot, plates[place.row], place, exposure, tools, path, digest):
            crop = _stored(place.row, path, digest)
            if crop is None:
                raise vanished(path)
        found.append(crop)
        tell(len(found))
    return found


def vanished(path: Path) -> DataError:
    """What to say of a crop that was there a moment ago."""
    return DataError(
        "A file of the running analysis has vanished or is damaged.",
        where=str(path),
        remedy="Do not clear the cache while a shot is analysed; the same command goes on where it stopped.",
    )


def crop_key(place: Place, exposure: float, shot: Shot) -> str:
    """64 hex digits for all that a crop follows from besides the model, which the work folder stands for."""
    told = [
        place.identity.sha256,
        place.landmarks.tolist(),
        exposure,
        shot.layer,
        shot.colourspace,
        shot.pixel_aspect,
    ]
    return hashlib.sha256(json.dumps(told).encode()).hexdigest()


def _cut(
    shot: Shot, plate: FramePath, place: Place, exposure: float, tools: Tools, path: Path, digest: str
) -> bool:
    """Cut one crop and store it; False if the face lies outside the plate."""
    opened = open_plate(plate, shot)
    colour = plate_colour(opened.frame, opened.layer, shot.faces[0].recipe, tools.ocio)
    face = Face(place.landmarks, 1.0, "shot")
    try:
        crop = cut_face(opened.plate, face, colour, exposure, plate_aspect(opened.pixel_aspect), tools)
    except FaceError:
        return False
    image = np.nan_to_num(crop.image, nan=0.0, posinf=1.0, neginf=-1.0)
    if tools.segmenter is None:
        person = feature = crop.matte[0]
    else:
        person, feature = (plane[0] for plane in tools.segmenter.matte(image)[:2])
    size = min(MAP_PX, image.shape[-1])
    tensors = {
        "image": image.astype(np.float16),
        "picture": resized(image, size),
        "face": resized(feature, size),
        "person": resized(person, size),
        "valid": resized(crop.valid[0], size),
        "plate_from_crop": crop.plate_from_crop,
    }
    with writing(path.parent):
        contiguous = {name: np.ascontiguousarray(values) for name, values in tensors.items()}
        write_atomically(path, save(contiguous, {"digest": digest}))
    return True


def plate_aspect(pixel_aspect: float) -> float:
    """As ``sight.overview`` reads it: square unless it is a sensible number."""
    return pixel_aspect if np.isfinite(pixel_aspect) and 0.1 <= pixel_aspect <= 10.0 else 1.0


def _stored(row: int, path: Path, digest: str) -> CropFile | None:
    """A crop of an earlier run, or None."""
    if not path.is_file():
        return None
    try:
        with safe_open(path, framework="np") as file:
            if (file.metadata() or {}).get("digest") != digest:
                return None
            names = ("picture", "face", "person", "valid")
            maps = {name: file.get_tensor(name) for name in names}
            return CropFile(row, path, digest, file.get_tensor("plate_from_crop"), **maps)
    except (OSError, SafetensorError, KeyError):
        return None
