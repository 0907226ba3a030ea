"""The shipped attributes, and how a library of them is made from labelled latents.

Every label of the table takes part in every regression, wanted or not; only what restates the attribute
itself is left out.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Any

import numpy as np

from ..checks import expect_shape
from ..latent import Direction
from .base import Array, DirectionFinder, LabelledLatents
from .counterfactual import Counterfactual
from .library import DirectionLibrary
from .strength import HARD_CAP, limits_along, make_direction, sigma_along
from .table import Doubles, without


@dataclass(frozen=True)
class AttributeSpec:
    """One slider: its ``name`` in recipes, the ``label`` people read, the table's ``column``, and the
    ``sign`` that makes positive strengths mean more.

    ``layers`` are the latent rows it acts on (half-open; None: all), ``limits`` in sigma (None: measured),
    and ``restated_by`` the columns that say the same as its own and must not share its effect.
    """

    name: str
    label: str
    column: str
    sign: int = 1
    layers: tuple[int, int] | None = None
    limits: tuple[float, float] | None = None
    restated_by: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if self.sign not in (1, -1):
            raise ValueError(f"sign must be 1 or -1, got {self.sign}")


SHIPPED = (
    AttributeSpec("age", "Age", "age"),
    AttributeSpec("smile", "Smile", "smile"),
    AttributeSpec("mouth_open", "Mouth open", "mouth_open"),
    AttributeSpec("glasses", "Glasses", "glasses"),
    AttributeSpec("beard", "Beard", "beard", restated_by=("moustache", "stubble")),
    AttributeSpec("moustache", "Moustache", "moustache", restated_by=("beard", "stubble")),
    AttributeSpec("lipstick", "Lipstick", "lipstick"),
    AttributeSpec("brow_inner", "Inner brows up", "brow_inner"),
    AttributeSpec("brow_down", "Brows down", "brow_down"),
    AttributeSpec("eyes_closed", "Eyes closed", "eyes_closed"),
    AttributeSpec("skin_tone", "Skin tone (darker)", "skin"),
    AttributeSpec("grey_hair", "Grey hair", "grey"),
    AttributeSpec("gender", "Presentation (male)", "gender"),
    AttributeSpec("light", "Light from picture right", "light_azimuth"),
)

TARGETS = {spec.name: spec.column for spec in SHIPPED}
"""Attribute -> label column, as the evaluation of directions wants it."""


def build_library(
    data: LabelledLatents,
    sigma_w: Doubles,
    attributes: Sequence[AttributeSpec],
    finder: DirectionFinder,
    *,
    num_ws: int,
    seed: int = 0,
    refits: int = 5,
    cap: float = HARD_CAP,
    instead: Mapping[str, DirectionFinder] = MappingProxyType({}),
) -> DirectionLibrary:
    """Find one direction an attribute and turn it into sliders of the generator that ``data`` came from.

    ``sigma_w`` (w_dim, w_dim) is the covariance of the generator's W, ``refits`` the number of bootstrap
    refits that measure how stable a direction is, ``seed`` theirs. ``instead`` names other finders for some
    columns. Raises RecipeError for a column the table
    lacks, DataError if an attribute cannot be found.
    """
    sigma_w = np.asarray(sigma_w, dtype=np.float64)
    expect_shape(sigma_w, "w w", name="sigma_w", w=data.w.shape[1])
    directions = tuple(
        build_direction(
            data,
            sigma_w,
            spec,
            instead.get(spec.column, finder),
            num_ws=num_ws,
            seed=seed,
            refits=refits,
            cap=cap,
        )
        for spec in attributes
    )
    return DirectionLibrary(directions, data.generator_id)


def build_direction(
    data: LabelledLatents,
    sigma_w: Doubles,
    spec: AttributeSpec,
    finder: DirectionFinder,
    *,
    num_ws: int,
    seed: int,
    refits: int,
    cap: float,
) -> Direction:
    """One attribute's direction with measured limits and its card."""
    table = without(data, spec.restated_by)
    u = finder.find(table, (spec.column,))[0] * np.float32(spec.sign)
    cosines = refit_cosines(table, spec, finder, u, refits, seed)
    card: dict[str, Any] = {
        "method": finder.name,
        "settings": repr(finder),
        "column": spec.column,
        "sign": spec.sign,
        "other_labels": [name for name in table.names if name != spec.column],
        "n_samples": len(table.w),
        "seed": seed,
        "refit_cosine": {"mean": round(float(np.mean(cosines)), 4), "min": round(float(min(cosines)), 4)}
        if cosines
        else {},
    }
    if isinstance(finder, Counterfactual):
        card["label_per_sigma"] = round(sigma_along(u, sigma_w) / finder.length(spec.column), 6)
    return make_direction(
        spec.name,
        u,
        sigma_w,
        generator_id=data.generator_id,
        num_ws=num_ws,
        layers=spec.layers,
        limits=spec.limits or limits_along(u, data.w, cap),
        label=spec.label,
        card=card,
    )


def refit_cosines(
    data: LabelledLatents, spec: AttributeSpec, finder: DirectionFinder, u: Array, refits: int, seed: int
) -> list[float]:
    """Cosine of ``u`` with the directions found on bootstrap resamples of the faces, or of the pairs."""
    rng = np.random.default_rng(seed)
    found = []
    for _ in range(refits):
        rows = rng.integers(0, len(data.w), len(data.w))
        drawn = replace(data, w=data.w[rows], labels=data.labels[rows])
        method = finder.resampled(rng) if isinstance(finder, Counterfactual) else finder
        again = method.find(drawn, (spec.column,))[0]
        found.append(float(again @ u) * spec.sign)
    return found
