"""The house rules that a linter does not know: sizes, docstrings, prints, and errors with a remedy."""

from __future__ import annotations

import ast

FILE_LINES = 350
TEST_FILE_LINES = 500
"""Tests and their tables are lists: read one entry at a time, never as a whole."""
FUNCTION_LINES = 60
NO_REMEDY = {"RenderCancelled": "the user asked for it"}
"""Errors that end a call without anything being wrong. Private ones never reach a user either."""
FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)


def length(node: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    """Lines of a function from its ``def``, decorators left out."""
    return (node.end_lineno or node.lineno) - node.lineno + 1


def long_functions(tree: ast.Module) -> list[str]:
    """Functions that do not fit a screen, nested ones included."""
    found = [node for node in ast.walk(tree) if isinstance(node, FUNCTIONS)]
    return [f"{node.name} has {length(node)} lines" for node in found if length(node) > FUNCTION_LINES]


def undocumented(tree: ast.Module) -> list[str]:
    """The module itself and its public functions and classes that have no docstring."""
    named = [
        node for node in tree.body if isinstance(node, (*FUNCTIONS, ast.ClassDef)) and node.name[0] != "_"
    ]
    bare = [f"{node.name} (line {node.lineno})" for node in named if not ast.get_docstring(node)]
    return bare if ast.get_docstring(tree) else ["the module", *bare]


def prints(tree: ast.Module) -> list[int]:
    """Lines that call print."""
    calls = [node for node in ast.walk(tree) if isinstance(node, ast.Call)]
    return [call.lineno for call in calls if isinstance(call.func, ast.Name) and call.func.id == "print"]


def error_tree(sources) -> set[str]:
    """LineamentError and every class that derives from it, by name."""
    classes = [node for source in sources for node in ast.walk(source.tree) if isinstance(node, ast.ClassDef)]
    tree = {"LineamentError"}
    while True:
        more = {
            node.name
            for node in classes
            for base in node.bases
            if isinstance(base, ast.Name) and base.id in tree
        }
        if more <= tree:
            return tree
        tree |= more


def errors_without_remedy(tree: ast.Module, names: set[str]) -> list[int]:
    """Lines that build one of our errors without a ``remedy`` that says something."""

    def name_of(call: ast.Call) -> str:
        return call.func.id if isinstance(call.func, ast.Name) else getattr(call.func, "attr", "")

    def has_remedy(call: ast.Call) -> bool:
        given = [key.value for key in call.keywords if key.arg == "remedy" or key.arg is None]
        return any(not (isinstance(value, ast.Constant) and not value.value) for value in given)

    calls = [node for node in ast.walk(tree) if isinstance(node, ast.Call) and name_of(node) in names]
    return [call.lineno for call in calls if not has_remedy(call)]


def test_when_a_file_grows_then_it_is_split_in_time(all_sources) -> None:
    sizes = {source.place: len(source.text.splitlines()) for source in all_sources}
    limits = {place: TEST_FILE_LINES if place.startswith("tests/") else FILE_LINES for place in sizes}
    assert {place: size for place, size in sizes.items() if size > limits[place]} == {}


def test_when_a_function_grows_then_it_still_fits_a_screen(all_sources) -> None:
    assert {source.place: bad for source in all_sources if (bad := long_functions(source.tree))} == {}


def test_when_a_name_is_public_then_it_is_described(layer_sources) -> None:
    written = [
        source for source in layer_sources if source.text.strip()
    ]  # an empty __init__ only marks a folder
    assert {source.place: bad for source in written if (bad := undocumented(source.tree))} == {}


def test_when_something_is_said_then_only_the_command_line_says_it(layer_sources) -> None:
    quiet = [source for source in layer_sources if not source.place.startswith("plugin/cli")]
    assert {source.place: bad for source in quiet if (bad := prints(source.tree))} == {}


def test_when_an_error_is_raised_then_it_tells_what_to_do(layer_sources) -> None:
    names = {name for name in error_tree(layer_sources) if name[0] != "_"} - set(NO_REMEDY)
    found = {
        source.place: bad for source in layer_sources if (bad := errors_without_remedy(source.tree, names))
    }
    assert found == {}


def test_when_rules_are_broken_then_each_check_notices() -> None:
    tree = ast.parse(
        "def long():\n" + "    x = 1\n" * 60 + "class Bare: ...\n"
        "class OwnError(PlateError): ...\n"
        "print('hello')\n"
        "raise PlateError('what')\nraise PlateError('what', remedy='')\n"
        "raise PlateError('what', remedy='Do.')\n"
    )
    assert long_functions(tree) == ["long has 61 lines"]
    assert undocumented(tree) == ["the module", "long (line 1)", "Bare (line 62)", "OwnError (line 63)"]
    assert prints(tree) == [64]
    assert errors_without_remedy(tree, {"PlateError"}) == [65, 66]
