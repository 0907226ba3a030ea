"""Scores of a direction in a linear world, where every number is known in closed form."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch
from lineament.core.directions.evaluate import (
    Bench,
    evaluate_directions,
    noise_floor,
    random_directions,
    with_scores,
)
from lineament.core.directions.library import DirectionLibrary
from lineament.core.directions.strength import make_direction
from lineament.core.errors import DataError

SIZE, ROWS = 6, 2
NAMES = ("a", "b", "c")


@pytest.fixture
def sigma_w():
    root = np.random.default_rng(0).standard_normal((SIZE, SIZE))
    return root @ root.T


@pytest.fixture
def readers():
    return np.random.default_rng(1).standard_normal((3, SIZE))


@pytest.fixture
def a_bench(sigma_w, readers):
    w = np.random.default_rng(2).multivariate_normal(np.zeros(SIZE), sigma_w, 400).astype(np.float32)
    matrix = torch.from_numpy(readers.astype(np.float32))
    return Bench(
        torch.from_numpy(w)[:, None].repeat(1, ROWS, 1),
        decode=lambda ws: ws.mean(dim=1),
        score=lambda pictures: pictures @ matrix.T,
        names=NAMES,
        spread=np.sqrt(np.einsum("ai,ij,aj->a", readers, sigma_w, readers)),
        batch=128,
    )


def slider(name, u, sigma_w):
    return make_direction(name, u.astype(np.float32), sigma_w, generator_id="g", num_ws=ROWS)


def test_when_the_world_is_linear_then_effects_and_dependency_follow_the_closed_form(
    a_bench, sigma_w, readers
):
    u = readers[0] / np.linalg.norm(readers[0])
    report = evaluate_directions([slider("first", u, sigma_w)], a_bench, {"first": "a"})[0]
    expected = readers @ u * np.sqrt(u @ sigma_w @ u) / a_bench.spread
    assert [report.effects[name].mean for name in NAMES] == pytest.approx(expected, rel=1e-4)
    assert report.target_effect.mean == pytest.approx(expected[0], rel=1e-4)
    assert report.dependency["b"].mean == pytest.approx(expected[1] / expected[0], rel=1e-3)
    others = np.abs(expected[1:])
    assert report.leak_largest == pytest.approx(others.max(), rel=1e-3)
    assert report.leak_mean == pytest.approx(others.mean(), rel=1e-3)
    assert report.leak_name == NAMES[1 + int(others.argmax())]


def test_when_effects_differ_between_faces_then_the_interval_is_that_of_the_mean(sigma_w):
    w = np.random.default_rng(2).standard_normal((400, SIZE)).astype(np.float32)
    bench = Bench(
        torch.from_numpy(w)[:, None].repeat(1, ROWS, 1),
        decode=lambda ws: ws[:, 0],
        score=lambda x: torch.stack([x[:, 0] * x[:, 1], x[:, 2]], dim=1),  # d score / d x0 = x1 ~ N(0, 1)
        names=("product", "other"),
    )
    u = slider("product", np.eye(SIZE)[0], np.eye(SIZE))
    report = evaluate_directions([u], bench, {}, seed=4)[0]
    effect = report.target_effect
    assert effect.low < effect.mean < effect.high
    assert (effect.high - effect.low) / 2 == pytest.approx(1.96 / np.sqrt(400), rel=0.15)
    assert report.dependency == {}  # the target's own interval touches 0
    assert evaluate_directions([u], bench, {}, seed=4)[0] == report


def test_when_directions_are_random_then_the_floor_is_small_and_positive(a_bench, sigma_w):
    nulls = random_directions(sigma_w, 4, seed=0, generator_id="g", num_ws=ROWS)
    floor = noise_floor(nulls, a_bench)
    assert set(floor) == set(NAMES)
    assert all(0 < value < 1.5 for value in floor.values())
    again = random_directions(sigma_w, 4, seed=0, generator_id="g", num_ws=ROWS)
    assert all(np.array_equal(one.delta, two.delta) for one, two in zip(nulls, again, strict=True))


def test_when_scores_join_the_cards_then_they_are_plain_data(a_bench, sigma_w, readers):
    library = DirectionLibrary((slider("a", readers[0], sigma_w), slider("b", readers[1], sigma_w)), "g")
    reports = evaluate_directions(library.directions[:1], a_bench, {})
    scored = with_scores(library, reports, {"a": 0.1})
    card = json.loads(json.dumps(scored.get("a").card))
    assert len(card["scores"]["effect_per_sigma"]["a"]) == 3
    assert card["scores"]["noise_floor"] == {"a": 0.1}
    assert "scores" not in scored.get("b").card


def test_when_a_target_is_not_scored_then_it_is_named(a_bench, sigma_w, readers):
    with pytest.raises(ValueError, match="no score named 'age'"):
        evaluate_directions([slider("first", readers[0], sigma_w)], a_bench, {"first": "age"})


def test_when_a_score_never_varies_then_it_cannot_be_a_unit(sigma_w, readers):
    bench = Bench(
        torch.zeros(4, ROWS, SIZE),
        decode=lambda ws: ws[:, 0],
        score=lambda x: torch.zeros(len(x), 1),
        names=("a",),
    )
    with pytest.raises(DataError, match='"a" has spread 0'):
        evaluate_directions([slider("a", readers[0], sigma_w)], bench, {})
