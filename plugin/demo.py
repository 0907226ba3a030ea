"""The demonstration: a small shot is edited, looked at, and scored against frames where the truth is known."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
from lineament.core.directions.evaluate import random_directions
from lineament.core.directions.library import DirectionLibrary
from lineament.core.errors import GeneratorError
from lineament.core.faces.crop import warp_to_plate
from lineament.core.frame import Frame
from lineament.core.io import read_frame, write_frame
from lineament.core.pipeline import (
    RenderReport,
    Sight,
    ToolOptions,
    Tools,
    edit_area,
    open_tools,
    render_frame,
)
from lineament.core.preview import Tile, difference, from_unit, sheet, to_display
from lineament.core.recipe import EditRecipe, Move, Strength
from lineament.core.score import changed, edit_gain
from lineament.core.tools import w_statistics

from .plan import make_folder

Array = npt.NDArray[np.float32]
Tell = Callable[[str], None]

SHOT = Path(__file__).resolve().parent / "demo_shot"
FRAMES = (1001, 1002, 1003, 1004)
RANDOM_ROWS = 8
TILE_PX = 256
CLOSE_UP = 1.9


@dataclass(frozen=True)
class DemoEdit:
    """One edit of the demonstration; ``truth`` names the folder of frames with just this change, if there is one."""

    name: str
    strengths: tuple[tuple[str, float], ...]
    truth: str = ""


EDITS = (
    DemoEdit("age", (("age", 1.2),), "truth_age"),
    DemoEdit("smile", (("smile", 2.4),), "truth_smile"),
    DemoEdit("glasses", (("glasses", 2.5),), "truth_glasses"),
    DemoEdit("lipstick", (("lipstick", 2.5),)),
)
LADDER = ("age", (-2.0, -1.0, 0.0, 1.0, 2.0))


@dataclass(frozen=True)
class Score:
    """Edit gain over the frames of one method: mean, smallest, largest."""

    method: str
    mean: float
    low: float
    high: float


def run_demo(output: Path, tell: Tell) -> None:
    """Write edited EXRs, contact_sheet.png, before_after.png and scores.txt into ``output``."""
    make_folder(output)
    tools = open_tools(ToolOptions())
    plates = {number: read_frame(SHOT / "plate" / f"plate.{number}.exr") for number in FRAMES}
    rows: list[list[Tile]] = []
    lines = [
        "Edit gain: 0 = did nothing, 1 = the rendered truth, negative = harm (mean, smallest and largest frame)"
    ]
    middle: dict[str, list[Tile]] = {}
    for edit in EDITS:
        frames, reports = render_shot(plates, edit.strengths, tools)
        for number, frame in frames.items():
            folder = output / edit.name
            make_folder(folder)
            write_frame(folder / f"{edit.name}.{number}.exr", frame)
        row = edit_row(edit, plates[FRAMES[0]], frames[FRAMES[0]], reports[FRAMES[0]], tools)
        middle[edit.name] = row
        rows.append(row)
        tell(f"{edit.name}: {len(frames)} frames written to {output / edit.name}")
        if edit.truth:
            scores = score_edit(edit, plates, frames, tools)
            lines += [
                f"{edit.name:8s} {s.method:22s} {s.mean:+.3f}  ({s.low:+.3f} .. {s.high:+.3f})"
                for s in scores
            ]
    rows.append(ladder_row(plates[FRAMES[0]], tools))
    sheet(rows, tile_height_px=TILE_PX, title="demo shot, frame 1001").save(output / "contact_sheet.png")
    shown = [middle[edit.name][1] for edit in EDITS]
    before_after = [[middle["age"][0], *shown]]
    sheet(before_after, tile_height_px=TILE_PX).save(output / "before_after.png")
    (output / "scores.txt").write_text("\n".join(lines) + "\n", encoding="utf-8")
    for line in lines:
        tell(line)
    tell(f"look at {output / 'contact_sheet.png'}")


def render_shot(
    plates: dict[int, Frame], strengths: tuple[tuple[str, float], ...], tools: Tools
) -> tuple[dict[int, Frame], dict[int, RenderReport]]:
    """Every frame with the same strengths and the exposure of the first one."""
    moves = tuple(Move(name, Strength.constant(value)) for name, value in strengths)
    recipe = EditRecipe(moves=moves)
    frames, reports = {}, {}
    for number, plate in plates.items():
        result = render_frame(plate, recipe, tools)
        recipe = replace(recipe, exposure=seen(result.report).exposure)
        frames[number], reports[number] = result.frame, result.report
    return frames, reports


def seen(report: RenderReport) -> Sight:
    """What was seen; every frame of the demonstration has a face."""
    assert report.seen is not None
    return report.seen


def display(frame: Frame, sight: Sight) -> npt.NDArray[np.uint8]:
    """The head as people look at it: sRGB, in the colour space and at the exposure of the first edit."""
    return close_up(to_display(sight.colour.to_linear709(frame.rgb("")), sight.exposure), sight)


def close_up(picture: npt.NDArray[np.uint8], sight: Sight) -> npt.NDArray[np.uint8]:
    """The square around the face, nearly twice as wide as the generator's crop; cut at the picture's border."""
    matrix = sight.crop.plate_from_crop
    side = CLOSE_UP * sight.crop.image.shape[-1] * float(np.hypot(matrix[0, 0], matrix[1, 0]))
    middle = matrix @ (sight.crop.image.shape[-1] / 2, sight.crop.image.shape[-1] / 2, 1.0)
    x0, y0 = (max(0, round(middle[i] - side / 2)) for i in (0, 1))
    return np.ascontiguousarray(picture[y0 : y0 + round(side), x0 : x0 + round(side)])


def edit_row(edit: DemoEdit, plate: Frame, frame: Frame, report: RenderReport, tools: Tools) -> list[Tile]:
    """Before, edited, truth (if known), mask, four times the difference."""
    sight = seen(report)
    before, after = display(plate, sight), display(frame, sight)
    words = ", ".join(f"{name} {value:+g}" for name, value in edit.strengths)
    row = [Tile(before, "plate"), Tile(after, words)]
    if edit.truth:
        truth = read_frame(SHOT / edit.truth / f"{edit.truth}.{plate.number}.exr")
        row.append(Tile(display(truth, sight), "rendered truth"))
    else:
        row.append(Tile(np.full_like(before, 24), "(no truth rendered)"))
    height, width = plate.rgb("").shape[:2]
    area = edit_area(sight.crop, tools)
    roi, x0, y0 = warp_to_plate(area.picture, area.plate_from_crop, height, width)
    mask = np.zeros((height, width), np.float32)
    mask[y0 : y0 + roi.shape[1], x0 : x0 + roi.shape[2]] = roi[0]
    return [
        *row,
        Tile(close_up(from_unit(mask), sight), "mask"),
        Tile(difference(before, after), "difference x4"),
    ]


def ladder_row(plate: Frame, tools: Tools) -> list[Tile]:
    """One attribute at several strengths."""
    name, strengths = LADDER
    tiles = []
    sight: Sight | None = None
    for value in sorted(strengths, key=abs, reverse=True):
        move = Move(name, Strength.constant(value))
        result = render_frame(
            plate, EditRecipe(moves=(move,), exposure=sight.exposure if sight else 0.0), tools
        )
        sight = sight or seen(result.report)
        tiles.append((value, Tile(display(result.frame, sight), f"{name} {value:+g}")))
    return [tile for _, tile in sorted(tiles, key=lambda pair: pair[0])]


def score_edit(
    edit: DemoEdit, plates: dict[int, Frame], frames: dict[int, Frame], tools: Tools
) -> list[Score]:
    """The edit's gain, the do-nothing row, and random directions of the same strength, on the same regions."""
    truths = {n: read_frame(SHOT / edit.truth / f"{edit.truth}.{n}.exr").rgb("") for n in plates}
    regions = {
        n: changed(plates[n].rgb(""), truths[n]) | changed(plates[n].rgb(""), frames[n].rgb(""))
        for n in plates
    }

    def gains(edited: dict[int, Frame]) -> list[float]:
        return [edit_gain(plates[n].rgb(""), edited[n].rgb(""), truths[n], regions[n]) for n in plates]

    def row(method: str, values: list[float]) -> Score:
        return Score(method, float(np.mean(values)), min(values), max(values))

    strength = max(abs(value) for _, value in edit.strengths)
    nulls = random_library(tools)
    random = []
    for null in nulls.names:
        moved, _ = render_shot(plates, ((null, strength),), replace(tools, library=nulls))
        random.append(float(np.mean(gains(moved))))
    return [
        row(" ".join(f"{name} {value:+g}" for name, value in edit.strengths), gains(frames)),
        row("do nothing", gains(plates)),
        row(f"{len(random)} random directions", random),
    ]


def random_library(tools: Tools) -> DirectionLibrary:
    """Null rows: directions drawn from the spread of W. Raises GeneratorError if the model has none."""
    if not tools.library.names:
        raise GeneratorError(
            "This model has no directions.", remedy="Run the demonstration on the default model."
        )
    statistics = w_statistics(tools.package, tools.generator)
    rows = random_directions(
        statistics.covariance,
        RANDOM_ROWS,
        seed=7,
        generator_id=tools.generator.id,
        num_ws=tools.generator.num_ws,
    )
    return DirectionLibrary(rows, tools.generator.id)
