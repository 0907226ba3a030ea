"""Pivotal tuning over a shot: the generator bent a little, so that it draws this person at the latents found.

Roich et al. 2021 (arXiv:2106.05744) tune every weight on one picture at a time; Tzaban et al. 2022 (arXiv:2201.08361)
on all frames in turn. Here a step sees a few frames drawn at random, so that a shot's length costs nothing; only the
convolutions' weights move; and the locality term of Roich et al., section 3.2, holds the generator where no frame is:
latents a fixed way from a pivot towards a random sample must still be drawn as before. Axes: N frames, B of a step.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import Protocol, cast

import torch
from torch import Tensor, nn

from ..checks import expect_shape
from ..errors import DataError, GeneratorError
from ..generators.base import Generator
from .loss import Features, feature_distance, gradient_l1, pyramid_l1
from .noise import Synthesis
from .state import FitState

PREFIX = "generator."  # functional_call names parameters from the wrapping module's point of view


@dataclass(frozen=True)
class PivotalSettings:
    """The knobs. ``lr`` falls as a cosine to ``last_lr``; ``reach`` is how far from a pivot locality is asked for, in
    standard deviations of W a number."""

    steps: int = 200
    lr: float = 3e-4  # an order more tears the generator's edits, an order less needs ten times the steps
    last_lr: float = 1e-5
    batch: int = 4
    scales: tuple[float, ...] = (1.0, 0.7, 0.7)  # pyramid weights, as in optimise.py
    gradient: float = 0.5
    perceptual: float = 0.1
    locality: float = 1.0  # against reconstruction; 0 lets directions drift apart from what they were
    locality_every: int = 4
    truncation: float = 0.5  # of the random samples: Roich et al. take them near the average
    reach: float = 1.0
    seed: int = 0

    def __post_init__(self) -> None:
        if self.steps < 1 or self.batch < 1 or self.locality_every < 1 or not 0 < self.last_lr <= self.lr < 1:
            raise ValueError(f"steps, batch, locality_every and the rates must be positive: {self}")

    def rate(self, step: int) -> float:
        """Learning rate at ``step``: a cosine from ``lr`` to ``last_lr``."""
        share = 0.5 + 0.5 * math.cos(math.pi * step / self.steps)
        return self.last_lr + (self.lr - self.last_lr) * share


class TunableGenerator(Generator, Protocol):
    """A generator that is a network with StyleGAN2's names of weights."""

    @property
    def z_dim(self) -> int: ...

    @property
    def c_dim(self) -> int: ...

    def named_parameters(self) -> Iterator[tuple[str, nn.Parameter]]: ...


@dataclass(frozen=True)
class Pivots:
    """What the generator should draw: ``images`` (N, 3, R, R) in [-1, 1], ``weights`` (N, 1, R, R) in [0, 1] how much
    every pixel counts, ``ws`` (N, num_ws, w_dim)."""

    images: Tensor
    weights: Tensor
    ws: Tensor

    def __post_init__(self) -> None:
        expect_shape(self.images, "N 3 R R", name="images")
        frames, _, size, _ = self.images.shape
        expect_shape(self.weights, "N 1 R R", name="weights", N=frames, R=size)
        expect_shape(self.ws, "N L w", name="ws", N=frames)

    def digest(self) -> str:
        """64 hex digits for all of it."""
        digest = hashlib.sha256()
        for tensor in (self.images, self.weights, self.ws):
            digest.update(str(tuple(tensor.shape)).encode())
            digest.update(tensor.detach().cpu().contiguous().numpy().tobytes())
        return digest.hexdigest()


def tunable(generator: TunableGenerator) -> dict[str, Tensor]:
    """The weights that may move, by their names in the generator: those of the convolutions, to the picture included.
    Mapping, styles, biases and noise stay."""
    return {
        name: value
        for name, value in generator.named_parameters()
        if name.startswith("synthesis.")
        and name.endswith((".conv0.weight", ".conv1.weight", ".torgb.weight"))
    }


class PivotalTuner:
    """Tunes a generator on pivots; the generator itself is never changed.

    ``sigma`` is the root mean variance of one number of W (``WStatistics.sigma``); ``features`` is any network from
    pictures to feature maps. The same pivots, settings and device give the same
    weights, interrupted or not.
    """

    def __init__(
        self,
        generator: TunableGenerator,
        pivots: Pivots,
        *,
        sigma: float,
        features: Features | None = None,
        settings: PivotalSettings | None = None,
        device: str = "cpu",
    ) -> None:
        self.settings = settings or PivotalSettings()
        self._generator = generator
        self._network = Synthesis(cast(nn.Module, generator))
        self._sigma = sigma
        self._pivots = Pivots(*(getattr(pivots, name).to(device) for name in ("images", "weights", "ws")))
        self._features = features
        self._device = device
        text = f"{generator.id} {sigma:.9g} {json.dumps(asdict(self.settings), sort_keys=True)} {pivots.digest()}"
        self.fingerprint = hashlib.sha256(text.encode()).hexdigest()

    def fresh(self) -> FitState:
        """The state before the first step; plainly laid out, as it comes back from disk: the layout decides in which
        order a convolution adds up."""
        plain = torch.contiguous_format
        values = {
            name: value.detach().clone(memory_format=plain)
            for name, value in tunable(self._generator).items()
        }
        return FitState(self.fingerprint, values, torch.zeros(1))

    def run(
        self, state: FitState | None = None, on_step: Callable[[FitState], None] = lambda state: None
    ) -> FitState:
        """Tune to the end, from ``state`` if there is one.

        Raises DataError for a state of other pivots or settings, GeneratorError if the numbers leave the finite range.
        """
        state = self.fresh() if state is None else state.copied_to(self._device)
        if state.fingerprint != self.fingerprint:
            raise DataError(
                f"The tuning state {state.fingerprint[:12]} belongs to other frames or settings than "
                f"{self.fingerprint[:12]}.",
                remedy="Delete it, and start the tuning afresh.",
            )
        while state.step < self.settings.steps:
            self._advance(state)
            on_step(state)
        return state

    def drawn(self, values: Mapping[str, Tensor], ws: Tensor) -> Tensor:
        """(B, num_ws, w_dim) -> (B, 3, R, R) by the generator with other weights."""
        named = {PREFIX + name: value for name, value in values.items()}
        picture: Tensor = torch.func.functional_call(self._network, named, (ws,))
        return picture

    def _advance(self, state: FitState) -> None:
        """Loss, gradients, one Adam step."""
        step = state.step
        random = torch.Generator().manual_seed(
            self.settings.seed * 1_000_003 + step
        )  # per step: resuming is exact
        names = sorted(state.values)
        values = {name: state.values[name].detach().requires_grad_() for name in names}
        with torch.enable_grad():
            loss = self._loss(values, step, random)
            gradients = torch.autograd.grad(loss, [values[name] for name in names])
        number = float(loss.detach())
        if not math.isfinite(number) or not all(bool(torch.isfinite(g).all()) for g in gradients):
            raise GeneratorError(
                f"Tuning left the finite numbers at step {step} (loss {number}).",
                where=f"generator {self._generator.id[:12]}",
                remedy="Analyse the shot with tune_steps 0.",
            )
        state.record(number, state.best)
        state.descend(
            dict(zip(names, gradients, strict=True)), dict.fromkeys(names, self.settings.rate(step))
        )

    def _loss(self, values: Mapping[str, Tensor], step: int, random: torch.Generator) -> Tensor:
        s, pivots = self.settings, self._pivots
        count = min(s.batch, pivots.ws.shape[0])
        chosen = torch.randperm(pivots.ws.shape[0], generator=random)[:count].to(self._device)
        image = self.drawn(values, pivots.ws[chosen])
        loss = self._distance(image, pivots.images[chosen], pivots.weights[chosen])
        if s.locality > 0.0 and step % s.locality_every == 0:
            ws = self._neighbours(pivots.ws[chosen], random)
            with torch.no_grad():
                before = self._generator.synthesise(ws)
            whole = torch.ones_like(before[:, :1])
            loss = loss + s.locality * self._distance(self.drawn(values, ws), before, whole)
        return loss

    def _neighbours(self, ws: Tensor, random: torch.Generator) -> Tensor:
        """Latents ``reach`` away from the pivots, each towards a random face."""
        z = torch.randn(ws.shape[0], self._generator.z_dim, generator=random).to(ws)
        c = torch.zeros(ws.shape[0], self._generator.c_dim).to(ws) if self._generator.c_dim else None
        with torch.no_grad():
            samples = self._generator.map(z, c, truncation=self.settings.truncation)
            away = samples - ws
            length = away.square().mean(dim=(1, 2), keepdim=True).sqrt().clamp_min(1e-8)
            return ws + away * (self.settings.reach * self._sigma / length)

    def _distance(self, image: Tensor, target: Tensor, weight: Tensor) -> Tensor:
        s = self.settings
        shared = weight.mean(dim=0, keepdim=True)  # the losses weigh all pictures of a batch alike
        image, target = image * weight, target * weight
        loss = pyramid_l1(image, target, shared.clamp_min(1e-3), s.scales)
        loss = loss + s.gradient * gradient_l1(image, target, shared.clamp_min(1e-3))
        if self._features is not None and s.perceptual > 0.0:
            with torch.no_grad():
                maps = self._features(target)
            loss = loss + s.perceptual * feature_distance(self._features(image), maps, shared)
        return loss
