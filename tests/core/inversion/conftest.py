"""The tiny generator, faces it drew itself, and a start that is off by a known amount."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from lineament.core.faces.base import FaceCrop
from lineament.core.generators.tiny import build_tiny
from lineament.core.inversion.loss import WStatistics
from lineament.core.latent import Latent

PICTURE_GAIN = 0.12  # untrained pictures leave [-1, 1] by far


class FixedStart:
    """An inverter that knows its answer."""

    def __init__(self, generator, ws):
        self.generator_id, self.ws = generator.id, ws

    @property
    def key(self):
        return f"fixed {hash(self.ws.tobytes())}"

    def invert(self, crop):
        return Latent(self.ws, self.generator_id, "w")


@pytest.fixture(scope="session")
def generator():
    network = build_tiny()
    with torch.no_grad():
        for name, tensor in network.state_dict().items():
            if ".torgb.weight" in name or ".torgb.bias" in name:
                tensor.mul_(PICTURE_GAIN)
    return network


@pytest.fixture(scope="session")
def samples(generator):
    z = torch.randn(2000, generator.z_dim, generator=torch.Generator().manual_seed(1))
    return generator.map(z)[:, 0].numpy()


@pytest.fixture(scope="session")
def statistics(samples):
    return WStatistics.from_samples(samples)


@pytest.fixture(scope="session")
def draw(generator):
    def picture(ws):
        with torch.no_grad():
            return generator.synthesise(torch.from_numpy(ws)[None])[0].numpy()

    return picture


@pytest.fixture(scope="session")
def true_ws(generator, samples):
    return np.repeat(samples[:1], generator.num_ws, axis=0)


@pytest.fixture(scope="session")
def a_crop(draw, true_ws):
    return crop_of(draw(true_ws))


@pytest.fixture(scope="session")
def start(generator, true_ws, statistics):
    """The truth moved by half a standard deviation, the same in every row."""
    noise = np.random.default_rng(2).standard_normal(generator.w_dim).astype(np.float32)
    return FixedStart(generator, true_ws + np.float32(0.5 * statistics.sigma) * noise)


def crop_of(image, matte=None, valid=None):
    one = np.ones((1, *image.shape[1:]), np.float32)
    matte = one if matte is None else matte
    return FaceCrop(image, np.eye(3), matte, matte, one if valid is None else valid)


@pytest.fixture(scope="session")
def crop_from():
    return crop_of
