"""The real engine and model: Blender's picture is the command line's, whatever space the plate is in."""

from __future__ import annotations

import subprocess
from pathlib import Path

import bpy
import numpy as np
import pytest
from conftest import REPOSITORY
from lineament.hosts.blender import compat, engine
from lineament.hosts.blender.ocio_roles import ocio_config
from lineament.hosts.blender.places import location
from lineament.hosts.blender.record import ask_from, request_of
from lineament.hosts.blender.service import bake
from plate_files import read_exr, write_exr
from shot import add_edit, end, render, same_bits, strength

pytestmark = [pytest.mark.usefixtures("addon"), pytest.mark.slow]
FIRST = 1001
TOLERANCE = 1e-6
STRENGTHS = {"age": 1.5, "smile": 1.0}
REC709_FROM_ACESCG = np.array(
    [
        [1.7050509, -0.6217921, -0.0832589],
        [-0.1302564, 1.1408047, -0.0105483],
        [-0.0240034, -0.1289690, 1.1529724],
    ]
)


@pytest.fixture
def demo(tmp_path: Path) -> dict[int, np.ndarray]:
    """Two frames of the demo shot (ACEScg) as 32-bit float RGBA, in plate/; frame -> pixels."""
    found = {}
    for frame in (FIRST, FIRST + 1):
        pixels = read_exr(REPOSITORY / "plugin" / "demo_shot" / "plate" / f"plate.{frame}.exr").rgba
        write_exr(tmp_path / "plate" / f"plate.{frame}.exr", pixels)
        found[frame] = pixels
    return found


def build(scene, tmp_path: Path, space: str, node_space: str):
    """A scene that edits the demo plate, which Blender takes to be in ``space``."""
    scene.render.resolution_x = scene.render.resolution_y = 512
    scene.frame_start, scene.frame_end = FIRST, FIRST + 1
    tree = compat.ensure_scene_tree(scene)
    tree.nodes.clear()
    image = bpy.data.images.load(str(tmp_path / "plate" / f"plate.{FIRST}.exr"))
    image.source = "SEQUENCE"
    image.colorspace_settings.name, image.alpha_mode = space, "PREMUL"
    plate = tree.nodes.new("CompositorNodeImage")
    plate.image, plate.frame_start, plate.frame_offset = image, FIRST, FIRST - 1
    plate.frame_duration, plate.use_auto_refresh = 2, True
    node = add_edit(tree, plate, tmp_path / "cache", **STRENGTHS)
    node.node_tree.lineament.colourspace = node_space
    end(tree, node)
    return node


def by_command_line(python: str, plate: str, folder: Path, space: str) -> dict[int, np.ndarray]:
    """What ``lineament edit`` makes of the same files."""
    command = [python, "-m", "lineament.plugin.cli", "edit", plate, "-o", str(folder), "--cache", ""]
    command += ["--colourspace", space, "--ocio", ocio_config()]
    command += [part for name, value in STRENGTHS.items() for part in ("--set", f"{name}={value}")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stdout + done.stderr
    return {int(path.stem.split(".")[-1]): read_exr(path).rgba for path in folder.glob("*.exr")}


def test_when_blender_and_the_command_line_edit_the_same_plate_then_the_pictures_are_the_same(
    scene, demo, tmp_path, real_engine
) -> None:
    node = build(scene, tmp_path, "Non-Color", "ACEScg")
    report = bake(scene, tuple(demo))
    assert report.done == list(demo), report.failed
    pictures = render(scene, tmp_path / "out", tuple(demo))
    wanted = by_command_line(
        real_engine, str(tmp_path / "plate" / "plate.####.exr"), tmp_path / "cli", "ACEScg"
    )
    for frame, plate in demo.items():
        difference = float(np.abs(pictures[frame] - wanted[frame]).max())
        assert difference <= TOLERANCE, (frame, difference)
        outside = (wanted[frame] == plate).all(axis=-1)
        assert same_bits(pictures[frame][outside], plate[outside]) and 0.1 < outside.mean() < 1.0
        assert np.abs(wanted[frame] - plate).max() > 0.01, "something was edited"
        assert same_bits(pictures[frame][..., 3], plate[..., 3])
    check_sidecar(scene, node, tmp_path)


def check_sidecar(scene, node, tmp_path: Path) -> None:
    """The sidecar names model, licence and colour, and makes the frame again from the plate."""
    place = location(scene, node.node_tree)
    record = place.record(FIRST)
    assert record.engine["licence"].startswith("CC0") and len(record.engine["weights"]) == 64
    assert record.report["space"] == "ACEScg" and record.report["exposure"] > 0.0
    again = request_of(record, tmp_path / "plate" / f"plate.{FIRST}.exr", tmp_path / "again.exr")
    engine.session(ask_from(record).choices).render(again)
    assert same_bits(read_exr(tmp_path / "again.exr").rgba, read_exr(place.result(FIRST)).rgba)


def test_when_an_acescg_plate_is_converted_by_blender_then_the_edit_is_the_same_light(
    scene, demo, tmp_path, real_engine
) -> None:
    build(scene, tmp_path, "ACEScg", "")
    assert bake(scene, (FIRST,)).done == [FIRST]
    converted = render(scene, tmp_path / "out", (FIRST,))[FIRST]
    own = by_command_line(
        real_engine, str(tmp_path / "plate" / f"plate.{FIRST}.exr"), tmp_path / "cli", "ACEScg"
    )
    wanted = own[FIRST][..., :3] @ REC709_FROM_ACESCG.T
    plate = demo[FIRST][..., :3] @ REC709_FROM_ACESCG.T
    effect = np.abs(wanted - plate).max()
    assert np.abs(converted[..., :3] - wanted).max() < 0.02 * effect


@pytest.mark.skipif(bpy.app.version < (5, 0, 0), reason="the working space can be chosen since Blender 5.0")
def test_when_the_file_works_in_acescg_then_the_engine_is_told_so(scene, demo, tmp_path, real_engine) -> None:
    bpy.ops.wm.set_working_color_space(working_space="ACEScg", convert_colors=False)
    node = build(scene, tmp_path, "ACEScg", "")
    assert bake(scene, (FIRST,)).done == [FIRST]
    assert location(scene, node.node_tree).record(FIRST).ask["recipe"]["colourspace"] == "ACEScg"
    picture = render(scene, tmp_path / "out", (FIRST,))[FIRST]
    own = by_command_line(
        real_engine, str(tmp_path / "plate" / f"plate.{FIRST}.exr"), tmp_path / "cli", "ACEScg"
    )
    assert np.abs(picture - own[FIRST]).max() <= TOLERANCE


def test_when_there_is_no_face_in_the_plate_then_the_engine_says_so_and_the_plate_shows(
    scene, demo, tmp_path, real_engine
) -> None:
    grey = np.full((512, 512, 4), 0.18, np.float32)
    write_exr(tmp_path / "plate" / f"plate.{FIRST}.exr", grey)
    node = build(scene, tmp_path, "Non-Color", "ACEScg")
    strength(node, "glasses").default_value = 1.0
    report = bake(scene, (FIRST,))
    assert report.exit_code == 3 and "face" in report.failed[FIRST].what.lower()
    assert report.failed[FIRST].remedy
    from lineament.hosts.blender import handlers

    with handlers.paused():
        assert same_bits(render(scene, tmp_path / "out", (FIRST,))[FIRST], grey)
