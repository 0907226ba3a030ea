"""What goes through read and write comes out bit for bit, or there is one clear error and no file."""

from __future__ import annotations

import os
import struct
from dataclasses import replace

import numpy as np
import OpenImageIO as oiio
import pytest
from lineament.core.errors import PlateError
from lineament.core.frame import Attribute, Frame, Part, Window
from lineament.core.io import exr, exr_header, read_frame, write_frame

PLATES = [
    "half", "float", "nan_half", "nan_float", "infinity", "negative_zero", "extremes", "negatives",
    "any_half", "any_float", "overscan", "inset", "display_elsewhere", "anamorphic", "rows_upwards",
    "multi_part", "tiled_parts",
    "tiled_mixed", "cryptomatte", "ids", "nuke", "blender", "arnold", "metadata", "odd_header", "aces",
    "one_pixel",
    "tiled", "lossy_dwaa", "lossy_b44", "lossy_pxr24", "pxr24_half", "piz", "rle", "zip", "zstd", "htj2k",
]  # fmt: skip
RESTORED = {
    "lossy_dwaa",
    "lossy_b44",
    "lossy_pxr24",
    "multi_part",
    "tiled_mixed",
}  # their codec or tiling has to change


def library_fields(path) -> list[list[tuple[str, str, str]]]:
    """Every field that OpenImageIO sees, per part, as text (so that NaN equals NaN)."""
    picture, index, parts = oiio.ImageInput.open(str(path)), 0, []
    while picture.seek_subimage(index, 0):
        spec = picture.spec()
        formats = [str(spec.channelformat(channel)) for channel in range(spec.nchannels)]
        windows = ("windows", "", f"{spec.roi} {spec.roi_full} {spec.channelnames} {formats}")
        parts.append(sorted([windows, *((f.name, str(f.type), str(f.value)) for f in spec.extra_attribs)]))
        index += 1
    return parts


def a_new_frame(planes: dict[str, np.ndarray], **kwargs) -> Frame:
    height, width = next(iter(planes.values())).shape
    window = Window(0, 0, width, height)
    return Frame((Part("", tuple(planes), planes, window, window, **kwargs),))


def test_when_a_plate_is_added_to_the_collection_then_it_is_tested_here(nasty_plates):
    assert sorted(nasty_plates) == sorted(PLATES)


@pytest.mark.parametrize("name", PLATES)
def test_when_a_plate_is_read_and_written_then_every_bit_and_field_is_equal(
    name, nasty_plates, plate_tools, tmp_path
):
    target = tmp_path / "out.exr"
    write_frame(target, read_frame(nasty_plates[name]))
    assert plate_tools.differences(nasty_plates[name], target, storage=name not in RESTORED) == []


@pytest.mark.parametrize("name", sorted(set(PLATES) - RESTORED))
def test_when_a_plate_is_written_then_other_software_sees_the_same_header(name, nasty_plates, tmp_path):
    target = tmp_path / "out.exr"
    write_frame(target, read_frame(nasty_plates[name]))
    assert library_fields(target) == library_fields(nasty_plates[name])


@pytest.mark.parametrize("name", PLATES)
def test_when_one_pixel_is_edited_then_all_others_keep_their_bits(name, nasty_plates, plate_tools, tmp_path):
    frame, target = read_frame(nasty_plates[name]), tmp_path / "out.exr"
    layer, rgb = frame.layer(), frame.rgb()
    changed = np.zeros(rgb.shape[:2], bool)
    changed[0, 0] = True
    write_frame(target, frame.with_rgb(None, np.full_like(rgb, 0.5), changed))
    before, after = (
        dict(plate_tools.native_planes(nasty_plates[name])),
        dict(plate_tools.native_planes(target)),
    )
    for (part, channel), plane in before.items():
        edited = part == layer.part and channel in layer.rgb
        start = 1 if edited else 0
        assert plane.ravel()[start:].tobytes() == after[part, channel].ravel()[start:].tobytes()
        assert not edited or after[part, channel].ravel()[0] == 0.5


@pytest.mark.parametrize(
    ("name", "codec"),
    [("zip", "zip"), ("piz", "piz"), ("rle", "rle"), ("half", "none"), ("zstd", "zstd"),
     ("htj2k", "htj2k256"),
     ("pxr24_half", "pxr24"), ("lossy_pxr24", "zips"), ("lossy_dwaa", "zips"), ("lossy_b44", "zips")],
)  # fmt: skip
def test_when_the_source_codec_is_lossless_then_it_is_kept_else_zips(name, codec, nasty_plates, tmp_path):
    target = tmp_path / "out.exr"
    write_frame(target, read_frame(nasty_plates[name]))
    assert read_frame(target).parts[0].compression == codec


def test_when_the_frame_is_new_then_it_is_zips_and_carries_the_fields_given(tmp_path):
    field = Attribute("chromaticities", "chromaticities", (0.7, 0.3, 0.2, 0.8, 0.1, 0.0, 0.3, 0.3))
    planes = {c: np.full((3, 4), 0.5, np.float16) for c in "RGB"}
    frame = a_new_frame(planes, pixel_aspect=2.0, header=(field,)).with_text("note", "made here")
    write_frame(tmp_path / "new.exr", frame)
    back = read_frame(tmp_path / "new.exr")
    assert back.parts[0].compression == "zips" and back.parts[0].pixel_aspect == 2.0
    assert back.header_value(None, "chromaticities") == pytest.approx(field.value)
    assert back.header_value(None, "note") == "made here" and (back.rgb() == 0.5).all()


def test_when_new_parts_are_named_then_the_names_are_written(tmp_path):
    window = Window(0, 0, 2, 2)
    parts = tuple(
        Part(n, ("R",), {"R": np.zeros((2, 2), np.float32)}, window, window) for n in ("left", "right")
    )
    write_frame(tmp_path / "new.exr", Frame(parts))
    assert [part.name for part in read_frame(tmp_path / "new.exr").parts] == ["left", "right"]


def test_when_a_header_is_read_then_its_values_make_sense(nasty_plates):
    frame = read_frame(nasty_plates["metadata"])
    assert frame.header_value(None, "chromaticities")[:2] == pytest.approx((0.713, 0.293))
    assert frame.header_value(None, "timeCode") == (0x12345678, 0xDEADBEEF)
    assert frame.header_value(None, "framesPerSecond") == (24000, 1001)
    assert frame.header_value(None, "colorInteropID") == "lin_ap1_scene"
    assert frame.header_value(None, "views") == ("left", "", "xy")
    assert frame.header_value(None, "grid") == (-4, 2**31 - 1)


def test_when_the_name_has_a_number_then_it_is_the_frame_number(nasty_plates, tmp_path):
    for name, number in {"plate.1043.exr": 1043, "plate.exr": 0, "plate_v003.exr": 0, "7.exr": 7}.items():
        (tmp_path / name).write_bytes(nasty_plates["half"].read_bytes())
        assert read_frame(tmp_path / name).number == number
    assert read_frame(tmp_path / "plate.exr", 12).number == 12


def test_when_the_windows_are_odd_then_they_are_half_open_pixels(nasty_plates):
    part = read_frame(nasty_plates["overscan"]).parts[0]
    assert part.data_window == Window(-8, -5, 16, 13) and part.display_window == Window(0, 0, 10, 9)


def test_when_planes_are_read_then_they_cannot_be_written_to_by_accident(nasty_plates):
    with pytest.raises(ValueError, match="read-only"):
        read_frame(nasty_plates["half"]).parts[0].planes["R"][0, 0] = 1


def bad_files(plate_tools, plate, folder):
    """Name -> path of things that are no plate."""
    data = plate.read_bytes()
    make = {
        "missing": None,
        "empty": b"",
        "text": b"not a picture at all\n" * 20,
        "header only": data[:200],
        "truncated": data[: len(data) * 2 // 3],
        "png in disguise": b"\x89PNG\r\n\x1a\n" + bytes(100),
    }
    for name, content in make.items():
        path = folder / f"{name}.exr"
        if content is not None:
            path.write_bytes(content)
        yield name, path


def test_when_the_file_is_no_plate_then_the_error_says_what_where_and_what_to_do(
    nasty_plates, plate_tools, tmp_path
):
    for name, path in bad_files(plate_tools, nasty_plates["half"], tmp_path):
        with pytest.raises(PlateError) as caught:
            read_frame(path)
        assert caught.value.what and caught.value.where == str(path) and caught.value.remedy, name


def test_when_the_path_is_a_folder_then_it_is_refused(tmp_path):
    (tmp_path / "folder.exr").mkdir()
    with pytest.raises(PlateError, match="not a file"):
        read_frame(tmp_path / "folder.exr")


def test_when_the_suffix_is_unknown_then_the_error_lists_those_known(tmp_path):
    with pytest.raises(PlateError, match=r"'\.dpx' is unknown.*\.exr"):
        read_frame(tmp_path / "plate.dpx")
    with pytest.raises(PlateError, match="is unknown"):
        write_frame(tmp_path / "plate", a_new_frame({c: np.zeros((2, 2), np.float16) for c in "RGB"}))


def test_when_the_file_is_a_real_png_then_its_name_is_called_wrong(tmp_path):
    path = tmp_path / "a.png"
    spec = oiio.ImageSpec(4, 4, 3, "uint8")
    out = oiio.ImageOutput.create(str(path))
    assert out.open(str(path), spec) and out.write_image(np.zeros((4, 4, 3), np.uint8)) and out.close()
    with pytest.raises(PlateError, match="it is png, not EXR"):
        read_frame(path.rename(tmp_path / "a.exr"))


def test_when_the_file_is_deep_then_flattening_is_advised(tmp_path):
    spec = oiio.ImageSpec(2, 2, 3, "half")
    spec.deep = True
    out = oiio.ImageOutput.create(str(tmp_path / "deep.exr"))
    assert out.open(str(tmp_path / "deep.exr"), spec)
    deep = oiio.DeepData()
    deep.init(4, 3, ("half", "half", "half"), ("R", "G", "B"))
    assert out.write_deep_image(deep) and out.close()
    with pytest.raises(PlateError, match=r"deep.*Flatten"):
        read_frame(tmp_path / "deep.exr")


def test_when_the_file_is_mip_mapped_then_it_is_refused(tmp_path):
    path = tmp_path / "texture.exr"
    pixels = oiio.ImageBuf(np.zeros((32, 32, 3), np.float32))
    assert oiio.ImageBufAlgo.make_texture(oiio.MakeTxTexture, pixels, str(path))
    with pytest.raises(PlateError, match="mip-mapped"):
        read_frame(path)


@pytest.mark.parametrize(
    "window", [(0, 0, 299999, 300), (0, 0, 99, 99999), (0, 0, 32000, 32000), (0, 0, -5, 3), (5, 5, 2, 2)]
)
def test_when_the_header_asks_for_an_absurd_size_then_it_is_refused(window, nasty_plates, tmp_path):
    data = nasty_plates["half"].read_bytes()
    at = data.index(b"dataWindow\0box2i\0") + len(b"dataWindow\0box2i\0") + 4
    path = tmp_path / "absurd.exr"
    path.write_bytes(data[:at] + struct.pack("<4i", *window) + data[at + 16 :])
    with pytest.raises(PlateError, match=r"damaged|Cannot"):
        read_frame(path)


def test_when_a_header_claims_too_many_bytes_then_it_is_refused(tmp_path):
    path = tmp_path / "a.exr"
    path.write_bytes(
        struct.pack("<iI", exr_header.MAGIC, 2) + b"name\0string\0" + struct.pack("<i", 2**31 - 1)
    )
    with pytest.raises(exr_header.HeaderError, match="claims 2147483647 bytes"):
        exr_header.parse(path)


@pytest.mark.parametrize("seed", range(90))
def test_when_a_plate_is_damaged_anywhere_then_it_is_read_or_refused(seed, nasty_plates, tmp_path):
    rng = np.random.default_rng(seed)
    names = [
        "zip",
        "piz",
        "htj2k",
        "lossy_dwaa",
        "lossy_b44",
        "tiled",
        "zstd",
        "multi_part",
        "metadata",
        "cryptomatte",
    ]
    data = bytearray(nasty_plates[names[seed % len(names)]].read_bytes())
    kind = seed % 3
    if kind == 0:
        data = data[: int(rng.integers(1, len(data)))]
    elif kind == 1:
        data[int(rng.integers(0, min(len(data), 900)))] = int(rng.integers(0, 256))
    else:
        data[int(rng.integers(0, len(data)))] ^= 1 << int(rng.integers(0, 8))
    path = tmp_path / "mutant.exr"
    path.write_bytes(bytes(data))
    try:
        frame = read_frame(path)
    except PlateError as err:
        assert err.what and err.remedy and err.where == str(path)
        return
    write_frame(tmp_path / "again.exr", frame)
    assert (tmp_path / "again.exr").stat().st_size > 0


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_when_a_still_is_written_as_exr_then_it_is_refused(dtype, tmp_path, listing):
    with pytest.raises(PlateError, match="cannot hold uint"):
        write_frame(tmp_path / "a.exr", a_new_frame({c: np.zeros((2, 2), dtype) for c in "RGB"}))
    assert listing() == []


def test_when_the_library_picks_another_codec_then_the_file_is_not_published(
    nasty_plates, tmp_path, listing, monkeypatch
):
    frame = read_frame(nasty_plates["half"])
    monkeypatch.setattr(exr, "codec_for", lambda part: "htj2k")  # unknown: silently written as zip
    with pytest.raises(PlateError, match="reads back"):
        write_frame(tmp_path / "out.exr", frame)
    assert listing() == []


def test_when_the_parts_are_fewer_than_the_header_then_splicing_refuses(nasty_plates, tmp_path):
    path = tmp_path / "a.exr"
    path.write_bytes(nasty_plates["half"].read_bytes())
    with pytest.raises(exr_header.HeaderError, match="1 parts were written instead of 2"):
        exr_header.splice(path, read_frame(path).parts * 2)


def test_when_a_part_keeps_tiles_it_cannot_have_then_it_becomes_scanlines(nasty_plates, tmp_path):
    frame = read_frame(nasty_plates["multi_part"])
    write_frame(tmp_path / "out.exr", frame)
    assert [part.tile for part in frame.parts] == [(0, 0), (24, 18), (0, 0)]
    assert [part.tile for part in read_frame(tmp_path / "out.exr").parts] == [(0, 0)] * 3


def test_when_only_the_codec_is_changed_then_the_pixels_stay(nasty_plates, plate_tools, tmp_path):
    frame = read_frame(nasty_plates["cryptomatte"])
    write_frame(tmp_path / "out.exr", replace(frame, parts=(replace(frame.parts[0], compression="zip"),)))
    assert plate_tools.differences(nasty_plates["cryptomatte"], tmp_path / "out.exr") == []


def test_when_a_channel_name_is_no_text_then_the_plate_is_refused(nasty_plates, tmp_path):
    data = nasty_plates["ids"].read_bytes().replace(b"instance.Id\0", b"instance.\xff\xfe\0")
    (tmp_path / "a.exr").write_bytes(data)
    with pytest.raises(PlateError, match="are not text"):
        read_frame(tmp_path / "a.exr")


@pytest.mark.parametrize(("parts", "fields", "text"), [(1, 4200, "4096 fields"), (9, 2500, "20000 fields")])
def test_when_the_header_piles_up_fields_then_the_library_never_opens_it(
    parts, fields, text, tmp_path, monkeypatch
):
    header = [Attribute(f"note{index}", "string", "x", b"x") for index in range(fields)]
    flags = 2 | (exr_header.MULTI_PART if parts > 1 else 0)
    path = tmp_path / "piled.exr"
    path.write_bytes(exr_header.serialise([header] * parts, flags))
    monkeypatch.setattr(oiio.ImageInput, "open", None)
    with pytest.raises(PlateError, match=rf"metadata are too large.*{text}.*Remove the metadata"):
        read_frame(path)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no named pipes")
def test_when_the_plate_is_a_pipe_then_nobody_waits_for_it(tmp_path):
    os.mkfifo(tmp_path / "pipe.exr")
    with pytest.raises(PlateError, match="not a file"):
        read_frame(tmp_path / "pipe.exr")
