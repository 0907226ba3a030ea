"""What the panels draw, as functions of a layout, so that a test can draw them without a window.

Nothing here may raise or take long: it runs on every redraw, with whatever node, file or folder there is.
"""

from __future__ import annotations

import textwrap
from typing import Any

import bpy
from bpy.app.translations import pgettext_iface as told
from lineament.core.errors import LineamentError
from lineament.plugin.node_spec import ATTRIBUTE_EDIT, ParameterSpec

from . import engine
from .cache_view import CacheView, view_of
from .carrier import input_of
from .compat import working_space
from .frames import format_frames
from .help_page import CONSENT
from .links import socket_of
from .modal import running
from .selection import Selected, is_newer
from .staleness import with_dirty

LINE_CHARACTERS = 46
"""Labels do not wrap by themselves; a sidebar of usual width shows about as many characters."""

MAX_ERROR_LINES = 8
"""An engine's words can be long; the log has all of them."""

DEFAULT_MODEL, DEFAULT_LICENCE = "default", "CC0-1.0"
"""The embedded model's licence, known without asking the engine; a test compares it with the model's card."""


def draw_text(layout: Any, text: str, icon: str = "NONE") -> None:
    """A sentence over as many lines as it needs; the icon stands at the first."""
    column = layout.column(align=True)
    lines = textwrap.wrap(text, LINE_CHARACTERS)
    shown = lines[:MAX_ERROR_LINES]
    for index, line in enumerate(shown):
        more = " ..." if index == len(shown) - 1 and len(lines) > len(shown) else ""
        column.label(text=line + more, icon=icon if index == 0 else "BLANK1", translate=False)


def draw_error(layout: Any, error: LineamentError, before: str = "") -> None:
    """What happened, and what to do."""
    box = layout.box()
    draw_text(box, f"{before}{error.what}", "ERROR")
    if error.remedy:
        draw_text(box, error.remedy, "INFO")


def draw_problems(layout: Any, edit: Selected, view: CacheView) -> None:
    """Everything that is wrong, each with what to do: the node's version, the engine, the first failed frame."""
    version = edit.tree.lineament.spec_version
    if is_newer(edit.tree):
        draw_text(
            layout.box(), told("A newer version of the add-on made this node ({}).").format(version), "ERROR"
        )
        draw_text(layout, told("It shows what was baked. Update the add-on to change it."), "INFO")
        return
    if edit.tree.library is not None:
        draw_text(
            layout, told("The node is linked from another file and can only be changed there."), "LINKED"
        )
    try:
        engine.interpreter()
    except LineamentError as err:
        draw_error(layout, err)
    if view.first_error is not None:
        frame, error = view.first_error
        draw_error(layout, error, f"{told('Frame')} {frame}: ")


def draw_attributes(layout: Any, edit: Selected) -> None:
    """A row for each strength, with a button that takes it off, and the menu that adds more."""
    column = layout.column()
    column.enabled = not is_newer(edit.tree)
    if not edit.tree.lineament.attributes:
        column.label(text="No attributes yet", icon="INFO")
    for entry in edit.tree.lineament.attributes:
        row = column.row(align=True)
        draw_strength(row, socket_of(edit.node.inputs, entry.identifier), entry.name)
        row.operator("lineament.remove_attribute", text="", icon="X").attribute = entry.name
    row = column.row(align=True)
    row.menu("LINEAMENT_MT_attributes", text="Add Attribute", icon="ADD")
    row.menu("LINEAMENT_MT_presets", text="Presets", icon="PRESET")


def draw_strength(layout: Any, socket: Any, name: str) -> None:
    """A strength's slider; a linked one says so, a lost one too."""
    if socket is None:
        layout.label(text=f"{name}: {told('the socket was removed')}", icon="ERROR", translate=False)
    elif socket.is_linked:
        layout.label(text=f"{socket.name}: {told('linked')}", icon="LINKED", translate=False)
    else:
        layout.prop(socket, "default_value", text=socket.name, slider=True)


def draw_mask(layout: Any, edit: Selected) -> None:
    """Mask, its inversion and mix: the sockets as far as they have values of their own."""
    mask, mix = input_of(edit.node, "mask"), input_of(edit.node, "mix")
    row = layout.row(align=True)
    draw_strength(row, mask, "Mask")
    row.prop(edit.tree.lineament, "invert_mask", text="", icon="ARROW_LEFTRIGHT")
    draw_strength(layout, mix, ATTRIBUTE_EDIT.get("mix").label)


def draw_tab(layout: Any, edit: Selected, view: CacheView, tab: str) -> None:
    """One tab of the declaration: its parameters in their order, then what is known of them."""
    column = layout.column()
    column.use_property_split = True
    column.enabled = not is_newer(edit.tree)
    if tab == "Composite":
        draw_mask(column, edit)
    for parameter in shown_parameters(edit, tab):
        column.prop(edit.tree.lineament, parameter.id)
    if tab == "Model":
        draw_licence(layout, edit, view)
    if tab == "Colour":
        draw_colour(layout, edit)


def shown_parameters(edit: Selected, tab: str) -> tuple[ParameterSpec, ...]:
    """The parameters of a tab that are properties; the others are sockets and drawn as such."""
    known = edit.tree.lineament.bl_rna.properties
    drawn_with_mask = ("invert_mask",)
    return tuple(
        entry for entry in ATTRIBUTE_EDIT.on_tab(tab) if entry.id in known and entry.id not in drawn_with_mask
    )


def draw_licence(layout: Any, edit: Selected, view: CacheView) -> None:
    """Under which licence the model's weights are, and what is asked of whoever uses them."""
    model = edit.tree.lineament.model
    engine_told = dict(view.engine)
    if engine_told.get("licence") and engine_told.get("model", model) == model:
        licence = engine_told["licence"]
    else:
        licence = DEFAULT_LICENCE if model == DEFAULT_MODEL else told("known after the first bake")
    layout.label(text=f"{told('Licence of the weights')}: {licence}", translate=False)
    draw_text(layout, told(CONSENT), "INFO")


def draw_colour(layout: Any, edit: Selected) -> None:
    """The colour space that an empty field means."""
    name = edit.tree.lineament.colourspace
    try:
        resolved = name or f"{working_space()} ({told('working space')})"
    except LineamentError as err:
        draw_error(layout, err)
        return
    layout.label(text=f"{told('Edited in')}: {resolved}", icon="COLOR", translate=False)


def draw_cache(layout: Any, context: Any, edit: Selected, view: CacheView) -> None:
    """The cache bar, what runs, the buttons, and where results lie."""
    draw_bar(layout, view)
    draw_running(layout)
    row = layout.row(align=True)
    row.operator("lineament.bake", icon="RENDER_ANIMATION")
    row.operator("lineament.bake_frame", icon="RENDER_STILL")
    row = layout.row(align=True)
    row.operator("lineament.clear", icon="TRASH")
    row.operator("lineament.open_log", icon="TEXT")
    row.operator("lineament.open_help", text="", icon="HELP")
    column = layout.column()
    column.use_property_split = True
    column.prop(edit.tree.lineament, "cache_folder")
    column.prop(edit.tree.lineament, "is_live")
    if is_temporary(edit.tree):
        draw_text(layout, told("Save the file first: until then results end with this session."), "INFO")
    if edit.tree.lineament.status:
        draw_text(layout, edit.tree.lineament.status)


def is_temporary(tree: Any) -> bool:
    """Whether results lie in Blender's temporary folder, because the file has no place of its own yet."""
    folder = tree.lineament.cache_folder.strip()
    return not bpy.data.filepath and (not folder or folder.startswith("//"))


def draw_bar(layout: Any, view: CacheView) -> None:
    """How much of the scene's range is baked, and the ranges of each state."""
    layout.progress(factor=view.fraction, type="BAR", text=f"{len(view.baked)}/{view.total} {told('baked')}")
    for name, frames, icon in (
        ("Baked", view.baked, "CHECKMARK"),
        ("Settings changed since", view.dirty, "FILE_REFRESH"),
        ("To bake", view.missing, "TIME"),
        ("Failed", view.failed, "ERROR"),
    ):
        if frames:
            draw_text(layout, f"{told(name)}: {format_frames(frames)}", icon)


def draw_running(layout: Any) -> None:
    """The work that runs, with the button that stops it."""
    found = running()
    if found is not None:
        row = layout.row(align=True)
        row.progress(factor=found.fraction, type="BAR", text=f"{told(found.work.label)}: {found.text}")
        row.operator("lineament.cancel", text="", icon="CANCEL")


def view_or_nothing(context: Any, edit: Selected) -> CacheView:
    """The node's cache; an empty view where the folder cannot even be named."""
    try:
        render = context.scene.render
        time_per_frame = render.frame_map_old / render.frame_map_new
        return with_dirty(view_of(context.scene, edit.tree), edit, time_per_frame)
    except (LineamentError, OSError, ValueError):
        return CacheView()
