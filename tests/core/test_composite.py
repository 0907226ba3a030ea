"""Giving edits back: bits that must not move, and edits whose truth is known."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from lineament.core.colour import PlateColour, resolve_colour
from lineament.core.composite import give_back
from lineament.core.curve import PLAIN, SHOULDER, Curve

AP1 = resolve_colour(colourspace="ACEScg")
REC709 = resolve_colour(colourspace="lin_rec709")
SPACES = ["ACEScg", "lin_rec709", "ACEScct", "srgb_tx"]

ANY_FLOAT = st.one_of(
    st.floats(width=32),
    st.sampled_from([0.0, -0.0, np.inf, -np.inf, np.nan, 65504.0, -65504.0, 1e-45]),
)
SHAPES = hnp.array_shapes(min_dims=2, max_dims=2, max_side=6).map(lambda shape: (*shape, 3))
PLATES = hnp.arrays(np.float32, SHAPES, elements=ANY_FLOAT)


def bits(array: np.ndarray) -> np.ndarray:
    return np.ascontiguousarray(array, dtype=np.float32).view(np.uint32)


def assert_untouched(plate: np.ndarray, d: np.ndarray, colour: PlateColour, **options: object) -> None:
    result, changed, report = give_back(plate, d, colour, 2.0, **options)
    np.testing.assert_array_equal(bits(result), bits(plate))
    assert not changed.any() and report.changed == 0


# --- bits ------------------------------------------------------------------------------------------


@settings(max_examples=120, deadline=None)
@given(plate=PLATES, space=st.sampled_from(SPACES), curve=st.sampled_from([SHOULDER, PLAIN]))
def test_when_strength_or_mask_is_zero_then_every_bit_stays(plate, space, curve) -> None:
    colour = resolve_colour(colourspace=space)
    pair = np.random.default_rng(0).normal(size=(2, *plate.shape)).astype(np.float32)
    zero_strength = np.float32(0.0) * (pair[1] - pair[0])  # has minus zeros
    assert_untouched(plate, zero_strength, colour, curve=curve)
    assert_untouched(plate, pair[0] - pair[0], colour, alpha=np.full(plate.shape[:2], 0.5, np.float32))


@settings(max_examples=80, deadline=None)
@given(plate=PLATES, seed=st.integers(0, 99), space=st.sampled_from(SPACES))
def test_when_part_is_edited_then_only_asked_and_finite_pixels_change(plate, seed, space) -> None:
    random = np.random.default_rng(seed)
    mask = random.random(plate.shape[:2]) < 0.5
    d = (mask[..., None] * random.normal(0, 0.1, plate.shape)).astype(np.float32)
    result, changed, _ = give_back(plate, d, resolve_colour(colourspace=space))
    allowed = mask & np.isfinite(plate).all(axis=-1)
    assert not (changed & ~allowed).any()
    np.testing.assert_array_equal(bits(result[~changed]), bits(plate[~changed]))
    assert np.isfinite(result[allowed]).all()


def test_when_the_plate_is_a_ladder_of_light_then_what_is_not_edited_is_exact() -> None:
    stops = np.linspace(-10, 8, 400, dtype=np.float32)
    plate = np.repeat((2.0**stops)[None, :, None], 3, axis=2).astype(np.float32) * np.float32([1, 0.6, -0.1])
    d = np.zeros_like(plate)
    d[:, ::2] = 0.03
    result, changed, report = give_back(plate, d, AP1, 0.5)
    np.testing.assert_array_equal(bits(result[:, 1::2]), bits(plate[:, 1::2]))
    assert changed[:, ::2].all() and not changed[:, 1::2].any()
    assert report.changed == 200 and (result[:, 1::2, 2] < 0).all()


def test_when_one_channel_is_edited_in_rec709_then_the_others_keep_their_bits() -> None:
    plate = np.array([[[0.2, -0.0, -0.5]]], dtype=np.float32)
    result, _, _ = give_back(plate, np.array([[[0.1, 0.0, 0.0]]], np.float32), REC709)
    np.testing.assert_array_equal(bits(result[..., 1:]), bits(plate[..., 1:]))
    assert result[0, 0, 0] > 0.2


# --- counts and refusals ---------------------------------------------------------------------------


def test_when_increments_are_wild_then_they_are_clamped_rejected_and_counted() -> None:
    plate = np.full((1, 6, 3), 0.2, dtype=np.float32)
    plate[0, 4] = np.nan
    d = np.zeros_like(plate)
    d[0, 0], d[0, 1, 1], d[0, 2, 0], d[0, 3], d[0, 4] = 3.0, np.nan, np.inf, 0.1, 0.1
    result, changed, report = give_back(plate, d, REC709)
    assert changed.tolist() == [[True, False, False, True, False, False]]
    assert (report.changed, report.clamped, report.rejected, report.skipped) == (2, 1, 2, 1)
    at_limit, _, _ = give_back(plate[:, :1], np.full((1, 1, 3), 0.5, np.float32), REC709)
    np.testing.assert_array_equal(result[:, :1], at_limit)


def test_when_a_result_leaves_half_then_it_is_counted_not_clipped() -> None:
    plate = np.full((1, 2, 3), 60000.0, dtype=np.float32)
    d = np.array([[[0.1] * 3, [0.0] * 3]], dtype=np.float32)
    result, _, report = give_back(plate, d, REC709)
    assert report.beyond_half == 1 and result[0, 0, 0] > 65504.0 and result[0, 1, 0] == 60000.0


def test_when_a_result_is_not_finite_then_the_plate_stays() -> None:
    plate = np.full((1, 1, 3), 3e38, dtype=np.float32)
    result, changed, report = give_back(plate, np.full((1, 1, 3), 0.4, np.float32), AP1)
    np.testing.assert_array_equal(result, plate)
    assert (report.rejected, report.changed) == (1, 0) and not changed.any()


@pytest.mark.parametrize("k", [0.0, -1.0, float("nan"), float("inf")])
def test_when_the_exposure_is_useless_then_the_caller_is_told(k: float) -> None:
    with pytest.raises(ValueError, match="exposure"):
        give_back(np.zeros((1, 1, 3), np.float32), np.zeros((1, 1, 3), np.float32), AP1, k)


def test_when_shapes_differ_then_the_caller_is_told() -> None:
    with pytest.raises(ValueError, match=r"d has shape \(2, 1, 3\)"):
        give_back(np.zeros((1, 1, 3), np.float32), np.zeros((2, 1, 3), np.float32), AP1)


# --- alpha -----------------------------------------------------------------------------------------


def test_when_the_plate_is_premultiplied_then_the_edit_is_made_on_straight_colour() -> None:
    straight = np.full((1, 4, 3), 0.3, dtype=np.float32)
    alpha = np.array([[1.0, 0.5, 0.01, 0.0]], dtype=np.float32)
    plate = straight * alpha[..., None]
    d = np.full_like(plate, 0.1)
    opaque, _, _ = give_back(straight, d, AP1)
    result, changed, report = give_back(plate, d, AP1, alpha=alpha)
    np.testing.assert_allclose(result, opaque * alpha[..., None], rtol=1e-5)
    assert changed.tolist() == [[True, True, True, False]] and report.skipped == 1


def test_when_alpha_is_one_then_it_makes_no_difference() -> None:
    plate = np.random.default_rng(1).random((8, 8, 3)).astype(np.float32)
    d = np.full_like(plate, -0.05)
    with_alpha, _, _ = give_back(plate, d, AP1, alpha=np.ones((8, 8), np.float32))
    np.testing.assert_array_equal(bits(with_alpha), bits(give_back(plate, d, AP1)[0]))


# --- the right colour ------------------------------------------------------------------------------


@pytest.mark.parametrize("space", SPACES)
@pytest.mark.parametrize("curve", [SHOULDER, PLAIN], ids=lambda curve: curve.name)
def test_when_the_edited_light_is_known_then_it_is_reached_in_any_space(space: str, curve: Curve) -> None:
    random = np.random.default_rng(4)
    before = random.uniform(0.05, 0.6, (64, 64, 3)).astype(np.float32)
    after = (before * random.uniform(0.6, 1.4, before.shape)).astype(np.float32)
    d = curve.encode(4 * after) - curve.encode(4 * before)
    colour = resolve_colour(colourspace=space)
    plate = colour.from_linear709(before)
    result, _, _ = give_back(plate, d, colour, 4.0, curve=curve)
    np.testing.assert_allclose(colour.to_linear709(result), after, rtol=2e-4, atol=1e-5)


def test_when_a_model_has_a_curve_of_its_own_then_the_edit_is_given_back_through_it() -> None:
    as_light = Curve("linear", np.float32, np.float32)
    plate = np.full((2, 2, 3), 0.25, dtype=np.float32)
    result, _, _ = give_back(plate, np.full_like(plate, 0.125), REC709, 2.0, curve=as_light)
    np.testing.assert_array_equal(result, np.full_like(plate, 0.3125))


def test_when_a_16_bit_still_is_edited_then_codes_move_as_the_curve_says() -> None:
    codes = np.random.default_rng(2).integers(3000, 60000, (32, 32, 3)).astype(np.float32)
    colour = resolve_colour("still.png", display_referred=True)
    d = np.full(codes.shape, 0.02, dtype=np.float32)
    result, _, _ = give_back(codes / np.float32(65535), d, colour, curve=PLAIN)
    assert np.abs(result * 65535 - (codes + 0.02 * 65535)).max() < 1.0


# --- known edits on a plate with grain -------------------------------------------------------------


@dataclass(frozen=True)
class Scene:
    """A made-up face in ACEScg: light and grain apart, so that the truth of an edit has the same grain."""

    clean: np.ndarray
    grain: np.ndarray
    mask: np.ndarray

    def plate(self, light: np.ndarray) -> np.ndarray:
        """Light with the grain of this scene, rounded to half."""
        return (light + self.grain * np.sqrt(np.abs(light) + 0.002)).astype(np.float16).astype(np.float32)


@pytest.fixture(scope="module")
def scene() -> Scene:
    """256 x 256: skin with features, highlights up to 12, a region with negative blue, film grain."""
    size, random = 256, np.random.default_rng(11)
    y, x = np.mgrid[0:size, 0:size].astype(np.float32) / size - 0.5
    radius = np.hypot(x, y * 0.85)
    shade = np.clip(0.9 - 1.2 * (x + 0.1) ** 2 - 0.8 * y**2, 0.05, None)
    light = shade[..., None] * np.float32([0.34, 0.22, 0.16])
    for centre_x, centre_y in ((-0.15, -0.08), (0.15, -0.08), (0.0, 0.2)):
        dark = np.exp(-(((x - centre_x) / 0.06) ** 2) - ((y - centre_y) / 0.03) ** 2)
        light *= 1 - 0.8 * dark[..., None]
    glints = [
        np.exp(-(((x - cx) / 0.012) ** 2) - ((y - cy) / 0.012) ** 2)
        for cx, cy in ((-0.05, -0.2), (0.14, -0.09))
    ]
    light += 12.0 * np.maximum(*glints)[..., None]
    light[radius > 0.42] *= 0.2
    light[(y > 0.3) & (x > 0.3), 2] = -0.01
    grain = 0.02 * cv2.GaussianBlur(random.normal(size=light.shape), (0, 0), 0.6) * 2
    mask = np.clip((0.36 - radius) / 0.08, 0, 1)
    return Scene(light.astype(np.float32), grain.astype(np.float32), mask.astype(np.float32))


def as_reconstructed(light: np.ndarray, k: float, curve: Curve, seed: int) -> np.ndarray:
    """What a generator makes of a plate: soft, no grain, slightly off in colour, a little noise, clipped."""
    soft = cv2.GaussianBlur(AP1.to_linear709(light) * np.float32(k), (0, 0), 1.6)
    bias = cv2.GaussianBlur(np.random.default_rng(7).normal(size=light.shape), (0, 0), 30)
    noise = np.random.default_rng(seed).normal(0, 0.002, light.shape)
    bias = 1 + 0.03 * bias / bias.std()
    return np.clip(np.clip(curve.encode(soft), 0, 1) * bias + noise, 0, 1).astype(np.float32)


def stops(rgb: np.ndarray) -> np.ndarray:
    return np.log2(np.maximum(rgb, 0) + 0.01)


def fine(rgb: np.ndarray) -> np.ndarray:
    return stops(rgb) - cv2.GaussianBlur(stops(rgb), (0, 0), 1.5)


def lit(light: np.ndarray) -> np.ndarray:
    """A soft light from the left, added."""
    ramp = np.linspace(0.12, 0.0, light.shape[1], dtype=np.float32)[None, :, None]
    return light + ramp * np.float32([1.0, 0.9, 0.8])


EDITS = {
    "darken and redden": (lambda light: light * np.float32([0.75, 0.6, 0.6]), 0.1),
    "brighten": (lambda light: light * np.float32(1.35), 0.1),
    "add light": (lit, 0.1),
}


@pytest.mark.parametrize("name", EDITS)
def test_when_an_edit_is_known_then_the_result_is_within_a_tenth_of_a_stop(scene: Scene, name: str) -> None:
    edit, tolerance = EDITS[name]
    soft_mask = scene.mask[..., None]
    edited_light = scene.clean + soft_mask * (edit(scene.clean) - scene.clean)
    plate, truth = scene.plate(scene.clean), scene.plate(edited_light)
    pair = [
        as_reconstructed(light, 1.0, SHOULDER, seed) for seed, light in enumerate((scene.clean, edited_light))
    ]
    d = (scene.mask > 0)[..., None] * (pair[1] - pair[0])
    result, _, report = give_back(plate, d.astype(np.float32), AP1)
    inside = scene.mask > 0.02
    rmse = np.sqrt(np.mean((stops(result) - stops(truth))[inside] ** 2))
    core = (scene.mask > 0.9) & (truth.max(axis=-1) < 1.0) & (truth.min(axis=-1) > 0.05)
    grain_ratio = fine(result)[core].std() / fine(truth)[core].std()
    nothing = np.sqrt(np.mean((stops(plate) - stops(truth))[inside] ** 2))
    assert rmse <= tolerance < nothing
    assert 0.9 <= grain_ratio <= 1.2
    assert report.clamped == report.rejected == report.skipped == 0
    np.testing.assert_array_equal(bits(result[scene.mask == 0]), bits(plate[scene.mask == 0]))
