"""Keyed strengths between their keys, and the same strength through every form it is written in."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from lineament.core.errors import RecipeError
from lineament.core.recipe import INTERPOLATIONS, EditRecipe, Move, Strength
from lineament.core.recipe_file import read_recipe, write_recipe
from lineament.core.strength_file import parse_keys, parse_strength, strength_text
from lineament.plugin.messages import FrameRequest, request_data, request_from

STEPS = st.lists(
    st.tuples(st.integers(1, 40), st.floats(-10, 10, allow_nan=False, width=32)), min_size=1, max_size=7
)
KEYS = ((1001, 0.0), (1011, 1.0), (1031, 4.0), (1041, -2.0))


def curve(steps: list[tuple[int, float]], interpolation: str) -> Strength:
    """A strength from gaps between frames, so that they rise."""
    frame, keys = 1000, []
    for gap, value in steps:
        frame += gap
        keys.append((frame, value))
    return Strength(tuple(keys), interpolation)


def test_when_a_strength_is_stepped_then_each_value_holds_until_the_next_key() -> None:
    strength = Strength(KEYS, "step")
    assert [strength.at(frame) for frame in (900, 1001, 1010, 1011, 1030, 1041, 2000)] == [
        *(0.0, 0.0, 0.0, 1.0, 1.0, -2.0, -2.0)
    ]


def test_when_two_keys_are_smooth_then_it_is_the_ease_that_is_documented() -> None:
    strength = Strength(((1000, -1.0), (1010, 3.0)), "smooth")
    for frame in range(1000, 1011):
        t = (frame - 1000) / 10
        assert strength.at(frame) == pytest.approx(-1.0 + 4.0 * (3 * t * t - 2 * t**3), abs=1e-12)


def test_when_values_go_on_rising_then_a_smooth_curve_does_not_stop_at_the_key_between() -> None:
    strength = Strength(((0, 0.0), (100, 1.0), (200, 2.0)), "smooth")
    assert strength.at(101) - strength.at(100) == pytest.approx(0.01, rel=0.02)  # the slope of both sides
    turning = Strength(((0, 0.0), (100, 1.0), (200, 0.0)), "smooth")
    assert turning.at(100) - turning.at(101) < 0.001


@given(STEPS, st.sampled_from(INTERPOLATIONS))
def test_when_a_strength_is_interpolated_then_it_never_leaves_its_neighbours(
    steps: list[tuple[int, float]], interpolation: str
) -> None:
    strength = curve(steps, interpolation)
    for (f0, v0), (f1, v1) in zip(strength.keys, strength.keys[1:], strict=False):
        inside = [strength.at(frame) for frame in range(f0, f1 + 1)]
        assert (inside[0], inside[-1]) == (v0, v1)
        assert min(v0, v1) <= min(inside) and max(inside) <= max(v0, v1)
        if interpolation != "step":
            assert inside == sorted(inside, reverse=v0 > v1)


@given(STEPS, st.sampled_from(INTERPOLATIONS))
def test_when_a_strength_is_typed_then_it_reads_back_to_the_last_bit(
    steps: list[tuple[int, float]], interpolation: str
) -> None:
    strength = curve(steps, interpolation)
    read = parse_strength(strength_text(strength))
    assert [read.at(frame) for frame in range(1000, 1300)] == [
        strength.at(frame) for frame in range(1000, 1300)
    ]


@pytest.mark.parametrize("name", ["r.yaml", "r.json"])
@pytest.mark.parametrize("interpolation", INTERPOLATIONS)
def test_when_a_recipe_is_written_then_the_interpolation_comes_back(
    tmp_path: Path, name: str, interpolation: str
) -> None:
    recipe = EditRecipe((Move("age", Strength(KEYS, interpolation)), Move("smile", Strength.constant(1.0))))
    write_recipe(tmp_path / name, recipe)
    assert read_recipe(tmp_path / name) == recipe


@pytest.mark.parametrize("interpolation", INTERPOLATIONS)
def test_when_a_request_goes_to_a_worker_then_the_interpolation_arrives(interpolation: str) -> None:
    request = FrameRequest("p", "o", 1005, EditRecipe((Move("age", Strength(KEYS, interpolation)),)))
    assert request_from(json.loads(json.dumps(request_data(request)))) == request


def test_when_keys_are_typed_with_a_word_then_it_is_the_interpolation() -> None:
    assert parse_keys("age=1040:1.5,1001:0,smooth").strength == Strength(((1001, 0.0), (1040, 1.5)), "smooth")
    assert parse_keys("age=1001:0,1040:1.5,step").strength.interpolation == "step"
    assert parse_keys("age=1001:0,1040:1.5").strength.interpolation == "linear"


@pytest.mark.parametrize(
    ("strength", "says"),
    [
        ({"interpolation": "bezier", "keys": {"1": 0}}, "interpolation must be one of linear, step, smooth"),
        ({"interpolation": "smooth"}, "values by frame"),
        ({"interpolation": "smooth", "keys": {}}, "empty"),
        ({"keys": {"1": 0}, "1002": 3}, "does not belong beside"),
        ({"keys": [1, 2]}, "values by frame"),
        ({"keys": {"1": "x"}}, "at frame 1 must be a number"),
        ({"interpolation": ["smooth"], "keys": {"1": 0}}, "interpolation must be"),
    ],
)
def test_when_an_interpolation_is_wrong_then_the_error_says_how_to_write_it(
    tmp_path: Path, strength: object, says: str
) -> None:
    path = tmp_path / "r.json"
    path.write_text(json.dumps({"schema_version": 1, "strengths": {"age": strength}}))
    with pytest.raises(RecipeError, match=says) as caught:
        read_recipe(path)
    assert "interpolation: smooth" in caught.value.remedy


def test_when_an_interpolation_is_unknown_then_the_strength_refuses_it() -> None:
    with pytest.raises(RecipeError, match="bezier") as caught:
        Strength(KEYS, "bezier")
    assert "smooth" in caught.value.remedy
