"""Any order, any split, any process: the same bytes."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import bpy
import pytest
from lineament.hosts.blender import engine
from lineament.hosts.blender.service import bake
from plate_files import read_exr
from shot import add_edit, end, key, results, strength

pytestmark = pytest.mark.usefixtures("addon")


def build(scene, plate_node, cache: Path):
    """Two chained nodes with keys, the exposure left to the engine; the second one's input is the first's result."""
    tree, plate = plate_node()
    first = add_edit(tree, plate, cache)
    second = add_edit(tree, first, cache, age=0.5)
    end(tree, second)
    key(strength(first, "age"), {1: 1.0, 2: 2.0, 3: 3.0})
    return first, second


def pictures(node) -> dict[str, bytes]:
    """What decides a render: the results, and what the sidecars say but for times."""
    found = results(node)
    kept = {name: data for name, data in found.items() if name.endswith(".exr")}
    for name, data in found.items():
        if name.endswith(".json") and name.startswith("result"):
            told = json.loads(data)
            kept[name] = json.dumps([told["key"], told["ask"], told["status"], told["size"]]).encode()
    return kept


@pytest.mark.parametrize("order", [(3, 1, 2), (2,), (1, 2, 3)])
def test_when_frames_come_in_another_order_then_their_files_are_the_same(
    order, scene, plate_node, tmp_path, fake_engine, monkeypatch
) -> None:
    monkeypatch.setenv("LINEAMENT_FAKE_MODE", "numbered")
    nodes = build(scene, plate_node, tmp_path / "cache")
    assert bake(scene, (1, 2, 3)).exit_code == 0
    wanted = [pictures(node) for node in nodes]
    for node in nodes:
        node.node_tree.lineament.cache_folder = str(tmp_path / "other")
    for frame in order:
        assert bake(scene, (frame,)).done == [frame]
    for node, all_of_it in zip(nodes, wanted, strict=True):
        mine = pictures(node)
        assert mine == {name: all_of_it[name] for name in mine}
        assert len(mine) == 2 * len(order)


def test_when_the_cache_is_cold_or_warm_then_the_bytes_are_the_same(
    scene, plate_node, tmp_path, fake_engine
) -> None:
    first, second = build(scene, plate_node, tmp_path / "cache")
    bake(scene, (1, 2, 3))
    wanted = pictures(first), pictures(second)
    bake(scene, (1, 2, 3), force=True)
    assert (pictures(first), pictures(second)) == wanted
    engine.close_all()
    bake(scene, (1, 2, 3))
    assert (pictures(first), pictures(second)) == wanted


ONE_FRAME = """
import os, sys
import bpy
from lineament.hosts.blender import engine, registration
from lineament.hosts.blender.service import bake
registration.register("lineament")
bpy.ops.wm.open_mainfile(filepath=sys.argv[1])
report = bake(bpy.context.scene, (int(sys.argv[2]),))
assert report.done == [int(sys.argv[2])], report
registration.unregister()
"""


def test_when_every_frame_has_a_process_of_its_own_then_the_files_are_those_of_one_bake(
    scene, plate_node, tmp_path, fake_engine, monkeypatch
) -> None:
    monkeypatch.setenv("LINEAMENT_FAKE_MODE", "numbered")
    first, second = build(scene, plate_node, tmp_path / "cache")
    bake(scene, (1, 2, 3))
    wanted = pictures(first), pictures(second)
    for node in (first, second):
        node.node_tree.lineament.cache_folder = str(tmp_path / "farm")
    bpy.ops.wm.save_as_mainfile(filepath=str(tmp_path / "shot.blend"))
    for frame in (3, 1, 2):
        command = [sys.executable, "-c", ONE_FRAME, str(tmp_path / "shot.blend"), str(frame)]
        done = subprocess.run(command, capture_output=True, text=True, timeout=100)
        assert done.returncode == 0, done.stdout + done.stderr
    assert (pictures(first), pictures(second)) == wanted
    assert read_exr(next((tmp_path / "farm").rglob("result.0003.exr"))).rgba.shape == (24, 32, 4)
