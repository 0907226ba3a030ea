"""Timelines out: settings of ours into the metadata of clips, everything else in the file as it was."""

from __future__ import annotations

import copy
import io
import json
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import opentimelineio as otio

from ..errors import RecipeError
from ..io.sequences import split_token
from .shot import Shot, Show
from .shot_file import write_in_place
from .timeline import CONTENT, KEY, Timeline

RATE = 24.0
"""Frames a second of a timeline that is made from a show file, which knows no time."""


def with_settings(
    timeline: Timeline, settings: Mapping[str, Mapping[str, Any]], head: Mapping[str, Any] | None = None
) -> str:
    """The OTIO text of the timeline with the settings of some shots replaced, by name, and its ``head`` (version, show,
    defaults, policy for transitions) unless that is None.

    Clips of other shots, other metadata, gaps, transitions and effects stay. Raises RecipeError for a shot that has no
    clip.
    """
    root = copy.deepcopy(timeline.root)
    clips = dict(zip((id(clip) for clip in timeline.root.find_clips()), root.find_clips(), strict=True))
    for name, fields in settings.items():
        if name not in timeline.clips:
            raise RecipeError(
                f'The timeline has no clip for the shot "{name}".',
                where=str(timeline.path),
                remedy=f"Its shots: {', '.join(timeline.clips)}.",
            )
        clips[id(timeline.clips[name])].metadata[KEY] = _with_text_keys(fields)
    if head is not None:
        root.metadata[KEY] = _with_text_keys(head)
    return _text(root)


def _with_text_keys(data: Any) -> Any:
    """Metadata have text for keys, frame numbers too."""
    if isinstance(data, Mapping):
        return {str(key): _with_text_keys(value) for key, value in data.items()}
    return [_with_text_keys(each) for each in data] if isinstance(data, list | tuple) else data


def settings_of(timeline: Timeline, shot: str) -> dict[str, Any]:
    """The settings that the clip of a shot carries, as plain data."""
    return _read(timeline.clips[shot].metadata)


def head_of(timeline: Timeline) -> dict[str, Any]:
    """The settings that the timeline itself carries: version, show, defaults, policy for transitions."""
    return _read(timeline.root.metadata)


def _read(metadata: Any) -> dict[str, Any]:
    found = metadata.get(KEY)
    data: dict[str, Any] = {} if found is None else json.loads(otio.core.serialize_json_to_string(found))
    return data


def new_timeline(show: Show, data: Mapping[str, Any]) -> str:
    """The OTIO text of a timeline with one clip for each shot, one after the other, at 24 frames a second.

    ``data`` is the show file's own data: what it says besides plate and frames goes into the metadata.
    """
    timeline = otio.schema.Timeline(show.name)
    head = {name: data[name] for name in ("schema_version", "show", "defaults") if data.get(name)}
    timeline.metadata[KEY] = _with_text_keys(head)
    track = otio.schema.Track("V1", kind=otio.schema.TrackKind.Video)
    timeline.tracks.append(track)
    for shot in show.shots:
        track.append(_clip(shot, show, dict((data.get("shots") or {}).get(shot.name) or {})))
    return _text(timeline)


def write_timeline(path: Path, text: str, source: Path | None = None) -> None:
    """Write OTIO text as ``.otio``, ``.otioz`` or ``.otiod`` in one step; media that ``source``, a bundle of the same
    kind, carries go along. Raises RecipeError."""
    content = text.encode("utf-8")
    if path.suffix.lower() == ".otiod":
        _make_folder(path)
        write_in_place(path / CONTENT, content)
    else:
        write_in_place(path, _bundle(content, source) if path.suffix.lower() == ".otioz" else content)


def _make_folder(path: Path) -> None:
    try:
        path.mkdir(exist_ok=True)
    except OSError as err:
        raise RecipeError(
            f"The timeline cannot be written: {err.strerror or err}.",
            where=str(path),
            remedy="Choose a folder that exists and that you may write to.",
        ) from err


def _bundle(content: bytes, source: Path | None) -> bytes:
    """A zipped bundle with this content, and with the media of another; they are stored, as the format asks."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as bundle:
        bundle.writestr(CONTENT, content, zipfile.ZIP_DEFLATED)
        bundle.writestr("version.txt", "1.0.0", zipfile.ZIP_DEFLATED)
        if source is not None and source.suffix.lower() == ".otioz" and source.is_file():
            with zipfile.ZipFile(source) as old:
                for entry in old.infolist():
                    if entry.filename not in (CONTENT, "version.txt"):
                        bundle.writestr(entry, old.read(entry), zipfile.ZIP_STORED)
    return buffer.getvalue()


def _clip(shot: Shot, show: Show, fields: dict[str, Any]) -> Any:
    token = split_token(shot.plate)
    if token is None or not shot.frames:
        raise RecipeError(
            f'The shot "{shot.name}" cannot become a clip: {"it has no frames" if token else "its plate is a still"}.',
            where=shot.where,
            remedy="Write its frames: into the show file, or leave it out of the timeline.",
        )
    first, last = min(shot.frames), max(shot.frames)
    cut = _range(first, last)
    handles = _range(first - shot.handles, last + shot.handles)
    folder = Path(shot.plate).parent
    base = folder.relative_to(show.root) if folder.is_relative_to(show.root) else folder
    policies = otio.schema.ImageSequenceReference.MissingFramePolicy
    reference = otio.schema.ImageSequenceReference(
        *(f"{base}/", token[0], token[2], first - shot.handles, 1, RATE, token[1]),
        policies.hold if shot.missing == "hold" else policies.error,
        available_range=handles,
    )
    clip = otio.schema.Clip(shot.name, reference, cut)
    is_whole = shot.frames == tuple(range(first, last + 1))
    clip.metadata[KEY] = {
        name: value
        for name, value in fields.items()
        if name != "plate" and not (name == "frames" and is_whole)
    }
    return clip


def _range(first: int, last: int) -> Any:
    time = otio.opentime
    return time.range_from_start_end_time_inclusive(
        time.RationalTime(first, RATE), time.RationalTime(last, RATE)
    )


def _text(root: Any) -> str:
    return str(otio.adapters.write_to_string(root, "otio_json"))
