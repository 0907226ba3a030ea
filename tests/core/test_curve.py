"""The picture curve: its conditions, its accuracy, and what it does to values no display has."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from lineament.core import curve
from lineament.core.errors import GeneratorError

CURVES = [curve.SHOULDER, curve.PLAIN]
FINITE = hnp.arrays(
    np.float32, st.integers(1, 40), elements=st.floats(width=32, allow_nan=False, allow_infinity=False)
)


def ladder(low_stop: float, high_stop: float, count: int = 400_000) -> np.ndarray:
    """Positive and negative values, evenly spread in stops."""
    stops = np.random.default_rng(3).uniform(low_stop, high_stop, count)
    return (2.0**stops).astype(np.float32) * np.where(np.arange(count) % 2, 1, -1).astype(np.float32)


def test_when_the_conditions_are_solved_then_the_published_constants_come_out() -> None:
    solved = (curve.SHOULDER_START, curve.SHOULDER_A, curve.SHOULDER_B)
    assert solved == pytest.approx((0.7353569830524495, 0.04964215669088249, 0.07537174885074152), rel=1e-12)


@pytest.mark.parametrize("chosen", CURVES, ids=lambda chosen: chosen.name)
def test_when_encoded_and_decoded_then_light_returns_to_single_precision(chosen: curve.Curve) -> None:
    light = ladder(-10, 16)
    error = np.abs(chosen.decode(chosen.encode(light)) - light) / np.abs(light)
    assert float(error.max()) <= 1.5e-6


def test_when_light_is_known_then_the_code_values_are() -> None:
    assert curve.encode([0.0, 0.18, 1.0, 16.0]) == pytest.approx([0.0, 0.4614, 0.83626, 1.0], abs=2e-4)


def test_when_below_the_join_then_it_is_the_srgb_curve() -> None:
    light = np.linspace(0.0, 0.5, 5001)
    standard = np.where(light <= 0.0031308, 12.92 * light, 1.055 * light ** (1 / 2.4) - 0.055)
    assert np.abs(curve.encode(light) - standard).max() < 1e-5


@pytest.mark.parametrize("join", [0.0, 0.0030399346, curve.JOIN], ids=["zero", "toe", "shoulder"])
def test_when_crossing_a_join_then_value_and_slope_go_on(join: float) -> None:
    step = 1e-3 * max(join, 1e-3)
    below, at, above = (float(curve.encode(join + side * step)) for side in (-1, 0, 1))
    assert above - at == pytest.approx(at - below, rel=0.02)


@pytest.mark.parametrize("chosen", CURVES, ids=lambda chosen: chosen.name)
def test_when_values_are_special_then_they_are_kept(chosen: curve.Curve) -> None:
    special = np.array([0.0, -0.0, np.inf, -np.inf, np.nan], dtype=np.float32)
    for result in (chosen.encode(special), chosen.decode(special)):
        np.testing.assert_array_equal(result, special)
        assert np.signbit(result[1])


@settings(max_examples=60, deadline=None)
@given(values=FINITE)
def test_when_input_is_finite_then_output_is_finite_odd_and_single(values: np.ndarray) -> None:
    for chosen in CURVES:
        for function in (chosen.encode, chosen.decode):
            result = function(values)
            assert result.dtype == np.float32 and np.isfinite(result).all()
            np.testing.assert_array_equal(function(-values), -result)


def test_when_values_rise_then_codes_rise() -> None:
    light = np.sort(ladder(-10, 16, 20_000))
    assert (np.diff(curve.encode(light)) >= 0).all()


def test_when_a_picture_is_made_then_it_fits_a_network() -> None:
    light = np.array([np.nan, -1.0, 0.0, 8.0, 1e6, np.inf], dtype=np.float32)
    expected = np.array([-1, -1, -1, 1, 1, 1], dtype=np.float32)
    np.testing.assert_allclose(curve.picture_from_linear(light, exposure=2.0), expected, atol=1e-6)


def test_when_an_encoding_is_named_then_its_curve_is_found() -> None:
    assert [curve.curve_named(chosen.name) for chosen in CURVES] == CURVES


def test_when_an_encoding_is_unknown_then_the_known_ones_are_listed() -> None:
    with pytest.raises(GeneratorError, match=r'"log3".*lineament-709, srgb'):
        curve.curve_named("log3")
