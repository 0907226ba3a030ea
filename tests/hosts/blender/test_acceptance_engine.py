"""The real engine and model on a face of the demo shot: order, processes, masks, HDR and log plates, a proxy.

One engine serves all tests of this file, so the add-on is not registered as a whole, only its properties are.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import bpy
import numpy as np
import pytest
from conftest import REPOSITORY, engine_python
from lineament.hosts.blender import compat, engine, properties
from lineament.hosts.blender.ocio_roles import ocio_config
from lineament.hosts.blender.places import location
from lineament.hosts.blender.service import bake
from plate_files import read_exr, write_exr
from shot import add_edit, end, image_node, key, render, results, same_bits, strength, to_log

pytestmark = pytest.mark.slow
FRAMES = (1001, 1002, 1003)
CROP = (slice(144, 400), slice(116, 372))
"""256 x 256 pixels around the face."""
TOLERANCE = 1e-6
SMALL = 6.0e-3
"""What two colour routes of one light may differ in, against an edit of 0.1 and more."""


@pytest.fixture(scope="module", autouse=True)
def one_engine() -> Iterator[None]:
    """The real engine, started by the first test and closed after the last."""
    before = os.environ.get("LINEAMENT_PYTHON")
    os.environ["LINEAMENT_PYTHON"] = engine_python()
    yield
    engine.close_all()
    if before is not None:
        os.environ["LINEAMENT_PYTHON"] = before


@pytest.fixture(autouse=True)
def only_the_properties(empty_file: None) -> Iterator[None]:
    """The node's settings without handlers, which would end the engine after each test."""
    properties.register()
    yield
    properties.unregister()


@pytest.fixture
def faces(tmp_path: Path) -> dict[int, np.ndarray]:
    """The face of three frames of the demo shot (ACEScg) in plate/; frame -> pixels."""
    found = {}
    for frame in FRAMES:
        path = REPOSITORY / "plugin" / "demo_shot" / "plate" / f"plate.{frame}.exr"
        found[frame] = np.ascontiguousarray(read_exr(path).rgba[CROP])
        write_exr(tmp_path / "plate" / f"plate.{frame}.exr", found[frame])
    return found


def build(scene, tmp_path: Path, space: str = "Non-Color", node_space: str = "ACEScg", **strengths: float):
    """Plate, taken to be in ``space``, and an edit behind it that takes what it gets to be in ``node_space``."""
    path = tmp_path / "plate" / f"plate.{FRAMES[0]}.exr"
    height, width = read_exr(path).rgba.shape[:2]
    scene.render.resolution_x, scene.render.resolution_y = width, height
    scene.frame_start, scene.frame_end = FRAMES[0], FRAMES[-1]
    tree = compat.ensure_scene_tree(scene)
    tree.nodes.clear()
    plate = image_node(tree, path, space)
    plate.image.source = "SEQUENCE"
    plate.frame_start, plate.frame_offset = FRAMES[0], FRAMES[0] - 1
    plate.frame_duration, plate.use_auto_refresh = len(FRAMES), True
    node = add_edit(tree, plate, tmp_path / "cache", **strengths)
    node.node_tree.lineament.colourspace = node_space
    end(tree, node)
    return node


def baked(scene, node, frames=FRAMES[:1]) -> dict[int, np.ndarray]:
    """Bake anew; the results."""
    report = bake(scene, frames, force=True)
    assert report.done == list(frames), report.failed
    return {frame: read_exr(location(scene, node.node_tree).result(frame)).rgba for frame in frames}


def pictures(node) -> dict[str, bytes]:
    """The files of a node's results."""
    return {name: data for name, data in results(node).items() if name.endswith(".exr")}


WITHOUT_NETWORK = """
import socket
def refuse(self, address, *_):
    raise AssertionError(f"somebody wants to talk to {address}")
socket.socket.connect = socket.socket.connect_ex = refuse
"""


def test_when_frames_come_in_any_order_or_process_then_the_real_engine_gives_the_same_bytes(
    scene, faces, tmp_path
) -> None:
    node = build(scene, tmp_path)
    key(strength(node, "age"), {1001: 1.0, 1003: 2.0})
    strength(node, "smile").driver_add("default_value").driver.expression = "(frame - 1000) * 0.5"
    first = baked(scene, node)
    assert bake(scene, FRAMES).exit_code == 0
    wanted = pictures(node)
    told = {frame: location(scene, node.node_tree).record(frame).report["strengths"] for frame in FRAMES}
    assert [round(told[frame]["smile"], 6) for frame in FRAMES] == [0.5, 1.0, 1.5]
    assert told[1001]["age"] == 1.0 < told[1002]["age"] < told[1003]["age"] == 2.0
    baked(scene, node, FRAMES)
    assert pictures(node) == wanted, "made again, warm"
    node.node_tree.lineament.cache_folder = str(tmp_path / "another order")
    for frame in (1003, 1001, 1002):
        report = bake(scene, (frame,), force=True)
        assert report.done == [frame], report.failed
    assert pictures(node) == wanted
    node.node_tree.lineament.cache_folder = str(tmp_path / "another process")
    bpy.ops.wm.save_as_mainfile(filepath=str(tmp_path / "shot.blend"))
    one_frame_elsewhere(tmp_path)
    assert pictures(node) == {name: data for name, data in wanted.items() if "1002" in name}
    assert np.abs(first[1001] - faces[1001]).max() > 0.01, "something was edited"


def one_frame_elsewhere(tmp_path: Path) -> None:
    """Frame 1002 of the saved file in processes of their own that cannot reach a network, display or home."""
    (tmp_path / "site").mkdir()
    (tmp_path / "site" / "sitecustomize.py").write_text(WITHOUT_NETWORK)
    known = {name: text for name, text in os.environ.items() if name not in ("DISPLAY", "WAYLAND_DISPLAY")}
    known["PYTHONPATH"] = os.pathsep.join([str(tmp_path / "site"), known.get("PYTHONPATH", "")])
    known |= {"HOME": "/nowhere", "XDG_CACHE_HOME": str(tmp_path / "own cache")}
    command = [sys.executable, "-m", "lineament.hosts.blender", "render", str(tmp_path / "shot.blend")]
    done = subprocess.run(
        [*command, "--frames", "1002", "--bake-only", "--force"],
        env=known,
        capture_output=True,
        text=True,
        timeout=200,
    )
    assert done.returncode == 0, done.stdout + done.stderr


TO_709 = np.array(
    [
        [1.705051, -0.621792, -0.083259],
        [-0.130256, 1.140805, -0.010548],
        [-0.024003, -0.128969, 1.152972],
    ]
)
"""ACEScg to linear Rec.709, in whose channels an edit is given back: there, less of it is never more."""


def test_when_mask_and_mix_limit_the_real_edit_then_it_fades_between_plate_and_full_edit(
    scene, faces, tmp_path
) -> None:
    node = build(scene, tmp_path, age=2.0)
    plate, full = faces[1001], baked(scene, node)[1001]
    soft = np.clip(np.linspace(-0.5, 1.5, 256, dtype=np.float32), 0.0, 1.0)[None].repeat(256, axis=0)
    tree = node.id_data
    mask = image_node(tree, write_exr(tmp_path / "mask.exr", np.dstack([soft] * 4)))
    tree.links.new(mask.outputs["Image"], node.inputs["Mask"])
    for invert, mix in ((False, 1.0), (True, 1.0), (False, 0.5)):
        node.node_tree.lineament.invert_mask = invert
        node.inputs["Mix"].default_value = mix
        made = baked(scene, node)[1001]
        weight = (1.0 - soft if invert else soft) * np.float32(mix)
        assert same_bits(made[weight == 0.0], plate[weight == 0.0]), "outside the mask nothing changes"
        if mix == 1.0:
            assert np.abs(made - full)[weight == 1.0].max() <= TOLERANCE
        limited = (weight > 0.1) & (weight < 0.9)
        share = np.abs(made - plate)[limited].sum() / np.abs(full - plate)[limited].sum()
        assert 0.2 < share < 0.8, "in between it is something in between"
        ours, none, all_ = (picture[..., :3] @ TO_709.T for picture in (made, plate, full))
        slack = 1e-3 * np.abs(all_ - none).max()
        low, high = np.minimum(none, all_) - slack, np.maximum(none, all_) + slack
        assert ((ours >= low) & (ours <= high)).all(), "no halo: nowhere beyond plate and edit"


def awkward(face: np.ndarray) -> np.ndarray:
    """The face lit by a hard lamp on one cheek, and beside it everything that a float can be."""
    pixels = face.copy()
    pixels[110:116, 120:124, :3] *= np.float32(40.0)
    pixels[2, 2:6, :3] = (
        (65000.0, 12.5, 300.0),
        (-0.25, -12.0, 0.0),
        (np.nan, 1.0, 1.0),
        (np.inf, 0.0, -np.inf),
    )
    return pixels


def by_command_line(*runs: list[str]) -> None:
    """``lineament`` with each of these lists of arguments, in one process: torch is slow to start."""
    script = (
        "import json, sys\nfrom lineament.plugin import cli\n"
        "for arguments in json.loads(sys.argv[1]):\n    cli.app(arguments, standalone_mode=False)\n"
    )
    command = [engine_python(), "-c", script, json.dumps(runs)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=200)
    assert done.returncode == 0, done.stdout + done.stderr


def edit_arguments(tmp_path: Path, name: str, space: str) -> list[str]:
    """``lineament edit`` of the plates ``name``, as ``build`` edits them."""
    plates, folder = str(tmp_path / name / "plate.####.exr"), str(tmp_path / f"{name} by cli")
    told = ["edit", plates, "-o", folder, "--cache", "", "--colourspace", space, "--ocio", ocio_config()]
    return [*told, "--set", "age=1.5", "--set", "smile=1"]


@pytest.fixture(scope="module")
def by_cli(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """HDR plates of ACEScg (1001 in float, 1002 in half) and log ones, each edited by the command line."""
    folder = tmp_path_factory.mktemp("plates")
    path = REPOSITORY / "plugin" / "demo_shot" / "plate" / "plate.1001.exr"
    face = np.ascontiguousarray(read_exr(path).rgba[CROP])
    hdr = awkward(face).astype(np.float16).astype(np.float32)
    for index, frame in enumerate(FRAMES):
        write_exr(folder / "hdr" / f"plate.{frame}.exr", hdr, is_half=index == 1)
        write_exr(folder / "log" / f"plate.{frame}.exr", to_log(face))
        write_exr(folder / "linear" / f"plate.{frame}.exr", face)
    runs = (("hdr", "ACEScg"), ("log", "Filmic Log"), ("linear", "Linear Rec.709"))
    by_command_line(*(edit_arguments(folder, name, space) for name, space in runs))
    return folder


def plates_from(by_cli: Path, name: str, tmp_path: Path) -> dict[int, np.ndarray]:
    """Put these plates where ``build`` looks for them; frame -> what the command line made of them."""
    (tmp_path / "plate").symlink_to(by_cli / name, target_is_directory=True)
    return {frame: read_exr(by_cli / f"{name} by cli" / f"plate.{frame}.exr").rgba for frame in FRAMES}


def difference(one: np.ndarray, other: np.ndarray) -> float:
    """The largest difference; what is equal, NaN and infinities too, has none."""
    with np.errstate(invalid="ignore"):
        apart = np.where((one == other) | (np.isnan(one) & np.isnan(other)), 0.0, np.abs(one - other))
    return float("inf") if np.isnan(apart).any() else float(apart.max())


def test_when_an_hdr_plate_is_edited_then_blender_and_the_command_line_agree(scene, by_cli, tmp_path) -> None:
    wanted = plates_from(by_cli, "hdr", tmp_path)
    build(scene, tmp_path, age=1.5, smile=1.0)
    assert bake(scene, FRAMES).done == list(FRAMES)
    found = render(scene, tmp_path / "out", FRAMES)
    plate = read_exr(tmp_path / "plate" / "plate.1001.exr").rgba
    assert difference(found[1001], wanted[1001]) <= TOLERANCE
    with np.errstate(over="ignore", invalid="ignore"):
        as_half = found[1002].astype(np.float16).astype(np.float32)
    assert same_bits(as_half, wanted[1002]), "a half plate's edit is the same before it is stored as half"
    assert same_bits(found[1001][2, :8], plate[2, :8]) and np.isnan(found[1001][2, 4, 0])
    lamp = (slice(110, 116), slice(120, 124))
    assert found[1001][lamp][..., :3].sum() > 0.5 * plate[lamp][..., :3].sum(), "the highlight is still one"
    assert same_bits(found[1001][..., 3], plate[..., 3])
    assert difference(np.nan_to_num(found[1001]), np.nan_to_num(plate)) > 0.01


def test_when_a_log_plate_is_edited_then_blender_and_the_command_line_agree(scene, by_cli, tmp_path) -> None:
    wanted = plates_from(by_cli, "log", tmp_path)
    build(scene, tmp_path, node_space="Filmic Log", age=1.5, smile=1.0)
    assert bake(scene, FRAMES[:1]).done == [1001]
    found = render(scene, tmp_path / "out", FRAMES[:1])[1001]
    plate = read_exr(tmp_path / "plate" / "plate.1001.exr").rgba
    untouched = (wanted[1001] == plate).all(axis=-1)
    assert difference(found, wanted[1001]) <= TOLERANCE
    assert same_bits(found[untouched], plate[untouched]) and 0.05 < untouched.mean() < 0.95


def test_when_blender_opens_a_log_plate_then_its_edit_is_that_of_the_linear_one(
    scene, by_cli, tmp_path
) -> None:
    plates_from(by_cli, "log", tmp_path)
    wanted = read_exr(by_cli / "linear by cli" / "plate.1001.exr").rgba
    linear = read_exr(by_cli / "linear" / "plate.1001.exr").rgba
    build(scene, tmp_path, "Filmic Log", "", age=1.5, smile=1.0)
    assert bake(scene, FRAMES[:1]).done == [1001]
    found = render(scene, tmp_path / "out", FRAMES[:1])[1001]
    assert np.abs(wanted - linear).max() > 0.1
    assert np.abs(found - wanted).max() < SMALL


def test_when_the_plate_is_a_proxy_then_its_edit_looks_like_the_full_one(scene, faces, tmp_path) -> None:
    node = build(scene, tmp_path, age=2.0)
    full = halved(baked(scene, node)[1001]) - halved(faces[1001])
    for frame in FRAMES:
        write_exr(tmp_path / "proxies" / "plate" / f"plate.{frame}.exr", halved(faces[frame]))
    proxy = baked(scene, build(scene, tmp_path / "proxies", age=2.0))[1001] - halved(faces[1001])
    likeness = float((full * proxy).sum() / np.sqrt((full**2).sum() * (proxy**2).sum()))
    assert likeness > 0.95 and 0.9 < np.abs(proxy).mean() / np.abs(full).mean() < 1.1


def halved(pixels: np.ndarray) -> np.ndarray:
    """The mean of each two by two pixels."""
    height, width = pixels.shape[:2]
    return np.ascontiguousarray(
        pixels.reshape(height // 2, 2, width // 2, 2, -1).mean(axis=(1, 3)), np.float32
    )
