"""Which node an operator or a panel speaks of: the active one of the editor, or one named by its tree.

Everything here is cheap and survives a missing editor, tree or node: panels ask on every redraw.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import bpy
from lineament.core.errors import HostError
from lineament.plugin.node_spec import ATTRIBUTE_EDIT

from .compat import TREE_TYPE, scene_tree
from .links import is_edit_tree


@dataclass(frozen=True)
class Selected:
    """An edit node and its tagged tree."""

    node: Any
    tree: Any


def is_compositor(context: Any) -> bool:
    """Whether the context is a node editor that shows a compositor."""
    space = getattr(context, "space_data", None)
    return getattr(space, "type", "") == "NODE_EDITOR" and getattr(space, "tree_type", "") == TREE_TYPE


def active_edit(context: Any) -> Selected | None:
    """The editor's active node if it is an Attribute Edit, else None."""
    if not is_compositor(context):
        return None
    parent = context.space_data.edit_tree
    node = parent.nodes.active if parent is not None else None
    return _selected(node)


def edit_named(context: Any, tree_name: str) -> Selected:
    """The node whose tree has that name, the active one for "". Raises HostError if there is none."""
    found = _of_tree(tree_name) if tree_name else active_edit(context)
    if found is not None:
        return found
    raise HostError(
        f"There is no Attribute Edit node on a tree named {tree_name!r}."
        if tree_name
        else "No Attribute Edit node is active.",
        where="compositor",
        remedy="Select the node and try again, or add one with Add > Attribute Edit.",
    )


def is_newer(tree: Any) -> bool:
    """Whether a newer version of the add-on made the node: then nothing of it may be changed."""
    return _number(tree.lineament.spec_version) > _number(ATTRIBUTE_EDIT.version)


def refuse_locked(edit: Selected) -> None:
    """Raise HostError for a node that cannot be changed here: linked from another file, or of a newer version."""
    if edit.tree.library is not None or edit.node.id_data.library is not None:
        raise HostError(
            "The node is linked from another file.",
            where=edit.tree.name,
            remedy="Change it in that file, or make it local.",
        )
    if is_newer(edit.tree):
        raise HostError(
            f"A newer version of the add-on made this node ({edit.tree.lineament.spec_version}).",
            where=edit.tree.name,
            remedy="Update the add-on; until then the node shows what was baked.",
        )


def refuse_parent(tree: Any) -> None:
    """Raise HostError for a tree that no node can be added to: a linked one, or the inside of an Attribute Edit."""
    if tree.library is not None:
        raise HostError(
            "The compositor is linked from another file.",
            where=tree.name,
            remedy="Add the node in that file, or make the tree local.",
        )
    if is_edit_tree(tree):
        raise HostError(
            "An Attribute Edit cannot be put into another one.",
            where=tree.name,
            remedy="Leave the group with Tab, then add the node.",
        )


def _number(version: str) -> tuple[int, ...]:
    return tuple(int(part) if part.isdigit() else 0 for part in version.split("."))


def _of_tree(name: str) -> Selected | None:
    """The first node of the file that stands on the tree of that name."""
    parents = [scene_tree(scene) for scene in bpy.data.scenes] + list(bpy.data.node_groups)
    nodes = (node for parent in parents if parent is not None for node in parent.nodes)
    candidates = (_selected(node) for node in nodes if getattr(node, "node_tree", None) is not None)
    return next((found for found in candidates if found is not None and found.tree.name == name), None)


def _selected(node: Any) -> Selected | None:
    tree = getattr(node, "node_tree", None)
    return Selected(node, tree) if tree is not None and is_edit_tree(tree) else None
