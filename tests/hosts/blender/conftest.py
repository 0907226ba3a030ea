"""Fixtures for tests that run inside a Blender: they are collected only where ``import bpy`` works.

The wrapper tests/hosts/test_blender.py starts one process a file. By hand:
``.blender/5.0/bin/python -m pytest tests/hosts/blender/test_ui.py``.
"""

from __future__ import annotations

import importlib.util
import json
import os
import shutil
import stat
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

HERE = Path(__file__).resolve().parent
REPOSITORY = HERE.parents[2]
IS_BLENDER = importlib.util.find_spec("bpy") is not None
if not IS_BLENDER:
    collect_ignore_glob = ["test_*.py"]

sys.path.insert(0, str(HERE))
if importlib.util.find_spec("lineament") is None:  # run by hand; children must find it too
    sys.path.insert(0, str(REPOSITORY / "build" / "layout"))
    os.environ["PYTHONPATH"] = sys.path[0]
if IS_BLENDER:
    import plate_files  # noqa: F401  (tests say "from plate_files import read_exr")


def pytest_sessionfinish(session: pytest.Session, exitstatus: int) -> None:
    """Remember how it went, and take everything of ours out of Blender."""
    session.config.stash[_STATUS] = int(exitstatus)


def pytest_unconfigure(config: pytest.Config) -> None:
    """End the process at once: Blender 4.5 waits for ever for handlers that a failed test left behind.

    ``test_register.py`` shows in a process of its own that a clean unregister needs no such help.
    """
    if IS_BLENDER and "bpy" in sys.modules and _STATUS in config.stash:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(config.stash[_STATUS])


_STATUS = pytest.StashKey[int]()


def engine_python() -> str:
    """The interpreter that has the engine: $LINEAMENT_PYTHON, or the checkout's own environment."""
    return os.environ.get("LINEAMENT_PYTHON") or str(REPOSITORY / ".venv" / "bin" / "python")


@pytest.fixture(autouse=True)
def empty_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Every test starts from an empty file, keeps its caches in tmp_path, and leaves no add-on behind."""
    bpy = pytest.importorskip("bpy")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    bpy.ops.wm.read_factory_settings(use_empty=True)
    yield
    registration = sys.modules.get("lineament.hosts.blender.registration")
    if registration is not None:
        registration.unregister()
    bpy.ops.wm.read_factory_settings(use_empty=True)


@pytest.fixture
def scene(empty_file: None) -> Any:
    """The empty file's scene: 32 x 24 pixels, frames 1 to 3, float EXR output that nothing converts."""
    import bpy

    scene = bpy.context.scene
    scene.render.resolution_x, scene.render.resolution_y = 32, 24
    scene.render.resolution_percentage = 100
    scene.frame_start, scene.frame_end = 1, 3
    settings = scene.render.image_settings
    settings.file_format = "OPEN_EXR"
    settings.color_mode, settings.color_depth, settings.exr_codec = "RGBA", "32", "NONE"
    return scene


@pytest.fixture
def addon() -> Iterator[Any]:
    """The add-on, registered as Blender would do it; unregistered afterwards."""
    from lineament.hosts.blender import registration

    registration.register("lineament")
    yield registration
    registration.unregister()


@pytest.fixture
def plates(tmp_path: Path) -> Callable[..., str]:
    """Write plate.####.exr (negatives, highlights, soft alpha) for some frames; returns the first path."""
    from plate_files import write_exr

    def write(frames: range | tuple[int, ...] = (1, 2, 3), size: tuple[int, int] = (24, 32), name: str = "plate",
              **header: Any) -> str:  # fmt: skip
        paths = [
            write_exr(tmp_path / name / f"{name}.{frame:04d}.exr", plate_pixels(frame, size), **header)
            for frame in frames
        ]
        return str(paths[0])

    return write


def plate_pixels(frame: int, size: tuple[int, int] = (24, 32)) -> np.ndarray:
    """The pixels of a frame's plate, (H, W, 4): values that 8-bit or clamped routes cannot carry."""
    rng = np.random.default_rng(frame)
    pixels = (0.2 * np.exp(rng.normal(0.0, 1.2, (*size, 4)))).astype(np.float32)
    pixels[0, 0, :3], pixels[0, 1, :3] = (-0.25, 12.5, 65000.0), (1e-7, -3.0, 0.0)
    pixels[..., 3] = np.linspace(0.0, 1.0, size[1], dtype=np.float32)
    return pixels


@pytest.fixture
def pixels_of_plate() -> Callable[..., np.ndarray]:
    """``plate_pixels``: what ``plates`` wrote for a frame."""
    return plate_pixels


@pytest.fixture
def plate_node(scene: Any, plates: Callable[..., str]) -> Callable[..., tuple[Any, Any]]:
    """Put a plate into the scene's compositor; returns its tree and its Image node (Non-Color, straight in)."""
    import bpy
    from lineament.hosts.blender import compat

    def build(frames: range | tuple[int, ...] = (1, 2, 3), **kind: Any) -> tuple[Any, Any]:
        tree = compat.ensure_scene_tree(scene)
        tree.nodes.clear()
        image = bpy.data.images.load(plates(frames, **kind))
        image.source = "SEQUENCE"
        image.colorspace_settings.name = "Non-Color"
        image.alpha_mode = "PREMUL"
        node = tree.nodes.new("CompositorNodeImage")
        node.name, node.image = "Plate", image
        node.frame_start, node.frame_duration = frames[0], len(frames)
        node.frame_offset, node.use_auto_refresh = frames[0] - 1, True
        return tree, node

    return build


@pytest.fixture
def wired_edit(addon: Any, plate_node: Callable[..., tuple[Any, Any]], tmp_path: Path) -> Any:
    """Plate -> Attribute Edit -> end of the composite, results in tmp_path/results; a ``selection.Selected``."""
    import bpy
    from lineament.hosts.blender import compat
    from lineament.hosts.blender.selection import Selected

    tree, plate = plate_node()
    assert bpy.ops.lineament.add_node() == {"FINISHED"}
    node = tree.nodes.active
    tree.links.new(plate.outputs["Image"], node.inputs["Image"])
    compat.add_output(tree, node.outputs["Image"])
    node.node_tree.lineament.cache_folder = str(tmp_path / "results")
    return Selected(node, node.node_tree)


@pytest.fixture
def fake_python(tmp_path: Path) -> str:
    """An interpreter of the engine whose worker is fake_engine_worker.py."""
    script = tmp_path / "fake_engine_python"
    worker = HERE / "fake_engine_worker.py"
    script.write_text(f'#!/bin/sh\nexec "{engine_python()}" "{worker}" "$@"\n')
    script.chmod(script.stat().st_mode | stat.S_IXUSR)
    return str(script)


@pytest.fixture
def fake_engine(
    fake_python: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Callable[[], list[dict[str, Any]]]]:
    """Whoever starts an engine gets the fake one; call it for the list of frames it was asked for."""
    log = tmp_path / "fake_engine.log"
    monkeypatch.setenv("LINEAMENT_PYTHON", fake_python)
    monkeypatch.setenv("LINEAMENT_FAKE_LOG", str(log))

    def calls() -> list[dict[str, Any]]:
        return [json.loads(line) for line in log.read_text().splitlines()] if log.exists() else []

    yield calls
    _close_engines()


@pytest.fixture
def real_engine(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The real engine's interpreter, set up in LINEAMENT_PYTHON; skips where there is none."""
    python = engine_python()
    if shutil.which(python) is None:
        pytest.skip(f"no engine at {python}; set LINEAMENT_PYTHON")
    monkeypatch.setenv("LINEAMENT_PYTHON", python)
    yield python
    _close_engines()


def _close_engines() -> None:
    engine = sys.modules.get("lineament.hosts.blender.engine")
    if engine is not None:
        engine.close_all()
