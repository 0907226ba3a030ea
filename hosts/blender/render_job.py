"""The second half of a headless render: pictures from caches that are looked at before and after every frame.

Between a bake and its render other processes live: results may be deleted, or replaced by those of a file that shares
the node. A picture that was made meanwhile is not delivered.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import bpy
from lineament.core.errors import HostError, LineamentError, RecipeError

from . import handlers
from .cache import Location
from .carrier import EditNode, used_edit_nodes
from .compat import literal_path, views
from .frames import runs_of
from .places import location
from .showing import shown_frames
from .written import refuse_cut_off

Stamp = tuple[object, ...]
"""What the result of one frame of a node is in one view: its record and what the system says of its file."""

_ALIKE = ((".jpeg", ".jpg"), (".tiff", ".tif"))
"""Endings of one format: what is told, and what Blender writes."""

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


def output_path(scene: Any, told: str) -> tuple[str, str]:
    """The path to render to for an ``--output``, and a sentence where it is not as told.

    Blender would write ``edit.exr`` as ``edit.exr0001.exr``, so the frame is put before the ending. Raises RecipeError
    for an ending of another format than the scene's.
    """
    path = Path(told) if Path(told).is_absolute() else Path(literal_path(Path.cwd())) / told
    ending = path.suffix.lower()
    is_movie = scene.render.image_settings.file_format in _MOVIES
    if is_movie or "#" in path.name or ending not in bpy.path.extensions_image | bpy.path.extensions_movie:
        return str(path) + ("/" if told.endswith(("/", os.sep)) else ""), ""
    wanted = scene.render.file_extension.lower()
    if ending != wanted and (ending, wanted) not in _ALIKE:
        raise RecipeError(
            f"The output {path.name} is not of the scene's format, which ends in {wanted}.",
            where=str(path),
            remedy=f"Name {path.stem}.####{wanted}, or set the format in Output Properties and save the file.",
        )
    named = path.with_name(f"{path.stem}.####{path.suffix}")
    return str(named), f"Pictures are written as {named}, a file a frame."


def refuse_unreadable_path(scene: Any, path: str) -> None:
    """Raise RecipeError for a path to render to whose variables Blender does not know."""
    kept = scene.render.filepath
    try:
        scene.render.filepath = path
        scene.render.frame_path(frame=scene.frame_start)
    except RuntimeError as err:
        raise RecipeError(
            f"Blender cannot make a file name of the output: {' '.join(str(err).split())}",
            where=path,
            remedy="Braces name variables such as {blend_name}; write braces of a folder's name twice: {{ and }}.",
        ) from err
    finally:
        scene.render.filepath = kept


def older_pictures(scene: Any, frames: Iterable[int]) -> tuple[str, ...]:
    """Pictures of frames that are not delivered which an earlier render left under their names."""
    found = (path for frame in frames for path in _pictures(scene, frame))
    return tuple(str(path) for path in found if path.is_file())


def _pictures(scene: Any, frame: int) -> tuple[Path, ...]:
    """The files that a render of a frame writes: one, or one a view."""
    path = Path(bpy.path.abspath(scene.render.frame_path(frame=frame)))
    of_views = (path.with_name(f"{path.stem}{suffix}{path.suffix}") for suffix in views(scene).values())
    return tuple(dict.fromkeys((path, *of_views)))


class RenderJob:
    """The frames that a bake found right, and what their results were then; ``is_stopped`` is asked after each.

    ``stamps`` are those that ``stamps_of`` took of the frames while they were baked.
    """

    def __init__(
        self, scene: Any, stamps: Mapping[int, tuple[Stamp, ...]], is_stopped: Callable[[], bool]
    ) -> None:
        self._scene = scene
        self._is_stopped = is_stopped
        self._nodes = used_edit_nodes(scene)
        self._shown = {node.path: set(shown_frames(scene, node.tree)) for node in self._nodes}
        self._stamps = dict(stamps)

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
            pictures = _pictures(self._scene, frame)
            try:
                refuse_cut_off(pictures)
                if self._has_changed(frame):
                    raise _changed(self._scene, frame)
            except LineamentError as err:
                lost[frame] = err
                for path in () if is_movie else pictures:
                    with suppress(OSError):
                        path.unlink()
        return lost

    def _has_changed(self, frame: int) -> bool:
        """Whether the results are others than when they were baked, or one that is shown is not there or cut off."""
        now = stamps_of(self._scene, self._nodes, frame)
        if now != self._stamps[frame] and not self._is_same_again(frame, now):
            return True
        shown = (node for node in self._nodes if frame in self._shown[node.path])
        return not all(
            (record := place.made(frame)) is not None and place.is_whole(record)
            for place in _places(self._scene, shown)
        )

    def _is_same_again(self, frame: int, now: tuple[Stamp, ...]) -> bool:
        """Whether files were only written again, with the bytes that they had; another process may do so."""
        if [stamp[:-1] for stamp in now] != [stamp[:-1] for stamp in self._stamps[frame]]:
            return False
        records = ((place, place.made(frame)) for place in _places(self._scene, self._nodes))
        return all(record is None or place.is_sound(record) for place, record in records)


def stamps_of(scene: Any, nodes: Iterable[EditNode], frame: int) -> tuple[Stamp, ...]:
    """What the results of a frame are now, a node and view after the other."""
    found: list[Stamp] = []
    for place in _places(scene, nodes):
        record = place.made(frame)
        said = () if record is None else (record.key, record.digest, record.status)
        found.append((*said, _file_mark(place.result(frame))))
    return tuple(found)


def _places(scene: Any, nodes: Iterable[EditNode]) -> Iterator[Location]:
    for node in nodes:
        for view in views(scene):
            yield location(scene, node.tree, view)


def _file_mark(path: Path) -> tuple[int, ...]:
    """What changes when a file is written, without reading it; () if there is none."""
    try:
        told = path.stat()
    except OSError:
        return ()
    return told.st_size, told.st_mtime_ns, told.st_ino


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
