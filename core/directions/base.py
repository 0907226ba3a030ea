"""Methods that find attribute directions from labelled latents."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float32]


@dataclass(frozen=True)
class LabelledLatents:
    """``w`` (N, w_dim) and ``labels`` (N, A), float32, named by ``names``; NaN marks an unknown label."""

    w: Array
    labels: Array
    names: tuple[str, ...]
    generator_id: str


class DirectionFinder(Protocol):
    """One published method: unit-norm rows in W, one per asked attribute, sign = more of the attribute."""

    @property
    def name(self) -> str: ...

    def find(self, data: LabelledLatents, attributes: tuple[str, ...]) -> Array:
        """-> (len(attributes), w_dim) float32."""
        ...
