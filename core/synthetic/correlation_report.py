"""What was declared and what came out: correlations of sampled faces as numbers and as a table for people."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .correlations import Declared, Doubles
from .marginals import NAMES

NOTABLE = 0.1
"""Correlation from which a pair that nobody declared is reported; sampling noise of 5000 faces is 0.014."""


@dataclass(frozen=True)
class CorrelationRow:
    """One pair: ``declared`` and ``measured`` correlation coefficients of the values (point-biserial where one of them
    is yes/no, phi where both are), and ``against``, the share of faces (0..1) on the other side of what the declared
    sign suggests, relative to those that are high in ``first``; 0 if nothing was declared."""

    first: str
    second: str
    declared: float
    measured: float
    against: float

    @property
    def difference(self) -> float:
        """Measured minus declared."""
        return self.measured - self.declared


@dataclass(frozen=True)
class CorrelationReport:
    """Declared against measured correlations of ``count`` faces; nothing is rendered.

    ``rows`` are the declared pairs, ``accidental`` the others whose measured correlation is at least NOTABLE: sums of
    others, or consequences of the rules against contradictions.
    """

    title: str
    count: int
    rows: tuple[CorrelationRow, ...]
    accidental: tuple[CorrelationRow, ...]

    @property
    def largest_difference(self) -> float:
        """Largest absolute difference of the declared pairs; 0 if there are none."""
        return max((abs(row.difference) for row in self.rows), default=0.0)

    def as_json(self) -> dict[str, object]:
        """Plain numbers for ``dataset.json``."""

        def plain(rows: tuple[CorrelationRow, ...]) -> list[dict[str, object]]:
            return [
                {
                    "pair": [row.first, row.second],
                    "declared": round(row.declared, 4),
                    "measured": round(row.measured, 4),
                    "against": round(row.against, 4),
                }
                for row in rows
            ]

        return {
            "title": self.title,
            "faces": self.count,
            "declared": plain(self.rows),
            "accidental": plain(self.accidental),
        }

    def table(self) -> str:
        """The report as lines of text."""
        lines = [
            f'Correlations "{self.title}", {self.count} faces',
            f"{'pair':32}{'declared':>9}{'measured':>9}{'difference':>11}{'against':>9}",
        ]
        lines += [
            f"{f'{row.first} and {row.second}':32}{row.declared:+9.2f}{row.measured:+9.2f}"
            f"{row.difference:+11.2f}{row.against:9.1%}"
            for row in self.rows
        ]
        if self.accidental:
            lines.append(f"not declared, but at least {NOTABLE:.2f}:")
            lines += [
                f"{f'{row.first} and {row.second}':32}{'':9}{row.measured:+9.2f}" for row in self.accidental
            ]
        return "\n".join(lines)


def report(declared: Declared, values: dict[str, Doubles]) -> CorrelationReport:
    """Measure columns ``values``, arrays (N,) for all of NAMES, against a declaration."""
    measured = correlation_matrix(values)
    rows, accidental = [], []
    for i, first in enumerate(NAMES):
        for j in range(i + 1, len(NAMES)):
            second = NAMES[j]
            wanted, found = float(declared.matrix[i, j]), float(measured[i, j])
            if wanted != 0.0:
                against = _against(values[first], values[second], wanted)
                rows.append(CorrelationRow(first, second, wanted, found, against))
            elif abs(found) >= NOTABLE and not _shares_of_one(first, second):
                accidental.append(CorrelationRow(first, second, 0.0, found, 0.0))
    accidental.sort(key=lambda row: -abs(row.measured))
    return CorrelationReport(declared.title, len(values[NAMES[0]]), tuple(rows), tuple(accidental))


def correlation_matrix(values: dict[str, Doubles]) -> Doubles:
    """Correlation coefficients (len(NAMES), len(NAMES)) of columns ``values``; 0 where a column is constant."""
    columns = np.stack([values[name] for name in NAMES])
    centred = columns - columns.mean(1, keepdims=True)
    norm = np.linalg.norm(centred, axis=1)
    unit = centred / np.where(norm > 0, norm, 1.0)[:, None]
    return np.asarray(unit @ unit.T)


def _against(first: Doubles, second: Doubles, wanted: float) -> float:
    """Of the faces with much of ``first``, the share whose ``second`` contradicts the sign: much of it where little is
    expected, or the other way round. Positive pairs are read from the other end: little of one, much of the other."""
    chosen = _much(first) if wanted < 0 else ~_much(first)
    return float(_much(second)[chosen].mean()) if chosen.any() else 0.0


def _much(column: Doubles) -> np.ndarray[tuple[int, ...], np.dtype[np.bool_]]:
    """Above the middle of the column's range; for yes/no attributes simply yes."""
    return np.asarray(column > 0.5 * (column.min() + column.max()))


def _shares_of_one(first: str, second: str) -> bool:
    """Ancestry shares sum to 1, which alone makes them contradict each other."""
    return first in NAMES[-3:] and second in NAMES[-3:]
