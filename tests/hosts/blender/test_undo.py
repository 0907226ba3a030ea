"""Undo and redo: attributes come and go, and a node never shows a file that is not there."""

from __future__ import annotations

import bpy
import numpy as np
import pytest
from plate_files import read_exr


def step(name: str) -> None:
    """What Blender does after an operator that can be undone, when an artist calls it."""
    assert bpy.ops.ed.undo_push(message=name) == {"FINISHED"}


def node_now(scene):
    """The scene's edit as it is now: undo replaces every data-block."""
    from lineament.hosts.blender.carrier import edit_nodes
    from lineament.hosts.blender.selection import Selected

    scene = bpy.data.scenes[scene] if isinstance(scene, str) else scene
    edit = edit_nodes(scene)[0]
    return Selected(None, edit.tree)


def attributes() -> list[str]:
    """The attributes of the only edit."""
    return [entry.name for entry in node_now(bpy.context.scene).tree.lineament.attributes]


def rendered(tmp_path, frame: int) -> np.ndarray:
    """The frame as Blender renders it from the caches alone."""
    from lineament.hosts.blender import handlers

    scene = bpy.context.scene
    scene.frame_set(frame)
    scene.render.filepath = str(tmp_path / f"render{frame}.exr")
    with handlers.paused():
        bpy.ops.render.render(write_still=True)
    return read_exr(tmp_path / f"render{frame}.exr").rgba


def test_when_an_attribute_is_added_and_undone_then_the_node_is_as_before(wired_edit) -> None:
    uid, name = wired_edit.tree.lineament.uid, wired_edit.tree.name
    step("start")
    bpy.ops.lineament.add_attribute(attribute="beard", tree=name)
    step("add")
    bpy.ops.lineament.remove_attribute(attribute="age", tree=name)
    step("remove")
    assert attributes() == ["smile", "glasses", "beard"]
    bpy.ops.ed.undo()
    assert attributes() == ["age", "smile", "glasses", "beard"]
    bpy.ops.ed.undo()
    assert attributes() == ["age", "smile", "glasses"]
    bpy.ops.ed.redo()
    assert attributes() == ["age", "smile", "glasses", "beard"]
    assert node_now(bpy.context.scene).tree.lineament.uid == uid


def test_when_a_preset_is_undone_then_the_old_look_is_back(wired_edit) -> None:
    wired_edit.node.inputs["Smile"].default_value = 0.5
    step("start")
    bpy.ops.lineament.load_preset(preset="Older", tree=wired_edit.tree.name)
    step("preset")
    bpy.ops.ed.undo()
    from lineament.hosts.blender import compat

    node = compat.scene_tree(bpy.context.scene).nodes["Attribute Edit"]
    assert (node.inputs["Age"].default_value, node.inputs["Smile"].default_value) == (0.0, 0.5)


@pytest.fixture
def baked(wired_edit, fake_engine, scene):
    """An edit that doubles the picture, baked on frames 1 to 3; undo steps around the bake."""
    wired_edit.node.inputs["Age"].default_value = 1.0
    step("start")
    assert bpy.ops.lineament.bake() == {"FINISHED"}
    return wired_edit


def test_when_clear_is_undone_then_the_plate_shows_and_not_a_missing_file(
    baked, tmp_path, pixels_of_plate
) -> None:
    step("after the bake")
    bpy.ops.lineament.clear(tree=baked.tree.name)
    step("clear")
    bpy.ops.ed.undo()
    assert node_now(bpy.context.scene).tree.lineament.baked_ranges == ""
    assert np.array_equal(rendered(tmp_path, 2), pixels_of_plate(2))


def test_when_a_step_before_the_bake_is_undone_then_the_results_stay(
    baked, tmp_path, pixels_of_plate
) -> None:
    baked.tree.lineament.seed = 3
    step("something after the bake")
    bpy.ops.ed.undo()  # back to where nothing was baked
    assert node_now(bpy.context.scene).tree.lineament.baked_ranges == "1-3"
    assert np.array_equal(rendered(tmp_path, 2)[..., :3], pixels_of_plate(2)[..., :3] * 2.0)
