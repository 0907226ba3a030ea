"""What each number of the identity vector does to the face: a table of opposite pairs of detail targets.

The package's pairs ("incr" and "decr") are no exact mirrors, so plus and minus are two targets, of which a number uses
the one on its side. Standard deviations are modest: two faces differ like neighbours, not like caricatures.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

LIMIT = 2.5
"""Identity numbers are clipped to this many standard deviations; beyond it meshes begin to fold."""


@dataclass(frozen=True)
class Detail:
    """One identity number: ``sd`` weight of one standard deviation; ``plus`` and ``minus`` the targets of its sides."""

    sd: float
    plus: tuple[str, ...]
    minus: tuple[str, ...]


def _pair(name: str, sd: float, ends: str = "incr/decr") -> Detail:
    """A pair named by its ends; "{s}" in ``name`` stands for both sides of the face."""
    plus, minus = ends.split("/")
    stems = (name.format(s="l"), name.format(s="r")) if "{s}" in name else (name,)
    return Detail(sd, tuple(f"{stem}-{plus}" for stem in stems), tuple(f"{stem}-{minus}" for stem in stems))


def _asymmetry(sd: float, *names: str) -> Detail:
    """Targets of the left and of the right half that move one feature to one side or the other."""
    return Detail(sd, tuple(f"asym/asym-{n}-l" for n in names), tuple(f"asym/asym-{n}-r" for n in names))


DETAILS: tuple[Detail, ...] = (
    _pair("head/head-scale-horiz", 0.17),
    _pair("head/head-scale-vert", 0.17),
    _pair("head/head-scale-depth", 0.15),
    _pair("head/head-fat", 0.15),
    _pair("head/head-angle", 0.15, "in/out"),
    Detail(0.17, ("head/head-round",), ("head/head-rectangular",)),
    Detail(0.17, ("head/head-oval",), ("head/head-square",)),
    Detail(0.17, ("head/head-triangular",), ("head/head-invertedtriangular",)),
    Detail(0.15, ("head/head-back-scale-depth-incr",), ("head/head-back-scale-depth-decr",)),
    _pair("forehead/forehead-scale-vert", 0.2),
    _pair("forehead/forehead-temple", 0.17),
    _pair("forehead/forehead-trans", 0.2, "forward/backward"),
    _pair("forehead/forehead-nubian", 0.15),
    _pair("eyebrows/eyebrows-angle", 0.27, "up/down"),
    _pair("eyebrows/eyebrows-trans", 0.24, "up/down"),
    _pair("eyebrows/eyebrows-trans", 0.3, "forward/backward"),
    _pair("eyes/{s}-eye-scale", 0.18),
    _pair("eyes/{s}-eye-trans", 0.21, "in/out"),
    _pair("eyes/{s}-eye-height1", 0.21),
    _pair("eyes/{s}-eye-height2", 0.18),
    _pair("eyes/{s}-eye-height3", 0.21),
    _pair("eyes/{s}-eye-corner1", 0.24, "up/down"),
    _pair("eyes/{s}-eye-corner2", 0.24, "up/down"),
    _pair("eyes/{s}-eye-eyefold-angle", 0.24, "up/down"),
    _pair("eyes/{s}-eye-eyefold", 0.24, "convex/concave"),
    _pair("eyes/{s}-eye-bag", 0.18),
    _pair("eyes/{s}-eye-push2", 0.18, "in/out"),
    _pair("nose/nose-scale-vert", 0.21),
    _pair("nose/nose-scale-horiz", 0.21),
    _pair("nose/nose-scale-depth", 0.24),
    _pair("nose/nose-base", 0.24, "up/down"),
    _pair("nose/nose-curve", 0.24, "convex/concave"),
    _pair("nose/nose-flaring", 0.24),
    _pair("nose/nose-greek", 0.21),
    _pair("nose/nose-hump", 0.24),
    _pair("nose/nose-nostrils-width", 0.24),
    _pair("nose/nose-point", 0.24, "up/down"),
    _pair("nose/nose-point-width", 0.24),
    _pair("nose/nose-volume", 0.21),
    _pair("nose/nose-width1", 0.24),
    _pair("nose/nose-width2", 0.24),
    _pair("mouth/mouth-scale-horiz", 0.24),
    _pair("mouth/mouth-trans", 0.21, "up/down"),
    _pair("mouth/mouth-upperlip-volume", 0.27),
    _pair("mouth/mouth-lowerlip-volume", 0.27),
    _pair("mouth/mouth-upperlip-height", 0.18),
    _pair("mouth/mouth-lowerlip-height", 0.18),
    _pair("mouth/mouth-cupidsbow", 0.3),
    _pair("mouth/mouth-angles", 0.18, "up/down"),
    _pair("chin/chin-height", 0.24),
    _pair("chin/chin-width", 0.24),
    _pair("chin/chin-prominent", 0.24),
    _pair("chin/chin-bones", 0.24),
    _pair("chin/chin-jaw-drop", 0.21),
    _pair("cheek/{s}-cheek-bones", 0.24),
    _pair("cheek/{s}-cheek-volume", 0.18),
    _pair("ears/{s}-ear-scale", 0.21),
    _pair("ears/{s}-ear-wing", 0.21),
    _asymmetry(0.2, "brown-1", "brown-2"),
    _asymmetry(0.2, "eye-1", "eye-4"),
    _asymmetry(0.2, "cheek-1", "jaw-1"),
    _asymmetry(0.2, "mouth-1"),
    _asymmetry(0.2, "nose-1", "nose-4"),
    _asymmetry(0.2, "mouth-2", "jaw-3"),
)
"""Detail of each identity number, in order; as many as params.IDENTITY_DIMS."""


def detail_weights(identity: Sequence[float]) -> dict[str, float]:
    """Target weights of an identity vector (64 numbers), by target name."""
    weights: dict[str, float] = {}
    clipped = np.clip(np.asarray(identity, np.float64), -LIMIT, LIMIT)
    for value, detail in zip(clipped.tolist(), DETAILS, strict=True):
        for name in detail.plus if value > 0 else detail.minus:
            weights[name] = weights.get(name, 0.0) + abs(value) * detail.sd
    return weights
