"""From label lines to the shipped library."""

from __future__ import annotations

import json

import numpy as np
import pytest
from lineament.core.directions.base import LabelledLatents
from lineament.core.directions.build import SHIPPED, TARGETS, AttributeSpec, build_library
from lineament.core.directions.counterfactual import Counterfactual, PairedLatents
from lineament.core.directions.library import library_files
from lineament.core.directions.mean_difference import MeanDifference
from lineament.core.directions.partial_effects import PartialEffects
from lineament.core.directions.table import covariance
from lineament.core.errors import RecipeError
from lineament.core.training.faces_data import LABEL_NAMES

NAMES = (*LABEL_NAMES[:24], "ancestry0", "ancestry1")


@pytest.fixture(scope="module")
def planted():
    """Latents that are a known mix of all labels plus a rest: the mixing columns are the partial effects."""
    rng = np.random.default_rng(0)
    labels = rng.standard_normal((1500, len(NAMES))).astype(np.float32)
    labels[:, NAMES.index("grey")] += 1.5 * labels[:, NAMES.index("age")]
    x = (labels - labels.mean(axis=0)) / labels.std(axis=0)
    mixing = rng.standard_normal((len(NAMES), 48)) / np.sqrt(len(NAMES))
    w = x @ mixing + 0.1 * rng.standard_normal((len(x), 48))
    return LabelledLatents(w.astype(np.float32), labels, NAMES, "toy"), mixing


def test_when_the_shipped_library_is_built_then_every_planted_direction_is_recovered(planted):
    data, mixing = planted
    sigma_w = covariance(data.w.astype(np.float64))
    library = build_library(data, sigma_w, SHIPPED, PartialEffects(), num_ws=10, refits=2)
    assert library.names == tuple(spec.name for spec in SHIPPED)
    for spec in SHIPPED:
        truth = mixing[data.names.index(spec.column)]
        u = library.get(spec.name).delta[0].astype(np.float64)
        cosine = u @ truth / np.linalg.norm(u) / np.linalg.norm(truth)
        # what restates a column is left out for it, so the direction carries a little of those columns
        assert cosine > (0.9 if spec.restated_by else 0.95), spec.name


def test_when_the_mean_difference_builds_it_then_age_brings_grey_hair_along(planted):
    data, mixing = planted
    sigma_w = covariance(data.w.astype(np.float64))
    grey = mixing[data.names.index("grey")]

    def share_of_grey(finder):
        found = build_library(data, sigma_w, SHIPPED[:1], finder, num_ws=2, refits=0).get("age").delta[0]
        coordinates = np.linalg.lstsq(mixing.T, found.astype(np.float64), rcond=None)[0]
        return coordinates[data.names.index("grey")] / coordinates[data.names.index("age")]

    assert grey.any()
    assert abs(share_of_grey(PartialEffects())) < 0.05
    assert share_of_grey(MeanDifference()) > 0.5


def test_when_built_then_the_card_tells_how(planted):
    data, _ = planted
    spec = AttributeSpec("young", "Younger", "age", sign=-1, layers=(2, 6), limits=(-1.0, 2.0))
    sigma_w = covariance(data.w.astype(np.float64))
    library = build_library(data, sigma_w, [spec], PartialEffects(), num_ws=10, seed=3, refits=2)
    old = build_library(data, sigma_w, SHIPPED[:1], PartialEffects(), num_ws=10, refits=0).get("age")
    found = library.get("young")
    assert np.allclose(found.delta[2:6], -old.delta[2:6])
    assert not found.delta[:2].any()
    assert not found.delta[6:].any()
    assert (found.limits, found.label, found.layers) == ((-1.0, 2.0), "Younger", (2, 6))
    assert found.card["method"] == "partial_effects"
    assert found.card["n_samples"] == len(data.w)
    assert found.card["seed"] == 3
    assert "grey" in found.card["other_labels"]
    assert found.card["refit_cosine"]["min"] > 0.9
    json.dumps(library_files(library)["documents"], allow_nan=False)


def test_when_pairs_stand_in_for_a_column_then_its_direction_and_unit_come_from_them(planted):
    data, _ = planted
    rng = np.random.default_rng(4)
    per_year = rng.standard_normal(48)
    delta = rng.uniform(10, 40, 30).astype(np.float32)
    pairs = PairedLatents((delta[:, None] * per_year).astype(np.float32), delta, ("age",) * 30)
    sigma_w = covariance(data.w.astype(np.float64))
    library = build_library(
        data,
        sigma_w,
        SHIPPED[:2],
        PartialEffects(),
        num_ws=2,
        refits=2,
        instead={"age": Counterfactual(pairs)},
    )
    age, smile = library.directions
    assert (age.card["method"], smile.card["method"]) == ("counterfactual", "partial_effects")
    np.testing.assert_allclose(age.delta[0] / age.card["label_per_sigma"], per_year, rtol=1e-3, atol=1e-4)
    assert "label_per_sigma" not in smile.card
    assert age.card["refit_cosine"]["min"] > 0.999


def test_when_pairs_are_resampled_then_no_attribute_gets_lost():
    rng = np.random.default_rng(3)
    attribute = ("age", *("smile",) * 40)
    pairs = PairedLatents(rng.standard_normal((41, 4)).astype(np.float32), np.ones(41, np.float32), attribute)
    for _ in range(20):
        drawn = Counterfactual(pairs).resampled(rng).pairs
        assert sorted(drawn.attribute) == sorted(attribute)
        assert (drawn.of("age")[0] == pairs.step[0]).all()


def test_when_a_column_is_missing_then_it_is_named(planted):
    data, _ = planted
    with pytest.raises(RecipeError, match=r'no label "smlie".*smile'):
        build_library(
            data, np.eye(48), [AttributeSpec("smile", "Smile", "smlie")], PartialEffects(), num_ws=2
        )


def test_when_attributes_are_shipped_then_names_are_unique_and_targets_complete():
    assert len({spec.name for spec in SHIPPED}) == len(SHIPPED) == 14
    assert TARGETS["skin_tone"] == "skin"
    assert TARGETS["light"] == "light_azimuth"
