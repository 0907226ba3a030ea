"""Plates of every kind through a bake: nothing lost of HDR and log ones, any window and any scale, 4K, 200 frames."""

from __future__ import annotations

import gc
import os
from pathlib import Path

import bpy
import numpy as np
import pytest
from conftest import HERE, engine_python
from lineament.core.errors import DeviceError
from lineament.hosts.blender import compat, engine, handlers
from lineament.hosts.blender.places import location
from lineament.hosts.blender.service import Baker, bake
from plate_files import read_exr, write_exr
from shot import add_edit, edited, end, image_node, render, results, same_bits, to_log

pytestmark = pytest.mark.usefixtures("addon")


def hdr(size: tuple[int, int] = (24, 32)) -> np.ndarray:
    """A plate with highlights to 65000, negatives, NaN, infinities, denormals, and colour under alpha 0."""
    rng = np.random.default_rng(7)
    pixels = (0.2 * np.exp(rng.normal(0.0, 1.5, (*size, 4)))).astype(np.float32)
    pixels[..., 3] = rng.uniform(0.0, 1.0, size)
    pixels[3, 4, :3], pixels[3, 5, :3] = (65000.0, 12.5, 300.0), (-0.25, -12.0, 0.0)
    pixels[6, 7, :3], pixels[6, 8, :3] = (np.nan, np.inf, -np.inf), (6e-5, 6e-8, -0.0)
    pixels[9, 9] = (3.0, -1.0, 0.5, 0.0)
    return pixels


def plate_in(scene, path: Path, pixels: np.ndarray, space: str = "Non-Color", **header):
    """An Image node with the picture in the scene's emptied compositor tree; returns the tree and the node."""
    write_exr(path, pixels, **header)
    tree = compat.ensure_scene_tree(scene)
    tree.nodes.clear()
    return tree, image_node(tree, path, space)


def without_edits(scene, nodes, folder: Path, frame: int = 1) -> np.ndarray:
    """What the scene renders while its nodes are muted."""
    for node in nodes:
        node.mute = True
    with handlers.paused():
        found = render(scene, folder, (frame,))[frame]
    for node in nodes:
        node.mute = False
    return found


@pytest.mark.parametrize("is_half", [False, True])
@pytest.mark.parametrize(
    ("kind", "space"),
    [("hdr", "Non-Color"), ("hdr", "ACEScg"), ("log", "Non-Color"), ("log", "Filmic Log")],
)
def test_when_an_hdr_or_log_plate_is_not_edited_then_every_bit_passes(
    kind, space, is_half, scene, tmp_path, fake_engine
) -> None:
    pixels = hdr() if kind == "hdr" else to_log(np.abs(np.nan_to_num(hdr(), posinf=9.0, neginf=0.0)))
    with np.errstate(invalid="ignore"):
        stored = pixels.astype(np.float16 if is_half else np.float32).astype(np.float32)
    tree, plate = plate_in(scene, tmp_path / "plate.exr", pixels, space, is_half=is_half)
    node = add_edit(tree, plate, tmp_path / "cache", age=0.0)
    end(tree, node)
    before = without_edits(scene, [node], tmp_path / "before")
    assert bake(scene, (1,)).skipped == [1]
    after = render(scene, tmp_path / "after", (1,))[1]
    assert same_bits(after, before)
    if space == "Non-Color":
        assert same_bits(after, stored), "from the file to the render, every bit"


@pytest.mark.parametrize("is_half", [False, True])
def test_when_an_hdr_plate_is_edited_then_nothing_is_clamped(is_half, scene, tmp_path, fake_engine) -> None:
    pixels = hdr()
    with np.errstate(invalid="ignore"):
        stored = pixels.astype(np.float16 if is_half else np.float32).astype(np.float32)
    tree, plate = plate_in(scene, tmp_path / "plate.exr", pixels, is_half=is_half)
    end(tree, add_edit(tree, plate, tmp_path / "cache", age=1.0))
    assert bake(scene, (1,)).done == [1]
    found = render(scene, tmp_path / "out", (1,))[1]
    assert same_bits(found, edited(stored, 1.0))
    assert found[3, 4, 0] > 1.2e5 and found[3, 5, 1] < -20.0 and np.isposinf(found[6, 7, 1])


WINDOWS = [
    ((1, 1), {}),
    ((23, 31), {}),
    ((30, 40), {"origin": (-4, -3), "display": (0, 0, 31, 23)}),
    ((11, 13), {"origin": (3, 2), "display": (0, 0, 31, 23)}),
    ((11, 13), {"origin": (-3, 2), "display": (0, 0, 31, 23)}),
    ((24, 32), {"pixel_aspect": 2.0}),
]


@pytest.mark.parametrize(("size", "header"), WINDOWS)
def test_when_the_plate_has_any_window_then_the_edit_lies_where_the_plate_lies(
    size, header, scene, tmp_path, fake_engine
) -> None:
    rng = np.random.default_rng(3)
    tree, plate = plate_in(scene, tmp_path / "plate.exr", rng.random((*size, 4), np.float32), **header)
    scene.render.pixel_aspect_x = header.get("pixel_aspect", 1.0)
    node = add_edit(tree, plate, tmp_path / "cache", age=1.0)
    end(tree, node)
    before = without_edits(scene, [node], tmp_path / "before")
    assert bake(scene, (1,)).done == [1]
    after = render(scene, tmp_path / "after", (1,))[1]
    assert same_bits(after, edited(before, 1.0)) and not same_bits(after, before)
    record = location(scene, node.node_tree).record(1)
    assert record.ask["pixel_aspect"] == header.get("pixel_aspect", 1.0)


@pytest.mark.parametrize("percentage", [25, 50, 77, 200])
def test_when_the_scene_renders_at_a_percentage_then_the_edit_is_that_of_the_full_plate(
    percentage, scene, plate_node, pixels_of_plate, tmp_path, fake_engine
) -> None:
    tree, plate = plate_node()
    node = add_edit(tree, plate, tmp_path / "cache", age=1.0)
    end(tree, node)
    assert bake(scene, (1,)).done == [1]
    full = read_exr(location(scene, node.node_tree).result(1)).rgba
    scene.render.resolution_percentage = percentage
    before = without_edits(scene, [node], tmp_path / "before")
    assert bake(scene, (1,)).skipped == [1], "what a percentage renders needs no other result"
    after = render(scene, tmp_path / "after", (1,))[1]
    assert same_bits(after, edited(before, 1.0)) and same_bits(full, edited(pixels_of_plate(1), 1.0))
    assert after.shape[0] == round(24 * percentage / 100)


def test_when_the_plate_is_scaled_to_a_proxy_then_its_edit_is_the_full_one_scaled(
    scene, plate_node, tmp_path, fake_engine
) -> None:
    tree, plate = plate_node(size=(48, 64))

    def halved(socket):
        node = tree.nodes.new("CompositorNodeScale")
        for axis in ("X", "Y"):
            node.inputs[axis].default_value = 0.5
        tree.links.new(socket, node.inputs["Image"])
        return node

    small = add_edit(tree, halved(plate.outputs["Image"]), tmp_path / "cache", age=1.0)
    large = add_edit(tree, plate, tmp_path / "cache", age=1.0)
    pictures = {}
    for name, last in (("proxy", small), ("full", halved(large.outputs["Image"]))):
        end(tree, last)
        assert bake(scene, (1,)).failed == {}
        pictures[name] = render(scene, tmp_path / name, (1,))[1]
    assert np.allclose(pictures["proxy"], pictures["full"], rtol=1e-5, atol=1e-6)


@pytest.fixture
def big(scene, tmp_path, fake_engine):
    """A scene with one edit of a 4096 x 2160 plate; the plate's pixels and the node."""
    rng = np.random.default_rng(11)
    pixels = np.tile(rng.random((216, 4096, 4), np.float32), (10, 1, 1))
    scene.render.resolution_x, scene.render.resolution_y = 4096, 2160
    tree, plate = plate_in(scene, tmp_path / "plate.exr", pixels)
    node = add_edit(tree, plate, tmp_path / "cache", age=1.0)
    end(tree, node)
    return pixels, node


def test_when_a_frame_is_4k_then_it_is_edited_or_refused_for_want_of_memory(
    big, scene, tmp_path, monkeypatch
) -> None:
    pixels, node = big
    with monkeypatch.context() as patch:
        patch.setenv("LINEAMENT_PYTHON", str(engine_with_little_memory(tmp_path)))
        report = bake(scene, (1,))
    engine.close_all()
    (error,) = report.failed.values()
    assert report.exit_code == DeviceError.exit_code, str(error)
    assert "ran out of memory" in error.what and "more memory" in error.remedy
    assert [name for name in results(node) if not name.endswith(".json")] == []
    assert bake(scene, (1,)).done == [1], "with memory the next run recovers"
    with handlers.paused():
        assert same_bits(render(scene, tmp_path / "out", (1,))[1], edited(pixels, 1.0))


def engine_with_little_memory(folder: Path) -> Path:
    """The fake engine in a process that may have 700 MiB, in which a 4K frame does not fit."""
    script = folder / "little_memory"
    script.write_text(
        f'#!/bin/sh\nulimit -v 700000\nexec "{engine_python()}" "{HERE / "fake_engine_worker.py"}" "$@"\n'
    )
    script.chmod(0o755)
    return script


KINDS = ("scenes", "node_groups", "images", "actions", "materials", "worlds", "collections", "objects")
MANY, SETTLED = 200, 60
GROWTH_MIB = 8.0
"""A leak of one tiny frame's float picture each would be 0.1 MiB in all; of a scene copy each, far more than this."""


def resident_mib() -> float:
    """The memory that this process has now."""
    status = Path("/proc/self/status").read_text()
    return int(next(line.split()[1] for line in status.splitlines() if line.startswith("VmRSS"))) / 1024


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="only Linux tells a process's memory so")
def test_when_200_frames_are_baked_then_neither_datablocks_nor_memory_grow(
    scene, plate_node, tmp_path, fake_engine
) -> None:
    tree, plate = plate_node(size=(8, 8))
    plate.use_cyclic = True
    scene.render.resolution_x = scene.render.resolution_y = 8
    scene.frame_end = MANY
    end(tree, add_edit(tree, plate, tmp_path / "cache", age=1.0))
    baker = Baker(scene, ())
    seen = {}
    for frame in range(1, MANY + 1):
        list(baker.frame_steps(frame))
        if frame in (SETTLED, MANY):
            gc.collect()
            seen[frame] = {kind: len(getattr(bpy.data, kind)) for kind in KINDS}, resident_mib()
    assert len(baker.report.done) == MANY and baker.report.failed == {}
    assert seen[MANY][0] == seen[SETTLED][0]
    assert seen[MANY][1] - seen[SETTLED][1] < GROWTH_MIB
    assert list(Path("/dev/shm").glob(f"lineament-taps-{os.getpid()}-*")) == []
