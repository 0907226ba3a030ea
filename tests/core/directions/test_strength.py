"""One unit of strength is one standard deviation of W along the direction."""

from __future__ import annotations

import numpy as np
import pytest
from lineament.core.directions.strength import limits_along, make_direction, sigma_along
from lineament.core.errors import GeneratorError


@pytest.fixture
def sigma_w():
    root = np.random.default_rng(0).standard_normal((6, 6))
    return root @ root.T


def test_when_latents_are_sampled_then_sigma_is_their_spread_along_the_direction(sigma_w):
    u = np.array([1.0, 2.0, 0, 0, -1.0, 0]) / np.sqrt(6)
    w = np.random.default_rng(1).multivariate_normal(np.zeros(6), sigma_w, 100_000)
    assert sigma_along(u, sigma_w) == pytest.approx((w @ u).std(), rel=0.02)


def test_when_made_then_every_chosen_row_moves_by_one_sigma_and_no_other(sigma_w):
    u = np.array([3.0, 0, 0, 4.0, 0, 0], np.float32)  # not of unit length: the direction is what counts
    direction = make_direction("age", u, sigma_w, generator_id="g", num_ws=5, layers=(1, 4))
    sigma = sigma_along(u, sigma_w)
    assert np.allclose(np.linalg.norm(direction.delta, axis=1), [0, sigma, sigma, sigma, 0], atol=1e-5)
    assert direction.delta.dtype == np.float32
    assert direction.card["sigma_u"] == pytest.approx(sigma)


def test_when_w_is_gaussian_then_the_hard_cap_decides_the_limits():
    w = np.random.default_rng(0).standard_normal((5000, 3)).astype(np.float32)
    u = np.array([0, 1, 0], np.float32)
    assert limits_along(u, w) == (-4.0, 4.0)
    assert limits_along(u, w, cap=10) == pytest.approx((-4.7, 4.7), abs=0.2)


def test_when_w_has_two_heaps_then_limits_span_from_one_to_the_other():
    w = np.zeros((1000, 2), np.float32)
    w[:500, 0] = 1.0
    assert limits_along(np.array([1, 0], np.float32), w) == (-2.0, 2.0)


@pytest.mark.parametrize("layers", [(0, 6), (3, 3), (-1, 2)])
def test_when_layers_lie_outside_the_generator_then_they_are_refused(sigma_w, layers):
    with pytest.raises(ValueError, match="layers"):
        make_direction("age", np.ones(6, np.float32), sigma_w, generator_id="g", num_ws=5, layers=layers)


def test_when_w_does_not_vary_along_a_direction_then_it_is_refused():
    with pytest.raises(GeneratorError, match=r"variance 0\.0"):
        sigma_along(np.array([0.0, 1.0]), np.diag([1.0, 0.0]))
