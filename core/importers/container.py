"""Opens torch's two checkpoint containers without trusting them, and turns records into tensors.

Every pickle inside is read by the opcode reader first, which names anything unexpected and bounds what the
file may ask for; only then do the bytes go to ``torch.load(weights_only=True)``.
"""

from __future__ import annotations

import io
import math
import pickle
import warnings
import zipfile
from collections.abc import Iterable, Set
from typing import Any

import numpy as np
import torch
from torch import Tensor

from .opcodes import PERSISTENT, Global, Made, Name, OpcodeReader, quote, refuse

LEGACY_START = (
    b"\x80\x02\x8a\x0al\xfc\x9cF\xf9 j\xa8P\x19."  # the pickled magic number of torch.save before zip
)
ZIP_START = b"PK\x03\x04"
MAX_ENTRIES = 20_000
MAX_PICKLE_BYTES = 64 << 20
SHARING = 2  # genuine files share hardly any storage between names: a few filters, an average per layer

REBUILD_TENSOR: Name = ("torch._utils", "_rebuild_tensor_v2")
REBUILD_PARAMETER: Name = ("torch._utils", "_rebuild_parameter")
LOAD_FROM_BYTES: Name = ("torch.storage", "_load_from_bytes")
NAMESPACE: Name = ("argparse", "Namespace")

ITEM_SIZES = {
    "DoubleStorage": 8, "LongStorage": 8, "FloatStorage": 4, "IntStorage": 4, "HalfStorage": 2,
    "BFloat16Storage": 2, "ShortStorage": 2, "CharStorage": 1, "ByteStorage": 1, "BoolStorage": 1,
}  # fmt: skip
TORCH_NAMES: Set[Name] = {
    ("collections", "OrderedDict"),
    REBUILD_TENSOR,
    REBUILD_PARAMETER,
    NAMESPACE,
    ("torch", "device"),
    ("torch", "Size"),
    *(("torch", storage) for storage in ITEM_SIZES),
}
ARRAY_DTYPES = {"f2": np.float16, "f4": np.float32, "f8": np.float64, "i4": np.int32, "i8": np.int64}


class Settings:
    """Stands for the ``argparse.Namespace`` of a training snapshot; whatever it held is dropped."""

    def __setstate__(self, state: object) -> None:
        return None


def load_container(data: bytes, where: str) -> Any:
    """The object in a torch container: dictionaries, tensors and scalars, nothing else."""
    if data.startswith(ZIP_START):
        _check_zip(data, where)
    elif data.startswith(LEGACY_START):
        _check_legacy(data, where)
    else:
        raise refuse("This is no torch container.", where)
    return _load(data, where)


def _load(data: bytes, where: str) -> Any:
    try:
        with torch.serialization.safe_globals([(Settings, "argparse.Namespace")]), warnings.catch_warnings():
            warnings.simplefilter(
                "ignore"
            )  # storages on their own are deprecated, but they are what is stored
            return torch.load(io.BytesIO(data), map_location="cpu", weights_only=True)
    except (pickle.UnpicklingError, RuntimeError, ValueError, EOFError, KeyError, IndexError) as err:
        raise refuse(f"torch cannot read the container: {_first_line(err)}.", where) from err
    except (TypeError, AttributeError, AssertionError, OverflowError, MemoryError) as err:
        raise refuse(f"torch cannot read the container: {_first_line(err)}.", where) from err


def _first_line(err: BaseException) -> str:
    return quote(str(err).strip().partition("\n")[0] or type(err).__name__).rstrip(".")


def _check_zip(data: bytes, where: str) -> None:
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            entries = archive.infolist()
            if len(entries) > MAX_ENTRIES or sum(entry.file_size for entry in entries) > len(data):
                raise refuse(f"The archive unpacks {len(entries)} entries to more than its own size.", where)
            if any(entry.compress_type != zipfile.ZIP_STORED or entry.flag_bits & 1 for entry in entries):
                raise refuse("The archive is compressed, which torch never does.", where)
            pickles = [entry for entry in entries if entry.filename.endswith(".pkl")]
            if len(pickles) != 1 or not pickles[0].filename.endswith("/data.pkl"):
                names = quote(", ".join(entry.filename for entry in pickles))
                raise refuse(f"The archive is no plain torch checkpoint (pickles: {names or 'none'}).", where)
            if pickles[0].file_size > MAX_PICKLE_BYTES:
                raise refuse(f"The archive's pickle has {pickles[0].file_size} bytes.", where)
            stream = io.BytesIO(archive.read(pickles[0]))
    except (zipfile.BadZipFile, ValueError, EOFError, OSError, NotImplementedError) as err:
        raise refuse(f"The archive is damaged or truncated: {_first_line(err)}.", where) from err
    reader = OpcodeReader(stream, names=TORCH_NAMES, where=where, persistent=True)
    reader.read()
    _check_storages(reader, len(data), where)


def _check_legacy(data: bytes, where: str) -> None:
    reader = OpcodeReader(io.BytesIO(data), names=TORCH_NAMES, where=where, persistent=True)
    for _ in ("magic number", "protocol", "system", "object", "storage keys"):
        reader.read()
    _check_storages(reader, len(data), where)


def _check_storages(reader: OpcodeReader, budget: int, where: str) -> None:
    """Raise unless the announced storages fit into the file: torch allocates them before it reads them."""
    sizes: dict[str, int] = {}
    for record in reader.made:
        if record.kind != PERSISTENT:
            continue
        fields = record.args[0]
        match fields:
            case ("storage", Global(module="torch", name=name), str(key), str(), int(count), *_) if (
                name in ITEM_SIZES and count >= 0
            ):
                sizes[key] = count * ITEM_SIZES[name]
            case _:
                raise refuse("The checkpoint has a persistent id that is no storage.", where)
    if sum(sizes.values()) > budget:
        raise refuse(f"The storages announce {sum(sizes.values())} bytes; the file has {budget}.", where)


def check_storage_bytes(data: object, where: str) -> bytes:
    """The argument of ``_load_from_bytes`` once it is known to be one legacy container with nothing odd
    inside.
    """
    if type(data) is not bytes or not data.startswith(LEGACY_START):
        raise refuse("A tensor's bytes are no torch storage.", where)
    _check_legacy(data, where)
    return data


class Storages:
    """The storages of one pickle as flat tensors, each loaded once however many names share it.

    ``budget`` is the size of the file in bytes: all tensors handed out together may not announce much more.
    """

    def __init__(self, budget: int, where: str) -> None:
        self._budget = budget
        self._where = where
        self._announced = 0
        self._loaded: dict[int, tuple[object, Tensor]] = {}

    def flat(self, data: object) -> Tensor:
        """The (n,) tensor over everything in the stored bytes ``data``."""
        if (
            id(data) not in self._loaded
        ):  # the bytes are kept beside it, so that no other object gets their id
            self._loaded[id(data)] = (data, _storage_tensor(data, self._where))
        return self._loaded[id(data)][1]

    def count(self, size: int) -> None:
        """Raise GeneratorError if ``size`` more bytes are beyond what the file can hold."""
        self._announced += size
        if self._announced > SHARING * self._budget:
            what = f"The tensors announce {self._announced} bytes; the file has only {self._budget}."
            raise refuse(what, self._where)


def check_sizes(tensors: Iterable[Tensor], budget: int, where: str) -> None:
    """Raise GeneratorError if tensors announce more bytes than a file of ``budget`` bytes can hold.

    A view with strides of 0 has any size without owning it; this must come before anything computes with it.
    """
    total = sum(tensor.numel() * tensor.element_size() for tensor in tensors)
    if total > SHARING * budget:
        raise refuse(f"The tensors announce {total} bytes; the file has only {budget}.", where)


def tensor_from_record(value: object, name: str, where: str, storages: Storages) -> Tensor:
    """The view that ``_rebuild_tensor_v2`` (or a parameter around it) would have made."""
    if isinstance(value, Made) and value.kind == REBUILD_PARAMETER and value.args:
        value = value.args[0]
    match value:
        case Made(
            kind=kind, args=(Made(kind=loader, args=(data,)), int(offset), tuple(size), tuple(stride), *_)
        ):
            if kind == REBUILD_TENSOR and loader == LOAD_FROM_BYTES:
                tensor = _view(storages.flat(data), offset, size, stride, name, where)
                storages.count(tensor.numel() * tensor.element_size())
                return tensor
    raise refuse(f"The entry {quote(name)} is no plain tensor.", where)


def _storage_tensor(data: object, where: str) -> Tensor:
    """The (n,) tensor over everything in one stored storage."""
    storage: Any = _load(check_storage_bytes(data, where), where)
    if not isinstance(storage, torch.storage.TypedStorage):
        raise refuse(f"A tensor's bytes hold a {type(storage).__name__}, not a storage.", where)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # storages on their own are deprecated, but they are what is stored
        return torch.empty(0, dtype=storage.dtype).set_(storage.untyped())  # type: ignore[no-untyped-call]


def _view(
    flat: Tensor, offset: int, size: tuple[Any, ...], stride: tuple[Any, ...], name: str, where: str
) -> Tensor:
    numbers = (offset, *size, *stride)
    sane = all(type(number) is int and 0 <= number < 1 << 40 for number in numbers)
    if not sane or len(size) != len(stride) or len(size) > 8:
        raise refuse(f"The tensor {quote(name)} has no sensible shape.", where)
    last = offset + sum((n - 1) * step for n, step in zip(size, stride, strict=True))
    if math.prod(size) and last >= flat.numel():
        raise refuse(f"The tensor {quote(name)} reaches beyond its storage.", where)
    return flat.as_strided(size, stride, offset)  # as size


def array_from_record(value: object, name: str, where: str, storages: Storages) -> Tensor:
    """The tensor with the contents of a pickled numpy array or scalar of plain numbers."""
    shape: tuple[Any, ...] = ()
    match value:
        case Made(kind=(_, "scalar"), args=(Made(args=(str(code), *_)), raw)):
            fortran = False
        case Made(
            kind=(_, "_reconstruct"), state=(_, tuple(shape), Made(args=(str(code), *_)), bool(fortran), raw)
        ):
            pass
        case _:
            raise refuse(f"The entry {quote(name)} is no plain array.", where)
    if isinstance(raw, str):  # Python 2 wrote bytes as strings
        raw = raw.encode("latin1", "replace")
    dtype = ARRAY_DTYPES.get(code.lstrip("<="))
    sane = (
        all(type(n) is int and 0 <= n < 1 << 40 for n in shape) and type(raw) is bytes and dtype is not None
    )
    if not sane or len(shape) > 8 or np.dtype(dtype).itemsize * math.prod(shape) != len(raw):
        raise refuse(f"The array {quote(name)} does not have the size it announces.", where)
    storages.count(len(raw))
    array = np.frombuffer(raw, dtype=dtype).reshape(shape, order="F" if fortran else "C")
    return torch.from_numpy(array.copy())
