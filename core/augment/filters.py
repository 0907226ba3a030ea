"""Which edited pictures are fit to train on. Everything is measured and written down; nothing vanishes silently."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Limits:
    """What a picture must keep to; docs/datasets.md says what the defaults were measured on.

    ``min_identity``: cosine of the identity embeddings of edit and source. ``min_sharpness``, ``max_sharpness``:
    gradient energy inside the face over the source's. ``min_change``, ``max_change``: rms of the change inside the
    mask, in stops. ``min_effect``: least move of an edited attribute in its direction, as the model's scorer sees it,
    in standard deviations for every sigma of strength; 0 asks only for nothing the wrong way, -inf for nothing at all.
    ``max_clamped``: share of the face's pixels whose change was held back. ``needs_face``: the locator must find the
    face again where it was. ``min_distance``: of a picture from every earlier one, as ``near.twins`` measures it.
    """

    min_identity: float = 0.4
    min_sharpness: float = 0.7
    max_sharpness: float = 1.6
    min_change: float = 0.01
    max_change: float = 1.0
    min_effect: float = 0.0
    max_clamped: float = 0.05
    needs_face: bool = True
    min_distance: float = 0.002


@dataclass(frozen=True)
class Measured:
    """What was measured of one edited picture; fields as in ``Limits``.

    ``identity`` is None where the model has no identity network, ``effect`` has the edited attributes that its scorer
    knows (move in standard deviations for a sigma, positive: in the direction asked for). ``drift`` is how far the face
    is found from where it was, as a share of the eyes' distance; NaN where it is not found, None if nobody looked.
    ``not_finite`` counts pixels of the face that the edit made so.
    """

    identity: float | None
    sharpness: float
    change: float
    clamped: float
    not_finite: int
    drift: float | None
    effect: Mapping[str, float] = field(default_factory=dict)


MAX_DRIFT = 0.15
"""A face found further away, in distances of the eyes, is another one or none."""


def reasons(measured: Measured, limits: Limits) -> tuple[str, ...]:
    """Why a picture is rejected, as sentences for people; empty if it is not. What is not a number fails."""
    found = []
    if measured.not_finite:
        found.append(f"{measured.not_finite} pixels are not finite")
    if measured.identity is not None and not measured.identity >= limits.min_identity:
        found.append(f"identity {measured.identity:.3f} is below {limits.min_identity:g}")
    if not measured.sharpness >= limits.min_sharpness:
        found.append(f"sharpness {measured.sharpness:.2f} is below {limits.min_sharpness:g}")
    if measured.sharpness > limits.max_sharpness:
        found.append(f"sharpness {measured.sharpness:.2f} is above {limits.max_sharpness:g}")
    if not measured.change >= limits.min_change:
        found.append(f"the change of {measured.change:.4f} stops is below {limits.min_change:g}")
    if measured.change > limits.max_change:
        found.append(f"the change of {measured.change:.3f} stops is above {limits.max_change:g}")
    if not measured.clamped <= limits.max_clamped:
        found.append(f"{measured.clamped:.1%} of the face was held back, above {limits.max_clamped:.1%}")
    for name, moved in sorted(measured.effect.items()):
        if not moved >= limits.min_effect:
            found.append(f"{name} moved by {moved:+.3f} for a sigma, below {limits.min_effect:g}")
    if limits.needs_face and measured.drift is not None and not measured.drift <= MAX_DRIFT:
        seen = (
            "not found again"
            if math.isnan(measured.drift)
            else f"found {measured.drift:.2f} eye distances away"
        )
        found.append(f"the face is {seen}")
    return tuple(found)
