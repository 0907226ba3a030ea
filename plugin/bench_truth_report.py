"""What a finished benchmark leaves: report.md, results.json, figure.png and a sheet of pictures to look at."""

from __future__ import annotations

import io
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from lineament.core.atomic import write_atomically
from lineament.core.errors import PlateError
from lineament.core.preview import Tile, sheet, to_display
from lineament.core.tools import Tools
from PIL import Image

from .bench_truth_cells import Row, edited_frames, look, rows_of
from .bench_truth_figure import figure
from .bench_truth_judge import open_judge
from .bench_truth_methods import (
    CROP_ORACLE,
    INVERTED_ORACLE,
    NOTHING,
    RANDOM,
    SHIPPED,
    TRUTH,
    Method,
    spec_of,
)
from .bench_truth_settings import BenchSettings
from .bench_truth_shots import EDITS, TruthShot
from .bench_truth_strengths import Calibration
from .bench_truth_tables import Record, as_data, markdown, summarise
from .demo import close_up

REPORT, RESULTS, FIGURE, SHEET = "report.md", "results.json", "figure.png", "sheet.png"
TILE_PX = 200
SHOWN_RANDOM = f"{RANDOM} 1"


@dataclass(frozen=True)
class Findings:
    """A run's cells and how they came about: where labels are from and who judges identity, in words; ``strangers`` is
    the mean cosine of two shots' plates, None for a single shot."""

    run: str
    labels: str
    identity: str
    strangers: float | None
    records: Sequence[Record]
    methods: Mapping[str, Sequence[Method]]
    strengths: Mapping[str, Mapping[str, Mapping[str, Calibration]]]


def write_report(
    settings: BenchSettings, findings: Findings, shown: TruthShot, tools: Mapping[str, Tools]
) -> str:
    """Write all four files and return the Markdown; ``shown`` is the shot on the sheet. Raises PlateError."""
    summaries = summarise(findings.records)
    text = markdown(summaries, _head(settings, findings, tools))
    _write(settings, REPORT, text.encode("utf-8"))
    content = {
        "run": findings.run,
        "settings": _plain(settings),
        "labels": findings.labels,
        "identity": findings.identity,
        "strangers": findings.strangers,
        "rows": as_data(summaries),
    }
    _write(settings, RESULTS, (json.dumps(content, indent=1) + "\n").encode("utf-8"))
    seeds = f"seeds {settings.seeds[0]} to {settings.seeds[-1]}"
    _write(settings, FIGURE, _png(figure(summaries, f"Truth benchmark, {settings.model}, {seeds}")))
    _write(settings, SHEET, _png(_sheet(settings, findings, shown, tools[settings.inverters[0]])))
    return text


def _head(settings: BenchSettings, findings: Findings, tools: Mapping[str, Tools]) -> list[str]:
    plan, card = settings.plan, next(iter(tools.values())).package.card
    edits = ", ".join(EDITS[name].edit for name in plan.attributes)
    cosine = findings.strangers
    strangers = (
        "" if cosine is None else f"; two different people of these shots have a cosine of {cosine:.3f}"
    )
    return [
        f"- Model {card.name} {card.id}, {card.resolution} px. Directions found from {findings.labels}.",
        f"- Shots: seeds {settings.seeds[0]} to {settings.seeds[-1]}, {plan.frames} frames of {plan.width} x "
        f"{plan.height}, grain {plan.grain:g}; edits {edits}. Faces are framed by the shots' own tracks.",
        f"- Strengths were chosen on seeds {settings.development[0]} to {settings.development[-1]} alone, by "
        f"{settings.criterion} (strengths.json); random directions take the shipped direction's.",
        f"- Attributes are read by the model's grader, identity by: {findings.identity}{strangers}.",
        f"- Run {findings.run}; cells in cells.jsonl.",
    ]


def _sheet(settings: BenchSettings, findings: Findings, shot: TruthShot, tools: Tools) -> Image.Image:
    """Plate, truth and the main rows of every attribute, on the middle frame of one shot."""
    number = shot.numbers[len(shot.numbers) // 2]
    judge = open_judge(tools, [spec_of(name).column for name in findings.methods])
    view = look(shot, tools, judge, (number,))[number]
    plate = shot.plate(number)
    wanted = (
        NOTHING,
        TRUTH,
        CROP_ORACLE,
        INVERTED_ORACLE,
        SHIPPED,
        "partial_effects",
        "mean_difference",
        SHOWN_RANDOM,
    )
    table, inverter = [], settings.inverters[0]
    for attribute, methods in findings.methods.items():
        if not shot.has(attribute):
            continue
        sigma = {name: one.strength for name, one in findings.strengths[inverter][attribute].items()}
        rows = {row.name: row for row in rows_of(methods, sigma, inverter)}
        chosen = [rows[name] for name in wanted if name in rows]
        outputs = edited_frames(plate, shot.truth(attribute, number).rgb(""), chosen, view, tools)
        pictures = {
            name: close_up(to_display(view.sight.colour.to_linear709(one), view.sight.exposure), view.sight)
            for name, one in outputs.items()
        }
        table.append([Tile(pictures[row.name], _label(row, attribute)) for row in chosen])
    return sheet(table, tile_height_px=TILE_PX, title=f"seed {shot.seed}, frame {number}")


def _label(row: Row, attribute: str) -> str:
    if row.name == NOTHING:
        return "plate"
    if row.name == TRUTH:
        return f"truth {EDITS[attribute].edit}"
    return f"{row.name} {row.strength:+g}" if row.strength else row.name


def _plain(settings: BenchSettings) -> dict[str, Any]:
    return {
        name: value if isinstance(value, (int, dict, tuple)) else str(value)
        for name, value in asdict(settings).items()
    }


def _png(picture: Image.Image) -> bytes:
    data = io.BytesIO()
    picture.save(data, "PNG")
    return data.getvalue()


def _write(settings: BenchSettings, name: str, content: bytes) -> None:
    path = settings.output / name
    try:
        write_atomically(path, content)
    except OSError as err:
        raise PlateError(
            f"A result cannot be written: {err.strerror or err}.",
            where=str(path),
            remedy="Choose another folder with -o, or free some space.",
        ) from err
