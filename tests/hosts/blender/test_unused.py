"""An edit that nobody sees costs no frame, and is said once; a scene without one is rendered as it is."""

from __future__ import annotations

import bpy
import pytest
from lineament.core.errors import RecipeError
from lineament.hosts.blender import carrier, compat, handlers, headless
from lineament.hosts.blender.nodes_order import used_edit_nodes
from lineament.hosts.blender.service import Baker, bake
from plate_files import read_exr
from shot import add_edit, edited, end, render, results, same_bits, strength

ALL = (1, 2, 3)
WARNING = "Stray feeds nothing and is not edited"


@pytest.fixture
def stray(scene, plate_node, tmp_path, addon, fake_engine):
    """A saved shot with an edit of age 1, and a node that is connected to nothing but has a strength."""
    tree, plate = plate_node()
    end(tree, add_edit(tree, plate, tmp_path / "cache", age=1.0))
    node = carrier.add_node(tree, ("age",))
    node.name = "Stray"
    node.node_tree.lineament.cache_folder = str(tmp_path / "cache")
    strength(node, "age").default_value = 1.0
    bpy.ops.wm.save_as_mainfile(filepath=str(tmp_path / "shot.blend"))
    return node


def rendered(tmp_path, *more: str) -> int:
    return headless.main(
        ["render", str(tmp_path / "shot.blend"), "--output", str(tmp_path / "out" / "o.####"), *more]
    )


@pytest.mark.parametrize("is_fed", [False, True])
def test_when_a_node_reaches_no_output_then_it_is_left_out_and_that_is_said_once(
    is_fed, scene, stray, tmp_path, pixels_of_plate, capfd, fake_engine
) -> None:
    tree = compat.scene_tree(scene)
    if is_fed:
        tree.links.new(tree.nodes["Plate"].outputs["Image"], stray.inputs["Image"])
    bpy.ops.wm.save_mainfile()
    assert rendered(tmp_path) == 0
    said = capfd.readouterr()
    assert (said.out + said.err).count(WARNING) == 1 and "3 of 3 frames edited" in said.out
    assert len(fake_engine()) == 3
    for frame in ALL:
        picture = read_exr(tmp_path / "out" / f"o.{frame:04d}.exr").rgba
        assert same_bits(picture, edited(pixels_of_plate(frame), 1.0)), frame


def test_when_a_node_reaches_no_output_then_report_and_panel_say_so(scene, stray) -> None:
    report = bake(scene, (1,))
    assert report.done == [1] and not report.failed and report.exit_code == 0
    assert len(report.warnings) == 1 and WARNING in report.warnings[0]
    assert WARNING in stray.node_tree.lineament.status
    assert results(stray) == {}


def test_when_the_node_is_connected_then_it_is_edited_as_any(scene, stray, tmp_path, pixels_of_plate) -> None:
    tree = compat.scene_tree(scene)
    bake(scene, (1,))
    last = next(node for node in tree.nodes if node.name == "Attribute Edit")
    target = last.outputs["Image"].links[0].to_socket
    tree.links.new(last.outputs["Image"], stray.inputs["Image"])
    tree.links.new(stray.outputs["Image"], target)
    report = bake(scene, (1,))
    assert report.done == [1] and report.warnings == []
    with handlers.paused():
        picture = render(scene, tmp_path / "out", (1,))[1]
    assert same_bits(picture, edited(edited(pixels_of_plate(1), 1.0), 1.0))


def test_when_a_live_render_meets_a_node_without_an_output_then_no_frame_fails(
    scene, stray, tmp_path, pixels_of_plate
) -> None:
    for frame, picture in render(scene, tmp_path / "out").items():
        assert same_bits(picture, edited(pixels_of_plate(frame), 1.0)), frame
    assert handlers.failed_frames() == {}


@pytest.mark.parametrize("kind", ["CompositorNodeViewer", "CompositorNodeOutputFile"])
def test_when_only_a_viewer_or_a_file_output_shows_it_then_the_node_is_edited(scene, stray, kind) -> None:
    tree = compat.scene_tree(scene)
    shown = tree.nodes.new(kind)
    if kind == "CompositorNodeOutputFile" and bpy.app.version >= (5, 0, 0):
        shown.file_output_items.new("RGBA", "Image")
    tree.links.new(tree.nodes["Plate"].outputs["Image"], stray.inputs["Image"])
    tree.links.new(stray.outputs["Image"], shown.inputs[0])
    assert [edit.name for edit in used_edit_nodes(scene)] == ["Attribute Edit", "Stray"]
    shown.mute = True  # a viewer cannot be muted
    if not shown.mute:
        return
    assert [edit.name for edit in used_edit_nodes(scene)] == ["Attribute Edit"]


def test_when_a_group_has_an_edit_behind_an_output_that_nobody_uses_then_it_is_left_out(
    scene, plate_node, tmp_path, addon, fake_engine
) -> None:
    tree, plate = plate_node()
    inner = bpy.data.node_groups.new("Inner", "CompositorNodeTree")
    for name, side in (("Image", "INPUT"), ("Edited", "OUTPUT"), ("Plain", "OUTPUT")):
        inner.interface.new_socket(name, in_out=side, socket_type="NodeSocketColor")
    enter, leave = inner.nodes.new("NodeGroupInput"), inner.nodes.new("NodeGroupOutput")
    edit = add_edit(inner, enter.outputs[0], tmp_path / "cache", age=1.0)
    inner.links.new(edit.outputs["Image"], leave.inputs["Edited"])
    inner.links.new(enter.outputs[0], leave.inputs["Plain"])
    group = tree.nodes.new("CompositorNodeGroup")
    group.node_tree = inner
    tree.links.new(plate.outputs["Image"], group.inputs[0])
    out = compat.add_output(tree, group.outputs["Plain"])
    assert used_edit_nodes(scene) == ()
    tree.links.new(group.outputs["Edited"], out.inputs[0])
    assert len(used_edit_nodes(scene)) == 1
    group.mute = True
    assert used_edit_nodes(scene) == ()


def test_when_the_unused_node_is_removed_in_a_bake_then_the_bake_goes_on(scene, stray) -> None:
    baker = Baker(scene, ALL)
    for step in baker.steps():
        if step.frame == 2 and step.stage == "tap":
            compat.scene_tree(scene).nodes.remove(compat.scene_tree(scene).nodes["Stray"])
    assert baker.report.done == [1, 2, 3]


@pytest.mark.parametrize("how", ["no edit", "unused edit", "no compositor"])
def test_when_nothing_is_to_be_edited_then_the_scene_is_rendered_and_that_is_said(
    how, scene, plate_node, tmp_path, addon, fake_engine, pixels_of_plate, capfd
) -> None:
    tree, plate = plate_node()
    compat.add_output(tree, plate.outputs["Image"])
    if how == "unused edit":
        add_edit(tree, plate, tmp_path / "cache", age=1.0)
    if how == "no compositor":
        camera = bpy.data.objects.new("Camera", bpy.data.cameras.new("Camera"))
        scene.collection.objects.link(camera)
        scene.camera = camera
        scene.render.engine, scene.cycles.samples = "CYCLES", 1
        if bpy.app.version >= (5, 0, 0):
            scene.compositing_node_group = None
        else:
            scene.use_nodes = False
    bpy.ops.wm.save_as_mainfile(filepath=str(tmp_path / "shot.blend"))
    assert rendered(tmp_path) == 0
    said = capfd.readouterr()
    assert "nothing in Scene is edited" in said.err and "rendered as it is" in said.err
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == [f"o.000{n}.exr" for n in ALL]
    if how != "no compositor":
        for frame in ALL:
            picture = read_exr(tmp_path / "out" / f"o.{frame:04d}.exr").rgba
            assert same_bits(picture, pixels_of_plate(frame)), frame
    assert rendered(tmp_path, "--bake-only") == 2
    words = "reaches an output" if how == "unused edit" else "no Attribute Edit to bake"
    assert words in capfd.readouterr().err
    assert fake_engine() == []


def test_when_no_node_is_used_then_the_bake_operator_says_so(scene, stray) -> None:
    tree = compat.scene_tree(scene)
    tree.nodes.remove(tree.nodes["Attribute Edit"])
    with pytest.raises(RuntimeError, match="reaches an output: Stray"):
        bpy.ops.lineament.bake()
    with pytest.raises(RecipeError, match="outside the frames"):
        Baker(scene, (-1,))
