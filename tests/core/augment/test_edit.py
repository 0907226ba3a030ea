"""What is measured of a picture tells a good edit from a stranger's face, a blurred one, a broken one, and no edit."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from lineament.core.augment.draws import Variant
from lineament.core.augment.edit import Made, Subject, open_judges
from lineament.core.augment.filters import Limits, Measured, reasons
from lineament.core.frame import Frame
from lineament.core.io import read_frame
from lineament.core.recipe import EditRecipe
from lineament.core.tools import ToolOptions, Tools, open_tools

EDIT = {"glasses": 2.0}


@pytest.fixture(scope="module")
def tools() -> Tools:
    return open_tools(ToolOptions())


@pytest.fixture(scope="module")
def plate() -> Frame:
    import lineament.plugin

    return read_frame(Path(lineament.plugin.__file__).parent / "demo_shot" / "plate" / "plate.1001.exr")


@pytest.fixture(scope="module")
def subject(plate: Frame, tools: Tools) -> Subject:
    return Subject(plate, EditRecipe(), tools, open_judges(tools))


@pytest.fixture(scope="module")
def edited(subject: Subject) -> Made:
    (made,) = subject.variants([Variant("v000", EDIT)])
    return made


def repainted(plate: Frame, rgb: np.ndarray) -> Frame:
    return plate.with_rgb("", rgb.astype(np.float32), np.ones(rgb.shape[:2], np.bool_))


def why(measured: Measured) -> str:
    return "; ".join(reasons(measured, Limits()))


def test_when_glasses_are_put_on_then_the_picture_passes(edited: Made) -> None:
    assert edited.measured is not None and why(edited.measured) == ""
    assert edited.measured.identity is not None and edited.measured.effect["glasses"] > 0.3


def test_when_nothing_was_done_then_the_change_is_too_small(subject: Subject, plate: Frame) -> None:
    measured = subject.measure(plate, 0, EDIT)
    assert measured.change == 0.0 and measured.identity == pytest.approx(1.0, abs=1e-4)
    assert "change of 0.0000" in why(measured)


def test_when_the_face_is_a_strangers_then_its_identity_is_rejected(
    subject: Subject, plate: Frame, tools: Tools
) -> None:
    with torch.inference_mode():
        noise = torch.randn(8, tools.generator.z_dim, generator=torch.Generator().manual_seed(3))
        faces = tools.generator.synthesise(tools.generator.map(noise)).numpy()
    swapped = [subject.pasted(face) for face in faces]
    told = [subject.measure(frame, 0, {}).identity for frame in swapped]
    assert sum("identity" in why(subject.measure(frame, 0, {})) for frame in swapped) >= 7, told


def test_when_the_edit_is_blurred_then_its_sharpness_is_rejected(
    subject: Subject, plate: Frame, edited: Made
) -> None:
    blurred = repainted(plate, cv2.GaussianBlur(edited.frame.rgb(""), (0, 0), 4))
    assert "sharpness" in why(subject.measure(blurred, 0, EDIT))


def test_when_the_edit_has_pixels_that_are_no_numbers_then_they_are_counted(
    subject: Subject, plate: Frame, edited: Made
) -> None:
    rgb = edited.frame.rgb("")
    rgb[240:244, 240:245] = np.nan
    measured = subject.measure(repainted(plate, rgb), 0, EDIT)
    assert measured.not_finite == 20 and "20 pixels are not finite" in why(measured)


def test_when_the_face_is_painted_over_then_it_is_not_found_again(subject: Subject, plate: Frame) -> None:
    x0, y0, x1, y1 = (int(value) for value in subject.face_box())
    rgb = plate.rgb("")
    rgb[y0 - 60 : y1 + 60, x0 - 60 : x1 + 60] = rgb[:8, :8].mean(axis=(0, 1))
    assert "the face is" in why(subject.measure(repainted(plate, rgb), 0, EDIT))


def test_when_the_attribute_moves_the_wrong_way_then_it_is_rejected(subject: Subject, edited: Made) -> None:
    assert "glasses moved" in why(subject.measure(edited.frame, 0, {"glasses": -2.0}))


def test_when_the_edit_is_done_again_then_the_pixels_are_the_same(subject: Subject, edited: Made) -> None:
    _, again = subject.variants([Variant("v001", {"age": 1.0}), Variant("v000", EDIT)])
    assert np.array_equal(again.frame.rgb(""), edited.frame.rgb(""))
