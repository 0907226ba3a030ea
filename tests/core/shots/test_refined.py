"""The refiner in a shot: it looks at each frame itself, in any order alike, and nowhere without a face."""

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np
import pytest
import torch
from lineament.core.faces.base import Surround
from lineament.core.faces.crop import warp_to_plate
from lineament.core.io import read_frame
from lineament.core.refiner import RefinerNet
from lineament.core.shots.analyse import analyse
from lineament.core.shots.preview_frame import preview_frame, preview_mask, preview_plate, whole_window
from lineament.core.shots.render import face_mask, fine_picture, fine_pictures, render_shot_frame


@pytest.fixture(params=[Surround(64), Surround(96, (16, 8, 16, 24))], ids=["alone", "around"])
def opened(request, small_shot, make_tools):
    """A shot whose model has a refiner, and the same tools without it."""
    plain = make_tools()
    torch.manual_seed(4)
    net = RefinerNet(plain.generator.w_dim, request.param, (8, 8, 8, 8, 8))
    torch.nn.init.normal_(net.out.weight, std=0.5)
    tools = replace(plain, refiner=net.eval().requires_grad_(False))
    return small_shot, tools, plain, analyse(small_shot.shot, small_shot.plates, plain, small_shot.cache)


def frame_of(small, number: int):
    plate = next(one for one in small.plates if one.number == number)
    return read_frame(plate.path, number)


def test_when_a_model_has_a_refiner_then_the_analysis_is_the_same_and_the_frame_is_not(opened) -> None:
    small, tools, plain, analysis = opened
    frame = frame_of(small, 1004)
    refined, drawn = (
        render_shot_frame(frame, 1004, small.shot, analysis, one).frame.rgb("") for one in (tools, plain)
    )
    assert np.isfinite(refined).all() and (refined != drawn).any()
    outside = (drawn == frame.rgb("")).all(-1)
    assert outside.any() and (refined[:6] == frame.rgb("")[:6]).all()
    again = analyse(small.shot, small.plates, tools, small.cache)
    assert again.key == analysis.key


def test_when_a_refiner_looks_around_then_the_edit_ends_with_what_it_sees(opened) -> None:
    small, tools, _, analysis = opened
    frame, number = frame_of(small, 1004), 1004
    edit, face = small.shot.faces[0], analysis.faces[0]
    row, plate = analysis.row(number), frame.rgb("")
    changed = (render_shot_frame(frame, number, small.shot, analysis, tools).frame.rgb("") != plate).any(-1)
    fine = fine_picture(frame, frame.layer(""), face, row, edit, 1.0, tools)
    within = {}
    for name, one in (("generator", None), ("refiner", fine)):
        area = face_mask(face, row, edit, 1.0, tools, one)
        reach, x0, y0 = warp_to_plate(np.ones_like(area.picture), area.plate_from_crop, *plate.shape[:2])
        within[name] = np.zeros(plate.shape[:2], bool)
        within[name][y0 : y0 + reach.shape[1], x0 : x0 + reach.shape[2]] = reach[0] > 0.0
    assert changed.any() and not changed[~within["refiner"]].any()
    assert changed[~within["generator"]].any() == any(tools.refiner.surround.margins)


def test_when_something_hides_the_border_then_it_hides_what_lies_beyond(opened) -> None:
    small, tools, _, analysis = opened
    frame, number = frame_of(small, 1004), 1004
    edit, face, surround = small.shot.faces[0], analysis.faces[0], tools.refiner.surround
    row = analysis.row(number)
    keeps = face.keeps.copy()
    keeps[row, :, : keeps.shape[2] // 2] = 0.0  # a wall before one half of the face
    hidden = replace(face, keeps=keeps)
    fine = fine_picture(frame, frame.layer(""), hidden, row, edit, 1.0, tools)
    middle = surround.inside[1].start + surround.inner // 2
    assert (fine.keep[..., : middle - 2] == 0.0).all()
    assert fine.keep[..., middle + 2 :].any()


def test_when_pictures_were_cut_before_then_the_bits_are_those_of_the_render(opened) -> None:
    small, tools, _, analysis = opened
    size = tools.refiner.surround.size
    for number in (1005, 1001, 1005):
        frame = frame_of(small, number)
        views = fine_pictures(frame, number, small.shot, analysis, tools)
        assert list(views) == ["main"] and views["main"].picture.shape == (3, size, size)
        given, cut = (
            render_shot_frame(frame, number, small.shot, analysis, tools, **more).frame.rgb("")
            for more in ({"fine": views}, {})
        )
        assert (given == cut).all()


def test_when_nothing_is_asked_then_the_refiner_changes_no_bit(opened) -> None:
    small, tools, _, analysis = opened
    idle = small.with_strength(0.0, colourspace="ACEScg")
    frame = frame_of(small, 1003)
    assert render_shot_frame(frame, 1003, idle.shot, analysis, tools).frame is frame


def test_when_pixels_of_the_face_are_not_finite_then_the_rest_is_refined_and_they_stay(opened) -> None:
    small, tools, _, analysis = opened
    frame = frame_of(small, 1004)
    layer = frame.layer("")
    pixels = frame.rgb("")
    pixels[30:34, 40:44] = (np.nan, np.inf, -np.inf)
    whole = (slice(0, pixels.shape[0]), slice(0, pixels.shape[1]))
    broken = frame.with_rgb(layer, pixels, np.ones(pixels.shape[:2], bool), whole)
    out = render_shot_frame(broken, 1004, small.shot, analysis, tools).frame.rgb("")
    assert np.array_equal(out[30:34, 40:44], broken.rgb("")[30:34, 40:44], equal_nan=True)
    finite = np.isfinite(broken.rgb("")).all(-1)
    assert np.isfinite(out[finite]).all() and (out[finite] != broken.rgb("")[finite]).any()


def test_when_a_preview_is_cut_from_the_small_plate_then_its_mask_covers_what_is_edited(opened) -> None:
    small, tools, _, analysis = opened
    frame, number = frame_of(small, 1004), 1004
    height, width = frame.rgb("").shape[:2]
    plate = preview_plate(frame, small.shot, whole_window(width, height, 1.0, width), tools)
    assert plate.fine is None
    edited = preview_frame(plate, number, small.shot, small.shot.faces, analysis, tools).frame
    changed = (edited.rgb("") != plate.frame.rgb("")).any(-1)
    mask = preview_mask(plate, number, small.shot.faces, analysis, tools)
    near = cv2.dilate((mask > 0.0).astype(np.uint8), np.ones((3, 3), np.uint8)) > 0
    assert changed.any() and not changed[~near].any()
