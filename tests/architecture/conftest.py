"""The source tree as data: files of each layer, parsed once."""

from __future__ import annotations

import ast
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

LAYERS = ("core", "plugin", "hosts", "gizmos")


@dataclass(frozen=True)
class Source:
    """One Python file: ``place`` in the checkout, ``module`` as it is imported, its syntax tree."""

    place: str
    module: str
    is_package: bool
    text: str
    tree: ast.Module


def read_source(root: Path, path: Path) -> Source:
    """Parse one file of a layer below ``root``."""
    relative = path.relative_to(root)
    parts = list(relative.with_suffix("").parts)
    is_package = parts[-1] == "__init__"
    module = ".".join(["lineament", *(parts[:-1] if is_package else parts)])
    text = path.read_text("utf-8")
    return Source(relative.as_posix(), module, is_package, text, ast.parse(text, filename=str(relative)))


def sources_below(root: Path, *folders: str) -> list[Source]:
    """All Python files of some folders, vendored networks left out."""
    paths = [path for folder in folders for path in sorted((root / folder).rglob("*.py"))]
    return [read_source(root, path) for path in paths if "_vendor" not in path.parts]


@pytest.fixture(scope="session")
def layer_sources(repository: Path) -> list[Source]:
    """Every file of core, plugin, hosts and gizmos."""
    found = sources_below(repository, *LAYERS)
    assert len(found) > 20, "the checkout looks empty: the architecture tests would pass on nothing"
    return found


@pytest.fixture(scope="session")
def all_sources(repository: Path, layer_sources: list[Source]) -> list[Source]:
    """The layers, the tests and the benchmarks."""
    return [*layer_sources, *sources_below(repository, "tests", "bench")]


@pytest.fixture(scope="session")
def source_reader() -> Callable[[Path, Path], Source]:
    """``read_source`` for tests that plant a file of their own."""
    return read_source
