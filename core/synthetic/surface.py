"""Topology of the skin: seams, normals and one step of Catmull-Clark, all as tables made once and reused by every face.

A head's vertices are shared across texture seams for normals and subdivision; drawn vertices are split there.
Subdivision after Catmull and Clark 1978 ("Recursively generated B-spline surfaces"), with creased open borders.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import sparse

from .geometry import Floats, Ints


@dataclass(frozen=True)
class Surface:
    """One level of a quad mesh. ``refine`` (N, V) sparse float32 maps base vertices to this level's, None at level 0;
    ``blend`` the same without smoothing, for masks; ``quads`` (F, 4) int32 into N; ``gather`` (N, F) sparse sums quad
    normals at vertices; ``source`` (S,) int32 the N-vertex of each drawn vertex; ``uv`` (S, 2) float32;
    ``faces`` (2 F, 3) int32 triangles of drawn vertices."""

    refine: sparse.csr_array | None
    blend: sparse.csr_array | None
    quads: Ints
    gather: sparse.csr_array
    source: Ints
    uv: Floats
    faces: Ints

    def refined(self, values: Floats) -> Floats:
        """Positions (V, 3) of the base vertices -> (N, 3) of this level, smoothed."""
        return values if self.refine is None else np.asarray(self.refine @ values, np.float32)

    def blended(self, values: Floats) -> Floats:
        """Weights (V, M) of the base vertices -> (N, M) of this level, interpolated, never out of range."""
        return values if self.blend is None else np.asarray(self.blend @ values, np.float32)

    def normals(self, positions: Floats) -> Floats:
        """Unit normals (N, 3) of ``positions`` (N, 3), weighted by area."""
        a, b, c, d = (positions.take(self.quads[:, k], axis=0) for k in range(4))
        u, v = (c - a).T, (d - b).T
        cross = np.stack(
            [u[1] * v[2] - u[2] * v[1], u[2] * v[0] - u[0] * v[2], u[0] * v[1] - u[1] * v[0]], axis=1
        )
        total = np.asarray(self.gather @ cross, np.float32)
        length = np.sqrt(np.maximum(np.einsum("ij,ij->i", total, total), 1e-20))
        return np.asarray(total / length[:, None], np.float32)


def build_surface(quads: Ints, uv_quads: Ints, uv: Floats, vertices: int, level: int) -> Surface:
    """Tables of a quad mesh ``quads`` (F, 4) over ``vertices`` vertices, with texture coordinates ``uv`` (T, 2) indexed
    by ``uv_quads`` (F, 4), after ``level`` (0 or 1) steps of subdivision."""
    refine = blend = None
    if level:
        blend, refine, quads = subdivision(quads, vertices)
        linear, _, uv_quads = subdivision(uv_quads, len(uv))
        uv, vertices = np.asarray(linear @ uv, np.float32), len_rows(refine)
    pairs = quads.astype(np.int64).ravel() * len(uv) + uv_quads.ravel()
    unique, drawn = np.unique(pairs, return_inverse=True)
    corner = drawn.reshape(-1, 4).astype(np.int32)
    faces = np.concatenate([corner[:, [0, 1, 2]], corner[:, [0, 2, 3]]])
    rows, columns = quads.ravel(), np.repeat(np.arange(len(quads)), 4)
    gather = sparse.coo_array((np.ones(rows.size, np.float32), (rows, columns)), shape=(vertices, len(quads)))
    source = (unique // len(uv)).astype(np.int32)
    return Surface(
        refine, blend, quads, gather.tocsr(), source, uv[unique % len(uv)].astype(np.float32), faces
    )


def len_rows(matrix: sparse.csr_array) -> int:
    """Rows of a sparse matrix as a plain number."""
    return int(matrix.shape[0])


def subdivision(quads: Ints, vertices: int) -> tuple[sparse.csr_array, sparse.csr_array, Ints]:
    """One Catmull-Clark step of ``quads`` (F, 4): (linear (N, V), smooth (N, V), new quads (4 F, 4)).

    New vertices are the old ones, then one an edge, then one a face. Vertices that no quad uses stay where they are.
    """
    edges = np.stack([quads, np.roll(quads, -1, axis=1)], axis=-1).reshape(-1, 2)
    unique, edge_of = np.unique(np.sort(edges, axis=1), axis=0, return_inverse=True)
    edge_of = edge_of.reshape(-1, 4)
    count, faces = len(unique), len(quads)
    face_point = _average(quads, vertices)
    middle = _average(unique, vertices)
    uses = np.bincount(edge_of.ravel(), minlength=count)
    border = uses != 2
    around = _incidence(edge_of.ravel(), np.repeat(np.arange(faces), 4), (count, faces))
    inner_edge = 0.5 * middle + 0.25 * (around @ face_point)
    edge_point = _choose(border, middle, inner_edge)
    vertex_point = _vertex_points(quads, unique, border, face_point, middle, vertices)
    eye = sparse.eye_array(vertices, format="csr")
    linear = sparse.vstack([eye, middle, face_point]).tocsr().astype(np.float32)
    smooth = sparse.vstack([vertex_point, edge_point, face_point]).tocsr().astype(np.float32)
    e, f = vertices + edge_of, vertices + count + np.arange(faces)
    corners = [np.stack([quads[:, k], e[:, k], f, e[:, k - 1]], axis=1) for k in range(4)]
    return linear, smooth, np.stack(corners, axis=1).reshape(-1, 4).astype(np.int32)


def _vertex_points(
    quads: Ints, edges: Ints, border: npt.NDArray[np.bool_], face_point: sparse.csr_array, middle: sparse.csr_array,
    vertices: int,
) -> sparse.csr_array:  # fmt: skip
    """(V, V): (mean of face points + 2 mean of edge middles + (n - 3) vertex) / n; borders as cubic B-splines."""
    faces = np.repeat(np.arange(len(quads)), 4)
    valence = np.maximum(np.bincount(quads.ravel(), minlength=vertices), 1).astype(np.float64)
    to_faces = _incidence(quads.ravel(), faces, (vertices, len(quads)))
    to_edges = _incidence(edges.ravel(), np.repeat(np.arange(len(edges)), 2), (vertices, len(edges)))
    degree = np.maximum(np.asarray(to_edges.sum(axis=1)).ravel(), 1)
    eye = sparse.eye_array(vertices, format="csr")
    inner = (
        sparse.diags_array(1 / valence**2) @ (to_faces @ face_point)
        + sparse.diags_array(2 / (valence * degree)) @ (to_edges @ middle)
        + sparse.diags_array((valence - 3) / valence) @ eye
    )
    to_border = _incidence(edges[border].ravel(), np.repeat(np.nonzero(border)[0], 2), (vertices, len(edges)))
    count = np.asarray(to_border.sum(axis=1)).ravel()
    outer = 0.5 * eye + sparse.diags_array(0.5 / np.maximum(count, 1)) @ (to_border @ middle)
    fixed = np.bincount(quads.ravel(), minlength=vertices) == 0
    return _choose(fixed, eye, _choose(count > 0, outer, inner))


def _average(groups: Ints, vertices: int) -> sparse.csr_array:
    rows, size = np.repeat(np.arange(len(groups)), groups.shape[1]), groups.shape[1]
    return _incidence(rows, groups.ravel(), (len(groups), vertices)) * (1.0 / size)


def _incidence(
    rows: npt.NDArray[np.integer], columns: npt.NDArray[np.integer], shape: tuple[int, int]
) -> sparse.csr_array:
    return sparse.coo_array((np.ones(len(rows)), (rows, columns)), shape=shape).tocsr()


def _choose(
    condition: npt.NDArray[np.bool_], yes: sparse.csr_array, no: sparse.csr_array
) -> sparse.csr_array:
    """Row by row, ``yes`` where ``condition`` holds and ``no`` elsewhere."""
    mask = condition.astype(np.float64)
    return (sparse.diags_array(mask) @ yes + sparse.diags_array(1 - mask) @ no).tocsr()
