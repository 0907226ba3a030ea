"""How long colour takes on an HD plate and on a face region: encode, decode, OCIO, giving back.

    OMP_NUM_THREADS=1 python bench/bench_colour.py

Prints medians in milliseconds of processor time, and the accuracy of the curve. One core, no files.
"""

from __future__ import annotations

import time
from collections.abc import Callable

import numpy as np
from lineament.core.colour import resolve_colour
from lineament.core.composite import give_back
from lineament.core.curve import decode, encode, picture_from_linear


def median_ms(work: Callable[[], object], repeats: int = 7) -> float:
    """Median processor time of ``work`` in milliseconds after one warm-up: other jobs disturb it less."""
    work()
    times = []
    for _ in range(repeats):
        start = time.process_time()
        work()
        times.append(time.process_time() - start)
    return 1e3 * float(np.median(times))


def plate_of(height: int, width: int) -> np.ndarray:
    """A plausible plate: log-normal light around a fifth, some of it above the shoulder."""
    light = np.random.default_rng(1).normal(-2.3, 1.5, (height, width, 3))
    return (2.0**light).astype(np.float32)


def round_face(size: int) -> np.ndarray:
    """An increment that is not zero inside the circle that touches the square: 79 % of it."""
    y, x = np.mgrid[0:size, 0:size] / size - 0.5
    inside = np.hypot(x, y) < 0.5
    return (inside[..., None] * np.float32(0.05) * np.ones(3)).astype(np.float32)


def main() -> None:
    """Print the table."""
    hd = plate_of(1080, 1920)
    encoded = encode(hd)
    rows = [
        ("HD encode", median_ms(lambda: encode(hd))),
        ("HD decode", median_ms(lambda: decode(encoded))),
        ("HD picture for the generator", median_ms(lambda: picture_from_linear(hd, 1.0))),
    ]
    for space in ("ACEScg", "ACEScct", "srgb_tx"):
        colour = resolve_colour(colourspace=space)
        plate = colour.from_linear709(hd)
        rows.append((f"HD {space} to Rec.709", median_ms(lambda c=colour, p=plate: c.to_linear709(p))))
        rows.append((f"HD {space} from Rec.709", median_ms(lambda c=colour: c.from_linear709(hd))))
        for size in (700, 1024):
            part = np.ascontiguousarray(np.resize(plate, (size, size, 3)))
            d = round_face(size)
            took = median_ms(lambda p=part, d=d, c=colour: give_back(p, d, c, 1.0))
            rows.append((f"give_back {size} x {size} {space}", took))
    rows.append(("resolve_colour, known config", median_ms(lambda: resolve_colour("a.exr"))))
    for name, took in rows:
        print(f"{name:36s} {took:8.1f} ms")
    light = (2.0 ** np.random.default_rng(2).uniform(-10, 16, 4_000_000)).astype(np.float32)
    error = np.abs(decode(encode(light)) - light) / light
    print(f"round trip -10..+16 stops: max {error.max():.2e}, median {np.median(error):.2e} relative")


if __name__ == "__main__":
    main()
