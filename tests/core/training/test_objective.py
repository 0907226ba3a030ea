"""The terms of the training: each one is small for the right answer and large for its own kind of wrong one."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from lineament.core.training.batches import Batches, degrade
from lineament.core.training.faces_data import LABEL_NAMES, MIRRORED, FacesData, Pairs
from lineament.core.training.joint_model import JointSettings
from lineament.core.training.objective import (
    Batch,
    code_difference,
    edit_difference,
    moved_codes,
    texture_difference,
    weighted_difference,
)

WEIGHTS = torch.ones(2, 1, 32, 32)


def pictures(seed: int) -> torch.Tensor:
    return torch.rand(2, 3, 32, 32, generator=torch.Generator().manual_seed(seed)) * 2 - 1


def test_when_detail_is_blurred_then_texture_costs_more_than_detail_moved_by_a_pixel() -> None:
    target = pictures(1)
    blurred = torch.nn.functional.avg_pool2d(target, 3, 1, 1)
    moved = target.roll(1, -1)
    assert texture_difference(target, target, WEIGHTS) == 0
    assert texture_difference(blurred, target, WEIGHTS) > 3 * texture_difference(moved, target, WEIGHTS)
    assert weighted_difference(blurred, target, WEIGHTS, 0.0) < weighted_difference(
        moved, target, WEIGHTS, 0.0
    )


def test_when_an_edit_does_nothing_then_it_costs_more_than_the_right_change_on_a_wrong_face() -> None:
    source, target = pictures(1), pictures(1)
    target[:, :, 10:20, 10:20] += 0.5
    drawn = pictures(2)
    right = edit_difference(drawn, drawn + (target - source), source, target, WEIGHTS, 0.5)
    nothing = edit_difference(drawn, drawn, source, target, WEIGHTS, 0.5)
    assert float(right) == pytest.approx(0.0, abs=1e-5)
    assert nothing > 0.1


def test_when_an_edit_leaks_then_it_costs_but_less_than_the_same_error_inside() -> None:
    source, target = pictures(1), pictures(1)
    target[:, :, 8:16, 8:16] += 0.5
    change = target - source
    outside, inside = change.clone(), change.clone()
    outside[:, :, 20:28, 20:28] += 0.2
    inside[:, :, 8:16, 8:16] += 0.2
    leak, wrong = (
        edit_difference(source, source + x, source, target, WEIGHTS, 0.0) for x in (outside, inside)
    )
    assert 0 < leak < wrong


def test_when_codes_step_along_the_direction_then_nothing_is_paid() -> None:
    directions = torch.zeros(4, 5)
    directions[2, 1] = 3.0
    w = torch.zeros(3, 5)
    w[1, 1] = 1.5
    index = torch.tensor([0]), torch.tensor([1])
    batch = Batch(
        pictures(0), pictures(0), WEIGHTS, torch.zeros(3, 4), *index, torch.tensor([2]), torch.tensor([0.5])
    )
    assert torch.equal(moved_codes(w, batch, directions), w[1:2])
    assert code_difference(w, batch, directions) == 0
    assert code_difference(w, replace(batch, delta=torch.tensor([-0.5])), directions) > 0


@pytest.fixture(scope="module")
def data() -> FacesData:
    rng = np.random.default_rng(0)
    labels = rng.standard_normal((40, len(LABEL_NAMES))).astype(np.float32)
    yaw = LABEL_NAMES.index("yaw")
    pairs = Pairs(np.arange(10), np.arange(10, 20), np.full(10, yaw), labels[10:20, yaw] - labels[:10, yaw])
    images = rng.integers(0, 255, (40, 16, 16, 3), dtype=np.uint8)
    return FacesData(
        images, rng.integers(0, 8, (40, 16, 16), dtype=np.uint8), labels,
        np.zeros((40, 64), np.float32), tuple(f"face-{i}" for i in range(40)), held_out=8, pairs=pairs,
    )  # fmt: skip


def test_when_batches_are_made_then_pairs_flip_together_and_signed_labels_turn(data: FacesData) -> None:
    batches = Batches(data, JointSettings(batch=8), torch.device("cpu"))
    column = LABEL_NAMES.index("yaw")
    assert "yaw" in MIRRORED
    for step in range(20):
        batch = batches.at(step)
        assert len(batch.images) == 8 and len(batch.source) == 2
        change = batch.labels[batch.target, column] - batch.labels[batch.source, column]
        assert torch.allclose(change, batch.delta, atol=1e-4)
        assert torch.equal(batch.attribute, torch.full((2,), column))
    assert torch.equal(batches.at(3).images, batches.at(3).images)


def test_when_there_are_no_pairs_then_all_rows_are_independent(data: FacesData) -> None:
    empty = Pairs(*(np.zeros(0, np.int64) for _ in range(3)), np.zeros(0, np.float32))
    batch = Batches(replace(data, pairs=empty), JointSettings(batch=8), torch.device("cpu")).at(0)
    assert len(batch.images) == 8 and not len(batch.source)
    assert code_difference(torch.zeros(8, 5), batch, torch.zeros(len(LABEL_NAMES), 5)) == 0


def test_when_degraded_then_only_the_share_is_changed_and_equal_seeds_agree() -> None:
    clean = torch.zeros(40, 3, 8, 8)
    one, other = (degrade(clean, np.random.default_rng(5), 0.5) for _ in range(2))
    assert torch.equal(one, other)
    changed = (one != 0).flatten(1).any(1).float().mean()
    assert 0.2 < changed < 0.8
