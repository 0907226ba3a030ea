"""Frame numbers and the paths they stand for.

A pattern holds one frame token in its file name: ``%04d``, ``####`` (one mark per digit; a lone ``#`` is
four), ``@@@@`` (one per digit) or ``$F4``. Ranges are fileseq's: ``1001-1100``, ``1001-1100x2``,
``1-5,8,12-10``. A pattern without a token is a single still.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, TypeAlias

from fileseq.exceptions import FileSeqException
from fileseq.frameset import FrameSet

from ..errors import PlateError

MissingPolicy: TypeAlias = Literal["error", "skip", "hold"]
MAX_FRAMES = (
    1_000_000  # eleven hours at 24 frames a second; a longer range is a typing error that eats memory
)

_TOKEN = re.compile(r"%(?:0(\d+))?d|(#+)|(@+)|\$F(\d*)")
_NUMBERS = re.compile(r"-?\d+")
_STILL_NUMBER = re.compile(r"(?:^|[._-])(\d+)$")


@dataclass(frozen=True)
class FramePath:
    """One frame of a shot: its ``number``, the ``path`` to read, and the number of the picture that lies
    there.

    ``source_number`` differs from ``number`` where a missing frame is held.
    """

    number: int
    path: Path
    source_number: int

    @property
    def is_held(self) -> bool:
        return self.number != self.source_number


@dataclass(frozen=True)
class SequenceSpec:
    """A path pattern and a frame range, as the artist wrote them; nothing is opened on construction."""

    pattern: str
    frames: str = ""

    def resolve(self, missing: MissingPolicy = "error") -> tuple[FramePath, ...]:
        """Return the frames on disk; see ``resolve``."""
        return resolve(self.pattern, self.frames, missing)


def resolve(
    pattern: str | Path, frames_expr: str = "", missing: MissingPolicy = "error"
) -> tuple[FramePath, ...]:
    """Return the frames of ``pattern`` in the order of ``frames_expr``, or all that lie on disk if it is "".

    ``missing`` says what happens to frames that are not there: ``"error"`` raises PlateError naming them,
    ``"skip"`` leaves them out, ``"hold"`` repeats the nearest earlier frame on disk (the next one before the
    first). A still without a token serves every number of the range.
    """
    if missing not in ("error", "skip", "hold"):
        raise ValueError(f"missing must be error, skip or hold, not {missing!r}")
    if not has_token(pattern):
        return _resolve_still(Path(pattern), frames_expr)
    on_disk = _frames_on_disk(pattern)
    wanted = parse_frames(frames_expr) if frames_expr.strip() else tuple(on_disk)
    absent = [number for number in wanted if number not in on_disk]
    if len(absent) == len(wanted) or (absent and missing == "error"):
        raise _absent(pattern, absent, on_disk)
    if missing == "skip":
        wanted = tuple(number for number in wanted if number in on_disk)
    numbers = sorted(on_disk)
    sources = [numbers[max(0, bisect_right(numbers, number) - 1)] for number in wanted]
    return tuple(FramePath(n, on_disk[source], source) for n, source in zip(wanted, sources, strict=True))


def frame_path(pattern: str | Path, number: int) -> Path:
    """Return the path of frame ``number``; a pattern without a token stays as it is. Raises PlateError."""
    path = Path(pattern)
    tokens = list(_TOKEN.finditer(path.name))
    if len(tokens) > 1:
        raise PlateError(
            f"The name {path.name!r} has {len(tokens)} frame tokens.",
            where=str(pattern),
            remedy="Keep one of them, e.g. plate.%04d.exr.",
        )
    if not tokens:
        return path
    (token,) = tokens
    digits = f"{number:0{_padding(token)}d}"
    return path.with_name(path.name[: token.start()] + digits + path.name[token.end() :])


def has_token(pattern: str | Path) -> bool:
    """Tell whether the file name of ``pattern`` stands for many frames."""
    return _TOKEN.search(Path(pattern).name) is not None


def parse_frames(frames_expr: str) -> tuple[int, ...]:
    """Return the numbers of a range like ``1001-1100x2,1105`` in its own order; raise PlateError if bad."""
    remedy = "Write frames like 1001-1100, 1001-1100x2 or 1001,1005-1010."
    longest = max(
        (abs(int(digits)) for digits in _NUMBERS.findall(frames_expr) if len(digits) < 12), default=0
    )
    if longest > 10 * MAX_FRAMES or re.search(r"\d{12}", frames_expr):
        raise PlateError(f"The frame range {frames_expr[:80]!r} is too long.", remedy=remedy)
    try:
        parsed = tuple(FrameSet(frames_expr))
        numbers = tuple(int(number) for number in parsed)
    except (FileSeqException, ValueError, TypeError) as err:
        raise PlateError(f"{frames_expr[:80]!r} is not a frame range: {err}.", remedy=remedy) from err
    if not numbers or len(numbers) > MAX_FRAMES or numbers != parsed:
        raise PlateError(
            f"The frame range {frames_expr[:80]!r} has {len(numbers)} whole frames.", remedy=remedy
        )
    return numbers


def format_frames(numbers: Iterable[int]) -> str:
    """Return ``numbers`` sorted and once each as a range that ``parse_frames`` reads: ``1001-1004,1007``."""
    return str(FrameSet.framesToFrameRange(sorted(set(numbers)), sort=False, compress=True))


def _padding(token: re.Match[str]) -> int:
    percent, hashes, ats, houdini = token.groups()
    if hashes:
        return 4 if len(hashes) == 1 else len(hashes)
    if ats:
        return len(ats)
    return int(percent or houdini or 1)


def _frames_on_disk(pattern: str | Path) -> dict[int, Path]:
    """Return number -> path of every file that the pattern itself would produce, in ascending order."""
    template = frame_path(pattern, 0)  # also refuses two tokens
    name = Path(pattern).name
    token = _TOKEN.search(name)
    assert token is not None
    shape = re.compile(re.escape(name[: token.start()]) + r"(-?\d+)" + re.escape(name[token.end() :]))
    found: dict[int, Path] = {}
    try:
        entries = list(template.parent.iterdir()) if template.parent.is_dir() else []
    except (OSError, ValueError) as err:
        raise PlateError(
            f"Cannot list the folder: {err}.", where=str(pattern), remedy="Check its permissions."
        ) from err
    for entry in entries:
        digits = shape.fullmatch(entry.name)
        if (
            digits
            and len(digits.group(1)) < 12
            and frame_path(pattern, int(digits.group(1))).name == entry.name
        ):
            found[int(digits.group(1))] = entry
    return dict(sorted(found.items()))


def _resolve_still(path: Path, frames_expr: str) -> tuple[FramePath, ...]:
    try:
        is_there = path.is_file()
    except (OSError, ValueError) as err:
        raise PlateError(
            f"Cannot look for the picture: {err}.", where=str(path), remedy="Check the path."
        ) from err
    if not is_there:
        raise PlateError(
            "The picture does not exist.", where=str(path), remedy="Check the path and frame number."
        )
    digits = _STILL_NUMBER.search(path.stem)
    own = int(digits.group(1)) if digits else 0
    if not frames_expr.strip():
        return (FramePath(own, path, own),)
    return tuple(FramePath(number, path, own) for number in parse_frames(frames_expr))


def _absent(pattern: str | Path, absent: list[int], on_disk: dict[int, Path]) -> PlateError:
    there = f"frames {format_frames(on_disk)} are there" if on_disk else "no frame is there"
    what = f"Missing frames {format_frames(absent)}" if absent else "No frames were found"
    return PlateError(
        f"{what}; {there}.",
        where=str(pattern),
        remedy="Check the pattern and the range, or choose --missing skip or hold.",
    )
