"""Regions of the skin as soft per-vertex weights, from the package's texture masks and face sets and from position."""

from __future__ import annotations

import gzip
import json
import zlib
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt

from ..errors import DataError
from .geometry import Floats
from .head import MASKS, eye_spheres
from .landmarks import BROW
from .obj import SOURCE_REMEDY, ObjMesh

Weights = npt.NDArray[np.float64]
Line = tuple[tuple[float, float], ...]

BROW_LINE: Line = tuple((-x, y) for x, y in BROW[::-1])
"""Middle of the eyebrow: distance from the middle of the face, height."""

HAIR_LINE: Line = (
    (0, 0.62), (20, 0.66), (40, 0.62), (54, 0.42), (63, 0.15), (70, -0.14), (80, -0.12), (90, 0.1), (105, 0.08),
    (115, -0.2), (130, -0.65), (180, -0.75),
)  # fmt: skip
"""Lower edge of the hair: degrees around the head from the front, height."""

BEARD_TOP: Line = ((0, -0.72), (0.2, -0.7), (0.3, -0.63), (0.45, -0.55), (0.6, -0.38), (0.68, -0.12))
"""Upper edge of the beard: distance from the middle of the face, height."""

MOUSTACHE: Line = ((0, -0.54), (0.15, -0.56), (0.3, -0.63))
"""Middle of the moustache: distance from the middle of the face, height."""


def region_masks(
    folder: Path,
    mesh: ObjMesh,
    skin_faces: npt.NDArray[np.int64],
    skin: npt.NDArray[np.int32],
    tables: dict[str, npt.NDArray[np.generic]],
) -> Floats:
    """(V, M) float32 in 0..1, the columns of MASKS for the skin's vertices. Raises DataError."""
    uv = np.zeros((len(mesh.positions), 2))
    uv[mesh.quads[skin_faces]] = mesh.uv[mesh.uv_quads[skin_faces]]
    painted = {name: _sampled(folder, name, uv[skin]) for name in ("lips", "eyelids", "ears", "inside-mouth")}
    face = _face_set(folder, "face_solid", mesh)[skin]
    helpers = np.asarray(tables["base"], np.float32)[np.asarray(tables["eyes"], np.int64)]
    eyes, radii = eye_spheres(helpers)
    origin = eyes.mean(axis=0)
    x, y, z = (mesh.positions[skin] - origin).T
    ax = np.abs(x)
    columns: dict[str, Weights] = {name: np.zeros(len(skin)) for name in MASKS}
    columns |= {"lips": painted["lips"], "eyelids": painted["eyelids"], "ears": painted["ears"]}
    columns |= {"inside_mouth": painted["inside-mouth"], "face": face, "ao": np.ones(len(skin))}
    front = _ramp(z, -0.35, -0.15)
    columns["brows"] = (
        _bump((y - _line(ax, BROW_LINE)) / 0.1) * _ramp(ax, 0.05, 0.12) * _ramp(ax, 0.62, 0.52) * front
    )
    columns["nose"] = _bump(x / 0.2) * _ramp(y, -0.52, -0.45) * _ramp(y, 0.1, -0.1) * _ramp(z, 0.1, 0.2)
    columns["cheeks"] = _bump(np.hypot(ax - 0.45, y + 0.36) / 0.28) * front
    columns["under_eye"] = _bump((ax - 0.31) / 0.24) * _bump((y + 0.15) / 0.1) * front
    columns["neck"] = _ramp(y + 0.35 * z, -1.05, -1.3)
    columns["turn"] = _ramp(y, -2.0, -1.3)
    behind = np.degrees(np.arctan2(ax, z + 0.75))
    columns["scalp"] = _ramp(y - _line(behind, HAIR_LINE), -0.06, 0.06) * (1 - columns["ears"])
    outside = 1 - np.maximum(columns["lips"], columns["inside_mouth"])
    jaw = _ramp(y - _line(ax, BEARD_TOP), 0.05, -0.05) * _ramp(y, -1.28, -1.1) * _ramp(z, -0.72, -0.6)
    columns["beard"] = jaw * outside * (1 - columns["ears"])
    columns["moustache"] = _bump((y - _line(ax, MOUSTACHE)) / 0.085) * _ramp(ax, 0.36, 0.28) * front * outside
    ball = np.minimum(*(np.linalg.norm(mesh.positions[skin] - eye, axis=1) for eye in eyes)) / radii.mean()
    columns["lid_rim"] = _ramp(ball, 1.14, 1.06) * front
    return np.stack([columns[name] for name in MASKS], axis=1).clip(0, 1).astype(np.float32)


def _line(where: Weights, line: Line) -> Weights:
    """Height of a line of (place, height) at ``where``."""
    places, heights = np.array(line).T
    return np.asarray(np.interp(where, places, heights))


def _ramp(value: Weights, low: float, high: float) -> Weights:
    """0 at ``low``, 1 at ``high`` (either order), smooth between."""
    t = np.clip((value - low) / (high - low), 0, 1)
    return np.asarray(t * t * (3 - 2 * t))


def _bump(value: Weights) -> Weights:
    """1 at 0, falling smoothly to 0 at -1 and 1."""
    return np.asarray(np.clip(1 - value * value, 0, 1) ** 2)


def _sampled(folder: Path, name: str, uv: Weights) -> Weights:
    path = folder / "textures" / f"mpfb_{name}.jpg"
    picture = cv2.imread(str(path), cv2.IMREAD_GRAYSCALE)
    if picture is None:
        raise DataError("The mask picture is missing or damaged.", where=str(path), remedy=SOURCE_REMEDY)
    height, width = picture.shape
    column = (uv[:, 0] * (width - 1)).round().astype(int).clip(0, width - 1)
    row = ((1 - uv[:, 1]) * (height - 1)).round().astype(int).clip(0, height - 1)
    return np.asarray(picture[row, column] / 255.0)


def _face_set(folder: Path, name: str, mesh: ObjMesh) -> Weights:
    """Share of a vertex's faces that are in the named set, (all vertices,)."""
    path = folder / "uv_layers" / f"{name}.json.gz"
    try:
        faces = np.array([int(key) for key in json.loads(gzip.decompress(path.read_bytes()))])
        inside = np.bincount(mesh.quads[faces].ravel(), minlength=len(mesh.positions))
    except (OSError, EOFError, zlib.error, ValueError, IndexError) as err:
        raise DataError(
            f"The face set cannot be read: {err}.", where=str(path), remedy=SOURCE_REMEDY
        ) from err
    total = np.bincount(mesh.quads.ravel(), minlength=len(mesh.positions))
    return inside / np.maximum(total, 1)
