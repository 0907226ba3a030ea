"""EXR files byte by byte: a small writer and a bit-exact comparison that share no code with the product."""

from __future__ import annotations

import struct
from pathlib import Path

import numpy as np
import OpenImageIO as oiio

CODES = {"u4": 0, "f2": 1, "f4": 2}
STORAGE = (
    "compression",
    "tiles",
    "type",
    "chunkCount",
)  # may differ where the codec or the tiling had to change
Field = tuple[str, str, bytes]


def differences(a: Path, b: Path, *, storage: bool = False) -> list[str]:
    """Return what differs between two EXRs, bit by bit; the fields in STORAGE count only with ``storage``."""
    out = []
    for index, (one, two) in enumerate(zip(raw_headers(a), raw_headers(b), strict=True)):
        for name in sorted(one.keys() | two.keys()):
            if one.get(name) != two.get(name) and (storage or name not in STORAGE):
                out.append(f"part {index} header {name}: {one.get(name)!r} -> {two.get(name)!r}")
    for (key, one), (other, two) in zip(native_planes(a), native_planes(b), strict=True):
        if key != other or one.dtype != two.dtype or one.shape != two.shape or one.tobytes() != two.tobytes():
            out.append(f"channel {key}")
    return out


def native_planes(path: Path) -> list[tuple[tuple[int, str], np.ndarray]]:
    """Return ((part, channel), plane in the file's own number format) for every channel, sorted."""
    picture = oiio.ImageInput.open(str(path))
    assert picture is not None, oiio.geterror()
    planes = []
    index = 0
    while picture.seek_subimage(index, 0):
        spec = picture.spec()
        for channel, name in enumerate(spec.channelnames):
            pixels = picture.read_image(index, 0, channel, channel + 1, spec.channelformat(channel))
            assert pixels is not None, picture.geterror()
            planes.append(((index, name), pixels[..., 0]))
        index += 1
    return sorted(planes, key=lambda item: item[0])


def raw_headers(path: Path) -> list[dict[str, tuple[str, bytes]]]:
    """Return the header fields of every part as name -> (type, bytes)."""
    data = path.read_bytes()
    multi, at, parts = struct.unpack_from("<I", data, 4)[0] & 0x1000, 8, []
    while data[at]:
        fields = {}
        while data[at]:
            name_end = data.index(b"\0", at)
            kind_end = data.index(b"\0", name_end + 1)
            (size,) = struct.unpack_from("<i", data, kind_end + 1)
            start = kind_end + 5
            kind = data[name_end + 1 : kind_end].decode("latin-1")
            fields[data[at:name_end].decode("latin-1")] = (kind, data[start : start + size])
            at = start + size
        parts.append(fields)
        at += 1
        if not multi:
            break
    return parts


def text(name: str, value: str | bytes) -> Field:
    return name, "string", value.encode() if isinstance(value, str) else value


def number(name: str, kind: str, layout: str, *values: float) -> Field:
    return name, kind, struct.pack("<" + layout, *values)


def write_exr(
    path: Path,
    planes: dict[str, np.ndarray],
    fields: tuple[Field, ...] = (),
    origin: tuple[int, int] = (0, 0),
    display: tuple[int, int, int, int] | None = None,
    aspect: float = 1.0,
    order: int = 0,
) -> None:
    """Write one uncompressed scanline part; ``display`` is x0, y0, x1, y1; ``order`` 1 is upwards."""
    head = _header(planes, fields, origin, display, aspect, order) + b"\0"
    rows = _scanlines(planes, origin[1])
    stored = rows[::-1] if order == 1 else rows
    start = 8 + len(head) + 8 * len(rows)
    places = np.cumsum([0] + [len(row) for row in stored[:-1]]).astype("<u8") + start
    places = places[::-1] if order == 1 else places
    path.write_bytes(struct.pack("<ii", 20000630, 2 | 0x400) + head + places.tobytes() + b"".join(stored))


def write_multi_part(
    path: Path, parts: list[tuple[str, dict[str, np.ndarray], tuple[Field, ...], bool]]
) -> None:
    """Write uncompressed parts (name, planes, fields, tiled); a tiled part is one tile."""
    heads, chunks = [], []
    for index, (name, planes, fields, tiled) in enumerate(parts):
        height, width = next(iter(planes.values())).shape
        bodies = [_tile(planes)] if tiled else _scanlines(planes, 0)
        kind = "tiledimage" if tiled else "scanlineimage"
        extra = (
            text("name", name),
            text("type", kind),
            number("chunkCount", "int", "i", len(bodies)),
            *fields,
        )
        if tiled:
            extra += (("tiles", "tiledesc", struct.pack("<IIB", width, height, 0)),)
        heads.append(_header(planes, extra, (0, 0), None, 1.0, 0) + b"\0")
        chunks.append([struct.pack("<i", index) + body for body in bodies])
    head = struct.pack("<ii", 20000630, 2 | 0x400 | 0x1000) + b"".join(heads) + b"\0"
    everything = [chunk for part in chunks for chunk in part]
    start = len(head) + 8 * len(everything)
    places = np.cumsum([0] + [len(chunk) for chunk in everything[:-1]]).astype("<u8") + start
    path.write_bytes(head + places.tobytes() + b"".join(everything))


def write_with_library(path: Path, pixels: np.ndarray, codec: str, tile: int = 0) -> None:
    """Write (H, W, C) half or float through OpenImageIO, for codecs that are not worth writing by hand."""
    kind = "half" if pixels.dtype == np.float16 else "float"
    spec = oiio.ImageSpec(pixels.shape[1], pixels.shape[0], pixels.shape[2], kind)
    spec.attribute("compression", codec)
    spec.tile_width = spec.tile_height = tile
    spec.tile_depth = 1 if tile else 0
    out = oiio.ImageOutput.create(str(path))
    assert out.open(str(path), spec) and out.write_image(np.ascontiguousarray(pixels)) and out.close(), (
        out.geterror()
    )


def _header(planes, fields, origin, display, aspect, order) -> bytes:
    height, width = next(iter(planes.values())).shape
    x, y = origin
    x0, y0, x1, y1 = display or (0, 0, width, height)
    chlist = b"".join(
        name.encode() + struct.pack("<xi4xii", CODES[planes[name].dtype.str[1:]], 1, 1)
        for name in sorted(planes)
    )
    standard = (
        ("channels", "chlist", chlist + b"\0"),
        ("compression", "compression", b"\0"),
        number("dataWindow", "box2i", "4i", x, y, x + width - 1, y + height - 1),
        number("displayWindow", "box2i", "4i", x0, y0, x1 - 1, y1 - 1),
        ("lineOrder", "lineOrder", bytes([order])),
        number("pixelAspectRatio", "float", "f", aspect),
        number("screenWindowCenter", "v2f", "2f", 0.0, 0.0),
        number("screenWindowWidth", "float", "f", 1.0),
    )
    own = {name for name, _, _ in fields}
    every = (*(field for field in standard if field[0] not in own), *fields)
    return b"".join(
        n.encode() + b"\0" + k.encode() + b"\0" + struct.pack("<i", len(d)) + d for n, k, d in every
    )


def _scanlines(planes: dict[str, np.ndarray], y: int) -> list[bytes]:
    bodies = [
        b"".join(planes[name][row].tobytes() for name in sorted(planes)) for row in range(_height(planes))
    ]
    return [struct.pack("<ii", y + row, len(body)) + body for row, body in enumerate(bodies)]


def _tile(planes: dict[str, np.ndarray]) -> bytes:
    body = b"".join(planes[name][row].tobytes() for row in range(_height(planes)) for name in sorted(planes))
    return struct.pack("<5i", 0, 0, 0, 0, len(body)) + body


def _height(planes: dict[str, np.ndarray]) -> int:
    return next(iter(planes.values())).shape[0]
