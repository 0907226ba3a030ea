"""What a node knows besides its sockets: a property group on its tree, generated from the declaration."""

from __future__ import annotations

from typing import Any

import bpy
from lineament.plugin.node_spec import ATTRIBUTE_EDIT, ParameterSpec

_STILL: set[str] = set()
"""Options of every property here: none can be animated, because one bake has one of each."""

_PATH = {"PATH_SUPPORTS_BLEND_RELATIVE"}
"""Options of paths: without it Blender warns of ``//``, and saved files should name no absolute path."""


def _property(parameter: ParameterSpec) -> Any:
    said: dict[str, Any] = {
        "name": parameter.label,
        "description": parameter.tooltip.rstrip("."),  # Blender adds the full stop
        "default": parameter.default,
        "options": _PATH if parameter.kind == "file" else _STILL,
    }
    if parameter.kind in ("float", "int"):
        said.update(
            min=parameter.minimum, max=parameter.maximum,
            soft_min=parameter.soft_minimum, soft_max=parameter.soft_maximum,
        )  # fmt: skip
        return bpy.props.FloatProperty(**said) if parameter.kind == "float" else bpy.props.IntProperty(**said)
    if parameter.kind == "choice":
        items = [
            (choice, choice.replace("_", " ").title(), parameter.tooltip) for choice in parameter.choices
        ]
        return bpy.props.EnumProperty(items=items, **said)
    if parameter.kind == "file":
        return bpy.props.StringProperty(subtype="FILE_PATH", **said)
    return bpy.props.StringProperty(**said)


def parameters() -> tuple[ParameterSpec, ...]:
    """The declared parameters that are properties: all that are neither strengths nor sockets."""
    return tuple(
        parameter
        for target in ("recipe", "tools")
        for parameter in ATTRIBUTE_EDIT.for_target(target)
        if parameter.id != "mix"
    )


class LineamentAttribute(bpy.types.PropertyGroup):  # type: ignore[misc]
    """One strength of a node: ``name`` is the attribute, ``identifier`` that of its socket."""

    identifier: bpy.props.StringProperty(  # type: ignore[valid-type]
        name="Socket", description="Identifier of the input socket that holds the strength", options=_STILL
    )


def _text(name: str, description: str, **more: Any) -> Any:
    return bpy.props.StringProperty(**{"name": name, "description": description, "options": _STILL, **more})


def _switch(name: str, description: str, default: bool) -> Any:
    return bpy.props.BoolProperty(name=name, description=description, default=default, options=_STILL)


_INVERT = ATTRIBUTE_EDIT.get("invert_mask")

_OWN = {
    "uid": _text("Id", "What tells this node from every other; its cache folder is called so"),
    "spec_version": _text("Version", "The version of the node's declaration that this node follows"),
    "attributes": bpy.props.CollectionProperty(
        type=LineamentAttribute, name="Attributes", description="The attributes that this node can push",
        options=_STILL,
    ),
    "active_attribute": bpy.props.IntProperty(
        name="Active Attribute", description="Index of the attribute that is marked in the list", min=0,
        options=_STILL,
    ),
    "cache_folder": _text(
        "Cache Folder", "Where results are kept; empty keeps them beside the file", subtype="DIR_PATH", options=_PATH
    ),
    "former_folder": _text(
        "Former Folder", "Where results lie that were made before the file was saved under this name"
    ),
    "status": _text("Status", "What happened last to this node"),
    "baked_ranges": _text("Baked", "Frames with a valid result, in frame syntax such as 1001-1040"),
    "invert_mask": _switch(_INVERT.label, _INVERT.tooltip.rstrip("."), False),
    "is_live": _switch(
        "Edit While Rendering", "Make results that are missing while a render without window runs", True
    ),
}  # fmt: skip

LineamentNodeProperties = type(
    "LineamentNodeProperties",
    (bpy.types.PropertyGroup,),
    {
        "__doc__": "Everything of an Attribute Edit node that is no socket, as ``tree.lineament``.",
        "__module__": __name__,
        "__annotations__": {**{entry.id: _property(entry) for entry in parameters()}, **_OWN},
    },
)

CLASSES = (LineamentAttribute, LineamentNodeProperties)


def register() -> None:
    """Give every node tree its ``lineament`` properties."""
    for entry in CLASSES:
        bpy.utils.register_class(entry)
    bpy.types.NodeTree.lineament = bpy.props.PointerProperty(type=LineamentNodeProperties)


def unregister() -> None:
    """Take them away again; their values stay in the file."""
    del bpy.types.NodeTree.lineament
    for entry in reversed(CLASSES):
        bpy.utils.unregister_class(entry)
