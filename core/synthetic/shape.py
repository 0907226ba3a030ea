"""From FaceParams to the weights of morph targets: age, gender, ancestry, identity, expression.

Macro targets follow the CC0 package's macro.json: age is piecewise linear with knots child, young (25 years) and old
(90 years), gender linear, ancestry shares sum to one. Expressions exist per ancestry and are blended by its shares.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from .identity import detail_weights
from .params import FaceParams

ANCESTRIES = ("african", "asian", "caucasian")
"""Order of FaceParams.ancestry, as the targets are named."""

AGEING = {
    "head/head-age-incr": 0.6, "mouth/mouth-laugh-lines-in": 0.8, "neck/neck-double-incr": 0.5,
    "mouth/mouth-angles-down": 0.2, "nose/nose-point-down": 0.35, "mouth/mouth-upperlip-volume-decr": 0.3,
    "eyes/l-eye-bag-incr": 0.7, "eyes/r-eye-bag-incr": 0.7, "eyes/l-eye-eyefold-down": 0.6,
    "eyes/r-eye-eyefold-down": 0.6, "cheek/l-cheek-trans-down": 0.4, "cheek/r-cheek-trans-down": 0.4,
    "ears/l-ear-lobe-incr": 0.5, "ears/r-ear-lobe-incr": 0.5,
}  # fmt: skip
"""Detail targets at 90 years, on top of the macro targets, which alone leave a face of 60 too smooth."""

EVERY_FACE = {
    "head/head-scale-horiz-decr": 0.3, "eyes/l-eye-scale-incr": 0.35, "eyes/r-eye-scale-incr": 0.35,
    "eyes/l-eye-trans-out": 0.3, "eyes/r-eye-trans-out": 0.3, "mouth/mouth-scale-horiz-incr": 0.15,
}  # fmt: skip
"""Constant correction of the package's mean face: its eyes are small and close together for the width of its head
(2.5 eye distances between the ears instead of about 2.2)."""

LIPS_SHUT = -0.05
"""Weight of the opened mouth on a shut one: the package's lips stand apart by half a millimetre."""

SMILE = {
    "mouth-corner-puller": (0.8, 0.05), "mouth-retraction": (0.2, 0.0),
    "mouth-upward-retraction": (0.0, 0.3), "mouth-elevation": (0.0, 0.3),
    "nose-left-elevation": (0.1, 0.1), "nose-right-elevation": (0.1, 0.1),
    "eye-left-slit": (0.1, 0.15), "eye-right-slit": (0.1, 0.15),
}  # fmt: skip
"""Expression units of a smile s as (a, b): a s + b s^2. The square opens the lips of a wide smile only."""

SMILE_DETAILS = {
    "cheek/l-cheek-trans-up": 0.9, "cheek/r-cheek-trans-up": 0.9, "cheek/l-cheek-volume-incr": 0.25,
    "cheek/r-cheek-volume-incr": 0.25, "mouth/mouth-laugh-lines-in": 0.2,
}  # fmt: skip
"""Detail targets of a full smile: raised cheeks (AU6) and the fold beside the mouth."""


def shape_weights(params: FaceParams) -> dict[str, float]:
    """Weights of the targets that are not zero, by target name. A pure function of the parameters."""
    weights = detail_weights(params.identity)
    ageing = min(max((params.age - 25) / 65, 0.0), 1.0)
    for more, strength in ((EVERY_FACE, 1.0), (AGEING, ageing), (SMILE_DETAILS, params.smile)):
        for name, value in more.items():
            weights[name] = weights.get(name, 0.0) + value * strength
    weights |= _macro(params)
    shares = dict(zip(ANCESTRIES, ancestry_shares(params), strict=True))
    for name, value in expression_units(params).items():
        for ancestry, share in shares.items():
            weights[f"expression/units/{ancestry}/{name}"] = value * share
    return {name: value for name, value in weights.items() if value}


def weight_vector(params: FaceParams, names: tuple[str, ...]) -> npt.NDArray[np.float32]:
    """``shape_weights`` as a vector (K,) float32 in the order of ``names``.

    Targets that move nothing of a head are not among ``names`` and are left out.
    """
    weights = shape_weights(params)
    return np.array([weights.get(name, 0.0) for name in names], np.float32)


def ancestry_shares(params: FaceParams) -> tuple[float, float, float]:
    """Shares of African, Asian and Caucasian targets; they sum to one. All zero counts as equal shares."""
    shares = np.maximum(np.array(params.ancestry, np.float64), 0)
    total = float(shares.sum())
    a, b, c = shares / total if total > 0 else np.full(3, 1 / 3)
    return float(a), float(b), float(c)


def age_shares(years: float) -> dict[str, float]:
    """Shares of the macro ages. Below 25 a little of the child's face is mixed in, .2 at 18: the package's own knot
    (a child of 10) would make it .47, which does not look grown up."""
    if years >= 25:
        old = min((years - 25) / 65, 1.0)
        return {"young": 1 - old, "old": old}
    child = min((25 - years) / 7 * 0.2, 1.0)
    return {"child": child, "young": 1 - child}


def expression_units(params: FaceParams) -> dict[str, float]:
    """Weights of the package's expression units, before they are shared among ancestries."""
    smile, closed = params.smile, params.eyes_closed
    units = {name: a * smile + b * smile * smile for name, (a, b) in SMILE.items()}
    units["mouth-open"] = 0.65 * params.mouth_open + LIPS_SHUT * (1 - params.mouth_open)
    for side in ("left", "right"):
        # The package's unit raises a brow by 5 mm; more is needed to be seen at 64 pixels.
        units[f"eyebrows-{side}-inner-up"] = 2.0 * params.brow_inner
        units[f"eyebrows-{side}-down"] = 1.6 * params.brow_down
        units[f"eye-{side}-slit"] *= 1 - closed
        units[f"eye-{side}-closure"] = closed
    return units


def _macro(params: FaceParams) -> dict[str, float]:
    weights: dict[str, float] = {}
    shares = tuple(zip(ANCESTRIES, ancestry_shares(params), strict=True))
    for gender, g in (("female", 1 - params.gender), ("male", params.gender)):
        for age, a in age_shares(params.age).items():
            weights[f"macrodetails/universal-{gender}-{age}-averagemuscle-averageweight"] = g * a
            for ancestry, share in shares:
                weights[f"macrodetails/{ancestry}-{gender}-{age}"] = g * a * share
    return weights
