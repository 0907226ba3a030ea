"""The header of an EXR, byte for byte.

Every picture library renames, sorts, drops or adds header fields on the way through (an empty string, a field
of an unknown type, a creation date). Here the fields are carried as the bytes they were: ``parse`` reads
them, ``splice`` puts them into a file that was just written, in place of whatever the library put there. Only
the fields that describe how the new file stores its pixels (channels, codec, windows, tiles, chunk count)
stay the library's.

Layout: https://openexr.com/en/latest/OpenEXRFileLayout.html
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray

from ..frame import Attribute, Part, Plane

MAGIC = 20000630
TILED, LONG_NAMES, DEEP, MULTI_PART = 0x200, 0x400, 0x800, 0x1000
LINE_ORDERS = ("increasingY", "decreasingY", "randomY")
_MAX_BYTES = 64 << 20  # large Cryptomatte manifests take a few MB; more is an attack on memory
MAX_FIELDS = 4096  # of one part; renderers write tens, and the library's time grows with the square
_MAX_ALL_FIELDS = 20_000  # of all parts together
_REQUIRED = (
    "pixelAspectRatio",
    "screenWindowCenter",
    "screenWindowWidth",
    "name",
    "type",
    "chunkCount",
    "tiles",
)
_STORAGE = (
    "channels",
    "compression",
    "dataWindow",
    "displayWindow",
    "lineOrder",
    "tiles",
    "type",
    "chunkCount",
)
_FORMATS = {
    "box2f": "4f", "box2i": "4i", "chromaticities": "8f", "double": "d", "float": "f", "int": "i",
    "keycode": "7i",
    "m33d": "9d", "m33f": "9f", "m44d": "16d", "m44f": "16f", "rational": "iI", "timecode": "2I", "v2d": "2d",
    "v2f": "2f", "v2i": "2i", "v3d": "3d", "v3f": "3f", "v3i": "3i", "lineOrder": "B", "compression": "B",
}  # fmt: skip
_CODES = {"u4": 0, "f2": 1, "f4": 2}


class HeaderError(ValueError):
    """The bytes are no EXR header; readers turn this into their own error."""


class HeaderTooLargeError(HeaderError):
    """The header may be sound, but opening it would take the library minutes or gigabytes."""


@dataclass(frozen=True)
class Headers:
    """The fields of every part, the version flags, and the byte after the headers."""

    parts: tuple[tuple[Attribute, ...], ...]
    flags: int
    end: int


def parse(path: Path) -> Headers:
    """Return the headers of the EXR at ``path``; raise HeaderError (HeaderTooLargeError) or OSError."""
    with path.open("rb") as handle:
        magic, flags = struct.unpack("<iI", _take(handle, 8))
        if magic != MAGIC:
            raise HeaderError("not an EXR file")
        parts = []
        while fields := _read_fields(handle):
            parts.append(fields)
            if sum(map(len, parts)) > _MAX_ALL_FIELDS:
                raise HeaderTooLargeError(f"it has more than {_MAX_ALL_FIELDS} fields")
            if not flags & MULTI_PART:
                break
        if not parts:
            raise HeaderError("no header fields")
        return Headers(tuple(parts), flags, handle.tell())


def splice(path: Path, parts: Sequence[Part]) -> None:
    """Rewrite the EXR at ``path`` with the verbatim headers of ``parts``; the pixel data stay as they are.

    Chunk offsets move with the length of the header. Raises HeaderError if the file is not what a writer
    makes.
    """
    headers = parse(path)
    if len(headers.parts) != len(parts):
        raise HeaderError(f"{len(headers.parts)} parts were written instead of {len(parts)}")
    data = path.read_bytes()
    offsets = _chunk_offsets(data, headers.end)
    if _end_of_last_chunk(data, int(offsets.max()), headers) != len(data):
        raise HeaderError("the last chunk is not where the file ends; is the disk full?")
    merged = [_merge(own, part, len(offsets)) for own, part in zip(headers.parts, parts, strict=True)]
    flags = headers.flags | (LONG_NAMES if any(_needs_long_names(fields) for fields in merged) else 0)
    head = serialise(merged, flags)
    moved = (
        offsets + np.uint64(len(head)) - np.uint64(headers.end)
    )  # modulo 2**64, so a shorter header works too
    with path.open("wb") as handle:
        handle.write(head)
        handle.write(np.where(offsets == 0, offsets, moved).tobytes())
        handle.write(memoryview(data)[headers.end + offsets.nbytes :])


def serialise(parts: Sequence[Sequence[Attribute]], flags: int) -> bytes:
    """Return magic, version and the headers as bytes; the fields must carry ``raw``."""
    out = [struct.pack("<iI", MAGIC, flags)]
    for fields in parts:
        for field in fields:
            raw = field.raw or b""
            out += [_bytes(field.name), b"\0", _bytes(field.kind), b"\0", struct.pack("<i", len(raw)), raw]
        out.append(b"\0")
    if flags & MULTI_PART:
        out.append(b"\0")
    return b"".join(out)


def write_uncompressed(path: Path, channels: dict[str, Plane], origin: tuple[int, int]) -> None:
    """Write a plain scanline EXR of mixed number formats: the carrier that hands them to OpenImageIO.

    ``channels`` are (H, W) float16, float32 or uint32; ``origin`` is the top left of the data window in
    pixels.
    """
    names = sorted(channels, key=_bytes)
    height, width = channels[names[0]].shape
    (x, y), kinds = origin, {name: channels[name].dtype.newbyteorder("<") for name in names}
    planes = [(f"c{index}", kinds[name], (width,)) for index, name in enumerate(names)]
    rows = np.zeros(height, [("y", "<i4"), ("bytes", "<i4"), *planes])
    rows["y"], rows["bytes"] = np.arange(y, y + height), rows.dtype.itemsize - 8
    for index, name in enumerate(names):
        rows[f"c{index}"].view(f"<u{kinds[name].itemsize}")[...] = channels[name].view(
            f"u{kinds[name].itemsize}"
        )
    window = struct.pack("<4i", x, y, x + width - 1, y + height - 1)
    chlist = (
        b"".join(_bytes(n) + struct.pack("<xi4xii", _CODES[kinds[n].str[1:]], 1, 1) for n in names) + b"\0"
    )
    fields = (
        ("channels", "chlist", chlist), ("compression", "compression", b"\0"),
        ("dataWindow", "box2i", window),
        ("displayWindow", "box2i", window), ("lineOrder", "lineOrder", b"\0"),
        ("pixelAspectRatio", "float", struct.pack("<f", 1.0)), ("screenWindowCenter", "v2f", bytes(8)),
        ("screenWindowWidth", "float", struct.pack("<f", 1.0)),
    )  # fmt: skip
    head = serialise([[Attribute(name, kind, None, raw) for name, kind, raw in fields]], 2 | LONG_NAMES)
    table = len(head) + 8 * height + np.arange(height, dtype="<u8") * np.uint64(rows.dtype.itemsize)
    with path.open("wb") as handle:
        handle.write(head)
        handle.write(table.tobytes())
        handle.write(rows.tobytes())


def _read_fields(handle: BinaryIO) -> tuple[Attribute, ...]:
    fields: list[Attribute] = []
    while name := _read_text(handle):
        kind = _read_text(handle)
        (size,) = struct.unpack("<i", _take(handle, 4))
        raw = _take(handle, size)
        fields.append(Attribute(name, kind, decode(kind, raw), raw))
        if len(fields) > MAX_FIELDS:
            raise HeaderTooLargeError(f"one part has more than {MAX_FIELDS} fields")
        if handle.tell() > _MAX_BYTES:
            raise HeaderTooLargeError(f"it has more than {_MAX_BYTES >> 20} MB")
    return tuple(fields)


def _read_text(handle: BinaryIO) -> str:
    out = bytearray()
    while (byte := _take(handle, 1)) != b"\0":
        out += byte
        if len(out) > 255:
            raise HeaderError("a field name is longer than 255 bytes")
    return out.decode("utf-8", "surrogateescape")


def _take(handle: BinaryIO, size: int) -> bytes:
    if not 0 <= size <= _MAX_BYTES:
        raise HeaderError(f"a field claims {size} bytes")
    data = handle.read(size)
    if len(data) != size:
        raise HeaderError("the header ends too early")
    return data


def decode(kind: str, raw: bytes) -> object:
    """Return what a field means: number, tuple of numbers, str, tuple of str, or its bytes if unknown."""
    if kind == "string":
        return raw.decode("utf-8", "replace")
    if kind == "stringvector":
        return _strings(raw)
    if kind not in _FORMATS or struct.calcsize("<" + _FORMATS[kind]) != len(raw):
        return raw
    values = struct.unpack("<" + _FORMATS[kind], raw)
    return values[0] if len(values) == 1 else values


def encode(kind: str, value: object) -> bytes | None:
    """Return the bytes of a string, number or tuple of numbers as EXR type ``kind``, or None."""
    if kind == "string" and isinstance(value, str):
        return _bytes(value)
    values = value if isinstance(value, tuple) else (value,)
    try:
        return struct.pack("<" + _FORMATS[kind], *values)
    except (KeyError, struct.error):
        return None


def _with_raw(field: Attribute) -> Attribute | None:
    """Give a field made by hand its bytes; None for a type that EXR does not have (the notes of a still)."""
    raw = field.raw if field.raw is not None else encode(field.kind, field.value)
    return None if raw is None else Attribute(field.name, field.kind, field.value, raw)


def _text(name: str, value: str) -> Attribute:
    return Attribute(name, "string", value, _bytes(value))


def _strings(raw: bytes) -> object:
    out, at = [], 0
    while at + 4 <= len(raw):
        (size,) = struct.unpack_from("<i", raw, at)
        if size < 0 or at + 4 + size > len(raw):
            return raw
        out.append(raw[at + 4 : at + 4 + size].decode("utf-8", "replace"))
        at += 4 + size
    return tuple(out)


def _chunk_offsets(data: bytes, end: int) -> NDArray[np.uint64]:
    """Return the tables of chunk offsets that follow the headers; they end where the earliest chunk begins.

    Their length is not stored for single parts. It is the one N for which the least of the first N entries is
    the byte after them: fewer entries leave the least too far away, more entries would lie behind it.
    """
    room = (len(data) - end) // 8
    first = int(np.frombuffer(data, "<u8", 1, end)[0]) if room else 0
    longest = min(room, max(0, first - end) // 8)  # no chunk lies inside the table
    table = np.frombuffer(data, "<u8", longest, end)
    starts = np.uint64(end) + np.uint64(8) * np.arange(1, longest + 1, dtype=np.uint64)
    fits = np.flatnonzero(np.minimum.accumulate(table) == starts) if longest else np.empty(0, np.intp)
    if not fits.size:
        raise HeaderError("the chunk table does not end at the first chunk")
    return table[: fits[0] + 1]


def _end_of_last_chunk(data: bytes, start: int, headers: Headers) -> int:
    """Return the byte after the chunk at ``start``: part number, then row or tile address, then size, then data."""
    is_tiled = any(field.name == "tiles" for field in headers.parts[0])
    at = start + (4 if headers.flags & MULTI_PART else 0) + (16 if is_tiled else 4)
    return at + 4 + int.from_bytes(data[at : at + 4], "little")


def _merge(written: tuple[Attribute, ...], part: Part, chunks: int) -> tuple[Attribute, ...]:
    """Return the source's fields in their order, with the storage fields of the file that was written."""
    own = {field.name: field for field in written}
    merged = {field.name: field for field in (_with_raw(field) for field in part.header) if field is not None}
    for name in _STORAGE:
        if name in own:
            merged[name] = _storage(own[name], merged.get(name))
        elif name == "type" and name in merged:
            kind = "tiledimage" if "tiles" in own else "scanlineimage"
            merged[name] = _text(name, kind)
        elif name == "chunkCount" and name in merged:
            merged[name] = Attribute(name, "int", chunks, struct.pack("<i", chunks))
        else:
            merged.pop(name, None)
    for name in _REQUIRED:
        if name in own:
            fallback = _text("name", part.name) if name == "name" and part.name else own[name]
            merged.setdefault(name, fallback)
    return tuple(merged.values())


def _storage(own: Attribute, source: Attribute | None) -> Attribute:
    """Prefer the source's channel list where it differs from ours in the perceptual-linearity hint only."""
    if source is not None and own.name == "channels" and _channel_keys(own) == _channel_keys(source):
        return source
    return own


def _channel_keys(field: Attribute) -> list[bytes]:
    raw, at, keys = field.raw or b"", 0, []
    while (stop := raw.find(b"\0", at)) > at:
        keys.append(raw[at : stop + 5] + raw[stop + 9 : stop + 17])
        at = stop + 17
    return keys


def _needs_long_names(fields: Sequence[Attribute]) -> bool:
    names = [field.name for field in fields] + [field.kind for field in fields]
    channels = next((field for field in fields if field.name == "channels"), None)
    keys = _channel_keys(channels) if channels else []
    return any(len(_bytes(name)) > 31 for name in names) or any(key.index(b"\0") > 31 for key in keys)


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "surrogateescape")
