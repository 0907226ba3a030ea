"""What deceives a locator becomes a negative sample, and nothing else does."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from lineament.core.generators.package import open_package
from lineament.core.training import locator_samples
from lineament.core.training.locator_negatives import mine_windows, negative_of
from lineament.core.training.locator_samples import FaceSet, read_shards

SHARDS = Path(__file__).parents[2] / "data" / "faces"


@pytest.fixture(scope="module")
def faces() -> FaceSet:
    return read_shards(sorted(SHARDS.rglob("*.tar")), limit=4)


@pytest.fixture(scope="module")
def locator() -> dict[str, torch.Tensor]:
    return open_package("default").tensors("locator.safetensors")


def test_when_a_picture_deceives_the_locator_then_its_window_is_kept(
    faces: FaceSet, locator: dict[str, torch.Tensor], monkeypatch: pytest.MonkeyPatch
) -> None:
    deceiving = np.pad(
        faces.pictures[0], ((64, 64), (64, 64), (0, 0)), mode="edge"
    )  # a face, called background
    monkeypatch.setattr(locator_samples, "background", lambda rng, faces, size: deceiving)
    windows = mine_windows(locator, faces, 3, seed=1, most_pictures=12)
    assert windows.shape == (3, 64, 64, 3) and windows.dtype == np.uint8
    assert np.array_equal(windows, mine_windows(locator, faces, 3, seed=1, most_pictures=12))


def test_when_nothing_deceives_it_then_there_are_no_windows(
    faces: FaceSet, locator: dict[str, torch.Tensor], monkeypatch: pytest.MonkeyPatch
) -> None:
    flat = np.full((96, 96, 3), 90, np.uint8)
    monkeypatch.setattr(locator_samples, "background", lambda rng, faces, size: flat)
    assert mine_windows(locator, faces, 3, seed=1, most_pictures=3).shape == (0, 64, 64, 3)


def test_when_a_window_is_drawn_then_it_is_disturbed_and_in_range() -> None:
    windows = np.full((1, 64, 64, 3), 128, np.uint8)
    rng = np.random.default_rng(2)
    one, other = negative_of(windows, rng), negative_of(windows, rng)
    assert (
        one.shape == (64, 64, 3) and one.min() >= -1.0 and one.max() <= 1.0 and not np.array_equal(one, other)
    )
