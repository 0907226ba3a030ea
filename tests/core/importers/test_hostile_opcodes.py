"""Pickle streams that want to run something or exhaust the machine: refused, nothing run or written."""

from __future__ import annotations

import pickle
import struct

import pytest

GLOBAL_DTYPE = b"cnumpy\ndtype\n"


def call(module: str, name: str, *arguments: bytes, protocol: int = 4) -> bytes:
    """A pickle that calls module.name with arguments that are given as opcodes."""
    return bytes([0x80, protocol]) + f"c{module}\n{name}\n".encode() + b"(" + b"".join(arguments) + b"tR."


def text(value: str) -> bytes:
    """The opcode that pushes a short text."""
    encoded = value.encode("utf-8", "surrogatepass")
    return b"X" + struct.pack("<I", len(encoded)) + encoded


def test_when_a_payload_is_unpickled_by_pickle_then_it_really_runs(payload, canary):
    pickle.loads(pickle.dumps(payload))
    assert canary.exists()


@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
def test_when_a_pickle_calls_the_shell_then_the_name_is_told(payload, refused, protocol):
    line = refused(pickle.dumps({"G_ema": payload}, protocol=protocol))
    assert "posix.system" in line


@pytest.mark.parametrize("protocol", [0, 1])
def test_when_the_protocol_is_ancient_then_it_is_no_checkpoint(payload, refused, protocol):
    assert "neither" in refused(pickle.dumps({"G_ema": payload}, protocol=protocol))


@pytest.mark.parametrize(
    ("module", "name"),
    [
        ("builtins", "eval"),
        ("builtins", "exec"),
        ("builtins", "getattr"),
        ("builtins", "__import__"),
        ("builtins", "setattr"),
        ("builtins", "print"),
        ("posix", "system"),
        ("nt", "system"),
        ("subprocess", "Popen"),
        ("importlib", "import_module"),
        ("operator", "attrgetter"),
        ("functools", "partial"),
        ("runpy", "run_path"),
        ("ctypes", "CDLL"),
        ("pickle", "loads"),
        ("_pickle", "loads"),
        ("torch", "load"),
        ("torch.serialization", "load"),
        ("torch.hub", "load"),
        ("torch.utils.cpp_extension", "load"),
        ("torch.storage", "_load_from_bytes.__globals__"),
        ("torch._utils", "_rebuild_tensor_v2.__globals__.get"),
        ("torch._utils", "x.y"),
        ("torch._utils.x", "y"),
        ("torch._utils", "_rebuild_tensor"),
        ("torch._utils", "_rebuild_wrapper_subclass"),
        ("torch._tensor", "_rebuild_from_type_v2"),
        ("numpy", "dtype.type"),
        ("numpy", "load"),
        ("numpy.testing._private.utils", "runstring"),
        ("numpy.f2py.crackfortran", "myeval"),
        ("collections", "OrderedDict.fromkeys"),
        ("collections.OrderedDict", "__init__"),
        ("torch_utils.persistence", "_src_to_module"),
        ("lineament.core.importers.opcodes", "Made"),
        ("lineament.core.importers.checkpoint", "import_checkpoint"),
        ("", "eval"),
        ("Torch._utils", "_rebuild_tensor_v2"),
    ],
)
def test_when_any_other_name_is_called_then_exactly_that_name_is_told(refused, canary, module, name):
    argument = text(f"__import__('os').system('touch {canary}')")
    by_opcode = refused(call(module, name, argument))
    on_stack = b"\x80\x04" + text(module) + text(name) + b"\x93(" + argument + b"tR."
    assert f"{module}.{name}" in by_opcode
    assert f"{module}.{name}" in refused(on_stack)


def test_when_names_come_from_the_memo_then_they_are_looked_up_just_the_same(refused):
    head = b"\x80\x04" + text("system") + b"q\x070" + text("posix") + b"\x94" + b"h\x07"
    assert "posix.system" in refused(head + b"\x93(" + text("id") + b"tR.")


def test_when_a_memoised_name_is_overwritten_later_then_the_last_value_counts(refused):
    stream = b"\x80\x04" + text("collections") + b"q\x010" + text("posix") + b"q\x010" + b"h\x01"
    assert "posix.system" in refused(stream + text("system") + b"\x93.")


@pytest.mark.parametrize("computed", [b"K\x01", b"}", GLOBAL_DTYPE, b"C\x06system", b"N"])
def test_when_a_name_is_computed_then_it_is_refused(refused, computed):
    assert "no text" in refused(b"\x80\x04" + text("posix") + computed + b"\x93.")


@pytest.mark.parametrize(
    ("stream", "opcode"),
    [
        (b"\x80\x02\x82\x01.", "EXT1"),
        (b"\x80\x02\x83\x01\x00.", "EXT2"),
        (b"\x80\x02\x84\x01\x00\x00\x00.", "EXT4"),
        (b"\x80\x02(iposix\nsystem\n.", "INST"),
        (b"\x80\x02(cnumpy\ndtype\no.", "OBJ"),
        (b"\x80\x02Pkey\n.", "PERSID"),
        (b"\x80\x02K\x012.", "DUP"),
        (b"\x80\x04cnumpy\ndtype\n)}\x92.", "NEWOBJ_EX"),
        (b"\x80\x05\x97.", "NEXT_BUFFER"),
        (b"\x80\x02I12\n.", "INT"),
    ],
)
def test_when_an_opcode_is_needed_by_no_checkpoint_then_it_is_refused(refused, stream, opcode):
    assert opcode in refused(stream)


def test_when_persistent_ids_stand_in_an_nvidia_pickle_then_they_are_refused(refused):
    assert "persistent ids" in refused(b"\x80\x04" + text("storage") + b"Q.")


@pytest.mark.parametrize(
    "target",
    [
        GLOBAL_DTYPE,
        b"ctorch_utils.persistence\n_reconstruct_persistent_obj\n",
        b"]",
        text("s"),
        b"K\x01",
        b")",
    ],
)
def test_when_build_wants_to_set_attributes_of_a_name_or_value_then_it_is_refused(refused, target):
    state = b"}" + text("__setstate__") + b"cnumpy\ndtype\ns"
    assert "restores a state" in refused(b"\x80\x04" + target + state + b"b.")
    assert "restores a state" in refused(b"\x80\x04" + target + b"N" + state + b"\x86b.")


def test_when_a_state_is_restored_twice_then_it_is_refused(refused):
    made = b"\x80\x04cnumpy\ndtype\n(" + text("f4") + b"tR"
    assert "restores a state" in refused(made + b"}b}b.")


def test_when_setstate_is_among_the_attributes_then_it_is_only_data(refused, canary):
    state = b"}" + text("__setstate__") + text(f"touch {canary}") + b"s"
    stream = b"\x80\x04cdnnlib.tflib.network\nNetwork\n)\x81" + state + b"b"
    assert "version None" in refused(stream + b"q\x01h\x01h\x01\x87.")


@pytest.mark.parametrize(
    "stream",
    [
        b"\x80\x04K\x01(K\x02tR.",
        b"\x80\x04" + text("posix.system") + b"(K\x02tR.",
        b"\x80\x04cnumpy\ndtype\n(" + text("O") + b"tR(tR.",
        b"\x80\x04cnumpy\ndtype\nK\x01R.",
        b"\x80\x04}(K\x02tR.",
    ],
)
def test_when_something_else_than_a_name_is_called_then_it_is_refused(refused, stream):
    assert "calls something" in refused(stream)


@pytest.mark.parametrize(
    "stream",
    [
        b"\x80\x04.",
        b"\x80\x04(.",
        b"\x80\x040.",
        b"\x80\x04h\x05.",
        b"\x80\x04K\x01",
        b"\x80\x04}",
        b"\x80\x04NN.",
        b"\x80\x04K\x01K\x01s.",
        b"\x80\x04}N]s.",
        b"\x80\x04}(K\x01u.",
        b"\x80\x04NK\x01a.",
        b"\x80\x04\xff.",
        b"\x80\x04cposix\n",
        b"\x80\x04X\xff\xff\xff\xffabc",
        b"\x80\x04\x8d" + b"\xff" * 8 + b"abc",
        b"\x80\x04\x8e" + b"\xff" * 7 + b"\x7fabc",
        b"\x80\x04\x8b\xff\xff\xff\x7f",
        b"\x80\x04B\xff\xff\xff\xff",
        b"\x80\x04\x8a\xff" + b"\xff" * 255 + b".",
        b"\x80\x04ccollections\nOrderedDict\n(K\x01tRK\x02K\x03s0.",
        b"\x80\x04ccollections\nOrderedDict\n(](K\x01K\x02etR.",
        b"\x80\x04c_codecs\nencode\n(" + text("x") + text("rot13") + b"tR.",
        b"\x80\x04c_codecs\nencode\n(" + text("\u0394") + text("latin1") + b"tR.",
        b"\x80\x04\x94.",
    ],
)
def test_when_the_stream_makes_no_sense_then_it_is_refused(refused, stream):
    refused(stream)


def test_when_the_memo_index_is_huge_then_no_table_of_that_size_is_made(refused):
    assert "no G_ema" in refused(b"\x80\x04Nr\xff\xff\xff\x7f.")


def test_when_values_share_each_other_exponentially_then_the_time_stays_short(refused):
    doubling = (
        b"\x80\x04K\x01"
        + b"\x94h\x00\x86"
        + b"".join(b"\x94h" + bytes([index]) + b"\x86" for index in range(1, 60))
    )
    assert "a key of type tuple" in refused(doubling + b"q\xff0}h\xffNs.")
    refused(b"\x80\x04}" + text("G_ema") + doubling[2:] + b"s.")


def test_when_modules_contain_themselves_then_the_walk_ends(refused):
    state = b"}q\x01(" + text("_modules") + b"}q\x02u"
    meta = b"}(" + text("type") + text("class") + text("state") + state + b"u"
    record = b"ctorch_utils.persistence\n_reconstruct_persistent_obj\n(" + meta + b"tRq\x03"
    knot = b"h\x02(" + text("a") + b"h\x03" + text("b") + b"h\x03u0"
    assert "nested deeper" in refused(b"\x80\x04" + record + knot + b".")


def test_when_there_are_millions_of_opcodes_then_reading_stops(refused, monkeypatch):
    monkeypatch.setattr("lineament.core.importers.opcodes.MAX_OPCODES", 10_000)
    assert "more than 10000" in refused(b"\x80\x04" + b"N0" * 6_000 + b"N.")
