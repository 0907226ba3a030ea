"""Photographs of renders: the pipeline's own encoding, and a camera that can be repeated. Backdrops, too."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import numpy.typing as npt
import pytest
from lineament.core.colour import choose_exposure, resolve_colour
from lineament.core.curve import PLAIN, SHOULDER
from lineament.core.errors import RecipeError
from lineament.core.faces.base import Face
from lineament.core.sight import View, encoded
from lineament.core.sight import suited_exposure as exposure_in_pipeline
from lineament.core.synthetic.backgrounds import background
from lineament.core.synthetic.params import FaceParams
from lineament.core.synthetic.photograph import (
    PhotoSettings,
    add_grain,
    balance,
    develop,
    draw_settings,
    expose,
    grain_field,
    photograph,
    suited_exposure,
)


@pytest.fixture(scope="module")
def render() -> npt.NDArray[np.float32]:
    """Scene-linear ACEScg with highlights, deep shadow and a little below zero."""
    rng = np.random.default_rng(5)
    light = np.exp2(rng.uniform(-9, 4, (48, 64, 1))) * rng.uniform(0.5, 1.5, (48, 64, 3)) - 0.002
    return light.astype(np.float32)


def flat(value: float, height: int = 96, width: int = 96) -> npt.NDArray[np.float32]:
    return np.full((height, width, 3), value, np.float32)


# ---- the pipeline's encoding


@pytest.mark.parametrize("exposure", [0.5, 1.0, 4.0])
def test_when_developed_then_it_is_what_the_pipeline_gives_the_encoder(
    render: npt.NDArray[np.float32], exposure: float
) -> None:
    plate = resolve_colour("plate.exr", colourspace="ACEScg")
    expected = 255.0 * encoded(plate.to_linear709(render), exposure, SHOULDER)
    assert float(np.abs(develop(render, exposure) - expected).max()) <= 0.505


def test_when_the_exposure_is_chosen_then_it_is_the_pipelines(render: npt.NDArray[np.float32]) -> None:
    points = np.array([(10.2, 8.7), (30.0, 9.0), (20, 20), (13, 30), (27, 30.9), (20, 40)], np.float64)
    linear = resolve_colour("plate.exr", colourspace="ACEScg").to_linear709(render)
    for gain in (0.1, 1.0, 20.0):
        view = View(linear * np.float32(gain), linear, (1.0, 1.0), 1.0)
        assert suited_exposure(render * gain, points) == exposure_in_pipeline(view, Face(points, 1.0, "test"))


def test_when_landmarks_lie_outside_then_the_whole_picture_votes() -> None:
    points = np.array([(-9.0, -9.0), (-3.0, -3.0)])
    assert suited_exposure(flat(0.1), points) == choose_exposure(flat(0.1)) == 2.0


def test_when_grey_is_exposed_then_its_code_values_are_known() -> None:
    values = [int(develop(flat(light, 1, 1))[0, 0, 1]) for light in (0.0, 0.18, 1.0, 16.0, 99.0)]
    assert values == [0, 118, 213, 255, 255]
    assert int(develop(flat(1.0, 1, 1), curve=PLAIN)[0, 0, 1]) == 255


def test_when_light_is_not_finite_then_the_picture_still_is() -> None:
    light = np.array([[[np.nan, 0.2, 0.2], [np.inf, np.inf, np.inf], [-1.0, -1.0, -1.0]]], np.float32)
    assert develop(light)[0, 2].tolist() == [0, 0, 0]


# ---- the camera


def test_when_nothing_is_set_then_the_light_stays(render: npt.NDArray[np.float32]) -> None:
    np.testing.assert_array_equal(add_grain(expose(render, PhotoSettings()), PhotoSettings()), render)
    np.testing.assert_array_equal(photograph(render, PhotoSettings(), 2.0), develop(render, 2.0))


def test_when_photographed_then_the_render_itself_is_not_changed(render: npt.NDArray[np.float32]) -> None:
    before = render.copy()
    photograph(render, PhotoSettings(exposure_stops=1, blur=0.01, grain_strength=0.1, vignetting=1))
    np.testing.assert_array_equal(render, before)


def test_when_a_stop_is_added_then_light_doubles() -> None:
    np.testing.assert_allclose(expose(flat(0.2), PhotoSettings(exposure_stops=1.0)), 0.4)


@pytest.mark.parametrize(("temperature", "tint"), [(1.0, 0.0), (-1.0, 0.0), (0.0, 1.0), (0.3, -0.7)])
def test_when_balance_moves_then_grey_changes_colour_but_not_brightness(
    temperature: float, tint: float
) -> None:
    gains = balance(PhotoSettings(temperature=temperature, tint=tint))
    assert float(gains @ np.array([0.2722287, 0.6740818, 0.0536895])) == pytest.approx(1.0, abs=1e-5)
    assert np.sign(gains[0] / gains[2] - 1.0) == np.sign(round(temperature, 3))
    assert np.sign(round(float(gains[0] * gains[2] / gains[1] ** 2 - 1.0), 4)) == np.sign(tint)


def test_when_vignetted_then_corners_lose_that_much_and_the_middle_nothing() -> None:
    light = expose(flat(1.0, 101, 201), PhotoSettings(vignetting=1.0))
    assert float(light[50, 100, 1]) == pytest.approx(1.0, abs=1e-3)
    assert float(light[0, 0, 1]) == pytest.approx(0.5, abs=0.01)


@pytest.mark.parametrize(("dx", "dy"), [(0.1, 0.0), (0.0, 0.1), (0.06, -0.08), (0.003, 0.0)])
def test_when_moved_then_a_point_becomes_a_streak_and_keeps_its_light(dx: float, dy: float) -> None:
    point = np.zeros((100, 100, 3), np.float32)
    point[50, 50] = 1.0
    light = expose(point, PhotoSettings(motion_x=dx, motion_y=dy))[..., 0]
    assert float(light.sum()) == pytest.approx(1.0, abs=1e-4)
    y, x = np.nonzero(light > 1e-4)
    assert x.max() - x.min() == pytest.approx(abs(dx) * 100, abs=2.0)
    assert y.max() - y.min() == pytest.approx(abs(dy) * 100, abs=2.0)
    assert float((light * np.arange(100)).sum()) == pytest.approx(50.0, abs=1e-3)


def test_when_blurred_then_light_spreads_with_that_deviation() -> None:
    point = np.zeros((100, 100, 3), np.float32)
    point[50, 50] = 1.0
    light = expose(point, PhotoSettings(blur=0.03))[..., 0].astype(np.float64)
    assert float((light.sum(0) * (np.arange(100) - 50.0) ** 2).sum()) == pytest.approx(9.0, rel=0.03)


def test_when_settings_are_drawn_then_they_do_not_depend_on_order_and_stay_mild() -> None:
    drawn = [draw_settings(3, index) for index in range(200)]
    assert draw_settings(3, 17) == drawn[17]
    assert draw_settings(4, 17) != drawn[17]
    assert max(abs(one.exposure_stops) for one in drawn) <= 0.9
    assert max(one.blur for one in drawn) <= 0.005
    assert sum(one.motion_x == 0.0 for one in drawn) > 140
    with pytest.raises(RecipeError, match="index -1"):
        draw_settings(3, -1)


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        ({"exposure_stops": 7.0}, "exposure_stops 7.0 is outside -6..6"),
        ({"blur": -0.1}, "blur -0.1 is outside 0..0.1"),
        ({"grain_strength": float("nan")}, "grain_strength nan"),
        ({"grain_seed": -1}, "grain_seed -1"),
    ],
)
def test_when_a_setting_is_outside_then_it_is_named(wrong: dict[str, float], told: str) -> None:
    with pytest.raises(RecipeError, match=told):
        replace(PhotoSettings(), **wrong)  # type: ignore[arg-type]


def test_when_the_picture_is_no_picture_then_it_is_refused() -> None:
    for broken in (np.zeros((4, 4), np.float32), np.zeros((4, 4, 4), np.float32)):
        with pytest.raises((ValueError, TypeError)):
            develop(broken)


# ---- grain


@pytest.mark.parametrize("size", [0.0, 1.0, 1.5, 4.0])
def test_when_grain_is_made_then_its_deviation_is_one_whatever_its_size(size: float) -> None:
    field = grain_field(200, 300, PhotoSettings(grain_size=size))
    assert float(field.std()) == pytest.approx(1.0, abs=0.02)
    assert abs(float(field.mean())) < 0.03
    assert float((field[..., 0] * field[..., 2]).mean()) == pytest.approx(0.5, abs=0.05)


def test_when_grain_has_a_size_then_neighbours_are_alike_over_it() -> None:
    field = grain_field(300, 300, PhotoSettings(grain_size=3.0))[..., 0]
    assert float((field[:, :-3] * field[:, 3:]).mean()) == pytest.approx(np.exp(-1.0), abs=0.05)
    assert abs(float((field[:, :-9] * field[:, 9:]).mean())) < 0.05


def test_when_the_seed_is_the_same_then_the_grain_is() -> None:
    one, other = PhotoSettings(grain_seed=1), PhotoSettings(grain_seed=2)
    np.testing.assert_array_equal(grain_field(8, 9, one), grain_field(8, 9, one))
    assert float(np.abs(grain_field(8, 9, one) - grain_field(8, 9, other)).max()) > 0.5


def test_when_a_pixel_is_brighter_then_its_grain_is_stronger_like_photon_noise() -> None:
    settings = PhotoSettings(grain_strength=0.1, grain_seed=4)
    deviations = [float((add_grain(flat(v), settings) - v).std()) for v in (0.18, 0.72)]
    assert deviations[0] == pytest.approx(0.1 * 0.18, rel=0.05)
    assert deviations[1] / deviations[0] == pytest.approx(2.0, rel=0.02)


def test_when_plate_and_truth_share_settings_then_equal_pixels_stay_equal(
    render: npt.NDArray[np.float32],
) -> None:
    truth = render.copy()
    truth[10:20, 10:20] *= 1.5
    settings = PhotoSettings(grain_strength=0.1, grain_seed=9)
    plate_grain, truth_grain = add_grain(render, settings) - render, add_grain(truth, settings) - truth
    changed = np.zeros(render.shape[:2], bool)
    changed[10:20, 10:20] = True
    np.testing.assert_array_equal(plate_grain[~changed], truth_grain[~changed])
    bright = changed & (render.min(-1) > 0.1)
    ratio = np.linalg.norm(truth_grain[bright]) / np.linalg.norm(plate_grain[bright])
    assert ratio == pytest.approx(np.sqrt(1.5), rel=0.02)


# ---- backdrops


def looking(kind: float, turn: float) -> FaceParams:
    """A face whose backdrop is ``kind`` (0..6, fractions within a kind) at ``turn``."""
    look = [0.5] * 32
    look[29], look[30] = kind / 6.0, turn
    return replace(FaceParams(), look=tuple(look))


@pytest.mark.parametrize("kind", [0.3, 1.4, 2.5, 3.2, 4.6, 5.7, 0.95, 6.0])
def test_when_a_backdrop_is_made_then_it_is_smooth_light_and_repeatable(kind: float) -> None:
    picture = background(looking(kind, 0.3), 96, 64)
    assert picture.shape == (64, 96, 3)
    assert picture.dtype == np.float32
    assert np.isfinite(picture).all()
    assert float(picture.min()) >= 0.0
    assert 0.02 < float(picture.mean()) < 0.6
    assert float(picture.max()) < 4.0
    np.testing.assert_array_equal(picture, background(looking(kind, 0.3), 96, 64))


@pytest.mark.parametrize("kind", [0.3, 1.4, 2.5, 3.2, 4.6, 5.7, 0.9999, 2.9999])
def test_when_look_moves_a_little_then_so_does_the_backdrop(kind: float) -> None:
    still = background(looking(kind, 0.4), 64, 64)
    for moved in (looking(kind, 0.4005), looking(kind + 0.0005, 0.4)):
        assert float(np.abs(background(moved, 64, 64) - still).mean()) < 0.01


def test_when_a_picture_is_wider_then_it_shows_the_same_and_more() -> None:
    params = looking(5.4, 0.2)
    narrow, wide = background(params, 64, 64), background(params, 128, 64)
    np.testing.assert_allclose(wide[:, 32:96], narrow, atol=1e-5)


def test_when_a_picture_is_large_then_it_shows_the_same_as_a_small_one() -> None:
    params = looking(3.4, 0.2)
    large = background(params, 960, 960).reshape(64, 15, 64, 15, 3).mean((1, 3))
    assert float(np.abs(large - background(params, 64, 64)).mean()) < 0.01


def test_when_the_face_changes_then_the_backdrop_does_not() -> None:
    params = looking(2.4, 0.2)
    other = replace(params, age=70.0, skin=0.9, yaw=20.0, light_azimuth=-80.0)
    np.testing.assert_array_equal(background(params, 32, 32), background(other, 32, 32))


def test_when_ambient_light_is_brighter_then_so_is_the_wall() -> None:
    params = looking(1.4, 0.2)
    sky, horizon, ground = params.ambient
    brighter = replace(params, ambient=(sky, tuple(2 * v for v in horizon), ground))
    np.testing.assert_allclose(background(brighter, 32, 32), 2.0 * background(params, 32, 32), rtol=1e-4)


def test_when_there_is_no_picture_then_it_is_refused() -> None:
    with pytest.raises(RecipeError, match="0 x 5"):
        background(FaceParams(), 0, 5)
