"""Draws a face: ``FaceRenderer(asset).render(params, view)`` gives ACEScg colour, classes, landmarks, truth layers.

One OpenGL context a renderer, all state inside it; the same params and view give the same bytes on the same machine.
"""

from __future__ import annotations

from collections.abc import Sequence
from types import TracebackType
from typing import Any

import moderngl
import numpy as np

from ..faces.base import Alignment
from . import palette
from .assets import HeadAsset
from .camera import BEND, DEFAULT_DISTANCE, PIVOT, TRUNK, Pose, View, aligned_view, clip_matrix, project
from .eyes import PUPIL, camera_in_head
from .geometry import BEARD, BROWS, CLOTH, EYES, GLASSES, HAIR, Floats, Mesh, Rendered, Strands
from .gl import MeshBuffer, Programs, StrandBuffer, Target, open_context, set_uniforms
from .lights import Lights, lights_of
from .params import FaceParams
from .picture import compose, truth_layers, visible_window
from .resolve import GUARD, resolve
from .scene import Scene, SceneMaker
from .skin_fields import SkinFields

AOVS = ("depth", "normals", "uv", "coverage", "position")
"""Layers that ``render`` can add."""

VERSION = "2"
"""Changes whenever the same params give another picture; data sets record it."""

SHADOW_SIZE = 384

SHADOW_STRANDS = 1000
"""Strands that cast a shadow, widened to stand for all."""

LEVEL1_PX = 260.0
"""Faces (two decimetres) larger than this get the subdivided skin."""

_CLOSED = ("skin", "eye")
"""Materials whose backs are never seen."""

_MOUTH_MATERIALS = {"tooth": 0, "gum": 1, "tongue": 2}


class FaceRenderer:
    """Renders faces of one asset. Use as a context manager, or call ``close``; not for use by several threads.

    ``threads`` are the cores a software rasteriser may use; ``field_size`` is the height in texels of the baked skin
    fields (1024 suffices for faces up to 600 pixels). Raises DeviceError if the machine has no OpenGL.
    """

    def __init__(self, asset: HeadAsset, *, threads: int = 1, field_size: int = 1024) -> None:
        self._maker = SceneMaker(asset)
        self._asset = asset
        self._context = open_context(threads)
        self._programs = Programs(self._context)
        self._buffers: dict[str, MeshBuffer] = {}
        self._hair: dict[int, StrandBuffer] = {}
        self._targets: dict[tuple[int, int, int], Target] = {}
        shadow = self._context.depth_texture((SHADOW_SIZE, SHADOW_SIZE))
        shadow.compare_func = "<="
        shadow.filter = (moderngl.LINEAR, moderngl.LINEAR)
        shadow.repeat_x = shadow.repeat_y = False
        self._shadow = shadow
        self._shadow_target = self._context.framebuffer(depth_attachment=shadow)
        self._fields = SkinFields(
            self._context, self._programs, asset.morph(FaceParams()).surface, field_size
        )

    def __enter__(self) -> FaceRenderer:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Give the context and all its memory back."""
        self._context.release()

    @property
    def device(self) -> str:
        """What draws: the driver's own name, such as "llvmpipe (LLVM 15.0.6, 256 bits)"."""
        return str(self._context.info["GL_RENDERER"])

    def frame(
        self, params: FaceParams, size: int, alignment: Alignment, *, distance: float = DEFAULT_DISTANCE
    ) -> View:
        """The square view in which ``params`` are framed as a generator wants it (see ``camera.aligned_view``).

        For a family of faces, frame the base and render every member with its view.
        """
        return aligned_view(self._asset.morph(params).six, params, size, alignment, distance=distance)[0]

    def render(
        self,
        params: FaceParams,
        view: View,
        *,
        samples: int = 2,
        aovs: Sequence[str] = (),
        background: Floats | None = None,
        detail: float | None = None,
    ) -> Rendered:
        """Draw one face.

        ``samples`` squared samples a pixel; ``background`` (H, W, 3) scene-linear ACEScg, black by default;
        ``aovs`` of AOVS; ``detail`` 0..1 is the fineness of hair, chosen from the face's size by default.
        Raises ValueError for an unknown layer or a background of another size, DeviceError if memory runs out.
        """
        unknown = [name for name in aovs if name not in AOVS]
        if unknown or samples < 1:
            raise ValueError(f"samples {samples}, layers {unknown}; samples start at 1 and layers are {AOVS}")
        if background is not None and background.shape != (view.height, view.width, 3):
            raise ValueError(
                f"background {background.shape} does not fit {view.height} x {view.width} pixels"
            )
        pose = Pose.of(params, view)
        face_px = 2.0 * float(np.sqrt(abs(np.linalg.det(view.plane[:2, :2])))) / view.distance
        scene = self._maker.make(
            params,
            level=1 if face_px > LEVEL1_PX else 0,
            detail=_detail(face_px) if detail is None else detail,
            camera=camera_in_head(params, view.distance, view.offset),
        )
        window = visible_window(scene, pose, view)
        layers = 4 if set(aovs) - {"coverage"} else 1
        target = self._draw(scene, params, pose, view.cropped(*window), samples, layers)
        resolved = resolve(target.read(0), samples)
        extra = truth_layers(target, samples, aovs) if layers > 1 else {}
        landmarks = project(view, pose.world(scene.head.landmarks)).astype(np.float32)
        six = project(view, pose.world(scene.head.six))
        if "coverage" in aovs:
            extra["coverage"] = resolved.coverage
        colour, alpha, classes, placed = compose(view, window, resolved, extra, background)
        return Rendered(colour, alpha, classes, landmarks, six, placed)

    def _draw(
        self, scene: Scene, params: FaceParams, pose: Pose, view: View, samples: int, layers: int
    ) -> Target:
        """Shadow map, opaque parts, hair, lenses; ``view`` is the window. Returns the target with guard ring."""
        drawn = view.cropped(-GUARD, -GUARD, view.width + 2 * GUARD, view.height + 2 * GUARD)
        lights = lights_of(params, view.offset)
        common = {**_pose_uniforms(pose, view), **_light_uniforms(lights)}
        context = self._context
        context.enable_only(moderngl.DEPTH_TEST)
        context.front_face = "cw"  # the picture's first row is drawn first, which turns triangles over
        for slot, mesh in enumerate((*scene.meshes, *scene.lenses)):
            self._buffer(f"{mesh.material}{slot}").write(mesh)
        for number, strands in enumerate(scene.strands):
            self._strand_buffer(number).write(strands.points, strands.width, strands.shade)
        self._draw_shadow(scene, common, lights)

        target = self._target(drawn.width * samples, drawn.height * samples, layers)
        target.write_to((True, True, True, True), others=True)
        target.framebuffer.clear(0.0, 0.0, 0.0, 0.0)
        common["u_clip_from_world"] = clip_matrix(drawn)
        common["u_thinnest"] = _thinnest(drawn, samples)
        common["u_shadow"] = 4
        self._shadow.use(4)
        program = self._programs.get("hair.vert", "hair.frag")  # hair first: what it hides is not shaded
        for number, strands in enumerate(scene.strands):
            set_uniforms(program, {**common, **_strand_look(strands, params, scene.detail)})
            self._strand_buffer(number).draw(program)
        for slot, mesh in enumerate(scene.meshes):
            program = self._program(mesh)
            set_uniforms(program, {**common, **self._material(mesh, params, view, samples)})
            context.enable_only(moderngl.DEPTH_TEST | (moderngl.CULL_FACE if mesh.material in _CLOSED else 0))
            self._buffers[f"{mesh.material}{slot}"].draw(program)
        context.enable_only(moderngl.DEPTH_TEST)
        if scene.lenses:
            self._draw_lenses(scene, common, target)
        return target

    def _draw_shadow(self, scene: Scene, common: dict[str, object], lights: Lights) -> None:
        """What the key light sees of skin, cloth and hair. Glasses' lenses and eyes cast nothing."""
        self._shadow_target.use()
        self._shadow_target.clear(depth=1.0)
        uniforms = {**common, "u_clip_from_world": lights.shadow}
        program = self._programs.get("shadow.vert", "shadow.frag")
        set_uniforms(program, uniforms)
        for slot, mesh in enumerate(scene.meshes):
            if mesh.material in ("skin", "cloth", "frame"):
                self._buffers[f"{mesh.material}{slot}"].draw(program)
        program = self._programs.get("hair_shadow.vert", "shadow.frag")
        for number, strands in enumerate(scene.strands):
            if strands.class_id == HAIR:
                every = max(1, len(strands.points) // SHADOW_STRANDS)
                set_uniforms(program, {**uniforms, "u_step": every, "u_widen": 0.7 * every})
                self._strand_buffer(number).draw(program, every=every)

    def _draw_lenses(self, scene: Scene, common: dict[str, object], target: Target) -> None:
        """Blend lenses over the picture; dark ones then mark themselves in the class channel."""
        dark = any(mesh.material == "dark_lens" for mesh in scene.lenses)
        program = self._programs.get("mesh.vert", "lens.frag")
        set_uniforms(program, {**common, "u_class": float(GLASSES)})
        context = self._context
        colour, marker = (True, True, True, False), (False, False, False, True)
        target.framebuffer.depth_mask = False
        passes = [(colour, (moderngl.ONE, moderngl.ONE_MINUS_SRC_ALPHA), 0)]
        if dark:
            passes.append((marker, (moderngl.ONE, moderngl.ZERO), 1))
        for mask, blend, marking in passes:
            target.write_to(mask, others=False)
            context.enable(moderngl.BLEND)
            context.blend_func = blend
            set_uniforms(program, {"u_marking": marking})
            for slot, mesh in enumerate(scene.lenses, len(scene.meshes)):
                self._buffers[f"{mesh.material}{slot}"].draw(program)
        context.disable(moderngl.BLEND)
        target.framebuffer.depth_mask = True

    def _program(self, mesh: Mesh) -> moderngl.Program:
        name = {"skin": "skin.frag", "eye": "eye.frag", "tooth": "mouth.frag", "gum": "mouth.frag"}
        return self._programs.get(
            "mesh.vert", {**name, "tongue": "mouth.frag"}.get(mesh.material, "solid.frag")
        )

    def _material(self, mesh: Mesh, params: FaceParams, view: View, samples: int) -> dict[str, object]:
        """Uniforms of one material."""
        if mesh.material == "skin":
            texel = _thinnest(view, samples) * view.distance
            bump = float(np.clip(0.006 / texel - 0.25, 0.0, 1.0))
            return {**palette.skin_uniforms(params), **self._fields.use(5), "u_bump": bump}
        if mesh.material == "eye":
            return {**palette.eye_uniforms(params), "u_pupil": PUPIL}
        if mesh.material in _MOUTH_MATERIALS:
            old = float(np.clip((params.age - 30.0) / 55.0, 0.0, 1.0))
            return {"u_material": _MOUTH_MATERIALS[mesh.material], "u_old": old}
        if mesh.material == "cloth":
            return {"u_frame": 0, "u_class": float(CLOTH)}
        return {"u_frame": 1, "u_class": float(GLASSES)}

    def _buffer(self, slot: str) -> MeshBuffer:
        return self._buffers.setdefault(slot, MeshBuffer(self._context))

    def _strand_buffer(self, number: int) -> StrandBuffer:
        return self._hair.setdefault(number, StrandBuffer(self._context))

    def _target(self, width: int, height: int, layers: int) -> Target:
        """A target of this size; only the last few are kept."""
        key = (width, height, layers)
        if key not in self._targets:
            while len(self._targets) >= 3:
                self._targets.pop(next(iter(self._targets))).release()
            self._targets[key] = Target(self._context, width, height, layers)
        return self._targets[key]


def _detail(face_px: float) -> float:
    """Fineness of strands for a face of so many pixels (two decimetres)."""
    return float(np.clip(0.3 * (face_px / 70.0) ** 0.6, 0.25, 1.0))


def _thinnest(view: View, samples: int) -> float:
    """Width of 0.7 samples at a distance of one decimetre."""
    pixels = float(np.sqrt(abs(np.linalg.det(view.plane[:2, :2]))))
    return 0.7 / (pixels * samples)


def _pose_uniforms(pose: Pose, view: View) -> dict[str, object]:
    return {
        "u_head": pose.head,
        "u_trunk": pose.trunk,
        "u_head_pivot": PIVOT,
        "u_head_moved": (PIVOT - TRUNK) @ pose.trunk.T + TRUNK,
        "u_trunk_pivot": TRUNK,
        "u_offset": pose.offset,
        "u_bend": BEND,
        "u_camera_position": (0.0, 0.0, view.distance),
    }


def _light_uniforms(lights: Lights) -> dict[str, object]:
    return {
        "u_key_direction": lights.key_direction,
        "u_key_colour": lights.key_colour,
        "u_fill_direction": lights.fill_direction,
        "u_fill_colour": lights.fill_colour,
        "u_rim_direction": lights.rim_direction,
        "u_rim_colour": lights.rim_colour,
        "u_sky": lights.ambient[0],
        "u_horizon": lights.ambient[1],
        "u_ground": lights.ambient[2],
        "u_softness": lights.softness,
        "u_shadow_from_world": lights.shadow,
    }


def _strand_look(strands: Strands, params: FaceParams, detail: float) -> dict[str, object]:
    """Colours and gloss by class: lashes are dark, brows and beards dull."""
    colours: dict[str, Any] = dict(palette.strand_uniforms(params))
    root, gloss = {HAIR: (0.4, 1.0), BROWS: (0.8, 0.2), BEARD: (0.6, 0.4)}.get(strands.class_id, (1.0, 0.1))
    if strands.class_id == EYES:
        lash = np.minimum(0.4 * colours["u_hair_albedo"], np.float32(0.025))
        colours = {"u_hair_albedo": lash, "u_grey_albedo": lash}
    # Lashes shade the skin behind them, so thin ones fade into dark skin rather than into bright.
    under, shade = {BROWS: (0.6, 0.8), BEARD: (0.6, 0.9), EYES: (1.0, 0.4)}.get(strands.class_id, (0.0, 1.0))
    colours["u_under"] = (*(shade * float(c) for c in palette.skin_albedo(params)), under)
    # Few wide strands each stand for many hairs, some of them grey.
    colours["u_grey"] = (params.grey, 0.12 + 0.3 * detail)
    return {**colours, "u_class": float(strands.class_id), "u_root_shade": root, "u_gloss": gloss}
