"""Counterfactual pairs as the refiner learns from them, with the finished networks that it builds on.

A pair is two renders of one face that differ in one attribute, or two members of one family, which differ in two: the
step in W is then the sum of both.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F
from torch import Tensor

from ..directions.counterfactual import slope
from ..errors import DataError
from ..faces.base import Surround
from ..inversion.encoder_net import EncoderNet
from ..refiner import MARGINS, SIZE, enlarged
from .batches import degrade
from .faces_data import LABEL_NAMES, MIRRORED, REGION_WEIGHTS, FacesData


@dataclass(frozen=True)
class RefinerSettings:
    """Sizes and rates; the defaults suit half an hour of one CPU core.

    ``size`` pixels has the generator's square, ``margins`` are shares of it (``refiner.MARGINS``).
    """

    size: int = SIZE
    margins: tuple[float, float, float, float] = MARGINS
    batch: int = 8
    learning_rate: float = 2e-3
    ema: float = 0.995
    members_share: float = 0.25  # of the pairs: two members of one family, two attributes changed at once
    degraded_share: float = 0.5  # of the faces that are seen blurred and noisy
    covered_share: float = 0.15  # of the faces that are seen behind a grey rectangle, as occluders leave them
    relative_weight: float = 1.0
    absolute_weight: float = 2.0
    gradient_weight: float = 1.0
    texture_weight: float = 3.0
    decay_share: float = 0.7
    seed: int = 1

    @property
    def surround(self) -> Surround:
        """What the refiner sees. Raises ValueError for margins that leave no square, or differ left and right:
        pictures are mirrored."""
        left, top, right, bottom = (round(self.size * share) for share in self.margins)
        if left != right:
            raise ValueError(f"margins {self.margins} differ left and right")
        return Surround(self.size + left + right, (left, top, right, bottom))


class Trunk:
    """The finished networks on one device: encoder, generator, and the step in W per unit of a label, (A, w_dim)."""

    def __init__(
        self, encoder: EncoderNet, generator: Any, data: FacesData, surround: Surround, device: str = "cpu"
    ) -> None:
        self.surround = surround
        self.device = torch.device(device)
        self.encoder, self.generator = encoder.to(self.device), generator.to(self.device)
        self.steps = torch.zeros(len(LABEL_NAMES), generator.w_dim)
        for column in np.unique(data.pairs.attribute):
            pairs = data.pairs.of(LABEL_NAMES[column])
            away = self.encoded(data, pairs.member) - self.encoded(data, pairs.base)
            self.steps[column] = torch.from_numpy(slope(away.cpu().numpy(), pairs.delta)).float()
        self.steps = self.steps.to(self.device)

    def encode(self, faces: Tensor) -> Tensor:
        """(B, 3, S, S) -> (B, w_dim); the encoder sees the generator's square."""
        rows, columns = self.surround.inside
        faces, factor = (
            faces.to(self.device)[..., rows, columns],
            self.surround.inner // self.generator.resolution,
        )
        with torch.no_grad():
            return self.encoder(F.avg_pool2d(faces, factor) if factor > 1 else faces)  # type: ignore[no-any-return]

    def decode(self, w: Tensor) -> Tensor:
        """(B, w_dim) -> (B, 3, R, R)."""
        with torch.no_grad():
            ws = w[:, None].expand(-1, self.generator.num_ws, -1)
            return self.generator.synthesise(ws, "none").float()  # type: ignore[no-any-return]

    def alone(self, before: Tensor, after: Tensor) -> Tensor:
        """The generator's own change (B, 3, S, S) in its square, nothing around it."""
        left, top, right, bottom = self.surround.margins
        return F.pad(enlarged(after - before, self.surround.inner), (left, right, top, bottom))

    def encoded(self, data: FacesData, rows: npt.NDArray[np.int64]) -> Tensor:
        """(N, w_dim) of the given renders."""
        chunks = np.array_split(rows, max(1, len(rows) // 64))
        return torch.cat([self.encode(pictures(data, chunk)) for chunk in chunks])


@dataclass(frozen=True)
class PairBatch:
    """``source`` and ``target`` (B, 3, S, S) in [-1, 1]; ``seen`` the source as the networks see it; ``weights``
    (B, 1, S, S); ``step`` (B, w_dim)."""

    source: Tensor
    target: Tensor
    seen: Tensor
    weights: Tensor
    step: Tensor


def pictures(data: FacesData, rows: npt.NDArray[np.int64]) -> Tensor:
    """(B, 3, S, S) in [-1, 1]."""
    values = data.images[rows].astype(np.float32) / 127.5 - 1.0
    return torch.from_numpy(values).permute(0, 3, 1, 2).contiguous(memory_format=torch.channels_last)


class PairBatches:
    """Batches of pairs, flipped, degraded and covered; a pure function of the step."""

    def __init__(self, data: FacesData, trunk: Trunk, settings: RefinerSettings) -> None:
        if not len(data.pairs.base):
            raise DataError(
                "The renders hold no counterfactual pairs.",
                remedy="Render families: lineament faces dataset --families 500.",
            )
        self.data, self.trunk, self.settings = data, trunk, settings
        self.table = torch.ones(256)
        for class_id, weight in REGION_WEIGHTS.items():
            self.table[class_id] = math.sqrt(weight)
        self.mirror = np.array([-1.0 if name in MIRRORED else 1.0 for name in LABEL_NAMES], np.float32)
        order = np.argsort(data.pairs.base, kind="stable")
        self.family = np.split(order, np.flatnonzero(np.diff(data.pairs.base[order])) + 1)
        self.family_of = np.zeros(len(order), np.int64)
        for i, rows in enumerate(self.family):
            self.family_of[rows] = i

    def at(self, number: int) -> PairBatch:
        """The batch of one step."""
        settings, pairs = self.settings, self.data.pairs
        rng = np.random.default_rng((settings.seed, number))
        chosen = rng.integers(0, len(pairs.base), settings.batch)
        source, change = pairs.base[chosen].copy(), np.zeros((settings.batch, len(LABEL_NAMES)), np.float32)
        target = pairs.member[chosen].copy()
        change[np.arange(settings.batch), pairs.attribute[chosen]] = pairs.delta[chosen]
        for i in np.flatnonzero(rng.random(settings.batch) < settings.members_share):
            other = int(rng.choice(self.family[self.family_of[chosen[i]]]))
            source[i] = pairs.member[other]
            change[i, pairs.attribute[other]] -= pairs.delta[other]
        back = rng.random(settings.batch) < 0.5
        source, target = np.where(back, target, source), np.where(back, source, target)
        change = np.where(back[:, None], -change, change)
        flips = rng.random(settings.batch) < 0.5
        change = np.where(flips[:, None], change * self.mirror, change).astype(np.float32)
        mirrored = torch.from_numpy(flips)[:, None, None, None]
        one, other_ = (
            torch.where(mirrored, x.flip(3), x)
            for x in (pictures(self.data, source), pictures(self.data, target))
        )
        classes = (torch.from_numpy(self.data.classes[rows]).long() for rows in (source, target))
        weights = torch.maximum(*(self.table[each] for each in classes))[:, None]
        weights = torch.where(mirrored, weights.flip(3), weights)
        seen = degrade(one, rng, settings.degraded_share)
        self._cover(seen, weights, rng)
        device = self.trunk.device
        step = torch.from_numpy(change).to(device) @ self.trunk.steps
        return PairBatch(one.to(device), other_.to(device), seen.to(device), weights.to(device), step)

    def _cover(self, seen: Tensor, weights: Tensor, rng: np.random.Generator) -> None:
        """Hide rectangles of some faces behind grey, in place; nothing is asked of them there."""
        size = seen.shape[-1]
        for i in np.flatnonzero(rng.random(len(seen)) < self.settings.covered_share):
            x0, y0 = (int(v) for v in rng.integers(0, size - 8, 2))
            x1, y1 = (v + int(rng.integers(size // 16, size // 3)) for v in (x0, y0))
            seen[i, :, y0:y1, x0:x1] = 0.0
            weights[i, :, y0:y1, x0:x1] = 0.0
