"""From a unit direction to a slider: one unit of strength is one standard deviation of W along the
direction.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ..checks import expect_shape
from ..errors import GeneratorError
from ..latent import Direction
from .base import Array
from .table import Doubles

HARD_CAP = 4.0  # sigma; faces further out are hardly ever drawn by z samples, and pictures break up beyond
LIMIT_STEP = 0.1  # limits are shown to people


def sigma_along(u: Array | Doubles, sigma_w: Doubles) -> float:
    """Standard deviation of W along unit direction ``u``: sqrt(u^T Sigma_w u).

    Raises GeneratorError if W does not vary along it.
    """
    vector = np.asarray(u, dtype=np.float64)
    expect_shape(vector, "w", name="u", w=sigma_w.shape[0])
    variance = float(vector @ sigma_w @ vector) / float(vector @ vector)
    if not np.isfinite(variance) or variance <= 0:
        raise GeneratorError(
            f"The generator's latents have variance {variance} along this direction.",
            remedy="Recompute the statistics of W from more samples.",
        )
    return float(np.sqrt(variance))


def limits_along(u: Array, w: Array, cap: float = HARD_CAP) -> tuple[float, float]:
    """Slider limits in sigma of the latents ``w`` (N, w_dim) along ``u``, no further than +-``cap``.

    A strength is a change, so the range that takes a face from the 1st percentile to the 99th, or back, is
    legal.
    """
    along = w.astype(np.float64) @ u.astype(np.float64)
    low, high = np.quantile(along[np.isfinite(along)], [0.01, 0.99])
    span = min(cap, float(high - low) / float(along[np.isfinite(along)].std()))
    span = max(LIMIT_STEP, round(span / LIMIT_STEP) * LIMIT_STEP)
    return (-round(span, 6), round(span, 6))


def make_direction(
    name: str,
    u: Array,
    sigma_w: Doubles,
    *,
    generator_id: str,
    num_ws: int,
    layers: tuple[int, int] | None = None,
    limits: tuple[float, float] = (-HARD_CAP, HARD_CAP),
    label: str = "",
    card: dict[str, Any] | None = None,
) -> Direction:
    """A Direction of unit vector ``u`` (w_dim,) on latent rows ``layers`` (half-open; None: all).

    Every row moves by the same sigma. Raises ValueError for layers outside the generator or empty limits.
    """
    start, end = layers or (0, num_ws)
    if not 0 <= start < end <= num_ws:
        raise ValueError(f"layers {layers} are not within 0 to {num_ws}")
    if not limits[0] < limits[1]:
        raise ValueError(f"limits {limits} leave no range")
    length = float(np.linalg.norm(u.astype(np.float64)))
    sigma = sigma_along(u, sigma_w)
    delta = np.zeros((num_ws, len(u)), np.float32)
    delta[start:end] = (u.astype(np.float64) / length * sigma).astype(np.float32)
    details = {**(card or {}), "sigma_u": sigma}
    return Direction(name, delta, generator_id, (start, end), limits, label or name, details)
