"""Training the face networks: reads shards, resumes, exports, and keeps the truth where the picture is."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from lineament.core.errors import DataError, GeneratorError
from lineament.core.faces.network import NetworkLocator
from lineament.core.training import locator as training
from lineament.core.training import locator_losses as losses
from lineament.core.training import locator_samples as samples
from lineament.core.training.locator_samples import FaceSet
from safetensors.torch import load_file

from tests.data.toy_shards import POINTS, dotted, write
from tests.data.toy_shards import faces as faces_of


@pytest.fixture
def options(tmp_path: Path) -> training.Options:
    for name in "ab":
        for number in (0, 1):
            write(tmp_path / name / f"faces-{number:05d}.tar", faces_of(2, 10 * number))
    return training.Options(
        tmp_path, tmp_path / "work", tmp_path / "out", seconds=0.2, batch=2, save_every_s=0.05
    )


@pytest.fixture
def faces() -> FaceSet:
    picture, classes = dotted()
    return FaceSet(picture[None], classes[None], POINTS[None], ("dots",))


def test_when_shards_are_split_then_the_last_of_each_data_set_is_held_out(options: training.Options) -> None:
    used, held_out = training.split_shards(options.shards)
    assert [f"{path.parent.name}/{path.stem}" for path in used] == ["a/faces-00000", "b/faces-00000"]
    assert [f"{path.parent.name}/{path.stem}" for path in held_out] == ["a/faces-00001", "b/faces-00001"]


def test_when_folder_has_no_shards_then_data_error(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="No shards"):
        training.split_shards(tmp_path)


@pytest.mark.parametrize("cut", [0, 100, 3000])
def test_when_a_shard_is_cut_off_then_data_error_names_it(
    options: training.Options, cut: int, broken_copy
) -> None:
    path = broken_copy(options.shards / "a" / "faces-00000.tar", cut=cut)
    with pytest.raises(DataError, match=r"faces-00000\.tar"):
        samples.read_shards([path])


def test_when_trained_then_weights_load_and_small_files_remain(options: training.Options) -> None:
    training.train(options)
    tensors = load_file(options.output / "locator.safetensors")
    NetworkLocator(tensors)
    assert {value.dtype for value in tensors.values()} == {torch.float16}
    assert sorted(path.name for path in options.output.iterdir()) == [
        "locator.safetensors",
        "segmenter.safetensors",
    ]


def test_when_the_budget_is_spent_then_resuming_changes_nothing(options: training.Options) -> None:
    options = replace(options, networks=("scan",))
    training.train(options)
    checkpoint = options.work / "scan.checkpoint.pt"
    before = checkpoint.read_bytes()
    training.train(options)
    assert checkpoint.read_bytes() == before


def test_when_the_budget_grows_then_training_goes_on_from_the_checkpoint(options: training.Options) -> None:
    options = replace(options, networks=("scan",))
    training.train(options)
    steps = torch.load(options.work / "scan.checkpoint.pt", weights_only=True)["steps"]
    training.train(replace(options, seconds=0.4))
    assert torch.load(options.work / "scan.checkpoint.pt", weights_only=True)["steps"] > steps


def test_when_the_checkpoint_is_damaged_then_data_error_names_it(options: training.Options) -> None:
    options.work.mkdir()
    (options.work / "scan.checkpoint.pt").write_bytes(b"not a checkpoint")
    with pytest.raises(DataError, match=r"scan\.checkpoint\.pt"):
        training.train(replace(options, networks=("scan",)))


def test_when_started_from_a_package_then_its_weights_go_on(
    options: training.Options, repository: Path
) -> None:
    options = replace(options, networks=("scan",), seconds=1e-3, rate=0.0, start="default")
    training.train(options)
    stored = load_file(repository / "core" / "models" / "default" / "locator.safetensors")
    trained = torch.load(options.work / "scan.checkpoint.pt", weights_only=True)["net"]
    torch.testing.assert_close(trained["head.weight"], stored["scan.head.weight"].float())


def test_when_the_package_to_start_from_is_unknown_then_generator_error(options: training.Options) -> None:
    with pytest.raises(GeneratorError, match="nowhere"):
        training.train(replace(options, networks=("scan",), start="nowhere"))


def test_when_computed_in_bfloat16_then_the_weights_stay_float32(options: training.Options) -> None:
    training.train(replace(options, networks=("landmark",), bfloat16=True))
    trained = torch.load(options.work / "landmark.checkpoint.pt", weights_only=True)["net"]
    assert {value.dtype for value in trained.values() if value.is_floating_point()} == {torch.float32}
    assert all(bool(torch.isfinite(value).all()) for value in trained.values())


@pytest.mark.parametrize("seed", range(4))
def test_when_a_render_is_placed_then_its_landmarks_stay_on_the_picture(faces: FaceSet, seed: int) -> None:
    rng = np.random.default_rng(seed)  # some seeds mirror
    matrix = np.array([[0.9, 0.3, -6.3], [-0.3, 0.9, 21.8]])
    placed = samples.place(rng, faces, 0, matrix, 128, np.zeros((128, 128, 3), np.uint8))
    for x, y in placed.landmarks:
        x0, y0 = int(x) - 3, int(y) - 3
        patch = placed.picture[y0 : y0 + 7, x0 : x0 + 7, 0].astype(np.float64)
        axis = np.arange(7) + 0.5
        centre = (
            x0 + (patch.sum(0) * axis).sum() / patch.sum(),
            y0 + (patch.sum(1) * axis).sum() / patch.sum(),
        )
        assert np.hypot(centre[0] - x, centre[1] - y) < 0.15


def test_when_a_render_is_mirrored_then_left_stays_the_subjects_left(faces: FaceSet) -> None:
    plain = np.array([[1.0, 0.0, 0.0], [0.0, 1.0, 0.0]])
    for seed in range(6):
        placed = samples.place(np.random.default_rng(seed), faces, 0, plain, 128, None)
        assert placed.landmarks[0, 0] > placed.landmarks[1, 0]


def test_when_two_faces_are_in_a_canvas_then_each_cell_wants_the_nearer() -> None:
    near, far = POINTS * 0.4 + (2, 2), POINTS * 0.4 + (45, 40)
    truth = torch.tensor(np.stack([near, far])[None], dtype=torch.float32)
    wanted, certain, nearest = losses.scan_targets(truth, 12)
    for landmarks in (near, far):
        column, row = (landmarks.mean(0) / 8).astype(int)
        assert wanted[0, row, column] == certain[0, row, column] == 1
        assert float((nearest[0, row, column] - torch.tensor(landmarks)).abs().max()) < 1e-3


def test_when_no_face_is_in_a_canvas_then_every_cell_is_a_clear_no() -> None:
    wanted, certain, _ = losses.scan_targets(torch.full((1, 2, 6, 2), float("nan")), 12)
    assert wanted.sum() == 0
    assert certain.min() == 1
