"""One frame of a shot on its way from plate to output: read and verified, rendered, written and recorded."""

from __future__ import annotations

import logging
import os
import shutil
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from lineament.core.errors import LineamentError, PlateError
from lineament.core.frame import Frame, Part
from lineament.core.io import read_frame, write_frame
from lineament.core.shots.shot import MaskSource

from .batch import unexpected
from .manifest import Manifest, ManifestLine, data_sha256, file_sha256
from .matte import Matte, matte_in, read_matte
from .messages import FrameRequest, FrameResult, error_data
from .plan import make_folder
from .shot_queue import Stages

log = logging.getLogger(__name__)

PIXELS = 1
"""Raise it when a release gives other pixels for the same parameters: what older ones wrote is then rendered again."""
SPARE_BYTES = 1 << 20
"""A disk with less than this and a plate's size left counts as full."""


class OutputLost(PlateError):
    """Nothing more can be written where the shot goes to, whatever the frame: it ends the run."""


@dataclass(frozen=True)
class Rendered:
    """An edited frame, and what was done to it as plain data."""

    frame: Frame
    report: Mapping[str, Any] = field(default_factory=dict)


class ShotRenderer(Protocol):
    """An analysed shot, opened for rendering. The same frame and number give the same pixels, in whatever order."""

    @property
    def model(self) -> str:
        """SHA-256 of the model package's files."""
        ...

    @property
    def mask(self) -> MaskSource | None:
        """What limits the edit."""
        ...

    def parameters(self, number: int, source: int) -> Mapping[str, Any]:
        """Everything besides plate, mask and model that decides the pixels of a frame, as plain data."""
        ...

    def plate_sha256(self, number: int) -> str:
        """The plate that the frame was analysed on, "" if any will do. Raises DataError for an unknown frame."""
        ...

    def plate_part(self, frame: Frame) -> Part:
        """The part of the plate that is edited, which a mask must fit."""
        ...

    def render(self, frame: Frame, number: int, matte: Matte | None) -> Rendered:
        """Edit one frame. Raises LineamentError."""
        ...


@dataclass(frozen=True)
class Seen:
    """A plate that was read: its pixels, its matte, its hash, the parameters' hash, and the seconds that took."""

    frame: Frame
    matte: Matte | None
    plate_sha256: str
    parameters: str
    seconds: float


@dataclass(frozen=True)
class Made:
    """A frame that was rendered and is to be written."""

    rendered: Rendered
    line: ManifestLine


def parameters_hash(renderer: ShotRenderer, request: FrameRequest) -> str:
    """SHA-256 of all that decides a frame's pixels besides plate and model; the mask's bytes belong to it.

    Raises PlateError if the mask cannot be read.
    """
    source = source_of(request)
    mask: dict[str, Any] = {}
    if renderer.mask is not None:
        digest = _sha256(request.matte) if request.matte else ""
        mask = {"sha256": digest, "channel": renderer.mask.channel, "inverted": renderer.mask.is_inverted}
    return data_sha256([PIXELS, renderer.parameters(request.number, source), mask])


def source_of(request: FrameRequest) -> int:
    """The number of the plate's own picture."""
    return request.number if request.source is None else request.source


class FrameStages:
    """The three stages of ``Flow`` for one shot; what ends in them is recorded in the manifest, whose folder is made.

    Raises PlateError if it cannot be made.
    """

    def __init__(self, renderer: ShotRenderer, manifest: Manifest) -> None:
        make_folder(manifest.path.parent)  # once: a folder that goes away later is not made anew elsewhere
        self._renderer, self._manifest = renderer, manifest

    def stages(self) -> Stages[FrameRequest, Seen, Made, FrameResult]:
        """As ``Flow`` wants them."""
        return Stages(self.read, self.make, self.write, self.failed)

    def read(self, request: FrameRequest) -> Seen:
        """Read and hash the plate and its mask. Raises PlateError for one that is not the analysed one."""
        begin = time.perf_counter()
        before = _stamp(request.plate)
        digest = _sha256(request.plate)
        expected = self._renderer.plate_sha256(request.number)
        if expected and digest != expected:
            raise PlateError(
                f"The plate of frame {request.number} has changed since the shot was analysed.",
                where=request.plate,
                remedy='Analyse the shot again with "lineament shot analyse", or bring the old plate back.',
            )
        parameters = parameters_hash(self._renderer, request)
        frame = read_frame(request.plate, source_of(request))
        matte = self._matte(request, frame)
        if _stamp(request.plate) != before:
            raise PlateError(
                "The plate changed while it was read.",
                where=request.plate,
                remedy="Render the frame again when the plate is finished.",
            )
        return Seen(frame, matte, digest, parameters, time.perf_counter() - begin)

    def make(self, request: FrameRequest, seen: Seen) -> Made:
        """Edit the frame; the network works here."""
        begin = time.perf_counter()
        rendered = self._renderer.render(seen.frame, request.number, seen.matte)
        line = ManifestLine(
            frame=request.number,
            status="done",
            source=source_of(request),
            plate_sha256=seen.plate_sha256,
            parameters=seen.parameters,
            model=self._renderer.model,
            output=Path(request.output).name,
            seconds=seen.seconds + time.perf_counter() - begin,
            report=rendered.report,
        )
        return Made(rendered, line)

    def write(self, request: FrameRequest, made: Made) -> FrameResult:
        """Write the frame; its line is on the disk before it has its name, so that no picture of ours is unknown."""
        begin = time.perf_counter()
        line = made.line
        seconds = line.seconds

        def record(finished: Path) -> None:
            nonlocal seconds
            seconds = round(line.seconds + time.perf_counter() - begin, 4)
            fields = {**vars(line), "output_sha256": _sha256(finished), "seconds": seconds}
            self._manifest.append(ManifestLine(**fields))

        output = Path(request.output)
        try:
            write_frame(output, made.rendered.frame, overwrite=True, on_written=record)
        except (PlateError, OSError) as err:
            lost = why_lost(output.parent, request.plate)
            if lost:
                raise OutputLost(
                    f"The output cannot be written: {lost}.",
                    where=str(output),
                    remedy="Make room or restore the folder and run the same command again; nothing is lost.",
                ) from err
            raise
        return FrameResult(str(output), request.number, seconds, dict(line.report))

    def failed(self, request: FrameRequest, error: Exception) -> LineamentError:
        """The error for people; that the frame failed is recorded, as far as the disk allows."""
        told = error if isinstance(error, LineamentError) else unexpected(error, request.plate)
        line = ManifestLine(
            request.number,
            "failed",
            source_of(request),
            output=Path(request.output).name,
            error=error_data(told),
        )
        with suppress(LineamentError):
            self._manifest.append(line)
        return told

    def _matte(self, request: FrameRequest, frame: Frame) -> Matte | None:
        mask = self._renderer.mask
        if mask is None:
            return None
        plate = self._renderer.plate_part(frame)
        if request.matte:
            number = source_of(request)
            return read_matte(request.matte, number, plate, invert=mask.is_inverted, channel=mask.channel)
        return matte_in(frame, plate, invert=mask.is_inverted, channel=mask.channel)


def why_lost(folder: Path, plate: str) -> str:
    """Why nothing can be written to ``folder``, "" if something can; the plate tells how much a frame needs."""
    if not folder.is_dir():
        return f"{folder} is not there any more"
    if not os.access(folder, os.W_OK | os.X_OK):
        return f"{folder} may not be written to"
    with suppress(OSError):
        size = Path(plate).stat().st_size if Path(plate).exists() else 0
        if shutil.disk_usage(folder).free < size + SPARE_BYTES:
            return f"the disk of {folder} is full"
    return ""


def _stamp(path: str) -> tuple[int, int, int]:
    """What changes with a file's content. Raises PlateError if it is not there."""
    try:
        status = Path(path).stat()
    except OSError as err:
        raise _unreadable(path, err) from err
    return status.st_size, status.st_mtime_ns, status.st_ino


def _sha256(path: str | Path) -> str:
    try:
        return file_sha256(path)
    except OSError as err:
        raise _unreadable(path, err) from err


def _unreadable(path: str | Path, err: OSError) -> PlateError:
    return PlateError(
        f"The file cannot be read: {err.strerror or err}.",
        where=str(path),
        remedy="Is it still there? Render or copy it again.",
    )
