"""The second half of a headless render: pictures from caches that are looked at before and after every frame.

Between a bake and its render other processes live: results may be deleted, or replaced by those of a file that shares
the node. A picture that was made meanwhile is not delivered.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextlib import suppress
from pathlib import Path
from typing import Any

import bpy
from lineament.core.errors import HostError, LineamentError, RecipeError

from . import handlers
from .carrier import EditNode, edit_nodes
from .compat import views
from .frames import runs_of
from .places import location
from .showing import shown_frames

Stamp = tuple[object, ...]
"""What the results of one frame are: key and status of every node and view, and whether their files are whole."""

_MOVIES = ("FFMPEG", "AVI_JPEG", "AVI_RAW")
"""Formats of one file for all frames, which cannot be rendered frame by frame."""


def refuse_unable(scene: Any) -> None:
    """Raises RecipeError for a scene whose render would leave the compositor out."""
    if not scene.render.use_compositing:
        raise RecipeError(
            "The scene does not render its compositor.",
            where=f"scene {scene.name}",
            remedy="Switch Compositing on in Output > Post Processing and save the file.",
        )


def adapt(scene: Any) -> tuple[str, ...]:
    """Switch off what would put other pictures in the place of ours, for this run; one sentence for each."""
    render, told = scene.render, []
    if render.use_sequencer and scene.sequence_editor is not None:
        render.use_sequencer = False
        told.append("The scene's sequencer is left out: the compositor is rendered.")
    if not render.use_overwrite:
        render.use_overwrite = True
        told.append("Overwrite was off; pictures of these frames are replaced all the same.")
    return tuple(told)


def older_pictures(scene: Any, frames: Iterable[int]) -> tuple[str, ...]:
    """Pictures of frames that are not delivered which an earlier render left under their names."""
    names = (bpy.path.abspath(scene.render.frame_path(frame=frame)) for frame in frames)
    return tuple(name for name in names if Path(name).is_file())


class RenderJob:
    """The frames that a bake found right, and what their results were then; ``is_stopped`` is asked after each."""

    def __init__(self, scene: Any, frames: tuple[int, ...], is_stopped: Callable[[], bool]) -> None:
        self._scene = scene
        self._is_stopped = is_stopped
        self._nodes = edit_nodes(scene)
        self._shown = {node.path: set(shown_frames(scene, node.tree)) for node in self._nodes}
        self._stamps = {frame: _stamp(scene, self._nodes, frame) for frame in frames}

    def run(self) -> dict[int, LineamentError]:
        """Render every frame; those that could not be delivered, with the reason. Raises KeyboardInterrupt."""
        render = self._scene.render
        is_movie = render.image_settings.file_format in _MOVIES
        frames = tuple(self._stamps)
        runs = runs_of(frames) if is_movie else tuple((frame, frame) for frame in frames)
        lost: dict[int, LineamentError] = {}
        kept = self._scene.frame_start, self._scene.frame_end, self._scene.frame_step
        try:
            with handlers.paused():
                for first, last in runs:
                    lost.update(self._rendered(first, last, is_movie))
                    if self._is_stopped():
                        raise KeyboardInterrupt
        finally:
            self._scene.frame_start, self._scene.frame_end, self._scene.frame_step = kept
        return lost

    def _rendered(self, first: int, last: int, is_movie: bool) -> dict[int, LineamentError]:
        """Render one run; a frame whose results changed before or meanwhile is lost, and its picture removed."""
        frames = range(first, last + 1)
        changed = [frame for frame in frames if self._has_changed(frame)]
        if changed:
            return {frame: _changed(self._scene, frame) for frame in frames}
        self._scene.frame_start, self._scene.frame_end, self._scene.frame_step = first, last, 1
        try:
            bpy.ops.render.render(animation=True, scene=self._scene.name)
        except RuntimeError as err:
            return dict.fromkeys(frames, _not_written(self._scene, err))
        lost: dict[int, LineamentError] = {}
        for frame in frames:
            if self._has_changed(frame):
                lost[frame] = _changed(self._scene, frame)
                if not is_movie:
                    with suppress(OSError):
                        Path(bpy.path.abspath(self._scene.render.frame_path(frame=frame))).unlink()
        return lost

    def _has_changed(self, frame: int) -> bool:
        """Whether the results are others than at the beginning, or a node shows a file that is not there or cut off."""
        if _stamp(self._scene, self._nodes, frame) != self._stamps[frame]:
            return True
        shown = (node for node in self._nodes if frame in self._shown[node.path])
        return not all(
            (record := place.record(frame)) is not None and place.is_whole(record)
            for node in shown
            for place in (location(self._scene, node.tree, view) for view in views(self._scene))
        )


def _stamp(scene: Any, nodes: tuple[EditNode, ...], frame: int) -> Stamp:
    found: list[object] = []
    for node in nodes:
        for view in views(scene):
            place = location(scene, node.tree, view)
            record = place.record(frame)
            found.append(None if record is None else (record.key, record.status, place.is_whole(record)))
    return tuple(found)


def _changed(scene: Any, frame: int) -> LineamentError:
    return HostError(
        "The frame's results were changed or removed by somebody else after they were baked.",
        where=f"scene {scene.name}, frame {frame}",
        remedy="Is another render or Blender using the same cache folder? Render this frame again.",
    )


def _not_written(scene: Any, err: RuntimeError) -> LineamentError:
    return HostError(
        f"Blender could not render: {' '.join(str(err).split())}",
        where=scene.render.filepath,
        remedy="Check the output folder and its free space, then render these frames again.",
    )
