"""Float EXR files without a library: Blender's Python has none, and a test must not trust what it tests.

Pictures are float32 arrays (height, width, channels), row 0 is the top. Written files are single-part,
uncompressed scanlines of float or half. Read files may be half, float or uint, uncompressed, ZIPS or ZIP, which is
what Blender's File Output and the engine write.
"""

from __future__ import annotations

import struct
import zlib
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

MAGIC = 20000630
DTYPES = {0: "<u4", 1: "<f2", 2: "<f4"}
LINES_PER_BLOCK = {0: 1, 2: 1, 3: 16}
"""Compression -> scanlines a block: none, ZIPS, ZIP."""


@dataclass(frozen=True)
class Picture:
    """What a file holds: ``channels`` by name, each (H, W), and the header's attributes as raw bytes."""

    channels: dict[str, np.ndarray]
    header: dict[str, bytes] = field(default_factory=dict)

    @property
    def rgba(self) -> np.ndarray:
        """The picture as (H, W, 4); a missing alpha is 1, a single channel stands for all three colours."""
        only = next(iter(self.channels.values()))
        colours = [self.channels.get(name, only) for name in "RGB"]
        alpha = self.channels.get("A", np.ones_like(only))
        return np.stack([*colours, alpha], axis=-1).astype(np.float32)

    @property
    def data_window(self) -> tuple[int, int, int, int]:
        """x and y of the first and of the last pixel, both inclusive."""
        return struct.unpack("<4i", self.header["dataWindow"])


def write_exr(
    path: Path,
    pixels: np.ndarray,
    names: str = "RGBA",
    origin: tuple[int, int] = (0, 0),
    display: tuple[int, int, int, int] | None = None,
    pixel_aspect: float = 1.0,
    is_half: bool = False,
) -> Path:
    """Write float32 ``pixels`` (H, W, len(names)), every bit, or as half; ``origin`` is the data window's corner."""
    kind = 1 if is_half else 2
    pixels = np.ascontiguousarray(pixels, DTYPES[kind]).reshape(*pixels.shape[:2], len(names))
    height, width = pixels.shape[:2]
    x, y = origin
    window = (x, y, x + width - 1, y + height - 1)
    planes = [pixels[..., names.index(name)] for name in sorted(names)]
    listed = b"".join(
        name.encode() + b"\0" + struct.pack("<iBxxxii", kind, 0, 1, 1) for name in sorted(names)
    )
    header = struct.pack("<ii", MAGIC, 2)
    for name, type_name, value in (
        ("channels", "chlist", listed + b"\0"),
        ("compression", "compression", b"\0"),
        ("dataWindow", "box2i", struct.pack("<4i", *window)),
        ("displayWindow", "box2i", struct.pack("<4i", *(display or window))),
        ("lineOrder", "lineOrder", b"\0"),
        ("pixelAspectRatio", "float", struct.pack("<f", pixel_aspect)),
        ("screenWindowCenter", "v2f", struct.pack("<2f", 0.0, 0.0)),
        ("screenWindowWidth", "float", struct.pack("<f", 1.0)),
    ):
        header += name.encode() + b"\0" + type_name.encode() + b"\0" + struct.pack("<i", len(value)) + value
    header += b"\0"
    body = [b"".join(plane[row].tobytes() for plane in planes) for row in range(height)]
    start = len(header) + 8 * height
    step = 8 + pixels.itemsize * width * len(names)
    table = struct.pack(f"<{height}Q", *(start + step * row for row in range(height)))
    lines = b"".join(struct.pack("<ii", y + row, len(line)) + line for row, line in enumerate(body))
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(header + table + lines)
    return path


def read_exr(path: Path) -> Picture:
    """Read a single-part scanline file, bit for bit. Raises ValueError if it is another kind."""
    content = Path(path).read_bytes()
    if struct.unpack_from("<i", content)[0] != MAGIC or content[5] & 0x1A:
        raise ValueError(f"{path} is not a single-part scanline EXR")
    header, at = _header(content)
    x0, y0, x1, y1 = struct.unpack("<4i", header["dataWindow"])
    width, height = x1 - x0 + 1, y1 - y0 + 1
    kinds = _channel_kinds(header["channels"])
    compression = header["compression"][0]
    if compression not in LINES_PER_BLOCK:
        raise ValueError(f"{path} has compression {compression}, which tests cannot read")
    planes = {name: np.zeros((height, width), DTYPES[kind]) for name, kind in kinds}
    count = -(-height // LINES_PER_BLOCK[compression])
    row_bytes = sum(np.dtype(DTYPES[kind]).itemsize for _, kind in kinds) * width
    for offset in struct.unpack_from(f"<{count}Q", content, at):
        y, size = struct.unpack_from("<ii", content, offset)
        lines = min(LINES_PER_BLOCK[compression], y1 - y + 1)
        block = _unpacked(content[offset + 8 : offset + 8 + size], lines * row_bytes)
        _place(block, planes, kinds, y - y0, lines, width)
    return Picture(planes, header)


def _header(content: bytes) -> tuple[dict[str, bytes], int]:
    """The attributes, and where the offset table begins."""
    found, at = {}, 8
    while content[at] != 0:
        name_end = content.index(b"\0", at)
        kind_end = content.index(b"\0", name_end + 1)
        size = struct.unpack_from("<i", content, kind_end + 1)[0]
        found[content[at:name_end].decode()] = content[kind_end + 5 : kind_end + 5 + size]
        at = kind_end + 5 + size
    return found, at + 1


def _channel_kinds(listed: bytes) -> list[tuple[str, int]]:
    found, at = [], 0
    while listed[at] != 0:
        end = listed.index(b"\0", at)
        found.append((listed[at:end].decode(), struct.unpack_from("<i", listed, end + 1)[0]))
        at = end + 17
    return found


def _unpacked(block: bytes, size: int) -> bytes:
    """A block's bytes; one that did not get smaller is stored as it was."""
    if len(block) == size:
        return block
    shuffled = np.frombuffer(zlib.decompress(block), np.uint8).astype(np.int64)
    shuffled[1:] -= 128
    shuffled = (np.cumsum(shuffled) % 256).astype(np.uint8)
    half = (size + 1) // 2
    plain = np.empty(size, np.uint8)
    plain[0::2], plain[1::2] = shuffled[:half], shuffled[half:]
    return plain.tobytes()


def _place(block: bytes, planes: dict, kinds: list, row: int, lines: int, width: int) -> None:
    at = 0
    for line in range(row, row + lines):
        for name, kind in kinds:
            planes[name][line] = np.frombuffer(block, DTYPES[kind], width, at)
            at += np.dtype(DTYPES[kind]).itemsize * width
