"""What a job will do: every path resolved and checked before the first pixel, and nothing written.

Refused is what would fail later or destroy something. A plan depends on the shot and on what was asked, so that a
farm's chunks and a resumed run give the pixels of one long run.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from lineament.core.errors import LineamentError, PlateError
from lineament.core.io.files import overwritten
from lineament.core.io.sequences import (
    FramePath,
    MissingPolicy,
    format_frames,
    frame_path,
    has_token,
    resolve,
)
from lineament.core.recipe import EditRecipe

from .messages import FrameRequest

Existing = Literal["refuse", "overwrite", "skip"]
_SAME_FORMAT = {".jpg": ".jpeg", ".tif": ".tiff"}

MAX_PROBES = 8
"""How many plates are looked at for a face to expose for."""


class UsageError(LineamentError):
    """The command as given cannot be right, or would destroy something."""

    exit_code = 2


@dataclass(frozen=True)
class Job:
    """What was asked: a plate pattern, where to write, which frames, and what to do to them.

    ``mask`` limits the edit: a file for all frames or a pattern, looked up by the number of the plate's picture.
    """

    plate: str
    output: str
    recipe: EditRecipe
    frames: str = ""
    missing: MissingPolicy = "error"
    existing: Existing = "refuse"
    keep_going: bool = True
    mask: str = ""
    invert_mask: bool = False


@dataclass(frozen=True)
class Plan:
    """What will be done: one request per frame, and the frames left out because their output exists.

    ``probes`` depends on the shot alone, never on the frames asked for or left: a farm's chunks and a resumed run
    must give the pixels of one long run.
    """

    requests: tuple[FrameRequest, ...]
    skipped: tuple[int, ...] = ()
    held: tuple[int, ...] = ()
    probes: tuple[tuple[str, int], ...] = ()
    """Plates and their numbers, one of which the exposure is chosen on; none if there is nothing to choose."""
    skipped_because: str = "they exist"

    @property
    def pictures(self) -> tuple[str, ...]:
        """Every file that the requests read or write."""
        files = (name for ask in self.requests for name in (ask.plate, ask.output, ask.matte))
        return tuple(name for name in files if name)


def make_plan(job: Job) -> Plan:
    """Resolve and check every path of a job; nothing is written. Raises PlateError or UsageError."""
    try:
        return _planned(job)
    except OSError as err:
        raise PlateError(
            f"A path of the job cannot be looked at: {err.strerror or err}.",
            where=str(err.filename or job.output),
            remedy="Check the permissions of its folder.",
        ) from err


def _planned(job: Job) -> Plan:
    if not job.output.strip():
        raise UsageError("The output is empty.", where="-o", remedy="Name a folder or a file with -o.")
    frames = resolve(job.plate, job.frames, job.missing)
    target = _output_pattern(job, len(frames))
    outputs = [frame_path(target, frame.number) for frame in frames]
    _refuse_plate_as_output([*frames, *resolve(job.plate)], outputs)
    masks = _masks(job, frames)
    _refuse_mask_as_output(job, outputs)
    _refuse_other_format(frames[0].path, outputs[0])
    refuse_unwritable(outputs[0].parent)
    there = {
        frame.number: output for frame, output in zip(frames, outputs, strict=True) if os.path.lexists(output)
    }
    exists = sorted(there)
    if exists and job.existing == "refuse":
        raise UsageError(
            f"{len(exists)} output file(s) exist already: frames {format_frames(exists)}.",
            where=str(target),
            remedy="Say --overwrite or --skip-existing, or choose another output.",
        )
    skipped = tuple(n for n in exists if _is_finished(there[n])) if job.existing == "skip" else ()
    may_replace = job.existing != "refuse"  # with "skip", only what is not finished is left to be replaced
    requests = tuple(
        FrameRequest(
            *(str(frame.path), str(output), frame.number, job.recipe, may_replace, frame.source_number),
            matte=mask,
            invert_matte=job.invert_mask,
        )
        for frame, output, mask in zip(frames, outputs, masks, strict=True)
        if frame.number not in skipped
    )
    held = tuple(frame.number for frame in frames if frame.is_held)
    return Plan(requests, skipped, held, _probes(job, frames) if _asks_for_exposure(requests) else ())


def _masks(job: Job, frames: Sequence[FramePath]) -> list[str]:
    """The mask of every frame, "" for none; whatever the policy for plates, a frame without its mask is an error.

    A mask belongs to a picture, so that a plate that is held brings its own.
    """
    if not job.mask:
        if job.invert_mask:
            raise UsageError(
                "There is no mask to invert.",
                where="--invert-mask",
                remedy="Name one with --mask, or leave it out.",
            )
        return [""] * len(frames)
    masks = [frame_path(job.mask, frame.source_number) for frame in frames]
    missing = [frame.source_number for frame, mask in zip(frames, masks, strict=True) if not mask.is_file()]
    if missing:
        many = f"{len(missing)} mask(s) do not exist: frames {format_frames(missing)}."
        raise PlateError(
            many if has_token(job.mask) else "The mask does not exist.",
            where=job.mask,
            remedy="Check the path, render the missing masks, or leave these frames out with --frames.",
        )
    return [str(mask) for mask in masks]


def _refuse_mask_as_output(job: Job, outputs: Sequence[Path]) -> None:
    """No mask of the shot may be replaced, those of frames that are not asked for included."""
    mask = overwritten([frame.path for frame in resolve(job.mask)], outputs) if job.mask else None
    if mask is not None:
        raise UsageError(
            "The output is the mask itself.", where=str(mask), remedy="Choose another folder or name with -o."
        )


def _is_finished(output: Path) -> bool:
    """Whether a file holds anything at all; an empty one is what a full disk or a killed copy leaves."""
    return output.is_file() and output.stat().st_size > 0


def _asks_for_exposure(requests: Sequence[FrameRequest]) -> bool:
    """Whether any frame is edited and the recipe leaves the exposure open."""
    if not requests or requests[0].recipe.exposure != 0.0 or requests[0].recipe.mix == 0.0:
        return False
    return any(request.recipe.strengths_at(request.number) for request in requests)


def _probes(job: Job, frames: Sequence[FramePath]) -> tuple[tuple[str, int], ...]:
    """The shot's first plates on disk; of a still itself, by its own number and then by those asked for, because a
    track may know only these."""
    candidates = [(str(frame.path), frame.number) for frame in resolve(job.plate)]
    if not has_token(job.plate):
        candidates += sorted((str(frame.path), frame.number) for frame in frames)
    return tuple(dict.fromkeys(candidates))[:MAX_PROBES]


def _output_pattern(job: Job, count: int) -> Path:
    """Where frames go: a pattern, one file for one frame, or a folder that keeps the plate's file names."""
    output = Path(job.output)
    if has_token(job.output):
        return output
    if output.is_dir() or job.output.endswith(("/", os.sep)) or not output.suffix:
        return output / Path(job.plate).name
    if count > 1:
        raise UsageError(
            f"{count} frames cannot all be written to one file.",
            where=job.output,
            remedy="Put a frame token into the name, for example out.####.exr, or name a folder.",
        )
    return output


def _refuse_plate_as_output(frames: Sequence[FramePath], outputs: Sequence[Path]) -> None:
    plate = overwritten([frame.path for frame in frames], outputs)
    if plate is not None:
        raise UsageError(
            "The output is the plate itself.",
            where=str(plate),
            remedy="Choose another folder or name with -o.",
        )
    if len(set(outputs)) < len(outputs):
        raise UsageError(
            f"{len(outputs)} frames would be written to {len(set(outputs))} file(s).",
            where=str(outputs[0]),
            remedy="Put a frame token into the output's name, for example out.####.exr.",
        )


def _refuse_other_format(plate: Path, output: Path) -> None:
    kinds = [_SAME_FORMAT.get(path.suffix.lower(), path.suffix.lower()) for path in (plate, output)]
    if kinds[0] != kinds[1]:
        raise UsageError(
            f"The plate is a {kinds[0] or 'nameless'} file and the output a {kinds[1] or 'nameless'} one.",
            where=str(output),
            remedy="Edited frames keep the format of their plate; convert them afterwards.",
        )


def refuse_unwritable(folder: Path) -> None:
    """The nearest folder that exists must be one, and writable; missing ones are made with the first
    frame."""
    nearest = folder
    while not nearest.exists() and nearest != nearest.parent:
        nearest = nearest.parent
    if not nearest.is_dir() or not os.access(nearest, os.W_OK | os.X_OK):
        why = "is not a folder" if not nearest.is_dir() else "may not be written to"
        raise PlateError(
            f"The output cannot be written: {nearest} {why}.",
            where=str(folder),
            remedy="Choose another output with -o, or change the folder's permissions.",
        )


def make_folder(folder: Path) -> None:
    """Make a folder and its parents. Raises PlateError if a file is in the way or it may not be written."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as err:
        raise PlateError(
            f"The output folder cannot be made: {err.strerror or err}.",
            where=str(folder),
            remedy="Choose another output with -o, or change the folder's permissions.",
        ) from err
