"""The folder of a data set: what is finished stays, what is missing is made, other settings are refused.

``dataset.json`` says how the shards were made and whether all of them are there; shards carry checksums of their own.
"""

from __future__ import annotations

import errno
import fcntl
import hashlib
import json
import os
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, closing, contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from ..atomic import write_atomically
from ..errors import DataError
from .correlations import Declared
from .dataset import DatasetSettings, Draw, ShardDone, ShardJob, families, make_shard, plan
from .geometry import CLASS_NAMES
from .jobs import run_jobs
from .sampler import Sampler
from .shards import CARD_NAME, FORMAT_VERSION, label_from_params, read_card, verify_shard

Tell = Callable[[str], None]
OpenDraw = Callable[[], AbstractContextManager[Draw]]
OpenMaker = Callable[[], AbstractContextManager[Callable[[ShardJob], ShardDone]]]

MEASURED_FACES = 5000
"""How many faces the measured correlations are taken from; their standard error is then .014 at most."""


_PROBED_FACES = 8


@dataclass(frozen=True)
class DatasetDone:
    """How a run went: faces made now and found finished; seconds by the clock, and of processor time over all workers.

    ``faces_per_second`` counts from the first worker's start to the last shard, ``faces_per_core_second`` the time
    that the processors worked on shards, GL driver included.
    """

    made: int
    found: int
    seconds: float
    cpu_seconds: float

    @property
    def faces_per_second(self) -> float:
        """Overall speed; 0 if nothing was made."""
        return self.made / self.seconds if self.seconds else 0.0

    @property
    def faces_per_core_second(self) -> float:
        """Speed of one core; 0 if nothing was made."""
        return self.made / self.cpu_seconds if self.cpu_seconds else 0.0


def make_dataset(
    folder: Path,
    settings: DatasetSettings,
    open_draw: OpenDraw,
    *,
    made_with: Mapping[str, str],
    workers: int = 1,
    tell: Tell = lambda line: None,
) -> DatasetDone:
    """Make what is missing of a data set, each shard by one of ``workers`` processes.

    ``open_draw`` opens a renderer inside each process and must be importable there; ``made_with`` names what else
    decides the pictures (asset, renderer version). ``tell`` gets a line of progress for each shard. Raises DataError
    for a folder that belongs to other settings or that another run is writing, and for a full disk; HostError if a
    worker dies; RecipeError for settings that cannot be met. Finished shards stay in every case.
    """
    sampler = Sampler(settings.correlations)
    origin = _origin(settings, {**made_with, "sampler": _sampler_digest(settings, sampler)}, sampler.declared)
    with _locked(folder):
        _sweep(folder)
        card = _own_card(folder, origin)
        jobs = plan(settings)
        found = dict(_finished(folder, jobs, settings, sampler, tell))
        missing = [job for job in jobs if job not in found]
        if not missing and card.get("complete"):
            return DatasetDone(0, sum(found.values()), 0.0, 0.0)
        speed = card.get("speed")
        _write_card(folder, {**origin, "complete": False, "speed": speed})
        opener = partial(_open_maker, folder, settings, open_draw)
        run = _work(folder, opener, missing, workers, tell)
        faces = {**found, **{shard.job: shard.faces for shard in run.shards}}
        shards = [{"name": job.name, "faces": faces[job]} for job in jobs]
        done = DatasetDone(run.faces, sum(found.values()), run.seconds, run.cpu_seconds)
        speed = _speed(done, workers) if done.made else speed
        measured = _correlations(sampler, settings)
        _write_card(
            folder, {**origin, "complete": True, "speed": speed, "shards": shards, "measured": measured}
        )
    return done


@dataclass(frozen=True)
class _Run:
    """What the workers did."""

    shards: tuple[ShardDone, ...]
    seconds: float

    @property
    def faces(self) -> int:
        return sum(shard.faces for shard in self.shards)

    @property
    def cpu_seconds(self) -> float:
        return sum(shard.cpu_seconds for shard in self.shards)


def _work(folder: Path, opener: OpenMaker, missing: list[ShardJob], workers: int, tell: Tell) -> _Run:
    """Make the missing shards, and leave no temporary file however it ends."""
    begin = time.monotonic()
    done: list[ShardDone] = []
    try:
        with closing(run_jobs(opener, missing, workers)) as results:
            for result in results:
                done.append(result)
                tell(_progress(result, done, len(missing), time.monotonic() - begin))
    finally:
        _sweep(folder)
    return _Run(tuple(done), time.monotonic() - begin)


@contextmanager
def _open_maker(
    folder: Path, settings: DatasetSettings, open_draw: OpenDraw
) -> Iterator[Callable[[ShardJob], ShardDone]]:
    """Inside a worker: the sampler and the renderer, opened once."""
    sampler = Sampler(settings.correlations)
    with open_draw() as draw:
        yield partial(make_shard, folder, settings, sampler, draw)


def _origin(settings: DatasetSettings, made_with: Mapping[str, str], declared: Declared) -> dict[str, Any]:
    """Everything that decides the content, as JSON values: what an existing folder is compared with."""
    pairs = [[first, second, declared.between(first, second)] for first, second in declared.pairs]
    return {
        "format": FORMAT_VERSION,
        "settings": settings.as_json(),
        "made_with": dict(made_with),
        "declared": pairs,
        "classes": {str(number): name for number, name in CLASS_NAMES.items()},
    }


def _sampler_digest(settings: DatasetSettings, sampler: Sampler) -> str:
    """What the sampler draws now, as a short number: other faces under the same seed would mix two data sets."""
    job = plan(settings)[0]
    few = replace(job, stop=min(job.stop, job.start + _PROBED_FACES))
    labels = [label_from_params(face) for one in families(few, settings, sampler) for face in one.faces]
    return hashlib.sha256(json.dumps(labels).encode()).hexdigest()[:16]


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """Make the folder and hold it for this run; the system lets go of it however the run ends."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        handle = os.open(folder, os.O_RDONLY)
    except OSError as err:
        raise DataError(
            f"The folder cannot be made: {err.strerror or err}.",
            where=str(folder),
            remedy="Choose a folder you may write to.",
        ) from err
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
    except BlockingIOError as err:
        raise DataError(
            "Another run is writing this data set.",
            where=str(folder),
            remedy="Wait for it, or choose another folder.",
        ) from err
    finally:
        os.close(handle)


def _sweep(folder: Path) -> None:
    """Remove the temporary files of workers that were stopped while writing; nobody else writes here now."""
    for temporary in folder.glob(".tmp-*"):
        temporary.unlink(missing_ok=True)


def _own_card(folder: Path, origin: Mapping[str, Any]) -> dict[str, Any]:
    """The folder's card, empty for a new folder. Raises DataError if its shards were made otherwise, or nobody knows
    how."""
    if not (folder / CARD_NAME).exists():
        if any(folder.glob("*.tar")):
            raise DataError(
                f"There are shards here but no {CARD_NAME} that says how they were made.",
                where=str(folder),
                remedy="Choose an empty folder.",
            )
        return {}
    card = read_card(folder)
    differences = [
        f"{name} was {old}, now {new}"
        for name, old, new in _pairs_of("", {key: card.get(key) for key in origin}, origin)
        if old != new
    ]
    if differences:
        raise DataError(
            f"The data set here was made otherwise: {'; '.join(differences)}.",
            where=str(folder),
            remedy="Give the same settings to go on with it, or choose another folder.",
        )
    return card


def _pairs_of(name: str, old: Any, new: Any) -> Iterator[tuple[str, Any, Any]]:
    """(name, old, new) of every leaf of two JSON values, lists taken whole."""
    if isinstance(old, dict) and isinstance(new, dict):
        for key in {**old, **new}:
            yield from _pairs_of(f"{name} {key}".strip(), old.get(key), new.get(key))
    else:
        yield name, old, new


def _finished(
    folder: Path, jobs: tuple[ShardJob, ...], settings: DatasetSettings, sampler: Sampler, tell: Tell
) -> Iterator[tuple[ShardJob, int]]:
    """The shards that are there and whole, with their number of faces; damaged ones are told of, and made again."""
    for job in jobs:
        path = folder / job.name
        if not path.exists():
            continue
        try:
            keys = verify_shard(path)
        except DataError as err:
            tell(f"{job.name} is made again. {err.what}")
            continue
        if keys != tuple(key for family in families(job, settings, sampler) for key in family.keys):
            tell(f"{job.name} is made again. It holds other faces.")
            continue
        yield job, len(keys)


def _progress(result: ShardDone, done: list[ShardDone], count: int, seconds: float) -> str:
    faces = sum(shard.faces for shard in done)
    left = seconds / len(done) * (count - len(done))
    minutes, rest = divmod(round(left), 60)
    speed = f"{faces / max(seconds, 1e-9):.1f} faces/s"
    return f"{result.job.name} {result.faces} faces ({len(done)}/{count}), {speed}, {minutes}:{rest:02d} left"


def _speed(run: DatasetDone, workers: int) -> dict[str, float]:
    """How fast the run was, for the card."""
    return {
        "faces": run.made,
        "workers": workers,
        "seconds": round(run.seconds, 1),
        "faces_per_second": round(run.faces_per_second, 2),
        "faces_per_core_second": round(run.faces_per_core_second, 2),
    }


def _correlations(sampler: Sampler, settings: DatasetSettings) -> dict[str, object]:
    """Declared and measured correlations of the first independent faces, or of as many as the table needs."""
    count = min(MEASURED_FACES, settings.faces) if settings.faces >= 100 else MEASURED_FACES
    return sampler.report(settings.seed, count).as_json()


def _write_card(folder: Path, card: Mapping[str, Any]) -> None:
    try:
        write_atomically(folder / CARD_NAME, json.dumps(card, indent=1).encode())
    except OSError as err:
        remedy = "Free some space" if err.errno == errno.ENOSPC else "Choose a folder you may write to"
        raise DataError(
            f"{CARD_NAME} cannot be written: {err.strerror or err}.",
            where=str(folder),
            remedy=f"{remedy}, then give the same command again.",
        ) from err
