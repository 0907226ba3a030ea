"""Reading morph targets: sparse offsets of vertices, packed as int16 thousandths (which loses nothing).

A target file is gzipped text, ``index dx dy dz`` a line, decimetres with three decimals. A face is the base mesh plus
the weighted sum of targets; nothing in it is non-linear.
"""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from scipy import sparse

from ..errors import DataError
from .obj import SOURCE_REMEDY

UNIT = 0.001
"""Decimetres of one stored step; the files have three decimals."""

FOLDERS = ("macrodetails", "head", "mouth", "eyes", "eyebrows", "nose", "cheek", "chin", "forehead", "ears", "neck",
           "asym", "expression/units/african", "expression/units/asian", "expression/units/caucasian")  # fmt: skip
"""Target folders that shape a face."""


@dataclass(frozen=True)
class Targets:
    """``names`` of K targets (folder-relative, without suffix: "nose/nose-hump-incr") and ``offsets``, a sparse
    (K, 3 V) int16 CSR matrix in thousandths of a decimetre, x y z of each vertex in turn."""

    names: tuple[str, ...]
    offsets: sparse.csr_array


def read_target(path: Path, vertices: int) -> tuple[npt.NDArray[np.int32], npt.NDArray[np.int16]]:
    """One target file as (index (n,) int32, offset (n, 3) int16 thousandths of a decimetre).

    Raises DataError for a missing file, damaged gzip, lines without four numbers, or indices beyond ``vertices``.
    """
    try:
        text = gzip.decompress(path.read_bytes()).decode("ascii")
        lines = [line for line in text.splitlines() if line.strip() and not line.startswith("#")]
        table = np.array(" ".join(lines).split(), np.float64).reshape(len(lines), 4)
    except (OSError, EOFError, zlib.error, UnicodeDecodeError, ValueError) as err:
        raise DataError(f"The target cannot be read: {err}.", where=str(path), remedy=SOURCE_REMEDY) from err
    index = table[:, 0].astype(np.int32)
    steps = np.rint(table[:, 1:] / UNIT)
    if len(index) and (index.min() < 0 or index.max() >= vertices or not np.abs(steps).max() < 32768):
        raise DataError(
            f"The target moves vertex {index.max()} of a mesh of {vertices}, or moves it too far.",
            where=str(path),
            remedy=SOURCE_REMEDY,
        )
    return index, steps.astype(np.int16)


def read_targets(folder: Path, vertices: int, kept: npt.NDArray[np.int64]) -> Targets:
    """All face targets below ``folder``, restricted to the vertices ``kept`` (sorted indices into the whole mesh).

    Targets that move nothing of what is kept are dropped. Raises DataError.
    """
    place = np.full(vertices, -1, np.int64)
    place[kept] = np.arange(len(kept))
    names: list[str] = []
    columns: list[npt.NDArray[np.int64]] = []
    values: list[npt.NDArray[np.int16]] = []
    for path in _files(folder):
        index, steps = read_target(path, vertices)
        inside = place[index] >= 0
        where, what = np.nonzero(steps[inside])
        if not len(where):
            continue
        names.append(path.relative_to(folder).as_posix().removesuffix(".target.gz"))
        columns.append(place[index[inside]][where] * 3 + what)
        values.append(steps[inside][where, what])
    rows = np.repeat(np.arange(len(names)), [len(c) for c in columns])
    shape = (len(names), 3 * len(kept))
    matrix = sparse.coo_array((np.concatenate(values), (rows, np.concatenate(columns))), shape=shape)
    return Targets(tuple(names), matrix.tocsr())


def weighted_sum(targets: Targets, weights: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """Offsets (V, 3) float32 in decimetres of targets with ``weights`` (K,)."""
    total = targets.offsets.T @ (weights * np.float32(UNIT))
    return np.asarray(total, np.float32).reshape(-1, 3)


def _files(folder: Path) -> Sequence[Path]:
    found: list[Path] = []
    for name in FOLDERS:
        files = sorted((folder / name).glob("*.target.gz"))
        if not files:
            raise DataError("No morph targets there.", where=str(folder / name), remedy=SOURCE_REMEDY)
        found += files
    return [path for path in found if "baby" not in path.name]
