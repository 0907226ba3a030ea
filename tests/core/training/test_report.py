"""The figures of a model card: known answers of every measure."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from lineament.core.scorer import ScorerNet
from lineament.core.training.faces_data import LABEL_NAMES, FacesData, Pairs
from lineament.core.training.report import decibels, frechet, hidden_features, interval, pictures_of, ssim
from lineament.core.training.scorer import identity_figures


@pytest.fixture(scope="module")
def pictures() -> torch.Tensor:
    return torch.rand(3, 3, 24, 24, generator=torch.Generator().manual_seed(3)) * 2 - 1


@pytest.fixture(scope="module")
def features() -> np.ndarray:
    return np.random.default_rng(5).standard_normal((400, 6))


def test_when_pictures_are_equal_then_ssim_is_one(pictures: torch.Tensor) -> None:
    assert torch.allclose(ssim(pictures, pictures), torch.ones(3, 24, 24), atol=1e-4)


def test_when_detail_is_inverted_or_dimmed_then_ssim_falls(pictures: torch.Tensor) -> None:
    assert float(ssim(0.6 + 0.3 * pictures, 0.6 - 0.3 * pictures).mean()) < -0.5
    assert float(ssim(pictures, 0.5 * pictures).mean()) < 0.95


def test_when_sets_are_equal_then_their_frechet_distance_is_none(features: np.ndarray) -> None:
    assert frechet(features, features) == pytest.approx(0.0, abs=1e-6)


def test_when_a_set_is_shifted_then_the_distance_is_the_squared_shift(features: np.ndarray) -> None:
    shift = np.array([1.0, -2.0, 0.0, 0.5, 0.0, 3.0])
    assert frechet(features, features + shift) == pytest.approx(float(shift @ shift), rel=1e-6)


def test_when_a_set_is_stretched_then_the_distance_is_that_of_the_deviations(features: np.ndarray) -> None:
    spread = np.trace(np.cov(features, rowvar=False))
    assert frechet(features - features.mean(0), 3 * (features - features.mean(0))) == pytest.approx(
        4 * spread
    )


def test_when_an_error_is_known_then_so_are_its_decibels(pictures: torch.Tensor) -> None:
    masks = np.zeros((3, 24, 24), bool)
    masks[:, 4:12] = True
    output = pictures.clone()
    output[:, :, 4:12] += 0.2
    output[:, :, 12:] += 9.0  # outside the mask
    assert decibels(output, pictures, masks) == pytest.approx(20.0, abs=1e-3)


def test_when_values_are_alike_then_the_interval_is_a_point() -> None:
    assert interval(np.full(9, 2.5)) == [2.5, 2.5, 2.5]
    mean, low, high = interval(np.random.default_rng(0).standard_normal(200))
    assert low < mean < high and high - low < 0.4


def test_when_features_are_read_then_they_feed_the_scorers_last_layer(pictures: torch.Tensor) -> None:
    torch.manual_seed(0)
    net = ScorerNet(("a", "b"), (8, 8, 8), 5)
    found = hidden_features(net, torch.nn.functional.pad(pictures, (4, 4, 4, 4)))
    assert found.shape == (3, 5) and found.dtype == np.float64
    with torch.inference_mode():
        wanted = net.standardised(torch.nn.functional.pad(pictures, (4, 4, 4, 4)))
        assert torch.allclose(net.out(torch.from_numpy(found).float()), wanted, atol=1e-5)


class Colours(ScorerNet):
    """Takes the mean colour for the identity."""

    def __init__(self) -> None:
        super().__init__(("identity0", "identity1", "identity2"), (4, 4), 4)

    def standardised(self, image: torch.Tensor) -> torch.Tensor:
        return image.mean((2, 3))


def families(count: int, spoil: bool = False) -> FacesData:
    """Base and member of one colour each; ``spoil`` gives every member the opposite colour."""
    angles = np.linspace(0, 2 * np.pi, count, endpoint=False)
    colours = np.stack([np.cos(angles), np.sin(angles), np.zeros(count)], 1) * 90 + 127.5
    both = np.stack([colours, np.roll(colours, count // 2, 0) if spoil else colours], 1).reshape(-1, 1, 1, 3)
    images = np.broadcast_to(both, (2 * count, 16, 16, 3)).round().astype(np.uint8)
    base = np.arange(0, 2 * count, 2)
    keys = tuple(key for i in range(count) for key in (f"family-104_{i:07d}", f"family-104_{i:07d}-age"))
    pairs = Pairs(base, base + 1, np.zeros(count, np.int64), np.ones(count, np.float32))
    empty = np.zeros((2 * count, len(LABEL_NAMES)), np.float32)
    return FacesData(
        images, np.ones(images.shape[:3], np.uint8), empty, empty[:, :1].repeat(64, 1), keys, pairs=pairs
    )


def test_when_an_embedding_knows_the_faces_then_its_area_is_one() -> None:
    figures = identity_figures(Colours(), families(12))
    assert figures["auc"] == 1.0
    assert figures["same_mean"] == pytest.approx(1.0, abs=1e-3)
    assert figures["different_mean"] < figures["different_p95"] < 0.9


def test_when_an_embedding_takes_others_for_the_same_then_the_area_falls() -> None:
    figures = identity_figures(Colours(), families(12, spoil=True))
    assert figures["auc"] == 0.0 and figures["same_mean"] == pytest.approx(-1.0, abs=1e-3)


def test_when_there_are_no_families_then_there_are_no_identity_figures() -> None:
    assert identity_figures(Colours(), families(1)) == {}


def test_when_pictures_are_taken_from_the_data_then_they_are_signed_and_in_order() -> None:
    data = families(3)
    found = pictures_of(data, np.array([4, 0]))
    assert found.shape == (2, 3, 16, 16) and found.dtype == torch.float32
    assert torch.allclose(
        found[0, :, 0, 0], torch.from_numpy(data.images[4, 0, 0] / 127.5 - 1).float(), atol=1e-5
    )
