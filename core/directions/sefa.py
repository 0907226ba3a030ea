"""SeFa: directions without labels, from the weights alone (Shen and Zhou 2021, arXiv:2007.06600).

Row i of A is what latent numbers do to style i; the unit steps that move all styles most are the leading
eigenvectors of A^T A. They act on W, on the rows they were factorised from, and carry no names.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch

from ..generators.base import Generator
from .base import Array
from .table import Doubles


@dataclass(frozen=True)
class Factors:
    """``directions`` (K, w_dim) float32 unit rows, strongest first; ``eigenvalues`` (K,) of A^T A.

    The sign is free: the largest component of each row is made positive.
    """

    directions: Array
    eigenvalues: Doubles


def factorise(weights: Sequence[Doubles | Array], count: int, *, normalise_rows: bool = True) -> Factors:
    """Leading ``count`` directions of affine weights, each (C_l, w_dim).

    ``normalise_rows`` gives every style the same say, as published; without it the weights must be the
    effective ones, any equalised-learning-rate factor included.
    """
    stacked = np.concatenate([np.asarray(weight, dtype=np.float64) for weight in weights])  # (sum C_l, w_dim)
    if normalise_rows:
        lengths = np.linalg.norm(stacked, axis=1, keepdims=True)
        stacked = stacked / np.where(lengths > 0, lengths, 1.0)
    values, vectors = np.linalg.eigh(stacked.T @ stacked)  # ascending; eig would give neither order nor reals
    values, rows = values[::-1][:count], vectors.T[::-1][:count]
    largest = np.abs(rows).argmax(axis=1)
    rows = rows * np.sign(rows[np.arange(len(rows)), largest])[:, None]
    return Factors(np.ascontiguousarray(rows, dtype=np.float32), values.copy())


def affine_weights(
    generator: Generator, layers: tuple[int, int] | None = None, *, device: str = "cpu"
) -> list[Doubles]:
    """Effective weights (C_l, w_dim) of the styles that latent rows ``layers`` (half-open; None: all) drive.

    They are read by moving the latent, so any generator with affine styles will do, and the weights are
    those of exactly the rows that the direction will be applied to.
    """
    start, end = layers or (0, generator.num_ws)
    probes = torch.zeros(generator.w_dim + 1, generator.num_ws, generator.w_dim)
    probes[1:, start:end] = torch.eye(generator.w_dim)[:, None, :]  # one latent number at a time
    with torch.no_grad():
        styles = generator.styles(probes.to(device))
    found = []
    for style in styles:
        values = style.double().cpu().numpy()
        weight: Doubles = (values[1:] - values[0]).T  # (C_l, w_dim)
        if np.any(weight):
            found.append(weight)
    return found


def sefa(
    generator: Generator,
    count: int,
    layers: tuple[int, int] | None = None,
    *,
    normalise_rows: bool = True,
    device: str = "cpu",
) -> Factors:
    """The ``count`` strongest directions of a generator for latent rows ``layers``."""
    return factorise(affine_weights(generator, layers, device=device), count, normalise_rows=normalise_rows)
