"""The door to the node's carrier for everybody who is not part of it: services, handlers, operators, tests."""

from __future__ import annotations

from .building import (
    DEFAULT_ATTRIBUTES,
    add_attribute,
    add_node,
    identifier_of,
    input_of,
    new_tree,
    refuse_attribute,
    remove_attribute,
)
from .identity import make_unique
from .links import is_edit_tree
from .migration import migrate
from .nodes_order import EditNode, all_edit_nodes, edit_nodes, used_edit_nodes
from .showing import hide_result, refresh, show_result

__all__ = [
    "DEFAULT_ATTRIBUTES",
    "EditNode",
    "add_attribute",
    "add_node",
    "all_edit_nodes",
    "edit_nodes",
    "hide_result",
    "identifier_of",
    "input_of",
    "is_edit_tree",
    "make_unique",
    "migrate",
    "new_tree",
    "refresh",
    "refuse_attribute",
    "remove_attribute",
    "show_result",
    "used_edit_nodes",
]
