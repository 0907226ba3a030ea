"""Directions from counterfactual pairs: what a face's latent does when the renderer changes one attribute.

A pair is one face twice, with one attribute changed by ``delta`` and nothing else. The direction is the least-squares
slope of the latent's change on ``delta``, through zero. Nothing else varies inside a pair, so no correlation of the
data set can enter.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ..checks import expect_shape
from ..errors import DataError
from .base import Array, LabelledLatents
from .table import unit_rows


@dataclass(frozen=True)
class PairedLatents:
    """``step`` (P, w_dim) float32, latent of the changed face minus that of the base; ``delta`` (P,) the change in the
    attribute's unit; ``attribute`` (P,) names."""

    step: Array
    delta: Array
    attribute: tuple[str, ...]

    @staticmethod
    def joined(parts: Sequence[PairedLatents]) -> PairedLatents:
        """All pairs of several; empty for none."""
        if not parts:
            return PairedLatents(np.zeros((0, 0), np.float32), np.zeros(0, np.float32), ())
        return PairedLatents(
            np.concatenate([part.step for part in parts]),
            np.concatenate([part.delta for part in parts]),
            tuple(name for part in parts for name in part.attribute),
        )

    def of(self, name: str) -> tuple[Array, Array]:
        """Steps and deltas of one attribute. Raises DataError if it has no pairs."""
        keep = np.array([one == name for one in self.attribute], bool)
        if not keep.any():
            raise DataError(
                f'No counterfactual pairs change "{name}".',
                remedy="Render families with this attribute, or use partial effects.",
            )
        return self.step[keep], self.delta[keep]


def slope(step: Array, delta: Array) -> npt.NDArray[np.float64]:
    """(w_dim,) change of the latent per unit of the attribute. Raises DataError if nothing was changed."""
    expect_shape(step, "P w", name="step")
    expect_shape(delta, "P", name="delta", P=len(step))
    weight = float((delta.astype(np.float64) ** 2).sum())
    if not weight > 0:
        raise DataError("The pairs do not change the attribute.", remedy="Render pairs with other values.")
    return np.asarray(delta.astype(np.float64) @ step.astype(np.float64) / weight)


@dataclass(frozen=True)
class Counterfactual:
    """A finder that looks at ``pairs`` alone; the labelled latents it is given only name the generator."""

    pairs: PairedLatents
    name: str = "counterfactual"

    def __repr__(self) -> str:
        return f"Counterfactual({len(self.pairs.delta)} pairs)"

    def find(self, data: LabelledLatents, attributes: tuple[str, ...]) -> Array:
        """-> (len(attributes), w_dim) float32, unit rows. Raises DataError for an attribute without pairs."""
        rows = np.stack([slope(*self.pairs.of(attribute)) for attribute in attributes])
        return unit_rows(rows, attributes)

    def length(self, attribute: str) -> float:
        """How far the latent moves per unit of the attribute."""
        return float(np.linalg.norm(slope(*self.pairs.of(attribute))))

    def resampled(self, rng: np.random.Generator) -> Counterfactual:
        """The same finder on pairs drawn with replacement, as many of every attribute as there are."""
        names = np.array(self.pairs.attribute)
        groups = [np.flatnonzero(names == name) for name in dict.fromkeys(self.pairs.attribute)]
        rows = np.concatenate([rng.choice(group, len(group)) for group in groups])
        drawn = PairedLatents(self.pairs.step[rows], self.pairs.delta[rows], tuple(names[rows].tolist()))
        return Counterfactual(drawn, self.name)
