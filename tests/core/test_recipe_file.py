"""Recipe files: what is written is read back; what is not understood is refused with file and field named."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from lineament.core.errors import RecipeError
from lineament.core.recipe import EditRecipe, Move, Strength
from lineament.core.recipe_file import MAX_BYTES, read_recipe, with_moves, write_recipe
from lineament.core.strength_file import parse_keys, parse_set

A_RECIPE = EditRecipe(
    moves=(Move("age", Strength(((1001, 0.0), (1040, 1.5)))), Move("smile", Strength.constant(-0.5))),
    generator="actor_b",
    inverter="optimise",
    seed=7,
    mix=0.75,
    face=1,
    exposure=4.0,
    layer="beauty",
    colourspace="ACEScg",
    notes={"supervisor": "softer in 1030"},
    mask_feather=0.02,
    detail_clamp=0.25,
)


@pytest.mark.parametrize("name", ["shot.yaml", "shot.yml", "shot.json"])
@pytest.mark.parametrize("recipe", [A_RECIPE, EditRecipe()])
def test_when_a_recipe_is_written_then_reading_gives_the_same(
    tmp_path: Path, name: str, recipe: EditRecipe
) -> None:
    write_recipe(tmp_path / name, recipe)
    assert read_recipe(tmp_path / name) == recipe
    assert [path.name for path in tmp_path.iterdir()] == [name]


def test_when_the_american_spelling_is_used_then_it_is_understood(tmp_path: Path) -> None:
    path = tmp_path / "r.yaml"
    path.write_text("schema_version: 1\ncolorspace: ACEScg\n")
    assert read_recipe(path).colourspace == "ACEScg"


BAD = {
    "unknown key": ("schema_version: 1\nstrenghts: {age: 1}\n", 'unknown field "strenghts".*"strengths"'),
    "no version": ("strengths: {age: 1}\n", "schema_version is missing"),
    "future version": ("schema_version: 2\n", "schema_version is 2.*update"),
    "text strength": ("schema_version: 1\nstrengths: {age: lots}\n", "strengths.age.*'lots'"),
    "true strength": ("schema_version: 1\nstrengths: {age: yes}\n", "strengths.age.*True"),
    "nan strength": ("schema_version: 1\nstrengths: {age: .nan}\n", "strengths.age.*finite"),
    "huge strength": ("schema_version: 1\nstrengths: {age: 11}\n", "strengths.age.*between -10 and 10"),
    "text frame": ("schema_version: 1\nstrengths: {age: {first: 1}}\n", "strengths.age.*'first'"),
    "list": ("- 1\n", "must be a mapping"),
    "mix too large": ("schema_version: 1\nmix: 1.5\n", '"mix".*less than or equal to 1'),
    "infinite mix": ("schema_version: 1\nmix: .inf\n", '"mix"'),
    "text seed": ("schema_version: 1\nseed: '7'\n", '"seed"'),
    "inverter": ("schema_version: 1\ninverter: magic\n", '"inverter".*magic'),
    "twice": ("schema_version: 1\nmix: 0.5\nmix: 0.6\n", '"mix" is given twice, line 3'),
    "alias": ("schema_version: 1\nnotes: {a: &x y, b: *x}\n", "aliases"),
    "object": ("schema_version: !!python/object/apply:os.getcwd []\n", "not valid YAML.*python"),
    "tabs": ("schema_version: 1\n\tmix: 1\n", "not valid YAML.*line 2"),
    "empty": ("", "must be a mapping"),
    "path as attribute": ("schema_version: 1\nstrengths: {../x: 1}\n", "strengths"),
}


@pytest.mark.parametrize("case", BAD)
def test_when_a_recipe_is_wrong_then_file_and_field_are_named(tmp_path: Path, case: str) -> None:
    text, says = BAD[case]
    path = tmp_path / "wrong.yaml"
    path.write_text(text)
    with pytest.raises(RecipeError, match=says) as caught:
        read_recipe(path)
    assert caught.value.where == str(path)
    assert caught.value.remedy
    assert "\n" not in str(caught.value)


def test_when_json_repeats_a_key_then_it_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "r.json"
    path.write_text('{"schema_version": 1, "strengths": {"age": 1, "age": 2}}')
    with pytest.raises(RecipeError, match='"age" is given twice'):
        read_recipe(path)


def test_when_nesting_is_absurd_then_it_is_refused_not_a_crash(tmp_path: Path) -> None:
    for name, text in (("r.json", "[" * 100_000), ("r.yaml", "[" * 20_000)):
        (tmp_path / name).write_text(text)
        with pytest.raises(RecipeError, match="not valid"):
            read_recipe(tmp_path / name)


def test_when_a_file_is_not_a_small_text_then_it_is_refused(tmp_path: Path) -> None:
    big, binary, plate = tmp_path / "big.yaml", tmp_path / "bin.yaml", tmp_path / "plate.exr"
    big.write_bytes(b"#" * (MAX_BYTES + 1))
    binary.write_bytes(b"\xff\xfe\x00")
    plate.write_bytes(b"")
    for path, says in (
        (big, "larger"),
        (binary, "UTF-8"),
        (plate, r"\.exr"),
        (tmp_path / "none.yaml", "No such file"),
    ):
        with pytest.raises(RecipeError, match=says):
            read_recipe(path)


def test_when_the_folder_is_missing_then_writing_says_so(tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match="cannot be written"):
        write_recipe(tmp_path / "no" / "r.yaml", EditRecipe())


def test_when_a_recipe_is_written_then_colleagues_may_read_it_and_nothing_else_stays(tmp_path: Path) -> None:
    mask = os.umask(0o022)
    try:
        write_recipe(tmp_path / "r.yaml", EditRecipe())
    finally:
        os.umask(mask)
    assert [path.name for path in tmp_path.iterdir()] == ["r.yaml"]
    assert (tmp_path / "r.yaml").stat().st_mode & 0o777 == 0o644


def test_when_options_are_well_formed_then_they_become_moves() -> None:
    assert parse_set("age=1.5") == Move("age", Strength.constant(1.5))
    assert parse_set(" brow_inner = -2 ") == Move("brow_inner", Strength.constant(-2.0))
    assert parse_keys("age=1040:1.5,1001:0") == Move("age", Strength(((1001, 0.0), (1040, 1.5))))


@pytest.mark.parametrize(
    "text", ["age", "age=", "=1", "age=lots", "a b=1", "age=nan", "age=99", "age=1001:0"]
)
def test_when_set_is_malformed_then_the_text_and_an_example_are_shown(text: str) -> None:
    with pytest.raises(RecipeError) as caught:
        parse_set(text)
    assert caught.value.remedy and text in caught.value.what


@pytest.mark.parametrize(
    "text", ["age=1", "age=1001:", "age=x:1", "age=1:0,1:2", "age=1:inf", "age=1:99", "age=1:0,"]
)
def test_when_keys_are_malformed_then_they_are_refused(text: str) -> None:
    with pytest.raises(RecipeError):
        parse_keys(text)


def test_when_the_command_line_names_an_attribute_of_the_recipe_then_the_command_line_wins() -> None:
    merged = with_moves(A_RECIPE, [parse_set("age=3"), parse_set("glasses=1")])
    assert [(move.attribute, move.strength.at(1001)) for move in merged.moves] == [
        ("age", 3.0),
        ("smile", -0.5),
        ("glasses", 1.0),
    ]
