"""Reading the base mesh: positions, texture coordinates and quads by group out of a Wavefront OBJ file."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from ..errors import DataError

SOURCE_REMEDY = (
    "Get the CC0 asset package of MakeHuman / MPFB (github.com/makehumancommunity/mpfb2, folder src/mpfb/data) "
    "and name the folder that holds mpfb/3dobjs/base.obj."
)
"""What every complaint about the assets ends with."""

LICENCE_LINE = "explicitly released as CC0"
"""Words of the licence header in base.obj; a mesh without them is not known to be free and is refused."""


@dataclass(frozen=True)
class ObjMesh:
    """A quad mesh: ``positions`` (V, 3) float64 decimetres, ``uv`` (T, 2) float64 with v upwards, ``quads`` (F, 4)
    int32 vertex indices, ``uv_quads`` (F, 4) int32 indices into uv, ``groups`` (F,) the name of each face's group."""

    positions: npt.NDArray[np.float64]
    uv: npt.NDArray[np.float64]
    quads: npt.NDArray[np.int32]
    uv_quads: npt.NDArray[np.int32]
    groups: tuple[str, ...]


def read_obj(path: Path) -> ObjMesh:
    """Read the quads of a Wavefront OBJ file whose header states CC0.

    Raises DataError for a missing or unreadable file, another licence header, lines that are no numbers, faces that
    are not quads with texture coordinates, or indices out of range.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as err:
        raise DataError(
            f"The base mesh cannot be read: {err}.", where=str(path), remedy=SOURCE_REMEDY
        ) from err
    header = text[:2000]
    if LICENCE_LINE not in header:
        raise DataError(
            f"The base mesh does not say that it was {LICENCE_LINE!r}.", where=str(path), remedy=SOURCE_REMEDY
        )
    try:
        mesh = _parse(text)
    except (ValueError, IndexError) as err:
        raise DataError(f"The base mesh is damaged: {err}.", where=str(path), remedy=SOURCE_REMEDY) from err
    return mesh


def _parse(text: str) -> ObjMesh:
    positions: list[list[float]] = []
    uv: list[list[float]] = []
    corners: list[list[list[int]]] = []
    groups: list[str] = []
    group = ""
    for line in text.splitlines():
        key, _, rest = line.partition(" ")
        if key == "v":
            positions.append([float(x) for x in rest.split()])
        elif key == "vt":
            uv.append([float(x) for x in rest.split()[:2]])
        elif key == "g":
            group = rest.strip()
        elif key == "f":
            corners.append([[int(x) for x in corner.split("/")[:2]] for corner in rest.split()])
            groups.append(group)
    faces = np.array(corners, np.int32)
    if faces.ndim != 3 or faces.shape[1:] != (4, 2):
        raise ValueError("not every face is a quad with texture coordinates")
    points, coordinates = np.array(positions, np.float64), np.array(uv, np.float64)
    if points.ndim != 2 or points.shape[1] != 3 or coordinates.ndim != 2 or coordinates.shape[1] != 2:
        raise ValueError("positions need three numbers and texture coordinates two")
    if faces.min() < 1 or faces[..., 0].max() > len(points) or faces[..., 1].max() > len(coordinates):
        raise ValueError("a face names a vertex that does not exist")
    if not np.isfinite(points).all() or not np.isfinite(coordinates).all():
        raise ValueError("a position is not a finite number")
    return ObjMesh(points, coordinates, faces[..., 0] - 1, faces[..., 1] - 1, tuple(groups))
