"""The nine-step path on a model that fits into a test: what is not asked for stays, what is asked for happens."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from lineament.core.curve import SHOULDER
from lineament.core.directions.library import DirectionLibrary
from lineament.core.errors import FaceError, GeneratorError, RecipeError
from lineament.core.faces.base import Alignment, Face
from lineament.core.frame import Frame, Part, Window
from lineament.core.generators.package import load_package
from lineament.core.io import read_frame, write_frame
from lineament.core.latent import Direction, Latent
from lineament.core.pipeline import Tools, render_frame
from lineament.core.recipe import EditRecipe, Move, Strength

TEMPLATE = np.array([(0.62, 0.42), (0.38, 0.42), (0.5, 0.56), (0.6, 0.7), (0.4, 0.7), (0.5, 0.86)])


class Staring:
    """A locator that always sees one face in the middle of the picture."""

    def locate(self, picture, number):
        height, width = picture.shape[:2]
        side = min(height, width)
        points = TEMPLATE * side + ((width - side) / 2, (height - side) / 2)
        return (Face(points, 1.0, "test"),)


class Blind:
    """A locator that never sees anything."""

    def locate(self, picture, number):
        return ()


class Constant:
    """An inverter that always answers with the same latent."""

    key = "constant"

    def __init__(self, generator):
        random = torch.Generator().manual_seed(1)
        ws = generator.map(torch.randn(1, generator.z_dim, generator=random))
        self.latent = Latent(ws[0].numpy().astype(np.float32), generator.id)

    def invert(self, crop):
        return self.latent


@pytest.fixture(scope="module")
def tools() -> Tools:
    package = load_package("tiny")
    generator = package.generator
    shape = (generator.num_ws, generator.w_dim)
    push = np.random.default_rng(3).standard_normal(shape).astype(np.float32)
    directions = (
        Direction("push", push, generator.id, (0, shape[0])),
        Direction("still", np.zeros(shape, np.float32), generator.id, (0, shape[0])),
    )
    return Tools(
        package=package,
        generator=generator,
        alignment=Alignment(generator.resolution, 0.62, 0.32),
        curve=SHOULDER,
        locator=Staring(),
        segmenter=None,
        inverter=Constant(generator),
        library=DirectionLibrary(directions, generator.id),
    )


def recipe(name: str, strength: float, **more: object) -> EditRecipe:
    return EditRecipe(moves=(Move(name, Strength.constant(strength)),), **more)


def plate(pixels: np.ndarray, dtype: type = np.float16) -> Frame:
    height, width = pixels.shape[:2]
    window = Window(0, 0, width, height)
    planes = {c: np.ascontiguousarray(pixels[..., i].astype(dtype)) for i, c in enumerate("RGB")}
    return Frame((Part("", ("R", "G", "B"), planes, window, window),), 1001)


@pytest.fixture
def a_plate() -> Frame:
    random = np.random.default_rng(0)
    return plate(0.2 + 0.05 * random.random((90, 120, 3)))


NOTHINGS = {
    "strength 0": (recipe("push", 0.0), None),
    "mix 0": (recipe("push", 2.0, mix=0.0), None),
    "mask 0": (recipe("push", 2.0), 0.0),
    "equal reconstructions": (recipe("still", 2.0), None),
}


@pytest.mark.parametrize("nothing", NOTHINGS)
def test_when_nothing_is_asked_then_every_nasty_plate_keeps_its_bits_and_header(
    nothing: str, nasty_plates, plate_tools, tools: Tools, tmp_path: Path
) -> None:
    asked, matte_value = NOTHINGS[nothing]
    bad = {}
    assert len(nasty_plates) >= 12
    for name, path in nasty_plates.items():
        frame = read_frame(path, 1001)
        layer = next((one.name for one in frame.layers()), None)
        if layer is None:
            continue
        shape = frame.rgb(layer).shape[:2]
        matte = None if matte_value is None else np.full(shape, matte_value, np.float32)
        own = replace(asked, layer=layer, colourspace="ACEScg")
        try:
            result = render_frame(frame, own, tools, matte=matte)
        except FaceError as err:  # a plate without a usable pixel has no face; it must say so, not crash
            assert nothing == "equal reconstructions", f"{name}: {err}"
            continue
        target = tmp_path / f"{name}.exr"
        write_frame(target, result.frame)
        if found := plate_tools.differences(path, target):
            bad[name] = found[:3]
    assert bad == {}


def test_when_nothing_is_asked_then_the_locator_is_not_even_consulted(a_plate: Frame, tools: Tools) -> None:
    result = render_frame(a_plate, recipe("push", 0.0), replace(tools, locator=Blind()))
    assert result.frame is a_plate


def test_when_an_edit_is_asked_then_only_the_crop_changes(a_plate: Frame, tools: Tools) -> None:
    a_plate = plate(a_plate.rgb(""), np.float32)  # a half would round the faintest changes away again
    result = render_frame(a_plate, recipe("push", 2.0), tools)
    assert result.report.seen is not None
    before, after = a_plate.rgb(""), result.frame.rgb("")
    moved = (before != after).any(-1)
    assert moved.sum() > 200
    assert result.report.composite.changed == moved.sum()
    corners = result.report.seen.crop.plate_from_crop @ np.array([[0, 32], [0, 32], [1, 1]])
    (x0, x1), (y0, y1) = corners[0], corners[1]
    outside = np.ones_like(moved)
    outside[max(int(y0), 0) : int(y1) + 1, max(int(x0), 0) : int(x1) + 1] = False
    assert not moved[outside].any()


def test_when_highlights_lie_outside_the_edit_then_they_keep_their_bits(a_plate: Frame, tools: Tools) -> None:
    pixels = a_plate.rgb("").copy()
    pixels[:8, :8] = np.array([1.0, 16.0, 60000.0])
    pixels[-1, -1] = np.nan
    bright = plate(pixels)
    after = render_frame(bright, recipe("push", 2.0), tools).frame
    for channel in "RGB":
        one, two = bright.parts[0].planes[channel], after.parts[0].planes[channel]
        assert one[:8, :8].tobytes() == two[:8, :8].tobytes()
        assert one[-1, -1].tobytes() == two[-1, -1].tobytes()


def test_when_the_plate_is_twice_as_bright_then_the_edit_scales_with_it(a_plate: Frame, tools: Tools) -> None:
    dim = plate(a_plate.rgb(""), np.float32)
    bright = plate(2.0 * dim.rgb(""), np.float32)
    one = render_frame(dim, recipe("push", 2.0), tools)
    two = render_frame(bright, recipe("push", 2.0), tools)
    assert one.report.seen is not None and two.report.seen is not None
    assert one.report.seen.exposure == 2.0 * two.report.seen.exposure
    np.testing.assert_allclose(two.frame.rgb(""), 2.0 * one.frame.rgb(""), rtol=1e-5)


def test_when_pixels_are_twice_as_wide_then_the_same_face_is_seen(tools: Tools) -> None:
    random = np.random.default_rng(4)
    wide = np.repeat(np.repeat(random.random((12, 16, 3)), 10, 0), 10, 1).astype(np.float32) * 0.4
    squeezed = wide.reshape(120, 80, 2, 3).mean(2)
    window = Window(0, 0, 80, 120)
    planes = {c: np.ascontiguousarray(squeezed[..., i]) for i, c in enumerate("RGB")}
    frame = Frame((Part("", ("R", "G", "B"), planes, window, window, pixel_aspect=2.0),), 1001)
    plain = render_frame(plate(wide, np.float32), recipe("push", 1.0), tools).report.seen
    seen = render_frame(frame, recipe("push", 1.0), tools).report.seen
    assert plain is not None and seen is not None
    np.testing.assert_allclose(seen.face.landmarks * (2.0, 1.0), plain.face.landmarks, atol=0.51)
    assert np.abs(seen.crop.image - plain.crop.image).mean() < 0.05


def test_when_no_face_is_found_then_frame_and_remedy_are_named(a_plate: Frame, tools: Tools) -> None:
    with pytest.raises(FaceError, match=r"No face found.*frame 1001.*--track"):
        render_frame(a_plate, recipe("push", 1.0), replace(tools, locator=Blind()))


def test_when_a_second_face_is_asked_for_then_the_count_is_told(a_plate: Frame, tools: Tools) -> None:
    with pytest.raises(FaceError, match="Face 1 was asked for, but 1 were found"):
        render_frame(a_plate, recipe("push", 1.0, face=1), tools)


def test_when_the_attribute_is_unknown_then_the_known_ones_are_listed(a_plate: Frame, tools: Tools) -> None:
    with pytest.raises(RecipeError, match=r"pusch.*push"):
        render_frame(a_plate, recipe("pusch", 1.0), tools)


def test_when_the_strength_is_out_of_range_then_the_range_is_told(a_plate: Frame, tools: Tools) -> None:
    with pytest.raises(RecipeError, match=r"outside its range.*-3 to 3"):
        render_frame(a_plate, recipe("push", 30.0), tools)


def test_when_the_latent_is_another_generators_then_it_is_refused(a_plate: Frame, tools: Tools) -> None:
    class Foreign(Constant):
        def invert(self, crop):
            return replace(self.latent, generator_id="0" * 16)

    with pytest.raises(GeneratorError, match="belongs to 000000000000"):
        render_frame(a_plate, recipe("push", 1.0), replace(tools, inverter=Foreign(tools.generator)))


def test_when_stages_are_watched_then_they_come_in_the_order_of_the_path(
    a_plate: Frame, tools: Tools
) -> None:
    stages: list[str] = []
    render_frame(a_plate, recipe("push", 1.0), tools, on_stage=stages.append)
    assert stages == ["colour", "locate", "crop", "invert", "edit", "synthesise", "composite"]
