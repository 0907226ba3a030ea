"""An untrained 32-pixel generator from a seed: tests and dry runs without any weights."""

from __future__ import annotations

from pathlib import Path

import torch

from .stylegan2 import StyleGAN2, StyleGAN2Config

TINY_SEED = 7
TINY_CONFIG = StyleGAN2Config(
    z_dim=16,
    c_dim=0,
    w_dim=16,
    resolution=32,
    channels={4: 16, 8: 16, 16: 12, 32: 8},
    num_mapping_layers=2,
)


def build_tiny(seed: int = TINY_SEED, config: StyleGAN2Config = TINY_CONFIG) -> StyleGAN2:
    """The same weights for the same seed, whatever the state of torch's own random numbers.

    Noise strengths, biases and the average latent are not zero, so nothing in the forward pass is idle.
    """
    random = torch.Generator().manual_seed(seed)
    with torch.random.fork_rng(devices=[]):
        generator = StyleGAN2(config)
    with torch.no_grad():
        for name, tensor in sorted(generator.state_dict().items()):
            values = torch.randn(tensor.shape, generator=random)
            if name.startswith("mapping.fc") and name.endswith("weight"):
                values = values / config.mapping_lr
            elif name.endswith("affine.bias"):
                values = 1.0 + 0.1 * values
            elif name.endswith(("bias", "noise_strength", "w_avg")):
                values = 0.1 * values
            tensor.copy_(values)
    return generator.requires_grad_(False).eval()


def save_tiny(folder: str | Path, seed: int = TINY_SEED) -> Path:
    """Write the tiny generator as a model package and return its folder."""
    from .package import (
        save_package,
    )  # package.py offers the tiny generator by name, so it imports this module

    save_package(folder, build_tiny(seed), name="tiny", licence="CC0-1.0", provenance={"seed": seed})
    return Path(folder)
