"""What a PNG says beside its pixels, chunk by chunk and byte for byte.

The picture library reads text in one alphabet and writes it in another, and adds colour and camera chunks that
the source never had. As with EXR headers, the chunks travel as they were and replace the library's own. What
describes the stored numbers (palette, transparent colour, significant bits, background, histogram, animation)
stays the library's, because a palette comes back as plain RGB and a transparent colour as alpha.

Layout: https://www.w3.org/TR/png-3/#5DataRep
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator
from pathlib import Path

_MAGIC = b"\x89PNG\r\n\x1a\n"
_CORE = (b"IHDR", b"IDAT", b"IEND")
_STORAGE = (b"PLTE", b"tRNS", b"sBIT", b"bKGD", b"hIST", b"acTL", b"fcTL", b"fdAT")
_INVENTED = (b"sRGB", b"gAMA", b"cHRM", b"oFFs", b"eXIf")  # the library adds these on its own account
_TEXTS = (b"tEXt", b"zTXt", b"iTXt")
_MAX_BYTES = 64 << 20


class PngError(ValueError):
    """The bytes are no PNG; readers turn this into their own error."""


def read(path: Path) -> bytes:
    """Return the chunks to carry, one after the other with length and check sum; raise PngError or OSError."""
    kept = b"".join(chunk for kind, chunk in _chunks(path) if kind not in _CORE and kind not in _STORAGE)
    if len(kept) > _MAX_BYTES:
        raise PngError(f"{len(kept) >> 20} MB of notes beside the pixels")
    return kept


def splice(path: Path, notes: bytes) -> None:
    """Put ``notes`` into the PNG at ``path`` in place of all that its writer noted; the pixels stay."""
    _rewrite(path, [chunk for kind, chunk in _chunks(path) if kind in _CORE or kind in _STORAGE], notes)


def strip_invented(path: Path, orientation: int) -> None:
    """Take out what the library adds unasked, and say how the picture is turned (1, upright, needs no word)."""
    kept = [chunk for kind, chunk in _chunks(path) if kind not in _INVENTED]
    turned = struct.pack(">2sHIHHHIHHI", b"MM", 42, 8, 1, 0x112, 3, 1, orientation, 0, 0)
    _rewrite(path, kept, _chunk(b"eXIf", turned) if orientation != 1 else b"")


def with_text(notes: bytes, keyword: str, text: str) -> bytes:
    """Return ``notes`` with one more text under ``keyword``, in place of those that stood there."""
    name = keyword.encode("latin-1", "replace")[:79]
    kept = [chunk for kind, chunk in _split(notes) if kind not in _TEXTS or chunk[8:].split(b"\0")[0] != name]
    return b"".join([*kept, _chunk(b"iTXt", name + bytes(5) + text.encode("utf-8", "replace"))])


def without(notes: bytes, kind: bytes) -> bytes:
    """Return ``notes`` without the chunks of one kind."""
    return b"".join(chunk for name, chunk in _split(notes) if name != kind)


def _rewrite(path: Path, chunks: list[bytes], notes: bytes) -> None:
    """Write the file anew, with ``notes`` after the first chunk: before palette and pixels all may stand."""
    path.write_bytes(b"".join([_MAGIC, chunks[0], notes, *chunks[1:]]))


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def _chunks(path: Path) -> list[tuple[bytes, bytes]]:
    """Return kind and bytes of every chunk up to the end mark."""
    data = path.read_bytes()
    if not data.startswith(_MAGIC):
        raise PngError("not a PNG file")
    chunks = list(_split(data, len(_MAGIC)))
    if not chunks or chunks[-1][0] != b"IEND":
        raise PngError("the file has no end mark")
    return chunks


def _split(data: bytes, at: int = 0) -> Iterator[tuple[bytes, bytes]]:
    kind = b""
    while kind != b"IEND" and at < len(data):
        stop = at + 12 + int.from_bytes(data[at : at + 4], "big")
        if at + 12 > len(data) or stop > len(data):
            raise PngError("the file ends inside a chunk")
        kind = data[at + 4 : at + 8]
        yield kind, data[at:stop]
        at = stop
