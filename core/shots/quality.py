"""How good a rendered frame is, in numbers, measured on plate and output alone while frames stream by.

Flicker and seam are those of ``temporal_metrics``: differences in stops between neighbouring frames once the plate's
motion is taken out, and the slope of the edit where its mask ends. Two frames are held at a time, whatever the length
of the shot. Axes: H W pixels of the plate's data window.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ..checks import expect_shape
from ..flicker import edit_jitter, motion, unsteadiness
from .temporal_metrics import EDGE_PX, Seam, seam, stops

Array = npt.NDArray[np.float32]
Mask = npt.NDArray[np.bool_]

STILL = 1.0 / 256.0
"""Stops. A plate steadier than this (a still, a held frame) counts as this unsteady, or any edit of it would flicker
infinitely."""

MOTION_PX = 64
"""How far around an edit motion is looked for; what comes from farther in one frame is not followed."""


@dataclass(frozen=True)
class SeenFrame:
    """One frame to be measured: ``plate`` and ``output`` (H, W, 3) scene-linear in one space, ``mask`` (H, W) in
    [0, 1] is where the edit may act, and ``reach`` (H, W) where interpolating it may have left a trace."""

    number: int
    plate: Array
    output: Array
    mask: Array
    reach: Mask

    def __post_init__(self) -> None:
        expect_shape(self.plate, "H W 3", name="plate")
        height, width = self.plate.shape[:2]
        expect_shape(self.output, "H W 3", name="output", H=height, W=width)
        expect_shape(self.mask, "H W", name="mask", H=height, W=width)
        expect_shape(self.reach, "H W", name="reach", H=height, W=width)


@dataclass(frozen=True)
class FrameQuality:
    """What was measured on one frame; NaN where there is nothing to measure.

    ``plate_unsteadiness`` and ``output_unsteadiness`` are root mean squares in stops of what differs from the frame
    before besides motion, where either frame is edited; ``flicker`` is their ratio (1 = as steady as the plate);
    ``jitter`` is the edit's own unsteadiness over its size. ``seam`` is that of the mask's edge. ``edit_mean`` and
    ``edit_max`` are the size of the edit in stops inside the mask, ``mask_px`` the sum of the mask and ``mask_share``
    its share of the frame. ``outside_px`` pixels changed beyond its reach. ``non_finite`` pixels of the output, and
    ``plate_non_finite`` of the plate, hold a NaN or an infinity.
    """

    number: int
    flicker: float
    plate_unsteadiness: float
    output_unsteadiness: float
    jitter: float
    seam: Seam
    edit_mean: float
    edit_max: float
    mask_px: float
    mask_share: float
    outside_px: int
    non_finite: int
    plate_non_finite: int

    @property
    def seam_ratio(self) -> float:
        """The edit's slope at its mask's edge over what hides it there: the plate's slope, or the edit's own inside;
        above 1 it begins to show."""
        hidden = np.nanmax([self.seam.plate, self.seam.inside, STILL])
        return float(self.seam.step / hidden)

    @property
    def flicker_above_still(self) -> float:
        """``flicker`` with a plate of at least STILL: finite wherever a neighbour was measured."""
        return self.output_unsteadiness / max(self.plate_unsteadiness, STILL)


@dataclass(frozen=True)
class _Before:
    """What the next frame is compared with: pictures in stops, and where the edit acted."""

    plate: Array
    output: Array
    region: Mask


class QualityMeter:
    """Measures frames in order. Where one is missing, call ``skip``: its neighbours are no neighbours of each other."""

    def __init__(self) -> None:
        self._last: _Before | None = None

    def skip(self) -> None:
        """The next frame has no frame before it."""
        self._last = None

    def measure(self, frame: SeenFrame) -> FrameQuality:
        """Measure one frame against the one before. A frame of another size counts as the first of its kind."""
        plate, output = stops(frame.plate), stops(frame.output)
        changed = _changed(frame.plate, frame.output)
        inside = frame.mask > 0.0
        region = inside | changed
        plate_moves, output_moves, jitter = self._over_time(plate, output, region)
        size = np.abs(output[region] - plate[region])
        self._last = _Before(plate, output, region)
        return FrameQuality(
            number=frame.number,
            flicker=output_moves / plate_moves if plate_moves > 0.0 else float("nan"),
            plate_unsteadiness=plate_moves,
            output_unsteadiness=output_moves,
            jitter=jitter,
            seam=_seam_of(plate, output, inside if inside.any() else region),
            edit_mean=float(size.mean(dtype=np.float64)) if size.size else 0.0,
            edit_max=float(size.max(initial=0.0)),
            mask_px=float(frame.mask.sum(dtype=np.float64)),
            mask_share=float(frame.mask.mean(dtype=np.float64)) if frame.mask.size else 0.0,
            outside_px=int((changed & ~frame.reach).sum()),
            non_finite=_non_finite(frame.output),
            plate_non_finite=_non_finite(frame.plate),
        )

    def _over_time(self, plate: Array, output: Array, region: Mask) -> tuple[float, float, float]:
        """Unsteadiness of the plate and of the output, and the edit's jitter: NaN without a frame before."""
        last = self._last
        nan = float("nan")
        if last is None or last.plate.shape != plate.shape:
            return nan, nan, nan
        acted = region | last.region  # an edit that comes or goes is looked at, too
        if not acted.any():
            return nan, nan, nan
        window = _window(acted, MOTION_PX)
        plates = last.plate[window], plate[window]
        outputs = last.output[window], output[window]
        move, acted = motion(*plates), acted[window]
        return (
            unsteadiness(*plates, move, acted),
            unsteadiness(*outputs, move, acted),
            edit_jitter(plates, outputs, move, acted),
        )


def _changed(plate: Array, output: Array) -> Mask:
    """(H, W) where any channel holds another value; NaN equals NaN."""
    same = (plate == output) | (np.isnan(plate) & np.isnan(output))
    return np.asarray(~same.all(axis=-1))


def _non_finite(picture: Array) -> int:
    return int((~np.isfinite(picture).all(axis=-1)).sum())


def _seam_of(plate: Array, output: Array, region: Mask) -> Seam:
    """``seam``, looking at the rows and columns around the region alone; NaN without a region."""
    if not region.any():
        return Seam(float("nan"), float("nan"), float("nan"))
    window = _window(region, EDGE_PX + 2)
    return seam(plate[window], output[window], region[window])


def _window(region: Mask, margin: int) -> tuple[slice, slice]:
    """The rows and columns of a region that is not empty, and so many pixels more."""
    rows, columns = np.flatnonzero(region.any(axis=1)), np.flatnonzero(region.any(axis=0))
    first, second = (
        slice(max(0, int(found[0]) - margin), int(found[-1]) + 1 + margin) for found in (rows, columns)
    )
    return first, second
