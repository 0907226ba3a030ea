"""What the joint training minimises: pictures, edits of counterfactual pairs, texture, codes.

All picture terms are weighted per pixel by what a wrong pixel of its class costs.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch.nn.functional as F
from torch import Tensor

PYRAMID = (1.0, 0.7, 0.7)
CHANGE_FULL = 0.1
"""A difference between the two pictures of a pair from which on a pixel counts as changed; in [-1, 1] units."""
UNCHANGED_SHARE = 0.25
"""What a pixel outside the change costs, as a share: leaks must cost something, but an edit that does nothing more."""


@dataclass(frozen=True)
class Batch:
    """``images`` (B, 3, R, R) in [-1, 1]; ``seen`` the same pictures as the encoder sees them (blurred, noisy);
    ``weights`` (B, 1, R, R); ``labels`` (B, A) standardised; pairs as rows ``source`` and ``target`` (P,) with the
    changed ``attribute`` (P,) and its ``delta`` (P,) standardised."""

    images: Tensor
    seen: Tensor
    weights: Tensor
    labels: Tensor
    source: Tensor
    target: Tensor
    attribute: Tensor
    delta: Tensor


def weighted_difference(output: Tensor, target: Tensor, weights: Tensor, gradient_weight: float) -> Tensor:
    """L1 plus L1 of the horizontal and vertical differences, weighted per pixel and normalised by the weights."""
    total = output.new_zeros(())
    for share in PYRAMID:
        error = output - target
        scale = 1.0 / weights.mean()
        dx, dy = error[..., :, 1:] - error[..., :, :-1], error[..., 1:, :] - error[..., :-1, :]
        gradient = (dx.abs() * weights[..., :, 1:]).mean() + (dy.abs() * weights[..., 1:, :]).mean()
        total = total + share * scale * ((error.abs() * weights).mean() + gradient_weight * gradient)
        output, target, weights = (F.avg_pool2d(x, 2) for x in (output, target, weights))
    return total


def squared_gradient(images: Tensor, weights: Tensor) -> Tensor:
    """(B, 1, R, R) weighted squared differences to the right and lower neighbour, summed over channels."""
    dx = F.pad(images[..., :, 1:] - images[..., :, :-1], (0, 1))
    dy = F.pad(images[..., 1:, :] - images[..., :-1, :], (0, 0, 0, 1))
    return (dx.square() + dy.square()).sum(1, keepdim=True) * weights


def texture_difference(output: Tensor, target: Tensor, weights: Tensor) -> Tensor:
    """L1 of the local gradient energy's root, in cells of 4 and 8 pixels: detail must be there, wherever exactly.

    L1 alone answers detail it cannot place with blur, because blur costs less than detail beside its place.
    """
    weights = weights / weights.mean()
    one, other = squared_gradient(output, weights), squared_gradient(target, weights)
    total = output.new_zeros(())
    for cell in (4, 8):
        a, b = (F.avg_pool2d(x, cell) for x in (one, other))
        total = total + ((a + 1e-4).sqrt() - (b + 1e-4).sqrt()).abs().mean()
    return total


def edit_difference(
    before: Tensor, after: Tensor, source: Tensor, target: Tensor, weights: Tensor, gradient_weight: float
) -> Tensor:
    """How far the drawn change ``after - before`` is from the rendered one ``target - source``.

    Only the change is given back to a plate, so only the change is compared; inside it a pixel costs four times what
    it costs outside.
    """
    truth = target - source
    size = F.avg_pool2d(truth.abs().mean(1, keepdim=True), 3, 1, 1)
    share = UNCHANGED_SHARE + (1.0 - UNCHANGED_SHARE) * (size / CHANGE_FULL).clamp(max=1.0)
    return weighted_difference(after - before, truth, weights * share, gradient_weight)


def moved_codes(w: Tensor, batch: Batch, directions: Tensor) -> Tensor:
    """(P, w_dim) the sources' latents moved along the changed attributes' directions (A, w_dim)."""
    return w[batch.source] + batch.delta[:, None] * directions[batch.attribute]


def code_difference(w: Tensor, batch: Batch, directions: Tensor) -> Tensor:
    """How far the encoder's own step from source to target is from the direction: makes attributes straight lines."""
    if not len(batch.source):
        return w.new_zeros(())
    return F.smooth_l1_loss(w[batch.target], moved_codes(w, batch, directions), beta=0.3)
