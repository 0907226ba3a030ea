"""Patterns of the skin, baked once into textures laid out by the head's own uv: they are the same for every face."""

from __future__ import annotations

import moderngl
import numpy as np

from .geometry import Mesh
from .gl import MeshBuffer, Programs, set_uniforms

FACE_Z = -1.2
"""Skin behind this (decimetres, base head) does not count for the window: it shows no patterns."""


_LEVEL = ((0.5, 0.0, 0.0, 0.0), (0.25, 0.25, 0.25, 0.25), (0.0, 0.0, 0.5, 0.0))
"""What the fields hold where nothing is baked: mean tone, no wrinkles, no detail."""


class SkinFields:
    """Three half-float textures: "tone", "lines", "fine" (see bake.frag), and ``window``: uv origin and scale."""

    def __init__(self, context: moderngl.Context, programs: Programs, skin: Mesh, height: int) -> None:
        front = (skin.rest[:, 2] > FACE_Z) & (skin.rest[:, 1] > -1.9) & (skin.uv[:, 0] > 0.6)
        low, high = skin.uv[front].min(axis=0) - 0.004, skin.uv[front].max(axis=0) + 0.004
        span = high - low
        size = (max(8, round(height * float(span[0] / span[1]))), height)
        self.window = np.array([*low, *(1.0 / span)], np.float32)
        self._textures = {}
        # Half floats: the slope of a height in bytes comes in visible steps.
        layers = [
            context.texture(size, 4, np.full((size[1], size[0], 4), level, np.float16), dtype="f2")
            for level in _LEVEL
        ]
        target = context.framebuffer(layers)
        target.use()
        context.disable(moderngl.DEPTH_TEST | moderngl.CULL_FACE | moderngl.BLEND)
        program = programs.get("bake.vert", "bake.frag")
        set_uniforms(program, {"u_window": self.window})
        buffer = MeshBuffer(context)
        buffer.write(skin)
        buffer.draw(program)
        context.finish()
        buffer.release()
        target.release()
        for name, layer in zip(("tone", "lines", "fine"), layers, strict=True):
            layer.build_mipmaps()
            layer.filter = (moderngl.LINEAR_MIPMAP_LINEAR, moderngl.LINEAR)
            layer.repeat_x = layer.repeat_y = False
            self._textures[name] = layer

    def use(self, first_unit: int) -> dict[str, object]:
        """Bind the textures from ``first_unit`` on and return their uniforms."""
        uniforms: dict[str, object] = {"u_window": self.window}
        for i, (name, texture) in enumerate(self._textures.items()):
            texture.use(first_unit + i)
            uniforms[f"u_{name}"] = first_unit + i
        return uniforms
