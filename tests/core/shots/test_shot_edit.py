"""Values changed in place: the rest of the text stays to the last byte."""

from __future__ import annotations

import difflib
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from lineament.core.errors import RecipeError
from lineament.core.shots.located import parse_document
from lineament.core.shots.shot_edit import NOTHING, with_value

TEXT = """\
# the show, by hand
schema_version: 1

defaults: {handles: 8}   # all of them
shots:
  sh010:
    frames: 1001-1048

    # strengths that were agreed on
    strengths:
      age: 1.5   # older
      smile:
        1001: 0   # begins
        1040: 1.5

      # glasses come later
    mask: 'matte.####.exr'
  sh020:   # nothing yet
  sh030: {strengths: {age: -1}, notes: {who: "the {man}, # behind"}}
  sh040: {}
# the end
"""


def changed_lines(place: tuple[str, ...], value: object, text: str = TEXT) -> list[str]:
    """The lines that differ after a change, with - and + in front."""
    document = parse_document(text, Path("shots.yaml"))
    after = with_value(document, place, value).text
    lines = difflib.unified_diff(text.splitlines(), after.splitlines(), lineterm="", n=0)
    return [line for line in lines if not line.startswith(("---", "+++", "@@"))]


@pytest.mark.parametrize(
    ("place", "value", "lines"),
    [
        ("sh010.strengths.age", 2, ["-      age: 1.5   # older", "+      age: 2   # older"]),
        ("sh010.strengths.beard", 1.25, ["+      beard: 1.25"]),
        ("sh010.handles", 4, ["+    handles: 4"]),
        ("sh010.mask", "x.exr", ["-    mask: 'matte.####.exr'", "+    mask: x.exr"]),
        (
            "sh020.strengths.age",
            1,
            ["-  sh020:   # nothing yet", "+  sh020: {strengths: {age: 1}}   # nothing yet"],
        ),
        ("sh040.mix", 0.5, ["-  sh040: {}", "+  sh040: {mix: 0.5}"]),
        ("sh010.strengths.age", NOTHING, ["-      age: 1.5   # older"]),
        ("sh010.strengths.none", NOTHING, []),
        (
            "sh010.strengths.smile",
            {1001: 0, 1010: 1},
            [
                *("-      smile:", "-        1001: 0   # begins", "-        1040: 1.5"),
                "+      smile: {1001: 0, 1010: 1}",
            ],
        ),
        (
            "sh030.strengths.smile",
            0.5,
            [
                '-  sh030: {strengths: {age: -1}, notes: {who: "the {man}, # behind"}}',
                '+  sh030: {strengths: {age: -1, smile: 0.5}, notes: {who: "the {man}, # behind"}}',
            ],
        ),
        (
            "sh030.strengths",
            NOTHING,
            [
                '-  sh030: {strengths: {age: -1}, notes: {who: "the {man}, # behind"}}',
                '+  sh030: {notes: {who: "the {man}, # behind"}}',
            ],
        ),
    ],
)
def test_when_a_value_is_changed_then_only_its_own_text_changes(
    place: str, value: object, lines: list[str]
) -> None:
    assert changed_lines(("shots", *place.split(".")), value) == lines


def test_when_defaults_are_changed_then_the_comment_beside_them_stays() -> None:
    assert changed_lines(("defaults", "handles"), 0) == [
        *("-defaults: {handles: 8}   # all of them", "+defaults: {handles: 0}   # all of them")
    ]


def test_when_a_file_has_no_last_newline_then_a_value_can_be_added() -> None:
    text = "schema_version: 1\nshots:\n  a:\n    handles: 1"
    assert changed_lines(("shots", "a", "mix"), 1, text) == ["+    mix: 1"]


def test_when_json_is_changed_then_its_order_stays() -> None:
    document = parse_document('{"shots": {"b": {"mix": 1}, "a": {}}, "schema_version": 1}', Path("s.json"))
    after = with_value(document, ("shots", "a", "strengths", "age"), {1001: 0.5})
    assert after.data == {
        "shots": {"b": {"mix": 1}, "a": {"strengths": {"age": {"1001": 0.5}}}},
        "schema_version": 1,
    }
    assert list(after.data["shots"]) == ["b", "a"]


def test_when_text_cannot_be_changed_in_place_then_it_is_left_to_a_person() -> None:
    document = parse_document("# nothing yet\n", Path("shots.yaml"))
    with pytest.raises(RecipeError, match="cannot be changed in place") as caught:
        with_value(document, ("shots", "a", "mix"), 1)
    assert "by hand" in caught.value.remedy and "shots.yaml" in caught.value.where


PLACES = st.sampled_from(
    [
        *(("shots", shot, "strengths", "age") for shot in ("sh010", "sh020", "sh030", "sh040")),
        *(("shots", shot, "notes", "a") for shot in ("sh010", "sh020", "sh030", "sh040")),
        *(("shots", "sh010", "faces", "x", "strengths", "age"), ("defaults", "mix"), ("show", "name")),
        *(
            ("shots", "sh010", "frames"),
            ("shots", "sh010", "strengths"),
            ("shots", "sh010", "strengths", "smile"),
        ),
    ]
)
TEXTS = st.text(
    st.characters(min_codepoint=32, max_codepoint=0x2FF, exclude_characters="\x7f\x85\xa0\xad"), min_size=1
)
VALUES = st.one_of(
    *(st.integers(-5, 5), st.floats(-10, 10, allow_nan=False), TEXTS, st.just(NOTHING)),
    *(
        st.dictionaries(st.integers(1000, 1100), st.floats(-3, 3), min_size=1),
        st.sampled_from(["1e3", "no", "~", ""]),
    ),
)


@settings(deadline=None, max_examples=200)
@given(st.lists(st.tuples(PLACES, VALUES), min_size=1, max_size=6))
def test_when_anything_is_written_anywhere_then_it_reads_back_or_is_refused(
    edits: list[tuple[tuple[str, ...], object]],
) -> None:
    document = parse_document(TEXT, Path("shots.yaml"))
    for place, value in edits:
        try:
            document = with_value(document, place, value)  # itself compares what it reads back
        except RecipeError as err:
            assert "cannot be changed in place" in err.what
    assert document.text.startswith("# the show, by hand\nschema_version: 1\n")
    assert "# the end" in document.text
