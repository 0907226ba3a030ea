"""Arrows go hosts -> plugin -> core, and inside core the siblings meet only through ``base`` modules.

The rules are read from the syntax trees, so nothing needs to be importable. Imports under TYPE_CHECKING count
as well: a type is a dependency too. Never weaken a rule to pass; change the design in a decision record.
"""

from __future__ import annotations

import ast
import importlib.util
from pathlib import Path

import pytest

HOSTS_API = {"bpy", "bpy_extras", "gpu", "blf", "nuke", "nukescripts"}
COMMAND_LINE = {"argparse", "click", "typer", "rich", "optparse"}
HEAVY = {"torch", "OpenImageIO", "PyOpenColorIO", "cv2", "sklearn", "scipy", "safetensors", "moderngl"}
ENGINE_FOR_HOSTS = ("errors", "frame", "latent", "recipe", "atomic")
"""The light core modules: hosts load them inside their own process."""
HOST_ENTRANCES = {"lineament.hosts.blender.headless": {"argparse"}}
"""Programs that a host runs for the command line, where typer is not installed (DR012)."""

GROUND = {
    "errors",
    "checks",
    "atomic",
    "curve",
    "frame",
    "latent",
    "layers",
    "recipe",
    "recipe_file",
    "strength_file",
    "shot",
    "devices",
}
"""Below the siblings: anybody may import these, and these import only each other."""

FAMILY = {
    "colour_config": "colour",
    "colour_space": "colour",
    "plate_colour": "colour",
    "view_transform": "colour",
    "latent_cache": "inversion",
}
"""Modules that are part of a sibling although they do not lie in its folder."""

JOINTS = {"", "pipeline", "sight", "tools", "training", "synthetic", "shots", "augment"}
"""Above the siblings: the door, the one-way path and its tools, whole shots, sets of edited pictures, and the two that
make the embedded model."""

MAY_ALSO = {
    ("importers", "generators"): "an importer's product is a model package",
}
"""Meetings of siblings beyond ``base``, each with its reason."""


def imported_modules(source) -> set[str]:
    """Every module that a file imports, as absolute names; ``from x import y`` gives both x and x.y."""
    package = source.module if source.is_package else source.module.rpartition(".")[0]
    found = set()
    for node in ast.walk(source.tree):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            name = "." * node.level + (node.module or "")
            base = importlib.util.resolve_name(name, package) if node.level else name
            found |= {base} | {f"{base}.{alias.name}" for alias in node.names}
    return found


def room(module: str) -> str:
    """lineament.core.io.exr -> io; lineament.core.colour_space -> colour; lineament.core -> an empty one."""
    name = [*module.split("."), "", ""][2]
    return FAMILY.get(name, name)


def layer_violations(source) -> list[str]:
    """What a file imports although its layer must not."""
    layer = source.module.split(".")[1]
    above = {"core": {"plugin", "hosts", "gizmos"}, "plugin": {"hosts", "gizmos"}, "hosts": {"gizmos"}}.get(
        layer, set()
    )
    foreign = {
        "core": HOSTS_API | COMMAND_LINE,
        "plugin": HOSTS_API,
        "hosts": HEAVY | COMMAND_LINE,
        "gizmos": HEAVY | COMMAND_LINE | HOSTS_API,
    }[layer]
    bad = []
    for name in sorted(imported_modules(source)):
        top, _, rest = name.partition(".")
        if top in {"core", "plugin", "hosts", "gizmos"}:
            bad.append(f"{name} (a layer by its folder name: two copies of one class)")
        elif name in HOST_ENTRANCES.get(source.module, ()):
            continue
        elif top in foreign or (top == "lineament" and rest.split(".")[0] in above):
            bad.append(name)
        elif layer == "hosts" and name.startswith("lineament.core.") and room(name) not in ENGINE_FOR_HOSTS:
            bad.append(f"{name} (not one of the light modules)")
    return [f"{source.place} imports {name}" for name in bad]


def sibling_violations(source, rooms: set[str]) -> list[str]:
    """What a file of core imports from a sibling other than its base module."""
    own = room(source.module)
    bad = []
    for name in sorted(imported_modules(source)):
        if not name.startswith("lineament.core.") or room(name) not in rooms | GROUND:
            continue
        target, part = room(name), [*name.split("."), ""][3]
        if target in {own} | GROUND and not (own in GROUND and target not in GROUND):
            continue
        if target in {"training", "synthetic"}:
            allowed = own in {"training", "synthetic"}
        elif own in GROUND:
            allowed = False
        else:
            allowed = (
                own in JOINTS
                or part == "base"
                or (own, target) in MAY_ALSO
                or f"{name}.base" in imported_modules(source)
            )
        if not allowed:
            bad.append(f"{source.place} imports {name}")
    return bad


def rooms_of_core(sources) -> set[str]:
    """The names directly below core: folders and modules."""
    return {room(source.module) for source in sources if source.module.startswith("lineament.core.")}


def test_when_layers_import_then_arrows_point_to_core(layer_sources) -> None:
    assert [line for source in layer_sources for line in layer_violations(source)] == []


def test_when_siblings_of_core_import_then_only_through_base(layer_sources) -> None:
    inside = [source for source in layer_sources if source.module.startswith("lineament.core")]
    rooms = rooms_of_core(inside)
    assert [line for source in inside for line in sibling_violations(source, rooms)] == []


@pytest.fixture
def planted(tmp_path: Path, request):
    """Write one line of Python into a layer of a made-up tree and read it back as a source."""
    from_conftest = request.getfixturevalue("source_reader")

    def plant(place: str, line: str):
        path = tmp_path / place
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(line + "\n")
        return from_conftest(tmp_path, path)

    return plant


@pytest.mark.parametrize(
    ("place", "line"),
    [
        ("core/colour.py", "from lineament.plugin.session import Session"),
        ("core/colour.py", "import lineament.hosts"),
        ("core/colour.py", "import argparse"),
        ("core/io/exr.py", "import bpy"),
        ("core/io/exr.py", "def f():\n    import nuke"),
        ("core/edit.py", "from core.frame import Frame"),
        ("plugin/batch.py", "from lineament import hosts"),
        (
            "plugin/batch.py",
            "import typing\nif typing.TYPE_CHECKING:\n    from lineament.hosts.base import Host",
        ),
        ("hosts/nuke/frames.py", "import torch"),
        ("hosts/nuke/frames.py", "from lineament.core.pipeline import render_frame"),
        ("hosts/base.py", "from lineament.core import generators"),
    ],
)
def test_when_an_arrow_points_back_then_it_is_found(planted, place: str, line: str) -> None:
    assert layer_violations(planted(place, line)) != []


@pytest.mark.parametrize(
    ("place", "line"),
    [
        ("plugin/batch.py", "from lineament.core.recipe import EditRecipe"),
        ("hosts/nuke/frames.py", "import nuke\nfrom lineament.core.errors import PlateError"),
        ("hosts/nuke/frames.py", "from lineament.plugin.session import WorkerSession"),
        ("core/colour.py", "import PyOpenColorIO"),
    ],
)
def test_when_an_arrow_points_to_core_then_nothing_is_found(planted, place: str, line: str) -> None:
    assert layer_violations(planted(place, line)) == []


ROOMS = {"", "errors", "frame", "io", "faces", "generators", "colour", "training", "pipeline"}


@pytest.mark.parametrize(
    ("place", "line"),
    [
        ("core/faces/crop.py", "from ..io.exr import read_frame"),
        ("core/faces/crop.py", "from .. import colour"),
        ("core/colour.py", "from .faces import locate"),
        ("core/frame.py", "from .io import read_frame"),
        ("core/frame.py", "from .generators.base import Generator"),
        ("core/pipeline.py", "from .training import default"),
        ("core/generators/tiny.py", "from lineament.core.training.loop import train"),
    ],
)
def test_when_siblings_meet_without_base_then_it_is_found(planted, place: str, line: str) -> None:
    assert sibling_violations(planted(place, line), ROOMS) != []


@pytest.mark.parametrize(
    ("place", "line"),
    [
        ("core/faces/crop.py", "from ..errors import FaceError\nfrom .base import Face\nfrom . import align"),
        ("core/faces/crop.py", "from ..generators.base import Generator"),
        ("core/pipeline.py", "from .io import read_frame\nfrom .faces.crop import crop_plate"),
        ("core/training/loop.py", "from ..generators.stylegan2 import StyleGAN2"),
    ],
)
def test_when_siblings_meet_through_base_then_nothing_is_found(planted, place: str, line: str) -> None:
    assert sibling_violations(planted(place, line), ROOMS) == []
