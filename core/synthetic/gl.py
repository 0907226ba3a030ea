"""An OpenGL context without a window, and the few things the renderer needs from it: programs, targets, buffers.

EGL gives one on a GPU as well as on Mesa's software rasteriser (llvmpipe), with the same pictures up to rounding.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import moderngl
import numpy as np
import numpy.typing as npt

from ..errors import DeviceError
from .geometry import Floats, Ints, Mesh
from .shaders import source

MASK_COLUMNS = 16
"""Mask columns of a vertex; what a material does not have is zero."""

_LAYOUT = (("a_position", 3), ("a_normal", 3), ("a_rest", 3), ("a_uv", 2),
           ("a_mask0", 4), ("a_mask1", 4), ("a_mask2", 4), ("a_mask3", 4))  # fmt: skip
_FLOATS = sum(count for _, count in _LAYOUT)

REMEDY = "Install an EGL driver, which needs no GPU (Debian, Ubuntu: apt install libegl1 libgl1-mesa-dri)."


def open_context(threads: int) -> moderngl.Context:
    """Open an OpenGL 3.3 context without a display; ``threads`` cores for a software rasteriser.

    Raises DeviceError with what to install if the machine has no EGL driver.
    """
    if threads < 1:
        raise ValueError(f"threads must be at least 1, not {threads}")
    # Zero worker threads means that llvmpipe draws in the calling thread.
    with _environment("LP_NUM_THREADS", "0" if threads == 1 else str(threads)):
        try:
            context = moderngl.create_context(standalone=True, require=330, backend="egl")  # type: ignore[arg-type]
        except Exception as err:  # the loader raises bare Exception for a missing library
            raise DeviceError(f"No OpenGL for rendering faces: {err}", where="EGL", remedy=REMEDY) from err
    context.gc_mode = "auto"
    return context


@contextmanager
def _environment(name: str, value: str) -> Iterator[None]:
    """Set a variable that the driver reads while it opens, and put it back."""
    before = os.environ.get(name)
    os.environ[name] = value
    try:
        yield
    finally:
        if before is None:
            del os.environ[name]
        else:
            os.environ[name] = before


class Programs:
    """Compiled shader programs by name, made at first use."""

    def __init__(self, context: moderngl.Context) -> None:
        self._context = context
        self._made: dict[tuple[str, str], moderngl.Program] = {}

    def get(self, vertex: str, fragment: str) -> moderngl.Program:
        """The program of two shader files, linked once. Raises DeviceError if the driver refuses them."""
        key = (vertex, fragment)
        if key not in self._made:
            try:
                self._made[key] = self._context.program(
                    vertex_shader=source(vertex), fragment_shader=source(fragment)
                )
            except moderngl.Error as err:
                raise DeviceError(
                    f"The OpenGL driver refuses {vertex} with {fragment}: {err}",
                    where=self._context.info["GL_RENDERER"],
                    remedy="Update the driver, or " + REMEDY[0].lower() + REMEDY[1:],
                ) from err
        return self._made[key]


def set_uniforms(program: moderngl.Program, values: Mapping[str, object]) -> None:
    """Set those of ``values`` that the program uses. Arrays are matrices (row, column) or vectors; ints samplers."""
    for name, value in values.items():
        member: Any = program.get(name, None)
        if member is None:
            continue
        if isinstance(value, np.ndarray):
            data = value.T if value.ndim == 2 else value
            member.write(np.ascontiguousarray(data, np.float32).tobytes())
        else:
            member.value = value


class Target:
    """Float colour attachments and a depth buffer of one size. ``read`` gives rows in the order they were drawn."""

    def __init__(self, context: moderngl.Context, width: int, height: int, layers: int) -> None:
        self.size = (width, height)
        try:
            self._layers = [context.texture((width, height), 4, dtype="f4") for _ in range(layers)]
            self.framebuffer = context.framebuffer(self._layers, context.depth_renderbuffer((width, height)))
        except moderngl.Error as err:
            raise DeviceError(
                f"No memory for a picture of {width} x {height} samples: {err}",
                where=context.info["GL_RENDERER"],
                remedy="Render a smaller picture, or with fewer samples.",
            ) from err

    def write_to(self, colour: tuple[bool, bool, bool, bool], *, others: bool) -> None:
        """Choose what drawing changes: channels of the first attachment, and whether the others change at all."""
        rest = ((others,) * 4,) * (len(self._layers) - 1)
        mask: Any = (colour, *rest) if rest else colour
        self.framebuffer.color_mask = mask
        self.framebuffer.use()  # masks take effect when a framebuffer is bound

    def read(self, layer: int) -> Floats:
        """One attachment as (height, width, 4) float32."""
        width, height = self.size
        raw = self.framebuffer.read(components=4, attachment=layer, dtype="f4", alignment=1)
        return np.frombuffer(raw, np.float32).reshape(height, width, 4)

    def release(self) -> None:
        """Free the memory."""
        self.framebuffer.release()
        for layer in self._layers:
            layer.release()


class MeshBuffer:
    """A mesh on the device. Vertices are written each time, triangles only when they change."""

    def __init__(self, context: moderngl.Context) -> None:
        self._context = context
        self._vertices: moderngl.Buffer | None = None
        self._indices: moderngl.Buffer | None = None
        self._faces: Ints | None = None
        self._arrays: dict[int, moderngl.VertexArray] = {}

    def write(self, mesh: Mesh) -> None:
        """Take over a mesh's vertices and, if they are others than before, its triangles."""
        count = len(mesh.positions)
        table = np.zeros((count, _FLOATS), np.float32)
        table[:, 0:3], table[:, 3:6], table[:, 6:9], table[:, 9:11] = (
            mesh.positions,
            mesh.normals,
            mesh.rest,
            mesh.uv,
        )
        columns = min(mesh.masks.shape[1], MASK_COLUMNS)
        table[:, 11 : 11 + columns] = mesh.masks[:, :columns]
        same = self._faces is mesh.faces or (
            self._faces is not None and np.array_equal(self._faces, mesh.faces)
        )
        if not same or self._vertices is None or self._vertices.size != table.nbytes:
            self.release()
            self._vertices = self._context.buffer(table)
            self._indices = self._context.buffer(np.ascontiguousarray(mesh.faces, np.int32))
            self._faces = mesh.faces
        else:
            self._vertices.write(table)

    def draw(self, program: moderngl.Program) -> None:
        """Draw all triangles with ``program``."""
        if program.glo not in self._arrays:
            parts = [
                (f"{n}f" if program.get(name, None) is not None else f"{4 * n}x", name) for name, n in _LAYOUT
            ]
            used = [name for _, name in parts if program.get(name, None) is not None]
            content = [(self._vertices, " ".join(form for form, _ in parts), *used)]
            self._arrays[program.glo] = self._context.vertex_array(program, content, self._indices)
        self._arrays[program.glo].render()

    def release(self) -> None:
        """Free the device's memory."""
        for array in self._arrays.values():
            array.release()
        self._arrays.clear()
        for buffer in (self._vertices, self._indices):
            if buffer is not None:
                buffer.release()


class StrandBuffer:
    """Points of strands in a texture, expanded to ribbons by the vertex shader."""

    _ROW = 4096  # texels; every OpenGL 3.3 driver takes this width

    def __init__(self, context: moderngl.Context) -> None:
        self._context = context
        self._points: moderngl.Texture | None = None
        self._shades: moderngl.Texture | None = None
        self._indices: dict[tuple[int, int], moderngl.Buffer] = {}
        self._arrays: dict[tuple[int, int, int], moderngl.VertexArray] = {}
        self.shape = (0, 0)
        self.per_row = 1

    def write(self, points: Floats, width: Floats, shade: Floats) -> None:
        """Take over strands: (N, S, 3), (N, S), (N, 2)."""
        strands, segments = points.shape[:2]
        self.shape = (strands, segments)
        self.per_row = self._ROW // segments
        rows = -(-strands // self.per_row)
        table = np.zeros((rows * self.per_row, segments, 4), np.float32)
        table[:strands, :, :3], table[:strands, :, 3] = points, width
        padded = np.zeros((rows, self._ROW, 4), np.float32)
        padded[:, : self.per_row * segments] = table.reshape(rows, -1, 4)
        shades = np.zeros((rows * self.per_row, 2), np.float32)
        shades[:strands] = shade
        self._points = self._filled(self._points, (self._ROW, rows), 4, padded)
        self._shades = self._filled(self._shades, (self.per_row, rows), 2, shades)

    def _filled(
        self, texture: moderngl.Texture | None, size: tuple[int, int], components: int, data: Floats
    ) -> moderngl.Texture:
        if texture is None or texture.size != size:
            if texture is not None:
                texture.release()
            texture = self._context.texture(size, components, dtype="f4")
            texture.filter = (moderngl.NEAREST, moderngl.NEAREST)
        texture.write(np.ascontiguousarray(data))
        return texture

    def draw(self, program: moderngl.Program, *, every: int = 1) -> None:
        """Draw every ``every``-th strand as a ribbon of two triangles a segment."""
        strands, segments = self.shape
        shown = strands // every
        if self._points is None or self._shades is None or shown == 0:
            return
        self._points.use(0)
        self._shades.use(1)
        set_uniforms(
            program, {"u_points": 0, "u_shades": 1, "u_segments": segments, "u_per_row": self.per_row}
        )
        key = (program.glo, shown, segments)
        if key not in self._arrays:
            if len(self._arrays) > 64:
                self._forget()
            indices = self._indices.setdefault((shown, segments), self._triangles(shown, segments))
            self._arrays[key] = self._context.vertex_array(program, [], indices)
        self._arrays[key].render()

    def _triangles(self, strands: int, segments: int) -> moderngl.Buffer:
        """Indices of the ribbons: vertex 2 * point + side, six for each piece between two points."""
        first = 2 * (np.arange(strands)[:, None] * segments + np.arange(segments - 1))
        corners = first[..., None] + np.array([0, 1, 2, 2, 1, 3])
        return self._context.buffer(np.ascontiguousarray(corners, np.int32))

    def _forget(self) -> None:
        for array in self._arrays.values():
            array.release()
        for buffer in self._indices.values():
            buffer.release()
        self._arrays.clear()
        self._indices.clear()


def texture_from(
    context: moderngl.Context, texture: moderngl.Texture | None, image: npt.NDArray[Any]
) -> moderngl.Texture:
    """A byte texture (H, W, 4) with mipmaps, reusing ``texture`` when the size fits."""
    size = (image.shape[1], image.shape[0])
    if texture is None or texture.size != size:
        texture = context.texture(size, 4)
    texture.write(np.ascontiguousarray(image, np.uint8))
    texture.build_mipmaps()
    texture.filter = (moderngl.LINEAR_MIPMAP_LINEAR, moderngl.LINEAR)
    return texture
