"""Latents and directions: numbers that mean nothing without the generator they were made with."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from .errors import GeneratorError

Array = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Latent:
    """One face in the latent space of one generator.

    ``ws`` is (num_ws, w_dim) float32. ``space`` is "w" (all rows equal) or "w+". ``generator_id`` names the weights;
    mixing generators raises.
    """

    ws: Array
    generator_id: str
    space: str = "w+"

    def __post_init__(self) -> None:
        if self.ws.ndim != 2 or self.ws.dtype != np.float32:
            raise ValueError(f"ws must be (num_ws, w_dim) float32, got {self.ws.shape} {self.ws.dtype}")


@dataclass(frozen=True)
class Direction:
    """One attribute as a step in W, measured in standard deviations of that attribute's own direction.

    ``delta`` is (num_ws, w_dim) float32: adding ``strength * delta`` moves the latent by ``strength`` sigma, where
    sigma is the standard deviation of the generator's W distribution along the direction; rows outside ``layers``
    (start, end; half-open) are zero. ``limits`` bound the slider, in sigma. ``card`` keeps method, scores with
    confidence intervals, seed and sample counts.
    """

    name: str
    delta: Array
    generator_id: str
    layers: tuple[int, int]
    limits: tuple[float, float] = (-3.0, 3.0)
    label: str = ""
    card: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.delta.ndim != 2 or self.delta.dtype != np.float32:
            raise ValueError(
                f"delta must be (num_ws, w_dim) float32, got {self.delta.shape} {self.delta.dtype}"
            )

    def applied_to(self, latent: Latent, strength: float) -> Latent:
        """Return ``latent`` moved by ``strength`` sigma. Raises GeneratorError if the generators differ."""
        if latent.generator_id != self.generator_id:
            raise GeneratorError(
                f'Direction "{self.name}" was found on generator {self.generator_id[:12]}, '
                f"but this latent belongs to {latent.generator_id[:12]}.",
                remedy="Choose a direction that was found on this generator (lineament directions list).",
            )
        if strength == 0.0:
            return latent
        return replace(latent, ws=latent.ws + np.float32(strength) * self.delta, space="w+")
