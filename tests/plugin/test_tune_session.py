"""A tuning session: what a slider, a key and undo do, and what saving changes in a file that people have written."""

from __future__ import annotations

import json
import shlex
from pathlib import Path

import pytest
from lineament.core.errors import RecipeError
from lineament.core.recipe import Strength
from lineament.core.shots.shot_file import read_show
from lineament.plugin.cli import main
from lineament.plugin.tune_file import ShowFileChanged
from lineament.plugin.tune_session import TuneSession
from lineament.plugin.tune_settings import is_same, tidy, with_key, without_key

LIMITS = {"age": (-4.0, 4.0), "smile": (-4.0, 4.0), "glasses": (-3.8, 3.8)}

SHOW = """schema_version: 1

# what the client said on Monday
defaults:
  plate: plates/{shot}.####.exr
  output: out/{shot}.####.exr
  strengths: {smile: 0.5}

shots:
  sh010:
    frames: 1001-1010
    strengths:
      age: 1.5        # a little more?
      glasses: {1001: 0, 1010: 1}

  sh020:
    frames: 1001-1010
    faces:
      lead: {strengths: {age: 2}}
      friend: {face: 1, mix: 0.8}
"""


@pytest.fixture
def show(tmp_path: Path) -> Path:
    path = tmp_path / "shots.yaml"
    path.write_text(SHOW)
    return path


@pytest.fixture
def session(show: Path) -> TuneSession:
    return TuneSession(show, "sh010", LIMITS)


def strength(session: TuneSession, attribute: str, face: str = "main") -> Strength:
    return session.now.strength(face, attribute)


def test_when_a_slider_moves_then_a_constant_stays_one_and_the_rest_is_untouched(session) -> None:
    session.set_strength("main", "age", 2.25, 1003)
    assert strength(session, "age") == Strength.constant(2.25)
    assert strength(session, "smile") == Strength.constant(0.5)
    assert session.assignments() == (("main", "age=2.25"),)


def test_when_a_keyed_slider_moves_then_a_key_is_set_at_that_frame(session) -> None:
    session.set_strength("main", "glasses", 0.9, 1005)
    assert strength(session, "glasses").keys == ((1001, 0.0), (1005, 0.9), (1010, 1.0))


def test_when_a_key_is_set_then_it_has_the_value_that_holds_there(session) -> None:
    session.set_key("main", "glasses", 1004)
    assert dict(strength(session, "glasses").keys)[1004] == pytest.approx(1 / 3, abs=1e-4)
    session.set_key("main", "age", 1004)
    session.set_strength("main", "age", 3.0, 1008)
    assert strength(session, "age").keys == ((1004, 1.5), (1008, 3.0))


def test_when_keys_are_removed_then_the_last_leaves_a_constant(session) -> None:
    session.remove_key("main", "glasses", 1001)
    session.remove_key("main", "glasses", 1010)
    assert strength(session, "glasses") == Strength.constant(1.0)
    session.set_strength("main", "glasses", 2.0, 1004)
    assert strength(session, "glasses") == Strength.constant(2.0)
    with pytest.raises(RecipeError, match="no key at frame 1004"):
        session.remove_key("main", "glasses", 1004)


def test_when_the_interpolation_is_chosen_then_values_between_keys_follow(session) -> None:
    session.set_interpolation("main", "glasses", "step")
    assert strength(session, "glasses").at(1009) == 0.0
    with pytest.raises(RecipeError, match="no interpolation"):
        session.set_interpolation("main", "glasses", "bouncy")


def test_when_a_drag_makes_many_moves_then_one_undo_takes_them_back(session) -> None:
    before = session.now
    for step in range(20):
        session.set_strength("main", "age", 1.5 + step / 20, 1001, "drag 1")
    session.set_strength("main", "age", -1.0, 1001, "drag 2")
    session.undo()
    assert strength(session, "age") == Strength.constant(2.45)
    session.undo()
    assert session.now == before and not session.can_undo
    session.redo()
    session.redo()
    assert strength(session, "age") == Strength.constant(-1.0) and not session.can_redo


def test_when_something_is_done_after_undo_then_there_is_nothing_to_redo(session) -> None:
    session.set_strength("main", "age", 2.0, 1001, "drag")
    session.undo()
    session.set_strength("main", "age", 3.0, 1001, "drag")
    assert not session.can_redo and session.can_undo
    session.undo()
    session.undo()
    assert not session.is_dirty


def test_when_an_attribute_is_reset_then_it_is_off_on_every_frame(session) -> None:
    session.reset("main", "glasses")
    assert session.assignments() == (("main", "glasses=0"),)
    session.reset("main", "smile")
    session.save()
    assert "smile: 0" in session.path.read_text()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda s: s.set_strength("main", "age", 4.5, 1001), "outside the range"),
        (lambda s: s.set_strength("main", "age", float("nan"), 1001), "outside the range"),
        (lambda s: s.set_strength("main", "wings", 1.0, 1001), 'no attribute "wings"'),
        (lambda s: s.set_strength("nobody", "age", 1.0, 1001), 'no face "nobody"'),
        (lambda s: s.set_field("main", "mix", 1.5), "outside the range"),
        (lambda s: s.set_field("main", "exposure", 1.0), "not tuned here"),
        (lambda s: s.set_field("nobody", "mix", 0.5), 'no face "nobody"'),
    ],
)
def test_when_a_change_is_impossible_then_everything_stays(session, change, message: str) -> None:
    before = session.now
    with pytest.raises(RecipeError, match=message) as caught:
        change(session)
    assert caught.value.remedy and session.now is before and not session.can_undo


def test_when_it_is_saved_then_only_that_value_of_the_text_changes(session, show: Path) -> None:
    session.set_strength("main", "age", 2.25, 1003)
    (change,) = session.save()
    assert show.read_text() == SHOW.replace("age: 1.5 ", "age: 2.25 ")
    assert (change.before, change.after) == ("1.5", "2.25") and not session.is_dirty


def test_when_keys_and_fields_are_saved_then_the_file_gives_them_back(session, show: Path) -> None:
    session.set_key("main", "age", 1001)
    session.set_strength("main", "age", 3.0, 1010)
    session.set_interpolation("main", "age", "smooth")
    for field, value in (("mix", 0.75), ("mask_feather", 0.05), ("detail_clamp", 0.3)):
        session.set_field("main", field, value)
    session.save()
    recipe = read_show(show).shot("sh010").faces[0].recipe
    found = {move.attribute: move.strength for move in recipe.moves}
    assert found["age"] == Strength(((1001, 1.5), (1010, 3.0)), "smooth")
    assert (recipe.mix, recipe.mask_feather, recipe.detail_clamp) == (0.75, 0.05, 0.3)
    assert "# what the client said on Monday" in show.read_text()


def test_when_nothing_was_changed_then_saving_does_not_touch_the_file(session, show: Path) -> None:
    session.set_strength("main", "age", 2.0, 1001)
    session.undo()
    show.chmod(0o444)
    assert session.save() == ()


def test_when_undone_behind_a_save_then_the_old_value_can_be_saved_again(session, show: Path) -> None:
    session.set_strength("main", "age", 2.0, 1001)
    session.save()
    session.undo()
    assert session.is_dirty
    session.save()
    assert show.read_text() == SHOW


def test_when_a_shot_has_several_faces_then_each_is_saved_where_it_stands(show: Path) -> None:
    session = TuneSession(show, "sh020", LIMITS)
    session.set_strength("friend", "smile", 2.0, 1001)
    session.set_field("lead", "mix", 0.5)
    session.save()
    lead, friend = read_show(show).shot("sh020").faces
    assert lead.recipe.mix == 0.5 and friend.recipe.mix == 0.8
    assert {m.attribute: m.strength.at(1001) for m in friend.recipe.moves} == {"smile": 2.0}
    assert {m.attribute: m.strength.at(1001) for m in lead.recipe.moves} == {"smile": 0.5, "age": 2.0}


def test_when_faces_come_from_the_defaults_then_saving_one_keeps_the_others(show: Path) -> None:
    text = SHOW.replace("  strengths: {smile: 0.5}\n", "  faces: {lead: {}, friend: {face: 1, mix: 0.8}}\n")
    show.write_text(text)
    session = TuneSession(show, "sh010", LIMITS)
    session.set_strength("friend", "smile", 1.0, 1001)
    session.save()
    lead, friend = read_show(show).shot("sh010").faces
    assert (lead.name, friend.name, friend.recipe.mix) == ("lead", "friend", 0.8)
    assert "smile" not in {m.attribute for m in lead.recipe.moves}
    assert {m.attribute: m.strength.at(1001) for m in friend.recipe.moves}["smile"] == 1.0


def test_when_somebody_else_wrote_the_file_then_saving_is_refused_and_nothing_is_lost(session, show) -> None:
    session.set_strength("main", "age", 2.0, 1001)
    theirs = SHOW.replace("1001: 0, 1010: 1", "1001: 0, 1010: 2")
    show.write_text(theirs)
    with pytest.raises(ShowFileChanged, match="changed by somebody else"):
        session.save()
    assert show.read_text() == theirs and session.is_dirty
    session.reload()
    assert strength(session, "glasses").at(1010) == 2.0 and strength(session, "age").at(1001) == 2.0
    assert session.assignments() == (("main", "age=2"),)
    session.save()
    assert show.read_text() == theirs.replace("age: 1.5 ", "age: 2 ")


def test_when_a_reload_is_undone_then_the_values_from_before_come_back(session, show: Path) -> None:
    before = session.now
    show.write_text(SHOW.replace("age: 1.5", "age: 0.5"))
    session.reload()
    assert strength(session, "age").at(1001) == 0.5
    session.undo()
    assert session.now == before


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("plates/", "others/", "other plates"),
        ("  sh010:", "  sh011:", 'no shot "sh010"'),
        ("smile: 0.5", "smile: [", "not valid YAML"),
    ],
)
def test_when_the_file_does_not_fit_any_more_then_it_is_not_read_again(
    session, show, old, new, message
) -> None:
    session.set_strength("main", "age", 2.0, 1001)
    before = session.now
    show.write_text(SHOW.replace(old, new))
    with pytest.raises(RecipeError, match=message):
        session.reload()
    assert session.now is before


@pytest.mark.parametrize("suffix", [".json", ".otio"])
def test_when_the_file_is_of_another_kind_then_it_is_saved_there_too(show: Path, suffix: str) -> None:
    other = show.with_suffix(suffix)
    assert main(["shots", "init", str(show), "-o", str(other)]) == 0
    session = TuneSession(other, "sh010", LIMITS)
    session.set_strength("main", "age", 2.25, 1003)
    session.save()
    moves = {m.attribute: m.strength for m in read_show(other).shot("sh010").faces[0].recipe.moves}
    assert moves["age"] == Strength.constant(2.25) and len(moves) == 3
    assert suffix != ".json" or json.loads(other.read_text())["shots"]["sh010"]["strengths"]["age"] == 2.25


def test_when_the_changes_are_told_as_commands_then_they_make_them(show: Path, tmp_path: Path) -> None:
    session = TuneSession(show, "sh020", LIMITS)
    session.set_key("lead", "age", 1001)
    session.set_strength("lead", "age", 3.5, 1010)
    session.set_interpolation("lead", "age", "smooth")
    session.set_field("friend", "mix", 0.25)
    for command in session.commands():
        program, *words = shlex.split(command)
        assert program == "lineament" and main(words) == 0
    session.reload()
    assert not session.is_dirty


def test_when_keys_are_edited_then_values_are_tidy_and_a_lone_key_is_a_constant() -> None:
    keyed = with_key(Strength.constant(0.0), 1001, 0.1 + 0.2)
    assert keyed.keys == ((0, 0.0), (1001, 0.3))
    assert without_key(keyed, 0).keys == ((1001, 0.3),)
    assert without_key(without_key(keyed, 0), 1001) == Strength.constant(0.3)
    assert is_same(Strength(((1001, 2.0),), "smooth"), Strength.constant(2.0))
    assert not is_same(keyed, Strength.constant(0.3)) and str(tidy(-0.00001)) == "0.0"
