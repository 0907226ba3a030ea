"""The carrier: a tagged group with one tree, one id and one result for each node."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import bpy
import numpy as np
import pytest
from lineament.core.errors import HostError, RecipeError
from lineament.hosts.blender import carrier, compat, properties
from lineament.hosts.blender.migration import migrate
from lineament.hosts.blender.tap import HELPER_TAG, Helper
from lineament.plugin.node_spec import ATTRIBUTE_EDIT
from plate_files import read_exr, write_exr


@pytest.fixture(autouse=True)
def only_the_properties(empty_file: None) -> Iterator[None]:
    """No handler of the add-on is there to bake or to hide something."""
    properties.register()
    yield
    properties.unregister()


@pytest.fixture
def tree(scene):
    """The scene's compositor tree, empty."""
    tree = compat.ensure_scene_tree(scene)
    tree.nodes.clear()
    return tree


def names(node) -> list[str]:
    """The names of a node's input sockets."""
    return [socket.name for socket in node.inputs]


def shown_on(tree, frames: range) -> list[int]:
    """The frames on which the group's switch is on, by its F-curve."""
    (curve,) = compat.channelbag(tree).fcurves
    return [frame for frame in frames if curve.evaluate(frame) == 1.0]


def test_when_a_node_is_added_then_its_sockets_are_those_of_the_declaration(tree) -> None:
    node = carrier.add_node(tree)
    assert names(node) == ["Image", "Mask", "Mix", "Age", "Smile", "Glasses"]
    assert [socket.name for socket in node.outputs] == ["Image"]
    assert [node.inputs[name].default_value for name in names(node)[1:]] == [1.0, 1.0, 0.0, 0.0, 0.0]
    items = {item.name: item for item in node.node_tree.interface.items_tree if item.in_out == "INPUT"}
    assert (items["Age"].min_value, items["Age"].max_value) == (-3.0, 3.0)
    assert all(len(item.description.split()) > 3 for item in items.values())
    assert node.node_tree.lineament.spec_version == ATTRIBUTE_EDIT.version
    assert len(node.node_tree.lineament.uid) == 32


def test_when_the_properties_are_generated_then_each_declared_parameter_has_one(tree) -> None:
    values = carrier.add_node(tree).node_tree.lineament
    for parameter in properties.parameters():
        made = values.bl_rna.properties[parameter.id]
        assert (made.name, f"{made.description}.") == (parameter.label, parameter.tooltip)
        assert getattr(values, parameter.id) == parameter.default
        assert not made.is_animatable
    left_out = {entry.id for entry in ATTRIBUTE_EDIT.parameters if entry not in properties.parameters()}
    sockets = {"mix", "mask", *(entry.id for entry in ATTRIBUTE_EDIT.for_target("strength"))}
    assert left_out - {"invert_mask"} == sockets


def test_when_every_attribute_is_added_then_each_has_its_own_socket(tree) -> None:
    node = carrier.add_node(tree, [])
    declared = ATTRIBUTE_EDIT.for_target("strength")
    for parameter in (*declared, declared[0]):
        carrier.add_attribute(node.node_tree, parameter.id)
    assert names(node)[3:] == [parameter.label for parameter in declared]
    identifiers = [entry.identifier for entry in node.node_tree.lineament.attributes]
    assert identifiers == [socket.identifier for socket in node.inputs][3:]


def test_when_a_model_brings_an_attribute_then_it_gets_a_socket_with_its_limits(tree) -> None:
    node = carrier.add_node(tree, [])
    carrier.add_attribute(node.node_tree, "curly_hair", limits=(-1.5, 2.0))
    carrier.add_attribute(node.node_tree, "blend", label="Mix")
    assert names(node)[3:] == ["Curly Hair", "Mix"]
    item = node.node_tree.interface.items_tree["Curly Hair"]
    assert (item.min_value, item.max_value) == (-1.5, 2.0)
    assert carrier.input_of(node, "mix").default_value == 1.0, "the node's own Mix is another socket"


@pytest.mark.parametrize(
    "name", ["", " ", "\t", "a\nb", " age", "Image", "mask", "MIX", "a" * 64, "ä" * 32, "顔" * 22]
)
def test_when_a_name_cannot_be_an_attribute_then_it_is_refused_and_nothing_is_added(tree, name) -> None:
    node = carrier.add_node(tree)
    before = names(node)
    with pytest.raises(RecipeError) as caught:
        carrier.add_attribute(node.node_tree, name)
    assert caught.value.remedy and names(node) == before


@pytest.mark.parametrize("name", ["a" * 63, "ä" * 31, "顔" * 21])
def test_when_a_name_is_as_long_as_blender_keeps_then_it_is_kept_whole(tree, name) -> None:
    node = carrier.add_node(tree)
    carrier.add_attribute(node.node_tree, name)
    assert node.node_tree.lineament.attributes[-1].name == name


def test_when_an_attribute_is_removed_then_the_others_keep_their_values(tree) -> None:
    node = carrier.add_node(tree)
    node.inputs["Glasses"].default_value = 2.0
    carrier.remove_attribute(node.node_tree, "smile")
    carrier.remove_attribute(node.node_tree, "smile")
    assert names(node)[3:] == ["Age", "Glasses"]
    assert node.inputs["Glasses"].default_value == 2.0
    assert [entry.name for entry in node.node_tree.lineament.attributes] == ["age", "glasses"]


def test_when_nodes_depend_on_each_other_then_they_are_listed_upstream_first(scene, tree) -> None:
    nodes = [carrier.add_node(tree) for _ in range(3)]
    for node, name in zip(nodes, ("C last", "A middle", "B first"), strict=True):
        node.name = name
    tree.links.new(nodes[2].outputs["Image"], nodes[1].inputs["Image"])
    tree.links.new(nodes[1].outputs["Image"], nodes[0].inputs["Image"])
    assert [edit.name for edit in carrier.edit_nodes(scene)] == ["B first", "A middle", "C last"]


def in_a_group(tree, name: str):
    """A group node of the tree with a new group that holds an edit between its input and output."""
    inner = bpy.data.node_groups.new(name, "CompositorNodeTree")
    inner.interface.new_socket("Image", in_out="INPUT", socket_type="NodeSocketColor")
    inner.interface.new_socket("Image", in_out="OUTPUT", socket_type="NodeSocketColor")
    edit = carrier.add_node(inner)
    inner.links.new(inner.nodes.new("NodeGroupInput").outputs["Image"], edit.inputs["Image"])
    inner.links.new(edit.outputs["Image"], inner.nodes.new("NodeGroupOutput").inputs["Image"])
    group = tree.nodes.new("CompositorNodeGroup")
    group.name, group.node_tree = name, inner
    return group


def test_when_an_edit_hides_in_a_group_then_order_holds_across_its_border(scene, tree) -> None:
    after = carrier.add_node(tree)
    after.name = "After"
    group = in_a_group(tree, "Look")
    before = carrier.add_node(tree)
    before.name = "Zebra before"
    tree.links.new(before.outputs["Image"], group.inputs["Image"])
    tree.links.new(group.outputs["Image"], after.inputs["Image"])
    found = [edit.name for edit in carrier.edit_nodes(scene)]
    assert found == ["Zebra before", "Look / Attribute Edit", "After"]


def test_when_a_group_with_an_edit_is_used_twice_then_the_error_names_both(scene, tree) -> None:
    group = in_a_group(tree, "Look")
    again = tree.nodes.new("CompositorNodeGroup")
    again.name, again.node_tree = "Look again", group.node_tree
    with pytest.raises(HostError, match="used 2 times") as caught:
        carrier.edit_nodes(scene)
    assert caught.value.where == "Look / Attribute Edit, Look again / Attribute Edit"
    assert "single-user" in caught.value.remedy
    assert len(carrier.all_edit_nodes(scene)) == 2


@pytest.mark.parametrize(
    ("frames", "expected"), [([5], [5]), ([1, 2, 3, 7], [1, 2, 3, 7]), ([], []), ([0, 2, 4, 5], [0, 2, 4, 5])]
)
def test_when_results_are_shown_then_the_switch_is_on_for_exactly_these_frames(
    scene, tree, frames, expected
) -> None:
    carrier.add_node(tree)
    (edit,) = carrier.edit_nodes(scene)
    carrier.show_result(scene, edit, Path("/nowhere/result.####.exr"), [9, 10])
    carrier.show_result(scene, edit, Path("/nowhere/result.####.exr"), frames)
    assert ([] if not frames else shown_on(edit.tree, range(-2, 13))) == expected
    assert len(compat.channelbag(edit.tree).fcurves) == bool(frames)


def test_when_a_frame_is_shown_then_its_parts_are_and_the_next_frame_is_not(scene, tree) -> None:
    carrier.add_node(tree)
    (edit,) = carrier.edit_nodes(scene)
    carrier.show_result(scene, edit, Path("/nowhere/result.####.exr"), [4])
    (curve,) = compat.channelbag(edit.tree).fcurves
    assert [curve.evaluate(time) for time in (3.99, 4.0, 4.5, 4.99, 5.0)] == [0.0, 1.0, 1.0, 1.0, 0.0]


@pytest.mark.parametrize("stretch", [(100, 100), (100, 50), (100, 33), (50, 100)])
def test_when_the_time_is_stretched_then_the_results_still_lie_on_their_frames(
    scene, plate_node, tmp_path, stretch, pixels_of_plate
) -> None:
    tree, plate = plate_node(range(0, 5))
    node = carrier.add_node(tree)
    tree.links.new(plate.outputs["Image"], node.inputs["Image"])
    compat.add_output(tree, node.outputs["Image"])
    scene.render.frame_map_old, scene.render.frame_map_new = stretch
    (edit,) = carrier.edit_nodes(scene)
    for frame in (0, 2, 3):
        write_exr(
            tmp_path / "cache" / f"result.{frame:04d}.exr", np.full((24, 32, 4), frame + 50, np.float32)
        )
    carrier.show_result(scene, edit, tmp_path / "cache" / "result.####.exr", [0, 2, 3])
    scene.frame_start, scene.frame_end = 0, 4
    scene.render.filepath = str(tmp_path / "shot.####")
    bpy.ops.render.render(animation=True)
    found = [read_exr(tmp_path / f"shot.{frame:04d}.exr").rgba for frame in range(5)]
    assert [float(found[frame][0, 0, 0]) for frame in (0, 2, 3)] == [50.0, 52.0, 53.0]
    assert all(found[frame].tobytes() == pixels_of_plate(frame).tobytes() for frame in (1, 4))


def test_when_results_are_hidden_then_the_plate_shows(scene, tree) -> None:
    carrier.add_node(tree)
    (edit,) = carrier.edit_nodes(scene)
    carrier.show_result(scene, edit, Path("/nowhere/result.####.exr"), [1])
    carrier.hide_result(edit.tree)
    assert len(compat.channelbag(edit.tree).fcurves) == 0
    assert edit.tree.nodes["Result"].image is None


def test_when_a_node_is_duplicated_then_the_copy_gets_its_own_settings_and_no_results(scene, tree) -> None:
    node = carrier.add_node(tree)
    (edit,) = carrier.edit_nodes(scene)
    node.node_tree.lineament.seed = 5
    carrier.show_result(scene, edit, Path("/nowhere/result.####.exr"), [1, 2])
    twin = tree.nodes.new("CompositorNodeGroup")
    twin.node_tree = node.node_tree
    with pytest.raises(HostError, match="used 2 times"):
        carrier.edit_nodes(scene)
    assert carrier.make_unique() == [twin.name]
    assert carrier.make_unique() == []
    first, second = node.node_tree, twin.node_tree
    assert first != second and first.lineament.uid != second.lineament.uid
    assert second.lineament.seed == 5
    assert [entry.name for entry in second.lineament.attributes] == ["age", "smile", "glasses"]
    assert shown_on(first, range(5)) == [1, 2]
    assert len(compat.channelbag(second).fcurves) == 0 and second.nodes["Result"].image is None
    assert first.animation_data.action != second.animation_data.action
    assert (first.users, second.users) == (1, 1)


def test_when_a_tree_was_copied_elsewhere_then_its_id_is_not_used_twice(tree) -> None:
    """Paste and Make Single User copy the tree with its id."""
    node = carrier.add_node(tree)
    twin = tree.nodes.new("CompositorNodeGroup")
    twin.node_tree = node.node_tree.copy()
    assert carrier.make_unique() == [twin.name]
    assert node.node_tree.lineament.uid != twin.node_tree.lineament.uid


def test_when_a_scene_is_copied_then_its_node_gets_its_own_tree(scene, tree) -> None:
    carrier.add_node(tree)
    other = scene.copy()
    compat.use_tree_copy(other)
    assert len(carrier.make_unique()) == 1
    (first,), (second,) = carrier.edit_nodes(scene), carrier.edit_nodes(other)
    assert first.tree != second.tree and first.tree.lineament.uid != second.tree.lineament.uid


def test_when_a_helper_is_at_work_then_its_copies_are_left_alone(scene, tree) -> None:
    node = carrier.add_node(tree)
    helper = scene.copy()
    helper[HELPER_TAG] = compat.use_tree_copy(helper)[HELPER_TAG] = True
    assert node.node_tree.users == 2
    assert carrier.make_unique() == []
    assert node.node_tree.users == 2


def saved_elsewhere(scene, path: Path) -> str:
    """Save a file whose group "Look" holds a baked edit with Age 2; returns the edit's id."""
    tree = compat.ensure_scene_tree(scene)
    tree.nodes.clear()
    group = in_a_group(tree, "Look")
    (edit,) = carrier.edit_nodes(scene)
    group.node_tree.nodes["Attribute Edit"].inputs["Age"].default_value = 2.0
    carrier.show_result(scene, edit, path.parent / "result.####.exr", [1])
    uid = edit.tree.lineament.uid
    group.node_tree.use_fake_user = True
    bpy.ops.wm.save_as_mainfile(filepath=str(path))
    return uid


def brought(path: Path, is_linked: bool):
    """The group "Look" of that file, used in a new scene's tree; returns scene and group node."""
    bpy.ops.wm.read_factory_settings(use_empty=True)
    with bpy.data.libraries.load(str(path), link=is_linked) as (_, wanted):
        wanted.node_groups = ["Look"]
    scene = bpy.context.scene
    group = compat.ensure_scene_tree(scene).nodes.new("CompositorNodeGroup")
    group.name, group.node_tree = "Look", wanted.node_groups[0]
    return scene, group


def test_when_a_node_is_appended_then_it_keeps_its_values_and_its_results(scene, tmp_path) -> None:
    uid = saved_elsewhere(scene, tmp_path / "other.blend")
    other, _ = brought(tmp_path / "other.blend", is_linked=False)
    (edit,) = carrier.edit_nodes(other)
    assert edit.tree.lineament.uid == uid and shown_on(edit.tree, range(4)) == [1]
    assert Path(bpy.path.abspath(edit.tree.nodes["Result"].image.filepath)) == tmp_path / "result.0001.exr"
    again = compat.scene_tree(other).nodes.new("CompositorNodeGroup")
    with bpy.data.libraries.load(str(tmp_path / "other.blend")) as (_, wanted):
        wanted.node_groups = ["Look"]
    again.node_tree = wanted.node_groups[0]
    carrier.make_unique()
    ids = {found.tree.lineament.uid for found in carrier.edit_nodes(other)}
    assert len(ids) == 2 and uid in ids, "appended twice, they are two nodes"


def test_when_a_node_is_linked_then_it_shows_its_results_and_refuses_new_ones(scene, tmp_path) -> None:
    uid = saved_elsewhere(scene, tmp_path / "other.blend")
    other, _ = brought(tmp_path / "other.blend", is_linked=True)
    assert carrier.make_unique() == []
    (edit,) = carrier.edit_nodes(other)
    assert edit.tree.lineament.uid == uid and shown_on(edit.tree, range(4)) == [1]
    with Helper(other, 1) as helper:
        assert helper.state(edit).recipe.strengths_at(1) == {"age": 2.0}
    with pytest.raises(HostError, match=r"another Blender file.*Make Local"):
        carrier.show_result(other, edit, tmp_path / "new.####.exr", [1])


def test_when_a_step_is_undone_then_the_node_is_as_it_was(scene, tree) -> None:
    bpy.context.preferences.edit.use_global_undo = True
    node = carrier.add_node(tree)
    uid = node.node_tree.lineament.uid
    bpy.ops.ed.undo_push(message="Added")
    carrier.remove_attribute(node.node_tree, "age")
    node.node_tree.lineament.seed = 9
    bpy.ops.ed.undo_push(message="Changed")
    bpy.ops.ed.undo()
    (edit,) = carrier.edit_nodes(bpy.context.scene)
    assert (edit.tree.lineament.uid, edit.tree.lineament.seed) == (uid, 0)
    assert [entry.name for entry in edit.tree.lineament.attributes] == ["age", "smile", "glasses"]
    assert names(compat.scene_tree(bpy.context.scene).nodes[edit.path[0]])[3:] == ["Age", "Smile", "Glasses"]


def older(tree) -> None:
    """Make a tree what version 0.0 could have written: no Mask, other names, a group without placing."""
    item = next(item for item in tree.interface.items_tree if item.name == "Mask")
    tree.interface.remove(item)
    tree.nodes.remove(tree.nodes["Place"])
    tree.lineament.attributes[0].name = "years"
    tree.interface.items_tree["Age"].name = "Years"
    stored = compat.stored_properties(tree)["lineament"]
    stored["generator"], stored["colorspace"], stored["spec_version"] = "old_model", "ACEScg", "0.0"
    for name in ("model", "colourspace"):
        if name in stored:
            del stored[name]


AGED = replace(
    ATTRIBUTE_EDIT,
    parameters=tuple(
        replace(entry, alias="years") if entry.id == "age" else entry for entry in ATTRIBUTE_EDIT.parameters
    ),
)
"""The declaration as it would be if Age had once been called years."""


def test_when_the_node_is_of_an_older_version_then_it_is_brought_up_to_date(scene, tree, tmp_path) -> None:
    node = carrier.add_node(tree)
    node.inputs["Age"].default_value = 1.5
    value = tree.nodes.new("ShaderNodeValue")
    tree.links.new(value.outputs[0], node.inputs["Smile"])
    older(node.node_tree)
    bpy.ops.wm.save_as_mainfile(filepath=str(tmp_path / "older.blend"))
    bpy.ops.wm.open_mainfile(filepath=str(tmp_path / "older.blend"))
    (edit,) = carrier.edit_nodes(bpy.context.scene)
    assert migrate(edit.tree, AGED) and not migrate(edit.tree, AGED)
    node = compat.scene_tree(bpy.context.scene).nodes[edit.path[0]]
    values = edit.tree.lineament
    assert sorted(names(node)) == sorted(["Image", "Mask", "Mix", "Age", "Smile", "Glasses"])
    assert carrier.input_of(node, "mask").default_value == 1.0
    assert node.inputs["Age"].default_value == 1.5 and node.inputs["Smile"].is_linked
    assert (values.model, values.colourspace, values.spec_version) == (
        "old_model",
        "ACEScg",
        ATTRIBUTE_EDIT.version,
    )
    assert values.attributes[0].name == "age"
    assert "Place" in edit.tree.nodes


@pytest.mark.parametrize("version", ["0.2", "1.0", "0.1.1"])
def test_when_the_node_is_of_a_newer_version_then_it_is_left_alone_and_shows_its_results(
    scene, plate_node, tmp_path, version
) -> None:
    tree, plate = plate_node()
    node = carrier.add_node(tree)
    tree.links.new(plate.outputs["Image"], node.inputs["Image"])
    compat.add_output(tree, node.outputs["Image"])
    (edit,) = carrier.edit_nodes(scene)
    result = write_exr(tmp_path / "result.0001.exr", np.full((24, 32, 4), 7.0, np.float32))
    carrier.show_result(scene, edit, tmp_path / "result.####.exr", [1])
    edit.tree.lineament.spec_version = version
    with pytest.raises(
        HostError, match=rf"version {version} of Attribute Edit; this one is .*Update Lineament"
    ):
        migrate(edit.tree)
    assert edit.tree.lineament.spec_version == version
    scene.render.filepath = str(tmp_path / "shot.exr")
    bpy.ops.render.render(write_still=True)
    assert read_exr(tmp_path / "shot.exr").rgba.tobytes() == read_exr(result).rgba.tobytes()
