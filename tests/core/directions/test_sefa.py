"""Closed-form factorisation on planted weights and on a real generator."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from lineament.core.directions.sefa import affine_weights, factorise, sefa
from lineament.core.generators.tiny import build_tiny


@pytest.fixture
def planted():
    rng = np.random.default_rng(1)
    left = np.linalg.qr(rng.standard_normal((64, 8)))[0]
    right = np.linalg.qr(rng.standard_normal((8, 8)))[0]
    return left * np.linspace(9, 2, 8) @ right.T, right


def test_when_weights_are_planted_then_their_right_singular_vectors_come_back_in_order(planted):
    weights, right = planted
    found = factorise([weights[:40], weights[40:]], 8, normalise_rows=False)
    assert np.allclose(np.abs(np.sum(found.directions * right.T, axis=1)), 1.0, atol=1e-5)
    assert np.allclose(found.eigenvalues, np.linspace(9, 2, 8) ** 2)


def test_when_rows_are_normalised_then_the_leading_direction_stays_near(planted):
    weights, right = planted
    found = factorise([weights], 8)
    assert abs(float(found.directions[0] @ right[:, 0])) > 0.9
    assert found.eigenvalues.sum() == pytest.approx(64)  # every style counts 1


def test_when_rows_are_scaled_then_normalised_factors_do_not_change(planted):
    weights, _ = planted
    scale = np.random.default_rng(2).uniform(0.1, 10, (64, 1))
    assert np.allclose(
        factorise([weights * scale], 3).directions, factorise([weights], 3).directions, atol=1e-5
    )


def test_when_factorised_then_the_largest_component_is_positive(planted):
    rows = factorise([planted[0]], 8).directions
    assert (rows[np.arange(8), np.abs(rows).argmax(axis=1)] > 0).all()


def test_when_weights_are_read_off_a_generator_then_they_are_its_affine_layers():
    generator = build_tiny()
    first = generator.synthesis.b4.conv1.affine
    weights = affine_weights(generator)
    assert len(weights) == 11  # b4: conv1, torgb; b8, b16, b32: conv0, conv1, torgb
    assert np.allclose(weights[0], (first.weight * first.gain).numpy(), atol=1e-5)


def test_when_biases_change_then_factors_do_not():
    generator = build_tiny()
    before = sefa(generator, 3).directions
    with torch.no_grad():
        generator.synthesis.b4.conv1.affine.bias.add_(2.0)
    assert np.allclose(sefa(generator, 3).directions, before, atol=1e-4)


def test_when_layers_are_chosen_then_only_the_styles_they_drive_take_part():
    generator = build_tiny()
    assert len(affine_weights(generator, (0, 1))) == 1  # row 0 drives conv1 of the first block alone
    assert len(affine_weights(generator, (1, 2))) == 2  # row 1: its torgb, and conv0 of the next
