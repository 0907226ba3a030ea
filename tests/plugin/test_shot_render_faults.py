"""Thirty things that go wrong while a shot is rendered: a clean error, nothing broken left behind, and a second run
that finishes when the cause is gone."""

from __future__ import annotations

import errno
import os
import shutil
import sys
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from lineament.core.errors import LineamentError, PlateError
from lineament.core.shots.shot import MaskSource
from lineament.plugin import manifest, shot_frame
from lineament.plugin.batch import Outcome
from lineament.plugin.plan import UsageError
from lineament.plugin.shot_render import local_flow, render_shot

FRAMES = 8


@pytest.fixture(scope="module")
def fake(repository: Path) -> ModuleType:
    """The module fake_shot.py."""
    sys.path.insert(0, str(repository / "tests" / "plugin"))
    import fake_shot

    return fake_shot


@pytest.fixture(scope="module")
def a_set(fake: ModuleType, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Plates, masks, and the outputs of a run that nothing disturbs."""
    folder = tmp_path_factory.mktemp("set")
    shot = fake.make_shot(folder, FRAMES)
    shutil.copytree(folder / "plate", folder / "mask")
    renderer = fake.open_fake(fake.Order(mask=mask_in(folder)))
    plan = fake.plan_of(replace(shot, mask=mask_in(folder)), renderer)
    assert render_shot(plan, local_flow(renderer), []).exit_code == 0
    return folder


@pytest.fixture
def a_folder(a_set: Path, tmp_path: Path) -> Path:
    """A fresh copy of plates and masks."""
    for name in ("plate", "mask"):
        shutil.copytree(a_set / name, tmp_path / name)
    return tmp_path


def mask_in(folder: Path) -> MaskSource:
    return MaskSource(str(folder / "mask" / "p.####.exr"))


@dataclass
class Set:
    """A shot while it is rendered; ``during`` is called before each frame is rendered, with its number."""

    fake: ModuleType
    folder: Path
    during: Callable[[int], None] = lambda number: None
    outcome: Outcome | None = None

    def run(self, keep_going: bool = True, **order: Any) -> Outcome:
        """Render what is not valid."""
        order = self.fake.Order(mask=mask_in(self.folder), **order)
        renderer = self.fake.open_fake(order)
        plain = renderer.render

        def render(frame: Any, number: int, matte: Any) -> Any:
            self.during(number)
            return plain(frame, number, matte)

        renderer.render = render
        shot = replace(self.fake.shot_in(self.folder), mask=mask_in(self.folder))
        plan = self.fake.plan_of(shot, renderer)
        return render_shot(plan, local_flow(renderer, ahead=1, behind=1), [], keep_going=keep_going)

    def plate(self, number: int) -> Path:
        return self.folder / "plate" / f"p.{number}.exr"

    def output(self, number: int) -> Path:
        return self.folder / "out" / f"sh010.{number}.exr"


@pytest.fixture
def a_run(fake: ModuleType, a_folder: Path) -> Set:
    return Set(fake, a_folder)


def errors(outcome: Outcome) -> dict[int, LineamentError]:
    return {failure.number: failure.error for failure in outcome.failed}


def expect_finished(run: Set, a_set: Path) -> None:
    """A second run, without the cause, ends with the bytes of a plain one, and nothing is left beside them."""
    run.during = lambda number: None
    assert run.run().exit_code == 0
    assert run.fake.outputs(run.folder) == run.fake.outputs(a_set)
    assert not [path.name for path in (run.folder / "out").iterdir() if path.name.startswith(".")]
    assert run.run().done == []


def damaged(path: Path, how: str) -> None:
    """What can become of a picture on a file server."""
    data = path.read_bytes()
    if how == "vanished":
        path.unlink()
    elif how == "empty":
        path.write_bytes(b"")
    elif how == "cut":
        path.write_bytes(data[: len(data) // 2])
    elif how == "garbage":
        path.write_bytes(b"not a picture" * 100)
    elif how == "header":
        path.write_bytes(data[:8] + b"\xff" * 60 + data[68:])
    elif how == "folder":
        path.unlink()
        path.mkdir()
    elif how == "bad pixels":
        path.write_bytes(data[:-200] + bytes(200))
    elif how == "link to nowhere":
        path.unlink()
        path.symlink_to(path.with_name("gone.exr"))


HOW = ("vanished", "empty", "cut", "garbage", "header", "folder", "bad pixels", "link to nowhere")


@pytest.mark.parametrize("how", HOW)
def test_when_a_plate_is_lost_mid_shot_then_only_its_frame_fails(a_run: Set, a_set: Path, how: str) -> None:
    a_run.during = lambda number: damaged(a_run.plate(1006), how) if number == 1002 else None
    outcome = a_run.run()
    assert set(errors(outcome)) == {1006} and outcome.exit_code == 1
    error = errors(outcome)[1006]
    assert isinstance(error, PlateError) and error.remedy and "1006" in error.where
    assert not a_run.output(1006).exists() and a_run.fake.unreadable(a_run.folder) == []
    if a_run.plate(1006).is_dir():
        a_run.plate(1006).rmdir()
    a_run.plate(1006).unlink(missing_ok=True)
    shutil.copy(a_set / "plate" / "p.1006.exr", a_run.plate(1006))
    expect_finished(a_run, a_set)


@pytest.mark.parametrize("how", ["vanished", "cut", "garbage"])
def test_when_a_mask_is_lost_mid_shot_then_only_its_frame_fails(a_run: Set, a_set: Path, how: str) -> None:
    mask = a_run.folder / "mask" / "p.1006.exr"
    a_run.during = lambda number: damaged(mask, how) if number == 1002 else None
    outcome = a_run.run()
    assert set(errors(outcome)) == {1006} and "mask" in errors(outcome)[1006].where
    shutil.copy(a_set / "mask" / "p.1006.exr", mask)
    expect_finished(a_run, a_set)


def test_when_all_plates_vanish_mid_shot_then_what_was_read_is_kept(a_run: Set, a_set: Path) -> None:
    a_run.during = lambda number: shutil.rmtree(a_run.folder / "plate") if number == 1003 else None
    outcome = a_run.run()
    assert outcome.exit_code == 1 and len(outcome.done) >= 3
    assert len(outcome.done) + len(outcome.failed) == FRAMES
    shutil.copytree(a_set / "plate", a_run.folder / "plate")
    expect_finished(a_run, a_set)


def test_when_a_plate_is_not_the_analysed_one_then_its_frame_is_refused(a_run: Set, a_set: Path) -> None:
    known = {1001 + i: manifest.file_sha256(a_run.plate(1001 + i)) for i in range(FRAMES)}
    shutil.copy(a_run.plate(1001), a_run.plate(1005))
    outcome = a_run.run(plates=known)
    assert (
        set(errors(outcome)) == {1005} and "changed since the shot was analysed" in errors(outcome)[1005].what
    )
    shutil.copy(a_set / "plate" / "p.1005.exr", a_run.plate(1005))
    expect_finished(a_run, a_set)


def test_when_a_plate_changes_while_it_is_read_then_its_frame_fails(
    a_run: Set, a_set: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plain = shot_frame.read_frame

    def read(path: str, number: int) -> Any:
        frame = plain(path, number)
        if number == 1004:
            os.utime(path, ns=(1, 1))
        return frame

    monkeypatch.setattr(shot_frame, "read_frame", read)
    outcome = a_run.run()
    assert set(errors(outcome)) == {1004} and "changed while it was read" in errors(outcome)[1004].what
    monkeypatch.undo()
    expect_finished(a_run, a_set)


def full_disk(monkeypatch: pytest.MonkeyPatch, after: int, is_really_full: bool = True) -> None:
    """Files can be written ``after`` times, then there is no room; ``os.replace`` is where a picture gets its name."""
    from lineament.core.io import files

    count = [0]
    plain = files._flush

    def flush(path: Path) -> None:
        count[0] += 1
        if count[0] > after:
            raise OSError(errno.ENOSPC, "No space left on device", str(path))
        plain(path)

    monkeypatch.setattr(files, "_flush", flush)
    if is_really_full:
        free = shutil.disk_usage("/")._replace(free=0)
        monkeypatch.setattr(shot_frame.shutil, "disk_usage", lambda path: free)


@pytest.mark.parametrize("after", [0, 1, 3, 5])
def test_when_the_disk_is_full_then_the_run_ends_and_says_so(
    a_run: Set, a_set: Path, monkeypatch: pytest.MonkeyPatch, after: int
) -> None:
    full_disk(monkeypatch, after)
    outcome = a_run.run()
    assert outcome.stopped_by is not None and "is full" in outcome.stopped_by.what and outcome.exit_code == 3
    assert len(outcome.done) == after and len(outcome.left) == FRAMES - after
    assert len(outcome.failed) <= 3  # those that were on their way
    assert len(a_run.fake.outputs(a_run.folder)) == after and a_run.fake.unreadable(a_run.folder) == []
    monkeypatch.undo()
    expect_finished(a_run, a_set)


def test_when_one_write_fails_by_chance_then_the_others_go_on(
    a_run: Set, a_set: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from lineament.core.io import files

    plain, count = files._flush, [0]

    def flush(path: Path) -> None:
        count[0] += 1
        if count[0] == 3:
            raise OSError(errno.EIO, "Input/output error")
        plain(path)

    monkeypatch.setattr(files, "_flush", flush)
    outcome = a_run.run()
    assert len(outcome.done) == FRAMES - 1 and len(outcome.failed) == 1 and outcome.stopped_by is None
    expect_finished(a_run, a_set)


@pytest.mark.skipif(not os.path.isdir("/dev/shm") or os.geteuid() != 0, reason="needs root and tmpfs")
def test_when_a_real_disk_is_full_then_the_run_ends_and_can_be_finished(a_run: Set, a_set: Path) -> None:
    import subprocess

    out = a_run.folder / "out"
    out.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=60k", "none", str(out)]
    if subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("no right to mount")
    try:
        outcome = a_run.run()
        assert outcome.stopped_by is not None and 0 < len(outcome.done) < FRAMES
        assert a_run.fake.unreadable(a_run.folder) == []
        subprocess.run(["mount", "-o", "remount,size=10m", str(out)], check=True)
        expect_finished(a_run, a_set)
    finally:
        subprocess.run(["umount", str(out)], check=True)


def test_when_the_manifest_cannot_be_written_then_no_unknown_picture_appears(
    a_run: Set, a_set: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plain = manifest.os.write
    monkeypatch.setattr(manifest.os, "write", lambda handle, data: plain(handle, data[:20]))
    outcome = a_run.run()
    assert outcome.done == [] and len(outcome.failed) == FRAMES
    assert "manifest cannot be written" in outcome.failed[0].error.what
    assert a_run.fake.outputs(a_run.folder) == {}
    monkeypatch.undo()
    expect_finished(a_run, a_set)


@pytest.mark.parametrize("torn", [1, 50, 400])
def test_when_the_manifest_is_torn_then_only_its_last_frame_is_rendered_again(
    a_run: Set, a_set: Path, torn: int
) -> None:
    a_run.run()
    path = a_run.folder / "out" / "sh010.manifest.jsonl"
    path.write_bytes(path.read_bytes()[:-torn])
    outputs = a_run.fake.outputs(a_run.folder)
    if torn > 1:
        with pytest.raises(UsageError, match="does not know"):  # an unknown picture is not ours to replace
            a_run.run()
        lost = [n for n in range(1001, 1001 + FRAMES) if n not in manifest.read_manifest(path).done]
        for number in lost:
            a_run.output(number).unlink()
    expect_finished(a_run, a_set)
    assert a_run.fake.outputs(a_run.folder) == outputs


def test_when_the_output_folder_is_removed_mid_shot_then_the_run_ends_and_can_be_finished(
    a_run: Set, a_set: Path
) -> None:
    a_run.during = lambda number: shutil.rmtree(a_run.folder / "out") if number == 1004 else None
    outcome = a_run.run()
    assert outcome.stopped_by is not None and "not there any more" in outcome.stopped_by.what
    assert outcome.exit_code == 3 and not (a_run.folder / "out").exists()
    expect_finished(a_run, a_set)


def test_when_the_output_folder_may_not_be_written_then_nothing_begins(
    a_run: Set, a_set: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (a_run.folder / "out").mkdir()
    plain = os.access
    monkeypatch.setattr(os, "access", lambda path, mode: "out" not in str(path) and plain(path, mode))
    with pytest.raises(PlateError, match="may not be written to"):
        a_run.run()
    monkeypatch.undo()
    expect_finished(a_run, a_set)


def test_when_the_output_folder_becomes_read_only_then_the_run_ends(
    a_run: Set, a_set: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(path: Path, frame: Any, **options: Any) -> None:
        raise PlateError("Cannot write the picture.", where=str(path), remedy="Check the permissions.")

    def lock(number: int) -> None:
        if number == 1003:
            monkeypatch.setattr(shot_frame, "write_frame", refuse)
            monkeypatch.setattr(os, "access", lambda path, mode: False)

    a_run.during = lock
    outcome = a_run.run()
    assert outcome.stopped_by is not None and "may not be written to" in outcome.stopped_by.what
    monkeypatch.undo()
    expect_finished(a_run, a_set)


def test_when_a_file_is_in_the_way_of_the_folder_then_it_stays(a_run: Set, a_set: Path) -> None:
    (a_run.folder / "out").write_text("mine")
    with pytest.raises(PlateError, match="is not a folder"):
        a_run.run()
    assert (a_run.folder / "out").read_text() == "mine"
    (a_run.folder / "out").unlink()
    expect_finished(a_run, a_set)


def test_when_a_folder_is_in_the_way_of_a_frame_then_only_that_frame_fails(a_run: Set, a_set: Path) -> None:
    a_run.during = lambda number: a_run.output(1005).mkdir(exist_ok=True) if number == 1002 else None
    outcome = a_run.run()
    assert set(errors(outcome)) == {1005} and "not a file" in errors(outcome)[1005].what
    a_run.output(1005).rmdir()
    expect_finished(a_run, a_set)


def test_when_an_output_is_write_protected_then_it_stays(a_run: Set, a_set: Path) -> None:
    a_run.run()
    a_run.output(1003).chmod(0o444)
    before = a_run.output(1003).read_bytes()
    outcome = a_run.run(gain=3.0)
    assert set(errors(outcome)) == {1003} and "write-protected" in errors(outcome)[1003].what
    assert a_run.output(1003).read_bytes() == before
    a_run.output(1003).chmod(0o644)
    expect_finished(a_run, a_set)


@pytest.mark.parametrize("kind", [RuntimeError, MemoryError, ZeroDivisionError])
def test_when_something_unforeseen_happens_then_it_is_one_frames_error(
    a_run: Set, a_set: Path, kind: type[Exception]
) -> None:
    def stumble(number: int) -> None:
        if number == 1004:
            raise kind("stumbled")

    a_run.during = stumble
    outcome = a_run.run()
    assert set(errors(outcome)) == {1004} and kind.__name__ in errors(outcome)[1004].what
    expect_finished(a_run, a_set)


def test_when_the_model_fails_then_the_run_ends_with_its_code(a_run: Set, a_set: Path) -> None:
    from lineament.core.errors import DeviceError

    def fail(number: int) -> None:
        raise DeviceError("Out of memory.", remedy="Use the CPU.")

    a_run.during = fail
    outcome = a_run.run()
    assert outcome.exit_code == 5 and outcome.done == [] and len(outcome.failed) == 1
    expect_finished(a_run, a_set)


def test_when_memory_is_measured_then_failures_and_frames_leave_nothing_behind(a_run: Set) -> None:
    import gc
    import weakref

    from lineament.core.frame import Frame

    alive: weakref.WeakSet[Frame] = weakref.WeakSet()
    plain = shot_frame.read_frame
    most = [0]

    def read(path: str, number: int) -> Frame:
        frame = plain(path, number)
        alive.add(frame)
        most[0] = max(most[0], len(alive))
        return frame

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(shot_frame, "read_frame", read)
        outcome = a_run.run(fail_at=(1002, 1004, 1005, 1007))
    gc.collect()
    assert len(outcome.failed) == 4 and len(alive) == 0 and most[0] <= 4
