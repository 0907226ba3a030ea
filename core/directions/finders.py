"""The direction methods by name. A new one is one line here; the conformance tests then cover it."""

from __future__ import annotations

import difflib

from ..errors import RecipeError
from .base import DirectionFinder
from .least_squares import LeastSquares
from .mean_difference import MeanDifference
from .partial_effects import PartialEffects
from .random_direction import RandomDirection
from .whitened_mean_difference import WhitenedMeanDifference

FINDERS: dict[str, DirectionFinder] = {
    finder.name: finder
    for finder in (
        PartialEffects(),
        MeanDifference(),
        WhitenedMeanDifference(),
        LeastSquares(),
        RandomDirection(),
    )
}


def finder_named(name: str) -> DirectionFinder:
    """The method of that name. Raises RecipeError listing the methods."""
    if name not in FINDERS:
        close = difflib.get_close_matches(name, FINDERS, n=1)
        raise RecipeError(
            f'There is no direction method "{name}".',
            remedy=f"{f'Did you mean {close[0]}? ' if close else ''}Methods: {', '.join(FINDERS)}.",
        )
    return FINDERS[name]
