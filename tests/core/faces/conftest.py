"""Renders, scenes and the embedded weights for the tests of face location."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from lineament.core.faces.network import NetworkLocator, Segmenter
from lineament.core.training.locator_samples import FaceSet, read_shards
from safetensors.torch import load_file
from torch import Tensor


@pytest.fixture(scope="session")
def renders(repository: Path) -> FaceSet:
    """Forty renders that no network has seen."""
    return read_shards(sorted((repository / "tests" / "data" / "faces" / "singles").glob("*.tar")))


def embedded(repository: Path, name: str) -> dict[str, Tensor]:
    path = repository / "core" / "models" / "default" / name
    assert path.stat().st_size < 2_000_000, f"{name} has {path.stat().st_size} bytes"
    return load_file(str(path))


@pytest.fixture(scope="session")
def locator(repository: Path) -> NetworkLocator:
    """The embedded locator."""
    return NetworkLocator(embedded(repository, "locator.safetensors"))


@pytest.fixture(scope="session")
def segmenter(repository: Path) -> Segmenter:
    """The embedded segmenter."""
    return Segmenter(embedded(repository, "segmenter.safetensors"))


@pytest.fixture
def rng() -> np.random.Generator:
    """Randomness that is the same in every run."""
    return np.random.default_rng(11)
