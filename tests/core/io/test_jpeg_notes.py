"""A packet goes where readers look for it, and nothing else of the file changes."""

from __future__ import annotations

import io

import numpy as np
import pytest
from lineament.core.io.jpeg_notes import JpegError, with_xmp
from PIL import Image


def jpeg(**options: object) -> bytes:
    stream = io.BytesIO()
    pixels = np.random.default_rng(1).integers(0, 256, (16, 24, 3)).astype(np.uint8)
    Image.fromarray(pixels).save(stream, "JPEG", **options)
    return stream.getvalue()


@pytest.mark.parametrize("options", [{}, {"xmp": b"<old/>"}, {"comment": b"hello"}, {"progressive": True}])
def test_when_a_packet_is_put_in_then_pillow_finds_it_alone_and_the_pixels_stay(options: dict) -> None:
    before = jpeg(**options)
    after = with_xmp(before, "<new/>")
    assert after.count(b"http://ns.adobe.com/xap/1.0/") == 1
    with Image.open(io.BytesIO(before)) as first, Image.open(io.BytesIO(after)) as second:
        assert second.info["xmp"] == b"<new/>"
        assert np.array_equal(np.asarray(first), np.asarray(second))
        assert second.info.get("comment") == first.info.get("comment")


def test_when_a_packet_is_replaced_then_the_bytes_do_not_depend_on_the_old_one() -> None:
    assert with_xmp(jpeg(xmp=b"<a/>"), "<new/>") == with_xmp(jpeg(), "<new/>")


def test_when_there_is_exif_then_it_stays_in_front() -> None:
    exif = Image.Exif()
    exif[0x10F] = "camera"
    after = with_xmp(jpeg(exif=exif), "<new/>")
    assert after.index(b"Exif\0") < after.index(b"<new/>")
    with Image.open(io.BytesIO(after)) as picture:
        assert picture.getexif()[0x10F] == "camera"


@pytest.mark.parametrize(
    ("data", "packet", "said"),
    [
        (b"", "x", "not a JPEG"),
        (b"\x89PNG\r\n", "x", "not a JPEG"),
        (b"\xff\xd8\xff\xe0\x00\x10JF", "x", "inside its header"),
        (b"\xff\xd8zzzz", "x", "damaged"),
        (jpeg(), "x" * 70_000, "a JPEG holds"),
    ],
)
def test_when_it_cannot_be_done_then_it_says_why(data: bytes, packet: str, said: str) -> None:
    with pytest.raises(JpegError, match=said):
        with_xmp(data, packet)
