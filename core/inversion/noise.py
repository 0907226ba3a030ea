"""The generator's noise maps as things to fit: they soak up grain, so that the latent need not explain it.

Fitted noise stays out of the result. It sticks to the pixels of the picture it was fitted to, so under an
edit that moves the face it would tear (Image2StyleGAN++, arXiv:1911.11544, warns of the same).
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from ..errors import GeneratorError
from ..generators.base import Generator

SUFFIX = "noise_const"
PREFIX = "noise."


class Synthesis(nn.Module):
    """A generator's ``synthesise`` as a module's forward pass, so that its buffers can be replaced for one
    call.
    """

    def __init__(self, generator: nn.Module) -> None:
        super().__init__()
        self.generator = generator

    def forward(self, ws: Tensor) -> Tensor:
        picture: Tensor = self.generator.synthesise(ws)  # type: ignore[operator]
        return picture


def noise_maps(generator: Generator) -> dict[str, Tensor]:
    """Copies of the constant noise maps (H, W), named "noise.<buffer>".

    Raises GeneratorError if the network has none.
    """
    buffers = generator.named_buffers() if isinstance(generator, nn.Module) else iter(())
    maps = {PREFIX + name: value.detach().clone() for name, value in buffers if name.endswith(SUFFIX)}
    if not maps:
        raise GeneratorError(
            f"Generator {generator.id[:12]} has no noise maps to fit.", remedy="Leave the noise setting off."
        )
    return maps


def synthesise_with(generator: Generator, ws: Tensor, maps: Mapping[str, Tensor]) -> Tensor:
    """(1, num_ws, w_dim) -> (1, 3, R, R) with other noise maps; the generator itself is not changed."""
    assert isinstance(generator, nn.Module)
    buffers = {f"generator.{name.removeprefix(PREFIX)}": value for name, value in maps.items()}
    picture: Tensor = torch.func.functional_call(Synthesis(generator), buffers, (ws,))
    return picture


def normalised(noise: Tensor) -> Tensor:
    """A noise map at zero mean and unit variance, so that the picture cannot hide in its scale."""
    centred = noise - noise.mean()
    return centred / centred.square().mean().sqrt().clamp_min(1e-8)
