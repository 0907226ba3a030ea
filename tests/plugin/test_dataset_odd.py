"""Sets of odd pictures: turned, transparent, of 16 bit, grey, of one pixel, and of names that meet."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import lineament.plugin
import numpy as np
import OpenImageIO as oiio
import pytest
from lineament.core.augment.draws import Draws
from lineament.core.augment.upright import upright
from lineament.core.errors import DataError, PlateError, RecipeError
from lineament.core.frame import Frame
from lineament.core.io import read_frame, write_frame
from lineament.plugin import augment_run, augment_sheet
from lineament.plugin.augment_job import find_pictures
from lineament.plugin.augment_work import PictureTask
from lineament.plugin.cli import main
from lineament.plugin.farm_dask import DaskOptions
from PIL import Image

from .fake_dataset import make_album, make_set

PLATE = Path(lineament.plugin.__file__).parent / "demo_shot" / "plate" / "plate.1001.exr"
TURNED = {3: 180, 6: 90, 8: 270}
"""EXIF's orientation, and how far a picture was turned to the left before a viewer turns it back."""


@pytest.fixture(scope="module")
def face() -> Image.Image:
    rgb = np.clip(read_frame(PLATE).rgb(""), 0.0, 1.0) ** (1 / 2.2)
    return Image.fromarray(np.asarray(rgb * 255.0 + 0.5, np.uint8)).crop((80, 60, 430, 460))


@pytest.fixture(scope="module")
def odd(face: Image.Image, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of pictures as they come from everywhere."""
    folder = tmp_path_factory.mktemp("odd") / "in"
    folder.mkdir()
    alpha = face.copy()
    alpha.putalpha(Image.linear_gradient("L").resize(face.size))
    alpha.save(folder / "alpha.png")
    exif = Image.Exif()
    exif[0x112] = 6
    face.rotate(90, expand=True).save(folder / "turned é.png", exif=exif)
    _write_16_bit(folder / "sixteen.png", np.asarray(face, np.uint16) * 257)
    face.convert("L").save(folder / "grey.png")
    face.convert("LA").save(folder / "grey_alpha.png")
    face.convert("CMYK").save(folder / "cmyk.jpg")
    face.resize((1, 1)).save(folder / "pixel.png")
    return folder


def _write_16_bit(path: Path, pixels: np.ndarray) -> None:
    spec = oiio.ImageSpec(pixels.shape[1], pixels.shape[0], 3, "uint16")
    out = oiio.ImageOutput.create(str(path))
    assert out.open(str(path), spec) and out.write_image(np.ascontiguousarray(pixels)) and out.close()


def test_when_pictures_are_odd_then_each_is_edited_or_named_with_its_reason(
    odd: Path, face: Image.Image, tmp_path: Path, capsys
) -> None:
    words = [
        "--set",
        "glasses=2",
        "--include-original",
        "--min-distance",
        "0",
        "--cache",
        str(tmp_path / "cache"),
    ]
    assert main(["dataset", "augment", str(odd), "-o", str(tmp_path / "set"), *words]) == 1
    told = capsys.readouterr()
    assert "7 sources: 7 processed now, 0 before; 1 without a face, 3 failed." in told.out
    assert f"6 pictures in {tmp_path / 'set'}, 0 rejected." in told.out
    assert "1/7 alpha: 2 variants" in told.out and "No face: pixel" in told.err
    assert all(f"{name}: " in told.err for name in ("grey", "grey_alpha", "cmyk"))
    pictures = tmp_path / "set" / "pictures"
    before, after = (Image.open(pictures / f"alpha.{name}.png") for name in ("original", "v000"))
    with before, after, Image.open(odd / "alpha.png") as source:
        assert before.tobytes() == source.tobytes() != after.tobytes()
        assert after.getchannel("A").tobytes() == source.getchannel("A").tobytes()
    with Image.open(pictures / "turned é.v000.png") as turned:
        assert turned.size == face.size and turned.getexif().get(0x112, 1) == 1
    sixteen = read_frame(pictures / "sixteen.v000.png").parts[0].planes["R"]
    assert sixteen.dtype == np.uint16 and (sixteen % 257 != 0).any()


@pytest.mark.parametrize("value", TURNED)
def test_when_a_png_says_how_it_is_turned_then_it_is_turned_once(
    face: Image.Image, tmp_path: Path, value: int
) -> None:
    exif = Image.Exif()
    exif[0x112] = value
    face.rotate(TURNED[value], expand=True).save(tmp_path / "a.png", exif=exif)
    write_frame(tmp_path / "b.png", upright(read_frame(tmp_path / "a.png")))
    with Image.open(tmp_path / "b.png") as shown:
        assert shown.getexif().get(0x112, 1) == 1
        assert np.array_equal(np.asarray(shown), np.asarray(face))


def test_when_two_pictures_differ_in_the_suffix_alone_then_the_remedy_is_one_that_helps(
    face: Image.Image, tmp_path: Path
) -> None:
    for name in ("a.png", "a.jpg"):
        face.save(tmp_path / name)
    with pytest.raises(PlateError, match="'a'") as caught:
        find_pictures([str(tmp_path)], str(tmp_path.parent / "set"))
    assert "suffix" in caught.value.remedy and "a.jpg, " in str(caught.value.where)


def test_when_a_picture_of_the_set_itself_is_given_then_it_is_refused(tmp_path: Path) -> None:
    folder = tmp_path / "set" / "pictures"
    folder.mkdir(parents=True)
    (folder / "a.v000.png").touch()
    for text in (folder / "a.v000.png", folder / "a.####.png"):
        with pytest.raises(DataError, match="output folder"):
            find_pictures([str(text)], str(tmp_path / "set"))


@pytest.mark.parametrize(
    ("draws", "said"),
    [
        ({"recipes": (("old", (("age", 1.0),)), ("old", (("age", 2.0),)))}, "Two recipes"),
        ({"recipes": (("original", (("age", 1.0),)),), "has_original": True}, "'original'"),
        ({"grid": (("age", (1.0, 2.0, 1.0)),)}, "twice"),
    ],
)
def test_when_two_variants_would_be_one_file_then_it_is_refused(draws: dict, said: str) -> None:
    with pytest.raises(RecipeError, match=said):
        Draws(**draws)


def test_when_a_set_grows_beyond_a_thousand_variants_then_the_first_keep_their_names() -> None:
    few, many = (Draws(ranges=(("age", -1.0, 1.0),), count=count).variants("") for count in (1000, 1025))
    assert few == many[:1000] and many[1000].name == "v1000"


def test_when_a_dry_run_names_an_attribute_that_is_not_there_then_it_says_so(
    odd: Path, tmp_path: Path, capsys
) -> None:
    words = ["dataset", "augment", str(odd), "-o", str(tmp_path / "set"), "--dry-run"]
    assert main([*words, "--set", "agee=1"]) == 2
    assert "agee" in capsys.readouterr().err
    assert main([*words, "--set", "age=1"]) == 0
    assert "7 pictures, 1 variant of each" in capsys.readouterr().out and not (tmp_path / "set").exists()


def test_when_a_packed_set_grows_then_the_pictures_in_its_shards_keep_their_bytes(tmp_path: Path) -> None:
    make_album(tmp_path / "in", 2)
    make_set(tmp_path / "in", tmp_path / "set", layout="webdataset")
    before = _members(tmp_path / "set")
    make_album(tmp_path / "in", 3)
    make_set(tmp_path / "in", tmp_path / "set", 7, layout="webdataset")
    after = _members(tmp_path / "set")
    assert len(before) == 8 and len(after) == 21 and before.items() <= after.items()


def _members(folder: Path) -> dict[str, str]:
    """Picture -> hash, as the records inside the shards have them, each compared with the bytes beside it."""
    import hashlib
    import tarfile

    found = {}
    for shard in folder.glob("data/*.tar"):
        with tarfile.open(shard) as tar:
            parts = {one.name: tar.extractfile(one).read() for one in tar}  # type: ignore[union-attr]
        for name, data in parts.items():
            if name.endswith(".json"):
                row = json.loads(data)
                (picture,) = (
                    parts[one] for one in parts if one != name and one.split(".")[0] == name.split(".")[0]
                )
                assert hashlib.sha256(picture).hexdigest() == row["sha256"]
                found[row["file_name"]] = row["sha256"]
    return found


def test_when_a_set_is_read_by_plain_rules_then_every_row_has_its_file_and_columns_have_one_type(
    tmp_path: Path,
) -> None:
    make_set(make_album(tmp_path / "in", 3), tmp_path / "set")
    rows = [json.loads(line) for line in (tmp_path / "set" / "metadata.jsonl").read_text().splitlines()]
    assert len(rows) == 12 and all((tmp_path / "set" / row["file_name"]).is_file() for row in rows)
    assert {tuple(row) for row in rows} == {tuple(rows[0])}
    for name in rows[0]:
        assert len({type(row[name]) for row in rows if row[name] is not None}) <= 1, name


def test_when_the_disk_of_a_dask_run_is_full_then_the_run_ends(tmp_path: Path, monkeypatch) -> None:
    from lineament.plugin import farm_dask

    class Ended:
        result = None
        error = PlateError(
            "No space left on device.", where=str(tmp_path / "set/pictures/a.exr"), remedy="Free some."
        )

    def ended(tasks: list[PictureTask], *rest: object):
        yield Ended()

    monkeypatch.setattr(farm_dask, "run_on_dask", ended)
    plain = augment_run.augment
    monkeypatch.setattr(augment_run, "augment", lambda job: plain(job, dask=DaskOptions()))
    with pytest.raises(PlateError, match="No space"):
        make_set(make_album(tmp_path / "in", 1), tmp_path / "set")


@pytest.mark.slow
def test_when_dask_makes_it_then_the_bytes_are_those_of_one_process(
    face: Image.Image, tmp_path: Path
) -> None:
    pytest.importorskip("distributed")
    (tmp_path / "in").mkdir()
    face.save(tmp_path / "in" / "a.png")
    shutil.copy(PLATE, tmp_path / "in" / "b.exr")
    words = ["--set", "glasses=2", "--min-distance", "0", "--cache", str(tmp_path / "cache")]
    for name, way in (("one", []), ("dask", ["--dask", "local", "--jobs", "2"])):
        assert (
            main(["dataset", "augment", str(tmp_path / "in"), "-o", str(tmp_path / name), *words, *way]) == 0
        )
    first, second = (
        {one.relative_to(folder): one.read_bytes() for one in folder.rglob("*") if _is_compared(one)}
        for folder in (tmp_path / "one", tmp_path / "dask")
    )
    assert first == second and len(first) == 7


def _is_compared(path: Path) -> bool:
    """All but the lock and the manifest, which says when and how long."""
    return path.is_file() and path.name not in (".lock", "manifest.jsonl")


def test_when_a_still_is_upright_then_the_frame_stays_as_it_is(face: Image.Image, tmp_path: Path) -> None:
    face.save(tmp_path / "a.png")
    frame: Frame = read_frame(tmp_path / "a.png")
    assert upright(frame) is frame


def test_when_a_name_has_letters_that_the_sheet_cannot_draw_then_it_is_written_without_boxes() -> None:
    assert augment_sheet._legible("Zoë_Müller") == "Zoe_Muller"
    assert augment_sheet._legible("人_1") == "?_1"
