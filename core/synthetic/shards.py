"""Shards: tar files of labelled faces, as training reads them.

A shard is an uncompressed tar in the WebDataset manner. Each face is three members: ``KEY.webp``, the picture;
``KEY.mask.png``, class ids; ``KEY.json``, what was drawn. Pictures are lossless WebP by its fastest method: at 128 px
it takes 0.8 ms and 23 kB, against 1.3 ms and 31 kB for PNG (level 1), and 0.25 ms and 18 kB for JPEG (quality 99,
4:4:4), which errs by 1 code value rms. Nothing is lost, so the two pictures of a counterfactual pair differ only
where the renderer made them differ.
"""

from __future__ import annotations

import io
import json
import re
import tarfile
import zlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

from ..atomic import write_atomically
from ..errors import DataError
from ..faces.base import LANDMARK_NAMES
from .geometry import CLASS_NAMES
from .params import FaceParams, field_names

Bytes = npt.NDArray[np.uint8]
Points = npt.NDArray[np.float64]

SHARD_FACES = 500
"""Most faces in a shard: writer and trainer hold one in memory."""

FORMAT_VERSION = 1
"""Raise it whenever the members of a shard or the fields of their json change."""

CARD_NAME = "dataset.json"
"""File beside the shards that says how they were made."""

_PICTURE, _MASK, _META = "webp", "mask.png", "json"
_KEY = re.compile(r"[a-z0-9_-]{1,64}")
_MEMBER_BYTES = 64 << 20
_END_BYTES = 1024
_REMEDY = "Delete this file and run lineament faces dataset again: it makes what is missing."
_VECTORS = ("identity", "look", "ancestry")


@dataclass(frozen=True)
class Sample:
    """One labelled face. ``picture`` (S, S, 3) uint8, display-referred sRGB; ``mask`` (S, S) uint8, class ids of
    ``geometry``; ``meta`` the fields of its json:

    ``seed`` (list of int), ``params`` (every field of FaceParams), ``landmarks68`` (70 points) and ``six`` (by name),
    all as (x, y) in 0..1 of the picture; ``family``, ``attribute``, ``value``, ``base_value``: for a face that
    differs from a base face in one attribute the key of that base, else null; ``frame_six`` the six points that
    framed the picture (the base's in a family); ``split`` "train" or "grade"; ``development`` exposure and white
    balance of the picture.
    """

    key: str
    picture: Bytes
    mask: Bytes
    meta: Mapping[str, Any]

    @property
    def params(self) -> FaceParams:
        """What was drawn. Raises DataError if the label does not describe a face."""
        return params_from_label(self.meta["params"], self.key)

    def six_points(self, name: str = "six") -> Points:
        """The points ``six`` or ``frame_six`` as (6, 2) float64 in LANDMARK_NAMES order, 0..1 of the picture."""
        return np.array([self.meta[name][point] for point in LANDMARK_NAMES], np.float64)


def label_from_params(params: FaceParams) -> dict[str, Any]:
    """All fields as JSON values; :func:`params_from_label` gives the same FaceParams back."""
    label = {name: getattr(params, name) for name in field_names()}
    for name in _VECTORS:
        label[name] = list(label[name])
    label["ambient"] = [list(colour) for colour in params.ambient]
    return label


def params_from_label(label: Mapping[str, Any], where: str) -> FaceParams:
    """The face a label describes. Raises DataError for missing or foreign fields, RecipeError for bad values."""
    try:
        values = dict(label)
        for name in _VECTORS:
            values[name] = tuple(values[name])
        values["ambient"] = tuple(tuple(colour) for colour in values["ambient"])
        return FaceParams(**values)
    except (TypeError, KeyError) as err:
        raise DataError(
            f"The label is not one of this version's faces: {err}.",
            where=where,
            remedy="Make the data set again with this version.",
        ) from err


def encode_picture(picture: Bytes) -> bytes:
    """(H, W, 3) uint8 as lossless WebP; the same picture always gives the same bytes."""
    stream = io.BytesIO()
    Image.fromarray(picture).save(stream, "WEBP", lossless=True, quality=0, method=0)
    return stream.getvalue()


def encode_mask(mask: Bytes) -> bytes:
    """(H, W) uint8 class ids as PNG."""
    stream = io.BytesIO()
    Image.fromarray(mask).save(stream, "PNG", compress_level=6)
    return stream.getvalue()


def write_shard(path: Path, samples: Iterable[Sample]) -> int:
    """Write all samples as one shard, whole or not at all, and return how many there were.

    The same samples give the same bytes on every machine. Raises DataError if the disk does not take it (nothing is
    left behind then), ValueError for samples that no shard can hold.
    """
    content = io.BytesIO()
    count = 0
    with tarfile.open(fileobj=content, mode="w", format=tarfile.USTAR_FORMAT) as tar:
        for count, sample in enumerate(samples, start=1):
            _check(sample)
            if count > SHARD_FACES:
                raise ValueError(f"a shard holds {SHARD_FACES} faces at most")
            picture, mask = encode_picture(sample.picture), encode_mask(sample.mask)
            meta = {"key": sample.key, **sample.meta}
            meta["crc32"] = _checksum(picture, mask, meta)
            _add(tar, f"{sample.key}.{_PICTURE}", picture)
            _add(tar, f"{sample.key}.{_MASK}", mask)
            _add(tar, f"{sample.key}.{_META}", _json(meta))
    try:
        write_atomically(path, content.getvalue())
    except OSError as err:
        raise DataError(
            f"The shard cannot be written: {err.strerror or err}.",
            where=str(path),
            remedy="Free some space or choose a folder you may write to, then give the same command again: "
            "it goes on with what is missing.",
        ) from err
    return count


def read_shard(path: Path) -> Iterator[Sample]:
    """Every face of a shard, in order, one at a time.

    Raises DataError, while iterating, for a shard that is missing, cut off, altered (each face carries a checksum of
    its three members) or of another format.
    """
    for key, picture, mask, meta in _entries(path):
        try:
            sample = Sample(key, _decoded(picture, "WEBP", "RGB"), _decoded(mask, "PNG", "L"), meta)
            _check(sample)
        except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as err:
            raise _damaged(path, f"{key}: {err}") from err
        yield sample


def verify_shard(path: Path) -> tuple[str, ...]:
    """The keys of a shard after reading every byte and comparing the checksums; pictures are not decoded.

    Raises DataError like :func:`read_shard`.
    """
    return tuple(key for key, *_ in _entries(path))


def read_card(folder: Path) -> dict[str, Any]:
    """What ``dataset.json`` says: settings, origin, shards. Raises DataError if it is missing or damaged."""
    path = folder / CARD_NAME
    try:
        card = json.loads(path.read_bytes())
    except FileNotFoundError as err:
        raise DataError(
            f"This is no data set of rendered faces: it has no {CARD_NAME}.",
            where=str(folder),
            remedy="Make one with lineament faces dataset.",
        ) from err
    except (OSError, ValueError) as err:
        raise _damaged_card(path, str(err)) from err
    if not isinstance(card, dict):
        raise _damaged_card(path, "it is no list of settings")
    return card


def dataset_shards(folder: Path) -> tuple[Path, ...]:
    """The shards of a finished data set, in order.

    Raises DataError if the folder holds none, it is of another format, not finished, or shards are missing.
    """
    card = read_card(folder)
    if card.get("format") != FORMAT_VERSION:
        raise DataError(
            f"The data set has format {card.get('format')}, this version reads {FORMAT_VERSION}.",
            where=str(folder),
            remedy="Make it again with this version.",
        )
    try:
        names = [str(shard["name"]) for shard in card["shards"]] if card.get("complete") else []
    except (KeyError, TypeError) as err:
        raise _damaged_card(folder / CARD_NAME, str(err)) from err
    missing = [name for name in names if Path(name).name != name or not (folder / name).is_file()]
    if missing or not names:
        what = f"Shards are missing: {', '.join(missing)}." if missing else "The data set is not finished."
        remedy = "Give the lineament faces dataset command that made it again."
        raise DataError(what, where=str(folder), remedy=remedy)
    return tuple(folder / name for name in names)


def _entries(path: Path) -> Iterator[tuple[str, bytes, bytes, dict[str, Any]]]:
    """(key, picture file, mask file, label) of every face, checksums compared."""
    try:
        with path.open("rb") as stream, tarfile.open(fileobj=stream, mode="r:") as tar:
            members = [member for member in tar if member.isfile()]
            _check_end(stream, tar.offset)
            for start in range(0, len(members), 3):
                yield _entry(tar, members[start : start + 3])
    except FileNotFoundError as err:
        raise DataError("There is no such shard.", where=str(path), remedy=_REMEDY) from err
    except (OSError, ValueError, KeyError, TypeError, tarfile.TarError) as err:
        raise _damaged(path, str(err)) from err


def _check_end(stream: io.BufferedReader, offset: int) -> None:
    """Behind the last face there are two empty blocks at least, and nothing else.

    The tar reader itself takes a missing end, or a damaged header in the middle, for the end.
    """
    stream.seek(offset)
    rest = stream.read()
    if len(rest) < _END_BYTES or rest.strip(b"\0"):
        raise ValueError(f"it ends at byte {offset}, in the middle of its faces")


def _entry(tar: tarfile.TarFile, members: list[tarfile.TarInfo]) -> tuple[str, bytes, bytes, dict[str, Any]]:
    key = members[0].name.partition(".")[0]
    wanted = [f"{key}.{suffix}" for suffix in (_PICTURE, _MASK, _META)]
    names = [member.name for member in members]
    if names != wanted or not _KEY.fullmatch(key):
        raise ValueError(f"found {', '.join(names)} where {', '.join(wanted)} belong")
    picture, mask, text = (_content(tar, member) for member in members)
    meta = json.loads(text)
    if not isinstance(meta, dict) or meta.get("key") != key:
        raise ValueError(f"the label of {key} belongs to another face")
    if meta.pop("crc32", None) != _checksum(picture, mask, meta):
        raise ValueError(f"the checksum of {key} does not match")
    return key, picture, mask, meta


def _content(tar: tarfile.TarFile, member: tarfile.TarInfo) -> bytes:
    if member.size > _MEMBER_BYTES:
        raise ValueError(f"{member.name} is larger than {_MEMBER_BYTES >> 20} MB")
    stream = tar.extractfile(member)
    content = stream.read() if stream else b""
    if len(content) != member.size:
        raise ValueError(f"{member.name} is cut off")
    return content


def _decoded(content: bytes, kind: str, mode: str) -> Bytes:
    with Image.open(io.BytesIO(content), formats=(kind,)) as image:
        if image.mode != mode:
            raise ValueError(f"a {kind} of mode {image.mode} instead of {mode}")
        return np.array(image, np.uint8)


def _check(sample: Sample) -> None:
    """Raise ValueError unless key, picture and mask are what the format promises."""
    picture, mask = sample.picture, sample.mask
    if not _KEY.fullmatch(sample.key):
        raise ValueError(f"{sample.key!r} is no key: small letters, digits, - and _ only")
    if picture.dtype != np.uint8 or picture.ndim != 3 or picture.shape[2] != 3:
        raise ValueError(f"the picture must be (H, W, 3) uint8, not {picture.shape} {picture.dtype}")
    if mask.dtype != np.uint8 or mask.shape != picture.shape[:2]:
        raise ValueError(f"the mask must be {picture.shape[:2]} uint8, not {mask.shape} {mask.dtype}")
    known = np.zeros(256, bool)
    known[list(CLASS_NAMES)] = True
    if not known[mask].all():
        raise ValueError("the mask holds ids that are no class")


def _checksum(picture: bytes, mask: bytes, meta: Mapping[str, Any]) -> int:
    """CRC-32 of the picture file, the mask file and the label without its checksum."""
    return zlib.crc32(_json(meta), zlib.crc32(mask, zlib.crc32(picture)))


def _json(meta: Mapping[str, Any]) -> bytes:
    return json.dumps(meta, separators=(",", ":"), allow_nan=False).encode("ascii")


def _add(tar: tarfile.TarFile, name: str, content: bytes) -> None:
    info = tarfile.TarInfo(name)
    info.size = len(content)
    info.mode = 0o644
    tar.addfile(info, io.BytesIO(content))


def _damaged(path: Path, why: str) -> DataError:
    return DataError(f"The shard is damaged: {why}.", where=str(path), remedy=_REMEDY)


def _damaged_card(path: Path, why: str) -> DataError:
    return DataError(
        f"{CARD_NAME} is damaged: {why}.",
        where=str(path),
        remedy="Make the data set again in an empty folder.",
    )
