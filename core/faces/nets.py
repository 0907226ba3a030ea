"""Three small convolutional networks: find faces in a picture, place six landmarks, separate person from
background.

All take pictures (B, 3, H, W) float in [-1, 1] (display-like encoding, Rec.709) and are small enough for one
CPU core. ``ScanNet`` is fully convolutional and runs over an image pyramid; ``LandmarkNet`` looks at one
window; ``MatteNet`` is a U-Net on 64-pixel crops. Landmarks are read from heat maps by their expectation
(integral regression, Sun et al. 2018), which is differentiable and finer than the cell size.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from .base import LANDMARK_NAMES

WINDOW = 64
"""Side of the windows of LandmarkNet and MatteNet; the weights are trained for it."""
SCAN_STRIDE = 8
SCAN_SIDE = 48.0
"""Side in pixels of a framed face (Alignment scale 1, shift 0.1) that ScanNet calls unit size."""
POINTS = len(LANDMARK_NAMES)


def _block(inputs: int, outputs: int, *, stride: int = 1, dilation: int = 1) -> nn.Sequential:
    """A 3 x 3 convolution, batch norm, ReLU."""
    conv = nn.Conv2d(inputs, outputs, 3, stride, padding=dilation, dilation=dilation, bias=False)
    return nn.Sequential(conv, nn.BatchNorm2d(outputs), nn.ReLU())


class ScanNet(nn.Module):
    """Says for every 8 x 8 cell whether a face of about 48 pixels is centred there, and where its landmarks
    are."""

    def __init__(self) -> None:
        super().__init__()
        self.trunk = nn.Sequential(
            _block(3, 16, stride=2),
            _block(16, 24, stride=2),
            _block(24, 32),
            _block(32, 48, stride=2),
            _block(48, 48),
            _block(48, 48, dilation=2),
            _block(48, 64, dilation=3),
            _block(64, 64),
        )
        self.head = nn.Conv2d(64, 1 + 2 * POINTS, 1)

    def forward(self, picture: Tensor) -> tuple[Tensor, Tensor]:
        """(B, 3, H, W) -> logit (B, H/8, W/8) and landmarks (B, H/8, W/8, 6, 2) in pixels of the picture."""
        out = self.head(self.trunk(picture))
        _, _, rows, columns = out.shape
        offsets = (
            out[:, 1:].reshape(-1, POINTS, 2, rows, columns).permute(0, 3, 4, 1, 2)
        )  # (B, rows, columns, 6, 2)
        centres = cell_centres(rows, columns).to(offsets)
        return out[:, 0], centres[:, :, None] + SCAN_SIDE * offsets


def channels_last(net: nn.Module) -> nn.Module:
    """Lay the weights out with channels last, which is a third faster on a CPU; returns the same network."""
    return net.to(memory_format=torch.channels_last)  # type: ignore[call-overload, no-any-return]


def cell_centres(rows: int, columns: int) -> Tensor:
    """The (x, y) centres of ScanNet's cells in pixels of its input, (rows, columns, 2)."""
    y = (torch.arange(rows) + 0.5) * SCAN_STRIDE
    x = (torch.arange(columns) + 0.5) * SCAN_STRIDE
    return torch.stack(torch.meshgrid(x, y, indexing="xy"), -1)


class LandmarkNet(nn.Module):
    """Six landmarks and one face logit for a 64-pixel window; landmarks outside the window end up on its
    border."""

    def __init__(self) -> None:
        super().__init__()
        self.fine = nn.Sequential(
            _block(3, 24, stride=2), _block(24, 32), _block(32, 48, stride=2), _block(48, 48)
        )
        self.middle = nn.Sequential(_block(48, 80, stride=2), _block(80, 80))
        self.coarse = nn.Sequential(_block(80, 128, stride=2), _block(128, 128))
        self.face = nn.Linear(128, 1)
        self.from_coarse = nn.Conv2d(128, 80, 1)
        self.merge_middle = _block(80, 80)
        self.from_middle = nn.Conv2d(80, 48, 1)
        self.merge_fine = nn.Sequential(_block(48, 48), _block(48, 48))
        self.heat = nn.Conv2d(48, POINTS, 1)

    def forward(self, window: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """(B, 3, 64, 64) -> landmarks (B, 6, 2) in window pixels, face logit (B,), heat logits (B, 6, 16,
        16)."""
        fine = self.fine(window)  # (B, 48, 16, 16)
        middle = self.middle(fine)  # (B, 80, 8, 8)
        coarse = self.coarse(middle)  # (B, 128, 4, 4)
        logit = self.face(coarse.mean((2, 3)))[:, 0]
        middle = self.merge_middle(middle + _double(self.from_coarse(coarse)))
        heat = self.heat(self.merge_fine(fine + _double(self.from_middle(middle))))
        return expected_points(heat), logit, heat


def expected_points(heat: Tensor) -> Tensor:
    """The expectation of each heat map, (B, N, h, w) logits -> (B, N, 2) in window pixels."""
    rows, columns = heat.shape[2:]
    weight = torch.softmax(heat.flatten(2), -1).reshape(heat.shape)
    x = (torch.arange(columns).to(heat) + 0.5) * (WINDOW / columns)
    y = (torch.arange(rows).to(heat) + 0.5) * (WINDOW / rows)
    return torch.stack([(weight.sum(2) * x).sum(-1), (weight.sum(3) * y).sum(-1)], -1)


def _double(features: Tensor) -> Tensor:
    """Twice the size, bilinear."""
    return functional.interpolate(features, scale_factor=2, mode="bilinear", align_corners=False)


class MatteNet(nn.Module):
    """Person, face and hair probability for a 64-pixel crop; a U-Net whose finest level is half
    resolution."""

    def __init__(self) -> None:
        super().__init__()
        self.level1 = nn.Sequential(_block(12, 32), _block(32, 32))
        self.level2 = nn.Sequential(_block(32, 48, stride=2), _block(48, 48))
        self.level3 = nn.Sequential(_block(48, 80, stride=2), _block(80, 80))
        self.level4 = nn.Sequential(_block(80, 96, stride=2), _block(96, 96))
        self.join3 = nn.Conv2d(96, 80, 1)
        self.back3 = _block(80, 80)
        self.join2 = nn.Conv2d(80, 48, 1)
        self.back2 = _block(48, 48)
        self.join1 = nn.Conv2d(48, 32, 1)
        self.back1 = _block(32, 32)
        self.finish = _block(8 + 3, 12)
        self.head = nn.Conv2d(12, 3, 1)

    def forward(self, crop: Tensor) -> Tensor:
        """(B, 3, 64, 64) -> logits (B, 3, 64, 64): person, face, hair."""
        one = self.level1(functional.pixel_unshuffle(crop, 2))  # (B, 32, 32, 32)
        two = self.level2(one)  # (B, 48, 16, 16)
        three = self.level3(two)  # (B, 80, 8, 8)
        four = self.level4(three)  # (B, 96, 4, 4)
        three = self.back3(three + _double(self.join3(four)))
        two = self.back2(two + _double(self.join2(three)))
        one = self.back1(one + _double(self.join1(two)))
        full = torch.cat([functional.pixel_shuffle(one, 2), crop], 1)  # (B, 11, 64, 64)
        logits: Tensor = self.head(self.finish(full))
        return logits
