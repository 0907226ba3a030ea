"""The add-on's help as one page without links to anywhere: it is part of the extension and works offline."""

from __future__ import annotations

from html import escape

from lineament.plugin.node_spec import ATTRIBUTE_EDIT, TABS, ParameterSpec

STYLE = (
    "body{font:16px/1.5 sans-serif;max-width:46em;margin:2em auto;padding:0 1em;color:#222;background:#fff}"
    "table{border-collapse:collapse;width:100%}td,th{border-bottom:1px solid #ccc;padding:.3em .6em;"
    "text-align:left;vertical-align:top}code{background:#eee;padding:0 .2em}"
)

FIRST_EDIT = (
    "Install the engine in a Python of its own, then enter that Python's path in Preferences > Add-ons > "
    "Lineament > Interpreter and press Check Engine. Blender itself needs nothing else.",
    "In the compositor choose Add > Attribute Edit and connect the plate to Image. Set the plate's colour "
    "space in its Image node as for any other composite.",
    "In the sidebar (N), tab Node, set strengths. They are sockets of the node: key them, drive them.",
    "Press Bake. Escape stops it; the frames that are done stay.",
    "Render as usual. Frames without a valid result show the plate.",
)

TROUBLE = (
    ("The panel says that no engine is set up", "Enter the interpreter in the preferences, press Check Engine, and do "
     "what its findings say."),
    ("No face is found", "Give a track, choose another face, or leave the frame out: it shows the plate."),
    ("The cache folder cannot be written", "Choose another one in the preferences or on the node."),
    ("The edit vanishes on another machine", "Results lie in the cache folder. Copy it along, or bake there."),
    ("The file was made by a newer version", "Update the add-on. Until then the node shows what was baked."),
    ("The add-on was updated and behaves oddly", "Restart Blender once."),
)  # fmt: skip

CONSENT = "Edit the faces of people who agreed to it, and say that a picture was edited where it matters."


def help_page() -> str:
    """The whole page as HTML."""
    steps = "".join(f"<li>{escape(step)}</li>" for step in FIRST_EDIT)
    trouble = "".join(f"<dt><b>{escape(what)}</b></dt><dd>{escape(cure)}</dd>" for what, cure in TROUBLE)
    tables = "".join(_table(tab) for tab in TABS if ATTRIBUTE_EDIT.on_tab(tab))
    return (
        f'<!doctype html>\n<html lang="en"><head><meta charset="utf-8"><title>{escape(ATTRIBUTE_EDIT.label)}</title>'
        f"<style>{STYLE}</style></head>\n<body><h1>{escape(ATTRIBUTE_EDIT.label)}</h1>"
        f"<p>{escape(ATTRIBUTE_EDIT.description)}</p>\n<h2>First edit</h2><ol>{steps}</ol>\n"
        f"<h2>Parameters</h2>{tables}\n<h2>When something is wrong</h2><dl>{trouble}</dl>\n"
        f"<h2>Consent</h2><p>{escape(CONSENT)}</p></body></html>\n"
    )


def _table(tab: str) -> str:
    rows = "".join(_row(parameter) for parameter in ATTRIBUTE_EDIT.on_tab(tab))
    return f"\n<h3>{escape(tab)}</h3><table><tr><th>Name</th><th>What it does</th><th>Range</th></tr>{rows}</table>"


def _row(parameter: ParameterSpec) -> str:
    ends = ""
    if parameter.choices:
        ends = ", ".join(parameter.choices)
    elif parameter.minimum is not None and parameter.maximum is not None:
        ends = f"{parameter.minimum:.12g} to {parameter.maximum:.12g}"
    return f"<tr><td>{escape(parameter.label)}</td><td>{escape(parameter.tooltip)}</td><td>{escape(ends)}</td></tr>\n"
