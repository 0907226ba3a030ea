"""The tables, shards, card and contact sheet of a set, made from its finished pictures and nothing else."""

from __future__ import annotations

import hashlib
import io
import json
import tarfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lineament.core.atomic import write_atomically
from lineament.core.augment.card import dataset_card
from lineament.core.errors import DataError, LineamentError, PlateError
from lineament.core.generators.package import load_package

from .augment_job import SHARDS, WEBDATASET, AugmentJob
from .augment_sheet import contact_sheet
from .augment_work import PictureDone
from .manifest import file_sha256
from .plan import make_folder

CARD = "dataset.json"
METADATA, REJECTIONS, README, SHEET = "metadata.jsonl", "rejected.jsonl", "README.md", "contact_sheet.png"
_REMEDY = "Free some space or choose a folder you may write to, then give the same command again."

Record = dict[str, Any]


def finish(job: AugmentJob, every: Sequence[PictureDone], card: Mapping[str, Any], model: str) -> None:
    """Write everything beside the pictures; the same pictures give the same bytes. Raises DataError, PlateError."""
    folder = Path(job.output)
    records = [record for done in every for record in done.records]
    accepted = [_row(record) for record in records if not record["rejected"]]
    rejected = [record for record in records if record["rejected"]]
    refused = [{"source": done.source.name, **done.error} for done in every if done.error]
    _write(folder / METADATA, _lines(accepted))
    _write(folder / REJECTIONS, _lines([*rejected, *refused], is_sorted=True))
    package = load_package(job.choices.model).card
    told = {"name": package.name, "licence": package.licence, "sha256": model}
    _write(folder / README, dataset_card(job.draws, job.limits, accepted, rejected, refused, told).encode())
    before = Packed.read(folder)
    sheet = contact_sheet(job, every, before.bytes_of)
    if sheet is not None:
        _write(folder / SHEET, sheet)
    shards = _pack(folder, job, accepted, before) if job.form.layout == WEBDATASET else []
    counts = {
        "pictures": len(every),
        "accepted": len(accepted),
        "rejected": len(rejected),
        "refused": len(refused),
    }
    written(folder / CARD, {**card, "is_finished": True, "counts": counts, "shards": shards})
    if job.form.layout == WEBDATASET:
        _drop_loose(folder, accepted, shards)


def _row(record: Record) -> Record:
    """A line of ``metadata.jsonl``: strengths and measures as columns, as readers of tables want them."""
    row = {
        name: record[name]
        for name in ("file_name", "source", "source_sha256", "variant", "sha256", "face_box")
    }
    row["synthetic"] = record["is_synthetic"]
    row |= {f"strength_{name}": value for name, value in sorted(record["strengths"].items())}
    measured = record["measured"] or {}
    row |= {name: value for name, value in sorted(measured.items()) if name != "effect"}
    return row | {f"effect_{name}": value for name, value in sorted(measured.get("effect", {}).items())}


def _lines(rows: Sequence[Mapping[str, Any]], *, is_sorted: bool = False) -> bytes:
    return "".join(json.dumps(row, ensure_ascii=False, sort_keys=is_sorted) + "\n" for row in rows).encode()


def written(path: Path, data: Mapping[str, Any]) -> None:
    """Write plain data as JSON, whole or not at all. Raises DataError."""
    _write(path, (json.dumps(data, indent=1, ensure_ascii=False) + "\n").encode())


def _write(path: Path, data: bytes) -> None:
    try:
        write_atomically(path, data)
    except OSError as err:
        raise DataError(f"Cannot write it: {err.strerror or err}.", where=str(path), remedy=_REMEDY) from err


@dataclass(frozen=True)
class Packed:
    """The shards of a finished set: which picture (by file name and hash) lies in which shard."""

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
                if file_sha256(folder / shard["file_name"]) == shard["sha256"]
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
            with tarfile.open(self.folder / shard, "r:") as tar:
                stream = tar.extractfile(member)
                if stream is None:
                    raise KeyError(member)
                return stream.read()
        except (OSError, KeyError, tarfile.TarError) as err:
            raise PlateError(
                f"A picture of the set is gone: {err}.",
                where=str(path),
                remedy="Give the same command again.",
            ) from err


def _pack(folder: Path, job: AugmentJob, rows: Sequence[Record], before: Packed) -> list[dict[str, Any]]:
    """Write the shards of a generation of its own, named after what is in it; one shard is in memory at a time."""
    make_folder(folder / SHARDS)
    name = hashlib.sha256(_lines(rows)).hexdigest()[:8]
    shards: list[dict[str, Any]] = []
    batch: list[tuple[str, Record, bytes]] = []
    size = 0
    for index, row in enumerate(rows):
        data = before.bytes_of(row["file_name"])
        batch.append((f"{index:08d}", row, data))
        size += len(data)
        if size >= job.form.shard_mb << 20:
            shards.append(_shard(folder, f"{SHARDS}/{name}-{len(shards):05d}.tar", batch))
            batch, size = [], 0
    if batch:
        shards.append(_shard(folder, f"{SHARDS}/{name}-{len(shards):05d}.tar", batch))
    return shards


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
    _write(folder / file_name, data)
    return {"file_name": file_name, "sha256": hashlib.sha256(data).hexdigest(), "members": members}


def _drop_loose(folder: Path, rows: Sequence[Record], shards: Sequence[Mapping[str, Any]]) -> None:
    """After the card names the new shards: the loose pictures are in them, and older shards hold nothing else."""
    for row in rows:
        (folder / row["file_name"]).unlink(missing_ok=True)
    current = {shard["file_name"] for shard in shards}
    for path in (folder / SHARDS).glob("*.tar"):
        if path.relative_to(folder).as_posix() not in current:
            path.unlink(missing_ok=True)


def check_set(folder: Path) -> tuple[int, list[str]]:
    """Read every picture of a set again: how many there are, and what is wrong, as sentences. Raises DataError."""
    try:
        rows = [json.loads(line) for line in (folder / METADATA).read_bytes().splitlines()]
        names = [(row["file_name"], row["sha256"]) for row in rows]
    except (OSError, ValueError, KeyError, TypeError) as err:
        raise DataError(
            f"This is no finished set: {METADATA} cannot be read ({err}).",
            where=str(folder),
            remedy="Give the folder of a set that was made with lineament dataset augment.",
        ) from err
    packed = Packed.read(folder)
    wrong = []
    for name, sha256 in names:
        try:
            if hashlib.sha256(packed.bytes_of(name)).hexdigest() != sha256:
                wrong.append(f"{name}: its bytes are not those that were written")
        except PlateError as err:
            wrong.append(f"{name}: {err.what}")
    return len(names), wrong
