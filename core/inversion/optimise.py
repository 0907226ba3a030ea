"""Inversion by optimisation: start at the encoder's latent and let every row of W+ move towards the picture.

The recipe follows the projector of Karras et al. 2020 (arXiv:1912.04958, appendix D) with a start, masks,
and priors that keep the latent editable. Axes: B = 1 face, R generator resolution.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Literal

import numpy as np
import torch
from torch import Tensor, nn

from ..errors import DataError, GeneratorError
from ..faces.base import FaceCrop
from ..generators.base import Generator
from ..latent import Latent
from ..latent_cache import crop_digest
from .base import Inverter
from .encoder import weights_digest
from .loss import (
    Features,
    WStatistics,
    feature_distance,
    gradient_l1,
    mahalanobis_hinge,
    noise_autocorrelation,
    pyramid_l1,
    start_prior,
)
from .matte import input_image, pixel_weight
from .noise import PREFIX, noise_maps, normalised, synthesise_with
from .state import FitState

StopReason = Literal["steps", "plateau", "cancelled"]


@dataclass(frozen=True)
class OptimiseSettings:
    """The knobs of the fit; learning rates and distances are in standard deviations of W."""

    steps: int = 120  # 60 to 150 are enough from an encoder's start
    lr: float = 0.03  # below 0.02 it is not done in 120 steps, above 0.05 late steps jump about the minimum
    ramp_up: float = 0.05  # share of the steps with rising rate: Adam's first steps have no scale yet
    ramp_down: float = 0.25  # share with cosine fall: without it the last loss is noisy
    scales: tuple[float, ...] = (1.0, 0.7, 0.7)  # pyramid weights; coarse levels see misplaced features
    gradient: float = 0.5  # edges: L1 alone prefers a blurred eye to one that is a pixel off
    perceptual: float = 0.1  # features guide, pixels decide: feature nets are blind to much of a face
    prior: float = 0.02  # pull to the start; an order higher stops the fit, 0 leaves the editable region
    hinge: float = 0.1  # pull back from beyond ``hinge_limit``; within it the distance is free
    hinge_limit: float = 1.5  # Mahalanobis distance per root dimension: samples have 1, all below 1.2
    erode: float = 1 / 128  # of the crop's width: matte edges are half background
    noise: bool = False  # fit noise maps as well; they are left out of the result
    noise_lr: float = 0.05
    noise_weight: float = 1.0  # of the autocorrelation: without it the maps become a picture
    jitter: float = 0.0  # sigma of decaying exploration noise on w; for starts from w_avg (0.05)
    patience: int = 30  # steps without progress before it stops early
    tolerance: float = 1e-3  # relative progress of the loss that counts
    seed: int = 0  # of the jitter

    def __post_init__(self) -> None:
        if self.steps < 1 or not 0 < self.lr < 1 or self.patience < 1 or not self.scales:
            raise ValueError(f"steps, lr, patience and scales must be positive: {self}")

    def rate(self, step: int) -> float:
        """Learning rate at ``step``: linear rise, plateau, cosine fall."""
        t = step / self.steps
        fall = min(1.0, (1.0 - t) / self.ramp_down) if self.ramp_down else 1.0
        rise = min(1.0, (step + 1) / (self.steps * self.ramp_up)) if self.ramp_up else 1.0
        return self.lr * rise * (0.5 - 0.5 * math.cos(math.pi * fall))

    def has_stalled(self, curve: list[float]) -> bool:
        """True if the last ``patience`` losses hardly improved on those before."""
        if len(curve) <= self.patience:
            return False
        return min(curve[-self.patience :]) > (1 - self.tolerance) * min(curve[: -self.patience])


FROM_MEAN = OptimiseSettings(steps=400, lr=0.05, prior=0.0, jitter=0.05, patience=80)
"""Without an encoder the way is long: larger steps, exploration, no pull back to the average face."""


@dataclass(frozen=True)
class InversionResult:
    """``latent`` of the lowest loss, the loss ``curve`` step by step, why the fit stopped, and its
    ``state``.
    """

    latent: Latent
    curve: tuple[float, ...]
    stopped: StopReason
    state: FitState


@dataclass(frozen=True)
class Target:
    """The face as the loss sees it, all on the device: ``image`` (1, 3, R, R), ``weight`` (1, 1, R, R)."""

    image: Tensor
    weight: Tensor
    maps: tuple[Tensor, ...]
    start: Tensor


class OptimiseInverter:
    """W+ of one face by gradient descent from ``start`` (an inverter; None: the mean of W).

    ``features`` is any network from pictures to feature maps, the scorer's for instance; ``statistics`` say
    where the generator's W lies. The same crop, settings and device give the same latent.
    """

    def __init__(
        self,
        generator: Generator,
        statistics: WStatistics,
        *,
        start: Inverter | None = None,
        features: Features | None = None,
        settings: OptimiseSettings | None = None,
        device: str = "cpu",
        matte: bool = True,
    ) -> None:
        self._generator = generator
        self._start = start
        self._features = features
        self._settings = settings or (OptimiseSettings() if start else FROM_MEAN)
        self._device = device
        self._matte = matte
        self._sigma = statistics.sigma
        self._mean = torch.from_numpy(statistics.mean).float().to(device)
        self._whitener = torch.from_numpy(statistics.whitener()).float().to(device)
        digest = hashlib.sha256(np.concatenate([statistics.mean[None], statistics.covariance]).tobytes())
        self._key = " ".join(
            (
                "optimise-1",
                json.dumps(asdict(self._settings), sort_keys=True),
                f"start=({start.key})" if start else "start=mean",
                f"features={features_key(features)}",
                f"statistics={digest.hexdigest()[:12]} matte={int(matte)} device={torch.device(device).type}",
            )
        )

    @property
    def key(self) -> str:
        """Method, every setting, the kind of device, and what start, features and statistics were."""
        return self._key

    def invert(self, crop: FaceCrop) -> Latent:
        """The fitted W+ latent; ``run`` also tells how it went."""
        return self.run(crop).latent

    def run(
        self,
        crop: FaceCrop,
        *,
        state: FitState | None = None,
        cancel: Callable[[], bool] | None = None,
        on_step: Callable[[FitState], None] | None = None,
    ) -> InversionResult:
        """Fit one face, from ``state`` if there is one.

        ``cancel`` is asked before every step; the best latent so far comes back then. ``on_step`` sees the
        state after every step (progress, checkpoints). Raises FaceError for a crop with nothing to fit,
        DataError for a state of another face or other settings, GeneratorError if the numbers leave the
        finite range.
        """
        settings = self._settings
        target = self._target(crop)
        state = self._state(crop, target, state)
        stopped: StopReason = "steps"
        while state.step < settings.steps:
            if cancel is not None and cancel():
                stopped = "cancelled"
                break
            if settings.has_stalled(state.curve):
                stopped = "plateau"
                break
            self._advance(target, state)
            if on_step is not None:
                on_step(state)
        ws = np.ascontiguousarray(state.best[0].detach().cpu().float().numpy())  # (num_ws, w_dim)
        return InversionResult(Latent(ws, self._generator.id, "w+"), tuple(state.curve), stopped, state)

    def _target(self, crop: FaceCrop) -> Target:
        resolution = self._generator.resolution
        image = torch.from_numpy(input_image(crop, resolution, matte=self._matte))[None].to(self._device)
        weight = pixel_weight(crop, round(self._settings.erode * resolution)).to(self._device)
        with torch.no_grad():
            maps = tuple(self._features(image * weight)) if self._features else ()
        if self._start is None:
            start = self._mean.expand(1, self._generator.num_ws, -1).clone()
        else:
            start = torch.from_numpy(self._start.invert(crop).ws.copy())[None].to(self._device)
        return Target(image, weight, maps, start)

    def _state(self, crop: FaceCrop, target: Target, state: FitState | None) -> FitState:
        """The state to go on from: a private copy of the given one, or a fresh one at the start."""
        text = f"{crop_digest(crop)} {self._generator.id} {self.key}"
        fingerprint = hashlib.sha256(text.encode()).hexdigest()
        if state is None:
            values = {"ws": target.start.clone()}
            if self._settings.noise:
                values |= {
                    name: value.to(self._device) for name, value in noise_maps(self._generator).items()
                }
            return FitState(fingerprint, values, target.start.clone())
        if state.fingerprint != fingerprint:
            raise DataError(
                f"The inversion state {state.fingerprint[:12]} belongs to another face, generator or setting "
                f"than {fingerprint[:12]}.",
                remedy="Start the inversion afresh.",
            )
        return state.copied_to(self._device)

    def _advance(self, target: Target, state: FitState) -> None:
        """Loss, gradients and one Adam step."""
        settings = self._settings
        step = state.step
        values = {name: value.detach().requires_grad_() for name, value in state.values.items()}
        with torch.enable_grad():
            loss = self._loss(target, values, step)
            gradients = torch.autograd.grad(loss, list(values.values()))
        number = float(loss.detach())
        if not math.isfinite(number) or not all(bool(torch.isfinite(g).all()) for g in gradients):
            raise GeneratorError(
                f"The inversion left the finite numbers at step {step} (loss {number}).",
                where=f"generator {self._generator.id[:12]}",
                remedy="Lower the learning rate, or check the model with `lineament model inspect`.",
            )
        state.record(number, values["ws"])
        rate = settings.rate(step)
        rates = dict.fromkeys(values, rate / settings.lr * settings.noise_lr) | {"ws": rate * self._sigma}
        state.descend(dict(zip(values, gradients, strict=True)), rates)
        for name in values:
            if name != "ws":
                state.values[name] = normalised(state.values[name])

    def _loss(self, target: Target, values: dict[str, Tensor], step: int) -> Tensor:
        settings = self._settings
        ws = values["ws"]
        # by name: a resumed state has another order, and sums of floats would notice
        noise = {name: values[name] for name in sorted(values) if name.startswith(PREFIX)}
        moved = ws + self._jitter(ws, step)
        image = synthesise_with(self._generator, moved, noise) if noise else self._generator.synthesise(moved)
        loss = pyramid_l1(image, target.image, target.weight, settings.scales)
        loss = loss + settings.gradient * gradient_l1(image, target.image, target.weight)
        if self._features is not None:
            maps = self._features(image * target.weight)
            loss = loss + settings.perceptual * feature_distance(maps, target.maps, target.weight)
        loss = loss + settings.prior * start_prior(ws, target.start, self._sigma)
        hinge = mahalanobis_hinge(ws, self._mean, self._whitener, settings.hinge_limit)
        loss = loss + settings.hinge * hinge
        if noise:
            loss = loss + settings.noise_weight * noise_autocorrelation(list(noise.values()))
        return loss

    def _jitter(self, ws: Tensor, step: int) -> Tensor:
        """Exploration noise, gone after three quarters of the steps; drawn per step, so resuming changes
        nothing.
        """
        settings = self._settings
        size = settings.jitter * self._sigma * max(0.0, 1 - step / settings.steps / 0.75) ** 2
        if size == 0:
            return torch.zeros_like(ws)
        generator = torch.Generator().manual_seed(settings.seed * 1_000_003 + step)
        return size * torch.randn(ws.shape, generator=generator).to(ws)


def features_key(features: Features | None) -> str:
    """Name a feature network for the cache: its weights (a method: its network's), and what is called."""
    if features is None:
        return "none"
    name = getattr(features, "__qualname__", type(features).__qualname__)
    network = getattr(features, "__self__", features)
    return f"{name} {weights_digest(network)}" if isinstance(network, nn.Module) else name
