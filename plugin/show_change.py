"""``lineament shots set``: a few values of a show file changed, checked before a byte is written."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lineament.core.errors import RecipeError
from lineament.core.shots.difference import Change, changes, described
from lineament.core.shots.located import read_document
from lineament.core.shots.shot import Show
from lineament.core.shots.shot_edit import changed_data, with_value
from lineament.core.shots.shot_file import TIMELINES, show_from, write_text

from .show_source import Assignment, assignment, checked_attributes


@dataclass(frozen=True)
class Done:
    """What changed, shot by shot, and warnings."""

    changes: tuple[Change, ...]
    warnings: tuple[str, ...]


Check = Callable[[Show, Show], None]
"""Looks at a show before and after a change, and raises LineamentError to keep it from being written."""


def change_show(path: Path, shot: str, texts: Sequence[str], face: str = "") -> Done:
    """Apply ``name=value`` texts to one shot, or to the defaults if ``shot`` is "", and write the file.

    The whole file is read again with the changes and must be right, attributes and limits included, before it is
    written. Raises RecipeError with the file as it was.
    """
    return write_assignments(path, shot, [assignment(text, face) for text in texts], face)


def write_assignments(
    path: Path,
    shot: str,
    assignments: Sequence[Assignment],
    face: str = "",
    check: Check = lambda before, after: None,
) -> Done:
    """As ``change_show``, with changes that were read already and may belong to several faces of the shot.

    ``check`` has the last word before the file is written.
    """
    _refuse_twice(assignments)
    if path.suffix.lower() in TIMELINES:
        return _change_timeline(path, shot, assignments, face, check)
    document = read_document(path)
    before = show_from(document)
    _expect(before, shot, face)
    place = ("shots", shot) if shot else ("defaults",)
    changed = document
    for each in assignments:
        changed = with_value(changed, (*place, *each.place), each.value)
    after = show_from(changed)
    done = _done(before, after, shot, assignments)
    check(before, after)
    if changed.text != document.text:
        write_text(path, changed.text.replace("\n", document.newline))
    return done


def _change_timeline(
    path: Path, shot: str, assignments: Sequence[Assignment], face: str, check: Check
) -> Done:
    from lineament.core.shots.timeline import content_of, parse_timeline, read_timeline, timeline_from
    from lineament.core.shots.timeline_file import head_of, settings_of, with_settings, write_timeline

    timeline = read_timeline(path)
    before = show_from(timeline.document)
    _expect(before, shot, face)
    head = head_of(timeline)
    own: Any = settings_of(timeline, shot) if shot else head.get("defaults") or {}
    for each in assignments:
        own = changed_data(own, each.place, each.value)
    head = head if shot else head | {"defaults": own}
    text = with_settings(timeline, {shot: own} if shot else {}, head if not shot else None)
    after = show_from(timeline_from(parse_timeline(text, path), path).document)
    done = _done(before, after, shot, assignments)
    check(before, after)
    if text != content_of(path):
        write_timeline(path, text, path)
    return done


def _refuse_twice(assignments: Sequence[Assignment]) -> None:
    places = [each.place for each in assignments]
    twice = next((place for place in places if places.count(place) > 1), None)
    if twice is not None:
        raise RecipeError(
            f'"{twice[-1]}" is given twice.', where="command line", remedy="Give every name one value."
        )


def _expect(show: Show, shot: str, face: str) -> None:
    """The shot and the face must be there: a change makes no shots."""
    if shot and face:
        show.shot(shot).face(face)
    elif shot:
        show.shot(shot)
    elif face and not any(each.name == face for each in show.defaults.faces):
        raise RecipeError(
            f'The defaults have no face "{face}".',
            where=str(show.path),
            remedy="Name the shot whose face it is.",
        )


def _done(before: Show, after: Show, shot: str, assignments: Sequence[Assignment]) -> Done:
    names = [shot] if shot else [each.name for each in after.shots]
    warnings = checked_attributes(after, names, [each.attribute for each in assignments if each.attribute])
    pairs = [(before.shot(shot), after.shot(shot))] if shot else [(before.defaults, after.defaults)]
    found = [change for old, new in pairs for change in changes(described(old), described(new), new.name)]
    return Done(tuple(found), tuple(warnings))
