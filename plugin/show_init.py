"""A new show file from plates, from a cut, or from a file of another kind."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from lineament.core.errors import LineamentError, RecipeError
from lineament.core.io.sequences import format_frames
from lineament.core.shots.discover import find_plates, show_data
from lineament.core.shots.located import Document, read_document
from lineament.core.shots.shot import Show
from lineament.core.shots.shot_file import TEXTS, TIMELINES, refuse_suffix, show_from, show_text, write_text

HEADING = (
    "What is edited on which shot; docs/shots.md explains every field.",
    "Strengths are in standard deviations: a number, keys by frame, or keys with an interpolation:",
    "  strengths: {age: 1.5}   or   age: {1001: 0, 1040: 1.5}   or   age: {interpolation: smooth, keys: {...}}",
)


class FileTakenError(LineamentError):
    """The file to make exists; nothing is replaced unasked."""

    exit_code = 2


@dataclass(frozen=True)
class Made:
    """The show that was written, and what was noticed on the way, one sentence each."""

    show: Show
    notes: tuple[str, ...]


def make_show_file(
    source: Path, output: Path, *, timeline: Path | None = None, overwrite: bool = False
) -> Made:
    """Read ``source`` (a folder of plates, a timeline, a show file) and write ``output`` in the form of its suffix.

    ``timeline`` is a cut whose clips get the settings of the shots of their names. Nothing is written if anything is
    wrong. Raises RecipeError, PlateError and FileTakenError.
    """
    refuse_suffix(output)
    if output.exists() and not overwrite:
        raise FileTakenError(
            "The show file exists.",
            where=str(output),
            remedy="Say --overwrite, or choose another name with -o.",
        )
    document, notes = _source(source, output)
    show = show_from(document)
    if timeline is not None:
        notes += _into_timeline(document, show, timeline, output)
    elif output.suffix.lower() in TIMELINES:
        _into_new_timeline(document, show, output)
    else:
        data = _moved(document, show, output)
        text = show_text(data, output, HEADING)
        show = show_from(replace(document, path=output, data=data, lines={}))
        write_text(output, text)
    return Made(show, tuple(notes))


def _source(source: Path, output: Path) -> tuple[Document, list[str]]:
    if source.suffix.lower() in TIMELINES:
        from lineament.core.shots.timeline import read_timeline

        timeline = read_timeline(source)
        return timeline.document, list(timeline.notes)
    if source.suffix.lower() in TEXTS:
        return read_document(source), []
    found = find_plates(source)
    notes = [
        f"{each.name}: frames {format_frames(each.missing)} are missing between the first and the last."
        for each in found
        if each.missing
    ]
    return Document(output, show_data(found, output.absolute().parent)), notes


def _moved(document: Document, show: Show, output: Path) -> dict[str, Any]:
    """The data for a file in another folder: relative paths go on starting from the same root."""
    data: dict[str, Any] = dict(document.data)
    if document.path.absolute().parent != output.absolute().parent:
        root = show.root.absolute()
        data["show"] = {"name": show.name, **(data.get("show") or {}), "root": str(root)}
    return data


def _into_timeline(document: Document, show: Show, timeline: Path, output: Path) -> list[str]:
    from lineament.core.shots.timeline import read_timeline
    from lineament.core.shots.timeline_file import settings_of, with_settings, write_timeline

    if output.suffix.lower() not in TIMELINES or timeline.suffix.lower() not in TIMELINES:
        raise RecipeError(
            "Only a timeline can take the settings of a timeline.",
            where=str(output if timeline.suffix.lower() in TIMELINES else timeline),
            remedy="Name .otio, .otioz or .otiod files with --timeline and -o.",
        )
    cut = read_timeline(timeline)
    own = document.data.get("shots") or {}
    both = [shot.name for shot in show.shots if shot.name in cut.clips]
    if not both:
        raise RecipeError(
            "No clip of the timeline has the name of a shot.",
            where=str(timeline),
            remedy=f"Its clips are called {', '.join(list(cut.clips)[:10]) or '(none)'}.",
        )
    settings = {
        name: {
            **{key: value for key, value in settings_of(cut, name).items() if key == "shot"},
            **{key: value for key, value in (own.get(name) or {}).items() if key not in ("plate", "frames")},
        }
        for name in both
    }
    head = {
        name: document.data[name]
        for name in ("schema_version", "show", "defaults")
        if document.data.get(name)
    }
    write_timeline(output, with_settings(cut, settings, head), timeline)
    left = [shot.name for shot in show.shots if shot.name not in cut.clips]
    return [f"No clip for: {', '.join(left)}."] if left else []


def _into_new_timeline(document: Document, show: Show, output: Path) -> None:
    from lineament.core.shots.timeline import read_timeline
    from lineament.core.shots.timeline_file import new_timeline, with_settings, write_timeline

    data = _moved(document, show, output)
    if document.path.suffix.lower() in TIMELINES:  # a copy in another form keeps the whole cut
        head = {name: data[name] for name in ("schema_version", "show", "defaults") if data.get(name)}
        write_timeline(output, with_settings(read_timeline(document.path), {}, head), document.path)
        return
    write_timeline(output, new_timeline(show, data))
