"""Who a face is, as the model's identity network sees it: the same place, exposure and matte in plate and output."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
import torch

from ..devices import device_errors
from ..errors import FaceError
from ..faces.base import Face, FaceCrop
from ..inversion.matte import input_image
from ..pipeline import plate_colour
from ..score import cosines
from ..scorer import ScorerNet
from ..sight import face_picture
from ..tools import Tools, load_identity
from .analysis import Analysis
from .crops import plate_aspect, resized
from .looks import Opened
from .shot import Shot
from .temporal_metrics import IdentityOverTime, identity_over_time

Doubles = npt.NDArray[np.float64]


class FaceEmbedder:
    """Embeds the faces of one analysed shot; ``open_embedder`` makes one."""

    def __init__(self, net: ScorerNet, shot: Shot, analysis: Analysis, tools: Tools) -> None:
        self._net, self._shot, self._analysis, self._tools = net, shot, analysis, tools

    def embed(self, pictures: tuple[Opened, ...], number: int, name: str) -> Doubles | None:
        """Embeddings (P, E) of one face in each of these pictures of one frame, which differ in their pixels alone.

        None where the face is missing, lies outside the frame, or has no usable pixel. Raises DataError for a frame
        that was not analysed, ColourError and DeviceError.
        """
        row, face = self._analysis.row(number), self._analysis.face(name)
        if face.track.statuses[row] == "missing":
            return None
        place = Face(face.track.landmarks[row], 1.0, "shot")
        size = self._tools.alignment.resolution
        matte = resized(face.mattes[row].astype(np.float32), size)[None]
        images = []
        try:
            for one in pictures:
                colour = plate_colour(one.frame, one.layer, self._shot.faces[0].recipe, self._tools.ocio)
                aspect = plate_aspect(one.pixel_aspect)
                image, matrix, valid = face_picture(
                    one.plate, place, colour, face.exposure, aspect, self._tools
                )
                crop = FaceCrop(image, matrix, matte, matte, valid)
                images.append(input_image(crop, size, matte=self._tools.package.card.matte))
        except FaceError:
            return None
        with torch.inference_mode(), device_errors(self._tools.device):
            batch = torch.from_numpy(np.stack(images)).to(self._tools.device)  # (P, 3, R, R)
            return np.asarray(self._net.standardised(batch).double().cpu().numpy())


def open_embedder(shot: Shot, analysis: Analysis, tools: Tools) -> FaceEmbedder | None:
    """An embedder with the model's own identity network; None if the model has none. Raises GeneratorError."""
    net = load_identity(tools.package)
    return None if net is None else FaceEmbedder(net.to(tools.device), shot, analysis, tools)


@dataclass
class FaceHistory:
    """The embeddings (E,) of one face over a shot, as they come; ``to_plate`` has every frame's cosine of output and
    plate."""

    plates: list[Doubles] = field(default_factory=list)
    outputs: list[Doubles] = field(default_factory=list)
    is_neighbour: list[bool] = field(default_factory=list)
    to_plate: list[float] = field(default_factory=list)

    def add(self, plate: Doubles, output: Doubles, *, is_neighbour: bool) -> tuple[float, float] | None:
        """Add the next frame; the cosines of outputs and of plates with the one before if that ``is_neighbour``."""
        pair = None
        if is_neighbour:
            local = cosines([self.outputs[-1], self.plates[-1]], [output, plate])
            pair = float(local[0]), float(local[1])
        self.plates.append(plate)
        self.outputs.append(output)
        self.is_neighbour.append(is_neighbour)
        self.to_plate.append(float(cosines([plate], [output])[0]))
        return pair

    def over_time(self) -> IdentityOverTime | None:
        """The figures of the shot, of true neighbours and of all pairs; None without any frame."""
        if not self.plates:
            return None
        every = identity_over_time(np.stack(self.plates), np.stack(self.outputs))
        kept = np.array(self.is_neighbour[1:], np.bool_)
        return IdentityOverTime(
            every.local[kept], every.plate_local[kept], every.overall, every.plate_overall
        )
