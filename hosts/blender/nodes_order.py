"""Which Attribute Edit nodes a scene has, and in which order they must be baked."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import bpy
from lineament.core.errors import HostError

from .compat import is_output, scene_tree
from .links import at_path, group_tree, is_edit_tree, is_helper, upstream


@dataclass(frozen=True)
class EditNode:
    """One Attribute Edit node of a scene.

    ``path`` holds the names of the nodes that lead to it from the scene's tree down, its own last; ``tree`` is its
    tagged tree, whose ``tree.lineament`` holds the parameters that are no sockets.
    """

    path: tuple[str, ...]
    tree: Any

    @property
    def name(self) -> str:
        """The path for people: Group / Attribute Edit."""
        return " / ".join(self.path)


def all_edit_nodes(scene: Any) -> tuple[EditNode, ...]:
    """Every Attribute Edit node of the scene's tree and of the groups in it, as found; nothing is refused."""
    tree = scene_tree(scene)
    return () if tree is None else tuple(_within(tree, ()))


def edit_nodes(scene: Any) -> tuple[EditNode, ...]:
    """The scene's Attribute Edit nodes in bake order: a node comes after all those upstream of it.

    Raises HostError if a group with such a node is used twice, or two nodes share one tree: both would show one
    result, and one of them the wrong one.
    """
    found = all_edit_nodes(scene)
    for node in found:
        same = [other.name for other in found if other.tree == node.tree]
        if len(same) > 1:
            raise _shared(node, same)
    tree = scene_tree(scene)
    return tuple(sorted(found, key=lambda node: (_edits_before(tree, node), node.path)))


def used_edit_nodes(scene: Any) -> tuple[EditNode, ...]:
    """Those of ``edit_nodes`` whose picture reaches the render, a File Output or a viewer; what the others would make
    nobody sees. Raises HostError as ``edit_nodes`` does.
    """
    found = edit_nodes(scene)
    if not found:
        return ()
    reached = {
        (*(group.name for group in groups), node.name)
        for ends, end in _ends(scene_tree(scene), ())
        for groups, node in upstream(ends, end)
    }
    return tuple(node for node in found if node.path in reached)


def _ends(tree: Any, groups: tuple[Any, ...]) -> Iterator[tuple[tuple[Any, ...], Any]]:
    """Every node of a tree and of the groups in it that shows or writes a picture, with the groups that lead to it."""
    for node in tree.nodes:
        inner = group_tree(node)
        if inner is not None and not node.mute:
            yield from _ends(inner, (*groups, node))
        elif is_output(node, not groups) and not node.mute:
            yield groups, node


def refuse_shared_scenes(scene: Any) -> None:
    """Raises HostError if another scene reaches an edit of this one through its own tree: both would show the result
    of whichever was baked last. Scenes that share their whole tree have one picture, and so may share its result.
    """
    mine = {node.tree: node for node in all_edit_nodes(scene) if node.tree.library is None}
    for other in bpy.data.scenes:
        if other == scene or is_helper(other) or scene_tree(other) == scene_tree(scene):
            continue
        for node in all_edit_nodes(other):
            if node.tree in mine:
                raise _shared(
                    mine[node.tree], [f"{scene.name}: {mine[node.tree].name}", f"{other.name}: {node.name}"]
                )


def _within(tree: Any, path: tuple[str, ...]) -> Iterator[EditNode]:
    for node in tree.nodes:
        inner = group_tree(node)
        if inner is not None:
            yield from _within(inner, (*path, node.name))
        elif is_edit_tree(getattr(node, "node_tree", None)):
            yield EditNode((*path, node.name), node.node_tree)


def _edits_before(tree: Any, node: EditNode) -> int:
    groups, own = at_path(tree, node.path)
    return sum(is_edit_tree(getattr(found, "node_tree", None)) for _, found in upstream(groups, own))


def _shared(node: EditNode, names: list[str]) -> HostError:
    is_nested = len(node.path) > 1
    thing = f'The group that holds "{node.path[-1]}"' if is_nested else f'The edit of "{node.path[-1]}"'
    return HostError(
        f"{thing} is used {len(names)} times, but an edit has one result.",
        where=", ".join(names),
        remedy="Make the group a single-user copy: click the number beside its name, on all but one of the nodes.",
    )
