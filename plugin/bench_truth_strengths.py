"""How far each direction is pushed: chosen on development shots, never on those that results are quoted on.

``gain`` takes the strength whose step in the crop comes nearest to the truth's; it is small where a direction is poor.
``change`` takes the one that moves the attribute as far as the truth does, as the model's scorer (not the grader) reads
both; it compares methods at equal effect. Random directions get the shipped direction's strength: their own best one
would be none at all.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
from lineament.core.faces.crop import rescaled, resized
from lineament.core.pipeline import Increment, edit_area
from lineament.core.tools import Tools

from .bench_truth_cells import Row, Seen, brought, drawn_steps, moved, truth_step
from .bench_truth_judge import Judge
from .bench_truth_methods import SHIPPED, Method
from .bench_truth_shots import TruthShot

Array = npt.NDArray[np.float32]
Doubles = npt.NDArray[np.float64]

STEP = 0.5
"""Distance of the strengths that are tried, in sigma; the gain is flat near its best."""
GAIN, CHANGE = "gain", "change"
CRITERIA = (GAIN, CHANGE)


@dataclass(frozen=True)
class Calibration:
    """The strength of one row; for every strength that was ``tried`` the gain in the crop and the target's change as a
    share of the truth's. None was tried for random directions."""

    strength: float
    tried: tuple[float, ...] = ()
    gains: tuple[float, ...] = ()
    shares: tuple[float, ...] = ()


Views = Sequence[tuple[TruthShot, Mapping[int, Seen]]]
"""Development shots with the frames that were seen of them."""


def calibrate(
    attribute: str,
    target: str,
    methods: Sequence[Method],
    views: Views,
    tools: Tools,
    scorer: Judge,
    criterion: str,
) -> dict[str, Calibration]:
    """The strength of every row of one attribute; ``target`` is its label, ``scorer`` judges by the model's scorer.

    ``views`` must hold a frame. Raises PlateError, DeviceError.
    """
    goals = [
        (view, truth_step(shot, attribute, number, view, tools))
        for shot, seen in views
        for number, view in seen.items()
    ]
    column = scorer.names.index(target)
    found = {
        method.name: _best(method, goals, tools, scorer, column, criterion)
        for method in methods
        if method.kind != "null"
    }
    shipped = found[SHIPPED].strength
    for method in methods:
        if method.kind == "null":
            found[method.name] = Calibration(float(np.clip(shipped, *method.direction.limits)))
    return found


def _best(
    method: Method,
    goals: Sequence[tuple[Seen, Increment]],
    tools: Tools,
    scorer: Judge,
    column: int,
    criterion: str,
) -> Calibration:
    limit = method.direction.limits[1]
    count = max(1, int(limit / STEP + 1e-9))
    tried = [min(STEP * i, limit) for i in range(1, count + 1)]
    gains, changes, wanted = [], [], []
    for view, goal in goals:
        size, whole = goal.picture.shape[-1], max(_rms(goal.picture), 1e-9)
        steps = _steps(method, tried, view, tools)
        gains.append([1.0 - _rms(_on(step, goal) - goal.picture) / whole for step in steps])
        mask = resized(edit_area(view.sight.crop, tools).picture, size)
        goal_step = replace(goal, picture=goal.picture * mask)
        nothing = replace(goal, picture=np.zeros_like(goal.picture))
        read = _read(view, [nothing, goal_step, *steps], scorer)[:, column]
        changes.append(read[2:] - read[0])
        wanted.append(read[1] - read[0])
    means: Doubles = np.mean(gains, axis=0)
    truth = float(np.mean(wanted))
    shares: Doubles = np.mean(changes, axis=0) / (truth if truth else np.nan)
    is_readable = criterion == CHANGE and bool(np.isfinite(shares).all())
    chosen = int(np.abs(shares - 1.0).argmin()) if is_readable else int(means.argmax())
    told = [tuple(round(float(value), 5) for value in values) for values in (means, np.nan_to_num(shares))]
    return Calibration(tried[chosen], tuple(tried), told[0], told[1])


def _on(step: Increment, goal: Increment) -> Array:
    """A step in the goal's pixels (3, K, K)."""
    size, own = goal.picture.shape[-1], step.picture.shape[-1]
    if np.allclose(rescaled(step.plate_from_crop, own, size), goal.plate_from_crop):
        return resized(step.picture, size)
    return brought(step, goal.plate_from_crop, size)


def _steps(method: Method, tried: Sequence[float], view: Seen, tools: Tools) -> list[Increment]:
    """What one row adds at each of these strengths."""
    found = []
    for strength in tried:
        row = Row(method.name, method.direction, strength)
        found.append(drawn_steps(view, {row.name: moved(view.latent, row)}, tools)[row.name])
    return found


def _read(view: Seen, steps: Sequence[Increment], scorer: Judge) -> Doubles:
    """Scores (N, A) of the crop with each step added to it."""
    crop, size = view.sight.crop, view.sight.crop.image.shape[-1]
    return scorer.scores(
        [
            replace(crop, image=crop.image + np.float32(2.0) * brought(step, crop.plate_from_crop, size))
            for step in steps
        ]
    )


def _rms(values: npt.NDArray[np.floating]) -> float:
    return float(np.sqrt(np.mean(values.astype(np.float64) ** 2)))
