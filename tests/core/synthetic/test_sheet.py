"""Contact sheets, drawn with a fake renderer: every picture is where it belongs."""

from __future__ import annotations

from pathlib import Path

import pytest
from lineament.core.errors import RecipeError
from lineament.core.synthetic import sheet
from lineament.core.synthetic.params import RANGES, FaceParams
from lineament.core.synthetic.sampler import Sampler


@pytest.fixture(scope="module")
def sampler() -> Sampler:
    return Sampler("none")


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch):
    """A draw function that remembers which families it was asked for."""
    monkeypatch.syspath_prepend(str(Path(__file__).parent))
    import fake_draw

    families: list[tuple[FaceParams, ...]] = []

    def draw(base, members, number):
        families.append((base, *members))
        return (fake_draw.draw_one(params, 32, number) for params in (base, *members))

    draw.families = families
    return draw


def test_when_samples_are_drawn_then_they_are_the_first_faces_of_the_seed(sampler: Sampler, asked) -> None:
    picture = sheet.sample_sheet(asked, sampler, 5, columns=3, rows=2)
    assert asked.families == [(sampler.sample(5, index),) for index in range(6)]
    assert picture.width >= 3 * 32 and picture.height >= 2 * 32


@pytest.mark.parametrize("name", ["age", "glasses", "stubble", "recede"])
def test_when_an_attribute_is_swept_then_only_it_changes_from_end_to_end(
    sampler: Sampler, asked, name: str
) -> None:
    sheet.sweep_sheet(asked, sampler, 1, name, columns=3, rows=4)
    assert len(asked.families) == 4
    for base, *members in asked.families:
        values = [getattr(member, name) for member in members]
        assert (values[0], values[-1]) == (RANGES[name].low, RANGES[name].high) and len(values) == 3
        assert all(sheet.with_attribute(member, name, getattr(base, name)) == base for member in members)


def test_when_the_attribute_is_unknown_then_the_known_ones_are_named(sampler: Sampler, asked) -> None:
    with pytest.raises(RecipeError, match="nose") as info:
        sheet.sweep_sheet(asked, sampler, 1, "nose", columns=3, rows=1)
    assert "smile" in info.value.remedy


def test_when_no_face_suits_a_sweep_then_it_ends(
    sampler: Sampler, asked, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sheet, "is_possible", lambda params: False)
    monkeypatch.setattr(sheet, "_LARGEST_SEARCH", 10)
    with pytest.raises(RecipeError, match="No face can have"):
        sheet.sweep_sheet(asked, sampler, 1, "age", columns=2, rows=1)
