"""The mask of an edit: what is read from its file, and what a session makes of it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest
from lineament.core.errors import PlateError
from lineament.core.frame import Frame, Part, Window
from lineament.core.io import read_frame, write_frame
from lineament.core.recipe import EditRecipe, Move, Strength
from lineament.plugin.matte import read_matte
from lineament.plugin.messages import FrameRequest, FrameResult, ToolChoices
from lineament.plugin.session import LocalSession
from PIL import Image

from .conftest import HEIGHT, WIDTH, Studio

AGED = EditRecipe((Move("age", Strength.constant(2.0)),))
WINDOW = Window(0, 0, WIDTH, HEIGHT)
RAMP = np.linspace(0.0, 1.0, WIDTH * HEIGHT, dtype=np.float32).reshape(HEIGHT, WIDTH)


def a_part(
    planes: Mapping[str, np.ndarray], data: Window = WINDOW, display: Window = WINDOW, name: str = ""
) -> Part:
    return Part(name, tuple(planes), planes, data, display, compression="zip")


PLATE = a_part(dict.fromkeys("RGB", RAMP))


def write(path: Path, *parts: Part) -> str:
    write_frame(path, Frame(parts))
    return str(path)


@pytest.fixture(scope="module")
def session(studio: Studio) -> LocalSession:
    return LocalSession(ToolChoices(model=str(studio.model), track=str(studio.track)))


@pytest.mark.parametrize(
    ("channels", "used"),
    [
        (("R", "G", "B", "A"), "R"),
        (("Y",), "Y"),
        (("A",), "A"),
        (("mask",), "mask"),
        (("roto.R", "roto.G"), "roto.R"),
        (("A", "Y"), "Y"),
    ],
)
def test_when_a_mask_has_several_channels_then_the_one_that_is_meant_counts(
    channels: tuple[str, ...], used: str, tmp_path: Path
) -> None:
    planes = {name: RAMP if name == used else np.zeros_like(RAMP) for name in channels}
    assert np.array_equal(read_matte(write(tmp_path / "m.exr", a_part(planes)), 1, PLATE), RAMP)


def test_when_a_mask_holds_odd_numbers_then_it_stays_between_0_and_1(tmp_path: Path) -> None:
    values = RAMP.copy()
    values[0, :6] = (np.nan, np.inf, -np.inf, -3.0, 7.0, 0.25)
    path = write(tmp_path / "m.exr", a_part({"R": values}))
    assert read_matte(path, 1, PLATE)[0, :6].tolist() == [0.0, 0.0, 0.0, 0.0, 1.0, 0.25]
    assert read_matte(path, 1, PLATE, invert=True)[0, :6].tolist() == [0.0, 0.0, 0.0, 1.0, 0.0, 0.75]


def test_when_a_mask_is_a_still_then_its_integers_are_scaled(tmp_path: Path) -> None:
    levels = np.zeros((HEIGHT, WIDTH), np.uint8)
    levels[3, 5], levels[4, 5] = 255, 51
    Image.fromarray(levels).save(tmp_path / "m.png")
    matte = read_matte(str(tmp_path / "m.png"), 1, PLATE)
    assert (matte[3, 5], matte[4, 5], matte[0, 0]) == (1.0, np.float32(0.2), 0.0)


def test_when_a_mask_is_half_then_it_is_read_exactly(tmp_path: Path) -> None:
    path = write(tmp_path / "m.exr", a_part({"Y": RAMP.astype(np.float16)}))
    assert np.array_equal(read_matte(path, 1, PLATE), RAMP.astype(np.float16).astype(np.float32))


def test_when_a_mask_has_another_size_then_both_sizes_are_told(tmp_path: Path) -> None:
    small = Window(0, 0, 40, 30)
    path = write(tmp_path / "m.exr", a_part({"R": RAMP[:30, :40]}, small, small))
    with pytest.raises(PlateError, match=r"mask has 40 x 30 pixels, but the plate has 96 x 72\..*m\.exr"):
        read_matte(path, 1, PLATE)


def test_when_a_mask_lies_elsewhere_in_the_same_picture_then_it_is_refused(tmp_path: Path) -> None:
    display = Window(0, 0, 200, 200)
    plate = a_part(dict.fromkeys("RGB", RAMP), WINDOW, display)
    elsewhere = Window(20, 10, 20 + WIDTH, 10 + HEIGHT)
    path = write(tmp_path / "m.exr", a_part({"R": RAMP}, elsewhere, display))
    with pytest.raises(PlateError, match="mask begins at 20, 10, but the plate at 0, 0"):
        read_matte(path, 1, plate)
    still = write(tmp_path / "n.exr", a_part({"R": RAMP}))  # knows nothing of the plate's picture
    assert np.array_equal(read_matte(still, 1, plate), RAMP)


def test_when_a_mask_holds_ids_then_it_is_refused(tmp_path: Path) -> None:
    path = write(tmp_path / "m.exr", a_part({"id": np.ones((HEIGHT, WIDTH), np.uint32)}))
    with pytest.raises(PlateError, match='channel "id" holds ids'):
        read_matte(path, 1, PLATE)


def test_when_a_mask_cannot_be_read_then_its_path_is_told(tmp_path: Path) -> None:
    (tmp_path / "broken.exr").write_bytes(b"no picture")
    for name in ("broken.exr", "missing.exr", "notes.txt"):
        with pytest.raises(PlateError, match=name):
            read_matte(str(tmp_path / name), 1, PLATE)


def rendered(
    session: LocalSession, studio: Studio, output: Path, **fields: object
) -> tuple[dict[str, np.ndarray], FrameResult]:
    plate = studio.plate.replace("####", "1001")
    result = session.render(FrameRequest(plate, str(output), 1001, AGED, **fields))  # type: ignore[arg-type]
    return dict(read_frame(output).parts[0].planes), result


def test_when_a_session_gets_a_mask_then_the_edit_stays_inside_it(
    session: LocalSession, studio: Studio, tmp_path: Path
) -> None:
    left = np.zeros((HEIGHT, WIDTH), np.float32)
    left[:, : WIDTH // 2] = 1.0
    path = write(tmp_path / "left.exr", a_part({"R": left}))
    plain, _ = rendered(session, studio, tmp_path / "plain.exr")
    inside, _ = rendered(session, studio, tmp_path / "in.exr", matte=path)
    outside, _ = rendered(session, studio, tmp_path / "out.exr", matte=path, invert_matte=True)
    plate = read_frame(studio.plate.replace("####", "1001")).parts[0].planes
    for name in "RGB":
        assert (plate[name] != plain[name]).any()
        assert np.array_equal(inside[name], np.where(left > 0, plain[name], plate[name]))
        assert np.array_equal(outside[name], np.where(left > 0, plate[name], plain[name]))


@pytest.mark.parametrize(("level", "invert"), [(0.0, False), (1.0, True), (np.nan, False), (np.nan, True)])
def test_when_a_mask_is_empty_then_the_plate_comes_back_and_no_face_is_looked_for(
    level: float, invert: bool, session: LocalSession, studio: Studio, tmp_path: Path
) -> None:
    path = write(tmp_path / "m.exr", a_part({"R": np.full((HEIGHT, WIDTH), level, np.float32)}))
    planes, result = rendered(session, studio, tmp_path / "out.exr", matte=path, invert_matte=invert)
    plate = read_frame(studio.plate.replace("####", "1001"))
    assert all(planes[name].tobytes() == plate.parts[0].planes[name].tobytes() for name in planes)
    assert read_frame(tmp_path / "out.exr").parts[0].header == plate.parts[0].header
    assert result.report["identity"] and set(result.report["stages"]) == {"read", "write"}


def test_when_there_is_no_mask_then_inverting_means_nothing(
    session: LocalSession, studio: Studio, tmp_path: Path
) -> None:
    plain, _ = rendered(session, studio, tmp_path / "plain.exr")
    inverted, _ = rendered(session, studio, tmp_path / "inverted.exr", invert_matte=True)
    assert all(np.array_equal(plain[name], inverted[name]) for name in plain)


def test_when_the_mask_is_wrong_then_nothing_is_written(
    session: LocalSession, studio: Studio, tmp_path: Path
) -> None:
    with pytest.raises(PlateError, match=r"gone\.exr"):
        rendered(session, studio, tmp_path / "out.exr", matte=str(tmp_path / "gone.exr"))
    assert list(tmp_path.iterdir()) == []


def test_when_the_output_is_the_mask_then_the_mask_stays(
    session: LocalSession, studio: Studio, tmp_path: Path
) -> None:
    path = write(tmp_path / "m.exr", a_part({"R": RAMP}))
    before = Path(path).read_bytes()
    with pytest.raises(PlateError, match="the mask itself"):
        rendered(session, studio, Path(path), matte=path)
    assert Path(path).read_bytes() == before
