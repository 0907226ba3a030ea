"""The contact sheet of a shot: plate, edited and difference of some frames in columns, the worst with a border."""

from __future__ import annotations

import io
from collections.abc import Callable, Sequence

import numpy as np
import numpy.typing as npt
from lineament.core.preview import Tile, sheet
from lineament.core.shots.quality_report import FrameEntry, ShotReport, reasons

Picture = npt.NDArray[np.uint8]

Load = Callable[[str, int], Picture | None]

COLUMNS = 6
TILE_PX = 216
BORDER_PX = 4
BORDER = (255, 255, 255)
EMPTY = 38
"""Grey of what is not there."""


def sampled(count: int, columns: int = COLUMNS) -> tuple[int, ...]:
    """Places of at most ``columns`` frames of ``count``, evenly spread, first and last among them."""
    return tuple(
        dict.fromkeys(int(place) for place in np.linspace(0, count - 1, min(columns, count)).round())
    )


def choose(report: ShotReport, numbers: Sequence[int]) -> tuple[int, ...]:
    """Frames for the sheet among ``numbers``: half of them the worst, the rest evenly spread, in rising order."""
    worst = [entry.number for entry in report.worst() if entry.number in set(numbers)][: COLUMNS // 2]
    spread = [numbers[place] for place in sampled(len(numbers)) if numbers[place] not in worst]
    keep = sampled(len(spread), COLUMNS - len(worst)) if spread and len(worst) < COLUMNS else ()
    return tuple(sorted([*worst, *(spread[place] for place in keep)]))


def contact_sheet(entries: Sequence[FrameEntry], load: Load, title: str) -> bytes:
    """The sheet as PNG; ``load`` gives a frame's pictures by kind. A frame without an output has its plate alone."""
    rows: list[list[Tile]] = [[], [], []]
    for entry in entries:
        before = load("before", entry.number)
        if before is None:
            continue
        told = "; ".join(reasons(entry))
        empty = np.full_like(before, EMPTY)
        after, change = load("after", entry.number), load("difference", entry.number)
        edited = empty if after is None else after
        rows[0].append(Tile(before, f"{entry.number}"))
        rows[1].append(Tile(_framed(edited) if told else edited, told or entry.state))
        rows[2].append(Tile(empty if change is None else change, "difference x4"))
    stream = io.BytesIO()
    sheet(rows, tile_height_px=TILE_PX, title=title).save(stream, "PNG")
    return stream.getvalue()


def _framed(picture: Picture) -> Picture:
    """The picture with a border that stays visible on the sheet."""
    width = max(BORDER_PX, round(BORDER_PX * picture.shape[0] / TILE_PX))
    framed = picture.copy()
    framed[:width] = framed[-width:] = BORDER
    framed[:, :width] = framed[:, -width:] = BORDER
    return framed
