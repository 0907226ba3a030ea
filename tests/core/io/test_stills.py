"""Stills keep their depth, their alpha and their notes."""

from __future__ import annotations

import logging

import numpy as np
import OpenImageIO as oiio
import pytest
from lineament.core.errors import PlateError
from lineament.core.io import read_frame, write_frame
from PIL import Image, PngImagePlugin


def a_still(path, dtype="uint8", channels=3, **attributes):
    rng = np.random.default_rng(3)
    top = {"uint8": 256, "uint16": 65536}.get(dtype)
    pixels = (
        rng.integers(0, top, (9, 12, channels)).astype(dtype)
        if top
        else rng.random((9, 12, channels), np.float32)
    )
    spec = oiio.ImageSpec(12, 9, channels, dtype)
    for name, value in {"oiio:UnassociatedAlpha": 1, "Artist": "somebody", **attributes}.items():
        spec.attribute(name, value)
    out = oiio.ImageOutput.create(str(path))
    assert out.open(str(path), spec) and out.write_image(pixels) and out.close(), out.geterror()
    return pixels


def pixels_of(frame) -> np.ndarray:
    return np.stack([frame.parts[0].planes[c] for c in frame.parts[0].channels], axis=-1)


@pytest.mark.parametrize("suffix", [".png", ".tif", ".tiff"])
@pytest.mark.parametrize("dtype", ["uint8", "uint16"])
@pytest.mark.parametrize("channels", [3, 4])
def test_when_a_still_is_read_and_written_then_every_value_is_equal(suffix, dtype, channels, tmp_path):
    source, target = tmp_path / f"in{suffix}", tmp_path / f"out{suffix}"
    pixels = a_still(source, dtype, channels)
    frame = read_frame(source)
    write_frame(target, frame)
    back = read_frame(target)
    assert np.array_equal(pixels_of(frame), pixels) and np.array_equal(pixels_of(back), pixels)
    assert pixels_of(back).dtype == dtype and back.header_value(None, "Artist") == "somebody"
    assert (frame.alpha() is None) == (channels == 3)


@pytest.mark.parametrize("suffix", [".png", ".tif"])
def test_when_a_still_has_a_profile_then_it_is_kept(suffix, tmp_path):
    a_still(tmp_path / f"in{suffix}")
    frame = read_frame(tmp_path / f"in{suffix}")
    write_frame(tmp_path / f"out{suffix}", frame)
    before = {f.name: str(f.value) for f in frame.parts[0].header}
    after = {f.name: str(f.value) for f in read_frame(tmp_path / f"out{suffix}").parts[0].header}
    assert before == after


def test_when_a_still_is_read_then_it_is_display_referred_and_scaled_to_one(tmp_path):
    pixels = a_still(tmp_path / "a.png", "uint16")
    frame = read_frame(tmp_path / "a.png")
    assert frame.is_display_referred and frame.file_format == "png"
    assert np.allclose(frame.rgb(), pixels / 65535, atol=1e-7)


def test_when_an_edit_is_written_back_then_only_its_pixels_change(tmp_path):
    pixels = a_still(tmp_path / "a.png")
    frame = read_frame(tmp_path / "a.png")
    changed = np.zeros((9, 12), bool)
    changed[2, 3] = True
    write_frame(tmp_path / "b.png", frame.with_rgb(None, np.full((9, 12, 3), 0.5, np.float32), changed))
    expected = pixels.copy()
    expected[2, 3] = 128
    assert np.array_equal(pixels_of(read_frame(tmp_path / "b.png")), expected)


def test_when_a_jpeg_is_written_then_a_warning_says_that_it_is_lossy(tmp_path, caplog):
    a_still(tmp_path / "a.jpg")
    frame = read_frame(tmp_path / "a.jpg")
    with caplog.at_level(logging.WARNING):
        write_frame(tmp_path / "b.jpg", frame)
    assert "lossy" in caplog.text
    difference = pixels_of(frame).astype(int) - pixels_of(read_frame(tmp_path / "b.jpg"))
    assert np.abs(difference).max() <= 6


def test_when_a_jpeg_is_written_as_png_then_it_is_exact(tmp_path):
    a_still(tmp_path / "a.jpg")
    frame = read_frame(tmp_path / "a.jpg")
    write_frame(tmp_path / "b.png", frame)
    assert np.array_equal(pixels_of(frame), pixels_of(read_frame(tmp_path / "b.png")))


def test_when_the_still_is_grey_then_no_layer_is_found(tmp_path):
    a_still(tmp_path / "grey.png", channels=1)
    with pytest.raises(PlateError, match="No red-green-blue triple among the channels Y"):
        read_frame(tmp_path / "grey.png").rgb()


@pytest.mark.parametrize(("suffix", "dtype", "channels"), [(".jpg", "uint16", 3), (".jpg", "uint8", 4)])
def test_when_jpeg_cannot_hold_the_still_then_png_is_advised(suffix, dtype, channels, tmp_path, listing):
    a_still(tmp_path / "a.png", dtype, channels)
    with pytest.raises(PlateError, match=r"JPEG holds 8 bit.*\.png"):
        write_frame(tmp_path / f"b{suffix}", read_frame(tmp_path / "a.png"))
    assert listing() == ["a.png"]


def test_when_the_tiff_is_float_then_exr_is_advised(tmp_path):
    a_still(tmp_path / "a.tif", "float")
    with pytest.raises(PlateError, match=r"32 float samples.*EXR"):
        read_frame(tmp_path / "a.tif")


def test_when_an_exr_is_written_as_a_still_then_it_is_refused(nasty_plates, tmp_path, listing):
    with pytest.raises(PlateError, match=r"cannot hold this exr frame.*\.exr"):
        write_frame(tmp_path / "a.png", read_frame(nasty_plates["half"]))
    assert listing() == []


@pytest.mark.parametrize("suffix", [".png", ".tif", ".jpg"])
@pytest.mark.parametrize("share", [0.0, 0.02, 0.5, 0.9])
def test_when_a_still_is_cut_short_then_it_is_refused(suffix, share, tmp_path):
    a_still(tmp_path / f"a{suffix}")
    data = (tmp_path / f"a{suffix}").read_bytes()
    broken = tmp_path / f"broken{suffix}"
    broken.write_bytes(data[: int(len(data) * share)])
    with pytest.raises(PlateError) as caught:
        read_frame(broken)
    assert caught.value.where == str(broken) and caught.value.remedy


ORIENTATION = 0x112


def a_picture(mode="RGB", size=(40, 30)) -> Image.Image:
    rng = np.random.default_rng(5)
    return Image.fromarray(rng.integers(0, 256, (size[1], size[0], 3)).astype(np.uint8)).convert(mode)


def chunks_of(path) -> list[tuple[bytes, bytes]]:
    data, at, found = path.read_bytes(), 8, []
    while at < len(data):
        size = int.from_bytes(data[at : at + 4], "big")
        found.append((data[at + 4 : at + 8], data[at + 8 : at + 8 + size]))
        at += 12 + size
    return [(kind, content) for kind, content in found if kind != b"IDAT"]


@pytest.mark.parametrize("target", [".jpg", ".png", ".tif"])
@pytest.mark.parametrize("source", [".jpg", ".png", ".tif"])
def test_when_a_viewer_turns_the_still_then_it_turns_the_copy_too(source, target, tmp_path):
    exif = Image.Exif()
    exif[ORIENTATION] = 6
    a_picture().save(tmp_path / f"a{source}", exif=exif)
    frame = read_frame(tmp_path / f"a{source}")
    write_frame(tmp_path / f"b{target}", frame)
    with Image.open(tmp_path / f"b{target}") as copy:
        assert copy.getexif()[ORIENTATION] == 6
    assert frame.parts[0].data_window.width == 40 == read_frame(tmp_path / f"b{target}").rgb().shape[1]


def test_when_a_png_holds_text_of_any_alphabet_then_every_note_comes_back(tmp_path):
    notes = PngImagePlugin.PngInfo()
    notes.add_text("Comment", "caf\xe9")
    notes.add_itxt("Author", "J\xf6rg \u2603", "de", "Autor")
    notes.add_text("Pr\xe9nom", "x")
    notes.add_text("Long", "again " * 50, zip=True)
    a_picture().save(tmp_path / "a.png", pnginfo=notes, dpi=(72, 72))
    frame = read_frame(tmp_path / "a.png")
    assert frame.header_value(None, "Comment") == "caf\xe9"
    write_frame(tmp_path / "b.png", frame)
    assert chunks_of(tmp_path / "b.png") == chunks_of(tmp_path / "a.png")
    for other in ("b.tif", "b.jpg"):
        write_frame(tmp_path / other, frame)


def test_when_text_is_stamped_on_a_png_then_it_replaces_what_was_there(tmp_path):
    notes = PngImagePlugin.PngInfo()
    notes.add_text("edit", "old")
    notes.add_text("Other", "kept")
    a_picture().save(tmp_path / "a.png", pnginfo=notes)
    write_frame(tmp_path / "b.png", read_frame(tmp_path / "a.png").with_text("edit", "n\xe9w"))
    with Image.open(tmp_path / "b.png") as copy:
        assert copy.info["edit"] == "n\xe9w" and copy.info["Other"] == "kept"
    assert [kind for kind, _ in chunks_of(tmp_path / "b.png")].count(b"iTXt") == 1
    assert read_frame(tmp_path / "b.png").header_value(None, "edit") == "n\xe9w"


@pytest.mark.parametrize("suffix", [".png", ".jpg", ".tif"])
def test_when_a_still_becomes_a_png_then_nothing_is_claimed_that_it_did_not_say(suffix, tmp_path):
    a_picture().save(tmp_path / f"a{suffix}")
    write_frame(tmp_path / "b.png", read_frame(tmp_path / f"a{suffix}"))
    kinds = {kind for kind, _ in chunks_of(tmp_path / "b.png")}
    assert not kinds & {b"sRGB", b"gAMA", b"cHRM", b"eXIf", b"oFFs"}


@pytest.mark.parametrize("suffix", [".jpg", ".tif"])
def test_when_the_still_is_cmyk_then_it_is_refused(suffix, tmp_path):
    a_picture("CMYK").save(tmp_path / f"a{suffix}")
    with pytest.raises(PlateError, match=r"CMYK colours, not RGB.*Convert"):
        read_frame(tmp_path / f"a{suffix}")


def test_when_the_png_has_a_palette_then_its_colours_come_back_as_rgb(tmp_path):
    picture = a_picture("P")
    picture.save(tmp_path / "a.png", transparency=3)
    write_frame(tmp_path / "b.png", read_frame(tmp_path / "a.png"))
    with Image.open(tmp_path / "a.png") as source, Image.open(tmp_path / "b.png") as copy:
        assert np.array_equal(source.convert("RGBA"), copy.convert("RGBA")) and copy.mode == "RGBA"


def test_when_the_decoder_remarks_on_a_jpeg_then_it_is_refused(tmp_path):
    a_picture(size=(200, 150)).save(tmp_path / "a.jpg", quality=90)
    data = bytearray((tmp_path / "a.jpg").read_bytes())
    middle = len(data) // 2
    data[middle : middle + 200] = b"\xff\x11" * 100
    (tmp_path / "a.jpg").write_bytes(bytes(data))
    with pytest.raises(PlateError, match="damaged"):
        read_frame(tmp_path / "a.jpg")


def test_when_a_png_lacks_its_end_mark_then_it_is_refused(tmp_path):
    a_picture().save(tmp_path / "a.png")
    (tmp_path / "a.png").write_bytes((tmp_path / "a.png").read_bytes()[:-12])
    with pytest.raises(PlateError, match="end mark"):
        read_frame(tmp_path / "a.png")


def test_when_a_tiff_has_pages_then_it_is_refused(tmp_path):
    spec = oiio.ImageSpec(4, 4, 3, "uint8")
    path = str(tmp_path / "pages.tif")
    out = oiio.ImageOutput.create(path)
    for mode in ("Create", "AppendSubimage"):
        assert out.open(path, spec, mode) and out.write_image(np.zeros((4, 4, 3), np.uint8))
    assert out.close()
    with pytest.raises(PlateError, match="several pages"):
        read_frame(path)
