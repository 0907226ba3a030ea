"""Bringing nodes of older versions up to date, and leaving those of newer ones alone."""

from __future__ import annotations

from typing import Any

from lineament.core.errors import HostError
from lineament.plugin.node_spec import ATTRIBUTE_EDIT, NodeSpec

from .building import NODES, ensure_inside, ensure_sockets, strength_item
from .compat import stored_properties
from .properties import parameters


def migrate(tree: Any, spec: NodeSpec = ATTRIBUTE_EDIT) -> bool:
    """Bring a tagged tree up to ``spec``; True if that changed anything.

    What an older version called otherwise is found by its alias, what it lacked is added, values and links stay. A
    tree of a newer version is left untouched, shows its results, and raises HostError.
    """
    values = tree.lineament
    if _numbers(values.spec_version) > _numbers(spec.version):
        raise HostError(
            f"The node was made by version {values.spec_version} of Attribute Edit; this one is {spec.version}.",
            where=tree.name,
            remedy="Update Lineament to edit it. Until then the node shows the results that it has.",
        )
    if values.spec_version == spec.version or tree.library is not None:
        return False
    ensure_sockets(tree)
    _rename_attributes(tree, spec)
    _move_values(tree)
    if any(name not in tree.nodes for name in NODES):
        ensure_inside(tree)
    values.spec_version = spec.version
    return True


def _numbers(version: str) -> tuple[int, ...]:
    """(0, 1) of "0.1"; () of a tree that says no version, which is older than all."""
    return tuple(int(part) for part in version.split(".") if part.isdigit())


def _rename_attributes(tree: Any, spec: NodeSpec) -> None:
    """Call strengths as they are called today, with today's label, tooltip and slider; their values stay."""
    for entry in tree.lineament.attributes:
        for declared in spec.for_target("strength"):
            item = strength_item(tree, entry) if entry.name in (declared.id, declared.alias) else None
            if item is not None:
                entry.name, item.name, item.description = declared.id, declared.label, declared.tooltip
                item.min_value, item.max_value = declared.soft_minimum, declared.soft_maximum


def _move_values(tree: Any) -> None:
    """Take values that an older version stored under an alias."""
    stored = stored_properties(tree).get("lineament")
    for entry in parameters():
        if stored is not None and entry.alias and entry.alias in stored:
            if entry.id not in stored:
                setattr(tree.lineament, entry.id, stored[entry.alias])
            del stored[entry.alias]
