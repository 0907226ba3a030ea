"""Strengths depend on the seed and the picture, never on how many were asked for or in which order."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from lineament.core.augment.draws import ORIGINAL, Draws
from lineament.core.errors import RecipeError

RANGES = (("age", -2.0, 2.0), ("smile", 0.0, 1.5))


def test_when_more_variants_are_asked_for_then_the_first_ones_stay() -> None:
    few, many = (Draws(ranges=RANGES, count=count, seed=3).variants("a") for count in (5, 40))
    assert few == many[:5]


def test_when_drawn_consistently_then_every_picture_has_the_same_strengths() -> None:
    draws = Draws(ranges=RANGES, count=4)
    assert draws.variants("a") == draws.variants("b")


def test_when_drawn_for_every_picture_then_pictures_differ_and_each_stays_the_same() -> None:
    draws = Draws(ranges=RANGES, count=4, is_per_image=True)
    assert draws.variants("a") != draws.variants("b")
    assert draws.variants("a") == draws.variants("a")


@given(seed=st.integers(0, 10**6), count=st.integers(1, 60))
def test_when_drawn_then_strengths_fill_their_range(seed: int, count: int) -> None:
    values = [one.strengths["age"] for one in Draws(ranges=RANGES, count=count, seed=seed).variants("")]
    assert all(-2.0 <= value <= 2.0 for value in values)
    filled = len({int((value + 2.0) // 0.5) for value in values if value < 2.0})
    assert filled >= min(8, count) / 2  # a low discrepancy sequence leaves no half empty


def test_when_a_grid_is_given_then_all_combinations_are_made_with_the_fixed_strengths() -> None:
    draws = Draws(fixed=(("glasses", 1.0),), grid=(("age", (-1.0, 1.0)), ("smile", (0.0, 1.0))))
    found = [dict(one.strengths) for one in draws.variants("")]
    assert len(found) == draws.per_picture == 4
    assert {"glasses": 1.0, "age": 1.0, "smile": 0.0} in found


def test_when_the_original_is_wanted_then_it_comes_first_without_strengths() -> None:
    first, second = Draws(fixed=(("age", 2.0),), has_original=True).variants("")
    assert (first.name, dict(first.strengths)) == (ORIGINAL, {})
    assert dict(second.strengths) == {"age": 2.0}


def test_when_limits_are_asked_for_then_every_strength_that_can_occur_lies_within() -> None:
    draws = Draws(fixed=(("beard", 1.0),), ranges=RANGES, count=50)
    limits = draws.limits()
    assert limits == {"beard": (1.0, 1.0), "age": (-2.0, 2.0), "smile": (0.0, 1.5)}


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({}, "No edit"),
        ({"ranges": RANGES, "grid": (("beard", (1.0,)),)}, "together"),
        ({"fixed": (("age", 1.0),), "count": 3}, "several times"),
        ({"fixed": (("age", 1.0),), "ranges": RANGES}, "age"),
        ({"ranges": (("age", 2.0, -2.0),)}, "ends before"),
        ({"ranges": (("age", 0.0, float("inf")),)}, "ends before"),
        ({"ranges": RANGES, "count": 10**9}, "variants"),
        ({"fixed": (("age", 1.0),), "is_per_image": True}, "every picture"),
    ],
)
def test_when_the_wishes_contradict_themselves_then_they_are_refused(wrong: dict, said: str) -> None:
    with pytest.raises(RecipeError, match=said):
        Draws(**wrong)
