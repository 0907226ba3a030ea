"""Operators that change the node: add one, add and remove attributes. Each can be undone."""

from __future__ import annotations

from typing import Any

import bpy
from lineament.core.errors import HostError, LineamentError
from lineament.plugin.node_spec import ATTRIBUTE_EDIT

from . import carrier
from .compat import ensure_scene_tree
from .modal import refuse
from .preferences import settings
from .selection import Selected, active_edit, edit_named, is_compositor, refuse_locked, refuse_parent

TREE_PROPERTY = {
    "name": "Node Tree",
    "description": "Name of the node's own tree; empty takes the active node of the editor",
    "options": {"SKIP_SAVE"},
}


class EditOperator:
    """Mix-in of operators on one node: finds it, and turns errors into reports. ``is_reader``: it changes nothing."""

    is_reader = False

    @classmethod
    def poll(cls, context: Any) -> bool:
        """Any compositor, or no window at all: a script names the tree."""
        return bpy.app.background or active_edit(context) is not None

    def execute(self, context: Any) -> set[str]:
        """Do it to the node."""
        try:
            edit = edit_named(context, self.tree)  # type: ignore[attr-defined]
            if not self.is_reader:
                refuse_locked(edit)
            told = self.change(context, edit)
        except LineamentError as err:
            return refuse(self, err)
        if told:
            self.report({"INFO"}, told)  # type: ignore[attr-defined]
        return {"FINISHED"}

    def change(self, context: Any, edit: Selected) -> str:
        """What the operator does; returns what to tell, or nothing. Raises LineamentError."""
        raise NotImplementedError


class LINEAMENT_OT_add_node(bpy.types.Operator):  # type: ignore[misc]
    """Adds an Attribute Edit node to the compositor"""

    bl_idname = "lineament.add_node"
    bl_label = ATTRIBUTE_EDIT.label
    bl_description = ATTRIBUTE_EDIT.description.rstrip(".")
    bl_options = {"REGISTER", "UNDO"}  # noqa: RUF012 - Blender reads it from the class

    @classmethod
    def poll(cls, context: Any) -> bool:
        """A compositor, or no window at all."""
        return bpy.app.background or is_compositor(context)

    def execute(self, context: Any) -> set[str]:
        """Add the node, alone selected, with what the preferences say new nodes start with."""
        space = context.space_data if is_compositor(context) else None
        parent = getattr(space, "edit_tree", None) or ensure_scene_tree(context.scene)
        try:
            refuse_parent(parent)
            node = carrier.add_node(parent)
        except LineamentError as err:
            return refuse(self, err)
        for other in parent.nodes:
            other.select = other == node
        parent.nodes.active = node
        if space is not None:
            node.location = space.cursor_location
        start = settings()
        properties = node.node_tree.lineament
        properties.cache_folder, properties.device = start.cache_folder, start.device
        properties.is_live = start.is_live
        return {"FINISHED"}

    def invoke(self, context: Any, event: Any) -> set[str]:
        """Add the node under the mouse and let it be dragged into place, as Blender's own nodes are."""
        if is_compositor(context) and getattr(context.region, "type", "") == "WINDOW":
            context.space_data.cursor_location_from_region(event.mouse_region_x, event.mouse_region_y)
        status = self.execute(context)
        if status == {"FINISHED"} and not bpy.app.background:
            bpy.ops.node.translate_attach_remove_on_cancel("INVOKE_DEFAULT")
        return status


class LINEAMENT_OT_add_attribute(EditOperator, bpy.types.Operator):  # type: ignore[misc]
    """Adds a strength to the node"""

    bl_idname = "lineament.add_attribute"
    bl_label = "Add Attribute"
    bl_description = (
        "Adds the strength of one more attribute to the node, as a socket that can be keyed and driven"
    )
    bl_options = {"REGISTER", "UNDO"}  # noqa: RUF012

    attribute: bpy.props.StringProperty(  # type: ignore[valid-type]
        name="Attribute", description="Name of the attribute as the model knows it, for example age"
    )
    tree: bpy.props.StringProperty(**TREE_PROPERTY)  # type: ignore[valid-type]

    def invoke(self, context: Any, event: Any) -> Any:
        """Ask for the name if the menu gave none."""
        if self.attribute or bpy.app.background:
            return self.execute(context)
        return context.window_manager.invoke_props_dialog(self)

    def change(self, context: Any, edit: Selected) -> str:
        """Add it once."""
        name = self.attribute.strip()
        if not name:
            raise HostError("No attribute is named.", where=edit.tree.name, remedy="Choose one of the list.")
        if name in attribute_names(edit.tree):
            raise HostError(
                f"The node has the attribute {name!r} already.",
                where=edit.tree.name,
                remedy="Set its strength.",
            )
        carrier.add_attribute(edit.tree, name)
        return ""


class LINEAMENT_OT_remove_attribute(EditOperator, bpy.types.Operator):  # type: ignore[misc]
    """Takes a strength off the node"""

    bl_idname = "lineament.remove_attribute"
    bl_label = "Remove Attribute"
    bl_description = "Takes the strength of this attribute off the node, with its keys and links"
    bl_options = {"REGISTER", "UNDO"}  # noqa: RUF012

    attribute: bpy.props.StringProperty(  # type: ignore[valid-type]
        name="Attribute", description="Name of the attribute to take off the node"
    )
    tree: bpy.props.StringProperty(**TREE_PROPERTY)  # type: ignore[valid-type]

    def change(self, context: Any, edit: Selected) -> str:
        """Remove it."""
        if self.attribute not in attribute_names(edit.tree):
            raise HostError(
                f"The node has no attribute {self.attribute!r}.",
                where=edit.tree.name,
                remedy=f"It has {', '.join(attribute_names(edit.tree)) or 'none'}.",
            )
        carrier.remove_attribute(edit.tree, self.attribute)
        return ""


def attribute_names(tree: Any) -> tuple[str, ...]:
    """The attributes of an edit tree, in their order on the node."""
    return tuple(entry.name for entry in tree.lineament.attributes)


CLASSES = (LINEAMENT_OT_add_node, LINEAMENT_OT_add_attribute, LINEAMENT_OT_remove_attribute)
