"""Every method on worlds whose true answer is known (T0, T2 and T5 of the toy bench)."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from lineament.core.directions.base import LabelledLatents
from lineament.core.directions.finders import finder_named
from lineament.core.directions.least_squares import LeastSquares
from lineament.core.directions.mean_difference import MeanDifference
from lineament.core.directions.partial_effects import PartialEffects
from lineament.core.directions.table import without
from lineament.core.directions.whitened_mean_difference import WhitenedMeanDifference
from lineament.core.errors import DataError, RecipeError


@pytest.mark.parametrize("rho", [0.0, 0.5, 0.8, 0.95])
def test_when_a_correlation_is_planted_then_partial_effects_recover_the_direction(toy, rho):
    u = PartialEffects().find(toy(rho).data(20_000), ("a",))[0]
    assert u[0] > 0.98
    assert abs(toy(rho).effect_ratio(u)) < 1e-3


@pytest.mark.parametrize("rho", [0.5, 0.8, 0.95])
def test_when_a_correlation_is_planted_then_the_mean_difference_takes_it_along(toy, rho):
    u = MeanDifference().find(toy(rho).data(20_000), ("a",))[0]
    assert toy(rho).effect_ratio(u) == pytest.approx(rho, abs=0.03)
    assert u[0] < 0.98


@pytest.mark.parametrize("finder", [WhitenedMeanDifference(), LeastSquares()])
def test_when_a_correlation_is_planted_then_whitening_removes_it(toy, finder):
    u = finder.find(toy(0.8).data(40_000), ("a",))[0]
    assert abs(toy(0.8).effect_ratio(u)) < 0.03


def test_when_latents_are_rectified_then_whitening_leaves_a_quarter_and_partial_effects_nothing(toy):
    world = toy(0.8, leaky=True)
    data = world.data(40_000)
    ratios = {
        name: world.effect_ratio(finder_named(name).find(data, ("a",))[0])
        for name in ("whitened_mean_difference", "mean_difference", "partial_effects")
    }
    assert ratios["mean_difference"] == pytest.approx(0.81, abs=0.03)
    assert ratios["whitened_mean_difference"] == pytest.approx(0.23, abs=0.04)
    assert abs(ratios["partial_effects"]) < 0.03


def test_when_labels_only_say_yes_or_no_then_partial_effects_leak_but_less_than_the_mean_difference(toy):
    data = toy(0.8).data(20_000, threshold=0.7)
    partial = toy(0.8).effect_ratio(PartialEffects().find(data, ("a",))[0])
    plain = toy(0.8).effect_ratio(MeanDifference().find(data, ("a",))[0])
    assert partial == pytest.approx(0.43, abs=0.04)
    assert plain == pytest.approx(0.80, abs=0.03)


def test_when_a_nuisance_is_missing_from_the_table_then_partial_effects_leak_it(toy):
    world = toy(0.8)
    u = PartialEffects().find(without(world.data(20_000), ("b",)), ("a",))[0]
    assert world.effect_ratio(u) == pytest.approx(0.8, abs=0.03)


def test_when_the_world_is_linear_then_the_partial_effect_is_the_matching_column():
    rng = np.random.default_rng(3)
    mixing = rng.standard_normal((12, 3))  # w = mixing @ factors, without any rest
    factors = rng.standard_normal((500, 3)) @ rng.standard_normal((3, 3))
    data = LabelledLatents(
        (factors @ mixing.T).astype(np.float32), factors.astype(np.float32), ("p", "q", "r"), "toy"
    )
    rows = PartialEffects().find(data, ("r", "p"))
    truth = mixing[:, [2, 0]].T / np.linalg.norm(mixing[:, [2, 0]], axis=0)[:, None]
    assert np.allclose(np.sum(rows * truth, axis=1), 1.0, atol=1e-5)


def test_when_rows_lack_labels_then_only_those_rows_are_left_out(toy):
    data = toy(0.5).data(4000)
    labels = data.labels.copy()
    labels[::4, 1] = np.nan
    full = np.isfinite(labels).all(axis=1)
    damaged = PartialEffects().find(replace(data, labels=labels), ("a",))
    cleaned = PartialEffects().find(replace(data, w=data.w[full], labels=labels[full]), ("a",))
    assert np.array_equal(damaged, cleaned)


def test_when_two_labels_say_the_same_then_partial_effects_refuse(toy):
    data = toy(0.5).data(500)
    doubled = replace(data, labels=np.c_[data.labels, data.labels[:, :1] * 2 + 1], names=("a", "b", "twin"))
    with pytest.raises(DataError, match='determine "a"'):
        PartialEffects().find(doubled, ("a",))
    alone = PartialEffects().find(doubled, ("b",))  # whom the twins do not concern
    assert np.allclose(alone, PartialEffects().find(data, ("b",)), atol=1e-5)
    assert np.isfinite(PartialEffects(ridge=0.01).find(doubled, ("a",))).all()


def test_when_a_label_never_varies_then_it_is_refused_by_name(toy):
    data = toy(0.5).data(500)
    flat = replace(data, labels=np.c_[data.labels, np.ones(500, np.float32)], names=("a", "b", "hat"))
    assert np.allclose(PartialEffects().find(flat, ("a",)), PartialEffects().find(data, ("a",)), atol=1e-6)
    for finder in (PartialEffects(), MeanDifference()):
        with pytest.raises(DataError, match='"hat" does not vary'):
            finder.find(flat, ("hat",))


def test_when_there_are_fewer_faces_than_labels_then_it_is_said(toy):
    with pytest.raises(DataError, match="more faces than labels"):
        PartialEffects().find(toy(0.5).data(3), ("a",))


def test_when_a_slider_is_mostly_zero_then_the_mean_difference_still_finds_groups():
    rng = np.random.default_rng(0)
    label = np.where(rng.random(2000) < 0.95, 0.0, rng.random(2000)).astype(np.float32)
    w = rng.standard_normal((2000, 8)).astype(np.float32)
    w[:, 3] += 4 * label
    u = MeanDifference().find(LabelledLatents(w, label[:, None], ("blush",), "toy"), ("blush",))[0]
    assert u[3] > 0.9


def test_when_a_method_is_unknown_then_the_error_names_the_closest():
    with pytest.raises(RecipeError, match=r"Did you mean partial_effects\?"):
        finder_named("partial_effect")
