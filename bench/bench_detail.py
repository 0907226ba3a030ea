"""What moving a face's fine detail along with an edit brings, and what it costs, on truth shots.

Every edit is made twice: with the face as the refiner sees it alone, and as finely as the plate has it. Reported for
each, as means over shots and frames: the edit gain inside the mask, and the output's flicker over the plate's (with two
frames or more); then the processor time of a frame without reading and writing, in turns.

    .venv/bin/lineament faces shot --assets ../shared/data/facekit -o out/hd --seed 0 --frames 2 --size 1920x1080 \\
        --edit smile=0.9 --edit mouth_open=0.7
    .venv/bin/python bench/bench_detail.py out/hd [FOLDER...] [--move smile=2.5 --move mouth_open=2] [--rounds 5]
"""

from __future__ import annotations

import argparse
import statistics
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from lineament.core.faces.crop import resized
from lineament.core.pipeline import ToolOptions, face_change, open_tools
from lineament.plugin.bench_truth_cells import NOTHING, Row, look, measure, moved
from lineament.plugin.bench_truth_judge import open_judge
from lineament.plugin.bench_truth_shots import open_shot

COARSE, FINE = "refiner's size", "plate's size"


def coarse(view):
    """The same face, no finer than the refiner is."""
    crop = view.sight.crop
    fine = crop.fine
    size = fine.matte.shape[-1]
    pitch = fine.pitch * fine.picture.shape[-1] / size
    reduced = replace(fine, picture=resized(fine.picture, size), pitch=pitch)
    return replace(view, sight=replace(view.sight, crop=replace(crop, fine=reduced)))


def seconds(view, latents, tools, rounds):
    """Processor seconds of one change, least of some rounds."""
    found = []
    for _ in range(rounds):
        start = time.process_time()
        face_change(view.latent, latents, view.sight.crop.fine, tools)
        found.append(time.process_time() - start)
    return min(found)


def main():
    """Parse, edit, print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folders", nargs="+", type=Path)
    parser.add_argument("--move", action="append", default=[], metavar="NAME=SIGMA")
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    torch.set_num_threads(1)
    moves = dict(one.split("=") for one in options.move or ("smile=2.5", "mouth_open=2"))
    base = open_tools(ToolOptions())
    judge = open_judge(base, list(moves))
    table = {(name, kind): [] for name in moves for kind in (COARSE, FINE)}
    costs, sizes = {COARSE: [], FINE: []}, []
    for folder in options.folders:
        shot = open_shot(folder)
        tools = replace(base, locator=shot.locator())
        seen = look(shot, tools, judge, shot.numbers)
        views = {COARSE: {number: coarse(view) for number, view in seen.items()}, FINE: seen}
        sizes.append(next(iter(seen.values())).sight.crop.fine.picture.shape[-1])
        for name, sigma in moves.items():
            row = Row("edit", tools.library.get(name), float(sigma))
            for kind, of_kind in views.items():
                table[name, kind].append(measure(shot, name, [Row(NOTHING), row], of_kind, tools, judge)[1])
                view = next(iter(of_kind.values()))
                costs[kind].append(seconds(view, moved(view.latent, row), tools, options.rounds))
    print(f"{len(options.folders)} shots, the face's square up to {max(sizes)} pixels a side\n")
    print(f"{'edit':<14}{'seen at':<18}{'gain inside':>12}{'flicker':>10}{'ms a change':>14}")
    for (name, kind), cells in table.items():
        gain = np.mean([np.mean(cell.gains_inside) for cell in cells])
        flicker = np.nanmean([cell.flicker for cell in cells])
        cost = 1e3 * statistics.median(costs[kind])
        print(f"{name + ' ' + moves[name]:<14}{kind:<18}{gain:>12.3f}{flicker:>10.3f}{cost:>14.1f}")


if __name__ == "__main__":
    main()
