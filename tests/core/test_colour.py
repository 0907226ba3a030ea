"""Conversions between plate spaces and linear Rec.709, against OCIO itself, and the exposure."""

from __future__ import annotations

import numpy as np
import PyOpenColorIO as ocio
import pytest
from lineament.core.colour import PINNED_CONFIG, choose_exposure, resolve_colour

LINEAR = ["ACEScg", "ACES2065-1", "lin_rec709", "lin_p3d65", "lin_rec2020"]
CURVED = ["ACEScct", "ACEScc", "srgb_tx", "g24_rec709", "srgb_encoded_ap1"]


@pytest.fixture(autouse=True)
def no_ambient_config(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OCIO", raising=False)


@pytest.fixture(scope="module")
def colours() -> np.ndarray:
    """(300, 300, 3): dark to bright, saturated, some negative."""
    random = np.random.default_rng(5)
    rgb = 2.0 ** random.uniform(-8, 5, (300, 300, 3))
    rgb[random.random((300, 300)) < 0.1] *= (1.0, 1.0, -0.05)
    return rgb.astype(np.float32)


def plate_in(space: str, colours: np.ndarray) -> np.ndarray:
    """Plate values for a space: any light for linear ones, codes of contrasts below 1:20 for the others."""
    if space in LINEAR:
        return colours
    tint = np.clip(np.abs(colours) / np.abs(colours).max(axis=-1, keepdims=True), 0.05, 1.0)
    light = np.clip(np.abs(colours).max(axis=-1, keepdims=True), 0.01, 0.9) * tint
    return reference("lin_rec709", space, light)


def reference(source: str, target: str, rgb: np.ndarray) -> np.ndarray:
    """The same conversion by OCIO's RGB entry, unoptimised."""
    config = ocio.Config.CreateFromFile(PINNED_CONFIG)
    cpu = config.getProcessor(source, target).getOptimizedCPUProcessor(ocio.OPTIMIZATION_NONE)
    result = np.ascontiguousarray(rgb, dtype=np.float32).copy()
    cpu.applyRGB(result)
    return result


@pytest.mark.parametrize("space", LINEAR + CURVED)
def test_when_converted_then_it_equals_unoptimised_ocio(space: str, colours: np.ndarray) -> None:
    plate = plate_in(space, colours)
    colour = resolve_colour(colourspace=space)
    expected = reference(space, "lin_rec709", plate)
    scale = np.abs(expected).max(axis=-1, keepdims=True) + 1e-3
    assert (np.abs(colour.to_linear709(plate) - expected) / scale).max() < 1e-5


@pytest.mark.parametrize("space", LINEAR + CURVED)
def test_when_converted_there_and_back_then_the_plate_returns(space: str, colours: np.ndarray) -> None:
    plate = plate_in(space, colours)
    colour = resolve_colour(colourspace=space)
    back = colour.from_linear709(colour.to_linear709(plate))
    scale = np.abs(plate).max(axis=-1, keepdims=True)
    assert (np.abs(back - plate) / scale).max() < 1e-5


@pytest.mark.parametrize("space", LINEAR)
def test_when_a_space_is_linear_then_light_is_added_as_ocio_would(space: str, colours: np.ndarray) -> None:
    colour = resolve_colour(colourspace=space)
    delta = (colours[::-1] * 0.25).astype(np.float32)
    expected = colours + reference("lin_rec709", space, delta)
    scale = np.abs(expected).max(axis=-1, keepdims=True) + np.abs(delta).max(axis=-1, keepdims=True)
    assert colour.is_linear
    assert (np.abs(colour.add_linear709(colours, delta) - expected) / scale).max() < 1e-5


@pytest.mark.parametrize("space", ["ACEScct", "srgb_tx"])
def test_when_a_space_is_curved_then_light_is_added_under_its_curve(space: str, colours: np.ndarray) -> None:
    colour = resolve_colour(colourspace=space)
    plate = plate_in(space, colours)
    light = reference(space, "lin_rec709", plate)
    target = light * 1.5
    assert not colour.is_linear
    expected = reference("lin_rec709", space, target)
    np.testing.assert_allclose(colour.add_linear709(plate, target - light), expected, atol=2e-5)


@pytest.mark.parametrize("space", ["ACEScg", "lin_rec709", "ACEScct", "srgb_tx"])
def test_when_no_light_is_added_then_every_bit_stays(space: str) -> None:
    plate = np.array([[-0.0, 0.0, -1.5], [np.nan, 1.0, -0.0], [np.inf, -np.inf, 65504.0]], dtype=np.float32)
    result = resolve_colour(colourspace=space).add_linear709(plate, np.zeros_like(plate))
    np.testing.assert_array_equal(result.view(np.uint32), plate.view(np.uint32))


def test_when_the_plate_is_rec709_then_channels_stay_apart() -> None:
    plate = np.array([[1.0, -0.0, 0.25]], dtype=np.float32)
    result = resolve_colour(colourspace="lin_rec709").add_linear709(plate, np.array([[0.5, 0.0, 0.0]]))
    assert result[0, 0] == 1.5 and np.signbit(result[0, 1]) and result[0, 2] == 0.25


def test_when_a_region_is_empty_then_it_stays_empty() -> None:
    assert resolve_colour(colourspace="ACEScg").to_linear709(np.zeros((0, 4, 3), np.float32)).shape == (
        0,
        4,
        3,
    )


@pytest.mark.parametrize("stops", [-7, -2, 0, 3])
def test_when_a_face_is_lit_then_the_exposure_brings_it_to_the_middle(stops: int) -> None:
    face = np.full((20, 20, 3), 0.21, dtype=np.float32) * 2.0**stops
    assert choose_exposure(face) == 2.0**-stops


def test_when_only_the_mask_is_a_face_then_the_rest_does_not_vote() -> None:
    plate = np.full((20, 20, 3), 9.0, dtype=np.float32)
    plate[5:9, 5:9] = 0.05
    mask = np.zeros((20, 20), dtype=np.float32)
    mask[5:9, 5:9] = 1.0
    assert choose_exposure(plate, mask) == 4.0


def test_when_pixels_are_broken_then_the_healthy_ones_decide() -> None:
    plate = np.full((10, 10, 3), 0.42, dtype=np.float32)
    plate[0], plate[1], plate[2], plate[3], plate[4] = np.nan, np.inf, -np.inf, -3.0, 0.0
    assert choose_exposure(plate) == 0.5


@pytest.mark.parametrize("value", [0.0, -1.0, np.nan, np.inf, 1e-9, 1e30])
def test_when_nothing_is_usable_then_the_exposure_is_one(value: float) -> None:
    assert choose_exposure(np.full((4, 4, 3), value, dtype=np.float32)) == 1.0


def test_when_the_mask_is_empty_then_the_exposure_is_one() -> None:
    assert choose_exposure(np.full((4, 4, 3), 5.0, np.float32), np.zeros((4, 4), np.float32)) == 1.0
