"""Which face is which: chosen once, followed by overlap, never swapped for another."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from lineament.core.errors import FaceError
from lineament.core.faces.base import Face
from lineament.core.faces.track import Track, TrackLocator
from lineament.core.frame import Window
from lineament.core.shots.shot import FaceChoice
from lineament.core.shots.tracking import Look, face_box, follow, overlap

SHAPE = np.array([(0.62, 0.42), (0.38, 0.42), (0.5, 0.56), (0.6, 0.7), (0.4, 0.7), (0.5, 0.86)])
WINDOW = Window(0, 0, 200, 100)


def face(x: float, size: float = 40.0) -> Face:
    return Face(SHAPE * size + (x, 10.0), 1.0, "test")


def looks(*frames: tuple[Face, ...], first: int = 1001) -> list[Look]:
    return [Look(first + i, first + i, faces, WINDOW, WINDOW) for i, faces in enumerate(frames)]


def middles(found: list[Face | None]) -> list[float | None]:
    return [None if one is None else round(float(one.landmarks[:, 0].mean()) - 20.0, 1) for one in found]


def test_when_two_faces_change_their_order_then_the_chosen_one_is_kept() -> None:
    shot = looks(
        *(((face(100, 42), face(10, 40)) if n % 2 else (face(10, 44), face(100, 42))) for n in range(6))
    )
    assert all(x is not None and x < 50 for x in middles(follow(shot, FaceChoice(index=0))))
    assert all(x is not None and x > 50 for x in middles(follow(shot, FaceChoice(index=1))))


def test_when_the_face_is_lost_then_no_other_takes_its_place_and_it_is_taken_up_again() -> None:
    shot = looks((face(10), face(100)), (face(100),), (face(100),), (face(100), face(14)))
    assert middles(follow(shot, FaceChoice(index=0))) == [10.0, None, None, 14.0]


def test_when_the_face_moves_fast_then_its_motion_is_continued() -> None:
    shot = looks(*((face(10 + 14 * n),) for n in range(10)))
    assert None not in follow(shot, FaceChoice())


def test_when_the_first_frames_show_too_few_then_the_choice_is_made_later_and_followed_back() -> None:
    shot = looks((face(100),), (face(100),), (face(10, 50), face(100)))
    assert middles(follow(shot, FaceChoice(index=1))) == [100.0, 100.0, 100.0]


def test_when_a_box_is_drawn_on_a_frame_then_that_face_is_followed_both_ways() -> None:
    shot = looks((face(10), face(100)), (face(10), face(100)), (face(100), face(10)))
    choice = FaceChoice(box=(90.0, 0.0, 190.0, 100.0), box_frame=1002)
    assert middles(follow(shot, choice)) == [100.0, 100.0, 100.0]


def test_when_the_data_window_begins_elsewhere_then_the_box_still_speaks_of_the_picture() -> None:
    data = Window(-50, 0, 150, 100)
    shot = [Look(1, 1, (face(60),), data, Window(0, 0, 100, 100))]
    assert follow(shot, FaceChoice(box=(0.0, 0.0, 60.0, 100.0)))[0] is not None
    with pytest.raises(FaceError, match="box"):
        follow(shot, FaceChoice(box=(70.0, 0.0, 99.0, 100.0)))


def test_when_no_frame_shows_the_chosen_face_then_it_says_how_many_there_are() -> None:
    with pytest.raises(FaceError, match="the most faces seen in one frame are 1"):
        follow(looks((face(10),), ()), FaceChoice(index=2))


def test_when_there_is_a_track_then_frames_outside_it_have_no_face(tmp_path: Path) -> None:
    track = Track((200.0, 100.0), {1002: SHAPE * 40.0, 1003: SHAPE * 40.0 + 2.0}, "t.json")
    found = follow(looks((), (), (), ()), FaceChoice(track="t.json"), TrackLocator(track))
    assert [one is not None for one in found] == [False, True, True, False]


def test_when_boxes_are_apart_then_widening_brings_them_together() -> None:
    one, other = face_box(face(0).landmarks), face_box(face(40).landmarks)
    assert overlap(one, other) == 0.0 < overlap(one, other, 0.8) <= 1.0
    assert overlap(one, one) == pytest.approx(1.0)
