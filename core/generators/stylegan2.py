"""StyleGAN2 in plain torch, weight-compatible with the published layouts (Karras et al. 2020, arXiv:1912.04958).

Tensor names are those of the NVIDIA PyTorch releases. Instead of a modulated weight per sample, the input is scaled
by the style and the output by the demodulation factor, so one shared weight serves the batch; both are the same
arithmetic (section 2.2 of the paper, read from right to left). Axes: B batch, I O channels in and out, H W rows and
columns, k kernel.
"""

from __future__ import annotations

import hashlib
import math
from dataclasses import dataclass
from itertools import accumulate
from typing import Literal

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..checks import expect_shape

NoiseMode = Literal["const", "none"]

SQRT2 = math.sqrt(2.0)
UP_TAPS = (0.25, 0.75, 0.75, 0.25)  # [1, 3, 3, 1] / 8 with the gain of 2 per axis that up-sampling by 2 needs


@dataclass(frozen=True)
class StyleGAN2Config:
    """The shape of one network.

    ``channels`` maps every resolution from 4 to ``resolution`` to the width of its block; ``conv_clamp`` bounds
    activations at +-clamp (None: unbounded). ``mapping_lr`` is the learning-rate multiplier of the mapping network.
    """

    z_dim: int
    c_dim: int
    w_dim: int
    resolution: int
    channels: dict[int, int]
    num_mapping_layers: int
    conv_clamp: float | None = None
    img_channels: int = 3
    mapping_lr: float = 0.01

    def __post_init__(self) -> None:
        if self.resolution < 4 or self.resolution & (self.resolution - 1):
            raise ValueError(f"resolution must be a power of two of at least 4, got {self.resolution}")
        missing = [r for r in self.resolutions if self.channels.get(r, 0) < 1]
        if missing:
            raise ValueError(f"channels has no width for {missing} px")

    @property
    def resolutions(self) -> list[int]:
        """4, 8, ..., resolution."""
        return [2**level for level in range(2, int(math.log2(self.resolution)) + 1)]

    @property
    def num_ws(self) -> int:
        """How many latent rows drive the synthesis: 2 log2(R) - 2."""
        return 2 * len(self.resolutions)


def generator_id(state: dict[str, Tensor], conv_clamp: float | None = None) -> str:
    """16 hex digits that stand for what these weights draw.

    SHA-256 over names, shapes and float32 bytes, in name order; a clamp changes the pictures, so it counts too.
    """
    digest = hashlib.sha256()
    if conv_clamp is not None:
        digest.update(f"conv_clamp={conv_clamp:g}".encode())
    for name in sorted(state):
        values = np.ascontiguousarray(state[name].detach().to("cpu", torch.float32).numpy())
        digest.update(f"{name}{tuple(values.shape)}".encode())
        digest.update(values.tobytes())
    return digest.hexdigest()[:16]


def leaky(x: Tensor, clamp: float | None) -> Tensor:
    """Leaky ReLU of slope 0.2 with the gain of sqrt(2) that keeps the variance, then the optional clamp."""
    x = F.leaky_relu(x, 0.2) * SQRT2
    return x if clamp is None else x.clamp(-clamp, clamp)


def normalise_second_moment(x: Tensor) -> Tensor:
    """(B, n) scaled to a mean square of 1."""
    return x * (x.square().mean(dim=1, keepdim=True) + 1e-8).rsqrt()


class FullyConnected(nn.Module):
    """Linear layer with equalised learning rate: stored weights are N(0, 1) / lr, scaled at run time."""

    def __init__(self, inputs: int, outputs: int, *, lr: float = 1.0, bias: float = 0.0) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(outputs, inputs) / lr)
        self.bias = nn.Parameter(torch.full((outputs,), bias))
        self.gain = lr / math.sqrt(inputs)
        self.lr = lr

    def forward(self, x: Tensor) -> Tensor:
        return F.linear(x, self.weight * self.gain, self.bias * self.lr)


class Mapping(nn.Module):
    """z (B, z_dim) and optional c (B, c_dim) -> w (B, w_dim)."""

    w_avg: Tensor

    def __init__(self, config: StyleGAN2Config) -> None:
        super().__init__()
        self.config = config
        width = config.z_dim
        if config.c_dim:
            self.embed = FullyConnected(config.c_dim, config.w_dim)
            width += config.w_dim
        for i in range(config.num_mapping_layers):
            layer = FullyConnected(width if i == 0 else config.w_dim, config.w_dim, lr=config.mapping_lr)
            setattr(self, f"fc{i}", layer)
        self.register_buffer("w_avg", torch.zeros(config.w_dim))

    def forward(self, z: Tensor, c: Tensor | None = None) -> Tensor:
        x = normalise_second_moment(z)
        if self.config.c_dim:
            if c is None:
                raise ValueError(
                    f"this generator is conditional: map() needs c of shape (B, {self.config.c_dim})"
                )
            x = torch.cat([x, normalise_second_moment(self.embed(c))], dim=1)  # (B, z_dim + w_dim)
        for i in range(self.config.num_mapping_layers):
            x = leaky(getattr(self, f"fc{i}")(x), None)
        return x


class ModulatedConv(nn.Module):
    """Shared-weight convolution whose input channels are scaled by a style, without bias or activation."""

    def __init__(self, w_dim: int, inputs: int, outputs: int, kernel: int) -> None:
        super().__init__()
        self.affine = FullyConnected(w_dim, inputs, bias=1.0)
        self.weight = nn.Parameter(torch.randn(outputs, inputs, kernel, kernel))
        self._energy: tuple[int, int, Tensor] | None = None

    def energy(self) -> Tensor:
        """Sum of squared weights over the kernel, (O, I); remembered while the weights do not change."""
        if torch.is_grad_enabled() and self.weight.requires_grad:
            return self.weight.square().sum(dim=(2, 3))
        if self.weight.is_inference():  # has no version counter to tell whether it has changed
            return self.weight.square().sum(dim=(2, 3))
        version, address = self.weight._version, self.weight.data_ptr()
        if self._energy is None or self._energy[:2] != (version, address):
            # A later gradient pass may use what an inference pass remembered, so it must not be an inference tensor.
            with torch.inference_mode(False):
                self._energy = (version, address, self.weight.detach().square().sum(dim=(2, 3)))
        return self._energy[2]

    def demodulation(self, style: Tensor) -> Tensor:
        """(B, I) -> (B, O): 1 / norm of every output channel's modulated weight."""
        return (style.square() @ self.energy().t() + 1e-8).rsqrt()


class SynthesisLayer(ModulatedConv):
    """Modulated 3 x 3 convolution, optional doubling, noise, bias, leaky ReLU, clamp."""

    noise_const: Tensor

    def __init__(
        self, w_dim: int, inputs: int, outputs: int, resolution: int, *, up: bool, clamp: float | None
    ) -> None:
        super().__init__(w_dim, inputs, outputs, 3)
        self.up = up
        self.clamp = clamp
        self.bias = nn.Parameter(torch.zeros(outputs))
        self.noise_strength = nn.Parameter(torch.zeros(()))
        self.register_buffer("noise_const", torch.randn(resolution, resolution))

    def forward(self, x: Tensor, style: Tensor, noise_mode: NoiseMode) -> Tensor:
        x = x * style[:, :, None, None]  # (B, I, H, W)
        if self.up:
            x = F.conv_transpose2d(x, self.weight.transpose(0, 1), stride=2)  # (B, O, 2H+1, 2W+1)
            x = blur(x)  # (B, O, 2H, 2W)
        else:
            x = F.conv2d(x, self.weight, padding=1)  # (B, O, H, W)
        x = x * self.demodulation(style)[:, :, None, None]
        if noise_mode == "const":
            x = x + self.noise_const * self.noise_strength
        return leaky(x + self.bias[:, None, None], self.clamp)


class ToRGB(ModulatedConv):
    """Modulated 1 x 1 convolution to the picture, not demodulated."""

    def __init__(self, w_dim: int, inputs: int, outputs: int, *, clamp: float | None) -> None:
        super().__init__(w_dim, inputs, outputs, 1)
        self.clamp = clamp
        self.gain = 1.0 / math.sqrt(inputs)
        self.bias = nn.Parameter(torch.zeros(outputs))

    def forward(self, x: Tensor, style: Tensor) -> Tensor:
        x = F.conv2d(x * (style * self.gain)[:, :, None, None], self.weight) + self.bias[:, None, None]
        return x if self.clamp is None else x.clamp(-self.clamp, self.clamp)


def up_kernel(x: Tensor) -> Tensor:
    """The (C, 1, 4, 4) filter [1, 3, 3, 1] on both axes, gain 4, for each channel of ``x``."""
    taps = x.new_tensor(UP_TAPS)
    return (taps[:, None] * taps[None, :]).expand(x.shape[1], 1, 4, 4)


def blur(x: Tensor) -> Tensor:
    """Filter (B, O, 2H+1, 2W+1) after a transposed convolution -> (B, O, 2H, 2W)."""
    return F.conv2d(x, up_kernel(x), padding=1, groups=x.shape[1])


def double(image: Tensor) -> Tensor:
    """Up-sample (B, 3, H, W) to (B, 3, 2H, 2W): zero insertion and the filter, zeros beyond the border."""
    return F.conv_transpose2d(image, up_kernel(image), stride=2, padding=1, groups=image.shape[1])


class SynthesisBlock(nn.Module):
    """Everything at one resolution: one or two convolutions and the skip to the picture."""

    def __init__(self, config: StyleGAN2Config, resolution: int) -> None:
        super().__init__()
        width, w_dim, clamp = config.channels[resolution], config.w_dim, config.conv_clamp
        if resolution == 4:
            self.const = nn.Parameter(torch.randn(width, 4, 4))
        else:
            below = config.channels[resolution // 2]
            self.conv0 = SynthesisLayer(w_dim, below, width, resolution, up=True, clamp=clamp)
        self.conv1 = SynthesisLayer(w_dim, width, width, resolution, up=False, clamp=clamp)
        self.torgb = ToRGB(w_dim, width, config.img_channels, clamp=clamp)

    @property
    def layers(self) -> list[ModulatedConv]:
        """The modulated layers in synthesis order."""
        return [*([self.conv0] if hasattr(self, "conv0") else []), self.conv1, self.torgb]


class Synthesis(nn.Module):
    """The blocks b4, b8, ... under their published names."""

    def __init__(self, config: StyleGAN2Config) -> None:
        super().__init__()
        for resolution in config.resolutions:
            setattr(self, f"b{resolution}", SynthesisBlock(config, resolution))
        self.resolutions = config.resolutions

    def blocks(self) -> list[SynthesisBlock]:
        """Coarse to fine."""
        return [getattr(self, f"b{resolution}") for resolution in self.resolutions]


class StyleGAN2(nn.Module):
    """A StyleGAN2 generator: ``map``, ``synthesise``, ``styles``, ``synthesise_from_styles``.

    Pictures are (B, 3, R, R) float32, nominally in [-1, 1], never clamped; their encoding is the card's. With
    constant noise the result is deterministic. Latent row 2j - 1 drives conv0 of block j, 2j its conv1, 2j + 1 its
    torgb and the next block's conv0.
    """

    def __init__(self, config: StyleGAN2Config) -> None:
        super().__init__()
        self.config = config
        self.mapping = Mapping(config)
        self.synthesis = Synthesis(config)
        self._id = ""
        self.arrange()

    def arrange(self) -> None:
        """Lay convolution weights out channels last: the same numbers, read in the order in which they are used."""
        self.to(memory_format=torch.channels_last)  # type: ignore[call-overload]

    @property
    def id(self) -> str:
        """Hash of the weights, computed once; see ``generator_id``."""
        self._id = self._id or generator_id(self.state_dict(), self.config.conv_clamp)
        return self._id

    @property
    def resolution(self) -> int:
        """Pixels per side of the pictures."""
        return self.config.resolution

    @property
    def num_ws(self) -> int:
        """Rows of a W+ latent."""
        return self.config.num_ws

    @property
    def w_dim(self) -> int:
        """Numbers per latent row."""
        return self.config.w_dim

    @property
    def z_dim(self) -> int:
        """Numbers of the input latent."""
        return self.config.z_dim

    @property
    def c_dim(self) -> int:
        """Numbers of the condition, 0 if there is none."""
        return self.config.c_dim

    def map(
        self, z: Tensor, c: Tensor | None = None, truncation: float = 1.0, cutoff: int | None = None
    ) -> Tensor:
        """(B, z_dim) -> (B, num_ws, w_dim), pulled towards the average latent by ``truncation`` in [0, 1].

        ``cutoff`` limits the truncation to the first rows (None: all of them).
        """
        expect_shape(z, "B z", name="z", z=self.z_dim)
        ws: Tensor = self.mapping(z, c)[:, None, :].repeat(1, self.num_ws, 1)  # (B, num_ws, w_dim)
        if truncation != 1.0:
            rows = self.num_ws if cutoff is None else cutoff
            ws[:, :rows] = self.mapping.w_avg.lerp(ws[:, :rows], truncation)
        return ws

    def styles(self, ws: Tensor) -> list[Tensor]:
        """(B, num_ws, w_dim) -> one (B, C_l) per modulated layer in synthesis order; torgb before its 1/sqrt(C)."""
        expect_shape(ws, "B L w", name="ws", L=self.num_ws, w=self.w_dim)
        styles = []
        row = 0
        for block in self.synthesis.blocks():
            for offset, layer in enumerate(block.layers):
                styles.append(layer.affine(ws[:, row + offset]))
            row += len(block.layers) - 1  # torgb shares its row with the next block's first convolution
        return styles

    def synthesise_from_styles(self, styles: list[Tensor], noise_mode: NoiseMode = "const") -> Tensor:
        """One (B, C_l) per layer -> (B, 3, R, R); the first blocks' alone -> the picture at their size."""
        blocks = self.synthesis.blocks()
        ends = list(accumulate(len(block.layers) for block in blocks))
        if len(styles) not in ends:
            raise ValueError(f"{len(styles)} styles do not end with a block; expected one of {ends}")
        blocks = blocks[: ends.index(len(styles)) + 1]
        remaining = iter(styles)
        x = blocks[0].const.expand(styles[0].shape[0], -1, -1, -1)  # (B, C, 4, 4)
        image = x.new_zeros(())
        for block in blocks:
            for layer in block.layers[:-1]:
                x = layer(x, next(remaining), noise_mode)
            rgb = block.torgb(x, next(remaining))
            image = double(image) + rgb if image.ndim else rgb
        return image

    def synthesise(self, ws: Tensor, noise_mode: NoiseMode = "const") -> Tensor:
        """(B, num_ws, w_dim) -> (B, 3, R, R) in the network's own range."""
        return self.synthesise_from_styles(self.styles(ws), noise_mode)
