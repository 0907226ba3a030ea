"""An edit that changes nothing gives the unedited render back, bit for bit, wherever the plate lies."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import bpy
import numpy as np
import pytest
from lineament.hosts.blender import carrier, compat, properties
from lineament.hosts.blender.tap import Helper
from plate_files import read_exr, write_exr


@pytest.fixture(autouse=True)
def only_the_properties(empty_file: None) -> Iterator[None]:
    """No handler of the add-on is there to bake or to hide something."""
    properties.register()
    yield
    properties.unregister()


def awkward(size: tuple[int, int], seed: int = 0) -> np.ndarray:
    """A plate with everything a pixel can be: NaN, infinities, negatives, 65000, denormals, colour under alpha 0."""
    rng = np.random.default_rng(seed)
    pixels = rng.normal(0.0, 3.0, (*size, 4)).astype(np.float32)
    pixels[..., 3] = rng.uniform(0.0, 1.0, size)
    special = np.array([np.nan, np.inf, -np.inf, -0.25, 65000.0, 1e-40, -0.0, 70000.25], np.float32)
    flat = pixels.reshape(-1, 4)
    for index, value in enumerate(special[: len(flat)]):
        flat[-1 - index, index % 3] = value
    flat[len(flat) // 2] = (3.0, -1.0, 0.5, 0.0)
    return pixels


def same(left: np.ndarray, right: np.ndarray) -> bool:
    """Equal bit for bit; NaN equals the NaN of the same bits."""
    return left.shape == right.shape and left.tobytes() == right.tobytes()


def plate_in(scene, path: Path, pixels: np.ndarray, **header):
    """An Image node with the picture in the scene's emptied compositor tree; returns the tree and the node."""
    write_exr(path, pixels, **header)
    tree = compat.ensure_scene_tree(scene)
    tree.nodes.clear()
    image = bpy.data.images.load(str(path))
    image.colorspace_settings.name, image.alpha_mode = "Non-Color", "PREMUL"
    node = tree.nodes.new("CompositorNodeImage")
    node.image = image
    return tree, node


def rendered(scene, path: Path) -> np.ndarray:
    """The scene's render of its current frame."""
    scene.render.filepath = str(path)
    bpy.ops.render.render(write_still=True, scene=scene.name)
    return read_exr(path).rgba


def edited_with_nothing(scene, folder: Path) -> tuple[Path, ...]:
    """Give every node of the scene its own taps as results, in bake order; returns the tapped plates."""
    frame, plates = scene.frame_current, []
    with Helper(scene, frame) as helper:
        for edit in carrier.edit_nodes(scene):
            place = folder / edit.tree.lineament.uid
            for view, taps in helper.taps(edit, place / "taps").items():
                suffix = compat.views(scene)[view]
                shutil.copy(taps.image, place / f"result.{frame:04d}{suffix}.exr")
                plates.append(taps.image)
            suffix = next(iter(compat.views(scene).values()))
            carrier.show_result(scene, edit, place / f"result.####{suffix}.exr", [frame])
    return tuple(plates)


def moved(tree, socket, kind: str, x: float = 0.0, y: float = 0.0, interpolation: str = "", **inputs: float):
    """A node that moves the picture; returns its output."""
    node = tree.nodes.new(f"CompositorNode{kind}")
    for name, value in {"X": x, "Y": y, **inputs}.items():
        node.inputs[name].default_value = value
    if interpolation and "Interpolation" in node.inputs:
        node.inputs["Interpolation"].default_value = interpolation
    elif interpolation:
        setattr(node, "interpolation" if kind == "Translate" else "filter_type", interpolation.upper())
    tree.links.new(socket, node.inputs["Image"])
    return node.outputs["Image"]


def assert_unchanged(scene, folder: Path) -> tuple[Path, ...]:
    """Rendering with the tap as result equals rendering without; returns the tapped plates."""
    before = rendered(scene, folder / "before.exr")
    taps = edited_with_nothing(scene, folder / "cache")
    after = rendered(scene, folder / "after.exr")
    assert same(before, after)
    return taps


SIZES = [(24, 32), (15, 20), (51, 66), (23, 31), (1, 1), (25, 33)]


@pytest.mark.parametrize("size", SIZES)
def test_when_the_plate_is_of_any_size_then_nothing_changes(scene, tmp_path, size) -> None:
    pixels = awkward(size)
    tree, plate = plate_in(scene, tmp_path / "plate.exr", pixels)
    node = carrier.add_node(tree)
    tree.links.new(plate.outputs["Image"], node.inputs["Image"])
    compat.add_output(tree, node.outputs["Image"])
    (tap,) = assert_unchanged(scene, tmp_path)
    assert same(read_exr(tap).rgba, pixels), "the tap is the plate, whole and bit for bit"


MOVES = [
    ("Translate", 5.0, -3.0, ""),
    ("Translate", 5.0, -3.0, "Bilinear"),
    ("Translate", 5.5, -3.25, ""),
    ("Translate", 5.5, -3.25, "Nearest"),
    ("Translate", 5.5, -3.25, "Bicubic"),
    ("Transform", 25.0, 3.0, ""),
    ("Transform", 0.5, 0.5, "Bilinear"),
    ("Translate", 1000.0, 0.0, ""),
]


@pytest.mark.parametrize(("kind", "x", "y", "interpolation"), MOVES)
@pytest.mark.parametrize("size", [(24, 32), (17, 20)])
def test_when_the_plate_was_moved_then_the_result_lies_where_it_lay(
    scene, tmp_path, size, kind, x, y, interpolation
) -> None:
    pixels = awkward(size)
    tree, plate = plate_in(scene, tmp_path / "plate.exr", pixels)
    node = carrier.add_node(tree)
    tree.links.new(moved(tree, plate.outputs["Image"], kind, x, y, interpolation), node.inputs["Image"])
    compat.add_output(tree, node.outputs["Image"])
    (tap,) = assert_unchanged(scene, tmp_path)
    assert same(read_exr(tap).rgba, pixels), "what lies outside the render is tapped as well"


@pytest.mark.parametrize("shift", ["", "Nearest", "Bilinear"])
@pytest.mark.parametrize("interpolation", ["Nearest", "Bilinear"])
def test_when_the_plate_is_turned_then_the_node_samples_it_as_every_pixel_node_does(
    scene, tmp_path, interpolation, shift
) -> None:
    tree, plate = plate_in(scene, tmp_path / "plate.exr", awkward((20, 26)))
    turned = moved(tree, plate.outputs["Image"], "Transform", 4.0, 0.0, interpolation, Angle=0.3, Scale=1.25)
    if shift:
        turned = moved(tree, turned, "Translate", 1.25, 2.5, shift)
    exposure = tree.nodes.new("CompositorNodeExposure")
    tree.links.new(turned, exposure.inputs[0])
    end = compat.add_output(tree, exposure.outputs[0])
    expected = rendered(scene, tmp_path / "pixel_node.exr")
    node = carrier.add_node(tree)
    tree.links.new(turned, node.inputs["Image"])
    tree.links.new(node.outputs["Image"], end.inputs[0])
    edited_with_nothing(scene, tmp_path / "cache")
    found = rendered(scene, tmp_path / "edited.exr")
    assert np.array_equal(np.isnan(expected), np.isnan(found))
    finite = np.isfinite(expected)
    assert np.allclose(expected[finite], found[finite], rtol=1e-6, atol=1e-6 * 70000.25), (
        "float noise of the brightest"
    )


def test_when_the_result_is_moved_afterwards_then_nothing_changes(scene, tmp_path) -> None:
    tree, plate = plate_in(scene, tmp_path / "plate.exr", awkward((31, 45)))
    node = carrier.add_node(tree)
    tree.links.new(moved(tree, plate.outputs["Image"], "Translate", 3.0, 2.0), node.inputs["Image"])
    compat.add_output(tree, moved(tree, node.outputs["Image"], "Transform", 1.0, -7.0, Angle=0.2, Scale=0.5))
    assert_unchanged(scene, tmp_path)


def test_when_the_file_has_overscan_then_nothing_changes(scene, tmp_path) -> None:
    window = {"origin": (-4, -3), "display": (0, 0, 31, 23)}
    tree, plate = plate_in(scene, tmp_path / "plate.exr", awkward((30, 40)), **window)
    node = carrier.add_node(tree)
    tree.links.new(plate.outputs["Image"], node.inputs["Image"])
    compat.add_output(tree, node.outputs["Image"])
    assert_unchanged(scene, tmp_path)


@pytest.mark.parametrize("window", [(3, 2), (-3, 2)])
def test_when_the_data_window_is_cropped_then_nothing_changes(scene, tmp_path, window) -> None:
    header = {"origin": window, "display": (0, 0, 31, 23)}
    tree, plate = plate_in(scene, tmp_path / "plate.exr", awkward((11, 13)), **header)
    node = carrier.add_node(tree)
    tree.links.new(plate.outputs["Image"], node.inputs["Image"])
    compat.add_output(tree, node.outputs["Image"])
    assert_unchanged(scene, tmp_path)


@pytest.mark.parametrize(
    "setting",
    [
        {"resolution_percentage": 50},
        {"pixel_aspect_x": 2.0},
        {"use_border": True, "border_min_x": 0.25, "border_max_x": 0.75},
        {"use_border": True, "use_crop_to_border": True, "border_min_x": 0.25, "border_max_x": 0.75},
    ],
)
def test_when_the_scene_renders_otherwise_then_nothing_changes(scene, tmp_path, setting) -> None:
    for name, value in setting.items():
        setattr(scene.render, name, value)
    pixels = awkward((24, 32))
    tree, plate = plate_in(scene, tmp_path / "plate.exr", pixels)
    node = carrier.add_node(tree)
    tree.links.new(plate.outputs["Image"], node.inputs["Image"])
    compat.add_output(tree, node.outputs["Image"])
    (tap,) = assert_unchanged(scene, tmp_path)
    assert same(read_exr(tap).rgba, pixels)


def test_when_the_scene_converts_its_output_then_the_tap_is_not_converted(scene, tmp_path) -> None:
    settings = scene.render.image_settings
    settings.color_management = "OVERRIDE"
    settings.linear_colorspace_settings.name = "ACEScg"
    scene.view_settings.exposure = 2.0
    pixels = awkward((24, 32))
    tree, plate = plate_in(scene, tmp_path / "plate.exr", pixels)
    node = carrier.add_node(tree)
    tree.links.new(plate.outputs["Image"], node.inputs["Image"])
    compat.add_output(tree, node.outputs["Image"])
    (tap,) = assert_unchanged(scene, tmp_path)
    assert same(read_exr(tap).rgba, pixels)


def chained(tree, plate, count: int):
    """That many nodes one after the other, an Exposure of one stop between them; returns the last output."""
    socket = plate.outputs["Image"]
    for _ in range(count):
        node = carrier.add_node(tree)
        tree.links.new(socket, node.inputs["Image"])
        exposure = tree.nodes.new("CompositorNodeExposure")
        exposure.inputs["Exposure"].default_value = 1.0
        tree.links.new(node.outputs["Image"], exposure.inputs[0])
        socket = exposure.outputs[0]
    return socket


def test_when_two_nodes_are_chained_then_the_second_gets_what_the_first_shows(scene, tmp_path) -> None:
    tree, plate = plate_in(scene, tmp_path / "plate.exr", awkward((24, 32)))
    compat.add_output(tree, chained(tree, plate, 2))
    assert_unchanged(scene, tmp_path)
    first, second = carrier.edit_nodes(scene)
    folder = tmp_path / "doubled"
    with Helper(scene, 1) as helper:
        doubled = read_exr(helper.taps(first, folder)[""].image).rgba * np.float32(2.0)
        write_exr(folder / "result.0001.exr", doubled)
        carrier.show_result(scene, first, folder / "result.####.exr", [1])
        seen = read_exr(helper.taps(second, folder)[""].image).rgba
    assert same(seen[..., :3], doubled[..., :3] * np.float32(2.0))


def test_when_two_nodes_are_parallel_then_each_gets_its_own_branch(scene, tmp_path) -> None:
    tree, plate = plate_in(scene, tmp_path / "plate.exr", awkward((24, 32)))
    exposure = tree.nodes.new("CompositorNodeExposure")
    exposure.inputs["Exposure"].default_value = 1.0
    tree.links.new(plate.outputs["Image"], exposure.inputs[0])
    over = tree.nodes.new("CompositorNodeAlphaOver")
    sockets = [socket for socket in over.inputs if socket.type == "RGBA"]
    for source, target in zip((plate.outputs["Image"], exposure.outputs[0]), sockets, strict=True):
        node = carrier.add_node(tree)
        tree.links.new(source, node.inputs["Image"])
        tree.links.new(node.outputs["Image"], target)
    compat.add_output(tree, over.outputs[0])
    plain, brighter = (read_exr(path).rgba for path in assert_unchanged(scene, tmp_path))
    assert same(brighter[..., :3], plain[..., :3] * np.float32(2.0))


def test_when_there_are_two_views_then_each_gets_its_own_result(scene, tmp_path) -> None:
    scene.render.use_multiview = True
    left, right = awkward((24, 32), 1), awkward((24, 32), 2)
    tree, plate = plate_in(scene, tmp_path / "plate_L.exr", left)
    other = tree.nodes.new("CompositorNodeImage")
    other.image = bpy.data.images.load(str(write_exr(tmp_path / "plate_R.exr", right)))
    other.image.colorspace_settings.name, other.image.alpha_mode = "Non-Color", "PREMUL"
    eyes = tree.nodes.new("CompositorNodeSwitchView")
    tree.links.new(plate.outputs["Image"], eyes.inputs["left"])
    tree.links.new(other.outputs["Image"], eyes.inputs["right"])
    node = carrier.add_node(tree)
    tree.links.new(eyes.outputs["Image"], node.inputs["Image"])
    compat.add_output(tree, node.outputs["Image"])
    scene.render.image_settings.views_format = "INDIVIDUAL"

    def both(name: str) -> list[np.ndarray]:
        scene.render.filepath = str(tmp_path / name)
        bpy.ops.render.render(write_still=True)
        return [read_exr(tmp_path / f"{name}{suffix}.exr").rgba for suffix in ("_L", "_R")]

    before = both("before")
    taps = edited_with_nothing(scene, tmp_path / "cache")
    assert [same(read_exr(path).rgba, pixels) for path, pixels in zip(taps, (left, right), strict=True)] == [
        True
    ] * 2
    after = both("after")
    assert all(same(*pair) for pair in zip(before, after, strict=True))
    assert same(after[0], left) and same(after[1], right)
    scene.render.use_multiview = False
    edited_with_nothing(scene, tmp_path / "cache")
    assert same(rendered(scene, tmp_path / "mono.exr"), left), "one view again, the group follows"


def test_when_a_node_with_results_is_muted_then_the_plate_shows(scene, tmp_path) -> None:
    pixels = awkward((24, 32))
    tree, plate = plate_in(scene, tmp_path / "plate.exr", pixels)
    node = carrier.add_node(tree)
    tree.links.new(plate.outputs["Image"], node.inputs["Image"])
    compat.add_output(tree, node.outputs["Image"])
    write_exr(tmp_path / "result.0001.exr", awkward((24, 32), 5))
    carrier.show_result(scene, carrier.edit_nodes(scene)[0], tmp_path / "result.####.exr", [1])
    assert same(rendered(scene, tmp_path / "live.exr"), awkward((24, 32), 5))
    node.mute = True
    assert same(rendered(scene, tmp_path / "muted.exr"), pixels)


@pytest.mark.skipif(not hasattr(bpy.data, "colorspace"), reason="the working space of a file came with 5.0")
def test_when_this_file_works_in_acescg_then_the_tap_is_pinned_to_it(scene, tmp_path) -> None:
    bpy.ops.wm.set_working_color_space(working_space="ACEScg", convert_colors=False)
    assert compat.working_space() == "ACEScg"
    pixels = awkward((24, 32))
    tree, plate = plate_in(scene, tmp_path / "plate.exr", pixels)
    plate.image.colorspace_settings.name = "ACEScg"
    node = carrier.add_node(tree)
    tree.links.new(plate.outputs["Image"], node.inputs["Image"])
    compat.add_output(tree, node.outputs["Image"])
    (tap,) = assert_unchanged(scene, tmp_path)
    assert same(read_exr(tap).rgba, pixels)


REOPEN = """
import os, sys, bpy
bpy.ops.wm.open_mainfile(filepath=sys.argv[1])
assert not hasattr(bpy.types.NodeTree, "lineament")
bpy.ops.render.render(animation=True)
bpy.ops.wm.save_as_mainfile(filepath=sys.argv[1])
sys.stdout.flush()
os._exit(0)
"""


def test_when_the_add_on_is_absent_then_the_file_renders_its_results(scene, tmp_path) -> None:
    home = tmp_path / "a shot with blänks"
    tree, plate = plate_in(scene, home / "plate.exr", awkward((24, 32)))
    node = carrier.add_node(tree, ["age", "smile"])
    tree.links.new(plate.outputs["Image"], node.inputs["Image"])
    compat.add_output(tree, node.outputs["Image"])
    node.inputs["Age"].default_value = 1.5
    bpy.ops.wm.save_as_mainfile(filepath=str(home / "shot.blend"))
    (edit,) = carrier.edit_nodes(scene)
    for frame in (1, 3):
        write_exr(home / "cache" / f"result.{frame:04d}.exr", awkward((24, 32), frame))
    carrier.show_result(scene, edit, home / "cache" / "result.####.exr", [1, 3])
    uid = edit.tree.lineament.uid
    scene.render.filepath = str(home / "out" / "shot.####")
    bpy.ops.wm.save_as_mainfile(filepath=str(home / "shot.blend"))
    away = tmp_path / "moved"
    home.rename(away)
    write_exr(home / "cache" / "result.0001.exr", awkward((24, 32), 9))
    subprocess.run([sys.executable, "-c", REOPEN, str(away / "shot.blend")], check=True, timeout=120)
    found = [read_exr(home / "out" / f"shot.{frame:04d}.exr").rgba for frame in (1, 2, 3)]
    assert same(found[0], awkward((24, 32), 1)), "beside the file, not where it was saved first"
    assert same(found[1], awkward((24, 32))), "a frame without result shows the plate"
    assert same(found[2], awkward((24, 32), 3))
    bpy.ops.wm.open_mainfile(filepath=str(away / "shot.blend"))
    (again,) = carrier.edit_nodes(bpy.context.scene)
    assert again.tree.lineament.uid == uid
    assert [entry.name for entry in again.tree.lineament.attributes] == ["age", "smile"]
    with Helper(bpy.context.scene, 1) as helper:
        assert helper.state(again).recipe.strengths_at(1) == {"age": 1.5}


ACES = """
import os, sys
from pathlib import Path
import bpy
from lineament.hosts.blender import carrier, compat, properties
from lineament.hosts.blender.tap import Helper
properties.register()
assert compat.working_space() == "ACEScg", compat.working_space()
scene = bpy.context.scene
tree = compat.ensure_scene_tree(scene)
tree.nodes.clear()
plate = tree.nodes.new("CompositorNodeImage")
plate.image = bpy.data.images.load(sys.argv[1])
plate.image.colorspace_settings.name = "ACEScg"
plate.image.alpha_mode = "PREMUL"
node = carrier.add_node(tree)
tree.links.new(plate.outputs["Image"], node.inputs["Image"])
(edit,) = carrier.edit_nodes(scene)
with Helper(scene, 1) as helper:
    assert helper.state(edit).recipe.colourspace == "ACEScg"
    assert helper.state(edit).choices.ocio == os.environ["OCIO"]
    print("TAP", helper.taps(edit, Path(sys.argv[1]).parent / "taps")[""].image)
sys.stdout.flush()
os._exit(0)
"""


def test_when_the_file_works_in_acescg_then_it_is_told_and_the_plate_is_not_converted(tmp_path) -> None:
    own = Path(bpy.utils.system_resource("DATAFILES")) / "colormanagement"
    config = (own / "config.ocio").read_text().replace("scene_linear: Linear Rec.709", "scene_linear: ACEScg")
    (tmp_path / "config.ocio").write_text(config)
    for folder in (entry for entry in own.iterdir() if entry.is_dir()):
        (tmp_path / folder.name).symlink_to(folder, target_is_directory=True)
    pixels = awkward((24, 32))
    plate = write_exr(tmp_path / "plate.exr", pixels)
    done = subprocess.run(
        [sys.executable, "-c", ACES, str(plate)],
        env=os.environ | {"OCIO": str(tmp_path / "config.ocio")},
        check=False, timeout=120, capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    tap = next(line for line in done.stdout.splitlines() if line.startswith("TAP"))
    assert same(read_exr(Path(tap.removeprefix("TAP "))).rgba, pixels)
