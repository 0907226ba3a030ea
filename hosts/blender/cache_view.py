"""The cache bar's facts: which frames of a node are baked, failed or still to do, read again only after a change.

A panel is drawn many times a second, so the folder's time decides whether its sidecars are read.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from lineament.core.errors import LineamentError

from .cache import Location
from .compat import view_names
from .places import location
from .record import IDENTITY, Ask, FrameRecord, ask_from

MAX_KEPT = 64
"""Views of nodes kept in memory; a file with more of them reads some anew on each redraw."""


@dataclass(frozen=True)
class CacheView:
    """Frames of the scene's range by state, and the first error with its frame.

    ``dirty`` frames are baked with other settings than the node has now. ``asks`` is what baked frames were made of,
    None for one with nothing to edit. ``edited`` are all frames with a picture, those beside the range too.
    ``engine`` is what the engine told of itself and its model when it made the newest result; {} before the first.
    """

    baked: tuple[int, ...] = ()
    failed: tuple[int, ...] = ()
    missing: tuple[int, ...] = ()
    dirty: tuple[int, ...] = ()
    first_error: tuple[int, LineamentError] | None = None
    engine: tuple[tuple[str, str], ...] = ()
    asks: dict[int, Ask | None] = field(default_factory=dict)
    edited: tuple[int, ...] = ()

    @property
    def total(self) -> int:
        """The frames of the range."""
        return len(self.baked) + len(self.dirty) + len(self.failed) + len(self.missing)

    @property
    def fraction(self) -> float:
        """The share of the range that needs no baking, 0 to 1."""
        return len(self.baked) / self.total if self.total else 0.0

    def with_dirty(self, frames: tuple[int, ...]) -> CacheView:
        """The same with these of the baked frames counted as dirty."""
        return replace(self, baked=tuple(frame for frame in self.baked if frame not in frames), dirty=frames)


@dataclass(frozen=True)
class _Kept:
    times: tuple[int, ...]
    frames: tuple[int, ...]
    view: CacheView


_KEPT: dict[tuple[Path, ...], _Kept] = {}


def view_of(scene: Any, tree: Any) -> CacheView:
    """The state of a node's frames over the scene's range; all missing if its folder cannot be read."""
    places = [location(scene, tree, view) for view in view_names(scene)]
    frames = tuple(range(scene.frame_start, scene.frame_end + 1, scene.frame_step))
    name = tuple(place.pattern for place in places)
    times = tuple(_time_of(place.folder) for place in places)
    kept = _KEPT.get(name)
    if kept is None or kept.times != times or kept.frames != frames:
        if len(_KEPT) >= MAX_KEPT:
            _KEPT.clear()
        kept = _KEPT[name] = _Kept(times, frames, _read(places, frames))
    return kept.view


def view_over(scene: Any, tree: Any, frames: tuple[int, ...]) -> CacheView:
    """The state of these frames of a node, read now."""
    return _read([location(scene, tree, view) for view in view_names(scene)], frames)


def forget() -> None:
    """Read everything anew at the next look."""
    _KEPT.clear()


def _time_of(folder: Path) -> int:
    """When files came or went last; a frame that is made again is replaced, which counts as both."""
    try:
        return folder.stat().st_mtime_ns
    except OSError:
        return 0


def _read(places: Sequence[Location], frames: tuple[int, ...]) -> CacheView:
    wanted = set(frames)
    failures: dict[int, LineamentError] = {}
    newest: FrameRecord | None = None
    right, edited = set(wanted), None
    asks: dict[int, Ask | None] = {}
    for place in places:
        records = place.records()
        whole = {record.frame for record in records if place.is_whole(record)}
        edited = whole if edited is None else edited & whole
        right &= whole | {record.frame for record in records if record.status == IDENTITY}
        for record in (record for record in records if record.frame in wanted):
            asks[record.frame] = _ask(record)
            if record.failure is not None:
                failures.setdefault(record.frame, record.failure)
            elif record.engine:
                newest = record
    right -= set(failures)
    failed = tuple(sorted(failures))
    return CacheView(
        baked=tuple(sorted(right)),
        failed=failed,
        missing=tuple(sorted(wanted - right - set(failures))),
        first_error=(failed[0], failures[failed[0]]) if failed else None,
        engine=tuple(sorted((key, str(value)) for key, value in newest.engine.items())) if newest else (),
        asks=asks,
        edited=tuple(sorted(edited or ())),
    )


def _ask(record: FrameRecord) -> Ask | None:
    """What a result was made of; None if it was made of nothing, or of something that this version cannot read."""
    try:
        return ask_from(record) if record.ask else None
    except (KeyError, TypeError, ValueError):
        return None
