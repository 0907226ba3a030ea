"""How steady an edit is over time: what is left of a change between two frames once the motion is taken out.

Motion is estimated on the plates alone (dense inverse search: Kroeger et al. 2016, arXiv:1603.03590) and applied to
every method alike, so that no method is judged by its own motion. Warp-compensated differences follow Lai et al. 2018
(arXiv:1808.00449); they are given relative to the plate, whose grain and light change as well.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from .checks import expect_shape

Array = npt.NDArray[np.float32]
Mask = npt.NDArray[np.bool_]

BLUR_PX = 1.0
"""Blur before the motion is estimated: without it grain is followed instead of the face."""
RETURN_PX = 0.75
"""There and back again a pixel may miss itself by so much; beyond it something was hidden or the motion is a guess."""


@dataclass(frozen=True)
class Motion:
    """``flow`` (H, W, 2) float32: a pixel (x, y) of the later frame was at (x, y) + flow in the earlier one;
    ``is_sure`` (H, W) where that can be trusted."""

    flow: Array
    is_sure: Mask


def motion(before: Array, after: Array) -> Motion:
    """The motion between two pictures (H, W, 3) in stops, or any other encoding in which noise is even.

    Raises ValueError if they differ in size. Pictures without any texture give no sure pixels beyond chance.
    """
    expect_shape(before, "H W 3", name="before")
    expect_shape(after, "H W 3", name="after", H=before.shape[0], W=before.shape[1])
    grey = [_grey(picture) for picture in (before, after)]
    low = min(float(np.quantile(one, 0.005)) for one in grey)
    high = max(float(np.quantile(one, 0.995)) for one in grey)
    bytes_ = [_as_bytes(one, low, high) for one in grey]
    back, forth = _flow(bytes_[1], bytes_[0]), _flow(bytes_[0], bytes_[1])
    home = back + _moved(forth, back)  # to the earlier frame and back again
    height, width = grey[0].shape
    x, y = _positions(back)
    inside = (x >= 0) & (x <= width - 1) & (y >= 0) & (y <= height - 1)
    return Motion(back, np.asarray(inside & (np.hypot(home[..., 0], home[..., 1]) <= RETURN_PX)))


def warped(picture: Array, move: Motion) -> Array:
    """The earlier picture (H, W, C) brought to the later frame; edge pixels repeat beyond the border."""
    return _moved(np.asarray(picture, np.float32), move.flow)


def unsteadiness(before: Array, after: Array, move: Motion, region: Mask | None = None) -> float:
    """Root mean square of what differs between two frames (H, W, 3) besides motion, in the pictures' own unit.

    Looks at sure pixels of ``region`` (None: everywhere). NaN if there are none.
    """
    seen = move.is_sure if region is None else move.is_sure & region
    if not seen.any():
        return float("nan")
    difference = after[seen] - warped(before, move)[seen]
    return float(np.sqrt(np.mean(difference.astype(np.float64) ** 2)))


def flicker_ratio(
    plates: tuple[Array, Array], outputs: tuple[Array, Array], move: Motion, region: Mask | None = None
) -> float:
    """Unsteadiness of the output over that of the plate, both (earlier, later) in stops: 1 = as steady as the plate.

    NaN if the plate does not change at all or no pixel is sure.
    """
    plate = unsteadiness(*plates, move, region)
    return unsteadiness(*outputs, move, region) / plate if plate > 0 else float("nan")


def edit_jitter(
    plates: tuple[Array, Array], outputs: tuple[Array, Array], move: Motion, region: Mask | None = None
) -> float:
    """Unsteadiness of the edit itself (output minus plate, in stops) over its own size: 0 = sticks to the face.

    The plate's grain drops out, which hides much from ``flicker_ratio``. NaN if there is no edit or no sure pixel.
    """
    edits = [np.asarray(output - plate) for plate, output in zip(plates, outputs, strict=True)]
    seen = move.is_sure if region is None else move.is_sure & region
    size = float(np.sqrt(np.mean(edits[1][seen].astype(np.float64) ** 2))) if seen.any() else 0.0
    return unsteadiness(edits[0], edits[1], move, region) / size if size > 0 else float("nan")


def _grey(picture: Array) -> Array:
    clean = np.nan_to_num(picture.mean(axis=-1), nan=0.0, posinf=0.0, neginf=0.0).astype(np.float32)
    return np.asarray(cv2.GaussianBlur(clean, (0, 0), BLUR_PX), np.float32)


def _as_bytes(grey: Array, low: float, high: float) -> npt.NDArray[np.uint8]:
    scaled = (grey - low) * (255.0 / max(high - low, 1e-6))
    return np.asarray(np.clip(np.rint(scaled), 0, 255), np.uint8)


def _flow(source: npt.NDArray[np.uint8], target: npt.NDArray[np.uint8]) -> Array:
    """(H, W, 2): where each pixel of ``source`` lies in ``target``, relative to itself."""
    height, width = source.shape
    pad_y, pad_x = (
        max(0, 32 - height),
        max(0, 32 - width),
    )  # the coarsest level of the search needs some pixels
    pictures = [np.pad(one, ((0, pad_y), (0, pad_x)), mode="edge") for one in (source, target)]
    search = cv2.DISOpticalFlow.create(cv2.DISOpticalFlow_PRESET_MEDIUM)
    found = search.calc(
        pictures[0], pictures[1], np.zeros((*pictures[0].shape, 2), np.float32)
    )  # a start at rest
    return np.ascontiguousarray(found[:height, :width], dtype=np.float32)


def _positions(flow: Array) -> tuple[Array, Array]:
    height, width = flow.shape[:2]
    x, y = np.meshgrid(np.arange(width, dtype=np.float32), np.arange(height, dtype=np.float32))
    return x + flow[..., 0], y + flow[..., 1]


def _moved(picture: Array, flow: Array) -> Array:
    x, y = _positions(flow)
    return np.asarray(cv2.remap(picture, x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE), np.float32)
