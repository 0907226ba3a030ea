"""Latents over time: trembling goes, motion stays, and what is hidden comes from its neighbours."""

from __future__ import annotations

import numpy as np
import pytest
from lineament.core.shots import temporal
from lineament.core.shots.temporal import solve


def latents(values: np.ndarray) -> np.ndarray:
    return np.asarray(values, np.float32)[:, None, None] * np.ones((1, 2, 3), np.float32)


@pytest.mark.parametrize("frames", [1, 2, 3, 4, 9])
def test_when_the_bands_are_compared_with_the_whole_matrix_then_they_agree(frames: int) -> None:
    trust = np.random.default_rng(frames).random(frames)
    whole = np.diag(trust)
    for stencil, factor in (((1, -1), temporal.HOLD), ((1, -2, 1), 2.5)):
        for start in range(frames - len(stencil) + 1):
            row = np.zeros(frames)
            row[start : start + len(stencil)] = stencil
            whole += factor * np.outer(row, row)
    bands = temporal._bands(trust, 2.5)
    for step in range(min(3, frames)):
        assert bands[2 - step, step:] == pytest.approx(np.diag(whole, step))


def test_when_a_latent_moves_steadily_then_it_is_left_alone() -> None:
    line = latents(np.linspace(0.0, 3.0, 20))
    assert solve(line, np.ones(20), range(20), 5.0) == pytest.approx(line, abs=1e-4)


def test_when_latents_tremble_then_less_is_left_and_the_more_weight_the_less() -> None:
    noise = latents(np.random.default_rng(0).normal(size=60))
    left = [float(np.diff(solve(noise, np.ones(60), range(60), w)[:, 0, 0]).std()) for w in (0.0, 1.0, 30.0)]
    assert left[2] < 0.5 * left[1] < 0.25 * left[0]


def test_when_a_frame_is_hidden_then_it_comes_from_its_neighbours_at_their_pace() -> None:
    values = np.arange(10.0)
    values[4:7] = 99.0
    confidence = np.ones(10)
    confidence[4:7] = 0.0
    for weight in (0.0, 1.0):
        found = solve(latents(values), confidence, range(10), weight)[:, 0, 0]
        assert found == pytest.approx(np.arange(10.0), abs=1e-3)


def test_when_frames_are_left_out_then_time_is_counted_all_the_same() -> None:
    numbers = [1, 2, 3, 13, 14]
    line = latents(np.array(numbers, float))
    assert solve(line, np.ones(5), numbers, 10.0) == pytest.approx(line, abs=1e-3)


def test_when_nothing_is_weighed_then_every_frame_keeps_its_bits() -> None:
    noise = latents(np.random.default_rng(0).normal(size=6))
    assert (solve(noise, np.ones(6), range(6), 0.0) == noise).all()


def test_when_no_frame_has_confidence_then_it_is_refused() -> None:
    with pytest.raises(ValueError, match="confidence"):
        solve(latents(np.zeros(3)), np.zeros(3), range(3), 1.0)
