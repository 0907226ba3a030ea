"""The work of the benchmark in pieces that may run in several processes, and the file that remembers what is done."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeVar

from lineament.core.errors import PlateError
from lineament.core.synthetic.jobs import run_jobs
from lineament.core.synthetic.sampler import Sampler
from lineament.core.synthetic.studio import open_renderer
from lineament.core.tools import Tools

from .bench_truth_cells import Cell, Row, Seen, look, measure
from .bench_truth_judge import Judge, open_judge
from .bench_truth_settings import BenchSettings
from .bench_truth_shots import TruthShot, render_shot

JobT = TypeVar("JobT")
ResultT = TypeVar("ResultT")
Opener = Callable[[], AbstractContextManager[Callable[[JobT], ResultT]]]

CELLS = "cells.jsonl"
Key = tuple[str, int, str, str, str, float]
"""Run, seed, inverter, attribute, row and strength: what names a cell."""


@dataclass(frozen=True)
class MeasureJob:
    """All missing rows of one shot, inverter and attribute."""

    shot: TruthShot
    inverter: str
    attribute: str
    rows: tuple[Row, ...]
    targets: tuple[str, ...]


@dataclass(frozen=True)
class Measured:
    """A job and its cells."""

    job: MeasureJob
    cells: tuple[Cell, ...]


def do_all(opener: Opener[JobT, ResultT], jobs: Sequence[JobT], workers: int) -> Iterator[ResultT]:
    """The results of all jobs as they are finished: here, or in several processes."""
    if workers > 1 and len(jobs) > 1:
        yield from run_jobs(opener, jobs, workers)
    elif jobs:
        with opener() as work:
            yield from map(work, jobs)


@contextmanager
def open_shot_maker(settings: BenchSettings) -> Iterator[Callable[[int], TruthShot]]:
    """A function that renders the shot of a seed, unless it is there. One renderer a process."""
    sampler = Sampler("ffhq")
    with open_renderer(settings.assets) as renderer:
        yield lambda seed: render_shot(settings.shots_folder, settings.plan, seed, sampler, renderer)


@contextmanager
def open_measurer(settings: BenchSettings) -> Iterator[Callable[[MeasureJob], Measured]]:
    """A function that measures a job; tools are opened once for each inverter, the last shot stays in sight."""
    opened: dict[str, tuple[Tools, Judge]] = {}
    seen: dict[tuple[int, str], dict[int, Seen]] = {}

    def work(job: MeasureJob) -> Measured:
        if job.inverter not in opened:
            tools = settings.tools(job.inverter)
            opened[job.inverter] = tools, open_judge(tools, job.targets)
        tools, judge = opened[job.inverter]
        key = (job.shot.seed, job.inverter)
        if key not in seen:
            seen.clear()
            seen[key] = look(job.shot, tools, judge, job.shot.numbers)
        return Measured(job, tuple(measure(job.shot, job.attribute, job.rows, seen[key], tools, judge)))

    yield work


# ---- the file of cells


def read_cells(folder: Path, run: str) -> list[dict[str, Any]]:
    """The cells of a run, in the order in which they were measured; a line that was cut off counts as not measured."""
    try:
        lines = (folder / CELLS).read_text(encoding="utf-8").splitlines()
    except FileNotFoundError:
        return []
    found: dict[Key, dict[str, Any]] = {}
    for line in lines:
        try:
            record = json.loads(line)
        except ValueError:  # the last line of a run that was killed
            continue
        if record.get("run") == run:
            found.setdefault(record_key(record), record)
    return list(found.values())


def key_of(run: str, job: MeasureJob, row: Row) -> Key:
    """What names the cell of a row of a job."""
    return run, job.shot.seed, job.inverter, job.attribute, row.name, row.strength


def record_key(record: Mapping[str, Any]) -> Key:
    """What names a cell that was read back."""
    seed, strength = int(record["seed"]), float(record["strength"])
    run, inverter, attribute, row = (str(record[name]) for name in ("run", "inverter", "attribute", "row"))
    return run, seed, inverter, attribute, row, strength


def append_cells(folder: Path, run: str, measured: Measured, target: str) -> None:
    """Add one line a cell. Raises PlateError if the file cannot be written."""
    job = measured.job
    told = {
        "run": run,
        "seed": job.shot.seed,
        "inverter": job.inverter,
        "attribute": job.attribute,
        "target": target,
    }
    lines = "".join(json.dumps({**told, **cell.as_data()}) + "\n" for cell in measured.cells)
    path = folder / CELLS
    try:
        is_torn = path.exists() and not path.read_bytes().endswith(b"\n")
        with path.open("a", encoding="utf-8") as stream:
            stream.write(("\n" if is_torn else "") + lines)
    except OSError as err:
        raise PlateError(
            f"The cells cannot be written: {err.strerror or err}.",
            where=str(path),
            remedy="Choose another folder with -o, or free some space; the same command goes on where it stopped.",
        ) from err


def missing(jobs: Sequence[MeasureJob], done: Iterable[Mapping[str, Any]], run: str) -> list[MeasureJob]:
    """The jobs with their rows that have no cell yet."""
    known = {record_key(record) for record in done}
    left = [
        replace(job, rows=tuple(row for row in job.rows if key_of(run, job, row) not in known))
        for job in jobs
    ]
    return [job for job in left if job.rows]
