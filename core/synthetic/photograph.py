"""From rendered light to the picture a camera and this pipeline would make of it.

A data set must look like what the generator is given later. ``pipeline.render_frame`` turns a plate into a crop so:
plate space -> linear Rec.709, times a power of two that brings the median luminance of the face's landmark box nearest
to 0.21 (``colour.choose_exposure``), the curve of ``curve.py`` (sRGB up to 0.5, a logarithm above, so that 1.0 becomes
0.84 and 16 becomes 1), clipped to 0..1. ``suited_exposure`` and ``develop`` do exactly that to ACEScg renders, so
brightness, contrast and highlights agree; the sRGB of a viewer would clip at 1.0 and be darker above skin.
What is left is the order of resampling: plates are encoded before they are resampled to the crop, renders are averaged
in linear light before they are encoded. They differ on edges between very bright and dark only.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
from scipy.special import ndtr

from ..checks import expect_shape
from ..colour import choose_exposure
from ..curve import SHOULDER, Curve, picture_from_linear
from ..errors import RecipeError

Floats = npt.NDArray[np.float32]
Bytes = npt.NDArray[np.uint8]

REC709_FROM_ACESCG: Floats = np.array(
    [
        [1.7050510, -0.6217921, -0.0832589],
        [-0.1302564, 1.1408048, -0.0105483],
        [-0.0240034, -0.1289690, 1.1529724],
    ],
    np.float32,
)
"""Linear Rec.709 of ACEScg, Bradford from the ACES white to D65: what the pinned OCIO config does, without OCIO."""

ACESCG_LUMINANCE: Floats = np.array([0.2722287, 0.6740818, 0.0536895], np.float32)
"""Luminance weights of ACEScg (AP1), S-2014-004."""

MID_GREY = 0.18

LIMITS = {
    "exposure_stops": 6.0,
    "temperature": 1.0,
    "tint": 1.0,
    "blur": 0.1,
    "motion_x": 0.5,
    "motion_y": 0.5,
    "vignetting": 3.0,
    "grain_strength": 1.0,
    "grain_size": 16.0,
}
"""Largest magnitude of each setting."""

_SIGNED = ("exposure_stops", "temperature", "tint", "motion_x", "motion_y")


@dataclass(frozen=True)
class PhotoSettings:
    """One camera. The default leaves a picture as it is.

    ``exposure_stops`` gain in stops; ``temperature`` -1 (cool) to 1 (warm) and ``tint`` -1 (green) to 1 (magenta),
    at 1 about a quarter of a stop per channel; ``blur`` (sigma) and ``motion_x``, ``motion_y`` (length of the streak,
    x right and y down) are shares of the picture's height; ``vignetting`` stops lost in the corners;
    ``grain_strength`` standard deviation at mid-grey as a share of it; ``grain_size`` pixels over which the grain's
    correlation falls to 1/e; ``grain_seed`` which grain. Raises RecipeError outside LIMITS.
    """

    exposure_stops: float = 0.0
    temperature: float = 0.0
    tint: float = 0.0
    blur: float = 0.0
    motion_x: float = 0.0
    motion_y: float = 0.0
    vignetting: float = 0.0
    grain_strength: float = 0.0
    grain_size: float = 1.5
    grain_seed: int = 0

    def __post_init__(self) -> None:
        for name, limit in LIMITS.items():
            value = getattr(self, name)
            low = -limit if name in _SIGNED else 0.0
            if not math.isfinite(value) or not low <= value <= limit:
                raise RecipeError(
                    f"{name} {value} is outside {low:g}..{limit:g}.",
                    where=f"photo settings, {name}",
                    remedy="Choose a value inside the range.",
                )
        if not 0 <= self.grain_seed < 2**63:
            raise RecipeError(
                f"grain_seed {self.grain_seed} is outside 0..2^63-1.",
                where="photo settings, grain_seed",
                remedy="Choose another one.",
            )


def draw_settings(seed: int, index: int) -> PhotoSettings:
    """The camera of picture ``index`` of a data set: mild, so that details stay learnable; independent of order.

    Exposure within about half a stop, balance mostly neutral, half of the pictures a little soft, one in six a little
    moved, weak vignetting, fine grain. Raises RecipeError for negative numbers.
    """
    if seed < 0 or index < 0:
        raise RecipeError(f"Seed {seed} and index {index}.", where="photo settings", remedy="Count from 0.")
    n = np.random.Generator(np.random.Philox(key=[seed, 0xF070], counter=[0, 0, index, 0])).standard_normal(9)
    share = [float(v) for v in ndtr(n)]
    streak = 0.012 * max(0.0, share[4] - 5 / 6) * 6
    angle = 2.0 * math.pi * share[5]
    return PhotoSettings(
        exposure_stops=float(np.clip(0.3 * n[0], -0.9, 0.9)),
        temperature=float(np.clip(0.3 * n[1], -1.0, 1.0)),
        tint=float(np.clip(0.12 * n[2], -1.0, 1.0)),
        blur=0.005 * max(0.0, 2.0 * share[3] - 1.0),
        motion_x=streak * math.cos(angle),
        motion_y=streak * math.sin(angle),
        vignetting=0.5 * share[6] ** 2,
        grain_strength=0.025 * share[7] ** 2,
        grain_size=1.0 + share[8],
        grain_seed=index,
    )


def expose(linear: npt.NDArray[Any], settings: PhotoSettings) -> Floats:
    """What falls onto the sensor: ``linear`` (H, W, 3) scene-linear ACEScg, blurred, balanced, vignetted and exposed.

    Float32, unbounded, nothing clipped. Edge pixels repeat beyond the border.
    """
    expect_shape(linear, "H W 3", name="linear")
    light = np.array(linear, dtype=np.float32)
    height, width = light.shape[:2]
    if settings.blur * height > 0.05:
        blurred = cv2.GaussianBlur(light, (0, 0), settings.blur * height, borderType=cv2.BORDER_REPLICATE)
        light = np.asarray(blurred, np.float32)
    kernel = _streak(settings.motion_x * height, settings.motion_y * height)
    if kernel.size > 1:
        light = np.asarray(cv2.filter2D(light, -1, kernel, borderType=cv2.BORDER_REPLICATE), np.float32)
    light *= balance(settings) * np.float32(2.0**settings.exposure_stops)
    if settings.vignetting > 0.0:
        light *= _vignette(height, width, settings.vignetting)[..., None]
    return np.asarray(light, np.float32)


def balance(settings: PhotoSettings) -> Floats:
    """White balance as ACEScg gains (3,), which leave the luminance of grey alone."""
    stops = 0.25 * settings.temperature * np.array([1.0, 0.0, -1.0]) + 0.25 * settings.tint * np.array(
        [0.5, -1.0, 0.5]
    )
    gains = np.exp2(stops).astype(np.float32)
    return np.asarray(gains / float(gains @ ACESCG_LUMINANCE), np.float32)


def _streak(dx: float, dy: float) -> Floats:
    """Kernel of a straight movement of (dx, dy) pixels; (1, 1) if it is shorter than a tenth of a pixel."""
    length = math.hypot(dx, dy)
    if length < 0.1:
        return np.ones((1, 1), np.float32)
    reach = math.ceil(0.5 * max(abs(dx), abs(dy)) + 1.0)
    kernel = np.zeros((2 * reach + 1, 2 * reach + 1), np.float32)
    for t in np.linspace(-0.5, 0.5, 8 * reach + 1):
        x, y = reach + t * dx, reach + t * dy
        left, top = math.floor(x), math.floor(y)
        right, below = x - left, y - top
        for row, column, weight in (
            (top, left, (1 - below) * (1 - right)),
            (top, left + 1, (1 - below) * right),
            (top + 1, left, below * (1 - right)),
            (top + 1, left + 1, below * right),
        ):
            if weight > 0.0:
                kernel[row, column] += weight
    return np.asarray(kernel / kernel.sum(), np.float32)


def _vignette(height: int, width: int, stops: float) -> Floats:
    """Gain (H, W), 1 in the middle and ``stops`` less in the corners."""
    y = (np.arange(height, dtype=np.float32) + 0.5) / height * 2.0 - 1.0
    x = (np.arange(width, dtype=np.float32) + 0.5) / width * 2.0 - 1.0
    radius = 0.5 * (np.square(x)[None] + np.square(y)[:, None])
    return np.asarray(np.exp2(-stops * radius), np.float32)


def grain_field(height: int, width: int, settings: PhotoSettings) -> Floats:
    """Grain (H, W, 3) float32 with mean 0 and deviation 1; the channels correlate by a half.

    A function of the grain seed, grain size and picture size only.
    """
    draw = np.random.Generator(np.random.Philox(key=[settings.grain_seed, 0x6EA1]))
    noise = draw.standard_normal((height, width, 4), dtype=np.float32)
    sigma = 0.5 * settings.grain_size  # white noise blurred with it correlates as exp(-d^2 / 4 sigma^2)
    if sigma > 0.15:
        blurred = cv2.GaussianBlur(noise, (0, 0), sigma, borderType=cv2.BORDER_REFLECT_101)
        noise = np.asarray(blurred, np.float32) / _deviation_after_blur(sigma)
    return np.asarray((noise[..., :3] + noise[..., 3:]) * np.float32(math.sqrt(0.5)), np.float32)


def _deviation_after_blur(sigma: float) -> np.float32:
    """Deviation of unit white noise after the same blur, from the kernel itself."""
    reach = 8 * math.ceil(sigma) + 1
    impulse = np.zeros((2 * reach + 1, 1), np.float32)
    impulse[reach] = 1.0
    kernel = cv2.GaussianBlur(impulse, (0, 0), sigmaX=sigma, sigmaY=sigma, borderType=cv2.BORDER_CONSTANT)
    column = kernel.astype(np.float64) / kernel.sum()
    return np.float32(np.square(column).sum())  # two axes, each the root of it


def add_grain(linear: npt.NDArray[Any], settings: PhotoSettings) -> Floats:
    """``linear`` (H, W, 3) ACEScg with grain, float32.

    The deviation follows the pixel's own luminance like photon noise: ``strength * 0.18 * sqrt(Y / 0.18 + 0.02)``. A
    plate and its truth with the same settings get the same grain: where they are equal they stay equal, elsewhere only
    its amplitude differs.
    """
    expect_shape(linear, "H W 3", name="linear")
    light = np.ascontiguousarray(linear, np.float32)
    if settings.grain_strength == 0.0:
        return light.copy()
    height, width = light.shape[:2]
    luminance = np.maximum(
        np.asarray(cv2.transform(light, ACESCG_LUMINANCE[None]), np.float32), np.float32(0.0)
    )
    amplitude = np.float32(settings.grain_strength * MID_GREY) * np.sqrt(
        luminance * np.float32(1 / MID_GREY) + 0.02
    )
    return np.asarray(light + grain_field(height, width, settings) * amplitude[..., None], np.float32)


def suited_exposure(linear: npt.NDArray[Any], landmarks: npt.ArrayLike) -> float:
    """The power of two that the pipeline would choose for the face with ``landmarks`` (N, 2), pixels.

    ``linear`` (H, W, 3) scene-linear ACEScg. The pipeline looks at the box of its six points; give those, and give the
    members of a family the exposure of their base, as the frames of a shot share one.
    """
    expect_shape(linear, "H W 3", name="linear")
    points = np.asarray(landmarks, np.float64)
    low = np.maximum(np.floor(points.min(0)).astype(int), 0)
    high = np.maximum(np.ceil(points.max(0)).astype(int), 0)
    region = np.asarray(linear, np.float32)[low[1] : high[1], low[0] : high[0]]
    return choose_exposure(linear709(region if region.size else linear))


def linear709(linear: npt.NDArray[Any]) -> Floats:
    """Linear Rec.709 (H, W, 3) float32 of ACEScg ``linear`` (H, W, 3), unbounded."""
    return np.asarray(cv2.transform(np.ascontiguousarray(linear, np.float32), REC709_FROM_ACESCG), np.float32)


def develop(linear: npt.NDArray[Any], exposure: float = 1.0, curve: Curve = SHOULDER) -> Bytes:
    """The picture (H, W, 3) uint8 that the pipeline makes of scene-linear ACEScg ``linear`` (H, W, 3) at ``exposure``.

    The encoding is the generator's own ("lineament-709"): 0.18 becomes 118, 1.0 becomes 213. What is below 0 or above
    16 is clipped, NaN is black. ``curve.PLAIN`` gives a viewer's sRGB.
    """
    expect_shape(linear, "H W 3", name="linear")
    picture = picture_from_linear(linear709(linear), exposure, curve)
    return np.asarray(picture * 127.5 + 128.0, np.float32).astype(np.uint8)  # [-1, 1] -> 0.5..255.5, cut off


def photograph(linear: npt.NDArray[Any], settings: PhotoSettings, exposure: float = 1.0) -> Bytes:
    """Render to picture: ``expose``, ``add_grain``, ``develop``. (H, W, 3) ACEScg to uint8."""
    return develop(add_grain(expose(linear, settings), settings), exposure)
