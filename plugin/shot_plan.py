"""What rendering a shot will do: every path checked, and every frame that is valid left alone.

A frame is valid if its output opens and has the bytes that the manifest recorded for the same plate, parameters and
model. Any other output that the manifest knows is rendered again; one that it does not know belongs to somebody else
and is replaced only on demand.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from lineament.core.errors import LineamentError
from lineament.core.io.exr import open_for_reading
from lineament.core.io.files import overwritten
from lineament.core.io.sequences import FramePath, format_frames, parse_frames
from lineament.core.recipe import EditRecipe
from lineament.core.shots.plates import place_of, shot_masks, shot_outputs
from lineament.core.shots.shot import Shot

from .manifest import ManifestLine, file_sha256, manifest_path, read_manifest
from .messages import FrameRequest
from .plan import Plan, UsageError, refuse_unwritable
from .shot_frame import ShotRenderer, parameters_hash

CHECKERS = 4
"""Threads that look at earlier outputs: hashing waits for disks and does not hold the interpreter."""


@dataclass(frozen=True)
class ShotPlan:
    """What will be done to a shot: a request for every frame to be rendered, those left alone, and the manifest.

    ``reasons`` says for every request, in order, why it is not left alone.
    """

    shot: Shot
    plan: Plan
    manifest: Path
    reasons: tuple[str, ...] = ()

    @property
    def requests(self) -> tuple[FrameRequest, ...]:
        """The frames to render, in order."""
        return self.plan.requests


def shot_requests(shot: Shot, plates: Sequence[FramePath], frames_expr: str = "") -> tuple[FrameRequest, ...]:
    """A request for each of the shot's plates, or for those of ``frames_expr`` in its order; nothing is written.

    Raises UsageError for frames that the shot does not have and for outputs that would destroy something, PlateError
    for masks that are missing and folders that cannot be written.
    """
    chosen = _chosen(shot, plates, frames_expr)
    shot_outputs(shot, plates)  # one file for all frames is refused, however few are asked for
    requests = requests_of(shot, chosen)
    _refuse_outputs(shot, plates, requests)
    return requests


def requests_of(shot: Shot, frames: Sequence[FramePath]) -> tuple[FrameRequest, ...]:
    """What rendering these frames would be asked, without a look at what it would overwrite. Raises RecipeError, and
    PlateError for masks that are missing."""
    outputs, masks = shot_outputs(shot, frames), shot_masks(shot, frames)
    return tuple(
        FrameRequest(
            *(str(frame.path), str(output), frame.number, EditRecipe()),
            source=frame.source_number,
            matte="" if mask is None else str(mask),
            invert_matte=shot.mask is not None and shot.mask.is_inverted,
            pixel_aspect=shot.pixel_aspect,
        )
        for frame, output, mask in zip(frames, outputs, masks, strict=True)
    )


def make_shot_plan(
    shot: Shot, requests: Sequence[FrameRequest], renderer: ShotRenderer, *, overwrite: bool = False
) -> ShotPlan:
    """Leave out what is valid; with ``overwrite`` nothing is. Raises UsageError for outputs of somebody else's."""
    manifest = manifest_path(shot.output)
    if overwrite:
        reasons = ["--overwrite"] * len(requests)
    else:
        done = read_manifest(manifest).done
        lines = [line_of(request, done) for request in requests]
        unknown = [request for request, line in zip(requests, lines, strict=True) if line is None]
        _refuse_foreign(shot, unknown, manifest)
        with ThreadPoolExecutor(CHECKERS) as pool:
            reasons = list(pool.map(lambda one, line: why_render(one, line, renderer), requests, lines))
    pairs = list(zip(requests, reasons, strict=True))
    skipped = tuple(sorted(request.number for request, reason in pairs if not reason))
    held = tuple(request.number for request in requests if request.source not in (None, request.number))
    left = tuple((request, reason) for request, reason in pairs if reason)
    plan = Plan(tuple(request for request, _ in left), skipped, held, skipped_because="they are valid")
    return ShotPlan(shot, plan, manifest, tuple(reason for _, reason in left))


def has_all(shot: Shot, requests: Sequence[FrameRequest]) -> bool:
    """Whether every output is there and in the manifest, be they valid or not; cheap. Raises PlateError for a manifest
    that may not be read."""
    done = read_manifest(manifest_path(shot.output)).done
    return all(line_of(one, done) is not None and Path(one.output).is_file() for one in requests)


def why_render(request: FrameRequest, line: ManifestLine | None, renderer: ShotRenderer) -> str:
    """Why a frame is to be rendered, "" if its output is valid. What cannot be looked at is rendered, and fails there
    if it must."""
    output = Path(request.output)
    if not output.is_file():
        return "not rendered yet"
    if line is None:
        return "the output is empty"
    try:
        if line.model != renderer.model:
            return "another model"
        if line.parameters != parameters_hash(renderer, request):
            return "other parameters"
        if line.plate_sha256 != file_sha256(request.plate):
            return "another plate"
        if line.output_sha256 != file_sha256(output):
            return "the output was changed or damaged"
        open_for_reading(output).close()
    except (LineamentError, OSError) as err:
        return f"cannot be verified: {err}"
    return ""


def refuse_shared_outputs(shots: Sequence[tuple[Shot, Sequence[FrameRequest]]]) -> None:
    """No two shots may write one file, and none the plate of another. Raises UsageError naming both."""
    written: dict[str, str] = {}
    for shot, requests in shots:
        for request in requests:
            name = os.path.abspath(request.output)  # noqa: PTH100 - no links are followed: a file may not exist yet
            other = written.setdefault(name, shot.name)
            if other != shot.name:
                raise UsageError(
                    f'The shots "{other}" and "{shot.name}" write the same file.',
                    where=f"{place_of(shot, 'output')}: {request.output}",
                    remedy='Give each shot an output of its own, for example with "{shot}" in it.',
                )
    every_plate = [request.plate for _, requests in shots for request in requests]
    lost = overwritten(every_plate, [request.output for _, requests in shots for request in requests])
    if lost is not None:
        raise UsageError(
            "A shot writes the plate of another one.", where=str(lost), remedy="Choose another output."
        )


def _chosen(shot: Shot, plates: Sequence[FramePath], frames_expr: str) -> tuple[FramePath, ...]:
    """The plates that were asked for, in that order."""
    if not frames_expr.strip():
        return tuple(plates)
    by_number = {frame.number: frame for frame in plates}
    numbers = tuple(dict.fromkeys(parse_frames(frames_expr)))
    unknown = [number for number in numbers if number not in by_number]
    if unknown:
        raise UsageError(
            f"The shot has no frame {format_frames(unknown)}.",
            where=f"{place_of(shot, 'frames')}, --frames {frames_expr}",
            remedy=f"It has {format_frames(by_number)}.",
        )
    return tuple(by_number[number] for number in numbers)


def _refuse_outputs(shot: Shot, plates: Sequence[FramePath], requests: Sequence[FrameRequest]) -> None:
    where = place_of(shot, "output")
    sources = [str(frame.path) for frame in plates] + [request.matte for request in requests if request.matte]
    lost = overwritten(sources, [request.output for request in requests])
    if lost is not None:
        raise UsageError(
            f"The output is a plate or a mask of the shot: {lost}.", where=where, remedy="Change output:."
        )
    for request in requests[:1]:
        kinds = [_FORMATS.get(kind, kind) for kind in (_suffix(request.plate), _suffix(request.output))]
        if kinds[0] != kinds[1]:
            raise UsageError(
                f"The plate is a {kinds[0] or 'nameless'} file and the output a {kinds[1] or 'nameless'} one.",
                where=where,
                remedy="Edited frames keep the format of their plate; convert them afterwards.",
            )
        refuse_unwritable(Path(request.output).parent)


_FORMATS = {".jpg": ".jpeg", ".tif": ".tiff"}


def _suffix(path: str) -> str:
    return Path(path).suffix.lower()


def line_of(request: FrameRequest, done: Mapping[int, ManifestLine]) -> ManifestLine | None:
    """The manifest's line of this very output; another pattern may share the manifest."""
    line = done.get(request.number)
    return line if line is not None and line.output == Path(request.output).name else None


def _refuse_foreign(shot: Shot, unknown: Sequence[FrameRequest], manifest: Path) -> None:
    """Files that were never ours stay; an empty one is what a full disk or a killed copy leaves."""
    foreign = [
        request.number
        for request in unknown
        if os.path.lexists(request.output)
        and not (Path(request.output).is_file() and Path(request.output).stat().st_size == 0)
    ]
    if foreign:
        raise UsageError(
            f"{len(foreign)} output file(s) exist that {manifest.name} does not know: "
            f"frames {format_frames(foreign)}.",
            where=f"{place_of(shot, 'output')}: {shot.output}",
            remedy="Say --overwrite to replace them, or give the shot a new version.",
        )
