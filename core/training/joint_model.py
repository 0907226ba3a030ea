"""The networks that are trained together, and the sizes and rates of the training."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from ..generators.stylegan2 import StyleGAN2, StyleGAN2Config
from ..inversion.encoder_net import EncoderNet
from .faces_data import LABEL_NAMES

STYLE_GAIN = 0.2  # larger and random modulation cripples the first minutes, smaller and w is hardly used


@dataclass(frozen=True)
class JointSettings:
    """Sizes and rates of the joint training; the defaults suit one CPU core for one to three hours.

    Half of a batch's pictures are independent faces, half counterfactual pairs where the data has them.
    """

    w_dim: int = 192
    z_dim: int = 64
    channels: tuple[int, ...] = (192, 160, 112, 64, 32)  # multiples of 16 fill the vector units of CPUs
    encoder_widths: tuple[int, ...] = (48, 80, 128, 192)
    encoder_hidden: int = 384
    batch: int = 8
    learning_rate: float = 1.5e-3
    ema: float = 0.995  # longer ones average an encoder and a decoder that drift together, and fit neither
    noise: float = 0.1
    head_weight: float = 0.3
    prior_weight: float = 0.05
    gradient_weight: float = 0.5
    texture_weight: float = 0.7
    edit_weight: float = 1.5
    code_weight: float = 0.5
    degraded_share: float = 0.5  # of the pictures the encoder sees blurred and noisy
    coarse_share: float = 0.25  # of the budget at half resolution: cheaper pictures first
    decay_share: float = 0.75  # of the budget in which the learning rate falls to zero
    seed: int = 1

    @property
    def resolution(self) -> int:
        """Pixels per side."""
        return int(4 * 2 ** (len(self.channels) - 1))

    def generator_config(self) -> StyleGAN2Config:
        """The network's shape."""
        widths = {4 * 2**i: width for i, width in enumerate(self.channels)}
        return StyleGAN2Config(self.z_dim, 0, self.w_dim, self.resolution, widths, num_mapping_layers=4)


class JointModel(nn.Module):
    """Generator, encoder, attribute heads on w, directions of the labels (A, w_dim) per standard deviation, and the
    running statistics that keep w at unit scale."""

    mean: Tensor
    variance: Tensor

    def __init__(self, settings: JointSettings) -> None:
        super().__init__()
        self.settings = settings
        self.generator = StyleGAN2(settings.generator_config())
        self.encoder = EncoderNet(settings.w_dim, settings.encoder_widths, settings.encoder_hidden)
        self.heads = nn.Linear(settings.w_dim, len(LABEL_NAMES))
        self.directions = nn.Parameter(torch.zeros(len(LABEL_NAMES), settings.w_dim))
        self.register_buffer("mean", torch.zeros(settings.w_dim))
        self.register_buffer("variance", torch.ones(settings.w_dim))
        with torch.no_grad():
            for block in self.generator.synthesis.blocks():
                for layer in block.layers:
                    layer.affine.weight.mul_(STYLE_GAIN)
            self.heads.weight.zero_()

    def encode(self, images: Tensor, *, update: bool = False) -> Tensor:
        """(B, 3, R, R) -> w (B, w_dim) with unit variance; ``update`` moves the running statistics."""
        raw = self.encoder(images)
        if update:
            with torch.no_grad():
                self.mean.lerp_(raw.mean(0), 0.01)
                self.variance.lerp_((raw - self.mean).square().mean(0), 0.01)
        return (raw - self.mean) * (self.variance + 1e-6).rsqrt()  # type: ignore[no-any-return]

    def decode(self, w: Tensor, resolution: int) -> Tensor:
        """w (B, w_dim) -> (B, 3, resolution, resolution); stops early at a lower resolution, noise off."""
        ws = w[:, None, :].expand(-1, self.generator.num_ws, -1)
        count = 3 * int(math.log2(resolution)) - 4  # two styles at 4 px, three at every further size
        return self.generator.synthesise_from_styles(self.generator.styles(ws)[:count], "none")
