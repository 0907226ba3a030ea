"""The page of a review as a person uses it, in a real browser, opened from disk."""

from __future__ import annotations

import io
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from lineament.core.shots.quality import FrameQuality
from lineament.core.shots.quality_report import FaceOnFrame, FrameEntry, ShotReport
from lineament.core.shots.temporal_metrics import Seam
from lineament.plugin.review_html import PageFrame, ShotLine, ShotPage, index_html, shot_html
from lineament.plugin.review_pictures import file_name, jpeg, overlay_png
from PIL import Image

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

SIZE = (320, 180)
PLATE, EDITED, GREY = (200, 60, 40), (40, 90, 200), (128, 128, 128)
EVIL = '"><img src=x onerror="window.hacked=1"><script>window.hacked=1</script></script>'
QUALITY = FrameQuality(0, 1.0, 0.02, 0.02, 0.1, Seam(0.01, 0.1, 0.05), 0.2, 1.0, 900.0, 0.1, 0, 0, 0)
FLICKER = {1001: 1.01, 1002: 1.30, 1003: 1.02, 1004: 1.90, 1005: 1.00}
LOST = 1006


def make_page(folder: Path, words: str = "fine") -> Path:
    """Five frames and one that failed; plate red, edited blue, the mask in the lower half."""
    frames = [
        PageFrame(_entry(number, words), _pictures(folder, number), SIZE, focus=(0.5, 0.75))
        for number in FLICKER
    ]
    error = {"what": f"No face found. {words}", "where": "p.1006.exr", "remedy": "Give a track."}
    lost = replace(_entry(LOST, words), state="failed", quality=None, error=error)
    frames.append(PageFrame(lost, _pictures(folder, LOST, has_output=False), SIZE))
    entries = tuple(frame.entry for frame in frames)
    report = ShotReport(words, words, entries, problems=(words,), identity_reason=words)
    page = ShotPage(report, tuple(frames), words, notes=((words, words),))
    path = folder / "index.html"
    path.write_bytes(shot_html(page))
    return path


def _entry(number: int, words: str) -> FrameEntry:
    ratio = FLICKER.get(number, 1.0)
    quality = replace(QUALITY, number=number, flicker=ratio, output_unsteadiness=0.02 * ratio)
    strengths = {words: (number - 1001) / 4}
    return FrameEntry(number, number, "rendered", (FaceOnFrame(words, "found", strengths, 1.0),), quality)


def _pictures(folder: Path, number: int, has_output: bool = True) -> dict[str, str]:
    width, height = SIZE
    flat = {
        kind: np.broadcast_to(np.array(colour, np.uint8), (height, width, 3)).copy()
        for kind, colour in (("before", PLATE), ("after", EDITED), ("difference", GREY))
    }
    mask = np.zeros((height, width), np.float32)
    mask[height // 2 :] = 1.0
    files = {"mask": overlay_png(mask)}
    for kind, picture in flat.items():
        if has_output or kind == "before":
            files[kind] = jpeg(picture)
    for kind, data in files.items():
        (folder / file_name(kind, number)).write_bytes(data)
    return {kind: file_name(kind, number) for kind in files}


@pytest.fixture
def page(browser: Browser, tmp_path: Path) -> Iterator[Page]:
    """The page, opened from disk; nothing may be said on the console, and nothing asked of a network."""
    yield from opened(browser, make_page(tmp_path))


def opened(browser: Browser, path: Path) -> Iterator[Page]:
    context = browser.new_context(viewport={"width": 1200, "height": 800}, offline=True)
    page, said, asked = context.new_page(), [], []
    page.on("console", lambda message: said.append(message.text))
    page.on("pageerror", lambda error: said.append(str(error)))
    page.on("request", lambda request: asked.append(request.url))
    page.goto(path.as_uri())
    page.wait_for_selector("#number:not(:empty)")
    yield page
    context.close()
    assert said == []
    assert [url for url in asked if not url.startswith("file://")] == []


def pixels(page: Page) -> np.ndarray:
    """What the viewer shows, (H, W, 3)."""
    page.evaluate("() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))")
    with Image.open(io.BytesIO(page.locator("#pictures").screenshot())) as image:
        return np.asarray(image.convert("RGB")).astype(int)


def boundary(picture: np.ndarray) -> float:
    """The share of the width where the plate ends, in the upper quarter of the picture."""
    row = picture[picture.shape[0] // 8]
    return float((np.abs(row - PLATE).sum(axis=1) < 60).mean())


def number(page: Page) -> int:
    return int(page.inner_text("#number"))


def shows(page: Page, wanted: int) -> None:
    """Wait until the page shows that frame."""
    page.wait_for_selector(f"#number:text-is('{wanted}')")


def press(page: Page, key: str, expected: int | None = None) -> None:
    page.keyboard.press(key)
    if expected is not None:
        shows(page, expected)


def order(page: Page) -> list[int]:
    return [int(text) for text in page.locator("#metrics tbody tr td:first-child").all_inner_texts()]


def test_when_the_page_opens_then_it_shows_the_worst_frame_half_and_half(page: Page) -> None:
    assert number(page) == LOST  # failed frames are worse than any figure
    press(page, "n", 1004)
    shown = pixels(page)
    assert boundary(shown) == pytest.approx(0.5, abs=0.02)
    assert np.abs(shown[20, -20] - EDITED).max() < 8 and np.abs(shown[20, 20] - PLATE).max() < 8


def test_when_the_wipe_is_dragged_then_the_boundary_follows(page: Page) -> None:
    press(page, "n", 1004)
    box = page.locator("#pictures").bounding_box()
    y = box["y"] + box["height"] / 3
    page.mouse.move(box["x"] + 0.5 * box["width"], y)
    page.mouse.down()
    for share in (0.25, 0.8):
        page.mouse.move(box["x"] + share * box["width"], y)
        assert boundary(pixels(page)) == pytest.approx(share, abs=0.02)
    page.mouse.up()
    page.mouse.move(box["x"] + 0.1 * box["width"], y)
    assert boundary(pixels(page)) == pytest.approx(0.8, abs=0.02)
    press(page, "ArrowDown")
    assert boundary(pixels(page)) == pytest.approx(0.78, abs=0.02)


def test_when_keys_are_pressed_then_frames_change(page: Page) -> None:
    press(page, "Home", 1001)
    press(page, "ArrowRight", 1002)
    assert page.inner_text("#strip button[aria-current] span") == "1002"
    assert page.locator("#metrics tr[aria-current] td").first.inner_text() == "1002"
    press(page, "ArrowLeft", 1001)
    press(page, "ArrowLeft", 1001)
    press(page, "End", LOST)
    press(page, "n", 1004)
    press(page, "n", 1002)
    press(page, "p", 1004)


def test_when_space_is_pressed_then_the_shot_plays_until_it_is_pressed_again(page: Page) -> None:
    press(page, "Home", 1001)
    press(page, " ")
    shows(page, 1004)
    shows(page, 1002)  # it goes round
    press(page, " ")
    assert page.inner_text("#play") == "Play"
    page.wait_for_timeout(150)
    stopped = number(page)
    page.wait_for_timeout(300)
    assert number(page) == stopped


@pytest.mark.parametrize(("key", "colour"), [("b", PLATE), ("a", EDITED), ("d", GREY)])
def test_when_a_view_is_chosen_then_the_whole_picture_is_that(page: Page, key: str, colour: Any) -> None:
    press(page, "Home", 1001)
    press(page, key)
    shown = pixels(page)
    assert np.abs(shown - colour).max() < 10


def test_when_the_mask_is_laid_over_then_its_half_turns_red(page: Page) -> None:
    press(page, "Home", 1001)
    press(page, "a")
    press(page, "m")
    page.wait_for_selector("#mask:visible")
    shown = pixels(page)
    assert np.abs(shown[20, 100] - EDITED).max() < 10
    assert shown[-20, 100, 0] - shown[20, 100, 0] > 60


def test_when_the_picture_is_zoomed_then_the_edit_grows_in_its_place_and_the_wipe_stays(page: Page) -> None:
    press(page, "Home", 1001)
    press(page, "ArrowUp")
    press(page, "m")
    page.wait_for_selector("#mask:visible")
    shares = []
    for _ in range(4):
        shown = pixels(page)
        assert boundary(shown) == pytest.approx(0.52, abs=0.02)
        right = shown[:, -20]
        shares.append(float((right[:, 0] - EDITED[0] > 50).mean()))  # rows under the mask, which is red
        press(page, "z")
    assert shares == pytest.approx([0.5, 0.75, 1.0, 0.5], abs=0.03)


def test_when_frames_failed_then_they_are_listed_plainly(page: Page) -> None:
    told = page.inner_text("#failed")
    assert "1006 failed" in told and "No face found." in told and "Give a track." in told
    assert "No face found." in page.inner_text("#lost")
    assert boundary(pixels(page)) < 0.9  # veiled by the words
    press(page, "b")
    assert np.abs(pixels(page) - PLATE).max() < 10


def test_when_the_table_is_sorted_then_rows_follow_the_column(page: Page) -> None:
    assert order(page) == [1006, 1004, 1002, 1003, 1001, 1005]  # the worst first
    flicker = page.locator("#metrics th", has_text="flicker")
    flicker.locator("button").click()
    assert flicker.get_attribute("aria-sort") == "descending"
    assert order(page) == [1004, 1002, 1003, 1001, 1005, 1006]
    flicker.locator("button").click()
    assert order(page) == [1005, 1001, 1003, 1002, 1004, 1006]  # what was not measured stays at the end
    page.locator("#metrics tbody tr").nth(3).click()
    shows(page, 1002)


def test_when_a_curve_is_clicked_then_that_frame_shows_and_is_marked(page: Page) -> None:
    box = page.locator(".curve").first.bounding_box()
    page.mouse.click(box["x"] + box["width"] * 0.4, box["y"] + 10)
    shows(page, 1003)
    assert page.locator("[data-curve='0']").inner_text() == "0.50"
    x = float(page.locator(".curve .now").first.get_attribute("x1"))
    assert x == pytest.approx(4 + 312 * 2 / 5)


def test_when_the_window_is_narrow_then_nothing_is_cut_off(page: Page) -> None:
    for width in (1600, 700, 420):
        page.set_viewport_size({"width": width, "height": 800})
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        box = page.locator("#pictures").bounding_box()
        assert box["width"] / box["height"] == pytest.approx(SIZE[0] / SIZE[1], rel=0.01)


def test_when_texts_are_hostile_then_they_are_shown_and_do_nothing(browser: Browser, tmp_path: Path) -> None:
    for page in opened(browser, make_page(tmp_path, EVIL)):
        for key in ("Home", "ArrowRight", "n", "p", "m", "d"):
            press(page, key)
        page.wait_for_timeout(200)
        assert page.evaluate("window.hacked") is None
        assert page.inner_text("h1") == EVIL
        assert EVIL in page.inner_text("#failed") and EVIL in page.inner_text(".notes")
        assert page.locator("img[src=x]").count() == 0
        assert page.locator("script").count() == 2


def test_when_somebody_plants_a_script_then_the_policy_stops_it(browser: Browser, tmp_path: Path) -> None:
    path = make_page(tmp_path)
    planted = "<script>window.hacked = 1</script><img src='https://127.0.0.1:9/x.png'></body>"
    path.write_text(path.read_text().replace("</body>", planted))
    page = browser.new_page()
    said: list[str] = []
    page.on("console", lambda message: said.append(message.text))
    page.goto(path.as_uri())
    page.wait_for_selector("#number:not(:empty)")
    assert page.evaluate("window.hacked") is None
    assert len([text for text in said if "Content Security Policy" in text]) == 2
    page.close()


def test_when_the_list_opens_then_every_shot_leads_to_its_page(browser: Browser, tmp_path: Path) -> None:
    folder = tmp_path / "shots" / "sh010"
    folder.mkdir(parents=True)
    make_page(folder)
    counts, figures = {"rendered": 5, "failed": 1}, {"flicker": 1.2, "flicker_max": 1.9, "edit_mean": 0.2}
    lines = [
        ShotLine("sh010", "shots/sh010/index.html", "", counts, figures, (1006, 1004)),
        ShotLine("sh020", "", "", {}, {}, (), EVIL),
    ]
    (tmp_path / "index.html").write_bytes(index_html(EVIL, lines))
    page = browser.new_page()
    page.goto((tmp_path / "index.html").as_uri())
    assert page.inner_text("h1") == EVIL and EVIL in page.inner_text("tbody")
    assert "5 rendered, 1 failed" in page.inner_text("tbody tr")
    page.click("text=1004")
    shows(page, 1004)
    page.click("text=All shots")
    assert page.inner_text("h1") == EVIL
    page.close()
