"""The extension's zip: built and validated by the tool of each Blender, small, whole, and the same every time."""

from __future__ import annotations

import ast
import base64
import csv
import hashlib
import io
import json
import os
import sys
import zipfile
from pathlib import Path

import pytest
import tomllib
from lineament.core.errors import HostError
from lineament.hosts.blender import packaging

REPOSITORY = Path(__file__).resolve().parents[2]
VERSIONS = ("4.5", "5.0")
HEAVY = {
    "torch",
    "OpenImageIO",
    "PyOpenColorIO",
    "cv2",
    "sklearn",
    "scipy",
    "safetensors",
    "pydantic",
    "yaml",
    "typer",
}

pytestmark = pytest.mark.blender


def blender_python(version: str) -> Path:
    """The interpreter that has that Blender; see test_blender.py."""
    named = os.environ.get(f"LINEAMENT_BLENDER_{version.replace('.', '_')}", "")
    return Path(named) if named else REPOSITORY / ".blender" / version / "bin" / "python"


@pytest.fixture(scope="module")
def pythons() -> list[Path]:
    """Both Blenders."""
    found = [blender_python(version) for version in VERSIONS]
    missing = [str(python) for python in found if not python.exists()]
    assert missing == [], 'run "make blender"'
    return found


@pytest.fixture(scope="module")
def packages(pythons: list[Path], tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The zip as each version's tool builds it; both tools have validated both."""
    folder = tmp_path_factory.mktemp("zips")
    return {
        version: packaging.build_extension(folder / version, [python, *pythons])
        for version, python in zip(VERSIONS, pythons, strict=True)
    }


@pytest.fixture(scope="module")
def package(packages: dict[str, Path]) -> zipfile.ZipFile:
    """The zip of 5.0, opened."""
    return zipfile.ZipFile(packages["5.0"])


@pytest.fixture(scope="module")
def manifest(package: zipfile.ZipFile) -> dict:
    """Its manifest."""
    return tomllib.loads(package.read("blender_manifest.toml").decode())


@pytest.fixture(scope="module")
def wheel(package: zipfile.ZipFile, manifest: dict) -> zipfile.ZipFile:
    """The wheel that it bundles."""
    return zipfile.ZipFile(io.BytesIO(package.read(manifest["wheels"][0].removeprefix("./"))))


def test_when_both_tools_build_then_the_zips_are_the_same_bytes(packages: dict[str, Path]) -> None:
    assert packages["4.5"].read_bytes() == packages["5.0"].read_bytes()


def test_when_it_is_built_then_it_holds_what_it_needs_and_is_small(
    package: zipfile.ZipFile, packages
) -> None:
    assert sorted(package.namelist()) == [
        "LICENSE",
        "__init__.py",
        "blender_manifest.toml",
        "help.html",
        f"wheels/lineament-{packaging.version()}-py3-none-any.whl",
    ]
    assert packages["5.0"].stat().st_size < 300_000


def test_when_the_manifest_is_read_then_it_asks_for_files_and_no_network(manifest: dict) -> None:
    assert list(manifest["permissions"]) == ["files"]
    assert manifest["license"] == ["SPDX:MIT"], "the GPL, which Blender asks for, is compatible with it"
    assert (manifest["schema_version"], manifest["id"], manifest["type"]) == ("1.0.0", "lineament", "add-on")
    assert manifest["blender_version_min"] == "4.5.0"


def test_when_the_project_has_a_version_then_the_extension_has_the_same(manifest: dict) -> None:
    project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text("utf-8"))["project"]
    assert manifest["version"] == project["version"]
    assert project["version"] in manifest["wheels"][0]
    assert project["license"] == "MIT"


def test_when_the_wheel_is_read_then_every_file_has_its_hash_in_the_record(wheel: zipfile.ZipFile) -> None:
    record = next(name for name in wheel.namelist() if name.endswith("/RECORD"))
    rows = {row[0]: row for row in csv.reader(io.StringIO(wheel.read(record).decode()))}
    assert set(rows) == set(wheel.namelist())
    for name, digest, size in rows.values():
        if name != record:
            content = wheel.read(name)
            told = base64.urlsafe_b64encode(hashlib.sha256(content).digest()).rstrip(b"=").decode()
            assert (digest, int(size)) == (f"sha256={told}", len(content))


def test_when_the_wheel_is_unpacked_then_it_is_python_alone_without_models_or_the_engine(wheel) -> None:
    code = [name for name in wheel.namelist() if ".dist-info/" not in name]
    assert all(name.startswith("lineament/") and name.endswith(".py") for name in code)
    assert "lineament/hosts/blender/registration.py" in code and "lineament/plugin/session.py" in code
    assert not {"lineament/plugin/engine.py", "lineament/core/pipeline.py"} & set(code)
    for name in code:
        assert HEAVY & imports_at_start(ast.parse(wheel.read(name), name)) == set(), name


def imports_at_start(tree: ast.Module) -> set[str]:
    """Top-level names of what a module imports while it is imported itself."""
    found = set()
    for node in tree.body:
        if isinstance(node, ast.Import):
            found |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and not node.level:
            found.add((node.module or "").partition(".")[0])
    return found


def test_when_a_host_runs_an_older_python_then_the_code_is_still_its_language(wheel: zipfile.ZipFile) -> None:
    for name in wheel.namelist():
        if name.endswith(".py"):
            ast.parse(wheel.read(name), name, feature_version=(3, 9))


def test_when_everything_is_imported_then_all_that_it_needs_is_in_the_wheel(wheel: zipfile.ZipFile) -> None:
    code = set(wheel.namelist())
    for path in packaging.light_modules():
        assert f"lineament/{path.relative_to(REPOSITORY).as_posix()}" in code
    own = {path.name for path in (REPOSITORY / "hosts" / "blender").glob("*.py")} - {"packaging.py"}
    assert own == {name.rpartition("/")[2] for name in code if name.startswith("lineament/hosts/blender/")}


def test_when_the_default_models_licence_is_shown_then_it_is_that_of_its_card() -> None:
    tree = ast.parse((REPOSITORY / "hosts" / "blender" / "panel_parts.py").read_text("utf-8"))
    names, values = next(
        ([name.id for name in node.targets[0].elts], ast.literal_eval(node.value))
        for node in tree.body
        if isinstance(node, ast.Assign) and "DEFAULT_LICENCE" in ast.dump(node.targets[0])
    )
    shown = dict(zip(names, values, strict=True))
    card = json.loads(
        (REPOSITORY / "core" / "models" / shown["DEFAULT_MODEL"] / "card.json").read_text("utf-8")
    )
    assert shown["DEFAULT_LICENCE"] == card["licence"]


def test_when_the_sources_are_wrong_then_the_tools_words_are_told(
    pythons, tmp_path: Path, monkeypatch
) -> None:
    def spoilt(folder: Path) -> Path:
        folder.mkdir(parents=True)
        (folder / "blender_manifest.toml").write_text('schema_version = "1.0.0"\nid = "x y"\n')
        return folder

    monkeypatch.setattr(packaging, "stage", spoilt)
    with pytest.raises(HostError, match=r"The tool refused: .*build") as caught:
        packaging.build_extension(tmp_path / "dist", pythons[:1])
    assert caught.value.remedy
    assert list((tmp_path / "dist").iterdir()) == []


def test_when_a_python_has_no_blender_then_it_is_told(tmp_path: Path) -> None:
    with pytest.raises(HostError, match="has no Blender"):
        packaging.build_extension(tmp_path, [Path(sys.executable)])
    with pytest.raises(HostError, match="cannot be started"):
        packaging.build_extension(tmp_path, [tmp_path / "nowhere" / "python"])


def test_when_the_command_is_used_wrongly_then_it_says_how(capsys, tmp_path: Path) -> None:
    assert packaging.main([]) == 2
    assert "usage" in capsys.readouterr().err
    assert packaging.main([str(tmp_path), sys.executable]) == 2
    assert "make blender" in capsys.readouterr().err


def test_when_the_command_succeeds_then_it_names_the_zip(pythons, capsys, tmp_path: Path) -> None:
    assert packaging.main([str(tmp_path), str(pythons[0])]) == 0
    assert capsys.readouterr().out.startswith(str(tmp_path / f"lineament-{packaging.version()}.zip"))
