"""Every term of the fit against a number worked out by hand."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from lineament.core.inversion.loss import (
    WStatistics,
    feature_distance,
    gradient_l1,
    mahalanobis_hinge,
    noise_autocorrelation,
    pyramid_l1,
    start_prior,
)

ONES = torch.ones(1, 1, 8, 8)


@pytest.fixture
def pair():
    random = torch.Generator().manual_seed(0)
    return torch.rand(1, 3, 8, 8, generator=random), torch.rand(1, 3, 8, 8, generator=random)


def test_when_pictures_differ_by_a_constant_then_every_pyramid_level_sees_it(pair):
    loss = pyramid_l1(pair[0] + 0.25, pair[0], ONES, (1.0, 0.7, 0.3))
    assert float(loss) == pytest.approx(0.25 * 2.0, rel=1e-5)
    assert float(gradient_l1(pair[0] + 0.25, pair[0], ONES)) == pytest.approx(0, abs=1e-6)


def test_when_a_ramp_is_added_then_the_gradient_term_is_its_slope(pair):
    ramp = 0.1 * torch.arange(8.0)[None, None, None, :]
    assert float(gradient_l1(pair[0] + ramp, pair[0], ONES)) == pytest.approx(0.1, rel=1e-4)


@pytest.mark.parametrize("term", ["pyramid", "gradient", "features"])
def test_when_pixels_weigh_nothing_then_what_they_hold_does_not_matter(pair, term):
    weight = ONES.clone()
    weight[..., 4:] = 0
    changed = pair[0].clone()
    changed[..., 4:] += 5
    # a change in two neighbouring columns of weight 0 reaches no term, whatever its pyramid level
    compute = {
        "pyramid": lambda image: pyramid_l1(image, pair[1], weight, (1.0, 0.7)),
        "gradient": lambda image: gradient_l1(image, pair[1], weight),
        "features": lambda image: feature_distance([image], [pair[1]], weight),
    }[term]
    assert float(compute(changed)) == pytest.approx(float(compute(pair[0])), rel=1e-5)


def test_when_features_are_only_scaled_then_their_distance_is_zero(pair):
    assert float(feature_distance([3 * pair[0]], [pair[0]], ONES)) == pytest.approx(0, abs=1e-6)
    assert float(feature_distance([-pair[0]], [pair[0]], ONES)) == pytest.approx(4, rel=1e-4)


def test_when_feature_maps_are_smaller_then_the_weight_is_brought_to_their_size(pair):
    small = torch.ones(1, 2, 2, 2)
    turned = small.clone()
    turned[:, 0, :, 1] = -1  # squared distance 2 in the right half
    weight = ONES.clone()
    weight[..., 4:] = 0
    assert float(feature_distance([turned], [small], ONES)) == pytest.approx(1.0, rel=1e-4)
    assert float(feature_distance([turned], [small], weight)) == pytest.approx(0.0, abs=1e-6)


def test_when_every_number_is_one_sigma_away_then_the_prior_is_a_half():
    start = torch.zeros(1, 4, 5)
    assert float(start_prior(start + 0.3, start, 0.3)) == pytest.approx(0.5)


def test_when_latents_are_typical_then_the_hinge_is_silent_and_beyond_it_pulls():
    w = np.random.default_rng(0).multivariate_normal(np.ones(16), np.diag(np.linspace(1, 3, 16)), 4000)
    statistics = WStatistics.from_samples(w)
    mean = torch.from_numpy(statistics.mean)
    whitener = torch.from_numpy(statistics.whitener())
    rows = torch.from_numpy(w[None, :200])
    assert float(mahalanobis_hinge(rows, mean, whitener, 1.7)) == 0
    far = mean + 3 * (rows - mean)
    assert float(mahalanobis_hinge(far, mean, whitener, 1.5)) == pytest.approx(1.5**2, rel=0.2)


def test_when_whitened_then_samples_have_about_unit_variance():
    root = np.random.default_rng(1).standard_normal((6, 6))
    w = np.random.default_rng(0).standard_normal((5000, 6)) @ root.T
    statistics = WStatistics.from_samples(w)
    white = (w - statistics.mean) @ statistics.whitener()
    values = np.linalg.eigvalsh(np.cov(white, rowvar=False))
    assert values.max() < 1.1
    assert np.mean(values) > 0.6  # axes of hardly any variance are held back by the shrinkage
    assert statistics.sigma == pytest.approx(np.sqrt(np.trace(np.cov(w, rowvar=False)) / 6))


def test_when_statistics_go_through_tensors_then_they_come_back():
    statistics = WStatistics(np.arange(3.0), np.diag([1.0, 2.0, 3.0]))
    tensors = {
        "mean": torch.from_numpy(statistics.mean),
        "covariance": torch.from_numpy(statistics.covariance),
    }
    again = WStatistics.from_tensors(tensors)
    assert np.array_equal(again.mean, statistics.mean)
    assert np.array_equal(again.covariance, statistics.covariance)


def test_when_noise_is_white_then_its_autocorrelation_is_small_and_a_picture_s_is_not():
    white = torch.randn(32, 32, generator=torch.Generator().manual_seed(0))
    smooth = torch.linspace(-1.7, 1.7, 32)[:, None].expand(32, 32)
    assert float(noise_autocorrelation([white])) < 0.2
    assert float(noise_autocorrelation([smooth])) > 1.0
