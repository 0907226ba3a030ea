"""Reviews where somebody else's files lie, of runs that were killed, and of shots that are half done."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from lineament.core.shots.quality_report import FrameEntry, ShotReport
from lineament.plugin import review_folder
from lineament.plugin.cli import main
from lineament.plugin.plan import UsageError
from lineament.plugin.review import write_index
from lineament.plugin.review_html import PageFrame, ShotLine, ShotPage, index_html, shot_html

from .rendered_shot import RenderedShow

if TYPE_CHECKING:
    from playwright.sync_api import Browser


@pytest.mark.parametrize("name", ["movie.mp4", "before.7.jpg", "sheet.png", "index.html", "review.json"])
def test_when_a_shots_folder_holds_files_of_somebody_else_then_they_stay(
    spoilt_show: RenderedShow, tmp_path: Path, capsys, name: str
) -> None:
    theirs = tmp_path / "shots" / "sh010" / name
    theirs.parent.mkdir(parents=True)
    theirs.write_text("mine")
    assert spoilt_show.run("review", spoilt_show.file, "sh010", "-o", tmp_path) == UsageError.exit_code
    assert theirs.read_text() == "mine" and [*theirs.parent.iterdir()] == [theirs]
    assert name in capsys.readouterr().err


def test_when_other_files_of_somebody_else_lie_there_then_the_review_stands_beside_them(
    spoilt_show: RenderedShow, tmp_path: Path
) -> None:
    theirs = tmp_path / "shots" / "sh010" / "notes.txt"
    theirs.parent.mkdir(parents=True)
    theirs.write_text("mine")
    assert spoilt_show.run("review", spoilt_show.file, "sh010", "-o", tmp_path) == 0
    assert theirs.read_text() == "mine" and (theirs.parent / "index.html").is_file()


def test_when_a_first_run_ended_between_two_files_then_the_next_one_finishes(
    tmp_path: Path, monkeypatch
) -> None:
    target, real = tmp_path / "shots" / "sh010", Path.replace

    def ends(path: Path, place: Path) -> Path:
        if path.name == "index.html":
            raise KeyboardInterrupt
        return real(path, place)

    monkeypatch.setattr(Path, "replace", ends)
    with pytest.raises(KeyboardInterrupt):
        _publish(target)
    assert (target / "before.1.jpg").is_file() and not (target / "index.html").exists()
    monkeypatch.undo()
    review_folder.refuse_foreign_shot(target)
    _publish(target)
    assert (target / "index.html").is_file()


def _publish(target: Path) -> None:
    with review_folder.staged(target) as stage:
        (stage / "before.1.jpg").write_bytes(b"picture")
        (stage / "index.html").write_text(f"<!DOCTYPE html>\n{review_folder.MARK}")


@pytest.mark.parametrize("size", [(1280, 720), (1920, 1080)])
def test_when_most_of_a_shot_is_missing_then_the_pictures_stay_on_the_screen(
    browser: Browser, tmp_path: Path, size: tuple[int, int]
) -> None:
    entries = [FrameEntry(number, number, "missing", (), None) for number in range(1001, 1301)]
    failed = replace(
        entries[7], state="failed", error={"what": "The disk is full.", "where": "a", "remedy": "Wait."}
    )
    entries[7] = failed
    entries[40] = replace(failed, number=1041, source=1041, error={**failed.error, "where": "b"})
    page = ShotPage(
        ShotReport("show", "sh010", tuple(entries)), tuple(PageFrame(one, {}) for one in entries), ""
    )
    (tmp_path / "index.html").write_bytes(shot_html(page))
    shown = browser.new_page(viewport={"width": size[0], "height": size[1]})
    shown.goto((tmp_path / "index.html").as_uri())
    text = shown.inner_text("#failed")
    assert "300 of 300 frames" in text and "1001-1007,1009-1040,1042-1300 missing" in text
    assert text.index("1008,1041 failed") < text.index("1042-1300 missing") and "The disk is full." in text
    assert shown.locator("#failed dt").count() == 2
    assert shown.locator("#pictures").bounding_box()["y"] < size[1] / 3
    assert shown.evaluate("document.documentElement.scrollWidth <= innerWidth")
    shown.screenshot(path=str(tmp_path / "page.png"))
    shown.close()


def test_when_the_list_has_one_shot_then_it_says_one_shot() -> None:
    line = ShotLine("sh010", "", "", {}, {}, ())
    assert b">1 shot<" in index_html("show", [line]) and b">2 shots<" in index_html("show", [line] * 2)


def test_when_a_face_was_not_found_then_the_list_says_so_without_a_frame_to_look_at(tmp_path: Path) -> None:
    folder = tmp_path / "shots" / "sh010"
    folder.mkdir(parents=True)
    line = {"thumb": "", "counts": {"rendered": 4}, "figures": {}, "worst": []}
    for told in ({}, {"problems": ['face "two" <b> is missing']}):
        (folder / "review.json").write_text(json.dumps(line | told))
        text = write_index(tmp_path, "show", ["sh010"], {}).read_text()
        assert ("face &quot;two&quot; &lt;b&gt; is missing" in text) is bool(told)


def test_when_no_shot_is_named_for_the_tuner_then_the_example_is_the_tuners(
    spoilt_show: RenderedShow, capsys
) -> None:
    assert main(["tune", str(spoilt_show.file)]) == 2
    said = " ".join(capsys.readouterr().err.split())
    assert "lineament tune shots.yaml sh010" in said and "shot analyse" not in said
