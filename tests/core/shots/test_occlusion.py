"""What passes before a face is found and kept clear; what does not pass is left to the edit."""

from __future__ import annotations

import numpy as np
import pytest
from lineament.core.shots.occlusion import Maps, covered_share, covers, faded, keep_map

M, FRAMES = 64, 12
Y, X = np.mgrid[0:M, 0:M]
FACE = np.hypot((X - 32) / 24, (Y - 32) / 30) < 1


def face_maps(noise: float = 0.01) -> Maps:
    """A face with features that nods by a pixel, in front of grey."""
    random = np.random.default_rng(0)
    images = np.zeros((FRAMES, 3, M, M), np.float32)
    for row in range(FRAMES):
        skin = 0.3 + 0.1 * np.sin(X / 9) + 0.1 * np.cos((Y + row % 2) / 7)
        images[row] = np.where(FACE, skin, 0.0) + random.normal(0, noise, (M, M))
    soft = np.broadcast_to(FACE.astype(np.float32), (FRAMES, M, M))
    return Maps(images, soft.copy(), soft.copy())


def found_in(maps: Maps) -> np.ndarray:
    return covers(maps, maps.usual())


def post(row: int) -> np.ndarray:
    """An upright bar that passes within the shot."""
    return np.abs(X - (4 + 6 * row)) < 5


def with_post(colour: float, *, is_seen: bool) -> Maps:
    """The same with a bar of a colour; ``is_seen`` by the segmenter or not."""
    maps = face_maps()
    for row in range(FRAMES):
        maps.images[row][:, post(row)] = colour
        if is_seen:
            maps.faces[row][post(row)] = 0.02
    return maps


def test_when_nothing_passes_then_nothing_is_covered() -> None:
    assert not found_in(face_maps()).any()
    assert not found_in(face_maps(noise=0.03)).any()


@pytest.mark.parametrize(("colour", "is_seen"), [(-0.5, True), (-0.5, False), (-0.1, True), (0.9, False)])
def test_when_a_post_passes_then_all_of_it_is_covered_and_little_else(colour: float, is_seen: bool) -> None:
    found = found_in(with_post(colour, is_seen=is_seen))
    passing = np.stack([post(row) & FACE for row in range(FRAMES)])
    whole = passing.sum((1, 2)) > 60
    assert (found & passing)[whole].sum() >= 0.98 * passing[whole].sum()
    assert (found & ~passing & FACE).sum() < 0.1 * FACE.sum() * FRAMES
    keeps = np.stack([keep_map(one) for one in found])
    assert keeps[whole][passing[whole]].max() == 0.0


def test_when_eyes_blink_or_glasses_glint_then_nothing_is_covered() -> None:
    maps = face_maps()
    eyes = (np.abs(Y - 26) < 2) & ((np.abs(X - 22) < 5) | (np.abs(X - 42) < 5))
    maps.images[:, :, eyes] = -0.4
    maps.images[5:8, :, eyes] = 0.3  # closed
    maps.images[3, :, 22:24, 38:46] = 1.0
    assert not found_in(maps).any()


def test_when_the_head_turns_in_its_crop_then_nothing_is_covered() -> None:
    maps = face_maps()
    for row in range(FRAMES):
        shift = round(3 * np.sin(row / 2))
        for stack in (maps.images, maps.faces, maps.persons):
            stack[row] = np.roll(stack[row], shift, axis=-1)
    assert not found_in(maps).any()


def test_when_a_post_rests_before_the_face_for_two_thirds_of_the_shot_then_it_is_not_learnt_as_the_face() -> (
    None
):
    maps, rests = face_maps(), np.abs(X - 30) < 5
    for row in range(FRAMES * 2 // 3):
        maps.images[row][:, rests] = -0.5
        maps.faces[row][rests] = maps.persons[row][rests] = 0.02
    found = found_in(maps)
    assert found[: FRAMES * 2 // 3, rests & FACE].mean() > 0.98
    assert found[FRAMES * 2 // 3 :, FACE].mean() < 0.01


def test_when_a_cover_comes_in_then_its_first_tip_counts_as_what_follows_does() -> None:
    maps = face_maps()
    tip = (np.abs(X - 32) < 3) & (Y > 54)
    hand = (np.abs(X - 32) < 9) & (Y > 30)
    maps.images[5, :, tip] = -0.5
    alone = found_in(maps)
    maps.images[6, :, hand] = -0.5
    followed = found_in(maps)
    assert not alone.any()
    assert followed[5, tip & FACE].mean() > 0.9 and followed[6, hand & FACE].mean() > 0.98


def test_when_the_segmenter_loses_the_face_but_its_picture_stays_then_nothing_is_covered() -> None:
    maps = face_maps()
    maps.faces[5] = 0.0
    assert not found_in(maps)[5].any()


def test_when_a_shot_is_too_short_to_know_the_usual_face_then_nothing_is_covered() -> None:
    maps = with_post(-0.5, is_seen=True)
    short = Maps(maps.images[:4], maps.faces[:4], maps.persons[:4])
    assert not found_in(short).any()


def test_when_a_place_is_covered_then_it_rises_softly_beyond_a_clear_margin() -> None:
    keep = keep_map(np.abs(X - 20) < 4)
    assert (keep[:, 14:27] == 0.0).all() and (keep[:, 34:] == 1.0).all()
    assert (np.diff(keep[30, 26:40]) >= 0.0).all()
    assert (keep_map(np.zeros((M, M), bool)) == 1.0).all()


def test_when_a_cover_appears_at_once_then_the_edit_fades_and_is_never_where_it_was_not() -> None:
    keeps = np.ones((13, 2, 2), np.float32)
    keeps[6] = 0.0
    soft = faded(keeps)[:, 0, 0]
    assert (soft <= keeps[:, 0, 0]).all() and soft[6] == 0.0
    assert np.abs(np.diff(soft)).max() < 0.6 and soft[0] == 1.0


def test_when_half_of_the_face_is_behind_something_then_the_share_says_so() -> None:
    assert covered_share(X < 32, FACE.astype(np.float32)) == pytest.approx(0.5, abs=0.03)
    assert covered_share(X < 32, np.zeros((M, M), np.float32)) == 0.0
