"""What a direction really does: every attribute's change per sigma of strength, seen through pictures and a
scorer.

Effects are central differences in each attribute's own standard deviation, averaged over the same start
latents for every direction, with percentile bootstrap intervals over those latents. The signed attribute
dependency divides an effect by the target's (StyleSpace, Wu et al. 2021, arXiv:2011.12799, keeps only its
magnitude; the sign tells entanglement from over-correction). Random directions give the floor below which
nothing counts.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ..checks import expect_shape
from ..errors import DataError
from ..latent import Direction
from .library import DirectionLibrary
from .random_direction import random_rows
from .strength import make_direction
from .table import Doubles

Decode = Callable[[Tensor], Tensor]
"""ws (B, num_ws, w_dim) -> pictures."""
Score = Callable[[Tensor], Tensor]
"""Pictures -> (B, A) scores, columns as named beside."""

RESAMPLES = 1000
INTERVAL = (0.025, 0.975)


@dataclass(frozen=True)
class Estimate:
    """A mean with its 95 % bootstrap interval."""

    mean: float
    low: float
    high: float

    def rounded(self) -> list[float]:
        """[mean, low, high] for a card."""
        return [round(self.mean, 4), round(self.low, 4), round(self.high, 4)]


@dataclass(frozen=True)
class DirectionReport:
    """Effects of one direction; all in the attributes' own standard deviations per sigma.

    ``effects`` has every attribute; ``dependency`` those of the others per unit of the target's change
    (signed), empty if the target's own interval touches 0, since such a ratio means nothing.
    ``leak_largest`` and ``leak_mean`` are over the magnitudes of the others' mean effects, ``leak_name`` the
    largest one's name.
    """

    name: str
    target: str
    effects: dict[str, Estimate]
    dependency: dict[str, Estimate]
    leak_name: str
    leak_largest: float
    leak_mean: float
    step: float
    n_samples: int
    seed: int

    @property
    def target_effect(self) -> Estimate:
        """The target's own change per sigma."""
        return self.effects[self.target]

    def as_card(self) -> dict[str, Any]:
        """Plain data for a direction's card; every estimate as [mean, low, high]."""
        return {
            "target": self.target,
            "effect_per_sigma": {name: value.rounded() for name, value in self.effects.items()},
            "dependency": {name: value.rounded() for name, value in self.dependency.items()},
            "leak": {
                "name": self.leak_name,
                "largest": round(self.leak_largest, 4),
                "mean": round(self.leak_mean, 4),
            },
            "step_sigma": self.step,
            "n_samples": self.n_samples,
            "seed": self.seed,
        }


@dataclass(frozen=True)
class Bench:
    """Start latents ``ws`` (N, num_ws, w_dim), how to draw and to score them, and the names of the scores.

    ``spread`` (A,) are the attributes' standard deviations; None takes them from the start pictures.
    """

    ws: Tensor
    decode: Decode
    score: Score
    names: tuple[str, ...]
    spread: Doubles | None = None
    batch: int = 16

    def scores(self, delta: Tensor | None = None) -> Doubles:
        """(N, A) scores of the start latents moved by ``delta`` (num_ws, w_dim)."""
        found = []
        with torch.no_grad():
            for ws in torch.split(self.ws, self.batch):
                values = self.score(self.decode(ws if delta is None else ws + delta))
                expect_shape(values, "B A", name="scores", B=ws.shape[0], A=len(self.names))
                found.append(values.double().cpu().numpy())
        return np.concatenate(found)

    def unit(self) -> Doubles:
        """(A,) what counts as 1 of every attribute. Raises DataError if an attribute does not vary."""
        spread = self.scores().std(axis=0) if self.spread is None else self.spread
        for name, value in zip(self.names, spread, strict=True):
            if not value > 0:
                raise DataError(
                    f'The score "{name}" has spread {value} over {len(self.ws)} pictures.',
                    remedy="Leave this attribute out, or give more start latents.",
                )
        return spread


def bootstrap_means(samples: Doubles, seed: int) -> Doubles:
    """(RESAMPLES, A) means of resampled rows of (N, A)."""
    count = len(samples)
    weights = np.random.default_rng(seed).multinomial(count, np.full(count, 1 / count), size=RESAMPLES)
    means: Doubles = weights @ samples / count
    return means


def estimate(mean: float, resampled: Doubles) -> Estimate:
    """Mean and percentile interval."""
    low, high = np.quantile(resampled, INTERVAL)
    return Estimate(float(mean), float(low), float(high))


def effects_per_sigma(direction: Direction, bench: Bench, unit: Doubles, step: float) -> Doubles:
    """(N, A) central differences over +-``step`` sigma, per sigma, in the attributes' units."""
    delta = torch.from_numpy(direction.delta).to(bench.ws) * step
    change: Doubles = (bench.scores(delta) - bench.scores(-delta)) / (2 * step * unit)
    return change


def evaluate_directions(
    directions: Sequence[Direction],
    bench: Bench,
    targets: Mapping[str, str],
    *,
    step: float = 1.0,
    seed: int = 0,
) -> tuple[DirectionReport, ...]:
    """One report a direction; ``targets`` maps direction names to score names (missing: the same name).

    Raises ValueError if a target has no score, DataError if a score does not vary.
    """
    unit = bench.unit()
    reports = []
    for direction in directions:
        target = targets.get(direction.name, direction.name)
        if target not in bench.names:
            raise ValueError(f"{direction.name}: no score named {target!r} among {bench.names}")
        samples = effects_per_sigma(direction, bench, unit, step)
        reports.append(report(direction.name, target, bench.names, samples, step, seed))
    return tuple(reports)


def report(
    name: str, target: str, names: tuple[str, ...], samples: Doubles, step: float, seed: int
) -> DirectionReport:
    """Condense per-sample effects (N, A)."""
    means, resampled = samples.mean(axis=0), bootstrap_means(samples, seed)
    effects = {each: estimate(means[i], resampled[:, i]) for i, each in enumerate(names)}
    own = names.index(target)
    others = [i for i in range(len(names)) if i != own]
    is_moved = effects[target].low > 0 or effects[target].high < 0
    dependency = {
        names[i]: estimate(means[i] / means[own], resampled[:, i] / resampled[:, own])
        for i in (others if is_moved else ())
    }
    leaks = np.abs(means[others])
    worst = int(leaks.argmax()) if others else -1
    return DirectionReport(
        name=name,
        target=target,
        effects=effects,
        dependency=dependency,
        leak_name=names[others[worst]] if others else "",
        leak_largest=float(leaks[worst]) if others else 0.0,
        leak_mean=float(leaks.mean()) if others else 0.0,
        step=step,
        n_samples=len(samples),
        seed=seed,
    )


def random_directions(
    sigma_w: Doubles, count: int, *, seed: int, generator_id: str, num_ws: int
) -> tuple[Direction, ...]:
    """Null rows: ``count`` steps of one sigma each, drawn from the spread of W."""
    rows = random_rows(sigma_w, count, np.random.default_rng(seed))
    rows = rows / np.linalg.norm(rows, axis=1, keepdims=True)
    return tuple(
        make_direction(
            f"random_{i}", row.astype(np.float32), sigma_w, generator_id=generator_id, num_ws=num_ws
        )
        for i, row in enumerate(rows)
    )


def noise_floor(nulls: Sequence[Direction], bench: Bench, *, step: float = 1.0) -> dict[str, float]:
    """Attribute -> mean magnitude of a random direction's mean effect, in the attribute's unit per sigma."""
    unit = bench.unit()
    means = [effects_per_sigma(null, bench, unit, step).mean(axis=0) for null in nulls]
    floor = np.abs(np.stack(means)).mean(axis=0)
    return {name: float(value) for name, value in zip(bench.names, floor, strict=True)}


def with_scores(
    library: DirectionLibrary, reports: Sequence[DirectionReport], floor: Mapping[str, float] | None = None
) -> DirectionLibrary:
    """The library with every report written into its direction's card as "scores"."""
    found = {each.name: each for each in reports}
    rounded = {name: round(value, 4) for name, value in (floor or {}).items()}
    directions = tuple(
        replace(each, card={**each.card, "scores": {**found[each.name].as_card(), "noise_floor": rounded}})
        if each.name in found
        else each
        for each in library.directions
    )
    return replace(library, directions=directions)
