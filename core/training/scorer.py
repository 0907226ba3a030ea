"""Judges of renders: the grader, kept apart from everything that is graded, and the identity network.

The grader has other widths and another seed than the encoder whose attribute heads serve as the tool's scorer, and sees
half of the training faces, so that an edit which fools one does not fool the other for the same reason.
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
from .batches import degrade
from .faces_data import LABEL_NAMES, MIRRORED, Bytes, FacesData, Floats, Numbers, face_of

log = logging.getLogger(__name__)

BINARY = ("glasses", "sunglasses")
THRESHOLDS = {
    "gender": 0.5, "smile": 0.5, "mouth_open": 0.2, "beard": 0.3, "moustache": 0.3, "lipstick": 0.3, "brow_inner": 0.5,
    "brow_down": 0.5, "eyes_closed": 0.5,
}  # fmt: skip


@dataclass(frozen=True)
class ScorerSettings:
    """One scorer; ``half`` 0 or 1 picks one half of the training faces, None takes all."""

    widths: tuple[int, ...] = (32, 64, 96, 128)
    hidden: int = 192
    batch: int = 32
    learning_rate: float = 2e-3
    seed: int = 11
    half: int | None = None


GRADER = ScorerSettings(widths=(24, 48, 112, 144), hidden=160, seed=77, half=1)
IDENTITY = ScorerSettings(widths=(32, 64, 96, 128), hidden=192, seed=31)


def jitter(images: Tensor, rng: np.random.Generator) -> Tensor:
    """Move by up to two pixels and scale by up to four percent: a located face is never framed exactly."""
    count, side = len(images), images.shape[-1]
    theta = np.zeros((count, 2, 3), np.float32)
    theta[:, 0, 0] = theta[:, 1, 1] = 1.0 + 0.04 * rng.uniform(-1, 1, count)
    theta[:, :, 2] = 4.0 / side * rng.uniform(-1, 1, (count, 2))
    grid = F.affine_grid(torch.from_numpy(theta), list(images.shape), align_corners=False)
    return F.grid_sample(images, grid, padding_mode="border", align_corners=False)


def train_scorer(data: FacesData, settings: ScorerSettings, budget_s: float) -> ScorerNet:
    """The attributes of one half of the training faces, for ``budget_s`` seconds of process time."""
    rows = np.arange(data.train_count)
    rows = rows if settings.half is None else rows[data.halves()[rows] == settings.half]
    mirror = torch.tensor([-1.0 if name in MIRRORED else 1.0 for name in LABEL_NAMES])
    return regress(data.images, data.labels, LABEL_NAMES, rows, settings, budget_s, mirror)


def train_identity(data: FacesData, settings: ScorerSettings, budget_s: float) -> ScorerNet:
    """The identity vector of the training faces: what of a face stays when pose, light, age and expression change.

    Not mirrored, because the vector has asymmetries of the face.
    """
    names = tuple(f"identity{i}" for i in range(data.identity.shape[1]))
    rows = np.arange(data.train_count)
    return regress(data.images, data.identity, names, rows, settings, budget_s, None)


def regress(
    images: Bytes,
    targets: Floats,
    names: tuple[str, ...],
    rows: Numbers,
    settings: ScorerSettings,
    budget_s: float,
    mirror: Tensor | None,
) -> ScorerNet:
    """Pictures (N, R, R, 3) uint8 -> numbers (N, K), on ``rows``, with a cosine rate; equal steps give equal weights.

    ``mirror`` (K,) are the factors of the numbers when a picture is flipped; None never flips.
    """
    torch.manual_seed(settings.seed)
    rng = np.random.default_rng(settings.seed)
    net = ScorerNet(names, settings.widths, settings.hidden)
    net.offset.copy_(torch.from_numpy(targets[rows].mean(0)))
    net.scale.copy_(torch.from_numpy(np.maximum(targets[rows].std(0), 1e-3)))
    net.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    optimiser = torch.optim.Adam(net.parameters(), lr=settings.learning_rate, betas=(0.9, 0.99))
    started = time.process_time()
    step = 0
    while (share := (time.process_time() - started) / budget_s) < 1.0:
        chosen = rng.choice(rows, settings.batch)
        seen = torch.from_numpy(images[chosen].astype(np.float32) / 127.5 - 1).permute(0, 3, 1, 2)
        wanted = torch.from_numpy(targets[chosen])
        if mirror is not None:
            flip = torch.from_numpy(rng.random(settings.batch) < 0.5)
            seen = torch.where(flip[:, None, None, None], seen.flip(3), seen)
            wanted = torch.where(flip[:, None], wanted * mirror, wanted)
        optimiser.param_groups[0]["lr"] = (
            settings.learning_rate * (0.5 + 0.5 * math.cos(math.pi * share)) + 1e-6
        )
        scores = net.standardised(
            degrade(jitter(seen, rng), rng).contiguous(memory_format=torch.channels_last)
        )
        loss = F.smooth_l1_loss(scores, (wanted - net.offset) / net.scale, beta=0.5)
        optimiser.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        optimiser.step()
        step += 1
        if step % 200 == 0:
            log.info("step %d, share %.2f, loss %.3f", step, share, float(loss.detach()))
    net.eval()
    return net


def identity_figures(net: ScorerNet, grading: FacesData, limit: int = 600) -> dict[str, float]:
    """How well the embedding tells faces apart, on families kept for grading.

    ``auc``: a base and its own changed member against a base and another family's member, by cosine;
    ``same_mean``, ``different_mean`` and ``different_p95`` are the cosines themselves.
    """
    pairs = grading.pairs
    if len(pairs.base) < 2:
        return {}
    rows = np.random.default_rng(0).permutation(len(pairs.base))[:limit]
    base, member = (embed(net, grading.images[index[rows]]) for index in (pairs.base, pairs.member))
    other = np.roll(np.arange(len(rows)), 1)
    apart = np.array([face_of(grading.keys[pairs.base[rows[i]]]) for i in range(len(rows))])
    same = (base * member).sum(1)
    different = (base * member[other]).sum(1)[apart != apart[other]]
    truth = np.concatenate([np.ones(len(same)), np.zeros(len(different))])
    return {
        "auc": round(float(roc_auc_score(truth, np.concatenate([same, different]))), 4),
        "same_mean": round(float(same.mean()), 4),
        "different_mean": round(float(different.mean()), 4),
        "different_p95": round(float(np.quantile(different, 0.95)), 4),
    }


def embed(net: ScorerNet, images: Bytes) -> Floats:
    """(N, R, R, 3) uint8 -> (N, K) float32 unit vectors."""
    seen = torch.from_numpy(images.astype(np.float32) / 127.5 - 1).permute(0, 3, 1, 2)
    with torch.inference_mode():
        vectors = torch.cat([net.standardised(chunk) for chunk in torch.split(seen, 64)])
    return np.asarray(F.normalize(vectors).numpy(), np.float32)


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
