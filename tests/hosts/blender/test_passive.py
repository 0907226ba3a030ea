"""Renders that edit nothing: lost and outdated results show the plate and are told of, right ones stay."""

from __future__ import annotations

import shutil

import bpy
import pytest
from lineament.hosts.blender import compat, handlers
from lineament.hosts.blender.places import node_folder
from lineament.hosts.blender.service import bake
from lineament.hosts.blender.showing import shown_frames
from plate_files import read_exr
from shot import add_edit, edited, end, key, render, same_bits, strength

pytestmark = pytest.mark.usefixtures("addon")


@pytest.fixture
def baked(scene, plate_node, tmp_path, fake_engine):
    """An edit with age 1, baked on frames 1 to 3, in a saved file."""
    tree, plate = plate_node()
    node = add_edit(tree, plate, tmp_path / "cache", age=1.0)
    end(tree, node)
    assert bake(scene, (1, 2, 3)).done == [1, 2, 3]
    bpy.ops.wm.save_as_mainfile(filepath=str(tmp_path / "shot.blend"))
    return node


@pytest.fixture
def window(monkeypatch):
    """Handlers believe that there is an interface: renders show what is baked."""
    monkeypatch.setattr(handlers, "has_window", lambda: True)


def reopened(tmp_path):
    """The scene and the edit's tree of the file, opened anew."""
    bpy.ops.wm.open_mainfile(filepath=str(tmp_path / "shot.blend"))
    scene = bpy.context.scene
    tree = next(node.node_tree for node in compat.scene_tree(scene).nodes if getattr(node, "node_tree", None))
    return scene, tree


def animation(scene, folder):
    """Render the scene's frames in one job; frame -> pixels."""
    scene.render.filepath = str(folder / "out.####")
    bpy.ops.render.render(animation=True)
    return {frame: read_exr(folder / f"out.{frame:04d}.exr").rgba for frame in (1, 2, 3)}


def caches_alone(scene, folder):
    """What is shown when neither engine nor handlers do anything."""
    with handlers.paused():
        return render(scene, folder)


def test_when_a_files_cache_is_gone_then_it_opens_with_plates_and_says_so(
    baked, tmp_path, pixels_of_plate, capfd
) -> None:
    folder = node_folder(baked.node_tree)
    shutil.rmtree(folder)
    scene, tree = reopened(tmp_path)
    for frame, picture in caches_alone(scene, tmp_path / "out").items():
        assert same_bits(picture, pixels_of_plate(frame)), frame
    said = capfd.readouterr().err
    assert "Frames 1-3 of Attribute Edit have lost their results" in said and "--frames 1-3" in said
    assert "show the plate" in tree.lineament.status and tree.lineament.baked_ranges == ""


def test_when_one_picture_is_gone_then_only_its_frame_shows_the_plate(
    baked, tmp_path, pixels_of_plate
) -> None:
    (node_folder(baked.node_tree) / "result.0002.exr").unlink()
    scene, tree = reopened(tmp_path)
    pictures = caches_alone(scene, tmp_path / "out")
    assert same_bits(pictures[2], pixels_of_plate(2))
    assert all(same_bits(pictures[frame], edited(pixels_of_plate(frame), 1.0)) for frame in (1, 3))
    assert tree.lineament.baked_ranges == "1,3"


def test_when_a_file_was_not_saved_after_its_bake_then_it_opens_with_its_results(
    baked, tmp_path, pixels_of_plate
) -> None:
    from lineament.hosts.blender.showing import hide_result

    hide_result(baked.node_tree)
    bpy.ops.wm.save_mainfile()
    scene, _ = reopened(tmp_path)
    for frame, picture in caches_alone(scene, tmp_path / "out").items():
        assert same_bits(picture, edited(pixels_of_plate(frame), 1.0)), frame


def test_when_the_cache_goes_while_the_file_is_open_then_a_render_in_a_window_shows_plates(
    baked, window, scene, tmp_path, pixels_of_plate, capfd
) -> None:
    shutil.rmtree(node_folder(baked.node_tree))
    for frame, picture in render(scene, tmp_path / "out").items():
        assert same_bits(picture, pixels_of_plate(frame)), frame
    assert "lost their results" in capfd.readouterr().err


def test_when_a_strength_changed_then_a_render_in_a_window_shows_plates_until_it_is_put_back(
    baked, window, scene, tmp_path, pixels_of_plate, capfd, fake_engine
) -> None:
    calls = len(fake_engine())
    strength(baked, "age").default_value = 2.0
    for frame, picture in animation(scene, tmp_path / "out").items():
        assert same_bits(picture, pixels_of_plate(frame)), frame
    said = capfd.readouterr().err
    assert "Frames 1-3 of Attribute Edit were baked with other settings" in said and "--frames 1-3" in said
    assert "show the plate in renders" in baked.node_tree.lineament.status
    assert shown_frames(scene, baked.node_tree) == (1, 2, 3), "the switch is as before"
    strength(baked, "age").default_value = 1.0
    for frame, picture in animation(scene, tmp_path / "again").items():
        assert same_bits(picture, edited(pixels_of_plate(frame), 1.0)), frame
    assert "other settings" not in capfd.readouterr().err and len(fake_engine()) == calls
    assert baked.node_tree.lineament.status == ""


def test_when_a_key_changes_one_frame_then_the_others_of_one_job_stay(
    baked, window, scene, tmp_path, pixels_of_plate
) -> None:
    key(strength(baked, "age"), {1: 1.0, 2: 2.0, 3: 1.0})
    pictures = animation(scene, tmp_path / "out")
    assert same_bits(pictures[2], pixels_of_plate(2))
    assert all(same_bits(pictures[frame], edited(pixels_of_plate(frame), 1.0)) for frame in (1, 3))


def test_when_a_keyed_value_node_gives_the_strength_then_right_results_are_not_hidden(
    baked, window, scene, tmp_path, pixels_of_plate
) -> None:
    tree = baked.id_data
    value = tree.nodes.new("ShaderNodeValue")
    tree.links.new(value.outputs[0], strength(baked, "age"))
    key(value.outputs[0], {1: 1.0, 2: 2.0, 3: 3.0})
    scene.frame_set(3)
    assert bake(scene, (1, 2, 3)).exit_code == 0
    for frame, picture in render(scene, tmp_path / "out").items():
        assert same_bits(picture, edited(pixels_of_plate(frame), float(frame))), frame


def test_when_time_is_stretched_then_right_results_are_not_hidden(
    baked, window, scene, tmp_path, pixels_of_plate
) -> None:
    key(strength(baked, "age"), {1: 1.0, 3: 2.0})
    scene.render.frame_map_new = 200
    assert bake(scene, (1, 2, 3)).exit_code == 0
    before = shown_frames(scene, baked.node_tree)
    assert before == (1, 2, 3)
    from lineament.hosts.blender.passive import hide_stale, reconcile

    assert reconcile(scene) == () and hide_stale(scene) == ()
    assert shown_frames(scene, baked.node_tree) == before


def test_when_a_render_outside_the_range_is_outdated_then_it_shows_the_plate_too(
    baked, window, scene, tmp_path, pixels_of_plate
) -> None:
    scene.frame_start = scene.frame_end = 1
    scene.frame_set(3)
    strength(baked, "age").default_value = 2.0
    scene.render.filepath = str(tmp_path / "still.exr")
    bpy.ops.render.render(write_still=True)
    assert same_bits(read_exr(tmp_path / "still.exr").rgba, pixels_of_plate(3))
