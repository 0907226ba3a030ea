"""The carrier of the node: a built-in compositor group with a tagged tree, which renders without the add-on.

No pixel is computed in the group, because a computed NaN is another NaN: a switch shows either what comes in or the
cached result, which a lazy Translate puts where the input was, whatever the nodes before have moved.
"""

from __future__ import annotations

import logging
import uuid
from collections.abc import Iterable
from typing import Any

import bpy
from lineament.core.errors import RecipeError
from lineament.plugin.node_spec import ATTRIBUTE_EDIT, ParameterSpec

from .compat import TREE_TYPE, scene_tree
from .links import EDIT_ID, EDIT_TAG, SOCKETS_KEY, socket_of

log = logging.getLogger(__name__)

DEFAULT_ATTRIBUTES = ("age", "smile", "glasses")
"""The strengths of a new node; the others are a menu away."""

INPUT, RESULT, WHERE, AXES, PLACE, SHOW, OUTPUT = (
    "Input", "Result", "Where The Input Lies", "Axes", "Place", "Show Result", "Output",
)  # fmt: skip
NODES = (INPUT, RESULT, WHERE, AXES, PLACE, SHOW, OUTPUT)
"""The names of the nodes in the group: F-curves of saved files and migrations find them by these."""

_NAME_BYTES = 63
"""Blender 4.5 cuts names there, in the middle of a letter if need be; the engine then knows no such attribute."""

_TAKEN = ("image", "mask", "mix")
"""The labels of the sockets that every node has, which drivers and scripts find by name."""

_DEFAULT_LIMITS = (-3.0, 3.0)
"""The slider's ends of an attribute that no declaration knows, in standard deviations."""


def new_tree(attributes: Iterable[str] = DEFAULT_ATTRIBUTES) -> Any:
    """A tagged tree with its own uid, that shows its input and has a strength for each of the attributes."""
    tree = bpy.data.node_groups.new(ATTRIBUTE_EDIT.label, TREE_TYPE)
    tree[EDIT_TAG] = EDIT_ID
    tree.color_tag = "FILTER"
    tree.description = ATTRIBUTE_EDIT.description
    tree.lineament.uid = uuid.uuid4().hex
    tree.lineament.spec_version = ATTRIBUTE_EDIT.version
    ensure_sockets(tree)
    ensure_inside(tree)
    for attribute in attributes:
        add_attribute(tree, attribute)
    return tree


def add_node(parent: Any, attributes: Iterable[str] = DEFAULT_ATTRIBUTES) -> Any:
    """A new Attribute Edit node in a compositor tree, unlinked; returns the group node."""
    node = parent.nodes.new("CompositorNodeGroup")
    node.node_tree = new_tree(attributes)
    node.name = ATTRIBUTE_EDIT.label
    node.width = 200.0
    return node


def identifier_of(tree: Any, role: str) -> str:
    """The identifier of the socket "image", "mask", "mix" or "result"; "" if the tree has none."""
    return str(tree.get(SOCKETS_KEY, {}).get(role, ""))


def input_of(node: Any, role: str) -> Any:
    """The input socket of a node that plays the role "image", "mask" or "mix"."""
    return socket_of(node.inputs, identifier_of(node.node_tree, role))


def ensure_sockets(tree: Any) -> bool:
    """Give the tree those of the fixed sockets that it lacks; True if it lacked any."""
    mix = ATTRIBUTE_EDIT.get("mix")
    wanted = (
        ("image", "INPUT", "Image", "Color", "The picture with the face to edit."),
        ("mask", "INPUT", "Mask", "Float", "Gives the edit back where it is 1, the plate where 0."),
        ("mix", "INPUT", mix.label, "Float", mix.tooltip),
        ("result", "OUTPUT", "Image", "Color", "The result, or the input where there is none."),
    )
    known = dict(tree.get(SOCKETS_KEY, {}))
    present = {item.identifier for item in _items(tree)}
    missing = [entry for entry in wanted if known.get(entry[0]) not in present]
    for role, side, name, kind, tooltip in missing:
        item = tree.interface.new_socket(
            name, description=tooltip, in_out=side, socket_type=f"NodeSocket{kind}"
        )
        if kind == "Float":
            item.subtype = "FACTOR"
            item.default_value, item.min_value, item.max_value = 1.0, 0.0, 1.0
            _set_on_nodes(tree, item.identifier, 1.0)
        known[role] = item.identifier
    tree[SOCKETS_KEY] = known
    return bool(missing)


def _set_on_nodes(tree: Any, identifier: str, value: float) -> None:
    """Set a new socket of the nodes that use the tree: they made it before it had a default."""
    parents = [*bpy.data.node_groups, *(scene_tree(scene) for scene in bpy.data.scenes)]
    for parent in parents:
        for node in parent.nodes if parent is not None and parent.bl_idname == TREE_TYPE else ():
            socket = socket_of(node.inputs, identifier) if getattr(node, "node_tree", None) == tree else None
            if socket is not None:
                socket.default_value = value


def ensure_inside(tree: Any) -> None:
    """Build the nodes in the group anew: input or placed result, by a switch that is off."""
    tree.nodes.clear()
    enter = _inner(tree, "NodeGroupInput", INPUT, -400)
    result = _inner(tree, "CompositorNodeImage", RESULT, -200, -200)
    where = _inner(tree, "CompositorNodeImageInfo", WHERE, -200, -500)
    axes = _inner(tree, "ShaderNodeSeparateXYZ", AXES, 0, -500)
    place = _inner(tree, "CompositorNodeTranslate", PLACE, 200, -200)
    show = _inner(tree, "CompositorNodeSwitch", SHOW, 400)
    leave = _inner(tree, "NodeGroupOutput", OUTPUT, 600)
    picture = socket_of(enter.outputs, identifier_of(tree, "image"))
    for source, target in (
        (picture, show.inputs["Off"]),
        (picture, where.inputs["Image"]),
        (where.outputs["Location"], axes.inputs[0]),
        (axes.outputs["X"], place.inputs["X"]),
        (axes.outputs["Y"], place.inputs["Y"]),
        (result.outputs["Image"], place.inputs["Image"]),
        (place.outputs["Image"], show.inputs["On"]),
        (show.outputs["Image"], socket_of(leave.inputs, identifier_of(tree, "result"))),
    ):
        tree.links.new(source, target)


def restore_inside(tree: Any) -> bool:
    """Build the inside anew if somebody took of it what results are shown with; whether that was so.

    What was merely added stays.
    """
    if _is_inside_whole(tree):
        return False
    log.warning("what was taken out of %s is put back: its nodes show the results", tree.name)
    ensure_inside(tree)
    return True


def _is_inside_whole(tree: Any) -> bool:
    if any(name not in tree.nodes for name in NODES):
        return False
    needed = [tree.nodes[SHOW].inputs[name] for name in ("Off", "On")]
    needed += [tree.nodes[PLACE].inputs[name] for name in ("Image", "X", "Y")]
    needed.append(socket_of(tree.nodes[OUTPUT].inputs, identifier_of(tree, "result")))
    views = [len(node.inputs) for node in tree.nodes if node.bl_idname == "CompositorNodeSwitchView"]
    pictures = [node for node in tree.nodes if node.bl_idname == "CompositorNodeImage"]
    return len(pictures) >= sum(views or [1]) and all(socket.is_linked for socket in needed)


def add_attribute(
    tree: Any, attribute: str, label: str = "", limits: tuple[float, float] | None = None
) -> Any:
    """Give the tree a strength for the attribute, at 0; returns its entry in ``tree.lineament.attributes``.

    Attributes that it has already stay as they are. ``label`` and ``limits`` (the slider's ends, in standard
    deviations) are those of the declaration unless given. Raises RecipeError for a name that cannot be one.
    """
    refuse_attribute(attribute)
    known = next((entry for entry in tree.lineament.attributes if entry.name == attribute), None)
    if known is not None:
        return known
    declared = _declared(attribute)
    title = label or (declared.label if declared else attribute.replace("_", " ").title())
    tooltip = declared.tooltip if declared else f"How far to push {title}, in standard deviations."
    item = tree.interface.new_socket(
        title, description=tooltip, in_out="INPUT", socket_type="NodeSocketFloat"
    )
    item.min_value, item.max_value = limits or _limits(declared)
    item.default_value = 0.0
    entry = tree.lineament.attributes.add()
    entry.name, entry.identifier = attribute, item.identifier
    return entry


def refuse_attribute(name: str) -> None:
    """Raise RecipeError for a name that is blank, longer than Blender keeps, or that of a socket of every node."""
    if not name.strip() or not name.isprintable() or name != name.strip():
        raise RecipeError(
            f"{name!r} cannot be the name of an attribute.",
            where="attributes",
            remedy="Write the name as the model has it, without blanks around it.",
        )
    if len(name.encode("utf-8")) > _NAME_BYTES:
        raise RecipeError(
            f"The attribute's name {name!r} is too long: Blender keeps {_NAME_BYTES} bytes, a letter outside ASCII "
            "takes two or more.",
            where="attributes",
            remedy="Give the attribute a shorter name in the model's library of directions.",
        )
    if name.casefold() in _TAKEN:
        raise RecipeError(
            f"{name!r} is a socket of every Attribute Edit and cannot be an attribute.",
            where="attributes",
            remedy="Choose an attribute of the model, such as age.",
        )


def remove_attribute(tree: Any, attribute: str) -> None:
    """Take the attribute's strength, its links and its list entry away; an unknown one is no error."""
    entries = tree.lineament.attributes
    for index, entry in enumerate(entries):
        if entry.name == attribute:
            for item in [item for item in _items(tree) if item.identifier == entry.identifier]:
                tree.interface.remove(item)
            entries.remove(index)
            break
    tree.lineament.active_attribute = max(0, min(tree.lineament.active_attribute, len(entries) - 1))


def strength_item(tree: Any, entry: Any) -> Any:
    """The interface item of a list entry, or None if somebody removed it."""
    return next((item for item in _items(tree) if item.identifier == entry.identifier), None)


def _items(tree: Any) -> list[Any]:
    return [item for item in tree.interface.items_tree if item.item_type == "SOCKET"]


def _declared(attribute: str) -> ParameterSpec | None:
    known = ATTRIBUTE_EDIT.for_target("strength")
    return next((parameter for parameter in known if parameter.id == attribute), None)


def _limits(declared: ParameterSpec | None) -> tuple[float, float]:
    if declared is None or declared.soft_minimum is None or declared.soft_maximum is None:
        return _DEFAULT_LIMITS
    return declared.soft_minimum, declared.soft_maximum


def _inner(tree: Any, kind: str, name: str, x: float, y: float = 0.0) -> Any:
    node = tree.nodes.new(kind)
    node.name = node.label = name
    node.location = (x, y)
    return node
