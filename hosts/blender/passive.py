"""What a render shows that edits nothing: results that are there and fit, and the plate on every other frame.

Blender shows a missing picture as nothing at all, and an old one as if it were right. So before such a render the
switches are brought in step with the files and the settings, and after it with the files alone: whoever takes a
setting back finds the results of it again.
"""

from __future__ import annotations

import logging
from collections.abc import Collection, Iterable
from typing import Any

from lineament.core.errors import LineamentError

from .cache_view import CacheView, view_over
from .carrier import EditNode, edit_nodes, show_result
from .compat import scene_tree, view_names
from .frames import format_frames
from .homing import settle
from .journal import announce
from .links import at_path
from .places import location, node_folder
from .selection import Selected, is_newer
from .showing import shown_frames
from .staleness import with_dirty

log = logging.getLogger(__name__)

_OTHER = "were baked with other settings"


def reconcile(scene: Any) -> tuple[int, ...]:
    """Let each node of the scene show exactly the results that it has; the frames whose files are lost.

    They are told of, and show the plate. Raises HostError if the nodes cannot be listed.
    """
    lost: set[int] = set()
    for edit in edit_nodes(scene):
        shown = set(shown_frames(scene, edit.tree))
        if _is_locked(edit):
            _tell_lost(edit, shown - _there(scene, edit, shown), "are empty")
            continue
        was_elsewhere = settle(edit.tree)
        there = _there(scene, edit, shown)
        if shown != there or was_elsewhere:
            _show(scene, edit, there)
        edit.tree.lineament.baked_ranges = format_frames(there)
        if shown - there:
            edit.tree.lineament.status = _tell_lost(edit, shown - there, "show the plate")
            lost |= shown - there
    return tuple(sorted(lost))


def hide_stale(scene: Any) -> tuple[int, ...]:
    """Let the plate through on frames that were baked with other settings than their nodes have; these frames.

    Only what the node itself says is compared. Raises HostError if the nodes cannot be listed.
    """
    found: set[int] = set()
    for edit in edit_nodes(scene):
        view = _view(scene, edit, ())
        dirty = with_dirty(view, _selected(scene, edit), _time_per_frame(scene)).dirty
        if not dirty or is_newer(edit.tree):
            _forget_told(edit)
            continue
        if edit.tree.library is None:
            _show(scene, edit, set(view.edited) - set(dirty))
            edit.tree.lineament.status = _tell_stale(edit, dirty, "show the plate in renders")
        else:
            _tell_stale(edit, dirty, "show an older result")
        found.update(dirty)
    return tuple(sorted(found))


def prepare(scene: Any) -> bool:
    """Bring the switches in step with files and settings before a render; whether ``restore`` has to follow."""
    try:
        reconcile(scene)
        return bool(hide_stale(scene))
    except LineamentError as err:
        announce(log, f"{scene.name} is rendered with the results that it has: {err}")
        return False


def restore(scene: Any) -> None:
    """Show every result that is there again, whatever it was made with."""
    try:
        for edit in edit_nodes(scene):
            if not _is_locked(edit):
                _show(scene, edit, _view(scene, edit, ()).edited)
    except LineamentError as err:
        announce(log, f"{scene.name}: {err}")


def _forget_told(edit: EditNode) -> None:
    """Take back what was said of other settings before: they are as they were."""
    if not _is_locked(edit) and _OTHER in edit.tree.lineament.status:
        edit.tree.lineament.status = ""


def _view(scene: Any, edit: EditNode, more: Iterable[int]) -> CacheView:
    """The node's cache over every frame that a render may ask for."""
    frames = {*range(scene.frame_start, scene.frame_end + 1), scene.frame_current, *more}
    return view_over(scene, edit.tree, tuple(sorted(frames)))


def _there(scene: Any, edit: EditNode, shown: Collection[int]) -> set[int]:
    """The frames that have a picture and did not fail since."""
    return set(_view(scene, edit, shown).edited)


def _selected(scene: Any, edit: EditNode) -> Selected:
    return Selected(at_path(scene_tree(scene), edit.path)[1], edit.tree)


def _show(scene: Any, edit: EditNode, frames: Collection[int]) -> None:
    show_result(scene, edit, location(scene, edit.tree, view_names(scene)[0]).pattern, sorted(frames))


def _time_per_frame(scene: Any) -> float:
    return float(scene.render.frame_map_old / scene.render.frame_map_new)


def _is_locked(edit: EditNode) -> bool:
    return edit.tree.library is not None or is_newer(edit.tree)


def _tell_lost(edit: EditNode, frames: Collection[int], state: str) -> str:
    if not frames:
        return ""
    numbers = format_frames(frames)
    folder = node_folder(edit.tree)
    return announce(
        log,
        f"Frames {numbers} of {edit.name} have lost their results and {state}: {folder} lacks the files. "
        f"Copy the cache folder there, or bake again: --frames {numbers}.",
    )


def _tell_stale(edit: EditNode, frames: Collection[int], state: str) -> str:
    numbers = format_frames(frames)
    return announce(
        log,
        f"Frames {numbers} of {edit.name} {_OTHER} and {state}. Bake again: --frames {numbers}.",
    )
