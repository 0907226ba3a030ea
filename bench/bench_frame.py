"""What one HD frame costs from EXR to EXR, stage by stage: first the edit, then a tweak with a warm cache.

The plate is a frame of the sample shot, enlarged and set into 1920 x 1080 pixels of half float, ZIP
compressed. Opening the model is measured apart. Every round starts with an empty latent cache, edits once
(which inverts), then edits again with another strength (which does not). Wall time, nothing is asserted.

    .venv/bin/python bench/bench_frame.py [--plate FILE.exr] [--device cpu] [--threads 2] [--rounds 5]
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from pathlib import Path

import numpy as np
import OpenImageIO as oiio
import torch
from lineament.core.io import read_frame, write_frame
from lineament.core.pipeline import ToolOptions, open_tools, render_frame
from lineament.core.recipe import EditRecipe, Move, Strength

REPOSITORY = Path(__file__).resolve().parents[1]
SAMPLE = REPOSITORY.parent / "shared" / "data" / "shot_a" / "plate" / "plate.1001.exr"
WIDTH, HEIGHT = 1920, 1080


def write_hd_plate(source, target):
    """Enlarge ``source`` to the full height and continue its border to the sides, header kept."""
    small = oiio.ImageBuf(str(source))
    spec = small.spec()
    large = oiio.ImageBufAlgo.resize(small, roi=oiio.ROI(0, HEIGHT, 0, HEIGHT, 0, 1, 0, spec.nchannels))
    square = large.get_pixels(oiio.FLOAT)
    left = (WIDTH - HEIGHT) // 2
    pixels = np.pad(square, ((0, 0), (left, WIDTH - HEIGHT - left), (0, 0)), mode="edge")
    hd = oiio.ImageSpec(spec)
    hd.width = hd.full_width = WIDTH
    hd.height = hd.full_height = HEIGHT
    hd.tile_width = hd.tile_height = 0
    hd.attribute("compression", "zip")
    output = oiio.ImageOutput.create(str(target))
    written = output is not None and output.open(str(target), hd) and output.write_image(pixels)
    if not written or not output.close():
        raise SystemExit(f"The HD plate cannot be written: {oiio.geterror()}")


class Watch:
    """Seconds per stage, in the order in which they began."""

    def __init__(self):
        self.seconds = {}
        self._name, self._since = "", 0.0

    def enter(self, name):
        """End the running stage and begin another; an empty name only ends."""
        now = time.perf_counter()
        if self._name:
            self.seconds[self._name] = self.seconds.get(self._name, 0.0) + now - self._since
        self._name, self._since = name, now


def edit_once(plate, output, strength, tools, attribute):
    """Read, edit and write one frame; the stages' seconds, and how many pixels changed."""
    watch = Watch()
    watch.enter("read")
    frame = read_frame(plate)
    recipe = EditRecipe(moves=(Move(attribute, Strength.constant(strength)),))
    result = render_frame(frame, recipe, tools, on_stage=watch.enter)
    watch.enter("write")
    write_frame(output, result.frame)
    watch.enter("")
    changed = np.any(result.frame.rgb(result.frame.layer("")) != frame.rgb(frame.layer("")), axis=2)
    return watch.seconds, int(changed.sum())


def print_table(title, rounds):
    """One line per stage: least, median, most, in milliseconds."""
    print(f"\n{title}, ms{'':14} least  median    most")
    stages = list(dict.fromkeys(name for seconds in rounds for name in seconds))
    rows = {name: [1000.0 * seconds.get(name, 0.0) for seconds in rounds] for name in stages}
    rows["total"] = [1000.0 * sum(seconds.values()) for seconds in rounds]
    for name, values in rows.items():
        print(f"  {name:<22} {min(values):9.1f} {statistics.median(values):7.1f} {max(values):7.1f}")


def main():
    """Read the options, make the plate, run the rounds, print the tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--plate", type=Path, default=SAMPLE)
    parser.add_argument("--model", default="default")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--attribute", default="age")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    with tempfile.TemporaryDirectory(prefix="lineament_bench_") as name:
        folder = Path(name)
        plate = folder / "plate.exr"
        write_hd_plate(options.plate, plate)
        first, second, changed = [], [], 0
        for number in range(options.rounds + 1):
            cache = str(folder / f"cache_{number}")
            start = time.perf_counter()
            tools = open_tools(ToolOptions(model=options.model, device=options.device, cache=cache))
            loading = time.perf_counter() - start
            one, changed = edit_once(plate, folder / "edit.exr", 1.5, tools, options.attribute)
            two, _ = edit_once(plate, folder / "edit.exr", 1.0, tools, options.attribute)
            if number:  # round 0 warms up
                first.append(one)
                second.append(two)
    print(f"torch {torch.__version__}, {options.threads} threads, {options.device}, model {options.model}")
    print(f"{WIDTH} x {HEIGHT}, {changed} pixels changed, model opened in {loading:.2f} s (after imports)")
    print_table("first edit", first)
    print_table("second tweak", second)


if __name__ == "__main__":
    main()
