"""Looking directions up, applying them, and keeping them in a model package."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
from lineament.core.directions.apply import apply_moves
from lineament.core.directions.library import CARDS_FILE, DirectionLibrary, library_files, load_library
from lineament.core.errors import GeneratorError, RecipeError
from lineament.core.generators.package import add_files, load_package
from lineament.core.generators.tiny import save_tiny
from lineament.core.latent import Direction, Latent


def direction(name, generator_id="g" * 16, seed=0, shape=(8, 16)):
    delta = np.random.default_rng(seed).standard_normal(shape).astype(np.float32)
    return Direction(name, delta, generator_id, (0, shape[0]), (-3.0, 2.0), name.title(), {"method": "m"})


@pytest.fixture
def a_library():
    return DirectionLibrary((direction("age"), direction("smile", seed=1)), "g" * 16)


@pytest.fixture
def a_latent():
    return Latent(np.random.default_rng(9).standard_normal((8, 16)).astype(np.float32), "g" * 16, "w")


def test_when_the_name_is_misspelt_then_close_names_are_offered(a_library):
    with pytest.raises(RecipeError, match=r'no attribute "smiel".*Did you mean smile\?'):
        a_library.get("smiel")


def test_when_nothing_is_close_then_all_names_are_listed(a_library):
    with pytest.raises(RecipeError, match="Attributes of this model: age, smile"):
        a_library.get("xyzzy")


def test_when_a_model_has_no_directions_then_that_is_said():
    with pytest.raises(RecipeError, match="has no directions"):
        DirectionLibrary((), "g").get("age")


def test_when_a_direction_is_of_another_generator_then_no_library_is_made():
    with pytest.raises(GeneratorError, match='Direction "age" was found on generator hhhh'):
        DirectionLibrary((direction("age", "h" * 16),), "g" * 16)


def test_when_strengths_are_zero_then_the_same_latent_comes_back(a_library, a_latent):
    assert apply_moves(a_latent, {"age": 0.0}, a_library) is a_latent
    assert apply_moves(a_latent, {}, a_library) is a_latent


def test_when_several_attributes_move_then_they_add_up_in_any_order(a_library, a_latent):
    moved = apply_moves(a_latent, {"smile": -0.5, "age": 1.7}, a_library)
    expected = a_latent.ws + 1.7 * a_library.get("age").delta - 0.5 * a_library.get("smile").delta
    assert np.allclose(moved.ws, expected, atol=1e-6)
    assert moved.space == "w+"
    assert moved.ws.dtype == np.float32
    assert np.array_equal(moved.ws, apply_moves(a_latent, {"age": 1.7, "smile": -0.5}, a_library).ws)


@pytest.mark.parametrize("strength", [2.1, -3.1, float("nan"), float("inf")])
def test_when_a_strength_is_out_of_range_then_the_range_is_named(a_library, a_latent, strength):
    with pytest.raises(RecipeError, match="Choose a value from -3 to 2"):
        apply_moves(a_latent, {"age": strength}, a_library)


def test_when_the_latent_is_of_another_generator_then_nothing_moves(a_library, a_latent):
    with pytest.raises(GeneratorError, match="this latent belongs to zzzz"):
        apply_moves(replace(a_latent, generator_id="z" * 16), {"age": 1.0}, a_library)


@pytest.fixture
def a_package_folder(tmp_path):
    folder = save_tiny(tmp_path / "tiny")
    found_on = load_package(folder).card.id
    library = DirectionLibrary((direction("age", found_on), direction("smile", found_on, 1)), found_on)
    add_files(folder, **library_files(library))
    return folder


def test_when_stored_in_a_package_then_the_same_library_is_read_back(a_package_folder):
    package = load_package(a_package_folder)
    library = load_library(package)
    assert library.names == ("age", "smile")
    assert library.generator_id == package.generator.id
    expected = direction("smile", package.card.id, 1)
    found = library.get("smile")
    assert np.array_equal(found.delta, expected.delta)
    assert replace(found, delta=expected.delta) == expected


def test_when_a_package_has_no_directions_then_the_library_is_empty(tmp_path):
    assert load_library(load_package(save_tiny(tmp_path / "tiny"))).names == ()


def test_when_the_cards_were_edited_by_hand_then_they_are_refused(a_package_folder):
    path = a_package_folder / CARDS_FILE
    path.write_text(path.read_text().replace("smile", "simle"))
    with pytest.raises(GeneratorError, match="SHA-256"):
        load_library(load_package(a_package_folder))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"generator_id": "f" * 16}, "found on generator ffff"),
        ({"schema_version": 99}, "schema version 99"),
        ({"directions": [{"name": "age"}]}, "cannot be read"),
        ({"directions": None}, "cannot be read"),
    ],
)
def test_when_a_well_signed_document_does_not_fit_then_it_is_refused(a_package_folder, change, message):
    content = json.loads((a_package_folder / CARDS_FILE).read_text())
    add_files(a_package_folder, documents={CARDS_FILE: {**content, **change}})
    with pytest.raises(GeneratorError, match=message):
        load_library(load_package(a_package_folder))


@pytest.mark.parametrize("change", [{"layers": [0, 9]}, {"limits": [1, 1]}, {"name": "unknown"}])
def test_when_an_entry_does_not_fit_the_generator_then_it_is_refused(a_package_folder, change):
    content = json.loads((a_package_folder / CARDS_FILE).read_text())
    content["directions"][0].update(change)
    add_files(a_package_folder, documents={CARDS_FILE: content})
    with pytest.raises(GeneratorError, match="cannot be read"):
        load_library(load_package(a_package_folder))
