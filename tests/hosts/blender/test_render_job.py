"""A headless render delivers what was baked, or says why not: whatever the scene or another process does."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from pathlib import Path

import bpy
import pytest
from lineament.hosts.blender import headless, places
from plate_files import read_exr, write_exr
from shot import add_edit, edited, end, key, same_bits, strength


@pytest.fixture
def file(scene, plate_node, tmp_path, addon, fake_engine):
    """A saved file with one edit of age 1 on frames 1 to 3, and the node in it."""
    tree, plate = plate_node()
    node = add_edit(tree, plate, tmp_path / "cache", age=1.0)
    end(tree, node)
    bpy.ops.wm.save_as_mainfile(filepath=str(tmp_path / "shot.blend"))
    return tmp_path / "shot.blend", node


def render(path: Path, folder: Path, *more: str) -> int:
    return headless.main(["render", str(path), "--output", str(folder / "o.####"), *more])


def written(folder: Path) -> list[str]:
    return sorted(found.name for found in folder.iterdir()) if folder.exists() else []


def test_when_the_compositor_is_off_then_nothing_is_baked(file, tmp_path, capsys, fake_engine) -> None:
    path, _ = file
    bpy.context.scene.render.use_compositing = False
    bpy.ops.wm.save_mainfile()
    assert render(path, tmp_path / "out") == 2
    assert "Post Processing" in capsys.readouterr().err and not fake_engine()
    assert not (tmp_path / "out").exists()


def test_when_the_scene_has_strips_or_keeps_pictures_then_the_composite_is_delivered_all_the_same(
    file, tmp_path, capsys, pixels_of_plate
) -> None:
    path, _ = file
    scene = bpy.context.scene
    length = {"length": 10} if bpy.app.version >= (5, 0, 0) else {"frame_end": 10}
    scene.sequence_editor_create().strips.new_effect(
        name="c", type="COLOR", channel=1, frame_start=1, **length
    )
    scene.render.use_sequencer, scene.render.use_overwrite = True, False
    bpy.ops.wm.save_mainfile()
    (tmp_path / "out").mkdir()
    write_exr(tmp_path / "out" / "o.0002.exr", pixels_of_plate(1))
    assert render(path, tmp_path / "out") == 0
    told = capsys.readouterr().out
    assert "sequencer is left out" in told and "Overwrite was off" in told
    for frame in (1, 2, 3):
        picture = read_exr(tmp_path / "out" / f"o.{frame:04d}.exr").rgba
        assert same_bits(picture, edited(pixels_of_plate(frame), 1.0)), frame


@pytest.mark.parametrize("harm", ["removed", "replaced"])
def test_when_a_result_changes_after_its_bake_then_that_frame_is_not_delivered(
    file, tmp_path, capsys, monkeypatch, harm
) -> None:
    path, _ = file
    real = headless.RenderJob._rendered

    def meddle(job, first: int, last: int, is_movie: bool):
        if first == 2:
            tree = job._nodes[0].tree
            place = places.location(job._scene, tree)
            if harm == "removed":
                place.result(2).unlink()
            else:
                text = place.sidecar(2).read_text()
                record = place.record(2)
                place.sidecar(2).write_text(text.replace(record.key, "f" * len(record.key)))
        return real(job, first, last, is_movie)

    monkeypatch.setattr(headless.RenderJob, "_rendered", meddle)
    assert render(path, tmp_path / "out") == 1
    told = capsys.readouterr()
    assert "changed or removed by somebody else" in told.err and "Not written: 2" in told.out
    assert written(tmp_path / "out") == ["o.0001.exr", "o.0003.exr"]


def test_when_a_result_vanishes_before_the_render_begins_then_its_frame_is_not_empty(
    file, tmp_path, monkeypatch
) -> None:
    path, _ = file
    real = headless._render

    def between(scene, frames, told):
        (next((tmp_path / "cache").glob("*/result.0002.exr"))).unlink()
        return real(scene, frames, told)

    monkeypatch.setattr(headless, "_render", between)
    assert render(path, tmp_path / "out") == 1
    assert written(tmp_path / "out") == ["o.0001.exr", "o.0003.exr"]


def test_when_a_failed_frame_has_an_older_picture_then_that_is_said(
    file, tmp_path, capsys, pixels_of_plate
) -> None:
    path, node = file
    key(strength(node, "smile"), {1: 0.0, 2: 3.0, 3: 0.0})
    bpy.ops.wm.save_mainfile()
    (tmp_path / "out").mkdir()
    write_exr(tmp_path / "out" / "o.0002.exr", pixels_of_plate(2))
    assert render(path, tmp_path / "out") == 1
    assert "An older picture is still there: " in capsys.readouterr().out


def test_when_a_folder_of_the_cache_has_hashes_then_its_results_are_shown(
    scene, plate_node, tmp_path, addon, fake_engine, pixels_of_plate
) -> None:
    tree, plate = plate_node()
    node = add_edit(tree, plate, tmp_path / "s_####_x", age=1.0)
    end(tree, node)
    bpy.ops.wm.save_as_mainfile(filepath=str(tmp_path / "shot.blend"))
    assert render(tmp_path / "shot.blend", tmp_path / "out") == 0
    picture = read_exr(tmp_path / "out" / "o.0002.exr").rgba
    assert same_bits(picture, edited(pixels_of_plate(2), 1.0))


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_when_a_signal_arrives_while_pictures_are_written_then_the_render_ends_after_its_frame(
    file, tmp_path, number, code
) -> None:
    path, _ = file
    scene = bpy.context.scene
    for image in bpy.data.images:
        if image.source == "SEQUENCE" and "result" not in image.filepath:
            image.source = "FILE"  # one plate for all frames
    scene.frame_end = 60
    bpy.ops.wm.save_mainfile()
    command = [sys.executable, "-m", "lineament.hosts.blender", "render", str(path)]
    command += ["--output", str(tmp_path / "out" / "o.####")]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    limit = time.monotonic() + 90
    while not written(tmp_path / "out") and time.monotonic() < limit and process.poll() is None:
        time.sleep(0.005)
    process.send_signal(number)
    out, err = process.communicate(timeout=30)
    assert process.returncode == code, out + err
    assert 1 <= len(written(tmp_path / "out")) < 60
