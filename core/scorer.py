"""Attribute scores and perceptual features of a matted face, from one small network."""

from __future__ import annotations

from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .layers import DownBlock, EqualConv, EqualLinear, leaky


class ScorerNet(nn.Module):
    """(B, 3, R, R) in [-1, 1], background grey -> attribute scores (B, A) in the labels' own units.

    ``names`` are the labels. Inside, scores are standardised; ``offset`` and ``scale`` (A,) bring them back. A score
    is a regression, also for 0/1 labels: it is not clipped to the label's range.

    With ``mirror`` (A,), the labels' factors when a face is flipped left to right (1 or -1), the face and its mirror
    image are both scored and averaged; without, only the face.
    """

    offset: Tensor
    scale: Tensor
    mirror: Tensor | None

    def __init__(
        self, names: tuple[str, ...], widths: tuple[int, ...], hidden: int, mirror: Tensor | None = None
    ) -> None:
        super().__init__()
        self.names = names
        self.stem = EqualConv(12, widths[0], 3)
        self.blocks = nn.ModuleList(DownBlock(a, b) for a, b in pairwise(widths))
        self.hidden = EqualLinear(widths[-1] * 16, hidden)
        self.out = EqualLinear(hidden, len(names))
        self.register_buffer("offset", torch.zeros(len(names)))
        self.register_buffer("scale", torch.ones(len(names)))
        self.register_buffer("mirror", mirror)

    @staticmethod
    def from_tensors(tensors: dict[str, Tensor], names: tuple[str, ...]) -> ScorerNet:
        """Rebuild the network a state dictionary came from; ``names`` in the order it was trained with."""
        widths = [tensors["stem.weight"].shape[0]]
        while f"blocks.{len(widths) - 1}.skip.weight" in tensors:
            widths.append(tensors[f"blocks.{len(widths) - 1}.skip.weight"].shape[0])
        mirror = tensors.get("mirror")
        net = ScorerNet(
            names,
            tuple(widths),
            tensors["hidden.weight"].shape[0],
            None if mirror is None else torch.ones_like(mirror, dtype=torch.float32),
        )
        net.load_state_dict({name: tensor.float() for name, tensor in tensors.items()})
        return net

    def features(self, image: Tensor) -> list[Tensor]:
        """Feature maps from R/2 down to 4 px, each divided by its own root mean square over channels."""
        x = leaky(self.stem(F.pixel_unshuffle(image, 2)))
        maps = [x]
        for block in self.blocks:
            x = block(x)
            maps.append(x)
        return [m * (m.square().mean(dim=1, keepdim=True) + 1e-4).rsqrt() for m in maps]

    def standardised(self, image: Tensor) -> Tensor:
        """(B, A) scores with the mean and the scale of the training labels taken out."""
        return self.out(self.last_features(image))  # type: ignore[no-any-return]

    def last_features(self, image: Tensor) -> Tensor:
        """(B, hidden) what the scores are read from."""
        x = leaky(self.stem(F.pixel_unshuffle(image, 2)))
        for block in self.blocks:
            x = block(x)
        return leaky(self.hidden(x.flatten(1)))

    def forward(self, image: Tensor) -> Tensor:
        scores = self.standardised(image) * self.scale + self.offset
        if self.mirror is None:
            return scores
        flipped = self.standardised(image.flip(3)) * self.scale + self.offset
        return (scores + flipped * self.mirror) / 2
