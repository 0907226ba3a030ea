"""What the face networks are punished for: missed points, false faces, wrong mattes."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from ..faces.nets import SCAN_SIDE, SCAN_STRIDE, WINDOW, cell_centres

Batch = tuple[Tensor, ...]


def landmark_loss(net: nn.Module, batch: Batch) -> Tensor:
    """Distance of the points, shape of the heat maps, and face or not."""
    window, truth, is_face = batch
    points, logit, heat = net(window)
    positive = is_face > 0.5
    detect = functional.binary_cross_entropy_with_logits(logit, is_face)
    # Nearly absolute: a square loses interest below a pixel, and a pixel is 5 % of the eye distance.
    distance = functional.smooth_l1_loss(points[positive], truth[positive], beta=0.2)
    cells = heat.shape[-1]
    centres = (torch.arange(cells) + 0.5) * (WINDOW / cells)
    target = torch.exp(-((centres - truth[positive][..., None]) ** 2) / (2 * (0.75 * WINDOW / cells) ** 2))
    target = target[..., 1, :, None] * target[..., 0, None, :]  # (B, 6, cells, cells)
    target = target.flatten(2) / target.flatten(2).sum(-1, keepdim=True)
    shape = -(target * torch.log_softmax(heat[positive].flatten(2), -1)).sum(-1).mean()
    return distance + 0.2 * shape + 0.5 * detect


def scan_loss(net: nn.Module, batch: Batch) -> Tensor:
    """Focal detection loss on clear cells and landmark distance on positive ones."""
    canvas, truth = batch
    logit, points = net(canvas)
    wanted, certain, nearest = scan_targets(truth, logit.shape[1])
    error = functional.binary_cross_entropy_with_logits(logit, wanted, reduction="none")
    focal = error * (torch.sigmoid(logit) - wanted).abs() ** 1.5 * certain
    positive = wanted > 0.5
    count = positive.sum().clamp(min=1)
    distance = (
        functional.smooth_l1_loss(points[positive], nearest[positive], beta=2.0, reduction="sum") / count
    )
    return focal.sum() / count + 0.05 * distance


def scan_targets(truth: Tensor, cells: int) -> tuple[Tensor, Tensor, Tensor]:
    """Per cell: 1 if a face of the right size is centred here, 1 if the answer is clear, the face's
    landmarks."""
    centres = cell_centres(cells, cells)
    middle = truth.mean(2)  # (B, 2, 2): near the nose
    size = (truth - middle[:, :, None]).norm(dim=-1).mean(-1) * 3.4  # about the side of the framing square
    away = (centres[None, None] - middle[:, :, None, None]).norm(dim=-1)  # (B, 2, cells, cells)
    reach = torch.clamp(0.12 * size, min=0.72 * SCAN_STRIDE)[:, :, None, None]
    fits = ((size > SCAN_SIDE * 0.6) & (size < SCAN_SIDE * 1.7))[:, :, None, None]
    nearly = ((size > SCAN_SIDE * 0.45) & (size < SCAN_SIDE * 2.2))[:, :, None, None]
    wanted = (away < reach) & fits  # NaN compares false: an absent face wants nothing
    doubtful = (away < 1.6 * reach) & nearly & ~wanted
    slot = torch.where(torch.isnan(away), torch.full_like(away, 1e9), away).argmin(1)
    nearest = truth[torch.arange(len(truth))[:, None, None], slot]  # (B, cells, cells, 6, 2)
    any_wanted = wanted.any(1)
    return any_wanted.float(), (any_wanted | ~doubtful.any(1)).float(), nearest


def matte_loss(net: nn.Module, batch: Batch) -> Tensor:
    """Cross entropy for every pixel and overlap for every region."""
    crop, truth = batch
    logits = net(crop)
    error = functional.binary_cross_entropy_with_logits(logits, truth)
    probability = torch.sigmoid(logits)
    common = (probability * truth).sum((2, 3))
    dice = 1 - (2 * common + 8) / (probability.sum((2, 3)) + truth.sum((2, 3)) + 8)
    return error + 0.3 * dice.mean()
