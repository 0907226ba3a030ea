"""Start the headless renderer in a Blender that does not know this package.

Run as a file, ``blender --background --python launch.py -- ARGUMENTS`` or ``python launch.py ARGUMENTS`` with a
Python that has ``bpy``: the layers are taken from the folders beside this one, whether they are installed or lie in a
checkout, and nothing else of the engine's Python is put on Blender's path.
"""

from __future__ import annotations

import importlib
import importlib.util
import os
import sys
import types
from pathlib import Path

LAYERS = ("core", "plugin", "hosts")


def provide_layers(folder: Path) -> None:
    """Make ``lineament`` importable from the layers in ``folder``, before any other copy that Blender may have."""
    package = types.ModuleType("lineament")
    package.__path__ = [str(folder)]
    sys.modules["lineament"] = package
    for layer in LAYERS:
        name = f"lineament.{layer}"
        place = folder / layer
        spec = importlib.util.spec_from_file_location(
            name, place / "__init__.py", submodule_search_locations=[str(place)]
        )
        assert spec is not None and spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        sys.modules[name] = module
        spec.loader.exec_module(module)
        setattr(package, layer, module)


def arguments_of(command_line: list[str]) -> list[str]:
    """What is meant for us: behind ``--`` in a Blender, everything in a Python."""
    return command_line[command_line.index("--") + 1 :] if "--" in command_line else command_line[1:]


def main() -> None:
    """Run, and end the process with the renderer's exit code."""
    provide_layers(Path(__file__).resolve().parents[2])
    headless = importlib.import_module("lineament.hosts.blender.headless")
    if os.environ.get("LINEAMENT_SIGN"):
        Path(os.environ["LINEAMENT_SIGN"]).touch()  # whoever started us knows now that this is a Blender
    headless.end_process(headless.main(arguments_of(sys.argv)))


if __name__ == "__main__":
    main()
