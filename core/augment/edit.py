"""One picture and its variants: inverted once, edited many times, each edit measured as it is made.

Every variant is synthesised beside the plain face in a batch of its own two, so that its pixels depend on nothing but
the picture and its strengths.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
import torch

from ..devices import device_errors
from ..directions.apply import apply_moves, check_strength
from ..faces.align import transform_points
from ..faces.base import Alignment, FaceCrop
from ..frame import Frame, Layer, Part, Window
from ..inversion.matte import input_image
from ..latent import Latent
from ..pipeline import Increment, Sight, composite, edit_area, face_change, placed, plate_colour, see_face
from ..preview import to_display
from ..recipe import EditRecipe
from ..score import cosines, stops
from ..scorer import ScorerNet
from ..sight import Plate, face_picture, locate_faces, overview, read_plate
from ..tools import Tools, load_identity, load_scorer
from .draws import Variant
from .filters import Measured
from .near import signature

Array = npt.NDArray[np.float32]
Doubles = npt.NDArray[np.float64]

FFHQ_SCALE, FFHQ_SHIFT = 1.0, 0.1
"""The framing of aligned crops: what other generators and recognisers are trained on (Karras et al. 2019)."""
LABEL_OF = {"skin_tone": "skin", "grey_hair": "grey", "light": "light_azimuth"}
"""The scorer's name of an attribute, where it has another one."""

MIN_STRENGTH = 0.25
"""In sigma: of a smaller edit the scorer sees little but what else was edited."""


@dataclass(frozen=True)
class Judges:
    """The networks that measure edits: ``identity`` and ``scorer``, or None where the model has none."""

    identity: ScorerNet | None
    scorer: ScorerNet | None


def open_judges(tools: Tools) -> Judges:
    """The model's own networks, on the tools' device. Raises GeneratorError for damaged ones."""
    identity, scorer = load_identity(tools.package), load_scorer(tools.package)
    return Judges(
        None if identity is None else identity.to(tools.device),
        None if scorer is None else scorer.to(tools.device),
    )


@dataclass(frozen=True)
class Made:
    """One variant: the edited ``frame``, and what was ``measured`` (None for the picture itself)."""

    variant: Variant
    frame: Frame
    measured: Measured | None


class Subject:
    """One picture with its face found and inverted. Raises FaceError if there is no such face, ColourError."""

    def __init__(self, frame: Frame, recipe: EditRecipe, tools: Tools, judges: Judges) -> None:
        self._frame, self._recipe, self._tools, self._judges = frame, recipe, tools, judges
        self.layer: Layer = frame.layer(recipe.layer)
        self._plate = read_plate(frame, self.layer)
        self.seen: Sight = see_face(frame, self.layer, recipe, tools, plate=self._plate)
        with device_errors(tools.device):
            self._latent: Latent = tools.inverter.invert(self.seen.crop)
        self._before = self._judged(self.seen.crop.image)
        self._rgb = self._plate.rgb

    @property
    def part(self) -> Part:
        """The part of the frame that is edited."""
        return self._frame.parts[self.layer.part]

    @property
    def signature(self) -> str:
        """What tells the picture from others that show the same."""
        return signature(self.seen.crop.image, self.seen.crop.mask[0])

    def variants(self, wanted: Iterable[Variant]) -> Iterator[Made]:
        """Make and measure one variant after the other. Raises RecipeError for strengths beyond the model's limits."""
        for variant in wanted:
            strengths = {name: value for name, value in variant.strengths.items() if value != 0.0}
            yield self._made(variant, strengths) if strengths else Made(variant, self._frame, None)

    def _made(self, variant: Variant, strengths: dict[str, float]) -> Made:
        for name, strength in strengths.items():
            check_strength(self._tools.library.get(name), strength)
        recipe, tools = self._recipe, self._tools
        with device_errors(tools.device):
            edited = apply_moves(self._latent, strengths, tools.library)
            change = face_change(self._latent, edited, self.seen.crop.fine, tools)
        area = edit_area(self.seen.crop, tools, recipe.mask_feather)
        frame, clamped = self._given_back(placed(recipe.mix * change, area))
        return Made(variant, frame, self.measure(frame, clamped, strengths))

    def _given_back(self, increment: Increment) -> tuple[Frame, int]:
        """The frame with an increment added to its face, and how many pixels were held back."""
        frame, counts = composite(
            self._frame, self.layer, self._plate, increment, self.seen, self._recipe, self._tools, None
        )
        return frame, counts.clamped

    def pasted(self, face: Array) -> Frame:
        """The frame with another ``face`` (3, R, R), encoded in [-1, 1], in place of its own, as a filter must see."""
        crop = self.seen.crop
        return self._given_back(placed(face - crop.image, Increment(crop.mask, crop.plate_from_crop)))[0]

    def measure(self, frame: Frame, clamped: int, strengths: Mapping[str, float]) -> Measured:
        """What became of the face in ``frame``, an edit of this picture by ``strengths`` in which ``clamped`` pixels
        were held back."""
        plate = read_plate(frame, self.layer)
        window = self.part.data_window
        picture, _, _ = face_picture(
            plate, self.seen.face, self.seen.colour, self.seen.exposure, self.part.pixel_aspect, self._tools
        )
        after = self._judged(picture)
        mask = self.seen.crop.mask[0] > 0.5
        area = max(1.0, float(mask.sum()) * abs(float(np.linalg.det(self.seen.crop.plate_from_crop[:2, :2]))))
        return Measured(
            identity=_cosine(self._before.identity, after.identity),
            sharpness=_energy(picture, mask) / max(_energy(self.seen.crop.image, mask), 1e-9),
            change=_change(self.seen.crop.image, picture, mask),
            clamped=min(1.0, clamped / area),
            not_finite=int((np.isfinite(self._rgb).all(-1) & ~np.isfinite(plate.rgb).all(-1)).sum()),
            drift=self._drift(plate, frame.number, window),
            effect=self._effect(after.scores, strengths),
        )

    def _drift(self, plate: Plate, number: int, window: Window) -> float | None:
        """How far the nearest face is from where it was, in eye distances; NaN without any, None if a track said it."""
        face = self.seen.face
        if face.source == "track":
            return None
        view = overview(plate, self.seen.colour, self._tools.curve, self.part.pixel_aspect)
        found = locate_faces(view, number, self._tools.locator, window, self.part.display_window)
        away = [float(np.linalg.norm(one.landmarks - face.landmarks, axis=1).mean()) for one in found]
        return min(away, default=float("nan")) / max(face.interocular_px, 1e-6)

    def _effect(self, scores: Doubles | None, strengths: Mapping[str, float]) -> dict[str, float]:
        scorer, before = self._judges.scorer, self._before.scores
        if scorer is None or scores is None or before is None:
            return {}
        moved = {}
        for name, strength in strengths.items():
            label = LABEL_OF.get(name, name)
            if label in scorer.names and abs(strength) >= MIN_STRENGTH:
                column = scorer.names.index(label)
                moved[name] = float(scores[column] - before[column]) / strength
        return moved

    def _judged(self, picture: Array) -> _Judged:
        """What the networks say of a crop (3, R, R) in [-1, 1]."""
        crop = self.seen.crop
        matted = input_image(
            FaceCrop(picture, crop.plate_from_crop, crop.matte, crop.mask, crop.valid),
            self._tools.alignment.resolution,
            matte=self._tools.package.card.matte,
        )
        with torch.inference_mode(), device_errors(self._tools.device):
            batch = torch.from_numpy(matted[None]).to(self._tools.device)
            said = [
                None if net is None else np.asarray(net.standardised(batch)[0].double().cpu().numpy())
                for net in (self._judges.identity, self._judges.scorer)
            ]
        return _Judged(*said)

    def aligned(self, frame: Frame, size: int) -> npt.NDArray[np.uint8]:
        """The face of an edited frame framed as FFHQ does, (size, size, 3) uint8, encoded as the generator sees it."""
        tools = replace(self._tools, alignment=Alignment(size, FFHQ_SCALE, FFHQ_SHIFT))
        plate = read_plate(frame, self.layer)
        seen = self.seen
        picture, _, _ = face_picture(
            plate, seen.face, seen.colour, seen.exposure, self.part.pixel_aspect, tools
        )
        unit = np.nan_to_num(0.5 * picture.transpose(1, 2, 0) + 0.5, nan=0.0)
        return np.asarray((np.clip(unit, 0.0, 1.0) * 255.0 + 0.5).astype(np.uint8))

    def face_box(self) -> tuple[float, float, float, float]:
        """(x0, y0, x1, y1) around all that may be edited, in pixels of the data window."""
        area = edit_area(self.seen.crop, self._tools)
        size = area.picture.shape[-1]
        points = transform_points(
            area.plate_from_crop, np.array([(0, 0), (size, 0), (0, size), (size, size)], np.float64)
        )
        low, high = points.min(0), points.max(0)
        return float(low[0]), float(low[1]), float(high[0]), float(high[1])


@dataclass(frozen=True)
class _Judged:
    identity: Doubles | None
    scores: Doubles | None


def display_picture(frame: Frame, layer: Layer, recipe: EditRecipe, tools: Tools) -> npt.NDArray[np.uint8]:
    """The layer as people see it, (H, W, 3) uint8 sRGB at its own exposure. Raises ColourError."""
    colour = plate_colour(frame, layer, recipe, tools.ocio)
    linear = colour.to_linear709(np.nan_to_num(frame.rgb(layer), nan=0.0, posinf=65504.0, neginf=0.0))
    return np.asarray(to_display(linear), dtype=np.uint8)


def _cosine(before: Doubles | None, after: Doubles | None) -> float | None:
    if before is None or after is None:
        return None
    return float(cosines([before], [after])[0])


def _energy(picture: Array, mask: npt.NDArray[np.bool_]) -> float:
    """Mean size of the gradient of a crop (3, R, R) inside ``mask`` (R, R)."""
    clean = np.nan_to_num(picture, nan=0.0)
    down, across = np.diff(clean, axis=1)[:, :, :-1], np.diff(clean, axis=2)[:, :-1, :]
    size = np.sqrt(down**2 + across**2).mean(axis=0)
    inside = mask[:-1, :-1]
    return float(size[inside].mean()) if inside.any() else 0.0


def _change(before: Array, after: Array, mask: npt.NDArray[np.bool_]) -> float:
    """Rms of the change of two crops (3, R, R) inside ``mask``, in stops of the encoded picture."""
    both = [
        stops(0.5 * np.nan_to_num(one, nan=-1.0).transpose(1, 2, 0) + 0.5)[mask] for one in (before, after)
    ]
    return float(np.sqrt(np.mean((both[1] - both[0]) ** 2))) if mask.any() else 0.0
