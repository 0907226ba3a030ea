"""The labelled renders as arrays: cropped by the model's alignment, matted, cached in one file.

A shard is a tar of ``KEY.webp`` (128 px, FFHQ-like), ``KEY.mask.png`` (class ids) and one ``labels.jsonl.gz``.
"""

from __future__ import annotations

import gzip
import io
import json
import logging
import tarfile
import zipfile
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
from PIL import Image

from ..errors import DataError
from ..faces.align import square_from_landmarks
from ..faces.base import LANDMARK_NAMES, Alignment

log = logging.getLogger(__name__)

Bytes = npt.NDArray[np.uint8]
Floats = npt.NDArray[np.float32]

BACKGROUND, SKIN, EYES, BROWS, LIPS, HAIR, BEARD, GLASSES, MOUTH, CLOTH = 0, 1, 2, 3, 4, 5, 6, 7, 8, 10
FACE_CLASSES = (SKIN, EYES, BROWS, LIPS, BEARD, GLASSES, MOUTH)
HELD_OUT = 512
"""Renders kept for grading: the last ones of the list, never trained on; a tenth of a smaller set."""

CROPS_VERSION = 1
"""Raise it whenever cropping or matting changes."""

SCALARS = (
    "age", "male", "gender", "mel", "smile", "mouth_open", "brow_inner", "brow_down", "eyes_closed", "yaw", "pitch",
    "roll", "glasses", "sung", "beard", "moust", "stub", "lipstick", "lipa", "makeup", "grey", "recede", "fringe",
    "light_az", "light_el", "race0", "race1",
)  # fmt: skip
CLASSES = {"style": 8, "hairc": 8}
LABEL_NAMES = (*SCALARS, *(f"{key}{i}" for key, count in CLASSES.items() for i in range(count)))
MIRRORED = ("yaw", "roll", "light_az")
"""Labels that change sign when a picture is flipped left to right."""


@dataclass(frozen=True)
class FacesData:
    """``images`` (N, R, R, 3) uint8, encoded, matted to 128; ``classes`` (N, R, R) uint8 class ids; ``labels``
    (N, A) float32 in LABEL_NAMES order; ``keys`` the renders' names;
    ``source`` says what they were made from. The last rows are for grading."""

    images: Bytes
    classes: Bytes
    labels: Floats
    keys: tuple[str, ...]
    source: str = ""

    @property
    def train_count(self) -> int:
        """How many rows, from the first, may be trained on."""
        return len(self.images) - min(HELD_OUT, len(self.images) // 10)

    def column(self, name: str) -> Floats:
        """One label of every render, (N,)."""
        return self.labels[:, LABEL_NAMES.index(name)]


def label_row(label: dict[str, Any]) -> list[float]:
    """One label line as numbers in LABEL_NAMES order; classes become 0/1."""
    flat = {**label, "race0": label["racew"][0], "race1": label["racew"][1]}
    row = [float(flat[name]) for name in SCALARS]
    for key, count in CLASSES.items():
        row += [float(int(label[key]) == i) for i in range(count)]
    return row


def crop_matrix(label: dict[str, Any], size: int, alignment: Alignment) -> npt.NDArray[np.float64]:
    """(2, 3) matrix from crop pixels to picture pixels (both with centres at .5) for one label line."""
    points = np.array([label["landmarks"][name] for name in LANDMARK_NAMES]) * size
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


def read_shard(
    path: Path, alignment: Alignment
) -> tuple[list[Bytes], list[Bytes], list[list[float]], list[str]]:
    """Every render of one shard, cropped. Raises DataError for a damaged shard."""
    images: list[Bytes] = []
    classes: list[Bytes] = []
    try:
        with tarfile.open(path) as tar:
            members = {member.name: member for member in tar.getmembers() if member.isfile()}

            def content(name: str) -> bytes:
                stream = tar.extractfile(members[name])
                return stream.read() if stream else b""

            lines = gzip.decompress(content("labels.jsonl.gz")).decode().splitlines()
            labels = [json.loads(line) for line in lines]
            for label in labels:
                picture = np.asarray(Image.open(io.BytesIO(content(f"{label['key']}.webp"))).convert("RGB"))
                mask = np.asarray(Image.open(io.BytesIO(content(f"{label['key']}.mask.png"))))
                matrix = crop_matrix(label, picture.shape[0], alignment)
                image, ids = crop_render(picture, mask, matrix, alignment.resolution)
                images.append(image)
                classes.append(ids)
    except (OSError, KeyError, ValueError, tarfile.TarError) as err:
        raise DataError(
            f"Shard cannot be read: {err}.", where=str(path), remedy="Fetch or render this shard again."
        ) from err
    return images, classes, [label_row(label) for label in labels], [label["key"] for label in labels]


def source_of(shards: list[Path], alignment: Alignment) -> str:
    """What the crops were made from, as one line: a cache of other shards or of another framing must not be used."""
    files = [(shard.name, shard.stat().st_size) for shard in shards]
    return json.dumps({"crops": CROPS_VERSION, "alignment": asdict(alignment), "shards": files})


def load_faces(folder: Path, cache: Path, alignment: Alignment) -> FacesData:
    """All shards of ``folder``, shuffled once with a fixed seed; the arrays are kept in ``cache`` (npz).

    Raises DataError if there are no shards or one is damaged; a cache that does not fit or is damaged is made anew.
    """
    shards = sorted(folder.glob("*.tar"))
    if not shards:
        raise DataError(
            "No training shards (*.tar) here.",
            where=str(folder),
            remedy="Name the folder of renders with --data.",
        )
    source = source_of(shards, alignment)
    kept = read_cache(cache, source)
    if kept is not None:
        return kept
    images: list[Bytes] = []
    classes: list[Bytes] = []
    labels: list[list[float]] = []
    keys: list[str] = []
    for shard in shards:
        parts = read_shard(shard, alignment)
        images += parts[0]
        classes += parts[1]
        labels += parts[2]
        keys += parts[3]
    order = np.random.default_rng(2026).permutation(len(keys))
    data = FacesData(
        np.stack(images)[order],
        np.stack(classes)[order],
        np.array(labels, np.float32)[order],
        tuple(keys[i] for i in order),
        source,
    )
    write_cache(cache, data)
    return data


def read_cache(cache: Path, source: str) -> FacesData | None:
    """The cached arrays, or None if there are none that were made from ``source``."""
    try:
        with cache.open("rb") as stream, np.load(stream, allow_pickle=False) as stored:
            if "source" not in stored or str(stored["source"]) != source:
                return None
            keys = tuple(stored["keys"].tolist())
            return FacesData(stored["images"], stored["classes"], stored["labels"], keys, source)
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile) as err:
        log.warning("The cache %s is damaged (%s) and is made anew.", cache, err)
        return None


def write_cache(cache: Path, data: FacesData) -> None:
    """Store the arrays under a temporary name, then rename."""
    cache.parent.mkdir(parents=True, exist_ok=True)
    temporary = cache.with_suffix(".tmp.npz")
    np.savez(
        temporary,
        images=data.images,
        classes=data.classes,
        labels=data.labels,
        keys=np.array(data.keys),
        source=np.array(data.source),
    )
    temporary.replace(cache)
