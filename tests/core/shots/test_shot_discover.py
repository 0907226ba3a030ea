"""A show file from a folder of plates, and what differs between shots."""

from __future__ import annotations

from pathlib import Path

import pytest
from lineament.core.errors import PlateError
from lineament.core.shots.difference import Change, between, from_defaults
from lineament.core.shots.discover import find_plates, show_data
from lineament.core.shots.located import Document
from lineament.core.shots.shot_file import read_show, show_from, show_text


def plates(folder: Path, name: str, *frames: int) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for frame in frames:
        (folder / name.replace("####", f"{frame:04d}")).write_bytes(b"x")


def test_when_a_folder_is_searched_then_sequences_become_shots(tmp_path: Path) -> None:
    plates(tmp_path / "p" / "sh010", "sh010_plate.####.exr", 1001, 1002, 1004)
    plates(tmp_path / "p" / "sh020", "####.png", 1, 2)
    plates(tmp_path / "p" / ".trash", "old.####.exr", 1, 2)
    plates(tmp_path / "p" / "sh020", "still.####.exr", 7)
    plates(tmp_path / "p", "notes.####.txt", 1, 2)
    found = find_plates(tmp_path / "p")
    assert [(each.name, each.pattern.name, each.frames, each.missing) for each in found] == [
        ("sh010_plate", "sh010_plate.####.exr", (1001, 1002, 1004), (1003,)),
        ("sh020", "####.png", (1, 2), ()),
    ]
    data = show_data(found, tmp_path)
    assert data["shots"]["sh010_plate"] == {
        "plate": "p/sh010_plate".replace("sh010_plate", "sh010/sh010_plate.####.exr"),
        "frames": "1001-1002,1004",
    }
    show = show_from(Document(tmp_path / "shots.yaml", data))
    assert show.shots[1].output.endswith("out/sh020/v001/####.png")


def test_when_sequences_are_called_the_same_then_their_folders_tell_them_apart(tmp_path: Path) -> None:
    plates(tmp_path / "a", "plate.####.exr", 1, 2)
    plates(tmp_path / "b", "plate.####.exr", 1, 2)
    plates(tmp_path / "b", "plate_####.exr", 1, 2)
    assert [each.name for each in find_plates(tmp_path)] == ["a_plate", "b_plate", "b_plate_2"]


def test_when_there_are_no_plates_then_it_is_told_what_plates_are(tmp_path: Path) -> None:
    with pytest.raises(PlateError, match="no image sequences") as caught:
        find_plates(tmp_path)
    assert "sh010.1001.exr" in caught.value.remedy
    with pytest.raises(PlateError, match="does not exist"):
        find_plates(tmp_path / "none")


BODY = """\
schema_version: 1
defaults: {plate: "p/{shot}.####.exr", output: "o/{shot}/", handles: 8, strengths: {age: 1}}
shots:
  a: {strengths: {age: 1.5, smile: {1001: 0, 1010: 1}}, mask: m.exr}
  b:
    faces: {lead: {mix: 0.5}, extra: {face: 1}}
  c:
"""


def test_when_a_show_is_compared_with_its_defaults_then_only_what_shots_say_is_shown(tmp_path: Path) -> None:
    (tmp_path / "s.yaml").write_text(BODY)
    assert from_defaults(read_show(tmp_path / "s.yaml")) == [
        Change("a", "mask", "", "m.exr"),
        Change("a", "strengths.age", "1", "1.5"),
        Change("a", "strengths.smile", "", "1001:0,1010:1"),
        Change("b", "faces.lead.mix", "1", "0.5"),
        Change("b", "faces.extra.face", "face 0", "face 1"),
    ]
    assert from_defaults(read_show(tmp_path / "s.yaml"), ("c",)) == []


def test_when_two_shows_are_compared_then_folders_do_not_count(tmp_path: Path) -> None:
    (tmp_path / "x").mkdir()
    (tmp_path / "s.yaml").write_text(BODY)
    (tmp_path / "x" / "s.yaml").write_text(BODY.replace("age: 1.5", "age: 2").replace("  c:", "  d:"))
    before, after = read_show(tmp_path / "s.yaml"), read_show(tmp_path / "x" / "s.yaml")
    assert between(before, after) == [
        Change("a", "strengths.age", "1.5", "2"),
        Change("d", "", "", "is there"),
        Change("c", "", "is there", ""),
    ]
    assert between(before, after, ("b",)) == []
    assert between(before, before) == []


def test_when_data_are_written_then_text_that_looks_like_a_number_stays_text(tmp_path: Path) -> None:
    notes = {"a": "1e3", "b": "0x1F", "c": "yes", "d": "~", "e": "1:20", "f": "", "g": "# no", "h": "{x}"}
    data = {"schema_version": 1, "shots": {"010": {"plate": "p", "output": "o", "notes": notes}}}
    for name in ("s.yaml", "s.json"):
        (tmp_path / name).write_text(show_text(data, Path(name), ["made by hand"]))
        shot = read_show(tmp_path / name).shots[0]
        assert shot.name == "010" and shot.faces[0].recipe.notes == notes
