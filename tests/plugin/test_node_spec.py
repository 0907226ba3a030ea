"""The node's declaration: complete help, sane ranges, and everything generated from it is fresh."""

from __future__ import annotations

import ast
import json
import subprocess
import sys
from dataclasses import fields, replace
from pathlib import Path

import pytest
from lineament.core import strength_file
from lineament.core.recipe import EditRecipe
from lineament.core.recipe_file import RecipeFile
from lineament.plugin.messages import FrameRequest
from lineament.plugin.node_reference import pages, recipe_schema, write_pages
from lineament.plugin.node_spec import ATTRIBUTE_EDIT, MAX_STRENGTH, NodeSpec, problems_of

DOCS = Path(__file__).resolve().parents[2] / "docs"


def test_when_the_node_is_declared_then_nothing_is_wrong_with_it() -> None:
    assert problems_of(ATTRIBUTE_EDIT) == ()


def test_when_the_shipped_attributes_are_listed_then_they_are_the_agreed_ones() -> None:
    names = [parameter.id for parameter in ATTRIBUTE_EDIT.for_target("strength")]
    assert names == [
        *("age", "smile", "mouth_open", "glasses", "beard", "moustache", "lipstick", "brow_inner"),
        *("brow_down", "eyes_closed", "skin_tone", "grey_hair", "gender", "light"),
    ]
    assert all(parameter.animatable for parameter in ATTRIBUTE_EDIT.for_target("strength"))


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"tooltip": ""}, "tooltip"),
        ({"tooltip": "Mix."}, "tooltip"),
        ({"label": ""}, "label"),
        ({"since": ""}, "since"),
        ({"kind": "colour"}, "kind"),
        ({"soft_maximum": 2.0}, "minimum"),
        ({"maximum": None}, "minimum"),
        ({"default": 2.0}, "default"),
        ({"alias": "seed"}, "seed: is declared twice"),
        ({"default": True}, "bool parameters"),
        ({"kind": "bool"}, "bool parameters"),
        ({"target": "panel"}, "target"),
    ],
)
def test_when_a_parameter_is_badly_declared_then_it_is_refused(change: dict[str, object], says: str) -> None:
    mix = replace(ATTRIBUTE_EDIT.get("mix"), **change)
    others = tuple(parameter for parameter in ATTRIBUTE_EDIT.parameters if parameter.id != "mix")
    spec = replace(ATTRIBUTE_EDIT, parameters=(*others, mix))
    assert any(says in problem for problem in problems_of(spec))


def test_when_a_choice_defaults_to_something_else_then_it_is_refused() -> None:
    inverter = replace(ATTRIBUTE_EDIT.get("inverter"), default="magic")
    assert problems_of(NodeSpec("n", "N", "d", "1", (inverter,))) == (
        "inverter: the default is not among the choices",
    )


def test_when_parameters_belong_to_a_request_then_it_has_their_fields() -> None:
    asked = {parameter.destination: parameter.default for parameter in ATTRIBUTE_EDIT.for_target("request")}
    known = {field.name: field.default for field in fields(FrameRequest)}
    assert asked == {"matte": "", "invert_matte": False} == {name: known[name] for name in asked}


@pytest.mark.parametrize(
    ("name", "text"), [("invert_mask", "off"), ("mask", "empty"), ("mix", "1.0"), ("inverter", "encoder")]
)
def test_when_a_default_is_shown_then_it_is_in_words(name: str, text: str) -> None:
    assert ATTRIBUTE_EDIT.get(name).default_text == text


def test_when_a_parameter_is_unknown_then_the_known_ones_are_listed() -> None:
    with pytest.raises(KeyError, match="mask_feather"):
        ATTRIBUTE_EDIT.get("feather")


def test_when_the_recipe_reader_and_the_node_are_compared_then_they_agree() -> None:
    declared = {parameter.id: parameter for parameter in ATTRIBUTE_EDIT.for_target("recipe")}
    read = dict(RecipeFile.model_fields)
    assert set(declared) == set(read) - {"schema_version", "strengths", "notes"}
    recipe_fields = {field.name: field.default for field in fields(EditRecipe)}
    for name, parameter in declared.items():
        assert parameter.default == read[name].default == recipe_fields[parameter.destination], name
        bounds = {type(limit).__name__: limit for limit in read[name].metadata}
        if parameter.minimum is not None:
            assert (bounds["Ge"].ge, bounds["Le"].le) == (parameter.minimum, parameter.maximum), name
    assert strength_file.MAX_STRENGTH == MAX_STRENGTH


@pytest.mark.parametrize("name", sorted(pages()))
def test_when_the_declaration_changes_then_the_generated_page_must_follow(name: str) -> None:
    stale = "stale: run python -m lineament.plugin.node_reference"
    assert (DOCS / name).read_text(encoding="utf-8") == pages()[name], stale


def test_when_pages_are_written_then_they_hold_every_parameter(tmp_path: Path) -> None:
    paths = write_pages(tmp_path / "docs")
    text = (tmp_path / "docs" / "node.md").read_text()
    assert len(paths) == 2
    assert all(f"`{parameter.id}`" in text for parameter in ATTRIBUTE_EDIT.parameters)


def test_when_the_schema_is_made_then_it_is_json_and_closed() -> None:
    schema = json.loads(json.dumps(recipe_schema()))
    assert schema["additionalProperties"] is False
    assert schema["properties"]["mix"]["maximum"] == 1.0
    assert schema["properties"]["inverter"]["enum"] == ["encoder", "optimise"]


def test_when_a_host_imports_the_light_modules_then_only_the_standard_library_follows() -> None:
    code = (
        "import sys, lineament.plugin.node_spec, lineament.plugin.session\n"
        "heavy = {'torch', 'numpy', 'pydantic', 'yaml', 'typer', 'rich', 'OpenImageIO'} & set(sys.modules)\n"
        "assert not heavy, heavy"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)


@pytest.mark.parametrize(
    "name",
    [
        *("plugin/node_spec.py", "plugin/session.py", "plugin/child.py", "plugin/messages.py"),
        *("core/recipe.py", "core/errors.py"),
    ],
)
def test_when_a_host_still_runs_python_3_9_then_the_light_modules_parse(name: str) -> None:
    source = (DOCS.parent / name).read_text(encoding="utf-8")
    ast.parse(source, feature_version=(3, 9))
    assert "strict=" not in source, "zip(strict=...) came with 3.10"
