"""From samples to pixels: a Gaussian over two pixels' width, the same for colour, coverage and layers."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from .geometry import BACKGROUND, CLASS_NAMES, Bytes, Floats

CLASS_COUNT = max(CLASS_NAMES) + 1

GUARD = 1
"""Pixels drawn around the picture, because the filter reaches one pixel far."""

SIGMA = 0.42
"""Standard deviation of the filter in pixels: sharp, but no stairs."""


@dataclass(frozen=True)
class Resolved:
    """``colour`` (H, W, 3) over black, ``alpha`` (H, W), ``classes`` (H, W) uint8, ``coverage`` (H, W, 11)."""

    colour: Floats
    alpha: Floats
    classes: Bytes
    coverage: Floats


def kernel(samples: int) -> Floats:
    """Filter taps (3 * samples,) float32 over a pixel and its neighbours, summing to one."""
    at = (np.arange(3 * samples) + 0.5) / samples - 1.5
    taps = np.exp(-0.5 * (at / SIGMA) ** 2) * (np.abs(at) < 1.0)
    return np.asarray(taps / taps.sum(), np.float32)


def filtered(image: Floats, samples: int) -> Floats:
    """Samples ((H + 2) s, (W + 2) s, C) with a guard ring to pixels (H, W, C), C at most 4."""
    taps = kernel(samples)
    taps = np.trim_zeros(taps)
    reach = len(taps)
    offset = (3 * samples - reach) // 2
    smooth = cv2.sepFilter2D(image, cv2.CV_32F, taps, taps, anchor=(0, 0), borderType=cv2.BORDER_REPLICATE)
    if smooth.ndim == 2:
        smooth = smooth[..., None]
    rows = image.shape[0] // samples - 2 * GUARD
    columns = image.shape[1] // samples - 2 * GUARD
    window = smooth[offset : offset + rows * samples : samples, offset : offset + columns * samples : samples]
    return np.asarray(window, np.float32)


def resolve(samples_rgb_class: Floats, samples: int) -> Resolved:
    """Filter colour and coverage; ``samples_rgb_class`` ((H + 2) s, (W + 2) s, 4), the class id in the last channel."""
    ids = np.rint(samples_rgb_class[..., 3]).astype(np.uint8)
    rgb = np.where(ids[..., None] == BACKGROUND, np.float32(0.0), samples_rgb_class[..., :3])
    colour = filtered(np.ascontiguousarray(rgb), samples)
    present = np.flatnonzero(np.bincount(ids.ravel(), minlength=CLASS_COUNT)[:CLASS_COUNT])
    coverage = np.zeros((*colour.shape[:2], CLASS_COUNT), np.float32)
    for number in present:
        coverage[..., number] = filtered((ids == number).astype(np.float32), samples)[..., 0]
    classes = coverage.argmax(axis=-1).astype(np.uint8)
    return Resolved(
        np.ascontiguousarray(colour), np.float32(1.0) - coverage[..., BACKGROUND], classes, coverage
    )
