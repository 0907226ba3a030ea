"""Making the tables of the head asset out of the CC0 package: cut, targets, regions, landmarks.

Tables: ``base`` (N, 3) float32 the kept vertices (skin first, then helpers); ``quads``, ``uv_quads`` (F, 4), ``uv`` of
the skin; ``masks`` (skin vertices, M) uint8; ``ao`` (skin vertices, 2) uint8 ambient visibility, mouth
shut and open; ``eyes`` (2, 72), ``lash_upper``/``lash_lower`` (2, K, 2) root and tip vertices; ``<part>_quads`` and so
on of teeth and tongue; ``landmark_index``, ``landmark_weight`` and the same for ``brow`` curves;
``target_names``, ``target_values`` (int16), ``target_columns``, ``target_rows`` the CSR parts of the morph targets.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt

from ..errors import DataError
from .head import eye_spheres
from .landmarks import landmark_tables
from .obj import SOURCE_REMEDY, ObjMesh, read_obj
from .regions import region_masks
from .targets import read_targets

FORMAT = 4
"""Layout of the built file."""

CUT_Y, CUT_X = 5.0, 2.3
"""The head is cut from the body above this height and within this half width, decimetres: neck and shoulder tops."""

PARTS = {"teeth_upper": "helper-upper-teeth", "teeth_lower": "helper-lower-teeth", "tongue": "helper-tongue"}
"""Meshes inside the mouth and their groups in the base mesh."""

COUNTS = (19158, 21334, 18486)
"""Vertices, texture coordinates and faces of the hm08 base mesh; targets fit no other."""

Tables = dict[str, npt.NDArray[np.generic]]


def build_tables(folder: Path) -> Tables:
    """All tables of the asset from ``folder`` (the package's ``mpfb``). Raises DataError."""
    path = folder / "3dobjs" / "base.obj"
    mesh = read_obj(path)
    found = (len(mesh.positions), len(mesh.uv), len(mesh.quads))
    if found != COUNTS:
        raise DataError(
            f"The base mesh has {found} vertices, texture coordinates and faces; hm08 has {COUNTS}.",
            where=str(path),
            remedy=SOURCE_REMEDY,
        )
    groups = np.array(mesh.groups)
    skin_faces = np.nonzero(_inside(mesh, groups))[0]
    skin = np.unique(mesh.quads[skin_faces])
    names = [*PARTS.values(), *(f"helper-{s}-eye" for s in "lr")]
    names += [f"helper-{s}-eyelashes-{k}" for s in "lr" for k in (1, 2)]
    helpers = np.unique(mesh.quads[np.isin(groups, names)])
    kept = np.concatenate([skin, helpers])
    place = np.full(len(mesh.positions), -1, np.int32)
    place[kept] = np.arange(len(kept))
    base = mesh.positions[kept].astype(np.float32)
    tables: Tables = {"format": np.array(FORMAT), "base": base}
    tables |= _cut(mesh, skin_faces, place, "")
    for part, group in PARTS.items():
        tables |= _cut(mesh, np.nonzero(groups == group)[0], place, f"{part}_")
    tables["eyes"] = np.stack([place[np.unique(mesh.quads[groups == f"helper-{s}-eye"])] for s in "lr"])
    for name, number in (("lash_lower", 1), ("lash_upper", 2)):
        tables[name] = np.stack([_lash(mesh, groups, f"helper-{s}-eyelashes-{number}", place) for s in "lr"])
    tables["masks"] = np.rint(region_masks(folder, mesh, skin_faces, skin, tables) * 255).astype(np.uint8)
    tables["ao"] = np.full((len(skin), 2), 255, np.uint8)  # until a face can be morphed, see HeadAsset.build
    tables |= landmark_tables(
        base, eye_spheres(base[np.asarray(tables["eyes"], np.int64)])[0].mean(axis=0), tables
    )
    targets = read_targets(folder / "targets", len(mesh.positions), kept.astype(np.int64))
    offsets = targets.offsets
    tables |= {
        "target_names": np.array(targets.names),
        "target_values": offsets.data,
        "target_columns": offsets.indices,
        "target_rows": offsets.indptr,
    }
    return tables


def _inside(mesh: ObjMesh, groups: npt.NDArray[np.str_]) -> npt.NDArray[np.bool_]:
    inside = (mesh.positions[:, 1] > CUT_Y) & (np.abs(mesh.positions[:, 0]) < CUT_X)
    return np.asarray((groups == "body") & inside[mesh.quads].all(axis=1))


def _cut(mesh: ObjMesh, faces: npt.NDArray[np.int64], place: npt.NDArray[np.int32], prefix: str) -> Tables:
    used, uv_quads = np.unique(mesh.uv_quads[faces], return_inverse=True)
    return {
        f"{prefix}quads": place[mesh.quads[faces]],
        f"{prefix}uv_quads": uv_quads.reshape(-1, 4).astype(np.int32),
        f"{prefix}uv": mesh.uv[used].astype(np.float32),
    }


def _lash(
    mesh: ObjMesh, groups: npt.NDArray[np.str_], name: str, place: npt.NDArray[np.int32]
) -> npt.NDArray[np.int32]:
    """A lash strip (a grid of 4 quads across) as (K, 2): the lid's edge and the tip, inner corner to outer corner."""
    quads = mesh.quads[groups == name]
    vertices, local = np.unique(quads, return_inverse=True)
    local = local.reshape(-1, 4)
    near = np.eye(len(vertices), dtype=bool)
    for k in range(4):
        a, b = local[:, k], local[:, k - 1]
        near[a, b] = near[b, a] = True
    ends = np.nonzero(np.bincount(local.ravel()) == 1)[0]
    points = mesh.positions[vertices]
    root, tip = sorted(ends[np.argsort(np.abs(points[ends, 0]))[:2]], key=lambda v: points[v, 2])
    if np.abs(points[ends, 0]).argsort().size != 4:
        raise DataError(f"{name} is not a strip.", where="base.obj", remedy=SOURCE_REMEDY)
    from_root, from_tip = _steps(near, int(root)), _steps(near, int(tip))
    along, across = (from_root + from_tip - 4) // 2, (from_root - from_tip + 4) // 2
    order = np.full((along.max() + 1, 5), -1)
    order[along, across] = vertices
    return place[order[:, [1, 4]]]


def _steps(near: npt.NDArray[np.bool_], start: int) -> npt.NDArray[np.int64]:
    """Number of edges from ``start`` to every vertex of a small connected mesh."""
    steps = np.full(len(near), -1)
    reached = np.zeros(len(near), bool)
    reached[start] = True
    distance = 0
    while (steps < 0).any() and distance < len(near):
        steps[reached & (steps < 0)] = distance
        reached = np.asarray(near[reached].any(axis=0), bool)
        distance += 1
    return steps
