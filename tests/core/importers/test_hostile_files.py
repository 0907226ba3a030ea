"""Payloads inside containers, storages that lie, damaged files: one line of refusal, nothing else."""

from __future__ import annotations

import io
import pickle
import struct
import sys
import zipfile
from collections import OrderedDict

import pytest
import torch
from lineament.core.errors import GeneratorError
from lineament.core.importers.checkpoint import import_checkpoint


def text(value: str) -> bytes:
    """The opcode that pushes a short text."""
    encoded = value.encode("utf-8", "surrogatepass")
    return b"X" + struct.pack("<I", len(encoded)) + encoded


def legacy(content: object) -> bytes:
    """A torch container from before the zip format."""
    stream = io.BytesIO()
    torch.save(content, stream, _use_new_zipfile_serialization=False)
    return stream.getvalue()


def zipped(content: object) -> bytes:
    """A torch container in the zip format."""
    stream = io.BytesIO()
    torch.save(content, stream)
    return stream.getvalue()


def with_storage(data: bytes) -> bytes:
    """An NVIDIA-like pickle whose only tensor has these bytes as its storage."""
    storage = b"ctorch.storage\n_load_from_bytes\n(B" + struct.pack("<I", len(data)) + data + b"tR"
    tensor = b"ctorch._utils\n_rebuild_tensor_v2\n(" + storage + b"K\x00K\x01\x85K\x01\x85\x89NtR"
    return module_with(text("synthesis.b4.const") + tensor + b"s")


def module_with(items: bytes) -> bytes:
    """An NVIDIA-like pickle whose G_ema has these buffers."""
    state = b"}(" + text("_buffers") + b"}" + items + text("_parameters") + b"}" + text("_modules") + b"}u"
    meta = b"}(" + text("type") + text("class") + text("state") + state + b"u"
    persistent = b"ctorch_utils.persistence\n_reconstruct_persistent_obj\n(" + meta + b"tR"
    return b"\x80\x04}" + text("G_ema") + persistent + b"s."


@pytest.mark.parametrize("kind", [legacy, zipped])
def test_when_a_payload_hides_in_a_torch_file_then_the_name_is_told(payload, refused, kind):
    assert "posix.system" in refused(kind({"g_ema": {"input.input": payload}, "latent_avg": payload}))


@pytest.mark.parametrize("kind", [legacy, pickle.dumps, zipped])
def test_when_a_pickle_hides_inside_load_from_bytes_then_it_is_refused(payload, refused, kind):
    line = refused(with_storage(kind(payload)))
    assert "posix.system" in line or "no torch storage" in line


def test_when_the_hidden_pickle_belongs_to_a_network_nobody_wants_then_it_is_refused(payload, refused):
    hidden = legacy(payload)
    storage = b"ctorch.storage\n_load_from_bytes\n(B" + struct.pack("<I", len(hidden)) + hidden + b"tR"
    assert "posix.system" in refused(b"\x80\x04}(" + text("D") + storage + text("G_ema") + b"Nu.")


def test_when_a_storage_is_followed_by_a_payload_then_the_bytes_are_refused(payload, refused):
    whole = pickle.dumps({"G_ema": None}) + pickle.dumps(payload)
    assert "follow the end" in refused(whole)


def test_when_a_storage_announces_more_than_the_file_then_nothing_is_allocated(refused):
    honest = legacy({"x": torch.zeros(7)})
    assert honest.count(b"K\x07") >= 1
    huge = honest.replace(b"K\x07Nt", b"\x8a\x06\x00\x00\x00\x00\x00\x01Nt")
    assert huge != honest
    assert "announce" in refused(huge)


def shared(count: int, names: int, view: bytes) -> bytes:
    """An NVIDIA-like pickle with one storage of ``count`` floats that ``names`` tensors look at."""
    data = legacy_storage(count)
    loader = b"ctorch.storage\n_load_from_bytes\n(B" + struct.pack("<I", len(data)) + data + b"tRq\x07"
    items = b""
    for index in range(names):
        storage = b"h\x07" if index else loader
        name = text("synthesis.b4.const" if index == 0 else f"spare{index}")
        items += name + b"ctorch._utils\n_rebuild_tensor_v2\n(" + storage + view + b"\x89NtRs"
    return module_with(items)


def test_when_one_storage_is_shared_by_many_names_then_its_size_counts_for_each(refused):
    whole = b"K\x00J" + struct.pack("<i", 1 << 20) + b"\x85K\x01\x85"
    assert "announce" in refused(shared(1 << 20, 500, whole))


def test_when_one_storage_is_shared_by_many_names_then_it_is_loaded_once(refused, monkeypatch):
    loads = []
    load = torch.load
    monkeypatch.setattr(torch, "load", lambda *args, **options: loads.append(1) or load(*args, **options))
    assert "no complete StyleGAN2" in refused(shared(1 << 16, 100, b"K\x00K\x02\x85K\x01\x85"))
    assert len(loads) == 1


def test_when_one_array_is_shared_by_many_variables_then_its_size_counts_for_each(refused):
    raw = b"\0" * (1 << 20)
    dtype = b"cnumpy\ndtype\n(" + text("f4") + b"\x89\x88tR"
    array = b"cnumpy.core.multiarray\n_reconstruct\n(cnumpy\nndarray\nK\x00\x85C\x01btR"
    shape = b"J" + struct.pack("<i", 1 << 18) + b"\x85"
    array += b"(K\x01" + shape + dtype + b"\x89B" + struct.pack("<I", len(raw)) + raw + b"tbq\x07"
    variables = b"".join(b"(" + text(f"v{i}") + (b"h\x07" if i else array) + b"t" for i in range(500))
    network = b"cdnnlib.tflib.network\nNetwork\n)\x81}(" + text("version") + b"K\x04" + text("variables")
    network += b"](" + variables + b"eub"
    assert "announce" in refused(b"\x80\x04" + network + b"q\x01h\x01h\x01\x87.")


def test_when_a_tensor_reaches_beyond_its_storage_then_it_is_refused(refused):
    storage = legacy_storage(4)
    loader = b"ctorch.storage\n_load_from_bytes\n(B" + struct.pack("<I", len(storage)) + storage + b"tR"
    for shape in (b"K\x00K\x05\x85K\x01\x85", b"K\x04K\x01\x85K\x01\x85", b"K\x00K\x02\x85M\xff\xff\x85"):
        tensor = b"ctorch._utils\n_rebuild_tensor_v2\n(" + loader + shape + b"\x89NtR"
        assert "beyond its storage" in refused(module_with(text("synthesis.b4.const") + tensor + b"s"))
    for shape in (
        b"J\xff\xff\xff\xffK\x01\x85K\x01\x85",
        b"K\x00J\xff\xff\xff\xff\x85K\x01\x85",
        b"K\x00)K\x01\x85",
    ):
        tensor = b"ctorch._utils\n_rebuild_tensor_v2\n(" + loader + shape + b"\x89NtR"
        assert "no sensible shape" in refused(module_with(text("synthesis.b4.const") + tensor + b"s"))


def legacy_storage(count: int) -> bytes:
    """What torch writes for one float storage."""
    stream = io.BytesIO()
    storage = torch.storage.TypedStorage(
        wrap_storage=torch.zeros(count).untyped_storage(), dtype=torch.float32, _internal=True
    )
    torch.save(storage, stream, _use_new_zipfile_serialization=False)
    return stream.getvalue()


def test_when_arrays_lie_about_their_size_or_kind_then_they_are_refused(refused):
    for code, raw in (("f4", b"\x01" * 3), ("O", b"\x01" * 8), ("f4", b"\x01" * 8)):
        dtype = b"cnumpy\ndtype\n(" + text(code) + b"\x89\x88tR"
        array = b"cnumpy.core.multiarray\n_reconstruct\n(cnumpy\nndarray\nK\x00\x85C\x01btR"
        array += b"(K\x01K\x01\x85" + dtype + b"\x89C" + bytes([len(raw)]) + raw + b"tb"
        network = b"cdnnlib.tflib.network\nNetwork\n)\x81}(" + text("version") + b"K\x04" + text("variables")
        network += b"](" + text("x") + array + b"\x86eub"
        assert "size it announces" in refused(b"\x80\x04" + network + b"q\x01h\x01h\x01\x87.")


def test_when_an_archive_is_compressed_then_it_is_refused(refused):
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a/data.pkl", b"\x80\x02}." + b"\0" * 100)
        archive.writestr("a/data/0", b"\0" * (1 << 24))
    assert "more than its own size" in refused(stream.getvalue())
    small = io.BytesIO()
    with zipfile.ZipFile(small, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a/data.pkl", b"\x80\x02}.")
    assert "compressed" in refused(small.getvalue())


@pytest.mark.parametrize(
    "names", [[], ["a/other.pkl"], ["a/data.pkl", "b/data.pkl"], ["code/data.pkl", "constants.pkl"]]
)
def test_when_an_archive_has_other_pickles_than_one_then_it_is_refused(refused, payload, names):
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        archive.writestr("a/version", "3")
        for name in names:
            archive.writestr(name, pickle.dumps(payload, protocol=2))
    refused(stream.getvalue())


def test_when_the_first_pickle_is_innocent_and_the_central_directory_names_another_then_that_one_counts(
    refused, payload
):
    stream = io.BytesIO(zipped(OrderedDict(a=1)))
    with zipfile.ZipFile(stream, "a") as archive:
        archive.writestr("archive/data.pkl.pkl", pickle.dumps(payload, protocol=2))
    assert "no plain torch checkpoint" in refused(stream.getvalue())


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "is empty"),
        (b"\x80", "starts with 80"),
        (b"\x80\x04", "starts with 80 04"),
        (b"hello, I am a text file\n", "neither"),
        (b"{}", "neither"),
        (b"\x80\xff}.", "neither"),
        (b"PK\x03\x04", "damaged or truncated"),
        (b"PK\x03\x04" + b"\0" * 100, "damaged or truncated"),
        (b"\x80\x02\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19.", "damaged or truncated"),
        (b"\x80\x02\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19.\x80\x02}.", "damaged or truncated"),
        (b"\x80\x04}.", "no G_ema"),
        (b"\x80\x04N.", "no G_ema"),
    ],
)
def test_when_the_file_is_something_else_then_it_is_refused(refused, data, message):
    assert message in refused(data)


def test_when_a_genuine_layout_is_cut_or_altered_anywhere_then_it_loads_or_is_refused_in_one_line(
    a_generator, rosinality_state, write_nvidia, tmp_path
):
    contents = [
        write_nvidia(a_generator.state_dict()).read_bytes(),
        zipped({"g_ema": rosinality_state(a_generator)}),
        legacy({"g_ema": rosinality_state(a_generator)}),
    ]
    random = torch.Generator().manual_seed(3)
    refusals = 0
    for index in range(75):
        data = bytearray(contents[index % 3])
        head = int(torch.randint(min(len(data), 6000), (1,), generator=random))
        if index % 2:
            data = data[: int(torch.randint(len(data), (1,), generator=random))]
        else:
            data[head] ^= 1 << int(torch.randint(8, (1,), generator=random))
        file = tmp_path / "mutant"
        file.write_bytes(bytes(data))
        try:
            import_checkpoint(file, tmp_path / f"model{index}")
        except GeneratorError as err:
            refusals += 1
            assert "\n" not in str(err)
            assert not (tmp_path / f"model{index}").exists()
    assert refusals >= 37
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith(".")] == []


def test_when_the_file_is_missing_or_a_folder_then_it_says_so(tmp_path):
    for file in (tmp_path / "missing.pkl", tmp_path):
        with pytest.raises(GeneratorError, match="cannot be read"):
            import_checkpoint(file, tmp_path / "model")


def test_when_the_target_exists_then_nothing_is_overwritten(a_generator, write_nvidia, tmp_path):
    file = write_nvidia(a_generator.state_dict())
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "mine.txt").write_text("precious")
    with pytest.raises(GeneratorError, match="already exists"):
        import_checkpoint(file, tmp_path / "model")
    assert (tmp_path / "model" / "mine.txt").read_text() == "precious"


def test_when_a_checkpoint_is_imported_then_no_foreign_module_is_loaded(a_generator, write_nvidia, tmp_path):
    file = write_nvidia(a_generator.state_dict())
    for name in ("torch_utils", "torch_utils.persistence", "dnnlib", "dnnlib.util"):
        sys.modules.pop(name, None)
    import_checkpoint(file, tmp_path / "model")
    assert "torch_utils" not in sys.modules and "dnnlib" not in sys.modules
