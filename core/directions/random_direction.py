"""Random directions: the row of every table that a method has to beat.

They are drawn from the spread of the latents themselves. A direction drawn from a sphere would lie almost
wholly on axes that the generator ignores, and beating it would prove nothing.
"""

from __future__ import annotations

import zlib
from dataclasses import dataclass

import numpy as np

from .base import Array, LabelledLatents
from .table import Doubles, check_data, column_index, unit_rows


def random_rows(sigma_w: Doubles, count: int, rng: np.random.Generator) -> Doubles:
    """(count, w_dim) draws from N(0, Sigma_w)."""
    values, vectors = np.linalg.eigh(sigma_w)
    scale = np.sqrt(values.clip(min=0.0))
    rows: Doubles = (rng.standard_normal((count, len(scale))) * scale) @ vectors.T
    return rows


@dataclass(frozen=True)
class RandomDirection:
    """A random step of the size of a real one; it depends on the seed and the attribute's name, not on
    labels.
    """

    seed: int = 0
    name: str = "random_direction"

    def find(self, data: LabelledLatents, attributes: tuple[str, ...]) -> Array:
        """-> (len(attributes), w_dim) float32, unit rows. Raises RecipeError for an unknown label."""
        check_data(data)
        w = data.w[np.isfinite(data.w).all(axis=1)].astype(np.float64)
        centred = w - w.mean(axis=0)
        rows = []
        for attribute in attributes:
            column_index(data.names, attribute)
            rng = np.random.default_rng([self.seed, zlib.crc32(attribute.encode())])
            rows.append(rng.standard_normal(len(centred)) @ centred)  # covariance proportional to that of w
        return unit_rows(np.stack(rows), attributes)
