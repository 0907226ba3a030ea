"""Hard negatives: windows on made-up pictures without a face in which a locator sees one all the same.

A network that has only met random negatives is wrong where they are rare, and there it is wrong with a score above
0.99, which no threshold removes. So the locator that training starts from is let loose on textures, and what deceives
it becomes a negative sample (bootstrapping, Sung and Poggio 1998).
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from ..faces.network import NetworkLocator
from . import locator_samples as samples
from .locator_samples import Bytes, FaceSet, Rng

PICTURE_SIDES = (96, 160, 256)
"""Sides of the searched pictures: faces are looked for at every size, and so false ones are."""
SUSPECT = 0.05
"""Score from which a window is taken: the almost deceiving ones are the false faces of the next weights."""
WINDOWS_A_PICTURE = 4


def mine_windows(
    tensors: dict[str, Tensor], faces: FaceSet, count: int, *, seed: int, most_pictures: int = 20_000
) -> Bytes:
    """Up to ``count`` face-free windows (N, 64, 64, 3) uint8 that the locator of ``tensors`` takes for a face.

    Looks at no more than ``most_pictures`` made-up pictures; a locator that is never deceived gives an empty array.
    """
    locator = NetworkLocator(tensors, min_interocular_px=4.0, min_score=SUSPECT)
    rng = np.random.default_rng([seed, 0x4E])
    found: list[Bytes] = []
    for _ in range(most_pictures):
        if len(found) >= count:
            break
        picture = samples.background(rng, faces, int(rng.choice(PICTURE_SIDES)))
        found += _suspects(locator, samples.disturb(rng, picture))
    if not found:
        return np.zeros((0, 64, 64, 3), np.uint8)
    return np.stack(found[:count])


def _suspects(locator: NetworkLocator, picture: samples.Floats) -> list[Bytes]:
    """The windows of one picture (S, S, 3) in [-1, 1] that look like a face to the locator, best first."""
    windows, scores = locator.windows(picture * 0.5 + 0.5)
    best = torch.argsort(scores, descending=True)[:WINDOWS_A_PICTURE]
    return [
        np.rint(windows[i] * 255).clip(0, 255).astype(np.uint8) for i in best.tolist() if scores[i] >= SUSPECT
    ]


def negative_of(windows: Bytes, rng: Rng) -> samples.Floats:
    """One mined window (64, 64, 3) in [-1, 1], mirrored, shifted by some pixels and disturbed at random."""
    window = windows[rng.integers(len(windows))]
    if rng.random() < 0.5:
        window = np.ascontiguousarray(window[:, ::-1])
    shift = tuple(int(v) for v in rng.integers(-3, 4, 2))
    moved = np.roll(window, shift, (0, 1)) if rng.random() < 0.5 else window
    return samples.disturb(rng, np.ascontiguousarray(moved))
