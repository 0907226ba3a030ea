"""What is in version control: nothing huge, nothing that knows somebody's machine."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

LARGEST_BYTES = 16_000_000
MACHINE_PATH = re.compile(r"(?<![\w.\-])/(?:" + "|".join(["work", "root", "workspace", r"Users/\w+"]) + r")/")
TEXT = {".py", ".md", ".toml", ".txt", ".json", ".yaml", ".yml", ".cfg", ".ini", ".sh", ".gizmo", ".nk", ""}


@pytest.fixture(scope="module")
def tracked(repository: Path) -> list[Path]:
    """The files that git tracks and that are there."""
    git = shutil.which("git")
    if git is None or not (repository / ".git").exists():
        pytest.skip("not a git checkout: there is no list of tracked files")
    command = [git, "-c", "safe.directory=*", "-C", str(repository), "ls-files", "-z"]
    names = subprocess.run(command, capture_output=True, check=True, timeout=60).stdout.decode().split("\0")
    return [repository / name for name in names if name and (repository / name).is_file()]


def machine_paths(text: str) -> list[str]:
    """Lines that name a folder of one particular machine."""
    return [line.strip() for line in text.splitlines() if MACHINE_PATH.search(line)]


def test_when_a_file_is_tracked_then_it_is_below_the_size_limit(
    repository: Path, tracked: list[Path]
) -> None:
    sizes = {str(path.relative_to(repository)): path.stat().st_size for path in tracked}
    assert {name: size for name, size in sizes.items() if size > LARGEST_BYTES} == {}


def test_when_text_is_tracked_then_it_names_no_machine(repository: Path, tracked: list[Path]) -> None:
    texts = [path for path in tracked if path.suffix in TEXT]
    found = {
        str(path.relative_to(repository)): machine_paths(path.read_text("utf-8", "replace")) for path in texts
    }
    assert {name: lines for name, lines in found.items() if lines} == {}


def test_when_weights_are_tracked_then_they_are_safetensors(repository: Path, tracked: list[Path]) -> None:
    unsafe = [path for path in tracked if path.suffix in {".pkl", ".pickle", ".pt", ".pth", ".ckpt", ".npy"}]
    assert [str(path.relative_to(repository)) for path in unsafe] == []


@pytest.mark.parametrize(
    ("line", "is_machine"),
    [
        ("open('/" + "work/main/x')", True),
        ("/" + "root/.cache", True),
        ("the frame/work/ratio", False),
        ("https://example.org/work/", False),
        ("/show/shot/plate.exr", False),
    ],
)
def test_when_a_line_names_a_machine_then_only_that_is_found(line: str, is_machine: bool) -> None:
    assert bool(machine_paths(line)) == is_machine
