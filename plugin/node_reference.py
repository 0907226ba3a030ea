"""Pages generated from the node's declaration: ``docs/node.md`` and ``docs/recipe.schema.json``.

``python -m lineament.plugin.node_reference`` writes them into the repository's docs folder; a test refuses
stale ones.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from lineament.core.recipe import INTERPOLATIONS

from .node_spec import ATTRIBUTE_EDIT, MAX_STRENGTH, SHIPPED_STRENGTH, TABS, NodeSpec, ParameterSpec

_STRENGTHS = (
    "Attribute -> strength in standard deviations: a number, keys by frame, or keys and an interpolation. The "
    "limits of the model's own direction decide when a frame is rendered."
)
_JSON_TYPES = {
    **{"float": "number", "int": "integer", "bool": "boolean"},
    **{"text": "string", "choice": "string", "file": "string"},
}
_KEPT = {
    "strength": "recipe, `strengths`",
    "recipe": "recipe",
    "tools": "command line, environment, host",
    "request": "command line, environment, host",
}


def recipe_schema(spec: NodeSpec = ATTRIBUTE_EDIT) -> dict[str, Any]:
    """The JSON schema (2020-12) of a recipe file."""
    known = {
        parameter.id: {"$ref": "#/$defs/strength", "description": parameter.tooltip}
        for parameter in spec.for_target("strength")
    }
    properties: dict[str, Any] = {
        "schema_version": {"const": 1, "description": "Version of this format."},
        "strengths": {
            "type": "object",
            "description": _STRENGTHS,
            "properties": known,
            "additionalProperties": {"$ref": "#/$defs/strength_of_other_model"},
        },
        "notes": {"type": "object", "additionalProperties": {"type": "string"}, "description": "Free text."},
    }
    properties.update({parameter.id: _property(parameter) for parameter in spec.for_target("recipe")})
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": f"{spec.label} recipe",
        "type": "object",
        "required": ["schema_version"],
        "additionalProperties": False,
        "properties": properties,
        "$defs": {
            "strength": _strength(SHIPPED_STRENGTH),
            "strength_of_other_model": _strength(MAX_STRENGTH),
        },
    }


def _strength(limit: float) -> dict[str, Any]:
    number = {"type": "number", "minimum": -limit, "maximum": limit}
    keys = {"type": "object", "propertyNames": {"pattern": "^-?[0-9]+$"}, "additionalProperties": number}
    keyed = keys | {"minProperties": 1}
    curve: dict[str, Any] = {
        "type": "object",
        "required": ["keys"],
        "additionalProperties": False,
        "properties": {
            "interpolation": {"enum": list(INTERPOLATIONS), "default": "linear"},
            "keys": keyed,
        },
    }
    return {"anyOf": [number, keyed, curve]}


def node_page(spec: NodeSpec = ATTRIBUTE_EDIT) -> str:
    """The reference page in Markdown."""
    lines = [
        f"# {spec.label}",
        "",
        f"{spec.description} Generated from `plugin/node_spec.py`; do not edit by hand.",
        "",
        "On the command line an attribute is `--set age=1.5` or `--keys age=1001:0,1040:1.5`; keys are joined",
        "by straight lines unless a last word says otherwise (`--keys age=1001:0,1040:1.5,smooth`, or `step`,",
        "which holds each value until the next key). Every other",
        "parameter is an option of the same name (`--mask-feather 0.05`) and an environment variable",
        "(`LINEAMENT_MASK_FEATHER`). A recipe file holds the parameters marked *recipe*, and attributes",
        "under `strengths`.",
        "",
        "The range of an attribute is what the embedded model can take at most. The limits of the model in",
        "use decide when a frame is rendered: `lineament directions list` shows them, and a strength beyond",
        f"them is refused. Attributes of other models may go up to {MAX_STRENGTH:g} if their model does.",
        "An exposure other than 0 must be an exact power of two.",
    ]
    for tab in TABS:
        lines += ["", f"## {tab}", "", "| id | label | what it does | default | range | kept in |"]
        lines += ["|---|---|---|---|---|---|"]
        lines += [_row(parameter) for parameter in spec.on_tab(tab)]
    return "\n".join(lines) + "\n"


def pages() -> dict[str, str]:
    """File name in ``docs/`` -> content."""
    schema = json.dumps(recipe_schema(), indent=2, sort_keys=True) + "\n"
    return {"node.md": node_page(), "recipe.schema.json": schema}


def write_pages(folder: Path) -> tuple[Path, ...]:
    """Write every page into ``folder`` and return their paths."""
    folder.mkdir(parents=True, exist_ok=True)
    written = []
    for name, content in pages().items():
        path = folder / name
        path.write_text(content, encoding="utf-8")
        written.append(path)
    return tuple(written)


def _property(parameter: ParameterSpec) -> dict[str, Any]:
    entry: dict[str, Any] = {"type": _JSON_TYPES[parameter.kind], "description": parameter.tooltip}
    entry["default"] = parameter.default
    if parameter.choices:
        entry["enum"] = list(parameter.choices)
    if parameter.minimum is not None:
        entry["minimum"] = parameter.minimum
    if parameter.maximum is not None:
        entry["maximum"] = parameter.maximum
    return entry


def _row(parameter: ParameterSpec) -> str:
    name = f"`{parameter.id}`" + (f" (also `{parameter.alias}`)" if parameter.alias else "")
    if parameter.choices:
        bounds = ", ".join(f"`{choice}`" for choice in parameter.choices)
    elif parameter.kind == "bool":
        bounds = "on or off"
    elif parameter.minimum is None or parameter.maximum is None:
        bounds = "text"
    else:
        bounds = f"{parameter.minimum:.12g} to {parameter.maximum:.12g}"
        if (parameter.soft_minimum, parameter.soft_maximum) != (parameter.minimum, parameter.maximum):
            bounds += f", slider {parameter.soft_minimum:g} to {parameter.soft_maximum:g}"
    if parameter.unit:
        bounds += f" {parameter.unit}"
    if parameter.animatable:
        bounds += ", can be keyed"
    default = f"`{parameter.default_text}`" if parameter.default != "" else "empty"
    cells = (name, parameter.label, parameter.tooltip, default, bounds, _KEPT[parameter.target])
    return "| " + " | ".join(cells) + " |"


if __name__ == "__main__":
    for page in write_pages(Path(__file__).resolve().parent.parent / "docs"):
        sys.stdout.write(f"{page}\n")
