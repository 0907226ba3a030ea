"""Latents drawn from a generator with a fixed seed: what its average and its statistics are measured on."""

from __future__ import annotations

import torch
from torch import Tensor

from .stylegan2 import StyleGAN2

SAMPLES_SEED = 0
BATCH = 1024


@torch.no_grad()
def sample_latents(generator: StyleGAN2, count: int, seed: int = SAMPLES_SEED) -> Tensor:
    """(count, w_dim) float32 latents on the CPU, the same for the same seed.

    z is normal; a conditional network gets classes drawn evenly, for its class of zeros is none of them.
    """
    random = torch.Generator().manual_seed(seed)
    z = torch.randn(count, generator.z_dim, generator=random)
    classes = torch.randint(generator.c_dim, (count,), generator=random) if generator.c_dim else None
    device = next(generator.parameters()).device
    rows = []
    for start in range(0, count, BATCH):
        c = None
        if classes is not None:
            c = (
                torch.nn.functional.one_hot(classes[start : start + BATCH], generator.c_dim)
                .float()
                .to(device)
            )
        rows.append(generator.mapping(z[start : start + BATCH].to(device), c).float().cpu())
    return torch.cat(rows)
