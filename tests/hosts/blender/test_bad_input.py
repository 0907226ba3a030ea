"""Frames, outputs and sources that are not what they should be: a sentence and a code, or the right picture."""

from __future__ import annotations

from pathlib import Path

import bpy
import pytest
from lineament.hosts.blender import carrier, compat, headless, places, render_job
from lineament.hosts.blender.service import bake
from plate_files import read_exr, write_exr
from shot import add_edit, edited, end, same_bits

ALL = (1, 2, 3)


@pytest.fixture
def file(scene, plate_node, tmp_path, addon, fake_engine):
    """The tree, plate and edit node of a saved file; save it again after a change."""
    tree, plate = plate_node()
    node = add_edit(tree, plate, tmp_path / "cache", age=1.0)
    end(tree, node)
    bpy.ops.wm.save_as_mainfile(filepath=str(tmp_path / "shot.blend"))
    return tree, plate, node


def rendered(tmp_path: Path, *more: str, output: str = "o.####") -> int:
    return headless.main(
        ["render", str(tmp_path / "shot.blend"), "--output", str(tmp_path / "out" / output), *more]
    )


def written(tmp_path: Path) -> list[str]:
    folder = tmp_path / "out"
    return sorted(path.name for path in folder.iterdir()) if folder.exists() else []


@pytest.mark.parametrize("frames", ["-2-1", "-1", "1048574", "1,2000000"])
def test_when_blender_has_no_such_frames_then_the_call_is_refused(
    frames, file, tmp_path, capfd, fake_engine
) -> None:
    assert rendered(tmp_path, f"--frames={frames}") == 2
    said = capfd.readouterr().err
    assert "0 to 1048573" in said and "What to do" in said
    assert written(tmp_path) == [] and fake_engine() == []


def test_when_frames_lie_at_blenders_ends_then_they_are_edited(file, tmp_path, pixels_of_plate) -> None:
    _, plate, _ = file
    plate.image.source = "FILE"
    bpy.ops.wm.save_mainfile()
    assert rendered(tmp_path, "--frames", "0,1048573") == 0
    assert written(tmp_path) == ["o.0000.exr", "o.1048573.exr"]
    for name in written(tmp_path):
        assert same_bits(read_exr(tmp_path / "out" / name).rgba, edited(pixels_of_plate(1), 1.0)), name


def test_when_the_current_frame_is_negative_then_baking_it_is_refused_readably(file) -> None:
    bpy.context.scene.frame_set(-3)
    with pytest.raises(RuntimeError, match="Frame -3 is outside"):
        bpy.ops.lineament.bake_frame()


@pytest.mark.parametrize(("told", "names"), [
    ("edit.exr", ["edit.0001.exr", "edit.0002.exr", "edit.0003.exr"]),
    ("edit.v002", ["edit.v0020001.exr", "edit.v0020002.exr", "edit.v0020003.exr"]),
    ("edit_###.exr", ["edit_001.exr", "edit_002.exr", "edit_003.exr"]),
])  # fmt: skip
def test_when_an_output_names_a_picture_then_the_frame_comes_before_its_ending(
    told, names, file, tmp_path
) -> None:
    assert rendered(tmp_path, output=told) == 0
    assert written(tmp_path) == names


def test_when_an_output_is_of_another_format_then_it_is_refused_before_the_bake(
    file, tmp_path, capfd, fake_engine
) -> None:
    assert rendered(tmp_path, output="edit.png") == 2
    said = capfd.readouterr().err
    assert "ends in .exr" in said and "edit.####.exr" in said
    assert written(tmp_path) == [] and fake_engine() == []


def switched(tree, plate, node, tmp_path: Path, is_on: bool):
    """The plate and a file that is missing by a Switch into the node; the Switch."""
    gone = write_exr(tmp_path / "gone.exr", read_exr(tmp_path / "plate" / "plate.0001.exr").rgba)
    other = tree.nodes.new("CompositorNodeImage")
    other.image = bpy.data.images.load(str(gone))
    switch = tree.nodes.new("CompositorNodeSwitch")
    tree.links.new(plate.outputs["Image"], switch.inputs["Off"])
    tree.links.new(other.outputs["Image"], switch.inputs["On"])
    tree.links.new(switch.outputs["Image"], node.inputs["Image"])
    switch.inputs[0].default_value = is_on
    gone.unlink()
    return switch


@pytest.mark.parametrize("is_on", [False, True])
def test_when_a_file_behind_a_switch_is_missing_then_it_counts_only_where_it_is_shown(
    is_on, scene, file, tmp_path, pixels_of_plate
) -> None:
    switched(*file, tmp_path, is_on)
    report = bake(scene, ALL)
    assert (list(report.failed) == [1, 2, 3]) == is_on and (report.done == [1, 2, 3]) != is_on
    if is_on:
        assert "gone.exr" in str(report.failed[1])


def test_when_a_switch_is_keyed_or_linked_then_each_frame_has_its_own_answer(scene, file, tmp_path) -> None:
    tree, _, _ = file
    switch = switched(*file, tmp_path, False)
    switch.inputs[0].keyframe_insert("default_value", frame=1)
    switch.inputs[0].default_value = True
    switch.inputs[0].keyframe_insert("default_value", frame=2)
    report = bake(scene, ALL)
    assert report.done == [1] and list(report.failed) == [2, 3]
    value = tree.nodes.new("CompositorNodeValue" if bpy.app.version < (5, 0, 0) else "ShaderNodeValue")
    value.outputs[0].default_value = 0.0
    tree.links.new(value.outputs[0], switch.inputs[0])
    assert bake(scene, ALL).failed == {}


def test_when_a_branch_is_muted_then_files_in_it_may_be_missing(
    scene, file, tmp_path, pixels_of_plate
) -> None:
    tree, plate, node = file
    switch = switched(tree, plate, node, tmp_path, True)
    other = switch.inputs["On"].links[0].from_node
    over = tree.nodes.new("CompositorNodeAlphaOver")
    pictures = [socket for socket in over.inputs if socket.type == "RGBA"]
    tree.links.new(plate.outputs["Image"], pictures[0])
    tree.links.new(other.outputs["Image"], pictures[1])
    tree.links.new(over.outputs["Image"], node.inputs["Image"])
    assert list(bake(scene, (1,)).failed) == [1]
    over.mute = True
    assert bake(scene, (1,)).failed == {}
    over.mute = False
    pictures[1].links[0].is_muted = True
    assert bake(scene, (1,)).failed == {}


@pytest.mark.skipif(bpy.app.version < (5, 0, 0), reason="4.5 has no Menu Switch in the compositor")
def test_when_a_menu_chooses_then_only_the_chosen_file_must_be_there(scene, file, tmp_path) -> None:
    tree, plate, node = file
    switch = switched(tree, plate, node, tmp_path, True)
    other = switch.inputs["On"].links[0].from_node
    menu = tree.nodes.new("GeometryNodeMenuSwitch")
    menu.data_type = "RGBA"
    tree.links.new(plate.outputs["Image"], menu.inputs["A"])
    tree.links.new(other.outputs["Image"], menu.inputs["B"])
    tree.links.new(menu.outputs[0], node.inputs["Image"])
    assert bake(scene, (1,)).failed == {}
    menu.inputs[0].default_value = "B"
    assert list(bake(scene, (1,)).failed) == [1]


def test_when_a_plate_is_a_movie_that_is_missing_then_the_frame_fails_by_its_name(
    scene, file, tmp_path
) -> None:
    _, plate, _ = file
    plate.image.source, plate.image.filepath = "MOVIE", str(tmp_path / "gone.mov")
    report = bake(scene, (1,))
    assert "gone.mov" in str(report.failed[1]) and "is missing" in str(report.failed[1])


def test_when_a_frame_of_two_views_is_lost_then_the_picture_of_neither_is_delivered(
    scene, file, tmp_path, monkeypatch
) -> None:
    render = scene.render
    render.use_multiview, render.views_format = True, "MULTIVIEW"
    render.image_settings.views_format = "INDIVIDUAL"
    bpy.ops.wm.save_mainfile()
    real = render_job.RenderJob._has_changed
    asked: list[int] = []

    def changed_meanwhile(job, frame: int) -> bool:
        asked.append(frame)
        return real(job, frame) or (frame == 2 and asked.count(2) == 2)

    monkeypatch.setattr(render_job.RenderJob, "_has_changed", changed_meanwhile)
    assert rendered(tmp_path) == 1
    assert written(tmp_path) == [f"o.{n:04d}_{side}.exr" for n in (1, 3) for side in "LR"]
    names = render_job.older_pictures(bpy.context.scene, (1, 2))
    assert [Path(name).name for name in names] == ["o.0001_L.exr", "o.0001_R.exr"]
    assert compat.view_names(bpy.context.scene) == ("left", "right")


def test_when_an_output_has_braces_then_they_are_blenders_variables_or_refused(file, tmp_path, capfd) -> None:
    assert rendered(tmp_path, "--frames", "1", output="{blend_name}.####") == 0
    assert rendered(tmp_path, "--frames", "1", output="{{a}}.####") == 0
    assert written(tmp_path) == ["shot.0001.exr", "{a}.0001.exr"]
    assert rendered(tmp_path, output="{nonsense}.####") == 2
    assert "{{ and }}" in capfd.readouterr().err


def test_when_folders_have_braces_then_they_are_taken_as_they_are(
    file, tmp_path, monkeypatch, pixels_of_plate
) -> None:
    odd = tmp_path / "{blend_name} {x}"
    odd.mkdir()
    monkeypatch.setattr(places, "_memory", lambda: str(odd))
    monkeypatch.chdir(odd)
    assert headless.main(["render", str(tmp_path / "shot.blend"), "--frames", "2", "-o", "o.####"]) == 0
    assert same_bits(read_exr(odd / "o.0002.exr").rgba, edited(pixels_of_plate(2), 1.0))


@pytest.mark.parametrize(
    ("name", "words"), [("Mask", ""), ("Mix", ""), ("Image", "Nothing is linked to Image")]
)
def test_when_a_socket_was_removed_from_the_interface_then_the_bake_gives_it_back(
    name, words, scene, file, pixels_of_plate
) -> None:
    _, _, node = file
    items = node.node_tree.interface.items_tree
    gone = next(item for item in items if item.name == name and item.in_out == "INPUT")
    node.node_tree.interface.remove(gone)
    report = bake(scene, (1,))
    assert name in [socket.name for socket in node.inputs]
    assert (report.done == [1]) != bool(words)
    assert not words or words in str(report.failed[1])


def test_when_a_foreign_group_has_our_tag_then_it_is_left_alone(scene, file) -> None:
    tree, _, _ = file
    other = bpy.data.node_groups.new("Foreign", "CompositorNodeTree")
    other["lineament_node"] = "attribute_edit"
    for _ in range(2):
        tree.nodes.new("CompositorNodeGroup").node_tree = other
    assert carrier.make_unique() == [] and len(carrier.all_edit_nodes(scene)) == 1
    assert bake(scene, (1,)).done == [1]
