"""What only Blender 5.0 does this way: compositor trees are data-blocks that end in a Group Output."""

from __future__ import annotations

from typing import Any

import bpy

END_NODE = "NodeGroupOutput"
"""The node a scene's tree ends in; what it gets is the render."""

CAN_MOVE_TREES = True
"""True: a scene's tree is a data-block of its own that scenes can share and that outlives them."""


def scene_tree(scene: Any) -> Any:
    """The scene's compositor tree, or None if it composites nothing."""
    return scene.compositing_node_group


def ensure_scene_tree(scene: Any) -> Any:
    """The scene's compositor tree, made (empty) if there is none."""
    if scene.compositing_node_group is None:
        scene.compositing_node_group = bpy.data.node_groups.new("Compositing", "CompositorNodeTree")
    return scene.compositing_node_group


def use_tree_copy(scene: Any) -> Any:
    """A tree that belongs to this scene alone: a copy of the one that it was sharing."""
    scene.compositing_node_group = scene.compositing_node_group.copy()
    return scene.compositing_node_group


def end_tree(tree: Any, socket: Any) -> Any:
    """End the scene's tree with ``socket``, which becomes the render; returns the end node."""
    if not any(item.in_out == "OUTPUT" for item in tree.interface.items_tree):
        tree.interface.new_socket("Image", in_out="OUTPUT", socket_type="NodeSocketColor")
    node = tree.nodes.new(END_NODE)
    tree.links.new(socket, node.inputs[0])
    return node


def begin_tap(tree: Any, folder: str, name: str) -> Any:
    """A File Output node that writes ``compat.tap_path``; its format is set by the caller."""
    node = tree.nodes.new("CompositorNodeOutputFile")
    node.format.media_type = "IMAGE"
    node.directory = folder
    node.file_name = f"{name}####"
    node.file_output_items.new("RGBA", "")
    return node


def sampling_of(node: Any) -> dict[str, Any]:
    """How a Translate, Transform or other moving node asks its result to be sampled; {} if it does not say."""
    names = ("Interpolation", "Extension X", "Extension Y")
    return {name: node.inputs[name].default_value for name in names if name in node.inputs}


def set_sampling(translate: Any, sampling: dict[str, Any]) -> None:
    """Let a Translate node ask for that sampling; {} is what an unmoved picture has."""
    for name, unmoved in (("Interpolation", "Bilinear"), ("Extension X", "Clip"), ("Extension Y", "Clip")):
        translate.inputs[name].default_value = sampling.get(name, unmoved)


def replace_alpha(set_alpha: Any) -> None:
    """Let a Set Alpha node replace the alpha instead of multiplying by it."""
    set_alpha.inputs["Type"].default_value = "Replace Alpha"


def working_space() -> str:
    """The scene-linear space of the file, as the OCIO config names it."""
    return str(bpy.data.colorspace.working_space)


def stored_properties(tree: Any) -> Any:
    """The raw values of the tree's registered properties: {"lineament": {...}}, also of unregistered ones."""
    return tree.bl_system_properties_get(do_create=True)
