"""Mean difference: from the average face without an attribute to the average face with it.

The plainest baseline. It takes along whatever goes together with the attribute in the data: with a
correlation of 0.8 between two attributes it moves the second by 0.8 per unit of the first.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .base import Array, LabelledLatents
from .groups import much_and_little
from .table import Doubles, known_rows, unit_rows


def mean_difference(w: Doubles, label: Doubles, share: float, attribute: str) -> Doubles:
    """(w_dim,): mean latent of the faces with much of the attribute minus that of those with little."""
    much, little = much_and_little(label, share, attribute)
    difference: Doubles = w[much].mean(axis=0) - w[little].mean(axis=0)
    return difference


@dataclass(frozen=True)
class MeanDifference:
    """Difference of group means; ``share`` of the faces at either end form the groups of a graded label."""

    share: float = 0.1
    name: str = "mean_difference"

    def find(self, data: LabelledLatents, attributes: tuple[str, ...]) -> Array:
        """-> (len(attributes), w_dim) float32, unit rows. Raises RecipeError, DataError."""
        rows = [mean_difference(*known_rows(data, name), self.share, name) for name in attributes]
        return unit_rows(np.stack(rows), attributes)
