"""A set over its life: it grows, changes its form, loses nothing unasked, and holds what its table names, no more."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from lineament.core.augment.draws import Draws
from lineament.core.augment.filters import Limits
from lineament.core.errors import DataError
from lineament.core.io import read_frame
from lineament.core.recipe import EditRecipe
from lineament.plugin.augment_finish import check_set
from lineament.plugin.augment_job import AugmentJob, Form, find_pictures
from lineament.plugin.augment_run import AugmentOutcome, augment
from lineament.plugin.messages import ToolChoices
from PIL import Image

TABLE = "metadata.jsonl"


@pytest.fixture(scope="module")
def album(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One face as JPEG, as PNG of another size, and as TIFF that stands on its head until a viewer turns it."""
    import lineament.plugin

    plate = Path(lineament.plugin.__file__).parent / "demo_shot" / "plate" / "plate.1001.exr"
    folder = tmp_path_factory.mktemp("album")
    rgb = np.clip(read_frame(plate).rgb(""), 0.0, 1.0) ** (1 / 2.2)
    shown = (
        Image.fromarray(np.asarray(rgb * 255.0 + 0.5, np.uint8)).crop((80, 80, 420, 420)).resize((256, 256))
    )
    shown.save(folder / "a.jpg", quality=95)
    shown.resize((320, 320)).save(folder / "b.png")
    exif = Image.Exif()
    exif[0x112] = 3
    shown.rotate(180).save(folder / "c.tif", exif=exif)
    return folder


def made(
    album: Path, output: Path, *, count: int = 1, nearest: float = 0.0, **options: object
) -> AugmentOutcome:
    """Make or go on with a set of ``count`` draws of glasses."""
    form = {name: options.pop(name) for name in ("layout", "picture") if name in options}
    job = AugmentJob(
        find_pictures([str(album)], str(output)),
        Draws(
            ranges=(("glasses", 1.5, 2.5),), count=count, has_original=bool(options.pop("original", False))
        ),
        Limits(min_distance=nearest),
        EditRecipe(),
        ToolChoices(cache=str(album.parent / "cache")),
        Form(**form),  # type: ignore[arg-type]
        str(output),
    )
    return augment(job, **options)  # type: ignore[arg-type]


def names(folder: Path, table: str = TABLE) -> list[str]:
    return [json.loads(line)["file_name"] for line in (folder / table).read_text().splitlines()]


def pictures(folder: Path) -> list[str]:
    return sorted(
        one.relative_to(folder).as_posix() for one in (folder / "pictures").rglob("*") if one.is_file()
    )


@pytest.fixture(scope="module")
def a_set(album: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A set of loose pictures, one variant of each and the originals."""
    folder = tmp_path_factory.mktemp("set") / "set"
    made(album, folder, original=True)
    return folder


@pytest.fixture
def copied(a_set: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(a_set, tmp_path / "set"))


def test_when_stills_are_kept_then_jpeg_stays_and_tiff_becomes_png_and_stands_up(a_set: Path) -> None:
    assert names(a_set) == pictures(a_set)
    assert [Path(name).suffix for name in names(a_set)] == [".jpg"] * 2 + [".png"] * 4
    upright, turned = (
        read_frame(a_set / f"pictures/{name}").rgb("") for name in ("a.original.jpg", "c.original.png")
    )
    assert np.abs(upright - turned).mean() < 0.02 < np.abs(upright - turned[::-1, ::-1]).mean()


def test_when_a_jpeg_is_edited_then_pillow_reads_where_it_comes_from(a_set: Path) -> None:
    with (
        Image.open(a_set / "pictures/a.v000.jpg") as edited,
        Image.open(a_set / "pictures/a.original.jpg") as plain,
    ):
        assert b"compositeWithTrainedAlgorithmicMedia" in edited.info["xmp"]
        assert b"a.jpg" in edited.info["xmp"] and b"glasses" in edited.info["xmp"]
        assert b"DigitalSourceType" not in plain.info["xmp"]


def test_when_a_column_is_a_strength_then_every_row_has_it(a_set: Path) -> None:
    rows = [json.loads(line) for line in (a_set / TABLE).read_text().splitlines()]
    assert all((row["strength_glasses"] == 0.0) != row["synthetic"] for row in rows)


def test_when_more_variants_are_asked_for_then_the_first_ones_stay_and_fewer_are_refused(
    album: Path, copied: Path
) -> None:
    before = {name: (copied / name).read_bytes() for name in pictures(copied)}
    assert made(album, copied, count=2, original=True).accepted == 9
    assert before.items() <= {name: (copied / name).read_bytes() for name in pictures(copied)}.items()
    with pytest.raises(DataError, match="would lose 3 pictures"):
        made(album, copied, original=True)
    assert check_set(copied) == (9, [])
    made(album, copied, original=True, overwrite=True)
    assert pictures(copied) == names(copied) == sorted(before)
    assert made(album, copied, original=True).made == 0


def test_when_a_photograph_is_gone_then_its_edits_stay_until_they_are_to_go(
    album: Path, copied: Path, tmp_path: Path
) -> None:
    fewer = Path(shutil.copytree(album, tmp_path / "fewer"))
    (fewer / "b.png").unlink()
    with pytest.raises(DataError, match=r"pictures/b\."):
        made(fewer, copied, original=True)
    assert len(pictures(copied)) == 6
    outcome = made(fewer, copied, original=True, overwrite=True)
    assert (outcome.made, outcome.found) == (0, 2)
    assert pictures(copied) == names(copied) and len(names(copied)) == 4
    assert made(fewer, copied, original=True).made == 0
    assert made(album, copied, original=True).made == 1 and check_set(copied) == (6, [])


def test_when_the_form_changes_there_and_back_then_no_picture_is_lost_or_made_again(
    album: Path, a_set: Path, copied: Path
) -> None:
    before = {name: (a_set / name).read_bytes() for name in [*pictures(a_set), TABLE, "README.md"]}
    assert made(album, copied, original=True, layout="webdataset").made == 0
    assert pictures(copied) == [] and check_set(copied) == (6, [])
    assert made(album, copied, original=True).made == 0
    assert {name: (copied / name).read_bytes() for name in before} == before
    assert not list(copied.glob("data/*")) and check_set(copied) == (6, [])


def test_when_two_pictures_show_the_same_then_the_second_is_rejected_and_nothing_is_done_twice(
    album: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "set"
    outcome = made(album, folder, nearest=0.02)
    assert (outcome.accepted, outcome.rejected) == (1, 2)
    told = [json.loads(line) for line in (folder / "rejected.jsonl").read_text().splitlines()]
    assert [one["source"] for one in told] == ["b", "c"] and all("'a'" in one["rejected"][0] for one in told)
    assert pictures(folder) == names(folder) == ["pictures/a.v000.jpg"]
    assert made(album, folder, nearest=0.02).made == 0


def test_when_the_first_of_two_is_gone_then_the_second_takes_its_place(album: Path, tmp_path: Path) -> None:
    some = Path(shutil.copytree(album, tmp_path / "some"))
    made(some, tmp_path / "set", nearest=0.02)
    (some / "a.jpg").unlink()
    made(some, tmp_path / "set", nearest=0.02, overwrite=True)
    assert pictures(tmp_path / "set") == names(tmp_path / "set") == ["pictures/b.v000.png"]


def test_when_a_picture_or_a_table_was_tampered_with_then_the_check_says_so(copied: Path) -> None:
    (copied / "pictures" / "mine.png").write_bytes(b"x")
    (copied / TABLE).write_text((copied / TABLE).read_text().replace("true", "false", 1))
    count, wrong = check_set(copied)
    assert count == 6 and len(wrong) == 2
    assert "no table names it" in wrong[1] and TABLE in wrong[0]


def test_when_a_picture_is_damaged_beside_a_folder_of_a_like_name_then_the_others_are_made(
    album: Path, tmp_path: Path
) -> None:
    some = tmp_path / "set2"
    some.mkdir()
    shutil.copy(album / "a.jpg", some / "z.jpg")
    (some / "broken.png").write_bytes(b"nothing")
    outcome = made(some, tmp_path / "set")
    assert list(outcome.failed) == ["broken"] and outcome.accepted == 1


def test_when_a_first_run_was_killed_while_it_wrote_then_the_folder_is_still_its_own(
    album: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "set"
    folder.mkdir()
    (folder / ".tmp-abc").write_bytes(b"half")
    assert made(album, folder).accepted == 3
