"""Masks and pixel aspects that no sane person sends: each does what is written, or is refused by name."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from lineament.core.errors import LineamentError, PlateError
from lineament.core.frame import Frame, Part, Window
from lineament.core.io import read_frame, write_frame
from lineament.core.recipe import EditRecipe, Move, Strength
from lineament.plugin.cli import main
from lineament.plugin.matte import read_matte
from lineament.plugin.messages import FrameRequest, ToolChoices
from lineament.plugin.plan import Job, make_plan
from lineament.plugin.session import LocalSession, WorkerSession
from PIL import Image

from .conftest import HEIGHT, WIDTH, Studio

AGED = EditRecipe((Move("age", Strength.constant(2.0)),))
SIGNALLING_HALF = np.array([0x7D01], np.uint16).view(np.float16)[0]


@pytest.fixture(autouse=True)
def same_signals() -> Iterator[None]:
    handler = signal.getsignal(signal.SIGTERM)
    yield
    signal.signal(signal.SIGTERM, handler)


@pytest.fixture(scope="module")
def session(studio: Studio) -> LocalSession:
    return LocalSession(ToolChoices(model=str(studio.model), track=str(studio.track)))


def a_part(values: np.ndarray, window: Window, *names: str, **more: object) -> Part:
    names = names or ("R",)
    return Part("", names, dict.fromkeys(names, values), window, window, compression="zip", **more)


def of_size(width: int, height: int, x0: int = 0, y0: int = 0) -> Window:
    return Window(x0, y0, x0 + width, y0 + height)


WHOLE = a_part(np.ones((HEIGHT, WIDTH), np.float32), of_size(WIDTH, HEIGHT))


def a_request(studio: Studio, output: Path, **fields: object) -> FrameRequest:
    return replace(FrameRequest(studio.plate.replace("####", "1001"), str(output), 1001, AGED), **fields)


def test_when_a_half_mask_holds_a_signalling_nan_then_it_is_0_without_a_warning(tmp_path: Path) -> None:
    values = np.ones((HEIGHT, WIDTH), np.float16)
    values[2, 3] = SIGNALLING_HALF
    write_frame(tmp_path / "m.exr", Frame((a_part(values, of_size(WIDTH, HEIGHT)),)))
    for invert, rest in ((False, 1.0), (True, 0.0)):
        matte = read_matte(str(tmp_path / "m.exr"), 1, WHOLE, invert=invert)
        assert matte[2, 3] == 0.0 and matte[0, 0] == rest


def test_when_plate_and_mask_are_one_pixel_then_it_is_read(tmp_path: Path) -> None:
    plate = a_part(np.ones((1, 1), np.float32), of_size(1, 1, -7, -9))
    write_frame(tmp_path / "m.exr", Frame((a_part(np.full((1, 1), 0.5, np.float32), of_size(1, 1)),)))
    assert read_matte(str(tmp_path / "m.exr"), 1, plate).tolist() == [[0.5]]


def test_when_the_plate_has_overscan_then_a_mask_over_all_of_it_fits(tmp_path: Path) -> None:
    data, display = of_size(WIDTH, HEIGHT, -8, -6), of_size(WIDTH - 16, HEIGHT - 12)
    values = np.linspace(0.0, 1.0, HEIGHT * WIDTH, dtype=np.float32).reshape(HEIGHT, WIDTH)
    plate = replace(a_part(values, data), display_window=display)
    for name, window in (("same", data), ("shifted", of_size(WIDTH, HEIGHT))):
        shown = display if name == "same" else window
        part = replace(a_part(values, window), display_window=shown)
        write_frame(tmp_path / f"{name}.exr", Frame((part,)))
        assert np.array_equal(read_matte(str(tmp_path / f"{name}.exr"), 1, plate), values)
    write_frame(tmp_path / "inside.exr", Frame((a_part(values[6:-6, 8:-8], display),)))
    with pytest.raises(
        PlateError, match=r"80 x 60 pixels, but the plate has 96 x 72.*whole of the plate's data"
    ):
        read_matte(str(tmp_path / "inside.exr"), 1, plate)


def test_when_the_mask_has_several_parts_then_the_first_counts(tmp_path: Path) -> None:
    first = replace(WHOLE, name="matte")
    second = replace(a_part(np.zeros((9, 9), np.float32), of_size(9, 9)), name="other")
    second = replace(second, display_window=first.display_window)
    write_frame(tmp_path / "m.exr", Frame((first, second)))
    assert read_matte(str(tmp_path / "m.exr"), 1, WHOLE).min() == 1.0


@pytest.mark.parametrize(("kind", "white"), [("png", 65535), ("tif", 65535), ("jpg", 255)])
def test_when_the_mask_is_a_picture_of_any_kind_then_white_is_1(
    kind: str, white: int, tmp_path: Path
) -> None:
    dtype = np.uint16 if white > 255 else np.uint8
    Image.fromarray(np.full((HEIGHT, WIDTH), white, dtype)).save(tmp_path / f"m.{kind}")
    assert read_matte(str(tmp_path / f"m.{kind}"), 1, WHOLE).min() == 1.0


def test_when_the_mask_is_a_pipe_then_nobody_waits_for_it(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "m.exr")
    with pytest.raises(PlateError, match="not a file"):
        read_matte(str(tmp_path / "m.exr"), 1, WHOLE)


@pytest.mark.parametrize("name", ["a mask.exr", "маска äöü.exr", "%20#mask'\".exr", "m" * 200 + ".exr"])
def test_when_the_masks_name_is_odd_then_it_is_found(
    name: str, studio: Studio, tmp_path: Path, session: LocalSession
) -> None:
    path = tmp_path / name
    write_frame(path, Frame((replace(WHOLE, planes={"R": np.zeros((HEIGHT, WIDTH), np.float32)}),)))
    assert make_plan(Job(studio.plate, str(tmp_path / "out"), AGED, mask=str(path))).requests[0].matte == str(
        path
    )
    assert session.render(a_request(studio, tmp_path / "out.exr", matte=str(path))).report["identity"]


@pytest.mark.parametrize("name", ["", "  ", "m\0.exr", "m" * 300 + ".exr", "nowhere/m.exr", "."])
def test_when_the_masks_name_cannot_be_one_then_it_is_refused_or_none(
    name: str, studio: Studio, tmp_path: Path
) -> None:
    job = Job(studio.plate, str(tmp_path / "out"), AGED, mask=name)
    if name == "":
        assert {ask.matte for ask in make_plan(job).requests} == {""}
        return
    with pytest.raises(LineamentError):
        make_plan(job)


def test_when_an_option_is_empty_then_there_is_no_mask(studio: Studio, tmp_path: Path) -> None:
    assert main(studio.arguments(tmp_path / "a", "--set", "age=2", "--mask", "", "--frames", "1001")) == 0
    assert main(studio.arguments(tmp_path / "b", "--set", "age=2", "--frames", "1001")) == 0
    assert (tmp_path / "a" / "shot.1001.exr").read_bytes() == (tmp_path / "b" / "shot.1001.exr").read_bytes()


def test_when_the_plate_is_its_own_mask_then_it_is_only_read(studio: Studio, tmp_path: Path) -> None:
    plate = Path(studio.plate.replace("####", "1001"))
    before = plate.read_bytes()
    assert main(studio.arguments(tmp_path / "out", "--set", "age=2", "--mask", studio.plate)) == 0
    assert plate.read_bytes() == before


def test_when_a_mask_fails_on_one_frame_then_the_others_are_written(studio: Studio, tmp_path: Path) -> None:
    for number in (1001, 1002, 1003):
        write_frame(tmp_path / f"m.{number}.exr", Frame((WHOLE,)))
    (tmp_path / "m.1002.exr").write_bytes(b"cut off")
    given = ["--set", "age=2", "--mask", str(tmp_path / "m.####.exr")]
    assert main(studio.arguments(tmp_path / "out", *given)) == 1
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["shot.1001.exr", "shot.1003.exr"]


def test_when_a_worker_refuses_a_mask_then_class_and_remedy_arrive_and_it_goes_on(
    studio: Studio, tmp_path: Path
) -> None:
    with WorkerSession(ToolChoices(model=str(studio.model), track=str(studio.track))) as worker:
        with pytest.raises(PlateError, match=r"does not exist.*gone\.exr") as caught:
            worker.render(a_request(studio, tmp_path / "a.exr", matte=str(tmp_path / "gone.exr")))
        assert caught.value.remedy
        worker.render(a_request(studio, tmp_path / "a.exr"))
    assert (tmp_path / "a.exr").is_file()


@pytest.mark.parametrize("aspect", [float("nan"), float("inf"), -2.0, 1e-30, 1e30])
def test_when_the_pixel_aspect_is_absurd_then_pixels_count_as_square(
    aspect: float, session: LocalSession, studio: Studio, tmp_path: Path
) -> None:
    session.render(a_request(studio, tmp_path / "odd.exr", pixel_aspect=aspect))
    session.render(a_request(studio, tmp_path / "square.exr", pixel_aspect=1.0))
    assert (tmp_path / "odd.exr").read_bytes() == (tmp_path / "square.exr").read_bytes()


def test_when_the_pixel_aspect_is_told_then_the_output_keeps_the_plates_header(
    session: LocalSession, studio: Studio, tmp_path: Path
) -> None:
    session.render(a_request(studio, tmp_path / "wide.exr", pixel_aspect=2.0))
    plate = read_frame(studio.plate.replace("####", "1001")).parts[0]
    written = read_frame(tmp_path / "wide.exr").parts[0]
    assert (written.pixel_aspect, written.header) == (plate.pixel_aspect, plate.header)


def test_when_a_probe_is_asked_about_a_masked_shot_then_the_mask_has_no_say(
    studio: Studio, tmp_path: Path
) -> None:
    plate = studio.plate.replace("####", "1001")
    with WorkerSession(ToolChoices(model=str(studio.model), track=str(studio.track))) as worker:
        exposure = worker.probe(plate, 1001, AGED)
        result = worker.render(a_request(studio, tmp_path / "a.exr"))
        assert exposure == result.report["exposure"] == worker.probe(plate, 1001, AGED, 1.0)
