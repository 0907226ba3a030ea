"""What a manifest tells of a frame before its pictures are opened; a manifest may hold anything."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from lineament.core.io.sequences import FramePath
from lineament.core.shots.quality_report import FaceOnFrame, FrameEntry, State

from .manifest import ManifestLine
from .messages import FrameRequest


def entry_of(
    plate: FramePath,
    request: FrameRequest,
    last: ManifestLine | None,
    done: ManifestLine | None,
    faces: tuple[FaceOnFrame, ...],
) -> FrameEntry:
    """What manifest and folder say of a frame: its ``last`` line, and the one of the picture that is ``done``."""
    state: State = "held" if plate.is_held else "rendered"
    if faces and all(face.status == "missing" for face in faces):
        state = "no face"
    error: Mapping[str, Any] = {}
    if last is not None and last.status == "failed":
        state, error = "failed", last.error
    elif not Path(request.output).is_file():
        state = "missing"
    return FrameEntry(
        plate.number,
        plate.source_number,
        state,
        faces,
        error=error,
        counts=told_counts(done),
        seconds=done.seconds if done is not None else 0.0,
    )


def told_faces(done: ManifestLine | None) -> dict[str, Mapping[str, Any]]:
    """Faces by name as the render recorded them; a manifest may hold anything."""
    told = done.report.get("faces", []) if done is not None else []
    rows = [one for one in told if isinstance(one, dict)] if isinstance(told, list) else []
    return {str(one.get("name")): one for one in rows if isinstance(one.get("strengths"), dict)}


def told_counts(done: ManifestLine | None) -> dict[str, int]:
    """The give-back's pixel counts over all faces."""
    counts: dict[str, int] = {}
    for face in told_faces(done).values():
        told = face.get("composite")
        for name, count in told.items() if isinstance(told, dict) else ():
            if type(count) is int:
                counts[name] = counts.get(name, 0) + count
    return counts
