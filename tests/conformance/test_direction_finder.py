"""What every direction method promises. A new one in FINDERS has these tests by itself."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from lineament.core.directions.base import LabelledLatents
from lineament.core.directions.finders import FINDERS
from lineament.core.errors import DataError, RecipeError

LABEL_BLIND = {"random_direction"}
"""Null rows: they must not look at labels."""

SIGHTED = [finder for name, finder in FINDERS.items() if name not in LABEL_BLIND]


@pytest.fixture(params=FINDERS.values(), ids=FINDERS.keys())
def finder(request):
    return request.param


@pytest.fixture
def data():
    rng = np.random.default_rng(0)
    w = rng.standard_normal((600, 12)).astype(np.float32)
    age = 40 + 10 * w[:, 0] + rng.standard_normal(600)
    smile = np.clip(w[:, 1] + 0.3 * rng.standard_normal(600), 0, 1)
    glasses = w[:, 2] > 0.4
    labels = np.stack([age, smile, glasses], axis=1).astype(np.float32)
    return LabelledLatents(w, labels, ("age", "smile", "glasses"), "g")


def test_when_found_then_rows_are_unit_vectors_in_the_asked_order(finder, data):
    both = finder.find(data, ("glasses", "age"))
    assert both.shape == (2, 12)
    assert both.dtype == np.float32
    assert np.allclose(np.linalg.norm(both, axis=1), 1, atol=1e-5)
    assert np.array_equal(both[1], finder.find(data, ("age",))[0])


@pytest.mark.parametrize("finder", SIGHTED, ids=lambda finder: finder.name)
@pytest.mark.parametrize(("attribute", "axis"), [("age", 0), ("smile", 1), ("glasses", 2)])
def test_when_an_attribute_lives_on_an_axis_then_more_of_it_is_the_positive_end(
    finder, data, attribute, axis
):
    assert finder.find(data, (attribute,))[0][axis] > 0.9


def test_when_asked_twice_then_the_answer_is_equal_to_the_bit(finder, data):
    assert np.array_equal(finder.find(data, ("smile",)), finder.find(data, ("smile",)))


def test_when_found_then_the_data_are_left_alone(finder, data):
    data.w.flags.writeable = data.labels.flags.writeable = False
    finder.find(data, ("age",))


def test_when_some_labels_or_latents_are_unknown_then_the_rest_still_answers(finder, data):
    w, labels = data.w.copy(), data.labels.copy()
    labels[::7, 0] = np.nan
    labels[::11, 2] = np.nan
    w[5] = np.nan
    u = finder.find(replace(data, w=w, labels=labels), ("age",))[0]
    assert np.isfinite(u).all()
    if finder.name not in LABEL_BLIND:
        assert u[0] > 0.9


def test_when_the_label_is_unknown_then_close_names_are_offered(finder, data):
    with pytest.raises(RecipeError, match=r'no label "glases".*glasses'):
        finder.find(data, ("glases",))


@pytest.mark.parametrize("finder", SIGHTED, ids=lambda finder: finder.name)
def test_when_nobody_differs_then_it_is_a_data_error(finder, data):
    labels = data.labels.copy()
    labels[:, 1] = 0.5
    with pytest.raises(DataError, match='"smile" does not vary'):
        finder.find(replace(data, labels=labels), ("smile",))


def test_when_shapes_disagree_then_the_caller_is_told(finder, data):
    with pytest.raises(ValueError, match="labels has shape"):
        finder.find(replace(data, labels=data.labels[:-1]), ("age",))


def test_when_labels_are_shuffled_then_a_null_row_does_not_notice(data):
    shuffled = replace(data, labels=data.labels[::-1].copy())
    for name in LABEL_BLIND:
        assert np.array_equal(FINDERS[name].find(data, ("age",)), FINDERS[name].find(shuffled, ("age",)))
        assert not np.array_equal(*FINDERS[name].find(data, ("age", "smile")))
