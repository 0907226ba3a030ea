"""Declared correlations between attributes: what may be declared, and the latent matrix that brings them about.

A Gaussian copula (Cario and Nelson 1997, "NORTA"): correlated normals go through each attribute's own quantile
function. The correlation of the values is smaller than that of the normals, most of all for yes/no attributes, so the
latent one is found by trial on a fixed sample. What cannot be reached (a yes/no attribute and a continuous one stop
near 0.8) is shown as a difference, never hidden.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import combinations
from typing import Literal

import numpy as np
import numpy.typing as npt

from ..errors import RecipeError
from .marginals import HAIR_RANK, NAMES
from .params import ATTRIBUTES

Doubles = npt.NDArray[np.float64]
Pairs = Mapping[tuple[str, str], float]
Declaration = (
    Literal["ffhq", "none"] | Mapping[tuple[str, str], float] | Mapping[str, float] | npt.NDArray[np.floating]
)

FFHQ: Pairs = {
    ("age", "glasses"): 0.5,
    ("age", "grey"): 0.8,
    ("age", "recede"): 0.3,
    ("age", HAIR_RANK): -0.12,
    ("gender", "lipstick"): -0.64,
    ("gender", "beard"): 0.4,
    ("gender", "moustache"): 0.38,
    ("gender", "stubble"): 0.3,
    ("gender", "smile"): -0.2,
    ("gender", "recede"): 0.3,
    ("gender", HAIR_RANK): -0.5,
    ("glasses", "grey"): 0.4,
    ("glasses", "recede"): 0.15,
    ("grey", "recede"): 0.24,
    ("beard", "moustache"): 0.55,
    ("beard", "stubble"): -0.2,
    ("beard", "lipstick"): -0.26,
    ("beard", "recede"): 0.12,
    ("beard", HAIR_RANK): -0.2,
    ("moustache", "lipstick"): -0.25,
    ("moustache", "recede"): 0.11,
    ("moustache", HAIR_RANK): -0.19,
    ("stubble", "lipstick"): -0.2,
    ("stubble", "recede"): 0.09,
    ("stubble", HAIR_RANK): -0.15,
    ("lipstick", "smile"): 0.13,
    ("lipstick", "recede"): -0.19,
    ("lipstick", HAIR_RANK): 0.32,
    ("smile", HAIR_RANK): 0.1,
    ("recede", HAIR_RANK): -0.3,
    ("smile", "mouth_open"): 0.15,
    ("skin", "african"): 0.6,
    ("skin", "asian"): -0.08,
    ("skin", "caucasian"): -0.5,
    ("skin", "hair_dark"): 0.4,
    ("hair_dark", "african"): 0.25,
    ("hair_dark", "asian"): 0.15,
    ("hair_dark", "caucasian"): -0.4,
    ("hair_red", "african"): -0.1,
    ("hair_red", "asian"): -0.1,
    ("hair_red", "caucasian"): 0.2,
}
"""Correlations like those of collections of photographs from the web, as the values' correlation coefficients
(point-biserial where one is yes/no). Signs and sizes are chosen after the published biases of such sets."""

TOLERANCE = 1e-6
_LIMIT = 0.985
_SINGULAR = 1e-9
_ROUNDS = 14


@dataclass(frozen=True)
class Declared:
    """A valid declaration: ``matrix`` (len(NAMES), len(NAMES)) float64, symmetric, unit diagonal, positive
    semidefinite; ``title`` is its name for people."""

    title: str
    matrix: Doubles

    @property
    def pairs(self) -> tuple[tuple[str, str], ...]:
        """The pairs whose declared correlation is not zero, in the order of NAMES."""
        return tuple(
            (a, b) for a, b in combinations(NAMES, 2) if self.matrix[NAMES.index(a), NAMES.index(b)] != 0.0
        )

    def between(self, first: str, second: str) -> float:
        """The declared correlation of two names; raises RecipeError for unknown ones."""
        return float(self.matrix[_place(first), _place(second)])


def declare(correlations: Declaration) -> Declared:
    """Check a declaration. Raises RecipeError with what is wrong and the nearest possible one.

    "ffhq" plants FFHQ, "none" plants nothing. A mapping ``{("age", "glasses"): 0.5}`` (or ``{"age,glasses": 0.5}``, as
    JSON has it) plants these pairs and zero elsewhere. A matrix is in the order of ATTRIBUTES (24 x 24) or of
    ``marginals.NAMES``.
    """
    if isinstance(correlations, str):
        presets: dict[str, Pairs] = {"ffhq": FFHQ, "none": {}}
        if correlations not in presets:
            raise RecipeError(
                f"No set of correlations {correlations!r}.",
                where="correlations",
                remedy=f"Use {', '.join(presets)}, pairs, or a matrix.",
            )
        matrix, title = _from_pairs(presets[correlations]), str(correlations)
    elif isinstance(correlations, Mapping):
        matrix, title = (
            _from_pairs({_pair(key): float(value) for key, value in correlations.items()}),
            "pairs",
        )
    else:
        matrix, title = _from_matrix(np.asarray(correlations, dtype=np.float64)), "matrix"
    _check(matrix)
    return Declared(title, matrix)


def _place(name: str) -> int:
    if name not in NAMES:
        raise RecipeError(
            f"No attribute {name!r}.", where="correlations", remedy=f"One of: {', '.join(NAMES)}."
        )
    return NAMES.index(name)


def _pair(key: object) -> tuple[str, str]:
    parts = tuple(part.strip() for part in key.split(",")) if isinstance(key, str) else key
    if not isinstance(parts, tuple) or len(parts) != 2 or parts[0] == parts[1]:
        raise RecipeError(
            f"{key!r} is not a pair of attributes.",
            where="correlations",
            remedy='Name two different ones, as in "age,glasses".',
        )
    return str(parts[0]), str(parts[1])


def _from_pairs(pairs: Pairs) -> Doubles:
    matrix = np.eye(len(NAMES))
    for (first, second), value in pairs.items():
        i, j = _place(first), _place(second)
        turned = pairs.get((second, first), value)
        if turned != value and np.isfinite(value):
            raise RecipeError(
                f"{first} and {second} are declared twice, as {value} and {turned}.",
                where="correlations",
                remedy="Declare each pair once.",
            )
        matrix[i, j] = matrix[j, i] = value
    return matrix


def _from_matrix(given: Doubles) -> Doubles:
    sizes = (len(ATTRIBUTES), len(NAMES))
    if given.ndim != 2 or given.shape[0] != given.shape[1] or given.shape[0] not in sizes:
        raise RecipeError(
            f"The matrix has shape {given.shape}.",
            where="correlations",
            remedy=f"Give {sizes[0]} x {sizes[0]} in the order of the attributes, or {sizes[1]} x {sizes[1]}.",
        )
    matrix = np.eye(len(NAMES))
    matrix[: len(given), : len(given)] = given
    return matrix


def _check(matrix: Doubles) -> None:
    """Raise RecipeError unless ``matrix`` is a correlation matrix."""
    problem = _first_problem(matrix)
    if problem is not None:
        (i, j), what, remedy = problem
        raise RecipeError(what, where=f"correlations, {NAMES[i]} and {NAMES[j]}", remedy=remedy)
    values, vectors = np.linalg.eigh(matrix)
    if values[0] < -TOLERANCE:
        _refuse_impossible(matrix, float(values[0]), vectors[:, 0])


def _first_problem(matrix: Doubles) -> tuple[tuple[int, int], str, str] | None:
    for wrong, text, remedy in (
        (~np.isfinite(matrix), "The correlation is {value}.", "Give a number."),
        (np.abs(matrix) > 1.0, "The correlation {value} is outside -1..1.", "Choose a value inside."),
        (
            ~np.isclose(matrix, matrix.T, rtol=0.0, atol=TOLERANCE),
            "The matrix is not symmetric: {value} one way, {other} the other.",
            "Make both equal.",
        ),
        (
            (np.abs(matrix - 1.0) > TOLERANCE) & np.eye(len(matrix), dtype=bool),
            "The diagonal has {value}.",
            "An attribute's correlation with itself is 1.",
        ),
    ):
        if wrong.any():
            i, j = (int(k) for k in np.argwhere(wrong)[0])
            return (i, j), text.format(value=matrix[i, j], other=matrix[j, i]), remedy
    return None


def _refuse_impossible(matrix: Doubles, eigenvalue: float, vector: Doubles) -> None:
    near = nearest_possible(matrix)
    i, j, k = _worst_triple(matrix, vector)
    triple = ", ".join(
        f"{NAMES[a]} and {NAMES[b]} {matrix[a, b]:+.2f}" for a, b in combinations((i, j, k), 2)
    )
    moved = [
        f"{NAMES[a]} and {NAMES[b]} {matrix[a, b]:+.3f} -> {near[a, b]:+.3f}"
        for a, b in combinations(range(len(matrix)), 2)
        if abs(near[a, b] - matrix[a, b]) > 5e-4
    ]
    raise RecipeError(
        f"No faces can have these correlations (smallest eigenvalue {eigenvalue:.4f}): {triple}.",
        where="correlations",
        remedy=f"Pairs that are not named count as 0. The nearest possible ones: {'; '.join(moved)}.",
    )


def _worst_triple(matrix: Doubles, vector: Doubles) -> tuple[int, int, int]:
    """The three names that contradict each other most, among the nine that the negative eigenvector leans on."""
    leaning = sorted(int(i) for i in np.argsort(-np.abs(vector))[:9])
    return min(
        combinations(leaning, 3), key=lambda three: float(np.linalg.eigvalsh(matrix[np.ix_(three, three)])[0])
    )


def nearest_possible(matrix: Doubles, *, floor: float = 1e-6) -> Doubles:
    """The nearest correlation matrix, eigenvalues at least ``floor`` (Higham 2002, alternating projections)."""
    current, correction = matrix.copy(), np.zeros_like(matrix)
    for _ in range(200):
        values, vectors = np.linalg.eigh(current - correction)
        raised = (vectors * np.maximum(values, floor)) @ vectors.T
        correction = raised - (current - correction)
        current = raised.copy()
        np.fill_diagonal(current, 1.0)
        if np.abs(current - raised).max() < 1e-9:
            break
    deviation = np.sqrt(np.diag(raised))
    return np.asarray((raised + raised.T) / 2 / np.outer(deviation, deviation))


def calibrate(declared: Declared, measure: Callable[[Doubles], Doubles]) -> Doubles:
    """The latent matrix whose faces show the declared correlations, as nearly as they can; rounded to 1e-4.

    ``measure`` maps a latent matrix to the values' correlations on a fixed sample. Only declared pairs move; each
    round adds what is missing, then takes the nearest possible matrix.
    """
    wanted = declared.matrix
    moves = (wanted != 0.0) & ~np.eye(len(wanted), dtype=bool)
    latent = (
        wanted.copy() if np.linalg.eigvalsh(wanted)[0] > _SINGULAR else nearest_possible(wanted, floor=1e-4)
    )
    best, smallest = latent, np.inf
    if not moves.any():
        return latent
    for _ in range(_ROUNDS):
        missing = np.where(moves, wanted - measure(latent), 0.0)
        total = float(np.square(missing).sum())
        if total < smallest:
            best, smallest = latent, total
        moved = np.where(moves, np.clip(latent + missing, -_LIMIT, _LIMIT), wanted)
        latent = nearest_possible(moved, floor=1e-4)
    return nearest_possible(np.round(best, 4), floor=1e-5)
