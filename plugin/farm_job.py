"""What a render farm is to do, before any farm's own format: shots, their frames, and the commands of their tasks.

Two commands are the contract with every engine. ``shot analyse`` may be run again at any time and goes on where it
stopped; ``shot render --frames`` writes whole files, leaves valid ones alone, and tells by its exit code how it ended.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from lineament.core.errors import RecipeError
from lineament.core.io.sequences import format_frames, frame_path, has_token, parse_frames
from lineament.core.shots.plates import place_of, shot_outputs, shot_plates
from lineament.core.shots.shot import Shot, Show

from .plan import UsageError

MAX_CHUNK = 10_000
LABEL = "Lineament: analyse and render shots"


@dataclass(frozen=True)
class FarmShot:
    """A shot of a farm job: its ``frames`` in rising order, and the files and folders that it reads and writes."""

    name: str
    frames: tuple[int, ...]
    inputs: tuple[str, ...] = ()
    input_folders: tuple[str, ...] = ()
    output_folders: tuple[str, ...] = ()

    @property
    def is_whole(self) -> bool:
        """Whether no frame is missing between the first and the last."""
        return self.frames[-1] - self.frames[0] + 1 == len(self.frames)


@dataclass(frozen=True)
class FarmJob:
    """Shots of one show file. Paths are absolute; ``program`` is the ``lineament`` of the farm's machines, ``cache``
    the folder of analyses that all of them see ("" for each user's own), ``chunk`` the most frames of a
    task, ``review`` the folder of a review that is made at the end ("" for none)."""

    show: str
    file: str
    shots: tuple[FarmShot, ...]
    program: str = "lineament"
    cache: str = ""
    device: str = "cpu"
    chunk: int = 10
    review: str = ""

    def analyse_words(self, shot: FarmShot) -> tuple[str, ...]:
        """The command that analyses a shot, word by word."""
        return (self.program, "shot", "analyse", self.file, shot.name, *self.tool_words())

    def render_words(self, shot: FarmShot, frames: str) -> tuple[str, ...]:
        """The command that renders frames of a shot; ``frames`` may be what an engine puts frames in for."""
        words = ("shot", "render", self.file, shot.name, "--frames", frames)
        return (self.program, *words, *self.tool_words())

    def review_words(self) -> tuple[str, ...]:
        """The command that makes the pages to judge all shots by."""
        shots = (shot.name for shot in self.shots)
        return (self.program, "review", self.file, *shots, "--output", self.review, *self.tool_words())

    def tool_words(self) -> tuple[str, ...]:
        """The options that analysing and rendering share."""
        return ("--device", self.device, *(("--cache", self.cache) if self.cache else ()))


@dataclass(frozen=True)
class FarmFile:
    """One file of an export: its ``name`` in the folder and its text."""

    name: str
    text: str


def farm_job(
    show: Show,
    file: Path,
    names: Sequence[str],
    *,
    frames: str = "",
    program: str = "lineament",
    cache: str = "",
    device: str = "cpu",
    chunk: int = 10,
    review: str = "",
) -> FarmJob:
    """Look up the shots' frames on disk; no names mean all shots. ``frames`` narrows down every shot.

    Raises UsageError for shots named twice, none at all, frames that a shot does not have and texts that no job file
    can hold; PlateError or RecipeError for plates that are not there.
    """
    chosen = tuple(names) or tuple(shot.name for shot in show.shots)
    if not chosen:
        raise UsageError("The show has no shots.", where=str(file), remedy='Add one below "shots:".')
    if len(set(chosen)) < len(chosen):
        raise UsageError(
            "A shot is named twice.", where=" ".join(chosen), remedy="Name each shot once, or none for all."
        )
    shots = tuple(_farm_shot(show.shot(name), frames) for name in chosen)
    cache, review = (str(Path(name).expanduser().absolute()) if name else "" for name in (cache, review))
    job = FarmJob(show.name, str(file.absolute()), shots, program, cache, device, chunk, review)
    for text in (job.file, program, cache, device, review):
        refuse_control(text)
    return job


def refuse_control(text: str) -> None:
    """Raise UsageError for line breaks and other control characters: a job file ends its commands with them."""
    bad = next(
        (letter for letter in text if ord(letter) < 32 or ord(letter) in (127, 0x85, 0x2028, 0x2029)), ""
    )
    if bad:
        raise UsageError(
            f"A name holds the control character {bad!a}, which cannot stand in a job.",
            where=ascii(text),
            remedy="Rename the file or folder.",
        )
    try:
        text.encode("utf-8")
    except UnicodeEncodeError as err:
        raise UsageError(
            "A name is not valid Unicode and cannot stand in a job.",
            where=ascii(text),
            remedy="Rename the file or folder.",
        ) from err


def chunks(frames: Sequence[int], size: int) -> list[tuple[int, ...]]:
    """Frames in rising order, cut into pieces of at most ``size`` without a hole in any."""
    pieces: list[list[int]] = []
    for number in frames:
        if pieces and len(pieces[-1]) < size and pieces[-1][-1] == number - 1:
            pieces[-1].append(number)
        else:
            pieces.append([number])
    return [tuple(piece) for piece in pieces]


def _farm_shot(shot: Shot, frames: str) -> FarmShot:
    plates = shot_plates(shot).frames
    wanted = set(parse_frames(frames)) if frames.strip() else {plate.number for plate in plates}
    unknown = sorted(wanted - {plate.number for plate in plates})
    if unknown:
        raise UsageError(
            f"The shot has no frame {format_frames(unknown)}.",
            where=f"{place_of(shot, 'frames')}, --frames {frames}",
            remedy=f"It has {format_frames(plate.number for plate in plates)}.",
        )
    if not plates:
        raise RecipeError(
            "The shot has no frames.", where=place_of(shot, "frames", "plate"), remedy="Check its plates."
        )
    outputs = shot_outputs(shot, plates)
    return FarmShot(
        shot.name,
        tuple(sorted(wanted)),
        *_inputs(
            shot, [str(plate.path) for plate in plates], sorted({plate.source_number for plate in plates})
        ),
        output_folders=tuple(sorted({str(output.parent) for output in outputs})),
    )


def _inputs(
    shot: Shot, plates: Sequence[str], numbers: Sequence[int]
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Files and folders that a shot reads, absolute: plates, masks, tracks, colour config, model."""
    files = list(plates)
    if shot.mask is not None and shot.mask.pattern:
        pattern = shot.mask.pattern
        files += [str(frame_path(pattern, number)) for number in numbers] if has_token(pattern) else [pattern]
    files += [face.choice.track for face in shot.faces if face.choice.track]
    files += [name for name in (shot.ocio,) if name and Path(name).is_file()]
    folders = [shot.model] if os.sep in shot.model or Path(shot.model).is_dir() else []
    return (
        tuple(sorted({str(Path(name).absolute()) for name in files})),
        tuple(str(Path(name).absolute()) for name in folders),
    )
