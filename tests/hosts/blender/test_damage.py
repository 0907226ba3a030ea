"""Results that are damaged, or right for somebody else: the one is made again, the other is left alone."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import bpy
import pytest
from lineament.hosts.blender import handlers, headless, passive
from lineament.hosts.blender.places import location
from lineament.hosts.blender.service import Baker, bake
from plate_files import read_exr
from shot import add_edit, edited, end, render, results, same_bits, strength

ALL = (1, 2, 3)


@pytest.fixture
def baked(scene, plate_node, tmp_path, addon, fake_engine):
    """A saved and baked edit of age 1."""
    tree, plate = plate_node()
    node = add_edit(tree, plate, tmp_path / "cache", age=1.0)
    end(tree, node)
    bpy.ops.wm.save_as_mainfile(filepath=str(tmp_path / "shot.blend"))
    assert bake(scene, ALL).done == [1, 2, 3]
    bpy.ops.wm.save_mainfile()
    return node


def damage(path: Path) -> bytes:
    """Zero some pixels; the size and the header stay. Returns what was there."""
    whole = path.read_bytes()
    path.write_bytes(whole[:-2000] + bytes(1000) + whole[-1000:])
    return whole


def meddle(monkeypatch, between) -> None:
    """Let something happen after the bake of a headless render and before its pictures."""
    real = headless._render

    def patched(*told):
        between()
        return real(*told)

    monkeypatch.setattr(headless, "_render", patched)


def test_when_a_result_is_damaged_at_its_size_then_the_next_bake_makes_it_again(
    scene, baked, fake_engine
) -> None:
    place = location(scene, baked.node_tree)
    whole = damage(place.result(2))
    report = bake(scene, ALL)
    assert (report.done, report.skipped) == ([2], [1, 3])
    assert place.result(2).read_bytes() == whole


def test_when_a_result_is_damaged_then_no_render_delivers_it(
    scene, baked, tmp_path, pixels_of_plate, capsys
) -> None:
    damage(location(scene, baked.node_tree).result(2))
    code = headless.main(["render", str(tmp_path / "shot.blend"), "-o", str(tmp_path / "out" / "o.####")])
    assert code == 0 and "1 of 3 frames edited" in capsys.readouterr().out
    for frame in ALL:
        picture = read_exr(tmp_path / "out" / f"o.{frame:04d}.exr").rgba
        assert same_bits(picture, edited(pixels_of_plate(frame), 1.0)), frame


def test_when_a_result_is_damaged_between_bake_and_render_then_its_frame_is_not_delivered(
    scene, baked, tmp_path, monkeypatch
) -> None:
    result = location(scene, baked.node_tree).result(2)
    meddle(monkeypatch, lambda: damage(result))
    code = headless.main(["render", str(tmp_path / "shot.blend"), "-o", str(tmp_path / "out" / "o.####")])
    assert code == 1
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["o.0001.exr", "o.0003.exr"]


def test_when_a_sidecar_has_no_digest_then_its_frame_is_made_again(scene, baked) -> None:
    place = location(scene, baked.node_tree)
    text = place.sidecar(1).read_text()
    place.sidecar(1).write_text(text.replace(place.made(1).digest, ""))
    assert bake(scene, (1,)).done == [1]


def test_when_another_process_fails_on_a_frame_then_results_that_are_right_stay_and_are_delivered(
    scene, baked, tmp_path, monkeypatch, pixels_of_plate
) -> None:
    before = results(baked)

    def without_an_engine() -> None:
        command = [sys.executable, "-m", "lineament.hosts.blender", "render", str(tmp_path / "shot.blend")]
        environment = {**os.environ, "LINEAMENT_PYTHON": "/nowhere/python"}
        done = subprocess.run([*command, "--force", "--bake-only"], capture_output=True, env=environment)
        assert done.returncode == 1

    meddle(monkeypatch, without_an_engine)
    code = headless.main(["render", str(tmp_path / "shot.blend"), "-o", str(tmp_path / "out" / "o.####")])
    assert code == 0
    for frame in ALL:
        picture = read_exr(tmp_path / "out" / f"o.{frame:04d}.exr").rgba
        assert same_bits(picture, edited(pixels_of_plate(frame), 1.0)), frame
    folder = next((tmp_path / "cache").iterdir())
    after = {path.name: path.read_bytes() for path in folder.iterdir()}
    assert {name: after[name] for name in before} == before


def test_when_a_frame_fails_for_a_while_then_it_shows_its_plate_and_later_its_result_again(
    scene, baked, tmp_path, fake_engine, pixels_of_plate
) -> None:
    plate = tmp_path / "plate" / "plate.0002.exr"
    plate.rename(tmp_path / "kept.exr")
    report = bake(scene, ALL)
    assert list(report.failed) == [2]
    place = location(scene, baked.node_tree)
    assert place.result(2).exists() and place.record(2).failure is not None
    assert place.edited_frames() == (1, 3)
    passive.reconcile(scene)
    assert baked.node_tree.lineament.baked_ranges == "1,3", "who opens the file does not see it either"
    (tmp_path / "kept.exr").rename(plate)
    calls = len(fake_engine())
    assert bake(scene, ALL).skipped == [1, 2, 3] and len(fake_engine()) == calls
    assert place.record(2).failure is None and not place.note(2).exists()
    with handlers.paused():
        assert same_bits(render(scene, tmp_path / "out", (2,))[2], edited(pixels_of_plate(2), 1.0))


def test_when_the_engine_fails_on_other_settings_then_the_old_result_goes(scene, baked) -> None:
    strength(baked, "smile").default_value = 3.0
    place = location(scene, baked.node_tree)
    assert list(bake(scene, (2,)).failed) == [2]
    assert not place.result(2).exists() and place.made(2) is None
    assert place.result(1).exists()


def test_when_a_bake_is_cancelled_on_other_settings_then_the_old_result_stays(scene, baked) -> None:
    strength(baked, "beard").default_value = 3.0
    before = results(baked)
    baker = Baker(scene, (1,))
    for step in baker.steps():
        if step.stage == "read":
            baker.cancel()
    assert baker.report.is_cancelled and results(baked) == before
