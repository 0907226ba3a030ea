"""Patterns, ranges and what happens to frames that are not there."""

from __future__ import annotations

from pathlib import Path

import pytest
from lineament.core.errors import PlateError, RecipeError
from lineament.core.io import format_frames, frame_path, resolve
from lineament.core.io.sequences import frame_paths, has_token, parse_frames


@pytest.fixture
def shot(tmp_path) -> Path:
    """plate.1001-1003 and 1006, with neighbours that only look alike."""
    names = [f"plate.{n}.exr" for n in (1001, 1002, 1003, 1006)]
    for name in [
        *names,
        "plate.1004.png",
        "plate.01007.exr",
        "plate.x.exr",
        "plates.1008.exr",
        ".plate.1009.exr",
    ]:
        (tmp_path / name).touch()
    return tmp_path


@pytest.mark.parametrize(
    ("pattern", "name"),
    [("p.%04d.exr", "p.0007.exr"), ("p.####.exr", "p.0007.exr"), ("p.#.exr", "p.0007.exr"),
     ("p.@@@.exr", "p.007.exr"),
     ("p.$F4.exr", "p.0007.exr"), ("p.$F.exr", "p.7.exr"), ("p.%d.exr", "p.7.exr"), ("p_##.exr", "p_07.exr"),
     ("p.exr", "p.exr")],
)  # fmt: skip
def test_when_a_frame_is_named_then_the_token_becomes_its_number(pattern, name):
    assert frame_path(f"shot@v1/{pattern}", 7) == Path("shot@v1") / name


def test_when_the_number_is_wider_than_the_token_then_it_is_written_in_full():
    assert frame_path("p.####.exr", 123456).name == "p.123456.exr"


@pytest.mark.parametrize("name", ["p.%04d.####.exr", "p.#.#.exr", "p.%04d.%04d.exr", "p.$F4.@@.exr"])
def test_when_a_name_has_two_tokens_then_it_is_a_usage_error(name):
    with pytest.raises(RecipeError, match="2 frame tokens") as caught:
        frame_path(name, 1)
    assert caught.value.exit_code == 2


@pytest.mark.parametrize(
    ("pattern", "name"),
    [("take#2.%04d.exr", "take#2.0007.exr"), ("a@b.####.exr", "a@b.0007.exr"), ("a@.$F4.exr", "a@.0007.exr"),
     ("take#2.exr", "take#2.exr"), ("a@b.exr", "a@b.exr"), ("take#2_#.exr", "take#2_0007.exr")],
)  # fmt: skip
def test_when_a_lone_mark_is_part_of_a_word_then_it_is_no_token(pattern, name):
    assert frame_path(pattern, 7).name == name


@pytest.mark.parametrize("name", ["take#2.1001.exr", "a@b.exr", "p.####.exr", "take#.exr"])
def test_when_a_file_bears_the_very_name_then_it_is_a_still(name, tmp_path):
    (tmp_path / name).touch()
    assert not has_token(tmp_path / name)
    assert [frame.path for frame in resolve(tmp_path / name)] == [tmp_path / name]
    assert frame_path(tmp_path / name, 7) == tmp_path / name


def test_when_a_shot_has_a_mark_in_its_name_then_its_frames_are_found(tmp_path):
    for number in (1001, 1002):
        (tmp_path / f"take#2.{number}.exr").touch()
    assert [frame.number for frame in resolve(tmp_path / "take#2.%04d.exr")] == [1001, 1002]


@pytest.mark.parametrize("token", ["%04d", "####", "#", "@@@@", "$F4"])
def test_when_no_range_is_given_then_the_frames_on_disk_are_taken(token, shot):
    frames = resolve(str(shot / f"plate.{token}.exr"))
    assert [frame.number for frame in frames] == [1001, 1002, 1003, 1006]
    assert all(frame.path.is_file() and not frame.is_held for frame in frames)


def test_when_a_frame_is_missing_then_the_error_names_it(shot):
    with pytest.raises(
        PlateError, match=r"Missing frames 1004-1005; frames 1001-1003,1006 are there.*plate\.#"
    ):
        resolve(shot / "plate.####.exr", "1001-1006")


def test_when_missing_frames_are_skipped_then_the_others_stay_in_order(shot):
    frames = resolve(shot / "plate.####.exr", "1006,1001-1005", "skip")
    assert [frame.number for frame in frames] == [1006, 1001, 1002, 1003]


def test_when_missing_frames_are_held_then_the_nearest_earlier_one_stands_in(shot):
    frames = resolve(shot / "plate.####.exr", "1000-1007", "hold")
    sources = [frame.source_number for frame in frames]
    assert [frame.number for frame in frames] == list(range(1000, 1008))
    assert sources == [1001, 1001, 1002, 1003, 1003, 1003, 1006, 1006]
    assert frames[4].path.name == "plate.1003.exr" and frames[4].is_held


@pytest.mark.parametrize("missing", ["error", "skip", "hold"])
def test_when_no_frame_is_there_then_every_policy_is_an_error(missing, shot):
    for pattern, frames in (("other.####.exr", "1-3"), ("nowhere/other.####.exr", "")):
        with pytest.raises(PlateError, match="No file matches the pattern") as caught:
            resolve(shot / pattern, frames, missing)
        assert "hold" not in str(caught.value)


@pytest.mark.parametrize("missing", ["error", "skip"])
def test_when_no_wanted_frame_is_there_then_only_hold_goes_on(missing, shot):
    with pytest.raises(PlateError, match=r"Missing frames 1-3; frames 1001-1003,1006 are there.*hold"):
        resolve(shot / "plate.####.exr", "1-3", missing)


@pytest.mark.parametrize(("wanted", "source"), [(1004, 1003), (1000, 1001), (2000, 1006)])
def test_when_the_only_wanted_frame_is_missing_then_its_neighbour_is_held(wanted, source, shot):
    (frame,) = resolve(shot / "plate.####.exr", str(wanted), "hold")
    assert (frame.number, frame.source_number, frame.path.name) == (wanted, source, f"plate.{source}.exr")


def test_when_the_pattern_is_a_still_then_it_serves_every_frame(shot):
    still = shot / "plate.1002.exr"
    assert [(f.number, f.path, f.source_number) for f in resolve(still)] == [(1002, still, 1002)]
    assert [(f.number, f.path) for f in resolve(still, "1-3")] == [(1, still), (2, still), (3, still)]
    assert not any(frame.is_held for frame in resolve(still, "1-3"))
    with pytest.raises(PlateError, match="does not exist"):
        resolve(shot / "plate.9999.exr")


@pytest.mark.parametrize(
    ("expression", "numbers"),
    [("1001-1004", (1001, 1002, 1003, 1004)), ("1001-1009x4,1105", (1001, 1005, 1009, 1105)),
     ("3-1", (3, 2, 1)),
     ("1,1,2", (1, 2)), ("-2-1", (-2, -1, 0, 1))],
)  # fmt: skip
def test_when_a_range_is_written_then_it_means_these_frames(expression, numbers):
    assert parse_frames(expression) == numbers


@pytest.mark.parametrize(
    "expression",
    ["abc", "1-", "1-3x0", "1-1000000000", "1" * 5000, "1-2,,x", "1.5", "1\0", "{__class__}", "1e3", "0x3E9"],
)
def test_when_a_range_is_nonsense_then_a_short_text_shows_how_it_is_written(expression):
    with pytest.raises(RecipeError, match=r"range.*1001-1100x2") as caught:
        parse_frames(expression)
    assert len(str(caught.value)) < 200 and "\n" not in str(caught.value) and caught.value.exit_code == 2


@pytest.mark.parametrize(
    ("numbers", "text"),
    [([1004, 1001, 1002, 1003, 1007], "1001-1004,1007"), ([5], "5"), ([], ""), ([1, 3, 5, 7], "1-7x2")],
)
def test_when_frames_are_told_then_the_text_can_be_run_again(numbers, text):
    assert format_frames(numbers) == text
    assert not text or sorted(parse_frames(text)) == sorted(numbers)


def test_when_the_policy_is_unknown_then_the_caller_is_wrong(shot):
    with pytest.raises(ValueError, match="error, skip or hold"):
        resolve(shot / "plate.####.exr", "", "ignore")


def test_when_the_path_cannot_exist_then_it_is_a_plate_error():
    with pytest.raises(PlateError):
        resolve("a\0b.exr")
    with pytest.raises(PlateError):
        resolve("a\0b/p.####.exr", "1-3")


@pytest.mark.parametrize("pattern", ["a.####.exr", "a.%03d.exr", "a.$F2.exr", "a.@@@@@.exr", "still.exr"])
def test_when_many_paths_are_asked_for_then_they_are_those_of_each_frame(tmp_path, pattern):
    numbers = (7, 1001, -3, 123456)
    expected = tuple(frame_path(tmp_path / pattern, number) for number in numbers)
    assert frame_paths(tmp_path / pattern, numbers) == expected
