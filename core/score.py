"""How near an edited frame comes to the rendered truth, in numbers that a do-nothing edit cannot win."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from .checks import expect_shape

Array = npt.NDArray[np.float32]
Mask = npt.NDArray[np.bool_]

FLOOR = 0.01
"""Added before the logarithm, in linear light: below it plates are noise, and a stop there means nothing."""
CHANGED_STOPS = 0.02
"""What counts as changed: about 1.4 percent of the light."""


def stops(linear: Array) -> Array:
    """Scene-linear light (H, W, 3) as log2 stops, float32; negatives count as black."""
    return np.asarray(np.log2(np.maximum(linear, 0.0) + FLOOR), dtype=np.float32)


def changed(before: Array, after: Array) -> Mask:
    """(H, W) True where any channel differs by more than CHANGED_STOPS."""
    return np.asarray((np.abs(stops(after) - stops(before)) > CHANGED_STOPS).any(axis=-1))


def edit_gain(plate: Array, output: Array, truth: Array, region: Mask | None = None) -> float:
    """1 - rmse(output, truth) / rmse(plate, truth) in stops inside ``region``.

    All pictures are scene-linear (H, W, 3) in one space. 0 means no better than doing nothing, 1 perfect, negative
    harm. ``region`` defaults to the union of where truth and output differ from the plate; give the same one to
    every method that is compared. NaN if the truth does not differ from the plate there.
    """
    expect_shape(plate, "H W 3", name="plate")
    expect_shape(output, "H W 3", name="output", H=plate.shape[0], W=plate.shape[1])
    expect_shape(truth, "H W 3", name="truth", H=plate.shape[0], W=plate.shape[1])
    if region is None:
        region = changed(plate, truth) | changed(plate, output)
    before, after, target = (stops(x)[region] for x in (plate, output, truth))
    baseline = float(np.sqrt(np.mean((before - target) ** 2))) if region.any() else 0.0
    if baseline == 0.0:
        return float("nan")
    return 1.0 - float(np.sqrt(np.mean((after - target) ** 2))) / baseline


def outside_share(plate: Array, output: Array, truth: Array, margin_px: int = 0) -> float:
    """Share of the change's energy (squared stops) that lies where the truth does not change: 0 = all in its place.

    The truth's region is ``changed(plate, truth)`` grown by ``margin_px`` pixels in every direction, because an edge
    one pixel off is no leak. All pictures are scene-linear (H, W, 3) in one space. NaN if the output is the plate.
    """
    expect_shape(plate, "H W 3", name="plate")
    expect_shape(output, "H W 3", name="output", H=plate.shape[0], W=plate.shape[1])
    expect_shape(truth, "H W 3", name="truth", H=plate.shape[0], W=plate.shape[1])
    energy = ((stops(output) - stops(plate)).astype(np.float64) ** 2).sum(axis=-1)
    total = float(energy.sum())
    if total == 0.0:
        return float("nan")
    return float(energy[~grown(changed(plate, truth), margin_px)].sum()) / total


def grown(region: Mask, pixels: int) -> Mask:
    """``region`` (H, W) with every pixel within a square of ``pixels`` around a True one."""
    if pixels <= 0:
        return region
    for axis in (0, 1):
        sums = np.cumsum(
            np.pad(region, [(pixels + 1, pixels) if i == axis else (0, 0) for i in (0, 1)]), axis=axis
        )
        size = region.shape[axis]
        upper, lower = (np.take(sums, range(a, a + size), axis=axis) for a in (2 * pixels + 1, 0))
        region = np.asarray(upper > lower)
    return region


def cosines(first: npt.ArrayLike, second: npt.ArrayLike) -> npt.NDArray[np.float64]:
    """Cosine of each pair of rows of two embeddings (N, E) -> (N,); NaN for a row without length."""
    a, b = np.asarray(first, np.float64), np.asarray(second, np.float64)
    expect_shape(a, "N E", name="first")
    expect_shape(b, "N E", name="second", N=a.shape[0], E=a.shape[1])
    lengths = np.linalg.norm(a, axis=1) * np.linalg.norm(b, axis=1)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray(np.where(lengths > 0, (a * b).sum(axis=1) / lengths, np.nan), dtype=np.float64)
