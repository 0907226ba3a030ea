"""``make extension``: the add-on as one zip, built and validated by Blender's own tool.

``python -m lineament.hosts.blender.packaging FOLDER PYTHON...`` writes the zip into FOLDER. Each PYTHON has
the ``bpy`` wheel of one Blender; the first one's tool builds, every one's validates. The bundled wheel holds
only what Blender loads: the modules that this package imports, never the engine or a model.
"""

from __future__ import annotations

import ast
import base64
import hashlib
import importlib.util
import os
import shutil
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Iterator, Sequence
from pathlib import Path

from lineament.core.errors import HostError

from .help_page import help_page

ROOT = Path(__file__).resolve().parents[2]
"""The folder of the layers and of the licence: a checkout."""

STAMP = (1980, 1, 1, 0, 0, 0)
"""The time of every packed file: two builds of the same sources are the same bytes."""

NOT_IN_BLENDER = ("packaging.py", "extension")
"""What lies in this package and is not loaded by it."""

TOOL_S = 120.0
_LOCATE = "import importlib.util as u; s = u.find_spec('bpy'); print(s.origin if s else '')"


def build_extension(folder: Path, pythons: Sequence[Path]) -> Path:
    """Build the zip into ``folder`` and let every Blender validate it. Raises HostError with the tool's words."""
    tools = [extension_tool(python) for python in pythons]
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as scratch:
        source = stage(Path(scratch) / "lineament")
        target = folder / f"lineament-{version()}.zip"
        _run(pythons[0], tools[0], "build", "--source-dir", str(source), "--output-filepath", str(target))
    for python, tool in zip(pythons, tools):  # noqa: B905 - strict= is newer than the oldest Python of hosts
        _run(python, tool, "validate", str(target))
    return target


def stage(folder: Path) -> Path:
    """Lay out the extension's sources in ``folder``: manifest, door, help page, licence and wheel."""
    shutil.copytree(Path(__file__).parent / "extension", folder, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copyfile(ROOT / "LICENSE", folder / "LICENSE")
    (folder / "help.html").write_text(help_page(), encoding="utf-8")
    (folder / "wheels").mkdir()
    write_wheel(folder / "wheels")
    for path in folder.rglob("*"):
        os.utime(path, (315532800, 315532800))
    return folder


def version() -> str:
    """The add-on's version, as its manifest tells it."""
    text = (Path(__file__).parent / "extension" / "blender_manifest.toml").read_text("utf-8")
    line = next(line for line in text.splitlines() if line.startswith("version"))
    return line.split('"')[1]


def write_wheel(folder: Path) -> Path:
    """Write the wheel of the light modules: pure Python, for every version and system."""
    about = f"lineament-{version()}.dist-info"
    content = {
        f"lineament/{path.relative_to(ROOT).as_posix()}": path.read_bytes() for path in light_modules()
    }
    content[f"{about}/METADATA"] = _metadata()
    content[f"{about}/WHEEL"] = (
        b"Wheel-Version: 1.0\nGenerator: lineament\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
    )
    content[f"{about}/licenses/LICENSE"] = (ROOT / "LICENSE").read_bytes()
    record = "".join(f"{name},{_digest(data)},{len(data)}\n" for name, data in sorted(content.items()))
    content[f"{about}/RECORD"] = f"{record}{about}/RECORD,,\n".encode()
    target = folder / f"lineament-{version()}-py3-none-any.whl"
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as wheel:
        for name, data in sorted(content.items()):
            entry = zipfile.ZipInfo(name, STAMP)
            entry.compress_type, entry.external_attr = zipfile.ZIP_DEFLATED, 0o644 << 16
            wheel.writestr(entry, data)
    return target


def light_modules() -> tuple[Path, ...]:
    """This package's files and every file of the layers that they import, sorted."""
    package = ROOT / "hosts" / "blender"
    waiting = [
        path for path in package.rglob("*.py") if path.relative_to(package).parts[0] not in NOT_IN_BLENDER
    ]
    found: set[Path] = set()
    while waiting:
        path = waiting.pop()
        if path not in found:
            found.add(path)
            waiting += _imported_files(path)
    return tuple(sorted(found))


def _imported_files(path: Path) -> list[Path]:
    """The files of the layers behind a file's import statements, and the packages above them."""
    parts = ("lineament", *path.relative_to(ROOT).with_suffix("").parts)
    package = ".".join(parts[:-1])  # of an __init__ too: its last part is the file's name
    names: set[str] = {package}
    for node in _executed(ast.parse(path.read_bytes())):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            relative = "." * node.level + (node.module or "")
            base = importlib.util.resolve_name(relative, package) if node.level else relative
            names |= {base} | {f"{base}.{alias.name}" for alias in node.names}
    parents = {".".join(name.split(".")[:depth]) for name in names for depth in range(2, name.count(".") + 2)}
    return [file for name in parents if name.startswith("lineament.") for file in _files_of(name)]


def _executed(node: ast.AST) -> Iterator[ast.AST]:
    """A syntax tree's nodes without what stands under ``if TYPE_CHECKING``."""
    yield node
    for child in ast.iter_child_nodes(node):
        if not (isinstance(child, ast.If) and "TYPE_CHECKING" in ast.dump(child.test)):
            yield from _executed(child)


def _files_of(module: str) -> list[Path]:
    place = ROOT.joinpath(*module.split(".")[1:])
    candidates = (place.with_suffix(".py"), place / "__init__.py")
    return [file for file in candidates if file.is_file()]


def _metadata() -> bytes:
    return (
        f"Metadata-Version: 2.4\nName: lineament\nVersion: {version()}\n"
        "Summary: What a host loads of Lineament; the engine is installed separately.\n"
        "License-Expression: MIT\nLicense-File: LICENSE\nRequires-Python: >=3.9\n"
    ).encode()


def _digest(data: bytes) -> str:
    return "sha256=" + base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=").decode()


def extension_tool(python: Path) -> Path:
    """The extension tool inside a Python's bpy wheel. Raises HostError if that Python has none."""
    origin = _said((str(python), "-c", _LOCATE), str(python)).strip()
    found = (
        sorted(Path(origin).parent.glob("*/scripts/addons_core/bl_pkg/cli/blender_ext.py")) if origin else []
    )
    if not found:
        raise HostError(
            "This Python has no Blender.",
            where=str(python),
            remedy='Run "make blender", or install bpy into it.',
        )
    return found[0]


def _run(python: Path, tool: Path, *arguments: str) -> None:
    _said((str(python), str(tool), *arguments), f"{tool.name} {arguments[0]}")


def _said(command: tuple[str, ...], where: str) -> str:
    """What a program printed. Raises HostError if it cannot be started or fails."""
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=TOOL_S, check=False)  # noqa: S603
    except OSError as err:
        remedy = 'Name a Python that has bpy; "make blender" makes one.'
        raise HostError(f"It cannot be started: {err.strerror or err}.", where=where, remedy=remedy) from err
    if done.returncode != 0:
        said = " ".join((done.stdout + done.stderr).split())
        raise HostError(
            f"The tool refused: {said}",
            where=where,
            remedy="Correct what it names, and build the extension again.",
        )
    return done.stdout


def main(arguments: list[str]) -> int:
    """Build for the command line; returns the exit status."""
    if len(arguments) < 2:
        sys.stderr.write("usage: python -m lineament.hosts.blender.packaging FOLDER PYTHON...\n")
        return 2
    try:
        target = build_extension(Path(arguments[0]), [Path(argument) for argument in arguments[1:]])
    except HostError as err:
        sys.stderr.write(f"{err}\n")
        return 2
    sys.stdout.write(f"{target} ({target.stat().st_size // 1024} KiB)\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
