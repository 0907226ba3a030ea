"""A frame of an analysed shot: the same bits in whatever order, the plate where nothing is asked."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from lineament.core.errors import DataError, GeneratorError, RecipeError
from lineament.core.io import read_frame
from lineament.core.recipe import EditRecipe, Move, Strength
from lineament.core.shots.analyse import analyse
from lineament.core.shots.render import render_shot_frame, tools_for
from lineament.core.shots.shot import FaceChoice, FaceEdit


def frame_of(small, number: int):
    plate = next(one for one in small.plates if one.number == number)
    return read_frame(plate.path, number)


def pixels(small, tools, analysis, number: int, **more):
    return render_shot_frame(frame_of(small, number), number, small.shot, analysis, tools, **more).frame.rgb(
        ""
    )


@pytest.fixture
def opened(small_shot, make_tools):
    tools = make_tools()
    return small_shot, tools, analyse(small_shot.shot, small_shot.plates, tools, small_shot.cache)


def test_when_a_frame_is_rendered_then_the_face_changes_and_nothing_is_inverted(opened) -> None:
    small, tools, analysis = opened
    calls, looks = tools.inverter.calls, len(tools.locator.looks)
    result = render_shot_frame(frame_of(small, 1004), 1004, small.shot, analysis, tools)
    (report,) = result.faces
    assert report.status == "found" and report.strengths == {"push": 1.0}
    assert report.composite.changed > 100
    assert (tools.inverter.calls, len(tools.locator.looks)) == (calls, looks)


def test_when_frames_are_rendered_in_another_order_or_process_then_their_bits_are_the_same(
    opened, make_tools
) -> None:
    small, tools, analysis = opened
    serial = {n: pixels(small, tools, analysis, n) for n in analysis.numbers}
    fresh = make_tools()
    again = analyse(small.shot, small.plates, fresh, small.cache)
    for number in (1007, 1002, 1005, 1002, 1001):
        assert (pixels(small, fresh, again, number) == serial[number]).all()


@pytest.mark.parametrize("nothing", [{"strength": 0.0}, {"strength": 2.0, "mix": 0.0}, {"matte": 0.0}])
def test_when_nothing_is_asked_then_the_frame_itself_comes_back(opened, nothing) -> None:
    small, tools, analysis = opened
    recipe = {key: value for key, value in nothing.items() if key == "mix"}
    small = small.with_strength(nothing.get("strength", 1.0), colourspace="ACEScg", **recipe)
    frame = frame_of(small, 1003)
    matte = np.zeros((72, 96), np.float32) if "matte" in nothing else None
    assert render_shot_frame(frame, 1003, small.shot, analysis, tools, matte=matte).frame is frame


def test_when_the_face_is_missing_then_the_plate_stays(small_shot, make_tools, wandering) -> None:
    tools = make_tools(wandering(blind=frozenset((1001,))))
    analysis = analyse(small_shot.shot, small_shot.plates, tools, small_shot.cache)
    frame = frame_of(small_shot, 1001)
    result = render_shot_frame(frame, 1001, small_shot.shot, analysis, tools)
    assert result.frame is frame and result.faces[0].status == "missing"


def test_when_a_matte_limits_the_edit_then_the_other_pixels_are_the_plates(opened) -> None:
    small, tools, analysis = opened
    matte = np.zeros((72, 96), np.float32)
    matte[:, :45] = 1.0
    plate, limited = frame_of(small, 1004).rgb(""), pixels(small, tools, analysis, 1004, matte=matte)
    assert (limited[:, 45:] == plate[:, 45:]).all() and (limited[:, :45] != plate[:, :45]).any()


def test_when_two_faces_have_recipes_then_each_is_edited_by_its_own(
    small_shot, make_tools, wandering
) -> None:
    def edit(name: str, index: int, strength: float) -> FaceEdit:
        recipe = EditRecipe((Move("push", Strength.constant(strength)),), colourspace="ACEScg")
        return FaceEdit(name, FaceChoice(index=index), recipe)

    both = replace(small_shot.shot, faces=(edit("one", 0, 1.0), edit("two", 1, -1.0)))
    tools = make_tools(wandering(others=True))
    small = replace(small_shot, shot=both)
    analysis = analyse(both, small.plates, tools, small.cache)
    reports = render_shot_frame(frame_of(small, 1002), 1002, both, analysis, tools).faces
    assert [one.strengths for one in reports] == [{"push": 1.0}, {"push": -1.0}]
    assert all(one.composite.changed > 10 for one in reports)


def test_when_a_held_frame_is_rendered_then_its_own_number_decides(opened) -> None:
    small, tools, analysis = opened
    recipe = EditRecipe((Move("push", Strength(((1001, 0.0), (1005, 2.0)))),), colourspace="ACEScg")
    shot = replace(small.shot, faces=(FaceEdit("main", recipe=recipe),))
    frame = frame_of(small, 1001)
    assert render_shot_frame(frame, 1005, shot, analysis, tools).faces[0].strengths == {"push": 2.0}
    assert render_shot_frame(frame, 1001, shot, analysis, tools).frame is frame


def test_when_a_strength_is_out_of_range_or_a_frame_unknown_then_it_is_refused(opened) -> None:
    small, tools, analysis = opened
    with pytest.raises(RecipeError, match="outside its range"):
        pixels(small.with_strength(99.0), tools, analysis, 1002)
    with pytest.raises(DataError, match="Frame 1 is not in the analysis"):
        render_shot_frame(frame_of(small, 1001), 1, small.shot, analysis, tools)


def test_when_the_generator_is_another_then_its_latents_are_not_used(opened) -> None:
    _, tools, analysis = opened
    with pytest.raises(GeneratorError, match="was analysed with generator"):
        tools_for(tools, replace(analysis, generator_id="0" * 16, render_id="0" * 16))


def test_when_the_plate_must_stay_somewhere_then_it_does_bit_for_bit(opened) -> None:
    small, tools, analysis = opened
    face = analysis.faces[0]
    keeps = face.keeps.copy()
    keeps[:, :, : keeps.shape[-1] // 2] = 0.0
    covered = replace(analysis, faces=(replace(face, keeps=keeps),))
    plate, free = frame_of(small, 1004).rgb(""), pixels(small, tools, analysis, 1004)
    kept = pixels(small, tools, covered, 1004)
    assert 0 < (kept != plate).sum() < 0.8 * (free != plate).sum()
