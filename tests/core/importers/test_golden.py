"""Every StyleGAN2 checkpoint of the golden set arrives unchanged and computes what its own implementation
did.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import numpy as np
import pytest
import torch
from lineament.core.errors import GeneratorError
from lineament.core.generators.package import ModelPackage, load_package
from lineament.core.generators.stylegan2 import StyleGAN2, double
from lineament.core.importers.checkpoint import import_checkpoint

TOLERANCE = 1e-4  # of the largest magnitude in the golden tensor
NVIDIA = ["sg2_small.pkl", "sg2_small_ada.pkl", "sg2_small_ada_p3.pkl", "sg2_small_clamp.pkl"]
ROSINALITY = ["ros_small.pt", "ros_small_legacy.pt", "ros_small_train.pt", "ros_from_sg2.pt"]
CLAMPS = dict.fromkeys(ROSINALITY) | dict.fromkeys(NVIDIA, 256.0) | {"sg2_small_clamp.pkl": 1.5}


class Golden:
    """One imported checkpoint beside what it should be."""

    def __init__(self, file: Path, package: ModelPackage) -> None:
        base = file.stem
        for variant in ("_p3", "_legacy", "_train"):
            base = base.removesuffix(variant)
        self.file, self.package = file, package
        self.description = json.loads((file.parent / f"{base}.json").read_text())
        with np.load(file.parent / f"{base}.npz", allow_pickle=False) as arrays:
            self.arrays = {key: torch.from_numpy(arrays[key]) for key in arrays}

    @property
    def generator(self) -> StyleGAN2:
        return self.package.generator


@pytest.fixture(scope="module", params=NVIDIA + ROSINALITY)
def golden(request, shared_data, tmp_path_factory) -> Golden:
    file = shared_data / "golden" / request.param
    folder = tmp_path_factory.mktemp("golden") / file.stem
    import_checkpoint(file, folder)
    return Golden(file, load_package(folder))


def assert_close(found: torch.Tensor, wanted: torch.Tensor) -> None:
    assert found.shape == wanted.shape
    error = float((found - wanted).abs().max() / wanted.abs().max())
    assert error <= TOLERANCE


def our_name(name: str) -> str:
    """A golden name (either layout) in our terms; written out here, apart from the importer's own table."""
    for level, resolution in enumerate((8, 16, 32, 64)):
        name = name.replace(f"convs.{2 * level}.", f"synthesis.b{resolution}.conv0.")
        name = name.replace(f"convs.{2 * level + 1}.", f"synthesis.b{resolution}.conv1.")
        name = name.replace(f"to_rgbs.{level}.", f"synthesis.b{resolution}.torgb.")
        name = name.replace(f"noises.noise_{2 * level + 1}", f"synthesis.b{resolution}.conv0.noise_const")
        name = name.replace(f"noises.noise_{2 * level + 2}", f"synthesis.b{resolution}.conv1.noise_const")
    name = name.replace("noises.noise_0", "synthesis.b4.conv1.noise_const")
    if name.startswith("conv1."):
        name = f"synthesis.b4.{name}"
    name = name.replace("to_rgb1.", "synthesis.b4.torgb.").replace("input.input", "synthesis.b4.const")
    name = name.replace("style.1.", "mapping.fc0.").replace("style.2.", "mapping.fc1.")
    name = name.replace(".conv.modulation.", ".affine.").replace(".conv.weight", ".weight")
    return name.replace(".noise.weight", ".noise_strength").replace(".activate.bias", ".bias")


def test_when_a_golden_is_imported_then_every_tensor_has_the_published_hash(golden):
    ours = golden.generator.state_dict()
    wanted = {
        our_name(name): entry
        for name, entry in golden.description["tensors"].items()
        if not name.endswith(("resample_filter", "kernel"))
    }
    average = {"mapping.w_avg"}
    assert set(ours) - average == set(wanted) - average
    for name, entry in wanted.items():
        assert hashlib.sha256(ours[name].contiguous().numpy().tobytes()).hexdigest() == entry["sha256"], name


WITH_AVERAGE = pytest.mark.parametrize(
    "golden", [name for name in NVIDIA + ROSINALITY if name != "ros_small_train.pt"], indirect=True
)


@WITH_AVERAGE
def test_when_the_average_latent_is_stored_then_it_arrives_unchanged(golden):
    wanted = golden.arrays["w_avg" if "w_avg" in golden.arrays else "latent_avg"]
    assert torch.equal(golden.generator.mapping.w_avg, wanted)


def test_when_a_golden_is_imported_then_its_clamp_is_that_of_its_layout(golden):
    assert golden.generator.config.conv_clamp == CLAMPS[golden.file.name]


def test_when_z_is_mapped_then_w_and_ws_are_the_golden_ones(golden):
    ws = golden.generator.map(golden.arrays["z"])
    assert_close(ws, golden.arrays["ws_psi1"])
    assert_close(ws[:, 0], golden.arrays["w"])


@WITH_AVERAGE
def test_when_truncated_then_ws_are_the_golden_ones(golden):
    cutoff = golden.description["truncation_cutoff"]
    z = golden.arrays["z"]
    assert_close(golden.generator.map(z, truncation=0.7), golden.arrays["ws_psi0.7"])
    wanted = golden.arrays[f"ws_psi0.7_cutoff{cutoff}"]
    assert_close(golden.generator.map(z, truncation=0.7, cutoff=cutoff), wanted)


@pytest.mark.parametrize("latent", ["psi1", "psi0.7", "psi0.7_cutoff4", "plus"])
def test_when_synthesised_then_the_picture_is_the_golden_one(golden, latent):
    picture = golden.generator.synthesise(golden.arrays[f"ws_{latent}"])
    assert_close(picture, golden.arrays[f"img_{latent}"])


def test_when_noise_is_off_then_the_picture_is_the_golden_one(golden):
    picture = golden.generator.synthesise(golden.arrays["ws_psi1"], noise_mode="none")
    assert_close(picture, golden.arrays["img_psi1_nonoise"])


def test_when_styles_are_computed_then_they_are_the_golden_ones_in_order(golden):
    styles = golden.generator.styles(golden.arrays["ws_psi1"])
    names = [
        f"synthesis.b{resolution}.{layer}."
        for resolution in golden.generator.config.resolutions
        for layer in (["conv1", "torgb"] if resolution == 4 else ["conv0", "conv1", "torgb"])
    ]
    wanted = {}
    for key, array in golden.arrays.items():
        if key.startswith("style."):
            layer = f"{key.removeprefix('style.')}."
            wanted[f"synthesis.{layer}" if layer.startswith("b") else our_name(layer)] = array
    assert sorted(wanted) == sorted(names)
    for name, style in zip(names, styles, strict=True):
        assert_close(style, wanted[name])


def test_when_synthesised_then_features_and_partial_pictures_are_the_golden_ones(golden):
    found: dict[str, torch.Tensor] = {}
    image = None
    hooks = []
    for resolution in golden.generator.config.resolutions:
        block = getattr(golden.generator.synthesis, f"b{resolution}")
        for layer in ("conv1", "torgb"):
            key = f"b{resolution}.{layer}"
            hook = getattr(block, layer).register_forward_hook(
                lambda module, inputs, output, key=key: found.__setitem__(key, output)
            )
            hooks.append(hook)
    golden.generator.synthesise(golden.arrays["ws_psi1"])
    for hook in hooks:
        hook.remove()
    compared = 0
    for resolution in golden.generator.config.resolutions:
        rgb = found[f"b{resolution}.torgb"]
        image = rgb if image is None else double(image) + rgb
        index = resolution.bit_length() - 4
        theirs = "feat.conv1" if resolution == 4 else f"feat.convs.{2 * index + 1}"
        for key, value in (
            (f"rgb.b{resolution}", image),
            (f"feat.b{resolution}", found[f"b{resolution}.conv1"]),
        ):
            if key in golden.arrays:
                assert_close(value, golden.arrays[key])
                compared += 1
        if theirs in golden.arrays:
            assert_close(found[f"b{resolution}.conv1"], golden.arrays[theirs])
            compared += 1
    assert compared >= 3


def test_when_the_same_network_comes_from_several_layouts_then_the_id_is_the_same(shared_data, tmp_path):
    # ros_from_sg2 holds the same weights, but its format knows no clamp: another network.
    files = ["sg2_small.pkl", "sg2_small_ada.pkl", "sg2_small_ada_p3.pkl"]
    ids = {import_checkpoint(shared_data / "golden" / file, tmp_path / file).id for file in files}
    assert len(ids) == 1
    for other in ("ros_from_sg2.pt", "ros_small.pt"):
        assert import_checkpoint(shared_data / "golden" / other, tmp_path / other).id not in ids


def test_when_a_package_is_loaded_again_then_the_id_is_that_of_the_import(golden):
    again = load_package(golden.package.folder)
    assert again.generator.id == golden.package.card.id == golden.generator.id


def test_when_a_snapshot_lacks_the_average_then_it_is_estimated_and_noted(shared_data, tmp_path):
    card = import_checkpoint(shared_data / "golden" / "ros_small_train.pt", tmp_path / "train")
    generator = load_package(tmp_path / "train").generator
    z = torch.randn(4000, generator.z_dim, generator=torch.Generator().manual_seed(5))
    spread = generator.mapping(z).std(dim=0)
    distance = (generator.mapping.w_avg - generator.mapping(z).mean(dim=0)).abs() / spread
    assert float(distance.max()) < 0.1
    assert "10000" in card.provenance["w_avg"]


@pytest.mark.parametrize("file", ["sg3t_small.pkl", "sg3r_small.pkl"])
def test_when_a_stylegan3_file_is_imported_then_it_says_not_yet(shared_data, tmp_path, listing, file):
    with pytest.raises(GeneratorError, match="StyleGAN3 checkpoint, which cannot be imported yet") as caught:
        import_checkpoint(shared_data / "golden" / file, tmp_path / "model")
    assert "\n" not in str(caught.value)
    assert listing() == []
