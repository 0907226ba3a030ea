"""What a folder of edited pictures holds already: what its manifest tells, as far as the files are still there."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from lineament.core.errors import DataError, LineamentError

from .augment_job import AugmentJob, Source
from .augment_shards import Packed
from .augment_work import PictureDone
from .manifest import Manifest, ManifestLine, file_sha256, read_manifest

MANIFEST = "manifest.jsonl"


class Found:
    """The manifest of a set and its finished pictures, before and while a run adds to them.

    ``parameters`` names the settings. Raises PlateError if the manifest cannot be read.
    """

    def __init__(self, job: AugmentJob, parameters: str, model: str) -> None:
        self._folder, self._draws = Path(job.output), job.draws
        self._parameters, self._model = parameters, model
        self._manifest = Manifest(self._folder / MANIFEST)
        self._lines = dict(read_manifest(self._folder / MANIFEST).done)
        self._packed = Packed.read(self._folder)

    def valid(self, source: Source) -> PictureDone | None:
        """A picture that is finished with the same settings, whether its files are there or not; else None."""
        line = self._lines.get(_number(source.name))
        if line is None or line.output != source.name or line.parameters != self._parameters:
            return None
        try:
            if file_sha256(source.path) != line.plate_sha256:
                return None
            records = tuple(line.report["records"])
            wanted = [(one.name, dict(one.strengths)) for one in self._draws.variants(line.plate_sha256)]
            is_faceless = bool(line.report["is_faceless"])
            signature = str(line.report["signature"])
            if not is_faceless and wanted != [(one["variant"], one["strengths"]) for one in records]:
                return None
        except (LineamentError, OSError, KeyError, TypeError):
            return None
        return PictureDone(
            source, line.plate_sha256, records, dict(line.error), is_faceless, signature=signature
        )

    def has_files(self, done: PictureDone) -> bool:
        """Whether the files of all variants that are to be there are what was written."""
        try:
            return all(
                self._is_there(one["file_name"], one["sha256"]) for one in done.records if one["file_name"]
            )
        except (OSError, KeyError, TypeError):
            return False

    def _is_there(self, name: str, sha256: str) -> bool:
        path = self._folder / name
        return file_sha256(path) == sha256 if path.is_file() else self._packed.holds(name, sha256)

    def add(self, done: PictureDone) -> None:
        """Write a picture down; files of its former making that the new one has not are removed first."""
        line = ManifestLine(
            frame=_number(done.source.name),
            status="failed" if done.error and not done.is_faceless else "done",
            plate_sha256=done.sha256,
            parameters=self._parameters,
            model=self._model,
            output=done.source.name,
            seconds=done.seconds,
            report={
                "records": list(done.records),
                "is_faceless": done.is_faceless,
                "signature": done.signature,
            },
            error=done.error,
        )
        former = self._lines.get(line.frame)
        if former is not None and line.status == "done":
            self._remove(set(_files(former)) - set(_files(line)))
        self._append(line)

    def refuse_loss(self, sources: Sequence[Source]) -> None:
        """Raise DataError if the set has finished pictures or variants that these sources and draws have not."""
        names = {source.name for source in sources}
        lost = [
            name
            for line in self._lines.values()
            if line.parameters == self._parameters
            for name in _files(line)
            if line.output not in names or not self._is_drawn(name, line)
        ]
        if lost:
            raise DataError(
                f"The set would lose {len(lost)} pictures that it has: {', '.join(sorted(lost)[:3])} ...",
                where=str(self._folder),
                remedy="Give all pictures and as many variants as before, another folder, or --overwrite to drop them.",
            )

    def _is_drawn(self, file_name: str, line: ManifestLine) -> bool:
        variants = {one.name for one in self._draws.variants(line.plate_sha256)}
        told = {str(one["file_name"]): one["variant"] for one in line.report["records"]}
        return told[file_name] in variants

    def drop(self, every: Sequence[PictureDone]) -> None:
        """Remove the files that a set of ``every`` picture has no longer; the manifest forgets pictures of which none
        is left."""
        kept = {record["file_name"] for done in every for record in done.records}
        names = {done.source.name for done in every}
        for line in list(self._lines.values()):
            self._remove(set(_files(line)) - kept)
            if line.output not in names and _files(line):
                gone = {"records": [], "is_dropped": True}
                self._append(ManifestLine(line.frame, "done", output=line.output, report=gone))

    def _append(self, line: ManifestLine) -> None:
        self._manifest.append(line)
        if line.status == "done":
            self._lines[line.frame] = line

    def _remove(self, names: set[str]) -> None:
        for name in names:
            (self._folder / name).unlink(missing_ok=True)


def _files(line: ManifestLine) -> list[str]:
    """The files that a line of ours names; none for a line that somebody else has touched."""
    records: Any = line.report.get("records", ())
    if not isinstance(records, (list, tuple)):
        return []
    named = [str(one["file_name"]) for one in records if isinstance(one, Mapping) and one.get("file_name")]
    return [name for name in named if not Path(name).is_absolute() and ".." not in Path(name).parts]


def _number(name: str) -> int:
    """A picture's number in the manifest is made of its name, for sets grow."""
    return int(hashlib.sha256(name.encode()).hexdigest()[:12], 16)
