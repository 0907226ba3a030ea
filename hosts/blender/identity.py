"""One node, one tree, one result: copies of a node get a tree, an id and a cache of their own."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from typing import Any

import bpy

from .compat import TREE_TYPE, scene_tree
from .links import is_edit_tree, is_helper
from .showing import hide_result


def make_unique() -> list[str]:
    """Give every Attribute Edit node of the file its own tree and id, and every id to one tree only.

    The first node of a tree keeps it, with its results; a later one (a duplicate, a pasted or appended node) gets a
    copy that has no results yet. Returns the names of the nodes that were given one. Trees linked from another file
    stay as they are.
    """
    fixed: list[str] = []
    trees: set[str] = set()
    uids: set[str] = set()
    for node in _nodes():
        tree = node.node_tree
        if tree.library is not None:
            continue
        if tree.name in trees:
            tree = node.node_tree = tree.copy()
        trees.add(tree.name)
        if tree.lineament.uid in uids or not tree.lineament.uid:
            _begin_anew(tree)
            fixed.append(node.name)
        uids.add(tree.lineament.uid)
    return fixed


def _begin_anew(tree: Any) -> None:
    """A new id, and nothing that belongs to the tree it was copied from."""
    tree.lineament.uid = uuid.uuid4().hex
    tree.lineament.status = tree.lineament.baked_ranges = tree.lineament.former_folder = ""
    tree.animation_data_clear()
    hide_result(tree)


def _nodes() -> Iterator[Any]:
    """The group nodes of the file that carry an edit, those of helpers excepted; in a stable order."""
    own = [tree for tree in bpy.data.node_groups if tree.bl_idname == TREE_TYPE]
    for scene in bpy.data.scenes:
        tree = None if is_helper(scene) else scene_tree(scene)
        if tree is not None and tree not in own:
            own.append(tree)
    for tree in own:
        if not is_helper(tree):
            yield from (node for node in tree.nodes if is_edit_tree(getattr(node, "node_tree", None)))
