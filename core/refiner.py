"""The refiner: places the change that the generator draws on the face that is really there.

A small generator draws a change as well as it draws faces: softly, a little beside the actor's own features. The
refiner looks at the face itself, at the generator's face before and after, and at the step in W between them. It
answers with a flow that moves the face's own pixels, and with what no motion explains. The idea of handing an encoder's
residual on to the edit is that of HFGI (Wang et al. 2022, arXiv:2109.06590, section 3.2) and StyleRes (Pehlivan et al.
2023, arXiv:2212.14359); here both outputs live in the picture, so that they are independent of the generator's inside.

Axes: B batch, S refiner resolution, C channels, w latent width.
"""

from __future__ import annotations

from itertools import pairwise
from typing import cast

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .checks import expect_shape
from .faces.base import Array, Surround, border_window
from .layers import SQRT_HALF, EqualConv, EqualLinear, leaky

SIZE = 128
"""Pixels a side that a new refiner gives to the generator's square; the generator may be smaller."""
MARGINS = (0.25, 0.125, 0.25, 0.375)
"""What a new refiner sees around that square, left, top, right and bottom, as shares of its side: a jaw that opens goes
below it, and cheeks, ears and neck go along. All of it together is a square again."""
WIDTHS = (24, 32, 48, 64, 96)
"""Channels at S/2, S/4, ..., S/32."""
PICTURES = 9
"""Channels of the three pictures that go in."""
RESIDUAL, FLOW = 12, 2
"""Channels that come out at S/2: three colours of 2 x 2 pixels, and a flow in shares of half the picture."""
FLOW_SCALE = 0.1
CHANGE_SCALE = 2.0
STEP_SCALE = 0.3
STEP_LIMIT = 12.0
"""Longer steps in W, of several strong edits at once, are told as this long, so that none is beyond what was learnt."""
FULL_STEP = 1.0
"""The length of a step in W from which on the refiner acts in full; it does nothing to a step of length 0."""


class StyledBlock(nn.Module):
    """Residual block whose features are scaled and shifted by the step in W; ``light`` has one convolution, not two."""

    def __init__(self, inputs: int, outputs: int, w_dim: int, *, light: bool = False) -> None:
        super().__init__()
        self.conv0 = EqualConv(inputs, outputs, 3)
        self.conv1 = None if light else EqualConv(outputs, outputs, 3)
        self.skip = EqualConv(inputs, outputs, 1)
        self.style = EqualLinear(w_dim, 2 * outputs)
        nn.init.zeros_(self.style.weight)

    def forward(self, x: Tensor, step: Tensor) -> Tensor:
        scale, shift = self.style(step)[:, :, None, None].chunk(2, dim=1)  # (B, O, 1, 1) each
        y = leaky(self.conv0(x)) * (1.0 + torch.tanh(scale)) + shift
        if self.conv1 is not None:
            y = leaky(self.conv1(y))
        return (y + self.skip(x)) * SQRT_HALF  # type: ignore[no-any-return]


class RefinerNet(nn.Module):
    """(pictures, step) -> the change of the face; a U-net of residual blocks.

    ``surround`` says what it sees of the plate; its size S must be a multiple of 32. The shape of a saved network is
    read back from its tensors by ``from_tensors``.
    """

    fading: Tensor

    def __init__(self, w_dim: int, surround: Surround, widths: tuple[int, ...] = WIDTHS) -> None:
        super().__init__()
        if surround.size % 2 ** len(widths):
            raise ValueError(f"size must be a multiple of {2 ** len(widths)}, got {surround.size}")
        self.w_dim = w_dim
        self.surround = surround
        window = np.ones((surround.inner, surround.inner), np.float32)
        if any(surround.margins):  # the generator's change ends where its picture does
            window = border_window(surround.inner)
        self.register_buffer("fading", torch.from_numpy(window), persistent=False)
        self.stem = EqualConv(4 * PICTURES, widths[0], 3)
        self.down = nn.ModuleList(
            StyledBlock(a, b, w_dim, light=i == 0) for i, (a, b) in enumerate(pairwise((widths[0], *widths)))
        )
        self.up = nn.ModuleList(
            StyledBlock(a + b, b, w_dim, light=b == widths[0]) for a, b in pairwise(reversed(widths))
        )
        self.out = EqualConv(widths[0], RESIDUAL + FLOW, 3)
        nn.init.zeros_(self.out.weight)

    @staticmethod
    def from_tensors(tensors: dict[str, Tensor], surround: Surround) -> RefinerNet:
        """Rebuild the network a state dictionary came from. Raises KeyError or RuntimeError for another's tensors."""
        widths: list[int] = []
        while f"down.{len(widths)}.skip.weight" in tensors:
            widths.append(tensors[f"down.{len(widths)}.skip.weight"].shape[0])
        net = RefinerNet(tensors["down.0.style.weight"].shape[1], surround, tuple(widths))
        net.load_state_dict({name: tensor.float() for name, tensor in tensors.items()})
        return net

    def parts(self, face: Array, before: Array, after: Array, step: Array) -> tuple[Array, Array, Array]:
        """``answer`` for one face: pictures (3, S, S) or (3, R, R) and step (w_dim,) -> (3, S, S), (2, S, S), (3, S, S)
        float32."""
        device = self.out.weight.device
        with torch.inference_mode():
            told = [
                torch.from_numpy(np.ascontiguousarray(x, np.float32))[None].to(device)
                for x in (face, before, after, step)
            ]
            change, flow, drawn = (part[0].float().cpu().numpy() for part in self.answer(*told))
        return change, flow, drawn

    def forward(self, face: Tensor, before: Tensor, after: Tensor, step: Tensor) -> Tensor:
        """The face's change.

        ``face`` (B, 3, S, S) is the matted face in the refiner's surround, ``before`` and ``after`` (B, 3, R, R) are
        the generator's pictures of it, all in [-1, 1]. ``step`` (B, w_dim) is the step in W.
        Returns what the edit adds to ``face``, in the same units: zeros for a step of zeros.
        """
        return self.answer(face, before, after, step)[0]

    def answer(
        self, face: Tensor, before: Tensor, after: Tensor, step: Tensor
    ) -> tuple[Tensor, Tensor, Tensor]:
        """The change (B, 3, S, S) and what it is made of: the flow (B, 2, S, S) that moves the face's own pixels, in
        shares of half the side, and what is drawn over them, (B, 3, S, S); all of them zeros for a step of zeros."""
        expect_shape(face, "B 3 S S", name="face", S=self.surround.size)
        expect_shape(step, "B w", name="step", B=face.shape[0], w=self.w_dim)
        before, after = (enlarged(picture, self.surround.inner) for picture in (before, after))
        rows, columns = self.surround.inside
        change, missed = self._around(after - before), self._around(face[..., rows, columns] - before)
        length = step.norm(dim=1, keepdim=True)
        told = step * STEP_SCALE / (1.0 + (length / STEP_LIMIT).square()).sqrt()
        inputs = torch.cat([face, CHANGE_SCALE * change, missed], dim=1)
        moved = self._drawn(F.pixel_unshuffle(inputs, 2), told)
        residual = F.pixel_shuffle(moved[:, :RESIDUAL], 2)
        flow = F.interpolate(
            FLOW_SCALE * moved[:, RESIDUAL:], scale_factor=2, mode="bilinear", align_corners=False
        )
        gate = (length / FULL_STEP).clamp(max=1.0)[:, :, None, None]
        flow, drawn = gate * flow, torch.where(gate > 0.0, change + gate * residual, 0.0)
        motion = torch.where(gate > 0.0, warped(face, flow) - face, 0.0)
        return drawn + motion, flow, drawn

    def _around(self, picture: Tensor) -> Tensor:
        """A picture of the generator's square in the refiner's, fading to 0 where it ends."""
        left, top, right, bottom = self.surround.margins
        return F.pad(picture * self.fading, (left, right, top, bottom))

    def _drawn(self, x: Tensor, step: Tensor) -> Tensor:
        x = leaky(self.stem(x))
        kept = []
        for i, block in enumerate(self.down):
            x = block(x if i == 0 else F.avg_pool2d(x, 2), step)
            kept.append(x)
        kept.pop()
        for block in self.up:
            x = F.interpolate(x, scale_factor=2, mode="nearest")
            x = block(torch.cat([x, kept.pop()], dim=1), step)
        return cast(Tensor, self.out(x))


def warped(picture: Tensor, flow: Tensor) -> Tensor:
    """(B, C, S, S) looked up at every pixel's place plus ``flow`` (B, 2, S, S): x and y in shares of half the side."""
    axis = (torch.arange(picture.shape[-1], device=picture.device, dtype=picture.dtype) + 0.5) * (
        2.0 / picture.shape[-1]
    ) - 1.0
    place = torch.stack(torch.meshgrid(axis, axis, indexing="xy"))[None]  # (1, 2, S, S)
    grid = (place + flow).permute(0, 2, 3, 1)
    return F.grid_sample(picture, grid, mode="bilinear", padding_mode="border", align_corners=False)


def enlarged(picture: Tensor, size: int) -> Tensor:
    """(B, 3, R, R) -> (B, 3, ``size``, ``size``) by cubic interpolation; the picture itself if it has that size."""
    if picture.shape[-1] == size:
        return picture
    return F.interpolate(picture, size=(size, size), mode="bicubic", align_corners=False)
