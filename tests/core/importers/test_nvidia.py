"""NVIDIA pickles in every layout that no golden covers: conditional, other protocols, odd or incomplete
networks.
"""

from __future__ import annotations

import pickle
import sys
import types

import numpy as np
import pytest
import torch
from lineament.core.errors import GeneratorError
from lineament.core.generators.package import load_package
from lineament.core.importers.checkpoint import import_checkpoint


@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
def test_when_written_with_any_protocol_then_all_tensors_arrive(
    a_generator, write_nvidia, tmp_path, protocol
):
    file = write_nvidia(a_generator.state_dict(), protocol=protocol)
    card = import_checkpoint(file, tmp_path / "model")
    assert card.id == a_generator.id


def test_when_conditional_then_the_embedding_arrives_and_map_needs_a_class(
    a_conditional_generator, write_nvidia, tmp_path
):
    keywords = {"mapping_kwargs": {"num_layers": 3, "lr_multiplier": 0.02}, "synthesis_kwargs": {}}
    import_checkpoint(
        write_nvidia(a_conditional_generator.state_dict(), keywords=keywords), tmp_path / "model"
    )
    generator = load_package(tmp_path / "model").generator
    z, c = torch.randn(2, 12), torch.eye(3)[:2]
    assert (generator.c_dim, generator.z_dim, generator.w_dim) == (3, 12, 10)
    assert torch.equal(generator.map(z, c), a_conditional_generator.map(z, c))


@pytest.mark.parametrize(
    ("keywords", "clamp"),
    [
        ({"synthesis_kwargs": {"channel_base": 1024}}, None),
        ({"synthesis_kwargs": {"channel_base": 1024, "conv_clamp": 256}}, 256.0),
        ({"channel_base": 1024, "channel_max": 64}, 256.0),
        ({"channel_base": 1024, "conv_clamp": None}, None),
        ({"channel_base": 1024, "conv_clamp": 12}, 12.0),
        ({}, None),
    ],
)
def test_when_layers_do_not_say_then_the_clamp_follows_the_keyword_layout(
    a_generator, write_nvidia, tmp_path, keywords, clamp
):
    file = write_nvidia(a_generator.state_dict(), keywords=keywords)
    assert import_checkpoint(file, tmp_path / "model").kwargs["conv_clamp"] == clamp


def test_when_the_layers_say_then_their_clamp_wins(a_generator, write_nvidia, tmp_path):
    extra = {"synthesis.b8.conv0.": {"conv_clamp": None}, "synthesis.b8.torgb.": {"conv_clamp": None}}
    file = write_nvidia(a_generator.state_dict(), keywords={"channel_base": 1024}, extra=extra)
    assert import_checkpoint(file, tmp_path / "model").kwargs["conv_clamp"] is None


def test_when_layers_have_different_clamps_then_it_is_refused(a_generator, write_nvidia, tmp_path):
    extra = {"synthesis.b8.conv0.": {"conv_clamp": None}, "synthesis.b8.torgb.": {"conv_clamp": 256}}
    file = write_nvidia(a_generator.state_dict(), extra=extra)
    with pytest.raises(GeneratorError, match="different activation clamps"):
        import_checkpoint(file, tmp_path / "model")


def test_when_another_activation_was_used_then_it_is_refused(a_generator, write_nvidia, tmp_path):
    file = write_nvidia(a_generator.state_dict(), extra={"synthesis.b8.conv0.": {"activation": "swish"}})
    with pytest.raises(GeneratorError, match="swish"):
        import_checkpoint(file, tmp_path / "model")


def test_when_trained_without_noise_then_zeros_stand_in(a_generator, write_nvidia, tmp_path):
    state = {name: value for name, value in a_generator.state_dict().items() if ".noise_" not in name}
    card = import_checkpoint(write_nvidia(state), tmp_path / "model")
    ws = a_generator.map(torch.randn(1, 16))
    with_zeros = load_package(tmp_path / "model").generator.synthesise(ws)
    assert torch.equal(with_zeros, a_generator.synthesise(ws, noise_mode="none"))
    assert "zeros" in card.provenance["noise"]


def test_when_no_average_was_tracked_then_it_is_estimated(a_conditional_generator, write_nvidia, tmp_path):
    state = a_conditional_generator.state_dict()
    del state["mapping.w_avg"]
    card = import_checkpoint(write_nvidia(state), tmp_path / "model")
    assert float(load_package(tmp_path / "model").generator.mapping.w_avg.abs().max()) > 0
    assert "seed" in card.provenance["w_avg"]


def test_when_weights_are_half_then_they_arrive_as_float32(a_generator, write_nvidia, tmp_path):
    state = {name: value.half() for name, value in a_generator.state_dict().items()}
    import_checkpoint(write_nvidia(state), tmp_path / "model")
    loaded = load_package(tmp_path / "model").generator.state_dict()
    assert all(torch.equal(loaded[name], value.float()) for name, value in state.items())


def test_when_the_source_text_is_stored_then_only_its_hash_is_kept(a_generator, write_nvidia, tmp_path):
    card = import_checkpoint(write_nvidia(a_generator.state_dict()), tmp_path / "model", licence="CC0-1.0")
    assert len(card.provenance["module_source_sha256"]) == 1
    assert card.licence == "CC0-1.0"
    assert b"RuntimeError" not in (tmp_path / "model" / "card.json").read_bytes()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda state: state.pop("synthesis.b8.conv1.bias"), "lacks synthesis.b8.conv1.bias"),
        (lambda state: state.pop("synthesis.b4.const"), "no synthesis.b4.const"),
        (lambda state: state.pop("mapping.fc0.weight"), "no complete StyleGAN2"),
        (
            lambda state: state.update({"synthesis.b8.skip": torch.zeros(3)}),
            "unknown tensor synthesis.b8.skip",
        ),
        (lambda state: state.update({"synthesis.b8.conv1.bias": torch.zeros(5)}), r"\(5,\) torch.float32"),
        (lambda state: state.update({"mapping.fc0.bias": torch.zeros(16, dtype=torch.int32)}), "int32"),
        (lambda state: state["mapping.fc1.bias"].fill_(float("nan")), "NaN"),
        (lambda state: state.update({"synthesis.b8.resample_filter": torch.ones(4, 4)}), "filter"),
    ],
)
def test_when_the_network_is_not_one_complete_stylegan2_then_it_is_refused(
    a_generator, write_nvidia, tmp_path, change, message
):
    state = {name: value.clone() for name, value in a_generator.state_dict().items()}
    change(state)
    with pytest.raises(GeneratorError, match=message):
        import_checkpoint(write_nvidia(state), tmp_path / "model")
    assert not (tmp_path / "model").exists()


def test_when_views_announce_more_than_the_file_holds_then_nothing_is_allocated(
    a_generator, write_nvidia, tmp_path
):
    file = write_nvidia({}, wrap=lambda _: {"G_ema": StoredViews(a_generator.state_dict())})
    with pytest.raises(GeneratorError, match=r"announce \d{7,} bytes; the file has only"):
        import_checkpoint(file, tmp_path / "model")


class StoredViews:
    """Pickles as a generator of consistent shapes, a million wide, whose tensors repeat one number each."""

    def __init__(self, state):
        self.views = {
            name: value if "noise" in name else value.flatten()[:1].clone().expand(self.grown(value))
            for name, value in state.items()
        }

    def grown(self, value):
        return [1 << 20 if size == 16 else size for size in value.shape]

    def __reduce__(self):
        state = {"_parameters": {}, "_buffers": self.views, "_modules": {}, "_init_kwargs": {}}
        meta = {"type": "class", "state": state}
        return sys.modules["torch_utils.persistence"]._reconstruct_persistent_obj, (meta,)


class Network:
    """Pickles as a TensorFlow release's network."""

    __module__ = "dnnlib.tflib.network"
    __qualname__ = "Network"

    def __init__(self, state):
        self.state = state

    def __getstate__(self):
        return self.state


@pytest.fixture
def write_tensorflow(tmp_path, monkeypatch):
    module = types.ModuleType("dnnlib.tflib.network")
    module.Network = Network
    monkeypatch.setitem(sys.modules, "dnnlib.tflib", types.ModuleType("dnnlib.tflib"))
    monkeypatch.setitem(sys.modules, "dnnlib.tflib.network", module)

    def write(generator, *, protocol=4, version=4, keywords=None):
        arrays = {key: value.numpy() for key, value in generator.state_dict().items()}
        parts = {"": {"dlatent_avg": arrays["mapping.w_avg"]}, "mapping": {}, "synthesis": {}}
        for name in ("fc0", "fc1"):
            parts["mapping"][f"Dense{name[2]}/weight"] = arrays[f"mapping.{name}.weight"].T
            parts["mapping"][f"Dense{name[2]}/bias"] = arrays[f"mapping.{name}.bias"]
        synthesis, noise = parts["synthesis"], 0
        synthesis["4x4/Const/const"] = arrays["synthesis.b4.const"][None]
        for r in generator.config.resolutions:
            for theirs, ours in (
                (("Conv", "conv1"),) if r == 4 else (("Conv0_up", "conv0"), ("Conv1", "conv1"))
            ):
                prefix = f"synthesis.b{r}.{ours}"
                synthesis[f"noise{noise}"] = arrays[f"{prefix}.noise_const"][None, None]
                synthesis[f"{r}x{r}/{theirs}/noise_strength"] = arrays[f"{prefix}.noise_strength"][()]
                noise += 1
                _convolution(synthesis, f"{r}x{r}/{theirs}", arrays, prefix, flip=theirs == "Conv0_up")
            _convolution(synthesis, f"{r}x{r}/ToRGB", arrays, f"synthesis.b{r}.torgb", flip=False)
        components = {
            name: Network({"version": version, "variables": [*parts[name].items()], "components": {}})
            for name in ("mapping", "synthesis")
        }
        state = {
            "version": version,
            "static_kwargs": keywords or {},
            "variables": [*parts[""].items(), ("lod", np.float32(0))],
            "components": components,
            "build_module_src": 'raise RuntimeError("checkpoint source was executed")',
        }
        path = tmp_path / "stylegan2-tf.pkl"
        other = Network({"version": version})
        path.write_bytes(pickle.dumps((other, other, Network(state)), protocol=protocol))
        return path

    return write


def _convolution(synthesis, theirs, arrays, ours, *, flip):
    weight = arrays[f"{ours}.weight"].transpose(2, 3, 1, 0)
    synthesis[f"{theirs}/weight"] = np.ascontiguousarray(weight[::-1, ::-1] if flip else weight)
    synthesis[f"{theirs}/mod_weight"] = np.asfortranarray(arrays[f"{ours}.affine.weight"].T)
    synthesis[f"{theirs}/mod_bias"] = (arrays[f"{ours}.affine.bias"] - 1.0).astype(np.float32)
    synthesis[f"{theirs}/bias"] = arrays[f"{ours}.bias"]


@pytest.mark.parametrize("protocol", [2, 4])
def test_when_a_tensorflow_pickle_is_imported_then_it_draws_the_same_pictures(
    a_generator, write_tensorflow, tmp_path, protocol
):
    import_checkpoint(write_tensorflow(a_generator, protocol=protocol), tmp_path / "model")
    generator = load_package(tmp_path / "model").generator
    z = torch.randn(2, 16)
    assert torch.allclose(generator.map(z, truncation=0.5), a_generator.map(z, truncation=0.5), atol=1e-6)
    ws = a_generator.map(z)
    assert torch.allclose(generator.synthesise(ws), a_generator.synthesise(ws), atol=1e-4)


def test_when_a_tensorflow_pickle_is_of_stylegan1_then_it_is_refused(a_generator, write_tensorflow, tmp_path):
    with pytest.raises(GeneratorError, match="version 3"):
        import_checkpoint(write_tensorflow(a_generator, version=3), tmp_path / "model")
