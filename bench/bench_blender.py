"""What a frame costs in Blender beyond the engine, at HD, and whether anything grows over many frames.

An engine that copies its plate and tells how long that took stands in for the real one: the difference to the wall
clock is the adapter's own share (tap, digest, talk, placing, showing). One table for all the Blenders that are there:
``.blender/4.5`` and ``.blender/5.0`` unless others are named. Wall time, nothing is asserted.

    .venv/bin/python bench/bench_blender.py [--blender PYTHON ...] [--frames 24] [--many 200] [--nodes 1]
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[1]
WIDTH, HEIGHT = 1920, 1080
PLATES = 4
"""Plates of the sequence, repeated without end: 200 HD plates of their own would fill a disk."""
ROWS = (
    ("bake", "bake a frame, beyond the engine", "s"),
    ("valid", "find a frame valid", "s"),
    ("live", "edit it in a running render, with the copying", "s"),
    ("render", "render it from the cache", "s"),
    ("plain", "render the plate alone", "s"),
    ("datablocks", "datablocks more after {many} frames", ""),
    ("rss_mib", "memory more after {many} frames", "MiB"),
)


class CopyEngine:
    """Writes the plate as the result, and measures itself."""

    def __init__(self) -> None:
        self.info = {"generator_id": "copy", "weights": "", "inverter": "", "version": "bench"}

    def probe(self, plate, number, recipe, pixel_aspect=0.0):
        """No choice to make."""
        return 1.0

    def render(self, request, cancelled, tell):
        """Copy the file as it is, and see it on the disk as the real engine does."""
        from lineament.plugin.messages import FrameResult

        begin = time.perf_counter()
        plate = Path(request.plate)
        with plate.open("rb") as source, Path(request.output).open("wb") as target:
            os.sendfile(target.fileno(), source.fileno(), 0, plate.stat().st_size)
            os.fsync(target.fileno())
        return FrameResult(request.output, request.number, time.perf_counter() - begin)


def build(folder: Path, nodes: int):
    """A scene with a repeating HD plate, and edits in a row."""
    import bpy
    import numpy as np
    from lineament.hosts.blender import carrier, compat

    sys.path.insert(0, str(REPOSITORY / "tests" / "hosts" / "blender"))
    from plate_files import write_exr

    rng = np.random.default_rng(0)
    for frame in range(1, PLATES + 1):
        pixels = rng.random((HEIGHT, WIDTH, 4), np.float32)
        path = write_exr(folder / "plate" / f"plate.{frame:04d}.exr", pixels)
    bpy.ops.wm.read_factory_settings(use_empty=True)
    scene = bpy.context.scene
    scene.render.resolution_x, scene.render.resolution_y = WIDTH, HEIGHT
    settings = scene.render.image_settings
    settings.file_format, settings.color_mode = "OPEN_EXR", "RGBA"
    settings.color_depth, settings.exr_codec = "32", "NONE"
    scene.render.filepath = str(folder / "out" / "o.####")
    tree = compat.ensure_scene_tree(scene)
    tree.nodes.clear()
    image = bpy.data.images.load(str(path.with_name("plate.0001.exr")))
    image.source, image.alpha_mode = "SEQUENCE", "PREMUL"
    image.colorspace_settings.name = "Non-Color"
    last = tree.nodes.new("CompositorNodeImage")
    last.image, last.frame_duration, last.use_cyclic, last.use_auto_refresh = image, PLATES, True, True
    for _ in range(nodes):
        node = carrier.add_node(tree, ("age",))
        node.node_tree.lineament.cache_folder = str(folder / "cache")
        next(socket for socket in node.inputs if socket.name == "Age").default_value = 1.0
        tree.links.new(last.outputs["Image"], node.inputs["Image"])
        last = node
    compat.add_output(tree, last.outputs["Image"])
    return scene


def render(scene, first: int, last: int) -> list[float]:
    """Seconds of each frame of one animation."""
    import bpy

    scene.frame_start, scene.frame_end = first, last
    times: list[float] = []

    def note(rendered, *_):
        if rendered == scene:  # the nodes' own renders of helper scenes are part of a frame
            times.append(time.perf_counter())

    bpy.app.handlers.render_init.insert(0, note)
    bpy.app.handlers.render_post.append(note)
    bpy.ops.render.render(animation=True)
    bpy.app.handlers.render_init.remove(note)
    bpy.app.handlers.render_post.remove(note)
    return [after - before for before, after in itertools.pairwise(times[1:])]


def baked(scene, frames: range) -> list[float]:
    """Seconds of each frame of a bake beyond the engine's own."""
    from lineament.hosts.blender.service import Baker

    baker, found = Baker(scene, ()), []
    for frame in frames:
        begin, engine_s = time.perf_counter(), baker.engine_s
        list(baker.frame_steps(frame))
        found.append(time.perf_counter() - begin - (baker.engine_s - engine_s))
    assert not baker.report.failed, baker.report.failed
    return found[1:]  # the first one starts the engine


def grown(scene, many: int) -> tuple[int, float]:
    """Datablocks and MiB that many frames leave behind."""
    import bpy
    from lineament.hosts.blender.carrier import edit_nodes
    from lineament.hosts.blender.places import location
    from lineament.hosts.blender.service import Baker

    def count() -> int:
        return sum(
            len(getattr(bpy.data, name)) for name in ("scenes", "node_groups", "images", "actions", "worlds")
        )

    baker, before, memory = Baker(scene, (), force=True), 0, 0.0
    for frame in range(1001, 1001 + many):
        list(baker.frame_steps(frame))
        for edit in edit_nodes(scene):
            location(scene, edit.tree).clear((frame - 2,))  # 33 MB each
        if frame == 1020:
            before, memory = count(), resident_mib()
    assert not baker.report.failed, baker.report.failed
    return count() - before, resident_mib() - memory


def resident_mib() -> float:
    """The memory this process has now."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmRSS"):
            return int(line.split()[1]) / 1024
    return 0.0


def inside(frames: int, many: int, nodes: int) -> dict[str, object]:
    """All figures of the Blender that this process is."""
    import bpy
    from lineament.hosts.blender import handlers, registration

    registration.register("lineament")
    with tempfile.TemporaryDirectory() as name:
        scene = build(Path(name), nodes)
        span = range(1, frames + 2)
        bake = baked(scene, span)
        valid = baked(scene, span)
        with handlers.paused():
            shown = render(scene, 1, frames)
            for node in scene_edits(scene):
                node.mute = True
            plain = render(scene, 1, frames)
            for node in scene_edits(scene):
                node.mute = False
        for node in scene_edits(scene):
            node.node_tree.lineament.cache_folder = str(Path(name) / "live")
        live = render(scene, 1, frames)
        median = statistics.median
        found = {"version": bpy.app.version_string, "bake": median(bake), "valid": median(valid)}
        found |= {"render": median(shown), "plain": median(plain), "live": median(live) - median(shown)}
        found["datablocks"], found["rss_mib"] = grown(scene, many) if many else (0, 0.0)
    registration.unregister()
    return found


def scene_edits(scene):
    """The scene's edit nodes."""
    from lineament.hosts.blender.compat import scene_tree
    from lineament.hosts.blender.links import is_edit_tree

    return [node for node in scene_tree(scene).nodes if is_edit_tree(getattr(node, "node_tree", None))]


def measure(python: str, told: argparse.Namespace, scratch: Path) -> dict[str, object]:
    """Run this file inside one Blender."""
    layout = scratch / "layout"
    if not layout.exists():
        (layout / "lineament").mkdir(parents=True)
        for layer in ("core", "plugin", "hosts", "gizmos"):
            (layout / "lineament" / layer).symlink_to(REPOSITORY / layer)
    engine = scratch / "engine"
    engine.write_text(f'#!/bin/sh\nexec "{sys.executable}" "{Path(__file__).resolve()}" --engine\n')
    engine.chmod(0o755)
    environment = os.environ | {"PYTHONPATH": str(layout), "LINEAMENT_PYTHON": str(engine)}
    command = [python, str(Path(__file__).resolve()), "--inside", str(scratch / "found.json")]
    command += [f"--{name}={getattr(told, name)}" for name in ("frames", "many", "nodes")]
    subprocess.run(command, env=environment, check=True, stdout=subprocess.DEVNULL, timeout=1800)
    return json.loads((scratch / "found.json").read_text())


def show(found: list[dict[str, object]], told: argparse.Namespace) -> None:
    """One table, a column a Blender."""
    print(f"{WIDTH} x {HEIGHT}, {told.nodes} node(s), median of {told.frames} frames")
    print(f"{'':50}" + "".join(f"{one['version']:>12}" for one in found))
    for name, label, unit in ROWS:
        values = (f"{one[name]:.3f}" if unit == "s" else f"{one[name]:.0f}" for one in found)
        print(
            f"{label.format(many=told.many):50}" + "".join(f"{value:>12}" for value in values) + f"  {unit}"
        )


def main() -> None:
    """Measure every Blender, or be the one that is measured, or its engine."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--blender", nargs="+", default=[])
    parser.add_argument("--frames", type=int, default=24)
    parser.add_argument("--many", type=int, default=200)
    parser.add_argument("--nodes", type=int, default=1)
    parser.add_argument("--inside", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--engine", action="store_true", help=argparse.SUPPRESS)
    told = parser.parse_args()
    if told.engine:
        from lineament.plugin import worker

        worker.main(lambda _: CopyEngine())
        return
    if told.inside:
        told.inside.write_text(json.dumps(inside(told.frames, told.many, told.nodes)))
        return
    own = [REPOSITORY / ".blender" / version / "bin" / "python" for version in ("4.5", "5.0")]
    pythons = told.blender or [str(python) for python in own if python.exists()]
    with tempfile.TemporaryDirectory() as scratch:
        show([measure(python, told, Path(scratch)) for python in pythons], told)


if __name__ == "__main__":
    main()
