"""Faces with much and with little of an attribute, as the mean-difference methods compare them."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from ..errors import DataError
from .table import Doubles

Rows = npt.NDArray[np.bool_]


def much_and_little(label: Doubles, share: float, attribute: str) -> tuple[Rows, Rows]:
    """Masks (n,) of the faces with much and with little of an attribute.

    A label of two values gives those two groups, any other the top and bottom ``share`` of the faces. Raises
    DataError if a group would be empty.
    """
    values = np.unique(label)
    if len(values) == 2:
        return label == values[1], label == values[0]
    low, high = np.quantile(label, [share, 1 - share])
    much, little = label >= high, label <= low
    if low == high:  # more than ``share`` of the faces sit on one value, as with a slider that is mostly 0
        much, little = label > high, label < low
        if not much.any():
            much = label == high
        if not little.any():
            little = label == low
    if not much.any() or not little.any():
        raise DataError(
            f'The label "{attribute}" does not split {len(label)} faces into much and little.',
            remedy="Add faces with other values of this label.",
        )
    return much, little
