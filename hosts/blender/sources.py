"""Whether the plates that a node sees on a frame are on the disk.

Blender renders a missing frame as nothing and says nothing: the edit of it would be an error that reads "no face", or
worse, a picture. So the files are looked for first; those that no pixel comes from, behind a switch, may be missing.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import bpy
from lineament.core.errors import PlateError

from .building import input_of
from .links import constant_of, origin

_DIGITS = re.compile(r"(\d+)(?=\D*$)")
_INPUTS = ("image", "mask")
_ON_DISK = ("FILE", "SEQUENCE", "MOVIE")

Mark = tuple[str, ...]
"""A socket by the names that lead to it; nodes of an evaluated tree have no other identity."""


def refuse_missing_plates(groups: tuple[Any, ...], node: Any, frame: int) -> None:
    """Raise PlateError naming the first file upstream of an evaluated node that this frame needs and that is not there.

    ``groups`` are the evaluated group nodes that lead to its tree, the outermost first.
    """
    seen: set[Mark] = set()
    for role in _INPUTS:
        for source in _sources(groups, input_of(node, role), seen):
            path = _file_of(source, frame)
            if path is not None and not path.exists():
                raise PlateError(
                    f"The plate of frame {frame} is missing.",
                    where=f"{path} (node {source.name!r})",
                    remedy="Put the file there, or leave the frame out of the range.",
                )


def _sources(groups: tuple[Any, ...], socket: Any, seen: set[Mark]) -> Iterator[Any]:
    """The image nodes that a socket's value comes from; groups are entered, edit nodes passed through."""
    end = origin(groups, socket)
    if not end.is_made:
        return
    node = end.socket.node
    mark = (*(group.name for group in end.groups), node.name, end.socket.identifier)
    if mark in seen:
        return
    seen.add(mark)
    if node.bl_idname == "CompositorNodeImage" and not node.mute:
        yield node
    for entry in _evaluated(end.groups, node, end.socket):
        yield from _sources(end.groups, entry, seen)


def _evaluated(groups: tuple[Any, ...], node: Any, output: Any) -> Iterable[Any]:
    """The inputs of a node that its output is made of."""
    if node.mute:
        return [link.from_socket for link in node.internal_links if link.to_socket == output]
    if node.bl_idname in ("CompositorNodeSwitch", "GeometryNodeMenuSwitch"):
        choice = origin(groups, node.inputs[0])
        value = constant_of(choice) if node.bl_idname == "CompositorNodeSwitch" else _menu_of(choice.socket)
        if isinstance(value, str):
            return [socket for socket in node.inputs if socket.name == value]
        if value is not None:
            return [node.inputs["On" if value > 0.0 else "Off"]]
    return list(node.inputs)


def _menu_of(socket: Any) -> str | None:
    """The item that an unlinked menu socket chooses."""
    value = None if socket.is_output else getattr(socket, "default_value", None)
    return value if isinstance(value, str) and value else None


def _file_of(node: Any, frame: int) -> Path | None:
    """The file that an image node reads on a frame; None if it reads none that can be missing."""
    image = node.image
    if image is None or image.packed_file is not None or image.source not in _ON_DISK:
        return None
    path = _blender_path(image.filepath, image.original.library)
    if image.source != "SEQUENCE":
        return Path(path)
    number = _number_of(node, frame)
    return None if number is None else _with_number(Path(path), number)


def _blender_path(path: str, library: Any) -> str:
    """The path that Blender opens: elsewhere than on Windows it turns the separators of Windows."""
    told = bpy.path.abspath(path, library=library)
    return str(told.replace("\\", "/")) if os.sep == "/" else str(told)


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
