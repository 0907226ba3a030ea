"""The feed-forward inverter around any network."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from lineament.core.errors import FaceError
from lineament.core.inversion.encoder import EncoderInverter
from lineament.core.inversion.optimise import OptimiseInverter
from torch import nn


class Corner(nn.Module):
    """Reads the latent off the first pixels, so that the test knows what arrives."""

    def __init__(self, w_dim, gain=1.0):
        super().__init__()
        self.w_dim = w_dim
        self.gain = nn.Parameter(torch.tensor(gain))

    def forward(self, image):
        return image.flatten(1)[:, : self.w_dim] * self.gain


def test_when_inverted_then_every_row_is_the_networks_answer(generator, a_crop):
    latent = EncoderInverter(Corner(16), generator).invert(a_crop)
    assert latent.ws.shape == (generator.num_ws, generator.w_dim)
    assert np.allclose(latent.ws, a_crop.image.reshape(-1)[:16])
    assert (latent.space, latent.generator_id) == ("w", generator.id)
    assert latent.ws.flags.writeable  # not a view into inference memory


def test_when_the_background_is_matted_then_the_network_sees_grey(generator, a_crop, crop_from):
    crop = crop_from(a_crop.image, matte=np.zeros_like(a_crop.matte))
    assert not EncoderInverter(Corner(16), generator).invert(crop).ws.any()
    assert EncoderInverter(Corner(16), generator, matte=False).invert(crop).ws.any()


def test_when_several_faces_are_given_then_they_come_back_in_order(generator, a_crop, crop_from):
    other = crop_from(a_crop.image[:, ::-1].copy())
    inverter = EncoderInverter(Corner(16), generator)
    first, second = inverter.invert_batch([a_crop, other])
    assert np.array_equal(first.ws, inverter.invert(a_crop).ws)
    assert np.array_equal(second.ws, inverter.invert(other).ws)


def test_when_weights_or_matting_differ_then_so_does_the_key(generator):
    keys = {
        EncoderInverter(Corner(16), generator).key,
        EncoderInverter(Corner(16, gain=1.1), generator).key,
        EncoderInverter(Corner(16), generator, matte=False).key,
    }
    assert len(keys) == 3
    assert EncoderInverter(Corner(16), generator).key in keys


def test_when_the_device_is_of_another_kind_then_so_is_the_key(generator, statistics):
    encoders = [EncoderInverter(Corner(16), generator, device) for device in ("cpu", "meta")]
    fits = [OptimiseInverter(generator, statistics, device=device) for device in ("cpu", "meta")]
    assert encoders[0].key != encoders[1].key
    assert fits[0].key != fits[1].key


def test_when_the_network_is_of_another_width_then_it_is_refused(generator, a_crop):
    with pytest.raises(ValueError, match="encoder output has shape"):
        EncoderInverter(Corner(15), generator).invert(a_crop)


def test_when_the_network_returns_no_number_then_it_is_a_face_error(generator, a_crop):
    with pytest.raises(FaceError, match="not finite"):
        EncoderInverter(Corner(16, gain=float("nan")), generator).invert(a_crop)
