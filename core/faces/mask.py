"""Where an edit may act inside a crop: soft masks that reach exactly zero at the crop's border.

An edit is a difference that is pasted into the plate; if its mask were not zero at the border of the crop,
the crop's square would show as a seam. All functions are pure; pictures are (1, R, R) float32 in [0, 1].
"""

from __future__ import annotations

import cv2
import numpy as np
import numpy.typing as npt

from .base import BORDER, Array, FineFace, Matrix, Surround, border_window, smooth_step

FEATHER = 0.02
"""Blur of the matte's edge as a share of R: about one pixel at R = 64, which hides the matte's staircase."""


def edit_mask(matte: Array, *, feather: float = FEATHER, border: float = BORDER) -> Array:
    """Feather a matte (1, R, R) and let it fall smoothly to 0 at the crop's outermost pixels."""
    resolution = matte.shape[-1]
    clean = np.nan_to_num(matte[0].astype(np.float32), nan=0.0, posinf=1.0, neginf=0.0).clip(0.0, 1.0)
    sigma = feather * resolution
    soft = cv2.GaussianBlur(clean, (0, 0), sigma, borderType=cv2.BORDER_REPLICATE) if sigma > 0.05 else clean
    mask: Array = (soft * border_window(resolution, border)).astype(np.float32)
    return mask[None]


def fine_mask(fine: FineFace, surround: Surround, *, feather: float = FEATHER) -> Array:
    """Where an edit of a FineFace may act, (1, S, S); ``feather`` is a share of the generator's square."""
    share = surround.inner / surround.size
    return (edit_mask(fine.matte, feather=feather * share, border=BORDER * share) * fine.keep).astype(
        np.float32
    )


def landmark_matte(landmarks: Matrix, resolution: int) -> Array:
    """The face as a soft ellipse (1, R, R) from six landmarks (6, 2) in crop pixels, where there is no
    segmenter.

    The ellipse stands on the line from the eyes to the chin, reaches the hairline, and is widened until it
    holds all landmarks. Hair and neck are left out: better too small an edit than one on the wall behind.
    """
    eye_mid = (landmarks[0] + landmarks[1]) / 2
    chin = landmarks[5]
    down = chin - eye_mid
    height = max(float(np.hypot(*down)), 1e-3)
    down = down / height
    across = np.array([-down[1], down[0]])
    centre = eye_mid + 0.13 * height * down
    tall, wide = 0.92 * height, 0.72 * height

    def radius(points: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        offset = points - centre
        length: npt.NDArray[np.float64] = np.hypot(offset @ down / tall, offset @ across / wide)
        return length

    reach = max(1.0, float(radius(landmarks).max()) / 0.95)
    axis = np.arange(resolution) + 0.5
    pixels = np.stack(np.meshgrid(axis, axis), -1)  # (R, R, 2)
    inside = smooth_step((1.1 - radius(pixels) / reach) / 0.2)
    return inside.astype(np.float32)[None]
