"""Several attribute moves on one latent: plain addition, so their order does not matter."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from ..errors import RecipeError
from ..latent import Direction, Latent
from .library import DirectionLibrary

SLACK = 1e-6  # keyed strengths are interpolated: rounding must not turn a legal end value into an error


def check_strength(direction: Direction, strength: float) -> None:
    """Raise RecipeError if a strength, in sigma, is beyond the direction's limits or not a number."""
    low, high = direction.limits
    if not low - SLACK <= strength <= high + SLACK:
        raise RecipeError(
            f'Strength {strength:g} for "{direction.name}" is outside its range.',
            where=f"attribute {direction.name}",
            remedy=f"Choose a value from {low:g} to {high:g}.",
        )


def apply_moves(latent: Latent, strengths: Mapping[str, float], library: DirectionLibrary) -> Latent:
    """Move ``latent`` by every attribute's strength in sigma; strengths of 0 do nothing at all.

    If nothing moves, ``latent`` itself comes back. Raises RecipeError for an unknown attribute or a strength
    out of range, GeneratorError if latent and library belong to different generators.
    """
    moves = [(library.get(name), value) for name, value in sorted(strengths.items()) if value != 0.0]
    total = latent.ws.astype(np.float64)  # summed in double: one rounding, whatever the number of moves
    for direction, strength in moves:
        check_strength(direction, strength)
        direction.applied_to(latent, 0.0)  # the generator check, with its message
        total = total + strength * direction.delta.astype(np.float64)
    return replace(latent, ws=total.astype(np.float32), space="w+") if moves else latent
