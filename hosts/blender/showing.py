"""Showing results: an image sequence in the group, and a switch that is on exactly where a result is valid.

Both are plain Blender data, so a saved file renders its results on a machine without the add-on.
"""

from __future__ import annotations

import os
from collections.abc import Collection
from pathlib import Path
from typing import Any

import bpy
from lineament.core.errors import HostError

from .building import PLACE, RESULT, SHOW, input_of, restore_inside
from .compat import channelbag, sampling_of, scene_tree, set_sampling, views
from .links import at_path, origin, upstream
from .nodes_order import EditNode

_SWITCH_PATH = f'nodes["{SHOW}"].inputs[0].default_value'

VIEWS = "Views"
"""The name of the node in the group that picks the result of the view; a group for one view has none."""

_EARLY = 0.01
"""Part of a frame by which keys come early in a scene whose time is stretched, where frames fall beside integers."""

_TURNS = ("Rotate", "Scale", "Corner", "Lens", "Displace", "MapUV", "Plane", "Stabilize", "MovieDistortion")


def show_result(scene: Any, node: EditNode, pattern: Path, frames: Collection[int]) -> None:
    """Show the files of ``pattern`` on exactly ``frames``, and what comes in on all others.

    ``pattern`` is absolute with #### for the frame: ``.../result.####.exr``. In a scene of several views their files
    end in the views' suffixes, ``.../result.####_L.exr``, and the pattern is that of the first view. Files that were
    written again since are read again. Raises HostError if the node's tree belongs to another Blender file.

    A render has evaluated its frame before ``render_pre`` and does not see what is shown there: call this in
    ``render_init`` for all frames that will have a file by then, and in ``render_pre`` only write the files (a copy
    of the plate where there is nothing to show). Files that are written in ``render_pre`` are seen in that frame.
    """
    tree = node.tree
    if tree.library is not None:
        raise HostError(
            "The node comes from another Blender file and cannot show a new result here.",
            where=f"{node.name}, linked from {tree.library.filepath}",
            remedy="Make the group local (Make Local), or bake in that file.",
        )
    restore_inside(tree)
    if frames:
        _show_files(scene, tree, pattern, min(frames), max(frames))
        groups, own = at_path(scene_tree(scene), node.path)
        set_sampling(tree.nodes[PLACE], sampling_before(groups, own, is_realised=True))
    _key_switch(tree, frames, scene.render.frame_map_old / scene.render.frame_map_new)


def shown_frames(scene: Any, tree: Any) -> tuple[int, ...]:
    """The frames on which a tree's switch is keyed to show a result, rising."""
    data = tree.animation_data
    if data is None or data.action is None or data.action_slot is None:
        return ()
    curve = channelbag(tree).fcurves.find(_SWITCH_PATH)
    time_per_frame = scene.render.frame_map_old / scene.render.frame_map_new
    frames: list[int] = []
    first: int | None = None
    for point in curve.keyframe_points if curve is not None else ():
        frame = round(point.co[0] / time_per_frame)
        if point.co[1] > 0.5:
            first = frame if first is None else first
        elif first is not None:
            frames += range(first, frame)
            first = None
    return tuple(frames)


def hide_result(tree: Any) -> None:
    """Show what comes in on all frames, and forget the files."""
    _key_switch(tree, (), 1.0)
    for node in _results(tree):
        node.image = None


def shown_folder(tree: Any) -> Path | None:
    """The folder of the files that a tree was told to show last; None if it was told of none."""
    image = next((node.image for node in _results(tree) if node.image is not None), None)
    if image is None or not image.filepath:
        return None
    path = Path(os.path.normpath(bpy.path.abspath(image.filepath, library=image.library)))
    return path.parent


def point_at(tree: Any, folder: Path) -> None:
    """Show the files of the same names in another folder."""
    for node in _results(tree):
        if node.image is not None:
            name = bpy.path.basename(node.image.filepath)
            _set(node.image, filepath=_relative(str(folder / name)))


def refresh(tree: Any) -> None:
    """Let the next render read the result's files again."""
    for node in _results(tree):
        if node.image is not None:
            node.image.buffers_free()


def sampling_before(groups: tuple[Any, ...], node: Any, is_realised: bool) -> dict[str, Any]:
    """How the node's picture asks to be sampled where it falls between pixels; {} if nothing moved it.

    The compositor moves pictures lazily and remembers how the last moving node wanted them sampled. After
    ``is_realised`` (the file that a tap writes) turning and scaling have happened, and Blender's default holds again.
    """
    end = origin(groups, input_of(node, "image"))
    if not end.is_made:
        return {}
    sampling: dict[str, Any] = {}
    for _, found in [(end.groups, end.socket.node), *upstream(end.groups, end.socket.node)]:
        own = sampling_of(found)
        if own and is_realised and _turns(found):
            return {}
        if sampling and not own:
            break
        sampling = sampling or own
    return sampling


def _turns(node: Any) -> bool:
    if any(part in node.bl_idname for part in _TURNS):
        return True
    still = {"Angle": 0.0, "Scale": 1.0}
    return any(
        socket.name in still and (socket.is_linked or socket.default_value != still[socket.name])
        for socket in node.inputs
    )


def _show_files(scene: Any, tree: Any, pattern: Path, first: int, last: int) -> None:
    suffixes = tuple(views(scene).values())
    base = str(pattern).removesuffix(f"{suffixes[0]}.exr")
    nodes = _view_nodes(scene, tree)
    for index, suffix in enumerate(suffixes):
        node = nodes[index]
        image = node.image
        if image is None:
            image = bpy.data.images.new(f"{tree.name} {tree.lineament.uid[:8]}{suffix}", 1, 1, is_data=True)
            node.image = image
        named = Path(f"{base}{suffix}.exr")
        path = _relative(str(named.with_name(named.name.replace("####", f"{first:04d}"))))
        _set(image, source="SEQUENCE", filepath=path, alpha_mode="PREMUL")
        _set(image.colorspace_settings, name="Non-Color")
        node.frame_start, node.frame_offset, node.frame_duration = first, first - 1, last - first + 1
        node.use_auto_refresh = True
        image.buffers_free()


def _set(data: Any, **values: Any) -> None:
    """Set what is not so yet: Blender reads an image's file again whenever one of these is set, a tenth of a second."""
    for name, value in values.items():
        if getattr(data, name) != value:
            setattr(data, name, value)


def _results(tree: Any) -> list[Any]:
    """The group's Image nodes, that of the first view first."""
    return [node for node in tree.nodes if node.bl_idname == "CompositorNodeImage"]


def _view_nodes(scene: Any, tree: Any) -> list[Any]:
    """An Image node for each view of the scene; more than one meet in a Switch View, built anew.

    An Image node cannot do it alone: in both versions it shows the first view's file in all of them.
    """
    names = tuple(views(scene))
    nodes = _results(tree)
    switch = tree.nodes.get(VIEWS)
    known = tuple(socket.name for socket in switch.inputs) if switch is not None else ("",)
    if known == names:
        return nodes
    for node in [*nodes[1:], *([switch] if switch is not None else [])]:
        tree.nodes.remove(node)
    sources = [nodes[0]]
    if len(names) > 1:
        with bpy.context.temp_override(scene=scene):
            switch = tree.nodes.new("CompositorNodeSwitchView")
        switch.name = switch.label = VIEWS
        tree.links.new(nodes[0].outputs["Image"], switch.inputs[names[0]])
        for view in names[1:]:
            source = tree.nodes.new("CompositorNodeImage")
            source.name = source.label = f"{RESULT} {view}"
            tree.links.new(source.outputs["Image"], switch.inputs[view])
            sources.append(source)
    last = switch if len(names) > 1 else nodes[0]
    tree.links.new(last.outputs["Image"], tree.nodes[PLACE].inputs["Image"])
    return sources


def _relative(path: str) -> str:
    """The path beside the Blender file, if the file is saved and lies on the same drive."""
    try:
        return str(bpy.path.relpath(path)) if bpy.data.filepath else path
    except ValueError:
        return path


def _key_switch(tree: Any, frames: Collection[int], time_per_frame: float) -> None:
    """Key the switch in constant steps: on from the first frame of each run, off after its last."""
    curves = channelbag(tree).fcurves
    old = curves.find(_SWITCH_PATH)
    if old is not None:
        curves.remove(old)
    tree.nodes[SHOW].inputs[0].default_value = False
    if not frames:
        return
    early = 0.0 if time_per_frame == 1.0 else _EARLY
    steps = [((frame - early) * time_per_frame, value) for frame, value in _steps(sorted(frames))]
    points = curves.new(_SWITCH_PATH).keyframe_points
    points.add(len(steps))
    points.foreach_set("co", [number for step in steps for number in step])
    for point in points:
        point.interpolation = "CONSTANT"


def _steps(frames: list[int]) -> list[tuple[int, float]]:
    found = [(frames[0] - 1, 0.0)]
    for frame in frames:
        if found[-1] == (frame, 0.0):
            found.pop()
        else:
            found.append((frame, 1.0))
        found.append((frame + 1, 0.0))
    return found
