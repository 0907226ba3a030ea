"""Tracks: read exactly, interpolate and say so, and refuse what is broken."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from lineament.core.errors import FaceError
from lineament.core.faces.base import LANDMARK_NAMES
from lineament.core.faces.track import Track, TrackLocator, read_track
from lineament.core.frame import Window

POINTS = {
    "eye_l": [60.0, 40.0],
    "eye_r": [40.0, 40.0],
    "nose": [50.0, 50.0],
    "mouth_l": [57.0, 60.0],
    "mouth_r": [43.0, 60.0],
    "chin": [50.0, 72.0],
}
PICTURE = np.zeros((100, 120, 3), np.float32)


def track_data() -> dict[str, Any]:
    def moved(by: float) -> dict[str, list[float]]:
        return {name: [x + by, y] for name, (x, y) in POINTS.items()}

    frames = [{"frame": 10, **moved(0)}, {"frame": 14, **moved(8)}, {"frame": 15, **moved(400)}]
    return {"size": [120, 100], "frames": frames}


@pytest.fixture
def a_locator(tmp_path: Path) -> TrackLocator:
    return locator_of(track_data(), tmp_path)


def locator_of(data: Any, folder: Path) -> TrackLocator:
    path = folder / "track.json"
    path.write_text(json.dumps(data))
    return TrackLocator.from_file(path)


def test_when_frame_is_tracked_then_its_landmarks_come_back_in_order(a_locator: TrackLocator) -> None:
    (face,) = a_locator.locate(PICTURE, 10)
    np.testing.assert_array_equal(face.landmarks, [POINTS[name] for name in LANDMARK_NAMES])
    assert (face.source, face.score) == ("track", 1.0)


def test_when_frame_is_missing_inside_then_it_is_interpolated_and_flagged(a_locator: TrackLocator) -> None:
    (face,) = a_locator.locate(PICTURE, 11)
    assert face.landmarks[0, 0] == pytest.approx(62.0)
    assert "interpolated" in face.source
    assert face.score < 1.0


@pytest.mark.parametrize("number", [9, 16, -5])
def test_when_frame_is_outside_then_the_error_names_the_range(a_locator: TrackLocator, number: int) -> None:
    with pytest.raises(FaceError, match=rf"Frame {number} is outside the track, which covers 10 to 15"):
        a_locator.locate(PICTURE, number)


def test_when_face_has_left_the_picture_then_the_error_says_where_it_is(a_locator: TrackLocator) -> None:
    with pytest.raises(FaceError, match="left the picture in frame 15"):
        a_locator.locate(PICTURE, 15)


def test_when_picture_is_a_proxy_then_landmarks_are_scaled(a_locator: TrackLocator) -> None:
    (face,) = a_locator.locate(np.zeros((50, 60, 3), np.float32), 10)
    np.testing.assert_allclose(face.landmarks[0], (30.0, 20.0))


@pytest.mark.parametrize("proxy", [1.0, 0.5], ids=["full", "half"])
@pytest.mark.parametrize("is_squeezed", [True, False], ids=["plate pixels", "square pixels"])
def test_when_plate_is_anamorphic_then_tracks_of_every_proxy_meet(proxy: float, is_squeezed: bool) -> None:
    in_plate = np.array([POINTS[name] for name in LANDMARK_NAMES])
    stretch = np.array([proxy if is_squeezed else 2.0 * proxy, proxy])
    width, height = np.array([120.0, 100.0]) * stretch
    locator = TrackLocator(Track((width, height), {10: in_plate * stretch}))
    window = Window(0, 0, 120, 100)
    (face,) = locator.locate_in(window, window, 2.0, 10)
    np.testing.assert_allclose(face.landmarks, in_plate)


def test_when_square_plate_is_given_a_stretched_track_then_it_is_another_plate(
    a_locator: TrackLocator,
) -> None:
    with pytest.raises(FaceError, match="120 x 100 pixels, this one has 240 x 100"):
        a_locator.locate(np.zeros((100, 240, 3), np.float32), 10)


def test_when_picture_has_another_aspect_then_it_is_another_plate(a_locator: TrackLocator) -> None:
    with pytest.raises(FaceError, match="120 x 100 pixels, this one has 90 x 60"):
        a_locator.locate(np.zeros((60, 90, 3), np.float32), 10)


def test_when_data_window_starts_elsewhere_then_its_origin_is_taken_off(a_locator: TrackLocator) -> None:
    (face,) = a_locator.locate_in(Window(7, 7, 127, 107), Window(-3, 12, 137, 122), 1.0, 10)
    np.testing.assert_allclose(face.landmarks[0], (70.0, 35.0))


def test_when_face_is_in_the_overscan_then_it_is_met(a_locator: TrackLocator) -> None:
    (face,) = a_locator.locate_in(Window(0, 0, 120, 100), Window(-20, 0, 600, 100), 1.0, 15)
    np.testing.assert_allclose(face.landmarks[0], (480.0, 40.0))


def test_when_face_is_outside_a_cropped_data_window_then_the_error_says_where_it_is(
    a_locator: TrackLocator,
) -> None:
    with pytest.raises(FaceError, match=r"left the picture in frame 10.*\(-22, 54\) of 40 x 100"):
        a_locator.locate_in(Window(0, 0, 120, 100), Window(72, 0, 112, 100), 1.0, 10)


def test_when_frames_carry_transforms_then_the_reference_is_moved(tmp_path: Path) -> None:
    shift = [[1, 0, 5], [0, 1, -3], [0, 0, 1]]
    projective = [[2, 0, 0], [0, 2, 0], [0, 0, 2]]
    frames = [{"frame": 1, "transform": shift}, {"frame": 2, "transform": projective}]
    locator = locator_of({"size": [120, 100], "reference": POINTS, "frames": frames}, tmp_path)
    (shifted,), (same,) = locator.locate(PICTURE, 1), locator.locate(PICTURE, 2)
    np.testing.assert_allclose(shifted.landmarks[0], (65.0, 37.0))
    np.testing.assert_allclose(same.landmarks[0], (60.0, 40.0))


def damaged() -> dict[str, Any]:
    def change(edit: Any) -> Any:
        data = copy.deepcopy(track_data())
        edit(data)
        return data

    return {
        "not an object": [1, 2],
        "no frames": {"size": [1, 1]},
        "empty frames": {"size": [1, 1], "frames": []},
        "no size": change(lambda d: d.pop("size")),
        "negative size": change(lambda d: d.update(size=[-4, 5])),
        "frame is text": change(lambda d: d["frames"][0].update(frame="10")),
        "frame is true": change(lambda d: d["frames"][0].update(frame=True)),
        "entry is a number": change(lambda d: d["frames"].append(7)),
        "frame twice": change(lambda d: d["frames"].append(dict(d["frames"][0]))),
        "landmark missing": change(lambda d: d["frames"][1].pop("chin")),
        "landmark of three": change(lambda d: d["frames"][1].update(chin=[1, 2, 3])),
        "landmark is text": change(lambda d: d["frames"][1].update(chin=["a", "b"])),
        "landmark is nan": change(lambda d: d["frames"][1].update(chin=[float("nan"), 1])),
        "transform alone": change(lambda d: d["frames"][1].update(transform=np.eye(3).tolist())),
        "transform of four": {
            "size": [9, 9],
            "reference": POINTS,
            "frames": [{"frame": 1, "transform": [1] * 4}],
        },
        "behind the camera": {
            "size": [9, 9],
            "reference": POINTS,
            "frames": [{"frame": 1, "transform": [[1, 0, 0], [0, 1, 0], [0, 0, -1]]}],
        },
    }


@pytest.mark.parametrize("case", damaged())
def test_when_track_is_broken_then_face_error_names_the_file(case: str, tmp_path: Path) -> None:
    with pytest.raises(FaceError, match=r"track\.json"):
        locator_of(damaged()[case], tmp_path)


@pytest.mark.parametrize("content", [b"", b"{", b"\xff\xfe\x00", b"[" * 100_000, b"nonsense"])
def test_when_file_is_not_json_then_face_error(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "track.json"
    path.write_bytes(content)
    with pytest.raises(FaceError, match="track file"):
        read_track(path)


def test_when_file_is_missing_then_face_error(tmp_path: Path) -> None:
    with pytest.raises(FaceError, match="cannot be read"):
        read_track(tmp_path / "absent.json")


def test_when_the_sample_shot_is_read_then_all_frames_are_tracked(shared_data: Path) -> None:
    track: Track = read_track(shared_data / "shot_a" / "track.json")
    assert sorted(track.landmarks) == list(range(1001, 1009))
    assert track.size == (512.0, 512.0)
    assert track.at(1001)[0][0, 0] == pytest.approx(264.5138683262743)
