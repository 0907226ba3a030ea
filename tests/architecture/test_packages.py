"""The hand-written package list, the typing marks and the public door agree with the folders."""

from __future__ import annotations

import importlib
from pathlib import Path

import pytest
import tomllib

LAYERS = ("core", "plugin", "hosts", "gizmos")


@pytest.fixture(scope="module")
def project(repository: Path) -> dict:
    """pyproject.toml as data."""
    return tomllib.loads((repository / "pyproject.toml").read_text("utf-8"))


def packages_in(root: Path) -> set[str]:
    """Every folder of a layer that holds an __init__.py, by its import name."""
    inits = [path for layer in LAYERS for path in (root / layer).rglob("__init__.py")]
    return {".".join(["lineament", *path.parent.relative_to(root).parts]) for path in inits}


def test_when_a_folder_is_a_package_then_it_is_listed(repository: Path, project: dict) -> None:
    listed = project["tool"]["setuptools"]["packages"]
    assert set(listed) == packages_in(repository)
    assert listed == sorted(listed)


def test_when_a_folder_holds_modules_then_it_is_a_package(repository: Path) -> None:
    folders = {path.parent for layer in LAYERS for path in (repository / layer).rglob("*.py")}
    bare = sorted(
        str(folder.relative_to(repository)) for folder in folders if not (folder / "__init__.py").is_file()
    )
    assert bare == []


@pytest.mark.parametrize("layer", LAYERS)
def test_when_a_layer_is_installed_then_it_carries_its_typing_mark(
    repository: Path, project: dict, layer: str
) -> None:
    assert (repository / layer / "py.typed").is_file()
    assert "py.typed" in project["tool"]["setuptools"]["package-data"][f"lineament.{layer}"]


def test_when_package_data_is_listed_then_every_pattern_finds_files(repository: Path, project: dict) -> None:
    listed = project["tool"]["setuptools"]["package-data"]
    folders = {package: repository.joinpath(*package.split(".")[1:]) for package in listed}
    empty = [
        f"{package}: {pattern}"
        for package, patterns in listed.items()
        for pattern in patterns
        if not any(folders[package].glob(pattern))
    ]
    assert empty == []


def test_when_the_namespace_is_shared_then_it_has_no_init(repository: Path) -> None:
    lineament = importlib.import_module("lineament")
    assert getattr(lineament, "__file__", None) is None


def test_when_the_door_is_read_then_it_is_sorted_and_opens() -> None:
    door = importlib.import_module("lineament.core")
    assert list(door.__all__) == sorted(door.__all__)
    for name in door.__all__:
        assert getattr(door, name).__module__.startswith("lineament.core."), name


def test_when_the_door_is_asked_for_a_stranger_then_it_names_it() -> None:
    door = importlib.import_module("lineament.core")
    with pytest.raises(AttributeError, match="no_such_name"):
        door.no_such_name  # noqa: B018  (the access is the test)


def test_when_dependencies_are_named_then_each_is_pinned(repository: Path, project: dict) -> None:
    lines = (repository / "constraints.txt").read_text("utf-8").splitlines()
    pinned = {line.partition("==")[0].lower() for line in lines if "==" in line and not line.startswith("#")}
    extras = project["project"]["optional-dependencies"]
    wanted = [
        *project["project"]["dependencies"],
        *(name for key in ("engine", "cli", "faces", "dev") for name in extras[key]),
    ]
    names = {requirement.partition(">")[0].partition("=")[0].strip().lower() for requirement in wanted}
    assert names - pinned == set()
