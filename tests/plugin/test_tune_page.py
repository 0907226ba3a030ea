"""The tuner as a person uses it: the real page in a real browser, on the demonstration and the embedded model."""

from __future__ import annotations

from pathlib import Path

import pytest
from lineament.core.shots.shot_file import read_show
from lineament.plugin.tune_api import TuneApi

from .tuning import open_demo, served, with_file

PIXELS = """() => { const c = document.getElementById('picture');
    const d = c.getContext('2d', {willReadFrequently: true}).getImageData(0, 0, c.width, c.height).data;
    let h = 0; for (let i = 0; i < d.length; i += 1) h = (h * 31 + d[i]) >>> 0;
    return c.width + 'x' + c.height + ' ' + h }"""
EMPTY = "300x150"
"""The size of a canvas that nobody has drawn on."""
SLIDE = """([name, value, end]) => { const s = document.querySelector(`[data-name=${name}] input[type=range]`);
    s.value = value; s.dispatchEvent(new Event('input', {bubbles: true}));
    if (end) s.dispatchEvent(new Event('change', {bubbles: true})) }"""
MANY = """([name, values]) => { const s = document.querySelector(`[data-name=${name}] input[type=range]`);
    for (const value of values) { s.value = value; s.dispatchEvent(new Event('input', {bubbles: true})) }
    s.dispatchEvent(new Event('change', {bubbles: true})) }"""
LINES = ("strengths:", "  age: 0.5     # a little", "  glasses: {1001: 0, 1003: 1}")


@pytest.fixture(scope="module")
def opened(tmp_path_factory) -> TuneApi:
    """The shot, analysed and opened once."""
    return open_demo(tmp_path_factory.mktemp("opened"), *LINES)


class Tuner:
    """The page and the file behind it."""

    def __init__(self, page, file: Path) -> None:
        self.page, self.file = page, file
        self.said: list[str] = []
        page.on("console", lambda message: self.said.append(f"{message.type}: {message.text}"))
        page.on("pageerror", lambda error: self.said.append(f"error: {error}"))

    def open(self, url: str) -> None:
        self.page.goto(url)
        self.settle()

    def settle(self) -> str:
        """The picture, when it does not change any more."""
        last = ""
        for _ in range(80):
            found = self.page.evaluate(PIXELS)
            if found == last and not found.startswith(EMPTY):
                return found
            last = found
            self.page.wait_for_timeout(220)
        raise AssertionError("the picture never settles")

    def slide(self, name: str, value: float, end: bool = True) -> str:
        before = self.page.locator("#latency").get_attribute("data-count") or "0"
        self.page.evaluate(SLIDE, [name, value, end])
        self.page.wait_for_selector(f"#latency[data-count='{int(before) + 1}']")
        return self.settle()

    def value(self, name: str) -> str:
        return self.page.locator(f"[data-name={name}] input[type=number]").input_value()

    def press(self, key: str) -> str:
        self.page.keyboard.press(key)
        return self.settle()

    def key_of(self, name: str):
        return self.page.locator(f"[data-name={name}] .key")


@pytest.fixture
def tuner(browser, opened: TuneApi, tmp_path: Path):
    page = browser.new_page(viewport={"width": 1500, "height": 950})
    with served(with_file(opened, tmp_path, *LINES)) as server:
        tuner = Tuner(page, tmp_path / "shots.yaml")
        tuner.open(server.url)
        yield tuner
        page.close()
    assert tuner.said == []


def test_when_the_page_opens_then_it_shows_the_shot_and_hides_its_token(tuner: Tuner) -> None:
    page = tuner.page
    assert page.inner_text("#shot") == "sh010" and page.title() == "sh010 · Lineament"
    assert "#" not in page.url and page.locator(".row").count() == 17
    assert tuner.value("age") == "0.5" and tuner.value("glasses") == "0"
    assert page.is_disabled("#save") and page.is_disabled("#undo")
    page.reload()
    assert tuner.settle().startswith("512x512")


def test_when_a_slider_moves_then_the_face_changes_and_nothing_else(tuner: Tuner) -> None:
    corner = "() => [...document.getElementById('picture').getContext('2d').getImageData(0, 0, 512, 90).data].join()"
    before, outside = tuner.settle(), tuner.page.evaluate(corner)
    after = tuner.slide("age", 2.5)
    assert after != before and tuner.page.evaluate(corner) == outside
    assert "ms a move" in tuner.page.inner_text("#latency")
    assert tuner.slide("age", 0.5) == before


def test_when_a_slider_is_dragged_by_the_mouse_then_the_whole_drag_is_one_change(tuner: Tuner) -> None:
    before = tuner.settle()
    box = tuner.page.locator("[data-name=beard] input[type=range]").bounding_box()
    y = box["y"] + box["height"] / 2
    tuner.page.mouse.move(box["x"] + box["width"] / 2, y)
    tuner.page.mouse.down()
    tuner.page.mouse.move(box["x"] + box["width"] * 0.95, y, steps=40)
    tuner.page.mouse.up()
    dragged, value = tuner.settle(), float(tuner.value("beard"))
    assert value > 2.0 and dragged != before
    assert tuner.press("Control+z") == before and tuner.value("beard") == "0"
    assert tuner.page.is_disabled("#undo")
    assert tuner.press("Control+Shift+z") == dragged and float(tuner.value("beard")) == value


def test_when_moves_come_faster_than_pictures_then_stale_ones_are_never_asked_for(tuner: Tuner) -> None:
    asked: list[str] = []
    tuner.page.on("request", lambda request: asked.append(request.url))
    tuner.page.evaluate(MANY, ["age", [number / 50 for number in range(-100, 151)]])
    shown = tuner.settle()
    assert len([url for url in asked if url.endswith("/api/picture")]) == 2  # the first and the newest
    assert tuner.value("age") == "3" and tuner.slide("age", 1) != shown and tuner.slide("age", 3) == shown


def test_when_keys_are_set_then_values_between_them_are_interpolated(tuner: Tuner) -> None:
    page = tuner.page
    page.locator("[data-name=smile]").click(position={"x": 5, "y": 5})
    tuner.press("k")
    assert tuner.key_of("smile").inner_text() == "◆" and page.inner_text("#key") == "Remove key"
    tuner.press("End")
    assert tuner.key_of("smile").inner_text() == "◇" and page.input_value("#frame") == "1003"
    tuner.slide("smile", 3)
    assert tuner.key_of("smile").inner_text() == "◆"
    linear = tuner.press("ArrowLeft")
    assert tuner.value("smile") == "1.5" and tuner.value("glasses") == "0.5"
    page.select_option("#interpolation", "step")
    assert tuner.settle() != linear and tuner.value("smile") == "0"
    tuner.press("]")
    tuner.press("k")
    assert tuner.value("smile") == "0" and page.is_disabled("#key-on")


def test_when_it_is_saved_then_the_file_has_that_value_and_its_comments(tuner: Tuner) -> None:
    before = tuner.file.read_text()
    tuner.slide("age", 1.75)
    assert tuner.page.inner_text("#unsaved") == "1 unsaved change"
    tuner.press("Control+s")
    tuner.page.wait_for_selector("#save:disabled")
    assert tuner.file.read_text() == before.replace("age: 0.5 ", "age: 1.75 ")
    assert tuner.page.inner_text("#unsaved") == ""


def test_when_the_other_side_is_held_then_it_is_shown_until_the_key_is_let_go(tuner: Tuner) -> None:
    tuner.slide("age", 0)
    plate = tuner.slide("glasses", 0)
    edited = tuner.slide("age", 3)
    tuner.page.keyboard.down("a")
    assert tuner.settle() == plate and tuner.page.inner_text("#tag") == "original"
    tuner.page.keyboard.up("a")
    assert tuner.settle() == edited
    tuner.page.select_option("#against", "saved")
    tuner.settle()
    tuner.page.keyboard.down("a")
    saved = tuner.settle()
    tuner.page.keyboard.up("a")
    assert saved not in (plate, edited) and tuner.slide("age", 0.5) == saved


def test_when_views_are_chosen_then_each_is_another_picture_and_the_file_stays(tuner: Tuner) -> None:
    before = tuner.file.read_bytes()
    tuner.slide("age", 3)
    seen = [tuner.settle(), *(tuner.press(key) for key in "wdm")]
    edited = tuner.press("e")
    assert len(set(seen)) == 4 and edited == seen[0]
    close = tuner.press("f")
    assert close.split()[0] != edited.split()[0] and tuner.press("f") == edited
    tuner.page.evaluate(
        "s => { const e = document.getElementById('stops'); e.value = s; e.dispatchEvent(new Event('input')) }",
        2,
    )
    brighter = tuner.settle()
    tuner.page.select_option("#view", "1")
    assert len({edited, brighter, tuner.settle()}) == 3
    tuner.page.select_option("#size", "480")
    assert tuner.settle().startswith("480x480")
    assert tuner.file.read_bytes() == before and tuner.page.inner_text("#unsaved") == "1 unsaved change"


def test_when_the_wipe_is_dragged_then_the_edge_moves(tuner: Tuner) -> None:
    tuner.slide("age", 3)
    wiped = tuner.press("w")
    box = tuner.page.locator("#edge").bounding_box()
    tuner.page.mouse.move(box["x"] + 8, box["y"] + 60)
    tuner.page.mouse.down()
    tuner.page.mouse.move(box["x"] - 60, box["y"] + 60, steps=3)
    tuner.page.mouse.up()
    assert tuner.settle() != wiped and tuner.page.locator("#edge").bounding_box()["x"] < box["x"] - 50


def test_when_a_number_is_typed_then_it_counts_and_is_held_to_the_limits(tuner: Tuner) -> None:
    number = tuner.page.locator("[data-name=age] input[type=number]")
    number.fill("-1.37")
    number.press("Enter")
    tuner.settle()
    assert tuner.value("age") == "-1.37"
    number.fill("99")
    number.press("Enter")
    tuner.settle()
    assert tuner.value("age") == "4"
    tuner.page.locator("[data-name=age] .reset").click()
    tuner.settle()
    assert tuner.value("age") == "0"


def test_when_somebody_else_writes_the_file_then_it_says_so_and_reading_again_keeps_the_change(
    tuner: Tuner,
) -> None:
    tuner.slide("age", 2)
    tuner.file.write_text(tuner.file.read_text().replace("1003: 1}", "1003: 2}"))
    theirs = tuner.file.read_text()
    tuner.page.click("#save")
    tuner.page.wait_for_selector("#problem:not([hidden])")
    assert "changed by somebody else" in tuner.page.inner_text("#what") and tuner.file.read_text() == theirs
    tuner.said[:] = [line for line in tuner.said if "422" not in line]
    tuner.page.click("#reload")
    tuner.settle()
    tuner.page.click("#save")
    tuner.page.wait_for_selector("#save:disabled")
    assert tuner.file.read_text() == theirs.replace("age: 0.5 ", "age: 2 ")


def test_when_quit_is_pressed_with_changes_then_it_asks_first(tuner: Tuner) -> None:
    tuner.slide("age", 2)
    tuner.page.click("#quit")
    assert "main: age=2" in tuner.page.inner_text("#lost")
    tuner.page.get_by_role("button", name="Stay").click()
    assert tuner.page.is_hidden("#end")
    tuner.page.click("#quit")
    tuner.page.get_by_role("button", name="Save and quit").click()
    tuner.page.wait_for_selector("#end:not([hidden])")
    strengths = read_show(tuner.file).shot("sh010").faces[0].recipe.strengths_at(1001)
    assert strengths == {"age": 2.0}


def test_when_the_address_has_no_token_then_the_page_says_what_to_do(browser, opened: TuneApi) -> None:
    page = browser.new_page()
    with served(opened) as server:
        page.goto(server.url.partition("#")[0])
        page.wait_for_selector("#problem:not([hidden])")
        assert "address that the command has printed" in page.inner_text("#what")
        page.close()
