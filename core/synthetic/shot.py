"""Shots with known truth: a plate, and the same frames with one attribute changed and nothing else.

Camera, performance, light, backdrop, occluder and grain are shared by a plate and its truths, so the difference between
the two is the edit and nothing but the edit.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Protocol

import cv2
import numpy as np
import numpy.typing as npt

from ..errors import RecipeError
from .animation import Moment, Performance
from .camera import View, shot_view
from .edits import Edit
from .geometry import BACKGROUND, Bytes, Floats, Rendered
from .occluder import Occluder, over
from .params import FaceParams
from .photograph import PhotoSettings, add_grain

EYES_TO_CHIN = (0.195, 0.235)
"""From the eyes to the chin as a share of the picture's height: at HD a face is 370 to 440 px tall."""
EYES_AT = (0.40, 0.45)
"""Height of the eyes in the picture, from the top: the thirds of a medium close-up."""
DISTANCE = (11.0, 15.0)
"""Decimetres from camera to eyes."""
MARGIN = 0.08
"""The backdrop is larger than the picture by this share of its height on every side, for the camera to wander on."""
STRONGEST_GRAIN = 0.12
"""Deviation of grain 1 at mid-grey as a share of it: a pushed fast film."""
SHOWN = 2e-3
"""A clean truth differs from its clean plate where any channel does by more than this, in scene-linear light."""
SMALLEST, LARGEST = 64, 8192
PROBE_PX = 64

Mask = npt.NDArray[np.bool_]
BackdropMaker = Callable[[FaceParams, int, int], Floats]
"""Face, width and height -> a backdrop (H, W, 3), scene-linear ACEScg."""


class Renderer(Protocol):
    """The part of the face renderer that a shot needs."""

    def render(
        self, params: FaceParams, view: View, *, samples: int = 2, background: Floats | None = None
    ) -> Rendered: ...


@dataclass(frozen=True)
class ShotSettings:
    """One shot: ``frames`` from number ``first`` on, ``width`` x ``height`` pixels; ``grain`` in 0..1; ``samples`` on a
    pixel's side; ``made_with`` names renderer and assets, for shots of another one are other shots. Raises RecipeError
    for sizes and numbers that no shot has."""

    seed: int
    edits: tuple[Edit, ...] = ()
    frames: int = 48
    first: int = 1001
    width: int = 1920
    height: int = 1080
    occluder: bool = False
    grain: float = 0.25
    samples: int = 3
    made_with: str = ""

    def __post_init__(self) -> None:
        for name, low, high in (
            ("seed", 0, 2**31 - 1), ("frames", 1, 10_000), ("first", 0, 10_000_000), ("width", SMALLEST, LARGEST),
            ("height", SMALLEST, LARGEST), ("grain", 0.0, 1.0), ("samples", 1, 8),
        ):  # fmt: skip
            value = getattr(self, name)
            if not low <= value <= high:  # NaN is not, either
                raise RecipeError(
                    f"{name} {value:g} is outside {low:g}..{high:g}.",
                    where=name,
                    remedy="Choose a value inside the range.",
                )

    @property
    def numbers(self) -> range:
        """The frame numbers."""
        return range(self.first, self.first + self.frames)


@dataclass(frozen=True)
class Framing:
    """The camera of a whole shot: ``focal_px``, ``distance`` in decimetres, ``eyes_y`` pixels from the top."""

    focal_px: float
    distance: float
    eyes_y: float


@dataclass(frozen=True)
class FrameSet:
    """One frame of a shot, finished: pictures (H, W, 3) float32 scene-linear ACEScg with grain.

    ``truths`` and ``regions`` (H, W), where the clean pictures differ, by the edits' names; ``classes`` (H, W) class
    ids of the plate, background where the occluder covers it; ``landmarks`` (6, 2) of the plate in pixels; ``moment``
    what was shown.
    """

    plate: Floats
    truths: Mapping[str, Floats]
    regions: Mapping[str, Mask]
    classes: Bytes
    landmarks: npt.NDArray[np.float64]
    moment: Moment


def framing(settings: ShotSettings, base: FaceParams, renderer: Renderer) -> Framing:
    """Lens, distance and headroom of a shot: they follow from its seed and the size of the face at rest."""
    draws = np.random.default_rng([settings.seed, 0xF2A]).random(3)
    wanted, eyes_at, distance = (
        low + (high - low) * float(draw)
        for (low, high), draw in zip((EYES_TO_CHIN, EYES_AT, DISTANCE), draws, strict=True)
    )
    level = replace(base, pitch=0.0, roll=0.0)  # looking down must not count as a small face
    probe = shot_view(PROBE_PX, PROBE_PX, focal_px=distance * PROBE_PX / 6.0, distance=distance)
    six = np.asarray(renderer.render(level, probe, samples=1).six, np.float64)
    face_px = float(np.linalg.norm(six[:2].mean(axis=0) - six[5]))
    focal_px = distance * PROBE_PX / 6.0 * wanted * settings.height / face_px
    return Framing(focal_px, distance, eyes_at * settings.height)


def view_at(settings: ShotSettings, frame: Framing, moment: Moment) -> View:
    """The camera of one frame."""
    centre = (
        settings.width / 2 + moment.pan[0] * settings.height,
        frame.eyes_y + moment.pan[1] * settings.height,
    )
    return shot_view(
        settings.width,
        settings.height,
        focal_px=frame.focal_px * moment.zoom,
        distance=frame.distance,
        offset=moment.offset,
        centre=centre,
    )


class ShotMaker:
    """Renders the frames of one shot, in any order; the same frame always comes out the same.

    ``base`` is the unedited face at rest (``edits.plate_face``). Raises RecipeError if an edit cannot be shown on it.
    """

    def __init__(
        self, settings: ShotSettings, base: FaceParams, renderer: Renderer, backdrop: BackdropMaker
    ) -> None:
        for edit in settings.edits:
            edit.refuse_impossible(base)
        self.settings = settings
        self.framing = framing(settings, base, renderer)
        self.performance = Performance(base, settings.seed)
        self._renderer = renderer
        margin = round(MARGIN * settings.height)
        self._margin = margin
        self._backdrop = backdrop(base, settings.width + 2 * margin, settings.height + 2 * margin)
        self._occluder = Occluder(settings.seed) if settings.occluder else None

    def frame(self, number: int) -> FrameSet:
        """Render plate and truths of one frame."""
        settings = self.settings
        moment = self.performance.at(number - settings.first)
        view = view_at(settings, self.framing, moment)
        behind = self._behind(moment)
        plate = self._renderer.render(moment.params, view, samples=settings.samples, background=behind)
        clean = {
            edit.name: self._renderer.render(
                edit.applied(moment.params), view, samples=settings.samples, background=behind
            ).colour
            for edit in settings.edits
        }
        classes, colour = plate.classes, plate.colour
        if self._occluder is not None:
            post = self._occluder.drawn(
                settings.width, settings.height, number - settings.first, moment.params
            )
            colour, clean = over(colour, *post), {name: over(one, *post) for name, one in clean.items()}
            classes = np.where(post[1] > 0.5, np.uint8(BACKGROUND), classes).astype(np.uint8)
        regions = {
            name: np.asarray((np.abs(one - colour) > SHOWN).any(axis=-1)) for name, one in clean.items()
        }
        grain = self._grain(colour, number)
        return FrameSet(
            colour + grain,
            {name: one + grain for name, one in clean.items()},
            regions,
            classes,
            np.asarray(plate.six, np.float64),
            moment,
        )

    def _behind(self, moment: Moment) -> Floats:
        """The backdrop as this frame's camera sees it: it stands still, the camera wanders."""
        dx, dy = (self._margin + shift * self.settings.height for shift in (-moment.pan[0], -moment.pan[1]))
        move = np.array([[1.0, 0.0, dx], [0.0, 1.0, dy]])
        size = (self.settings.width, self.settings.height)
        flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
        moved = cv2.warpAffine(self._backdrop, move, size, flags=flags, borderMode=cv2.BORDER_REPLICATE)
        return np.asarray(moved, np.float32)

    def _grain(self, clean: Floats, number: int) -> Floats:
        """The plate's grain (H, W, 3) as light to be added: its truths get the very same."""
        settings = PhotoSettings(
            grain_strength=STRONGEST_GRAIN * self.settings.grain,
            grain_size=max(1.0, 1.6 * self.settings.height / 1080),
            grain_seed=self.settings.seed * 1_000_003 + number,
        )
        return np.asarray(add_grain(clean, settings) - clean, np.float32)
