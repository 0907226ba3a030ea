"""What only Blender 4.5 does this way: an embedded compositor tree that ends in a Composite node."""

from __future__ import annotations

from typing import Any

from .ocio_roles import ocio_config, role_of

END_NODE = "CompositorNodeComposite"
"""The node a scene's tree ends in; what it gets is the render."""

CAN_MOVE_TREES = False
"""False: a scene's tree is part of the scene, dies with it and cannot be shared."""


def scene_tree(scene: Any) -> Any:
    """The scene's compositor tree, or None if it composites nothing."""
    return scene.node_tree if scene.use_nodes else None


def ensure_scene_tree(scene: Any) -> Any:
    """The scene's compositor tree, made (with Blender's default nodes) if there is none."""
    scene.use_nodes = True
    return scene.node_tree


def use_tree_copy(scene: Any) -> Any:
    """A tree that belongs to this scene alone; ``scene.copy()`` has copied an embedded tree already."""
    return scene.node_tree


def end_tree(tree: Any, socket: Any) -> Any:
    """End the scene's tree with ``socket``, which becomes the render; returns the end node."""
    node = tree.nodes.new(END_NODE)
    tree.links.new(socket, node.inputs["Image"])
    return node


def begin_tap(tree: Any, folder: str, name: str) -> Any:
    """A File Output node that writes ``compat.tap_path``; its format is set by the caller."""
    node = tree.nodes.new("CompositorNodeOutputFile")
    node.base_path = folder
    node.file_slots[0].path = f"{name}####"
    return node


def sampling_of(node: Any) -> dict[str, Any]:
    """How a Translate, Transform or other moving node asks its result to be sampled; {} if it does not say."""
    interpolation = getattr(node, "interpolation", "") or getattr(node, "filter_type", "")
    if interpolation not in ("NEAREST", "BILINEAR", "BICUBIC"):
        return {}
    return {"interpolation": interpolation, "wrap_axis": getattr(node, "wrap_axis", "NONE")}


def set_sampling(translate: Any, sampling: dict[str, Any]) -> None:
    """Let a Translate node ask for that sampling; {} is what an unmoved picture has."""
    translate.interpolation = sampling.get("interpolation", "BILINEAR")
    translate.wrap_axis = sampling.get("wrap_axis", "NONE")


def replace_alpha(set_alpha: Any) -> None:
    """Let a Set Alpha node replace the alpha instead of multiplying by it."""
    set_alpha.mode = "REPLACE_ALPHA"


def working_space() -> str:
    """The scene-linear space of the file, which is the role of that name in the OCIO config; "" if it is silent."""
    return role_of(ocio_config(), "scene_linear")


def stored_properties(tree: Any) -> Any:
    """The raw values of the tree's registered properties: {"lineament": {...}}, also of unregistered ones."""
    return tree
