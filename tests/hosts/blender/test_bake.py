"""The bake: each node's frame right, and only made again when something that decides it has changed."""

from __future__ import annotations

import shutil
from pathlib import Path

import bpy
import numpy as np
import pytest
from lineament.core.errors import HostError
from lineament.hosts.blender import carrier, engine
from lineament.hosts.blender.places import location, node_folder
from lineament.hosts.blender.record import IDENTITY, ask_from, request_of
from lineament.hosts.blender.service import Baker, bake
from plate_files import read_exr, write_exr
from shot import add_edit, edited, end, key, render, results, same_bits, strength

pytestmark = pytest.mark.usefixtures("addon")
ALL = (1, 2, 3)


@pytest.fixture
def nasty(tmp_path: Path):
    """A plate with every value that a careless route loses: NaN, infinities, negatives, 65000, denormals."""
    pixels = np.random.default_rng(5).normal(0.5, 2.0, (24, 32, 4)).astype(np.float32)
    pixels[2, 3] = (np.nan, np.inf, -np.inf, 0.0)
    pixels[4, 5, :3] = (65000.0, -0.25, 1e-40)
    pixels[5, 5].view(np.uint32)[0] = 0x7FC12345
    paths = [write_exr(tmp_path / "nasty" / f"nasty.{frame:04d}.exr", pixels) for frame in ALL]
    return str(paths[0]), pixels


def mask_from(tree, tmp_path: Path, values: np.ndarray):
    """An Image node that gives a mask."""
    pixels = np.repeat(values[..., None], 4, axis=-1).astype(np.float32)
    pixels[..., 3] = 1.0
    return image_node(tree, write_exr(tmp_path / "mask.exr", pixels))


def image_node(tree, path: Path):
    """An Image node that gives a file's values as they are."""
    image = bpy.data.images.load(str(path))
    image.colorspace_settings.name, image.alpha_mode = "Non-Color", "PREMUL"
    node = tree.nodes.new("CompositorNodeImage")
    node.image = image
    return node


@pytest.mark.parametrize(
    "how", ["strength 0", "mix 0", "muted", "mask empty", "mask socket 0", "inverted full mask"]
)
def test_when_nothing_is_to_be_edited_then_the_plate_passes_bit_for_bit(
    how, scene, plate_node, nasty, tmp_path, fake_engine
) -> None:
    tree, plate = plate_node()
    path, pixels = nasty
    plate.image.filepath = path
    node = add_edit(tree, plate, tmp_path / "cache", age=0.0 if how == "strength 0" else 2.0)
    end(tree, node)
    if how == "mix 0":
        node.inputs["Mix"].default_value = 0.0
    node.mute = how == "muted"
    if how == "mask socket 0":
        node.inputs["Mask"].default_value = 0.0
    if how in ("mask empty", "inverted full mask"):
        value = 0.0 if how == "mask empty" else 1.0
        mask = mask_from(tree, tmp_path, np.full((24, 32), value))
        tree.links.new(mask.outputs["Image"], node.inputs["Mask"])
        node.node_tree.lineament.invert_mask = how != "mask empty"
    report = bake(scene, ALL)
    assert report.skipped == [1, 2, 3] and report.exit_code == 0
    for frame, picture in render(scene, tmp_path / "out").items():
        assert same_bits(picture, pixels), frame
    assert fake_engine() == []


def test_when_an_edit_is_baked_then_the_render_shows_it_without_a_rounding(
    scene, plate_node, pixels_of_plate, tmp_path, fake_engine
) -> None:
    tree, plate = plate_node()
    end(tree, add_edit(tree, plate, tmp_path / "cache", age=0.5))
    report = bake(scene, ALL)
    assert report.done == [1, 2, 3] and len(fake_engine()) == 3
    for frame, picture in render(scene, tmp_path / "out").items():
        assert same_bits(picture, edited(pixels_of_plate(frame), 0.5)), frame
    assert len(fake_engine()) == 3, "the render used what was baked"


@pytest.mark.parametrize("is_inverted", [False, True])
def test_when_a_mask_and_a_mix_limit_the_edit_then_both_count(
    is_inverted, scene, plate_node, pixels_of_plate, tmp_path, fake_engine
) -> None:
    tree, plate = plate_node()
    node = add_edit(tree, plate, tmp_path / "cache", age=1.0)
    end(tree, node)
    soft = np.linspace(0.0, 1.0, 32, dtype=np.float32)[None].repeat(24, axis=0)
    tree.links.new(mask_from(tree, tmp_path, soft).outputs["Image"], node.inputs["Mask"])
    node.inputs["Mix"].default_value = 0.5
    node.node_tree.lineament.invert_mask = is_inverted
    assert bake(scene, (2,)).done == [2]
    picture = render(scene, tmp_path / "out", (2,))[2]
    weight = (1.0 - soft if is_inverted else soft) * np.float32(0.5)
    plate_pixels = pixels_of_plate(2)
    assert np.allclose(picture, edited(plate_pixels, 1.0, weight), rtol=2e-6, atol=0.0)
    untouched = weight == 0.0
    assert same_bits(picture[untouched], plate_pixels[untouched]) and untouched.any()


def test_when_values_are_keyed_and_driven_then_each_frame_has_its_own(
    scene, plate_node, pixels_of_plate, tmp_path, fake_engine
) -> None:
    tree, plate = plate_node()
    first = add_edit(tree, plate, tmp_path / "cache")
    second = add_edit(tree, first, tmp_path / "cache")
    end(tree, second)
    key(strength(first, "age"), {1: 1.0, 2: 2.0, 3: 3.0})
    strength(second, "age").driver_add("default_value").driver.expression = "frame * 0.25"
    assert bake(scene, ALL).done == [1, 2, 3]
    for frame, picture in render(scene, tmp_path / "out").items():
        wanted = edited(edited(pixels_of_plate(frame), float(frame)), 0.25 * frame)
        assert np.allclose(picture, wanted, rtol=1e-6, atol=0.0), frame
    asked = [(call["frame"], round(call["strengths"]["age"], 6)) for call in fake_engine()]
    assert asked == [(1, 1.0), (1, 0.25), (2, 2.0), (2, 0.5), (3, 3.0), (3, 0.75)]


def test_when_edits_are_parallel_or_nested_then_each_is_right_and_independent(
    scene, plate_node, pixels_of_plate, tmp_path, fake_engine
) -> None:
    tree, plate = plate_node()
    inner = bpy.data.node_groups.new("Inner", "CompositorNodeTree")
    outer = bpy.data.node_groups.new("Outer", "CompositorNodeTree")
    for group in (inner, outer):
        group.interface.new_socket("Image", in_out="INPUT", socket_type="NodeSocketColor")
        group.interface.new_socket("Image", in_out="OUTPUT", socket_type="NodeSocketColor")
    enter, leave = inner.nodes.new("NodeGroupInput"), inner.nodes.new("NodeGroupOutput")
    nested = add_edit(inner, enter.outputs[0], tmp_path / "cache", age=1.0)
    inner.links.new(nested.outputs["Image"], leave.inputs[0])
    enter, leave = outer.nodes.new("NodeGroupInput"), outer.nodes.new("NodeGroupOutput")
    middle = outer.nodes.new("CompositorNodeGroup")
    middle.node_tree = inner
    outer.links.new(enter.outputs[0], middle.inputs[0])
    outer.links.new(middle.outputs[0], leave.inputs[0])
    top = tree.nodes.new("CompositorNodeGroup")
    top.node_tree = outer
    tree.links.new(plate.outputs["Image"], top.inputs[0])
    beside = add_edit(tree, plate, tmp_path / "cache", age=3.0)
    join = tree.nodes.new("CompositorNodeAlphaOver")
    pictures = [socket for socket in join.inputs if socket.type == "RGBA"]
    tree.links.new(top.outputs[0], pictures[0])
    tree.links.new(beside.outputs["Image"], pictures[1])
    end(tree, join)
    assert bake(scene, (1,)).done == [1]
    plate_pixels = pixels_of_plate(1)
    assert same_bits(read_exr(location(scene, nested.node_tree).result(1)).rgba, edited(plate_pixels, 1.0))
    assert same_bits(read_exr(location(scene, beside.node_tree).result(1)).rgba, edited(plate_pixels, 3.0))
    assert np.isfinite(render(scene, tmp_path / "out", (1,))[1]).all()


def test_when_a_node_is_duplicated_then_the_copy_has_its_own_strength_and_result(
    scene, plate_node, pixels_of_plate, tmp_path, fake_engine
) -> None:
    tree, plate = plate_node()
    first = add_edit(tree, plate, tmp_path / "cache", age=1.0)
    second = tree.nodes.new("CompositorNodeGroup")
    second.node_tree = first.node_tree
    tree.links.new(first.outputs["Image"], second.inputs["Image"])
    strength(second, "age").default_value = 2.0
    end(tree, second)
    assert carrier.make_unique()
    assert bake(scene, (1,)).done == [1]
    picture = render(scene, tmp_path / "out", (1,))[1]
    assert same_bits(picture, edited(edited(pixels_of_plate(1), 1.0), 2.0))
    assert node_folder(first.node_tree) != node_folder(second.node_tree)


def test_when_only_some_frames_are_baked_then_the_others_show_the_plate(
    scene, plate_node, pixels_of_plate, tmp_path, fake_engine, addon
) -> None:
    tree, plate = plate_node()
    node = add_edit(tree, plate, tmp_path / "cache", age=1.0)
    node.node_tree.lineament.is_live = False
    end(tree, node)
    assert bake(scene, (2,)).done == [2]
    assert node.node_tree.lineament.baked_ranges == "2"
    pictures = render(scene, tmp_path / "out")
    for frame in ALL:
        wanted = edited(pixels_of_plate(frame), 1.0) if frame == 2 else pixels_of_plate(frame)
        assert same_bits(pictures[frame], wanted), frame


def test_when_a_scene_has_two_views_then_each_has_its_own_result(
    scene, plate_node, pixels_of_plate, tmp_path, fake_engine
) -> None:
    tree, _ = plate_node()
    scene.render.use_multiview, scene.render.views_format = True, "MULTIVIEW"
    both = tree.nodes.new("CompositorNodeSwitchView")
    for view, factor in (("left", 1.0), ("right", 10.0)):
        for frame in ALL:
            path = write_exr(
                tmp_path / view / f"s.{frame:04d}.exr", pixels_of_plate(frame) * np.float32(factor)
            )
        node = image_node(tree, path.with_name("s.0001.exr"))
        node.image.source, node.frame_duration, node.use_auto_refresh = "SEQUENCE", 3, True
        tree.links.new(node.outputs["Image"], both.inputs[view])
    node = add_edit(tree, both, tmp_path / "cache", age=1.0)
    end(tree, node)
    report = bake(scene, (2,))
    assert report.done == [2], report.failed
    for view, factor in (("left", 1.0), ("right", 10.0)):
        made = read_exr(location(scene, node.node_tree, view).result(2)).rgba
        assert same_bits(made, edited(pixels_of_plate(2) * np.float32(factor), 1.0)), view
    scene.render.image_settings.views_format = "INDIVIDUAL"
    scene.render.filepath = str(tmp_path / "out" / "o.####")
    scene.frame_start = scene.frame_end = 2
    bpy.ops.render.render(animation=True)
    for side, factor in (("_L", 1.0), ("_R", 10.0)):
        shown = read_exr(tmp_path / "out" / f"o.0002{side}.exr").rgba
        assert same_bits(shown, edited(pixels_of_plate(2) * np.float32(factor), 1.0)), side


def test_when_nothing_changed_then_a_second_bake_asks_the_engine_for_nothing(
    scene, plate_node, tmp_path, fake_engine
) -> None:
    tree, plate = plate_node()
    node = add_edit(tree, plate, tmp_path / "cache", age=1.0)
    end(tree, node)
    bake(scene, ALL)
    before, calls = results(node), len(fake_engine())
    assert bake(scene, ALL).skipped == [1, 2, 3]
    assert (results(node), len(fake_engine())) == (before, calls)
    assert bake(scene, ALL, force=True).done == [1, 2, 3]
    assert len(fake_engine()) == 2 * calls


@pytest.mark.parametrize("what", ["strength", "plate", "model", "upstream", "mask", "weights"])
def test_when_something_changed_after_the_bake_then_the_frame_is_made_again(
    what, scene, plate_node, pixels_of_plate, tmp_path, fake_engine, monkeypatch
) -> None:
    tree, plate = plate_node()
    gain = tree.nodes.new("CompositorNodeExposure")
    tree.links.new(plate.outputs["Image"], gain.inputs["Image"])
    node = add_edit(tree, gain, tmp_path / "cache", age=1.0)
    end(tree, node)
    bake(scene, (1,))
    pixels, age = pixels_of_plate(1), 1.0
    if what == "strength":
        age = strength(node, "age").default_value = 2.0
    elif what == "plate":
        pixels = pixels * np.float32(0.5)
        write_exr(tmp_path / "plate" / "plate.0001.exr", pixels)
        plate.image.reload()
    elif what == "model":
        node.node_tree.lineament.model = "another"
    elif what == "upstream":
        gain.inputs["Exposure"].default_value = 1.0
        pixels = pixels * np.array([2, 2, 2, 1], np.float32)
    elif what == "mask":
        mask = mask_from(tree, tmp_path, np.full((24, 32), 0.5))
        tree.links.new(mask.outputs["Image"], node.inputs["Mask"])
        age = 0.5
    else:
        engine.close_all()
        monkeypatch.setenv("LINEAMENT_FAKE_WEIGHTS", "1" * 64)
    assert bake(scene, (1,)).done == [1]
    assert len(fake_engine()) == 2
    assert np.allclose(render(scene, tmp_path / "out", (1,))[1], edited(pixels, age), rtol=1e-6, atol=0.0)


def test_when_a_strength_returns_to_zero_then_the_old_result_goes(
    scene, plate_node, pixels_of_plate, tmp_path, fake_engine
) -> None:
    tree, plate = plate_node()
    node = add_edit(tree, plate, tmp_path / "cache", age=1.0)
    end(tree, node)
    bake(scene, (1,))
    strength(node, "age").default_value = 0.0
    assert bake(scene, (1,)).skipped == [1]
    assert location(scene, node.node_tree).record(1).status == IDENTITY
    assert not location(scene, node.node_tree).result(1).exists()
    assert same_bits(render(scene, tmp_path / "out", (1,))[1], pixels_of_plate(1))


def test_when_the_file_is_saved_and_opened_then_its_results_are_still_valid(
    scene, plate_node, pixels_of_plate, tmp_path, fake_engine
) -> None:
    tree, plate = plate_node()
    folder = tmp_path / "Ordner mit Blank und é 顔"
    folder.mkdir()
    bpy.ops.wm.save_as_mainfile(filepath=str(folder / "shot.blend"))
    node = add_edit(tree, plate, Path(), age=1.0)
    node.node_tree.lineament.cache_folder = ""
    end(tree, node)
    bake(scene, ALL)
    assert node_folder(node.node_tree).parent == folder / "lineament_cache"
    bpy.ops.wm.save_mainfile()
    moved = tmp_path / "moved ü"
    shutil.move(str(folder), moved)
    bpy.ops.wm.open_mainfile(filepath=str(moved / "shot.blend"))
    scene = bpy.context.scene
    calls = len(fake_engine())
    for frame, picture in render(scene, moved / "out").items():
        assert same_bits(picture, edited(pixels_of_plate(frame), 1.0)), frame
    assert len(fake_engine()) == calls, "results that moved with their file are still its results"


def test_when_only_the_sidecar_and_the_plate_are_left_then_the_frame_is_made_again_from_them(
    scene, plate_node, tmp_path, fake_engine
) -> None:
    tree, plate = plate_node()
    node = add_edit(tree, plate, tmp_path / "cache", age=1.25)
    end(tree, node)
    bake(scene, (2,))
    place = location(scene, node.node_tree)
    wanted, record = place.result(2).read_bytes(), place.record(2)
    place.result(2).unlink()
    source = tmp_path / "plate" / "plate.0002.exr"
    again = request_of(record, source, tmp_path / "again.exr")
    engine.session(ask_from(record).choices).render(again)
    assert np.array_equal(read_exr(tmp_path / "again.exr").rgba, _rgba(tmp_path, wanted))
    assert record.engine["licence"] and record.engine["generator_id"] and record.engine["weights"]
    assert record.ask["recipe"]["colourspace"] and record.ask["choices"]["ocio"]


def _rgba(tmp_path: Path, content: bytes) -> np.ndarray:
    (tmp_path / "wanted.exr").write_bytes(content)
    return read_exr(tmp_path / "wanted.exr").rgba


def test_when_the_exposure_is_left_to_the_engine_then_it_is_chosen_once_and_kept(
    scene, plate_node, tmp_path, fake_engine, monkeypatch
) -> None:
    monkeypatch.setenv("LINEAMENT_FAKE_MODE", "numbered")
    tree, plate = plate_node()
    node = add_edit(tree, plate, tmp_path / "cache", age=1.0)
    end(tree, node)
    bake(scene, (3, 2))
    place = location(scene, node.node_tree)
    assert {place.record(frame).ask["recipe"]["exposure"] for frame in (2, 3)} == {2.0}, "chosen on frame 1"
    node.node_tree.lineament.exposure = 0.25
    bake(scene, (2,))
    assert place.record(2).ask["recipe"]["exposure"] == 0.25


def test_when_the_first_frame_has_no_face_then_a_later_one_decides_the_exposure(
    scene, plate_node, tmp_path, fake_engine, monkeypatch
) -> None:
    monkeypatch.setenv("LINEAMENT_FAKE_MODE", "faceless")
    tree, plate = plate_node()
    node = add_edit(tree, plate, tmp_path / "cache", age=1.0)
    end(tree, node)
    assert bake(scene, ALL).done == [1, 2, 3]


def test_when_many_frames_are_baked_then_no_datablock_is_left(
    scene, plate_node, tmp_path, fake_engine
) -> None:
    tree, plate = plate_node(frames=tuple(range(1, 31)))
    first = add_edit(tree, plate, tmp_path / "cache", age=1.0)
    end(tree, add_edit(tree, first, tmp_path / "cache", age=0.5))
    bake(scene, (1,))
    kinds = ("scenes", "node_groups", "images", "actions", "materials", "worlds")
    before = {kind: len(getattr(bpy.data, kind)) for kind in kinds}
    assert bake(scene, tuple(range(1, 31))).exit_code == 0
    assert {kind: len(getattr(bpy.data, kind)) for kind in kinds} == before


def test_when_a_bake_is_pumped_then_every_moment_is_told(scene, plate_node, tmp_path, fake_engine) -> None:
    tree, plate = plate_node()
    node = add_edit(tree, plate, tmp_path / "cache", age=1.0, lipstick=0.2)
    end(tree, node)
    baker = Baker(scene, (1, 2))
    steps = list(baker.steps())
    stages = [step.stage for step in steps if step.frame == 1]
    assert stages[0] == "tap" and stages[-1] == "edited" and "read" in stages
    assert (steps[-1].done, steps[-1].total) == (2, 2)
    assert baker.report.engine_s > 0.0


def test_when_the_nodes_cannot_be_told_apart_then_the_bake_says_so_first(scene, plate_node, tmp_path) -> None:
    tree, plate = plate_node()
    first = add_edit(tree, plate, tmp_path / "cache", age=1.0)
    second = tree.nodes.new("CompositorNodeGroup")
    second.node_tree = first.node_tree
    with pytest.raises(HostError, match="used 2 times"):
        Baker(scene, (1,))
