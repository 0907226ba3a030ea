"""What happens by itself: the live edit of a background render, migration on load, uniqueness after a duplicate.

A handler cannot stop a render, so a frame that fails shows its plate and is told at the end; a farm that must not go on
bakes first (``headless``). In a window nothing is edited: before the job the nodes are told to show what fits
(``passive``), after it they show everything that is there again, and in between frames without a result are named.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import bpy
from bpy.app.handlers import persistent
from lineament.core.errors import HostError, LineamentError

from . import engine, passive
from .carrier import edit_nodes, is_edit_tree, make_unique, migrate, used_edit_nodes
from .compat import view_names
from .frames import format_frames
from .homing import move_home
from .journal import announce
from .links import is_helper
from .live import LiveShown
from .nodes_order import refuse_shared_scenes
from .places import location
from .service import Baker

log = logging.getLogger(__name__)


@dataclass
class _Render:
    """The render that runs: its baker and what it shows, and the frames that showed their plates."""

    baker: Baker | None = None
    shown: LiveShown | None = None
    frame: int | None = None
    is_busy: bool = False
    is_paused: bool = False
    is_prepared: bool = False
    is_renamed: bool = False
    failed: dict[int, LineamentError] = field(default_factory=dict)


RENDER = _Render()
"""Blender renders one job at a time."""


@contextmanager
def paused() -> Iterator[None]:
    """Render from the caches as they are: for whoever has just baked."""
    was_paused, RENDER.is_paused = RENDER.is_paused, True
    try:
        yield
    finally:
        RENDER.is_paused = was_paused


@contextmanager
def staying() -> Iterator[None]:
    """What is saved under another name meanwhile is going to have the old one."""
    was_busy, RENDER.is_busy = RENDER.is_busy, True
    try:
        yield
    finally:
        RENDER.is_busy = was_busy


def has_window() -> bool:
    """Whether this Blender has an interface, beside which renders run that edit nothing."""
    return not bpy.app.background


def failed_frames() -> dict[int, LineamentError]:
    """The frames of the last render that showed their plates, and why."""
    return dict(RENDER.failed)


@persistent  # type: ignore[untyped-decorator]
def on_render_init(scene: Any, _: Any = None) -> None:
    """A job begins: its nodes are prepared to be edited frame by frame, in a window to show only what fits."""
    if RENDER.is_busy or is_helper(scene):
        return
    _end_live()
    RENDER.failed.clear()
    if RENDER.is_paused:
        return
    with _busy():
        if has_window():
            RENDER.is_prepared = passive.prepare(scene)
        else:
            _begin_live_or_not(scene)


@persistent  # type: ignore[untyped-decorator]
def on_render_pre(scene: Any, _: Any = None) -> None:
    """Edit the frame that is about to be rendered; in a window only look whether it is."""
    if RENDER.is_busy or RENDER.is_paused or is_helper(scene):
        return
    if has_window():
        _note_missing(scene, scene.frame_current)
    elif RENDER.baker is not None and RENDER.shown is not None:
        if not RENDER.shown.expects(scene.frame_current):
            RENDER.failed[scene.frame_current] = _outside(scene)
            return
        with _busy():
            _edit(RENDER.baker, RENDER.shown, scene.frame_current)


@persistent  # type: ignore[untyped-decorator]
def on_render_end(scene: Any, _: Any = None) -> None:
    """A job has ended or was cancelled: show the caches again, and say which frames are not edited."""
    if RENDER.is_busy or is_helper(scene):
        return
    with _busy():
        _end_live()
        if RENDER.is_prepared:
            passive.restore(scene)
        RENDER.is_prepared = False
    if RENDER.failed:
        announce(log, f"Frames that are not edited: {format_frames(RENDER.failed)}", logging.ERROR)


@persistent  # type: ignore[untyped-decorator]
def on_load(_path: Any = None, _: Any = None) -> None:
    """A file was opened: bring its nodes up to this version and in step with the files of their caches.

    Those of a newer version, and linked ones, stay as they are.
    """
    RENDER.baker = RENDER.shown = RENDER.frame = None
    RENDER.is_prepared = RENDER.is_renamed = False
    for tree in bpy.data.node_groups:
        _migrate(tree)
    for scene in bpy.data.scenes:
        tree = getattr(scene, "node_tree", None)
        for node in tree.nodes if tree is not None else ():
            _migrate(getattr(node, "node_tree", None))
    _reconcile_all()


@persistent  # type: ignore[untyped-decorator]
def on_save(path: Any = None, _: Any = None) -> None:
    """The file is about to be saved; under another name its nodes show results of their own."""
    if path and not RENDER.is_busy and os.path.realpath(path) != os.path.realpath(bpy.data.filepath):
        RENDER.is_renamed = True
        with _busy():
            move_home(Path(path))


@persistent  # type: ignore[untyped-decorator]
def on_saved(_path: Any = None, _: Any = None) -> None:
    """The file was saved, or could not be: show what belongs to the name that it has now; a copy may have another."""
    was_renamed, RENDER.is_renamed = RENDER.is_renamed, False
    if was_renamed:
        with _busy():
            _reconcile_all()


@persistent  # type: ignore[untyped-decorator]
def on_change(_scene: Any, depsgraph: Any = None) -> None:
    """Something changed: two nodes must not share a tree, as they do after a duplicate."""
    if RENDER.is_busy or depsgraph is None or not depsgraph.id_type_updated("NODETREE"):
        return
    with _busy():
        for name in make_unique():
            log.info("%s was given settings of its own", name)


HANDLERS = {
    "render_init": on_render_init,
    "render_pre": on_render_pre,
    "render_complete": on_render_end,
    "render_cancel": on_render_end,
    "load_post": on_load,
    "save_pre": on_save,
    "save_post": on_saved,
    "save_post_fail": on_saved,
    "depsgraph_update_post": on_change,
}
"""Blender's list -> ours in it."""


def register() -> None:
    """Hang in, once."""
    for name, handler in HANDLERS.items():
        listed = getattr(bpy.app.handlers, name)
        if handler not in listed:
            listed.append(handler)


def unregister() -> None:
    """Take everything out and end the engines: Blender 4.5 waits for ever at its exit for what is left."""
    for name, handler in HANDLERS.items():
        listed = getattr(bpy.app.handlers, name)
        while handler in listed:
            listed.remove(handler)
    _end_live()
    RENDER.failed.clear()
    engine.close_all()


def _reconcile_all() -> None:
    for scene in bpy.data.scenes:
        if not is_helper(scene):
            try:
                passive.reconcile(scene)
            except LineamentError as err:
                log.warning("%s: %s", scene.name, err)


def _outside(scene: Any) -> LineamentError:
    return HostError(
        f"Frame {scene.frame_current} lies outside the scene's range, where a render cannot edit as it goes.",
        where=f"scene {scene.name}",
        remedy="Bake the frame first and render it with lineament host blender render, or widen the range.",
    )


@contextmanager
def _busy() -> Iterator[None]:
    """What happens meanwhile is our own doing."""
    RENDER.is_busy = True
    try:
        yield
    finally:
        RENDER.is_busy = False


def _begin_live_or_not(scene: Any) -> None:
    """Begin to edit frame by frame; where that cannot be, show what fits."""
    try:
        _begin_live(scene)
    except LineamentError as err:
        announce(log, f"Nothing is edited in this render of {scene.name}: {err}")
        RENDER.is_prepared = passive.prepare(scene)


def _begin_live(scene: Any) -> None:
    """Let the nodes show what this render will make. Raises LineamentError; nothing is changed then."""
    if edit_nodes(scene):
        refuse_shared_scenes(scene)
        frames = {*range(scene.frame_start, scene.frame_end + 1), scene.frame_current}
        RENDER.shown = LiveShown(scene, frames)
        RENDER.baker = Baker(scene, (), live=RENDER.shown)


def _edit(baker: Baker, shown: LiveShown, frame: int) -> None:
    """Bake one frame with the render's baker; what fails shows the plate."""
    if RENDER.frame is not None and RENDER.frame != frame:
        shown.drop(RENDER.frame)
    RENDER.frame = frame
    for _ in baker.frame_steps(frame):
        pass
    error = baker.report.failed.pop(frame, None)
    if error is not None:
        RENDER.failed[frame] = error
        log.error("frame %d is not edited: %s", frame, error)


def _end_live() -> None:
    shown, RENDER.shown = RENDER.shown, None
    RENDER.baker = RENDER.frame = None
    if shown is not None:
        shown.end()


def _note_missing(scene: Any, frame: int) -> None:
    try:
        edits = used_edit_nodes(scene)
    except LineamentError:  # told when the job began
        return
    for edit in edits:
        if location(scene, edit.tree, view_names(scene)[0]).record(frame) is None:
            log.warning("frame %d of %s is not baked and shows its plate", frame, edit.name)


def _migrate(tree: Any) -> None:
    if tree is None or tree.library is not None or not is_edit_tree(tree):
        return
    try:
        migrate(tree)
    except LineamentError as err:
        tree.lineament.status = str(err)
        log.error("%s: %s", tree.name, err)
