"""Whether the plates that a node sees on a frame are on the disk.

Blender renders a missing frame as nothing and says nothing: the edit of it would be an error that reads "no face", or
worse, a picture. So the files are looked for first.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import bpy
from lineament.core.errors import PlateError

from .carrier import EditNode, is_edit_tree
from .compat import scene_tree

_DIGITS = re.compile(r"(\d+)(?=\D*$)")
_INPUTS = ("Image", "Mask")


def refuse_missing_plates(scene: Any, edit: EditNode, frame: int) -> None:
    """Raise PlateError naming the first file upstream of the node that this frame needs and that is not there."""
    trees = [scene_tree(scene)]
    for name in edit.path[:-1]:
        trees.append(trees[-1].nodes[name].node_tree)
    seen: set[tuple[int, str]] = set()
    node = trees[-1].nodes[edit.path[-1]]
    for name in _INPUTS:
        for source in _upstream(node.inputs[name], trees, edit.path[:-1], seen):
            path = _file_of(source, frame)
            if path is not None and not path.exists():
                raise PlateError(
                    f"The plate of frame {frame} is missing.",
                    where=f"{path} (node {source.name!r})",
                    remedy="Put the file there, or leave the frame out of the range.",
                )


def _upstream(
    socket: Any, trees: list[Any], path: tuple[str, ...], seen: set[tuple[int, str]]
) -> Iterator[Any]:
    """The image nodes that a socket's value comes from; groups are entered, edit nodes passed through."""
    for link in socket.links:
        node = link.from_node
        mark = (node.as_pointer(), link.from_socket.identifier)
        if mark in seen:
            continue
        seen.add(mark)
        if node.bl_idname == "CompositorNodeImage":
            yield node
        elif node.bl_idname == "NodeGroupInput":
            if path:
                outer = trees[-2].nodes[path[-1]]
                yield from _upstream(_same(outer.inputs, link.from_socket), trees[:-1], path[:-1], seen)
        elif _is_group(node) and not node.mute and not is_edit_tree(node.node_tree):
            yield from _inside(node, link.from_socket, trees, path, seen)
        else:
            for entry in node.inputs:
                yield from _upstream(entry, trees, path, seen)


def _inside(
    node: Any, socket: Any, trees: list[Any], path: tuple[str, ...], seen: set[tuple[int, str]]
) -> Iterator[Any]:
    """The image nodes behind one output of a group."""
    for end in node.node_tree.nodes:
        if end.bl_idname == "NodeGroupOutput":
            inner = (*path, node.name)
            yield from _upstream(_same(end.inputs, socket), [*trees, node.node_tree], inner, seen)


def _is_group(node: Any) -> bool:
    return node.bl_idname == "CompositorNodeGroup" and node.node_tree is not None


def _same(sockets: Any, wanted: Any) -> Any:
    return next(socket for socket in sockets if socket.identifier == wanted.identifier)


def _file_of(node: Any, frame: int) -> Path | None:
    """The file that an image node reads on a frame; None if it reads none that can be missing."""
    image = node.image
    if image is None or image.packed_file is not None or image.source not in ("FILE", "SEQUENCE"):
        return None
    path = bpy.path.abspath(image.filepath, library=image.library)
    if image.source == "FILE":
        return Path(path)
    number = _number_of(node, frame)
    return None if number is None else _with_number(Path(path), number)


def _number_of(node: Any, frame: int) -> int | None:
    """The number of the sequence's file on a frame, as Blender counts; None outside its range."""
    index, length = frame - node.frame_start + 1, node.frame_duration
    if node.use_cyclic and length > 0:
        index = (index - 1) % length + 1
    elif length > 0:
        index = min(index, length)
    return index + node.frame_offset if index >= 1 else None


def _with_number(path: Path, number: int) -> Path:
    """A sequence's path with another number in place of its last digits, padded alike."""
    match = _DIGITS.search(path.stem)
    if match is None:
        return path
    digits = f"{number:0{len(match[1])}d}"
    return path.with_name(path.stem[: match.start(1)] + digits + path.stem[match.end(1) :] + path.suffix)
