"""From label lines to the shipped library."""

from __future__ import annotations

import gzip
import json
import tarfile

import numpy as np
import pytest
from lineament.core.directions.base import LabelledLatents
from lineament.core.directions.build import SHIPPED, TARGETS, AttributeSpec, build_library
from lineament.core.directions.library import library_files
from lineament.core.directions.mean_difference import MeanDifference
from lineament.core.directions.partial_effects import PartialEffects
from lineament.core.directions.table import covariance, label_table
from lineament.core.errors import RecipeError


@pytest.fixture(scope="module")
def records(shared_data):
    shard = sorted((shared_data / "faces128").glob("*.tar"))[0]
    with tarfile.open(shard) as archive:
        member = next(each for each in archive if each.name.endswith("labels.jsonl.gz"))
        lines = gzip.decompress(archive.extractfile(member).read()).splitlines()
    return [json.loads(line) for line in lines]


@pytest.fixture(scope="module")
def planted(records):
    """Latents that are a known mix of all labels plus a rest: the mixing columns are the partial effects."""
    names, labels = label_table(records)
    rng = np.random.default_rng(0)
    x = (labels - labels.mean(axis=0)) / labels.std(axis=0)
    mixing = rng.standard_normal((len(names), 48)) / np.sqrt(len(names))
    w = x @ mixing + 0.1 * rng.standard_normal((len(x), 48))
    return LabelledLatents(w.astype(np.float32), labels, names, "toy"), mixing


def test_when_labels_are_tabled_then_every_one_that_varies_is_there_once(records):
    names, labels = label_table(records)
    assert labels.shape == (len(records), len(names))
    assert {"yaw", "pitch", "roll", "male", "moust", "stub", "sung", "brow_down", "makeup"} <= set(names)
    assert {spec.column for spec in SHIPPED} <= set(names)
    assert not {"seed", "race", "old", "racew_0"} & set(names)
    x = (labels - labels.mean(axis=0)) / labels.std(axis=0)
    assert np.linalg.matrix_rank(x) == len(names)


def test_when_a_line_lacks_a_key_then_the_label_is_unknown_there(records):
    short = [dict(records[0]), *records[1:50]]
    del short[0]["smile"], short[0]["style"]
    names, labels = label_table(short)
    assert np.isnan(labels[0, names.index("smile")])
    assert all(np.isnan(labels[0, i]) for i, name in enumerate(names) if name.startswith("style_"))
    assert np.isfinite(labels[1:]).all()


def test_when_the_shipped_library_is_built_then_every_planted_direction_is_recovered(planted):
    data, mixing = planted
    sigma_w = covariance(data.w.astype(np.float64))
    library = build_library(data, sigma_w, SHIPPED, PartialEffects(), num_ws=10, refits=2)
    assert library.names == tuple(spec.name for spec in SHIPPED)
    for spec in SHIPPED:
        truth = mixing[data.names.index(spec.column)]
        u = library.get(spec.name).delta[0].astype(np.float64)
        cosine = u @ truth / np.linalg.norm(u) / np.linalg.norm(truth)
        # lipstick's strength is left out for it, so the direction is a mix of the two columns
        assert cosine > (0.5 if spec.restated_by else 0.95), spec.name


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


def test_when_a_column_is_missing_then_it_is_named(planted):
    data, _ = planted
    with pytest.raises(RecipeError, match=r'no label "smlie".*smile'):
        build_library(
            data, np.eye(48), [AttributeSpec("smile", "Smile", "smlie")], PartialEffects(), num_ws=2
        )


def test_when_attributes_are_shipped_then_names_are_unique_and_targets_complete():
    assert len({spec.name for spec in SHIPPED}) == len(SHIPPED) == 11
    assert TARGETS["skin_tone"] == "mel"
    assert TARGETS["light"] == "light_az"
