"""The head asset: base mesh, morph targets, regions and landmarks of the CC0 MakeHuman head in one small file.

Built once from the folder of the CC0 package (base.obj, targets, texture masks) and kept as a plain npz without
pickles. Everything derived from it (subdivision tables, normals) is made when it is loaded.
"""

from __future__ import annotations

import hashlib
import io
import zipfile
import zlib
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import numpy as np
import numpy.typing as npt
from scipy import sparse

from ..atomic import write_atomically
from ..errors import DataError
from .build import FORMAT, PARTS, build_tables
from .geometry import Floats, Ints
from .head import MASKS, MorphedHead, eye_spheres, morph_head
from .obj import SOURCE_REMEDY
from .occlusion import sample_ball, sample_quads, visibility
from .params import FaceParams
from .surface import Surface, build_surface
from .targets import Targets

ASSET_NAME = f"head-asset-{FORMAT}.npz"
"""Name of the built file in a cache folder; the number changes with its layout."""

FACEKIT_MARK = Path("mpfb") / "3dobjs" / "base.obj"
"""What makes a folder the unpacked CC0 package."""


@dataclass(frozen=True)
class SkinTables:
    """What all faces share at one level: ``surface``, and for its S drawn vertices ``rest`` (S, 3), ``masks`` (S, M)
    and ``visibility`` (S, 2), ambient visibility with the mouth shut and open, 0..1 float32."""

    surface: Surface
    rest: Floats
    masks: Floats
    visibility: Floats


@dataclass(frozen=True)
class HeadAsset:
    """Everything a face needs. ``tables`` holds the arrays by name (see build.py); ``targets`` the morph targets.

    ``eye_mid`` (3,) is the midpoint of the base eyes, the origin of rest coordinates.
    """

    tables: dict[str, npt.NDArray[np.generic]] = field(repr=False)
    targets: Targets = field(repr=False)

    @staticmethod
    def load(path: Path) -> HeadAsset:
        """Read a built asset. Raises DataError for a missing or damaged file or another layout."""
        try:
            content = path.read_bytes()
            if not zipfile.is_zipfile(io.BytesIO(content)):
                raise ValueError("it is no npz archive")
            with np.load(io.BytesIO(content), allow_pickle=False) as archive:
                tables = {name: archive[name] for name in archive.files}
        except (OSError, ValueError, EOFError, zipfile.BadZipFile, KeyError, zlib.error) as err:
            raise DataError(
                f"The head asset cannot be read: {err}.",
                where=str(path),
                remedy=f"Build it again. {SOURCE_REMEDY}",
            ) from err
        return _from_tables(tables, str(path))

    @staticmethod
    def build(facekit: Path) -> HeadAsset:
        """Make the asset from the unpacked CC0 package (a few seconds). Raises DataError."""
        plain = _from_tables(build_tables(facekit / "mpfb"), str(facekit))
        baked = [_bake(plain, FaceParams(mouth_open=opened)) for opened in (0.0, 1.0)]
        visible = np.rint(np.stack(baked, axis=1) * 255).astype(np.uint8)
        return _from_tables({**plain.tables, "ao": visible}, str(facekit))

    def save(self, path: Path) -> None:
        """Write the asset as one compressed npz, whole or not at all. Raises OSError."""
        buffer = io.BytesIO()
        np.savez_compressed(buffer, **self.tables)  # type: ignore[arg-type]
        write_atomically(path, buffer.getvalue())

    def morph(self, params: FaceParams, level: int = 0) -> MorphedHead:
        """The head of ``params``; ``level`` 1 subdivides the skin once for HD pictures. A pure function."""
        return morph_head(self, params, level)

    def skin(self, level: int) -> SkinTables:
        """Tables of the skin at ``level`` 0 or 1; made at the first request. Raises ValueError for another level."""
        if level not in (0, 1):
            raise ValueError(f"level is {level}; 0 and 1 exist")
        return self._level1 if level else self._level0

    def part(self, name: str) -> Surface:
        """Tables of "teeth_upper", "teeth_lower" or "tongue", over its own ``part_vertices``."""
        return self._parts[name][1]

    def part_vertices(self, name: str) -> Ints:
        """Vertices of ``base`` that such a part consists of, sorted."""
        return self._parts[name][0]

    def ints(self, name: str) -> Ints:
        """A table of indices."""
        return self.tables[name].astype(np.int32, copy=False)

    def floats(self, name: str) -> Floats:
        """A table of numbers as float32."""
        return self.tables[name].astype(np.float32, copy=False)

    @cached_property
    def digest(self) -> str:
        """16 hex digits that name the content: what a data set records about its heads."""
        total = hashlib.sha256()
        for name in sorted(self.tables):
            total.update(name.encode() + np.ascontiguousarray(self.tables[name]).tobytes())
        return total.hexdigest()[:16]

    @cached_property
    def eye_mid(self) -> Floats:
        """(3,) float32, midpoint of the base eyes in the base mesh's own space."""
        return np.asarray(eye_spheres(self.base[self.ints("eyes")])[0].mean(axis=0), np.float32)

    @cached_property
    def _parts(self) -> dict[str, tuple[Ints, Surface]]:
        parts = {}
        for name in PARTS:
            own, quads = np.unique(self.ints(f"{name}_quads"), return_inverse=True)
            uv_quads, uv = self.ints(f"{name}_uv_quads"), self.floats(f"{name}_uv")
            parts[name] = own, build_surface(quads.reshape(-1, 4).astype(np.int32), uv_quads, uv, len(own), 0)
        return parts

    @cached_property
    def base(self) -> Floats:
        """(N, 3) float32 vertices of the base mesh, skin first, in its own space."""
        return self.floats("base")

    @cached_property
    def rest(self) -> Floats:
        """(N, 3) float32 vertices of the base mesh around the midpoint of its eyes."""
        return self.base - self.eye_mid

    @cached_property
    def _level0(self) -> SkinTables:
        return self._skin_tables(0)

    @cached_property
    def _level1(self) -> SkinTables:
        return self._skin_tables(1)

    def _skin_tables(self, level: int) -> SkinTables:
        count = len(self.tables["masks"])
        surface = build_surface(self.ints("quads"), self.ints("uv_quads"), self.floats("uv"), count, level)
        shares = np.concatenate([self.floats("masks"), self.floats("ao")], axis=1)
        drawn = surface.blended(np.asarray(shares / 255, np.float32))[surface.source]
        rest = surface.refined(self.rest[:count])[surface.source]
        return SkinTables(surface, rest, drawn[:, : len(MASKS)].copy(), drawn[:, len(MASKS) :].copy())


def asset_from(source: Path, cache: Path | None = None) -> HeadAsset:
    """The asset that ``source`` names: a built file, or the folder of the unpacked CC0 package.

    A folder is built once and kept as ``cache``/ASSET_NAME (``cache`` None: nothing is kept). Raises DataError.
    """
    if source.is_file():
        return HeadAsset.load(source)
    if not (source / FACEKIT_MARK).is_file():
        if (source / ASSET_NAME).is_file():
            return HeadAsset.load(source / ASSET_NAME)
        raise DataError(
            f"Neither a built head asset nor the CC0 package: it has no {FACEKIT_MARK.as_posix()}.",
            where=str(source),
            remedy=SOURCE_REMEDY,
        )
    kept = cache / ASSET_NAME if cache is not None else None
    if kept is not None and kept.is_file():
        return HeadAsset.load(kept)
    asset = HeadAsset.build(source)
    if kept is not None:
        try:
            asset.save(kept)
        except OSError as err:
            raise DataError(
                f"The built head asset cannot be kept: {err}.",
                where=str(kept),
                remedy="Name another cache folder.",
            ) from err
    return asset


def _from_tables(tables: dict[str, npt.NDArray[np.generic]], where: str) -> HeadAsset:
    try:
        version = int(tables["format"])
        if version != FORMAT:
            raise ValueError(f"layout {version}, this version reads {FORMAT}")
        names = tuple(str(name) for name in tables["target_names"])
        size = (len(names), 3 * len(tables["base"]))
        parts = tables["target_values"].astype(np.float32), tables["target_columns"], tables["target_rows"]
        offsets = sparse.csr_array(parts, shape=size)
        offsets.check_format()
        _check(tables)
    except (KeyError, ValueError, TypeError, IndexError) as err:
        raise DataError(
            f"The head asset is damaged or of another version: {err}.",
            where=where,
            remedy=f"Delete it and build it again. {SOURCE_REMEDY}",
        ) from err
    return HeadAsset(tables, Targets(names, offsets))


def _check(tables: dict[str, npt.NDArray[np.generic]]) -> None:
    """Raise ValueError or KeyError unless shapes fit together and every index exists."""
    base, skin = len(tables["base"]), len(tables["masks"])
    if tables["masks"].shape[1] != len(MASKS) or tables["ao"].shape != (skin, 2):
        raise ValueError("the regions do not belong to the skin")
    if not np.isfinite(tables["base"].astype(np.float64)).all():
        raise ValueError("a vertex is not a number")
    limits = {
        "quads": skin,
        "uv_quads": len(tables["uv"]),
        "eyes": base,
        "lash_upper": base,
        "lash_lower": base,
    }
    limits |= {f"{part}_quads": base for part in PARTS}
    limits |= {f"{part}_uv_quads": len(tables[f"{part}_uv"]) for part in PARTS}
    limits |= {"landmark_index": base, "brow_index": base}
    for name, limit in limits.items():
        index = tables[name].astype(np.int64)
        if not index.size or index.min() < 0 or index.max() >= limit:
            raise ValueError(f"{name} names a vertex that does not exist")
    for name in ("landmark", "brow"):
        if tables[f"{name}_index"].shape != tables[f"{name}_weight"].shape:
            raise ValueError(f"{name} weights and vertices differ in number")


def _bake(asset: HeadAsset, params: FaceParams) -> Floats:
    """Ambient visibility (V,) of the skin's base vertices on the head of ``params``, with eyes and mouth in place."""
    head, surface = asset.morph(params), asset.skin(0).surface
    first = np.unique(surface.source, return_index=True)[1]
    points, normals = head.surface.positions[first], head.surface.normals[first]
    occluders = [sample_quads(points, surface.quads)]
    occluders += [sample_ball(*ball) for ball in zip(head.eye_centres, head.eye_radii.tolist(), strict=True)]
    return visibility(points, normals, np.concatenate(occluders))
