"""An Attribute Edit that is linked from another file shows its results here, and is edited only there."""

from __future__ import annotations

import shutil

import bpy
import pytest
from lineament.core.errors import HostError
from lineament.hosts.blender import carrier, compat, handlers
from lineament.hosts.blender.service import bake
from plate_files import read_exr
from shot import add_edit, edited, end, render, results, same_bits, strength

pytestmark = pytest.mark.usefixtures("addon")


@pytest.fixture
def library(scene, plate_node, tmp_path, fake_engine):
    """A file with a group "Look" on one edit of age 1, baked on frames 1 and 2 with the file's own plate."""
    tree, plate = plate_node()
    node = add_edit(tree, plate, tmp_path / "cache", age=1.0)
    end(tree, node)
    assert bake(scene, (1, 2)).done == [1, 2]
    node.node_tree.name = "Look"
    node.node_tree.use_fake_user = True
    bpy.ops.wm.save_as_mainfile(filepath=str(tmp_path / "library.blend"))
    return tmp_path / "library.blend"


@pytest.fixture
def linked(library, plate_node, tmp_path):
    """The scene of another file, and its node on the linked tree, with the same strength."""
    own = bpy.context.scene
    tree = compat.scene_tree(own)
    old = next(node for node in tree.nodes if getattr(node, "node_tree", None) is not None)
    plate = old.inputs["Image"].links[0].from_node
    local = old.node_tree
    tree.nodes.remove(old)
    bpy.data.node_groups.remove(local)
    bpy.ops.wm.save_as_mainfile(filepath=str(tmp_path / "shot.blend"))
    with bpy.data.libraries.load(str(library), link=True) as (_, wanted):
        wanted.node_groups = ["Look"]
    node = tree.nodes.new("CompositorNodeGroup")
    node.node_tree = wanted.node_groups[0]
    tree.links.new(plate.outputs["Image"], node.inputs["Image"])
    compat.strip_outputs(tree, is_root=True)
    end(tree, node)
    strength(node, "age").default_value = 1.0
    bpy.ops.wm.save_as_mainfile(filepath=str(tmp_path / "shot.blend"))
    assert node.node_tree.library is not None
    return own, node


def pictures_of(node):
    """The node's results and their sidecars, without what was remembered of exposures."""
    return {name: data for name, data in results(node).items() if name.startswith("result.")}


def animation(scene, folder):
    """Render the scene's frames in one job; frame -> pixels."""
    scene.render.filepath = str(folder / "out.####")
    bpy.ops.render.render(animation=True)
    return {frame: read_exr(folder / f"out.{frame:04d}.exr").rgba for frame in (1, 2, 3)}


def test_when_a_linked_node_is_rendered_then_its_cache_shows_and_the_rest_is_the_plate(
    linked, tmp_path, pixels_of_plate, fake_engine
) -> None:
    scene, node = linked
    calls, files = len(fake_engine()), pictures_of(node)
    with handlers.paused():
        pictures = render(scene, tmp_path / "alone")
    for frame in (1, 2):
        assert same_bits(pictures[frame], edited(pixels_of_plate(frame), 1.0)), frame
    assert same_bits(pictures[3], pixels_of_plate(3))
    live = animation(scene, tmp_path / "live")
    for frame in (1, 2, 3):
        assert same_bits(live[frame], pictures[frame]), frame
    assert (len(fake_engine()), pictures_of(node)) == (calls, files), "nothing was edited here"
    assert list(handlers.failed_frames()) == [3]


def test_when_a_linked_node_is_baked_then_it_refuses_with_a_remedy(linked, fake_engine) -> None:
    scene, node = linked
    files = pictures_of(node)
    report = bake(scene, (2, 3))
    assert report.skipped == [2], "a valid frame needs no bake"
    error = report.failed[3]
    assert isinstance(error, HostError) and "linked from another file" in error.what
    assert node.name in error.where and "frame 3" in error.where and "Bake it there" in error.remedy
    assert pictures_of(node) == files


def test_when_a_linked_nodes_cache_is_gone_then_the_file_opens_and_says_so(linked, tmp_path, capfd) -> None:
    shutil.rmtree(tmp_path / "cache")
    bpy.ops.wm.open_mainfile(filepath=str(tmp_path / "shot.blend"))
    said = capfd.readouterr().err
    assert "lost their results" in said and "--frames 1-2" in said


def test_when_a_linked_node_is_made_local_then_it_can_be_baked(linked, pixels_of_plate) -> None:
    scene, node = linked
    node.node_tree.make_local()
    assert bake(scene, (3,)).done == [3]
    assert carrier.edit_nodes(scene)[0].tree.lineament.baked_ranges


def test_when_a_linked_node_has_other_settings_here_then_a_window_is_told(
    linked, tmp_path, monkeypatch, capfd
) -> None:
    scene, node = linked
    monkeypatch.setattr(handlers, "has_window", lambda: True)
    strength(node, "age").default_value = 2.0
    scene.render.filepath = str(tmp_path / "still.exr")
    bpy.ops.render.render(write_still=True)
    assert "show an older result" in capfd.readouterr().err
    assert read_exr(tmp_path / "still.exr").rgba.shape[2] == 4
