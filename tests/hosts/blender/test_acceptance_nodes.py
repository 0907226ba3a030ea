"""Many nodes at once: chains, branches, groups, views, view layers, copies from other files, and undone steps."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import bpy
import numpy as np
import pytest
from lineament.hosts.blender import carrier, compat, handlers
from lineament.hosts.blender.places import location, node_folder
from lineament.hosts.blender.service import bake
from plate_files import read_exr, write_exr
from shot import add_edit, edited, end, image_node, key, render, same_bits, strength

pytestmark = pytest.mark.usefixtures("addon")
LUMINANCE = np.array((0.2126, 0.7152, 0.0722))
"""How Blender makes a number of a scene-linear Rec.709 colour."""


def group_around(tree: Any, name: str, inputs: tuple[str, ...]) -> tuple[Any, Any, Any, Any]:
    """A group node in ``tree`` with colour sockets; it, and its tree, its input and its output node."""
    inner = bpy.data.node_groups.new(name, "CompositorNodeTree")
    for socket in inputs:
        inner.interface.new_socket(socket, in_out="INPUT", socket_type="NodeSocketColor")
    inner.interface.new_socket("Image", in_out="OUTPUT", socket_type="NodeSocketColor")
    node = tree.nodes.new("CompositorNodeGroup")
    node.node_tree = inner
    return node, inner, inner.nodes.new("NodeGroupInput"), inner.nodes.new("NodeGroupOutput")


def nested_edit(tree: Any, cache: Path) -> tuple[Any, Any]:
    """An edit in a group in a group, with Image and Mask; the outer group node and the edit."""
    outer, outer_tree, outer_in, outer_out = group_around(tree, "Outer", ("Image", "Mask"))
    middle, inner_tree, inner_in, inner_out = group_around(outer_tree, "Inner", ("Image", "Mask"))
    for name in ("Image", "Mask"):
        outer_tree.links.new(outer_in.outputs[name], middle.inputs[name])
    outer_tree.links.new(middle.outputs[0], outer_out.inputs[0])
    edit = add_edit(inner_tree, inner_in.outputs["Image"], cache)
    inner_tree.links.new(inner_in.outputs["Mask"], edit.inputs["Mask"])
    inner_tree.links.new(edit.outputs["Image"], inner_out.inputs[0])
    return outer, edit


def test_when_edits_are_chained_nested_and_masked_by_each_other_then_each_frame_is_their_product(
    scene, plate_node, pixels_of_plate, tmp_path, fake_engine
) -> None:
    tree, plate = plate_node()
    cache = tmp_path / "cache"
    beside = add_edit(tree, plate, cache, age=-0.5)
    first = add_edit(tree, plate, cache, age=1.0)
    second = add_edit(tree, first, cache, age=0.5)
    outer, nested = nested_edit(tree, cache)
    key(strength(nested, "age"), {1: 1.0, 3: 3.0})
    tree.links.new(second.outputs["Image"], outer.inputs["Image"])
    tree.links.new(beside.outputs["Image"], outer.inputs["Mask"])
    last = add_edit(tree, outer.outputs[0], cache)
    strength(last, "age").driver_add("default_value").driver.expression = "0.25 * frame"
    end(tree, last)
    assert len(carrier.edit_nodes(scene)) == 5
    assert bake(scene, (3, 1)).failed == {}
    for frame, age in ((1, 1.0), (3, 3.0)):
        picture = render(scene, tmp_path / "out", (frame,))[frame]
        pixels = pixels_of_plate(frame)
        chain = edited(edited(pixels, 1.0), 0.5)
        mask = edited(pixels, -0.5)[..., :3] @ LUMINANCE
        wanted = edited(edited(chain, age, np.clip(mask, 0.0, 1.0)), 0.25 * frame)
        assert np.allclose(picture, wanted, rtol=2e-6, atol=0.0), frame
    calls = len(fake_engine())
    strength(second, "age").default_value = 0.75
    assert bake(scene, (1,)).done == [1]
    assert len(fake_engine()) == calls + 3, "what lies before the change is left alone"
    assert len({node_folder(edit.tree) for edit in carrier.edit_nodes(scene)}) == 5


def test_when_a_nested_edit_with_a_mask_has_two_views_then_neither_sees_the_other(
    scene, plate_node, pixels_of_plate, tmp_path, fake_engine
) -> None:
    tree, _ = plate_node()
    scene.render.use_multiview, scene.render.views_format = True, "STEREO_3D"
    eyes = {}
    for role in ("plate", "mask"):
        eyes[role] = tree.nodes.new("CompositorNodeSwitchView")
        for view, factor in (("left", 1.0), ("right", 0.25)):
            pixels = pixels_of_plate(1) * np.float32(factor)
            if role == "mask":
                pixels = np.full_like(pixels, factor)
            node = image_node(tree, write_exr(tmp_path / f"{role} {view}.exr", pixels))
            tree.links.new(node.outputs["Image"], eyes[role].inputs[view])
    outer, edit = nested_edit(tree, tmp_path / "cache")
    strength(edit, "age").default_value = 2.0
    tree.links.new(eyes["plate"].outputs["Image"], outer.inputs["Image"])
    tree.links.new(eyes["mask"].outputs["Image"], outer.inputs["Mask"])
    end(tree, outer)
    assert bake(scene, (1,)).done == [1]
    scene.render.image_settings.views_format = "INDIVIDUAL"
    scene.render.filepath = str(tmp_path / "out" / "o.####")
    scene.frame_start = scene.frame_end = 1
    bpy.ops.render.render(animation=True)
    for side, factor in (("_L", 1.0), ("_R", 0.25)):
        shown = read_exr(tmp_path / "out" / f"o.0001{side}.exr").rgba
        pixels = pixels_of_plate(1) * np.float32(factor)
        assert same_bits(shown, edited(pixels, 2.0, factor)), side


def lit_layers(scene: Any) -> None:
    """View layer "Sky" sees a world of 0.25, "Wall" a wall that shines with 1, 2, 3 on frames 1 to 3."""
    scene.render.engine, scene.cycles.samples = "CYCLES", 1
    camera = scene.camera = bpy.data.objects.new("Camera", bpy.data.cameras.new("Camera"))
    camera.location.z = 2.0
    scene.collection.objects.link(camera)
    world = scene.world = bpy.data.worlds.new("World")
    if not world.use_nodes:
        world.use_nodes = True
    sky = next(entry for entry in world.node_tree.nodes if entry.bl_idname == "ShaderNodeBackground")
    sky.inputs["Color"].default_value, sky.inputs["Strength"].default_value = (1.0, 1.0, 1.0, 1.0), 0.25
    mesh = bpy.data.meshes.new("Wall")
    mesh.from_pydata([(-9, -9, 0), (9, -9, 0), (9, 9, 0), (-9, 9, 0)], [], [(0, 1, 2, 3)])
    material = bpy.data.materials.new("Light")
    if not material.use_nodes:
        material.use_nodes = True
    nodes = material.node_tree.nodes
    nodes.clear()
    shine, surface = nodes.new("ShaderNodeEmission"), nodes.new("ShaderNodeOutputMaterial")
    material.node_tree.links.new(shine.outputs[0], surface.inputs["Surface"])
    shine.inputs["Color"].default_value = (1.0, 1.0, 1.0, 1.0)
    shine.inputs["Strength"].driver_add("default_value").driver.expression = "frame"
    mesh.materials.append(material)
    walls = bpy.data.collections.new("Walls")
    scene.collection.children.link(walls)
    walls.objects.link(bpy.data.objects.new("Wall", mesh))
    scene.view_layers[0].name = "Sky"
    scene.view_layers.new("Wall")
    scene.view_layers["Sky"].layer_collection.children["Walls"].exclude = True


def test_when_edits_stand_behind_two_view_layers_then_each_gets_its_own_layer_of_the_frame(
    scene, tmp_path, fake_engine
) -> None:
    lit_layers(scene)
    tree = compat.ensure_scene_tree(scene)
    tree.nodes.clear()
    edits = {}
    for name in ("Sky", "Wall"):
        layer = tree.nodes.new("CompositorNodeRLayers")
        layer.layer = name
        edits[name] = add_edit(tree, layer, tmp_path / "cache", age=1.0)
    over = tree.nodes.new("CompositorNodeAlphaOver")
    pictures = [socket for socket in over.inputs if socket.type == "RGBA"]
    for socket, name in zip(pictures, ("Sky", "Wall"), strict=True):
        tree.links.new(edits[name].outputs["Image"], socket)
    end(tree, over)
    assert bake(scene, (3,)).done == [3]
    for name, light in (("Sky", 0.25), ("Wall", 3.0)):
        made = read_exr(location(scene, edits[name].node_tree).result(3)).rgba
        assert np.allclose(made[12, 16, :3], 2.0 * light, rtol=5e-3), name
    shown = render(scene, tmp_path / "out", (3,))[3]
    assert np.allclose(shown[12, 16, :3], 6.0, rtol=5e-3), "the wall hides the sky"


def test_when_a_scene_of_edits_is_appended_twice_then_copies_and_source_go_their_own_ways(
    scene, plate_node, pixels_of_plate, tmp_path, fake_engine
) -> None:
    tree, plate = plate_node()
    cache = tmp_path / "cache"
    first = add_edit(tree, plate, cache, age=1.0)
    end(tree, add_edit(tree, first, cache, age=0.5))
    scene.name = "Shot"
    bpy.ops.wm.save_as_mainfile(filepath=str(tmp_path / "source.blend"))
    assert bake(scene, (1,)).done == [1]
    bpy.ops.wm.save_mainfile()
    bpy.ops.wm.save_as_mainfile(filepath=str(tmp_path / "other.blend"))
    source = {edit.tree.lineament.uid for edit in carrier.edit_nodes(scene)}
    for _ in range(2):
        with bpy.data.libraries.load(str(tmp_path / "source.blend")) as (_, wanted):
            wanted.scenes = ["Shot"]
    carrier.make_unique()
    scenes = [bpy.data.scenes[name] for name in ("Shot", "Shot.001", "Shot.002")]
    for index, one in enumerate(scenes):
        edits = carrier.edit_nodes(one)
        assert len(edits) == 2
        node = compat.scene_tree(one).nodes[edits[0].path[0]]
        strength(node, "age").default_value = 1.0 + index
    uids = [edit.tree.lineament.uid for one in scenes for edit in carrier.edit_nodes(one)]
    assert len(set(uids)) == 6 and source == set(uids[:2])
    for index, one in enumerate(scenes):
        assert bake(one, (1,)).failed == {}
        with handlers.paused():
            shown = render(one, tmp_path / f"out {index}", (1,))[1]
        assert same_bits(shown, edited(edited(pixels_of_plate(1), 1.0 + index), 0.5)), index
    with handlers.paused():
        again = render(scenes[0], tmp_path / "again", (1,))[1]
    assert same_bits(again, edited(edited(pixels_of_plate(1), 1.0), 0.5)), "the first kept its results"


def test_when_a_baked_node_is_deleted_undone_and_redone_then_the_picture_follows(
    scene, plate_node, pixels_of_plate, tmp_path, fake_engine
) -> None:
    tree, plate = plate_node()
    node = add_edit(tree, plate, tmp_path / "cache", age=1.0)
    last = compat.add_output(tree, node.outputs["Image"])
    assert bake(scene, (1,)).done == [1]
    bpy.context.preferences.edit.use_global_undo = True
    bpy.ops.ed.undo_push(message="baked")
    tree.nodes.remove(node)
    tree.links.new(plate.outputs["Image"], last.inputs[0])
    bpy.ops.ed.undo_push(message="deleted")

    def shown(name: str) -> np.ndarray:
        with handlers.paused():
            return render(bpy.context.scene, tmp_path / name, (1,))[1]

    assert same_bits(shown("deleted"), pixels_of_plate(1))
    bpy.ops.ed.undo()
    assert same_bits(shown("undone"), edited(pixels_of_plate(1), 1.0))
    (edit,) = carrier.edit_nodes(bpy.context.scene)
    assert bake(bpy.context.scene, (1,)).skipped == [1] and edit.tree.lineament.uid
    bpy.ops.ed.redo()
    assert same_bits(shown("redone"), pixels_of_plate(1)) and carrier.edit_nodes(bpy.context.scene) == ()


@pytest.mark.parametrize("what", ["switch removed", "links cut", "image removed", "blurred inside"])
def test_when_somebody_rebuilt_the_inside_of_a_node_then_a_bake_sets_it_right_or_says_what_is_wrong(
    what, scene, plate_node, pixels_of_plate, tmp_path, fake_engine
) -> None:
    tree, plate = plate_node()
    node = add_edit(tree, plate, tmp_path / "cache", age=1.0)
    end(tree, node)
    inside = node.node_tree
    if what == "switch removed":
        inside.nodes.remove(
            next(entry for entry in inside.nodes if entry.bl_idname == "CompositorNodeSwitch")
        )
    elif what == "links cut":
        inside.links.clear()
    elif what == "image removed":
        inside.nodes.remove(next(entry for entry in inside.nodes if entry.bl_idname == "CompositorNodeImage"))
    else:
        blur = inside.nodes.new("CompositorNodeBlur")
        last = next(entry for entry in inside.nodes if entry.bl_idname == "NodeGroupOutput")
        inside.links.new(last.inputs[0].links[0].from_socket, blur.inputs["Image"])
        inside.links.new(blur.outputs["Image"], last.inputs[0])
    report = bake(scene, (1,))
    assert report.done == [1], report.failed
    with handlers.paused():
        assert same_bits(render(scene, tmp_path / "out", (1,))[1], edited(pixels_of_plate(1), 1.0))


def test_when_blender_cannot_render_what_flows_in_then_its_own_words_are_told(
    scene, tmp_path, fake_engine
) -> None:
    scene.render.engine = "CYCLES"
    tree = compat.ensure_scene_tree(scene)
    tree.nodes.clear()
    layers = tree.nodes.new("CompositorNodeRLayers")
    end(tree, add_edit(tree, layers, tmp_path / "cache", age=1.0))
    report = bake(scene, (1,))
    assert report.exit_code == 1 and "camera" in report.failed[1].what.lower(), str(report.failed)
    assert "Render the scene once" in report.failed[1].remedy and fake_engine() == []
