"""Sets of edited pictures: the same bytes however they were made, nothing lost, bad input refused."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import tarfile
import time
from pathlib import Path

import cv2
import numpy as np
import pytest
from lineament.core.augment.draws import Draws
from lineament.core.augment.filters import Limits
from lineament.core.errors import DataError, PlateError, RecipeError
from lineament.core.io import read_frame
from lineament.core.recipe import EditRecipe
from lineament.plugin import augment_folder, augment_run, augment_work
from lineament.plugin.augment_finish import check_set
from lineament.plugin.augment_job import AugmentJob, Form, find_pictures
from lineament.plugin.augment_run import augment
from lineament.plugin.cli import main
from lineament.plugin.messages import ToolChoices
from PIL import Image

RANGES = (("age", -1.0, 2.0), ("glasses", 1.0, 2.5))
TABLES = ("metadata.jsonl", "rejected.jsonl", "README.md", "contact_sheet.png")


@pytest.fixture(scope="module")
def album(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three pictures of the sample person, one of nobody; PNG and EXR, one in a folder of its own."""
    import lineament.plugin

    plates = Path(lineament.plugin.__file__).parent / "demo_shot" / "plate"
    folder = tmp_path_factory.mktemp("album")
    for number in (1001, 1002):
        rgb = read_frame(plates / f"plate.{number}.exr").rgb("")
        shown = np.clip(np.clip(rgb, 0, 1) ** (1 / 2.2) * 255, 0, 255).astype(np.uint8)
        Image.fromarray(np.ascontiguousarray(shown[60:420])).save(folder / f"b{number}.png")
    (folder / "deeper").mkdir()
    (folder / "deeper" / "a.exr").write_bytes((plates / "plate.1003.exr").read_bytes())
    noise = cv2.GaussianBlur(np.random.default_rng(1).random((200, 200, 3)), (0, 0), 8)
    Image.fromarray((noise * 255).astype(np.uint8)).save(folder / "nobody.png")
    return folder


def job(album: Path, output: Path, draws: Draws | None = None, **form: object) -> AugmentJob:
    """Two draws of age and glasses on every picture."""
    draws = draws or Draws(ranges=RANGES, count=2, has_original=True)
    choices = ToolChoices(cache=str(album.parent / "cache"))
    return AugmentJob(
        find_pictures([str(album)], str(output)),
        draws,
        Limits(),
        EditRecipe(),
        choices,
        Form(**form),
        str(output),
    )


def contents(folder: Path) -> dict[str, bytes]:
    """Every file that readers of a set look at."""
    names = [*TABLES, *(str(path.relative_to(folder)) for path in folder.rglob("*") if path.parent != folder)]
    return {name: (folder / name).read_bytes() for name in names if (folder / name).is_file()}


@pytest.fixture(scope="module")
def made(album: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The set as one process makes it."""
    folder = tmp_path_factory.mktemp("made") / "set"
    outcome = augment(job(album, folder))
    assert outcome.faceless == ["nobody"]
    assert (outcome.accepted, outcome.rejected, outcome.failed) == (9, 0, {})
    return folder


def rows(folder: Path, name: str = "metadata.jsonl") -> list[dict]:
    return [json.loads(line) for line in (folder / name).read_text().splitlines()]


def test_when_a_set_is_made_then_the_table_names_every_picture_with_its_strengths(made: Path) -> None:
    table = rows(made)
    assert [row["file_name"] for row in table][:3] == [
        "pictures/b1001.original.png", "pictures/b1001.v000.png", "pictures/b1001.v001.png"
    ]  # fmt: skip
    assert (made / "pictures/deeper/a.v001.exr").is_file()
    drawn = {row["variant"]: row["strength_glasses"] for row in table if row["synthetic"]}
    assert len(drawn) == 2 and len(set(drawn.values())) == 2
    assert all(row["strength_glasses"] == drawn[row["variant"]] for row in table if row["synthetic"])
    assert [row["source"] for row in rows(made, "rejected.jsonl")] == ["nobody"]


def test_when_a_picture_is_edited_then_only_the_face_differs_from_the_original(made: Path) -> None:
    table = {row["file_name"]: row for row in rows(made)}
    before, after = (read_frame(made / f"pictures/b1001.{name}.png").rgb("") for name in ("original", "v001"))
    x0, y0, x1, y1 = (int(value) for value in table["pictures/b1001.v001.png"]["face_box"])
    differs = (before != after).any(-1)
    assert differs[y0:y1, x0:x1].mean() > 0.2
    differs[y0 - 2 : y1 + 2, x0 - 2 : x1 + 2] = False
    assert not differs.any()


def test_when_the_original_is_kept_then_its_pixels_are_the_pictures_own(made: Path, album: Path) -> None:
    kept = read_frame(made / "pictures/deeper/a.original.exr")
    assert np.array_equal(kept.rgb(""), read_frame(album / "deeper/a.exr").rgb(""))


def test_when_glasses_are_added_then_the_scorer_sees_them_and_the_identity_stays(made: Path) -> None:
    for row in rows(made):
        if row["synthetic"]:
            assert row["effect_glasses"] > 0.2 and row["identity"] > 0.4


@pytest.mark.slow
def test_when_two_processes_make_it_then_the_bytes_are_the_same(
    made: Path, album: Path, tmp_path: Path
) -> None:
    augment(job(album, tmp_path / "set"), jobs=2)
    assert contents(tmp_path / "set") == contents(made)


def test_when_it_is_made_again_then_nothing_is_done_twice(made: Path, album: Path, monkeypatch) -> None:
    before = contents(made)
    monkeypatch.setattr(augment_run, "open_workshop", lambda job: pytest.fail("the model was opened"))
    outcome = augment(job(album, made))
    assert (outcome.made, outcome.found) == (0, 4)
    assert contents(made) == before


@pytest.fixture
def copied(made: Path, tmp_path: Path) -> Path:
    """The finished set at another place."""
    import shutil

    return Path(shutil.copytree(made, tmp_path / "set"))


def test_when_a_picture_was_damaged_then_the_check_names_it_and_a_run_repairs_it(
    copied: Path, made: Path, album: Path
) -> None:
    hurt = copied / "pictures/b1002.v000.png"
    data = bytearray(hurt.read_bytes())
    data[-40] ^= 1
    hurt.write_bytes(data)
    (copied / "pictures/b1001.v001.png").unlink()
    count, wrong = check_set(copied)
    assert count == 9 and len(wrong) == 2 and any("b1002.v000" in line for line in wrong)
    outcome = augment(job(album, copied))
    assert outcome.made == 2
    assert contents(copied) == contents(made)
    assert check_set(copied) == (9, [])


def test_when_other_options_made_the_folder_then_they_are_named_and_nothing_is_touched(
    copied: Path, album: Path
) -> None:
    before = contents(copied)
    with pytest.raises(DataError, match="seed"):
        augment(job(album, copied, Draws(ranges=RANGES, count=2, seed=9, has_original=True)))
    assert contents(copied) == before


def test_when_the_folder_holds_something_else_then_it_is_refused(album: Path, tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("mine")
    with pytest.raises(DataError, match=r"thesis\.txt"):
        augment(job(album, tmp_path))


@pytest.mark.slow
def test_when_killed_at_any_moment_then_the_same_command_ends_with_the_same_bytes(
    made: Path, album: Path, tmp_path: Path
) -> None:
    command = [
        *(
            sys.executable,
            "-m",
            "lineament.plugin.cli",
            "dataset",
            "augment",
            str(album),
            "-o",
            str(tmp_path / "set"),
        ),
        *("--vary", "age=-1:2", "--vary", "glasses=1:2.5", "--variants", "2", "--include-original"),
        *("--cache", str(album.parent / "cache")),
    ]
    for pictures in (1, 4, 7):
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        limit = time.monotonic() + 120
        while len(list(tmp_path.glob("set/pictures/**/*.*"))) < pictures and process.poll() is None:
            assert time.monotonic() < limit
            time.sleep(0.02)
        process.send_signal(signal.SIGKILL)
        process.wait()
    assert subprocess.run(command, stdout=subprocess.DEVNULL, check=False).returncode == 0
    assert contents(tmp_path / "set") == contents(made)


@pytest.mark.slow
def test_when_packed_into_shards_then_each_picture_lies_beside_its_record(
    album: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "set"
    wanted = job(album, folder, layout="webdataset", crop="aligned", size=64)
    augment(wanted)
    (shard,) = folder.glob("data/*.tar")
    with tarfile.open(shard) as tar:
        names = tar.getnames()
        record = json.loads(tar.extractfile(names[1]).read())  # type: ignore[union-attr]
    assert len(names) == 18 and names[0] == "00000000.png" and record["file_name"].endswith("original.png")
    assert not list(folder.glob("pictures/**/*.png"))
    assert check_set(folder) == (9, [])
    before = shard.read_bytes()
    assert augment(wanted).made == 0
    assert shard.read_bytes() == before
    shard.write_bytes(before[:3000] + b"x" + before[3001:])
    assert augment(wanted).made == 3
    assert shard.read_bytes() == before


def test_when_a_picture_is_rejected_then_the_reason_is_written_and_it_is_not_in_the_table(
    album: Path, tmp_path: Path
) -> None:
    wanted = job(album, tmp_path / "set", Draws(fixed=(("glasses", 2.5),)), keep_rejected=True)
    strict = AugmentJob(
        **{**vars(wanted), "sources": wanted.sources[:1], "limits": Limits(min_identity=0.999)}
    )
    outcome = augment(strict)
    assert (outcome.accepted, outcome.rejected) == (0, 1)
    assert rows(tmp_path / "set") == []
    (told,) = rows(tmp_path / "set", "rejected.jsonl")
    assert "identity" in told["rejected"][0]
    assert (tmp_path / "set" / told["file_name"]).parts[-2] == "rejected"


def test_when_one_picture_cannot_be_read_then_the_others_are_made_and_the_exit_code_tells(
    album: Path, tmp_path: Path, capsys
) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "in/broken.png").write_bytes(b"\x89PNG\r\n\x1a\nnothing")
    (tmp_path / "in/fine.png").write_bytes((album / "b1001.png").read_bytes())
    code = main(["dataset", "augment", str(tmp_path / "in"), "-o", str(tmp_path / "set"), "--set", "age=1.5"])
    assert code == 1
    told = capsys.readouterr()
    assert "broken" in told.err and "1 failed" in told.out
    assert [row["source"] for row in rows(tmp_path / "set")] == ["fine"]


def test_when_the_disk_is_full_then_the_run_ends_and_the_same_command_finishes(
    album: Path, made: Path, tmp_path: Path, monkeypatch
) -> None:
    real, calls = augment_work.write_frame, []

    def full(path: Path, frame: object, **options: object) -> None:
        calls.append(path)
        if len(calls) == 5:
            raise PlateError("No space left on device.", where=str(path), remedy="Free some space.")
        real(path, frame, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(augment_work, "write_frame", full)
    with pytest.raises(PlateError, match="No space"):
        augment(job(album, tmp_path / "set"))
    monkeypatch.setattr(augment_work, "write_frame", real)
    outcome = augment(job(album, tmp_path / "set"))
    assert outcome.found >= 1
    assert contents(tmp_path / "set") == contents(made)


def test_when_another_run_writes_the_set_then_the_second_is_refused(album: Path, tmp_path: Path) -> None:
    with augment_folder.locked(tmp_path / "set"), pytest.raises(DataError, match="Another run"):
        augment(job(album, tmp_path / "set"))


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["--set", "agee=1"], 2, "agee"),
        (["--set", "age=99"], 2, "99"),
        (["--vary", "age=2:-2"], 2, "ends before"),
        (["--vary", "age"], 2, "age=-2:2"),
        (["--vary", "age=0:x"], 2, "no number"),
        (["--set", "age=1", "--variants", "5"], 2, "--vary"),
        ([], 2, "No edit"),
        (["--set", "age=1", "--crop", "oval"], 2, "oval"),
    ],
)
def test_when_the_options_are_wrong_then_one_sentence_says_what_and_nothing_is_left(
    album: Path, tmp_path: Path, capsys, arguments: list[str], code: int, said: str
) -> None:
    assert main(["dataset", "augment", str(album), "-o", str(tmp_path / "set"), *arguments]) == code
    assert said in capsys.readouterr().err
    assert not list(tmp_path.glob("set/pictures"))


def test_when_the_pictures_are_wrong_then_they_are_refused(album: Path, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(PlateError, match="No picture"):
        find_pictures([str(tmp_path / "empty")], str(tmp_path / "set"))
    with pytest.raises(PlateError, match="does not exist"):
        find_pictures([str(tmp_path / "none.png")], str(tmp_path / "set"))
    with pytest.raises(DataError, match="inside each other"):
        find_pictures([str(album)], str(album / "set"))
    with pytest.raises(PlateError, match="Two pictures"):
        find_pictures(
            [str(album / "b1001.png"), str(_copy(album / "b1001.png", tmp_path / "b1001.png"))], "set"
        )


def _copy(source: Path, target: Path) -> Path:
    target.write_bytes(source.read_bytes())
    return target


def test_when_the_folder_cannot_be_made_then_it_says_so(album: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(PlateError, match="cannot be made"):
        augment(job(album, tmp_path / "file" / "set"))


def test_when_recipes_change_over_time_then_they_are_refused(tmp_path: Path, album: Path, capsys) -> None:
    path = tmp_path / "keyed.yaml"
    path.write_text("version: 1\nstrengths:\n  age: {1: 0, 9: 1}\n")
    code = main(["dataset", "augment", str(album), "-o", str(tmp_path / "set"), "--recipe", str(path)])
    assert code == RecipeError.exit_code
