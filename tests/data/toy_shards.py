"""Shards of invented pictures with true labels, for tests that only read them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
from lineament.core.faces.base import LANDMARK_NAMES
from lineament.core.synthetic.params import FaceParams, with_attribute
from lineament.core.synthetic.shards import Sample, label_from_params, write_shard

POINTS = np.array([(80, 50), (48, 50), (64, 70), (76, 86), (52, 86), (64, 110)], np.float64)


def dotted() -> tuple[np.ndarray, np.ndarray]:
    """A picture with a bright dot on each landmark and a mask that is skin near them."""
    picture = np.zeros((128, 128, 3), np.uint8)
    classes = np.zeros((128, 128), np.uint8)
    for x, y in POINTS.astype(int):
        picture[y - 1 : y + 1, x - 1 : x + 1] = 255
        classes[y - 4 : y + 4, x - 4 : x + 4] = 1
    return picture, classes


def sample(key: str, params: FaceParams, *, family: str | None = None, attribute: str | None = None,
           split: str = "train", base: FaceParams | None = None) -> Sample:  # fmt: skip
    """One face: the dots, its mouth the lighter the more it smiles."""
    picture, classes = dotted()
    picture[84:88, 54:74] = np.uint8(255 * params.smile)
    classes[84:88, 54:74] = 4
    six = {name: list(point / 128) for name, point in zip(LANDMARK_NAMES, POINTS, strict=True)}
    meta = {
        "seed": 1, "index": 0, "params": label_from_params(params), "landmarks68": [[0.5, 0.5]] * 70, "six": six,
        "family": family, "attribute": attribute, "frame_six": six, "split": split, "development": {},
        "value": getattr(params, attribute) if attribute else None,
        "base_value": getattr(base, attribute) if attribute else None,
    }  # fmt: skip
    return Sample(key, picture, classes, meta)


def faces(count: int, first: int = 0) -> Iterator[Sample]:
    """Independent faces."""
    for number in range(first, first + count):
        rng = np.random.default_rng(number)
        params = FaceParams(age=float(rng.uniform(20, 80)), smile=float(rng.random()), yaw=float(rng.normal(0, 9)),
                            identity=tuple(rng.standard_normal(64)))  # fmt: skip
        yield sample(f"face-{number:07d}", params)


def families(count: int) -> Iterator[Sample]:
    """Base faces, each followed by one that smiles and one with glasses; the upper half is for grading."""
    for number in range(count):
        rng = np.random.default_rng((7, number))
        base = FaceParams(age=30.0, identity=tuple(rng.standard_normal(64)))
        split = "train" if number < (count + 1) // 2 else "grade"
        key = f"family-{number:07d}"
        yield sample(key, base, split=split)
        for name, value in (("smile", 0.8), ("glasses", 1.0)):
            member = with_attribute(base, name, value)
            yield sample(f"{key}-{name}", member, family=key, attribute=name, split=split, base=base)


def write_toy_set(folder: Path) -> Path:
    """Two data sets: 80 faces in two shards, 8 families in one."""
    for name, numbers in (("00000", 0), ("00001", 40)):
        write(folder / "singles" / f"faces-{name}.tar", faces(40, numbers))
    write(folder / "families" / "faces-00000.tar", families(8))
    return folder


def write(path: Path, samples: Iterator[Sample]) -> None:
    """One shard, its folder made."""
    path.parent.mkdir(parents=True, exist_ok=True)
    write_shard(path, samples)
