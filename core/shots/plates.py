"""Which files a shot reads and writes: its frames on disk, their masks, their outputs. Nothing is opened."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import cast

from ..errors import LineamentError, PlateError, RecipeError
from ..io.sequences import (
    FramePath,
    MissingPolicy,
    format_frames,
    frame_paths,
    frames_on_disk,
    has_token,
    pick,
    resolve,
)
from .shot import Shot


@dataclass(frozen=True)
class ShotPlates:
    """The frames of a shot that there are plates for, in rising order, handles included.

    ``handles_missing`` are the handle frames without a plate, which are left out; ``skipped`` the frames of the cut
    that the policy "skip" leaves out. A frame that is held has another ``source_number`` than its own.
    """

    frames: tuple[FramePath, ...]
    handles_missing: tuple[int, ...] = ()
    skipped: tuple[int, ...] = ()

    @property
    def held(self) -> tuple[int, ...]:
        """The numbers of the frames that are held."""
        return tuple(frame.number for frame in self.frames if frame.is_held)


def shot_plates(shot: Shot) -> ShotPlates:
    """Look for the shot's plates on disk.

    Frames of the cut follow ``shot.missing``. Handles are taken as far as plates exist, whatever the policy: a handle
    that is short is a shot that was scanned short, not a fault. Raises PlateError or RecipeError that names file, line
    and shot.
    """
    try:
        wanted, missing = format_frames(shot.frames), cast(MissingPolicy, shot.missing)
        of_shot = set(shot.frames)
        handles = [number for number in shot.frames_with_handles() if number not in of_shot]
        there: tuple[FramePath, ...] = ()
        if has_token(shot.plate):
            on_disk = frames_on_disk(shot.plate)
            cut = pick(shot.plate, on_disk, wanted, missing)
            there = tuple(
                FramePath(number, on_disk[number], number) for number in handles if number in on_disk
            )
        else:
            cut = resolve(shot.plate, wanted, missing)
            there = resolve(shot.plate, format_frames(handles)) if handles else ()
        numbers = {frame.number for frame in cut}
        skipped = tuple(number for number in shot.frames if number not in numbers)
    except LineamentError as err:
        raise placed(err, shot, "frames" if "frame" in err.what.lower() and shot.frames else "plate") from err
    found = {frame.number for frame in there}
    absent = tuple(number for number in handles if number not in found)
    return ShotPlates(tuple(sorted((*cut, *there), key=lambda frame: frame.number)), absent, skipped)


def shot_outputs(shot: Shot, frames: Iterable[FramePath]) -> tuple[Path, ...]:
    """Where each frame is written. Raises RecipeError if several frames would go to one file."""
    frames = tuple(frames)
    if len(frames) > 1 and not has_token(shot.output):
        raise RecipeError(
            f"{len(frames)} frames cannot all be written to one file, {shot.output}.",
            where=place_of(shot, "output"),
            remedy="Put a frame token into the output's name, for example {shot}.####.exr, or name a folder.",
        )
    return frame_paths(shot.output, (frame.number for frame in frames))


def shot_masks(shot: Shot, frames: Sequence[FramePath]) -> tuple[Path | None, ...]:
    """The mask file of each frame, by the number of the plate's own picture; None where there is none or where it is a
    channel of the plate. Raises PlateError for masks that do not exist: no policy makes up for them."""
    if shot.mask is None or not shot.mask.pattern:
        return (None,) * len(frames)
    pattern = shot.mask.pattern
    masks = frame_paths(pattern, (frame.source_number for frame in frames))
    missing = [frame.source_number for frame, mask in zip(frames, masks, strict=True) if not mask.is_file()]
    if missing:
        many = f"{len(missing)} mask(s) do not exist: frames {format_frames(missing)} of {pattern}."
        raise PlateError(
            many if has_token(pattern) else f"The mask does not exist: {pattern}.",
            where=place_of(shot, "mask"),
            remedy="Check the path, render the missing masks, or take these frames out of frames: or handles:.",
        )
    return masks


def place_of(shot: Shot, *fields: str) -> str:
    """Where the first of these fields stands that the shot's own part of the file has; else where the shot stands."""
    for name in fields:
        if name in shot.lines and shot.line:
            return shot.where.replace(f"line {shot.line}", f"line {shot.lines[name]}", 1)
    return shot.where or f'shot "{shot.name}"'


def placed(error: LineamentError, shot: Shot, *fields: str) -> LineamentError:
    """The same error with the place in the show file in front of its own."""
    place = place_of(shot, *fields)
    where = place if not error.where or error.where in place else f"{place}: {error.where}"
    return type(error)(error.what, where=where, remedy=_for_files(error.remedy))


def _for_files(remedy: str) -> str:
    """Advice for the command line as advice for a file: the options are called the same there."""
    return (
        remedy.replace("--missing ", "missing: ")
        .replace("--frames", "frames:")
        .replace("--track", "face: {track:}")
    )
