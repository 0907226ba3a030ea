"""Edits by name: what is understood, what is refused, and plates on which they mean something."""

from __future__ import annotations

import pytest
from lineament.core.errors import RecipeError
from lineament.core.synthetic.edits import parse_edit, parse_edits, plate_face, suited_value
from lineament.core.synthetic.params import FaceParams, field_names
from lineament.core.synthetic.sampler import Sampler, check

SEEDS = range(100, 124)


@pytest.fixture(scope="module")
def sampler() -> Sampler:
    return Sampler("none")


@pytest.mark.parametrize(
    ("text", "before", "after"),
    [("age=+25", 30.0, 55.0), ("age=-10", 30.0, 20.0), ("smile=1", 0.1, 1.0), (" smile = .5 ", 0.0, 0.5)],
)
def test_when_an_edit_is_written_then_it_sets_or_moves(text: str, before: float, after: float) -> None:
    edit = parse_edit(text)
    name = edit.changes[0].attribute
    face = FaceParams(**{name: before})
    assert getattr(edit.applied(face), name) == pytest.approx(after)


def test_when_one_attribute_is_edited_then_nothing_else_changes(sampler: Sampler) -> None:
    face = plate_face(sampler, 100, parse_edits(["age=+25"]))
    edited = parse_edit("age=+25").applied(face)
    assert [name for name in field_names() if getattr(face, name) != getattr(edited, name)] == ["age"]


def test_when_edits_are_joined_then_both_change_and_the_folder_names_both() -> None:
    edit = parse_edit("age=+20,grey=0.8")
    assert edit.name == "age_grey"
    assert str(edit) == "age=+20,grey=0.8"
    edited = edit.applied(FaceParams())
    assert (edited.age, edited.grey) == (52.0, 0.8)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("smile", "is no edit"),
        ("smile=much", "is no edit"),
        ("smile==1", "is no edit"),
        ("", "is no edit"),
        ("agee=+5", "Did you mean age"),
        ("smile=1.5", "beyond the range"),
        ("smile=+2", "beyond the range"),
        ("age=5", "beyond the range"),
        ("age=+5,age=+6", "twice"),
        ("smile=nan", "is no edit"),
    ],
)
def test_when_an_edit_cannot_be_then_it_is_refused_with_the_reason(text: str, words: str) -> None:
    with pytest.raises(RecipeError, match=words):
        parse_edit(text)


def test_when_two_edits_share_a_folder_then_they_are_refused() -> None:
    with pytest.raises(RecipeError, match="Two edits change age"):
        parse_edits(["age=+10", "age=+20"])


@pytest.mark.parametrize(
    ("face", "text", "words"),
    [
        (FaceParams(age=80.0), "age=+25", "from 80 to 105"),
        (FaceParams(glasses=0.9), "glasses=1", "changes nothing"),
        (FaceParams(smile=1.0), "smile=1", "changes nothing"),
        (FaceParams(sunglasses=1.0), "glasses=1", "both worn"),
        (FaceParams(stubble=0.5), "beard=0.8", "same place"),
    ],
)
def test_when_a_face_cannot_show_an_edit_then_it_is_refused(face: FaceParams, text: str, words: str) -> None:
    with pytest.raises(RecipeError, match=words):
        parse_edit(text).refuse_impossible(face)


@pytest.mark.parametrize("seed", SEEDS)
def test_when_a_plate_is_chosen_then_every_edit_of_the_benchmark_can_be_seen_on_it(
    sampler: Sampler, seed: int
) -> None:
    texts = ["age=+25", "smile=0.9", "mouth_open=0.7", "glasses=1", "lipstick=0.9", "beard=0.8", "eyes_closed=0.9",
             "brow_inner=0.9", "grey=+0.5", "skin=+0.25"]  # fmt: skip
    edits = parse_edits(texts)
    face = plate_face(sampler, seed, edits)
    check(face)
    assert face.age <= 55.0
    assert (face.glasses, face.sunglasses, face.lipstick, face.smile) == (0.0, 0.0, 0.0, 0.0)
    assert abs(face.yaw) <= 14.0
    for edit in edits:
        edit.refuse_impossible(face)


def test_when_something_is_taken_away_then_the_plate_has_it(sampler: Sampler) -> None:
    face = plate_face(sampler, 101, parse_edits(["glasses=0", "age=-20"]))
    assert face.glasses == 1.0
    assert face.age >= 38.0


def test_when_edits_need_opposite_plates_then_they_are_refused() -> None:
    with pytest.raises(RecipeError, match="No plate can show"):
        suited_value("glasses", 0.0, [*parse_edit("glasses=0").changes, *parse_edit("glasses=1").changes])


def test_when_a_blink_meets_an_edit_then_the_range_holds() -> None:
    assert parse_edit("eyes_closed=+0.5").applied(FaceParams(eyes_closed=0.9)).eyes_closed == 1.0


def test_when_hair_is_edited_then_there_is_hair(sampler: Sampler) -> None:
    styles = {plate_face(sampler, seed, parse_edits(["grey=+0.5"])).hair_style for seed in SEEDS}
    assert styles.isdisjoint({"bald", "buzz", "fringe"})


@pytest.mark.parametrize(("text", "words"), [("age=1", "within 18 and 90"), ("age=+500", "by 72 at most")])
def test_when_a_value_is_out_of_range_then_the_remedy_names_what_fits(text: str, words: str) -> None:
    with pytest.raises(RecipeError, match=words):
        parse_edit(text)
