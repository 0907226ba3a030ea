"""The zip in a Blender that knows nothing of the checkout: installed, used, disabled, uninstalled, and gone."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

EXIT_S = 120.0

LIFE = """
import json, os, sys
from pathlib import Path
import bpy

def state():
    ours = lambda entry: entry.__module__.startswith("lineament")
    handlers = [name for name in dir(bpy.app.handlers)
                if isinstance(listed := getattr(bpy.app.handlers, name), list) and any(map(ours, listed))]
    menu = getattr(bpy.types.NODE_MT_compositor_node_add_all.draw, "_draw_funcs", [])
    return {
        "handlers": handlers,
        "menu": [entry.__qualname__ for entry in menu if ours(entry)],
        "classes": sorted(name for name in dir(bpy.types) if "lineament" in name.lower()),
        "operators": sorted(dir(bpy.ops.lineament)),
        "property": hasattr(bpy.types.NodeTree, "lineament"),
        "modules": sorted(name for name in sys.modules if name.partition(".")[0] == "lineament"),
        "addons": [name for name in bpy.context.preferences.addons.keys() if "lineament" in name],
    }

told = {"before": state()}
name = "bl_ext.user_default.lineament"
installed = bpy.ops.extensions.package_install_files(
    filepath=sys.argv[1], repo="user_default", enable_on_install=True)
told["installed"] = sorted(installed)
told["enabled"] = state()
if name in bpy.context.preferences.addons:
    import lineament.hosts.blender.registration as registration
    from lineament.hosts.blender.operators_preset import preset_folder
    told["wheel"] = registration.__file__
    told["presets"] = str(preset_folder())
    preferences = bpy.context.preferences.addons[name].preferences
    preferences.interpreter = sys.argv[2]
    preferences.device, preferences.cache_folder = "cuda:1", "//cache"
    from lineament.hosts.blender import engine, preferences as module
    told["interpreter"] = engine.interpreter()
    told["settings"] = module.settings().__dict__
    bpy.ops.lineament.add_node()
    tree = next(group for group in bpy.data.node_groups if group.get("lineament_node"))
    told["device"] = tree.lineament.device
    folder = Path(sys.modules[name].__file__).parent
    told["help"] = (folder / "help.html").is_file() and "First edit" in (folder / "help.html").read_text("utf-8")
    told["twice"] = sorted(bpy.ops.extensions.package_install_files(
        filepath=sys.argv[1], repo="user_default", enable_on_install=True, overwrite=True))
    told["after_update"] = state()
    bpy.ops.preferences.addon_disable(module=name)
    told["disabled"] = state()
    bpy.ops.preferences.addon_enable(module=name)
    told["again"] = state()
    bpy.ops.preferences.addon_disable(module=name)
    repository = next(index for index, entry in enumerate(bpy.context.preferences.extensions.repos)
                      if entry.module == "user_default")
    told["uninstalled"] = sorted(bpy.ops.extensions.package_uninstall(repo_index=repository, pkg_id="lineament"))
    told["after"] = state()
    told["left"] = sorted(str(path.relative_to(sys.argv[3])) for path in Path(sys.argv[3]).rglob("*")
                          if "lineament" in path.name)
Path(sys.argv[4]).write_text(json.dumps(told))
"""


@pytest.fixture(scope="module")
def life(tmp_path_factory) -> dict:
    """What a Blender of its own told of the extension's life; it must have ended by itself."""
    from lineament.hosts.blender.packaging import build_extension

    folder = tmp_path_factory.mktemp("extension folder")
    package = build_extension(folder / "dist", [Path(sys.executable)])
    (folder / "life.py").write_text(LIFE)
    user = folder / "user"
    user.mkdir()
    known = {
        name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "LINEAMENT_PYTHON")
    }
    arguments = [str(package), "/opt/engine/bin/python", str(user), str(folder / "told.json")]
    done = subprocess.run(
        [sys.executable, str(folder / "life.py"), *arguments],
        env={**known, "BLENDER_USER_RESOURCES": str(user)}, cwd=folder, timeout=EXIT_S,
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    said = done.stdout + done.stderr
    assert done.returncode == 0, said
    assert "Traceback" not in said, said
    return {**json.loads((folder / "told.json").read_text()), "user": str(user), "said": said}


def test_when_the_zip_is_installed_then_it_is_enabled_from_its_wheel(life) -> None:
    assert life["before"]["classes"] == [] and life["before"]["modules"] == []
    assert life["installed"] == ["FINISHED"]
    assert life["enabled"]["addons"] == ["bl_ext.user_default.lineament"]
    assert life["wheel"].startswith(life["user"]), (
        "the code comes from the installed wheel and from nowhere else"
    )
    assert life["enabled"]["menu"] == ["draw_add_entry"]
    assert "LINEAMENT_PT_edit" in life["enabled"]["classes"]


def test_when_the_preferences_are_set_then_engine_and_new_nodes_follow(life) -> None:
    assert life["interpreter"] == "/opt/engine/bin/python"
    assert life["settings"] == {
        "interpreter": "/opt/engine/bin/python", "cache_folder": "//cache", "device": "cuda:1", "is_live": True,
    }  # fmt: skip
    assert life["device"] == "cuda:1"


def test_when_presets_are_saved_then_they_lie_where_an_extension_may_write(life) -> None:
    assert life["presets"].startswith(life["user"])
    assert Path(life["presets"]).parts[-4:] == (".user", "user_default", "lineament", "presets")


def test_when_it_is_installed_then_its_help_is_in_it(life) -> None:
    assert life["help"] is True


def test_when_it_is_installed_over_itself_then_it_is_there_once(life) -> None:
    assert life["twice"] == ["FINISHED"]
    assert life["after_update"] == life["enabled"]


def test_when_it_is_disabled_then_nothing_is_left_in_blender(life) -> None:
    assert life["disabled"] == life["before"]


def test_when_it_is_enabled_again_then_all_is_back(life) -> None:
    assert {**life["again"], "modules": []} == {**life["enabled"], "modules": []}


def test_when_it_is_uninstalled_then_nothing_is_left_in_blender_or_on_the_disk(life) -> None:
    assert life["uninstalled"] == ["FINISHED"]
    assert life["after"] == life["before"]
    assert [name for name in life["left"] if not name.startswith("extensions/.user/")] == []
