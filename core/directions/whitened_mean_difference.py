"""Whitened mean difference: Sigma_w^-1 (mean with - mean without), Sigma_w from all faces.

For Gaussian latents this is the exact normal of the attribute, whatever the selection, and it undoes planted
correlations that the plain difference and linear boundaries keep. A normal is a reading direction though: it
likes axes of little variance, along which a generator may draw next to nothing. A row of the benchmark, not
for shipping.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .base import Array, LabelledLatents
from .mean_difference import mean_difference
from .table import covariance, known_rows, shrunk, unit_rows


@dataclass(frozen=True)
class WhitenedMeanDifference:
    """Group means compared in whitened space; ``shrinkage`` in [0, 1] pulls Sigma_w towards a sphere.

    1 is the plain mean difference; the default only keeps an empty axis from blowing up.
    """

    share: float = 0.1
    shrinkage: float = 1e-3
    name: str = "whitened_mean_difference"

    def find(self, data: LabelledLatents, attributes: tuple[str, ...]) -> Array:
        """-> (len(attributes), w_dim) float32, unit rows. Raises RecipeError, DataError."""
        rows = []
        for name in attributes:
            w, label = known_rows(data, name)
            difference = mean_difference(w, label, self.share, name)
            rows.append(np.linalg.solve(shrunk(covariance(w), self.shrinkage), difference))
        return unit_rows(np.stack(rows), attributes)
