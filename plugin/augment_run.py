"""A set of edited pictures from the first one to its tables: what is finished stays, however the run ends."""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
from collections.abc import Callable, Generator, Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lineament.core.augment.draws import Draws
from lineament.core.errors import DataError, LineamentError, PlateError
from lineament.core.generators.package import load_package
from lineament.core.synthetic.jobs import run_jobs

from .augment_finish import CARD, Packed, finish, written
from .augment_job import AugmentJob, Source, digest
from .augment_work import PictureDone, PictureTask, make_on_dask, open_workshop, opened
from .engine_info import weights_hash
from .manifest import Manifest, ManifestLine, file_sha256, read_manifest
from .messages import error_data
from .plan import make_folder

if TYPE_CHECKING:
    from .farm_dask import DaskOptions

MANIFEST = "manifest.jsonl"
LOCK = ".lock"
FORMAT = 1

Tell = Callable[[PictureDone], None]


@dataclass
class AugmentOutcome:
    """How a run ended: pictures ``made`` now and ``found`` finished, without a face, failed with their errors, and the
    numbers of variants that passed and that were ``rejected``."""

    made: int = 0
    found: int = 0
    faceless: list[str] = field(default_factory=list)
    failed: dict[str, Mapping[str, Any]] = field(default_factory=dict)
    accepted: int = 0
    rejected: int = 0


def augment(
    job: AugmentJob,
    *,
    jobs: int = 1,
    dask: DaskOptions | None = None,
    overwrite: bool = False,
    tell: Tell = lambda done: None,
) -> AugmentOutcome:
    """Make what is missing of a set, then its tables; the bytes do not depend on ``jobs``, order or interruptions.

    Raises DataError for a folder that belongs to other settings (unless ``overwrite``, which begins anew) or that
    another run is writing, and what ends every picture alike: a full disk, a damaged model, a strength beyond its
    limits, dead workers. Finished pictures stay in every case.
    """
    model = weights_hash(load_package(job.choices.model))
    settings = job.settings(model)
    folder = Path(job.output)
    with _locked(folder):
        _own(folder, settings, overwrite=overwrite)
        found = Found(folder, digest(settings), job.draws)
        finished = {one.source.name: one for one in map(found.valid, job.sources) if one is not None}
        missing = [source for source in job.sources if source.name not in finished]
        outcome = AugmentOutcome(found=len(finished))
        manifest = Manifest(folder / MANIFEST)
        with closing(_work(job, missing, jobs, dask)) as work:
            for done in work:
                manifest.append(_line(done, settings, model))
                finished[done.source.name] = done
                outcome.made += 1
                tell(done)
        every = [finished[source.name] for source in job.sources]
        _count(outcome, every)
        finish(job, every, {"format": FORMAT, "settings": settings}, model)
    return outcome


def _work(
    job: AugmentJob, missing: list[Source], jobs: int, dask: DaskOptions | None
) -> Generator[PictureDone, None, None]:
    """The pictures as they are done, in whatever order."""
    if not missing:
        return
    if dask is not None:
        from .farm_dask import run_on_dask

        tasks = [PictureTask(job, source) for source in missing]
        with closing(run_on_dask(tasks, make_on_dask, dask)) as run:
            for one in run:
                if one.result is not None:
                    yield one.result
                elif one.error is not None:
                    if one.error.exit_code in (2, 4, 5):
                        raise one.error
                    yield PictureDone(one.task.source, error=error_data(one.error))
    elif jobs > 1:
        yield from run_jobs(partial(opened, job), missing, jobs)
    else:
        workshop = open_workshop(job)
        yield from (workshop.make(source) for source in missing)


def _line(done: PictureDone, settings: Mapping[str, Any], model: str) -> ManifestLine:
    """A picture in the manifest; its number is made of its name, for sets grow."""
    return ManifestLine(
        frame=_number(done.source),
        status="failed" if done.error and not done.is_faceless else "done",
        plate_sha256=done.sha256,
        parameters=digest(settings),
        model=model,
        output=done.source.name,
        seconds=done.seconds,
        report={"records": list(done.records), "is_faceless": done.is_faceless},
        error=done.error,
    )


def _number(source: Source) -> int:
    return int(hashlib.sha256(source.name.encode()).hexdigest()[:12], 16)


class Found:
    """What a folder holds already: its manifest, and the shards that pictures were packed into."""

    def __init__(self, folder: Path, parameters: str, draws: Draws) -> None:
        self._folder, self._parameters, self._draws = folder, parameters, draws
        self._lines = read_manifest(folder / MANIFEST).done
        self._packed = Packed.read(folder)

    def valid(self, source: Source) -> PictureDone | None:
        """A picture that is finished with the same settings and whose files are what was written; else None."""
        line = self._lines.get(_number(source))
        if line is None or line.output != source.name or line.parameters != self._parameters:
            return None
        try:
            if file_sha256(source.path) != line.plate_sha256:
                return None
            records = tuple(line.report["records"])
            wanted = [(one.name, dict(one.strengths)) for one in self._draws.variants(line.plate_sha256)]
            is_faceless = bool(line.report["is_faceless"])
            if not is_faceless and wanted != [(one["variant"], one["strengths"]) for one in records]:
                return None
            if not all(
                self._is_there(one["file_name"], one["sha256"]) for one in records if one["file_name"]
            ):
                return None
        except (LineamentError, OSError, KeyError, TypeError):
            return None
        return PictureDone(source, line.plate_sha256, records, dict(line.error), is_faceless)

    def _is_there(self, name: str, sha256: str) -> bool:
        path = self._folder / name
        return file_sha256(path) == sha256 if path.is_file() else self._packed.holds(name, sha256)


def _count(outcome: AugmentOutcome, every: list[PictureDone]) -> None:
    for done in every:
        if done.is_faceless:
            outcome.faceless.append(done.source.name)
        elif done.error:
            outcome.failed[done.source.name] = done.error
        outcome.rejected += sum(bool(record["rejected"]) for record in done.records)
        outcome.accepted += sum(not record["rejected"] for record in done.records)


def _own(folder: Path, settings: Mapping[str, Any], *, overwrite: bool) -> None:
    """Make the folder this job's, or see that it is. Raises DataError for somebody else's."""
    card = folder / CARD
    try:
        told = json.loads(card.read_bytes()) if card.exists() else None
        is_ours = told is not None and told.get("format") == FORMAT and told.get("settings") == settings
    except (OSError, ValueError, AttributeError) as err:
        if not overwrite:
            raise _not_ours(folder, f"its {CARD} cannot be read ({err})") from err
        told, is_ours = {}, False
    if is_ours:
        return
    others = [one.name for one in folder.iterdir() if one.name != LOCK]
    if told is None and others:
        raise DataError(
            f"The folder holds something else: {', '.join(sorted(others)[:3])}.",
            where=str(folder),
            remedy="Choose an empty or a new folder.",
        )
    if told is not None and not overwrite:
        changed = _differences(told.get("settings"), settings)
        raise _not_ours(folder, f"other settings made it ({changed})")
    written(card, {"format": FORMAT, "settings": settings, "is_finished": False})


def _differences(old: object, new: Mapping[str, Any]) -> str:
    if not isinstance(old, dict):
        return "unknown ones"
    names = [name for name in new if old.get(name) != new[name]]
    return ", ".join(
        f"{name}: {', '.join(sorted(key for key in new[name] if old.get(name, {}).get(key) != new[name][key]))}"
        if isinstance(new[name], dict) and isinstance(old.get(name), dict)
        else name
        for name in names
    )


def _not_ours(folder: Path, why: str) -> DataError:
    return DataError(
        f"The folder is another set: {why}.",
        where=str(folder),
        remedy="Choose another folder, give the same options again, or begin it anew with --overwrite.",
    )


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """Make the folder and hold it for this run; the system lets go of it however the run ends."""
    make_folder(folder)
    try:
        handle = os.open(folder / LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
    except OSError as err:
        raise PlateError(
            f"The folder cannot be written: {err.strerror or err}.",
            where=str(folder),
            remedy="Choose a folder you may write to.",
        ) from err
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
    except BlockingIOError as err:
        raise DataError(
            "Another run is writing this set.",
            where=str(folder),
            remedy="Wait for it, or choose another folder.",
        ) from err
    finally:
        os.close(handle)
