"""Strengths over frames: constant, keyed, held beyond the ends."""

from __future__ import annotations

import pytest
from lineament.core.errors import RecipeError
from lineament.core.recipe import EditRecipe, Move, Strength


def test_when_a_strength_is_keyed_then_it_is_linear_inside_and_held_outside() -> None:
    strength = Strength(((1001, 0.0), (1041, 2.0)))
    assert [strength.at(frame) for frame in (990, 1001, 1011, 1041, 1100)] == [0.0, 0.0, 0.5, 2.0, 2.0]


def test_when_a_strength_is_constant_then_every_frame_has_it() -> None:
    assert {Strength.constant(1.5).at(frame) for frame in (-5, 0, 1001)} == {1.5}


@pytest.mark.parametrize(
    ("keys", "says"),
    [
        ((), "no keys"),
        (((1, float("nan")),), "nan"),
        (((2, 0.0), (1, 1.0)), "rising"),
        (((1, 0.0), (1, 1.0)), "rising"),
    ],
)
def test_when_keys_make_no_sense_then_the_error_quotes_them(
    keys: tuple[tuple[int, float], ...], says: str
) -> None:
    with pytest.raises(RecipeError, match=says):
        Strength(keys)


def test_when_a_strength_is_exactly_zero_on_a_frame_then_it_is_left_out() -> None:
    moves = (Move("age", Strength(((1, 0.0), (3, 2.0)))), Move("smile", Strength.constant(-1.0)))
    assert EditRecipe(moves).strengths_at(1) == {"smile": -1.0}
    assert EditRecipe(moves).strengths_at(2) == {"age": 1.0, "smile": -1.0}
