"""A picture gets its name when it is whole; nothing else is left in the folder, whatever goes wrong."""

from __future__ import annotations

import os
import resource
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from lineament.core.errors import PlateError
from lineament.core.frame import Frame, Part, Window
from lineament.core.io import exr_header, files, read_frame, refuse_same_file, write_frame


@pytest.fixture
def a_frame() -> Frame:
    rng = np.random.default_rng(1)
    planes = {c: rng.normal(size=(64, 64)).astype(np.float16) for c in "RGB"}
    window = Window(0, 0, 64, 64)
    return Frame((Part("", ("R", "G", "B"), planes, window, window),))


@pytest.fixture
def a_mixed_frame(a_frame) -> Frame:
    part = a_frame.parts[0]
    planes = {**part.planes, "Z": np.ones((64, 64), np.float32)}
    return Frame((Part("", tuple(planes), planes, part.data_window, part.data_window),))


def test_when_the_output_is_the_plate_then_it_is_refused_by_every_spelling(tmp_path, monkeypatch):
    plate = tmp_path / "plate.exr"
    plate.write_bytes(b"x")
    (tmp_path / "sub").mkdir()
    (tmp_path / "soft.exr").symlink_to(plate)
    (tmp_path / "hard.exr").hardlink_to(plate)
    (tmp_path / "folder").symlink_to(tmp_path)
    monkeypatch.chdir(tmp_path)
    for target in ("plate.exr", "sub/../plate.exr", "soft.exr", "hard.exr", "folder/plate.exr", plate):
        with pytest.raises(PlateError, match=r"is the input plate itself.*never overwritten"):
            refuse_same_file(plate, target)


def test_when_the_output_is_another_file_then_it_is_allowed(tmp_path):
    plate = tmp_path / "plate.exr"
    plate.write_bytes(b"x")
    refuse_same_file(plate, tmp_path / "out.exr")
    (tmp_path / "out.exr").write_bytes(b"x")
    refuse_same_file(plate, tmp_path / "out.exr")


def test_when_a_path_cannot_exist_then_comparing_it_is_a_plate_error(tmp_path):
    with pytest.raises(PlateError, match="Cannot tell"):
        refuse_same_file(tmp_path / "a.exr", "b\0.exr")


@pytest.mark.parametrize("name", ["no/such/folder/a.exr", "b\0.exr", "x" * 300 + ".exr", "file.txt/a.exr"])
def test_when_the_folder_cannot_take_the_file_then_it_is_a_plate_error(name, a_frame, tmp_path):
    (tmp_path / "file.txt").write_bytes(b"")
    with pytest.raises(PlateError) as caught:
        write_frame(tmp_path / name, a_frame)
    assert caught.value.remedy and caught.value.where


def test_when_the_target_is_a_folder_or_protected_then_it_is_left_alone(a_frame, tmp_path, listing):
    (tmp_path / "folder.exr").mkdir()
    with pytest.raises(PlateError, match="not a file"):
        write_frame(tmp_path / "folder.exr", a_frame)
    locked = tmp_path / "locked.exr"
    locked.write_bytes(b"precious")
    locked.chmod(0o444)
    with pytest.raises(PlateError, match="write-protected"):
        write_frame(locked, a_frame)
    assert locked.read_bytes() == b"precious" and listing() == ["locked.exr"]


def test_when_overwriting_is_not_allowed_then_the_old_file_stays(a_frame, tmp_path, listing):
    (tmp_path / "a.exr").write_bytes(b"old")
    with pytest.raises(PlateError, match=r"exists.*--overwrite"):
        write_frame(tmp_path / "a.exr", a_frame, overwrite=False)
    assert (tmp_path / "a.exr").read_bytes() == b"old" and listing() == ["a.exr"]
    write_frame(tmp_path / "a.exr", a_frame)
    assert read_frame(tmp_path / "a.exr").parts[0].channels == ("R", "G", "B")


@pytest.mark.parametrize("limit", [0, 300, 5000, 15000, 22000])
@pytest.mark.parametrize("kind", [".exr", "tiled.exr", ".tif", ".png"])
def test_when_the_disk_is_full_then_there_is_an_error_and_no_file(limit, kind, a_frame, tmp_path, listing):
    part = a_frame.parts[0]
    if kind == "tiled.exr":
        part = replace(part, tile=(16, 16), compression="zip")
    elif kind != ".exr":
        part = replace(part, planes={c: plane.view(np.uint16) for c, plane in part.planes.items()})
    frame = replace(a_frame, parts=(part,))
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, hard))  # a write past the limit fails as on a full disk
    try:
        with pytest.raises(PlateError):
            write_frame(tmp_path / f"a{kind}", frame)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert listing() == []


def test_when_the_carrier_finds_no_room_then_there_is_an_error_and_no_file(
    a_mixed_frame, tmp_path, listing, monkeypatch
):
    def no_room(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(exr_header, "write_uncompressed", no_room)
    with pytest.raises(PlateError, match="No space left"):
        write_frame(tmp_path / "a.exr", a_mixed_frame)
    assert listing() == []


@pytest.mark.parametrize("call", ["fsync", "replace"])
def test_when_the_last_step_fails_then_the_old_file_stays(call, a_frame, tmp_path, listing, monkeypatch):
    def broken(*_):
        raise OSError(5, "Input/output error")

    (tmp_path / "a.exr").write_bytes(b"old")
    monkeypatch.setattr(files.os, call, broken)
    with pytest.raises(PlateError, match="Input/output error"):
        write_frame(tmp_path / "a.exr", a_frame)
    assert (tmp_path / "a.exr").read_bytes() == b"old" and listing() == ["a.exr"]


def test_when_the_artist_interrupts_then_no_temporary_stays(a_frame, tmp_path, listing, monkeypatch):
    def interrupted(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(exr_header, "splice", interrupted)
    with pytest.raises(KeyboardInterrupt):
        write_frame(tmp_path / "a.exr", a_frame)
    assert listing() == []


def test_when_a_file_is_being_written_then_its_temporary_lies_beside_it(tmp_path):
    with files.replacing(tmp_path / "plate.1001.exr") as temporary:
        assert temporary == files.temporary_of(tmp_path / "plate.1001.exr", os.getpid())
        assert temporary.parent == tmp_path and temporary.name.startswith(".plate.1001.exr.")
        assert temporary.name.endswith(f"-{os.getpid()}.tmp.exr")
        temporary.write_bytes(b"whole")
    assert (tmp_path / "plate.1001.exr").read_bytes() == b"whole" and not temporary.exists()


def test_when_a_killed_process_left_a_temporary_then_the_next_writer_removes_it(tmp_path, listing):
    target = tmp_path / "plate.1001.exr"
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    stale = files.temporary_of(target, gone.pid)
    kept = [
        files.temporary_of(target, os.getppid()),  # its process lives
        files.temporary_of(tmp_path / "plate.1002.exr", gone.pid),  # another frame
        tmp_path / f".plate.1001.exr.ffffffff-{gone.pid}.tmp.exr",  # another host
    ]
    for path in (stale, *kept):
        path.write_bytes(b"half")
    with files.replacing(target) as temporary:
        temporary.write_bytes(b"whole")
    assert listing() == sorted(["plate.1001.exr", *(path.name for path in kept)])


def test_when_many_outputs_exist_then_each_file_is_looked_at_once(tmp_path, monkeypatch):
    plates = [tmp_path / f"p.{number}.exr" for number in range(20)]
    outputs = [tmp_path / f"o.{number}.exr" for number in range(20)]
    for path in plates + outputs:
        path.touch()
    looked: list[Path] = []
    real = files._identity
    monkeypatch.setattr(files, "_identity", lambda path, seen: looked.append(path) or real(path, seen))
    assert files.overwritten(plates, outputs) is None
    assert len(looked) == 40
    outputs[7].unlink()
    outputs[7].hardlink_to(plates[12])
    assert files.overwritten(plates, outputs) == outputs[7]
