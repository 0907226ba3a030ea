"""Copies are told from other pictures, whatever was done to the file; the first of two stays."""

from __future__ import annotations

import cv2
import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from lineament.core.augment.near import SIDE, signature, twins

MASK = np.ones((96, 96), np.float32)


def face(seed: int) -> np.ndarray:
    """A soft pattern (3, 96, 96) in [-1, 1]."""
    noise = np.random.default_rng(seed).standard_normal((96, 96)).astype(np.float32)
    soft = cv2.GaussianBlur(noise, (0, 0), 6)
    return np.repeat(np.clip(soft / soft.std() * 0.3, -1, 1)[None], 3, axis=0)


def test_when_a_face_is_told_again_then_it_has_the_same_signature() -> None:
    assert signature(face(1), MASK) == signature(face(1).copy(), MASK)
    assert len(signature(face(1), MASK)) == 2 * SIDE**2


def test_when_a_copy_is_noisy_and_brighter_then_it_is_a_twin_of_the_first() -> None:
    noise = 0.03 * np.random.default_rng(9).standard_normal((3, 96, 96)).astype(np.float32)
    told = [signature(one, MASK) for one in (face(1), face(2), face(1) + noise + np.float32(0.05))]
    found = twins(["a", "b", "c"], told, 0.01)
    assert set(found) == {"c"} and found["c"].earlier == "a" and 0.0 < found["c"].distance < 0.01


def test_when_it_only_differs_outside_the_mask_then_it_is_a_twin() -> None:
    mask = MASK.copy()
    mask[:, :48] = 0.0
    changed = face(1)
    changed[:, :, :40] = 1.0
    assert twins(["a", "b"], [signature(face(1), mask), signature(changed, mask)], 0.002)


def test_when_nothing_is_to_be_compared_then_nothing_is_a_twin() -> None:
    told = signature(face(1), MASK)
    assert twins(["a", "b"], [told, told], 0.0) == {}
    assert twins(["a", "b"], ["", ""], 0.1) == {}
    assert twins([], [], 0.1) == {}


def test_when_a_pixel_is_not_a_number_then_there_is_a_signature_all_the_same() -> None:
    hurt = face(1)
    hurt[:, 5, 5] = np.nan
    assert twins(["a", "b"], [signature(face(1), MASK), signature(hurt, MASK)], 0.01)


@given(order=st.permutations(range(4)))
def test_when_there_are_copies_in_any_order_then_one_of_each_stays(order: list[int]) -> None:
    told = [signature(face(index % 2), MASK) for index in order]
    names = [str(index) for index in order]
    found = twins(names, told, 0.002)
    assert len(found) == 2 and names[0] not in found
    assert all(int(name) % 2 == int(twin.earlier) % 2 for name, twin in found.items())
