"""The farm's way in: bake first, render what is right, say the rest, and end with the agreed exit code."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import bpy
import pytest
from conftest import engine_python
from lineament.hosts.blender import headless
from plate_files import read_exr
from shot import add_edit, edited, end, key, same_bits, strength

LIMIT_S = 120
COMMAND_LINE = engine_python()
"""The interpreter that has the command line; tests put a fake engine in its place later."""


@pytest.fixture
def file(scene, plate_node, tmp_path, addon, fake_engine):
    """A saved file with one edit, and the node in it; ``save`` it again after a change."""
    folder = tmp_path / "Schuss 01 é 顔"
    folder.mkdir()
    tree, plate = plate_node()
    node = add_edit(tree, plate, tmp_path / "cache", age=1.0)
    end(tree, node)
    scene.render.filepath = str(folder / "default" / "out.####")
    bpy.ops.wm.save_as_mainfile(filepath=str(folder / "shot 1.blend"))
    return folder / "shot 1.blend", node


def save() -> None:
    bpy.ops.wm.save_mainfile()


def run(*arguments: object) -> subprocess.CompletedProcess[str]:
    """``python -m lineament.hosts.blender`` in a process without display and network, which must end by itself."""
    environment = {
        name: value for name, value in os.environ.items() if name not in ("DISPLAY", "WAYLAND_DISPLAY")
    }
    command = [sys.executable, "-m", "lineament.hosts.blender", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=LIMIT_S, env=environment)


def pictures(folder: Path, frames: tuple[int, ...]) -> dict:
    return {frame: read_exr(folder / f"o.{frame:04d}.exr").rgba for frame in frames}


def test_when_a_file_is_rendered_then_every_frame_is_edited_and_the_process_ends_by_itself(
    file, pixels_of_plate, tmp_path
) -> None:
    path, _ = file
    done = run("render", path, "--output", tmp_path / "aus gabe é" / "o.####")
    assert done.returncode == 0, done.stdout + done.stderr
    for frame, picture in pictures(tmp_path / "aus gabe é", (1, 2, 3)).items():
        assert same_bits(picture, edited(pixels_of_plate(frame), 1.0)), frame
    assert "3 of 3 frames edited" in done.stdout and "To do again" not in done.stdout


def test_when_frames_are_named_then_only_they_are_baked_and_written(file, tmp_path, fake_engine) -> None:
    path, _ = file
    done = run("render", path, "--frames", "1-3x2", "--output", tmp_path / "out" / "o.####")
    assert done.returncode == 0, done.stderr
    assert sorted(found.name for found in (tmp_path / "out").iterdir()) == ["o.0001.exr", "o.0003.exr"]
    assert [call["frame"] for call in fake_engine()] == [1, 3]
    again = run("render", path, "--frames", "3", "--output", tmp_path / "out" / "o.####")
    assert again.returncode == 0 and "1 were valid" in again.stdout and len(fake_engine()) == 2
    forced = run("render", path, "--frames", "3", "--force", "--bake-only")
    assert forced.returncode == 0 and len(fake_engine()) == 3


def test_when_a_frame_fails_then_it_is_not_written_and_the_summary_says_how_to_do_it_again(
    file, pixels_of_plate, tmp_path
) -> None:
    path, node = file
    key(strength(node, "smile"), {1: 0.0, 2: 3.0, 3: 0.0})
    save()
    done = run("render", path, "--output", tmp_path / "out" / "o.####")
    assert done.returncode == 1
    assert sorted(found.name for found in (tmp_path / "out").iterdir()) == ["o.0001.exr", "o.0003.exr"]
    assert "To do again: --frames 2" in done.stdout
    assert (
        "frame 2: What: No face was found." in done.stderr and "What to do: Lower the smile." in done.stderr
    )
    key(strength(node, "smile"), {2: 0.0})
    save()
    again = run("render", path, "--frames", "2", "--output", tmp_path / "out" / "o.####")
    assert again.returncode == 0
    assert same_bits(pictures(tmp_path / "out", (2,))[2], edited(pixels_of_plate(2), 1.0))


def test_when_the_first_failure_is_to_end_the_run_then_nothing_is_rendered(
    file, tmp_path, fake_engine
) -> None:
    path, node = file
    key(strength(node, "smile"), {1: 3.0, 2: 0.0})
    save()
    done = run("render", path, "--fail-fast", "--output", tmp_path / "out" / "o.####")
    assert done.returncode == 3, "all that was tried failed alike: input"
    assert not (tmp_path / "out").exists() and len(fake_engine()) == 1
    assert "To do again: --frames 1-3" in done.stdout


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["render"], 2, "required"),
        (["nonsense"], 2, "invalid choice"),
        (["render", "FILE", "--frames", "3-1"], 2, "does not name frames"),
        (["render", "FILE", "--scene", "Nope"], 2, "no scene 'Nope'; it has Scene"),
        (["render", "FILE", "--frames", "one"], 2, "does not name frames"),
        (["render", "/nowhere/shot.blend"], 3, "no such Blender file"),
        (["render", "JUNK"], 3, "cannot be opened"),
    ],
)
def test_when_the_call_is_wrong_then_the_code_and_the_sentence_say_so(
    arguments, code, words, file, tmp_path, capfd
) -> None:
    junk = tmp_path / "junk.blend"
    junk.write_bytes(b"not a Blender file")
    told = [str(file[0]) if part == "FILE" else str(junk) if part == "JUNK" else part for part in arguments]
    assert headless.main(told) == code
    assert words in capfd.readouterr().err


def test_when_the_engine_is_missing_then_no_frame_is_written_and_the_code_is_not_zero(
    file, tmp_path, monkeypatch
) -> None:
    monkeypatch.setenv("LINEAMENT_PYTHON", "/nowhere/python")
    done = run("render", file[0], "--output", tmp_path / "out" / "o.####")
    assert done.returncode == 1 and not (tmp_path / "out").exists()
    assert "cannot be started" in done.stderr and "LINEAMENT_PYTHON" in done.stderr


def test_when_a_node_is_of_a_newer_version_then_the_file_is_not_rendered(file, tmp_path) -> None:
    path, node = file
    node.node_tree.lineament.spec_version = "99.0"
    save()
    done = run("render", path, "--output", tmp_path / "out" / "o.####")
    assert done.returncode == 1 and "99.0" in done.stderr and not (tmp_path / "out").exists()


def test_when_plates_are_missing_then_their_frames_are_not_written(file, tmp_path) -> None:
    (tmp_path / "plate" / "plate.0003.exr").unlink()
    done = run("render", file[0], "--output", tmp_path / "out" / "o.####")
    assert done.returncode == 1 and "plate.0003.exr" in done.stderr
    assert sorted(found.name for found in (tmp_path / "out").iterdir()) == ["o.0001.exr", "o.0002.exr"]


def test_when_the_output_cannot_be_written_then_the_frames_are_named(file, tmp_path) -> None:
    (tmp_path / "out").write_text("in the way")
    done = run("render", file[0], "--output", tmp_path / "out" / "o.####")
    assert done.returncode == 1
    assert "Not written: 1-3." in done.stdout and "Check the output folder" in done.stderr


def without_the_add_on(path: Path, folder: Path) -> dict:
    """What a Blender that knows nothing of this package renders of the file."""
    script = (
        "import bpy, sys\n"
        "bpy.ops.wm.open_mainfile(filepath=sys.argv[1])\n"
        "bpy.context.scene.render.filepath = sys.argv[2]\n"
        "bpy.ops.render.render(animation=True)\n"
    )
    command = [sys.executable, "-c", script, str(path), str(folder / "o.####")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=LIMIT_S)
    assert done.returncode == 0, done.stderr
    return pictures(folder, (1, 2, 3))


def test_when_the_file_is_saved_then_a_blender_without_the_add_on_shows_the_bake(
    file, pixels_of_plate, tmp_path
) -> None:
    path, _ = file
    for frame, picture in without_the_add_on(path, tmp_path / "before").items():
        assert same_bits(picture, pixels_of_plate(frame)), frame
    before = path.stat().st_mode
    done = run("render", path, "--save", "--frames", "1-2", "-o", tmp_path / "out" / "o.####")
    assert done.returncode == 0 and "Saved" in done.stdout, done.stderr
    shown = without_the_add_on(path, tmp_path / "after")
    assert all(same_bits(shown[frame], edited(pixels_of_plate(frame), 1.0)) for frame in (1, 2))
    assert same_bits(shown[3], pixels_of_plate(3))
    assert path.stat().st_mode == before
    assert [found.name for found in path.parent.glob("*.blend*")] == [path.name], "nothing partial, no backup"
    bpy.ops.wm.open_mainfile(filepath=str(path))
    assert (
        bpy.context.scene.render.filepath.endswith("out.####")
        and "default" in bpy.context.scene.render.filepath
    )
    assert (bpy.context.scene.frame_start, bpy.context.scene.frame_end) == (1, 3)


def test_when_it_is_not_asked_for_then_the_file_is_not_saved(file, tmp_path) -> None:
    path, _ = file
    before = path.read_bytes()
    assert run("render", path, "--bake-only").returncode == 0
    assert path.read_bytes() == before


def test_when_the_file_to_save_is_read_only_then_it_is_refused_before_the_bake(
    file, fake_engine, capfd
) -> None:
    path, _ = file
    before = path.read_bytes()
    path.chmod(0o444)
    assert headless.main(["render", str(path), "--save"]) == 3
    said = capfd.readouterr().err
    assert "read-only" in said and "leave --save out" in said
    assert fake_engine() == [] and path.read_bytes() == before


def test_when_blender_cannot_save_then_the_file_is_as_before(file, monkeypatch, capfd) -> None:
    path, _ = file
    before = path.read_bytes()

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("lineament.hosts.blender.saving.shutil.copymode", full)
    assert headless.main(["render", str(path), "--save", "--bake-only"]) == 3
    assert "could not be saved" in capfd.readouterr().err
    assert path.read_bytes() == before and len(list(path.parent.glob("*.partial*"))) == 0
    assert list(path.parent.glob(".*partial*")) == []


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_when_the_render_is_interrupted_then_engine_and_blender_end_and_no_partial_file_stays(
    number, code, file, tmp_path
) -> None:
    path, node = file
    strength(node, "beard").default_value = 3.0
    save()
    command = [sys.executable, "-m", "lineament.hosts.blender", "render", str(path)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    deadline = time.monotonic() + LIMIT_S
    while not list((tmp_path / "cache").glob("*/.work-*")) and time.monotonic() < deadline:
        time.sleep(0.05)
    process.send_signal(number)
    out, err = process.communicate(timeout=30)
    assert process.returncode == code, out + err
    assert list((tmp_path / "cache").glob("*/.work-*")) == []
    assert list((tmp_path / "cache").glob("*/*.exr")) == []


def test_when_the_command_line_starts_this_blender_then_it_renders_without_any_installation_in_it(
    file, pixels_of_plate, tmp_path, monkeypatch
) -> None:
    monkeypatch.delenv("PYTHONPATH", raising=False)
    command = [COMMAND_LINE, "-m", "lineament.plugin.cli", "host", "blender", "render", str(file[0])]
    command += ["--blender", sys.executable, "--frames", "2", "-o", str(tmp_path / "out" / "o.####")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=LIMIT_S)
    assert done.returncode == 0, done.stdout + done.stderr
    assert same_bits(pictures(tmp_path / "out", (2,))[2], edited(pixels_of_plate(2), 1.0))


def test_when_the_doctor_looks_then_it_names_blender_its_space_and_the_engine(
    addon, fake_engine, capfd
) -> None:
    code = headless.main(["doctor"])
    said = capfd.readouterr().out
    assert f"Blender {bpy.app.version_string}" in said and "working space Linear Rec.709" in said
    assert code in (0, 4) and "python" in said
