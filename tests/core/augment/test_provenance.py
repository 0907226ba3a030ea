"""What a picture says of itself is read back by readers that are not ours."""

from __future__ import annotations

import json
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import OpenImageIO as oiio
import pytest
from lineament.core.augment.provenance import FIELD, SOURCE_TYPE, stamped
from lineament.core.augment.upright import upright
from lineament.core.frame import Frame, Part, Window
from lineament.core.io import read_frame, write_frame
from PIL import Image, ImageOps

RECORD = {"tool": "Lineament 0", "is_synthetic": True, "source": "Zoë & <Ann>.jpg", "strengths": {"age": 2.0}}
IPTC = "{http://iptc.org/std/Iptc4xmpExt/2008-02-29/}DigitalSourceType"


def still(folder: Path, suffix: str, **options: object) -> Path:
    """A small picture with something in every corner."""
    pixels = np.arange(24 * 16 * 3, dtype=np.uint32).reshape(16, 24, 3) * 7 % 256
    path = folder / f"picture{suffix}"
    Image.fromarray(pixels.astype(np.uint8)).save(path, **options)
    return path


@pytest.mark.parametrize("suffix", [".png", ".jpg", ".tif"])
def test_when_a_still_is_stamped_then_pillow_reads_the_record_and_the_packet(
    tmp_path: Path, suffix: str
) -> None:
    frame = read_frame(still(tmp_path, suffix))
    write_frame(tmp_path / "out.png", stamped(frame, RECORD))
    with Image.open(tmp_path / "out.png") as picture:
        picture.load()
        assert json.loads(picture.info[FIELD]) == RECORD
        packet = picture.info["XML:com.adobe.xmp"]
    tree = ElementTree.fromstring(packet.split("?>", 1)[1].rsplit("<?", 1)[0])
    assert [one.text for one in tree.iter(IPTC)] == [SOURCE_TYPE]
    assert np.array_equal(read_frame(tmp_path / "out.png").rgb(""), frame.rgb(""))


def test_when_an_exr_is_stamped_then_openimageio_reads_it_and_the_pixels_stay(tmp_path: Path) -> None:
    planes = {
        name: np.full((8, 9), value, np.float16) for name, value in zip("RGB", (0.1, 5.0, -1.0), strict=True)
    }
    window = Window(0, 0, 9, 8)
    frame = Frame((Part("", tuple("RGB"), planes, window, window),), 1, "", "exr")
    write_frame(tmp_path / "out.exr", stamped(frame, RECORD))
    picture = oiio.ImageBuf(str(tmp_path / "out.exr"))
    spec = picture.spec()
    assert json.loads(spec.getattribute(FIELD)) == RECORD
    assert spec.getattribute("digitalSourceType") == SOURCE_TYPE
    assert np.array_equal(read_frame(tmp_path / "out.exr").rgb(""), frame.rgb(""))


def test_when_it_is_not_synthetic_then_nothing_says_so(tmp_path: Path) -> None:
    frame = read_frame(still(tmp_path, ".png"))
    write_frame(tmp_path / "out.png", stamped(frame, RECORD | {"is_synthetic": False}))
    assert SOURCE_TYPE.encode() not in (tmp_path / "out.png").read_bytes()


@pytest.mark.parametrize("orientation", range(1, 9))
def test_when_a_photograph_lies_on_its_side_then_it_stands_up_as_in_a_viewer(
    tmp_path: Path, orientation: int
) -> None:
    exif = Image.Exif()
    exif[0x112] = orientation
    path = still(tmp_path, ".tif")
    with Image.open(path) as plain:
        plain.load()
        plain.save(path, exif=exif, compression="raw")
    with Image.open(path) as again:
        expected = np.asarray(ImageOps.exif_transpose(again))
    found = upright(read_frame(path))
    assert np.array_equal((found.rgb("") * 255.0 + 0.5).astype(np.uint8), expected)
    assert upright(found) is found
