"""How an edited shot holds together over time, per frame and as a whole.

Identity: TL-ID and TG-ID of Tzaban et al. 2022 (arXiv:2201.08361), the cosines of identity embeddings between
neighbouring and between all frames, relative to the plate's. The ratios may exceed 1 where an edit takes variety out
of a face; they are clamped, and the raw cosines stand beside them. Flicker: what differs between frames besides motion
(core/flicker.py). Seam: how steep the edit is where its mask ends. Axes: F frames, E numbers of an embedding, H W.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from ..checks import expect_shape
from ..flicker import edit_jitter, flicker_ratio, motion

Array = npt.NDArray[np.float32]
Doubles = npt.NDArray[np.float64]
Mask = npt.NDArray[np.bool_]

DARKEST = 2.0**-10
"""Light below counts as this much: ten stops under white there is only noise."""
EDGE_PX = 3
"""Half the width of the band around a mask's edge, pixels of the plate."""


@dataclass(frozen=True)
class IdentityOverTime:
    """Raw cosines of embeddings: ``local`` (F - 1,) of neighbours, ``overall`` the mean of all pairs; the same of the
    plate. NaN in shots of one frame."""

    local: Doubles
    plate_local: Doubles
    overall: float
    plate_overall: float

    @property
    def tl_id(self) -> float:
        """Mean ratio of neighbours' cosines, each at most 1."""
        return _clamped_mean(self.local, self.plate_local)

    @property
    def tg_id(self) -> float:
        """Ratio of the cosines of all pairs, at most 1."""
        return _clamped_mean(np.array([self.overall]), np.array([self.plate_overall]))


def identity_over_time(plates: Doubles, outputs: Doubles) -> IdentityOverTime:
    """From embeddings (F, E) of the plates' and of the outputs' faces, frames in order. Raises ValueError if they
    differ in shape."""
    expect_shape(plates, "F E", name="plates")
    expect_shape(outputs, "F E", name="outputs", F=plates.shape[0], E=plates.shape[1])
    (local, overall), (plate_local, plate_overall) = _cosines(outputs), _cosines(plates)
    return IdentityOverTime(local, plate_local, overall, plate_overall)


def _cosines(embeddings: Doubles) -> tuple[Doubles, float]:
    """Of neighbours (F - 1,), and the mean of all pairs."""
    rows = np.asarray(embeddings, np.float64)
    units = rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-12)
    local = (units[1:] * units[:-1]).sum(axis=1)
    count = len(units)
    if count < 2:
        return local, float("nan")
    pairs = float((units.sum(axis=0) ** 2).sum() - count) / (count * (count - 1))
    return local, pairs


def _clamped_mean(values: Doubles, plates: Doubles) -> float:
    usable = np.abs(plates) > 1e-6
    return float(np.minimum(values[usable] / plates[usable], 1.0).mean()) if usable.any() else float("nan")


@dataclass(frozen=True)
class FrameSteadiness:
    """One frame against the one before: ``flicker`` of the output over the plate's (1 = as steady), ``jitter`` of the
    edit over its own size, the ``seam`` of this frame. NaN where there is nothing to measure."""

    number: int
    flicker: float
    jitter: float
    seam: Seam


@dataclass(frozen=True)
class Seam:
    """The edit at its mask's edge: ``step`` is the root mean square of its slope there in stops a pixel, ``plate`` that
    of the plate's own, ``inside`` the edit's own slope inside the mask. A seam is a step far above both."""

    step: float
    plate: float
    inside: float


def stops(rgb: Array) -> Array:
    """Scene-linear light in stops; NaN counts as black, and what is darker than DARKEST as that."""
    clean = np.nan_to_num(rgb, nan=0.0, posinf=65504.0, neginf=0.0)
    return np.log2(np.maximum(clean, DARKEST)).astype(np.float32)


def seam(plate: Array, output: Array, region: Mask | None = None) -> Seam:
    """The seam of one frame; pictures (H, W, 3) in stops, ``region`` (H, W) where the edit may act (None: where it
    did). NaN where there is no edge or no inside."""
    edit = output - plate
    inside = (edit != 0.0).any(axis=-1) if region is None else region
    kernel = np.ones((2 * EDGE_PX + 1, 2 * EDGE_PX + 1), np.uint8)
    bits = inside.astype(np.uint8)
    wide = cv2.dilate(bits, kernel, borderType=cv2.BORDER_REPLICATE) > 0
    narrow = cv2.erode(bits, kernel, borderType=cv2.BORDER_REPLICATE) > 0
    edge = wide & ~narrow
    slope, own = _slope(edit), _slope(plate)
    return Seam(_rms(slope[edge]), _rms(own[edge]), _rms(slope[narrow]))


def _slope(picture: Array) -> Array:
    """Squared length of the gradient (H, W), mean over channels, by one-sided differences."""
    right = np.diff(picture, axis=1, append=picture[:, -1:])
    down = np.diff(picture, axis=0, append=picture[-1:])
    return np.asarray((right**2 + down**2).mean(axis=-1), np.float32)


def _rms(squares: Array) -> float:
    return float(np.sqrt(squares.astype(np.float64).mean())) if squares.size else float("nan")


def steadiness(frames: Iterable[tuple[int, Array, Array]], region_of: float = 1e-4) -> list[FrameSteadiness]:
    """Every frame against the one before, holding two at a time.

    ``frames`` gives number, plate and output (H, W, 3), scene-linear, in order; an output differs where any channel
    moves by more than ``region_of``. The first frame's flicker and jitter are NaN.
    """
    found: list[FrameSteadiness] = []
    last: tuple[Array, Array] | None = None
    for number, plate, output in frames:
        region = (np.abs(output - plate) > region_of).any(axis=-1)
        now = (stops(plate), stops(output))
        flicker = jitter = float("nan")
        if last is not None and region.any() and last[0].shape == now[0].shape:
            move = motion(last[0], now[0])
            plates, outputs = (last[0], now[0]), (last[1], now[1])
            flicker = flicker_ratio(plates, outputs, move, region)
            jitter = edit_jitter(plates, outputs, move, region)
        found.append(FrameSteadiness(number, flicker, jitter, seam(*now, region)))
        last = now
    return found


def mean_flicker(frames: Iterable[FrameSteadiness]) -> float:
    """The shot's flicker: the mean over frames that have one; NaN if none has."""
    values = [frame.flicker for frame in frames if np.isfinite(frame.flicker)]
    return float(np.mean(values)) if values else float("nan")
