"""What a tap holds: the digest of its pixels, and whether a mask in it is empty.

A tap is a file that Blender has just written: one part, scan lines, 32-bit float, no compression. Its header
carries the date and the render time, so only the parts that say something of the picture count. Reading it here
takes no library that a host lacks.
"""

from __future__ import annotations

import hashlib
import struct
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from lineament.core.errors import PlateError

_MAGIC = 20000630
_TELLING = ("channels", "compression", "dataWindow", "displayWindow", "pixelAspectRatio")
_BLOCK = 1 << 22
_FLOAT, _NO_COMPRESSION = 2, 0


@dataclass(frozen=True)
class _Layout:
    """Where the pixels lie: ``offset`` is the first byte behind the table of lines."""

    attributes: dict[str, bytes]
    offset: int
    channels: tuple[str, ...]
    width: int
    height: int


def digest_of(path: Path) -> str:
    """SHA-256 of a tap's pixels, channels, windows and pixel aspect. Raises PlateError."""
    layout = _layout(path)
    found = hashlib.sha256()
    for name in _TELLING:
        found.update(layout.attributes.get(name, b""))
    with path.open("rb") as stream:
        stream.seek(layout.offset)
        for block in iter(lambda: stream.read(_BLOCK), b""):
            found.update(block)
    return found.hexdigest()


def is_constant(path: Path, value: float) -> bool:
    """Whether the first channel of a tap is ``value`` on every pixel. Raises PlateError."""
    layout = _layout(path)
    name = "R" if "R" in layout.channels else layout.channels[0]
    index = layout.channels.index(name)
    row_bytes = 8 + 4 * layout.width * len(layout.channels)
    data = np.memmap(path, np.uint8, "r", layout.offset, (layout.height, row_bytes))
    start = 8 + 4 * layout.width * index
    plane = np.ascontiguousarray(data[:, start : start + 4 * layout.width]).view("<f4")
    return bool((plane == np.float32(value)).all())


def size_of(path: Path) -> tuple[int, int]:
    """Width and height of a tap's data window, in pixels. Raises PlateError."""
    layout = _layout(path)
    return layout.width, layout.height


def _layout(path: Path) -> _Layout:
    try:
        with path.open("rb") as stream:
            head = stream.read(1 << 16)
    except OSError as err:
        raise _not_a_tap(path, err.strerror or str(err)) from err
    try:
        attributes, position = _attributes(head)
        left, top, right, bottom = struct.unpack("<4i", attributes["dataWindow"])
        channels, kinds = _channels(attributes["channels"])
    except (KeyError, ValueError, IndexError, struct.error) as err:
        raise _not_a_tap(path, "its header is not that of an OpenEXR file") from err
    if set(kinds) != {_FLOAT} or attributes.get("compression") != bytes([_NO_COMPRESSION]):
        raise _not_a_tap(path, "it is compressed or not 32-bit float")
    width, height = right - left + 1, bottom - top + 1
    offset = position + 8 * height
    if path.stat().st_size != offset + height * (8 + 4 * width * len(channels)):
        raise _not_a_tap(path, "it is not complete")
    return _Layout(attributes, offset, channels, width, height)


def _attributes(head: bytes) -> tuple[dict[str, bytes], int]:
    """The header's attributes by name, and where it ends."""
    if struct.unpack_from("<i", head)[0] != _MAGIC:
        raise ValueError("no magic number")
    found: dict[str, bytes] = {}
    position = 8
    while head[position]:
        name_end = head.index(b"\0", position)
        type_end = head.index(b"\0", name_end + 1)
        (size,) = struct.unpack_from("<i", head, type_end + 1)
        start = type_end + 5
        found[head[position:name_end].decode("ascii", "replace")] = head[start : start + size]
        position = start + size
    return found, position + 1


def _channels(data: bytes) -> tuple[tuple[str, ...], tuple[int, ...]]:
    """Names and types of the channels, in the order in which a line holds them."""
    names, kinds = [], []
    position = 0
    while data[position]:
        end = data.index(b"\0", position)
        names.append(data[position:end].decode("ascii", "replace"))
        kinds.append(struct.unpack_from("<i", data, end + 1)[0])
        position = end + 17
    return tuple(names), tuple(kinds)


def _not_a_tap(path: Path, reason: str) -> PlateError:
    return PlateError(
        f"The picture that Blender rendered for the node cannot be used: {reason}.",
        where=str(path),
        remedy="Check that the temporary folder has room and render the frame again.",
    )
