"""Meshes and strands that the renderer draws, and what it gives back.

Space: decimetres, x to the subject's left (picture right when facing the camera), y up, z towards the camera; origin at
the midpoint of the eyes of the morphed head, before the head's own rotation.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float32]
Ints = npt.NDArray[np.int32]
Bytes = npt.NDArray[np.uint8]

BACKGROUND, SKIN, EYES, BROWS, LIPS, HAIR, BEARD, GLASSES, MOUTH, CLOTH = 0, 1, 2, 3, 4, 5, 6, 7, 8, 10
"""Semantic class ids of masks; the same as those of the training data. 9 is not used."""

CLASS_NAMES = {
    BACKGROUND: "background", SKIN: "skin", EYES: "eyes", BROWS: "brows", LIPS: "lips", HAIR: "hair", BEARD: "beard",
    GLASSES: "glasses", MOUTH: "mouth", CLOTH: "cloth",
}  # fmt: skip


@dataclass(frozen=True)
class Mesh:
    """Triangles of one material. ``positions``, ``normals``, ``rest`` (V, 3) float32, decimetres; ``rest`` are the
    positions on the unmorphed base head (or in the prop's own frame), the coordinates of procedural textures;
    ``uv`` (V, 2); ``masks`` (V, M) float32 per-vertex weights the material reads (documented by its maker);
    ``faces`` (F, 3) int32, counter-clockwise seen from outside. ``material`` names the shading branch."""

    material: str
    positions: Floats
    normals: Floats
    rest: Floats
    uv: Floats
    masks: Floats
    faces: Ints


@dataclass(frozen=True)
class Strands:
    """Hair as polylines: ``points`` (N, S, 3) float32 decimetres root to tip, ``width`` (N, S) float32 full width in
    decimetres, ``shade`` (N, 2) float32: per-strand brightness jitter 0..1 and grey 0/1, ``tangent`` is implied.
    ``class_id`` HAIR, BROWS or BEARD (lashes use EYES)."""

    class_id: int
    points: Floats
    width: Floats
    shade: Floats


@dataclass(frozen=True)
class Rendered:
    """One picture. ``colour`` (H, W, 3) float32 scene-linear ACEScg over the background, unbounded; ``alpha`` (H, W)
    float32 coverage of everything but the background; ``classes`` (H, W) uint8 class of the largest coverage;
    ``landmarks`` (70, 2) float32 pixels, origin top left, centres at .5: 68 in the iBUG order (the first eye is the
    one on the picture's left), then the two irises in the same order; ``six`` (6, 2) float64 pixels, the points of
    alignments in LANDMARK_NAMES order (``faces.base``); ``aovs`` on request: "depth" (H, W) dm along the view axis,
    "normals" (H, W, 3) camera space, "uv" (H, W, 2), "coverage" (H, W, 11) share of each class, "position" rest
    space."""

    colour: Floats
    alpha: Floats
    classes: Bytes
    landmarks: Floats
    six: npt.NDArray[np.float64]
    aovs: Mapping[str, Floats] = field(default_factory=dict)
