"""Every filter rejects what it is there for, and says so; what is not a number never passes."""

from __future__ import annotations

from dataclasses import replace

import pytest
from lineament.core.augment.filters import Limits, Measured, reasons

GOOD = Measured(0.9, 1.1, 0.2, 0.0, 0, 0.02, {"age": 0.5})
NAN = float("nan")


def test_when_all_is_well_then_there_is_no_reason() -> None:
    assert reasons(GOOD, Limits()) == ()


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"identity": 0.1}, "identity"),
        ({"identity": NAN}, "identity"),
        ({"sharpness": 0.3}, "sharpness"),
        ({"sharpness": 2.5}, "sharpness"),
        ({"sharpness": NAN}, "sharpness"),
        ({"change": 0.0}, "change"),
        ({"change": 3.0}, "change"),
        ({"clamped": 0.2}, "held back"),
        ({"not_finite": 7}, "7 pixels"),
        ({"drift": 0.6}, "eye distances away"),
        ({"drift": NAN}, "not found again"),
        ({"effect": {"age": -0.2}}, "age moved"),
    ],
)
def test_when_one_thing_is_wrong_then_that_is_the_only_reason(changed: dict, said: str) -> None:
    (reason,) = reasons(replace(GOOD, **changed), Limits())
    assert said in reason


def test_when_nobody_could_measure_it_then_it_is_no_reason() -> None:
    assert reasons(replace(GOOD, identity=None, drift=None, effect={}), Limits()) == ()


def test_when_any_face_will_do_then_a_lost_one_is_no_reason() -> None:
    assert reasons(replace(GOOD, drift=NAN), Limits(needs_face=False)) == ()
