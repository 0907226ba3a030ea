"""What a trained package is worth, measured on renders it has never seen: the figures of its model card.

Distances between sets of pictures come with their noise floor, the distance of two halves of the same set: below it a
distance says nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F
from scipy.linalg import sqrtm
from torch import Tensor

from ..errors import GeneratorError
from ..faces.base import FaceCrop
from ..generators.package import ModelPackage
from ..inversion.encoder import EncoderInverter
from ..inversion.optimise import OptimiseInverter, OptimiseSettings
from ..layers import leaky
from ..scorer import ScorerNet
from ..synthetic.geometry import BACKGROUND, CLOTH
from ..tools import load_encoder, load_scorer, w_statistics
from .faces_data import FACE_CLASSES, FacesData

Doubles = npt.NDArray[np.float64]
Masks = npt.NDArray[np.bool_]

SSIM_SIGMA_PX, SSIM_K1, SSIM_K2 = 1.5, 0.01, 0.03


@dataclass(frozen=True)
class Counts:
    """How many pictures each part looks at; optimisation takes seconds a face."""

    reconstruct: int = 256
    distribution: int = 2000
    optimise: int = 16
    steps: int = 100


def ssim(one: Tensor, other: Tensor) -> Tensor:
    """(B, R, R) structural similarity of (B, 3, R, R) in [-1, 1], mean over channels (Wang et al. 2004)."""
    reach = 5
    x = torch.arange(-reach, reach + 1, dtype=torch.float32)
    window = torch.exp(-x.square() / (2 * SSIM_SIGMA_PX**2))
    kernel = (window[:, None] * window[None] / window.sum() ** 2).expand(3, 1, -1, -1)

    def smooth(image: Tensor) -> Tensor:
        return F.conv2d(F.pad(image, (reach,) * 4, mode="reflect"), kernel, groups=3)

    a, b = smooth(one), smooth(other)
    var_a, var_b = smooth(one.square()) - a.square(), smooth(other.square()) - b.square()
    both = smooth(one * other) - a * b
    c1, c2 = (2 * SSIM_K1) ** 2, (2 * SSIM_K2) ** 2
    similarity = (2 * a * b + c1) * (2 * both + c2) / ((a.square() + b.square() + c1) * (var_a + var_b + c2))
    return similarity.mean(1)


def frechet(one: Doubles, other: Doubles) -> float:
    """Squared Frechet distance of the Gaussians of two feature sets (N, K) (Heusel et al. 2017)."""
    mean = one.mean(0) - other.mean(0)
    a, b = np.cov(one, rowvar=False), np.cov(other, rowvar=False)
    root = np.real(np.asarray(sqrtm(a @ b)))
    return float(mean @ mean + np.trace(a) + np.trace(b) - 2 * np.trace(root))


def hidden_features(net: ScorerNet, images: Tensor) -> Doubles:
    """(N, K) the scorer's last hidden layer."""
    found = []
    with torch.inference_mode():
        for chunk in torch.split(images, 64):
            x = leaky(net.stem(F.pixel_unshuffle(chunk, 2)))
            for block in net.blocks:
                x = block(x)
            found.append(leaky(net.hidden(x.flatten(1))))
    return torch.cat(found).double().numpy()


def pictures_of(data: FacesData, rows: npt.NDArray[np.int64]) -> Tensor:
    """(N, 3, R, R) in [-1, 1]."""
    return torch.from_numpy(data.images[rows].astype(np.float32) / 127.5 - 1).permute(0, 3, 1, 2)


def decibels(output: Tensor, target: Tensor, masks: Masks) -> Doubles:
    """(N,) PSNR inside each mask; pictures in [-1, 1]."""
    squared = (output - target).square().mean(1).numpy()
    return np.array(
        [10 * np.log10(4.0 / max(s[m].mean(), 1e-12)) for s, m in zip(squared, masks, strict=True)]
    )


def report(package: ModelPackage, data: FacesData, counts: Counts = Counts()) -> dict[str, Any]:
    """All figures by name, of a package with encoder and grader on ``data``'s held-out rows."""
    encoder, grader = load_encoder(package), load_scorer(package, "grader")
    if encoder is None or grader is None:
        raise ValueError("the package has no encoder or no grader")
    rows = np.arange(data.train_count, len(data.images))[: counts.reconstruct]
    target, classes = pictures_of(data, rows), data.classes[rows]
    masks = np.isin(classes, FACE_CLASSES)
    generator = package.generator
    with torch.inference_mode():
        ws = torch.cat([encoder(chunk) for chunk in torch.split(target, 64)])[:, None]
        ws = ws.expand(-1, package.card.num_ws, -1)
        output = torch.cat([generator.synthesise(chunk) for chunk in torch.split(ws, 64)])
        similarity = ssim(output, target).numpy()
        features = zip(grader.features(output), grader.features(target), strict=True)
        perceptual = torch.stack([(a - b).square().mean((1, 2, 3)) for a, b in features]).mean(0)
    psnr = decibels(output, target, masks)
    return {
        "count": len(rows),
        "psnr_face_db": interval(psnr),
        "ssim_face": interval(np.array([s[m].mean() for s, m in zip(similarity, masks, strict=True)])),
        "perceptual_distance": interval(perceptual.double().numpy()),
        "optimised": optimised(package, target, classes, counts),
        "distribution": distribution(package, grader, data, counts),
        "samples": sample_scores(package, counts),
    }


def interval(values: Doubles) -> list[float]:
    """[mean, low, high] with a 95 % bootstrap interval of the mean."""
    rng = np.random.default_rng(0)
    means = values[rng.integers(0, len(values), (1000, len(values)))].mean(1)
    return [round(float(x), 4) for x in (values.mean(), *np.quantile(means, (0.025, 0.975)))]


def optimised(
    package: ModelPackage, target: Tensor, classes: npt.NDArray[np.uint8], counts: Counts
) -> dict[str, Any]:
    """Face PSNR gained by optimising W+ on the first faces, from the encoder's start."""
    generator = package.generator
    start = encoder_inverter(package)
    settings = OptimiseSettings(steps=counts.steps, patience=counts.steps)
    inverter = OptimiseInverter(generator, w_statistics(package, generator), start=start, settings=settings)
    gain = []
    for image, ids in zip(target[: counts.optimise], classes, strict=False):
        matte = (~np.isin(ids, (BACKGROUND, CLOTH)))[None].astype(np.float32)
        crop = FaceCrop(image.numpy(), np.eye(3), matte, np.ones_like(matte), np.ones_like(matte))
        mask = np.isin(ids, FACE_CLASSES)[None]
        figures = []
        for way in (start, inverter):
            ws = torch.from_numpy(way.invert(crop).ws)[None]
            with torch.inference_mode():
                drawn = generator.synthesise(ws)
            figures.append(float(decibels(drawn, image[None], mask)[0]))
        gain.append(figures[1] - figures[0])
    return {"count": len(gain), "steps": counts.steps, "gain_db": interval(np.array(gain))}


def encoder_inverter(package: ModelPackage) -> EncoderInverter:
    """The package's encoder as an inverter. Raises GeneratorError if it has none."""
    net = load_encoder(package)
    if net is None:
        raise GeneratorError(
            f'The model "{package.card.name}" has no encoder.', where=str(package.folder), remedy="Train one."
        )
    return EncoderInverter(net, package.generator, "cpu", matte=package.card.matte)


def distribution(
    package: ModelPackage, grader: ScorerNet, data: FacesData, counts: Counts
) -> dict[str, float]:
    """Frechet distances, in the grader's hidden features, of reconstructions and of samples from z to renders.

    ``floor`` is the distance of two halves of the renders, each as large as the sets that are compared.
    """
    encoder = load_encoder(package)
    assert encoder is not None
    rng = np.random.default_rng(1)
    count = min(counts.distribution, data.train_count // 2)
    rows = rng.permutation(data.train_count)[: 2 * count]
    halves = [pictures_of(data, rows[:count]), pictures_of(data, rows[count:])]
    generator = package.generator
    z = torch.randn(count, generator.z_dim, generator=torch.Generator().manual_seed(9))
    with torch.inference_mode():
        drawn, sampled = [], []
        for chunk, codes in zip(torch.split(halves[0], 64), torch.split(z, 64), strict=True):
            ws = encoder(chunk)[:, None].expand(-1, package.card.num_ws, -1)
            drawn.append(generator.synthesise(ws))
            sampled.append(generator.synthesise(generator.map(codes)))
    real, other = (hidden_features(grader, half) for half in halves)
    return {
        "count": count,
        "floor": round(frechet(real, other), 3),
        "reconstructions": round(frechet(hidden_features(grader, torch.cat(drawn)), other), 3),
        "samples": round(frechet(hidden_features(grader, torch.cat(sampled)), other), 3),
    }


def sample_scores(package: ModelPackage, counts: Counts) -> dict[str, float]:
    """R2 of the scorer's answers on samples from z by the grader's: attributes that two judges read alike are drawn."""
    scorer, grader = load_scorer(package), load_scorer(package, "grader")
    assert scorer is not None and grader is not None
    generator = package.generator
    z = torch.randn(
        min(512, counts.distribution), generator.z_dim, generator=torch.Generator().manual_seed(4)
    )
    with torch.inference_mode():
        pictures = torch.cat([generator.synthesise(generator.map(chunk)) for chunk in torch.split(z, 64)])
        one, other = (net(pictures).double().numpy() for net in (scorer, grader))
    varies = (one.std(0) > 1e-9) & (
        other.std(0) > 1e-9
    )  # a label that never varied in training is never read
    return {
        name: round(float(np.corrcoef(one[:, i], other[:, i])[0, 1]) ** 2, 3)
        for i, name in enumerate(grader.names)
        if varies[i]
    }
