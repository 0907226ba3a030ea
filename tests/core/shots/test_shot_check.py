"""A show checked against what lies on disk: plates, masks, keys, tracks, outputs and attributes."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from lineament.core.errors import ColourError, GeneratorError, LineamentError, RecipeError
from lineament.core.faces.base import LANDMARK_NAMES
from lineament.core.io.sequences import FramePath
from lineament.core.shots.check import Lookups, check_show
from lineament.core.shots.plates import shot_masks, shot_outputs, shot_plates
from lineament.core.shots.shot import Shot, Show
from lineament.core.shots.shot_file import Problem, read_show

HEAD = "schema_version: 1\ndefaults: {plate: 'p/{shot}.####.exr', output: 'o/{shot}/', strengths: {age: 1}}\nshots:\n"
KNOWN = Lookups(attributes=lambda model: {"age": (-3.0, 3.0), "smile": (-3.0, 3.0), "glasses": (0.0, 2.0)})


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Plates of a: 1001-1010; of b: 1001-1004 and 1006; masks of a, 1001-1009. Nothing is a picture."""
    (tmp_path / "p").mkdir()
    for name, frames in (
        ("a", range(1001, 1011)),
        ("b", (1001, 1002, 1003, 1004, 1006)),
        ("m", range(1001, 1010)),
    ):
        for frame in frames:
            (tmp_path / "p" / f"{name}.{frame}.exr").write_bytes(b"x")
    return tmp_path


def show_of(folder: Path, body: str) -> Show:
    path = folder / "shots.yaml"
    path.write_text(HEAD + body)
    return read_show(path)


def check(folder: Path, body: str, lookups: Lookups | None = None) -> list[Problem]:
    return check_show(show_of(folder, body), lookups)


def only(problems: list[Problem]) -> Problem:
    assert len(problems) == 1, problems
    return problems[0]


def test_when_all_is_there_then_nothing_is_said(folder: Path) -> None:
    assert check(folder, "  a:\n  b: {frames: 1001-1004}\n", KNOWN) == []


def test_when_the_plate_is_not_there_then_line_and_pattern_are_told(folder: Path) -> None:
    problem = only(check(folder, "  a:\n  c:\n    plate: p/none.####.exr\n"))
    assert problem.what == "No file matches the pattern." and problem.is_error and problem.shot == "c"
    assert 'line 6, shot "c"' in problem.where and "none.####.exr" in problem.where


@pytest.mark.parametrize(
    ("policy", "what", "frames"),
    [
        ("error", "Missing frames 1005", ()),
        ("hold", "repeat the nearest earlier one: 1005", (1001, 1002, 1003, 1004, 1005, 1006)),
        ("skip", "are skipped: 1005", (1001, 1002, 1003, 1004, 1006)),
    ],
)
def test_when_frames_are_missing_then_the_policy_decides(
    folder: Path, policy: str, what: str, frames: tuple[int, ...]
) -> None:
    body = f"  b:\n    frames: 1001-1006\n    missing: {policy}\n"
    problem = only(check(folder, body))
    assert what in problem.what and 'shot "b"' in problem.where and problem.remedy
    assert problem.is_error == (policy == "error")
    if policy == "error":
        assert "line 5" in problem.where and "missing: skip or hold" in problem.remedy
        return
    found = shot_plates(show_of(folder, body).shots[0])
    assert tuple(frame.number for frame in found.frames) == frames
    assert found.held == ((1005,) if policy == "hold" else ())


def test_when_handles_are_short_then_it_is_a_warning_and_the_rest_is_taken(folder: Path) -> None:
    body = "  a: {frames: 1003-1008, handles: 4}\n"
    problem = only(check(folder, body))
    assert not problem.is_error and "999-1000,1011-1012" in problem.what
    plates = shot_plates(show_of(folder, body).shots[0])
    assert [frame.number for frame in plates.frames] == list(range(1001, 1011))


@pytest.mark.parametrize(
    ("keys", "what", "is_error"),
    [
        ("{1: 0, 24: 1.5}", 'All keys of "age" (1,24) lie outside the shot\'s frames 1001-1010', True),
        ("{1011: 0, 1020: 1.5}", "All keys", True),
        ("{990: 0, 1005: 1.5}", 'Keys of "age" lie outside the shot\'s frames 1001-1010: 990', False),
        ("{990: 0, 2000: 1.5}", "990,2000", False),
    ],
)
def test_when_keys_lie_outside_then_it_matters_whether_the_shot_sees_them_move(
    folder: Path, keys: str, what: str, is_error: bool
) -> None:
    problem = only(check(folder, f"  a:\n    strengths:\n      age: {keys}\n"))
    assert what in problem.what and problem.is_error == is_error
    assert 'line 6, shot "a"' in problem.where and problem.remedy


@pytest.mark.parametrize("keys", ["{1001: 0, 1010: 2}", "{5: 2}", "1"])
def test_when_keys_lie_inside_or_are_one_then_nothing_is_said(folder: Path, keys: str) -> None:
    assert check(folder, f"  a: {{strengths: {{age: {keys}}}}}\n") == []


def test_when_an_attribute_is_unknown_then_a_near_one_is_named(folder: Path) -> None:
    problem = only(check(folder, "  a:\n    strengths:\n      glases: 1\n", KNOWN))
    assert problem.what == 'The model "default" has no attribute "glases".' and problem.is_error
    assert problem.remedy == 'Did you mean "glasses"?' and "line 6" in problem.where


def test_when_a_strength_is_beyond_the_model_then_its_limits_are_told(folder: Path) -> None:
    body = "  a:\n    faces:\n      x:\n        strengths: {glasses: {1001: 0, 1009: -1}}\n"
    problem = only(check(folder, body, KNOWN))
    assert "-1" in problem.what and problem.remedy == "Use a value from 0 to 2." and "line 7" in problem.where


def test_when_the_model_cannot_be_opened_then_that_is_the_problem(folder: Path) -> None:
    def attributes(model: str) -> dict[str, tuple[float, float]]:
        raise GeneratorError(f"no {model}", remedy="Install it.")

    problem = only(check(folder, "  a:\n    model: none\n", Lookups(attributes=attributes)))
    assert (problem.what, problem.remedy) == ("no none", "Install it.") and "line 5" in problem.where


def test_when_nothing_is_edited_then_it_is_a_warning(folder: Path) -> None:
    problem = only(check(folder, "  a: {strengths: {age: 0}}\n"))
    assert "Nothing is edited" in problem.what and not problem.is_error


def test_when_masks_are_missing_then_frames_and_line_are_told(folder: Path) -> None:
    problem = only(check(folder, "  a:\n    mask: p/m.####.exr\n"))
    assert "1 mask(s) do not exist: frames 1010" in problem.what and "line 5" in problem.where
    assert check(folder, "  a: {mask: p/m.####.exr, frames: 1001-1009}\n") == []
    assert check(folder, "  a: {mask: {channel: matte.A}}\n") == []


def test_when_a_plate_is_held_then_its_own_mask_is_taken(folder: Path) -> None:
    shot = show_of(folder, "  b: {frames: 1001-1006, missing: hold, mask: p/m.####.exr}\n").shots[0]
    masks = shot_masks(shot, shot_plates(shot).frames)
    assert [mask.name for mask in masks if mask] == [
        f"m.{number}.exr" for number in (1001, 1002, 1003, 1004, 1004, 1006)
    ]


OUTPUTS = {
    "the plate itself": ("  a:\n    output: p/\n", "is the plate or mask itself", "line 5"),
    "another format": ("  a:\n    output: o/a.####.png\n", "a .exr file and the output a .png one", "line 5"),
    "one file": ("  a:\n    output: o/a.exr\n", "cannot all be written to one file", "line 5"),
    "another shot's plate": (
        "  a:\n    frames: 1001-1004\n  b:\n    frames: 1001-1004\n    output: p/a.####.exr\n",
        'The shot "b" would write over a plate or mask of the shot "a"',
        "line 8",
    ),
    "one folder through a link": (
        "  a:\n    output: o/x.####.exr\n  b:\n    frames: 1001-1004\n    output: link/x.####.exr\n",
        'The shots "a" and "b" write the same files',
        "line 8",
    ),
}


@pytest.mark.parametrize("case", OUTPUTS)
def test_when_an_output_would_destroy_something_then_it_is_refused(folder: Path, case: str) -> None:
    body, what, line = OUTPUTS[case]
    (folder / "o").mkdir()
    (folder / "link").symlink_to(folder / "o")
    problem = only(check(folder, body))
    assert what in problem.what and problem.is_error and problem.remedy
    assert line in problem.where
    if " and " in problem.where:
        assert 'shot "a", and' in problem.where and 'shot "b"' in problem.where


def test_when_two_shots_write_one_file_then_both_lines_are_told(folder: Path) -> None:
    with pytest.raises(RecipeError, match='"a" and "b" write the same files: frames 1003') as caught:
        show_of(
            folder,
            "  a:\n    frames: 1001-1003\n    output: o/x.####.exr\n"
            "  b:\n    frames: 1003-1004\n    output: o/x.####.exr\n",
        )
    assert 'line 6, shot "a"' in caught.value.where and 'line 9, shot "b"' in caught.value.where


def track(folder: Path, frames: range) -> None:
    points = {name: [float(index), 3.0 * index] for index, name in enumerate(LANDMARK_NAMES)}
    data = {"size": [96, 72], "frames": [{"frame": frame, **points} for frame in frames]}
    (folder / "t.json").write_text(json.dumps(data))


@pytest.mark.parametrize(
    ("frames", "what", "is_error"),
    [
        (range(1001, 1006), "covers frames 1001 to 1005, not 1006-1010", False),
        (range(1, 5), "1001-1010", True),
    ],
)
def test_when_a_track_is_short_then_the_frames_without_it_are_told(
    folder: Path, frames: range, what: str, is_error: bool
) -> None:
    track(folder, frames)
    problem = only(check(folder, "  a:\n    face: {track: t.json}\n"))
    assert what in problem.what and problem.is_error == is_error and "line 5" in problem.where


def test_when_a_track_is_broken_then_the_shot_is_named(folder: Path) -> None:
    problem = only(check(folder, "  a:\n    face: {track: none.json}\n"))
    assert "track file cannot be read" in problem.what and 'line 5, shot "a"' in problem.where


def test_when_a_box_is_drawn_beyond_the_shot_then_it_is_refused(folder: Path) -> None:
    problem = only(check(folder, "  a:\n    face: {box: [1, 2, 3, 4], frame: 900}\n"))
    assert "frame 900, which the shot does not have" in problem.what and "1001-1010" in problem.remedy


def test_when_two_faces_are_the_same_one_then_it_is_refused(folder: Path) -> None:
    problem = only(check(folder, "  a:\n    faces:\n      x: {face: 1}\n      y: {face: 1}\n"))
    assert 'The faces "x" and "y" are both face 1' in problem.what and "line 7" in problem.where


def test_when_the_plate_is_opened_then_its_faults_and_warnings_have_a_place(folder: Path) -> None:
    def look(shot: Shot, first: FramePath) -> list[str]:
        if shot.colourspace:
            raise ColourError("unknown space", where=str(first.path), remedy="Choose one.")
        return ["dark"]

    bad, dark = check(folder, "  a:\n    colourspace: x\n  b: {frames: 1001-1004}\n", Lookups(look=look))
    assert (bad.what, bad.is_error, dark.what, dark.is_error) == ("unknown space", True, "dark", False)
    assert 'shot "a"' in bad.where and "a.1001.exr" in bad.where


def test_when_a_still_is_a_plate_then_it_serves_every_frame(folder: Path) -> None:
    body = "  s:\n    plate: p/a.1001.exr\n    frames: 1-3\n    output: o/s.####.exr\n"
    assert check(folder, body) == []
    shot = show_of(folder, body).shots[0]
    outputs = shot_outputs(shot, shot_plates(shot).frames)
    assert [path.name for path in outputs] == ["s.0001.exr", "s.0002.exr", "s.0003.exr"]


def test_when_an_error_is_placed_then_it_stays_of_its_kind(folder: Path) -> None:
    shot = show_of(folder, "  b: {frames: 1001-1006}\n").shots[0]
    with pytest.raises(LineamentError) as caught:
        shot_plates(shot)
    assert type(caught.value).__name__ == "PlateError" and "missing: " in caught.value.remedy
