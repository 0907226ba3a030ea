"""Shards of a set as WebDataset reads them: tar files with each picture beside its line of the table."""

from __future__ import annotations

import hashlib
import io
import json
import tarfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from lineament.core.atomic import write_atomically
from lineament.core.errors import DataError, LineamentError, PlateError

from .augment_job import SHARDS
from .manifest import file_sha256
from .plan import make_folder

CARD = "dataset.json"
_REMEDY = "Free some space or choose a folder you may write to, then give the same command again."

Record = dict[str, Any]


def write(path: Path, data: bytes) -> None:
    """Write a file of a set whole or not at all. Raises DataError."""
    try:
        write_atomically(path, data)
    except OSError as err:
        raise DataError(f"Cannot write it: {err.strerror or err}.", where=str(path), remedy=_REMEDY) from err


@dataclass(frozen=True)
class Packed:
    """The shards of a finished set: which picture (by file name and hash) lies in which shard, under which name."""

    folder: Path
    members: Mapping[str, tuple[str, str, str]]

    @staticmethod
    def read(folder: Path) -> Packed:
        """What the card in ``folder`` says, as far as its shards are what was written."""
        try:
            shards = json.loads((folder / CARD).read_bytes()).get("shards", [])
            members = {
                name: (shard["file_name"], member, sha256)
                for shard in shards
                if (folder / shard["file_name"]).is_file()
                and file_sha256(folder / shard["file_name"]) == shard["sha256"]
                for name, member, sha256 in shard["members"]
            }
        except (OSError, ValueError, KeyError, TypeError, AttributeError, LineamentError):
            members = {}
        return Packed(folder, members)

    def holds(self, name: str, sha256: str) -> bool:
        """Whether a shard holds that picture."""
        return name in self.members and self.members[name][2] == sha256

    def bytes_of(self, name: str) -> bytes:
        """The picture's bytes, from its own file or its shard. Raises PlateError."""
        path = self.folder / name
        try:
            if path.is_file():
                return path.read_bytes()
            shard, member, _ = self.members[name]
            at, size = _places(self.folder / shard, (self.folder / shard).stat().st_mtime_ns)[member]
            with (self.folder / shard).open("rb") as stream:
                stream.seek(at)
                return stream.read(size)
        except (OSError, KeyError, tarfile.TarError) as err:
            raise PlateError(
                f"A picture of the set is gone: {err}.",
                where=str(path),
                remedy="Give the same command again.",
            ) from err


@lru_cache(maxsize=4)
def _places(shard: Path, changed_ns: int) -> Mapping[str, tuple[int, int]]:
    """Offset and size in bytes of every member, read once a shard instead of once a picture."""
    with tarfile.open(shard, "r:") as tar:
        return {member.name: (member.offset_data, member.size) for member in tar}


def pack(folder: Path, rows: Sequence[Record], before: Packed, shard_mb: int) -> list[dict[str, Any]]:
    """Write the shards of a generation of its own, named after what is in it; one shard is in memory at a time."""
    make_folder(folder / SHARDS)
    text = "".join(json.dumps(row, sort_keys=True) for row in rows)
    name = hashlib.sha256(text.encode()).hexdigest()[:8]
    return [
        _shard(folder, f"{SHARDS}/{name}-{index:05d}.tar", batch)
        for index, batch in enumerate(_batches(rows, before, shard_mb << 20))
    ]


def _batches(rows: Sequence[Record], before: Packed, most: int) -> Iterator[list[tuple[str, Record, bytes]]]:
    batch, size = [], 0
    for index, row in enumerate(rows):
        data = before.bytes_of(row["file_name"])
        batch.append((f"{index:08d}", row, data))
        size += len(data)
        if size >= most:
            yield batch
            batch, size = [], 0
    if batch:
        yield batch


def _shard(folder: Path, file_name: str, batch: Sequence[tuple[str, Record, bytes]]) -> dict[str, Any]:
    content = io.BytesIO()
    members = []
    with tarfile.open(fileobj=content, mode="w", format=tarfile.USTAR_FORMAT) as tar:
        for key, row, data in batch:
            member = f"{key}{Path(row['file_name']).suffix}"
            for name, each in ((member, data), (f"{key}.json", json.dumps(row, ensure_ascii=False).encode())):
                info = tarfile.TarInfo(name)
                info.size = len(each)
                tar.addfile(info, io.BytesIO(each))
            members.append([row["file_name"], member, row["sha256"]])
    data = content.getvalue()
    write(folder / file_name, data)
    return {"file_name": file_name, "sha256": hashlib.sha256(data).hexdigest(), "members": members}


def unpack(folder: Path, rows: Sequence[Record], before: Packed) -> None:
    """Give every picture that lies in a shard a file of its own again. Raises DataError, PlateError."""
    for row in rows:
        if not (folder / row["file_name"]).is_file():
            write(folder / row["file_name"], before.bytes_of(row["file_name"]))


def drop_loose(folder: Path, rows: Sequence[Record]) -> None:
    """After the card names the shards: the loose pictures are in them."""
    for row in rows:
        (folder / row["file_name"]).unlink(missing_ok=True)


def drop_shards(folder: Path, current: Sequence[Mapping[str, Any]]) -> None:
    """After the card names its shards: older ones hold nothing else."""
    kept = {shard["file_name"] for shard in current}
    for path in (folder / SHARDS).glob("*.tar"):
        if path.relative_to(folder).as_posix() not in kept:
            path.unlink(missing_ok=True)
