"""YAML and JSON with the line of everything, so that a message can say where to look.

YAML is read safely and as its version 1.2 means it: only true and false are truth values, numbers have base ten, and
every key is text, so that a shot may be called ``010`` or ``no``. There are no aliases and no duplicate keys.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, TypeAlias

import yaml

from ..errors import RecipeError
from ..recipe_file import StrictLoader

MAX_BYTES = 16 << 20
"""A thousand shots with a thousand keys each fit; more is not a show file."""

MAX_DEPTH = 20
"""The format itself is six deep; hostile nesting would exhaust the stack."""

KeyPath: TypeAlias = tuple[str, ...]
"""Keys from the top of the file down to a value; items of a list are their number from "0"."""


@dataclass(frozen=True)
class Document:
    """A parsed file: ``data`` as plain mappings, lists, numbers and text, ``lines`` from 1 by key path, and the
    ``text`` it was read from with its ``tree`` of YAML nodes (None for an empty file and for what has no text).
    ``places`` says where a shot is in words, by name, where a line does not (a clip of a timeline). ``newline`` is what
    ended the lines of the file; in ``text`` it is always a line feed."""

    path: Path
    data: Any
    lines: dict[KeyPath, int] = field(default_factory=dict)
    text: str = ""
    tree: yaml.Node | None = None
    places: dict[str, str] = field(default_factory=dict)
    newline: str = "\n"

    def line_of(self, place: KeyPath) -> int:
        """The line of a value, or of the nearest thing above it that has one; 0 if nothing has."""
        while place and place not in self.lines:
            place = place[:-1]
        return self.lines.get(place, 0)


class _Loader(StrictLoader):
    """The safe loader with the plain scalars of YAML 1.2."""

    yaml_implicit_resolvers: dict[str, Any] = {}  # noqa: RUF012 - the shape PyYAML gives it


FLOAT = re.compile(
    r"^(?:[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?|[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN))$"
)
FLOAT_FIRST = "-+.0123456789"
"""What is a number that may have a fraction, and the letters it may begin with."""

for _tag, _shape, _first in (
    ("null", re.compile(r"^(?:~|null|Null|NULL|)$"), "~nN"),
    ("bool", re.compile(r"^(?:true|True|TRUE|false|False|FALSE)$"), "tTfF"),
    ("int", re.compile(r"^[-+]?[0-9]+$"), "-+0123456789"),
    ("float", FLOAT, FLOAT_FIRST),
):
    _Loader.add_implicit_resolver(f"tag:yaml.org,2002:{_tag}", _shape, list(_first))
_Loader.yaml_implicit_resolvers[""] = [("tag:yaml.org,2002:null", re.compile("^$"))]


def _whole(loader: _Loader, node: yaml.Node) -> int:
    return int(str(node.value))


def _fractional(loader: _Loader, node: yaml.Node) -> float:
    return float(str(node.value).lower().replace(".inf", "inf").replace(".nan", "nan"))


_Loader.add_constructor("tag:yaml.org,2002:int", _whole)
_Loader.add_constructor("tag:yaml.org,2002:float", _fractional)


_PLAIN_TAGS = ("tag:yaml.org,2002:map", "tag:yaml.org,2002:seq")


_QUOTES = 'Inside braces, put a pattern with tokens into quotes: {file: "masks/{shot}.####.exr"}.'


def read_document(path: Path) -> Document:
    """Read ``.yaml``, ``.yml`` or ``.json``. Raises RecipeError naming file and line."""
    text = read_text(path)
    newline = "\r\n" if "\r\n" in text else "\n"
    return replace(parse_document(text.replace("\r\n", "\n"), path), newline=newline)


def parse_document(text: str, path: Path) -> Document:
    """Parse the text of a file; ``path`` tells YAML from JSON and names it in errors."""
    is_json = path.suffix.lower() == ".json"
    try:
        tree = _tree_of_json(text) if is_json else _tree(text)
        lines = dict(_lines(tree, ())) if tree is not None else {}
        if is_json:
            data = json.loads(text, object_pairs_hook=_once, parse_constant=_refuse_constant)
        else:
            data = None if tree is None else _plain(tree, _Loader(""))
    except yaml.MarkedYAMLError as err:
        mark = err.problem_mark or err.context_mark
        raise _broken(path, f"{err.problem or err.context}", mark.line + 1 if mark else 0) from err
    except json.JSONDecodeError as err:
        raise _broken(path, err.msg, err.lineno) from err
    except (yaml.YAMLError, ValueError, RecursionError) as err:
        reason = " ".join(str(err).split()) or type(err).__name__
        found = re.search(r", line (\d+)$", reason)
        raise _broken(
            path, reason.removesuffix(found[0]) if found else reason, int(found[1]) if found else 0
        ) from err
    return Document(path, data, lines, text, tree)


def read_text(path: Path) -> str:
    """The text of a show file. Raises RecipeError if it is none."""
    try:
        with path.open("rb") as stream:
            content = stream.read(MAX_BYTES + 1)
        if len(content) <= MAX_BYTES:
            return content.decode("utf-8-sig")
    except (OSError, ValueError) as err:  # ValueError: not UTF-8, or a NUL in the path
        reason = getattr(err, "strerror", None) or err
        raise RecipeError(
            f"The show file cannot be read: {reason}.",
            where=str(path),
            remedy="Check the path; save it as UTF-8.",
        ) from err
    raise RecipeError(
        f"The show file is larger than {MAX_BYTES} bytes.",
        where=str(path),
        remedy="Give the path of the YAML or JSON file with the shots.",
    )


def _tree(text: str) -> yaml.Node | None:
    loader = _Loader(text)
    try:
        tree: yaml.Node | None = loader.get_single_node()
        return tree
    finally:
        loader.dispose()


def _tree_of_json(text: str) -> yaml.Node | None:
    """JSON is YAML but for its tabs, so the same nodes tell its lines; what is no JSON is told by its own parser."""
    try:
        return _tree(text.replace("\t", " "))
    except yaml.YAMLError:
        return None


def _plain(node: yaml.Node, loader: _Loader) -> Any:
    """Nodes as plain data with text for keys; tags that are not plain are refused by the safe constructor."""
    if isinstance(node, yaml.CollectionNode) and node.tag not in _PLAIN_TAGS:
        raise yaml.YAMLError(f"the tag {node.tag} means nothing here, line {node.start_mark.line + 1}")
    if isinstance(node, yaml.MappingNode):
        return {key.value: _plain(value, loader) for key, value in node.value}
    if isinstance(node, yaml.SequenceNode):
        return [_plain(value, loader) for value in node.value]
    return loader.construct_object(node)


def _lines(node: yaml.Node, place: KeyPath) -> Iterator[tuple[KeyPath, int]]:
    """The line of every key and item; refuses duplicate and structured keys, and hostile depth."""
    if len(place) > MAX_DEPTH:
        raise yaml.YAMLError(f"it is nested too deeply, line {node.start_mark.line + 1}")
    if isinstance(node, yaml.MappingNode):
        seen: set[str] = set()
        for key, value in node.value:
            line = key.start_mark.line + 1
            if not isinstance(key, yaml.ScalarNode):
                raise yaml.YAMLError(f"a key must be a word or a number, line {line}")
            if key.value in seen:
                raise yaml.YAMLError(f'"{key.value}" is given twice, line {line}')
            seen.add(key.value)
            yield (*place, key.value), line
            yield from _lines(value, (*place, key.value))
    elif isinstance(node, yaml.SequenceNode):
        for index, item in enumerate(node.value):
            yield (*place, str(index)), item.start_mark.line + 1
            yield from _lines(item, (*place, str(index)))


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    names = [name for name, _ in pairs]
    double = (
        next((name for name in names if names.count(name) > 1), None)
        if len(set(names)) < len(names)
        else None
    )
    if double is not None:
        raise ValueError(f'"{double}" is given twice')
    return dict(pairs)


def _refuse_constant(name: str) -> float:
    raise ValueError(f"{name} is not a number")


def _broken(path: Path, reason: str, line: int) -> RecipeError:
    kind = "JSON" if path.suffix.lower() == ".json" else "YAML"
    return RecipeError(
        f"The show file is not valid {kind}: {reason[:300]}.",
        where=f"{path}, line {line}" if line else str(path),
        remedy=_QUOTES if "got '{'" in reason else "Correct the file at that place.",
    )
