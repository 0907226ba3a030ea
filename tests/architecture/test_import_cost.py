"""A host loads the light modules inside its own process: importing them must not bring the engine along."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

LIGHT = [
    "lineament.core",
    "lineament.core.checks",
    "lineament.core.errors",
    "lineament.core.frame",
    "lineament.core.latent",
    "lineament.core.recipe",
    "lineament.gizmos",
    "lineament.hosts",
    "lineament.plugin",
    "lineament.plugin.node_spec",
    "lineament.plugin.session",
]
STANDARD_LIBRARY_ONLY = ["lineament.core.errors", "lineament.core.recipe", "lineament.plugin.node_spec"]
HEAVY = {
    "torch",
    "OpenImageIO",
    "PyOpenColorIO",
    "cv2",
    "scipy",
    "sklearn",
    "safetensors",
    "moderngl",
    "pydantic",
    "typer",
    "rich",
}


def loaded_by(folder: Path, module: str) -> set[str]:
    """Top-level names in sys.modules after ``import module`` in a fresh interpreter."""
    names = "sorted({name.split('.')[0] for name in sys.modules})"
    script = f"import json, sys; import {module}; print(json.dumps({names}))"
    run = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, cwd=folder, timeout=60, check=False
    )
    assert run.returncode == 0, run.stderr
    return set(json.loads(run.stdout))


@pytest.mark.parametrize("module", LIGHT)
def test_when_a_light_module_is_imported_then_the_engine_stays_out(tmp_path: Path, module: str) -> None:
    assert loaded_by(tmp_path, module) & HEAVY == set()


@pytest.mark.parametrize("module", STANDARD_LIBRARY_ONLY)
def test_when_the_recipe_is_imported_then_even_numpy_stays_out(tmp_path: Path, module: str) -> None:
    assert "numpy" not in loaded_by(tmp_path, module)


@pytest.mark.parametrize(
    ("module", "stays_out"),
    [
        ("lineament.core.synthetic.shards", {"torch", "moderngl"}),
        ("lineament.core.synthetic.dataset_folder", {"torch", "moderngl"}),
        ("lineament.core.synthetic.studio", {"torch", "moderngl"}),
        ("lineament.core.synthetic.shot", {"torch", "moderngl"}),
        ("lineament.core.synthetic.renderer", {"torch"}),
    ],
)
def test_when_faces_are_rendered_then_no_network_is_loaded_and_readers_need_no_opengl(
    tmp_path: Path, module: str, stays_out: set[str]
) -> None:
    assert loaded_by(tmp_path, module) & stays_out == set()


def test_when_a_heavy_module_is_imported_then_the_probe_sees_it(tmp_path: Path) -> None:
    assert "safetensors" in loaded_by(tmp_path, "safetensors")


def test_when_the_core_is_imported_then_layers_are_not_found_by_folder_name(tmp_path: Path) -> None:
    loaded = loaded_by(tmp_path, "lineament.core.recipe")
    assert loaded & {"core", "plugin", "hosts", "gizmos"} == set()


def test_when_tests_run_then_no_second_copy_of_the_layers_is_loaded() -> None:
    import lineament.core.frame  # noqa: F401  (so that the assertion speaks of a loaded core)

    assert "lineament.core.frame" in sys.modules
    assert {"core", "plugin", "hosts", "gizmos"} & set(sys.modules) == set()
