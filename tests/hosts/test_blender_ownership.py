"""Whose a folder of results is: what of it needs no Blender."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from lineament.hosts.blender import ownership
from lineament.hosts.blender.ownership import OWNER, claim, own_folder, take_over

UID = "8b29859e93f94188b32ba92d4b4d263e"


@pytest.fixture
def show(tmp_path: Path) -> Path:
    """A folder with two Blender files that were saved from one another, and the first one's results."""
    for name in ("shot_v1.blend", "shot_v2.blend"):
        (tmp_path / "show" / name).parent.mkdir(exist_ok=True)
        (tmp_path / "show" / name).write_text(name)
    claim(tmp_path / "show" / "cache" / UID, tmp_path / "show" / "shot_v1.blend")
    return tmp_path / "show"


def folder_of(show: Path, name: str) -> str:
    return own_folder(show / "cache", UID, show / name).name


def test_when_a_folder_is_anothers_then_a_file_has_one_of_its_own_and_always_the_same(show: Path) -> None:
    assert folder_of(show, "shot_v1.blend") == UID
    assert folder_of(show, "shot_v2.blend") == folder_of(show, "shot_v2.blend") != UID
    assert own_folder(show / "cache", UID, None).name == UID


def test_when_the_owner_is_gone_then_the_next_file_takes_the_folder_over(show: Path) -> None:
    (show / "shot_v1.blend").rename(show / "shot_final.blend")
    assert folder_of(show, "shot_final.blend") == UID
    claim(show / "cache" / UID, show / "shot_final.blend")
    assert folder_of(show, "shot_v2.blend") != UID


def test_when_a_file_has_its_own_folder_then_it_stays_there_whoever_else_leaves(show: Path) -> None:
    own = folder_of(show, "shot_v2.blend")
    claim(show / "cache" / own, show / "shot_v2.blend")
    (show / "shot_v1.blend").unlink()
    assert folder_of(show, "shot_v2.blend") == own


def test_when_file_and_cache_move_together_then_they_still_belong_together(
    show: Path, tmp_path: Path
) -> None:
    shutil.copytree(show, tmp_path / "copy")
    shutil.move(show, tmp_path / "elsewhere")
    for place in (tmp_path / "copy", tmp_path / "elsewhere"):
        assert folder_of(place, "shot_v1.blend") == UID and folder_of(place, "shot_v2.blend") != UID


def test_when_a_folder_has_an_owner_then_a_second_claim_changes_nothing(show: Path) -> None:
    before = (show / "cache" / UID / OWNER).read_bytes()
    claim(show / "cache" / UID, show / "shot_v2.blend")
    assert (show / "cache" / UID / OWNER).read_bytes() == before


@pytest.mark.parametrize("content", ["", "{", "[]", "{}", '{"file": 3}', '{"file": ""}'])
def test_when_the_owners_file_is_damaged_then_the_folder_is_nobodys(show: Path, content: str) -> None:
    (show / "cache" / UID / OWNER).write_text(content)
    assert folder_of(show, "shot_v2.blend") == UID


@pytest.mark.parametrize("can_link", [True, False])
def test_when_results_are_taken_over_then_known_frames_and_failures_stay_behind(
    show: Path, monkeypatch, can_link: bool
) -> None:
    def refuse(*_: object) -> None:
        raise OSError(1, "Operation not permitted")

    if not can_link:
        monkeypatch.setattr(ownership.os, "link", refuse)
    source, target = show / "cache" / UID, show / "cache" / "two"
    target.mkdir()
    frames = [f"result.000{number}{end}" for number in (1, 2, 3) for end in (".exr", ".json")]
    for name in (*frames, "result.0003.failed.json", "exposures.json", ".tmp-x", "notes.txt"):
        (source / name).write_text(f"old {name}")
    (target / "result.0001.json").write_text("mine")
    if not can_link:
        with pytest.raises(OSError, match="not permitted"):
            take_over(source, target, may_copy=False)
    take_over(source, target, may_copy=True)
    found = {path.name: path.read_text() for path in target.iterdir()}
    names = ("exposures.json", "result.0002.exr", "result.0002.json")
    assert found == {"result.0001.json": "mine", **{name: f"old {name}" for name in names}}
    take_over(source, source, may_copy=True)
    take_over(show / "nowhere", target, may_copy=True)
