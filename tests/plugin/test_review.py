"""``lineament review`` as it is typed: what lies in the folder, what a second run replaces, what is refused."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
from lineament.core.colour import resolve_colour
from lineament.core.colour_config import load_config
from lineament.core.errors import ColourError
from lineament.core.frame import Frame, Part, Window
from lineament.core.shots.looks import Opened
from lineament.core.shots.quality_report import FrameEntry, ShotReport
from lineament.core.sight import Plate
from lineament.plugin import review_folder
from lineament.plugin.plan import UsageError
from lineament.plugin.review_pictures import FramePictures, Viewing, choose_view, pictures_of
from lineament.plugin.review_sheet import choose, sampled
from lineament.plugin.shot_report import ReportedFrame
from PIL import Image

from .rendered_shot import HEIGHT, NUMBERS, WIDTH, RenderedShow

if TYPE_CHECKING:
    from playwright.sync_api import Browser

KINDS = ("after", "before", "difference", "mask", "thumb")


def stamps(folder: Path) -> dict[str, tuple[int, int]]:
    """What changes of a file that was replaced, by name."""
    found = sorted(path for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): (path.stat().st_mtime_ns, path.stat().st_ino) for path in found}


def review(show: RenderedShow, folder: Path, *words: object) -> int:
    return show.run("review", show.file, *words, "-o", folder)


def test_when_shots_are_reviewed_then_all_lies_in_the_folder_and_opens(
    spoilt_show: RenderedShow, tmp_path: Path, browser: Browser
) -> None:
    folder = tmp_path / "review"
    assert review(spoilt_show, folder, "--height", 48) == 0
    names = set(stamps(folder / "shots" / "sh010"))
    pictures = {f"{kind}.{n}.{'png' if kind == 'mask' else 'jpg'}" for kind in KINDS for n in NUMBERS}
    assert names == pictures | {".review", "index.html", "review.json", "sheet.png"}
    assert not [name for name in stamps(folder) if ".review-" in name or ".tmp-" in name]
    with Image.open(folder / "shots" / "sh010" / "after.1001.jpg") as picture:
        assert picture.size == (64, 48)
    page = browser.new_page()
    page.goto((folder / "index.html").as_uri())
    assert "6 rendered" in page.inner_text("tbody tr:nth-child(1)")
    assert "3 missing" in page.inner_text("tbody tr:nth-child(2)")
    page.click("text=sh010")
    page.wait_for_selector("#number:not(:empty)")
    assert page.evaluate("document.getElementById('before').naturalWidth") == 64
    assert "older <b>please</b>" in page.inner_text(".notes")
    page.goto((folder / "shots" / "sh020" / "index.html").as_uri())
    assert "3 of 3 frames failed or are missing" in page.inner_text("#failed")
    page.close()


def test_when_nothing_has_changed_then_a_second_run_replaces_nothing(
    spoilt_show: RenderedShow, tmp_path: Path
) -> None:
    assert review(spoilt_show, tmp_path / "review", "sh010") == 0
    before = stamps(tmp_path / "review")
    assert review(spoilt_show, tmp_path / "review", "sh010") == 0
    assert stamps(tmp_path / "review") == before


def test_when_one_frame_has_changed_then_only_what_shows_it_is_replaced(
    spoilt_show: RenderedShow, tmp_path: Path
) -> None:
    assert review(spoilt_show, tmp_path / "review", "sh010") == 0
    before = stamps(tmp_path / "review")
    spoilt_show.brighten(1003, 0.8)
    assert review(spoilt_show, tmp_path / "review", "sh010") == 0
    after = stamps(tmp_path / "review")
    changed = {name.removeprefix("shots/sh010/") for name in after if after[name] != before[name]}
    pictures = {f"{kind}.1003.jpg" for kind in ("after", "difference", "thumb")}
    assert changed == pictures | {"index.html", "review.json", "sheet.png"}


def test_when_fewer_frames_are_asked_for_then_pictures_of_others_go(
    spoilt_show: RenderedShow, tmp_path: Path
) -> None:
    assert review(spoilt_show, tmp_path / "review", "sh010") == 0
    mine = tmp_path / "review" / "shots" / "sh010" / "notes.txt"
    mine.write_text("mine")
    assert review(spoilt_show, tmp_path / "review", "sh010", "--frames", "1002,1004") == 0
    left = set(stamps(tmp_path / "review" / "shots" / "sh010"))
    assert {name.split(".")[1] for name in left if name.startswith("before")} == {"1002", "1004"}
    assert mine.read_text() == "mine"


def test_when_another_shot_is_reviewed_then_the_list_keeps_the_first(
    spoilt_show: RenderedShow, tmp_path: Path
) -> None:
    assert review(spoilt_show, tmp_path / "review", "sh020") == 0
    assert review(spoilt_show, tmp_path / "review", "sh010") == 0
    page = (tmp_path / "review" / "index.html").read_text()
    assert 0 < page.index('href="shots/sh010/index.html"') < page.index('href="shots/sh020/index.html"')


def test_when_a_shot_cannot_be_reviewed_then_the_list_says_so_and_others_are(
    spoilt_show: RenderedShow, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    spoilt_show.file.write_text(
        spoilt_show.file.read_text().replace("frames: 1001-1003", "frames: 1001-1009")
    )
    assert review(spoilt_show, tmp_path / "review") == 3
    assert "1007-1009" in capsys.readouterr().err
    page = (tmp_path / "review" / "index.html").read_text()
    assert "1007-1009" in page and 'href="shots/sh010/index.html"' in page


def test_when_the_folder_holds_another_page_then_it_is_refused(
    spoilt_show: RenderedShow, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "index.html").write_text("<h1>The show's own page</h1>")
    assert review(spoilt_show, tmp_path, "sh010") == 2
    assert "not of a review" in capsys.readouterr().err
    assert not (tmp_path / "shots").exists()


@pytest.mark.parametrize(
    ("words", "code", "told"),
    [
        (("--view", "Nowhere"), 4, 'no view "Nowhere"'),
        (("--display", "Lamp"), 4, 'no display "Lamp"'),
        (("--frames", "2001"), 2, "none of these frames"),
        (("--movie-layout", "round"), 2, "side or wipe"),
    ],
)
def test_when_something_is_asked_that_cannot_be_then_the_error_names_it(
    spoilt_show: RenderedShow,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    words: tuple[str, ...],
    code: int,
    told: str,
) -> None:
    assert review(spoilt_show, tmp_path / "review", "sh010", *words) == code
    assert told in capsys.readouterr().err
    assert not list(tmp_path.rglob("*.jpg"))


def test_when_another_view_is_chosen_then_pictures_look_otherwise(
    spoilt_show: RenderedShow, tmp_path: Path
) -> None:
    assert review(spoilt_show, tmp_path / "one", "sh010", "--frames", "1001") == 0
    assert review(spoilt_show, tmp_path / "two", "sh010", "--frames", "1001", "--view", "Raw") == 0
    one, two = (
        np.asarray(Image.open(io)).astype(int)
        for io in sorted(tmp_path.glob("*/shots/sh010/before.1001.jpg"))
    )
    assert abs(one.mean() - two.mean()) > 10


def test_when_the_disk_refuses_then_the_old_review_stays(
    spoilt_show: RenderedShow,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert review(spoilt_show, tmp_path / "review", "sh010") == 0
    before = stamps(tmp_path / "review")
    spoilt_show.brighten(1003, 0.8)
    whole = Path.write_bytes

    def full(self: Path, data: bytes) -> int:
        if self.name == "after.1005.jpg":
            raise OSError(28, "No space left on device")
        return whole(self, data)

    with monkeypatch.context() as patch:
        patch.setattr(Path, "write_bytes", full)
        assert review(spoilt_show, tmp_path / "review", "sh010") == 3
    assert "No space left" in capsys.readouterr().err
    after = stamps(tmp_path / "review")
    assert {name: stamp for name, stamp in after.items() if name != "index.html"} == {
        name: stamp for name, stamp in before.items() if name != "index.html"
    }
    assert "No space left" in (tmp_path / "review" / "index.html").read_text()


def test_when_an_earlier_run_was_killed_then_its_rubbish_goes_and_that_of_others_stays(
    tmp_path: Path,
) -> None:
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    dead, living = tmp_path / f".review-{gone.pid}-abc", tmp_path / f".review-{os.getpid()}-abc"
    for folder in (dead, living):
        folder.mkdir()
    with review_folder.staged(tmp_path / "sh010") as stage:
        (stage / "index.html").write_text("page")
    assert (tmp_path / "sh010" / "index.html").read_text() == "page"
    assert not dead.exists() and living.exists() and not stage.exists()


@pytest.mark.parametrize("name", ["..", ".", "", "a/b", "../../etc", "-x", "a\0b"])
def test_when_a_name_could_lead_elsewhere_then_it_is_no_folder(tmp_path: Path, name: str) -> None:
    with pytest.raises(UsageError, match="cannot be a folder"):
        review_folder.shot_folder(tmp_path, name)


def overscanned(data: Window, display: Window, pixel_aspect: float = 1.0) -> ReportedFrame:
    """A plate of mid grey over its data window, and no output."""
    grey = np.full((data.height, data.width), 0.18, np.float32)
    part = Part("", ("R", "G", "B"), dict.fromkeys("RGB", grey), data, display, pixel_aspect)
    frame = Frame((part,), 1001)
    opened = Opened(frame, frame.layer(), Plate(frame.rgb()), pixel_aspect)
    colour = resolve_colour(colourspace="ACEScg")
    return ReportedFrame(FrameEntry(1001, 1001, "missing"), opened, None, grey, colour)


@pytest.mark.parametrize(
    ("data", "aspect", "size"),
    [
        (Window(0, 0, 80, 40), 1.0, (40, 20)),
        (Window(0, 0, 80, 40), 2.0, (80, 20)),
        (Window(-8, -4, 88, 44), 1.0, (40, 20)),
        (Window(40, 20, 80, 40), 1.0, (40, 20)),
    ],
)
def test_when_a_plate_has_overscan_or_wide_pixels_then_the_display_window_is_shown(
    data: Window, aspect: float, size: tuple[int, int]
) -> None:
    config = load_config()
    viewing = Viewing(config, choose_view(config), 20)
    pictures = pictures_of(overscanned(data, Window(0, 0, 80, 40), aspect), viewing)
    assert pictures.before.shape == (size[1], size[0], 3) and pictures.after is None
    corner = 91 if data.x0 <= 0 else 0  # mid grey, or black where the data begin later
    assert pictures.before[2, 2].tolist() == [corner] * 3
    assert pictures.before[-2, -2].min() > 60


def test_when_an_edit_lies_in_a_corner_then_a_close_up_looks_there() -> None:
    picture, mask = np.zeros((20, 40, 3), np.uint8), np.zeros((20, 40), np.float32)
    assert FramePictures(picture, None, None, mask).focus() is None
    mask[15:20, 30:40] = 0.5
    assert FramePictures(picture, None, None, mask).focus() == pytest.approx((35 / 40, 17.5 / 20))


def test_when_a_view_is_chosen_then_the_default_is_the_configs() -> None:
    config = load_config()
    default = choose_view(config)
    assert default.display == config.config.getDefaultDisplay()
    assert choose_view(config, default.display, default.name) == default
    with pytest.raises(ColourError, match="no display"):
        choose_view(config, "Lamp")


def test_when_the_contact_sheet_is_filled_then_the_worst_frames_are_on_it() -> None:
    numbers = tuple(range(1001, 1101))
    entries = tuple(FrameEntry(n, n, "failed" if n == 1042 else "rendered") for n in numbers)
    chosen = choose(ShotReport("show", "sh010", entries), numbers)
    assert 1042 in chosen and 1001 in chosen and 1100 in chosen
    assert len(chosen) == 6 and list(chosen) == sorted(chosen)
    assert sampled(1) == (0,) and sampled(3) == (0, 1, 2)


@pytest.mark.parametrize(("layout", "width"), [("side", 2 * WIDTH + 4), ("wipe", WIDTH)])
def test_when_a_movie_is_asked_for_then_it_has_every_frame(
    spoilt_show: RenderedShow, tmp_path: Path, layout: str, width: int
) -> None:
    av = pytest.importorskip("av")
    spoilt_show.output(1003).unlink()
    assert review(spoilt_show, tmp_path / "review", "sh010", "--movie", "--movie-layout", layout) == 0
    path = tmp_path / "review" / "shots" / "sh010" / "movie.mp4"
    with av.open(str(path)) as movie:
        frames = [frame.to_ndarray(format="rgb24") for frame in movie.decode(video=0)]
        assert movie.streams.video[0].average_rate == 24
    assert len(frames) == len(NUMBERS)
    assert frames[0].shape == (HEIGHT, width, 3)
    assert 'href="movie.mp4"' in (path.parent / "index.html").read_text()
    right = frames[2][:, -20:].astype(int)
    assert np.abs(right - 38).max() < 12  # the frame that is missing is grey
    assert review(spoilt_show, tmp_path / "review", "sh010") == 0
    assert not path.exists()  # it would show an older state


def test_when_pyav_is_missing_then_the_error_names_the_extra(
    spoilt_show: RenderedShow,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setitem(sys.modules, "av", None)
    assert review(spoilt_show, tmp_path / "review", "sh010", "--movie") == 2
    assert 'pip install "lineament[review]"' in capsys.readouterr().err
    assert not (tmp_path / "review").exists()
