"""What every inverter promises. A new one is added to INVERTERS and then has these tests."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from lineament.core.errors import FaceError
from lineament.core.faces.base import FaceCrop
from lineament.core.generators.tiny import build_tiny
from lineament.core.inversion.encoder import EncoderInverter
from lineament.core.inversion.encoder_net import EncoderNet
from lineament.core.inversion.loss import WStatistics
from lineament.core.inversion.optimise import OptimiseInverter, OptimiseSettings
from lineament.core.latent_cache import CachedInverter, LatentCache


def an_encoder(generator, folder, seed=0):
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        net = EncoderNet(generator.w_dim, (8, 8, 8), 16)
    return EncoderInverter(net, generator)


def an_optimiser(generator, folder, seed=0):
    size = generator.w_dim
    statistics = WStatistics(np.zeros(size), np.eye(size))
    start = an_encoder(generator, folder, seed)
    return OptimiseInverter(generator, statistics, start=start, settings=OptimiseSettings(steps=3))


def a_cached_encoder(generator, folder, seed=0):
    return CachedInverter(an_encoder(generator, folder, seed), LatentCache(folder), generator.id)


INVERTERS = {"encoder": an_encoder, "optimise": an_optimiser, "cached": a_cached_encoder}


@pytest.fixture(scope="module")
def generator():
    return build_tiny()


@pytest.fixture(params=INVERTERS.values(), ids=INVERTERS.keys())
def build(request, generator, tmp_path):
    return lambda seed=0: request.param(generator, tmp_path, seed)


@pytest.fixture
def a_crop(generator):
    size = generator.resolution
    image = np.random.default_rng(0).uniform(-1, 1, (3, size, size)).astype(np.float32)
    one = np.ones((1, size, size), np.float32)
    return FaceCrop(image, np.eye(3), one, one, one)


def test_when_a_face_is_inverted_then_its_latent_fits_the_generator(build, generator, a_crop):
    latent = build().invert(a_crop)
    assert latent.ws.shape == (generator.num_ws, generator.w_dim)
    assert latent.ws.dtype == np.float32
    assert np.isfinite(latent.ws).all()
    assert latent.generator_id == generator.id
    assert latent.space == ("w" if (latent.ws == latent.ws[0]).all() else "w+")
    with torch.no_grad():
        picture = generator.synthesise(torch.from_numpy(latent.ws)[None])
    assert picture.shape == (1, 3, generator.resolution, generator.resolution)


def test_when_inverted_again_by_a_new_instance_then_the_latent_is_equal_to_the_bit(build, a_crop):
    assert np.array_equal(build().invert(a_crop).ws, build().invert(a_crop).ws)


def test_when_inverted_then_the_crop_is_left_alone(build, a_crop):
    for array in (a_crop.image, a_crop.matte, a_crop.valid, a_crop.mask, a_crop.plate_from_crop):
        array.flags.writeable = False
    before = a_crop.image.copy()
    build().invert(a_crop)
    assert np.array_equal(a_crop.image, before)


def test_when_faces_differ_then_so_do_latents(build, a_crop):
    other = replace(a_crop, image=-a_crop.image)
    assert not np.array_equal(build().invert(a_crop).ws, build().invert(other).ws)


def test_when_settings_are_equal_then_keys_are_and_other_weights_change_them(build):
    assert build().key == build().key
    assert build(seed=1).key != build().key
    assert "\n" not in build().key


def test_when_the_crop_is_of_another_size_then_the_caller_is_told(build, a_crop):
    small = FaceCrop(*(a[..., :16, :16] if np.ndim(a) == 3 else a for a in vars(a_crop).values()))
    with pytest.raises(ValueError, match=r"crop\.image has shape"):
        build().invert(small)


def test_when_no_pixel_can_be_used_then_it_is_a_face_error(build, a_crop):
    with pytest.raises(FaceError, match="no usable pixel"):
        build().invert(replace(a_crop, valid=np.zeros_like(a_crop.valid)))


def test_when_some_pixels_are_no_numbers_then_the_latent_is_finite_and_ignores_them(build, a_crop):
    image = a_crop.image.copy()
    image[:, 3, 5] = np.nan
    image[0, 9, 9] = np.inf
    hole = a_crop.valid.copy()
    hole[:, 3, 5] = hole[:, 9, 9] = 0
    assert np.array_equal(
        build().invert(replace(a_crop, image=image)).ws, build().invert(replace(a_crop, valid=hole)).ws
    )
