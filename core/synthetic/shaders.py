"""Shader sources: files in ``glsl/``, joined by ``#include NAME`` lines, one version header for all."""

from __future__ import annotations

from functools import cache
from importlib.resources import files

HEADER = "#version 330 core\n"
"""OpenGL 3.3 is what every software and hardware driver of the last ten years has."""

_INCLUDE = "#include "


@cache
def source(name: str) -> str:
    """The complete text of the shader file ``name`` (such as "skin.frag").

    Each file is included once. Raises FileNotFoundError for a name that the package does not have.
    """
    return HEADER + _expanded(name, set())


def _expanded(name: str, seen: set[str]) -> str:
    if name in seen:
        return ""
    seen.add(name)
    lines = []
    for line in (files(__package__) / "glsl" / name).read_text("utf-8").splitlines():
        if line.startswith(_INCLUDE):
            lines.append(_expanded(line[len(_INCLUDE) :].strip(), seen))
        else:
            lines.append(line)
    return "\n".join(lines) + "\n"
