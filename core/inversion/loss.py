"""How far a rendering is from the face, and a latent from the faces the generator knows.

Pixels: L1 on a pyramid and L1 of gradients. Features: any network's maps. Latents: a pull to the start and a
hinge on the Mahalanobis distance. Noise: the autocorrelation term of Karras et al. 2020 (arXiv:1912.04958,
appendix D). Axes: B batch, C channels, H W rows and columns.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F
from torch import Tensor

Features = Callable[[Tensor], Sequence[Tensor]]
"""(B, 3, R, R) in [-1, 1] -> feature maps (B, C, h, w), finest first or in any order."""

SHRINKAGE = 0.05  # share of the mean variance blended into W's covariance: most of W's axes carry next to no
# variance, and without it the distance would forbid every move along them
EPSILON = 1e-8


@dataclass(frozen=True)
class WStatistics:
    """Where the generator's latents lie: ``mean`` (w_dim,), ``covariance`` (w_dim, w_dim), both float64."""

    mean: npt.NDArray[np.float64]
    covariance: npt.NDArray[np.float64]

    @staticmethod
    def from_samples(w: npt.NDArray[np.floating]) -> WStatistics:
        """Statistics of (N, w_dim) latents, N >= 2."""
        samples = np.asarray(w, dtype=np.float64)
        return WStatistics(samples.mean(axis=0), np.atleast_2d(np.cov(samples, rowvar=False)))

    @staticmethod
    def from_tensors(tensors: Mapping[str, Tensor]) -> WStatistics:
        """Statistics stored as ``mean`` and ``covariance``."""
        return WStatistics(tensors["mean"].double().numpy(), tensors["covariance"].double().numpy())

    def check(self, w_dim: int) -> None:
        """Raise ValueError unless these are finite statistics of ``w_dim`` numbers with some spread."""
        shapes = (self.mean.shape, self.covariance.shape)
        if shapes != ((w_dim,), (w_dim, w_dim)):
            raise ValueError(f"mean and covariance are {shapes}, not of {w_dim} numbers")
        if not (np.isfinite(self.mean).all() and np.isfinite(self.covariance).all()):
            raise ValueError("mean or covariance hold NaN or infinity")
        spread = np.linalg.eigvalsh(self.covariance)
        if not (spread.mean() > 0 and spread[0] > -SHRINKAGE / 2 * spread.mean()):
            raise ValueError("the covariance has no spread, or a negative one")

    @property
    def sigma(self) -> float:
        """Root mean variance of one latent number."""
        return float(np.sqrt(np.trace(self.covariance) / len(self.mean)))

    def whitener(self) -> npt.NDArray[np.float64]:
        """(w_dim, w_dim): latents minus mean, times this, have about unit variance; shrunk covariance."""
        size = len(self.mean)
        shrunk = (1 - SHRINKAGE) * self.covariance + SHRINKAGE * self.sigma**2 * np.eye(size)
        values, vectors = np.linalg.eigh(shrunk)
        whitener: npt.NDArray[np.float64] = vectors / np.sqrt(values)
        return whitener


def weighted_mean(values: Tensor, weight: Tensor) -> Tensor:
    """Mean of (B, C, H, W) under (1, 1, H, W) weights."""
    return (values * weight).sum() / (weight.sum() * values.shape[0] * values.shape[1] + EPSILON)


def pyramid_l1(image: Tensor, target: Tensor, weight: Tensor, scales: Sequence[float]) -> Tensor:
    """Weighted L1 at full, half, quarter ... size, one factor in ``scales`` each.

    Pixels are premultiplied before averaging, so that what has weight 0 cannot bleed into its neighbours.
    """
    total = image.new_zeros(())
    difference = (image - target) * weight
    for level, scale in enumerate(scales):
        if level:
            difference, weight = F.avg_pool2d(difference, 2), F.avg_pool2d(weight, 2)
        magnitude = difference.abs().sum() / (weight.sum() * image.shape[0] * image.shape[1] + EPSILON)
        total = total + scale * magnitude
    return total


def gradient_l1(image: Tensor, target: Tensor, weight: Tensor) -> Tensor:
    """L1 of the first differences along rows and columns, where both pixels count."""
    difference = image - target
    total = image.new_zeros(())
    for axis in (2, 3):
        size = difference.shape[axis] - 1
        step = difference.diff(dim=axis).abs()
        both = torch.minimum(weight.narrow(axis, 0, size), weight.narrow(axis, 1, size))
        total = total + weighted_mean(step, both)
    return total


def unit_channels(maps: Tensor) -> Tensor:
    """(B, C, h, w) with every pixel's channel vector at length 1."""
    return maps * (maps.square().sum(dim=1, keepdim=True) + EPSILON).rsqrt()


def feature_distance(maps: Sequence[Tensor], targets: Sequence[Tensor], weight: Tensor) -> Tensor:
    """Mean over maps of the squared distance of unit channel vectors, under the weight brought to each map's
    size.
    """
    total = weight.new_zeros(())
    for ours, theirs in zip(maps, targets, strict=True):
        local = F.interpolate(weight, size=ours.shape[-2:], mode="area")
        squared = (unit_channels(ours) - unit_channels(theirs)).square().sum(dim=1, keepdim=True)
        total = total + weighted_mean(squared, local)
    return total / max(1, len(maps))


def start_prior(ws: Tensor, start: Tensor, sigma: float) -> Tensor:
    """Half the mean squared distance to the start, in W's own standard deviations."""
    return 0.5 * ((ws - start) / sigma).square().mean()


def mahalanobis_hinge(ws: Tensor, mean: Tensor, whitener: Tensor, limit: float) -> Tensor:
    """Squared excess of every row's Mahalanobis distance (per root dimension: 1 is typical) over ``limit``;
    mean.
    """
    distance = (((ws - mean) @ whitener).square().mean(dim=-1) + EPSILON).sqrt()  # (B, num_ws)
    return (distance - limit).clamp_min(0).square().mean()


def noise_autocorrelation(noise: Sequence[Tensor]) -> Tensor:
    """Squared correlation of every noise map (H, W) and its half-size copies with itself moved by one
    pixel.
    """
    total = torch.zeros(())
    for original in noise:
        level = original[None, None]  # (1, 1, H, W)
        total = total.to(level)
        while True:
            for axis in (2, 3):
                total = total + (level * level.roll(1, dims=axis)).mean().square()
            if level.shape[-1] <= 8:  # below 8 px a map has too few pixels for a correlation to mean anything
                break
            level = F.avg_pool2d(level, 2)
    return total
