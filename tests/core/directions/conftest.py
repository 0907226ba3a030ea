"""Toy worlds with known answers: planted correlation, and the same seen through a leaky rectifier."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest
from lineament.core.directions.base import LabelledLatents

SIZE = 64


@dataclass(frozen=True)
class Toy:
    """Scores are the coordinates of y ~ N(0, Sigma) with corr(y_0, y_1) = rho; latents are w(y)."""

    rho: float
    leaky: bool = False

    @property
    def rotation(self):
        return np.linalg.qr(np.random.default_rng(99).standard_normal((SIZE, SIZE)))[0]

    def coordinates(self, count, seed=0):
        y = np.random.default_rng(seed).standard_normal((count, SIZE))
        y[:, 1] = self.rho * y[:, 0] + np.sqrt(1 - self.rho**2) * y[:, 1]
        return y

    def latents(self, y):
        if not self.leaky:
            return y
        p = y @ self.rotation.T
        return np.where(p > 0, p, 0.2 * p)

    def scores(self, w):
        return np.where(w > 0, w, 5 * w) @ self.rotation if self.leaky else w

    def data(self, count, seed=0, threshold=None):
        y = self.coordinates(count, seed)
        labels = y[:, :2] if threshold is None else y[:, :2] > threshold
        w = self.latents(y).astype(np.float32)
        return LabelledLatents(w, labels.astype(np.float32), ("a", "b"), "toy")

    def effect_ratio(self, u, sigma=1.0, seed=5):
        """Change of score b over change of score a when moving by one sigma along u."""
        w = self.latents(self.coordinates(2000, seed))
        step = sigma * np.asarray(u, dtype=np.float64)
        change = (self.scores(w + step) - self.scores(w - step)).mean(axis=0)
        return change[1] / change[0]


@pytest.fixture(scope="session")
def toy():
    return Toy
