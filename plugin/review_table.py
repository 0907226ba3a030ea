"""The table of frames on a page of a review: one row a frame, every column with a value to sort by."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from html import escape

from lineament.core.shots.quality_report import FrameEntry, mean_of, reasons

_COLUMNS: tuple[str, ...] = (
    "frame", "status", "look at", "flicker", "plate, stops", "edited, stops", "seam", "TL-ID", "TL-ID plate",
    "ID to plate", "edit mean", "edit max", "mask %", "outside", "not finite", "clamped",
)  # fmt: skip
_WORDS = ("status", "look at")


def _cells(entry: FrameEntry) -> list[tuple[str, float]]:
    """Text and value to sort by of every column."""
    quality = entry.quality
    cosines = [
        mean_of([value for face in entry.faces if (value := getattr(face, name)) is not None])
        for name in ("local", "plate_local", "to_plate")
    ]
    numbers: list[float | None] = [None] * 11
    if quality is not None:
        numbers = [
            *(quality.flicker, quality.plate_unsteadiness, quality.output_unsteadiness, quality.seam_ratio),
            *cosines,
            *(quality.edit_mean, quality.edit_max, 100.0 * quality.mask_share),
            float(quality.outside_px),
        ]
    bad = float(quality.non_finite) if quality is not None else None
    clamped = float(entry.counts["clamped"]) if "clamped" in entry.counts else None
    state = entry.state + (" (stale)" if entry.stale else "")
    rank = {"failed": 3.0, "missing": 2.0}.get(entry.state, 1.0 if entry.stale else 0.0)
    text = "; ".join([*reasons(entry), *([f"stale: {entry.stale}"] if entry.stale else [])])
    return [
        (str(entry.number), float(entry.number)),
        (state, rank),
        (text, entry.severity + 1e6 * rank * (rank > 1.0)),
        *((three(value), _or_nan(value)) for value in numbers[:-1]),
        *((_whole(value), _or_nan(value)) for value in (numbers[-1], bad, clamped)),
    ]


def metrics_table(entries: Sequence[FrameEntry], index: Mapping[int, int]) -> str:
    """The table of all frames in the order given; ``index`` has a frame's place on the page by its number."""
    heads = "".join(_head(name) for name in _COLUMNS)
    rows = "".join(_row(one, index[one.number]) for one in entries if one.number in index)
    return (
        '<section class="sheet"><h2>Frames, worst first</h2>'
        f'<table id="metrics"><thead><tr>{heads}</tr></thead><tbody>{rows}</tbody></table></section>'
    )


def _head(name: str) -> str:
    order = ' aria-sort="descending"' if name == "look at" else ""
    return f'<th{_kind(name)}{order}><button type="button">{name}</button></th>'


def _row(entry: FrameEntry, index: int) -> str:
    cells = "".join(
        f'<td{_kind(name)} data-value="{value if math.isfinite(value) else ""}">{escape(text)}</td>'
        for name, (text, value) in zip(_COLUMNS, _cells(entry), strict=True)
    )
    return f'<tr data-index="{index}">{cells}</tr>'


def _kind(column: str) -> str:
    if column not in _WORDS:
        return ""
    return ' class="words reason"' if column == "look at" else ' class="words"'


def three(value: float | None) -> str:
    """Three digits behind the point, a dash for what is not known."""
    return "–" if value is None or not math.isfinite(value) else f"{value:.3f}"


def _whole(value: float | None) -> str:
    return "–" if value is None else f"{value:.0f}"


def _or_nan(value: float | None) -> float:
    return math.nan if value is None else value
