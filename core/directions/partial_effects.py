"""Partial effects: what one attribute does to the latent while every other label stays as it is.

All labels explain the latent at once, ``w = mean + X B + rest`` by least squares, and a direction is the
attribute's row of B. Labels that go together in the data (age and grey hair) thereby stop leaking into each
other. This is the conditional mean of a linear Gaussian model; it needs every label that varies among the
regressors, wanted or not.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..errors import DataError
from .base import Array, LabelledLatents
from .table import Doubles, column_index, standardise, unit_rows

MAX_INFLATION = 1e4  # a label that the others predict to 99.99 % of its variance has no effect of its own


def inflation(x: Doubles) -> Doubles:
    """(A,) variance inflation factors of standardised labels (n, A): 1 = independent of the others."""
    gram = x.T @ x / len(x)
    factors: Doubles = np.diag(np.linalg.pinv(gram, hermitian=True)) * np.diag(gram)
    # a label that is exactly a mix of others lies in the null space that pinv drops, and would look innocent
    values, vectors = np.linalg.eigh(gram)
    null = values < values[-1] * len(gram) * np.finfo(np.float64).eps * 10
    factors[(np.abs(vectors[:, null]) > 1e-6).any(axis=1)] = np.inf
    return factors


@dataclass(frozen=True)
class PartialEffects:
    """Regress w on all standardised labels at once and take the asked rows.

    ``ridge`` is added to the labels' correlation matrix: 0 is exact; 0.01 steadies few faces with many
    labels, at the price that correlated labels leak into each other again. A face that lacks any label is
    left out.
    """

    ridge: float = 0.0
    name: str = "partial_effects"

    def find(self, data: LabelledLatents, attributes: tuple[str, ...]) -> Array:
        """-> (len(attributes), w_dim) float32, unit rows.

        Raises RecipeError for an unknown label, DataError if it never varies or if the other labels
        determine it.
        """
        for attribute in attributes:
            column_index(data.names, attribute)
        table = standardise(data)
        self._check(table.x, table.names, attributes)
        gram = table.x.T @ table.x / len(table.x) + self.ridge * np.eye(len(table.names))
        effects = np.linalg.pinv(gram, hermitian=True) @ (table.x.T @ table.w / len(table.x))  # (A, w_dim)
        rows = effects[[table.names.index(attribute) for attribute in attributes]]
        return unit_rows(rows, attributes)

    def _check(self, x: Doubles, names: tuple[str, ...], attributes: tuple[str, ...]) -> None:
        factors = dict(zip(names, inflation(x), strict=True))
        for attribute in attributes:
            if attribute not in factors:
                raise DataError(
                    f'The label "{attribute}" does not vary over the {len(x)} faces that have all labels.',
                    remedy="Add faces with other values of this label.",
                )
            if self.ridge == 0 and factors[attribute] > MAX_INFLATION:
                raise DataError(
                    f'The other labels determine "{attribute}" (variance inflation {factors[attribute]:.0f}) '
                    "and leave it no effect of its own.",
                    remedy="Leave out the labels that restate it, or set a ridge.",
                )
