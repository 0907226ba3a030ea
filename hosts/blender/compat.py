"""The one door to what differs between Blender 4.5 and 5.0; nothing else asks for the version.

What both do alike, but in words that a reader should meet only once, stands here too.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import bpy
from lineament.core.errors import HostError

from . import compat_45, compat_50
from .frames import frame_digits

_version: Any = compat_50 if bpy.app.version >= (5, 0, 0) else compat_45

scene_tree = _version.scene_tree
ensure_scene_tree = _version.ensure_scene_tree
use_tree_copy = _version.use_tree_copy
sampling_of = _version.sampling_of
set_sampling = _version.set_sampling
replace_alpha = _version.replace_alpha
stored_properties = _version.stored_properties
CAN_MOVE_TREES = _version.CAN_MOVE_TREES

TREE_TYPE = "CompositorNodeTree"

_OUTPUTS = ("CompositorNodeOutputFile", "CompositorNodeViewer", "CompositorNodeSplitViewer")
"""Nodes that write a file or a viewer: a helper's render must do neither for the user's own ones."""


def evaluated_tree(scene: Any) -> Any:
    """The compositor tree of a scene as its dependency graph has evaluated it: keys and drivers applied."""
    return scene_tree(scene.evaluated_get(scene.view_layers[0].depsgraph))


def strip_outputs(tree: Any, is_root: bool) -> None:
    """Remove what writes files or viewers, and of a scene's own tree also its end."""
    for node in list(tree.nodes):
        if is_output(node, is_root):
            tree.nodes.remove(node)


def is_output(node: Any, is_root: bool) -> bool:
    """Whether a node writes a file or a viewer, or ends a scene's own tree."""
    return node.bl_idname in _OUTPUTS or (is_root and node.bl_idname == _version.END_NODE)


def add_output(tree: Any, socket: Any) -> Any:
    """Make ``socket`` the render of the scene's tree; returns the end node."""
    return _version.end_tree(tree, socket)


def add_tap(tree: Any, folder: Path, name: str) -> Any:
    """A File Output node that writes ``tap_path`` of exactly the pixels that its one input gets.

    32-bit float, uncompressed, one file per view, and colour management pinned to "no conversion", because a
    studio's scene may override how its outputs are written.
    """
    node = _version.begin_tap(tree, literal_path(folder), name)
    form = node.format
    form.file_format = "OPEN_EXR"
    form.color_mode = "RGBA"
    form.color_depth = "32"
    form.exr_codec = "NONE"
    form.views_format = "INDIVIDUAL"
    form.color_management = "OVERRIDE"
    form.linear_colorspace_settings.name = working_space()
    return node


def literal_path(path: Path) -> str:
    """A path for a field in which Blender takes braces for variables."""
    return str(path).replace("{", "{{").replace("}", "}}")


def tap_path(folder: Path, name: str, frame: int, suffix: str) -> Path:
    """The file that the tap ``name`` writes on ``frame`` for the view whose files end in ``suffix``."""
    return folder / f"{name}{frame_digits(frame)}{suffix}.exr"


def views(scene: Any) -> dict[str, str]:
    """View -> what its files' names end in; {"": ""} for a scene of one view."""
    render = scene.render
    if not render.use_multiview:
        return {"": ""}
    names = ("left", "right") if render.views_format == "STEREO_3D" else tuple(v.name for v in render.views)
    return {view.name: view.file_suffix for view in render.views if view.use and view.name in names}


def view_names(scene: Any) -> tuple[str, ...]:
    """The views that a render of the scene makes, in order; ("",) for a scene of one view."""
    return tuple(views(scene))


def working_space() -> str:
    """The scene-linear space of the file, as the OCIO config names it. Raises HostError if nobody says it."""
    name = str(_version.working_space())
    if not name:
        raise HostError(
            "Blender's colour configuration does not say which space it works in.",
            where="the scene_linear role of the OCIO config",
            remedy="Name the space in the node's Colour Space, or let $OCIO point to a config file with roles.",
        )
    return name


def channelbag(tree: Any) -> Any:
    """Where the tree's own F-curves are, made if there is none."""
    animation = tree.animation_data or tree.animation_data_create()
    if animation.action is None:
        animation.action = bpy.data.actions.new(f"{tree.name} results")
    action = animation.action
    if animation.action_slot is None:
        animation.action_slot = action.slots.new(id_type="NODETREE", name=tree.name)
    layer = action.layers[0] if action.layers else action.layers.new("Layer")
    strip = layer.strips[0] if layer.strips else layer.strips.new(type="KEYFRAME")
    return strip.channelbag(animation.action_slot, ensure=True)
