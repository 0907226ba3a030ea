"""The tables, shards, card and contact sheet of a set, made from its finished pictures and nothing else."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from lineament.core.augment.card import dataset_card
from lineament.core.errors import DataError, PlateError
from lineament.core.generators.package import load_package

from .augment_job import PICTURES, WEBDATASET, AugmentJob
from .augment_shards import CARD, Packed, Record, drop_loose, drop_shards, pack, unpack, write
from .augment_sheet import contact_sheet
from .augment_work import PictureDone
from .manifest import file_sha256

METADATA, REJECTIONS, README, SHEET = "metadata.jsonl", "rejected.jsonl", "README.md", "contact_sheet.png"


def finish(job: AugmentJob, every: Sequence[PictureDone], card: Mapping[str, Any], model: str) -> None:
    """Write everything beside the pictures; the same pictures give the same bytes. Raises DataError, PlateError."""
    folder = Path(job.output)
    records = [record for done in every for record in done.records]
    names = sorted(job.draws.limits())
    accepted = [_row(record, names) for record in records if not record["rejected"]]
    rejected = [record for record in records if record["rejected"]]
    refused = [{"source": done.source.name, **done.error} for done in every if done.error]
    package = load_package(job.choices.model).card
    told = {"name": package.name, "licence": package.licence, "sha256": model}
    card_text = dataset_card(
        job.draws, job.limits, accepted, rejected, refused, told, is_packed=job.form.layout == WEBDATASET
    )
    tables = {
        METADATA: _lines(accepted),
        REJECTIONS: _lines([*rejected, *refused], is_sorted=True),
        README: card_text.encode(),
    }
    for name, data in tables.items():
        write(folder / name, data)
    before = Packed.read(folder)
    sheet = contact_sheet(job, every, before.bytes_of)
    if sheet is not None:
        write(folder / SHEET, sheet)
    shards: list[Record] = []
    if job.form.layout == WEBDATASET:
        shards = pack(folder, accepted, before, job.form.shard_mb)
    else:
        unpack(folder, accepted, before)
    counts = {
        "pictures": len(every),
        "accepted": len(accepted),
        "rejected": len(rejected),
        "refused": len(refused),
    }
    hashes = {name: hashlib.sha256(data).hexdigest() for name, data in tables.items()}
    told_all = {**card, "is_finished": True, "counts": counts, "tables": hashes, "shards": shards}
    written(folder / CARD, told_all)
    if job.form.layout == WEBDATASET:
        drop_loose(folder, accepted)
    drop_shards(folder, shards)


def _row(record: Record, edited: Iterable[str]) -> Record:
    """A line of ``metadata.jsonl``: strengths and measures as columns, as readers of tables want them. All ``edited``
    attributes are there, 0 where they were left alone."""
    row = {
        name: record[name]
        for name in ("file_name", "source", "source_sha256", "variant", "sha256", "face_box")
    }
    row["synthetic"] = record["is_synthetic"]
    row |= {f"strength_{name}": record["strengths"].get(name, 0.0) for name in edited}
    measured = record["measured"] or {}
    row |= {name: value for name, value in sorted(measured.items()) if name != "effect"}
    return row | {f"effect_{name}": value for name, value in sorted(measured.get("effect", {}).items())}


def _lines(rows: Sequence[Mapping[str, Any]], *, is_sorted: bool = False) -> bytes:
    return "".join(json.dumps(row, ensure_ascii=False, sort_keys=is_sorted) + "\n" for row in rows).encode()


def written(path: Path, data: Mapping[str, Any]) -> None:
    """Write plain data as JSON, whole or not at all. Raises DataError."""
    write(path, (json.dumps(data, indent=1, ensure_ascii=False) + "\n").encode())


def check_set(folder: Path) -> tuple[int, list[str]]:
    """Read every picture and table of a set again: how many pictures there are, and what is wrong, as sentences.

    A picture that no table names is wrong too: whoever reads folders would train on it. Raises DataError.
    """
    try:
        rows = [json.loads(line) for line in (folder / METADATA).read_bytes().splitlines()]
        names = {str(row["file_name"]): str(row["sha256"]) for row in rows}
        tables = dict(json.loads((folder / CARD).read_bytes())["tables"])
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as err:
        raise DataError(
            f"This is no finished set: its tables cannot be read ({err}).",
            where=str(folder),
            remedy="Give the folder of a set that lineament dataset augment has finished.",
        ) from err
    packed = Packed.read(folder)
    wrong = [
        f"{name}: it is not what was written"
        for name, sha256 in tables.items()
        if not (folder / name).is_file() or file_sha256(folder / name) != sha256
    ]
    pictures = (one.relative_to(folder).as_posix() for one in (folder / PICTURES).rglob("*") if one.is_file())
    wrong += [f"{name}: no table names it" for name in sorted(set(pictures) - set(names))]
    for name, sha256 in names.items():
        try:
            if hashlib.sha256(packed.bytes_of(name)).hexdigest() != sha256:
                wrong.append(f"{name}: its bytes are not those that were written")
        except PlateError as err:
            wrong.append(f"{name}: {err.what}")
    return len(names), wrong
