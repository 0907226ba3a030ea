"""The engine's sentences in the node's words: fields for flags, node and frame for files in memory.

There is one place through which every error of a frame passes, and it asks here.
"""

from __future__ import annotations

import re

from lineament.core.errors import LineamentError
from lineament.plugin.node_spec import ATTRIBUTE_EDIT, TABS

_FLAGS = {
    **{entry.id: entry.label for tab in TABS for entry in ATTRIBUTE_EDIT.on_tab(tab)},
    "colorspace": ATTRIBUTE_EDIT.get("colourspace").label,
    "generator": ATTRIBUTE_EDIT.get("model").label,
}
"""Flag without dashes -> the field's label."""

_TAB_OF = {entry.label: tab for tab in TABS for entry in ATTRIBUTE_EDIT.on_tab(tab)}

_CHOICES = "|".join(
    choice for tab in TABS for entry in ATTRIBUTE_EDIT.on_tab(tab) for choice in entry.choices
)

_FLAG = re.compile(rf"--([a-z][a-z-]*)(?:[ =](?:({_CHOICES}|cpu|cuda(?::\d+)?)\b|[A-Z][\w.]*\w))?")
"""A flag with the value that a sentence gives it, if that is one of a list; a placeholder such as FILE.json goes."""

_TAP = re.compile(r"\S*lineament-taps-\S*?/(plate|mask)[^/\s:;,]*\.exr")
"""The files that flow into the node, in memory: gone when anybody looks for them."""


def in_node_words(error: LineamentError, node: str, frame: int) -> LineamentError:
    """The same error as somebody in Blender's compositor understands it."""
    told = type(error)(
        _TAP.sub(r"the \1", _fields(error.what)),
        where=_where(error.where, node, frame),
        remedy=_TAP.sub(r"the \1", _fields(error.remedy)),
    )
    return told.with_traceback(error.__traceback__)


def _where(told: str, node: str, frame: int) -> str:
    """Node and frame, and what else the engine says that is not one of these."""
    rest = _TAP.sub("", _fields(told)).strip(" ,:;")
    is_said = re.search(rf"\bframe {frame}\b", rest) is not None
    parts = [node if node not in rest else "", "" if is_said else f"frame {frame}", rest]
    return ", ".join(part for part in parts if part)


def _fields(text: str) -> str:
    return _FLAG.sub(_field, text)


def _field(match: re.Match[str]) -> str:
    """A flag's field, and where it is; a flag that the node lacks stays."""
    label = _FLAGS.get(match[1].replace("-", "_"))
    if label is None:
        return match[0]
    value = f' "{match[2]}"' if match[2] else ""
    return f'"{label}"{value} (tab {_TAB_OF[label]})'
