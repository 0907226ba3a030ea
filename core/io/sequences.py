"""Frame numbers and the paths they stand for.

A pattern holds one frame token in its file name: ``%04d``, ``####`` (one mark per digit; a lone ``#`` is
four), ``@@@@`` (one per digit) or ``$F4``. A lone ``#`` or ``@`` is an ordinary letter where another token
stands in the name, or where a letter or digit follows it (``take#2.%04d.exr``, ``a@b.exr``). Ranges are
fileseq's: ``1001-1100``, ``1001-1100x2``, ``1-5,8,12-10``. A pattern without a token is a single still, and so
is every name that exists exactly as it is given.
"""

from __future__ import annotations

import os
import re
from bisect import bisect_right
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, TypeAlias

from fileseq.exceptions import FileSeqException
from fileseq.frameset import FrameSet

from ..errors import PlateError, RecipeError

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

    ``source_number`` differs from ``number`` where a missing frame is held; a still is never held.
    """

    number: int
    path: Path
    source_number: int

    @property
    def is_held(self) -> bool:
        return self.number != self.source_number


def resolve(
    pattern: str | Path, frames_expr: str = "", missing: MissingPolicy = "error"
) -> tuple[FramePath, ...]:
    """Return the frames of ``pattern`` in the order of ``frames_expr``, or all that lie on disk if it is "".

    ``missing`` says what happens to frames that are not there: ``"error"`` raises PlateError naming them,
    ``"skip"`` leaves them out, ``"hold"`` repeats the nearest earlier frame on disk (the next one before the
    first), whether or not that frame was asked for. A still serves every number of the range. Raises
    PlateError if nothing is left, RecipeError for a bad range or pattern.
    """
    if missing not in ("error", "skip", "hold"):
        raise ValueError(f"missing must be error, skip or hold, not {missing!r}")
    if not has_token(pattern):
        return _resolve_still(Path(pattern), frames_expr)
    return pick(pattern, frames_on_disk(pattern), frames_expr, missing)


def pick(
    pattern: str | Path, on_disk: Mapping[int, Path], frames_expr: str, missing: MissingPolicy
) -> tuple[FramePath, ...]:
    """``resolve`` for a pattern whose files on disk, in rising order, are known."""
    wanted = parse_frames(frames_expr) if frames_expr.strip() else tuple(on_disk)
    absent = [number for number in wanted if number not in on_disk]
    nothing_left = len(absent) == len(wanted) and missing != "hold"
    if not on_disk or nothing_left or (absent and missing == "error"):
        raise _absent(pattern, absent, on_disk, missing)
    if missing == "skip":
        wanted = tuple(number for number in wanted if number in on_disk)
    numbers = sorted(on_disk)
    sources = [numbers[max(0, bisect_right(numbers, number) - 1)] for number in wanted]
    return tuple(FramePath(n, on_disk[source], source) for n, source in zip(wanted, sources, strict=True))


def frame_path(pattern: str | Path, number: int) -> Path:
    """Return the path of frame ``number``; a still stays as it is. Raises RecipeError for two tokens."""
    path = Path(pattern)
    token = _token(path)
    return path if token is None or _exists(path) else _with_number(path, token, number)


def frame_paths(pattern: str | Path, numbers: Iterable[int]) -> tuple[Path, ...]:
    """``frame_path`` of many frames, with one look at the disk."""
    path = Path(pattern)
    token = _token(path)
    if token is None or _exists(path):
        return (path,) * len(tuple(numbers))
    before, after = path.name[: token.start()], path.name[token.end() :]
    folder, digits = path.parent, _padding(token)
    return tuple(folder / f"{before}{number:0{digits}d}{after}" for number in numbers)


def has_token(pattern: str | Path) -> bool:
    """Tell whether ``pattern`` stands for many frames: a token in its file name, and no file of that name."""
    path = Path(pattern)
    return bool(_tokens(path.name)) and not _exists(path)


def without_token(pattern: str | Path) -> str:
    """Return the file name of ``pattern`` with its frame token taken out; raise RecipeError for two tokens."""
    path = Path(pattern)
    token = _token(path)
    return path.name if token is None else path.name[: token.start()] + path.name[token.end() :]


def split_token(pattern: str | Path) -> tuple[str, int, str] | None:
    """The file name before the frame token, the token's digits, and the name behind it; None for a still."""
    name = Path(pattern).name
    token = _token(Path(pattern)) if has_token(pattern) else None
    return None if token is None else (name[: token.start()], _padding(token), name[token.end() :])


def parse_frames(frames_expr: str) -> tuple[int, ...]:
    """Return the numbers of a range like ``1001-1100x2,1105`` in its own order; raise RecipeError if bad."""
    shown = repr(frames_expr[:40])
    remedy = "Write frames like 1001-1100, 1001-1100x2 or 1001,1005-1010."
    longest = max(
        (abs(int(digits)) for digits in _NUMBERS.findall(frames_expr) if len(digits) < 12), default=0
    )
    if longest > 10 * MAX_FRAMES or re.search(r"\d{12}", frames_expr):
        raise RecipeError(f"The frame range {shown} is too long.", remedy=remedy)
    try:
        parsed = tuple(FrameSet(frames_expr))
        numbers = tuple(int(number) for number in parsed)
    except (FileSeqException, ValueError, TypeError) as err:
        raise RecipeError(f"{shown} is not a frame range.", remedy=remedy) from err  # err shows its pattern
    if not numbers or numbers != parsed:
        raise RecipeError(f"The frame range {shown} holds no whole frames.", remedy=remedy)
    if len(numbers) > MAX_FRAMES:
        raise RecipeError(f"The frame range {shown} has {len(numbers)} frames, too many.", remedy=remedy)
    return numbers


def format_frames(numbers: Iterable[int]) -> str:
    """Return ``numbers`` sorted and once each as a range that ``parse_frames`` reads: ``1001-1004,1007``."""
    return str(FrameSet.framesToFrameRange(sorted(set(numbers)), sort=False, compress=True))


def _tokens(name: str) -> list[re.Match[str]]:
    """Return the frame tokens of a file name; a lone mark counts only at the end of a word, and alone."""
    found = list(_TOKEN.finditer(name))
    plain = [token for token in found if token[0] not in ("#", "@")]
    return plain or [token for token in found if not name[token.end() :][:1].isalnum()]


def _token(path: Path) -> re.Match[str] | None:
    tokens = _tokens(path.name)
    if len(tokens) > 1:
        raise RecipeError(
            f"The name {path.name!r} has {len(tokens)} frame tokens.",
            where=str(path),
            remedy="Keep one of them, e.g. plate.%04d.exr.",
        )
    return tokens[0] if tokens else None


def _with_number(path: Path, token: re.Match[str], number: int) -> Path:
    digits = f"{number:0{_padding(token)}d}"
    return path.with_name(path.name[: token.start()] + digits + path.name[token.end() :])


def _exists(path: Path) -> bool:
    try:
        return path.is_file()
    except (OSError, ValueError) as err:
        raise PlateError(
            f"Cannot look for the picture: {err}.", where=str(path), remedy="Check the path."
        ) from err


def _padding(token: re.Match[str]) -> int:
    percent, hashes, ats, houdini = token.groups()
    if hashes:
        return 4 if len(hashes) == 1 else len(hashes)
    if ats:
        return len(ats)
    return int(percent or houdini or 1)


def frames_on_disk(pattern: str | Path) -> dict[int, Path]:
    """Return number -> path of every file that the pattern itself would produce, in ascending order."""
    path = Path(pattern)
    name, token = path.name, _token(path)
    if token is None:
        return {}
    shape = re.compile(re.escape(name[: token.start()]) + r"(-?\d{1,11})" + re.escape(name[token.end() :]))
    try:
        names = os.listdir(path.parent) if path.parent.is_dir() else []  # noqa: PTH208 - no Path for every other file
    except (OSError, ValueError) as err:
        raise PlateError(
            f"Cannot list the folder: {err}.", where=str(pattern), remedy="Check its permissions."
        ) from err
    padding = _padding(token)
    numbers: list[int] = []
    for one in names:
        digits = shape.fullmatch(one)
        if digits and digits[1] == f"{int(digits[1]):0{padding}d}":
            numbers.append(int(digits[1]))
    numbers.sort()
    return dict(zip(numbers, frame_paths(pattern, numbers), strict=True))


def _resolve_still(path: Path, frames_expr: str) -> tuple[FramePath, ...]:
    if not _exists(path):
        raise PlateError(
            "The picture does not exist.", where=str(path), remedy="Check the path and frame number."
        )
    digits = _STILL_NUMBER.search(path.stem)
    own = int(digits.group(1)) if digits else 0
    if not frames_expr.strip():
        return (FramePath(own, path, own),)
    return tuple(FramePath(number, path, number) for number in parse_frames(frames_expr))


def _absent(
    pattern: str | Path, absent: list[int], on_disk: Mapping[int, Path], missing: MissingPolicy
) -> PlateError:
    if not on_disk:
        return PlateError(
            "No file matches the pattern.",
            where=str(pattern),
            remedy="Check the folder, the name and the number of digits.",
        )
    others = "--missing hold" if missing == "skip" else "--missing skip or hold"
    return PlateError(
        f"Missing frames {format_frames(absent)}; frames {format_frames(on_disk)} are there.",
        where=str(pattern),
        remedy=f"Check the pattern and the range, or choose {others}.",
    )
