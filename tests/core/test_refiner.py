"""The refiner: nothing for a step of nothing, bounded answers, the right place in plate and shot, damage refused."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from lineament.core.errors import GeneratorError
from lineament.core.faces.align import surrounding, transform_points
from lineament.core.faces.base import FineFace, Surround
from lineament.core.frame import Frame, Part, Window
from lineament.core.generators.package import add_files, load_package, save_package
from lineament.core.generators.tiny import TINY_CONFIG, build_tiny
from lineament.core.latent import Latent
from lineament.core.pipeline import edit_area, face_change, refined_change
from lineament.core.refiner import RefinerNet, enlarged, warped
from lineament.core.sight import cut_face, fine_face
from lineament.core.tools import REFINER, REFINER_NOTE, ToolOptions, load_refiner, open_tools

W_DIM, SIZE = 6, 64
AROUND = Surround(96, (16, 8, 16, 24))


@pytest.fixture(params=[Surround(SIZE), AROUND], ids=["alone", "around"])
def net(request: pytest.FixtureRequest) -> RefinerNet:
    """A refiner that was not trained but answers something."""
    torch.manual_seed(2)
    made = RefinerNet(W_DIM, request.param, (8, 8, 8, 8, 8))
    torch.nn.init.normal_(made.out.weight, std=0.5)
    return made.eval().requires_grad_(False)


@pytest.fixture
def pictures(net: RefinerNet) -> tuple[torch.Tensor, ...]:
    random, size = torch.Generator().manual_seed(5), net.surround.size
    face = torch.rand((2, 3, size, size), generator=random) * 2 - 1
    before, after = (torch.rand((2, 3, 16, 16), generator=random) * 2 - 1 for _ in range(2))
    return face, before, after


def test_when_the_step_is_zero_then_nothing_changes_whatever_the_pictures(net, pictures) -> None:
    assert (net(*pictures, torch.zeros(2, W_DIM)) == 0.0).all()
    one = net(*pictures, torch.tensor([[0.0] * W_DIM, [0.5] * W_DIM]))
    assert (one[0] == 0.0).all() and (one[1] != 0.0).any()


def test_when_the_step_shrinks_then_what_the_refiner_adds_shrinks_with_it(net, pictures) -> None:
    face, before, _ = pictures
    direction = torch.ones(2, W_DIM) / W_DIM**0.5
    sizes = [float(net(face, before, before, direction * length).abs().mean()) for length in (1.0, 0.1, 1e-3)]
    assert sizes[0] > 4.0 * sizes[1] > 100.0 * sizes[2] > 0.0


def test_when_many_strong_edits_add_up_then_the_answer_stays_bounded(net, pictures) -> None:
    direction = torch.ones(2, W_DIM) / W_DIM**0.5
    strong, absurd = (net(*pictures, direction * length) for length in (12.0, 1e6))
    assert torch.isfinite(absurd).all()
    assert float(absurd.abs().max()) < 4.0 * float(strong.abs().max())


def test_when_a_network_is_stored_then_its_shape_is_read_back_from_its_tensors(net, pictures) -> None:
    again = RefinerNet.from_tensors(net.state_dict(), net.surround)
    step = torch.full((2, W_DIM), 0.3)
    assert (again(*pictures, step) == net(*pictures, step)).all()
    with pytest.raises(ValueError, match="multiple of 32"):
        RefinerNet(W_DIM, Surround(48))


def test_when_margins_leave_no_square_then_they_are_refused() -> None:
    for margins in ((1, 0, 0, 0), (-8, -8, -8, -8), (32, 32, 32, 32)):
        with pytest.raises(ValueError, match="no square"):
            Surround(64, margins)


def test_when_a_refiner_looks_around_then_the_generators_change_ends_where_its_picture_does() -> None:
    net = RefinerNet(W_DIM, AROUND, (8, 8, 8, 8, 8)).eval()  # its last layer is 0: it adds nothing of its own
    face, before = torch.zeros(1, 3, 96, 96), torch.zeros(1, 3, 16, 16)
    change = net(face, before, before + 0.5, torch.ones(1, W_DIM)).detach()[0]
    rows, columns = AROUND.inside
    inner = change[:, rows, columns].clone()
    assert inner.shape == (3, 64, 64) and torch.allclose(inner[:, 16:-16, 16:-16], torch.tensor(0.5))
    assert float(inner[:, 0].abs().max()) < 1e-6 and float(inner[..., -1].abs().max()) < 1e-6
    change[:, rows, columns] = 0.0
    assert (change == 0.0).all()


def test_when_a_square_is_surrounded_then_its_own_pixels_keep_their_place() -> None:
    matrix = np.array([[3.0, -1.0, 40.0], [1.0, 3.0, 25.0], [0.0, 0.0, 1.0]])  # of 32 pixels
    around = surrounding(matrix, 32, AROUND)
    corners = np.array([(0.0, 0.0), (32.0, 32.0), (10.0, 5.0)])
    assert np.allclose(
        transform_points(around, corners * 2.0 + (16.0, 8.0)), transform_points(matrix, corners)
    )


def test_when_the_flow_is_one_pixel_then_the_picture_moves_by_one_pixel() -> None:
    picture = torch.arange(64.0).reshape(1, 1, 8, 8)
    flow = torch.zeros(1, 2, 8, 8)
    assert torch.allclose(warped(picture, flow), picture, atol=1e-4)
    flow[:, 0] = 2.0 / 8
    assert torch.allclose(warped(picture, flow)[..., :-1], picture[..., 1:], atol=1e-4)
    flow = flow.flip(1)
    assert torch.allclose(warped(picture, flow)[..., :-1, :], picture[..., 1:, :], atol=1e-4)


def test_when_a_picture_is_enlarged_then_its_middle_stays_in_the_middle() -> None:
    ramp = torch.linspace(-1.0, 1.0, 16)[None, None, None].expand(1, 3, 16, 16)
    large = enlarged(ramp, 64)
    assert large.shape == (1, 3, 64, 64)
    assert torch.allclose(large + large.flip(3), torch.zeros(1), atol=1e-5)
    assert enlarged(large, 64) is large


@pytest.fixture
def package_folder(tmp_path: Path) -> Path:
    """The tiny generator with a refiner of its own."""
    folder = tmp_path / "model"
    save_package(folder, build_tiny(), name="hero", matte=True)
    card = load_package(folder).card
    torch.manual_seed(3)
    made = RefinerNet(card.w_dim, Surround(SIZE), (8, 8, 8, 8, 8))
    torch.nn.init.normal_(made.out.weight, std=0.5)
    add_files(
        folder,
        tensors={REFINER: made.state_dict()},
        documents={REFINER_NOTE: {"size": SIZE, "generator_id": card.id}},
    )
    return folder


def test_when_a_package_has_a_refiner_then_it_is_opened_with_the_tools(package_folder: Path) -> None:
    net = load_refiner(load_package(package_folder))
    assert net is not None and net.surround == Surround(SIZE)
    assert load_refiner(load_package("tiny")) is None
    package = load_package(package_folder)
    note = {"size": 96, "margins": [16, 8, 16, 24], "generator_id": package.card.id}
    add_files(package_folder, documents={REFINER_NOTE: note}, tensors={})
    around = load_refiner(load_package(package_folder))
    assert around is not None and around.surround == AROUND


WRONG = {
    "another generator": ({"size": SIZE, "generator_id": "0" * 16}, {}, "made for generator"),
    "no size": ({"generator_id": ""}, {}, "size"),
    "an absurd size": ({"size": 10**9}, {}, "size"),
    "a size that is no number": ({"size": True}, {}, "size"),
    "a size that cannot be halved": ({"size": 40}, {}, "multiple"),
    "margins of text": ({"margins": "wide"}, {}, "margins"),
    "three margins": ({"margins": [8, 8, 8]}, {}, "margins"),
    "margins in shares": ({"margins": [0.25, 0.25, 0.25, 0.25]}, {}, "margins"),
    "margins that leave no square": ({"margins": [8, 0, 0, 0]}, {}, "no square"),
    "margins below zero": ({"margins": [-8, -8, -8, -8]}, {}, "no square"),
    "NaN": ({}, {"out.weight": torch.full((14, 8, 3, 3), torch.nan)}, "NaN"),
    "a missing tensor": ({}, {"out.bias": None}, "out.bias"),
    "another shape": ({}, {"out.bias": torch.zeros(3)}, "out.bias"),
    "a step of another width": ({}, "w_dim", "steps of"),
}


@pytest.mark.parametrize("case", WRONG)
def test_when_a_refiner_does_not_fit_then_one_line_says_so(package_folder: Path, case: str) -> None:
    told, changed, text = WRONG[case]
    package = load_package(package_folder)
    note = {"size": SIZE, "generator_id": package.card.id} | told
    if case == "no size":
        del note["size"]
    tensors = dict(package.tensors(REFINER))
    if changed == "w_dim":
        tensors = RefinerNet(package.card.w_dim + 1, Surround(SIZE), (8, 8, 8, 8, 8)).state_dict()
    else:
        tensors = {name: value for name, value in (tensors | changed).items() if value is not None}
    add_files(package_folder, tensors={REFINER: tensors}, documents={REFINER_NOTE: note})
    with pytest.raises(GeneratorError, match=text) as caught:
        load_refiner(load_package(package_folder))
    assert "\n" not in str(caught.value).splitlines()[0] and caught.value.remedy


def test_when_the_generator_draws_finer_than_the_refiner_then_the_model_is_refused(tmp_path: Path) -> None:
    folder = tmp_path / "model"
    finer = replace(TINY_CONFIG, resolution=64, channels={**TINY_CONFIG.channels, 64: 4})
    save_package(folder, build_tiny(config=finer), name="hero")
    card = load_package(folder).card
    net = RefinerNet(card.w_dim, Surround(32), (8, 8, 8, 8, 8))
    note = {"size": 32, "generator_id": card.id}
    add_files(folder, tensors={REFINER: net.state_dict()}, documents={REFINER_NOTE: note})
    with pytest.raises(GeneratorError, match="32 pixels, which is no multiple of its own 64"):
        load_refiner(load_package(folder))


def test_when_the_refiner_is_damaged_on_disk_then_the_model_is_refused(package_folder: Path) -> None:
    path = package_folder / REFINER
    content = bytearray(path.read_bytes())
    content[-5] ^= 0xFF
    path.write_bytes(content)
    with pytest.raises(GeneratorError):
        load_refiner(load_package(package_folder))
    (package_folder / REFINER_NOTE).write_text(json.dumps({"size": SIZE}))
    with pytest.raises(GeneratorError):
        load_refiner(load_package(package_folder))


def plate(pixels: np.ndarray) -> Frame:
    height, width = pixels.shape[:2]
    window = Window(0, 0, width, height)
    planes = {c: np.ascontiguousarray(pixels[..., i].astype(np.float32)) for i, c in enumerate("RGB")}
    return Frame((Part("", ("R", "G", "B"), planes, window, window),), 1001)


@pytest.fixture
def default_tools():
    return open_tools(ToolOptions())


def test_when_a_face_is_cut_then_the_refiner_sees_the_same_square_finer_and_matted(default_tools) -> None:
    from lineament.core.faces.base import Face
    from lineament.core.pipeline import plate_colour
    from lineament.core.recipe import EditRecipe
    from lineament.core.sight import read_plate

    tools = replace(default_tools, segmenter=None)
    assert tools.refiner is not None
    y, x = np.mgrid[0:240, 0:320] / 240.0
    pixels = np.stack([0.2 + 0.1 * x, 0.2 + 0.1 * y, 0.2 + 0.05 * (x + y)], -1)
    pixels[100:104, 150:154] = np.nan
    frame = plate(pixels)
    points = np.array([(0.62, 0.42), (0.38, 0.42), (0.5, 0.56), (0.6, 0.7), (0.4, 0.7), (0.5, 0.86)])
    face = Face(points * 200.0 + (60.0, 20.0), 1.0, "test")
    layer = frame.layer("")
    seen = read_plate(frame, layer)
    colour = plate_colour(frame, layer, EditRecipe(colourspace="ACEScg"), "")
    crop = cut_face(seen, face, colour, 1.0, 1.0, tools)
    surround = tools.refiner.surround
    assert crop.fine is not None and crop.fine.picture.shape == (3, surround.size, surround.size)
    assert crop.fine.matte.shape == crop.fine.keep.shape == (1, surround.size, surround.size)
    assert np.isfinite(crop.fine.picture).all()
    factor = surround.inner // crop.image.shape[-1]
    square = crop.fine.picture[(slice(None), *surround.inside)]
    coarse = square.reshape(3, crop.image.shape[-1], factor, -1, factor).mean((2, 4))
    inside = (crop.matte[0] > 0.999) & (crop.valid[0] > 0.999)
    inside[1:-1, 1:-1] &= inside[:-2, 1:-1] & inside[2:, 1:-1] & inside[1:-1, :-2] & inside[1:-1, 2:]
    fading = np.ones_like(inside)
    fading[8:-8, 8:-8] = False  # without a segmenter the person ends with the generator's square
    inside &= ~fading
    assert inside.sum() > 500
    assert np.abs(coarse - crop.image)[:, inside].max() < 0.02
    assert (crop.fine.picture[:, 0, 0] == 0.0).all()  # the background is grey
    again = fine_face(seen, face, colour, 1.0, 1.0, tools, crop.matte)
    assert again is not None and (again.picture == crop.fine.picture).all()
    assert fine_face(seen, face, colour, 1.0, 1.0, replace(tools, refiner=None), crop.matte) is None


def test_when_single_pixels_are_not_finite_then_the_refiner_sees_no_grey_spots(default_tools) -> None:
    from lineament.core.faces.base import Face
    from lineament.core.pipeline import plate_colour
    from lineament.core.recipe import EditRecipe
    from lineament.core.sight import read_plate

    tools = replace(default_tools, segmenter=None)
    points = np.array([(0.62, 0.42), (0.38, 0.42), (0.5, 0.56), (0.6, 0.7), (0.4, 0.7), (0.5, 0.86)])
    for side in (100.0, 300.0):
        face = Face(points * side + (20.0, 10.0), 1.0, "test")
        pixels = np.full((340, 340, 3), 0.7)
        broken = pixels.copy()
        y, x = (int(v) for v in (points[2] * side + (20.0, 10.0))[::-1])
        broken[y, x], broken[y + 9 : y + 11, x + 9] = np.inf, np.nan
        views = []
        for one in (pixels, broken):
            frame = plate(one)
            layer = frame.layer("")
            colour = plate_colour(frame, layer, EditRecipe(colourspace="ACEScg"), "")
            views.append(cut_face(read_plate(frame, layer), face, colour, 1.0, 1.0, tools).fine.picture)
        assert np.abs(views[0] - views[1]).max() < 0.01


def test_when_much_of_the_face_is_missing_then_the_refiner_sees_grey_there(default_tools) -> None:
    from lineament.core.faces.base import Face
    from lineament.core.pipeline import plate_colour
    from lineament.core.recipe import EditRecipe
    from lineament.core.sight import read_plate

    tools = replace(default_tools, segmenter=None)
    points = np.array([(0.62, 0.42), (0.38, 0.42), (0.5, 0.56), (0.6, 0.7), (0.4, 0.7), (0.5, 0.86)])
    frame = plate(np.full((300, 120, 3), 0.7))
    layer = frame.layer("")
    colour = plate_colour(frame, layer, EditRecipe(colourspace="ACEScg"), "")
    face = Face(points * 200.0 + (10.0, 20.0), 1.0, "test")  # the middle of the face is 10 px from the border
    crop = cut_face(read_plate(frame, layer), face, colour, 1.0, 1.0, tools)
    assert crop.fine is not None and tools.refiner is not None
    inner = crop.fine.picture[(slice(None), *tools.refiner.surround.inside)]
    size = inner.shape[-1]
    outside = np.repeat(np.repeat(crop.valid[0] == 0.0, 2, 0), 2, 1)[:size, :size]
    assert outside.any() and not outside.all()
    assert (inner[:, outside] == 0.0).all()
    assert np.abs(inner[:, size // 2, size // 2]).min() > 0.05
    assert (crop.fine.keep[:, crop.fine.picture.any(0)] > 0.0).all()
    assert (edit_area(crop, tools).picture[crop.fine.keep == 0.0] == 0.0).all()


def test_when_a_lamp_stands_before_the_face_then_the_refiner_neither_sees_nor_dims_it(default_tools) -> None:
    from lineament.core.faces.base import Face
    from lineament.core.pipeline import plate_colour
    from lineament.core.recipe import EditRecipe
    from lineament.core.sight import read_plate

    tools = replace(default_tools, segmenter=None)
    y, x = np.mgrid[0:240, 0:320] / 240.0
    dark = np.stack([0.2 + 0.1 * x, 0.2 + 0.1 * y, 0.2 + 0.05 * (x + y)], -1)
    lit = dark.copy()
    lit[120:124, 158:162] = 20.0
    points = np.array([(0.62, 0.42), (0.38, 0.42), (0.5, 0.56), (0.6, 0.7), (0.4, 0.7), (0.5, 0.86)])
    face = Face(points * 200.0 + (60.0, 20.0), 1.0, "test")
    seen = []
    for pixels in (dark, lit):
        frame = plate(pixels)
        layer = frame.layer("")
        colour = plate_colour(frame, layer, EditRecipe(colourspace="ACEScg"), "")
        crop = cut_face(read_plate(frame, layer), face, colour, 1.0, 1.0, tools)
        assert crop.fine is not None
        seen.append(crop)
    without, with_lamp = (crop.fine.picture for crop in seen)
    assert np.abs(with_lamp - without).max() < 0.05
    assert np.abs(seen[1].image - seen[0].image).max() > 0.3  # the generator's own crop shows it


def test_when_latents_are_equal_then_the_face_does_not_change(default_tools) -> None:
    generator = default_tools.generator
    random = np.random.default_rng(4)
    latent = Latent(np.zeros((generator.num_ws, generator.w_dim), np.float32), generator.id)
    size = default_tools.refiner.surround.size
    whole = np.ones((1, size, size), np.float32)
    face = FineFace(random.uniform(-1, 1, (3, size, size)).astype(np.float32), whole, whole)
    assert (face_change(latent, latent, face, default_tools) == 0.0).all()
    edited = replace(latent, ws=latent.ws + 0.2)
    refined = face_change(latent, edited, face, default_tools)
    assert refined.shape == face.picture.shape
    plain = face_change(latent, edited, None, default_tools)
    assert plain.shape == (3, generator.resolution, generator.resolution)
    same = refined_change(latent, edited, plain * 0.0, plain, face, replace(default_tools, refiner=None))
    assert (same == plain).all()


def test_when_a_refiner_looks_around_then_the_segmenter_says_who_is_there(default_tools) -> None:
    from lineament.core.faces.base import Face
    from lineament.core.pipeline import plate_colour
    from lineament.core.recipe import EditRecipe
    from lineament.core.sight import read_plate

    asked = []

    def matte(image: np.ndarray) -> tuple[np.ndarray, ...]:
        asked.append(image.shape[-1])
        return (np.full((1, *image.shape[1:]), 0.5 if image.shape[-1] == 192 else 1.0, np.float32),) * 3

    net = RefinerNet(default_tools.generator.w_dim, Surround(192, (32, 16, 32, 48)), (8, 8, 8, 8, 8))
    tools = replace(default_tools, segmenter=SimpleNamespace(matte=matte), refiner=net.eval())
    frame = plate(np.full((400, 500, 3), 0.4))
    points = np.array([(0.62, 0.42), (0.38, 0.42), (0.5, 0.56), (0.6, 0.7), (0.4, 0.7), (0.5, 0.86)])
    colour = plate_colour(frame, frame.layer(""), EditRecipe(colourspace="ACEScg"), "")
    face = Face(points * 200.0 + (150.0, 80.0), 1.0, "test")
    crop = cut_face(read_plate(frame, frame.layer("")), face, colour, 1.0, 1.0, tools)
    assert asked == [crop.image.shape[-1], 192]
    assert crop.fine is not None
    person = crop.fine.matte[0].copy()
    rows, columns = net.surround.inside
    assert (person[rows, columns][16:-16, 16:-16] == 1.0).all()  # its closer look at the generator's square
    edge = person[rows, columns][0].copy()
    person[rows, columns] = 0.25
    assert set(np.unique(person)) == {0.25, 0.5} and np.allclose(edge, 0.5)
    area = edit_area(crop, tools).picture[0]
    assert area[0].max() == area[-1].max() == area[:, 0].max() == area[:, -1].max() == 0.0
    assert area[rows.stop + 8, 96] == pytest.approx(0.5, abs=0.01)  # below the chin an edit may go on
