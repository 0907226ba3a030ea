"""From a drawn window to the whole picture: what can be seen, truth layers, composition over the background."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from .camera import Pose, View, project
from .geometry import BACKGROUND, Bytes, Floats
from .gl import Target
from .resolve import Resolved, filtered
from .scene import Scene

Window = tuple[int, int, int, int]
"""Left, top, width, height in pixels."""


def visible_window(scene: Scene, pose: Pose, view: View) -> Window:
    """Left, top, width, height of the pixels that the face can touch, in steps of 32 so that targets are reused."""
    clouds = [mesh.positions[::3] for mesh in scene.meshes]
    clouds += [strands.points[::4, ::2].reshape(-1, 3) for strands in scene.strands]
    at = project(view, pose.world(np.concatenate(clouds)))
    step, margin = 32, 6.0
    low = np.floor((at.min(axis=0) - margin) / step).astype(int) * step
    high = np.ceil((at.max(axis=0) + margin) / step).astype(int) * step
    left, top = max(0, int(low[0])), max(0, int(low[1]))
    right, bottom = min(view.width, int(high[0])), min(view.height, int(high[1]))
    if right <= left or bottom <= top:  # the face is out of sight
        return 0, 0, min(step, view.width), min(step, view.height)
    return left, top, right - left, bottom - top


def truth_layers(target: Target, samples: int, aovs: Sequence[str]) -> dict[str, Floats]:
    """Truth layers: means over the samples that show something; where nothing is seen they are zero."""
    normal, rest, uv = (target.read(i) for i in (1, 2, 3))
    wanted: dict[str, Floats] = {
        "depth": normal[..., 3:],
        "normals": normal[..., :3],
        "position": rest[..., :3],
        "uv": uv[..., :2],
    }
    seen = filtered(np.ascontiguousarray((normal[..., 3:] > 0).astype(np.float32)), samples)
    result = {}
    for name, image in wanted.items():
        if name in aovs:
            mean = filtered(np.ascontiguousarray(image), samples) / np.maximum(seen, 1e-6)
            result[name] = np.where(seen > 0.02, mean, 0.0).astype(np.float32)
    return result


def compose(
    view: View, window: Window, resolved: Resolved, layers: dict[str, Floats], background: Floats | None
) -> tuple[Floats, Floats, Bytes, dict[str, Floats]]:
    """Put the window into the whole picture, over the background: colour, alpha, classes, layers."""
    left, top, width, height = window
    rows, columns = slice(top, top + height), slice(left, left + width)
    size = (view.height, view.width)
    colour = np.zeros((*size, 3), np.float32) if background is None else background.astype(np.float32)
    colour[rows, columns] = resolved.colour + colour[rows, columns] * (1.0 - resolved.alpha)[..., None]
    alpha, classes = np.zeros(size, np.float32), np.zeros(size, np.uint8)
    alpha[rows, columns], classes[rows, columns] = resolved.alpha, resolved.classes
    placed: dict[str, Floats] = {}
    for name, image in layers.items():
        whole = np.zeros((*size, image.shape[-1]), np.float32)
        if name == "coverage":
            whole[..., BACKGROUND] = 1.0
        whole[rows, columns] = image
        placed[name] = whole[..., 0] if name == "depth" else whole
    return colour, alpha, classes, placed
