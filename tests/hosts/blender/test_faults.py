"""What can go wrong: a sentence that helps, the plate in the picture, nothing stale, and a next run that recovers."""

from __future__ import annotations

import errno
import os
import signal
import time
from pathlib import Path

import bpy
import pytest
from lineament.core.errors import FaceError, HostError, LineamentError, PlateError
from lineament.hosts.blender import cache, compat, engine, frame_edit, handlers
from lineament.hosts.blender.places import location, node_folder
from lineament.hosts.blender.service import Baker, bake, bake_frame
from shot import add_edit, edited, end, is_running, key, render, results, same_bits, strength

pytestmark = pytest.mark.usefixtures("addon")


@pytest.fixture
def shot(scene, plate_node, tmp_path, fake_engine):
    """A scene with one edit that was baked well on all frames; whatever shows it later is stale."""
    tree, plate = plate_node()
    node = add_edit(tree, plate, tmp_path / "cache", age=1.0)
    end(tree, node)
    assert bake(scene, (1, 2, 3)).done == [1, 2, 3]
    return node


def shown(scene, tmp_path: Path) -> dict:
    """What a render shows that edits nothing."""
    with handlers.paused():
        return render(scene, tmp_path / "out")


def expect_plates(scene, tmp_path: Path, pixels_of_plate, frames=(1, 2, 3)) -> None:
    pictures = shown(scene, tmp_path)
    for frame in frames:
        assert same_bits(pictures[frame], pixels_of_plate(frame)), f"frame {frame} is stale"


def expect_sentence(error: LineamentError, *words: str) -> None:
    assert error.what and error.remedy and all(word in str(error) for word in words), str(error)


def kill_when_it_renders(baker: Baker, times: int) -> set[int]:
    """Pump a bake and kill its engine with SIGKILL, as the system does when memory is short."""
    killed: set[int] = set()
    for step in baker.steps():
        if step.stage == "read" and len(killed) < times:
            for pid in set(engine.KEEPER.pids()) - killed:
                os.kill(pid, signal.SIGKILL)
                killed.add(pid)
    return killed


def test_when_the_engine_is_killed_in_a_frame_then_it_is_started_once_more_and_the_frame_is_done(
    scene, shot, pixels_of_plate, tmp_path
) -> None:
    strength(shot, "age").default_value = 2.0
    strength(shot, "lipstick").default_value = 0.5
    baker = Baker(scene, (1, 2))
    killed = kill_when_it_renders(baker, 1)
    assert len(killed) == 1 and baker.report.done == [1, 2]
    assert not any(is_running(pid) for pid in killed), "no zombie"
    assert same_bits(shown(scene, tmp_path)[1], edited(pixels_of_plate(1), 2.0))


def test_when_the_engine_dies_twice_in_a_frame_then_this_frame_fails_and_the_others_go_on(
    scene, shot, pixels_of_plate, tmp_path
) -> None:
    key(strength(shot, "glasses"), {1: 0.0, 2: 3.0, 3: 0.0})
    report = bake(scene, (1, 2, 3), force=True)
    assert report.done == [1, 3] and report.exit_code == 1
    expect_sentence(report.failed[2], "died twice", "lineament doctor")
    expect_plates(scene, tmp_path, pixels_of_plate, (2,))
    assert "result.0002.exr" not in results(shot)
    strength(shot, "glasses").keyframe_insert("default_value", frame=2)
    key(strength(shot, "glasses"), {2: 0.0})
    assert bake(scene, (1, 2, 3)).failed == {}
    assert same_bits(shown(scene, tmp_path)[2], edited(pixels_of_plate(2), 1.0)), "the next run recovers"


@pytest.mark.parametrize("path", ["/nowhere/python", "missing python é"])
def test_when_the_interpreter_is_not_there_then_frames_that_hold_stay_and_others_show_the_plate(
    path, scene, shot, pixels_of_plate, tmp_path, monkeypatch
) -> None:
    engine.close_all()
    monkeypatch.setenv("LINEAMENT_PYTHON", path)
    assert bake(scene, (1, 2, 3)).skipped == [1, 2, 3]
    strength(shot, "age").default_value = 2.0
    report = bake(scene, (1, 2, 3))
    assert list(report.failed) == [1, 2, 3] and report.exit_code == HostError.exit_code
    expect_sentence(report.failed[1], "cannot be started", "LINEAMENT_PYTHON")
    expect_plates(scene, tmp_path, pixels_of_plate)


def test_when_no_engine_is_set_up_then_the_error_says_where_to_name_it(scene, shot, monkeypatch) -> None:
    engine.close_all()
    monkeypatch.delenv("LINEAMENT_PYTHON")
    strength(shot, "age").default_value = 2.0
    report = bake(scene, (1,))
    expect_sentence(report.failed[1], "No engine is set up", "Preferences", "lineament doctor")


def test_when_the_engine_is_of_another_version_then_both_numbers_are_named(
    scene, shot, pixels_of_plate, tmp_path, monkeypatch
) -> None:
    engine.close_all()
    monkeypatch.setenv("LINEAMENT_FAKE_MODE", "old")
    strength(shot, "age").default_value = 2.0
    report = bake(scene, (1, 2, 3))
    expect_sentence(report.failed[2], "protocol", "same version")
    expect_plates(scene, tmp_path, pixels_of_plate)
    monkeypatch.delenv("LINEAMENT_FAKE_MODE")
    assert bake(scene, (1, 2, 3)).done == [1, 2, 3]


def test_when_the_cache_folder_cannot_be_written_then_valid_frames_show_and_others_show_the_plate(
    scene, shot, pixels_of_plate, tmp_path, monkeypatch
) -> None:
    real = {name: getattr(Path, name) for name in ("replace", "unlink", "mkdir")}

    def guarded(name):
        def call(self, *arguments, **named):
            if (tmp_path / "cache") in (self, *self.parents):
                raise OSError(errno.EROFS, os.strerror(errno.EROFS))
            return real[name](self, *arguments, **named)

        return call

    def refuse(*_):
        raise OSError(errno.EROFS, os.strerror(errno.EROFS))

    key(strength(shot, "age"), {1: 1.0, 2: 2.0, 3: 2.0})
    monkeypatch.setattr(cache, "write_atomically", refuse)
    for name in real:
        monkeypatch.setattr(Path, name, guarded(name))
    report = bake(scene, (1, 2, 3))
    monkeypatch.undo()
    assert report.skipped == [1]
    expect_sentence(report.failed[2], "cannot be written", "Read-only", "permissions", str(tmp_path))
    assert same_bits(shown(scene, tmp_path)[1], edited(pixels_of_plate(1), 1.0))
    expect_plates(scene, tmp_path, pixels_of_plate, (2, 3))


def test_when_the_disk_is_full_then_the_error_says_so_and_no_partial_file_stays(
    scene, shot, pixels_of_plate, tmp_path, monkeypatch
) -> None:
    real = cache.write_atomically

    def full(path, data):
        if b'"edited"' in data:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        real(path, data)

    strength(shot, "age").default_value = 2.0
    monkeypatch.setattr(cache, "write_atomically", full)
    report = bake(scene, (1, 2, 3))
    expect_sentence(report.failed[1], "full", "Make room")
    expect_plates(scene, tmp_path, pixels_of_plate)
    assert [name for name in results(shot) if name.endswith(".exr") or name.startswith(".")] == []
    monkeypatch.setattr(cache, "write_atomically", real)
    assert bake(scene, (1, 2, 3)).done == [1, 2, 3]


@pytest.mark.parametrize(("attribute", "words"), [("smile", "No face"), ("moustache", "No space left")])
def test_when_the_engine_refuses_a_frame_then_its_words_are_kept_with_it(
    attribute, words, scene, shot, pixels_of_plate, tmp_path
) -> None:
    strength(shot, attribute).default_value = 3.0
    report = bake(scene, (2,))
    assert report.exit_code == FaceError.exit_code == PlateError.exit_code
    expect_sentence(report.failed[2], words)
    assert str(location(scene, shot.node_tree).record(2).failure) == str(report.failed[2])
    expect_plates(scene, tmp_path, pixels_of_plate, (2,))
    with pytest.raises(LineamentError, match=words):
        bake_frame(scene, 2)


@pytest.mark.parametrize("age", [0.0, 1.0])
def test_when_plate_frames_are_missing_then_they_fail_by_name_whether_edited_or_not(
    age, scene, plate_node, tmp_path, fake_engine
) -> None:
    tree, plate = plate_node()
    end(tree, add_edit(tree, plate, tmp_path / "cache", age=age))
    (tmp_path / "plate" / "plate.0002.exr").unlink()
    report = bake(scene, (1, 2, 3))
    assert list(report.failed) == [2] and report.right == (1, 3)
    expect_sentence(report.failed[2], "plate of frame 2 is missing", "plate.0002.exr")


def test_when_the_plate_starts_late_or_repeats_then_the_files_that_blender_reads_are_looked_for(
    scene, plate_node, tmp_path, fake_engine
) -> None:
    tree, plate = plate_node()
    end(tree, add_edit(tree, plate, tmp_path / "cache", age=1.0))
    plate.frame_offset = 1
    assert list(bake(scene, (1, 2, 3)).failed) == [3], "frame 3 would read plate.0004.exr"
    plate.frame_offset, plate.frame_duration, plate.use_cyclic = 0, 2, True
    assert bake(scene, (1, 2, 3, 4)).failed == {}
    plate.use_cyclic, plate.frame_duration = False, 3
    assert bake(scene, (3, 9)).failed == {}, "behind its end a sequence holds its last picture"


def test_when_a_strength_is_linked_to_pixels_then_the_error_names_both_sockets(
    scene, shot, pixels_of_plate, tmp_path
) -> None:
    tree = shot.id_data
    tree.links.new(tree.nodes["Plate"].outputs["Alpha"], strength(shot, "age"))
    report = bake(scene, (1, 2, 3))
    expect_sentence(report.failed[1], "Age", "Plate", "keyframe")
    expect_plates(scene, tmp_path, pixels_of_plate)


def test_when_the_node_is_of_a_newer_version_then_nothing_of_it_is_touched(
    scene, shot, pixels_of_plate, tmp_path
) -> None:
    shot.node_tree.lineament.spec_version = "99.0"
    before = results(shot)
    with pytest.raises(HostError, match=r"99\.0") as caught:
        bake(scene, (1, 2, 3), force=True)
    expect_sentence(caught.value, "Update")
    assert results(shot) == before
    assert same_bits(shown(scene, tmp_path)[2], edited(pixels_of_plate(2), 1.0)), "it renders what it has"


def test_when_something_unforeseen_happens_then_the_frame_fails_and_the_details_are_in_a_file(
    scene, shot, pixels_of_plate, tmp_path, monkeypatch
) -> None:
    def bug(*_):
        raise ZeroDivisionError("a bug")

    with monkeypatch.context() as patch:
        patch.setattr(frame_edit, "digest_of", bug)
        report = bake(scene, (1, 2, 3))
    expect_sentence(report.failed[1], "ZeroDivisionError", "written to")
    details = Path(report.failed[1].what.split("written to ")[1].rstrip("."))
    assert "a bug" in details.read_text()
    details.unlink()
    expect_plates(scene, tmp_path, pixels_of_plate)
    assert bake(scene, (1, 2, 3)).skipped == [1, 2, 3], "nobody has proven what was there wrong"
    assert same_bits(shown(scene, tmp_path)[2], edited(pixels_of_plate(2), 1.0))


def test_when_an_upper_edit_fails_then_the_ones_below_it_show_no_old_result(
    scene, plate_node, pixels_of_plate, tmp_path, fake_engine
) -> None:
    tree, plate = plate_node()
    first = add_edit(tree, plate, tmp_path / "cache", age=1.0)
    end(tree, add_edit(tree, first, tmp_path / "cache", age=1.0))
    bake(scene, (1, 2, 3))
    strength(first, "smile").default_value = 3.0
    assert list(bake(scene, (1,)).failed) == [1]
    expect_plates(scene, tmp_path, pixels_of_plate, (1,))


@pytest.mark.parametrize("how", ["polite", "deaf"])
def test_when_a_bake_is_cancelled_then_it_ends_within_a_second_and_leaves_nothing(
    how, scene, shot, tmp_path
) -> None:
    strength(shot, "beard").default_value = 3.0 if how == "polite" else 4.0
    before = set(results(shot))
    baker = Baker(scene, (1, 2, 3))
    begin = 0.0
    for step in baker.steps():
        if step.stage == "read" and not begin:
            pids = engine.KEEPER.pids()
            time.sleep(0.2)
            begin = time.monotonic()
            baker.cancel()
    took = time.monotonic() - begin
    assert took < 1.0 and begin
    assert baker.report.is_cancelled and baker.report.exit_code == 130
    assert set(results(shot)) == before, "no partial file, no work folder"
    assert list(Path("/dev/shm").glob(f"lineament-taps-{os.getpid()}-*")) == []
    if how == "deaf":
        assert not any(is_running(pid) for pid in pids)
    strength(shot, "beard").default_value = 0.0
    assert bake(scene, (1, 2, 3)).exit_code == 0, "the cancel is used up"


def test_when_the_one_who_pumps_a_bake_walks_away_then_it_is_cancelled_too(scene, shot) -> None:
    strength(shot, "beard").default_value = 3.0
    baker = Baker(scene, (1, 2, 3))
    steps = baker.steps()
    for step in steps:
        if step.stage == "read":
            break
    begin = time.monotonic()
    steps.close()
    assert time.monotonic() - begin < 1.0
    assert not [name for name in results(shot) if name.startswith(".work")]
    strength(shot, "beard").default_value = 0.0
    assert bake(scene, (1, 2, 3)).exit_code == 0


def test_when_a_bake_runs_then_no_step_keeps_its_caller_for_long(scene, shot) -> None:
    strength(shot, "lipstick").default_value = 1.0
    longest, last = 0.0, 0.0
    for step in Baker(scene, (1,)).steps():
        now = time.monotonic()
        if last and step.stage in ("read", ""):
            longest = max(longest, now - last)
        last = now
    assert longest < 0.2, "what only Blender can do, a tap, is told before it begins"


def test_when_the_add_on_leaves_then_its_engines_end(scene, shot, addon) -> None:
    pids = engine.KEEPER.pids()
    assert pids and all(is_running(pid) for pid in pids)
    addon.unregister()
    assert not any(is_running(pid) for pid in pids)


def test_when_two_models_and_more_are_used_then_only_two_engines_are_kept(scene, shot, fake_engine) -> None:
    for name in ("one", "two", "three"):
        shot.node_tree.lineament.model = name
        assert bake(scene, (1,)).done == [1]
    assert len(engine.KEEPER.pids()) == engine.MAX_WORKERS
    assert node_folder(shot.node_tree).is_dir()


def test_when_the_node_is_removed_in_a_bake_then_the_bake_ends_and_says_so(scene, shot, tmp_path) -> None:
    strength(shot, "age").default_value = 2.0
    baker = Baker(scene, (1, 2, 3))
    for step in baker.steps():
        if step.frame == 2 and step.stage == "tap":
            bpy.data.node_groups.remove(shot.node_tree)
    assert baker.report.done == [1] and list(baker.report.failed) == [2]
    expect_sentence(baker.report.failed[2], "removed", "frame 2", "Bake again")
    assert baker.report.left == (2, 3) and baker.report.exit_code == 1


def test_when_the_tree_is_removed_while_the_engine_works_then_nothing_dead_is_touched(
    scene, shot, tmp_path
) -> None:
    strength(shot, "lipstick").default_value = 0.3
    baker = Baker(scene, (1, 2))
    folder = node_folder(shot.node_tree)
    for step in baker.steps():
        if step.stage == "read" and shot is not None:
            compat.scene_tree(scene).nodes.remove(shot)
            shot = None
    assert list(baker.report.failed) == [1] and "removed" in baker.report.failed[1].what
    assert list(folder.glob(".work-*")) == []


def test_when_the_scene_is_removed_in_a_bake_then_the_bake_ends_and_says_so(scene, shot) -> None:
    strength(shot, "age").default_value = 2.0
    bpy.data.scenes.new("Another")
    baker = Baker(scene, (1, 2))
    stages = []
    for step in baker.steps():
        stages.append(step.stage)
        if step.stage == "tap":
            bpy.data.scenes.remove(scene)
    assert stages == ["tap", "failed"] and "removed" in baker.report.failed[1].what


def test_when_a_bake_is_closed_after_its_node_was_removed_then_it_closes_quietly(scene, shot) -> None:
    strength(shot, "age").default_value = 2.0
    steps = Baker(scene, (1, 2)).steps()
    assert next(steps).stage == "tap"
    bpy.data.node_groups.remove(shot.node_tree)
    steps.close()


def test_when_a_step_is_undone_in_a_bake_then_it_goes_on_or_ends_readably(scene, shot) -> None:
    bpy.context.preferences.edit.use_global_undo = True
    bpy.ops.ed.undo_push(message="before")
    strength(shot, "age").default_value = 2.0
    bpy.ops.ed.undo_push(message="changed")
    baker = Baker(bpy.context.scene, (1, 2))
    is_undone = False
    for step in baker.steps():
        if step.stage == "tap" and not is_undone:
            bpy.ops.ed.undo()
            is_undone = True
    for error in baker.report.failed.values():
        expect_sentence(error, "removed", "Bake again")
    assert len(baker.report.right) + len(baker.report.left) == 2


def test_when_the_engine_speaks_of_flags_and_taps_then_the_report_speaks_of_fields_and_frames(
    scene, shot, tmp_path
) -> None:
    shot.node_tree.lineament.device = "cpu"
    strength(shot, "smile").default_value = 3.0
    error = bake(scene, (2,)).failed[2]
    assert error.where == "Attribute Edit, frame 2, the fake engine"
    assert location(scene, shot.node_tree).record(2).failure.where == error.where
