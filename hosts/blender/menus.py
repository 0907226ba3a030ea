"""The entry in the compositor's Add menu, and the menus of attributes and presets."""

from __future__ import annotations

from typing import Any

import bpy
from lineament.plugin.node_spec import ATTRIBUTE_EDIT

from .operators import attribute_names
from .operators_preset import preset_folder
from .presets import SHIPPED, preset_names
from .selection import active_edit, is_compositor

ADD_MENU = "NODE_MT_compositor_node_add_all"
"""The top of the compositor's Add menu; both versions of Blender call it so."""


class LINEAMENT_MT_attributes(bpy.types.Menu):  # type: ignore[misc]
    """The attributes that the node does not have yet"""

    bl_label = "Add Attribute"

    def draw(self, context: Any) -> None:
        """Those of the declaration in its order, then any other by name."""
        edit = active_edit(context)
        has = attribute_names(edit.tree) if edit is not None else ()
        for parameter in ATTRIBUTE_EDIT.for_target("strength"):
            if parameter.id not in has:
                entry = self.layout.operator("lineament.add_attribute", text=parameter.label)
                entry.attribute = parameter.id
        self.layout.separator()
        self.layout.operator_context = "INVOKE_DEFAULT"
        self.layout.operator("lineament.add_attribute", text="Of Another Model...").attribute = ""


class LINEAMENT_MT_presets(bpy.types.Menu):  # type: ignore[misc]
    """The presets, shipped ones first"""

    bl_label = "Presets"

    def draw(self, context: Any) -> None:
        """Load one of them, save the node's settings as one, remove one."""
        own = preset_names(preset_folder())
        for name in (*(name for name in SHIPPED if name not in own), *own):
            self.layout.operator("lineament.load_preset", text=name, translate=name in SHIPPED).preset = name
        self.layout.separator()
        self.layout.operator_context = "INVOKE_DEFAULT"
        self.layout.operator("lineament.save_preset", icon="ADD")
        for name in own:
            entry = self.layout.operator("lineament.remove_preset", text=name, translate=False, icon="TRASH")
            entry.preset = name


def draw_add_entry(menu: Any, context: Any) -> None:
    """Our line in the compositor's Add menu."""
    if is_compositor(context):
        menu.layout.separator()
        menu.layout.operator("lineament.add_node", icon="USER")


def attach() -> None:
    """Hang our line into the Add menu, once."""
    detach()
    getattr(bpy.types, ADD_MENU).append(draw_add_entry)


def detach() -> None:
    """Take our line out of the Add menu."""
    getattr(bpy.types, ADD_MENU).remove(draw_add_entry)


CLASSES = (LINEAMENT_MT_attributes, LINEAMENT_MT_presets)
