"""Following links through reroutes and groups, to where a picture or a value really comes from."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

EDIT_TAG = "lineament_node"
"""The custom property of a tree that says which node it carries; files without the add-on keep it."""

EDIT_ID = "attribute_edit"

SOCKETS_KEY = "lineament_sockets"
"""The custom property that maps "image", "mask", "mix" and "result" to the identifiers of their sockets; a tree with
the tag and without this is a stranger's."""

HELPER_TAG = "lineament_helper"
"""The custom property of helper scenes and of their trees; whoever looks for the user's own passes them over."""


def is_helper(data: Any) -> bool:
    """Whether a scene or tree is a helper's, which handlers must leave alone."""
    return HELPER_TAG in data


def is_edit_tree(tree: Any) -> bool:
    """Whether a node tree is an Attribute Edit."""
    return tree is not None and tree.get(EDIT_TAG) == EDIT_ID and SOCKETS_KEY in tree


@dataclass(frozen=True)
class End:
    """A socket and the group nodes that lead to its tree, the outermost first."""

    groups: tuple[Any, ...]
    socket: Any

    @property
    def is_made(self) -> bool:
        """True: a node makes the value. False: nothing is linked there and the socket's own value counts."""
        return bool(self.socket.is_output)


def group_tree(node: Any) -> Any:
    """The tree of a user's group node; None for every other node and for Attribute Edit itself."""
    tree = getattr(node, "node_tree", None)
    return None if tree is None or is_edit_tree(tree) else tree


def socket_of(sockets: Any, identifier: str) -> Any:
    """The socket of that identifier, or None; names need not be unique, identifiers are."""
    return next((socket for socket in sockets if socket.identifier == identifier), None)


def origin(groups: tuple[Any, ...], socket: Any) -> End:
    """Where the value of an input socket comes from.

    Reroutes are passed, groups entered and left; a muted node, like any that is not a group, is an end.
    """
    while True:
        link = next((link for link in socket.links if link.is_valid and not link.is_muted), None)
        if link is None:
            return End(groups, socket)
        further = _through(groups, link.from_socket)
        if further is None:
            return End(groups, link.from_socket)
        groups, socket = further


def _through(groups: tuple[Any, ...], output: Any) -> tuple[tuple[Any, ...], Any] | None:
    """The input socket that an output merely passes on, with its groups; None if its node makes the value."""
    node = output.node
    if node.bl_idname == "NodeReroute":
        return groups, node.inputs[0]
    if node.bl_idname == "NodeGroupInput" and groups:
        outer = socket_of(groups[-1].inputs, output.identifier)
        return None if outer is None else (groups[:-1], outer)
    tree = group_tree(node)
    if tree is None or node.mute:
        return None
    end = next(
        (inner for inner in tree.nodes if inner.bl_idname == "NodeGroupOutput" and inner.is_active_output),
        None,
    )
    inner = None if end is None else socket_of(end.inputs, output.identifier)
    return None if inner is None else ((*groups, node), inner)


def constant_of(end: End) -> float | None:
    """The number at the end of the links; None if it takes a render to know it."""
    is_value = end.is_made and end.socket.node.bl_idname in ("CompositorNodeValue", "ShaderNodeValue")
    if not end.is_made or (is_value and not end.socket.node.mute):
        return _number(end.socket.default_value)
    return None


def _number(value: Any) -> float | None:
    """A socket's value as a number, also of a grey; None of a colour, which Blender weighs by its working space."""
    if isinstance(value, (int, float)):
        return float(value)
    red, green, blue = value[:3]
    return float(red) if red == green == blue else None


def upstream(groups: tuple[Any, ...], node: Any) -> Iterator[tuple[tuple[Any, ...], Any]]:
    """Every node that ``node`` depends on, once, with the groups that lead to it; nearest along Image first."""
    seen: set[tuple[str, ...]] = set()
    waiting = [(groups, socket) for socket in reversed(node.inputs)]
    while waiting:
        end = origin(*waiting.pop())
        if not end.is_made:
            continue
        found = end.socket.node
        key = (*(group.name for group in end.groups), found.name)
        if key not in seen:
            seen.add(key)
            yield end.groups, found
            waiting += [(end.groups, socket) for socket in reversed(found.inputs)]


def at_path(tree: Any, path: tuple[str, ...]) -> tuple[tuple[Any, ...], Any]:
    """The group nodes along ``path`` (names from a scene's tree down) and the node at its end.

    Raises KeyError if the tree has changed since.
    """
    groups: tuple[Any, ...] = ()
    for name in path[:-1]:
        group = tree.nodes[name]
        groups, tree = (*groups, group), group.node_tree
    return groups, tree.nodes[path[-1]]
