"""``lineament bench truth``: how near edits come to the truth, for every method of finding directions.

Shots are rendered (seeds from 100 on for results, earlier ones to choose strengths), edited as the product edits, and
compared with the same shots rendered with the attribute changed. Every finished cell is one line of ``cells.jsonl``, so
a stopped run goes on where it was.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, replace
from functools import partial
from typing import Any

import numpy as np
from lineament.core.atomic import write_atomically
from lineament.core.errors import PlateError
from lineament.core.score import cosines
from lineament.core.tools import Tools

from .bench_truth_cells import look, rows_of
from .bench_truth_judge import SCORER, Judge, open_judge
from .bench_truth_methods import Method, labelled_latents, methods_for, spec_of
from .bench_truth_report import Findings, write_report
from .bench_truth_settings import BenchSettings
from .bench_truth_shots import TruthShot, made_with, shot_at
from .bench_truth_strengths import Calibration, calibrate
from .bench_truth_work import (
    MeasureJob,
    append_cells,
    do_all,
    key_of,
    missing,
    open_measurer,
    open_shot_maker,
    read_cells,
    record_key,
)
from .plan import make_folder

Tell = Callable[[str], None]
Strengths = Mapping[str, Mapping[str, Mapping[str, Calibration]]]
"""Inverter -> attribute -> row -> strength."""

STRENGTHS = "strengths.json"
VERSION = 3
"""Raise it whenever the same shots would be measured otherwise."""


def run_bench(settings: BenchSettings, tell: Tell = lambda line: None) -> str:
    """Render what is missing, choose strengths, measure what is missing, write the report and return its text.

    Raises RecipeError, DataError, DeviceError, GeneratorError, FaceError or PlateError.
    """
    settings = replace(settings, plan=replace(settings.plan, made_with=made_with(settings.assets)))
    make_folder(settings.output)
    seeds = [*settings.development, *settings.seeds]
    found = {seed: shot_at(settings.shots_folder, settings.plan, seed) for seed in seeds}
    wanted = [seed for seed, shot in found.items() if shot is None]
    tell(f"{len(wanted)} of {len(seeds)} shots to render")
    for shot in do_all(partial(open_shot_maker, settings), wanted, settings.workers):
        found[shot.seed] = shot
        tell(f"shot of seed {shot.seed} rendered")
    shots = {seed: shot for seed, shot in found.items() if shot is not None}
    return bench_shots(
        settings,
        [shots[seed] for seed in settings.seeds],
        [shots[seed] for seed in settings.development],
        tell,
    )


def bench_shots(
    settings: BenchSettings, shots: Sequence[TruthShot], development: Sequence[TruthShot], tell: Tell
) -> str:
    """The benchmark on shots that lie on disk: ``run_bench`` after rendering."""
    tools = {name: settings.tools(name) for name in settings.inverters}
    any_tools = tools[settings.inverters[0]]
    columns = {name: spec_of(name).column for name in settings.plan.attributes}
    tell("finding directions")
    data, source = labelled_latents(any_tools, settings.data, settings.output)
    methods = {name: methods_for(name, data, any_tools, settings.randoms) for name in columns}
    run = fingerprint(settings, any_tools, source)
    tell("choosing strengths on development shots")
    strengths = chosen_strengths(settings, run, methods, development, tools, columns)
    all_jobs = every_job(settings, shots, methods, strengths, tuple(columns.values()))
    jobs = missing(all_jobs, read_cells(settings.output, run), run)
    tell(f"{sum(len(job.rows) for job in jobs)} cells to measure")
    for done in do_all(partial(open_measurer, settings), jobs, settings.workers):
        append_cells(settings.output, run, done, columns[done.job.attribute])
        tell(f"seed {done.job.shot.seed}, {done.job.attribute}, {done.job.inverter}: {len(done.cells)} rows")
    order = {key: i for i, key in enumerate(key_of(run, job, row) for job in all_jobs for row in job.rows)}
    cells = {record_key(record): record for record in read_cells(settings.output, run)}
    records = [cells[key] for key in sorted(cells.keys() & order.keys(), key=order.__getitem__)]
    judge = open_judge(any_tools, tuple(columns.values()))
    strangers = cosine_of_strangers(shots, any_tools, judge)
    findings = Findings(run, source, judge.identity.source, strangers, records, methods, strengths)
    return write_report(settings, findings, shots[0], tools)


def cosine_of_strangers(shots: Sequence[TruthShot], tools: Tools, judge: Judge) -> float | None:
    """Mean cosine of two shots' first plates, the least an identity figure must beat; None for a single shot."""
    rows = np.stack([look(shot, tools, judge, shot.numbers[:1])[shot.numbers[0]].embedding for shot in shots])
    pairs = [(i, j) for i in range(len(rows)) for j in range(i)]
    if not pairs:
        return None
    first, second = (rows[[pair[side] for pair in pairs]] for side in (0, 1))
    return float(np.mean(cosines(first, second)))


def fingerprint(settings: BenchSettings, tools: Tools, source: str) -> str:
    """16 hex digits of everything that decides a cell besides its own key."""
    parts = {
        "version": VERSION,
        "model": tools.package.card.id,
        "files": dict(tools.package.card.files),
        "plan": asdict(settings.plan),
        "labels": source,
        "randoms": settings.randoms,
        "device": settings.device,
    }
    return hashlib.sha256(json.dumps(parts, sort_keys=True, default=str).encode()).hexdigest()[:16]


def chosen_strengths(
    settings: BenchSettings,
    run: str,
    methods: Mapping[str, Sequence[Method]],
    development: Sequence[TruthShot],
    tools: Mapping[str, Tools],
    columns: Mapping[str, str],
) -> dict[str, dict[str, dict[str, Calibration]]]:
    """Strengths of this run, from ``strengths.json`` if they were chosen before."""
    made_from = {
        "run": run,
        "criterion": settings.criterion,
        "development": [shot.seed for shot in development],
    }
    kept = _kept_strengths(settings, made_from)
    found: dict[str, dict[str, dict[str, Calibration]]] = {}
    for inverter in settings.inverters:
        found[inverter] = dict(kept.get(inverter, {}))
        to_choose = [name for name in methods if name not in found[inverter]]
        if not to_choose:
            continue
        own = tools[inverter]
        scorer = open_judge(own, tuple(columns.values()), SCORER)
        views = [(shot, look(shot, own, scorer, shot.numbers)) for shot in development]
        for name in to_choose:
            rows = methods[name]
            found[inverter][name] = calibrate(
                name, columns[name], rows, views, own, scorer, settings.criterion
            )
    plain = {
        i: {a: {r: asdict(c) for r, c in rows.items()} for a, rows in one.items()} for i, one in found.items()
    }
    _write(settings, STRENGTHS, json.dumps({**made_from, "strengths": {**plain}}, indent=1))
    return found


def _kept_strengths(
    settings: BenchSettings, made_from: Mapping[str, Any]
) -> dict[str, dict[str, dict[str, Calibration]]]:
    """Strengths chosen by an earlier run with the same model and shots; others do not count."""
    try:
        stored = json.loads((settings.output / STRENGTHS).read_text(encoding="utf-8"))
        if any(stored[key] != value for key, value in made_from.items()):
            return {}
        return {
            inverter: {
                attribute: {row: restored(one) for row, one in rows.items()}
                for attribute, rows in attributes.items()
            }
            for inverter, attributes in stored["strengths"].items()
        }
    except (OSError, ValueError, KeyError, TypeError):  # nothing kept, or not by this version: choose again
        return {}


def restored(stored: Mapping[str, Any]) -> Calibration:
    """A calibration from its plain form. Raises KeyError or TypeError for another form."""
    return Calibration(
        float(stored["strength"]), tuple(stored["tried"]), tuple(stored["gains"]), tuple(stored["shares"])
    )


def every_job(
    settings: BenchSettings,
    shots: Sequence[TruthShot],
    methods: Mapping[str, Sequence[Method]],
    strengths: Strengths,
    targets: tuple[str, ...],
) -> list[MeasureJob]:
    """One job for each shot, inverter and attribute, as far as the shot has the truth."""
    jobs = []
    for shot in shots:
        for inverter in settings.inverters:
            for attribute, rows in methods.items():
                sigma = {name: one.strength for name, one in strengths[inverter][attribute].items()}
                if shot.has(attribute):
                    chosen = rows_of(rows, sigma, inverter)
                    jobs.append(MeasureJob(shot, inverter, attribute, chosen, targets))
    return jobs


def _write(settings: BenchSettings, name: str, text: str) -> None:
    try:
        write_atomically(settings.output / name, text.encode("utf-8"))
    except OSError as err:
        raise PlateError(
            f"A result cannot be written: {err.strerror or err}.",
            where=str(settings.output / name),
            remedy="Choose another folder with -o, or free some space.",
        ) from err
