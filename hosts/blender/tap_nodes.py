"""The nodes of a tap: what flows into a node, in its own frame and whole, into a File Output.

A File Output keeps only what lies in the middle (5.0) or forgets where the picture lies (4.5), so what has moved the
picture is undone first; the carrier does it again to the result.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from . import compat
from .building import input_of
from .showing import sampling_before


def add_taps(groups: tuple[Any, ...], node: Any, folder: Path, uses_mask: bool) -> None:
    """Add the nodes, in the node's own copied tree, that write ``plate`` and, if used, ``mask`` into the folder."""
    tree = node.id_data
    image, mask = input_of(node, "image"), input_of(node, "mask")
    source = image.links[0].from_socket
    where = tree.nodes.new("CompositorNodeImageInfo")
    axes = tree.nodes.new("ShaderNodeSeparateXYZ")
    tree.links.new(source, where.inputs["Image"])
    tree.links.new(where.outputs["Location"], axes.inputs[0])
    wanted = [("plate", source)]
    if uses_mask:
        onto = tree.nodes.new("CompositorNodeSetAlpha")
        part = tree.nodes.new("CompositorNodeSeparateColor")
        compat.replace_alpha(onto)
        tree.links.new(source, onto.inputs["Image"])
        tree.links.new(mask.links[0].from_socket, onto.inputs["Alpha"])
        tree.links.new(onto.outputs[0], part.inputs[0])
        wanted.append(("mask", part.outputs["Alpha"]))
    sampling = sampling_before(groups, node, is_realised=False)
    for name, socket in wanted:
        _centred_tap(tree, socket, axes, sampling, compat.add_tap(tree, folder, name))


def _centred_tap(tree: Any, socket: Any, axes: Any, sampling: dict[str, Any], tap: Any) -> None:
    """Undo where the picture has been moved to: a File Output keeps only what lies in the middle."""
    back = tree.nodes.new("CompositorNodeTranslate")
    compat.set_sampling(back, sampling)
    tree.links.new(socket, back.inputs["Image"])
    for axis in ("X", "Y"):
        minus = tree.nodes.new("ShaderNodeMath")
        minus.operation = "MULTIPLY"
        minus.inputs[1].default_value = -1.0
        tree.links.new(axes.outputs[axis], minus.inputs[0])
        tree.links.new(minus.outputs[0], back.inputs[axis])
    tree.links.new(back.outputs[0], tap.inputs[0])
