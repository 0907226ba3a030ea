"""The joint training on invented pictures: it learns, resumes to the bit, and says what is wrong with its files."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from lineament.core.errors import DataError
from lineament.core.training.faces_data import LABEL_NAMES, FacesData, Pairs
from lineament.core.training.figures import held_out_figures
from lineament.core.training.folded import folded_encoder
from lineament.core.training.joint import JointTrainer
from lineament.core.training.joint_model import JointSettings

SMALL = JointSettings(
    w_dim=16,
    z_dim=8,
    channels=(16, 16, 8),
    encoder_widths=(8, 16),
    encoder_hidden=24,
    batch=4,
    learning_rate=1e-2,
)


@pytest.fixture(scope="module")
def data() -> FacesData:
    random = np.random.default_rng(0)
    count = 80
    colour = random.integers(40, 216, (count, 1, 1, 3))
    images = np.broadcast_to(colour, (count, 16, 16, 3)).copy()
    images[:, 6:9, 3:13] = 255 - images[:, 6:9, 3:13]
    classes = np.ones((count, 16, 16), np.uint8)
    classes[:, 6:9, 3:13] = 2
    labels = random.standard_normal((count, len(LABEL_NAMES))).astype(np.float32)
    identity = random.standard_normal((count, 64)).astype(np.float32)
    pairs = Pairs(np.arange(0, 40), np.arange(1, 41), np.full(40, 2), labels[1:41, 2] - labels[:40, 2])
    keys = tuple(f"face-{i}" for i in range(count))
    return FacesData(images.astype(np.uint8), classes, labels, identity, keys, held_out=20, pairs=pairs)


def advance(trainer: JointTrainer, steps: int, share: float = 0.5) -> list[float]:
    return [float(trainer.step(share)) for _ in range(steps)]


def test_when_trained_for_a_moment_then_held_out_pictures_come_nearer(
    data: FacesData, tmp_path: Path
) -> None:
    trainer = JointTrainer(data, SMALL, tmp_path / "run.safetensors")
    before = held_out_figures(trainer.model, data)["face"]
    advance(trainer, 120)
    assert held_out_figures(trainer.model, data)["face"] > before + 3.0


def test_when_resumed_then_the_run_goes_on_as_if_never_stopped(data: FacesData, tmp_path: Path) -> None:
    whole = JointTrainer(data, SMALL, tmp_path / "whole.safetensors")
    advance(whole, 6)
    expected = advance(whole, 4)
    first = JointTrainer(data, SMALL, tmp_path / "half.safetensors")
    advance(first, 6)
    first.save()
    second = JointTrainer(data, SMALL, tmp_path / "half.safetensors")
    assert second.resume() and second.steps == 6
    assert advance(second, 4) == pytest.approx(expected, rel=1e-4)


def test_when_training_starts_coarse_then_only_the_coarse_blocks_learn(
    data: FacesData, tmp_path: Path
) -> None:
    trainer = JointTrainer(data, SMALL, tmp_path / "run.safetensors")
    finest = trainer.model.generator.synthesis.blocks()[-1].conv1.weight.clone()
    coarse = trainer.model.generator.synthesis.blocks()[0].conv1.weight.clone()
    advance(trainer, 2, share=0.0)
    assert torch.equal(trainer.model.generator.synthesis.blocks()[-1].conv1.weight, finest)
    assert not torch.equal(trainer.model.generator.synthesis.blocks()[0].conv1.weight, coarse)


def test_when_the_checkpoint_is_cut_short_then_the_remedy_is_told(data: FacesData, tmp_path: Path) -> None:
    path = tmp_path / "run.safetensors"
    trainer = JointTrainer(data, SMALL, path)
    trainer.save()
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(DataError, match=r"cannot be resumed.*Delete it"):
        JointTrainer(data, SMALL, path).resume()


def test_when_the_checkpoint_has_another_shape_then_it_is_refused(data: FacesData, tmp_path: Path) -> None:
    path = tmp_path / "run.safetensors"
    JointTrainer(data, SMALL, path).save()
    wider = JointSettings(w_dim=24, channels=(16, 16, 8), encoder_widths=(8, 16), encoder_hidden=24)
    with pytest.raises(DataError, match="cannot be resumed"):
        JointTrainer(data, wider, path).resume()


def test_when_started_from_trained_weights_then_they_are_kept_and_coarse_steps_are_left_out(
    data: FacesData, tmp_path: Path
) -> None:
    first = JointTrainer(data, SMALL, tmp_path / "first.safetensors")
    advance(first, 60)
    figures = held_out_figures(first.model, data)["face"]
    second = JointTrainer(data, replace(SMALL, seed=9), tmp_path / "second.safetensors")
    second.start_from(first.model.generator.state_dict(), folded_encoder(first.model).state_dict())
    assert held_out_figures(second.model, data)["face"] == pytest.approx(figures, abs=0.05)
    finest = second.model.generator.synthesis.blocks()[-1].conv1.weight.clone()
    advance(second, 1, share=0.0)
    assert not torch.equal(second.model.generator.synthesis.blocks()[-1].conv1.weight, finest)


def test_when_the_weights_to_start_from_have_another_shape_then_it_is_said(
    data: FacesData, tmp_path: Path
) -> None:
    other = JointTrainer(data, replace(SMALL, w_dim=24), tmp_path / "other.safetensors")
    with pytest.raises(DataError, match="has another shape"):
        JointTrainer(data, SMALL, tmp_path / "run.safetensors").start_from(
            other.model.generator.state_dict(), other.model.encoder.state_dict()
        )
