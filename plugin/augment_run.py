"""A set of edited pictures from the first one to its tables: what is finished stays, however the run ends."""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lineament.core.augment.near import Twin, twins
from lineament.core.generators.package import load_package
from lineament.core.synthetic.jobs import run_jobs

from .augment_finish import finish
from .augment_folder import FORMAT, locked, own
from .augment_found import Found
from .augment_job import AugmentJob, Source, digest
from .augment_work import PictureDone, PictureTask, is_disk, make_on_dask, open_workshop, opened
from .engine_info import weights_hash
from .messages import error_data

if TYPE_CHECKING:
    from .farm_dask import DaskOptions

Tell = Callable[[PictureDone, int, int], None]
"""Called for every picture that was made, with its number and how many there are to make."""


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
    tell: Tell = lambda done, number, count: None,
) -> AugmentOutcome:
    """Make what is missing of a set, then its tables; the bytes do not depend on ``jobs``, order or interruptions.

    Raises DataError for a folder that belongs to other settings (unless ``overwrite``, which begins anew) or that
    another run is writing, and what ends every picture alike: a full disk, a damaged model, a strength beyond its
    limits, dead workers. Finished pictures stay in every case.
    """
    model = weights_hash(load_package(job.choices.model))
    settings = job.settings(model)
    with locked(Path(job.output)):
        own(Path(job.output), settings, overwrite=overwrite)
        found = Found(job, digest(settings), model)
        if not overwrite:
            found.refuse_loss(job.sources)
        finished = {one.source.name: one for one in map(found.valid, job.sources) if one is not None}
        outcome = AugmentOutcome()

        def make(missing: list[Source]) -> None:
            with closing(_work(job, missing, jobs, dask)) as work:
                for number, done in enumerate(work, 1):
                    found.add(done)
                    finished[done.source.name] = done
                    outcome.made += 1
                    tell(done, number, len(missing))

        make([source for source in job.sources if source.name not in finished])
        every = without_twins([finished[source.name] for source in job.sources], job.limits.min_distance)
        make([done.source for done in every if not found.has_files(done)])
        every = without_twins([finished[source.name] for source in job.sources], job.limits.min_distance)
        outcome.found = len(every) - outcome.made
        _count(outcome, every)
        finish(job, every, {"format": FORMAT, "settings": settings}, model)
        found.drop(every)
    return outcome


def without_twins(every: Sequence[PictureDone], nearest: float) -> list[PictureDone]:
    """The pictures in their order; the variants of one that shows what an earlier one shows are rejected, and have no
    file. It is the picture that is compared, not its variants: these differ as much as was asked for."""
    told = twins([one.source.name for one in every], [one.signature for one in every], nearest)
    return [_rejected(one, told) if one.source.name in told else one for one in every]


def _rejected(done: PictureDone, told: Mapping[str, Twin]) -> PictureDone:
    twin = told[done.source.name]
    reason = f"the picture shows what {twin.earlier!r} shows (distance {twin.distance:.4f})"
    records = tuple(one | {"file_name": "", "rejected": [*one["rejected"], reason]} for one in done.records)
    return replace(done, records=records)


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
                    if one.error.exit_code in (2, 4, 5) or is_disk(one.error, job.output):
                        raise one.error
                    yield PictureDone(one.task.source, error=error_data(one.error))
    elif jobs > 1:
        yield from run_jobs(partial(opened, job), missing, jobs)
    else:
        workshop = open_workshop(job)
        yield from (workshop.make(source) for source in missing)


def _count(outcome: AugmentOutcome, every: list[PictureDone]) -> None:
    for done in every:
        if done.is_faceless:
            outcome.faceless.append(done.source.name)
        elif done.error:
            outcome.failed[done.source.name] = done.error
        outcome.rejected += sum(bool(record["rejected"]) for record in done.records)
        outcome.accepted += sum(not record["rejected"] for record in done.records)
