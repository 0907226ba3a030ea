"""The default model's encoder: a matted face to one latent, in a single small convolutional pass."""

from __future__ import annotations

from itertools import pairwise

import torch.nn.functional as F
from torch import Tensor, nn

from ..layers import DownBlock, EqualConv, EqualLinear, leaky


class EncoderNet(nn.Module):
    """(B, 3, R, R) in [-1, 1], background grey (0) -> w (B, w_dim), about unit variance per number.

    ``widths`` are the channels at R/2, R/4, ... down to 4 x 4. The shape of a saved network is read back from its
    tensors by ``from_tensors``.
    """

    def __init__(self, w_dim: int, widths: tuple[int, ...], hidden: int) -> None:
        super().__init__()
        self.stem = EqualConv(12, widths[0], 3)
        self.blocks = nn.ModuleList(DownBlock(a, b) for a, b in pairwise(widths))
        self.hidden = EqualLinear(widths[-1] * 16, hidden)
        self.out = EqualLinear(hidden, w_dim)

    @staticmethod
    def from_tensors(tensors: dict[str, Tensor]) -> EncoderNet:
        """Rebuild the network a state dictionary came from."""
        widths = [tensors["stem.weight"].shape[0]]
        while f"blocks.{len(widths) - 1}.skip.weight" in tensors:
            widths.append(tensors[f"blocks.{len(widths) - 1}.skip.weight"].shape[0])
        net = EncoderNet(tensors["out.weight"].shape[0], tuple(widths), tensors["hidden.weight"].shape[0])
        net.load_state_dict({name: tensor.float() for name, tensor in tensors.items()})
        return net

    def forward(self, image: Tensor) -> Tensor:
        x = leaky(self.stem(F.pixel_unshuffle(image, 2)))  # (B, C, R/2, R/2)
        for block in self.blocks:
            x = block(x)
        return self.out(leaky(self.hidden(x.flatten(1))))  # type: ignore[no-any-return]
