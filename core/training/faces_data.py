"""Labelled renders as arrays: cropped by the model's alignment, matted, cached shard by shard.

Shards are those that ``lineament faces dataset`` writes. Members of a counterfactual family (one base face, each member
with one attribute changed) are framed by the base face's points, so a pair differs only by the attribute.
"""

from __future__ import annotations

import json
import logging
import zipfile
import zlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from ..errors import DataError
from ..faces.align import square_from_landmarks, surrounding
from ..faces.base import LANDMARK_NAMES, Alignment, Surround
from ..synthetic.geometry import (
    BACKGROUND,
    BEARD,
    BROWS,
    CLOTH,
    EYES,
    GLASSES,
    HAIR,
    LIPS,
    MOUTH,
    SKIN,
)
from ..synthetic.params import ATTRIBUTES, HAIR_STYLES
from ..synthetic.shards import Sample, read_shard

log = logging.getLogger(__name__)

Bytes = npt.NDArray[np.uint8]
Floats = npt.NDArray[np.float32]
Numbers = npt.NDArray[np.int64]

FACE_CLASSES = (SKIN, EYES, BROWS, LIPS, BEARD, GLASSES, MOUTH)
REGION_WEIGHTS = {BACKGROUND: 0.15, CLOTH: 0.15, HAIR: 0.5, SKIN: 1.0, BEARD: 1.0, EYES: 4.0, BROWS: 3.0, LIPS: 4.0,
                  GLASSES: 4.0, MOUTH: 5.0}  # fmt: skip
"""How much a wrong pixel of each class costs: small features carry the expression."""

HELD_OUT_ONE_IN = 40
"""Of the independent faces one in so many is never trained on, chosen by a hash of its key: a growing data set keeps
its choice."""

ENOUGH_RENDERED = 0.85
"""Share of a surround that renders have to show on average; what they do not repeats their edge."""

CROPS_VERSION = 2
"""Raise it whenever cropping, matting or labels change."""

SCALARS = tuple(attribute.name for attribute in ATTRIBUTES)
LABEL_NAMES = (*SCALARS, "ancestry0", "ancestry1", *(f"style_{name}" for name in HAIR_STYLES))
WORN = ("glasses", "sunglasses")
"""Attributes that are there from 0.5 on: their labels are 0 or 1."""
MIRRORED = ("yaw", "roll", "light_azimuth")
"""Labels that change sign when a picture is flipped left to right."""


@dataclass(frozen=True)
class Pairs:
    """Counterfactual pairs as row numbers: ``base`` and ``member`` (P,), ``attribute`` (P,) column of LABEL_NAMES that
    was changed, ``delta`` (P,) float32 by how much, in the label's unit."""

    base: Numbers
    member: Numbers
    attribute: Numbers
    delta: Floats

    def of(self, name: str) -> Pairs:
        """Only the pairs of one attribute."""
        keep = self.attribute == LABEL_NAMES.index(name)
        return Pairs(self.base[keep], self.member[keep], self.attribute[keep], self.delta[keep])


NO_ROWS = np.zeros(0, np.int64)
NO_PAIRS = Pairs(NO_ROWS, NO_ROWS, NO_ROWS, np.zeros(0, np.float32))


@dataclass(frozen=True)
class FacesData:
    """``images`` (N, R, R, 3) uint8, encoded, matted to 128; ``classes`` (N, R, R) uint8 class ids; ``labels``
    (N, A) float32 in LABEL_NAMES order; ``identity`` (N, 64) float32, the identity vectors; ``keys`` the renders'
    names; ``source`` says what they were made from; the last ``held_out`` rows are for grading and in no pair."""

    images: Bytes
    classes: Bytes
    labels: Floats
    identity: Floats
    keys: tuple[str, ...]
    source: str = ""
    held_out: int = 0
    pairs: Pairs = field(default=NO_PAIRS)

    @property
    def train_count(self) -> int:
        """How many rows, from the first, may be trained on."""
        return len(self.images) - self.held_out

    def column(self, name: str) -> Floats:
        """One label of every render, (N,)."""
        return self.labels[:, LABEL_NAMES.index(name)]

    def halves(self) -> Numbers:
        """(N,) 0 or 1: two halves that share no face, members of a family being one face."""
        return np.array([zlib.crc32(face_of(key).encode()) >> 7 & 1 for key in self.keys], np.int64)


@dataclass(frozen=True)
class Crops:
    """One shard's renders: the arrays of FacesData, and a record a render (key, family, attribute, delta, split)."""

    images: Bytes
    classes: Bytes
    labels: Floats
    identity: Floats
    records: list[dict[str, Any]]


def face_of(key: str) -> str:
    """The face a key belongs to: ``face-101_0000012`` itself, ``family-104_0000003`` of ``family-104_0000003-age``."""
    return "-".join(key.split("-")[:2])


def is_held_out(key: str) -> bool:
    """Whether an independent face is kept for grading."""
    return zlib.crc32(key.encode()) % HELD_OUT_ONE_IN == 0


def label_row(params: Mapping[str, Any]) -> list[float]:
    """The stored parameters of a face as numbers in LABEL_NAMES order; the hair style becomes 0/1."""
    row = [float(params[name] >= 0.5) if name in WORN else float(params[name]) for name in SCALARS]
    style = params["hair_style"]
    return [*row, *map(float, params["ancestry"][:2]), *(float(style == name) for name in HAIR_STYLES)]


def crop_matrix(
    six: Mapping[str, Sequence[float]], size: int, alignment: Alignment
) -> npt.NDArray[np.float64]:
    """(2, 3) matrix from crop pixels to picture pixels (both with centres at .5) for points in 0..1."""
    points = np.array([six[name] for name in LANDMARK_NAMES]) * size
    return square_from_landmarks(points, alignment)[:2]


def crop_render(
    picture: Bytes, mask: Bytes, matrix: npt.NDArray[np.float64], size: int
) -> tuple[Bytes, Bytes]:
    """Matte, warp at twice the size, average down -> picture (R, R, 3) uint8 and class ids (R, R) uint8."""
    person = ((mask != BACKGROUND) & (mask != CLOTH)).astype(np.float32)
    matte = cv2.blur(person, (3, 3))[..., None]
    matted = picture.astype(np.float32) * matte + 127.5 * (1 - matte)
    fine = matrix.copy()
    fine[:, :2] /= 2
    to_cv = fine.copy()
    to_cv[:, 2] += fine[:, :2] @ (0.5, 0.5) - 0.5  # OpenCV puts pixel centres on whole numbers
    flags = cv2.WARP_INVERSE_MAP
    warped = cv2.warpAffine(
        matted, to_cv, (2 * size, 2 * size), flags=flags | cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE
    )
    small = cv2.resize(warped, (size, size), interpolation=cv2.INTER_AREA)
    coarse = matrix.copy()
    coarse[:, 2] += matrix[:, :2] @ (0.5, 0.5) - 0.5
    classes = cv2.warpAffine(mask, coarse, (size, size), flags=flags | cv2.INTER_NEAREST)
    return np.clip(np.rint(small), 0, 255).astype(np.uint8), np.asarray(classes, dtype=np.uint8)


def crop_samples(samples: Iterable[Sample], alignment: Alignment, surround: Surround) -> Crops:
    """Every render of one shard, cropped. Raises ValueError if too much of the ``surround`` was not rendered."""
    images: list[Bytes] = []
    classes: list[Bytes] = []
    labels: list[list[float]] = []
    identity: list[list[float]] = []
    records: list[dict[str, Any]] = []
    shares: list[float] = []
    for sample in samples:
        meta = sample.meta
        square = crop_matrix(meta["frame_six"], sample.picture.shape[0], alignment)
        matrix = surrounding(np.vstack([square, (0.0, 0.0, 1.0)]), alignment.resolution, surround)[:2]
        shares.append(share_rendered(matrix, surround.size, sample.picture.shape[0]))
        image, ids = crop_render(sample.picture, sample.mask, matrix, surround.size)
        images.append(image)
        classes.append(ids)
        labels.append(label_row(meta["params"]))
        identity.append(meta["params"]["identity"])
        records.append({"key": sample.key} | {name: meta[name] for name in ("family", "attribute", "split")})
    if any(surround.margins) and np.mean(shares) < ENOUGH_RENDERED:
        raise ValueError(f"only {np.mean(shares):.0%} of the square around the faces was rendered")
    return Crops(
        np.stack(images),
        np.stack(classes),
        np.array(labels, np.float32),
        np.array(identity, np.float32),
        records,
    )


def share_rendered(matrix: npt.NDArray[np.float64], size: int, side: int) -> float:
    """Share of a crop (matrix as ``crop_matrix``) of ``size`` pixels that lies in a picture of ``side`` pixels."""
    axis = (np.arange(16) + 0.5) * (size / 16)
    points = np.stack(np.meshgrid(axis, axis), -1).reshape(-1, 2) @ matrix[:, :2].T + matrix[:, 2]
    return float(((points >= 0.0) & (points <= side)).all(-1).mean())


def source_of(shards: Sequence[Path], alignment: Alignment, surround: Surround | None = None) -> str:
    """What crops were made from, as one line: a cache of other shards or of another framing must not be used."""
    files = [(shard.name, shard.stat().st_size) for shard in shards]
    around = {} if surround is None or not any(surround.margins) else {"surround": asdict(surround)}
    return json.dumps({"crops": CROPS_VERSION, "alignment": asdict(alignment), **around, "shards": files})


def shard_crops(shard: Path, cache: Path, alignment: Alignment, surround: Surround) -> Crops:
    """The crops of one shard, from the cache where it fits. Raises DataError for a damaged shard, or one that shows
    too little around the faces."""
    source = source_of([shard], alignment, surround)
    kept = read_cache(cache, source)
    if kept is not None:
        return kept
    try:
        crops = crop_samples(read_shard(shard), alignment, surround)
    except (KeyError, ValueError, TypeError) as err:
        raise DataError(
            f"Shard cannot be used: {err!r}.",
            where=str(shard),
            remedy="Render it again; for a refiner with --framing neck.",
        ) from err
    write_cache(cache, crops, source)
    return crops


def load_faces(
    folder: Path, cache: Path, alignment: Alignment, split: str = "train", surround: Surround | None = None
) -> FacesData:
    """All shards of ``folder``, a data set or a folder of several; crops are kept in ``cache``, one file a shard.

    Crops show the square of ``alignment``, or the ``surround`` of it at its own size.

    ``split`` "train" gives the independent faces (a share held out) and the families for training with their pairs;
    "grade" only the families that are kept for grading. Raises DataError if there are no shards or one is damaged; a
    cache that does not fit or is damaged is made anew.
    """
    shards = sorted(folder.rglob("*.tar"))
    if not shards:
        raise DataError(
            "No training shards (*.tar) here.",
            where=str(folder),
            remedy="Name the folder of renders with --data; lineament faces dataset makes one.",
        )
    names = ["_".join(shard.relative_to(folder).with_suffix(".npz").parts) for shard in shards]
    around = surround or Surround(alignment.resolution)
    parts = [
        shard_crops(shard, cache / name, alignment, around) for shard, name in zip(shards, names, strict=True)
    ]
    records = [record for part in parts for record in part.records]
    bases = {record["family"] for record in records if record["family"]}
    keep = [i for i, record in enumerate(records) if record["split"] == split]
    held = {
        i for i in keep
        if records[i]["family"] is None and records[i]["key"] not in bases and is_held_out(records[i]["key"])
    }  # fmt: skip
    if split != "train":
        keep, held = [i for i in keep if records[i]["family"] or records[i]["key"] in bases], set()
    order = [i for i in keep if i not in held] + [i for i in keep if i in held]
    labels = np.concatenate([part.labels for part in parts])[order]
    return FacesData(
        gathered([part.images for part in parts], order),
        gathered([part.classes for part in parts], order),
        labels,
        np.concatenate([part.identity for part in parts])[order],
        tuple(records[i]["key"] for i in order),
        source_of(shards, alignment, surround),
        len(held),
        find_pairs([records[i] for i in order], labels),
    )


def gathered(parts: Sequence[Bytes], order: Sequence[int]) -> Bytes:
    """Rows ``order`` of the joined parts, without holding everything twice."""
    ends = np.cumsum([len(part) for part in parts])
    result = np.empty((len(order), *parts[0].shape[1:]), parts[0].dtype)
    for row, i in enumerate(order):
        part = int(np.searchsorted(ends, i, side="right"))
        result[row] = parts[part][i - ends[part]]
    return result


def find_pairs(records: Sequence[Mapping[str, Any]], labels: Floats) -> Pairs:
    """Every member whose base is among the rows, with the change of its label; pairs without change are left out."""
    rows = {record["key"]: i for i, record in enumerate(records)}
    found: list[tuple[int, int, int, float]] = []
    for i, record in enumerate(records):
        name, base = record["attribute"], rows.get(record["family"] or "")
        if name not in LABEL_NAMES or base is None:
            continue
        column = LABEL_NAMES.index(name)
        delta = float(labels[i, column] - labels[base, column])
        if delta:
            found.append((base, i, column, delta))
    if not found:
        return NO_PAIRS
    base_rows, members, columns, deltas = zip(*found, strict=True)
    return Pairs(
        np.array(base_rows, np.int64), np.array(members, np.int64), np.array(columns, np.int64),
        np.array(deltas, np.float32),
    )  # fmt: skip


def read_cache(cache: Path, source: str) -> Crops | None:
    """The cached crops, or None if there are none that were made from ``source``."""
    try:
        with cache.open("rb") as stream, np.load(stream, allow_pickle=False) as stored:
            if "source" not in stored or str(stored["source"]) != source:
                return None
            records = json.loads(str(stored["records"]))
            return Crops(stored["images"], stored["classes"], stored["labels"], stored["identity"], records)
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile) as err:
        log.warning("The cache %s is damaged (%s) and is made anew.", cache, err)
        return None


def write_cache(cache: Path, crops: Crops, source: str) -> None:
    """Store the crops under a temporary name, then rename."""
    cache.parent.mkdir(parents=True, exist_ok=True)
    temporary = cache.with_suffix(".tmp.npz")
    np.savez(
        temporary,
        images=crops.images,
        classes=crops.classes,
        labels=crops.labels,
        identity=crops.identity,
        records=np.array(json.dumps(crops.records)),
        source=np.array(source),
    )
    temporary.replace(cache)
