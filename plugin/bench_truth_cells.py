"""One shot, one inversion method, one attribute: every row edited as the product edits, and measured against the truth.

A cell is one row of one shot. All rows of an attribute share what was seen and inverted, so they differ in nothing but
the step in the latent space.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from lineament.core.devices import device_errors
from lineament.core.directions.apply import apply_moves
from lineament.core.directions.library import DirectionLibrary
from lineament.core.faces.align import inverse
from lineament.core.faces.base import FaceCrop, Matrix
from lineament.core.faces.crop import warp_to_plate
from lineament.core.flicker import edit_jitter, flicker_ratio, motion
from lineament.core.frame import Frame
from lineament.core.latent import Direction, Latent
from lineament.core.pipeline import Increment, Sight, composite, edit_area, placed, refined_change, see_face
from lineament.core.recipe import EditRecipe
from lineament.core.score import changed, cosines, edit_gain, outside_share, stops
from lineament.core.sight import Plate, cut_face, face_picture, fine_face, read_plate
from lineament.core.tools import Tools

from .bench_truth_judge import Judge
from .bench_truth_methods import CROP_ORACLE, INVERTED_ORACLE, NOTHING, PLAIN, TRUTH, Method
from .bench_truth_shots import TruthShot

Array = npt.NDArray[np.float32]
Mask = npt.NDArray[np.bool_]
Doubles = npt.NDArray[np.float64]

EDGE_SHARE = 0.04
"""An edge of the truth counts as met within this share of the distance between the eyes."""
ACTS_FROM = 0.05
"""Flicker is looked at where the mask of the edit is at least this."""
HALF = 0.5
FIXED_ROWS = (NOTHING, CROP_ORACLE, INVERTED_ORACLE, TRUTH)


@dataclass(frozen=True)
class Row:
    """A row to be measured: a direction at a strength in sigma, or one of FIXED_ROWS, which have none."""

    name: str
    direction: Direction | None = None
    strength: float = 0.0


@dataclass(frozen=True)
class Seen:
    """A plate as the product sees it, once for all rows: the sight, its latent, its scores (A,) and embedding (E,)."""

    sight: Sight
    latent: Latent
    scores: Doubles
    embedding: Doubles


@dataclass(frozen=True)
class Cell:
    """The figures of one row of one shot.

    ``gains`` and ``gains_inside`` a frame, over the whole picture and where the mask of the edit is at least HALF;
    ``changes`` the mean change of every score in standard deviations; ``identity`` the mean cosine of plate and output;
    ``outside``, ``flicker`` and ``jitter`` as in core.score and core.flicker, means over frames and pairs of frames.
    NaN where a figure is not defined.
    """

    row: str
    strength: float
    gains: tuple[float, ...]
    gains_inside: tuple[float, ...]
    changes: Mapping[str, float]
    identity: float
    outside: float
    flicker: float
    jitter: float

    def as_data(self) -> dict[str, Any]:
        """Plain data; NaN becomes None."""
        values = {
            name: _rounded(getattr(self, name)) for name in ("identity", "outside", "flicker", "jitter")
        }
        return {
            "row": self.row,
            "strength": self.strength,
            "gains": [_rounded(gain) for gain in self.gains],
            "gains_inside": [_rounded(gain) for gain in self.gains_inside],
            "changes": {name: _rounded(value) for name, value in self.changes.items()},
            **values,
        }


def _rounded(value: float) -> float | None:
    return round(float(value), 5) if np.isfinite(value) else None


def look(shot: TruthShot, tools: Tools, judge: Judge, numbers: Sequence[int]) -> dict[int, Seen]:
    """See and invert the given frames with the shot's own track and the exposure of its first frame.

    Raises FaceError, ColourError, DeviceError or PlateError.
    """
    tools = replace(tools, locator=shot.locator())
    recipe = EditRecipe()
    found: dict[int, Seen] = {}
    for number in numbers:
        frame = shot.plate(number)
        sight = see_face(frame, frame.layer(""), recipe, tools)
        recipe = replace(recipe, exposure=sight.exposure)
        with device_errors(tools.device):
            latent = tools.inverter.invert(sight.crop)
        crops = [sight.crop]
        found[number] = Seen(sight, latent, judge.scores(crops)[0], judge.embeddings(crops)[0])
    return found


def rows_of(methods: Sequence[Method], strengths: Mapping[str, float], inverter: str) -> tuple[Row, ...]:
    """Every direction at its strength, and the fixed rows around them.

    Truths are inverted by the encoder alone: by optimisation each would cost as much as all other rows together.
    """
    moved = [Row(method.name, method.direction, strengths[method.name]) for method in methods]
    fixed = [name for name in FIXED_ROWS[1:] if name != INVERTED_ORACLE or inverter == "encoder"]
    return (Row(NOTHING), *moved, *(Row(name) for name in fixed))


def measure(
    shot: TruthShot, attribute: str, rows: Sequence[Row], seen: Mapping[int, Seen], tools: Tools, judge: Judge
) -> list[Cell]:
    """All rows of one attribute over the frames that were seen; frames must be given in order.

    Raises PlateError for missing frames.
    """
    tables = {row.name: _Table([], [], [], [], [], [], []) for row in rows}
    earlier: tuple[int, dict[str, Array]] | None = None
    for number, view in seen.items():
        plate, truth = shot.plate(number), shot.truth(attribute, number).rgb("")
        outputs = edited_frames(plate, truth, rows, view, tools)
        box = _box(plate.rgb(""), truth, view.sight, tools)
        pictures = {name: np.ascontiguousarray(picture[box]) for name, picture in outputs.items()}
        clean, goal = plate.rgb("")[box], np.ascontiguousarray(truth[box])
        edge_px = round(EDGE_SHARE * view.sight.face.interocular_px)
        crops = [_crop_of(outputs[row.name], plate, view, tools) for row in rows]
        scores, embeddings = judge.scores(crops), judge.embeddings(crops)
        alike = cosines(np.repeat(view.embedding[None], len(rows), 0), embeddings)
        inside = _acting(view.sight, tools, plate.rgb("").shape[:2])[0][box] >= HALF
        for i, row in enumerate(rows):
            table, picture = tables[row.name], pictures[row.name]
            table.gains.append(edit_gain(clean, picture, goal, np.ones_like(inside)))
            table.inside.append(edit_gain(clean, picture, goal, inside))
            table.changes.append(scores[i] - view.scores)
            table.identity.append(float(alike[i]))
            table.outside.append(outside_share(clean, picture, goal, edge_px))
        if earlier is not None and earlier[0] == number - 1:
            _steadiness(tables, earlier[1], outputs, view.sight, tools)
        earlier = (number, outputs)
    return [_cell(row, tables[row.name], judge.names) for row in rows]


@dataclass(frozen=True)
class _Table:
    """Figures of one row, frame by frame."""

    gains: list[float]
    inside: list[float]
    changes: list[Doubles]
    identity: list[float]
    outside: list[float]
    flicker: list[float]
    jitter: list[float]


def _cell(row: Row, table: _Table, names: Sequence[str]) -> Cell:
    means = np.mean(table.changes, axis=0)
    return Cell(
        row.name,
        row.strength,
        tuple(table.gains),
        tuple(table.inside),
        {name: float(means[i]) for i, name in enumerate(names)},
        float(np.mean(table.identity)),
        *(_mean(values) for values in (table.outside, table.flicker, table.jitter)),
    )


def _mean(values: Sequence[float]) -> float:
    finite = [value for value in values if np.isfinite(value)]
    return float(np.mean(finite)) if finite else float("nan")


def edited_frames(
    plate: Frame, truth: Array, rows: Sequence[Row], view: Seen, tools: Tools
) -> dict[str, Array]:
    """Each row's finished picture (H, W, 3), by the steps of ``pipeline.render_frame`` from the latent on."""
    layer = plate.layer("")
    pixels = read_plate(plate, layer)
    outputs = {}
    for name, increment in _increments(plate, truth, rows, view, tools).items():
        if name == NOTHING:
            outputs[name] = pixels.rgb
        elif name == TRUTH:
            outputs[name] = truth
        else:
            result, _ = composite(plate, layer, pixels, increment, view.sight, EditRecipe(), tools, None)
            outputs[name] = result.rgb(layer)
    return outputs


def _increments(
    plate: Frame, truth: Array, rows: Sequence[Row], view: Seen, tools: Tools
) -> dict[str, Increment]:
    """What each row adds, masked as in the product."""
    edited = {row.name: moved(view.latent, row) for row in rows if row.direction is not None}
    truth_crop = _crop_of(truth, plate, view, tools)
    if any(row.name == INVERTED_ORACLE for row in rows):
        with device_errors(tools.device):
            edited[INVERTED_ORACLE] = tools.inverter.invert(truth_crop)
    increments = drawn_steps(view, edited, tools)
    area = edit_area(view.sight.crop, tools)
    increments[CROP_ORACLE] = placed(crop_change(plate, Plate(truth), view.sight, tools), area)
    nothing = Increment(
        np.zeros_like(increments[CROP_ORACLE].picture), increments[CROP_ORACLE].plate_from_crop
    )
    return {row.name: increments.get(row.name, nothing) for row in rows}


def crop_change(plate: Frame, truth: Plate, sight: Sight, tools: Tools) -> Array:
    """The difference of two pictures in the square that is edited, (3, K, K), as finely as the refiner sees it where
    the model has one. Mattes have no part in it: what they get wrong of the truth would count as its change."""
    layer = plate.layer("")
    place = (sight.face, sight.colour, sight.exposure, plate.parts[layer.part].pixel_aspect, tools)

    def cut(pixels: Plate) -> Array:
        fine = fine_face(pixels, *place, None)
        return face_picture(pixels, *place)[0] if fine is None else fine.picture

    return np.asarray(cut(truth) - cut(read_plate(plate, layer)), np.float32)


def moved(latent: Latent, row: Row) -> Latent:
    """The latent after the row's step. Raises RecipeError for a strength beyond the direction's limits."""
    assert row.direction is not None
    library = DirectionLibrary((row.direction,), row.direction.generator_id)
    return apply_moves(latent, {row.direction.name: row.strength}, library)


def drawn_steps(view: Seen, edited: Mapping[str, Latent], tools: Tools) -> dict[str, Increment]:
    """What each row's edited latent adds, masked: drawn by the generator, from one batch, and placed by the model's
    refiner but in the row PLAIN, which keeps the generator's square and resolution."""
    with device_errors(tools.device), torch.inference_mode():
        ws = np.stack([view.latent.ws, *(one.ws for one in edited.values())])
        before, *after = (
            tools.generator.synthesise(torch.from_numpy(ws).to(tools.device)).float().cpu().numpy()
        )
        steps = {}
        for (name, latent), picture in zip(edited.items(), after, strict=True):
            bare = replace(tools, refiner=None) if name == PLAIN else tools
            change = refined_change(view.latent, latent, before, picture, view.sight.crop.fine, bare)
            steps[name] = placed(change, edit_area(view.sight.crop, bare))
    return steps


def brought(step: Increment, plate_from_crop: Matrix, size: int) -> Array:
    """An increment in the pixels of another square of ``size`` pixels, (C, size, size); 0 where it does not reach."""
    found = np.zeros((step.picture.shape[0], size, size), np.float32)
    relative = inverse(plate_from_crop) @ step.plate_from_crop
    roi, x0, y0 = warp_to_plate(step.picture, relative, size, size)
    found[:, y0 : y0 + roi.shape[1], x0 : x0 + roi.shape[2]] = roi
    return found


def _crop_of(picture: Array, plate: Frame, view: Seen, tools: Tools) -> FaceCrop:
    """A picture of the plate's size cut and matted where the plate's face is, at the plate's exposure."""
    sight, aspect = view.sight, plate.parts[plate.layer("").part].pixel_aspect
    return cut_face(Plate(picture), sight.face, sight.colour, sight.exposure, aspect, tools)


def truth_step(shot: TruthShot, attribute: str, number: int, view: Seen, tools: Tools) -> Increment:
    """What the truth adds to the square that is edited, in the encoded domain, not masked."""
    truth = Plate(shot.truth(attribute, number).rgb(""))
    change = crop_change(shot.plate(number), truth, view.sight, tools)
    area = edit_area(view.sight.crop, tools)
    return placed(change, Increment(np.ones_like(area.picture), area.plate_from_crop))


def _box(plate: Array, truth: Array, sight: Sight, tools: Tools) -> tuple[slice, slice]:
    """Rows and columns that hold all of the truth's change and all that an edit may touch."""
    acts = _acting(sight, tools, plate.shape[:2])[1]
    rows, columns = (np.flatnonzero(changed(plate, truth).any(axis=axis)) for axis in (1, 0))
    found = []
    for touched, moved_ in zip(acts, (rows, columns), strict=True):
        found.append(slice(min([touched.start, *moved_[:1]]), max([touched.stop, *(moved_[-1:] + 1)])))
    return found[0], found[1]


def _acting(sight: Sight, tools: Tools, size: tuple[int, ...]) -> tuple[Array, tuple[slice, slice]]:
    """The mask of the edit over the whole plate (H, W), and the rows and columns that it lies in."""
    area = edit_area(sight.crop, tools)
    roi, x0, y0 = warp_to_plate(area.picture, area.plate_from_crop, size[0], size[1])
    box = (slice(y0, y0 + roi.shape[1]), slice(x0, x0 + roi.shape[2]))
    whole = np.zeros(size[:2], np.float32)
    whole[box] = roi[0]
    return whole, box


def _steadiness(
    tables: Mapping[str, _Table],
    earlier: Mapping[str, Array],
    later: Mapping[str, Array],
    sight: Sight,
    tools: Tools,
) -> None:
    """Flicker and jitter of one pair of frames (pictures by row), inside the later frame's mask."""
    mask, box = _acting(sight, tools, later[NOTHING].shape)
    region: Mask = np.asarray(mask[box] >= ACTS_FROM)
    pairs = {name: (stops(earlier[name][box]), stops(later[name][box])) for name in tables}
    plates = pairs[NOTHING]
    move = motion(*plates)
    for name, table in tables.items():
        table.flicker.append(flicker_ratio(plates, pairs[name], move, region))
        table.jitter.append(edit_jitter(plates, pairs[name], move, region))
