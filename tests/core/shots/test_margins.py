"""The surroundings of a face: left alone while something reaches the border of what the analysis saw."""

from __future__ import annotations

import numpy as np
import pytest
from lineament.core.faces.base import Alignment, Surround
from lineament.core.frame import Window
from lineament.core.shots.analysis import FaceAnalysis, FaceTrack
from lineament.core.shots.margins import FAR, NEAR, kept_around

FRAMES, MAP = 40, 16
AROUND = Surround(48, (8, 4, 8, 12))
SQUARE = Alignment(32, 0.62, 0.32)
PLATE = Window(0, 0, 400, 300)
POINTS = np.array([(0.62, 0.42), (0.38, 0.42), (0.5, 0.56), (0.6, 0.7), (0.4, 0.7), (0.5, 0.86)])


def face(where: tuple[float, float] = (100.0, 60.0)) -> FaceAnalysis:
    """A face that stands still, and nothing before it."""
    landmarks = np.repeat((POINTS * 200.0 + where)[None], FRAMES, 0)
    track = FaceTrack(("found",) * FRAMES, landmarks, np.ones(FRAMES))
    maps = np.ones((FRAMES, MAP, MAP), np.float16)
    latents = np.zeros((FRAMES, 4, 8), np.float32)
    return FaceAnalysis("main", track, 1.0, latents, maps, maps.copy(), np.zeros(FRAMES))


def outside(kept: np.ndarray) -> np.ndarray:
    """The margins alone."""
    apart = np.ones(kept.shape[1:], bool)
    apart[AROUND.inside] = False
    return kept[0][apart]


def test_when_nothing_hides_the_face_then_its_surroundings_may_be_edited() -> None:
    assert (kept_around(face(), 5, AROUND, SQUARE, PLATE, 1.0) == 1.0).all()


def test_when_something_reaches_the_border_then_the_surroundings_are_left_alone_before_and_after() -> None:
    one = face()
    one.keeps[20, 12:, 5:8] = 0.0  # an arm from below
    shares = [
        float(outside(kept_around(one, row, AROUND, SQUARE, PLATE, 1.0)).max()) for row in range(FRAMES)
    ]
    assert all(share == 0.0 for share in shares[20 - NEAR : 20 + NEAR + 1])
    assert all(0.0 < share < 1.0 for share in shares[20 - FAR + 1 : 20 - NEAR])
    assert shares[20 - NEAR - 3 : 20 - NEAR] == sorted(shares[20 - NEAR - 3 : 20 - NEAR], reverse=True)
    assert all(share == 1.0 for share in (*shares[: 20 - FAR + 1], *shares[20 + FAR :]))
    beside = kept_around(one, 21, AROUND, SQUARE, PLATE, 1.0)[0][AROUND.inside]
    assert beside[0].max() < 0.05 and beside[16, 16] == 1.0  # it fades to the border, as without surroundings


def test_when_a_cover_lies_within_the_face_then_it_is_known_and_the_surroundings_stay() -> None:
    one = face()
    one.keeps[20, 6:9, 6:9] = 0.0
    kept = kept_around(one, 20, AROUND, SQUARE, PLATE, 1.0)
    assert (outside(kept) == 1.0).all() and kept.min() == 0.0


def test_when_single_pixels_at_the_border_are_not_finite_then_they_hide_nothing() -> None:
    one = face()
    maps = np.ones((FRAMES, 64, 64), np.float16)
    one = FaceAnalysis("main", one.track, 1.0, one.latents, maps, maps.copy(), one.covered)
    one.keeps[20, 30:34, 62:] = 0.0
    assert (outside(kept_around(one, 20, AROUND, SQUARE, PLATE, 1.0)) == 1.0).all()
    one.keeps[20, 25:40, 58:] = 0.0  # the least that a cover and what is kept clear around it take
    assert (outside(kept_around(one, 20, AROUND, SQUARE, PLATE, 1.0)) == 0.0).all()


def test_when_the_square_leaves_the_plate_then_that_hides_nothing() -> None:
    one = face((-60.0, 60.0))
    one.keeps[:, :, :4] = 0.0  # what the analysis says of crop pixels outside the plate
    assert (outside(kept_around(one, 20, AROUND, SQUARE, PLATE, 1.0)) == 1.0).all()
    one.keeps[20, 12:, 9:12] = 0.0
    assert (outside(kept_around(one, 20, AROUND, SQUARE, PLATE, 1.0)) == 0.0).all()


@pytest.mark.parametrize("aspect", [0.5, 2.0])
def test_when_pixels_are_not_square_then_the_plate_ends_where_it_does(aspect: float) -> None:
    one = face()
    one.track.landmarks[..., 0] /= aspect
    one.keeps[20, 12:, 5:8] = 0.0
    window = Window(0, 0, round(400 / aspect), 300)
    assert (outside(kept_around(one, 20, AROUND, SQUARE, window, aspect)) == 0.0).all()


def test_when_frames_miss_the_face_then_they_hide_nothing() -> None:
    one = face()
    one.keeps[10:15] = 0.0
    one.track.landmarks[10:15] = np.nan
    track = FaceTrack(
        tuple("missing" if 10 <= row < 15 else "found" for row in range(FRAMES)),
        one.track.landmarks,
        one.track.scores,
    )
    one = FaceAnalysis("main", track, 1.0, one.latents, one.mattes, one.keeps, one.covered)
    assert (kept_around(one, 16, AROUND, SQUARE, PLATE, 1.0) == 1.0).all()


def test_when_a_refiner_has_no_margins_then_the_map_is_the_analysis_own() -> None:
    one = face()
    one.keeps[20, 12:, 5:8] = 0.0
    kept = kept_around(one, 20, Surround(32), SQUARE, PLATE, 1.0)
    assert kept.shape == (1, 32, 32) and kept[0, 31, 12] == 0.0 and kept[0, 0, 0] == 1.0
