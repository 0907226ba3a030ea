"""Attribute regressors on the renders: one used by the tools, one kept apart for grading.

The grader has other widths, another seed and the other half of the training renders, so that an edit which fools the
first does not fool the second for the same reason.
"""

from __future__ import annotations

import logging
import math
import time
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from sklearn.metrics import roc_auc_score
from torch import Tensor

from ..scorer import ScorerNet
from .faces_data import LABEL_NAMES, MIRRORED, FacesData

log = logging.getLogger(__name__)

BINARY = ("male", "glasses", "sung", "lipstick", "moust")
THRESHOLDS = {"smile": 0.5, "mouth_open": 0.2, "beard": 0.5, "brow_inner": 0.5, "eyes_closed": 0.5}


@dataclass(frozen=True)
class ScorerSettings:
    """One scorer; ``half`` 0 or 1 picks even or odd training rows, None takes all."""

    widths: tuple[int, ...] = (32, 64, 96, 128)
    hidden: int = 192
    batch: int = 32
    learning_rate: float = 2e-3
    seed: int = 11
    half: int | None = None


GRADER = ScorerSettings(widths=(24, 48, 112, 144), hidden=160, seed=77, half=1)
TOOL = ScorerSettings(half=0)


def jitter(images: Tensor, rng: np.random.Generator) -> Tensor:
    """Move by up to two pixels and scale by up to four percent: a located face is never framed exactly."""
    count, side = len(images), images.shape[-1]
    theta = np.zeros((count, 2, 3), np.float32)
    theta[:, 0, 0] = theta[:, 1, 1] = 1.0 + 0.04 * rng.uniform(-1, 1, count)
    theta[:, :, 2] = 4.0 / side * rng.uniform(-1, 1, (count, 2))
    grid = F.affine_grid(torch.from_numpy(theta), list(images.shape), align_corners=False)
    return F.grid_sample(images, grid, padding_mode="border", align_corners=False)


def degrade(images: Tensor, rng: np.random.Generator) -> Tensor:
    """Blur and noise of random strength: decoder output and photographs are softer or rougher than renders."""
    blurred = F.avg_pool2d(F.pad(images, (1, 1, 1, 1), mode="replicate"), 3, 1)
    share = torch.from_numpy((rng.random((len(images), 1, 1, 1)) ** 2).astype(np.float32))
    noise = torch.from_numpy(rng.standard_normal(images.shape).astype(np.float32))
    strength = torch.from_numpy((0.08 * rng.random((len(images), 1, 1, 1)) ** 2).astype(np.float32))
    gain = torch.from_numpy((1 + 0.08 * rng.standard_normal((len(images), 1, 1, 1))).astype(np.float32))
    return (images.lerp(blurred, share) + noise * strength) * gain


def train_scorer(data: FacesData, settings: ScorerSettings, budget_s: float) -> ScorerNet:
    """Train for ``budget_s`` seconds of process time with a cosine rate; deterministic for equal step counts."""
    torch.manual_seed(settings.seed)
    rng = np.random.default_rng(settings.seed)
    rows = np.arange(data.train_count)
    rows = rows if settings.half is None else rows[rows % 2 == settings.half]
    labels = data.labels[rows]
    net = ScorerNet(LABEL_NAMES, settings.widths, settings.hidden)
    net.offset.copy_(torch.from_numpy(labels.mean(0)))
    net.scale.copy_(torch.from_numpy(np.maximum(labels.std(0), 1e-3)))
    net.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    mirror = torch.tensor([-1.0 if name in MIRRORED else 1.0 for name in LABEL_NAMES])
    optimiser = torch.optim.Adam(net.parameters(), lr=settings.learning_rate, betas=(0.9, 0.99))
    started = time.process_time()
    step = 0
    while (share := (time.process_time() - started) / budget_s) < 1.0:
        chosen = rng.choice(rows, settings.batch)
        images = torch.from_numpy(data.images[chosen].astype(np.float32) / 127.5 - 1).permute(0, 3, 1, 2)
        target = torch.from_numpy(data.labels[chosen])
        flip = torch.from_numpy(rng.random(settings.batch) < 0.5)
        images = torch.where(flip[:, None, None, None], images.flip(3), images)
        target = torch.where(flip[:, None], target * mirror, target)
        optimiser.param_groups[0]["lr"] = (
            settings.learning_rate * (0.5 + 0.5 * math.cos(math.pi * share)) + 1e-6
        )
        scores = net.standardised(
            degrade(jitter(images, rng), rng).contiguous(memory_format=torch.channels_last)
        )
        loss = F.smooth_l1_loss(scores, (target - net.offset) / net.scale, beta=0.5)
        optimiser.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        optimiser.step()
        step += 1
        if step % 200 == 0:
            log.info("scorer step %d, share %.2f, loss %.3f", step, share, float(loss.detach()))
    net.eval()
    return net


def scorer_figures(net: ScorerNet, data: FacesData) -> dict[str, Any]:
    """Held-out figures: age MAE in years, R2 of scalars, AUC of 0/1 labels and of thresholded scalars."""
    rows = np.arange(data.train_count, len(data.images))
    images = torch.from_numpy(data.images[rows].astype(np.float32) / 127.5 - 1).permute(0, 3, 1, 2)
    with torch.inference_mode():
        scores = np.concatenate([net(chunk).numpy() for chunk in torch.split(images, 64)])
    truth = data.labels[rows]
    figures: dict[str, Any] = {"count": len(rows), "r2": {}, "auc": {}}
    for i, name in enumerate(LABEL_NAMES):
        variance = float(truth[:, i].var())
        if variance > 1e-6 and name not in BINARY:
            figures["r2"][name] = round(1 - float(np.mean((scores[:, i] - truth[:, i]) ** 2)) / variance, 3)
        positive = truth[:, i] > THRESHOLDS.get(name, 0.5)
        if (name in BINARY or name in THRESHOLDS) and 0 < positive.sum() < len(positive):
            figures["auc"][name] = round(float(roc_auc_score(positive, scores[:, i])), 4)
    age = LABEL_NAMES.index("age")
    figures["age_mae_years"] = round(float(np.abs(scores[:, age] - truth[:, age]).mean()), 2)
    return figures
