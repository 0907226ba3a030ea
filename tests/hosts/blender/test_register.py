"""Enable and disable leave Blender as it was, and the process ends by itself."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import bpy
import pytest

EXIT_S = 60.0


def inventory() -> dict[str, object]:
    """Everything that an add-on could leave behind."""
    handlers = {
        name: [entry.__qualname__ for entry in listed if entry.__module__.startswith("lineament")]
        for name in dir(bpy.app.handlers)
        if isinstance(listed := getattr(bpy.app.handlers, name), list)
    }
    menu = getattr(bpy.types.NODE_MT_compositor_node_add_all.draw, "_draw_funcs", [])
    return {
        "handlers": handlers,
        "classes": sorted(name for name in dir(bpy.types) if "lineament" in name.lower()),
        "operators": sorted(dir(bpy.ops.lineament)),
        "property": hasattr(bpy.types.NodeTree, "lineament"),
        "menu": [entry.__qualname__ for entry in menu if "lineament" in entry.__module__],
    }


def test_when_enabled_and_disabled_then_nothing_is_left() -> None:
    from lineament.hosts.blender import registration

    before = inventory()
    registration.register("lineament")
    assert inventory() != before
    assert inventory()["menu"] == ["draw_add_entry"]
    registration.unregister()
    assert inventory() == before


def test_when_enabled_twice_then_it_is_there_once(addon) -> None:
    addon.register("lineament")
    assert inventory()["menu"] == ["draw_add_entry"]
    assert max(len(listed) for listed in inventory()["handlers"].values()) == 1


def test_when_disabled_twice_then_nothing_happens() -> None:
    from lineament.hosts.blender import registration

    registration.unregister()
    assert not registration.is_registered()


def test_when_a_step_fails_then_what_was_done_is_taken_back(monkeypatch) -> None:
    from lineament.hosts.blender import handlers, registration

    def fail() -> None:
        raise RuntimeError("no handlers today")

    before = inventory()
    monkeypatch.setattr(handlers, "register", fail)
    with pytest.raises(RuntimeError, match="no handlers today"):
        registration.register("lineament")
    assert inventory() == before
    assert not registration.is_registered()


def test_when_another_file_is_opened_then_the_add_on_stays(addon) -> None:
    before = inventory()
    bpy.ops.wm.read_factory_settings(use_empty=True)
    assert inventory() == before


@pytest.mark.parametrize("ending", ["registration.unregister()", "bpy.ops.wm.read_factory_settings()"])
def test_when_the_add_on_was_used_and_disabled_then_the_process_ends_by_itself(
    tmp_path: Path, ending: str
) -> None:
    script = tmp_path / "session.py"
    script.write_text(
        "import bpy\n"
        "from lineament.hosts.blender import registration\n"
        "registration.register('lineament')\n"
        "bpy.ops.lineament.add_node()\n"
        f"{ending}\n"
        "registration.unregister()\n"
    )
    done = subprocess.run(
        [sys.executable, str(script)], timeout=EXIT_S, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


def test_when_registered_then_the_engine_stays_out(addon) -> None:
    heavy = {"torch", "OpenImageIO", "PyOpenColorIO", "pydantic", "yaml", "typer", "scipy"}
    assert heavy & set(sys.modules) == set()
