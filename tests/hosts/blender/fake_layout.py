"""A layout that records: every call is held against Blender's own declaration of UILayout.

A call that does not exist, an argument that Blender does not know, an icon that it does not have, a property
that the data lacks, an operator that is not registered: each raises here as it would in a window.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

import bpy

CONTAINERS = ("row", "column", "box", "split", "column_flow", "grid_flow")
DECLARED = bpy.types.UILayout.bl_rna
POSITIONAL = {"prop": ("data", "property"), "operator": ("operator",), "menu": ("menu",)}


@dataclass
class Call:
    """One call: what was drawn, with which arguments, and whether the layout was enabled."""

    what: str
    said: dict[str, Any]
    is_enabled: bool = True


@dataclass
class FakeLayout:
    """Stands for a UILayout and everything in it; ``calls`` is shared by all of them, in the order drawn."""

    calls: list[Call] = field(default_factory=list)
    parent: FakeLayout | None = None
    enabled: bool = True
    use_property_split: bool = False
    operator_context: str = "INVOKE_DEFAULT"
    active: bool = True
    alert: bool = False

    @property
    def is_enabled(self) -> bool:
        """Whether this layout and all above it are."""
        return self.enabled and (self.parent is None or self.parent.is_enabled)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_") or name not in DECLARED.functions:
            raise AttributeError(f"UILayout has no {name}")
        return lambda *values, **said: self._call(name, values, said)

    def _call(self, name: str, values: tuple[Any, ...], said: dict[str, Any]) -> Any:
        said = {**dict(zip(POSITIONAL.get(name, ()), values, strict=False)), **said}
        known = DECLARED.functions[name].parameters
        for key, value in said.items():
            if key not in known and key not in ("text", "text_ctxt", "translate"):
                raise TypeError(f"UILayout.{name} has no argument {key}")
            if key == "icon" and value not in known["icon"].enum_items:
                raise TypeError(f"there is no icon {value}")
        self.calls.append(Call(name, said, self.is_enabled))
        return getattr(self, f"_{name}", self._nothing)(said)

    def _nothing(self, said: dict[str, Any]) -> Any:
        return None

    def _inner(self, said: dict[str, Any]) -> FakeLayout:
        return FakeLayout(self.calls, self)

    _row = _column = _box = _split = _inner

    def _prop(self, said: dict[str, Any]) -> None:
        if said["property"] not in said["data"].bl_rna.properties:
            raise TypeError(f"{said['data']} has no property {said['property']}")

    def _menu(self, said: dict[str, Any]) -> None:
        if not hasattr(bpy.types, said["menu"]):
            raise TypeError(f"there is no menu {said['menu']}")

    def _operator(self, said: dict[str, Any]) -> Any:
        group, _, name = said["operator"].partition(".")
        declared = getattr(getattr(bpy.ops, group), name).get_rna_type().properties
        return _Settings(declared, said)

    def texts(self) -> list[str]:
        """Every text that was drawn, in order."""
        return [call.said["text"] for call in self.calls if call.said.get("text")]

    def all_text(self) -> str:
        """All texts as one."""
        return " ".join(self.texts())

    def properties(self) -> list[str]:
        """The properties that were drawn, in order."""
        return [call.said["property"] for call in self.calls if call.what == "prop"]

    def operators(self) -> list[str]:
        """The operators that were drawn, in order."""
        return [call.said["operator"] for call in self.calls if call.what == "operator"]


class _Settings:
    """The settings of a drawn operator; they end up in its call."""

    def __init__(self, declared: Any, said: dict[str, Any]) -> None:
        object.__setattr__(self, "_declared", declared)
        object.__setattr__(self, "_said", said)

    def __setattr__(self, name: str, value: Any) -> None:
        if name not in self._declared:
            raise AttributeError(f"{self._said['operator']} has no {name}")
        self._said.setdefault("settings", {})[name] = value


def editor(scene: Any, tree: Any, node: Any = None) -> SimpleNamespace:
    """A context as the node editor's would be, with ``node`` active."""
    if node is not None:
        tree.nodes.active = node
    space = SimpleNamespace(type="NODE_EDITOR", tree_type="CompositorNodeTree", edit_tree=tree)
    manager = SimpleNamespace(windows=())
    return SimpleNamespace(
        space_data=space, scene=scene, window_manager=manager, preferences=bpy.context.preferences
    )


def drawn(cls: Any, context: Any) -> FakeLayout:
    """The layout after a panel or menu drew itself, as far as its poll lets it."""
    layout = FakeLayout()
    if not hasattr(cls, "poll") or cls.poll(context):
        shell = SimpleNamespace(layout=layout, rows=None)
        if hasattr(cls, "rows"):
            shell.rows = lambda *given: cls.rows(shell, *given)
        cls.draw(shell, context)
    return layout
