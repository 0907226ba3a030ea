"""A small shot with Attribute Edit nodes, and what the fake engine must make of it."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import bpy
import numpy as np
from lineament.hosts.blender import carrier, compat
from lineament.hosts.blender.places import node_folder
from plate_files import read_exr

LOG_STOPS, LOG_BLACK = 16.5, 12.473931188
"""The config's allocation of "Filmic Log": stops from black to 1, and how many of them lie below linear 1."""


def add_edit(tree: Any, source: Any, cache: Path, **strengths: float) -> Any:
    """An Attribute Edit behind ``source`` (a node or a socket), with results in ``cache``."""
    node = carrier.add_node(tree, ("age", "smile", "glasses", "beard", "moustache", "lipstick"))
    socket = source if hasattr(source, "is_output") else source.outputs["Image"]
    tree.links.new(socket, node.inputs["Image"])
    node.node_tree.lineament.cache_folder = str(cache)
    for name, value in strengths.items():
        strength(node, name).default_value = value
    return node


def strength(node: Any, attribute: str) -> Any:
    """The socket of an attribute's strength."""
    entry = next(entry for entry in node.node_tree.lineament.attributes if entry.name == attribute)
    return next(socket for socket in node.inputs if socket.identifier == entry.identifier)


def key(socket: Any, values: Mapping[int, float]) -> None:
    """Keyframe a socket."""
    for frame, value in values.items():
        socket.default_value = value
        socket.keyframe_insert("default_value", frame=frame)


def image_node(tree: Any, path: Path, space: str = "Non-Color") -> Any:
    """An Image node that shows a file, which Blender takes to be in ``space``."""
    node = tree.nodes.new("CompositorNodeImage")
    node.image = bpy.data.images.load(str(path))
    node.image.colorspace_settings.name, node.image.alpha_mode = space, "PREMUL"
    return node


def to_log(linear: np.ndarray) -> np.ndarray:
    """Scene-linear Rec.709 as the space "Filmic Log" of Blender's config; alpha stays."""
    made = linear.copy()
    made[..., :3] = (np.log2(np.maximum(linear[..., :3], 1e-6)) + LOG_BLACK) / LOG_STOPS
    return made.astype(np.float32)


def end(tree: Any, node: Any) -> None:
    """Make a node's picture the render."""
    compat.add_output(tree, node.outputs["Image"])


def render(scene: Any, folder: Path, frames: tuple[int, ...] = (1, 2, 3)) -> dict[int, np.ndarray]:
    """Render these frames as one animation does, into ``folder``; frame -> pixels."""
    scene.render.filepath = str(folder / "out.####")
    kept = scene.frame_start, scene.frame_end
    for frame in frames:
        scene.frame_start = scene.frame_end = frame
        bpy.ops.render.render(animation=True, scene=scene.name)
    scene.frame_start, scene.frame_end = kept
    return {frame: read_exr(folder / f"out.{frame:04d}.exr").rgba for frame in frames}


def edited(pixels: np.ndarray, age: float, weight: np.ndarray | float = 1.0) -> np.ndarray:
    """What the fake engine makes of a picture."""
    made = pixels.copy()
    amount = np.broadcast_to(np.asarray(weight, np.float32), pixels.shape[:2]) * np.float64(1.0) * age
    made[..., :3] *= 1.0 + amount[..., None]
    return made


def same_bits(one: np.ndarray, other: np.ndarray) -> bool:
    """Equal to the bit, NaN and its payload included."""
    return np.array_equal(
        np.ascontiguousarray(one, np.float32).view(np.uint32),
        np.ascontiguousarray(other, np.float32).view(np.uint32),
    )


def results(node: Any) -> dict[str, bytes]:
    """The files of a node's cache by name; work folders and hidden files would show up here too."""
    folder = node_folder(node.node_tree)
    if not folder.is_dir():
        return {}
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir()) if path.is_file()} | {
        path.name + "/": b"" for path in folder.iterdir() if path.is_dir()
    }


def is_running(pid: int) -> bool:
    """Whether a process is there, zombies included."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True
