"""The head asset: building it from the package, refusing damaged ones, keeping it, and what is in it."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
from lineament.core.errors import DataError
from lineament.core.synthetic.assets import ASSET_NAME, HeadAsset, asset_from
from lineament.core.synthetic.head import MASKS


@pytest.fixture(scope="module")
def kept(head_asset: HeadAsset, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("asset") / ASSET_NAME
    head_asset.save(path)
    return path


def test_when_saved_and_loaded_then_content_is_the_same(head_asset: HeadAsset, kept: Path) -> None:
    loaded = HeadAsset.load(kept)
    assert loaded.digest == head_asset.digest
    assert loaded.targets.names == head_asset.targets.names
    assert kept.stat().st_size < 3_000_000


def test_when_built_then_it_is_the_head_of_the_base_mesh(head_asset: HeadAsset) -> None:
    assert head_asset.tables["quads"].shape == (4612, 4)
    assert len(head_asset.targets.names) == 520
    assert head_asset.base[:, 1].min() > 5.0


def test_when_masks_are_read_then_each_region_exists_and_is_a_share(head_asset: HeadAsset) -> None:
    masks = head_asset.skin(0).masks
    assert masks.min() >= 0 and masks.max() <= 1
    assert (masks.max(axis=0) > 0.9).all(), [
        n for n, m in zip(MASKS, masks.max(axis=0), strict=True) if m <= 0.9
    ]
    assert (masks.mean(axis=0)[[MASKS.index(n) for n in ("lips", "brows", "moustache")]] < 0.15).all()


def test_when_visibility_is_baked_then_mouth_is_dark_and_forehead_open(head_asset: HeadAsset) -> None:
    tables = head_asset.skin(0)
    shut, opened = tables.visibility.T
    inside = tables.masks[:, MASKS.index("inside_mouth")] > 0.9
    forehead = (
        (np.abs(tables.rest[:, 0]) < 0.2) & (np.abs(tables.rest[:, 1] - 0.5) < 0.2) & (tables.rest[:, 2] > 0)
    )
    assert shut[inside].mean() < 0.1 < opened[inside].mean() + 0.1
    assert opened[inside].mean() >= shut[inside].mean()
    assert shut[forehead].mean() > 0.9


def test_when_folder_is_no_package_then_remedy_names_the_source(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="makehumancommunity"):
        asset_from(tmp_path)


def test_when_file_is_missing_then_it_is_told(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="cannot be read"):
        HeadAsset.load(tmp_path / "none.npz")


@pytest.mark.parametrize("cut", [0, 10, 5000])
def test_when_asset_is_truncated_then_it_is_refused(kept: Path, tmp_path: Path, cut: int) -> None:
    path = tmp_path / "cut.npz"
    path.write_bytes(kept.read_bytes()[:cut])
    with pytest.raises(DataError, match="Build it again"):
        HeadAsset.load(path)


def test_when_asset_bytes_are_flipped_then_it_is_refused(kept: Path, tmp_path: Path) -> None:
    content = bytearray(kept.read_bytes())
    content[len(content) // 2] ^= 0xFF
    path = tmp_path / "flipped.npz"
    path.write_bytes(content)
    with pytest.raises(DataError):
        HeadAsset.load(path)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("format", np.array(1)),
        ("quads", np.full((3, 4), 10**6)),
        ("masks", np.zeros((5, 2), np.uint8)),
        ("target_columns", np.array([1])),
        ("landmark_weight", np.zeros((2, 4))),
    ],
)
def test_when_a_table_does_not_fit_then_asset_is_refused(
    head_asset: HeadAsset, tmp_path: Path, name: str, value: np.ndarray
) -> None:
    path = tmp_path / "odd.npz"
    np.savez(path, **{**head_asset.tables, name: value})
    with pytest.raises(DataError, match="damaged or of another version"):
        HeadAsset.load(path)


def test_when_a_table_is_missing_then_asset_is_refused(head_asset: HeadAsset, tmp_path: Path) -> None:
    tables = {name: table for name, table in head_asset.tables.items() if name != "brow_index"}
    np.savez(tmp_path / "less.npz", **tables)
    with pytest.raises(DataError, match="brow_index"):
        HeadAsset.load(tmp_path / "less.npz")


def test_when_source_holds_a_built_asset_then_it_is_loaded(head_asset: HeadAsset, kept: Path) -> None:
    assert asset_from(kept).digest == asset_from(kept.parent).digest == head_asset.digest


def test_when_cache_holds_the_asset_then_package_is_not_built_again(
    facekit: Path, head_asset: HeadAsset, kept: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(HeadAsset, "build", None)
    assert asset_from(facekit, kept.parent).digest == head_asset.digest


@pytest.mark.parametrize(
    ("missing", "told"),
    [
        ("targets/nose", "No morph targets"),
        ("textures/mpfb_lips.jpg", "mask picture"),
        ("uv_layers/face_solid.json.gz", "face set"),
    ],
)
def test_when_package_is_incomplete_then_missing_part_is_named(
    facekit: Path, tmp_path: Path, missing: str, told: str
) -> None:
    copy = tmp_path / "kit"
    (copy / "mpfb").mkdir(parents=True)
    for part in ("3dobjs", "targets", "textures", "uv_layers"):
        shutil.copytree(facekit / "mpfb" / part, copy / "mpfb" / part, copy_function=shutil.copyfile)
    gone = copy / "mpfb" / missing
    for path in sorted(gone.rglob("*"), reverse=True) if gone.is_dir() else [gone]:
        path.chmod(0o700)
        path.unlink()
    with pytest.raises(DataError, match=told) as caught:
        HeadAsset.build(copy)
    assert "makehumancommunity" in str(caught.value)


def test_when_the_file_is_a_bare_array_then_it_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "array.npz"
    with path.open("wb") as file:
        np.save(file, np.zeros(3))
    with pytest.raises(DataError, match="no npz archive"):
        HeadAsset.load(path)
