"""Least-squares normal: the weights that read one attribute off the latent, by ridge regression.

A baseline for tables only. It predicts well and edits badly: the weights point along the latent's smallest
axes.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .base import Array, LabelledLatents
from .table import covariance, known_rows, shrunk, unit_rows


@dataclass(frozen=True)
class LeastSquares:
    """Regress one label on w; ``ridge`` in [0, 1] is the share of Sigma_w that is replaced by a sphere."""

    ridge: float = 1e-3
    name: str = "least_squares"

    def find(self, data: LabelledLatents, attributes: tuple[str, ...]) -> Array:
        """-> (len(attributes), w_dim) float32, unit rows. Raises RecipeError, DataError."""
        rows = []
        for attribute in attributes:
            w, label = known_rows(data, attribute)
            with_label = (w - w.mean(axis=0)).T @ (label - label.mean()) / max(1, len(w) - 1)
            rows.append(np.linalg.solve(shrunk(covariance(w), self.ridge), with_label))
        return unit_rows(np.stack(rows), attributes)
