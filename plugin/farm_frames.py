"""Frame ranges as Open Job Description writes them: ``1001-1010``, ``1-19:2``, ``-5--1``, joined by commas.

A colon there is a step; in the ranges of other programs it means something else, so frames are always enumerated and
never rewritten as text.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from lineament.core.errors import RecipeError
from lineament.core.io.sequences import MAX_FRAMES

_PART = re.compile(r"(-?\d{1,9})(?:-(-?\d{1,9})(?::(-?\d{1,9}))?)?")
_REMEDY = "Write frames like 1001-1010, 1001-1019:2 or 1001,1005-1010."


def openjd_range(numbers: Iterable[int]) -> str:
    """The shortest plain range of these frames, sorted and once each; ``1001-1004,1007``, with steps for three frames
    and more at the same distance."""
    left = sorted(set(numbers))
    parts = []
    while left:
        run = _run(left)
        first, last = left[0], left[run - 1]
        step = left[1] - first if run > 1 else 1
        if run == 1:
            parts.append(str(first))
        elif step == 1:
            parts.append(f"{first}-{last}")
        else:
            parts.append(f"{first}-{last}:{step}")
        left = left[run:]
    return ",".join(parts)


def frames_of_openjd(text: str) -> tuple[int, ...]:
    """The frames of such a range, in rising order. Raises RecipeError."""
    numbers: set[int] = set()
    for part in text.split(","):
        match = _PART.fullmatch(part.strip())
        if match is None:
            raise RecipeError(f"{text[:40]!r} is not a range of frames.", remedy=_REMEDY)
        first, last = int(match[1]), int(match[2] or match[1])
        step = int(match[3] or 1)
        if step == 0 or (last - first) * step < 0 or abs(last - first) > MAX_FRAMES * abs(step):
            raise RecipeError(f"{text[:40]!r} is not a range of frames.", remedy=_REMEDY)
        numbers.update(range(first, last + (1 if step > 0 else -1), step))
    return tuple(sorted(numbers))


def _run(numbers: list[int]) -> int:
    """How many of the first numbers lie at one distance; two at a distance of more than 1 are none."""
    count = 2 if len(numbers) > 1 else 1
    while 1 < count < len(numbers) and numbers[count] - numbers[count - 1] == numbers[1] - numbers[0]:
        count += 1
    return 1 if count == 2 and numbers[1] - numbers[0] != 1 else count
