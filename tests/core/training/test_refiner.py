"""Training the refiner on toy renders: it learns, resumes exactly, and refuses what it cannot use."""

from __future__ import annotations

import copy
import json
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from lineament.core.errors import DataError, GeneratorError
from lineament.core.generators.package import load_package
from lineament.core.tools import REFINER, alignment_of, load_encoder, load_refiner
from lineament.core.training.faces_data import LABEL_NAMES, load_faces
from lineament.core.training.refiner import RefinerOptions, RefinerTrainer, refined_gains, train_refiner
from lineament.core.training.refiner_pairs import PairBatches, RefinerSettings, Trunk, pictures
from PIL import Image
from safetensors import safe_open
from safetensors.torch import save_file

from tests.data.toy_shards import faces, families, write

SETTINGS = RefinerSettings(size=64, batch=4)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    where = tmp_path_factory.mktemp("renders")
    write(where / "families" / "faces-00000.tar", families(8))
    return where


@pytest.fixture(scope="module")
def data(folder: Path):
    alignment = replace(alignment_of(load_package("default")), resolution=SETTINGS.size)
    return load_faces(folder, folder / "crops", alignment, surround=SETTINGS.surround)


@pytest.fixture(scope="module")
def trunk(data) -> Trunk:
    package = load_package("default")
    encoder = load_encoder(package)
    assert encoder is not None
    return Trunk(encoder, package.generator, data, SETTINGS.surround)


def test_when_batches_are_drawn_then_steps_tell_exactly_what_changed(data, trunk) -> None:
    settings = replace(SETTINGS, batch=64, members_share=1.0, degraded_share=0.0, covered_share=0.0)
    told = copy.copy(trunk)
    told.steps = torch.eye(
        len(LABEL_NAMES), trunk.steps.shape[1]
    )  # a step is then the change of the labels itself
    batch = PairBatches(data, told, settings).at(3)
    again = PairBatches(data, told, settings).at(3)
    assert all((getattr(batch, name) == getattr(again, name)).all() for name in vars(batch))
    assert (batch.seen == batch.source).all()
    smile, glasses = (batch.step[:, LABEL_NAMES.index(name)] for name in ("smile", "glasses"))
    assert float((batch.step.abs().sum(1) - smile.abs() - glasses.abs()).abs().max()) < 1e-5
    assert {(float(a), float(b)) for a, b in zip(smile.sign(), glasses.sign(), strict=True)} == {
        (1.0, -1.0), (-1.0, 1.0), (0.0, 0.0)
    }  # fmt: skip
    stay = batch.step.abs().sum(1) == 0.0
    assert (batch.source[stay] == batch.target[stay]).all()


def test_when_a_face_is_covered_then_nothing_is_asked_of_it_there(data, trunk) -> None:
    batch = PairBatches(data, trunk, replace(SETTINGS, batch=16, covered_share=1.0, degraded_share=0.0)).at(0)
    hidden = batch.weights == 0.0
    assert all(hidden[i].any() and not hidden[i].all() for i in range(16))
    assert (batch.seen[hidden.expand_as(batch.seen)] == 0.0).all()


def test_when_it_learns_then_the_drawn_change_comes_nearer_to_the_rendered_one(data, trunk, tmp_path) -> None:
    trainer = RefinerTrainer(data, trunk, SETTINGS, tmp_path / "state.safetensors")
    first = np.mean([trainer.step(0.0) for _ in range(5)])
    for _ in range(50):
        trainer.step(0.2)
    last = np.mean([trainer.step(0.9) for _ in range(5)])
    assert last < 0.9 * first
    before, after = (refined_gains(net, trunk, data) for net in (None, trainer.average))
    assert set(before) == {"smile", "glasses"}
    assert after["smile"] > before["smile"]


def test_when_training_is_stopped_then_it_goes_on_as_if_it_had_not_been(data, trunk, tmp_path) -> None:
    whole = RefinerTrainer(data, trunk, SETTINGS, tmp_path / "a.safetensors")
    losses = [whole.step(0.5) for _ in range(6)]
    half = RefinerTrainer(data, trunk, SETTINGS, tmp_path / "b.safetensors")
    told = [half.step(0.5) for _ in range(3)]
    half.save()
    rest = RefinerTrainer(data, trunk, SETTINGS, tmp_path / "b.safetensors")
    assert rest.resume() and rest.steps == 3
    assert told + [rest.step(0.5) for _ in range(3)] == pytest.approx(losses, rel=1e-4)


def test_when_a_checkpoint_is_damaged_then_it_is_said_and_the_file_stays(data, trunk, tmp_path) -> None:
    path = tmp_path / "state.safetensors"
    trainer = RefinerTrainer(data, trunk, SETTINGS, path)
    assert not trainer.resume()
    trainer.save()
    content = path.read_bytes()
    for broken in (content[:100], b"", content[: len(content) // 2]):
        path.write_bytes(broken)
        with pytest.raises(DataError, match="cannot be resumed"):
            trainer.resume()
        assert path.read_bytes() == broken


def test_when_the_command_ends_then_the_package_has_a_refiner_of_its_own(
    folder: Path, tmp_path: Path
) -> None:
    options = RefinerOptions(folder, tmp_path / "run", tmp_path / "model", minutes=0.02, settings=SETTINGS)
    told: list[str] = []
    assert train_refiner(options, told.append) == tmp_path / "model"
    package = load_package(tmp_path / "model")
    net = load_refiner(package)
    assert net is not None and net.surround == SETTINGS.surround
    assert REFINER in package.card.files
    gains = package.card.metrics["refiner"]["pair_gain"]
    assert set(gains) == {"refined", "generator alone"}
    assert json.loads((tmp_path / "model" / "refiner.json").read_text())["generator_id"] == package.card.id
    assert train_refiner(options, told.append) and any(line.startswith("resumed") for line in told)
    assert not list(tmp_path.rglob("*.tmp"))
    with Image.open(tmp_path / "run" / "refiner.png") as picture:
        assert min(picture.size) > SETTINGS.size


def test_when_the_renders_hold_no_pairs_then_families_are_asked_for(tmp_path: Path) -> None:
    write(tmp_path / "data" / "faces-00000.tar", faces(6))
    options = RefinerOptions(tmp_path / "data", tmp_path / "run", tmp_path / "model", settings=SETTINGS)
    with pytest.raises(DataError, match="no counterfactual pairs") as caught:
        train_refiner(options)
    assert "--families" in str(caught.value.remedy)
    assert not (tmp_path / "model").exists()


def test_when_the_model_has_no_encoder_then_it_is_refused(folder: Path, tmp_path: Path) -> None:
    options = RefinerOptions(folder, tmp_path / "run", tmp_path / "model", model="tiny", settings=SETTINGS)
    with pytest.raises(GeneratorError, match="no encoder"):
        train_refiner(options)


def test_when_pictures_are_read_then_they_span_minus_one_to_one(data) -> None:
    values = pictures(data, np.arange(3))
    assert values.shape == (3, 3, SETTINGS.surround.size, SETTINGS.surround.size)
    assert float(values.min()) >= -1.0 and float(values.max()) <= 1.0


def test_when_a_checkpoint_is_of_another_model_or_size_then_it_is_not_taken_for_this_one(
    data, trunk, tmp_path
) -> None:
    path = tmp_path / "state.safetensors"
    RefinerTrainer(data, trunk, SETTINGS, path).save()
    other = copy.copy(trunk)
    other.generator = SimpleNamespace(w_dim=trunk.generator.w_dim, id="f" * 64)
    for trainer, text in (
        (RefinerTrainer(data, other, SETTINGS, path), "for generator"),
        (RefinerTrainer(data, trunk, replace(SETTINGS, size=128), path), "at 64 px"),
        (RefinerTrainer(data, trunk, replace(SETTINGS, margins=(0.0,) * 4), path), "margins"),
    ):
        before = {name: value.clone() for name, value in trainer.net.state_dict().items()}
        with pytest.raises(DataError, match=text) as caught:
            trainer.resume()
        assert "--work" in str(caught.value.remedy) and trainer.steps == 0
        assert all((value == before[name]).all() for name, value in trainer.net.state_dict().items())


def test_when_a_checkpoint_does_not_name_its_model_then_it_goes_on(data, trunk, tmp_path) -> None:
    path = tmp_path / "state.safetensors"
    trainer = RefinerTrainer(data, trunk, SETTINGS, path)
    trainer.save()
    with safe_open(path, framework="pt") as file:
        tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        run = json.loads(file.metadata()["run"])
    del run["generator_id"]
    save_file(tensors, path, {"run": json.dumps(run)})
    assert trainer.resume()


def test_when_half_of_the_optimiser_is_missing_then_the_checkpoint_is_refused(data, trunk, tmp_path) -> None:
    path = tmp_path / "state.safetensors"
    trainer = RefinerTrainer(data, trunk, SETTINGS, path)
    trainer.step(0.5)
    trainer.save()
    with safe_open(path, framework="pt") as file:
        tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        told = file.metadata()
    save_file({k: v for k, v in tensors.items() if not k.startswith("adam.exp_avg_sq.")}, path, told)
    with pytest.raises(DataError, match="cannot be resumed"):
        trainer.resume()


def test_when_weights_are_no_numbers_then_they_are_not_saved_over_good_ones(data, trunk, tmp_path) -> None:
    path = tmp_path / "state.safetensors"
    trainer = RefinerTrainer(data, trunk, SETTINGS, path)
    trainer.save()
    good = path.read_bytes()
    with torch.no_grad():
        trainer.net.out.bias.fill_(torch.nan)
    with pytest.raises(DataError, match="diverged"):
        trainer.save()
    assert path.read_bytes() == good


def test_when_the_output_cannot_be_a_folder_then_it_is_said_before_training(
    folder: Path, tmp_path: Path
) -> None:
    taken = tmp_path / "model"
    taken.write_text("a file")
    told: list[str] = []
    with pytest.raises(GeneratorError, match="cannot be written") as caught:
        train_refiner(RefinerOptions(folder, tmp_path / "run", taken, settings=SETTINGS), told.append)
    assert "--output" in str(caught.value.remedy) and told == []
