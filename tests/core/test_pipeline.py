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
from lineament.core.faces.track import Track, TrackLocator
from lineament.core.frame import Attribute, Frame, Part, Window
from lineament.core.generators.package import load_package
from lineament.core.io import read_frame, write_frame
from lineament.core.latent import Direction, Latent
from lineament.core.pipeline import Tools, plate_colour, render_frame, see_face
from lineament.core.recipe import EditRecipe, Move, Strength

TEMPLATE = np.array([(0.62, 0.42), (0.38, 0.42), (0.5, 0.56), (0.6, 0.7), (0.4, 0.7), (0.5, 0.86)])


class Staring:
    """A locator that always sees one face in the middle of the picture."""

    def locate(self, picture, number):
        height, width = picture.shape[:2]
        side = min(height, width)
        points = TEMPLATE * side + ((width - side) / 2, (height - side) / 2)
        return (Face(points, 1.0, "test"),)


class Dazzled(Staring):
    """A locator that is drawn towards brightness, as any network is a little."""

    def locate(self, picture, number):
        (face,) = super().locate(picture, number)
        return (replace(face, landmarks=face.landmarks + 20.0 * picture.mean()),)


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


def plate(pixels: np.ndarray, dtype: type = np.float16, **more: object) -> Frame:
    height, width, count = pixels.shape
    window = Window(0, 0, width, height)
    planes = {c: np.ascontiguousarray(pixels[..., i].astype(dtype)) for i, c in enumerate("RGBA"[:count])}
    return Frame((Part("", tuple(planes), planes, window, window, **more),), 1001)


def look(frame: Frame, tools: Tools, **more: object):
    asked = recipe("push", 1.0, **more)
    return see_face(frame, frame.layer(""), asked, tools)


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
        except FaceError as err:  # one pixel is no face; it must say so, not crash
            assert (nothing, name) == ("equal reconstructions", "one_pixel"), f"{name}: {err}"
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
    silent = replace(
        frame, parts=(replace(frame.parts[0], pixel_aspect=1.0),)
    )  # a host that writes no header
    told = render_frame(silent, recipe("push", 1.0), tools, pixel_aspect=2.0)
    assert np.array_equal(told.report.seen.crop.image, seen.crop.image)
    assert told.frame.parts[0].pixel_aspect == 1.0, "what was told for locating is not written"


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


def test_when_a_frame_is_rendered_alone_then_it_equals_the_one_in_a_shot(tools: Tools) -> None:
    pixels = np.full((90, 120, 3), 0.002)
    pixels[20:70, 40:80] = np.random.default_rng(5).uniform(0.1, 0.9, (50, 40, 3))  # a face in a dark room
    dark_room = plate(pixels, np.float32)
    dazzled = replace(tools, locator=Dazzled())
    alone = look(dark_room, dazzled)
    in_shot = look(dark_room, dazzled, exposure=alone.exposure)
    brightened = look(dark_room, dazzled, exposure=8.0 * alone.exposure)
    np.testing.assert_array_equal(in_shot.face.landmarks, alone.face.landmarks)
    np.testing.assert_array_equal(in_shot.crop.image, alone.crop.image)
    np.testing.assert_array_equal(brightened.face.landmarks, alone.face.landmarks)
    assert brightened.crop.image.mean() > alone.crop.image.mean() + 0.1


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_when_pixels_of_the_face_are_not_finite_then_the_crop_misses_them(
    bad: float, a_plate: Frame, tools: Tools
) -> None:
    pixels = a_plate.rgb("").copy()
    clean = look(plate(pixels, np.float32), tools).crop
    pixels[45, 60, 1] = bad
    holed = look(plate(pixels, np.float32), tools).crop
    assert clean.valid.min() == 1.0
    assert 0.0 < 1.0 - holed.valid.mean() < 0.01
    assert holed.mask.sum() < clean.mask.sum()
    assert (
        np.abs(holed.image - clean.image).max() < 0.1
    )  # neighbours fill in; black or white would be 0.5 away


def test_when_the_plate_is_premultiplied_then_the_generator_sees_straight_colour(tools: Tools) -> None:
    colour = np.random.default_rng(6).uniform(0.1, 0.4, (90, 120, 3))
    alpha = np.full((90, 120, 1), 0.25)
    alpha[:, :30] = 0.0
    opaque = look(plate(colour, np.float32), tools)
    veiled = look(plate(np.concatenate([colour * alpha, alpha], -1), np.float32), tools)
    covered = opaque.crop.plate_from_crop[0, 2] + opaque.crop.plate_from_crop[0, 0] * np.arange(32) > 33
    assert veiled.exposure == opaque.exposure and 0 < covered.sum() < 33
    np.testing.assert_allclose(
        veiled.crop.image[..., covered], opaque.crop.image[..., covered], rtol=0, atol=1e-5
    )


ODD_PRIMARIES = {
    "text": "Rec709",
    "bytes": b"8 bytes!",
    "three": (0.64, 0.33, 0.3),
    "words": ("a",) * 8,
    "mapping": {"red": (0.64, 0.33)},
    "nan": (float("nan"),) * 8,
}


@pytest.mark.parametrize("odd", ODD_PRIMARIES.values(), ids=ODD_PRIMARIES)
def test_when_chromaticities_are_no_eight_numbers_then_they_are_ignored_aloud(
    odd: object, a_plate: Frame, caplog: pytest.LogCaptureFixture
) -> None:
    frame = plate(a_plate.rgb(""), header=(Attribute("chromaticities", "odd", odd),))
    usual = plate_colour(a_plate, a_plate.layer(""), EditRecipe())
    assert plate_colour(frame, frame.layer(""), EditRecipe()).space == usual.space
    assert "chromaticities" in caplog.text and "ignored" in caplog.text


def test_when_chromaticities_are_rec709_then_they_are_believed(a_plate: Frame) -> None:
    primaries = (0.64, 0.33, 0.3, 0.6, 0.15, 0.06, 0.3127, 0.329)
    frame = plate(a_plate.rgb(""), header=(Attribute("chromaticities", "chromaticities", primaries),))
    assert "709" in plate_colour(frame, frame.layer(""), EditRecipe()).space


@pytest.mark.parametrize("shape", [(120, 90), (90, 121), (90, 120, 1), (0, 0)])
def test_when_the_matte_has_another_size_then_it_is_refused_before_any_work(
    shape: tuple[int, ...], a_plate: Frame, tools: Tools
) -> None:
    stages: list[str] = []
    with pytest.raises(ValueError, match=r"matte has shape .*H=90, W=120"):
        render_frame(
            a_plate, recipe("push", 1.0), tools, matte=np.zeros(shape, np.float32), on_stage=stages.append
        )
    assert stages == []


def test_when_the_matte_is_not_finite_then_it_counts_as_zero(a_plate: Frame, tools: Tools) -> None:
    bright = plate(a_plate.rgb(""), np.float32)
    random = np.random.default_rng(7).random((90, 120)).astype(np.float32)
    zeroed, broken = random.copy(), random.copy()
    zeroed[30:60:2], broken[30:60:2] = 0.0, np.nan
    broken[30:60:4] = np.inf
    one, two = (render_frame(bright, recipe("push", 2.0), tools, matte=m) for m in (zeroed, broken))
    assert two.report.composite.rejected == 0 < two.report.composite.changed
    np.testing.assert_array_equal(two.frame.rgb(""), one.frame.rgb(""))
    nowhere = np.full((90, 120), np.nan, np.float32)
    assert render_frame(bright, recipe("push", 2.0), tools, matte=nowhere).frame is bright


def test_when_a_report_is_kept_then_no_plate_is_kept_with_it(a_plate: Frame, tools: Tools) -> None:
    seen = render_frame(a_plate, recipe("push", 1.0), tools).report.seen
    arrays = [*vars(seen).values(), *vars(seen.crop).values()]
    assert max(one.size for one in arrays if isinstance(one, np.ndarray)) < 90 * 120


def test_when_the_face_is_tracked_in_the_overscan_of_an_anamorphic_plate_then_it_is_edited(
    tools: Tools,
) -> None:
    pixels = np.random.default_rng(8).uniform(0.1, 0.4, (120, 160, 3)).astype(np.float32)
    frame = plate(pixels, np.float32, pixel_aspect=2.0)
    part = replace(frame.parts[0], data_window=Window(0, 0, 160, 120), display_window=Window(0, 0, 80, 120))
    in_proxy = (TEMPLATE * 40.0) + (95.0, 10.0)  # square pixels, half size: the plate's (95..135, 20..100)
    locator = TrackLocator(Track((80.0, 60.0), {1001: in_proxy}))
    result = render_frame(replace(frame, parts=(part,)), recipe("push", 2.0), replace(tools, locator=locator))
    assert result.report.seen is not None
    np.testing.assert_allclose(result.report.seen.face.landmarks, in_proxy * (1.0, 2.0))
    moved = (result.frame.rgb("") != pixels).any(-1)
    assert moved[20:100, 95:135].sum() > 500 and not moved[:, :60].any()
