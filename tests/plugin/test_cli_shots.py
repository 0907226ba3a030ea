"""``lineament shots`` as a person uses it: made, checked, shown, changed and compared; every fault told in full."""

from __future__ import annotations

import json
import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from lineament.core.frame import Frame, Part, Window
from lineament.core.io import write_frame
from lineament.core.recipe import Strength
from lineament.core.shots.shot_file import read_show
from lineament.core.shots.timeline import read_timeline
from lineament.plugin.cli import main

from .conftest import HEIGHT, WIDTH, Studio

Said = Callable[..., tuple[int, str, str]]


@pytest.fixture(autouse=True)
def same_signals() -> Iterator[None]:
    handler = signal.getsignal(signal.SIGTERM)
    yield
    signal.signal(signal.SIGTERM, handler)


@pytest.fixture
def say(capsys: pytest.CaptureFixture[str]) -> Said:
    """Run ``lineament shots ...`` -> exit code, output, errors with each line's breaks undone."""

    def run(*words: object) -> tuple[int, str, str]:
        code = main(["shots", *(str(word) for word in words)])
        said = capsys.readouterr()
        return code, said.out, said.err

    return run


@pytest.fixture
def show(studio: Studio, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """shots.yaml with two shots on the studio's plate, in the working folder."""
    path = tmp_path / "shots.yaml"
    path.write_text(
        f"""\
# agreed on Monday
schema_version: 1
defaults:
  model: {studio.model}
  plate: {studio.plate}
  output: out/{{shot}}/
shots:
  one:
    frames: 1001-1003
    strengths:
      age: 1.5   # older
  two:
    frames: 1001-1003
    faces:
      lead: {{strengths: {{smile: 1}}}}
      extra: {{face: {{track: {studio.track}}}, strengths: {{age: {{1001: 0, 1003: 1}}}}}}
"""
    )
    monkeypatch.chdir(tmp_path)
    return path


def test_when_a_show_is_right_then_check_says_so(show: Path, say: Said) -> None:
    assert say("check") == (0, "2 shots: 0 errors, 0 warnings.\n", "")
    assert say("check", show, "--json")[:2] == (0, "[]\n")


def test_when_a_folder_is_given_then_init_makes_a_file_that_checks(
    studio: Studio, tmp_path: Path, say: Said, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = tmp_path / "new.yaml"
    code, out, _ = say("init", Path(studio.plate).parent, "-o", made)
    assert code == 0 and f"lineament shots check {made}" in out
    assert made.read_text().startswith("# What is edited on which shot")
    shot = read_show(made).shots[0]
    assert (shot.name, shot.frames) == ("shot", (1001, 1002, 1003))
    assert Path(shot.plate).resolve() == Path(studio.plate)
    code, out, _ = say("check", made)
    assert code == 0 and "1 shot: 0 errors, 1 warning." in out and "Nothing is edited" in out
    code, _, err = say("init", Path(studio.plate).parent, "-o", made)
    assert code == 2 and "exists" in err and "--overwrite" in err
    assert say("init", Path(studio.plate).parent, "-o", made, "--overwrite")[0] == 0


def test_when_a_plate_has_gaps_then_init_tells_them(tmp_path: Path, say: Said) -> None:
    (tmp_path / "p").mkdir()
    for frame in (1, 2, 4):
        (tmp_path / "p" / f"a.{frame:04d}.exr").write_bytes(b"x")
    code, _, err = say("init", tmp_path / "p", "-o", tmp_path / "s.json")
    assert code == 0 and "a: frames 3 are missing" in err
    assert json.loads((tmp_path / "s.json").read_text())["shots"]["a"]["frames"] == "1-2,4"


def test_when_a_strength_is_set_then_only_its_text_changes(show: Path, say: Said) -> None:
    before = show.read_text()
    assert say("set", "one", "age=1.2") == (0, "one: strengths.age: 1.5 -> 1.2\n", "")
    assert show.read_text() == before.replace("age: 1.5   # older", "age: 1.2   # older")
    code, out, _ = say(
        "set", show, "one", "smile=1001:0,1003:1,smooth", "handles=8", "mix=0.5", "smooth_centre=5"
    )
    assert code == 0 and out.count("\n") == 4 and "strengths.smile: (none) -> 1001:0,1003:1,smooth" in out
    shot = read_show(show).shot("one")
    assert shot.faces[0].recipe.moves[1].strength == Strength(((1001, 0.0), (1003, 1.0)), "smooth")
    assert (shot.handles, shot.faces[0].recipe.mix, shot.analysis.smooth_centre) == (8, 0.5, 5.0)
    assert say("set", "one", "age=1.2")[1] == "Nothing changed: the file says so already.\n"
    assert say("set", "one", "age=", "smile=", "handles=", "mix=", "smooth_centre=", "frames=")[0] == 0
    assert (
        read_show(show).shot("one").faces[0].recipe.moves == () and "# agreed on Monday" in show.read_text()
    )


def test_when_a_face_or_the_defaults_are_meant_then_they_are_changed(show: Path, say: Said) -> None:
    assert say("set", "two", "age=-1", "--face-name", "lead")[0] == 0
    assert say("set", "--defaults", "mix=0.75", "missing=hold")[0] == 0
    lead, extra = read_show(show).shot("two").faces
    assert lead.recipe.strengths_at(1001) == {"smile": 1.0, "age": -1.0}
    assert extra.recipe.strengths_at(1003) == {"age": 1.0} and extra.recipe.mix == 0.75
    assert read_show(show).shot("one").missing == "hold"


BAD = {
    "an unknown attribute": (("one", "aeg=1"), 2, 'no attribute "aeg"', 'Did you mean "age"?'),
    "a misspelt field": (("one", "handels=8"), 2, 'no attribute "handels"', 'Did you mean "handles"?'),
    "beyond the model": (("one", "age=5"), 2, "beyond what the model can take", "from -3 to 3"),
    "beyond sense": (("one", "age=99"), 2, "between -10 and 10", "age=1001:0,1040:1.5,smooth"),
    "no number": (("one", "age=old"), 2, '"old" is not a number', "Write age=1.2"),
    "a key that is no frame": (("one", "age=x:1"), 2, '"x:1" is not frame:value', "Write age=1.2"),
    "an unknown curve": (("one", "age=1001:0,1002:1,bezier"), 2, '"bezier" is not', "smooth"),
    "twice": (("one", "age=1", "age=2"), 2, '"age" is given twice', "one value"),
    "no change": (("one", "age"), 2, '"age" is not a change', "name=value"),
    "an unknown shot": (("onee", "age=1"), 2, 'no shot "onee"', 'Did you mean "one"?'),
    "an unknown face": (("two", "age=1", "--face-name", "led"), 2, 'no face "led"', "lead, extra"),
    "a field of the shot at a face": (
        ("two", "seed=1", "--face-name", "lead"),
        2,
        "belongs to the shot",
        "--face-name",
    ),
    "a bad policy": (("one", "missing=black"), 2, "'error', 'hold' or 'skip'", "docs/shots.md"),
    "a bad bound": (("one", "mix=2"), 2, '"shots.one.mix" is not valid', "docs/shots.md"),
    "a shot with no change": (("one",), 2, "name at least one change", ""),
    "no shot": (("age=1",), 2, "name the shot before its changes", ""),
}


@pytest.mark.parametrize("case", BAD)
def test_when_a_change_is_wrong_then_it_is_told_and_the_file_stays(show: Path, say: Said, case: str) -> None:
    words, code, what, remedy = BAD[case]
    before = show.read_bytes()
    found, out, err = say("set", *words)
    said = " ".join(err.replace("│", " ").split())
    assert (found, out) == (code, "") and what in said and remedy in said
    assert show.read_bytes() == before


def test_when_the_model_is_not_here_then_a_strength_is_set_with_a_warning(show: Path, say: Said) -> None:
    code, out, err = say("set", "one", "model=absent", "beard=1")
    assert code == 0 and "strengths.beard" in out and 'model "absent" were not checked' in err


def test_when_shots_are_listed_then_merged_values_are_shown(show: Path, say: Said, studio: Studio) -> None:
    code, out, _ = say("list")
    assert code == 0 and "one" in out and "1001-1003" in out and "age 1.5" in out and "lead: face 0" in out
    listed = json.loads(say("list", "--json")[1])
    assert [shot["name"] for shot in listed] == ["one", "two"]
    assert (
        listed[1]["faces"][1]["strengths"] == {"age": "1001:0,1003:1"} and listed[0]["plate"] == studio.plate
    )


def test_when_shots_are_compared_then_differences_are_readable(show: Path, say: Said, tmp_path: Path) -> None:
    code, out, _ = say("diff", "one")
    assert (
        code == 0 and out == "one\n    frames: all on disk -> 1001-1003\n    strengths.age: (none) -> 1.5\n"
    )
    other = tmp_path / "other.yaml"
    other.write_text(show.read_text().replace("age: 1.5", "age: 2"))
    assert say("diff", show, other)[1] == "one\n    strengths.age: 1.5 -> 2\n"
    assert json.loads(say("diff", show, other, "--json")[1])[0]["after"] == "2"
    assert say("diff", show, show)[1] == "No difference.\n"
    assert say("diff", "won")[0] == 2


def picture(path: Path, width: int, *channels: str) -> None:
    plane = np.full((HEIGHT, width), 0.5, np.float16)
    window = Window(0, 0, width, HEIGHT)
    planes = dict.fromkeys(channels, plane)
    write_frame(path, Frame((Part("", tuple(planes), planes, window, window, compression="zip"),), 1))


WRONG = {
    "colour space": ("    colourspace: ACEScgg\n", "ACEScgg", "line 10"),
    "layer": ("    layer: beauty\n", "beauty", "line 10"),
    "channel of the plate": ("    mask: {channel: matte.A}\n", '"matte.A" is not in the file', "line 10"),
    "size of the mask": ("    mask: small.exr\n", f"The mask has 8 x {HEIGHT} pixels", "line 10"),
    "channel of the mask": ("    mask: {file: mask.exr, channel: R}\n", '"R" is not in the file', "line 10"),
    "box outside": ("    face: {box: [5000, 0, 5001, 9]}\n", "lies outside the picture", "line 10"),
    "model": ("    model: none/such\n", "none/such", "line 10"),
    "mask that is not there": ("    mask: none.exr\n", "The mask does not exist", "line 10"),
    "unwritable output": ("    output: shots.yaml/x/\n", "is not a folder", "line 10"),
}


@pytest.mark.parametrize("case", WRONG)
def test_when_something_does_not_resolve_then_check_tells_shot_line_and_remedy(
    show: Path, say: Said, case: str, tmp_path: Path
) -> None:
    added, what, line = WRONG[case]
    picture(tmp_path / "small.exr", 8, "R")
    picture(tmp_path / "mask.exr", WIDTH, "A")
    show.write_text(show.read_text().replace("  one:\n", "  one:\n    handles: 0\n" + added, 1))
    code, out, _ = say("check")
    assert code == 3 and what in out and 'shot "one"' in out and line in out
    problem = json.loads(say("check", "--json")[1])[0]
    assert problem["is_error"] and problem["remedy"] and problem["shot"] == "one"


def test_when_masks_fit_then_nothing_is_said(show: Path, say: Said, tmp_path: Path) -> None:
    picture(tmp_path / "mask.exr", WIDTH, "A")
    for mask in ("mask.exr", "{file: mask.exr, channel: A, invert: true}", "{channel: A}"):
        text = show.read_text()
        show.write_text(text.replace("  one:\n", f"  one:\n    mask: {mask}\n"))
        assert say("check")[0] == 0, mask
        show.write_text(text)


def test_when_check_is_quick_then_no_plate_is_opened(show: Path, say: Said) -> None:
    show.write_text(show.read_text().replace("  one:\n", "  one:\n    colourspace: nope\n"))
    assert say("check")[0] == 3 and say("check", "--quick")[0] == 0


def test_when_a_file_is_broken_then_check_lists_all_of_it(show: Path, say: Said) -> None:
    show.write_text(show.read_text().replace("frames:", "framse:"))
    code, out, _ = say("check")
    assert code == 2 and out.count('no field "framse"') == 2 and "2 errors, 0 warnings." in out
    assert 'line 9, shot "one"' in out and 'line 13, shot "two"' in out
    code, _, err = say("list")
    assert code == 2 and "1 more problem follows" in err


def test_when_there_is_no_show_file_then_one_is_asked_for(
    tmp_path: Path, say: Said, monkeypatch: pytest.MonkeyPatch, show: Path
) -> None:
    (tmp_path / "empty").mkdir()
    monkeypatch.chdir(tmp_path / "empty")
    for words in (("list",), ("check", "none.yaml"), ("set", "one", "age=1"), ("list", "none.txt")):
        code, _, err = say(*words)
        assert code == 2 and "lineament shots init FOLDER -o shots.yaml" in err
    monkeypatch.setenv("LINEAMENT_SHOTS", str(show))
    assert say("list")[0] == 0


def test_when_a_show_goes_through_timelines_then_settings_arrive_and_can_be_set(
    show: Path, say: Said, tmp_path: Path
) -> None:
    cut = tmp_path / "cut.otio"
    assert say("init", show, "-o", cut)[0] == 0
    assert say("check", cut)[0] == 0
    assert say("set", cut, "one", "age=1.25", "smile=1001:0,1003:1,step") == (
        0,
        "one: strengths.age: 1.5 -> 1.25\none: strengths.smile: (none) -> 1001:0,1003:1,step\n",
        "",
    )
    assert say("set", cut, "--defaults", "mix=0.5")[0] == 0
    bundle = tmp_path / "cut.otioz"
    assert say("init", cut, "-o", bundle)[0] == 0
    assert say("diff", cut, bundle)[1] == "No difference.\n"
    code, _, err = say("set", bundle, "one", "handles=many")
    assert code == 2 and 'clip 1 "one"' in err
    back = tmp_path / "back.yaml"
    assert say("init", bundle, "-o", back)[0] == 0
    assert read_show(back).shot("one").faces[0].recipe.strengths_at(1003) == {"age": 1.25, "smile": 1.0}
    assert read_show(back).shot("one").faces[0].recipe.mix == 0.5


def test_when_settings_go_into_a_cut_then_the_cut_stays(show: Path, say: Said, tmp_path: Path) -> None:
    import opentimelineio as otio

    cut = tmp_path / "cut.otio"
    assert say("init", show, "-o", cut)[0] == 0
    timeline = read_timeline(cut).root
    del timeline.tracks[0][1]
    timeline.tracks[0].append(otio.schema.Gap(source_range=timeline.tracks[0][0].source_range))
    timeline.metadata["studio"] = "x"
    otio.adapters.write_to_file(timeline, str(cut))
    show.write_text(show.read_text().replace("age: 1.5", "age: 2"))
    code, _, err = say("init", show, "--timeline", cut, "-o", tmp_path / "new.otio")
    assert code == 0 and "No clip for: two." in err
    new = read_timeline(tmp_path / "new.otio")
    assert new.root.metadata["studio"] == "x" and new.notes == ("1 gap left out.",)
    assert read_show(tmp_path / "new.otio").shot("one").faces[0].recipe.strengths_at(1) == {"age": 2.0}
    code, _, err = say("init", show, "--timeline", cut, "-o", tmp_path / "new.yaml")
    assert code == 2 and "Only a timeline" in err


def test_when_a_show_moves_to_another_folder_then_its_plates_are_still_found(
    show: Path, say: Said, tmp_path: Path
) -> None:
    (tmp_path / "deep").mkdir()
    assert say("init", show, "-o", tmp_path / "deep" / "s.json")[0] == 0
    assert say("diff", show, tmp_path / "deep" / "s.json")[1] == "No difference.\n"
    assert say("check", tmp_path / "deep" / "s.json")[0] == 0


def test_when_a_file_is_changed_then_links_permissions_and_line_ends_stay(
    show: Path, say: Said, tmp_path: Path
) -> None:
    show.write_bytes(show.read_bytes().replace(b"\n", b"\r\n"))
    show.chmod(0o664)
    link = tmp_path / "link.yaml"
    link.symlink_to(show)
    before = show.read_bytes()
    assert say("set", link, "one", "age=1.25")[0] == 0
    assert link.is_symlink() and show.stat().st_mode & 0o777 == 0o664
    assert show.read_bytes() == before.replace(b"age: 1.5", b"age: 1.25")


def test_when_a_file_is_locked_then_it_is_not_changed(show: Path, say: Said) -> None:
    show.chmod(0o444)
    before = show.read_bytes()
    code, _, err = say("set", "one", "age=1.25")
    assert code == 2 and "write-protected" in err and "unlock" in err and show.read_bytes() == before


def test_when_a_cut_is_checked_then_what_it_leaves_out_is_told(show: Path, say: Said, tmp_path: Path) -> None:
    import opentimelineio as otio

    cut = tmp_path / "cut.otio"
    assert say("init", show, "-o", cut)[0] == 0
    timeline = read_timeline(cut).root
    timeline.tracks[0].append(otio.schema.Gap(source_range=timeline.tracks[0][0].source_range))
    otio.adapters.write_to_file(timeline, str(cut))
    code, out, err = say("check", cut)
    assert (code, out, err) == (0, "2 shots: 0 errors, 0 warnings.\n", "note: 1 gap left out.\n")
