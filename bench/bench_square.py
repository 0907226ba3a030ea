"""What a square around the face can give of an edit at most, by its size and place, on truth shots.

The truth's change is taken whole inside the square, falls off at its border as an edit's mask does, and is nothing
beyond; no generator, matte or resampling has a part in it. Printed: the edit gain over the whole frame, mean over the
shots, of their first frames.

    .venv/bin/python bench/bench_square.py FOLDER... [--square 0.62,0.32 --square 0.93,0.55]

The folders are truth shots, for example those that ``lineament bench truth -o runs/truth`` keeps in its ``shots``. A
square is a scale and a shift of FFHQ's alignment.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import cv2
import numpy as np
from lineament.core.faces.align import square_from_landmarks
from lineament.core.faces.base import Alignment, border_window
from lineament.core.score import stops
from lineament.plugin.bench_truth_shots import EDITS, open_shot

SIZE = 256
SQUARES = ("0.62,0.32", "0.93,0.55", "1,0.1", "1.24,0.4")


def weight(landmarks, scale, shift, width, height):
    """Where an edit in the square acts, (H, W) in [0, 1]."""
    matrix = square_from_landmarks(landmarks, Alignment(SIZE, scale, shift))
    return cv2.warpAffine(border_window(SIZE), matrix[:2], (width, height), flags=cv2.INTER_LINEAR)


def main():
    """Parse, measure, print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folders", nargs="+", type=Path)
    parser.add_argument("--square", action="append", default=[], metavar="SCALE,SHIFT")
    options = parser.parse_args()
    squares = [tuple(float(value) for value in one.split(",")) for one in options.square or SQUARES]
    gains: dict[str, list[list[float]]] = {}
    for folder in options.folders:
        shot = open_shot(folder)
        number = shot.numbers[0]
        frame = shot.plate(number)
        plate, part = frame.rgb(""), frame.parts[frame.layer("").part]
        face = shot.locator().locate_in(part.display_window, part.data_window, 1.0, number)[0]
        for name in EDITS:
            if not shot.has(name):
                continue
            change = (stops(shot.truth(name, number).rgb("")) - stops(plate)).astype(np.float64)
            energy = (change**2).sum(-1)
            left = [
                (1.0 - weight(face.landmarks, *one, plate.shape[1], plate.shape[0])) ** 2 * energy
                for one in squares
            ]
            gains.setdefault(name, []).append([1.0 - np.sqrt(one.sum() / energy.sum()) for one in left])
    print(f"{'scale, shift':<16}" + "".join(f"{name:>14}" for name in gains))
    for i, (scale, shift) in enumerate(squares):
        means = (np.mean([row[i] for row in rows]) for rows in gains.values())
        print(f"{f'{scale:g}, {shift:g}':<16}" + "".join(f"{mean:>14.3f}" for mean in means))


if __name__ == "__main__":
    main()
