"""What was typed becomes a recipe, or is refused where two things contradict each other."""

from __future__ import annotations

from pathlib import Path

import pytest
from lineament.core.errors import RecipeError
from lineament.plugin.node_reference import node_page, recipe_schema
from lineament.plugin.node_spec import ATTRIBUTE_EDIT
from lineament.plugin.options import build_recipe


@pytest.mark.parametrize(
    ("sets", "keys"),
    [
        (["age=1", "age=2"], []),
        (["age=1", "smile=1", " age =1"], []),
        ([], ["age=1:1", "age=2:1"]),
        (["age=1"], ["age=1:0,2:1"]),
    ],
)
def test_when_an_attribute_is_typed_twice_then_neither_silently_wins(
    sets: list[str], keys: list[str]
) -> None:
    with pytest.raises(RecipeError, match=r'"age" is given twice: --\w+ age'):
        build_recipe(None, sets, keys, {})


def test_when_a_recipe_and_the_command_line_name_an_attribute_then_the_command_line_wins(
    tmp_path: Path,
) -> None:
    (tmp_path / "r.yaml").write_text("schema_version: 1\nstrengths: {age: 1, smile: 2}\n")
    recipe = build_recipe(tmp_path / "r.yaml", ["age=3"], ["light=1:0,9:2"], {})
    assert recipe.strengths_at(9) == {"age": 3.0, "smile": 2.0, "light": 2.0}


@pytest.mark.parametrize("text", ["age=5:1,5:2", "age=1:0,5:1, 05:2"])
def test_when_a_frame_has_two_keys_then_the_duplicate_is_named(text: str) -> None:
    with pytest.raises(RecipeError, match=r"duplicate key: frame 5 is given twice"):
        build_recipe(None, [], [text], {})


def test_when_keys_are_typed_out_of_order_then_they_are_sorted() -> None:
    assert build_recipe(None, [], ["age=9:2,1:0"], {}).strengths_at(9) == {"age": 2.0}


@pytest.mark.parametrize("gain", [3.0, 0.3, 1.0000001, 48.0])
def test_when_the_exposure_is_no_power_of_two_then_its_neighbours_are_offered(gain: float) -> None:
    with pytest.raises(RecipeError, match=r"is not a power of two.*Use \S+ or \S+, or 0"):
        build_recipe(None, [], [], {"exposure": gain})


def test_when_an_exposure_is_refused_then_both_neighbours_are_right() -> None:
    with pytest.raises(RecipeError, match=r"\(--exposure\) Use 2 or 4, or 0"):
        build_recipe(None, [], [], {"exposure": 3.0})


def test_when_a_recipe_holds_such_an_exposure_then_its_file_is_named(tmp_path: Path) -> None:
    path = tmp_path / "r.yaml"
    path.write_text("schema_version: 1\nexposure: 6\n")
    with pytest.raises(RecipeError, match=r"gain 6 is not a power of two.*r\.yaml.*Use 4 or 8"):
        build_recipe(path, [], [], {})
    assert build_recipe(path, [], [], {"exposure": 8.0}).exposure == 8.0


def test_when_the_exposure_is_tiny_then_it_is_refused() -> None:
    with pytest.raises(RecipeError, match="too small"):
        build_recipe(None, [], [], {"exposure": 2.0**-21})


@pytest.mark.parametrize("gain", [0.0, 2.0**-20, 0.25, 1.0, 8.0, 65536.0])
def test_when_the_exposure_is_a_power_of_two_or_zero_then_it_is_taken(gain: float) -> None:
    assert build_recipe(None, [], [], {"exposure": gain}).exposure == gain


def test_when_attributes_are_declared_then_their_range_is_what_the_embedded_model_can_take() -> None:
    ends = {
        (p.minimum, p.soft_minimum, p.soft_maximum, p.maximum) for p in ATTRIBUTE_EDIT.for_target("strength")
    }
    assert ends == {(-4.0, -3.0, 3.0, 4.0)}
    definitions = recipe_schema()["$defs"]
    assert definitions["strength"]["anyOf"][0]["maximum"] == 4.0
    assert definitions["strength_of_other_model"]["anyOf"][1]["additionalProperties"]["minimum"] == -10.0
    assert "-4 to 4, slider -3 to 3 standard deviations" in node_page()


def test_when_the_embedded_model_has_limits_then_the_declared_range_holds_them() -> None:
    from lineament.core.directions.library import load_library
    from lineament.core.generators.package import load_package

    declared = {parameter.id: parameter for parameter in ATTRIBUTE_EDIT.for_target("strength")}
    for direction in load_library(load_package("default")).directions:
        low, high = direction.limits
        assert declared[direction.name].minimum <= low < high <= declared[direction.name].maximum
