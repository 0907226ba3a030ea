"""What an inverter may look at: the person in front of flat grey, and how much every pixel counts."""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from ..checks import expect_shape
from ..errors import FaceError
from ..faces.base import Array, FaceCrop

GREY = 0.0  # the middle of [-1, 1]; generators trained on matted faces have seen exactly this behind the head


def usable_pixels(crop: FaceCrop) -> Array:
    """(1, R, R) float32 in [0, 1]: inside the plate, and finite in all three channels.

    Raises FaceError if no pixel is usable.
    """
    finite = np.isfinite(crop.image).all(axis=0, keepdims=True)
    usable = np.where(finite & np.isfinite(crop.valid), crop.valid, 0.0).astype(np.float32)
    if not (usable > 0).any():
        raise FaceError(
            "The face crop has no usable pixel: all lie outside the plate or are not finite.",
            remedy="Check the face track and the plate for NaN or infinite values.",
        )
    return usable


def input_image(crop: FaceCrop, resolution: int, *, matte: bool) -> Array:
    """(3, R, R) float32 in [-1, 1]: the crop with its missing pixels, and with ``matte`` its background, in
    grey.
    """
    expect_shape(crop.image, "3 R R", name="crop.image", R=resolution)
    expect_shape(crop.matte, "1 R R", name="crop.matte", R=resolution)
    expect_shape(crop.valid, "1 R R", name="crop.valid", R=resolution)
    keep = usable_pixels(crop)
    if matte:
        keep = keep * crop.matte
    image = np.nan_to_num(crop.image, nan=GREY, posinf=GREY, neginf=GREY)
    return (GREY + (image - GREY) * keep).astype(np.float32)


def pixel_weight(crop: FaceCrop, erode_px: int) -> Tensor:
    """(1, 1, R, R) float32 in [0, 1]: the matte drawn in by ``erode_px`` pixels, 0 where the plate has no
    pixel.

    Raises FaceError if nothing is left.
    """
    weight = torch.from_numpy(crop.matte.astype(np.float32))[None]  # (1, 1, R, R)
    if erode_px:
        size = 2 * erode_px + 1
        weight = -F.max_pool2d(-weight, size, stride=1, padding=erode_px)
    weight = weight * torch.from_numpy(usable_pixels(crop))[None]
    if not bool((weight > 0).any()):
        raise FaceError(
            "The matte of the face leaves no pixel to fit.",
            remedy="Check the face track, or use the encoder.",
        )
    return weight
