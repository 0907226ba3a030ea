"""Faces in a plate: landmarks, alignment, crop. Coordinates are (x, y) in pixels of the data window's array.

Pixel convention: x to the right, y down, the centre of the first pixel at (0.5, 0.5); so the array spans [0, W] x
[0, H]. Matrices are 3 x 3, act on column vectors (x, y, 1) and are called to_from_from.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float32]
Matrix = npt.NDArray[np.float64]

LANDMARK_NAMES = ("eye_l", "eye_r", "nose", "mouth_l", "mouth_r", "chin")
"""eye_l is the subject's left eye, on the viewer's right."""
BORDER = 0.10
"""Width of the fall to the border as a share of R; narrower ones show as a frame on strong edits."""


@dataclass(frozen=True)
class Face:
    """One located face: ``landmarks`` (6, 2) float64 in LANDMARK_NAMES order, plate pixels; ``score`` in [0, 1];
    ``source`` says who found it ("network", "track", "mediapipe")."""

    landmarks: Matrix
    score: float
    source: str

    @property
    def interocular_px(self) -> float:
        """Distance of the eyes in pixels."""
        return float(np.linalg.norm(self.landmarks[0] - self.landmarks[1]))


@dataclass(frozen=True)
class Alignment:
    """How a generator wants faces framed: the FFHQ similarity (Karras et al. 2019) with free scale and shift.

    The square's half axis is ``x = unit(eye_to_eye - rot90(eye_to_mouth)) * scale * max(2 |eye_to_eye|,
    1.8 |eye_to_mouth|)``, its centre ``eye_mid + shift * eye_to_mouth``. FFHQ: scale 1, shift 0.1.
    """

    resolution: int
    scale: float = 1.0
    shift: float = 0.1


@dataclass(frozen=True)
class Surround:
    """The square that a refiner sees: the generator's, with what lies around it.

    ``size`` pixels a side, of which ``margins`` (left, top, right, bottom) lie outside the generator's square. Raises
    ValueError for margins that leave no square.
    """

    size: int
    margins: tuple[int, int, int, int] = (0, 0, 0, 0)

    def __post_init__(self) -> None:
        left, top, right, bottom = self.margins
        if min(self.margins) < 0 or not 0 < self.size - left - right == self.size - top - bottom:
            raise ValueError(f"margins {self.margins} of {self.size} pixels leave no square")

    @property
    def inner(self) -> int:
        """Pixels a side of the generator's square."""
        return self.size - self.margins[0] - self.margins[2]

    @property
    def inside(self) -> tuple[slice, slice]:
        """Rows and columns of the generator's square."""
        left, top, _, _ = self.margins
        return slice(top, top + self.inner), slice(left, left + self.inner)


@dataclass(frozen=True)
class FineFace:
    """A face and its surroundings as the model's refiner sees them, in the square of its Surround of S pixels.

    ``picture`` (3, K, K) float32 in [-1, 1], background and what hides the face in grey: K is S, or up to eight times
    as much where the plate holds more (``detail.FACTORS``). ``matte`` (1, S, S) float32 in [0, 1] is the person,
    ``keep`` (1, S, S) is 1 where an edit may act: inside the plate, and where nothing passes before the face. ``pitch``
    is the size of one of the picture's pixels in pixels of the plate.
    """

    picture: Array
    matte: Array
    keep: Array
    pitch: float = 1.0


@dataclass(frozen=True)
class FaceCrop:
    """A face brought to the generator.

    ``image`` (3, R, R) float32 in [-1, 1], the generator's encoding, background NOT yet matted; ``plate_from_crop``
    (3, 3) float64 maps crop pixels to plate pixels; ``matte`` (1, R, R) float32 in [0, 1], 1 on the person (hair,
    skin, glasses), 0 on background and cloth; ``mask`` (1, R, R) float32 in [0, 1], where an edit may act (matte,
    feathered to 0 at the crop's border); ``valid`` (1, R, R) float32, 1 where the crop lies inside the plate.

    ``fine`` is the same face as the model's refiner sees it; None for models without one.
    """

    image: Array
    plate_from_crop: Matrix
    matte: Array
    mask: Array
    valid: Array
    fine: FineFace | None = None


class FaceLocator(Protocol):
    """Finds faces in a display-like picture."""

    def locate(self, picture: Array, number: int) -> tuple[Face, ...]:
        """``picture`` (H, W, 3) float32 in [0, 1], encoded Rec.709; ``number`` is the frame number.

        Returns the faces from the largest to the smallest; an empty tuple if there is none.
        """
        ...


def border_window(resolution: int, border: float = BORDER) -> Array:
    """(R, R) float32: 1 inside, 0 on the outermost pixels, a smooth step in between."""
    distance = np.minimum(np.arange(resolution), np.arange(resolution)[::-1]) / max(border * resolution, 1e-6)
    fall = smooth_step(distance)
    return (fall[:, None] * fall[None]).astype(np.float32)


def smooth_step(t: npt.NDArray[np.floating]) -> Array:
    """0 below 0, 1 above 1, with zero slope at both ends; any shape, float32."""
    t = np.clip(t, 0.0, 1.0)
    return np.asarray(t * t * (3.0 - 2.0 * t), np.float32)
