"""How well a cover before a face is found and left alone, on truth shots whose cover is known exactly.

A truth shot without any cover is taken, and a post or a hand is drawn over its plates, so that every pixel's coverage
is known. The shot is analysed and rendered with strong edits. Reported for every shot, over all frames:

* ``missed``: share of the cover on the face (coverage above 99 %, 2 px inside its edge) where the edit may act;
* ``off``: how many of those pixels differ from the plate by more than 1/1024, and by how much at most;
* ``false``: share of the free face, further than ``FREE`` 64ths of the crop from any cover, that the edit is kept from;
* ``flicker``: mean over the frames of the output's unsteadiness over the plate's.

    .venv/bin/python bench/bench_occlusion.py FOLDER... [--cover none post hand] [--begin -1 0 24]

``--begin`` starts the cover's motion so many frames earlier; -1 looks for a start at which it is before the face in the
first frame. The shots come from ``lineament faces shot``, without ``--occluder``.
"""

from __future__ import annotations

import argparse
import json
import statistics
import tempfile
from dataclasses import dataclass, field
from pathlib import Path

import cv2
import numpy as np
from lineament.core.faces.align import plate_from_crop
from lineament.core.faces.base import Face
from lineament.core.io import read_frame, resolve, write_frame
from lineament.core.pipeline import ToolOptions, open_tools
from lineament.core.recipe import EditRecipe, Move, Strength
from lineament.core.shots.analyse import analyse
from lineament.core.shots.quality import QualityMeter, SeenFrame
from lineament.core.shots.render import render_shot_frame, tools_for
from lineament.core.shots.shot import AnalysisSettings, FaceEdit, Shot
from lineament.core.synthetic.hand import Hand
from lineament.core.synthetic.occluder import Occluder, over
from lineament.core.synthetic.params import FaceParams
from lineament.core.synthetic.photograph import PhotoSettings, add_grain
from lineament.core.synthetic.shot_files import exr_frame

FREE = 20.0
"""In 64ths of the crop: the clear margin, the soft rise, and the way a cover moves while the edit fades."""
GRAIN = 0.01


@dataclass(frozen=True)
class Source:
    """A truth shot: its plates (H, W, 3), and the parameters of its faces, frame by frame."""

    folder: Path
    seed: int
    numbers: tuple[int, ...]
    faces: tuple[FaceParams, ...]

    def plate(self, row):
        """One plate."""
        number = self.numbers[row]
        return colours(read_frame(self.folder / "plate" / f"plate.{number}.exr", number))


def colours(frame):
    """(H, W, 3) float32 of a frame."""
    return np.stack([frame.parts[0].planes[c].astype(np.float32) for c in "RGB"], -1)


def read_source(folder):
    """What ``shot.json`` says."""
    told = json.loads((folder / "shot.json").read_text())
    if told["settings"]["occluder"]:
        raise SystemExit(f"{folder} has a cover already.")
    base = {name: deep_tuple(value) for name, value in told["base"].items()}
    faces = tuple(FaceParams(**{**base, **each["params"]}) for each in told["frames"])
    numbers = tuple(each["frame"] for each in told["frames"])
    return Source(folder, told["settings"]["seed"], numbers, faces)


def deep_tuple(value):
    return tuple(deep_tuple(one) for one in value) if isinstance(value, list) else value


def drawn(source, cover, begin, row):
    """Light and coverage of the cover in one frame, or none."""
    height, width = source.plate(row).shape[:2]
    if cover == "none":
        return np.zeros((height, width, 3), np.float32), np.zeros((height, width), np.float32)
    maker = {"post": Occluder, "hand": Hand}[cover](source.seed)
    light, coverage = maker.drawn(width, height, row + begin, source.faces[row])
    grain = PhotoSettings(grain_strength=GRAIN, grain_size=1.0, grain_seed=source.seed * 1000 + row)
    return add_grain(light, grain) * (coverage > 0)[..., None], coverage


def covering_start(source, cover):
    """The start at which the cover hides most of the middle of the face in the first frame."""
    points = json.loads((source.folder / "track.json").read_text())["frames"][0]
    middle = np.mean([v for v in points.values() if isinstance(v, list)], axis=0)
    reach = 30

    def hidden(begin):
        coverage = drawn(source, cover, begin, 0)[1]
        x, y = (round(float(v)) for v in middle)
        return float(coverage[y - reach : y + reach, x - reach : x + reach].mean())

    return max(range(0, 96, 3), key=hidden)


def make_shot(source, cover, begin, folder):
    """The covered plates on disk, and the shot that edits them."""
    (folder / "plate").mkdir()
    for row, number in enumerate(source.numbers):
        light, coverage = drawn(source, cover, begin, row)
        write_frame(
            folder / "plate" / f"p.{number}.exr",
            exr_frame(over(source.plate(row), light, coverage), number, {}),
        )
    recipe = EditRecipe((Move("smile", Strength.constant(2.0)), Move("age", Strength.constant(2.0))))
    return Shot(
        "cover",
        str(folder / "plate" / "p.####.exr"),
        str(folder / "out.####.exr"),
        faces=(FaceEdit("main", recipe=recipe),),
        analysis=AnalysisSettings(),
    )


def coverage_in_crop(coverage, matrix, size):
    """The coverage (H, W) as the steady crop of ``size`` pixels sees it; ``matrix`` (3, 3) is plate from crop."""
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    half = np.array([[1, 0, -0.5], [0, 1, -0.5], [0, 0, 1.0]])
    place = half @ matrix @ np.linalg.inv(half)
    return cv2.warpAffine(coverage, place[:2], (size, size), flags=flags, borderMode=cv2.BORDER_REPLICATE)


@dataclass
class Tally:
    """Counts over the frames of one shot; ``flickers`` one a frame."""

    cover_px: int = 0
    off_px: int = 0
    most: float = 0.0
    missed: float = 0.0
    missable: float = 0.0
    false: float = 0.0
    free: float = 0.0
    flickers: list[float] = field(default_factory=list)

    def add_maps(self, face, row, matrix, coverage):
        """What the analysis says, against what was drawn."""
        size = face.keeps.shape[-1]
        true = coverage_in_crop(coverage, matrix, size)
        person, keep = face.mattes[row].astype(np.float32) > 0.5, face.keeps[row].astype(np.float32)
        full = (true > 0.99) & person
        self.missed += float((keep[full] > 0.0).sum())
        self.missable += float(full.sum())
        distance = cv2.distanceTransform((true < 0.01).astype(np.uint8), cv2.DIST_L2, 5)
        free = person & (distance > FREE * size / 64.0)
        self.false += float((1.0 - keep[free]).sum())
        self.free += float(free.sum())

    def add_pixels(self, plate, output, coverage):
        """Pixels of the cover that are not the plate's."""
        kernel = np.ones((5, 5), np.uint8)
        inside = cv2.erode((coverage > 0.99).astype(np.uint8), kernel) > 0
        error = np.abs(output - plate).max(axis=-1)[inside]
        self.cover_px += error.size
        self.off_px += int((error > 1.0 / 1024.0).sum())
        self.most = max(self.most, float(error.max(initial=0.0)))

    def line(self, name):
        """One row of the table."""
        missed = f"{100 * self.missed / self.missable:.2f} %" if self.missable else "-"
        off = f"{self.off_px} of {self.cover_px}, {self.most:.4f}" if self.cover_px else "-"
        false = f"{100 * self.false / self.free:.2f} %" if self.free else "-"
        mean = f"{statistics.mean(self.flickers):.3f}" if self.flickers else "-"
        worst = f"{max(self.flickers):.3f}" if self.flickers else "-"
        return f"| {name} | {missed} | {off} | {false} | {mean} | {worst} |"


def measure(source, cover, begin, tools, folder):
    """One shot, analysed and rendered in memory."""
    shot = make_shot(source, cover, begin, folder)
    analysis = analyse(shot, resolve(shot.plate), tools, folder / "cache")
    fitted, face, tally = tools_for(tools, analysis), analysis.faces[0], Tally()
    meter = QualityMeter()
    for row, number in enumerate(source.numbers):
        coverage = drawn(source, cover, begin, row)[1]
        frame = read_frame(folder / "plate" / f"p.{number}.exr", number)
        plate = colours(frame)
        output = colours(render_shot_frame(frame, number, shot, analysis, fitted).frame)
        if face.track.statuses[row] != "missing":
            place = Face(face.track.landmarks[row], 1.0, "shot")
            tally.add_maps(face, row, crop_matrix(place, tools, face), coverage)
        tally.add_pixels(plate, output, coverage)
        everywhere = np.zeros(plate.shape[:2], np.float32)
        found = meter.measure(SeenFrame(number, plate, output, everywhere, everywhere > 0))
        if np.isfinite(found.flicker):
            tally.flickers.append(found.flicker)
    return tally


def crop_matrix(face, tools, analysed):
    """Plate from a crop with as many pixels as the analysis' maps."""
    scale = tools.alignment.resolution / analysed.keeps.shape[-1]
    return plate_from_crop(face, tools.alignment) @ np.diag([scale, scale, 1.0])


def main():
    """Read the options, run, print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folders", nargs="+", type=Path)
    parser.add_argument(
        "--cover", nargs="*", choices=["none", "post", "hand"], default=["none", "post", "hand"]
    )
    parser.add_argument("--begin", nargs="*", type=int, default=[0])
    options = parser.parse_args()
    tools = open_tools(ToolOptions())
    print("| shot | missed | off by > 1/1024, at most | false | flicker, mean | worst |", flush=True)
    print("|---|---:|---:|---:|---:|---:|", flush=True)
    for folder in options.folders:
        source = read_source(folder)
        for cover in options.cover:
            for begin in options.begin if cover != "none" else [0]:
                start = covering_start(source, cover) if begin < 0 else begin
                with tempfile.TemporaryDirectory(prefix="lineament_bench_") as name:
                    tally = measure(source, cover, start, tools, Path(name))
                print(tally.line(f"{source.seed} {cover} {start}"), flush=True)


if __name__ == "__main__":
    main()
