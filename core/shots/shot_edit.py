"""One value of a show file changed, everything else left as it was typed: comments, order, blank lines, quotes."""

from __future__ import annotations

import copy
import json
from collections.abc import Sequence
from typing import Any

import yaml

from ..errors import RecipeError
from .located import Document, KeyPath, parse_document
from .shot_file import yaml_text

NOTHING = object()
"""As a value: take the key out."""


def with_value(document: Document, place: KeyPath, value: Any) -> Document:
    """The document with ``value`` at ``place``; missing mappings on the way are made, NOTHING takes the key out.

    A YAML file keeps its text besides that value, a JSON file its order. A comment inside a value that is replaced goes
    with it. Raises RecipeError if the text cannot be changed in place, which leaves the document as it is.
    """
    wanted = changed_data(document.data, place, value)
    if document.path.suffix.lower() == ".json":
        return parse_document(json.dumps(wanted, indent=2, ensure_ascii=False) + "\n", document.path)
    text = _edited(document, place, value)
    try:
        found = parse_document(text, document.path)
    except RecipeError as err:
        raise _by_hand(document, place) from err
    if _pruned(found.data) != _pruned(_text_keys(wanted)):
        raise _by_hand(document, place)
    return found


def _by_hand(document: Document, place: KeyPath) -> RecipeError:
    line = document.line_of(place)
    return RecipeError(
        f"The way {'.'.join(place)} is written cannot be changed in place.",
        where=f"{document.path}, line {line}" if line else str(document.path),
        remedy="Change it by hand; nothing was written.",
    )


def changed_data(data: Any, place: KeyPath, value: Any) -> Any:
    """A copy of plain data with the value at a place; NOTHING takes the key out."""
    root = copy.deepcopy(data) if isinstance(data, dict) else {}
    here = root
    for key in place[:-1]:
        if not isinstance(here.get(key), dict):
            here[key] = {}
        here = here[key]
    here.pop(place[-1], None) if value is NOTHING else here.update({place[-1]: value})
    return root


def _text_keys(data: Any) -> Any:
    """As our reader gives it: keys are text."""
    if isinstance(data, dict):
        return {str(key): _text_keys(value) for key, value in data.items()}
    return (
        [_text_keys(value) for value in data]
        if isinstance(data, Sequence) and not isinstance(data, str)
        else data
    )


def _pruned(data: Any) -> Any:
    """Without what is empty, which means the same as if it was not there; a shot that is empty stays."""
    if not isinstance(data, dict):
        return data
    shots = {"shots": {name: _pruned(shot or {}) for name, shot in (data.get("shots") or {}).items()}}
    rest = {key: kept for key, value in data.items() if (kept := _pruned(value)) not in (None, {})}
    return rest | (shots if "shots" in data else {})


def _edited(document: Document, place: KeyPath, value: Any) -> str:
    text = document.text
    node, key, depth = document.tree, None, 0
    parent: yaml.MappingNode | None = None
    while depth < len(place) and isinstance(node, yaml.MappingNode):
        pair = next(((k, v) for k, v in node.value if k.value == place[depth]), None)
        if pair is None:
            break
        parent, (key, node), depth = node, pair, depth + 1
    if depth == len(place) and key is not None and parent is not None and node is not None:
        return _without(text, parent, key, node) if value is NOTHING else _replaced(text, key, node, value)
    if value is NOTHING:
        return text
    if isinstance(node, yaml.MappingNode):
        return _inserted(text, node, place[depth], _nested(place[depth + 1 :], value))
    if key is None or node is None:
        raise _by_hand(document, place)
    return _replaced(text, key, node, _nested(place[depth:], value))


def _nested(keys: KeyPath, value: Any) -> Any:
    for key in reversed(keys):
        value = {key: value}
    return value


def _replaced(text: str, key: yaml.Node, node: yaml.Node, value: Any) -> str:
    """The value behind a key; a comment on its line stays."""
    if (
        isinstance(node, yaml.ScalarNode)
        and node.style not in ("|", ">")
        and node.start_mark.index < node.end_mark.index
    ):
        start = node.start_mark.index
        return text[:start] + _flow(value) + text[_end(text, node) :]
    colon = text.index(":", key.end_mark.index)
    return f"{text[: colon + 1]} {_flow(value)}{text[_end(text, node) :]}"


def _inserted(text: str, node: yaml.MappingNode, key: str, value: Any) -> str:
    """A new last key of a mapping, written like its others."""
    if not node.value:  # {}
        return text[: node.start_mark.index] + _flow({key: value}) + text[node.end_mark.index :]
    end = _end(text, node.value[-1][1])
    if node.flow_style:
        return f"{text[:end]}, {_flow({key: value})[1:-1]}{text[end:]}"
    line_end = text.find("\n", end)
    line_end = len(text) if line_end < 0 else line_end
    indent = " " * node.value[0][0].start_mark.column
    return f"{text[:line_end]}\n{indent}{_flow({key: value})[1:-1]}{text[line_end:]}"


def _without(text: str, parent: yaml.MappingNode, key: yaml.Node, node: yaml.Node) -> str:
    """A mapping without one key: its lines go, or its part of a mapping in braces."""
    start, end = key.start_mark.index, _end(text, node)
    if parent.flow_style:
        names = [each.start_mark.index for each, _ in parent.value]
        place = names.index(start)
        if place + 1 < len(names):
            return text[:start] + text[names[place + 1] :]
        return text[: _end(text, parent.value[place - 1][1]) if place else start] + text[end:]
    start = text.rfind("\n", 0, start) + 1
    line_end = text.find("\n", end)
    return text[:start] + ("" if line_end < 0 else text[line_end + 1 :])


def _end(text: str, node: yaml.Node) -> int:
    """Where a value's own text ends: YAML lets a block reach to the next word, over comments and blank lines."""
    if isinstance(node, yaml.CollectionNode) and not node.flow_style and node.value:
        last = node.value[-1]
        return _end(text, last[1] if isinstance(last, tuple) else last)
    end = node.end_mark.index
    if isinstance(node, yaml.ScalarNode) and node.style in ("|", ">"):
        return len(text[:end].rstrip())
    return int(end)


def _flow(value: Any) -> str:
    """A value on one line, safe inside braces too."""
    return yaml_text([value], on_one_line=True).strip()[1:-1]
