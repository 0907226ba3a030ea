"""Small convolutional building blocks with equalised learning rate, shared by encoder and scorer."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

SQRT_HALF = math.sqrt(0.5)


class EqualConv(nn.Module):
    """Convolution with equalised learning rate: stored weights are N(0, 1), scaled at run time."""

    def __init__(self, inputs: int, outputs: int, kernel: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(outputs, inputs, kernel, kernel))
        self.bias = nn.Parameter(torch.zeros(outputs))
        self.gain = 1.0 / math.sqrt(inputs * kernel * kernel)
        self.padding = kernel // 2

    def forward(self, x: Tensor) -> Tensor:
        return F.conv2d(x, self.weight * self.gain, self.bias, padding=self.padding)


class EqualLinear(nn.Module):
    """Linear layer with equalised learning rate."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(outputs, inputs))
        self.bias = nn.Parameter(torch.zeros(outputs))
        self.gain = 1.0 / math.sqrt(inputs)

    def forward(self, x: Tensor) -> Tensor:
        return F.linear(x, self.weight * self.gain, self.bias)


def leaky(x: Tensor) -> Tensor:
    """Leaky ReLU of slope 0.2, variance kept."""
    return F.leaky_relu(x, 0.2) * math.sqrt(2.0)


class DownBlock(nn.Module):
    """Residual block that halves the picture: two 3 x 3 convolutions beside a 1 x 1 skip."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.conv0 = EqualConv(inputs, inputs, 3)
        self.conv1 = EqualConv(inputs, outputs, 3)
        self.skip = EqualConv(inputs, outputs, 1)

    def forward(self, x: Tensor) -> Tensor:
        y = leaky(self.conv0(x))
        y = leaky(self.conv1(F.avg_pool2d(y, 2)))
        out: Tensor = (y + self.skip(F.avg_pool2d(x, 2))) * SQRT_HALF  # (B, O, H/2, W/2)
        return out
