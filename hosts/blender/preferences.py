"""The add-on's preferences: where the engine is, and what new nodes start with."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import bpy

from . import engine
from .engine_check import checked

_PACKAGE: list[str] = []
"""The add-on's package name while it is registered: in an extension only Blender knows it."""


@dataclass(frozen=True)
class Settings:
    """The preferences as plain data; the defaults are those of an add-on without any."""

    interpreter: str = ""
    cache_folder: str = ""
    device: str = "cpu"
    is_live: bool = True


def _use_interpreter(preferences: Any, _: Any) -> None:
    """Hand the interpreter on. A function, because Blender evaluates annotations where a lambda finds no names."""
    engine.use_interpreter(bpy.path.abspath(preferences.interpreter))


class LineamentPreferences(bpy.types.AddonPreferences):  # type: ignore[misc]
    """The properties and their panel in Preferences > Add-ons."""

    bl_idname = "lineament"

    interpreter: bpy.props.StringProperty(  # type: ignore[valid-type]
        name="Interpreter",
        description="Python that the engine is installed in; the line python of lineament doctor names it. "
        "The environment variable LINEAMENT_PYTHON wins over it",
        subtype="FILE_PATH",
        update=_use_interpreter,
    )
    cache_folder: bpy.props.StringProperty(  # type: ignore[valid-type]
        name="Cache Folder",
        description="Folder of the results that new nodes start with; empty keeps them beside the file",
        subtype="DIR_PATH",
        options={"PATH_SUPPORTS_BLEND_RELATIVE"},
    )
    device: bpy.props.StringProperty(  # type: ignore[valid-type]
        name="Device",
        description="Where the networks of new nodes run: cpu, cuda, cuda:1 and so on, or auto",
        default=Settings.device,
    )
    is_live: bpy.props.BoolProperty(  # type: ignore[valid-type]
        name="Edit While Rendering",
        description="Lets new nodes edit frames that are not baked during a render without a window",
        default=Settings.is_live,
    )

    def draw(self, context: Any) -> None:
        """The rows, and what the last check of the engine found."""
        draw_preferences(self.layout, self)


def draw_preferences(layout: Any, preferences: Any) -> None:
    """Draw the preferences into any layout."""
    layout.use_property_split = True
    for name in ("interpreter", "cache_folder", "device", "is_live"):
        layout.prop(preferences, name)
    row = layout.row()
    row.operator("lineament.check_engine", icon="CHECKMARK")
    row.operator("lineament.open_help", icon="HELP")
    found = checked()
    if found is None:
        return
    box = layout.box()
    text = "The engine is ready" if found.is_sound else "The engine cannot work; see what to do:"
    box.label(text=text, icon="CHECKMARK" if found.is_sound else "ERROR")
    for line in found.lines:
        box.label(text=line, translate=False)


def package() -> str:
    """The add-on's package name; empty while it is not registered."""
    return _PACKAGE[0] if _PACKAGE else ""


def settings() -> Settings:
    """What the user has set, or the defaults where the add-on was not enabled through the preferences."""
    entry = bpy.context.preferences.addons.get(package()) if package() else None
    stored = entry.preferences if entry is not None else None
    if stored is None:
        return Settings()
    return Settings(stored.interpreter, stored.cache_folder, stored.device, stored.is_live)


def attach(name: str) -> None:
    """Register the class under the package's name and hand its values on."""
    LineamentPreferences.bl_idname = name
    bpy.utils.register_class(LineamentPreferences)
    _PACKAGE.append(name)
    if settings().interpreter:
        _use_interpreter(settings(), None)


def detach() -> None:
    """Unregister the class."""
    if _PACKAGE:
        _PACKAGE.clear()
        bpy.utils.unregister_class(LineamentPreferences)
