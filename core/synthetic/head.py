"""A head morphed by FaceParams: the meshes, points and curves that everything else is built on.

``HeadAsset`` (assets.py) makes it: ``head = HeadAsset.load(path).morph(params, level=0)``. Everything is in the space
of geometry.py: decimetres, origin at the midpoint of the eyes, head NOT rotated. ``rest`` of the skin uses the same
origin on the base head, so rest (0, 0, 0) is the midpoint of the base eyes for procedural textures.

Columns of ``skin.masks`` (all 0..1, see MASKS; ``head.mask("lips")`` gives one column):

lips          lip skin                       eyelids     lids and their surroundings
ears          outer ear                      inside_mouth  walls of the mouth cavity behind the lips
scalp         where hair grows (soft)        face        front of the face, soft at its edge
brows         eyebrow band (soft)            beard       chin, jaw and cheek beard region (soft), without lips
moustache     upper lip band (soft)          nose        nose
cheeks        cheek apples                   under_eye   below the lower lids
neck          throat and neck                ao          ambient visibility: 1 open, 0 hidden (this head's mouth and
lid_rim       wet inner rim and socket           eyes are taken into account)
turn          share of the head's rotation that the vertex follows: 1 head, falling to 0 at the shoulders
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from .geometry import Floats, Mesh
from .landmarks import six_points, weighted_points
from .params import FaceParams, with_attribute
from .shape import weight_vector
from .targets import weighted_sum

if TYPE_CHECKING:  # assets.py imports this module to offer HeadAsset.morph
    from .assets import HeadAsset

MASKS = ("lips", "eyelids", "ears", "inside_mouth", "scalp", "face", "brows", "beard", "moustache", "nose", "cheeks",
         "under_eye", "neck", "ao", "lid_rim", "turn")  # fmt: skip
"""Columns of the skin's masks, in order."""

MOUTH_BACK = 0.045
"""Decimetres that teeth and tongue are set back; without it the teeth come through the lips of a smile."""

BODY_AGE = 30.0
"""The age of everybody's shoulders: the package's ages move the whole body, an edit of a face must not."""

MOUTH_DOWN = {"teeth_upper": 0.03, "teeth_lower": 0.012, "tongue": 0.03}
"""Decimetres that they are lowered, so that a smile shows the upper teeth and not the lower ones."""

TONGUE_FOLLOWS = np.array([0, 1.6, 1.3], np.float32)
"""Travel of the tongue per travel of the jaw's teeth; more than 1 lays it flat behind them, away from the palate."""


@dataclass(frozen=True)
class EyeCurves:
    """Polylines of one eye: ``upper``, ``lower`` (K, 3) float32, the lids' outer edges where lashes root, inner
    corner to outer corner; ``upper_out``, ``lower_out`` (K, 3) unit directions pointing away from the eye along
    which lashes start."""

    upper: Floats
    lower: Floats
    upper_out: Floats
    lower_out: Floats


@dataclass(frozen=True)
class MorphedHead:
    """One face without rotation. Pairs are always (subject's left = +x, subject's right = -x).

    ``skin`` Mesh "skin" at the level asked for; ``surface`` the same at level 0, whose vertex order never changes
    (roots of strands are sampled on it); ``teeth_upper``, ``teeth_lower`` Meshes "teeth", ``tongue`` Mesh "tongue",
    all without masks (V, 0); ``eye_centres`` (2, 3), ``eye_radii`` (2,) float32 of the eyeballs; ``eyes`` their lids;
    ``brows`` (2, K, 3) float32 middle lines of the eyebrows on the skin, nose side to temple side, ``brow_normals``
    the skin's normals there; ``landmarks`` (70, 3): 68 in the iBUG order, then the irises, picture left first;
    ``six`` (6, 3) float64 in LANDMARK_NAMES order; ``params`` what it was made from.
    """

    skin: Mesh
    surface: Mesh
    teeth_upper: Mesh
    teeth_lower: Mesh
    tongue: Mesh
    eye_centres: Floats
    eye_radii: Floats
    eyes: tuple[EyeCurves, EyeCurves]
    brows: Floats
    brow_normals: Floats
    landmarks: Floats
    six: npt.NDArray[np.float64]
    params: FaceParams

    def mask(self, name: str) -> Floats:
        """One column (V,) of the skin's masks. Raises ValueError for a name that is not in MASKS."""
        return self.skin.masks[:, MASKS.index(name)]


def morph_head(asset: HeadAsset, params: FaceParams, level: int) -> MorphedHead:
    """The head of ``params`` at subdivision ``level`` (0 or 1)."""
    shape, centres, radii = _centred(asset, params)
    body = _centred(asset, with_attribute(params, "age", BODY_AGE))[0]
    turn = asset.floats("masks")[:, MASKS.index("turn"), None] / 255.0
    shape[: len(turn)] = body[: len(turn)] + turn * (shape[: len(turn)] - body[: len(turn)])
    rest = asset.rest
    _settle_mouth(asset, shape, rest)
    surface = _skin(asset, shape, params.mouth_open, 0)
    points = weighted_points(shape, asset.ints("landmark_index"), asset.floats("landmark_weight"))
    points = np.concatenate([points, centres[::-1]])
    count = len(asset.tables["masks"])
    where = asset.ints("brow_index"), asset.floats("brow_weight")
    brow_normals = weighted_points(asset.skin(0).surface.normals(shape[:count]), *where)
    return MorphedHead(
        skin=surface if level == 0 else _skin(asset, shape, params.mouth_open, level),
        surface=surface,
        teeth_upper=_part(asset, "teeth_upper", "teeth", shape, rest),
        teeth_lower=_part(asset, "teeth_lower", "teeth", shape, rest),
        tongue=_part(asset, "tongue", "tongue", shape, rest),
        eye_centres=centres,
        eye_radii=radii,
        eyes=(_lids(asset, shape, centres, 0), _lids(asset, shape, centres, 1)),
        brows=weighted_points(shape, *where),
        brow_normals=brow_normals / np.linalg.norm(brow_normals, axis=-1, keepdims=True),
        landmarks=points,
        six=six_points(points),
        params=params,
    )


def _centred(asset: HeadAsset, params: FaceParams) -> tuple[Floats, Floats, Floats]:
    """All vertices with the eyes' midpoint at the origin, and the eyes' centres and radii."""
    shape = asset.base + weighted_sum(asset.targets, weight_vector(params, asset.targets.names))
    centres, radii = eye_spheres(shape[asset.ints("eyes")])
    origin = centres.mean(axis=0)
    return np.asarray(shape - origin, np.float32), np.asarray(centres - origin, np.float32), radii


def eye_spheres(points: Floats) -> tuple[Floats, Floats]:
    """Centres (2, 3) and radii (2,) of eyeballs from the vertices (2, K, 3) of the eye helpers."""
    low, high = points.min(axis=1), points.max(axis=1)
    # Depth is what the lids were fitted to; width shrinks with the head's width, which an eyeball does not do.
    centres, radii = (low + high) / 2, (high - low)[:, 2] / 2
    return np.asarray(centres, np.float32), np.asarray(radii, np.float32)


def _settle_mouth(asset: HeadAsset, shape: Floats, rest: Floats) -> None:
    """Push the teeth behind the lips and let the tongue sink with the jaw, in place.

    Expression targets pull the lips over teeth that they do not move, and leave the tongue at the palate.
    """
    upper, lower, tongue = (asset.part_vertices(part) for part in MOUTH_DOWN)
    gap, gap_at_rest = (points[upper].mean(axis=0) - points[lower].mean(axis=0) for points in (shape, rest))
    shape[tongue] -= TONGUE_FOLLOWS * (gap - gap_at_rest)
    for part, down in MOUTH_DOWN.items():
        shape[asset.part_vertices(part)] -= np.array([0, down, MOUTH_BACK], np.float32)


def _skin(asset: HeadAsset, shape: Floats, opened: float, level: int) -> Mesh:
    tables = asset.skin(level)
    surface, source = tables.surface, tables.surface.source
    positions = surface.refined(shape[: len(asset.tables["masks"])])
    normals = surface.normals(positions)
    masks = tables.masks.copy()
    shut, wide = tables.visibility.T
    masks[:, MASKS.index("ao")] = shut + (wide - shut) * np.float32(opened)
    return Mesh("skin", positions[source], normals[source], tables.rest, surface.uv, masks, surface.faces)


def _part(asset: HeadAsset, name: str, material: str, shape: Floats, rest: Floats) -> Mesh:
    surface = asset.part(name)
    own = asset.part_vertices(name)
    moved = shape[own]
    normals = surface.normals(moved)
    source = surface.source
    empty = np.zeros((len(source), 0), np.float32)
    return Mesh(material, moved[source], normals[source], rest[own][source], surface.uv, empty, surface.faces)


def _lids(asset: HeadAsset, shape: Floats, centres: Floats, side: int) -> EyeCurves:
    def curve(name: str) -> tuple[Floats, Floats]:
        strip = shape[asset.ints(name)[side]]
        out = strip[:, 1] - strip[:, 0]
        return strip[:, 0], out / np.maximum(np.linalg.norm(out, axis=1, keepdims=True), 1e-9)

    upper, upper_out = curve("lash_upper")
    lower, lower_out = curve("lash_lower")
    return EyeCurves(upper, lower, upper_out, lower_out)
