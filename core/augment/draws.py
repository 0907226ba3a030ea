"""Which strengths a picture's variants get: drawn from a seed, never from the order in which pictures are made.

Drawn strengths are a scrambled Sobol sequence (Owen 1998): variants fill the ranges evenly, and the first ones stay
what they are when more are asked for.
"""

from __future__ import annotations

import hashlib
import itertools
import math
from collections.abc import Mapping
from dataclasses import dataclass

from scipy.stats import qmc

from ..errors import RecipeError

ORIGINAL = "original"
"""Name of the variant that is the picture itself."""
DECIMALS = 4
"""Of drawn strengths, so that a manifest says exactly what was done."""
MAX_VARIANTS = 10_000
"""Of one picture: more is a slip of the keyboard."""

Strengths = Mapping[str, float]


@dataclass(frozen=True)
class Variant:
    """One edit of a picture: a ``name`` for its file, and ``strengths`` in sigma."""

    name: str
    strengths: Strengths


@dataclass(frozen=True)
class Draws:
    """What is asked for. ``fixed`` strengths belong to every variant. Variants are ``count`` draws from ``ranges``
    (attribute, lowest, highest), or all combinations of ``grid`` (attribute, values), or ``recipes`` by name, or else
    the one edit of ``fixed``. ``is_per_image`` draws anew for every picture instead of giving variant k the same
    strengths on all of them; ``has_original`` adds the untouched picture. Raises RecipeError for what contradicts
    itself."""

    fixed: tuple[tuple[str, float], ...] = ()
    ranges: tuple[tuple[str, float, float], ...] = ()
    grid: tuple[tuple[str, tuple[float, ...]], ...] = ()
    recipes: tuple[tuple[str, tuple[tuple[str, float], ...]], ...] = ()
    count: int = 1
    seed: int = 0
    is_per_image: bool = False
    has_original: bool = False

    def __post_init__(self) -> None:
        ways = sum(map(bool, (self.ranges, self.grid, self.recipes)))
        if ways > 1:
            _refuse("Ranges, a grid and recipes were given together.", "Use one of --vary, --grid, --recipe.")
        if not ways and not self.fixed:
            _refuse(
                "No edit was given.", "Say --set age=2, --vary age=-2:2, --grid age=-1,1 or --recipe FILE."
            )
        if not self.ranges and self.count != 1:
            _refuse("Only ranges can be drawn from several times.", "Give --variants with --vary alone.")
        if self.is_per_image and not self.ranges:
            _refuse("Only ranges can be drawn for every picture.", "Give --per-image with --vary alone.")
        names = [str(one[0]) for one in (*self.fixed, *self.ranges, *self.grid)]
        if twice := {name for name in names if names.count(name) > 1}:
            _refuse(f"Given twice: {', '.join(sorted(twice))}.", "Give every attribute once.")
        if many := [name for name, values in self.grid if len(set(values)) < len(values)]:
            _refuse(f"The grid has a value of {many[0]} twice.", "Give every value once.")
        self._refuse_recipe_names()
        if bad := [
            name for name, low, high in self.ranges if not (math.isfinite(high - low) and low <= high)
        ]:
            _refuse(f"The range of {bad[0]} ends before it begins.", "Give the lower end first: age=-2:2.")
        if not 1 <= self.per_picture <= MAX_VARIANTS:
            _refuse(f"{self.per_picture} variants of a picture.", f"Ask for 1 to {MAX_VARIANTS}.")

    def _refuse_recipe_names(self) -> None:
        """Recipes give their names to files."""
        names = [name for name, _ in self.recipes]
        if twice := sorted({name for name in names if names.count(name) > 1}):
            _refuse(
                f"Two recipes are called {twice[0]!r}.",
                "Rename one: variants are called by their recipe's file.",
            )
        if self.has_original and ORIGINAL in names:
            _refuse(
                f"A recipe is called {ORIGINAL!r}, as the untouched picture is.", "Rename the recipe's file."
            )

    @property
    def per_picture(self) -> int:
        """How many variants a picture has, the original not counted."""
        if self.recipes:
            return len(self.recipes)
        return math.prod(len(values) for _, values in self.grid) if self.grid else self.count

    def limits(self) -> dict[str, tuple[float, float]]:
        """Lowest and highest strength of every attribute, to compare with what a model allows."""
        found: dict[str, tuple[float, float]] = {name: (low, high) for name, low, high in self.ranges}
        found |= {name: (min(values), max(values)) for name, values in self.grid}
        every = [*self.fixed, *(pair for _, pairs in self.recipes for pair in pairs)]
        for name, value in every:
            low, high = found.get(name, (value, value))
            found[name] = min(low, value), max(high, value)
        return found

    def variants(self, picture: str) -> tuple[Variant, ...]:
        """The variants of a picture, which ``picture`` (a hash of its bytes) tells from others."""
        fixed = dict(self.fixed)
        if self.recipes:
            found = [Variant(name, fixed | dict(strengths)) for name, strengths in self.recipes]
        else:
            every = [fixed | strengths for strengths in self._drawn(picture)]
            found = [Variant(f"v{index:03d}", strengths) for index, strengths in enumerate(every)]
        return (*([Variant(ORIGINAL, {})] if self.has_original else []), *found)

    def _drawn(self, picture: str) -> list[dict[str, float]]:
        if self.grid:
            names = [name for name, _ in self.grid]
            combinations = itertools.product(*(values for _, values in self.grid))
            return [dict(zip(names, values, strict=True)) for values in combinations]
        if not self.ranges:
            return [{}]
        told = f"{self.seed}:{picture if self.is_per_image else ''}"
        seed = int.from_bytes(hashlib.sha256(told.encode()).digest()[:8], "big")
        exponent = max(0, math.ceil(math.log2(self.count)))  # the sequence is balanced in powers of two
        points = qmc.Sobol(len(self.ranges), scramble=True, rng=seed).random_base2(exponent)[: self.count]
        return [
            {
                name: round(low + (high - low) * float(share), DECIMALS)
                for (name, low, high), share in zip(self.ranges, point, strict=True)
            }
            for point in points
        ]


def _refuse(what: str, remedy: str) -> None:
    raise RecipeError(what, where="command line", remedy=remedy)
