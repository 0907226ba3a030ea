"""Fitting W+ to faces whose latent is known."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from lineament.core.errors import DataError, GeneratorError
from lineament.core.inversion.optimise import FROM_MEAN, OptimiseInverter, OptimiseSettings
from lineament.core.inversion.state import load_state, save_state

SHORT = OptimiseSettings(steps=12)


def psnr(one, two, weight=None):
    """dB of pictures in [-1, 1]."""
    squared = (one.astype(np.float64) - two) ** 2
    mean = squared.mean() if weight is None else (squared * weight).sum() / weight.sum() / 3
    return 10 * np.log10(4 / mean)


@pytest.fixture
def invert(generator, statistics, start):
    def build(settings=SHORT, **more):
        return OptimiseInverter(generator, statistics, start=start, settings=settings, **more)

    return build


def test_when_the_latent_is_known_then_sixty_steps_gain_far_more_than_one_and_a_half_db(
    invert, draw, start, a_crop
):
    result = invert(OptimiseSettings(steps=60)).run(a_crop)
    gain = psnr(draw(result.latent.ws), a_crop.image) - psnr(draw(start.ws), a_crop.image)
    assert gain > 8  # 1.5 is asked for; measured 15 to 20
    assert result.curve[-1] < 0.3 * result.curve[0]
    assert result.latent.space == "w+"


def test_when_half_the_plate_is_missing_then_the_rest_is_fitted_as_well(
    invert, draw, start, a_crop, crop_from
):
    valid = np.ones_like(a_crop.valid)
    valid[:, :, 16:] = 0
    image = np.where(valid > 0, a_crop.image, np.float32(np.nan))
    result = invert(OptimiseSettings(steps=40)).run(crop_from(image, valid=valid))
    gain = psnr(draw(result.latent.ws), a_crop.image, valid) - psnr(draw(start.ws), a_crop.image, valid)
    assert gain > 4


def test_when_the_background_changes_outside_the_matte_then_the_latent_does_not(invert, a_crop, crop_from):
    matte = np.zeros_like(a_crop.matte)
    matte[:, 8:24, 8:24] = 1
    noisy = a_crop.image + (1 - matte) * np.float32(0.3)
    one = invert(matte=False).run(crop_from(a_crop.image, matte=matte))
    two = invert(matte=False).run(crop_from(noisy, matte=matte))
    assert np.array_equal(one.latent.ws, two.latent.ws)


def test_when_run_twice_then_latents_are_equal_to_the_bit(invert, a_crop):
    assert np.array_equal(invert().invert(a_crop).ws, invert().invert(a_crop).ws)


def test_when_the_jitter_seed_differs_then_so_does_the_path(invert, a_crop):
    curves = [invert(replace(SHORT, jitter=0.05, seed=seed)).run(a_crop).curve for seed in (1, 1, 2)]
    assert curves[0] == curves[1]
    assert curves[0] != curves[2]


@pytest.mark.parametrize("settings", [SHORT, replace(SHORT, noise=True, jitter=0.05)])
def test_when_cancelled_saved_and_resumed_then_nothing_differs_from_one_run(
    invert, a_crop, tmp_path, settings
):
    whole = invert(settings).run(a_crop)
    seen = []
    part = invert(settings).run(
        a_crop, cancel=lambda: len(seen) == 5, on_step=lambda state: seen.append(state.step)
    )
    assert (part.stopped, seen) == ("cancelled", [1, 2, 3, 4, 5])
    save_state(tmp_path / "fit.safetensors", part.state)
    resumed = invert(settings).run(a_crop, state=load_state(tmp_path / "fit.safetensors"))
    assert resumed.curve == whole.curve
    assert np.array_equal(resumed.latent.ws, whole.latent.ws)
    assert len(part.curve) == 5  # resuming works on a copy


def test_when_cancelled_before_the_first_step_then_the_start_comes_back(invert, start, a_crop):
    result = invert().run(a_crop, cancel=lambda: True)
    assert np.array_equal(result.latent.ws, start.ws)


def test_when_a_state_is_of_another_face_or_setting_then_it_is_refused(invert, a_crop, crop_from):
    state = invert().run(a_crop).state
    with pytest.raises(DataError, match="belongs to another face"):
        invert().run(crop_from(a_crop.image * 0.9), state=state)
    with pytest.raises(DataError, match="belongs to another face"):
        invert(replace(SHORT, lr=0.04)).run(a_crop, state=state)


@pytest.mark.parametrize("damage", [{"cut": 100}, {"flip": 3}, {"cut": 0}])
def test_when_a_state_file_is_damaged_then_it_is_a_data_error(invert, a_crop, tmp_path, broken_copy, damage):
    save_state(tmp_path / "fit.safetensors", invert(replace(SHORT, steps=1)).run(a_crop).state)
    with pytest.raises(DataError, match="cannot be read"):
        load_state(broken_copy(tmp_path / "fit.safetensors", **damage))


def test_when_a_state_file_is_missing_then_it_is_a_data_error(tmp_path):
    with pytest.raises(DataError, match="cannot be read"):
        load_state(tmp_path / "none.safetensors")


def test_when_the_loss_stalls_then_it_stops_early(invert, a_crop):
    result = invert(OptimiseSettings(steps=100, lr=1e-6, patience=5)).run(a_crop)
    assert result.stopped == "plateau"
    assert len(result.curve) < 20


def test_when_there_is_no_start_then_the_fit_begins_at_the_mean(generator, statistics, a_crop):
    result = OptimiseInverter(generator, statistics, settings=SHORT).run(a_crop, cancel=lambda: True)
    assert np.allclose(result.latent.ws, statistics.mean, atol=1e-6)


def test_when_features_are_given_then_they_take_part(invert, a_crop):
    calls = []

    def features(image):
        calls.append(tuple(image.shape))
        return [F.avg_pool2d(image, 4), F.avg_pool2d(image, 8)]

    with_features = invert(features=features).run(a_crop)
    assert calls == [(1, 3, 32, 32)] * (SHORT.steps + 1)  # the target once, then every step
    assert with_features.curve[0] > invert().run(a_crop).curve[0]
    assert invert(features=features).key != invert().key


def test_when_a_networks_method_gives_the_features_then_the_key_holds_its_weights(invert):
    class Net(torch.nn.Module):
        def __init__(self, gain):
            super().__init__()
            self.gain = torch.nn.Parameter(torch.tensor(gain))

        def features(self, image):
            return [image * self.gain]

    assert invert(features=Net(1.0).features).key == invert(features=Net(1.0).features).key
    assert invert(features=Net(1.0).features).key != invert(features=Net(2.0).features).key


def test_when_there_is_no_encoder_then_a_longer_fit_still_finds_the_face(generator, statistics, draw, a_crop):
    short = replace(FROM_MEAN, steps=100)
    latent = OptimiseInverter(generator, statistics, settings=short).invert(a_crop)
    assert psnr(draw(latent.ws), a_crop.image) > 25
    assert OptimiseInverter(generator, statistics).key == (
        OptimiseInverter(generator, statistics, settings=FROM_MEAN).key
    )


def test_when_the_prior_is_strong_then_the_latent_stays_near_the_start(invert, start, a_crop):
    near = invert(replace(SHORT, prior=100.0)).invert(a_crop).ws
    free = invert(replace(SHORT, prior=0.0)).invert(a_crop).ws
    assert np.linalg.norm(near - start.ws) < 0.5 * np.linalg.norm(free - start.ws)


def test_when_noise_is_fitted_then_the_generator_and_its_maps_stay_as_they_were(invert, generator, a_crop):
    before = {name: tensor.clone() for name, tensor in generator.state_dict().items()}
    result = invert(replace(SHORT, noise=True)).run(a_crop)
    fitted = {name: value for name, value in result.state.values.items() if name.startswith("noise.")}
    assert len(fitted) == 7
    assert all(abs(float(value.mean())) < 1e-5 for value in fitted.values())
    assert any(not torch.equal(value, before[name.removeprefix("noise.")]) for name, value in fitted.items())
    assert all(torch.equal(before[name], tensor) for name, tensor in generator.state_dict().items())
    assert result.latent.ws.shape == (generator.num_ws, generator.w_dim)


def test_when_weights_need_gradients_then_none_are_left_behind(invert, generator, a_crop):
    generator.requires_grad_(True)
    try:
        invert(replace(SHORT, steps=2)).run(a_crop)
        assert all(parameter.grad is None for parameter in generator.parameters())
    finally:
        generator.requires_grad_(False)


def test_when_the_numbers_leave_the_finite_range_then_the_fit_stops_with_an_error(invert, a_crop):
    def broken(image):
        return [image * float("inf")]

    with pytest.raises(GeneratorError, match="left the finite numbers at step 0"):
        invert(features=broken).run(a_crop)


@pytest.mark.parametrize("change", [{"steps": 0}, {"lr": 0.0}, {"scales": ()}, {"patience": 0}])
def test_when_settings_make_no_sense_then_they_are_refused(change):
    with pytest.raises(ValueError, match="must be positive"):
        OptimiseSettings(**change)


def test_when_steps_pass_then_the_rate_rises_holds_and_falls():
    settings = OptimiseSettings(steps=100, lr=0.04)
    rates = [settings.rate(step) for step in range(100)]
    assert rates[0] == pytest.approx(0.04 / 5)
    assert rates[10] == rates[70] == pytest.approx(0.04)
    assert rates[99] < 0.001
    assert rates[70:] == sorted(rates[70:], reverse=True)
