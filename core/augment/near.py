"""Photographs that are in a pile twice: a copy under another name, saved again, scaled, or brightened a little.

Faces are compared, not files: both are cut in the generator's framing, so size and place in the picture do not matter.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

SIDE = 24
"""Of a signature, in pixels: coarse enough for another codec's noise, fine enough for a blink."""
_BLOCK = 512


@dataclass(frozen=True)
class Twin:
    """A picture that shows what an earlier one shows: the ``earlier`` one's name, and how far apart they are."""

    earlier: str
    distance: float


def signature(image: npt.NDArray[np.float32], mask: npt.NDArray[np.float32]) -> str:
    """A face crop (3, R, R), encoded in [-1, 1], as 1152 hexadecimal digits: its grey inside ``mask`` (R, R) in [0, 1],
    24 x 24 pixels of 8 bits. Brightness is taken out, for the exposure is found anew for every picture."""
    grey = np.nan_to_num(image.mean(axis=0), nan=0.0)
    weight = np.maximum(mask, 1e-6)
    grey = (grey - float((grey * weight).sum() / weight.sum())) * mask
    small = cv2.resize(grey.astype(np.float32), (SIDE, SIDE), interpolation=cv2.INTER_AREA)
    return np.asarray(np.clip(np.rint(small * 127.0 + 128.0), 0, 255), np.uint8).tobytes().hex()


def twins(names: Sequence[str], signatures: Sequence[str], nearest: float) -> dict[str, Twin]:
    """The pictures that come closer than ``nearest`` to an earlier one that is none itself, by name.

    The distance is the rms of the difference of two signatures, in shares of white; ``nearest`` 0 finds none. A
    picture without a signature ("") is like no other.
    """
    if nearest <= 0.0:
        return {}
    told = [index for index, one in enumerate(signatures) if one]
    points = np.array(
        [np.frombuffer(bytes.fromhex(signatures[index]), np.uint8) for index in told], np.float32
    )
    found: dict[str, Twin] = {}
    kept: list[int] = []
    for row, index in enumerate(told):
        others = points[kept]
        away = np.sqrt(((others - points[row]) ** 2).mean(axis=1)) / 255.0 if kept else np.ones(0, np.float32)
        if kept and float(away.min()) < nearest:
            closest = int(away.argmin())
            found[names[index]] = Twin(names[told[kept[closest]]], float(away[closest]))
        else:
            kept.append(row)
    return found
