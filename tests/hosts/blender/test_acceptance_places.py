"""Where Blender may not write, where a file comes from Windows, and what a farm's machine lacks."""

from __future__ import annotations

import ctypes
import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import bpy
import numpy as np
import pytest
from lineament.core.errors import HostError
from lineament.hosts.blender import handlers
from lineament.hosts.blender.places import location, node_folder
from lineament.hosts.blender.service import bake
from plate_files import read_exr, write_exr
from shot import add_edit, edited, end, render, same_bits, strength

LIMIT_S = 120
_DROP_FROM_BOUNDS, _WRITES_ANYWHERE = 24, 1
"""prctl's PR_CAPBSET_DROP and CAP_DAC_OVERRIDE: without it root too must obey permissions."""


def obey_permissions() -> None:
    """In a child before its program starts: give up root's right to write everywhere, if we have it."""
    if os.geteuid() == 0:
        ctypes.CDLL(None, use_errno=True).prctl(_DROP_FROM_BOUNDS, _WRITES_ANYWHERE, 0, 0, 0)


def run(command: list[str], **more: str) -> subprocess.CompletedProcess[str]:
    """A process without display that may write only where the modes of files allow it."""
    known = {name: text for name, text in os.environ.items() if name not in ("DISPLAY", "WAYLAND_DISPLAY")}
    return subprocess.run(
        command, capture_output=True, text=True, timeout=LIMIT_S, env=known | more, preexec_fn=obey_permissions
    )  # fmt: skip


@pytest.fixture
def read_only() -> Iterator[Callable[[Path], None]]:
    """Make a folder with all that is in it read-only until the end of the test."""
    changed: list[tuple[Path, int]] = []

    def lock(folder: Path) -> None:
        for path in [*folder.rglob("*"), folder]:
            if not path.is_symlink():
                changed.append((path, path.stat().st_mode))
                path.chmod(path.stat().st_mode & 0o555)

    yield lock
    for path, mode in reversed(changed):
        path.chmod(mode)


def listing(folder: Path) -> dict[str, tuple[int, int]]:
    """Every file below by name: size and time of change."""
    return {
        str(path.relative_to(folder)): (path.stat().st_size, path.stat().st_mtime_ns)
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


INSTALL = """
import os, sys, bpy
bpy.ops.extensions.package_install_files(filepath=sys.argv[1], repo="user_default", enable_on_install=True)
bpy.ops.wm.save_userpref()
sys.stdout.flush()
os._exit(0)
"""

USE = """
import json, sys, bpy
from pathlib import Path
told, name = {}, "bl_ext.user_default.lineament"
bpy.ops.wm.read_userpref()
told["enabled"] = name in bpy.context.preferences.addons
from lineament.hosts.blender import compat, registration
told["code"] = registration.__file__
bpy.ops.wm.open_mainfile(filepath=sys.argv[1])
scene = bpy.context.scene
told["bake"] = sorted(bpy.ops.lineament.bake())
scene.render.filepath = sys.argv[2]
bpy.ops.render.render(animation=True)
node = next(node for node in compat.scene_tree(scene).nodes if node.type == "GROUP")
compat.scene_tree(scene).nodes.active = node
try:
    told["preset"] = sorted(bpy.ops.lineament.save_preset(preset="mine", tree=node.node_tree.name))
except RuntimeError as err:
    told["preset"] = str(err)
bpy.ops.preferences.addon_disable(module=name)
Path(sys.argv[3]).write_text(json.dumps(told))
"""


def test_when_the_extension_lies_in_a_read_only_folder_then_it_works_and_writes_nothing_there(
    scene, plate_node, pixels_of_plate, tmp_path, addon, fake_engine, read_only, monkeypatch
) -> None:
    from lineament.hosts.blender.packaging import build_extension

    tree, plate = plate_node()
    end(tree, add_edit(tree, plate, tmp_path / "cache", age=1.0))
    bpy.ops.wm.save_as_mainfile(filepath=str(tmp_path / "shot.blend"))
    package = build_extension(tmp_path / "dist", [Path(sys.executable)])
    user = tmp_path / "user"
    user.mkdir()
    monkeypatch.delenv("PYTHONPATH", raising=False)
    monkeypatch.setenv("BLENDER_USER_RESOURCES", str(user))
    monkeypatch.chdir(tmp_path)
    (tmp_path / "install.py").write_text(INSTALL)
    installed = run([sys.executable, str(tmp_path / "install.py"), str(package)])
    assert installed.returncode == 0, installed.stdout + installed.stderr
    read_only(user)
    before = listing(user)
    (tmp_path / "use.py").write_text(USE)
    arguments = [str(tmp_path / "shot.blend"), str(tmp_path / "out" / "o.####"), str(tmp_path / "told.json")]
    done = run([sys.executable, str(tmp_path / "use.py"), *arguments])
    assert done.returncode == 0 and "Traceback" not in done.stderr, done.stdout + done.stderr
    told = json.loads((tmp_path / "told.json").read_text())
    assert told["enabled"] and told["code"].startswith(str(user)) and told["bake"] == ["FINISHED"]
    for frame in (1, 2, 3):
        shown = read_exr(tmp_path / "out" / f"o.{frame:04d}.exr").rgba
        assert same_bits(shown, edited(pixels_of_plate(frame), 1.0)), frame
    assert "cannot be written" in told["preset"], "a preset has no other place, and says so"
    assert before and listing(user) == before


def test_when_cache_file_and_plates_are_read_only_then_valid_frames_are_delivered_and_the_rest_is_named(
    scene, plate_node, pixels_of_plate, tmp_path, addon, fake_engine, read_only
) -> None:
    show = tmp_path / "show"
    show.mkdir()
    tree, plate = plate_node()
    node = add_edit(tree, plate, Path(), age=1.0)
    node.node_tree.lineament.cache_folder = ""
    end(tree, node)
    bpy.ops.wm.save_as_mainfile(filepath=str(show / "shot.blend"))
    assert bake(scene, (1, 2)).done == [1, 2]
    bpy.ops.wm.save_mainfile()
    read_only(show)
    read_only(tmp_path / "plate")
    before = listing(show)
    command = [sys.executable, "-m", "lineament.hosts.blender", "render", str(show / "shot.blend")]
    done = run([*command, "-o", str(tmp_path / "out" / "o.####")], HOME="/nowhere")
    said = done.stdout + done.stderr
    assert done.returncode == 1, said
    assert "cannot be written" in said and "Change the folder's permissions" in said
    assert "To do again: --frames 3" in said and "Traceback" not in said
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["o.0001.exr", "o.0002.exr"]
    for frame in (1, 2):
        shown = read_exr(tmp_path / "out" / f"o.{frame:04d}.exr").rgba
        assert same_bits(shown, edited(pixels_of_plate(frame), 1.0)), frame
    assert listing(show) == before
    refused = run([*command, "--save"])
    assert refused.returncode == 3 and "read-only" in refused.stderr


@pytest.mark.usefixtures("addon")
def test_when_plate_and_cache_are_spelt_as_on_windows_then_they_are_found(
    scene, plate_node, pixels_of_plate, tmp_path, fake_engine
) -> None:
    tree, plate = plate_node()
    bpy.ops.wm.save_as_mainfile(filepath=str(tmp_path / "shot.blend"))
    plate.image.filepath = "//plate\\plate.0001.exr"
    node = add_edit(tree, plate, Path(), age=1.0)
    node.node_tree.lineament.cache_folder = "//results\\of shot\\"
    end(tree, node)
    report = bake(scene, (1, 2, 3))
    assert report.done == [1, 2, 3], report.failed
    assert node_folder(node.node_tree).parent == tmp_path / "results" / "of shot"
    with handlers.paused():
        shown = render(scene, tmp_path / "out")
    assert all(same_bits(shown[frame], edited(pixels_of_plate(frame), 1.0)) for frame in shown)
    (tmp_path / "plate" / "plate.0002.exr").unlink()
    strength(node, "age").default_value = 2.0
    assert list(bake(scene, (1, 2, 3)).failed) == [2], "and told when they are missing"


@pytest.mark.usefixtures("addon")
def test_when_results_were_shown_on_windows_then_the_saved_file_shows_them_here(
    scene, plate_node, pixels_of_plate, tmp_path, fake_engine
) -> None:
    tree, plate = plate_node()
    bpy.ops.wm.save_as_mainfile(filepath=str(tmp_path / "shot.blend"))
    node = add_edit(tree, plate, Path(), age=1.0)
    node.node_tree.lineament.cache_folder = ""
    end(tree, node)
    assert bake(scene, (1, 2, 3)).done == [1, 2, 3]
    for inner in node.node_tree.nodes:
        if inner.bl_idname == "CompositorNodeImage":
            inner.image.filepath = inner.image.filepath.replace("/", "\\").replace("\\\\", "//", 1)
            assert inner.image.filepath.startswith("//lineament_cache\\")
    bpy.ops.wm.save_mainfile()
    calls = len(fake_engine())
    bpy.ops.wm.open_mainfile(filepath=str(tmp_path / "shot.blend"))
    shown = render(bpy.context.scene, tmp_path / "out")
    assert all(same_bits(shown[frame], edited(pixels_of_plate(frame), 1.0)) for frame in shown)
    assert len(fake_engine()) == calls


@pytest.mark.usefixtures("addon")
@pytest.mark.parametrize("place", ["C:\\show\\cache", "d:/cache", "\\\\server\\share\\cache"])
@pytest.mark.skipif(os.sep != "/", reason="on Windows these are places")
def test_when_the_cache_folder_is_one_of_windows_then_the_bake_refuses_before_it_begins(
    place, scene, plate_node, pixels_of_plate, tmp_path, fake_engine, monkeypatch
) -> None:
    monkeypatch.chdir(empty_folder(tmp_path))
    tree, plate = plate_node()
    bpy.ops.wm.save_as_mainfile(filepath=str(tmp_path / "shot.blend"))
    node = add_edit(tree, plate, Path(), age=1.0)
    node.node_tree.lineament.cache_folder = place
    end(tree, node)
    before = listing(tmp_path)
    with pytest.raises(HostError, match="Windows") as caught:
        bake(scene, (1,))
    assert place in str(caught.value) and caught.value.remedy and node.name in caught.value.where
    with pytest.raises(RuntimeError, match="Windows"):
        bpy.ops.lineament.bake()
    assert listing(tmp_path).keys() == before.keys()
    assert same_bits(render(scene, tmp_path / "out", (1,))[1], pixels_of_plate(1)), "live, the plate shows"


@pytest.mark.usefixtures("addon")
def test_when_the_cache_folder_is_a_bare_name_then_it_lies_beside_the_file_wherever_blender_was_started(
    scene, plate_node, pixels_of_plate, tmp_path, fake_engine, monkeypatch
) -> None:
    here = empty_folder(tmp_path)
    monkeypatch.chdir(here)
    tree, plate = plate_node()
    (tmp_path / "shot").mkdir()
    bpy.ops.wm.save_as_mainfile(filepath=str(tmp_path / "shot" / "shot.blend"))
    node = add_edit(tree, plate, Path(), age=1.0)
    node.node_tree.lineament.cache_folder = "cache"
    end(tree, node)
    for frame, picture in render(scene, tmp_path / "out").items():
        assert same_bits(picture, edited(pixels_of_plate(frame), 1.0)), "edited while rendering"
    assert bake(scene, (1, 2, 3)).skipped == [1, 2, 3]
    assert node_folder(node.node_tree).parent == tmp_path / "shot" / "cache"
    assert list(here.iterdir()) == []


def empty_folder(tmp_path: Path) -> Path:
    """A folder to be in."""
    (tmp_path / "started here").mkdir()
    return tmp_path / "started here"


@pytest.mark.usefixtures("addon")
def test_when_names_have_blanks_percent_signs_and_other_scripts_then_everything_is_found(
    scene, plate_node, pixels_of_plate, tmp_path, fake_engine
) -> None:
    tree, plate = plate_node()
    odd = tmp_path / "100 % #1 [v2] 'é' 顔"
    for frame in (1, 2, 3):
        write_exr(odd / "take 2.v003" / f"plate_{frame:04d}.exr", pixels_of_plate(frame))
    plate.image.filepath = str(odd / "take 2.v003" / "plate_0001.exr")
    bpy.ops.wm.save_as_mainfile(filepath=str(odd / "shot 1.blend"))
    node = add_edit(tree, plate, Path(), age=1.0)
    node.node_tree.lineament.cache_folder = "//"
    end(tree, node)
    assert bake(scene, (1, 2, 3)).done == [1, 2, 3]
    assert location(scene, node.node_tree).result(2).is_file()
    with handlers.paused():
        shown = render(scene, tmp_path / "out")
    for frame, picture in shown.items():
        assert same_bits(picture, edited(pixels_of_plate(frame), 1.0)), frame
        assert np.isfinite(picture).all()
