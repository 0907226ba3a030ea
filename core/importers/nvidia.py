"""NVIDIA's StyleGAN2 and StyleGAN2-ADA pickles: modules stored as source text, class name and state.

The source is stepped over; the tensors are collected from the states and the keywords from ``_init_kwargs``.
Two releases nest the keywords differently and have different defaults: with ``synthesis_kwargs`` an absent
clamp means none, with everything on one level it means 256.
"""

from __future__ import annotations

import hashlib
import io
from collections.abc import Set
from typing import Any

from torch import Tensor

from ..errors import GeneratorError
from .container import (
    LOAD_FROM_BYTES,
    REBUILD_PARAMETER,
    REBUILD_TENSOR,
    Storages,
    check_storage_bytes,
    tensor_from_record,
)
from .layout import Checkpoint, check_filter, not_yet
from .opcodes import ENCODE, Made, Name, OpcodeReader, quote, refuse
from .tensorflow import NETWORK, read_tensorflow

PERSISTENT_OBJECT: Name = ("torch_utils.persistence", "_reconstruct_persistent_obj")
MAX_DEPTH = 8
MAX_MODULES = 10_000
MAX_STORAGES = 20_000  # three 1024 px networks have about 1 200
FLAT_CLAMP = 256.0
FLAT_KEYS = {"channel_base", "channel_max", "num_fp16_res", "conv_clamp", "fused_modconv_default"}

NVIDIA_NAMES: Set[Name] = {
    PERSISTENT_OBJECT,
    NETWORK,
    REBUILD_TENSOR,
    REBUILD_PARAMETER,
    LOAD_FROM_BYTES,
    ("collections", "OrderedDict"),
    ("dnnlib.util", "EasyDict"),
    ("builtins", "set"),
    ("__builtin__", "set"),
    ENCODE,
    ("numpy", "dtype"),
    ("numpy", "ndarray"),
    *(
        (f"numpy.{core}.multiarray", name)
        for core in ("core", "_core")
        for name in ("scalar", "_reconstruct")
    ),
}


def read_nvidia(data: bytes, where: str) -> Checkpoint:
    """The ``G_ema`` of a pickle's bytes. Raises GeneratorError for anything but a StyleGAN2 generator."""
    stream = io.BytesIO(data)
    reader = OpcodeReader(stream, names=NVIDIA_NAMES, where=where)
    root = reader.read()
    if stream.tell() != len(data):
        raise refuse(f"{len(data) - stream.tell()} bytes follow the end of the pickle.", where)
    _check_storages(reader, len(data), where)
    if isinstance(root, tuple | list) and len(root) == 3 and all(_is(item, NETWORK) for item in root):
        return read_tensorflow(root[2], Storages(len(data), where), where)
    generator = root.get("G_ema") if isinstance(root, dict) else root
    if not _is(generator, PERSISTENT_OBJECT):
        keys = (
            ", ".join(quote(key) for key in list(root)[:8]) if isinstance(root, dict) else type(root).__name__
        )
        raise refuse(f"The pickle holds no G_ema generator (found: {keys}).", where)
    return _checkpoint(generator, reader, Storages(len(data), where), where)


def _check_storages(reader: OpcodeReader, budget: int, where: str) -> None:
    """Look into every storage, also those of networks that are not wanted; each may be stored only once."""
    records = [record for record in reader.made if record.kind == LOAD_FROM_BYTES]
    sizes = [len(record.args[0]) for record in records if record.args and isinstance(record.args[0], bytes)]
    if len(records) > MAX_STORAGES or sum(sizes) > budget:
        raise refuse(f"The pickle refers to {len(records)} storages of {sum(sizes)} bytes.", where)
    for record in records:
        check_storage_bytes(record.args[0] if len(record.args) == 1 else None, where)


def _is(value: object, kind: Name) -> bool:
    return isinstance(value, Made) and value.kind == kind


def _state(module: object, where: str) -> dict[Any, Any]:
    """The stored attributes of one module."""
    match module:
        case Made(kind=kind, args=({"type": "class", "state": dict(state)},)) if kind == PERSISTENT_OBJECT:
            return state
    raise refuse("A network module is not stored in the known way.", where)


def _modules(generator: object, where: str) -> dict[str, dict[Any, Any]]:
    """Every module's dotted prefix and state. A module may be shared, so their number must be bounded."""
    modules: dict[str, dict[Any, Any]] = {}
    waiting: list[tuple[str, object]] = [("", generator)]
    while waiting:
        prefix, module = waiting.pop()
        modules[prefix] = _state(module, where)
        children = _table(modules[prefix], "_modules")
        if len(modules) + len(waiting) + len(children) > MAX_MODULES or prefix.count(".") > MAX_DEPTH:
            raise refuse(f"The network is nested deeper than {MAX_DEPTH} or has too many modules.", where)
        for name, child in children.items():
            if child is not None:
                waiting.append((f"{prefix}{_short(name, where)}.", child))
    return modules


def _entries(modules: dict[str, dict[Any, Any]], where: str) -> dict[str, object]:
    """Dotted name -> record of every parameter and buffer."""
    entries: dict[str, object] = {}
    for prefix, state in modules.items():
        for key in ("_parameters", "_buffers"):
            table = _table(state, key)
            if len(entries) + len(table) > MAX_MODULES:
                raise refuse(f"The network has more than {MAX_MODULES} tensors.", where)
            for name, value in table.items():
                if value is not None:
                    entries[f"{prefix}{_short(name, where)}"] = value
    return entries


def _short(name: object, where: str) -> str:
    if type(name) is not str or len(name) > 64:
        raise refuse(f"A part of the network is called {quote(name)}.", where)
    return name


def _table(state: dict[Any, Any], key: str) -> dict[Any, Any]:
    table = state.get(key)
    return table if isinstance(table, dict) else {}


def _checkpoint(generator: object, reader: OpcodeReader, storages: Storages, where: str) -> Checkpoint:
    modules = _modules(generator, where)
    entries = _entries(modules, where)
    if "synthesis.input.freqs" in entries:
        raise not_yet("StyleGAN3", where)
    if "synthesis.b4.const" not in entries:
        raise refuse("The generator is no StyleGAN2: it has no synthesis.b4.const.", where)
    tensors: dict[str, Tensor] = {}
    for name, value in entries.items():
        tensor = tensor_from_record(value, name, where, storages)
        if name.rpartition(".")[2] == "resample_filter":
            check_filter(name, tensor, where)
        else:
            tensors[name] = tensor
    keywords = _table(modules[""], "_init_kwargs")
    layout, clamp = _clamp(keywords, modules, where)
    notes: dict[str, Any] = {"format": f"NVIDIA StyleGAN2 pickle, {layout} keywords"}
    notes["module_source_sha256"] = _source_hashes(reader)
    return Checkpoint(tensors, clamp, _mapping_lr(keywords, where), notes)


def _clamp(
    keywords: dict[Any, Any], modules: dict[str, dict[Any, Any]], where: str
) -> tuple[str, float | None]:
    """The keyword layout and the activation clamp: as the layers say, else the keywords, else that layout's
    default.
    """
    synthesis = _table(keywords, "synthesis_kwargs")
    flat = "synthesis_kwargs" not in keywords and (
        bool(FLAT_KEYS & keywords.keys()) or "num_fp16_res" in modules.get("synthesis.", {})
    )
    layout, given = ("flat", keywords) if flat else ("nested", synthesis)
    values = [state["conv_clamp"] for prefix, state in modules.items() if prefix and "conv_clamp" in state]
    if not values:
        values = [given.get("conv_clamp", FLAT_CLAMP if flat else None)]
    first = values[0]
    if first is not None and (type(first) not in (int, float) or not 0 < first < float("inf")):
        raise refuse(f"conv_clamp is {quote(first)}; a positive number is expected.", where)
    if any(type(value) is not type(first) or value != first for value in values):
        raise _modified("The layers have different activation clamps.", where)
    for state in (given, *modules.values()):
        if state.get("activation", "lrelu") not in ("lrelu", "linear"):
            raise _modified(f"The network's activation is {quote(state['activation'])}, not lrelu.", where)
    return layout, None if first is None else float(first)


def _modified(what: str, where: str) -> GeneratorError:
    return GeneratorError(what, where=where, remedy="Only unmodified StyleGAN2 networks can be imported.")


def _mapping_lr(keywords: dict[Any, Any], where: str) -> float:
    value = _table(keywords, "mapping_kwargs").get("lr_multiplier", 0.01)
    if type(value) not in (int, float) or not 0 < value < 1e6:
        raise refuse(f"lr_multiplier is {quote(value)}; a positive number is expected.", where)
    return float(value)


def _source_hashes(reader: OpcodeReader) -> list[str]:
    """What the embedded programs were, for the record; they are never compiled."""
    sources = {
        record.args[0]["module_src"]
        for record in reader.made
        if record.kind == PERSISTENT_OBJECT
        and len(record.args) == 1
        and isinstance(record.args[0], dict)
        and isinstance(record.args[0].get("module_src"), str)
    }
    return sorted(hashlib.sha256(source.encode("utf-8", "replace")).hexdigest() for source in sources)
