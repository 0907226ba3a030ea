"""Random batches of independent faces and counterfactual pairs, flipped and degraded; a pure function of the step."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F
from torch import Tensor

from .faces_data import LABEL_NAMES, MIRRORED, REGION_WEIGHTS, FacesData
from .joint_model import JointSettings
from .objective import Batch


def degrade(images: Tensor, rng: np.random.Generator, share: float = 1.0) -> Tensor:
    """(B, 3, R, R) with blur, noise and gain of random strength on ``share`` of the pictures, as in photographs."""
    count = len(images)

    def drawn(values: npt.NDArray[np.float64]) -> Tensor:
        return torch.from_numpy(values.astype(np.float32)).to(images.device).view(-1, 1, 1, 1)

    chosen = rng.random(count) < share
    blurred = F.avg_pool2d(F.pad(images, (1, 1, 1, 1), mode="replicate"), 3, 1)
    noise = torch.from_numpy(rng.standard_normal(images.shape, dtype=np.float32)).to(images.device)
    amount, strength = drawn(chosen * rng.random(count) ** 2), drawn(chosen * 0.08 * rng.random(count) ** 2)
    return images.lerp(blurred, amount) + noise * strength


class Batches:
    """Batches on one device; a resumed run goes on alike because everything follows from the seed and the step."""

    def __init__(self, data: FacesData, settings: JointSettings, device: torch.device) -> None:
        self.settings = settings
        self.device = device
        self.pairs = data.pairs
        self.train_count = data.train_count
        self.images = torch.from_numpy(data.images[: self.train_count]).to(device)
        self.classes = torch.from_numpy(data.classes[: self.train_count]).to(device)
        table = torch.ones(256)
        for class_id, weight in REGION_WEIGHTS.items():
            table[class_id] = weight
        self.weight_table = table.to(device)
        labels = data.labels[: self.train_count]
        self.label_mean, self.label_scale = labels.mean(0), np.maximum(labels.std(0), 1e-3)
        self.labels = labels
        self.mirror = np.array([-1.0 if name in MIRRORED else 1.0 for name in LABEL_NAMES], np.float32)

    def at(self, step: int) -> Batch:
        """The batch of one step: half independent rows, half pairs; all independent where there are no pairs."""
        settings = self.settings
        rng = np.random.default_rng((settings.seed, step))
        count = settings.batch // 4 if len(self.pairs.base) else 0
        single = settings.batch - 2 * count
        chosen = rng.integers(0, max(len(self.pairs.base), 1), count)
        rows = np.concatenate(
            [rng.integers(0, self.train_count, single), self.pairs.base[chosen], self.pairs.member[chosen]]
        )
        flips = rng.random(single + count) < 0.5
        flips = np.concatenate([flips, flips[single:]])
        labels = np.where(flips[:, None], self.labels[rows] * self.mirror, self.labels[rows])
        attribute = self.pairs.attribute[chosen]
        delta = self.pairs.delta[chosen] / self.label_scale[attribute]
        delta *= np.where(flips[single : single + count], self.mirror[attribute], 1.0)
        forth = rng.random(count) < 0.5
        first, second = np.arange(single, single + count), np.arange(single + count, single + 2 * count)
        images, weights = self.pictures(rows, flips)
        return Batch(
            images,
            degrade(images, rng, settings.degraded_share),
            weights,
            self.tensor(((labels - self.label_mean) / self.label_scale).astype(np.float32)),
            self.tensor(np.where(forth, first, second)),
            self.tensor(np.where(forth, second, first)),
            self.tensor(attribute),
            self.tensor((delta * np.where(forth, 1.0, -1.0)).astype(np.float32)),
        )

    def tensor(self, values: npt.NDArray[np.generic]) -> Tensor:
        """An array on the device."""
        return torch.from_numpy(values).to(self.device)

    def pictures(self, rows: npt.NDArray[np.int64], flips: npt.NDArray[np.bool_]) -> tuple[Tensor, Tensor]:
        """(B, 3, R, R) in [-1, 1], channels last, and weights (B, 1, R, R)."""
        index, mirrored = self.tensor(rows), self.tensor(flips)[:, None, None]
        images = self.images[index].float() / 127.5 - 1.0
        images = torch.where(mirrored[..., None], images.flip(2), images).permute(0, 3, 1, 2)
        weights = self.weight_table[self.classes[index].long()]
        weights = torch.where(mirrored, weights.flip(2), weights)
        return images.contiguous(memory_format=torch.channels_last), weights[:, None]
