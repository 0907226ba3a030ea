"""Labelled latents as numbers that a regression can use: complete rows, standardised columns, known names."""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from ..checks import expect_shape
from ..errors import DataError, RecipeError
from .base import Array, LabelledLatents

Doubles = npt.NDArray[np.float64]


def varies(column: Doubles) -> bool:
    """True if the known values of a column differ."""
    known = column[np.isfinite(column)]
    return len(known) > 1 and float(np.ptp(known)) > 0


def column_index(names: Sequence[str], name: str) -> int:
    """Where a label stands. Raises RecipeError naming close matches."""
    if name in names:
        return list(names).index(name)
    close = difflib.get_close_matches(name, names, n=3)
    raise RecipeError(
        f'There is no label "{name}".',
        remedy=f"Did you mean {', '.join(close)}?" if close else f"Known labels: {', '.join(names)}.",
    )


def without(data: LabelledLatents, names: Sequence[str]) -> LabelledLatents:
    """The same latents with some labels left out; unknown names are ignored."""
    kept = [i for i, name in enumerate(data.names) if name not in set(names)]
    return replace(data, labels=data.labels[:, kept], names=tuple(data.names[i] for i in kept))


def check_data(data: LabelledLatents) -> None:
    """Raise ValueError unless shapes agree."""
    expect_shape(data.w, "N w", name="w")
    expect_shape(data.labels, "N A", name="labels", N=data.w.shape[0], A=len(data.names))


def known_rows(data: LabelledLatents, attribute: str) -> tuple[Doubles, Doubles]:
    """Latents (n, w_dim) and labels (n,) of the rows that know ``attribute``, both float64.

    Raises DataError if fewer than two rows know it or all say the same.
    """
    check_data(data)
    label = data.labels[:, column_index(data.names, attribute)].astype(np.float64)
    rows = np.isfinite(label) & np.isfinite(data.w).all(axis=1)
    if not varies(label[rows]):
        raise DataError(
            f'The label "{attribute}" does not vary over the {int(rows.sum())} faces that have it.',
            remedy="Add faces with other values of this label.",
        )
    return data.w[rows].astype(np.float64), label[rows]


@dataclass(frozen=True)
class Standardised:
    """Complete rows only: centred latents ``w`` (n, w_dim) and labels ``x`` (n, A) with mean 0 and variance
    1.
    """

    w: Doubles
    x: Doubles
    names: tuple[str, ...]


def standardise(data: LabelledLatents) -> Standardised:
    """Drop rows with an unknown label and labels that never vary, centre and scale the rest.

    Raises DataError if there are not more complete rows than labels.
    """
    check_data(data)
    labels = data.labels.astype(np.float64)
    rows = np.isfinite(labels).all(axis=1) & np.isfinite(data.w).all(axis=1)
    if rows.sum() <= labels.shape[1] + 1:
        raise DataError(
            f"Only {int(rows.sum())} of {len(data.w)} faces have all {labels.shape[1]} labels; "
            "a regression needs more faces than labels.",
            remedy="Leave out the labels that most faces lack, or add faces.",
        )
    labels = labels[rows]
    kept = [i for i in range(labels.shape[1]) if varies(labels[:, i])]
    labels = labels[:, kept]
    w = data.w[rows].astype(np.float64)
    x = (labels - labels.mean(axis=0)) / labels.std(axis=0)
    return Standardised(w - w.mean(axis=0), x, tuple(data.names[i] for i in kept))


def unit_rows(rows: Doubles, attributes: Sequence[str]) -> Array:
    """(K, w_dim) scaled to unit length, float32. Raises DataError if a row has no length."""
    lengths = np.linalg.norm(rows, axis=1)
    for attribute, length in zip(attributes, lengths, strict=True):
        if not np.isfinite(length) or length == 0:
            raise DataError(
                f'No direction can be found for "{attribute}": its effect on the latents is {length}.',
                remedy="Check that the label belongs to these latents.",
            )
    unit: Array = (rows / lengths[:, None]).astype(np.float32)
    return unit


def covariance(w: Doubles) -> Doubles:
    """(w_dim, w_dim) covariance of (N, w_dim) latents, N - 1 in the denominator."""
    centred = w - w.mean(axis=0)
    product: Doubles = centred.T @ centred / max(1, len(w) - 1)
    return product


def shrunk(sigma: Doubles, amount: float) -> Doubles:
    """A covariance pulled towards a sphere of the same mean variance by ``amount`` in [0, 1]."""
    size = len(sigma)
    blend: Doubles = (1 - amount) * sigma + amount * np.trace(sigma) / size * np.eye(size)
    return blend
