"""The work on one picture of a set, in whatever process: open, find, invert, edit, measure, write."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from lineament.core.augment.edit import Judges, Made, Subject, display_picture, open_judges
from lineament.core.augment.filters import reasons
from lineament.core.augment.provenance import stamped
from lineament.core.augment.upright import upright
from lineament.core.errors import FaceError, LineamentError, PlateError
from lineament.core.frame import Frame, Part, Window
from lineament.core.io import read_frame, write_frame
from lineament.core.tools import Tools, open_tools

from .augment_job import ALIGNED, KEEP, PICTURES, REJECTED, AugmentJob, Source
from .batch import unexpected
from .engine import tool_options
from .engine_info import describe_tools, weights_hash
from .messages import error_data
from .plan import make_folder


@dataclass(frozen=True)
class PictureTask:
    """One picture to be made variants of, and the job it belongs to."""

    job: AugmentJob
    source: Source


@dataclass(frozen=True)
class PictureDone:
    """What became of a picture: one record a variant as it stands in ``metadata.jsonl`` (``rejected`` says why), or an
    ``error``. A picture without a face has the error and ``is_faceless``.
    ``signature`` is that of ``core.augment.near``."""

    source: Source
    sha256: str = ""
    records: tuple[dict[str, Any], ...] = ()
    error: dict[str, Any] = field(default_factory=dict)
    is_faceless: bool = False
    seconds: float = 0.0
    signature: str = ""


class Workshop:
    """Opened tools that make pictures of one job; keep it for many."""

    def __init__(self, job: AugmentJob, tools: Tools, judges: Judges) -> None:
        self._job, self._tools, self._judges = job, tools, judges
        self.model = weights_hash(tools.package)
        told = describe_tools(tools)
        self._origin = {
            "tool": f"Lineament {told['version']}",
            "model": tools.package.card.name,
            "model_sha256": self.model,
            "model_licence": tools.package.card.licence,
            "inverter": job.choices.inverter,
            "seed": job.draws.seed,
        }

    def make(self, source: Source) -> PictureDone:
        """All variants of one picture, written whole or not at all. Errors of the picture are its result; errors of
        the model, the device or the recipe are raised."""
        begun = time.monotonic()
        try:
            data = Path(source.path).read_bytes()
        except OSError as err:
            lost = PlateError(
                f"Cannot read it: {err.strerror or err}.", where=source.path, remedy="Check the file."
            )
            return PictureDone(source, error=error_data(lost))
        sha256 = hashlib.sha256(data).hexdigest()
        del data
        try:
            frame = upright(read_frame(source.path))
            subject = Subject(frame, self._job.recipe, self._tools, self._judges)
            wanted = self._job.draws.variants(sha256)
            records = tuple(self._record(source, sha256, subject, made) for made in subject.variants(wanted))
        except FaceError as error:
            return PictureDone(source, sha256, error=error_data(error), is_faceless=True)
        except (MemoryError, OSError) as error:
            return PictureDone(source, sha256, error=error_data(unexpected(error, source.path)))
        except LineamentError as error:
            if error.exit_code not in (1, 3) or is_disk(error, self._job.output):
                raise
            return PictureDone(source, sha256, error=error_data(error))
        seconds = round(time.monotonic() - begun, 3)
        return PictureDone(source, sha256, records, seconds=seconds, signature=subject.signature)

    def _record(self, source: Source, sha256: str, subject: Subject, made: Made) -> dict[str, Any]:
        """Write one variant, and what the set's table says of it."""
        why = () if made.measured is None else reasons(made.measured, self._job.limits)
        name = f"{source.name}.{made.variant.name}{self._job.form.suffix(source.path)}"
        is_written = not why or self._job.form.keep_rejected
        file_name = f"{REJECTED if why else PICTURES}/{name}" if is_written else ""
        record: dict[str, Any] = {
            "file_name": file_name,
            "source": source.name,
            "source_sha256": sha256,
            "variant": made.variant.name,
            "strengths": dict(made.variant.strengths),
            "is_synthetic": made.measured is not None,
            "measured": None if made.measured is None else _plain(asdict(made.measured)),
            "rejected": list(why),
            "face_box": [round(value, 2) for value in subject.face_box()],
        }
        if is_written:
            record["sha256"] = self._write(Path(self._job.output, file_name), source, sha256, subject, made)
        return record

    def _write(self, path: Path, source: Source, sha256: str, subject: Subject, made: Made) -> str:
        make_folder(path.parent)
        record = self._origin | {
            "is_synthetic": made.measured is not None,
            "source": Path(source.path).name,
            "source_sha256": sha256,
            "variant": made.variant.name,
            "strengths": dict(made.variant.strengths),
            "mix": self._job.recipe.mix,
        }
        frame = stamped(self._shaped(subject, made), record)
        told: list[str] = []
        write_frame(
            path, frame, on_written=lambda done: told.append(hashlib.sha256(done.read_bytes()).hexdigest())
        )
        return told[0]

    def _shaped(self, subject: Subject, made: Made) -> Frame:
        """The picture as the job wants it: whole or cropped, as it came or for display."""
        form, frame = self._job.form, made.frame
        if form.crop == ALIGNED:
            return _still(subject.aligned(frame, form.size), frame)
        if form.picture == KEEP or frame.is_display_referred:
            return frame
        return _still(display_picture(frame, subject.layer, self._job.recipe, self._tools), frame)


def open_workshop(job: AugmentJob) -> Workshop:
    """Load what a job needs. Raises LineamentError."""
    tools = open_tools(tool_options(job.choices))
    for name, (low, high) in job.draws.limits().items():
        _check(tools, name, low, high)
    return Workshop(job, tools, open_judges(tools))


@contextmanager
def opened(job: AugmentJob) -> Iterator[Callable[[Source], PictureDone]]:
    """A process's own workshop, for ``run_jobs``."""
    yield open_workshop(job).make


def make_on_dask(task: PictureTask) -> PictureDone:
    """The work on one picture in a process of Dask's, which keeps its workshop."""
    from .farm_dask_worker import once

    workshop: Workshop = once("augment", lambda: open_workshop(task.job))
    return workshop.make(task.source)


def _check(tools: Tools, name: str, low: float, high: float) -> None:
    """Refuse strengths beyond the model's limits before the first picture. Raises RecipeError."""
    from lineament.core.directions.apply import check_strength

    direction = tools.library.get(name)
    for value in (low, high):
        check_strength(direction, value)


def is_disk(error: LineamentError, output: str) -> bool:
    """Whether an error is about the set's own folder: the next picture would meet it again."""
    place = Path(str(error.where))
    return place.is_relative_to(output) or place.resolve().is_relative_to(Path(output).resolve())


def _plain(values: dict[str, Any]) -> dict[str, Any]:
    """Numbers as a table holds them: rounded, None for what is no number."""

    def short(value: Any) -> Any:
        if isinstance(value, dict):
            return {name: short(one) for name, one in value.items()}
        if isinstance(value, float):
            return round(value, 5) if np.isfinite(value) else None
        return value

    return {name: short(value) for name, value in values.items()}


def _still(picture: npt.NDArray[np.uint8], frame: Frame) -> Frame:
    """A display picture (H, W, 3) as a frame of its own, without the other one's header."""
    planes = {name: np.ascontiguousarray(picture[..., index]) for index, name in enumerate("RGB")}
    window = Window(0, 0, picture.shape[1], picture.shape[0])
    return replace(frame, parts=(Part("", tuple("RGB"), planes, window, window),), file_format="png")
