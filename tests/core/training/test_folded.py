"""Stored networks answer as the trained ones do, with nothing left to normalise."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from lineament.core.scorer import ScorerNet
from lineament.core.training.faces_data import LABEL_NAMES, FacesData
from lineament.core.training.folded import folded_encoder, folded_scorer, halved, ridge
from lineament.core.training.joint import JointTrainer
from lineament.core.training.joint_model import JointSettings

SMALL = JointSettings(
    w_dim=16, z_dim=8, channels=(16, 16, 8), encoder_widths=(8, 16), encoder_hidden=24, batch=4
)


@pytest.fixture(scope="module")
def trainer(tmp_path_factory: pytest.TempPathFactory) -> JointTrainer:
    """A trunk whose running statistics and heads are far from where they start."""
    random = np.random.default_rng(1)
    images = random.integers(0, 256, (24, 16, 16, 3)).astype(np.uint8)
    labels = (5 + 3 * random.standard_normal((24, len(LABEL_NAMES)))).astype(np.float32)
    identity = np.zeros((24, 64), np.float32)
    keys = tuple(f"face-{i}" for i in range(24))
    data = FacesData(images, np.ones((24, 16, 16), np.uint8), labels, identity, keys, held_out=4)
    made = JointTrainer(data, SMALL, tmp_path_factory.mktemp("run") / "joint.safetensors")
    with torch.no_grad():
        made.average.mean.uniform_(-1, 1)
        made.average.variance.uniform_(0.5, 4)
        made.average.heads.weight.normal_()
        made.average.heads.bias.normal_()
    return made


@pytest.fixture(scope="module")
def pictures() -> torch.Tensor:
    return torch.rand(5, 3, 16, 16, generator=torch.Generator().manual_seed(2)) * 2 - 1


def test_when_the_encoder_is_folded_then_its_latents_are_the_normalised_ones(
    trainer: JointTrainer, pictures: torch.Tensor
) -> None:
    with torch.inference_mode():
        wanted = trainer.average.encode(pictures)
        assert torch.allclose(folded_encoder(trainer.average)(pictures), wanted, atol=1e-4)


def test_when_labels_follow_from_features_then_the_scorer_finds_them_in_the_labels_units(
    trainer: JointTrainer,
) -> None:
    net = folded_scorer(trainer)
    data = trainer.data
    images = torch.from_numpy(data.images[: data.train_count].astype(np.float32) / 127.5 - 1).permute(
        0, 3, 1, 2
    )
    with torch.inference_mode():
        features = net.last_features(images).double().numpy()
        scores = net.standardised(images).double().numpy() * net.scale.numpy() + net.offset.numpy()
    labels = data.labels[: data.train_count].astype(np.float64)
    varying = labels.std(0) > 1e-3
    error = (scores - labels)[:, varying].std(0) / labels[:, varying].std(0)
    assert net.names == LABEL_NAMES and features.shape == (data.train_count, SMALL.encoder_hidden)
    assert (
        error.mean() < 0.9
    )  # 20 pictures of noise, 16 features: better than the mean, and in the labels' units


def test_when_a_face_is_flipped_then_the_scorer_mirrors_its_signed_labels(
    trainer: JointTrainer, pictures: torch.Tensor
) -> None:
    net = folded_scorer(trainer)
    assert net.mirror is not None and float(net.mirror[LABEL_NAMES.index("yaw")]) == -1.0
    with torch.inference_mode():
        assert torch.allclose(net(pictures.flip(3)), net(pictures) * net.mirror, atol=1e-4)
    again = ScorerNet.from_tensors(dict(net.state_dict()), net.names)
    with torch.inference_mode():
        assert torch.equal(again.eval()(pictures), net(pictures))


def test_when_labels_are_a_line_of_features_then_ridge_finds_it() -> None:
    rng = np.random.default_rng(3)
    features = rng.normal(size=(400, 6)) + 2.0
    labels = features @ rng.normal(size=(6, 2)) * 3.0 + 5.0
    weight, bias, offset, scale = ridge(features, labels)
    found = (features @ weight.T + bias) * scale + offset
    assert np.abs(found - labels).max() < 0.1


def test_when_tensors_are_halved_then_the_originals_stay() -> None:
    tensors = {"a": torch.full((2, 2), 1.5)}
    found = halved(tensors)
    assert found["a"].dtype == torch.float16 and tensors["a"].dtype == torch.float32
    assert torch.equal(found["a"].float(), tensors["a"])
