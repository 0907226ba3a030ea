"""Operators of presets: load one into the node, save the node as one, remove one."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import bpy
from lineament.core.errors import RecipeError

from . import carrier
from .carrier import input_of
from .links import socket_of
from .operators import TREE_PROPERTY, EditOperator, attribute_names
from .preferences import package
from .presets import Preset, load_preset, look_parameters, remove_preset, save_preset
from .selection import Selected
from .staleness import curves_of_action

FOLDER = "presets"


def preset_folder() -> Path:
    """Where the user's presets are: the extension's own folder, or Blender's presets without an extension."""
    name = package()
    if name.startswith("bl_ext."):
        return Path(bpy.utils.extension_path_user(name, path=FOLDER))
    return Path(bpy.utils.resource_path("USER")) / "scripts" / FOLDER / "lineament"


def preset_of(edit: Selected) -> Preset:
    """The node's look now: strengths that are not 0, and the parameters that differ from their defaults."""
    strengths = {}
    for entry in edit.tree.lineament.attributes:
        socket = socket_of(edit.node.inputs, entry.identifier)
        if socket is not None and socket.default_value != 0.0:
            strengths[entry.name] = round(float(socket.default_value), 6)
    values = {}
    for parameter in look_parameters():
        value = _read(edit, parameter.id)
        if value is not None and value != parameter.default:
            values[parameter.id] = value
    return Preset(strengths, values)


def apply_preset(edit: Selected, preset: Preset) -> tuple[str, ...]:
    """Give the node the preset's look; what the preset does not name gets its default.

    Returns the attributes that are linked or keyed and so keep their values. Raises RecipeError for a name that cannot
    be an attribute; the node is as before then.
    """
    new = [name for name in preset.strengths if name not in attribute_names(edit.tree)]
    for name in new:
        carrier.refuse_attribute(name)
    for name in new:
        carrier.add_attribute(edit.tree, name)
    kept = []
    for entry in edit.tree.lineament.attributes:
        socket = socket_of(edit.node.inputs, entry.identifier)
        if socket is None:
            continue
        if socket.is_linked or _is_keyed(socket):
            kept.append(entry.name)
        else:
            socket.default_value = preset.strengths.get(entry.name, 0.0)
    for parameter in look_parameters():
        _write(edit, parameter.id, preset.values.get(parameter.id, parameter.default))
    return tuple(kept)


def _read(edit: Selected, name: str) -> Any:
    if name == "mix":
        socket = input_of(edit.node, "mix")
        return None if socket is None else round(float(socket.default_value), 6)
    value = getattr(edit.tree.lineament, name, None)
    return round(value, 6) if isinstance(value, float) else value


def _write(edit: Selected, name: str, value: Any) -> None:
    if name == "mix":
        socket = input_of(edit.node, "mix")
        if socket is not None and not socket.is_linked and not _is_keyed(socket):
            socket.default_value = value
    elif hasattr(edit.tree.lineament, name):
        setattr(edit.tree.lineament, name, value)


def _is_keyed(socket: Any) -> bool:
    """Whether keys or a driver hold the socket's value: it would be lost on the next frame."""
    data = socket.id_data.animation_data
    if data is None:
        return False
    path = socket.path_from_id("default_value")
    if any(driver.data_path == path for driver in data.drivers):
        return True
    return any(curve.data_path == path for curve in curves_of_action(data))


class LINEAMENT_OT_load_preset(EditOperator, bpy.types.Operator):  # type: ignore[misc]
    """Loads a preset into the node"""

    bl_idname = "lineament.load_preset"
    bl_label = "Load Preset"
    bl_description = "Gives the node this look; attributes that are keyed, driven or linked keep their values"
    bl_options = {"REGISTER", "UNDO"}  # noqa: RUF012 - Blender reads it from the class

    preset: bpy.props.StringProperty(  # type: ignore[valid-type]
        name="Preset", description="Name of the preset to load"
    )
    tree: bpy.props.StringProperty(**TREE_PROPERTY)  # type: ignore[valid-type]

    def change(self, context: Any, edit: Selected) -> str:
        """Load it."""
        kept = apply_preset(edit, load_preset(preset_folder(), self.preset))
        return f"Keyed, driven or linked, and left alone: {', '.join(kept)}." if kept else ""


class LINEAMENT_OT_save_preset(EditOperator, bpy.types.Operator):  # type: ignore[misc]
    """Saves the node's look as a preset"""

    bl_idname = "lineament.save_preset"
    bl_label = "Save Preset"
    bl_description = (
        "Saves the node's look at this frame as a preset, a recipe that the command line reads as well"
    )
    bl_options = {"REGISTER"}  # noqa: RUF012 - nothing of the file changes
    is_reader = True

    preset: bpy.props.StringProperty(  # type: ignore[valid-type]
        name="Preset", description="Name of the preset; one of that name is replaced", default="My Preset"
    )
    tree: bpy.props.StringProperty(**TREE_PROPERTY)  # type: ignore[valid-type]

    def invoke(self, context: Any, event: Any) -> Any:
        """Ask for the name."""
        if bpy.app.background:
            return self.execute(context)
        return context.window_manager.invoke_props_dialog(self)

    def change(self, context: Any, edit: Selected) -> str:
        """Save it."""
        look = preset_of(edit)
        if not look.strengths and not look.values:
            raise RecipeError(
                "The node has no look to save.",
                where=edit.tree.name,
                remedy="Set a strength first, then save.",
            )
        return str(save_preset(preset_folder(), self.preset, look))


class LINEAMENT_OT_remove_preset(bpy.types.Operator):  # type: ignore[misc]
    """Removes a preset"""

    bl_idname = "lineament.remove_preset"
    bl_label = "Remove Preset"
    bl_description = "Removes this preset's file, which undo cannot bring back; shipped presets stay"
    bl_options = {"REGISTER"}  # noqa: RUF012

    preset: bpy.props.StringProperty(  # type: ignore[valid-type]
        name="Preset", description="Name of the preset to remove"
    )

    def invoke(self, context: Any, event: Any) -> Any:
        """Ask first."""
        if bpy.app.background:
            return self.execute(context)
        return context.window_manager.invoke_confirm(self, event)

    def execute(self, context: Any) -> set[str]:
        """Remove it."""
        try:
            remove_preset(preset_folder(), self.preset)
        except RecipeError as err:
            self.report({"ERROR"}, str(err))
            return {"CANCELLED"}
        return {"FINISHED"}


CLASSES = (LINEAMENT_OT_load_preset, LINEAMENT_OT_save_preset, LINEAMENT_OT_remove_preset)
