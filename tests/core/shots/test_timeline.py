"""Cuts in and out: which clips become shots with which frames, and what of the timeline survives being written."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path
from typing import Any

import opentimelineio as otio
import pytest
from lineament.core.errors import RecipeError
from lineament.core.shots.shot import Show
from lineament.core.shots.shot_file import ShowFileError, read_show, show_from
from lineament.core.shots.timeline import KEY, content_of, read_timeline
from lineament.core.shots.timeline_file import (
    head_of,
    new_timeline,
    settings_of,
    with_settings,
    write_timeline,
)

RATE = 24
KINDS = ("cut.otio", "cut.otioz", "cut.otiod")


def span(first: int, count: int, rate: float = RATE) -> Any:
    return otio.opentime.TimeRange(
        otio.opentime.RationalTime(first, rate), otio.opentime.RationalTime(count, rate)
    )


def sequence(name: str, first: int = 1001, count: int = 100, rate: float = RATE, step: int = 1) -> Any:
    return otio.schema.ImageSequenceReference(
        *("plates/", f"{name}.", ".exr", first, step, rate, 4), available_range=span(first, count, rate)
    )


def clip(name: str, first: int = 1009, count: int = 10, media: Any = None, **settings: Any) -> Any:
    made = otio.schema.Clip(name, media or sequence(name), span(first, count))
    if settings:
        made.metadata[KEY] = settings
    return made


def cut(*items: Any, **head: Any) -> Any:
    timeline = otio.schema.Timeline("my cut")
    track = otio.schema.Track("V1", kind="Video")
    track.extend(items)
    timeline.tracks.append(track)
    timeline.metadata[KEY] = {"defaults": {"output": "out/{shot}/", "strengths": {"age": 1}}, **head}
    timeline.metadata["studio"] = {"reel": 7}
    return timeline


def saved(folder: Path, timeline: Any, name: str = "cut.otio") -> Path:
    write_timeline(folder / name, otio.adapters.write_to_string(timeline, "otio_json"))
    return folder / name


def refusal(folder: Path, timeline: Any) -> RecipeError:
    with pytest.raises(RecipeError) as caught:
        read_show(saved(folder, timeline))
    return caught.value


@pytest.mark.parametrize("name", KINDS)
def test_when_a_cut_is_read_then_clips_are_shots_and_gaps_are_left_out(tmp_path: Path, name: str) -> None:
    gap = otio.schema.Gap(source_range=span(0, 12))
    path = saved(
        tmp_path, cut(clip("sh010"), gap, clip("sh020", 1050, 5, strengths={"age": 2.5}, handles=4)), name
    )
    show = read_show(path)
    assert [shot.name for shot in show.shots] == ["sh010", "sh020"] and show.name == "my_cut"
    first, second = show.shots
    assert first.plate == str(tmp_path / "plates/sh010.####.exr")
    assert first.frames == tuple(range(1009, 1019)) and second.frames == tuple(range(1050, 1055))
    assert first.output == str(tmp_path / "out/sh010/sh010.####.exr")
    assert second.faces[0].recipe.strengths_at(1050) == {"age": 2.5} and second.handles == 4
    assert 'track "V1", clip 2 "sh020"' in second.where
    assert read_timeline(path).notes == ("1 gap left out.",)


def test_when_a_shot_is_in_transition_then_the_frames_it_shows_are_its_own(tmp_path: Path) -> None:
    time = otio.opentime.RationalTime
    dissolve = otio.schema.Transition("x", "SMPTE_Dissolve", time(3, RATE), time(5, RATE))
    path = saved(tmp_path, cut(clip("a", 1009, 10), dissolve, clip("b", 1020, 10)))
    a, b = read_show(path).shots
    assert (a.frames[0], a.frames[-1]) == (1009, 1023) and (b.frames[0], b.frames[-1]) == (1017, 1029)
    assert 'clip 1 "a" has 5 frames more' in read_timeline(path).notes[0]

    again = cut(clip("a", 1009, 10), dissolve.clone(), clip("b", 1020, 10), transitions="refuse")
    error = refusal(tmp_path, again)
    assert "5 frames of the clip beyond its cut" in error.what and 'clip 1 "a"' in error.where
    assert '"extend"' in error.remedy


def test_when_a_transition_asks_for_more_than_there_is_then_it_is_refused(tmp_path: Path) -> None:
    time = otio.opentime.RationalTime
    dissolve = otio.schema.Transition("x", "SMPTE_Dissolve", time(0, RATE), time(5, RATE))
    error = refusal(tmp_path, cut(clip("a", 1091, 10), dissolve, clip("b")))
    assert "frame 1101 of its media, which have 1001-1100" in error.what
    assert 'cut.otio, track "V1", clip 1 "a"' in error.where and "longer handles" in error.remedy


def test_when_a_clip_is_retimed_then_only_its_own_frames_are_believed(tmp_path: Path) -> None:
    fast = clip("a")
    fast.effects.append(otio.schema.LinearTimeWarp(time_scalar=2.0))
    error = refusal(tmp_path, cut(fast))
    assert "retimed" in error.what and '"frames"' in error.remedy and 'clip 1 "a"' in error.where
    told = clip("a", frames="1001-1040", strengths={"age": 1})
    told.effects.append(otio.schema.LinearTimeWarp(time_scalar=2.0))
    assert read_show(saved(tmp_path, cut(told))).shots[0].frames == tuple(range(1001, 1041))
    same = clip("a")
    same.effects.append(otio.schema.LinearTimeWarp(time_scalar=1.0))
    assert len(read_show(saved(tmp_path, cut(same))).shots) == 1
    held = clip("a")
    held.effects.append(otio.schema.FreezeFrame())
    assert "retimed" in refusal(tmp_path, cut(held)).what


def test_when_clips_have_no_sequence_then_they_are_left_out_unless_they_have_settings(tmp_path: Path) -> None:
    movie = otio.schema.ExternalReference("file:///x/y.mov", span(0, 100))
    off = clip("off")
    off.enabled = False
    items = [clip("a"), otio.schema.Clip("title"), clip("m", 0, 5, movie), off]
    path = saved(tmp_path, cut(*items))
    assert [shot.name for shot in read_show(path).shots] == ["a"]
    notes = read_timeline(path).notes
    assert [note.partition(" left out: ")[2] for note in notes] == [
        *("it has no image sequence.", "it has no image sequence.", "it is disabled.")
    ]
    error = refusal(tmp_path, cut(clip("m", 0, 5, movie, strengths={"age": 1})))
    assert "no image sequence to edit" in error.what and "plate" in error.remedy


def test_when_media_are_a_pattern_or_elsewhere_then_the_plate_is_found(tmp_path: Path) -> None:
    pattern = otio.schema.ExternalReference("file:///srv/a%20b/x.%2504d.exr", span(1001, 10))
    absolute = sequence("s")
    absolute.target_url_base = "file:///srv/plates/"
    marks = otio.schema.ExternalReference("file://server/a/y.####.exr", span(1001, 10))
    items = [clip("x", 1002, 3, pattern), clip("s", 1001, 2, absolute), clip("y", 1001, 2, marks)]
    show = read_show(saved(tmp_path, cut(*items)))
    assert show.shots[0].plate == "/srv/a b/x.%04d.exr" and show.shots[0].frames == (1002, 1003, 1004)
    assert show.shots[1].plate == "/srv/plates/s.####.exr"
    assert show.shots[2].plate == "//server/a/y.####.exr"


def test_when_media_have_another_rate_or_step_then_their_own_numbers_are_taken(tmp_path: Path) -> None:
    double = clip("a", 505, 5, sequence("a", 1001, 100, rate=48))
    stepped = clip("b", 1001, 6, sequence("b", 1001, 100, step=2))
    first, second = read_show(saved(tmp_path, cut(double, stepped))).shots
    assert first.frames == tuple(range(1010, 1020))
    assert second.frames == (1001, 1003, 1005)  # each image is shown for two frames


def test_when_two_clips_have_one_name_then_the_second_is_numbered(tmp_path: Path) -> None:
    path = saved(tmp_path, cut(clip("a b", 1001, 5), clip("a b", 1021, 5)))
    assert [shot.name for shot in read_show(path).shots] == ["a_b", "a_b_2"]
    error = refusal(tmp_path, cut(clip("x", shot="s"), clip("y", shot="s")))
    assert "'s' is taken" in error.what and 'clip 2 "y"' in error.where


@pytest.mark.parametrize(
    ("settings", "what"),
    [
        ({"strengts": {"age": 1}}, 'no field "strengts"'),
        ({"strengths": {"age": "x"}}, "must be a number"),
        ({"schema_version": 7}, "another schema_version"),
        ({"missing": "black"}, "'error', 'hold' or 'skip'"),
    ],
)
def test_when_settings_are_wrong_then_track_and_clip_are_told(
    tmp_path: Path, settings: dict[str, Any], what: str
) -> None:
    error = refusal(tmp_path, cut(clip("ok"), clip("bad", **settings)))
    assert what in error.what and 'track "V1", clip 2 "bad"' in error.where and error.remedy


def test_when_a_policy_is_unknown_or_settings_are_no_mapping_then_it_is_told(tmp_path: Path) -> None:
    assert "extend, refuse" in refusal(tmp_path, cut(clip("a"), transitions="mix")).remedy
    odd = clip("a")
    odd.metadata[KEY] = [1]
    assert "not a mapping" in refusal(tmp_path, cut(odd)).what


@pytest.mark.parametrize(
    ("content", "says"), [(b"{", "not valid OpenTimelineIO"), (b"\xff\xfe", "cannot be read"), (b"[]", "not")]
)
def test_when_the_file_is_no_timeline_then_it_is_refused(tmp_path: Path, content: bytes, says: str) -> None:
    (tmp_path / "cut.otio").write_bytes(content)
    with pytest.raises(RecipeError, match=says) as caught:
        read_show(tmp_path / "cut.otio")
    assert caught.value.remedy and "cut.otio" in caught.value.where


def test_when_a_bundle_is_broken_then_it_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.otioz").write_bytes(b"not a zip")
    with zipfile.ZipFile(tmp_path / "b.otioz", "w") as bundle:
        bundle.writestr("other", "x")
    for name in ("a.otioz", "b.otioz", "none.otiod", "none.otio"):
        with pytest.raises(RecipeError, match="timeline cannot be read"):
            read_show(tmp_path / name)


@pytest.mark.parametrize("name", KINDS)
def test_when_settings_are_written_back_then_all_else_stays(tmp_path: Path, name: str) -> None:
    marked = clip("a", strengths={"age": 1})
    marked.metadata["editor"] = {"note": "keep"}
    marked.markers.append(otio.schema.Marker("here", span(1010, 1)))
    time = otio.opentime.RationalTime
    dissolve = otio.schema.Transition("x", "SMPTE_Dissolve", time(0, RATE), time(5, RATE))
    path = saved(tmp_path, cut(marked, dissolve, clip("b"), otio.schema.Gap(source_range=span(0, 4))), name)
    timeline = read_timeline(path)
    new = {"strengths": {"age": {"interpolation": "smooth", "keys": {1009: 0, 1018: 1.5}}}}
    write_timeline(path, with_settings(timeline, {"a": new}), path)

    before, after = (
        json.loads(otio.adapters.write_to_string(t, "otio_json"))
        for t in (timeline.root, read_timeline(path).root)
    )
    assert after["tracks"]["children"][0]["children"][0]["metadata"].pop(KEY)["strengths"]["age"]["keys"] == {
        "1009": 0,
        "1018": 1.5,
    }
    before["tracks"]["children"][0]["children"][0]["metadata"].pop(KEY)
    assert before == after
    assert read_show(path).shots[0].faces[0].recipe.moves[0].strength.interpolation == "smooth"


def test_when_a_bundle_has_media_then_they_go_along(tmp_path: Path) -> None:
    path = saved(tmp_path, cut(clip("a")), "cut.otioz")
    with zipfile.ZipFile(path, "a") as bundle:
        bundle.writestr("media/x.mov", b"film")
    write_timeline(path, with_settings(read_timeline(path), {"a": {"mix": 0.5}}), path)
    with zipfile.ZipFile(path) as bundle:
        assert sorted(bundle.namelist()) == ["content.otio", "media/x.mov", "version.txt"]
        assert bundle.read("media/x.mov") == b"film"
    assert read_show(path).shots[0].faces[0].recipe.mix == 0.5
    assert otio.adapters.read_from_file(str(path)).name == "my cut"  # by the library's own reader


def test_when_a_shot_has_no_clip_then_nothing_is_written(tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match='no clip for the shot "z"') as caught:
        with_settings(read_timeline(saved(tmp_path, cut(clip("a")))), {"z": {}})
    assert "Its shots: a." in caught.value.remedy


@pytest.fixture
def show(tmp_path: Path) -> Show:
    text = (
        "schema_version: 1\nshow: {name: demo}\ndefaults: {output: 'o/{shot}/', handles: 8}\nshots:\n"
        "  a: {plate: 'p/a.####.exr', frames: 1001-1010, strengths: {age: {1001: 0, 1010: 1.5}}}\n"
        "  b: {plate: '/srv/b.%06d.exr', frames: '1001-1010x3', missing: hold, face: {box: [1, 2, 3, 4]}}\n"
    )
    (tmp_path / "shots.yaml").write_text(text)
    return read_show(tmp_path / "shots.yaml")


@pytest.mark.parametrize("name", KINDS)
def test_when_a_show_becomes_a_timeline_then_it_reads_back_as_the_same_shots(
    show: Show, tmp_path: Path, name: str
) -> None:
    from lineament.core.shots.located import read_document

    text = new_timeline(show, read_document(show.path).data)
    write_timeline(tmp_path / name, text)
    assert content_of(tmp_path / name) == text
    again = read_show(tmp_path / name)
    assert [shot.frames for shot in again.shots] == [shot.frames for shot in show.shots]
    assert again.shots[0] == show.shots[0]
    assert again.shots[1].faces == show.shots[1].faces and again.shots[1].missing == "hold"
    assert again.shots[1].plate == "/srv/b.######.exr"
    assert otio.adapters.read_from_file(str(tmp_path / name)).name == "demo"


def test_when_a_shot_has_no_frames_then_it_cannot_be_a_clip(tmp_path: Path) -> None:
    (tmp_path / "s.yaml").write_text(
        "schema_version: 1\nshots: {a: {plate: p.####.exr, output: o.####.exr}}\n"
    )
    with pytest.raises(RecipeError, match="it has no frames") as caught:
        new_timeline(read_show(tmp_path / "s.yaml"), {})
    assert 'shot "a"' in caught.value.where and "frames:" in caught.value.remedy


def test_when_the_timeline_has_a_head_then_it_is_read_and_written(tmp_path: Path) -> None:
    timeline = read_timeline(saved(tmp_path, cut(clip("a"), transitions="refuse")))
    head = head_of(timeline) | {"show": {"name": "other"}}
    path = tmp_path / "new.otio"
    write_timeline(path, with_settings(timeline, {}, head))
    assert read_show(path).name == "other" and head_of(read_timeline(path))["transitions"] == "refuse"
    assert settings_of(timeline, "a") == {}


def test_when_many_clips_are_wrong_then_all_are_told(tmp_path: Path) -> None:
    path = saved(tmp_path, cut(clip("a", 5, 5), clip("b"), clip("c", 9000, 5)))
    with pytest.raises(ShowFileError, match="1 more problem follows") as caught:
        show_from(read_timeline(path).document)
    assert [problem.shot for problem in caught.value.problems] == ["a", "c"]
