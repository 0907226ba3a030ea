"""Frames, sidecars and the cache folder of the Blender host: what of it needs no Blender."""

from __future__ import annotations

import errno
import hashlib
import os
import struct
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from lineament.core.errors import FaceError, HostError, PlateError, RecipeError
from lineament.core.recipe import EditRecipe, Move, Strength
from lineament.hosts.blender import cache, record
from lineament.hosts.blender.cache import Location
from lineament.hosts.blender.frames import format_frames, parse_frames, runs_of
from lineament.hosts.blender.record import EDITED, IDENTITY, Ask, FrameRecord
from lineament.hosts.blender.report import BakeReport
from lineament.hosts.blender.tap_file import digest_of, is_constant, size_of
from lineament.plugin.messages import ToolChoices

RECIPE = EditRecipe(moves=(Move("age", Strength.constant(1.5)),), exposure=2.0, notes={"by": "me"})
ENGINE = {"generator_id": "g", "weights": "w", "inverter": "encoder", "version": "0.1.0", "licence": "CC0"}


def ask(**changes) -> Ask:
    return replace(Ask("plate", "", False, RECIPE, ToolChoices(), "0.1", 1.0), **changes)


def edited(frame: int, asked: Ask, size: int = 4) -> FrameRecord:
    return FrameRecord(
        frame, EDITED, asked.key, "Edit", record.ask_data(asked), ENGINE, {"face": 1}, size=size,
        digest=hashlib.sha256(b"EXR!").hexdigest(),
    )  # fmt: skip


def place(location: Location, frame: int, asked: Ask) -> None:
    with cache.work_folder(location.folder) as work:
        (work / "result.exr").write_bytes(b"EXR!")
        location.place(work / "result.exr", edited(frame, asked))


@pytest.mark.parametrize(
    ("text", "numbers"),
    [
        ("3", (3,)),
        ("1-3", (1, 2, 3)),
        ("1-7x3, 5", (1, 4, 5, 7)),
        ("-2-1", (-2, -1, 0, 1)),
        ("2,1,2", (1, 2)),
    ],
)
def test_when_frames_are_named_then_they_are_listed_once(text: str, numbers: tuple[int, ...]) -> None:
    assert parse_frames(text) == numbers
    assert parse_frames(format_frames(numbers)) == numbers


@pytest.mark.parametrize("text", ["", "a", "3-1", "1-5x0", "1-9999999", "1..4"])
def test_when_frames_are_not_frames_then_the_part_is_quoted(text: str) -> None:
    with pytest.raises(RecipeError, match="does not name frames") as caught:
        parse_frames(text)
    assert caught.value.remedy


def test_when_frames_are_told_then_runs_and_steps_are_short() -> None:
    assert format_frames([1, 2, 3, 5, 7, 9, 20]) == "1-3,5-9x2,20"
    assert format_frames([]) == ""
    assert runs_of([5, 1, 2, 4]) == ((1, 2), (4, 5))


@pytest.mark.parametrize(
    "change",
    [
        {"plate": "other"}, {"matte": "m"}, {"invert_matte": True}, {"spec_version": "0.2"}, {"pixel_aspect": 2.0},
        {"recipe": replace(RECIPE, moves=(Move("age", Strength.constant(1.4)),))},
        {"choices": ToolChoices(device="cuda")},
        {"recipe": replace(RECIPE, mix=0.5)}, {"recipe": replace(RECIPE, exposure=4.0)},
    ],
)  # fmt: skip
def test_when_anything_that_decides_pixels_changes_then_the_key_does(change: dict) -> None:
    assert ask(**change).key != ask().key


def test_when_only_notes_or_the_latent_cache_change_then_the_key_stays() -> None:
    assert ask(recipe=replace(RECIPE, notes={}), choices=ToolChoices(cache="/elsewhere")).key == ask().key


def test_when_a_config_moves_then_the_key_stays_until_its_content_changes(tmp_path: Path) -> None:
    for name, text in (("one", "a"), ("two", "a"), ("three", "b")):
        (tmp_path / name).write_text(text)
    one, two, three = (
        ask(choices=ToolChoices(ocio=str(tmp_path / name))).key for name in ("one", "two", "three")
    )
    assert one == two != three


def test_when_a_frame_is_placed_then_it_is_valid_for_its_key_and_engine_alone(tmp_path: Path) -> None:
    location = Location(tmp_path / "node é")
    place(location, 7, ask())
    known = location.record(7)
    assert known == edited(7, ask())
    assert location.is_valid(known, ask().key, ENGINE) and location.is_valid(known, ask().key)
    assert not location.is_valid(known, ask(plate="other").key, ENGINE)
    assert not location.is_valid(known, ask().key, {**ENGINE, "weights": "new"})
    assert location.is_valid(known, ask().key, {**ENGINE, "licence": "told otherwise"})
    assert location.edited_frames() == (7,)
    assert sorted(path.name for path in location.folder.iterdir()) == ["result.0007.exr", "result.0007.json"]


def test_when_a_result_is_truncated_or_gone_then_the_frame_is_not_valid(tmp_path: Path) -> None:
    location = Location(tmp_path)
    place(location, 1, ask())
    location.result(1).write_bytes(b"EX")
    assert not location.is_valid(location.record(1), ask().key)
    location.result(1).unlink()
    assert location.edited_frames() == ()


@pytest.mark.parametrize(
    "content", [b"", b"{", b"[]", b"{}", b'{"schema": 99}', b"\xff\xfe", b'{"schema": 1}']
)
def test_when_a_sidecar_is_damaged_then_the_frame_counts_as_missing(tmp_path: Path, content: bytes) -> None:
    location = Location(tmp_path)
    location.sidecar(1).write_bytes(content)
    assert location.record(1) is None and location.records() == ()


def test_when_a_frame_fails_then_it_is_shown_no_more_and_its_picture_stays_until_it_is_right_again(
    tmp_path: Path,
) -> None:
    location = Location(tmp_path)
    place(location, 1, ask())
    location.place_failure(1, "Edit", FaceError("No face.", where="frame 1", remedy="Draw one."))
    failure = location.record(1).failure
    assert isinstance(failure, FaceError) and failure.remedy == "Draw one."
    assert location.edited_frames() == () and not location.is_valid(location.record(1), "")
    assert location.is_valid(location.made(1), ask().key, ENGINE), "what is there may be right for somebody"
    location.forget_failure(1)
    assert location.edited_frames() == (1,) and location.record(1).failure is None
    location.place_failure(1, "Edit", FaceError("No face."))
    location.withdraw(1)
    assert not location.result(1).exists() and location.record(1).failure is not None
    assert location.clear() == 1 and list(tmp_path.iterdir()) == []


def test_when_a_byte_of_a_result_changes_then_only_a_whole_look_tells(tmp_path: Path) -> None:
    location = Location(tmp_path)
    place(location, 1, ask())
    location.result(1).write_bytes(b"EXR?")
    known = location.record(1)
    assert location.is_whole(known) and not location.is_sound(known)
    assert not location.is_valid(known, ask().key, ENGINE)


def test_when_a_frame_is_taken_over_then_both_folders_have_it_and_one_outlives_the_other(
    tmp_path: Path,
) -> None:
    source, target = Location(tmp_path / "one"), Location(tmp_path / "two")
    place(source, 1, ask())
    target.adopt(source, source.made(1))
    source.clear()
    assert target.is_valid(target.made(1), ask().key, ENGINE)
    assert sorted(path.name for path in target.folder.iterdir()) == ["result.0001.exr", "result.0001.json"]


def test_when_nothing_is_to_be_edited_then_no_old_picture_is_left(tmp_path: Path) -> None:
    location = Location(tmp_path)
    place(location, 1, ask())
    location.place_identity(FrameRecord(1, IDENTITY, "", "Edit"))
    assert not location.result(1).exists() and location.record(1).status == IDENTITY


def test_when_work_is_interrupted_then_no_partial_file_is_left(tmp_path: Path) -> None:
    location = Location(tmp_path)
    with pytest.raises(KeyboardInterrupt), cache.work_folder(location.folder) as work:
        (work / "result.exr").write_bytes(b"half")
        raise KeyboardInterrupt
    assert list(tmp_path.iterdir()) == []


def test_when_a_killed_process_left_its_work_then_a_later_one_removes_it(tmp_path: Path) -> None:
    old, young = tmp_path / ".work-old", tmp_path / ".work-young"
    old.mkdir(), young.mkdir()
    os.utime(old, (0, 0))
    with cache.work_folder(tmp_path):
        assert not old.exists() and young.exists()


@pytest.mark.parametrize(("code", "words"), [(errno.ENOSPC, "is full"), (errno.EACCES, "cannot be written")])
def test_when_the_system_refuses_then_the_sentence_says_why(
    tmp_path, monkeypatch, code: int, words: str
) -> None:
    location = Location(tmp_path)

    def refuse(*_: object) -> None:
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(cache, "write_atomically", refuse)
    with pytest.raises(HostError, match=words) as caught:
        place(location, 1, ask())
    assert caught.value.remedy and str(tmp_path) in caught.value.where
    assert location.edited_frames() == () and location.record(1) is None


def test_when_the_folder_is_a_file_then_the_sentence_says_so(tmp_path: Path) -> None:
    (tmp_path / "node").write_text("in the way")
    with pytest.raises(HostError, match="cannot be written"):
        place(Location(tmp_path / "node"), 1, ask())


def test_when_frames_are_cleared_then_others_and_other_views_stay(tmp_path: Path) -> None:
    left, right = Location(tmp_path, "_L"), Location(tmp_path, "_R")
    for location in (left, right):
        for frame in (1, 2, -3):
            place(location, frame, ask())
    assert left.clear((2, 9)) == 1
    assert left.edited_frames() == (-3, 1) and right.edited_frames() == (-3, 1, 2)
    assert right.clear() == 3 and right.records() == ()
    assert left.result(1).name == "result.0001_L.exr" and left.result(-3).name == "result.-0003_L.exr"


@pytest.mark.parametrize("value", ['"abc"', "null", "[1]", "0", "-1", "NaN", "Infinity", "0.3", "true"])
def test_when_an_exposure_was_tampered_with_then_it_is_chosen_anew(tmp_path: Path, value: str) -> None:
    (tmp_path / "exposures.json").write_text(f'{{"a": {value}, "b": 2.0}}')
    assert cache.remembered_exposure(tmp_path, "a") is None
    assert cache.remembered_exposure(tmp_path, "b") == 2.0


def test_when_an_exposure_was_chosen_then_later_frames_find_it(tmp_path: Path) -> None:
    assert cache.remembered_exposure(tmp_path, "a") is None
    cache.remember_exposure(tmp_path, "a", 0.25)
    cache.remember_exposure(tmp_path, "b", 8.0)
    assert (cache.remembered_exposure(tmp_path, "a"), cache.remembered_exposure(tmp_path, "b")) == (0.25, 8.0)
    (tmp_path / "exposures.json").write_text("broken")
    assert cache.remembered_exposure(tmp_path, "a") is None


def test_when_a_sidecar_is_read_back_then_it_asks_the_same(tmp_path: Path) -> None:
    asked = ask(matte="m", invert_matte=True)
    again = record.decoded(edited(5, asked).encoded())
    assert record.ask_from(again).key == asked.key
    request = record.request_of(again, tmp_path / "plate.exr", tmp_path / "out.exr", tmp_path / "matte.exr")
    assert request.recipe.strengths_at(5) == {"age": 1.5} and request.invert_matte and request.number == 5


@pytest.fixture
def write_exr():
    sys.path.insert(0, str(Path(__file__).parent / "blender"))
    try:
        import plate_files
    finally:
        sys.path.pop(0)
    return plate_files.write_exr


def test_when_one_bit_of_a_tap_changes_then_its_digest_does(tmp_path: Path, write_exr) -> None:
    pixels = np.zeros((4, 6, 4), np.float32)
    one = digest_of(write_exr(tmp_path / "a.exr", pixels))
    assert digest_of(write_exr(tmp_path / "b.exr", pixels)) == one
    assert digest_of(write_exr(tmp_path / "w.exr", pixels, origin=(1, 0))) != one
    assert digest_of(write_exr(tmp_path / "p.exr", pixels, pixel_aspect=2.0)) != one
    pixels.view(np.uint32)[3, 5, 2] ^= 1
    assert digest_of(write_exr(tmp_path / "c.exr", pixels)) != one
    assert size_of(tmp_path / "a.exr") == (6, 4)


def test_when_a_mask_is_empty_then_it_is_known_by_its_first_channel(tmp_path: Path, write_exr) -> None:
    pixels = np.zeros((4, 6, 4), np.float32)
    pixels[..., 3] = 1.0
    assert is_constant(write_exr(tmp_path / "empty.exr", pixels), 0.0)
    pixels[3, 5, 0] = 1e-30
    assert not is_constant(write_exr(tmp_path / "some.exr", pixels), 0.0)
    pixels[..., 0] = np.nan
    assert not is_constant(write_exr(tmp_path / "nan.exr", pixels), 0.0)


@pytest.mark.parametrize(
    "content", [b"", b"not an EXR at all, by far", struct.pack("<ii", 20000630, 2) + b"chan"]
)
def test_when_a_tap_is_damaged_then_it_is_a_plate_error(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "tap.exr").write_bytes(content)
    with pytest.raises(PlateError, match="cannot be used"):
        digest_of(tmp_path / "tap.exr")


def test_when_a_tap_is_cut_off_then_it_is_a_plate_error(tmp_path: Path, write_exr) -> None:
    path = write_exr(tmp_path / "tap.exr", np.zeros((4, 6, 4), np.float32))
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(PlateError, match="not complete"):
        digest_of(path)
    with pytest.raises(PlateError, match="No such file"):
        digest_of(tmp_path / "missing.exr")


def test_when_a_bake_ends_then_code_and_summary_tell_how() -> None:
    report = BakeReport((1, 2, 3, 4))
    report.done, report.skipped = [1, 2], [3, 4]
    assert (report.exit_code, report.left) == (
        0,
        (),
    ) and report.summary == "2 of 4 frames edited, 2 were valid."
    report.done, report.failed = [1], {2: FaceError("No face.", remedy="Draw one.")}
    assert (report.exit_code, report.left) == (1, (2,)) and "to do again: 2" in report.summary
    report.done, report.skipped = [], []
    assert report.exit_code == FaceError.exit_code
    report.is_cancelled = True
    assert report.exit_code == 130 and "cancelled" in report.summary
