"""``lineament doctor``: look at everything that can be wrong with an installation, and say what to do about
it."""

from __future__ import annotations

import importlib
import importlib.util
import json
import os
import platform
import sys
import tempfile
from collections.abc import Callable
from dataclasses import asdict, dataclass
from importlib import metadata
from pathlib import Path
from typing import Literal

from lineament.core.errors import DeviceError, LineamentError

from .child import ALLOCATOR
from .messages import PROTOCOL_VERSION

Status = Literal["ok", "note", "problem"]
_OLDEST_PYTHON = (3, 10)
_PACKAGES = ("numpy", "torch", "safetensors", "pydantic", "fileseq", "scikit-learn", "scipy")


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at. ``exit_code`` is what it makes of the whole if it is a problem."""

    subject: str
    status: Status
    detail: str
    remedy: str = ""
    exit_code: int = 0


def examine(
    model: str = "default", device: str = "cpu", ocio: str = "", cache: str = "", assets: str = ""
) -> tuple[Finding, ...]:
    """Run every check; none of them raises."""
    checks: tuple[tuple[str, Callable[[], Finding]], ...] = (
        ("python", _python),
        *((name, _package_check(name)) for name in _PACKAGES),
        ("OpenImageIO", _openimageio),
        ("OpenColorIO", _opencolorio),
        ("device", lambda: _device(device)),
        ("colour config", lambda: _colour(ocio)),
        ("model", lambda: _model(model)),
        ("latent cache", lambda: _cache(cache)),
        ("allocator", _allocator),
        ("mediapipe", _mediapipe),
        ("OpenGL", _opengl),
        ("head asset", lambda: _head_asset(assets)),
    )
    return tuple(_guarded(subject, check) for subject, check in checks)


def exit_code(findings: tuple[Finding, ...]) -> int:
    """0 if nothing is a problem, else the largest code of the problems: 4 installation, 5 device."""
    return max((finding.exit_code for finding in findings if finding.status == "problem"), default=0)


def findings_json(findings: tuple[Finding, ...]) -> str:
    """One line for programs: versions of program and protocol, the exit code, and every finding's fields.

    The line is ASCII, so that a host may read it whatever encoding the child's terminal has.
    """
    answer = {
        "version": metadata.version("lineament"),
        "protocol": PROTOCOL_VERSION,
        "exit_code": exit_code(findings),
        "findings": [asdict(finding) for finding in findings],
    }
    return json.dumps(answer)


def _guarded(subject: str, check: Callable[[], Finding]) -> Finding:
    try:
        return check()
    except LineamentError as err:
        where = f" ({err.where})" if err.where else ""
        return Finding(subject, "problem", f"{err.what}{where}", err.remedy, err.exit_code)
    except (ImportError, OSError, AttributeError) as err:
        return Finding(subject, "problem", f"{type(err).__name__}: {err}", _install(subject), 4)


def _install(name: str) -> str:
    return f'Install it with: pip install "lineament[engine,cli]" (needed: {name}).'


def _python() -> Finding:
    version = platform.python_version()
    if sys.version_info < _OLDEST_PYTHON:
        return Finding("python", "problem", version, "Install Python 3.10 or newer.", 4)
    return Finding("python", "ok", f"{version} ({sys.executable})")


def _package_check(name: str) -> Callable[[], Finding]:
    def check() -> Finding:
        try:
            return Finding(name, "ok", metadata.version(name))
        except metadata.PackageNotFoundError:
            return Finding(name, "problem", "not installed", _install(name), 4)

    return check


def _openimageio() -> Finding:
    library = importlib.import_module("OpenImageIO")
    version = library.VERSION_STRING
    built_with = str(library.get_string_attribute("library_list")).replace(";", ", ")
    if "exr" not in str(library.get_string_attribute("format_list")).lower():
        return Finding("OpenImageIO", "problem", f"{version} reads no EXR", _install("openimageio"), 4)
    return Finding("OpenImageIO", "ok", f"{version} with {built_with}")


def _opencolorio() -> Finding:
    return Finding("OpenColorIO", "ok", str(importlib.import_module("PyOpenColorIO").GetVersion()))


def _device(name: str) -> Finding:
    torch = importlib.import_module("torch")
    chosen = importlib.import_module("lineament.core.devices").choose_device(name)
    cuda = f"CUDA {torch.version.cuda}" if torch.version.cuda else "built without CUDA"
    return Finding("device", "ok", f"{chosen}, {torch.get_num_threads()} threads, torch {cuda}")


def _colour(ocio: str) -> Finding:
    config = importlib.import_module("lineament.core.colour_config").load_config(ocio)
    return Finding("colour config", "ok", f"{config.name} (from {config.origin})")


def _model(name: str) -> Finding:
    package = importlib.import_module("lineament.core.generators.package").load_package(name)
    package.verify()
    library = importlib.import_module("lineament.core.directions.library").load_library(package)
    card = package.card
    detail = f'"{card.name}" {card.id[:12]}, {card.resolution} px, {len(card.files)} files verified, '
    return Finding("model", "ok", detail + f"{len(library.names)} attributes, licence {card.licence}")


def _cache(folder: str) -> Finding:
    nearest = Path(folder)
    while not nearest.exists() and nearest != nearest.parent:
        nearest = nearest.parent
    try:
        with tempfile.TemporaryFile(dir=nearest):
            return Finding("latent cache", "ok", f"{folder} can be written")
    except OSError as err:
        remedy = "Set XDG_CACHE_HOME, or give --cache, to a folder that you may write to."
        return Finding("latent cache", "problem", f"{folder}: {err.strerror or err}", remedy, 4)


def _allocator() -> Finding:
    missing = [f"{name}={value}" for name, value in ALLOCATOR.items() if name not in os.environ]
    if missing and sys.platform == "linux":
        remedy = f"Large generators are faster with {' '.join(missing)}, or use --worker, which sets them."
        return Finding("allocator", "note", "large activations go back to the system each time", remedy)
    return Finding("allocator", "ok", "large activations are kept")


def _mediapipe() -> Finding:
    if importlib.util.find_spec("mediapipe") is None:
        remedy = 'For photographed faces without a track: pip install "lineament[mediapipe]".'
        return Finding("mediapipe", "note", "not installed; --locator mediapipe cannot be used", remedy)
    return Finding("mediapipe", "ok", metadata.version("mediapipe"))


def _opengl() -> Finding:
    """Without it everything works but the rendering of faces, so a fault is a note."""
    if importlib.util.find_spec("moderngl") is None:
        remedy = 'To render faces with known truth: pip install "lineament[engine,cli,faces]".'
        return Finding("OpenGL", "note", "moderngl is not installed; lineament faces cannot render", remedy)
    try:
        context = importlib.import_module("lineament.core.synthetic.gl").open_context(1)
    except DeviceError as err:
        return Finding("OpenGL", "note", f"{err.what} ({err.where})", err.remedy)
    info = context.info
    context.release()
    version = metadata.version("moderngl")
    return Finding("OpenGL", "ok", f"{info['GL_RENDERER']}, OpenGL {info['GL_VERSION']}, moderngl {version}")


def _head_asset(source: str) -> Finding:
    if not source:
        remedy = (
            "Give --assets, or set LINEAMENT_ASSETS, to a built head asset or the folder of the CC0 package."
        )
        return Finding("head asset", "note", "not looked for; lineament faces needs one to render", remedy)
    library = importlib.import_module("lineament.core.synthetic.assets")
    if (Path(source) / library.FACEKIT_MARK).is_file():
        return Finding("head asset", "ok", f"{source} holds the CC0 package, built at first use")
    asset = library.asset_from(Path(source))
    return Finding("head asset", "ok", f"{source} with {len(asset.targets.names)} morph targets")
