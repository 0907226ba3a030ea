"""An XMP packet in a JPEG, where readers look for it: a segment of its own before the picture.

The picture library writes a packet of the few fields it knows and takes none from us. Layout: ITU-T T.81, annex B;
XMP specification, part 3, 1.1.3.
"""

from __future__ import annotations

from collections.abc import Iterator

_START, _APP0, _APP1, _SCAN = 0xD8, 0xE0, 0xE1, 0xDA
_XMP = b"http://ns.adobe.com/xap/1.0/\0"
_MOST = 0xFFFF - 2


class JpegError(ValueError):
    """The bytes are no JPEG, or the packet is too long for a segment; writers turn this into their own error."""


def with_xmp(data: bytes, packet: str) -> bytes:
    """The JPEG ``data`` with ``packet`` as its only XMP packet; all else stays byte for byte. Raises JpegError."""
    body = _XMP + packet.encode("utf-8")
    if len(body) > _MOST:
        raise JpegError(f"an XMP packet of {len(body)} bytes; a JPEG holds {_MOST}")
    ours = bytes((0xFF, _APP1)) + (len(body) + 2).to_bytes(2, "big") + body
    kept, rest = [data[:2]], data[2:]
    at = 2
    for marker, segment in _segments(data):
        at += len(segment)
        rest = data[at:]
        if not (marker == _APP1 and segment[4:].startswith(_XMP)):
            kept.append(segment)
    first = next(
        (index for index, one in enumerate(kept) if index and one[1] not in (_APP0, _APP1)), len(kept)
    )
    return b"".join([*kept[:first], ours, *kept[first:], rest])


def _segments(data: bytes) -> Iterator[tuple[int, bytes]]:
    """Marker and bytes of every segment before the first scan."""
    if data[:2] != bytes((0xFF, _START)):
        raise JpegError("not a JPEG file")
    at = 2
    while at + 4 <= len(data):
        if data[at] != 0xFF:
            raise JpegError("the header is damaged")
        if data[at + 1] == _SCAN:
            return
        stop = at + 2 + int.from_bytes(data[at + 2 : at + 4], "big")
        yield data[at + 1], data[at:stop]
        at = stop
    raise JpegError("the file ends inside its header")
