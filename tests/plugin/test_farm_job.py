"""What a farm is told: frames as ranges, chunks, the shots' files, and the folder that an export is written to."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from lineament.core.errors import LineamentError, PlateError, RecipeError
from lineament.core.shots.shot_file import read_show
from lineament.plugin import farm_export
from lineament.plugin.farm_export import ENGINES, earlier_files, export_files, write_export
from lineament.plugin.farm_frames import frames_of_openjd, openjd_range
from lineament.plugin.farm_job import FarmFile, FarmJob, FarmShot, chunks, farm_job
from lineament.plugin.plan import UsageError
from openjd.model import IntRangeExpr

SHOW = """schema_version: 1
shots:
  sh010: {plate: "p/{shot}.####.exr", output: "out/{shot}.####.exr", mask: "m/{shot}.####.exr", strengths: {age: 1}}
  sh020: {plate: "p/{shot}.####.exr", output: "o/{shot}/x.####.exr", face: {track: t.json}, frames: 1-6, missing: hold}
"""


@pytest.fixture
def show(tmp_path: Path) -> Path:
    """A show whose plates are empty files: none is opened. sh010 has a hole, sh020 holds frames."""
    for name in ("p/sh010", "m/sh010"):
        for number in (1, 2, 4):
            path = tmp_path / f"{name}.{number:04d}.exr"
            path.parent.mkdir(exist_ok=True)
            path.write_text("")
    for number in (1, 3):
        (tmp_path / "p" / f"sh020.{number:04d}.exr").write_text("")
    (tmp_path / "shots.yaml").write_text(SHOW)
    return tmp_path / "shots.yaml"


@given(st.sets(st.integers(-50, 400), min_size=1, max_size=60))
def test_when_frames_become_a_range_then_open_job_description_reads_the_same(numbers: set[int]) -> None:
    text = openjd_range(numbers)
    assert list(IntRangeExpr.from_str(text)) == sorted(numbers)
    assert frames_of_openjd(text) == tuple(sorted(numbers))


@pytest.mark.parametrize(
    ("numbers", "text"),
    [
        ((1, 2, 3, 7), "1-3,7"),
        (range(1, 21, 2), "1-19:2"),
        ((1, 3), "1,3"),
        ((-3, -2, -1), "-3--1"),
        ((5,), "5"),
        ((1, 2, 10, 20, 30), "1-2,10-30:10"),
    ],
)
def test_when_frames_become_a_range_then_it_is_short(numbers: tuple[int, ...], text: str) -> None:
    assert openjd_range(numbers) == text


@pytest.mark.parametrize(
    "text", ["", "x", "1-", "1-5x2", "5-1", "1-5:0", "1:2", "1,,2", "1-99999999999", "1-5:-1", "0x1"]
)
def test_when_a_range_is_wrong_then_it_is_refused(text: str) -> None:
    with pytest.raises(RecipeError, match="not a range"):
        frames_of_openjd(text)


def test_when_a_range_goes_down_then_it_is_the_same_frames() -> None:
    assert frames_of_openjd("5-1:-2") == (1, 3, 5)


@given(st.sets(st.integers(0, 200), min_size=1), st.integers(1, 30))
def test_when_frames_are_cut_then_no_chunk_has_a_hole_and_none_is_lost(numbers: set[int], size: int) -> None:
    pieces = chunks(sorted(numbers), size)
    assert [number for piece in pieces for number in piece] == sorted(numbers)
    assert all(piece[-1] - piece[0] + 1 == len(piece) <= size for piece in pieces)


def test_when_a_show_is_looked_at_then_frames_and_files_are_those_on_disk(show: Path, tmp_path: Path) -> None:
    job = farm_job(read_show(show), show, [])
    first, second = job.shots
    assert first.frames == (1, 2, 4) and not first.is_whole
    assert second.frames == (1, 2, 3, 4, 5, 6) and second.is_whole
    assert len(first.inputs) == 6 and first.output_folders == (str(tmp_path / "out"),)
    assert str(tmp_path / "t.json") in second.inputs
    assert farm_job(read_show(show), show, ["sh010"], frames="2-4x2").shots[0].frames == (2, 4)


@pytest.mark.parametrize(
    ("names", "frames", "text"),
    [
        (["sh010", "sh010"], "", "named twice"),
        (["sh030"], "", "no shot"),
        (["sh010"], "1-9", "has no frame"),
        (["sh010"], "x", "not a frame range"),
    ],
)
def test_when_what_is_asked_for_is_not_there_then_it_is_refused(
    show: Path, names: list[str], frames: str, text: str
) -> None:
    with pytest.raises(LineamentError, match=text) as caught:
        farm_job(read_show(show), show, names, frames=frames)
    assert caught.value.exit_code == 2 and caught.value.remedy


def test_when_plates_are_missing_then_shot_and_line_are_named(show: Path) -> None:
    (show.parent / "p" / "sh010.0001.exr").unlink()
    show.write_text(SHOW.replace("strengths: {age: 1}", "strengths: {age: 1}, frames: 1-2"))
    with pytest.raises(PlateError) as caught:
        farm_job(read_show(show), show, ["sh010"])
    assert "line 3" in caught.value.where and "sh010" in caught.value.where


@pytest.mark.parametrize("bad", ["a\nb", "a\rb", "a\0b", "a\x1b[2Jb", "a\u2028b", "a\x85b", "a\udcffb"])
@pytest.mark.parametrize("field", ["program", "device", "cache"])
def test_when_a_text_has_control_characters_then_no_job_is_written(show: Path, bad: str, field: str) -> None:
    with pytest.raises(UsageError) as caught:
        farm_job(read_show(show), show, [], **{field: bad})  # type: ignore[arg-type]
    assert caught.value.where.isascii()


@pytest.mark.parametrize("engine", sorted(ENGINES))
def test_when_an_engine_is_chosen_then_no_text_differs_between_two_exports(show: Path, engine: str) -> None:
    job = farm_job(read_show(show), show, [])
    files = export_files(job, engine)
    assert files == export_files(job, engine) and len({file.name for file in files}) == len(files)
    assert all(file.name == Path(file.name).name for file in files)


def test_when_the_engine_is_unknown_then_all_are_named(show: Path) -> None:
    with pytest.raises(UsageError, match='no engine "qube"') as caught:
        export_files(farm_job(read_show(show), show, []), "qube")
    assert "openjd, opencue, deadline, tractor" in caught.value.remedy


FILES = (FarmFile("a.txt", "one\n"), FarmFile("b.txt", "two ü\n"))


def test_when_a_folder_is_new_then_it_appears_whole(tmp_path: Path, listing: Callable[[], list[str]]) -> None:
    write_export(tmp_path / "x" / "job", FILES)
    assert listing() == ["x/job/a.txt", "x/job/b.txt", "x/job/lineament_export.json"]
    assert (tmp_path / "x" / "job" / "b.txt").read_text(encoding="utf-8") == "two ü\n"
    plain = tmp_path / "plain"
    plain.mkdir()
    assert (tmp_path / "x" / "job").stat().st_mode == plain.stat().st_mode


def test_when_a_folder_is_there_then_only_an_export_is_replaced(tmp_path: Path) -> None:
    folder = tmp_path / "job"
    folder.mkdir()
    write_export(folder, FILES)
    (folder / "mine.txt").write_text("keep")
    with pytest.raises(UsageError, match="not empty") as caught:
        write_export(folder, FILES)
    assert "--overwrite" in caught.value.remedy
    write_export(folder, (FarmFile("a.txt", "new\n"),), overwrite=True)
    assert sorted(path.name for path in folder.iterdir()) == ["a.txt", "lineament_export.json", "mine.txt"]
    assert (folder / "a.txt").read_text() == "new\n" and earlier_files(folder) == ("a.txt",)


def test_when_a_folder_holds_something_else_then_nothing_is_replaced(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("somebody's")
    with pytest.raises(UsageError, match="something else"):
        write_export(tmp_path, FILES, overwrite=True)
    assert (tmp_path / "a.txt").read_text() == "somebody's"


def test_when_the_list_of_an_export_leads_elsewhere_then_nothing_there_is_removed(tmp_path: Path) -> None:
    folder, other = tmp_path / "job", tmp_path / "other.txt"
    write_export(folder, FILES)
    other.write_text("keep")
    (folder / "lineament_export.json").write_text(
        f'{{"files": ["../other.txt", "{other}", "..", "", 5, "b.txt"]}}'
    )
    write_export(folder, FILES[:1], overwrite=True)
    assert other.read_text() == "keep" and not (folder / "b.txt").exists()


def test_when_the_disk_is_full_then_no_folder_is_left(
    tmp_path: Path, listing: Callable[[], list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(path: Path, data: bytes) -> None:
        if path.name == "b.txt":
            raise OSError(28, os.strerror(28))
        path.write_bytes(data)

    monkeypatch.setattr(farm_export, "write_atomically", full)
    with pytest.raises(PlateError, match="No space left"):
        write_export(tmp_path / "job", FILES)
    assert listing() == [] and not (tmp_path / "job").exists()


def test_when_a_file_is_in_the_way_then_the_error_says_so(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    for folder in (tmp_path / "file", tmp_path / "file" / "job"):
        with pytest.raises(PlateError):
            write_export(folder, FILES)
    assert FarmJob("s", "/f", (FarmShot("a", (1, 2)),)).shots[0].is_whole
