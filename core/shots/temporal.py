"""Latents of neighbouring frames held together: what trembles goes, what moves stays.

The solved latents minimise ``sum c_t |w_t - v_t|^2 + strength * sum |w_(t-1) - 2 w_t + w_(t+1)|^2`` over whole frames:
v are the frames' own latents, c their confidence in [0, 1] (0 where the face is hidden or was not seen). Second
differences are penalised because a first difference would hold back every steady change (Whittaker 1923; Hodrick and
Prescott 1997).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from scipy.linalg import solveh_banded

from ..checks import expect_shape

Doubles = npt.NDArray[np.float64]

UNIT = 1.0
"""What a temporal weight of 1 multiplies the second differences with. On truth shots this takes 10 to 15 % off the
edit's own jitter and nothing off its gain; a thousand times as much takes off one per cent more."""
HOLD = 1e-6
"""Weight of the first differences: it decides where no frame says anything, such as a single frame's slope."""


def solve(
    latents: npt.NDArray[np.floating], confidence: Doubles, numbers: Sequence[int], weight: float
) -> npt.NDArray[np.float32]:
    """Latents (F, num_ws, w_dim) solved over time, float32.

    ``numbers`` (F) rise; frames between them count as unseen. ``weight`` 0 keeps what has any confidence as it is and
    fills the rest in between. Raises ValueError if no frame has confidence.
    """
    frames = latents.shape[0]
    expect_shape(latents, "F L w", name="latents")
    expect_shape(confidence, "F", name="confidence", F=frames)
    if not (confidence > 0.0).any():
        raise ValueError("no frame has any confidence")
    rows = latents.reshape(frames, -1).astype(np.float64)
    if weight <= 0.0:
        return _filled(rows, confidence, numbers).reshape(latents.shape).astype(np.float32)
    place = np.asarray(numbers) - numbers[0]
    count = int(place[-1]) + 1
    trust, target = np.zeros(count), np.zeros((count, rows.shape[1]))
    trust[place], target[place] = confidence, rows
    bands = _bands(trust, weight * UNIT)
    solved = solveh_banded(bands, trust[:, None] * target)
    return np.asarray(solved[place].reshape(latents.shape), np.float32)


def _filled(rows: Doubles, confidence: Doubles, numbers: Sequence[int]) -> Doubles:
    """(F, K) with the rows of no confidence interpolated by frame number, held at the ends."""
    known = np.flatnonzero(confidence > 0.0)
    times = np.asarray(numbers, np.float64)
    filled = rows.copy()
    place = np.clip(np.searchsorted(known, np.arange(len(rows))), 1, max(1, len(known) - 1))
    for row in np.flatnonzero(confidence <= 0.0):
        after = known[min(place[row], len(known) - 1)]
        before = known[max(0, min(place[row], len(known) - 1) - 1)]
        span = times[after] - times[before]
        t = 0.0 if span == 0.0 else float(np.clip((times[row] - times[before]) / span, 0.0, 1.0))
        filled[row] = (1.0 - t) * rows[before] + t * rows[after]
    return filled


def _bands(trust: Doubles, strength: float) -> Doubles:
    """The upper bands (3, N) of the symmetric matrix ``diag(trust) + strength D2' D2 + HOLD D1' D1``."""
    count = len(trust)
    bands = np.zeros((3, count))
    bands[2] = trust
    for stencil, factor in (((1.0, -1.0), HOLD), ((1.0, -2.0, 1.0), strength)):
        reach = len(stencil)
        for start in range(reach):
            for step in range(reach - start):
                product = factor * stencil[start] * stencil[start + step]
                last = count - reach + start + step  # rows of the difference operator: count - reach + 1
                if last >= start + step:
                    bands[2 - step, start + step : last + 1] += product
    return bands
