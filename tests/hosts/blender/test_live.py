"""The live edit of a background render: right values, nothing stale, and a failure that shows the plate."""

from __future__ import annotations

import logging
import os
from pathlib import Path

import bpy
import numpy as np
import pytest
from lineament.hosts.blender import handlers
from lineament.hosts.blender.service import bake
from plate_files import read_exr
from shot import add_edit, edited, end, key, render, results, same_bits, strength

pytestmark = pytest.mark.usefixtures("addon")


def animation(scene, folder: Path) -> dict[int, np.ndarray]:
    """Render the scene's frames in one job, as a farm does; frame -> pixels."""
    scene.render.filepath = str(folder / "out.####")
    bpy.ops.render.render(animation=True)
    return {frame: read_exr(folder / f"out.{frame:04d}.exr").rgba for frame in range(1, scene.frame_end + 1)}


def test_when_nothing_was_baked_then_the_render_itself_edits_every_frame(
    scene, plate_node, pixels_of_plate, tmp_path, fake_engine
) -> None:
    tree, plate = plate_node()
    node = add_edit(tree, plate, tmp_path / "cache")
    end(tree, node)
    key(strength(node, "age"), {1: 1.0, 2: 2.0, 3: 3.0})
    for frame, picture in animation(scene, tmp_path / "out").items():
        assert same_bits(picture, edited(pixels_of_plate(frame), float(frame))), frame
    assert [call["strengths"]["age"] for call in fake_engine()] == [1.0, 2.0, 3.0]
    with handlers.paused():
        again = animation(scene, tmp_path / "again")
    for frame, picture in again.items():
        assert same_bits(picture, edited(pixels_of_plate(frame), float(frame))), (
            "shown from the cache afterwards"
        )
    assert node.node_tree.lineament.baked_ranges == "1-3"
    assert handlers.failed_frames() == {}


def test_when_two_edits_are_chained_then_the_live_render_has_both(
    scene, plate_node, pixels_of_plate, tmp_path, fake_engine
) -> None:
    tree, plate = plate_node()
    first = add_edit(tree, plate, tmp_path / "cache", age=1.0)
    end(tree, add_edit(tree, first, tmp_path / "cache", age=0.5))
    for frame, picture in animation(scene, tmp_path / "out").items():
        assert same_bits(picture, edited(edited(pixels_of_plate(frame), 1.0), 0.5)), frame


def test_when_the_strength_changed_since_the_bake_then_the_render_makes_the_frame_again(
    scene, plate_node, pixels_of_plate, tmp_path, fake_engine
) -> None:
    tree, plate = plate_node()
    node = add_edit(tree, plate, tmp_path / "cache", age=1.0)
    end(tree, node)
    bake(scene, (1, 2, 3))
    strength(node, "age").default_value = 2.0
    for frame, picture in render(scene, tmp_path / "out").items():
        assert same_bits(picture, edited(pixels_of_plate(frame), 2.0)), frame


def test_when_a_node_is_not_live_then_a_changed_frame_shows_the_plate_and_not_the_old_result(
    scene, plate_node, pixels_of_plate, tmp_path, fake_engine
) -> None:
    tree, plate = plate_node()
    node = add_edit(tree, plate, tmp_path / "cache", age=1.0)
    node.node_tree.lineament.is_live = False
    end(tree, node)
    bake(scene, (1, 2))
    strength(node, "age").keyframe_insert("default_value", frame=1)
    key(strength(node, "age"), {2: 2.0})
    pictures = render(scene, tmp_path / "out", (1, 2, 3))
    assert same_bits(pictures[1], edited(pixels_of_plate(1), 1.0))
    assert same_bits(pictures[2], pixels_of_plate(2)) and same_bits(pictures[3], pixels_of_plate(3))
    assert "not baked" in handlers.failed_frames()[3].what


def test_when_the_engine_fails_in_a_render_then_the_plate_is_written_and_the_log_says_why(
    scene, plate_node, pixels_of_plate, tmp_path, fake_engine, caplog
) -> None:
    tree, plate = plate_node()
    node = add_edit(tree, plate, tmp_path / "cache", age=1.0)
    end(tree, node)
    bake(scene, (1, 2, 3))
    key(strength(node, "smile"), {1: 0.0, 2: 3.0, 3: 0.0})
    with caplog.at_level(logging.ERROR):
        pictures = animation(scene, tmp_path / "out")
    assert list(handlers.failed_frames()) == [2]
    assert "Frames that are not edited: 2" in caplog.text and "No face was found" in caplog.text
    assert same_bits(pictures[2], pixels_of_plate(2))
    assert same_bits(pictures[3], edited(pixels_of_plate(3), 1.0))
    assert "result.0002.exr" not in results(node)


def test_when_a_strength_is_zero_or_a_node_muted_on_some_frames_then_a_live_render_lets_the_plate_through(
    scene, plate_node, pixels_of_plate, tmp_path, fake_engine
) -> None:
    tree, plate = plate_node()
    first = add_edit(tree, plate, tmp_path / "cache")
    second = add_edit(tree, first, tmp_path / "cache", age=3.5)
    second.mute = True
    end(tree, second)
    key(strength(first, "age"), {1: 0.0, 2: 1.0, 3: 0.0})
    pictures = animation(scene, tmp_path / "out")
    assert same_bits(pictures[1], pixels_of_plate(1)) and same_bits(pictures[3], pixels_of_plate(3))
    assert same_bits(pictures[2], edited(pixels_of_plate(2), 1.0))
    assert [call["frame"] for call in fake_engine()] == [2]


def test_when_the_cache_cannot_be_written_then_a_live_render_shows_the_plate(
    scene, plate_node, pixels_of_plate, tmp_path, fake_engine
) -> None:
    tree, plate = plate_node()
    (tmp_path / "cache").write_text("a file is in the way")
    end(tree, add_edit(tree, plate, tmp_path / "cache", age=1.0))
    pictures = animation(scene, tmp_path / "out")
    assert all(same_bits(pictures[frame], pixels_of_plate(frame)) for frame in (1, 2, 3))
    assert "cannot be written" in handlers.failed_frames()[1].what


def test_when_a_live_render_is_over_then_nothing_of_it_is_left_in_memory(
    scene, plate_node, tmp_path, fake_engine
) -> None:
    tree, plate = plate_node()
    node = add_edit(tree, plate, tmp_path / "cache", age=1.0)
    end(tree, node)
    before = set(Path("/dev/shm").glob("lineament-*")) if Path("/dev/shm").is_dir() else set()
    animation(scene, tmp_path / "out")
    after = set(Path("/dev/shm").glob(f"lineament-*-{os.getpid()}-*")) if Path("/dev/shm").is_dir() else set()
    assert after <= before


def test_when_a_render_ends_then_the_users_scene_and_frame_are_as_before(
    scene, plate_node, tmp_path, fake_engine
) -> None:
    tree, plate = plate_node()
    node = add_edit(tree, plate, tmp_path / "cache", age=1.0)
    end(tree, node)
    scene.frame_set(2)
    before = (len(bpy.data.scenes), len(bpy.data.node_groups), [inner.name for inner in tree.nodes])
    scene.render.filepath = str(tmp_path / "out" / "out.####")
    bpy.ops.render.render(animation=True)
    assert scene.frame_current == 2
    assert (len(bpy.data.scenes), len(bpy.data.node_groups), [inner.name for inner in tree.nodes]) == before
    assert np.isclose(strength(node, "age").default_value, 1.0)


def test_when_the_add_on_leaves_then_no_handler_stays(scene, addon) -> None:
    addon.unregister()
    for name in handlers.HANDLERS:
        listed = getattr(bpy.app.handlers, name)
        assert [entry for entry in listed if "lineament" in getattr(entry, "__module__", "")] == []
