"""Where an edit may act around the generator's square: an analysis knows what hides the face within it, not beyond.

What hides the square's border goes on outside, nobody knows where: a hand before the background is no cover of the
face, but its arm may lie on the neck. So while anything is seen to reach the border, and shortly before and after, the
surroundings are left alone.
"""

from __future__ import annotations

import cv2
import numpy as np
import numpy.typing as npt

from ..faces.align import square_from_landmarks, transform_points
from ..faces.base import Alignment, Surround, border_window
from ..faces.crop import pitch_of, resized
from ..frame import Window
from .analysis import FaceAnalysis

Array = npt.NDArray[np.float32]

NEAR, FAR = 6, 12
"""Within so many frames of a cover at the border the surroundings are left alone; up to the second less and less."""


def kept_around(
    face: FaceAnalysis, row: int, surround: Surround, alignment: Alignment, window: Window, aspect: float
) -> Array:
    """``FaceAnalysis.keeps`` of one frame in the refiner's square, (1, S, S) float32 in [0, 1].

    ``alignment`` is the generator's, ``aspect`` a pixel's width by its height; ``window`` is the plate's data window,
    and what lies outside it hides nothing.
    """
    within = resized(face.keeps[row].astype(np.float32), surround.inner)
    if not any(surround.margins):
        return np.asarray(within[None], np.float32)
    share = _share_around(face, row, alignment, window, aspect)
    kept = np.full((surround.size, surround.size), share, np.float32)
    fall = border_window(surround.inner)  # the edit ends softly where it would end without surroundings
    kept[surround.inside] = np.minimum(within, 1.0 - (1.0 - fall) * (1.0 - share))
    return np.asarray(kept[None], np.float32)


def _share_around(face: FaceAnalysis, row: int, alignment: Alignment, window: Window, aspect: float) -> float:
    """How much of an edit the surroundings get in one frame; frames without the face say nothing."""
    share = 1.0
    for other in range(max(0, row - FAR), min(len(face.keeps), row + FAR + 1)):
        late = (abs(other - row) - NEAR) / (FAR - NEAR)
        if face.track.statuses[other] != "missing" and late < share:
            share = min(share, max(_border_kept(face, other, alignment, window, aspect), late))
    return share


def _border_kept(face: FaceAnalysis, row: int, alignment: Alignment, window: Window, aspect: float) -> float:
    """The least of a frame's map at its border, as far as that lies well inside the plate."""
    keep = face.keeps[row].astype(np.float32)
    size = keep.shape[-1]
    speck = (
        2 * round(size / 32) + 1
    )  # single pixels that are not finite hide nothing; covers are kept clear of
    keep = np.asarray(cv2.dilate(keep, np.ones((speck, speck), np.uint8)), np.float32)
    low = keep < 1.0
    low[1:-1, 1:-1] = False
    if not low.any():
        return 1.0
    square = square_from_landmarks(
        face.track.landmarks[row] * (aspect, 1.0), Alignment(size, alignment.scale, alignment.shift)
    )
    rows, columns = np.nonzero(low)
    points = transform_points(square, np.stack([columns, rows], -1) + 0.5)
    clear = pitch_of(square)  # the map's own edge is soft
    extent = np.array([window.width * aspect, window.height])
    inside = ((points > clear) & (points < extent - clear)).all(-1)
    return float(keep[low][inside].min(initial=1.0))
