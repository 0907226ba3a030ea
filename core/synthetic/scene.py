"""Everything that one face shows, gathered from the makers of head, eyes, mouth, hair, glasses and cloth.

Parts that do not depend on what changed are kept: a family of faces that differ in one attribute grows its hair once.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from .assets import HeadAsset
from .beard import beard_strands
from .brows import brow_strands, lash_strands
from .cloth import cloth_meshes
from .eyes import eye_meshes
from .geometry import Floats, Mesh, Strands
from .glasses import glasses_meshes
from .hair import hair_strands
from .head import MASKS, MorphedHead
from .mouth import mouth_meshes
from .params import FaceParams
from .scalp import scalp_tint

Grower = Callable[[MorphedHead, FaceParams, float], Strands]

_GROWERS: tuple[Grower, ...] = (hair_strands, brow_strands, lash_strands, beard_strands)

KEPT_STRANDS = 16
"""Sets of strands kept; a family alternates between few, and one set takes up to ten megabytes in HD."""

_NOT_FOR_STRANDS: dict[str, Any] = {
    "lipstick": 0.0, "skin": 0.0, "glasses": 0.0, "sunglasses": 0.0, "hair_dark": 0.0, "hair_red": 0.0, "yaw": 0.0,
    "pitch": 0.0, "roll": 0.0, "light_azimuth": 0.0, "light_elevation": 0.0, "gaze_yaw": 0.0, "gaze_pitch": 0.0,
    "key_strength": 1.0, "key_softness": 0.5, "key_warmth": 0.0, "fill": 0.0, "rim": 0.0,
    "ambient": ((0.0, 0.0, 0.0),) * 3,
}  # fmt: skip
"""Parameters that no strand depends on, with one value for all: colour and light belong to the shaders."""

LENSES = ("lens", "dark_lens")
"""Materials that are blended over the rest."""


@dataclass(frozen=True)
class Scene:
    """One face ready to draw: ``meshes`` opaque, ``lenses`` blended, ``strands`` hair, brows, lashes, beard."""

    head: MorphedHead
    meshes: tuple[Mesh, ...]
    lenses: tuple[Mesh, ...]
    strands: tuple[Strands, ...]
    detail: float


class SceneMaker:
    """Makes scenes from one asset, keeping the last strands for faces that differ in other things."""

    def __init__(self, asset: HeadAsset) -> None:
        self._asset = asset
        self._kept: OrderedDict[tuple[object, ...], Strands] = OrderedDict()

    def make(self, params: FaceParams, *, level: int, detail: float, camera: Floats | None = None) -> Scene:
        """The scene of ``params``: ``level`` 1 subdivides the skin, ``detail`` 0..1 is the fineness of strands,
        ``camera`` (3,) is where the eyes take the camera to be, head space."""
        head = self._asset.morph(params, level)
        glasses = glasses_meshes(head, params)
        lenses = tuple(mesh for mesh in glasses if mesh.material in LENSES)
        frames = [mesh for mesh in glasses if mesh.material not in LENSES]
        meshes = [_with_scalp(head.skin, params), *eye_meshes(head, params, camera)]
        meshes += [*mouth_meshes(head, params), *frames, *cloth_meshes(head, params)]
        shape = hash(head.surface.positions.tobytes())
        strands = [self._strands(grow, head, params, detail, shape) for grow in _GROWERS]
        return Scene(head, tuple(meshes), lenses, tuple(s for s in strands if len(s.points)), detail)

    def _strands(
        self, grow: Grower, head: MorphedHead, params: FaceParams, detail: float, shape: int
    ) -> Strands:
        """Strands from the cache, or grown. The key holds everything that could decide them."""
        key = (grow.__name__, shape, detail, replace(params, **_NOT_FOR_STRANDS))
        if key not in self._kept:
            self._kept[key] = grow(head, params, detail)
            if len(self._kept) > KEPT_STRANDS:
                self._kept.popitem(last=False)
        self._kept.move_to_end(key)
        return self._kept[key]


def _with_scalp(skin: Mesh, params: FaceParams) -> Mesh:
    """The skin with this face's own hairline in place of the general scalp mask."""
    masks = skin.masks.copy()
    masks[:, MASKS.index("scalp")] = scalp_tint(skin, params)
    return replace(skin, masks=masks)
