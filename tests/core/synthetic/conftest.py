"""The CC0 head package and the asset built from it, once for all tests of the renderer."""

from __future__ import annotations

from pathlib import Path

import pytest
from lineament.core.synthetic.assets import FACEKIT_MARK, HeadAsset


@pytest.fixture(scope="session")
def facekit(shared_data: Path) -> Path:
    """Folder of the unpacked CC0 head package; skips where it is missing."""
    folder = shared_data / "facekit"
    if not (folder / FACEKIT_MARK).is_file():
        pytest.skip(f"no CC0 head package at {folder}")
    return folder


@pytest.fixture(scope="session")
def head_asset(facekit: Path) -> HeadAsset:
    """The head asset, built from the package."""
    return HeadAsset.build(facekit)
