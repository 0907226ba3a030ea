"""The embedded locator and segmenter: what they find, what they leave alone, and what they survive."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
import torch
from lineament.core.errors import GeneratorError
from lineament.core.faces.align import square_from_landmarks, transform_points
from lineament.core.faces.base import Alignment
from lineament.core.faces.crop import crop_plate
from lineament.core.faces.nets import LandmarkNet, MatteNet, ScanNet
from lineament.core.faces.network import NetworkLocator, Segmenter
from lineament.core.training import locator_metrics as metrics
from lineament.core.training.locator_samples import FaceSet

TIGHT = Alignment(64, 0.62, 0.32)


def untrained(**networks: torch.nn.Module) -> dict[str, torch.Tensor]:
    torch.manual_seed(4)
    return {
        f"{name}.{key}": value
        for name, net in networks.items()
        for key, value in net.state_dict().items()
        if not key.endswith("num_batches_tracked")
    }


def pasted(
    faces: FaceSet, *places: tuple[int, int, int, int], size: tuple[int, int] = (360, 640)
) -> np.ndarray:
    """A grey picture with renders at (index, x, y, side)."""
    picture = np.full((*size, 3), 0.4, np.float32)
    for index, x, y, side in places:
        face = cv2.resize(faces.pictures[index], (side, side), interpolation=cv2.INTER_AREA) / np.float32(255)
        x0, y0, x1, y1 = max(x, 0), max(y, 0), min(x + side, size[1]), min(y + side, size[0])
        picture[y0:y1, x0:x1] = face[y0 - y : y1 - y, x0 - x : x1 - x]
    return picture


def truth(faces: FaceSet, index: int, x: int, y: int, side: int) -> np.ndarray:
    return faces.landmarks[index] * (side / 128) + (x, y)


ODD_PICTURES = {
    "one pixel": np.full((1, 1, 3), 0.5, np.float32),
    "one row": np.zeros((1, 700, 3), np.float32),
    "narrow": np.full((3000, 3, 3), 0.2, np.float32),
    "wide": np.random.default_rng(0).random((4, 2500, 3), np.float32),
    "tiny": np.random.default_rng(0).random((9, 7, 3), np.float32),
    "black": np.zeros((120, 160, 3), np.float32),
    "white": np.ones((120, 160, 3), np.float32),
    "all nan": np.full((90, 90, 3), np.nan, np.float32),
    "infinite": np.full((90, 90, 3), np.inf, np.float32),
    "far out of range": np.full((90, 90, 3), -1e30, np.float32),
}


@pytest.mark.parametrize("name", ODD_PICTURES)
def test_when_picture_is_odd_then_no_face_is_found(name: str, locator: NetworkLocator) -> None:
    assert locator.locate(ODD_PICTURES[name], 1) == ()


@pytest.mark.parametrize("name", ["tiny", "narrow", "wide", "all nan"])
def test_when_networks_answer_nonsense_then_nothing_breaks(name: str) -> None:
    locator = NetworkLocator(untrained(scan=ScanNet(), landmark=LandmarkNet()), min_score=0.0)
    for face in locator.locate(ODD_PICTURES[name], 1):
        assert np.isfinite(face.landmarks).all()


def test_when_picture_is_not_rgb_then_value_error(locator: NetworkLocator) -> None:
    with pytest.raises(ValueError, match=r"expected \(H, W, 3\)"):
        locator.locate(np.zeros((20, 20), np.float32), 1)


@pytest.mark.parametrize(("index", "side"), [(1, 64), (5, 128), (9, 220), (22, 340)])
def test_when_a_face_is_there_then_eyes_and_mouth_are_found(
    index: int, side: int, locator: NetworkLocator, renders: FaceSet
) -> None:
    place = (index, 170, 10, side)
    (face,) = locator.locate(pasted(renders, place), 1)
    errors = metrics.landmark_errors((face,), truth(renders, *place))
    assert errors is not None
    assert errors[[0, 1, 3, 4]].mean() < 12.0
    assert face.source == "network"
    assert locator.min_score <= face.score <= 1.0


def test_when_several_faces_are_there_then_the_largest_comes_first(
    locator: NetworkLocator, renders: FaceSet
) -> None:
    places = [(9, 10, 150, 100), (22, 380, 60, 230), (5, 170, 20, 150)]
    found = locator.locate(pasted(renders, *places), 1)
    by_size = sorted(places, key=lambda place: -place[3])
    assert len(found) == 3
    for face, place in zip(found, by_size, strict=True):
        assert np.linalg.norm(face.landmarks.mean(0) - truth(renders, *place).mean(0)) < 0.1 * place[3]


def test_when_face_hangs_over_the_edge_but_its_centre_is_inside_then_it_is_found(
    locator: NetworkLocator, renders: FaceSet
) -> None:
    place = (9, -50, 60, 240)
    found = locator.locate(pasted(renders, place), 1)
    assert len(found) == 1
    assert np.linalg.norm(found[0].landmarks.mean(0) - truth(renders, *place).mean(0)) < 25


def test_when_face_has_left_the_picture_then_nothing_is_found(
    locator: NetworkLocator, renders: FaceSet
) -> None:
    assert locator.locate(pasted(renders, (9, -210, 60, 240)), 1) == ()


def test_when_face_is_smaller_than_asked_then_it_is_left_out(
    locator: NetworkLocator, renders: FaceSet
) -> None:
    picture = pasted(renders, (9, 200, 60, 120))
    (face,) = locator.locate(picture, 1)
    locator.min_interocular_px, usual = face.interocular_px + 1, locator.min_interocular_px
    try:
        assert locator.locate(picture, 1) == ()
    finally:
        locator.min_interocular_px = usual


def test_when_the_same_picture_is_shown_twice_then_the_answer_is_bit_equal(
    locator: NetworkLocator, renders: FaceSet
) -> None:
    picture = pasted(renders, (9, 200, 60, 200))
    one, other = locator.locate(picture, 1), locator.locate(picture.copy(), 2)
    np.testing.assert_array_equal(one[0].landmarks, other[0].landmarks)


def test_when_picture_is_moved_by_whole_pixels_then_the_square_follows(
    locator: NetworkLocator, renders: FaceSet
) -> None:
    (one,) = locator.locate(pasted(renders, (9, 200, 60, 200)), 1)
    (other,) = locator.locate(pasted(renders, (9, 213, 53, 200)), 1)
    corners = np.array([(0.0, 0.0), (64.0, 64.0)])
    before, after = (
        transform_points(square_from_landmarks(face.landmarks, TIGHT), corners) for face in (one, other)
    )
    np.testing.assert_allclose(after - before, [(13, -7), (13, -7)], atol=3.0)


def test_when_the_sample_shot_is_shown_then_the_track_is_met(locator: NetworkLocator, shared_data) -> None:
    figures = metrics.measure_locator(locator, metrics.shot_scenes(shared_data / "shot_a")[::4])
    assert figures["detected"] == 1.0
    assert figures["false_positives"] == 0.0
    assert figures["error_eyes_and_mouth_mean_pct"] < 10.0


def test_when_textures_have_no_face_then_few_are_reported(
    locator: NetworkLocator, renders: FaceSet, rng: np.random.Generator
) -> None:
    figures = metrics.measure_locator(locator, metrics.textures(rng, renders, 4))
    assert figures["false_positives"] <= 1.0


def test_when_weights_do_not_fit_then_the_error_names_the_network() -> None:
    tensors = untrained(scan=ScanNet(), landmark=LandmarkNet())
    del tensors["landmark.face.bias"]
    with pytest.raises(GeneratorError, match="landmark"):
        NetworkLocator(tensors)


def a_crop(faces: FaceSet, index: int, resolution: int = 64) -> np.ndarray:
    square = square_from_landmarks(faces.landmarks[index], Alignment(resolution, 0.62, 0.32))
    image, _ = crop_plate(faces.pictures[index] / np.float32(255), square, resolution)
    return image * 2 - 1


def test_when_crops_are_separated_then_regions_overlap_the_truth(
    segmenter: Segmenter, renders: FaceSet
) -> None:
    figures = metrics.measure_segmenter(segmenter, renders, 20, seed=1)
    assert figures["iou_person"] > 0.85
    assert figures["iou_face"] > 0.85


@pytest.mark.parametrize("resolution", [32, 64, 200])
def test_when_crop_has_any_size_then_regions_have_it_too(
    resolution: int, segmenter: Segmenter, renders: FaceSet
) -> None:
    for region in segmenter.matte(a_crop(renders, 3, resolution)):
        assert region.shape == (1, resolution, resolution)
        assert region.dtype == np.float32
        assert 0.0 <= region.min() <= region.max() <= 1.0


def test_when_crop_is_larger_then_the_matte_does_not_shift(segmenter: Segmenter, renders: FaceSet) -> None:
    small, large = (segmenter.matte(a_crop(renders, 3, size))[0][0] for size in (64, 256))
    reduced = cv2.resize(large, (64, 64), interpolation=cv2.INTER_AREA)
    assert np.abs(reduced - small).mean() < 0.03


def test_when_crop_is_nan_then_the_matte_is_finite(segmenter: Segmenter) -> None:
    person, _, _ = segmenter.matte(np.full((3, 64, 64), np.nan, np.float32))
    assert np.isfinite(person).all()


def test_when_crop_is_not_square_then_value_error() -> None:
    with pytest.raises(ValueError, match=r"expected \(3, R, R\)"):
        Segmenter(untrained(matte=MatteNet())).matte(np.zeros((3, 8, 9), np.float32))
