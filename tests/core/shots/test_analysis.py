"""The analysis pass: what is found, kept, resumed and refused."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from lineament.core.errors import DataError, FaceError
from lineament.core.shots.analyse import analyse
from lineament.core.shots.analysis_store import DOCUMENT, LATENTS, WORK, load_analysis
from lineament.core.shots.shot import FaceChoice, FaceEdit


def run(small, tools, **more):
    return analyse(small.shot, small.plates, tools, small.cache, **more)


def test_when_a_shot_is_analysed_then_every_frame_has_face_latent_and_one_exposure(small_shot, make_tools):
    analysis = run(small_shot, make_tools())
    face = analysis.face("main")
    assert face.track.statuses == ("found",) * 8
    assert analysis.numbers == tuple(range(1001, 1009))
    assert np.isfinite(face.latents).all() and face.latents.any(axis=(1, 2)).all()
    assert np.log2(face.exposure) == round(np.log2(face.exposure))
    assert np.isfinite(face.track.landmarks).all()
    assert analysis.problems == ()
    assert sorted(path.name for path in analysis.folder.iterdir()) == [DOCUMENT, LATENTS]


def test_when_it_was_analysed_before_then_nothing_is_looked_at_again(small_shot, make_tools, wandering):
    first = run(small_shot, make_tools())
    tools = make_tools(wandering())
    again = run(small_shot, tools)
    assert tools.locator.looks == [] and tools.inverter.calls == 0
    assert again.digest == first.digest and again.key == first.key
    assert (again.faces[0].latents == first.faces[0].latents).all()
    assert (again.faces[0].mattes == first.faces[0].mattes).all()


def test_when_only_the_strength_changes_then_the_analysis_stays(small_shot, make_tools):
    first = run(small_shot, make_tools())
    changed = small_shot.with_strength(2.0, mix=0.5, mask_feather=0.1, colourspace="ACEScg")
    assert load_analysis(changed.cache, changed.shot, changed.plates, make_tools()).digest == first.digest


def test_when_frames_show_no_face_then_gaps_are_bridged_and_ends_are_missing(
    small_shot, make_tools, wandering
):
    analysis = run(small_shot, make_tools(wandering(blind=frozenset((1001, 1004, 1008)))))
    face = analysis.faces[0]
    assert face.track.statuses == ("missing", *("found",) * 2, "bridged", *("found",) * 3, "missing")
    assert np.isnan(face.track.landmarks[[0, 7]]).all() and not face.latents[[0, 7]].any()
    assert np.isfinite(face.track.landmarks[3]).all() and face.latents[3].any()
    assert [line.split(",")[0] for line in analysis.problems] == ["Frame 1004 (bridged)", "Frames 1001"]
    assert analysis.summary()["main"]["missing"] == "1001,1008"


def test_when_one_of_two_faces_is_never_there_then_the_other_is_analysed(small_shot, make_tools):
    faces = (*small_shot.shot.faces, FaceEdit("ghost", FaceChoice(index=3)))
    small = replace(small_shot, shot=replace(small_shot.shot, faces=faces))
    analysis = run(small, make_tools())
    assert set(analysis.face("ghost").track.statuses) == {"missing"}
    assert set(analysis.face("main").track.statuses) == {"found"}


def test_when_no_face_is_there_at_all_then_it_says_so(small_shot, make_tools, wandering):
    with pytest.raises(FaceError, match="No frame of the shot shows face 0"):
        run(small_shot, make_tools(wandering(blind=frozenset(range(1001, 1009)))))


def test_when_it_is_killed_then_it_goes_on_where_it_stopped_with_the_same_result(
    small_shot, make_tools, tmp_path
):
    whole = run(replace(small_shot, cache=tmp_path / "other"), make_tools())
    tools = make_tools()
    tools.inverter.dies_at = 4
    with pytest.raises(KeyboardInterrupt):
        run(small_shot, tools)
    with pytest.raises(DataError, match="has not been analysed"):
        load_analysis(small_shot.cache, small_shot.shot, small_shot.plates, tools)
    resumed = make_tools()
    analysis = run(small_shot, resumed)
    assert resumed.locator.looks == [] and resumed.inverter.calls == 5
    assert analysis.digest == whole.digest
    assert not (analysis.folder / WORK).exists()


def test_when_a_plate_changes_then_rendering_is_refused_and_analysing_does_it_again(
    small_shot, make_tools, repaint, plate_picture
):
    first = run(small_shot, make_tools())
    repaint(small_shot.plates[2].path, 1003, 2.0 * plate_picture(1003))
    with pytest.raises(DataError, match="have changed since it was analysed: frames 1003") as caught:
        load_analysis(small_shot.cache, small_shot.shot, small_shot.plates, make_tools())
    assert "shot analyse" in caught.value.remedy
    assert run(small_shot, make_tools()).digest != first.digest


def test_when_a_plate_is_only_copied_then_its_bytes_decide(small_shot, make_tools):
    first = run(small_shot, make_tools())
    path = small_shot.plates[0].path
    path.write_bytes(path.read_bytes())
    assert load_analysis(small_shot.cache, small_shot.shot, small_shot.plates, make_tools()) is not None
    assert first.plates[0].mtime_ns != path.stat().st_mtime_ns


@pytest.mark.parametrize("name", [DOCUMENT, LATENTS])
def test_when_a_file_is_damaged_then_loading_says_so_and_analysing_mends_it(
    small_shot, make_tools, name: str
):
    first = run(small_shot, make_tools())
    (first.folder / name).write_bytes((first.folder / name).read_bytes()[:-20])
    with pytest.raises(DataError, match="damaged"):
        load_analysis(small_shot.cache, small_shot.shot, small_shot.plates, make_tools())
    assert run(small_shot, make_tools()).digest == first.digest


def test_when_settings_change_then_it_is_another_analysis(small_shot, make_tools):
    first = run(small_shot, make_tools())
    other = small_shot.with_settings(temporal_weight=0.0)
    assert run(other, make_tools()).key != first.key


def test_when_the_face_has_a_track_then_nobody_looks_for_it(small_shot, make_tools, tmp_path: Path):
    names = ("eye_l", "eye_r", "nose", "mouth_l", "mouth_r", "chin")
    shape = np.array([(62, 22), (38, 22), (50, 36), (60, 50), (40, 50), (50, 60)], float)
    frames = [
        {"frame": n, **{name: (p + n - 1001).tolist() for name, p in zip(names, shape, strict=True)}}
        for n in range(1002, 1006)
    ]
    track = tmp_path / "track.json"
    track.write_text(json.dumps({"size": [96, 72], "frames": frames}))
    choice = FaceChoice(track=str(track))
    faces = (replace(small_shot.shot.faces[0], choice=choice),)
    tools = make_tools()
    analysis = run(replace(small_shot, shot=replace(small_shot.shot, faces=faces)), tools)
    assert tools.locator.looks == []
    assert analysis.faces[0].track.statuses == ("missing", *("found",) * 4, *("missing",) * 3)


def test_when_progress_is_asked_for_then_every_stage_is_told_to_its_end(small_shot, make_tools):
    told = []
    run(small_shot, make_tools(), on_progress=lambda stage, done, total: told.append((stage, done, total)))
    assert [one for one in told if one[1] == one[2]] == [
        ("locate", 8, 8), ("crop", 8, 8), ("invert", 8, 8),
    ]  # fmt: skip


def test_when_a_frame_is_asked_for_that_was_not_analysed_then_it_is_named(small_shot, make_tools):
    with pytest.raises(DataError, match="Frame 2000 is not in the analysis, which has 1001-1008"):
        run(small_shot, make_tools()).row(2000)


def test_when_the_cache_cannot_be_written_then_it_says_what_to_do(small_shot, make_tools, tmp_path: Path):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(DataError, match="cannot be written"):
        run(replace(small_shot, cache=tmp_path / "file"), make_tools())


def test_when_another_process_finishes_first_then_its_analysis_is_taken(small_shot, make_tools):
    def other(stage: str, done: int, total: int) -> None:
        if (stage, done) == ("crop", total):
            run(small_shot, make_tools())

    analysis = run(small_shot, make_tools(), on_progress=other)
    assert load_analysis(small_shot.cache, small_shot.shot, small_shot.plates, make_tools()).digest == (
        analysis.digest
    )


def test_when_the_work_folder_is_cleared_meanwhile_then_it_says_so(small_shot, make_tools):
    def clear(stage: str, done: int, total: int) -> None:
        if (stage, done) == ("crop", total):
            for path in small_shot.cache.rglob("crop.*"):
                path.unlink()

    with pytest.raises(DataError, match="has vanished"):
        run(small_shot, make_tools(), on_progress=clear)


def test_when_another_device_renders_then_it_finds_the_analysis(small_shot, make_tools):
    tools, other = make_tools(), make_tools()
    tools.inverter.key, other.inverter.key = "one device=cpu x=1", "one device=cuda x=1"
    first = run(small_shot, tools)
    assert load_analysis(small_shot.cache, small_shot.shot, small_shot.plates, other).key == first.key
    other.inverter.key = "two device=cpu x=1"
    with pytest.raises(DataError, match="has not been analysed"):
        load_analysis(small_shot.cache, small_shot.shot, small_shot.plates, other)
