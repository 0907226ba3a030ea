"""Frame numbers as people write them, ``1001-1100x2,1105``, without a library that hosts lack."""

from __future__ import annotations

import re
from collections.abc import Iterable

from lineament.core.errors import RecipeError

MAX_FRAMES = 1_000_000
"""A range longer than this is a slip of the keyboard, and would take gigabytes to list."""

LAST_FRAME = 1_048_573
"""One less than Blender's own: its image sequences are a frame too short to show all from 0 on, and end empty. Before 0
it renders no animation."""

_QUOTED = 60
"""Letters of a text that a message repeats: longer ones hide what the message says."""

_PART = re.compile(r"(-?\d{1,9})(?:-(-?\d{1,9})(?:x(\d{1,9}))?)?$")
"""More digits are no frame of Blender's, and Python refuses to read thousands of them."""


def parse_frames(text: str) -> tuple[int, ...]:
    """The numbers of such an expression, each once and rising. Raises RecipeError quoting the part at fault."""
    found: set[int] = set()
    for part in filter(None, (piece.strip() for piece in text.split(","))):
        match = _PART.match(part)
        step = int(match[3] or 1) if match else 0
        if match is None or step < 1:
            raise _not_frames(part)
        first = int(match[1])
        last = int(match[2]) if match[2] is not None else first
        if last < first or (last - first) // step >= MAX_FRAMES:
            raise _not_frames(part)
        found.update(range(first, last + 1, step))
    if not found:
        raise _not_frames(text)
    return tuple(sorted(found))


def refuse_frame(frame: int) -> None:
    """Raise RecipeError for a frame that Blender does not render."""
    if not 0 <= frame <= LAST_FRAME:
        raise RecipeError(
            f"Frame {frame} is outside the frames 0 to {LAST_FRAME} that Blender renders.",
            where="frames",
            remedy="Name others; move the shot in time if it begins before 0.",
        )


def frame_digits(frame: int) -> str:
    """At least four digits, as ``####`` says; a minus sign comes before them."""
    return f"{'-' if frame < 0 else ''}{abs(frame):04d}"


def format_frames(numbers: Iterable[int]) -> str:
    """The shortest such expression that keeps to runs of one step; empty for no frames."""
    left = sorted(set(numbers))
    parts = []
    while left:
        length = _run_length(left)
        first, last = left[0], left[length - 1]
        step = left[1] - first if length > 1 else 1
        parts.append(_part(first, last, step))
        left = left[length:]
    return ",".join(parts)


def runs_of(numbers: Iterable[int]) -> tuple[tuple[int, int], ...]:
    """The (first, last) of every run of consecutive numbers, rising."""
    found: list[tuple[int, int]] = []
    for number in sorted(set(numbers)):
        if found and number == found[-1][1] + 1:
            found[-1] = (found[-1][0], number)
        else:
            found.append((number, number))
    return tuple(found)


def _run_length(numbers: list[int]) -> int:
    """How many numbers from the front share one step; two that are not neighbours do not make a run."""
    if len(numbers) < 2:
        return len(numbers)
    step = numbers[1] - numbers[0]
    length = 2
    while length < len(numbers) and numbers[length] - numbers[length - 1] == step:
        length += 1
    return length if length > 2 or step == 1 else 1


def _part(first: int, last: int, step: int) -> str:
    if first == last:
        return str(first)
    return f"{first}-{last}" + (f"x{step}" if step > 1 else "")


def _shortened(text: str) -> str:
    """A text that somebody gave, at a length that can be quoted."""
    return text if len(text) <= _QUOTED else f"{text[:_QUOTED]}..."


def _not_frames(text: str) -> RecipeError:
    return RecipeError(
        f"{_shortened(text)!r} does not name frames.",
        where="frames",
        remedy="Write frames such as 1001-1100x2,1105.",
    )
