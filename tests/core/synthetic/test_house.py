"""House designs: what a face does not wear yet is decided beforehand, and nothing is to be seen of it."""

from __future__ import annotations

import numpy as np
import pytest
from lineament.core.synthetic.house import BEARD_STYLE, GLASSES_DESIGN, LIP_COLOUR, with_house_designs
from lineament.core.synthetic.params import LOOK_DIMS, FaceParams

LOOK = tuple(float(value) for value in np.random.default_rng(2).random(LOOK_DIMS).round(3))
BARE = FaceParams(look=LOOK)


def changed(params: FaceParams) -> set[int]:
    """The numbers of the look vector that the house decides."""
    after = with_house_designs(params)
    assert FaceParams(**{**vars(after), "look": params.look}) == params, "only the look may change"
    return {i for i, (a, b) in enumerate(zip(params.look, after.look, strict=True)) if a != b}


def test_when_a_face_wears_nothing_then_the_house_decides_everything_that_may_come() -> None:
    house = GLASSES_DESIGN | LIP_COLOUR | BEARD_STYLE
    assert changed(BARE) == set(house)
    assert {i: with_house_designs(BARE).look[i] for i in house} == house


@pytest.mark.parametrize(
    ("worn", "design"),
    [
        ({"glasses": 0.5}, GLASSES_DESIGN),
        ({"sunglasses": 1.0}, GLASSES_DESIGN),
        ({"lipstick": 0.1}, LIP_COLOUR),
        ({"beard": 0.2}, BEARD_STYLE),
        ({"moustache": 0.2}, BEARD_STYLE),
        ({"stubble": 0.2}, BEARD_STYLE),
    ],
)
def test_when_something_is_worn_then_it_keeps_its_own_design(worn: dict, design: dict[int, float]) -> None:
    params = FaceParams(look=LOOK, **worn)
    assert changed(params) == set(GLASSES_DESIGN | LIP_COLOUR | BEARD_STYLE) - set(design)


def test_when_designs_are_given_twice_then_nothing_more_happens() -> None:
    once = with_house_designs(BARE)
    assert with_house_designs(once) == once
