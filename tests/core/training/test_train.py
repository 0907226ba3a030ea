"""Training end to end on forty renders and sizes of a toy: every stage runs, resumes, and leaves what it promises."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch
from lineament.core.directions.build import SHIPPED
from lineament.core.directions.library import load_library
from lineament.core.directions.partial_effects import PartialEffects
from lineament.core.errors import DataError
from lineament.core.generators.package import ModelPackage, load_package
from lineament.core.tools import load_encoder, load_identity
from lineament.core.training import default, faces_data
from lineament.core.training.default import TrainOptions, train
from lineament.core.training.faces_data import FacesData, load_faces
from lineament.core.training.joint_model import JointSettings
from lineament.core.training.profiles import PROFILES, Profile
from lineament.core.training.report import Counts, report
from lineament.core.training.scorer import ScorerSettings
from lineament.core.training.sheets import write_pairs
from PIL import Image

from tests.data.toy_shards import faces, write

TOY = JointSettings(
    w_dim=16,
    z_dim=8,
    channels=(16, 16, 8),
    encoder_widths=(8, 16),
    encoder_hidden=24,
    batch=4,
    learning_rate=1e-2,
)
SCORER = ScorerSettings(widths=(8, 16), hidden=12, batch=8)
COUNTS = Counts(reconstruct=4, distribution=24, optimise=1, steps=2)


@dataclass(frozen=True)
class Trained:
    """One finished run: its options, what was told on the way, its package."""

    options: TrainOptions
    told: list[str]
    package: ModelPackage


@pytest.fixture(scope="module", autouse=True)
def toy_sizes() -> Iterator[None]:
    """A profile of 16 px, small scorers, a short report, every fourth face held out, a ridge: forty faces suffice."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(PROFILES, "toy", Profile(TOY, "--size 128"))
        patch.setattr(faces_data, "HELD_OUT_ONE_IN", 4)
        for name, half in (("GRADER", 1), ("IDENTITY", None)):
            patch.setattr(default, name, replace(SCORER, half=half))
        patch.setattr(default, "PartialEffects", partial(PartialEffects, ridge=0.1))
        patch.setattr(default, "report", lambda package, data: report(package, data, COUNTS))
        yield


@pytest.fixture(scope="module")
def trained(toy_sizes: None, repository: Path, tmp_path_factory: pytest.TempPathFactory) -> Trained:
    folder = tmp_path_factory.mktemp("train")
    options = TrainOptions(
        repository / "tests" / "data" / "faces", folder / "run", folder / "model",
        minutes=0.01, scorer_minutes=0.003, mapping_minutes=0.003, profile="toy",
    )  # fmt: skip
    told: list[str] = []
    return Trained(options, told, load_package(train(options, told.append)))


@pytest.fixture(scope="module")
def grading(trained: Trained) -> FacesData:
    return load_faces(trained.options.data, trained.options.run / "crops", trained.options.alignment, "grade")


def test_when_trained_then_the_package_is_whole_and_every_attribute_has_a_direction(trained: Trained) -> None:
    package = trained.package
    package.verify()
    networks = ("generator", "encoder", "scorer", "grader", "identity", "wstats")
    assert {f"{name}.safetensors" for name in networks} <= set(package.card.files)
    library = load_library(package)
    assert library.names == tuple(spec.name for spec in SHIPPED)
    assert all("scores" in direction.card for direction in library.directions)
    encoder, identity = load_encoder(package), load_identity(package)
    assert encoder is not None and identity is not None
    picture = torch.zeros(1, 3, 16, 16)
    assert encoder(picture).shape == (1, 16) and identity.standardised(picture).shape == (1, 64)


def test_when_trained_then_the_card_has_the_figures_of_every_network(trained: Trained) -> None:
    metrics = trained.package.card.metrics
    assert metrics["held_out_count"] == 10
    assert {"age", "smile", "mouth_open", "glasses", "lipstick"} == set(metrics["pair_gain"])
    assert 0.0 <= metrics["identity"]["auc"] <= 1.0
    assert metrics["grader"]["count"] == 10
    figures = metrics["report"]
    assert figures["count"] == COUNTS.reconstruct
    for name in ("psnr_face_db", "ssim_face", "perceptual_distance"):
        mean, low, high = figures[name]
        assert low <= mean <= high
    assert figures["optimised"]["count"] == 1 and figures["optimised"]["steps"] == 2
    assert set(figures["distribution"]) == {"count", "floor", "reconstructions", "samples"}
    assert all(0.0 <= value <= 1.0 for value in figures["samples"].values())


def test_when_trained_then_there_are_sheets_to_look_at(trained: Trained) -> None:
    for name in ("recon", "samples", "edits", "sweeps", "interpolation", "worst"):
        with Image.open(trained.options.run / "sheets" / f"{name}.png") as picture:
            assert min(picture.size) > 150 and len(picture.convert("L").getcolors() or ()) > 8, name


def test_when_families_are_kept_for_grading_then_edits_stand_beside_their_truth(
    trained: Trained, grading: FacesData, tmp_path: Path
) -> None:
    package, encoder = trained.package, load_encoder(trained.package)
    assert encoder is not None
    few, path = tmp_path / "few.png", tmp_path / "pairs.png"

    def codes(images: np.ndarray) -> torch.Tensor:
        seen = torch.from_numpy(images.astype(np.float32) / 127.5 - 1).permute(0, 3, 1, 2)
        return encoder(seen)[:, None].expand(-1, package.generator.num_ws, -1)

    with torch.inference_mode():
        for target, wanted in ((few, 5), (path, 2)):
            write_pairs(target, grading, codes, package.generator.synthesise, load_library(package), wanted)
    assert not few.exists(), "two families are too few for rows of five"
    with Image.open(path) as picture:
        assert picture.width > 8 * 80 and picture.height > 5 * 80


def test_when_a_finished_run_is_repeated_then_its_networks_are_loaded_not_trained(trained: Trained) -> None:
    told: list[str] = []
    kept: list[dict] = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(default, "export", lambda options, data, trainer, scorers, tell: kept.append(scorers))
        train(trained.options, told.append)
    assert any(line.startswith("resumed after") for line in told)
    assert any(line == "training the identity" for line in trained.told)
    assert not any(line.startswith("training the") for line in told)
    assert set(kept[0]) == {"scorer", "grader", "identity"}


def test_when_trained_longer_then_the_scorers_are_trained_anew(trained: Trained) -> None:
    told: list[str] = []
    options = replace(trained.options, scorer_minutes=0.002)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(default, "export", lambda options, data, trainer, scorers, tell: options.output)
        train(options, told.append)
    wanted = ["training the grader", "training the identity"]
    assert [line for line in told if line.startswith("training the")] == wanted


def test_when_a_run_starts_from_a_package_then_its_networks_go_on(trained: Trained, tmp_path: Path) -> None:
    told: list[str] = []
    options = replace(trained.options, run=tmp_path, minutes=0.0, start=str(trained.package.folder))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(default, "export", lambda options, data, trainer, scorers, tell: trainer)
        patch.setattr(default, "scorer_stage", lambda *args: None)
        trainer = train(options, told.append)
    assert f"started from facekit {trained.package.card.id}" in told
    wanted = trained.package.generator.state_dict()
    for name, tensor in trainer.model.generator.state_dict().items():
        assert torch.equal(tensor, wanted[name]), name


def test_when_no_render_is_left_for_grading_then_the_remedy_is_told(tmp_path: Path) -> None:
    write(tmp_path / "data" / "faces-00000.tar", faces(2))
    options = TrainOptions(tmp_path / "data", tmp_path / "run", tmp_path / "model", profile="toy")
    with pytest.raises(DataError, match=r"none is left for grading.*lineament faces dataset"):
        train(options)


def test_when_the_package_is_written_again_then_locator_and_segmenter_stay(
    trained: Trained, tmp_path: Path
) -> None:
    assert default.keep_foreign_files(tmp_path) == ({}, {})
    (tmp_path / "locator_metrics.json").write_text(json.dumps({"nme": 0.02}))
    default.save_file({"a": torch.ones(2)}, tmp_path / "locator.safetensors")
    tensors, documents = default.keep_foreign_files(tmp_path)
    assert documents == {"locator_metrics.json": {"nme": 0.02}}
    assert torch.equal(tensors["locator.safetensors"]["a"], torch.ones(2))
