"""The engine's public door. Importing it loads nothing heavy; each name is fetched when first used."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .frame import Frame
    from .generators.package import load_model
    from .io import read_frame, write_frame
    from .pipeline import render_frame

__all__ = ["Frame", "load_model", "read_frame", "render_frame", "write_frame"]

_ROOMS = {
    "Frame": ".frame",
    "load_model": ".generators.package",
    "read_frame": ".io",
    "render_frame": ".pipeline",
    "write_frame": ".io",
}


def __getattr__(name: str) -> Any:
    if name not in _ROOMS:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(_ROOMS[name], __name__), name)
