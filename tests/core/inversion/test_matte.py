"""What an inverter may look at."""

from __future__ import annotations

import numpy as np
import pytest
from lineament.core.errors import FaceError
from lineament.core.inversion.matte import input_image, pixel_weight

SIZE = 8


@pytest.fixture
def a_picture():
    return np.random.default_rng(0).uniform(0.2, 0.9, (3, SIZE, SIZE)).astype(np.float32)


@pytest.fixture
def half():
    matte = np.zeros((1, SIZE, SIZE), np.float32)
    matte[:, :, : SIZE // 2] = 1
    return matte


def test_when_matted_then_the_background_is_grey_and_the_person_untouched(crop_from, a_picture, half):
    image = input_image(crop_from(a_picture, matte=half), SIZE, matte=True)
    assert np.array_equal(image[:, :, :4], a_picture[:, :, :4])
    assert not image[:, :, 4:].any()


def test_when_the_model_was_not_matted_then_the_background_stays(crop_from, a_picture, half):
    assert np.array_equal(input_image(crop_from(a_picture, matte=half), SIZE, matte=False), a_picture)


def test_when_the_plate_ends_or_has_no_number_then_those_pixels_are_grey_and_weigh_nothing(
    crop_from, a_picture, half
):
    a_picture[1, 0, 7] = np.nan
    a_picture[2, 7, 7] = np.inf
    crop = crop_from(a_picture, valid=half.transpose(0, 2, 1))
    image, weight = input_image(crop, SIZE, matte=False), pixel_weight(crop, 0)[0, 0].numpy()
    assert np.isfinite(image).all()
    assert not image[:, 0, 7].any()
    assert not image[:, 4:].any()
    assert weight[0, 7] == 0
    assert weight[:4].sum() == 4 * SIZE - 1
    assert not weight[4:].any()


def test_when_eroded_then_the_matte_draws_in_by_so_many_pixels(crop_from, a_picture, half):
    weight = pixel_weight(crop_from(a_picture, matte=half), 2)[0, 0].numpy()
    assert weight[:, :2].all()
    assert not weight[:, 2:].any()


@pytest.mark.parametrize("what", ["valid", "image"])
def test_when_no_pixel_is_usable_then_it_is_a_face_error(crop_from, a_picture, half, what):
    crop = (
        crop_from(a_picture * np.float32(np.nan)) if what == "image" else crop_from(a_picture, valid=0 * half)
    )
    with pytest.raises(FaceError, match="no usable pixel"):
        input_image(crop, SIZE, matte=False)


def test_when_erosion_eats_the_whole_matte_then_it_is_a_face_error(crop_from, a_picture, half):
    with pytest.raises(FaceError, match="leaves no pixel"):
        pixel_weight(crop_from(a_picture, matte=half), 4)
