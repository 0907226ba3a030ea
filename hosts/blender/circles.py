"""Links in a circle, which Blender draws in red and whose render ends Blender itself, even where they feed nothing."""

from __future__ import annotations

from graphlib import CycleError, TopologicalSorter
from typing import Any

from lineament.core.errors import RecipeError

from .compat import scene_tree
from .links import group_tree


def refuse_circles(scene: Any) -> None:
    """Raise RecipeError naming the nodes of a circle in the scene's compositor or a group in it.

    Blender has no error for that: it takes the process with it.
    """
    tree = scene_tree(scene)
    if tree is not None:
        _refuse_within(tree, f"scene {scene.name}")


def _refuse_within(tree: Any, where: str) -> None:
    sources: dict[str, set[str]] = {node.name: set() for node in tree.nodes}
    for link in tree.links:
        if not link.is_muted:  # one that closes a circle counts as invalid, and is followed all the same
            sources[link.to_node.name].add(link.from_node.name)
    try:
        TopologicalSorter(sources).prepare()
    except CycleError as err:
        names = " > ".join(dict.fromkeys(err.args[1]))
        raise RecipeError(
            f"Links run in a circle, which Blender cannot render: {names}.",
            where=where,
            remedy="Remove the red link.",
        ) from err
    for node in tree.nodes:
        inner = group_tree(node)
        if inner is not None and not node.mute:
            _refuse_within(inner, f"{where} / {node.name}")
