"""Files that were saved from one another: each has results of its own, and none has to be made twice."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import bpy
import pytest
from lineament.hosts.blender import carrier, compat, headless, ownership, places
from lineament.hosts.blender.places import location, node_folder
from lineament.hosts.blender.service import bake
from plate_files import read_exr
from shot import add_edit, edited, end, same_bits, strength

ALL = (1, 2, 3)


@pytest.fixture(params=["beside the file", "a folder of its own"])
def first(request, scene, plate_node, tmp_path, addon, fake_engine):
    """The path of a saved file with a baked edit of age 1, opened."""
    tree, plate = plate_node()
    node = add_edit(tree, plate, tmp_path / "cache", age=1.0)
    if request.param == "beside the file":
        node.node_tree.lineament.cache_folder = ""
    end(tree, node)
    bpy.ops.wm.save_as_mainfile(filepath=str(tmp_path / "shot_v1.blend"))
    assert bake(scene, ALL).done == [1, 2, 3]
    bpy.ops.wm.save_mainfile()
    return tmp_path / "shot_v1.blend"


def the_edit():
    """The edit node of the open file."""
    scene = bpy.context.scene
    found = carrier.all_edit_nodes(scene)
    return compat.scene_tree(scene).nodes[found[0].path[0]]


def open_file(path: Path):
    bpy.ops.wm.open_mainfile(filepath=str(path))
    return bpy.context.scene


def files(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir()) if path.is_file()}


def without_the_add_on(path: Path, folder: Path) -> dict:
    """What a Blender that knows nothing of this package renders of the file."""
    script = (
        "import bpy, sys\n"
        "bpy.ops.wm.open_mainfile(filepath=sys.argv[1])\n"
        "bpy.context.scene.render.filepath = sys.argv[2]\n"
        "bpy.ops.render.render(animation=True)\n"
    )
    command = [sys.executable, "-c", script, str(path), str(folder / "o.####")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    return {frame: read_exr(folder / f"o.{frame:04d}.exr").rgba for frame in ALL}


def test_when_a_file_is_saved_as_another_then_neither_changes_what_the_other_has(
    first, tmp_path, pixels_of_plate, fake_engine
) -> None:
    folder = node_folder(the_edit().node_tree)
    before = files(folder)
    second = tmp_path / "shot_v2.blend"
    bpy.ops.wm.save_as_mainfile(filepath=str(second))
    assert node_folder(the_edit().node_tree) != folder
    assert bake(bpy.context.scene, ALL).skipped == [1, 2, 3] and len(fake_engine()) == 3, "nothing made twice"
    strength(the_edit(), "age").default_value = 2.0
    assert bake(bpy.context.scene, ALL).done == [1, 2, 3]
    bpy.ops.wm.save_mainfile()
    assert bpy.ops.lineament.clear(tree=the_edit().node_tree.name) == {"FINISHED"}
    assert files(folder) == before
    assert bake(bpy.context.scene, ALL).done == [1, 2, 3]
    calls = len(fake_engine())
    assert bake(open_file(first), ALL).skipped == [1, 2, 3] and len(fake_engine()) == calls
    for path, age in ((first, 1.0), (second, 2.0)):
        for frame, picture in without_the_add_on(path, tmp_path / path.stem).items():
            assert same_bits(picture, edited(pixels_of_plate(frame), age)), (path.name, frame)


def test_when_a_file_is_saved_as_another_then_it_shows_its_own_results_even_without_the_add_on(
    first, tmp_path, pixels_of_plate
) -> None:
    (tmp_path / "elsewhere").mkdir()
    second = tmp_path / "elsewhere" / "shot_v2.blend"
    bpy.ops.wm.save_as_mainfile(filepath=str(second))
    scene = open_file(first)
    strength(the_edit(), "age").default_value = 2.0
    assert bake(scene, ALL).done == [1, 2, 3]
    for frame, picture in without_the_add_on(second, tmp_path / "out").items():
        assert same_bits(picture, edited(pixels_of_plate(frame), 1.0)), frame


def test_when_only_a_copy_is_saved_then_the_open_file_keeps_its_results(
    first, tmp_path, pixels_of_plate
) -> None:
    folder = node_folder(the_edit().node_tree)
    bpy.ops.wm.save_as_mainfile(filepath=str(tmp_path / "copy.blend"), copy=True)
    tree = the_edit().node_tree
    assert node_folder(tree) == folder
    image = next(node.image for node in tree.nodes if node.bl_idname == "CompositorNodeImage")
    assert Path(bpy.path.abspath(image.filepath)).resolve().parent == folder
    strength(the_edit(), "age").default_value = 2.0
    bake(bpy.context.scene, ALL)
    for frame, picture in without_the_add_on(tmp_path / "copy.blend", tmp_path / "out").items():
        assert same_bits(picture, edited(pixels_of_plate(frame), 1.0)), frame


@pytest.mark.parametrize("how", ["copied", "renamed"])
def test_when_a_file_is_copied_or_renamed_on_the_disk_then_its_results_are_still_valid(
    how, first, tmp_path, pixels_of_plate, fake_engine
) -> None:
    folder = node_folder(the_edit().node_tree)
    (shutil.copy if how == "copied" else shutil.move)(first, tmp_path / "other.blend")
    scene = open_file(tmp_path / "other.blend")
    assert (node_folder(the_edit().node_tree) == folder) == (how == "renamed")
    assert the_edit().node_tree.lineament.baked_ranges == "1-3"
    assert bake(scene, ALL).skipped == [1, 2, 3] and len(fake_engine()) == 3
    assert ownership.own_folder(folder.parent, folder.name, tmp_path / "other.blend").is_dir()


def test_when_the_first_file_is_gone_then_the_second_stays_where_it_is(first, tmp_path) -> None:
    second = tmp_path / "shot_v2.blend"
    bpy.ops.wm.save_as_mainfile(filepath=str(second))
    bake(bpy.context.scene, ALL)
    folder = node_folder(the_edit().node_tree)
    first.unlink()
    assert node_folder(the_edit().node_tree) == folder
    second.rename(tmp_path / "shot_v3.blend")
    assert bake(open_file(tmp_path / "shot_v3.blend"), ALL).skipped == [1, 2, 3]


def test_when_links_cannot_be_made_then_a_bake_copies_and_asks_the_engine_for_nothing(
    first, tmp_path, fake_engine, monkeypatch
) -> None:
    def refuse(*_: object) -> None:
        raise OSError(1, "Operation not permitted")

    monkeypatch.setattr(ownership.os, "link", refuse)
    folder = node_folder(the_edit().node_tree)
    bpy.ops.wm.save_as_mainfile(filepath=str(tmp_path / "shot_v2.blend"))
    own = node_folder(the_edit().node_tree)
    shutil.rmtree(own)  # what a window, which must not stand still, would not have copied
    assert bake(bpy.context.scene, ALL).skipped == [1, 2, 3] and len(fake_engine()) == 3
    assert {name: content for name, content in files(own).items() if name.endswith("exr")} == {
        name: content for name, content in files(folder).items() if name.endswith("exr")
    }
    assert not list(own.glob(".*"))


def test_when_a_file_is_saved_for_the_first_time_then_results_of_the_session_come_along(
    scene, plate_node, tmp_path, addon, fake_engine
) -> None:
    tree, plate = plate_node()
    node = add_edit(tree, plate, tmp_path, age=1.0)
    node.node_tree.lineament.cache_folder = ""
    end(tree, node)
    bake(scene, ALL)
    assert Path(bpy.app.tempdir) in node_folder(node.node_tree).parents
    bpy.ops.wm.save_as_mainfile(filepath=str(tmp_path / "shot.blend"))
    assert tmp_path / "lineament_cache" in node_folder(node.node_tree).parents
    assert node.node_tree.lineament.baked_ranges == "1-3"
    assert location(scene, node.node_tree).edited_frames() == ALL


def test_when_two_files_of_one_node_are_rendered_then_each_delivers_its_own(
    first, tmp_path, pixels_of_plate
) -> None:
    second = tmp_path / "shot_v2.blend"
    shutil.copy(first, second)
    open_file(second)
    strength(the_edit(), "age").default_value = 2.0
    bpy.ops.wm.save_mainfile()
    for path, age in ((second, 2.0), (first, 1.0), (second, 2.0)):
        out = tmp_path / f"out_{path.stem}"
        assert headless.main(["render", str(path), "--output", str(out / "o.####")]) == 0
        for frame in ALL:
            picture = read_exr(out / f"o.{frame:04d}.exr").rgba
            assert same_bits(picture, edited(pixels_of_plate(frame), age)), (path.name, frame)


def test_when_the_shot_is_moved_or_mounted_elsewhere_then_its_results_are_its_own(
    first, tmp_path, fake_engine
) -> None:
    folder = node_folder(the_edit().node_tree)
    os.symlink(tmp_path, tmp_path.with_name(f"{tmp_path.name}_mount"))
    mounted = tmp_path.with_name(f"{tmp_path.name}_mount") / first.name
    try:
        scene = open_file(mounted)
        assert node_folder(the_edit().node_tree).resolve() == folder
        assert bake(scene, ALL).skipped == [1, 2, 3] and len(fake_engine()) == 3
    finally:
        mounted.parent.unlink()


def test_when_a_node_is_duplicated_then_the_copy_takes_nothing_over(first, fake_engine) -> None:
    scene, tree = bpy.context.scene, compat.scene_tree(bpy.context.scene)
    copy = tree.nodes.new("CompositorNodeGroup")
    copy.node_tree = the_edit().node_tree
    assert carrier.make_unique()
    assert copy.node_tree.lineament.former_folder == ""
    assert location(scene, copy.node_tree).edited_frames() == ()
    assert places.node_folder(copy.node_tree) != places.node_folder(the_edit().node_tree)
