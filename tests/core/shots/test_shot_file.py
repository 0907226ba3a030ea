"""Show files: what is merged, what is refused, and that every refusal names the line, the shot and a remedy."""

from __future__ import annotations

import json
import pickle
from pathlib import Path

import pytest
from lineament.core.errors import RecipeError
from lineament.core.recipe import Strength
from lineament.core.recipe_file import RecipeFile
from lineament.core.shots.overrides import overridden
from lineament.core.shots.shot import MISSING_POLICIES, FaceChoice, MaskSource, Show
from lineament.core.shots.shot_file import ShowFileError, read_show, show_text
from lineament.core.shots.shot_schema import ShotFields

WHOLE = """\
schema_version: 1
show: {name: demo}
defaults:
  plate: plates/{shot}/{shot}.####.exr
  output: out/{show}/{shot}/{version}/
  handles: 8
  strengths: {smile: 0.5}
  analysis: {smooth_centre: 5}
shots:
  sh010:
    frames: 1001-1048
    strengths:
      age: 1.5   # older
      smile: {interpolation: smooth, keys: {1001: 0, 1040: 1.5}}
    mask: {file: "masks/{shot}.####.exr", channel: A, invert: true}
    analysis: {tune_steps: 10}
  010:
    face: {box: [1, 2, 30, 40.5], frame: 1003}
    missing: hold
    version: 12
  two:
    mix: 0.8
    faces:
      lead: {face: 0, strengths: {age: -1}}
      extra: {face: {track: t/x.json}, mix: 0.5, notes: {who: "the man behind"}}
  bare:
"""


def written(folder: Path, text: str, name: str = "shots.yaml") -> Path:
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return path


@pytest.fixture
def show(tmp_path: Path) -> Show:
    return read_show(written(tmp_path, WHOLE))


def test_when_a_show_is_read_then_shots_are_in_order_with_defaults_merged(show: Show, tmp_path: Path) -> None:
    assert [shot.name for shot in show.shots] == ["sh010", "010", "two", "bare"]
    shot = show.shot("sh010")
    assert shot.plate == str(tmp_path / "plates/sh010/sh010.####.exr")
    assert shot.output == str(tmp_path / "out/demo/sh010/v001/sh010.####.exr")
    assert (shot.frames, shot.handles) == (tuple(range(1001, 1049)), 8)
    assert shot.frames_with_handles() == tuple(range(993, 1057))
    assert (shot.analysis.smooth_centre, shot.analysis.tune_steps) == (5.0, 10)
    assert shot.mask == MaskSource(str(tmp_path / "masks/sh010.####.exr"), "A", True)


def test_when_strengths_are_merged_then_the_shot_wins_one_by_one(show: Show) -> None:
    moves = {move.attribute: move.strength for move in show.shot("sh010").face("main").recipe.moves}
    assert moves == {
        "smile": Strength(((1001, 0.0), (1040, 1.5)), "smooth"),
        "age": Strength.constant(1.5),
    }
    assert [move.attribute for move in show.shot("bare").faces[0].recipe.moves] == ["smile"]


def test_when_a_shot_has_several_faces_then_each_has_its_own_recipe(show: Show, tmp_path: Path) -> None:
    lead, extra = show.shot("two").faces
    assert lead.recipe.strengths_at(1001) == {"smile": 0.5, "age": -1.0}
    assert extra.recipe.strengths_at(1001) == {"smile": 0.5}
    assert (lead.recipe.mix, extra.recipe.mix) == (0.8, 0.5)
    assert extra.choice == FaceChoice(track=str(tmp_path / "t/x.json"))
    assert extra.recipe.notes == {"who": "the man behind"}


def test_when_a_name_looks_like_a_number_then_it_stays_a_name(show: Show) -> None:
    shot = show.shot("010")
    assert shot.faces[0].choice == FaceChoice(box=(1.0, 2.0, 30.0, 40.5), box_frame=1003)
    assert shot.output.endswith("out/demo/010/v012/010.####.exr")


def test_when_a_shot_says_where_it_is_then_line_and_shot_are_there(show: Show, tmp_path: Path) -> None:
    assert show.shot("sh010").where == f'{tmp_path}/shots.yaml, line 10, shot "sh010"'
    assert show.shot("sh010").lines["strengths.age"] == 13


def test_when_shots_go_to_another_process_then_they_arrive(show: Show) -> None:
    assert pickle.loads(pickle.dumps(show)) == show


def test_when_the_same_show_is_json_then_it_is_the_same(show: Show, tmp_path: Path) -> None:
    from lineament.core.shots.located import parse_document

    data = parse_document(WHOLE, Path("x.yaml")).data
    for name in ("again.json", "again.yaml"):
        again = read_show(written(tmp_path, show_text(data, Path(name)), name))
        assert again.shots == show.shots


def test_when_the_command_line_says_more_then_it_wins_over_the_shot(show: Show) -> None:
    values = {"mix": 0.25, "model": "other", "seed": 3, "missing": "skip", "mask": None, "device": "cpu"}
    shot = overridden(show.shot("two"), values | {"frames": (1001, 1002), "inverter": "optimise"})
    assert [face.recipe.mix for face in shot.faces] == [0.25, 0.25]
    assert {face.recipe.generator for face in shot.faces} == {shot.model} == {"other"}
    assert {face.recipe.inverter for face in shot.faces} == {shot.analysis.inverter} == {"optimise"}
    assert (shot.seed, shot.missing, shot.frames) == (3, "skip", (1001, 1002))
    assert shot.faces[1].recipe.notes  # nothing else changed
    assert overridden(show.shot("two"), {"track": "t.json"}).faces[0].choice.track == "t.json"
    masked = overridden(show.shot("sh010"), {"invert_mask": False})
    assert masked.mask is not None and not masked.mask.is_inverted
    assert overridden(show.shot("sh010"), {"mask": ""}).mask is None


def test_when_a_root_is_given_then_paths_start_there(tmp_path: Path) -> None:
    text = (
        "schema_version: 1\nshow: {root: ../up}\nshots:\n  a: {plate: p.####.exr, output: /abs/o.####.exr}\n"
    )
    (tmp_path / "x").mkdir()
    shot = read_show(written(tmp_path / "x", text)).shots[0]
    assert shot.plate == str(tmp_path / "x" / "../up/p.####.exr")
    assert shot.output == "/abs/o.####.exr"


def test_when_numbers_are_bounded_then_the_bounds_are_those_of_a_recipe() -> None:
    for name in ("mix", "mask_feather", "detail_clamp", "seed"):
        ours = {type(each).__name__: each for each in ShotFields.model_fields[name].metadata}
        theirs = {type(each).__name__: each for each in RecipeFile.model_fields[name].metadata}
        assert ours == theirs, name
    assert str(ShotFields.model_fields["missing"].annotation).count("'") == 2 * len(MISSING_POLICIES)


HEAD = "schema_version: 1\ndefaults: {plate: 'p/{shot}.####.exr', output: 'o/{shot}/'}\nshots:\n"

WRONG = {
    "typo in a field": ("  a:\n    framse: 1-2\n", 'no field "framse"', 5, 'Did you mean "frames"'),
    "attribute beside fields": ("  a:\n    age: 1\n", 'no field "age"', 5, "under strengths:"),
    "typo in a face": (
        "  a:\n    faces:\n      x:\n        strengts: {age: 1}\n",
        "strengts",
        7,
        '"strengths"',
    ),
    "typo in the analysis": ("  a:\n    analysis:\n      tune_step: 1\n", "tune_step", 6, '"tune_steps"'),
    "a word for a number": ("  a:\n    handles: many\n", "handles", 5, "docs/shots.md"),
    "a fraction of a frame": ("  a: {handles: 1.5}\n", "handles", 4, "docs/shots.md"),
    "negative handles": ("  a: {handles: -1}\n", "handles", 4, "docs/shots.md"),
    "a strength that is text": (
        "  a:\n    strengths:\n      age: lots\n",
        "must be a number",
        6,
        "as keys by frame",
    ),
    "a strength beyond sense": ("  a: {strengths: {age: 99}}\n", "between -10 and 10", 4, "as a number"),
    "an unknown interpolation": (
        "  a:\n    strengths:\n      age: {interpolation: bezier, keys: {1: 0}}\n",
        "one of linear, step, smooth",
        6,
        "interpolation: smooth",
    ),
    "a key that is no frame": (
        "  a:\n    strengths:\n      age: {first: 0}\n",
        "whole frame number",
        6,
        "keys by",
    ),
    "an attribute with a dash": (
        "  a:\n    strengths:\n      my-age: 1\n",
        "cannot be an attribute",
        6,
        "letters",
    ),
    "frames that are none": ("  a:\n    frames: all\n", "not a frame range", 5, "docs/shots.md"),
    "too many frames": ("  a:\n    frames: 1-99999999\n", "too long", 5, "docs/shots.md"),
    "an unknown policy": ("  a:\n    missing: black\n", "'error', 'hold' or 'skip'", 5, "docs/shots.md"),
    "a face that is a word": ("  a:\n    face: left\n", "a face is a number", 5, "docs/shots.md"),
    "a box with three numbers": ("  a:\n    face: {box: [1, 2, 3]}\n", "four numbers", 5, "docs/shots.md"),
    "an empty box": ("  a:\n    face: {box: [5, 5, 5, 9]}\n", "is empty", 5, "docs/shots.md"),
    "a box and a track": (
        "  a:\n    face: {box: [1, 2, 3, 4], track: t.json}\n",
        "a face is",
        5,
        "docs/shots.md",
    ),
    "face and faces": (
        "  a:\n    face: 1\n    faces: {x: {face: 0}}\n",
        "face: and faces:",
        5,
        "inside each",
    ),
    "a mask without source": (
        "  a:\n    mask: {invert: true}\n",
        "needs a file, or a channel",
        5,
        "docs/shots.md",
    ),
    "a mask with a typo": ("  a:\n    mask: {flie: x.exr}\n", "a mask is a file or", 5, "docs/shots.md"),
    "an exposure between stops": ("  a: {exposure: 3}\n", "power of two: use 2 or 4", 4, "docs/shots.md"),
    "an unknown token": (
        "  a:\n    output: o/{shto}/\n",
        "unknown token {shto}",
        5,
        "{show}, {shot} and {version}",
    ),
    "a token that pries": ("  a:\n    output: 'o/{shot.__class__}/'\n", "unknown token", 5, "{shot}"),
    "half a brace": (
        "  a:\n    output: 'o/{shot/'\n",
        "without its partner",
        5,
        "{show}, {shot} and {version}",
    ),
    "a shot with a slash": ("  a/b: {}\n", "cannot be a name", 4, "letters"),
    "a shot that climbs": ("  ..: {}\n", "cannot be a name", 4, "letters"),
    "a shot twice": ("  a: {}\n  a: {}\n", '"a" is given twice', 5, "Correct the file"),
    "an alias": ("  a: &x {}\n  b: *x\n", "aliases", 5, "Correct the file"),
    "a tab": ("  a:\n\thandles: 1\n", "not valid YAML", 5, "Correct the file"),
    "a pattern without quotes": (
        "  a:\n    mask: {file: m/{shot}.exr, channel: A}\n",
        "not valid YAML",
        5,
        "into quotes",
    ),
    "two shots on one output": (
        "  a:\n    output: o/x.####.exr\n  b:\n    handles: 1\n    output: o/x.####.exr\n",
        '"a" and "b" write the same files',
        8,
        "Put {shot} into the output",
    ),
}


@pytest.mark.parametrize("case", WRONG)
def test_when_a_show_file_is_wrong_then_line_and_remedy_are_told(tmp_path: Path, case: str) -> None:
    body, what, line, remedy = WRONG[case]
    with pytest.raises(RecipeError) as caught:
        read_show(written(tmp_path, HEAD + body))
    assert what in caught.value.what
    assert f"shots.yaml, line {line}" in caught.value.where
    assert remedy in caught.value.remedy


@pytest.mark.parametrize(
    "case", [name for name in WRONG if "YAML" not in WRONG[name][1] and WRONG[name][3] != "Correct the file"]
)
def test_when_a_shot_is_wrong_then_the_message_names_it(tmp_path: Path, case: str) -> None:
    body = WRONG[case][0]
    with pytest.raises(RecipeError) as caught:
        read_show(written(tmp_path, HEAD + body))
    assert 'shot "' in caught.value.where


@pytest.mark.parametrize(
    ("text", "what", "remedy"),
    [
        ("shots: {}", "schema_version is missing", "schema_version: 1"),
        ("schema_version: 2\nshots: {}", "schema_version is 2", "update Lineament"),
        ("schema_version: 1", '"shots" is missing', "docs/shots.md"),
        ("schema_version: 1\nshots: {}\nshow: {nmae: x}", 'no field "nmae"', '"name"'),
        ("schema_version: 1\nshots: {a: {plate: x.exr}}", 'shot "a" has no output', "out/{shot}"),
        ("schema_version: 1\nshots: {a: {output: x.exr}}", 'shot "a" has no plate', "plates/{shot}"),
        ("", "must be a mapping", "schema_version: 1"),
        ("[1, 2]", "must be a mapping", "schema_version: 1"),
        ("a: !!python/object/apply:os.system [true]", "not valid YAML", "Correct"),
        ('schema_version: 1\nshots: {a: {plate: "x\\0.exr", output: y}}', "pattern", "docs/shots.md"),
        ("[" * 5000, "not valid YAML", "Correct"),
    ],
)
def test_when_the_file_itself_is_wrong_then_it_is_told(
    tmp_path: Path, text: str, what: str, remedy: str
) -> None:
    with pytest.raises(RecipeError) as caught:
        read_show(written(tmp_path, text))
    assert what in caught.value.what and remedy in caught.value.remedy
    assert "shots.yaml" in caught.value.where


def test_when_json_is_wrong_then_its_line_is_told(tmp_path: Path) -> None:
    text = json.dumps({"schema_version": 1, "shots": {"a": {"handels": 3}}}, indent="\t")
    with pytest.raises(RecipeError, match="handels") as caught:
        read_show(written(tmp_path, text, "shots.json"))
    assert "line 5" in caught.value.where


def test_when_many_things_are_wrong_then_all_are_counted_in_the_order_of_the_file(tmp_path: Path) -> None:
    body = "  a:\n    framse: 1\n  b:\n    handles: x\n  c:\n    mix: 2\n"
    with pytest.raises(ShowFileError, match="2 more problems follow") as caught:
        read_show(written(tmp_path, HEAD + body))
    assert [problem.shot for problem in caught.value.problems] == ["a", "b", "c"]


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("shots.txt", b"", "ends in .yaml"),
        ("none.yaml", None, "No such file"),
        ("latin.yaml", b"show: \xe9", "utf-8"),
    ],
)
def test_when_the_file_cannot_be_read_then_the_error_says_why(
    tmp_path: Path, name: str, content: bytes | None, says: str
) -> None:
    if content is not None:
        (tmp_path / name).write_bytes(content)
    with pytest.raises(RecipeError, match=says) as caught:
        read_show(tmp_path / name)
    assert caught.value.remedy and name in caught.value.where


def test_when_two_shots_share_an_output_but_no_frame_then_they_may(tmp_path: Path) -> None:
    body = "  a: {frames: 1-2, output: o/x.####.exr}\n  b: {frames: 3-4, output: o/x.####.exr}\n"
    assert len(read_show(written(tmp_path, HEAD + body)).shots) == 2


def test_when_a_shot_is_asked_for_that_is_not_there_then_a_near_one_is_named(show: Show) -> None:
    with pytest.raises(RecipeError, match="sh011") as caught:
        show.shot("sh011")
    assert caught.value.remedy == 'Did you mean "sh010"?'
    with pytest.raises(RecipeError, match="no face") as caught:
        show.shot("two").face("hero")
    assert "lead, extra" in caught.value.remedy


def test_when_a_light_part_is_imported_then_torch_stays_out(tmp_path: Path) -> None:
    import subprocess
    import sys

    script = "import sys, lineament.core.shots.check, lineament.core.shots.timeline; sys.exit('torch' in sys.modules)"
    assert (
        subprocess.run([sys.executable, "-c", script], cwd=tmp_path, timeout=60, check=False).returncode == 0
    )


def test_when_the_page_shows_a_whole_file_then_it_can_be_read(repository: Path, tmp_path: Path) -> None:
    import re

    page = (repository / "docs" / "shots.md").read_text("utf-8")
    (example,) = re.findall(r"```yaml\n(.*?)```", page, re.DOTALL)
    show = read_show(written(tmp_path, example))
    assert [shot.name for shot in show.shots] == ["sh010", "sh020", "sh030", "sh040"]
    assert show.shot("sh010").faces[0].recipe.strengths_at(1001) == {"smile": 0.5, "age": 1.5}
    assert show.shot("sh030").face("friend").recipe.strengths_at(1001) == {"age": -1.0}
    assert show.shot("sh020").output.endswith("out/harbour/sh020/v003/sh020.####.exr")
    for name in ShotFields.model_fields:
        assert f"`{name}`" in page, name
