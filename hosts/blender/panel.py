"""The panels in the node editor's sidebar: one with the attributes, one for the cache, one for every further tab."""

from __future__ import annotations

from typing import Any

import bpy
from lineament.plugin.node_spec import ATTRIBUTE_EDIT, TABS

from .panel_parts import (
    draw_attributes,
    draw_cache,
    draw_problems,
    draw_tab,
    view_or_nothing,
)
from .selection import active_edit

FIRST_TAB = TABS[0]
"""The attributes; they are in the main panel, the other tabs in panels below it."""


class EditPanel:
    """Where all our panels are, and when they are shown."""

    bl_space_type, bl_region_type, bl_category = "NODE_EDITOR", "UI", "Node"

    @classmethod
    def poll(cls, context: Any) -> bool:
        """An Attribute Edit is the active node."""
        return active_edit(context) is not None

    def draw(self, context: Any) -> None:
        """Draw the node's rows; between poll and here it may have gone."""
        edit = active_edit(context)
        if edit is not None:
            self.rows(context, edit, view_or_nothing(context, edit))

    def rows(self, context: Any, edit: Any, view: Any) -> None:
        """The rows of this panel."""
        raise NotImplementedError


class LINEAMENT_PT_edit(EditPanel, bpy.types.Panel):  # type: ignore[misc]
    """Problems and attributes"""

    bl_label = ATTRIBUTE_EDIT.label

    def rows(self, context: Any, edit: Any, view: Any) -> None:
        """What is wrong comes first."""
        draw_problems(self.layout, edit, view)
        draw_attributes(self.layout, edit)


class LINEAMENT_PT_cache(EditPanel, bpy.types.Panel):  # type: ignore[misc]
    """The cache and its buttons"""

    bl_label = "Cache"
    bl_parent_id = "LINEAMENT_PT_edit"

    def rows(self, context: Any, edit: Any, view: Any) -> None:
        """Bar, buttons, folder."""
        draw_cache(self.layout, context, edit, view)


def _tab_panel(tab: str) -> Any:
    """A panel of a tab's parameters, closed at first."""

    def rows(self: Any, context: Any, edit: Any, view: Any) -> None:
        """The tab's parameters in their order."""
        draw_tab(self.layout, edit, view, tab)

    name = f"LINEAMENT_PT_{tab.lower()}"
    told = {
        "__doc__": f"Parameters of the tab {tab}",
        "__module__": __name__,
        "bl_label": tab,
        "bl_parent_id": "LINEAMENT_PT_edit",
        "bl_options": {"DEFAULT_CLOSED"},
        "rows": rows,
    }
    return type(name, (EditPanel, bpy.types.Panel), told)


TAB_PANELS = tuple(_tab_panel(tab) for tab in TABS if tab != FIRST_TAB and ATTRIBUTE_EDIT.on_tab(tab))

CLASSES = (LINEAMENT_PT_edit, LINEAMENT_PT_cache, *TAB_PANELS)
