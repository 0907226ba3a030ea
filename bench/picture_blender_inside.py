"""The half of picture_blender.py that runs in Blender: bakes and renders the sample shot, and describes the trees.

    BLENDER_PYTHON bench/picture_blender_inside.py FOLDER      (with LINEAMENT_PYTHON)

Writes into FOLDER the renders, a PNG each; ``told.json``, the node trees with the places and values that Blender
tells; and ``first_edit.blend``, the file of the first edit with keyed glasses, not baked.
"""

from __future__ import annotations

import importlib.util
import json
import os
import shutil
import sys
from pathlib import Path

import bpy

REPOSITORY = Path(__file__).resolve().parents[1]
PLATE = REPOSITORY / "plugin" / "demo_shot" / "plate" / "plate.1001.exr"
FIRST, LAST = 1001, 1004
STILLS = (
    ("plate", {}),
    ("smile", {"Smile": 2.4}),
    ("glasses", {"Glasses": 2.5}),
    ("lipstick", {"Lipstick": 2.5}),
)
KEYS = {FIRST: 0.0, LAST: 2.4}


def provide_lineament():
    """Make the layers of this checkout importable, as the headless renderer does it."""
    path = REPOSITORY / "hosts" / "blender" / "launch.py"
    spec = importlib.util.spec_from_file_location("launch", path)
    launch = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(launch)
    launch.provide_layers(REPOSITORY)


class Shot:
    """The sample shot in the compositor: plate, Attribute Edit, end."""

    def __init__(self, folder):
        from lineament.hosts.blender import carrier, compat

        self.folder = folder
        bpy.ops.wm.read_factory_settings(use_empty=True)
        self.scene = bpy.context.scene
        self._set_output()
        self.tree = compat.ensure_scene_tree(self.scene)
        self.tree.nodes.clear()
        self.plate = self._read_plate()
        self.edit = carrier.add_node(self.tree, ("age", "smile", "glasses", "lipstick"))
        self.end = compat.add_output(self.tree, self.edit.outputs["Image"])
        self.tree.links.new(self.plate.outputs["Image"], self.edit.inputs["Image"])
        for node, place in ((self.plate, (0, 0)), (self.edit, (340, 0)), (self.end, (640, 0))):
            node.location = place
        self.key("Glasses")
        bpy.ops.wm.save_as_mainfile(filepath=str(folder / "first_edit.blend"))

    def _set_output(self):
        render = self.scene.render
        render.resolution_x = render.resolution_y = 512
        render.resolution_percentage = 100
        self.scene.frame_start, self.scene.frame_end = FIRST, LAST
        self.scene.frame_set(FIRST)
        self.scene.view_settings.view_transform = "Standard"  # no look that would hide what the edit did
        render.image_settings.file_format = "PNG"
        render.image_settings.color_mode = "RGB"

    def _read_plate(self):
        image = bpy.data.images.load(str(PLATE))
        image.source = "SEQUENCE"
        image.colorspace_settings.name = "ACEScg"
        node = self.tree.nodes.new("CompositorNodeImage")
        node.image = image
        node.frame_start, node.frame_duration, node.frame_offset = FIRST, LAST - FIRST + 1, FIRST - 1
        return node

    def strengths(self, **told):
        """Set these strengths, all others to 0, and drop the keys."""
        self.tree.animation_data_clear()
        for socket in self.edit.inputs:
            if socket.name not in ("Image", "Mask", "Mix"):
                socket.default_value = told.get(socket.name, 0.0)

    def key(self, name):
        """Key a strength over the shot."""
        socket = self.edit.inputs[name]
        for frame, value in KEYS.items():
            socket.default_value = value
            socket.keyframe_insert("default_value", frame=frame)

    def add_mask(self):
        """Link a mask of the picture's left half."""
        mask = self.tree.nodes.new("CompositorNodeBoxMask")
        mask.inputs["Position"].default_value = (0.2433, 0.5)
        mask.inputs["Size"].default_value = (0.4866, 2.0)
        mask.location = (60, -130)
        self.tree.links.new(mask.outputs[0], self.edit.inputs["Mask"])

    def render(self, name, frame=FIRST):
        """Bake one frame and render it to ``name``.png; the strength of the glasses on it."""
        from lineament.hosts.blender.service import bake

        report = bake(self.scene, (frame,))
        if report.failed:
            raise SystemExit(f"{name}: {report.failed[frame]}")
        self.scene.frame_set(frame)
        self.scene.render.filepath = str(self.folder / f"{name}.png")
        bpy.ops.render.render(write_still=True, scene=self.scene.name)
        return self.edit.inputs["Glasses"].default_value


def described(tree):
    """Nodes and links of a tree as plain data."""
    nodes = [
        {
            "name": node.name,
            "title": node.label
            or (node.node_tree.name if getattr(node, "node_tree", None) else node.bl_label),
            "kind": node.bl_idname,
            "place": list(node.location),
            "width": node.width,
            "inputs": [socket_data(socket) for socket in node.inputs if socket.enabled and not socket.hide],
            "outputs": [socket_data(socket) for socket in node.outputs if socket.enabled and not socket.hide],
        }
        for node in tree.nodes
    ]
    links = [
        [link.from_node.name, link.from_socket.identifier, link.to_node.name, link.to_socket.identifier]
        for link in tree.links
    ]
    return {"nodes": nodes, "links": links}


def socket_data(socket):
    """A socket as plain data; ``value`` is None where a link or a picture decides."""
    value = getattr(socket, "default_value", None)
    is_shown = not socket.is_output and not socket.is_linked and isinstance(value, (int, float))
    return {
        "id": socket.identifier,
        "name": socket.name,
        "type": socket.type,
        "value": value if is_shown else None,
        "low": getattr(bounds(socket), "min_value", None),
        "high": getattr(bounds(socket), "max_value", None),
    }


def bounds(socket):
    """The interface item of a group's socket, which knows the slider's ends; None for other nodes."""
    tree = getattr(socket.node, "node_tree", None)
    items = tree.interface.items_tree if tree is not None else ()
    return next((item for item in items if getattr(item, "identifier", "") == socket.identifier), None)


def main(folder):
    """Make everything."""
    provide_lineament()
    from lineament.hosts.blender import registration

    folder.mkdir(parents=True, exist_ok=True)
    registration.register("lineament")
    shot = Shot(folder.resolve())
    keyed = {frame: shot.render(f"keyed.{frame}", frame) for frame in range(FIRST, LAST + 1)}
    for name, told in STILLS:
        shot.strengths(**told)
        shot.render(name)
    shot.strengths(Glasses=2.5)
    shot.add_mask()
    shot.render("masked")
    told = {"scene": described(shot.tree), "group": described(shot.edit.node_tree), "keyed": keyed}
    (folder / "told.json").write_text(json.dumps(told, indent=1), encoding="utf-8")
    registration.unregister()
    shutil.rmtree(folder / "lineament_cache")  # the saved file begins without results


if __name__ == "__main__":
    main(Path(sys.argv[1]))
    sys.stdout.flush()
    os._exit(0)  # Blender 4.5 may wait for ever at its own exit
