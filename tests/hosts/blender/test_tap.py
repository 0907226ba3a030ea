"""The helper shows what flows into a node, and leaves no trace."""

from __future__ import annotations

from collections.abc import Iterator

import bpy
import numpy as np
import pytest
from lineament.core.errors import HostError
from lineament.hosts.blender import carrier, compat, properties
from lineament.hosts.blender.tap import Helper, is_helper
from plate_files import read_exr, write_exr


@pytest.fixture(autouse=True)
def only_the_properties(empty_file: None) -> Iterator[None]:
    """No handler of the add-on is there to bake or to hide something."""
    properties.register()
    yield
    properties.unregister()


@pytest.fixture
def node(scene, plate_node):
    """An Attribute Edit node behind a plate."""
    tree, plate = plate_node()
    node = carrier.add_node(tree)
    tree.links.new(plate.outputs["Image"], node.inputs["Image"])
    compat.add_output(tree, node.outputs["Image"])
    return node


def tapped(scene, frame: int, folder, index: int = 0):
    """The taps of one of the scene's edits."""
    with Helper(scene, frame) as helper:
        return helper.taps(carrier.edit_nodes(scene)[index], folder)


def data_blocks() -> dict[str, list[str]]:
    """The names of everything in the file, but for what Blender makes of any render."""
    blenders = {"Render Result", "Viewer Node"}
    return {
        name: sorted(block.name for block in getattr(bpy.data, name) if block.name not in blenders)
        for name in dir(bpy.data)
        if isinstance(getattr(bpy.data, name), bpy.types.bpy_prop_collection)
    }


def in_group(tree, plate, depth: int):
    """An edit in a group in a group, as deep as asked, a File Output beside it; returns the outermost node."""
    inside, outer = tree, None
    source, edit = plate.outputs["Image"], None
    for level in range(depth):
        inner = bpy.data.node_groups.new(f"Level {level}", "CompositorNodeTree")
        inner.interface.new_socket("Image", in_out="INPUT", socket_type="NodeSocketColor")
        inner.interface.new_socket("Image", in_out="OUTPUT", socket_type="NodeSocketColor")
        group = inside.nodes.new("CompositorNodeGroup")
        group.name, group.node_tree = f"Group {level}", inner
        inside.links.new(source, group.inputs["Image"])
        if outer is not None:
            inside.links.new(group.outputs["Image"], leave.inputs["Image"])  # noqa: F821
        outer = outer or group
        enter, leave = inner.nodes.new("NodeGroupInput"), inner.nodes.new("NodeGroupOutput")
        inside, source = inner, enter.outputs["Image"]
    edit = carrier.add_node(inside)
    inside.links.new(source, edit.inputs["Image"])
    inside.links.new(edit.outputs["Image"], leave.inputs["Image"])
    return outer, inside


def test_when_a_sequence_is_tapped_then_frame_n_is_the_plate_of_n(
    scene, node, tmp_path, pixels_of_plate
) -> None:
    for frame in (3, 1, 2):
        found = read_exr(tapped(scene, frame, tmp_path / "taps")[""].image).rgba
        assert found.tobytes() == pixels_of_plate(frame).tobytes()


def test_when_the_edit_is_in_a_group_in_a_group_then_it_is_found_and_tapped(
    scene, plate_node, tmp_path, pixels_of_plate
) -> None:
    tree, plate = plate_node()
    group, _ = in_group(tree, plate, 2)
    compat.add_output(tree, group.outputs["Image"])
    (edit,) = carrier.edit_nodes(scene)
    assert edit.path == ("Group 0", "Group 1", "Attribute Edit")
    assert edit.name == "Group 0 / Group 1 / Attribute Edit"
    found = read_exr(tapped(scene, 2, tmp_path / "taps")[""].image).rgba
    assert found.tobytes() == pixels_of_plate(2).tobytes()
    result = pixels_of_plate(9)
    write_exr(tmp_path / "result.0002.exr", result)
    carrier.show_result(scene, edit, tmp_path / "result.####.exr", [2])
    scene.render.filepath = str(tmp_path / "shot.####")
    bpy.ops.render.render(animation=True)
    shown = [read_exr(tmp_path / f"shot.{frame:04d}.exr").rgba for frame in (1, 2, 3)]
    wanted = [pixels_of_plate(1), result, pixels_of_plate(3)]
    assert [left.tobytes() == right.tobytes() for left, right in zip(shown, wanted, strict=True)] == [
        True
    ] * 3


def test_when_the_users_groups_write_files_then_the_helper_does_not(scene, plate_node, tmp_path) -> None:
    tree, plate = plate_node()
    group, inside = in_group(tree, plate, 1)
    compat.add_output(tree, group.outputs["Image"])
    for where, source in (
        (tree, plate.outputs["Image"]),
        (inside, inside.nodes["Group Input"].outputs["Image"]),
    ):
        writer = compat.add_tap(where, tmp_path / "users", where.name.replace(" ", ""))
        where.links.new(source, writer.inputs[0])
    tapped(scene, 1, tmp_path / "taps")
    assert not (tmp_path / "users").exists()
    scene.render.filepath = str(tmp_path / "shot.exr")
    bpy.ops.render.render(write_still=True)
    assert len(list((tmp_path / "users").iterdir())) == 2, "the user's own render still writes them"


def test_when_the_helper_is_used_often_then_the_file_does_not_grow(scene, node, tmp_path) -> None:
    group, _ = in_group(node.id_data, node.id_data.nodes["Plate"], 2)
    assert group.node_tree
    mask = node.id_data.nodes.new("CompositorNodeEllipseMask")
    node.id_data.links.new(mask.outputs[0], node.inputs["Mask"])
    nodes = carrier.edit_nodes(scene)
    tapped(scene, 1, tmp_path / "taps")
    before = data_blocks()
    for cycle in range(30):
        with Helper(scene, 1 + cycle % 3) as helper:
            for edit in nodes:
                helper.state(edit)
                helper.taps(edit, tmp_path / "taps")
    assert data_blocks() == before
    assert all(tree.users == 1 for tree in bpy.data.node_groups)
    assert not any(is_helper(data) for data in (*bpy.data.scenes, *bpy.data.node_groups))


def test_when_the_helper_waits_between_two_calls_then_the_file_holds_no_copy(scene, node, tmp_path) -> None:
    before = data_blocks()
    (edit,) = carrier.edit_nodes(scene)
    with Helper(scene, 1) as helper:
        helper.state(edit)
        assert data_blocks() == before
        helper.taps(edit, tmp_path / "taps")
        assert data_blocks() == before


@pytest.mark.parametrize("call", ["state", "taps"])
def test_when_a_call_fails_then_no_copy_is_left(scene, node, tmp_path, call, monkeypatch) -> None:
    def fail(*_: object) -> None:
        raise ZeroDivisionError

    before = data_blocks()
    (edit,) = carrier.edit_nodes(scene)
    monkeypatch.setattr("lineament.hosts.blender.tap.read_state", fail)
    with pytest.raises(ZeroDivisionError), Helper(scene, 1) as helper:
        getattr(helper, call)(edit, *([tmp_path / "taps"] if call == "taps" else []))
    assert data_blocks() == before


def test_when_the_folder_holds_an_older_tap_then_it_is_not_taken_for_this_one(scene, node, tmp_path) -> None:
    write_exr(tmp_path / "taps" / "plate0001.exr", np.zeros((1, 1, 4), np.float32))
    node.mute = True
    (edit,) = carrier.edit_nodes(scene)
    group_muted = tapped(scene, 1, tmp_path / "taps")[""]
    assert read_exr(group_muted.image).rgba.shape == (24, 32, 4), "a muted node is tapped as well"
    assert edit.tree == node.node_tree


def test_when_the_group_around_is_muted_then_the_tap_says_so(scene, plate_node, tmp_path) -> None:
    tree, plate = plate_node()
    group, _ = in_group(tree, plate, 1)
    group.mute = True
    with pytest.raises(HostError, match=r"wrote no plate0001.exr.*muted group"):
        tapped(scene, 1, tmp_path / "taps")


def test_when_the_helper_worked_then_the_users_tree_is_as_it_was(scene, node, tmp_path) -> None:
    tree = compat.scene_tree(scene)
    scene.frame_set(2)
    before = [(entry.name, entry.bl_idname) for entry in tree.nodes], len(tree.links), scene.frame_current
    tapped(scene, 3, tmp_path / "taps")
    assert (
        [(entry.name, entry.bl_idname) for entry in tree.nodes],
        len(tree.links),
        scene.frame_current,
    ) == before
    assert compat.scene_tree(scene) == tree


def test_when_nothing_is_linked_to_image_then_it_is_told(scene, node, tmp_path) -> None:
    tree = node.id_data
    tree.links.remove(node.inputs["Image"].links[0])
    with pytest.raises(HostError, match=r"Nothing is linked to Image.*Attribute Edit"):
        tapped(scene, 1, tmp_path / "taps")


def test_when_only_an_empty_reroute_is_linked_then_it_is_told(scene, node, tmp_path) -> None:
    tree = node.id_data
    tree.links.new(tree.nodes.new("NodeReroute").outputs[0], node.inputs["Image"])
    with pytest.raises(HostError, match="Nothing is linked to Image"):
        tapped(scene, 1, tmp_path / "taps")


def test_when_the_scene_composites_nothing_then_it_is_told() -> None:
    bare = bpy.data.scenes.new("Bare")
    before = data_blocks()
    with pytest.raises(HostError, match=r"no compositor tree.*Bare"), Helper(bare, 1):
        pass
    assert data_blocks() == before
    assert carrier.edit_nodes(bare) == ()


def test_when_the_folder_cannot_be_written_then_it_is_told(scene, node, tmp_path) -> None:
    (tmp_path / "taps").mkdir()
    (tmp_path / "taps" / "plate0001.exr").mkdir()
    with pytest.raises(HostError, match=r"could not render|wrote no"):
        tapped(scene, 1, tmp_path / "taps")


@pytest.mark.parametrize("mask_size", [(24, 32), (10, 50)])
def test_when_a_mask_is_linked_then_its_tap_lies_on_the_plate(scene, plate_node, tmp_path, mask_size) -> None:
    tree, plate = plate_node(size=(16, 20))
    move = tree.nodes.new("CompositorNodeTranslate")
    move.inputs["X"].default_value, move.inputs["Y"].default_value = 3.0, 0.0
    tree.links.new(plate.outputs["Image"], move.inputs["Image"])
    node = carrier.add_node(tree)
    tree.links.new(move.outputs["Image"], node.inputs["Image"])
    ramp = np.zeros((*mask_size, 4), np.float32)
    ramp[...] = np.arange(mask_size[1], dtype=np.float32)[:, None]
    image = bpy.data.images.load(str(write_exr(tmp_path / "ramp.exr", ramp)))
    image.colorspace_settings.name, image.alpha_mode = "Non-Color", "PREMUL"
    matte = tree.nodes.new("CompositorNodeImage")
    matte.image = image
    tree.links.new(matte.outputs["Alpha"], node.inputs["Mask"])
    taps = tapped(scene, 1, tmp_path / "taps")[""]
    found = read_exr(taps.mask).rgba[..., 0]
    first = (mask_size[1] - 20) // 2 + 3
    columns = np.arange(first, first + 20, dtype=np.float32)
    columns[columns >= mask_size[1]] = 0.0
    assert read_exr(taps.image).rgba.shape[:2] == found.shape == (16, 20)
    assert np.allclose(found[8], columns, rtol=1e-6)


def test_when_the_mask_is_one_computed_number_then_its_tap_is_that_number_everywhere(
    scene, node, tmp_path
) -> None:
    maths = node.id_data.nodes.new("ShaderNodeMath")
    maths.inputs[0].default_value, maths.inputs[1].default_value = 0.25, 0.5
    node.id_data.links.new(maths.outputs[0], node.inputs["Mask"])
    found = read_exr(tapped(scene, 1, tmp_path / "taps")[""].mask).rgba[..., 0]
    assert found.shape == (24, 32) and np.all(found == 0.75)


def test_when_layers_are_rendered_upstream_then_the_frame_of_the_helper_is_rendered(scene, tmp_path) -> None:
    scene.render.engine = "CYCLES"
    scene.cycles.samples = 1
    scene.camera = bpy.data.objects.new("Camera", bpy.data.cameras.new("Camera"))
    scene.collection.objects.link(scene.camera)
    world = scene.world = bpy.data.worlds.new("World")
    if not world.use_nodes:
        world.use_nodes = True
    background = next(entry for entry in world.node_tree.nodes if entry.bl_idname == "ShaderNodeBackground")
    for frame in (1, 3):
        background.inputs["Strength"].default_value = float(frame)
        background.inputs["Strength"].keyframe_insert("default_value", frame=frame)
    background.inputs["Color"].default_value = (1.0, 0.5, 0.25, 1.0)
    tree = compat.ensure_scene_tree(scene)
    tree.nodes.clear()
    layers = tree.nodes.new("CompositorNodeRLayers")
    node = carrier.add_node(tree)
    tree.links.new(layers.outputs["Image"], node.inputs["Image"])
    compat.add_output(tree, node.outputs["Image"])
    scene.frame_set(1)
    before = data_blocks()
    found = read_exr(tapped(scene, 3, tmp_path / "taps")[""].image).rgba
    assert np.allclose(found[12, 16, :3], (3.0, 1.5, 0.75), rtol=5e-3)
    assert layers.scene == scene
    assert data_blocks() == before


def test_when_layers_feed_only_the_rest_then_the_helper_does_not_render_them(scene, node, tmp_path) -> None:
    tree = node.id_data
    layers = tree.nodes.new("CompositorNodeRLayers")
    over = tree.nodes.new("CompositorNodeAlphaOver")
    pictures = [socket for socket in over.inputs if socket.type == "RGBA"]
    tree.links.new(node.outputs["Image"], pictures[0])
    tree.links.new(layers.outputs["Image"], pictures[1])
    compat.add_output(tree, over.outputs[0])
    assert scene.camera is None, "Blender refuses to render layers without one"
    assert tapped(scene, 1, tmp_path / "taps")[""].image.is_file()


def test_when_files_are_written_again_during_a_render_then_the_render_reads_them(
    scene, node, tmp_path
) -> None:
    (edit,) = carrier.edit_nodes(scene)
    size = (24, 32, 4)
    carrier.show_result(scene, edit, tmp_path / "cache" / "result.####.exr", [1, 2, 3])
    bake = [0]

    def write(current, _=None) -> None:
        if not is_helper(current):
            frame = current.frame_current
            pixels = np.full(size, 10 * bake[0] + frame, np.float32)
            write_exr(tmp_path / "cache" / f"result.{frame:04d}.exr", pixels)
            carrier.refresh(edit.tree)

    bpy.app.handlers.render_pre.append(write)
    try:
        for bake[0] in (1, 2):
            scene.render.filepath = str(tmp_path / f"shot{bake[0]}.####")
            bpy.ops.render.render(animation=True)
    finally:
        bpy.app.handlers.render_pre.remove(write)
    paths = [tmp_path / f"shot{turn}.{frame:04d}.exr" for turn in (1, 2) for frame in (1, 2, 3)]
    found = [float(read_exr(path).rgba[0, 0, 0]) for path in paths]
    assert found == [11.0, 12.0, 13.0, 21.0, 22.0, 23.0]
