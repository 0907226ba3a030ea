"""Model packages: what is saved is loaded, what was altered is refused, names and paths lead where they
should.
"""

from __future__ import annotations

import json
import struct
from pathlib import Path

import pytest
import torch
from lineament.core.errors import GeneratorError
from lineament.core.generators.package import (
    add_files,
    available_models,
    find_package,
    load_model,
    load_package,
    read_card,
    save_package,
)
from lineament.core.generators.package_files import from_safetensors, to_safetensors
from lineament.core.generators.registry import ARCHITECTURES, architecture_named
from lineament.core.generators.tiny import build_tiny, save_tiny


@pytest.fixture
def package(tmp_path) -> Path:
    """A saved tiny package with one further file of each kind."""
    folder = tmp_path / "model"
    save_package(
        folder,
        build_tiny(),
        name="model",
        encoding="lineament-709",
        alignment={"resolution": 32, "scale": 0.8, "shift": 0.1},
        matte=True,
        metrics={"psnr": 24.5},
        tensors={"encoder.safetensors": {"weight": torch.arange(6.0).reshape(2, 3)}},
        documents={"directions.json": {"age": [0, 4]}},
    )
    return folder


def edit_card(folder: Path, **values: object) -> None:
    """Overwrite fields of a card."""
    path = folder / "card.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **values}))


def test_when_saved_and_loaded_then_weights_card_and_files_are_equal(package):
    loaded = load_package(package)
    tiny = build_tiny()
    assert loaded.generator.id == tiny.id == loaded.card.id
    assert loaded.generator.config == tiny.config
    assert loaded.card.encoding == "lineament-709" and loaded.card.matte
    assert loaded.card.metrics == {"psnr": 24.5}
    assert torch.equal(loaded.tensors("encoder.safetensors")["weight"], torch.arange(6.0).reshape(2, 3))
    assert loaded.document("directions.json") == {"age": [0, 4]}
    assert loaded.has("encoder.safetensors") and not loaded.has("scorer.safetensors")
    loaded.verify()


def test_when_saved_as_half_then_it_loads_as_float32_and_the_id_is_that_of_the_rounded_weights(tmp_path):
    card = save_package(tmp_path / "half", build_tiny(), name="half", half=True)
    loaded = load_package(tmp_path / "half")
    stored = loaded.tensors("generator.safetensors")
    assert {value.dtype for value in stored.values()} == {torch.float16}
    assert {value.dtype for value in loaded.generator.state_dict().values()} == {torch.float32}
    assert loaded.generator.id == card.id != build_tiny().id


def test_when_weights_do_not_fit_into_half_then_saving_is_refused(tmp_path):
    generator = build_tiny()
    generator.mapping.fc0.weight.fill_(1e6)
    with pytest.raises(GeneratorError, match="beyond float16"):
        save_package(tmp_path / "half", generator, name="half", half=True)


def test_when_loaded_then_no_weight_wants_a_gradient(package):
    assert not any(parameter.requires_grad for parameter in load_model(package).parameters())


@pytest.mark.parametrize("offset", [0, 9, 400, -1])
def test_when_one_bit_of_the_weights_is_altered_then_loading_is_refused(package, offset):
    path = package / "generator.safetensors"
    data = bytearray(path.read_bytes())
    data[offset] ^= 1
    path.write_bytes(bytes(data))
    with pytest.raises(GeneratorError, match="is not the file that the card describes"):
        load_package(package)


def test_when_another_file_is_altered_then_it_is_refused_when_asked_for_and_by_verify(package):
    (package / "encoder.safetensors").write_bytes(to_safetensors({"weight": torch.zeros(2, 3)}))
    loaded = load_package(package)
    with pytest.raises(GeneratorError, match=r"encoder.safetensors is not the file"):
        loaded.tensors("encoder.safetensors")
    with pytest.raises(GeneratorError, match=r"encoder.safetensors is not the file"):
        loaded.verify()


def test_when_a_file_is_missing_then_it_is_named(package):
    (package / "generator.safetensors").unlink()
    with pytest.raises(GeneratorError, match=r"generator.safetensors cannot be read"):
        load_package(package)


def test_when_a_file_was_never_part_of_the_package_then_its_files_are_listed(package):
    with pytest.raises(GeneratorError, match=r"no scorer.safetensors.*encoder.safetensors"):
        load_package(package).tensors("scorer.safetensors")


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"schema_version": 9}, "schema version 9"),
        ({"colour": "red"}, 'unknown key "colour"'),
        ({"resolution": "big"}, '"resolution" is wrong'),
        ({"resolution": 64}, "The card describes"),
        ({"id": "0" * 16}, "The card describes"),
        ({"architecture": "stylegan9"}, "stylegan9.*Known: stylegan2"),
        ({"kwargs": {}}, "do not fit"),
        (
            {"kwargs": {"channels": {"4": 1 << 20}, "z_dim": 1, "c_dim": 0, "w_dim": 1, "resolution": 4}},
            "do not fit",
        ),
        ({"files": {"../evil.safetensors": "00"}}, "no plain file name"),
        ({"files": {"/etc/passwd": "00"}}, "no plain file name"),
        ({"files": {}}, "no generator.safetensors"),
    ],
)
def test_when_the_card_is_wrong_then_the_error_says_where_and_why(package, values, message):
    edit_card(package, **values)
    with pytest.raises(GeneratorError, match=message) as caught:
        load_package(package)
    assert "\n" not in str(caught.value)


def test_when_the_card_announces_a_vast_network_then_nothing_is_allocated(package):
    kwargs = json.loads((package / "card.json").read_text())["kwargs"]
    edit_card(package, kwargs={**kwargs, "w_dim": 1 << 30})
    with pytest.raises(GeneratorError, match=r"about .* parameters"):
        load_package(package)


@pytest.mark.parametrize("text", ["", "{", "[]", "null", "[" * 100_000, "\x00"])
def test_when_the_card_is_no_json_object_then_it_is_refused(package, text):
    (package / "card.json").write_text(text)
    with pytest.raises(GeneratorError) as caught:
        load_package(package)
    assert "\n" not in str(caught.value)


def test_when_the_card_is_huge_then_it_is_not_read(package):
    (package / "card.json").write_bytes(b" " * ((1 << 20) + 1))
    with pytest.raises(GeneratorError, match="at most"):
        read_card(package)


def header(values: object, size: int | None = None) -> bytes:
    """The bytes of a safetensors file with this header and 64 bytes of data."""
    text = values if isinstance(values, bytes) else json.dumps(values).encode()
    return struct.pack("<Q", len(text) if size is None else size) + text + bytes(64)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\x01\x02",
        header({}, size=1 << 40),
        header({}, size=(1 << 64) - 1),
        header({}, size=0),
        header(b" " * ((1 << 20) + 8)),
        header({f"t{i}": {"dtype": "F32", "shape": [0], "data_offsets": [0, 0]} for i in range(10_001)}),
        header(b"["),
        header([]),
        header({"a": {"dtype": "F32", "shape": [4], "data_offsets": [0, 64]}}),
        header({"a": {"dtype": "F32", "shape": [1 << 62, 4], "data_offsets": [0, 64]}}),
        header({"a": {"dtype": "F32", "shape": [16], "data_offsets": [8, 72]}}),
        header({"a": {"dtype": "PICKLE", "shape": [16], "data_offsets": [0, 64]}}),
        header({"a": 3}),
        b"\x80\x04cposix\nsystem\n.",
    ],
)
def test_when_a_safetensors_file_is_a_bomb_or_damaged_then_it_is_refused_in_one_line(data):
    with pytest.raises(GeneratorError) as caught:
        from_safetensors(data, "bomb.safetensors")
    assert "\n" not in str(caught.value) and "bomb.safetensors" in str(caught.value)


@pytest.mark.parametrize("suffix", [".pkl", ".pt", ".pth", ".ckpt"])
def test_when_a_foreign_checkpoint_is_loaded_then_the_import_command_is_told(tmp_path, suffix):
    file = tmp_path / f"my face{suffix}"
    file.write_bytes(b"\x80\x04N.")
    with pytest.raises(GeneratorError, match="foreign checkpoint") as caught:
        load_model(file)
    assert f"lineament model import '{file}' -o 'my face'" in caught.value.remedy


def test_when_a_name_is_unknown_then_the_available_ones_are_listed(tmp_path, monkeypatch):
    save_tiny(tmp_path / "hero")
    monkeypatch.setenv("LINEAMENT_MODELS", str(tmp_path))
    with pytest.raises(GeneratorError, match=r'no model "heroine".*hero, .*tiny'):
        load_model("heroine")


def test_when_named_by_environment_or_data_directory_then_it_is_found(tmp_path, monkeypatch):
    monkeypatch.setenv("LINEAMENT_MODELS", str(tmp_path / "show"))
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    save_tiny(tmp_path / "show" / "hero")
    save_tiny(tmp_path / "data" / "lineament" / "models" / "double", seed=8)
    save_tiny(tmp_path / "data" / "lineament" / "models" / "hero", seed=8)
    assert find_package("hero") == tmp_path / "show" / "hero"
    assert load_model("double").id == build_tiny(8).id
    assert {"hero", "double"} <= set(available_models())


def test_when_a_part_or_an_empty_folder_is_named_then_the_folder_is_asked_for(package, tmp_path):
    with pytest.raises(GeneratorError, match="Name its folder"):
        load_model(package / "generator.safetensors")
    (tmp_path / "empty").mkdir()
    with pytest.raises(GeneratorError, match=r"no card\.json"):
        load_model(tmp_path / "empty")


def test_when_a_package_exists_then_only_overwrite_replaces_it(package):
    with pytest.raises(GeneratorError, match="already exists"):
        save_package(package, build_tiny(), name="model")
    card = save_package(package, build_tiny(9), name="model", overwrite=True)
    assert load_package(package).generator.id == card.id == build_tiny(9).id
    assert not (package / "encoder.safetensors").exists()


def test_when_the_folder_cannot_be_written_then_nothing_is_left(tmp_path, listing):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(GeneratorError, match="cannot be written"):
        save_package(tmp_path / "file" / "model", build_tiny(), name="model")
    assert listing() == ["file"]


def test_when_writing_fails_half_way_then_no_partial_folder_is_left(tmp_path, monkeypatch, listing):
    def fail(path, data):
        if path.name == "card.json":
            raise OSError(28, "No space left on device")
        path.write_bytes(data)

    monkeypatch.setattr("lineament.core.generators.package_files.write_atomically", fail)
    with pytest.raises(GeneratorError, match="No space left"):
        save_package(tmp_path / "model", build_tiny(), name="model")
    assert listing() == []
    assert list(tmp_path.iterdir()) == []


def test_when_files_are_added_then_the_card_knows_them_and_keeps_the_rest(package):
    vectors = {"age": torch.ones(8, 16)}
    add_files(package, tensors={"directions.safetensors": vectors}, metrics={"ssim": 0.9})
    loaded = load_package(package)
    assert torch.equal(loaded.tensors("directions.safetensors")["age"], vectors["age"])
    assert loaded.card.metrics == {"psnr": 24.5, "ssim": 0.9}
    loaded.verify()


def test_when_tiny_is_loaded_by_name_then_it_needs_no_folder():
    package = load_package("tiny")
    assert package.generator.id == package.card.id == build_tiny().id
    with pytest.raises(GeneratorError, match=r"no encoder.safetensors"):
        package.tensors("encoder.safetensors")


def test_when_tiny_is_built_then_it_depends_on_its_seed_alone():
    torch.manual_seed(1)
    first = build_tiny()
    state = torch.get_rng_state()
    assert build_tiny().id == first.id != build_tiny(8).id
    assert torch.equal(torch.get_rng_state(), state)


def test_when_an_architecture_describes_a_network_then_building_from_it_gives_the_same_shape():
    for architecture in ARCHITECTURES.values():
        tiny = build_tiny()
        described = json.loads(json.dumps(architecture.describe(tiny)))
        assert architecture.build(described).config == tiny.config
        assert architecture_named(architecture.name) is architecture
