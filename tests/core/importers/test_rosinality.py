"""rosinality, e4e and pSp containers in the forms that no golden covers."""

from __future__ import annotations

import argparse

import pytest
import torch
from lineament.core.errors import GeneratorError
from lineament.core.generators.package import load_package
from lineament.core.importers.checkpoint import import_checkpoint
from lineament.core.importers.layout import Checkpoint, config_from_tensors


@pytest.fixture
def write(tmp_path):
    def save(content, *, legacy=False):
        torch.save(content, tmp_path / "network.pt", _use_new_zipfile_serialization=not legacy)
        return tmp_path / "network.pt"

    return save


@pytest.mark.parametrize("legacy", [False, True])
def test_when_a_checkpoint_is_written_then_the_id_is_that_of_the_source(
    a_generator, rosinality_state, write, tmp_path, legacy
):
    content = {"g_ema": rosinality_state(a_generator), "latent_avg": a_generator.mapping.w_avg}
    assert import_checkpoint(write(content, legacy=legacy), tmp_path / "model").id == a_generator.id


def test_when_e4e_repeats_the_average_for_every_layer_then_one_row_is_kept(
    a_generator, rosinality_state, write, tmp_path
):
    decoder = {f"decoder.{name}": value for name, value in rosinality_state(a_generator).items()}
    content = {
        "state_dict": {**decoder, "encoder.body.weight": torch.zeros(3)},
        "latent_avg": a_generator.mapping.w_avg.repeat(18, 1),
        "opts": {"device": "cuda", "start_from_latent_avg": True},
    }
    assert import_checkpoint(write(content), tmp_path / "model").id == a_generator.id


def test_when_the_rows_of_the_average_differ_then_it_is_refused(
    a_generator, rosinality_state, write, tmp_path
):
    average = a_generator.mapping.w_avg.repeat(18, 1)
    average[7] += 0.5
    with pytest.raises(GeneratorError, match="18 rows that differ"):
        import_checkpoint(
            write({"g_ema": rosinality_state(a_generator), "latent_avg": average}), tmp_path / "m"
        )


def test_when_only_a_state_dictionary_is_stored_then_it_is_imported(
    a_generator, rosinality_state, write, tmp_path
):
    state = {f"module.{name}": value for name, value in rosinality_state(a_generator).items()}
    import_checkpoint(write(state), tmp_path / "model")
    loaded = load_package(tmp_path / "model").generator.state_dict()
    wanted = a_generator.state_dict()
    assert all(torch.equal(loaded[name], wanted[name]) for name in wanted if name != "mapping.w_avg")


def test_when_old_files_hold_no_noise_then_it_is_drawn_from_a_seed_and_noted(
    a_generator, rosinality_state, write, tmp_path
):
    state = {k: v for k, v in rosinality_state(a_generator).items() if not k.startswith("noises.")}
    first = import_checkpoint(write({"g_ema": state}), tmp_path / "first")
    assert first.id == import_checkpoint(write({"g_ema": state}), tmp_path / "second").id
    assert "seed 0" in first.provenance["noise"]


def test_when_arguments_are_a_namespace_then_they_are_dropped(a_generator, rosinality_state, write, tmp_path):
    content = {"g_ema": rosinality_state(a_generator), "args": argparse.Namespace(path="/secret", size=32)}
    import_checkpoint(write(content), tmp_path / "model")
    assert b"secret" not in (tmp_path / "model" / "card.json").read_bytes()


def test_when_it_was_imported_then_torch_trusts_no_further_class(
    a_generator, rosinality_state, write, tmp_path
):
    before = set(torch.serialization.get_safe_globals())
    content = {"g_ema": rosinality_state(a_generator), "args": argparse.Namespace()}
    import_checkpoint(write(content), tmp_path / "model")
    assert set(torch.serialization.get_safe_globals()) == before


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda state: state.pop("convs.3.activate.bias"), "lacks synthesis.b16.conv1.bias"),
        (
            lambda state: state.update({"convs.0.conv.extra": torch.zeros(1)}),
            "unknown tensor convs.0.conv.extra",
        ),
        (
            lambda state: state.update({"noises.noise_1": torch.zeros(2, 1, 8, 8)}),
            r"noises.noise_1 has the shape",
        ),
        (lambda state: state.update({"input.input": torch.zeros(1, 16, 4, 3)}), "synthesis.b4.const is"),
        (lambda state: state.update({"convs.0.conv.blur.kernel": torch.ones(4, 4)}), "not the standard"),
        (lambda state: state.update({"style.1.bias": "text"}), "style.1.bias is no plain tensor"),
    ],
)
def test_when_the_generator_is_damaged_then_it_is_refused(
    a_generator, rosinality_state, write, tmp_path, change, message
):
    state = rosinality_state(a_generator)
    change(state)
    with pytest.raises(GeneratorError, match=message):
        import_checkpoint(write({"g_ema": state}), tmp_path / "model")
    assert not (tmp_path / "model").exists()


def test_when_there_is_no_generator_then_the_keys_found_are_listed(write, tmp_path):
    with pytest.raises(GeneratorError, match="found: g_optim, epoch"):
        import_checkpoint(write({"g_optim": {}, "epoch": 3}), tmp_path / "model")


def test_when_a_view_announces_more_than_the_file_then_nothing_is_computed_with_it(
    a_generator, rosinality_state, write, tmp_path
):
    state = rosinality_state(a_generator)
    endless = torch.zeros(1)
    contents = [
        {"g_ema": state, "latent_avg": endless.expand(2**20, 2**18)},
        {"g_ema": {**state, "style.1.weight": endless.expand(2**36, 16)}},
        {"g_ema": {**state, "convs.0.conv.blur.kernel": endless.expand(2**20, 2**20)}},
    ]
    for content in contents:
        with pytest.raises(GeneratorError, match="announce") as caught:
            import_checkpoint(write(content), tmp_path / "model")
        assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("name", "shape", "message"),
    [
        ("mapping.fc1.weight", (8193, 16), "w_dim 8193"),
        ("mapping.fc0.weight", (16, 8193), "z_dim 8193"),
        ("synthesis.b8.conv1.weight", (8193, 16, 3, 3), "channels at 8 px 8193"),
        ("mapping.embed.weight", (16, 8193), "c_dim 8193"),
    ],
)
def test_when_a_width_is_beyond_reason_then_no_network_of_it_is_built(a_generator, name, shape, message):
    state = {**a_generator.state_dict(), name: torch.zeros(1).expand(shape)}
    if name == "mapping.embed.weight":
        state["mapping.fc0.weight"] = torch.zeros(16, 32)
    with pytest.raises(GeneratorError, match=message):
        config_from_tensors(Checkpoint(state), "network.pt")
