"""Opening a model for a shot: the right file from the right package, and one line for contents that do not fit."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from lineament.core import tools
from lineament.core.errors import DeviceError, GeneratorError
from lineament.core.faces.base import LANDMARK_NAMES
from lineament.core.faces.network import NetworkLocator
from lineament.core.faces.track import TrackLocator
from lineament.core.generators import package as packages
from lineament.core.generators.package import ModelPackage, load_package, open_package, save_package
from lineament.core.generators.samples import sample_latents
from lineament.core.generators.stylegan2 import StyleGAN2Config
from lineament.core.generators.tiny import build_tiny
from lineament.core.inversion.encoder_net import EncoderNet
from lineament.core.inversion.loss import WStatistics
from lineament.core.inversion.optimise import OptimiseInverter
from lineament.core.scorer import ScorerNet
from lineament.core.tools import (
    ToolOptions,
    alignment_of,
    build_inverter,
    build_segmenter,
    load_encoder,
    load_identity,
    load_scorer,
    open_tools,
    w_statistics,
)

WIDTHS = (4, 4, 4)  # 16, 8 and 4 px: what a picture of 32 px needs
Save = Callable[..., ModelPackage]


@pytest.fixture
def save(tmp_path: Path) -> Save:
    """Save the tiny generator with further files and open it again."""

    def write(**files: object) -> ModelPackage:
        tensors = {f"{name}.safetensors": value for name, value in files.items() if name != "labels"}
        documents = {"labels.json": files["labels"]} if "labels" in files else {}
        save_package(tmp_path / "model", build_tiny(), name="hero", tensors=tensors, documents=documents)
        return load_package(tmp_path / "model")

    return write


@pytest.fixture
def a_track(tmp_path: Path) -> Path:
    """A track file with one face."""
    points = ((30, 20), (20, 20), (25, 26), (29, 32), (21, 32), (25, 38))
    landmarks = dict(zip(LANDMARK_NAMES, points, strict=True))
    path = tmp_path / "track.json"
    path.write_text(json.dumps({"size": [64, 64], "frames": [{"frame": 1, **landmarks}]}))
    return path


def encoder(w_dim: int = 16, widths: tuple[int, ...] = WIDTHS) -> dict[str, torch.Tensor]:
    return EncoderNet(w_dim, widths, 8).state_dict()


def scorer(answers: int = 2) -> dict[str, torch.Tensor]:
    return ScorerNet(("a",) * answers, WIDTHS, 8).state_dict()


def broken(state: dict[str, torch.Tensor], name: str, value: float) -> dict[str, torch.Tensor]:
    return {**state, name: torch.full_like(state[name], value)}


def refusal(call: Callable[[], object], filename: str) -> str:
    """The one line in which ``call`` is refused; it names the file and what to do."""
    with pytest.raises(GeneratorError) as caught:
        call()
    line = str(caught.value)
    assert "\n" not in line and len(line) < 500
    assert caught.value.where.endswith(filename) and "import the model again" in caught.value.remedy
    return line


@pytest.mark.parametrize(
    "alignment",
    [
        {"scale": "x"},
        {"scale": None},
        {"shift": None},
        {"shift": [0.1]},
        {"scale": True},
        {"scale": float("nan")},
        {"shift": float("inf")},
        {"scale": 0},
        {"scale": -1.0},
        {"scale": 10**400},
    ],
)
def test_when_the_card_frames_faces_with_no_number_then_it_is_refused(save: Save, alignment: dict) -> None:
    package = save()
    odd = ModelPackage(package.folder, replace(package.card, alignment=alignment))
    assert next(iter(alignment)) in refusal(lambda: alignment_of(odd), "card.json")


def test_when_the_card_frames_faces_then_its_numbers_count_and_ffhq_fills_the_rest(save: Save) -> None:
    package = save()
    told = alignment_of(ModelPackage(package.folder, replace(package.card, alignment={"scale": 2})))
    assert (told.resolution, told.scale, told.shift) == (32, 2.0, 0.1)


@pytest.mark.parametrize(
    ("tensors", "message"),
    [
        ({"foreign": torch.zeros(3)}, "lacks 'stem.weight'"),
        (broken(encoder(), "out.bias", float("nan")), "out.bias holds NaN"),
        (broken(encoder(), "blocks.0.skip.weight", float("inf")), "blocks.0.skip.weight holds NaN"),
        ({**encoder(), "foreign": torch.zeros(3)}, "foreign"),
        ({**encoder(), "stem.weight": torch.zeros(())}, "does not fit"),
        (encoder(w_dim=15), "15 numbers, not 16"),
        (encoder(widths=(4, 4)), "does not fit"),
    ],
)
def test_when_the_encoder_is_another_networks_then_it_is_refused(
    save: Save, tensors: dict[str, torch.Tensor], message: str
) -> None:
    package = save(encoder=tensors)
    line = refusal(
        lambda: build_inverter(package, package.generator, "encoder", "cpu"), "encoder.safetensors"
    )
    assert message in line


@pytest.mark.parametrize("labels", [{}, [], {"names": None}, {"names": "ab"}, {"names": [1, 2]}])
def test_when_the_labels_are_no_names_then_the_scorer_is_refused(save: Save, labels: object) -> None:
    package = save(scorer=scorer(), labels=labels)
    refusal(lambda: load_scorer(package), "labels.json")


@pytest.mark.parametrize(
    "tensors", [{"foreign": torch.zeros(3)}, scorer(3), broken(scorer(), "scale", float("nan"))]
)
def test_when_the_scorer_is_another_networks_then_it_is_refused(
    save: Save, tensors: dict[str, torch.Tensor]
) -> None:
    package = save(scorer=tensors, labels={"names": ["a", "b"]})
    refusal(lambda: load_scorer(package), "scorer.safetensors")


def test_when_a_model_knows_identities_then_the_embedding_is_read_without_labels(save: Save) -> None:
    tensors = {name: tensor.half() for name, tensor in scorer(5).items()}
    net = load_identity(save(identity=tensors))
    assert net is not None and net.names == ("identity0", "identity1", "identity2", "identity3", "identity4")
    assert net.standardised(torch.zeros(1, 3, 32, 32)).shape == (1, 5)


def test_when_a_model_knows_no_identities_then_there_is_none(save: Save) -> None:
    assert load_identity(save()) is None


@pytest.mark.parametrize("tensors", [{"foreign": torch.zeros(3)}, broken(scorer(), "scale", float("nan"))])
def test_when_the_identity_network_is_another_then_it_is_refused(
    save: Save, tensors: dict[str, torch.Tensor]
) -> None:
    package = save(identity=tensors)
    refusal(lambda: load_identity(package), "identity.safetensors")


@pytest.mark.parametrize(
    "tensors",
    [
        {"covariance": torch.eye(16)},
        {"mean": torch.zeros(16), "covariance": torch.eye(15)},
        {"mean": torch.zeros(15), "covariance": torch.eye(15)},
        {"mean": torch.full((16,), float("nan")), "covariance": torch.eye(16)},
        {"mean": torch.zeros(16), "covariance": torch.zeros(16, 16)},
        {"mean": torch.zeros(16), "covariance": torch.diag(torch.tensor([-1.0] + 15 * [1.0]))},
    ],
)
def test_when_the_statistics_are_none_then_they_are_refused(
    save: Save, tensors: dict[str, torch.Tensor]
) -> None:
    package = save(wstats=tensors)
    refusal(lambda: w_statistics(package, package.generator), "wstats.safetensors")


def test_when_every_file_fits_then_the_optimiser_uses_all_of_them(save: Save) -> None:
    statistics = {"mean": torch.zeros(16), "covariance": torch.eye(16)}
    files = {"encoder": encoder(), "scorer": scorer(), "labels": {"names": ["a", "b"]}, "wstats": statistics}
    package = save(**files)
    key = build_inverter(package, package.generator, "optimise", "cpu").key
    assert "start=(encoder-1" in key and "features=ScorerNet.features" in key
    net = load_encoder(package)
    assert net is not None and net(torch.zeros(1, 3, 32, 32)).shape == (1, 16)


def test_when_a_recipe_has_a_seed_then_the_optimiser_draws_with_it(save: Save) -> None:
    folder = str(save().folder)
    made = [open_tools(ToolOptions(model=folder, inverter="optimise", seed=s)).inverter for s in (0, 1, 0)]
    assert all(isinstance(inverter, OptimiseInverter) for inverter in made)
    assert made[0].key == made[2].key != made[1].key


def test_when_a_conditional_model_is_measured_then_its_classes_are_drawn(tmp_path: Path) -> None:
    config = StyleGAN2Config(12, 3, 10, 8, {4: 8, 8: 6}, num_mapping_layers=3, mapping_lr=0.02)
    generator = build_tiny(config=config)
    save_package(tmp_path / "model", generator, name="classes")
    found = w_statistics(load_package(tmp_path / "model"), generator)
    samples = sample_latents(generator, tools.STATISTICS_SAMPLES).double().numpy()
    assert found.mean == pytest.approx(WStatistics.from_samples(samples).mean)


@pytest.fixture
def built(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The names of the models whose generators are built."""
    names: list[str] = []
    build = packages._build_generator
    monkeypatch.setattr(
        packages, "_build_generator", lambda package: names.append(package.card.name) or build(package)
    )
    return names


@pytest.fixture
def read(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The files that are read of any package, as MODEL/FILE."""
    names: list[str] = []
    tensors = ModelPackage.tensors

    def noting(package: ModelPackage, filename: str) -> dict[str, torch.Tensor]:
        names.append(f"{package.card.name}/{filename}")
        return tensors(package, filename)

    monkeypatch.setattr(ModelPackage, "tensors", noting)
    return names


def test_when_a_model_has_no_face_networks_then_the_defaults_serve_without_its_generator(
    save: Save, built: list[str], read: list[str]
) -> None:
    opened = open_tools(ToolOptions(model=str(save().folder), inverter="optimise"))
    assert isinstance(opened.locator, NetworkLocator) and opened.segmenter is not None
    assert set(built) == {"hero"}
    default = open_package("default").card.name
    assert [name for name in read if name.startswith(f"{default}/")] == [
        f"{default}/locator.safetensors",
        f"{default}/segmenter.safetensors",
    ]


def test_when_a_track_is_given_then_no_locator_network_is_read(
    save: Save, a_track: Path, read: list[str]
) -> None:
    options = ToolOptions(model=str(save().folder), inverter="optimise", track=str(a_track))
    assert isinstance(open_tools(options).locator, TrackLocator)
    assert not any(name.endswith("locator.safetensors") for name in read)


@pytest.mark.parametrize("own", ["locator", "segmenter"])
def test_when_a_model_has_one_face_network_then_the_default_lends_the_other(
    save: Save, read: list[str], own: str
) -> None:
    default = open_package("default")
    package = save(**{own: default.tensors(f"{own}.safetensors")})
    read.clear()
    opened = open_tools(ToolOptions(model=str(package.folder), inverter="optimise"))
    assert isinstance(opened.locator, NetworkLocator) and opened.segmenter is not None
    other = "segmenter" if own == "locator" else "locator"
    faces = {name for name in read if "generator" not in name}
    assert faces == {f"hero/{own}.safetensors", f"{default.card.name}/{other}.safetensors"}


def test_when_no_package_has_a_segmenter_then_there_is_none(
    save: Save, monkeypatch: pytest.MonkeyPatch
) -> None:
    package = save()
    monkeypatch.setattr(tools, "open_package", lambda name: package)
    assert build_segmenter(package) is None


def test_when_the_model_does_not_fit_the_device_then_it_is_our_error(monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise torch.OutOfMemoryError("CUDA out of memory")

    monkeypatch.setattr(EncoderNet, "to", full)
    with pytest.raises(DeviceError, match="Out of memory on cpu"):
        open_tools(ToolOptions())
