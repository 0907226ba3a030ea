"""Training pictures for the face networks: labelled renders placed anywhere, on anything, under any light.

A render is a 128-pixel picture that fills its frame; the networks must cope with faces of any size and angle
in any surroundings. So every sample places a render by a random similarity into a small canvas, over a
made-up background or its own, and then changes exposure, balance, contrast, resolution, blur, grain and
compression, and adds patches that hide parts. The truth (landmarks, class masks) goes through the same
similarity. All randomness comes from the generator passed in.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt

from ..errors import DataError
from ..faces.base import LANDMARK_NAMES
from ..synthetic.shards import Sample, read_shard

TILE = 128
Bytes = npt.NDArray[np.uint8]
Floats = npt.NDArray[np.float32]
Points = npt.NDArray[np.float64]
Rng = np.random.Generator

FACE_CLASSES = (1, 2, 3, 4, 6, 7, 8)
HAIR_CLASS = 5
CLOTH_CLASS = 10
MIRRORED = [LANDMARK_NAMES.index(name) for name in ("eye_r", "eye_l", "nose", "mouth_r", "mouth_l", "chin")]


@dataclass(frozen=True)
class FaceSet:
    """Labelled renders: ``pictures`` (N, 128, 128, 3) uint8 RGB, ``classes`` (N, 128, 128) uint8 ids,
    ``landmarks`` (N, 6, 2) float64 in tile pixels (centres at .5), ``keys`` N names."""

    pictures: Bytes
    classes: Bytes
    landmarks: Points
    keys: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.keys)


def read_shards(paths: list[Path], *, limit: int | None = None) -> FaceSet:
    """Read shards of labelled renders (see ``synthetic.shards``), of each only ``limit`` renders if given.

    Families that are kept for grading are left out. Raises DataError if a shard is missing or damaged, or if its
    renders have another size than TILE.
    """
    found = [
        sample
        for path in paths
        for sample in islice(read_shard(path), limit)
        if sample.meta["split"] == "train" and _has_size(sample, path)
    ]
    if not found:
        raise DataError("No faces to train on.", remedy="Name a folder that lineament faces dataset made.")
    return FaceSet(
        np.stack([sample.picture for sample in found]),
        np.stack([sample.mask for sample in found]),
        np.stack([sample.six_points() for sample in found]) * TILE,
        tuple(sample.key for sample in found),
    )


def _has_size(sample: Sample, path: Path) -> bool:
    if sample.picture.shape[:2] != (TILE, TILE):
        raise DataError(
            f"The renders have {sample.picture.shape[0]} pixels a side, {TILE} are wanted.",
            where=str(path),
            remedy=f"Make a data set with --size {TILE} --framing ffhq.",
        )
    return True


# --- backgrounds -----------------------------------------------------------------------------------------


def background(rng: Rng, faces: FaceSet, size: int) -> Bytes:
    """A made-up picture without a face, (size, size, 3) uint8."""
    kind = rng.random()
    if kind < 0.2:
        picture = _cloud(rng, size)
    elif kind < 0.35:
        picture = _gradient(rng, size)
    elif kind < 0.6:
        picture = _leaves(rng, size)
    elif kind < 0.85:
        picture = _shreds(rng, faces, size)
    else:
        picture = np.broadcast_to(_colour(rng), (size, size, 3)).astype(np.uint8).copy()
    return _shapes(rng, picture) if rng.random() < 0.5 else picture


def _colour(rng: Rng) -> Bytes:
    """Any colour, or half the time one like skin, hair or lips, which are the colours that deceive."""
    if rng.random() < 0.5:
        return rng.integers(0, 256, 3).astype(np.uint8)
    warm: Points = np.array([1.0, rng.uniform(0.5, 0.9), rng.uniform(0.3, 0.8)]) * rng.integers(30, 256)
    return warm.astype(np.uint8)


def _cloud(rng: Rng, size: int) -> Bytes:
    """Coloured noise of one to three scales."""
    total: Floats = np.zeros((size, size, 3), np.float32)
    for _ in range(rng.integers(1, 4)):
        cells = int(rng.integers(2, 33))
        grain = rng.random((cells, cells, 3), np.float32)
        total += cv2.resize(grain, (size, size), interpolation=cv2.INTER_CUBIC) * rng.uniform(0.3, 1.0)
    low, high = _colour(rng).astype(np.float32), _colour(rng).astype(np.float32)
    total = (total - total.min()) / max(float(np.ptp(total)), 1e-6)
    mixed: Floats = low + (high - low) * total
    return mixed.clip(0, 255).astype(np.uint8)


def _gradient(rng: Rng, size: int) -> Bytes:
    angle = rng.uniform(0, 2 * np.pi)
    y, x = np.mgrid[0:size, 0:size] / size - 0.5
    t = (np.cos(angle) * x + np.sin(angle) * y)[..., None] + 0.5
    if rng.random() < 0.3:  # stripes
        t = 0.5 + 0.5 * np.sin(t * rng.uniform(6, 80))
    mixed: Points = _colour(rng) * (1 - t) + _colour(rng) * t
    return mixed.clip(0, 255).astype(np.uint8)


def _leaves(rng: Rng, size: int) -> Bytes:
    """Things that cover one another, many small and few large: the edges and the spectrum of photographs.

    The dead leaves model (Lee, Mumford and Huang 2001; as training pictures Baradad et al. 2021).
    """
    canvas: Bytes = np.broadcast_to(_colour(rng), (size, size, 3)).astype(np.uint8).copy()
    palette = [tuple(int(v) for v in _colour(rng)) for _ in range(int(rng.integers(2, 9)))]
    smallest, count = 0.02 * size, int(rng.integers(20, 90))
    radii = np.sort(smallest / np.sqrt(rng.uniform((smallest / (0.5 * size)) ** 2, 1.0, count)))[::-1]
    for radius in radii:
        middle = rng.uniform(0, size, 2)
        colour = palette[rng.integers(len(palette))]
        corners = int(rng.choice([3, 4, 5, 24]))
        angles = np.sort(rng.uniform(0, 2 * np.pi, corners)) if corners < 24 else np.linspace(0, 6.28, 24)
        outline = np.stack([np.cos(angles), np.sin(angles) * rng.uniform(0.3, 1.0)], -1) * radius + middle
        cv2.fillPoly(canvas, [np.rint(outline * 16).astype(np.int32)], colour, cv2.LINE_AA, 4)
    grain = cv2.resize(rng.standard_normal((size // 2, size // 2, 1), np.float32), (size, size))[..., None]
    shade = 1.0 + grain * np.float32(rng.uniform(0.0, 0.25))
    return (canvas * shade * _light(rng, size)).clip(0, 255).astype(np.uint8)


def _shreds(rng: Rng, faces: FaceSet, size: int) -> Bytes:
    """Corners of other renders (hair, cloth, wall, single eyes), turned and tiled: textures without a whole
    face."""
    side = int(rng.choice([size, size // 2, size // 3]))
    rows = []
    for _ in range(0, size, side):
        row = []
        for _ in range(0, size, side):
            piece = int(rng.integers(12, 52))
            x, y = (int(v) for v in rng.integers(0, TILE - piece, 2))
            patch = faces.pictures[rng.integers(len(faces)), y : y + piece, x : x + piece]
            row.append(cv2.resize(np.rot90(patch, int(rng.integers(4))), (side, side)))
        rows.append(np.concatenate(row, 1))
    whole = np.concatenate(rows, 0)
    return np.ascontiguousarray(whole[:size, :size]).astype(np.uint8, copy=False)


def _shapes(rng: Rng, picture: Bytes) -> Bytes:
    """Ellipses, boxes and lines: things as round and as contrasted as faces."""
    size = picture.shape[0]
    canvas = picture.copy()
    for _ in range(rng.integers(1, 6)):
        colour = tuple(int(v) for v in _colour(rng))
        x, y, u, v = (int(n) for n in rng.integers(-size // 8, size + size // 8, 4))
        kind = rng.random()
        if kind < 0.5:
            axes = (int(rng.integers(1, max(size // 2, 2))), int(rng.integers(1, max(size // 2, 2))))
            cv2.ellipse(canvas, (x, y), axes, float(rng.uniform(0, 180)), 0, 360, colour, -1, cv2.LINE_AA)
        elif kind < 0.75:
            cv2.rectangle(canvas, (x, y), (u, v), colour, -1)
        else:
            cv2.line(canvas, (x, y), (u, v), colour, int(rng.integers(1, 8)), cv2.LINE_AA)
    return canvas


# --- placing a render ------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Placed:
    """A render in a canvas: ``picture`` (S, S, 3) uint8, ``masks`` (S, S, 4) uint8 soft (whole figure,
    person, face, hair), ``landmarks`` (6, 2) in canvas pixels."""

    picture: Bytes
    masks: Bytes
    landmarks: Points


def place(
    rng: Rng, faces: FaceSet, index: int, canvas_from_tile: Points, size: int, below: Bytes | None
) -> Placed:
    """Warp render ``index`` into a canvas by the (2, 3) matrix, over ``below`` (or its own surroundings if
    None).

    The warp runs at twice the size and is averaged, so that reduction does not alias. Mirrored at random.
    """
    picture, classes = faces.pictures[index], faces.classes[index]
    landmarks = faces.landmarks[index]
    if rng.random() < 0.5:
        picture, classes = np.ascontiguousarray(picture[:, ::-1]), np.ascontiguousarray(classes[:, ::-1])
        landmarks = np.array([TILE, 0.0]) + landmarks[MIRRORED] * np.array([-1.0, 1.0])
    warp = _array_matrix(canvas_from_tile)
    # A body that goes on below the frame looks more natural than one cut off, but both must work.
    border = cv2.BORDER_REPLICATE if below is None or rng.random() < 0.3 else cv2.BORDER_CONSTANT
    masks = _reduced_warp(_soft_masks(classes), warp, size, border)
    image = _reduced_warp(picture, warp, size, cv2.BORDER_REPLICATE if below is None else border)
    if below is not None:
        alpha = masks[..., :1].astype(np.float32) / 255.0
        image = (image * alpha + below * (1.0 - alpha)).astype(np.uint8)
    return Placed(image, masks, landmarks @ canvas_from_tile[:, :2].T + canvas_from_tile[:, 2])


def _soft_masks(classes: Bytes) -> Bytes:
    """Figure (with cloth), person (without), face, hair as 0 or 255."""
    figure = classes != 0
    face = np.isin(classes, FACE_CLASSES)
    masks = np.stack([figure, figure & (classes != CLOTH_CLASS), face, classes == HAIR_CLASS], -1)
    return masks.astype(np.uint8) * np.uint8(255)


def _array_matrix(canvas_from_tile: Points) -> Points:
    """From pixel-centre-at-.5 coordinates to the array indices of a canvas of twice the size, as OpenCV
    counts."""
    linear, offset = 2.0 * canvas_from_tile[:, :2], 2.0 * canvas_from_tile[:, 2]
    return np.column_stack([linear, offset + linear @ np.full(2, 0.5) - 0.5])


def _reduced_warp(picture: Bytes, warp: Points, size: int, border: int) -> Bytes:
    large = cv2.warpAffine(picture, warp, (2 * size, 2 * size), flags=cv2.INTER_LINEAR, borderMode=border)
    return cv2.resize(large, (size, size), interpolation=cv2.INTER_AREA).astype(np.uint8, copy=False)


# --- light and dirt --------------------------------------------------------------------------------------


def disturb(rng: Rng, picture: Bytes) -> Floats:
    """Light, lens and sensor: (S, S, 3) uint8 -> (S, S, 3) float32 in [-1, 1]."""
    x: Floats = picture.astype(np.float32) / 255.0
    if rng.random() < 0.2:
        x = _enlarged(rng, x)
    if rng.random() < 0.3:
        x = cv2.GaussianBlur(x, (0, 0), float(rng.uniform(0.3, 1.4))).astype(np.float32, copy=False)
    x = x ** np.float32(np.exp(rng.normal(0, 0.25)))
    gain = np.exp(rng.normal(0, 0.25)) * np.exp(rng.normal(0, 0.08, 3))
    x = x * gain.astype(np.float32)
    if rng.random() < 0.25:  # light from one side
        x = x * _light(rng, x.shape[0])
    saturation = 0.0 if rng.random() < 0.08 else rng.uniform(0.4, 1.3)
    grey = x.mean(-1, keepdims=True)
    x = grey + (x - grey) * np.float32(saturation)
    if rng.random() < 0.6:
        x = x + _grain(rng, x)
    x = x.clip(0, 1)
    if rng.random() < 0.25:
        x = _compressed(rng, x)
    return (x * 2 - 1).astype(np.float32)


def _enlarged(rng: Rng, x: Floats) -> Floats:
    """Reduced and enlarged again: a face that is small in its picture."""
    size = x.shape[0]
    few = int(size * rng.uniform(0.35, 0.9))
    small = cv2.resize(x, (few, few), interpolation=cv2.INTER_AREA)
    kind = cv2.INTER_LINEAR if rng.random() < 0.5 else cv2.INTER_CUBIC
    return cv2.resize(small, (size, size), interpolation=kind).astype(np.float32).clip(0, 1)


def _grain(rng: Rng, x: Floats) -> Floats:
    """Noise of one sigma or stronger in the shadows, at times soft, at times the same in all channels."""
    channels = 1 if rng.random() < 0.3 else 3
    noise = rng.standard_normal((*x.shape[:2], channels), np.float32)
    if rng.random() < 0.3:
        noise = 2.0 * cv2.GaussianBlur(noise, (0, 0), 0.8).reshape(noise.shape)
    sigma = np.float32(rng.uniform(0, 0.07))
    return (noise * sigma * (1.3 - x.clip(0, 1)) if rng.random() < 0.5 else noise * sigma).astype(np.float32)


def _compressed(rng: Rng, x: Floats) -> Floats:
    """After a JPEG of quality 25 to 95."""
    whole = np.rint(x * 255).astype(np.uint8)
    _, code = cv2.imencode(".jpg", whole[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, int(rng.integers(25, 96))])
    return _decoded(code)[..., ::-1].astype(np.float32) / np.float32(255)


def _decoded(code: npt.NDArray[np.uint8]) -> Bytes:
    picture = cv2.imdecode(code, cv2.IMREAD_COLOR)
    assert picture is not None, "what OpenCV has just encoded it can decode"
    return np.asarray(picture, np.uint8)


def _light(rng: Rng, size: int) -> Floats:
    ramp = np.linspace(rng.uniform(0.35, 1.0), rng.uniform(0.8, 1.2), size, dtype=np.float32)
    if rng.random() < 0.5:
        ramp = ramp[::-1]
    field = np.broadcast_to(ramp, (size, size))
    return (field if rng.random() < 0.7 else field.T)[..., None].astype(np.float32)


def hide(rng: Rng, picture: Bytes) -> tuple[Bytes, tuple[slice, slice]]:
    """Put a patch of something else over up to a fifth of the picture; returns the picture and the place."""
    size = picture.shape[0]
    height, width = (int(v) for v in rng.integers(size // 10, size // 2, 2))
    y, x = int(rng.integers(0, size - height)), int(rng.integers(0, size - width))
    where = (slice(y, y + height), slice(x, x + width))
    result = picture.copy()
    result[where] = _colour(rng) if rng.random() < 0.5 else _cloud(rng, size)[where]
    return result, where
