"""A manifest survives whoever dies while writing it, and says nothing that is not so."""

from __future__ import annotations

import errno
import fcntl
import json
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from lineament.core.errors import PlateError
from lineament.plugin.manifest import (
    FORMAT,
    Manifest,
    ManifestLine,
    data_sha256,
    file_sha256,
    manifest_path,
    read_manifest,
)

LINE = ManifestLine(1001, "done", 1001, "aa", "bb", "cc", "a.1001.exr", "dd", 0.5, {"gain": 2.0})


@pytest.fixture
def a_manifest(tmp_path: Path) -> Manifest:
    return Manifest(tmp_path / "a.manifest.jsonl")


def test_when_a_line_is_appended_then_it_is_read_back(a_manifest: Manifest) -> None:
    a_manifest.append(LINE)
    history = read_manifest(a_manifest.path)
    assert history.done == history.last == {1001: LINE} and history.damaged == 0


def test_when_there_is_no_manifest_then_nothing_is_known(tmp_path: Path) -> None:
    history = read_manifest(tmp_path / "none.jsonl")
    assert not history.last and not history.done


def test_when_a_frame_has_several_lines_then_the_last_one_counts(a_manifest: Manifest) -> None:
    a_manifest.append(LINE)
    a_manifest.append(ManifestLine(1001, "done", parameters="new", output_sha256="ee"))
    assert read_manifest(a_manifest.path).done[1001].parameters == "new"


def test_when_a_frame_fails_later_then_its_earlier_picture_is_still_known(a_manifest: Manifest) -> None:
    a_manifest.append(LINE)
    a_manifest.append(ManifestLine(1001, "failed", error={"what": "Gone."}))
    history = read_manifest(a_manifest.path)
    assert history.last[1001].status == "failed" and history.done[1001] == LINE


@pytest.mark.parametrize("kept", [1, 20, 150, -2])
def test_when_the_last_line_is_torn_then_it_is_passed_over_and_the_next_one_is_whole(
    a_manifest: Manifest, kept: int
) -> None:
    a_manifest.append(LINE)
    whole = a_manifest.path.read_bytes()
    a_manifest.path.write_bytes(whole + whole[:kept])
    assert read_manifest(a_manifest.path).done == {1001: LINE}
    a_manifest.append(ManifestLine(1002, "done", output="a.1002.exr"))
    history = read_manifest(a_manifest.path)
    assert set(history.done) == {1001, 1002} and history.damaged == 1


@pytest.mark.parametrize(
    "rubbish",
    [
        b"\x00\xff\xfe",
        b"[]",
        b"null",
        b"{}",
        b'{"format": 2, "frame": 1, "status": "done"}',
        b'{"format": 1, "frame": "1", "status": "done"}',
        b'{"format": 1, "frame": true, "status": "done"}',
        b'{"format": 1, "frame": 1, "status": "fine"}',
        b'{"format": 1, "frame": 1, "status": "done", "output_sha256": 5}',
        b'{"format": 1, "frame": 1, "status": "done", "unknown": 5}',
        b"[" * 100_000,
    ],
)
def test_when_a_line_is_none_of_ours_then_it_says_nothing(a_manifest: Manifest, rubbish: bytes) -> None:
    a_manifest.path.write_bytes(rubbish + b"\n")
    a_manifest.append(LINE)
    history = read_manifest(a_manifest.path)
    assert history.last == {1001: LINE} and history.damaged == 1


def test_when_another_process_holds_the_lock_then_a_writer_waits_for_its_line(a_manifest: Manifest) -> None:
    code = (
        "import fcntl, os, sys\n"
        "handle = os.open(sys.argv[1], os.O_RDWR | os.O_APPEND | os.O_CREAT)\n"
        "fcntl.lockf(handle, fcntl.LOCK_EX)\n"
        "print('held', flush=True)\n"
        "sys.stdin.readline()\n"
        "os.write(handle, b'theirs\\n')\n"
    )
    command = [sys.executable, "-c", code, str(a_manifest.path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as other:
        assert other.stdin is not None and other.stdout is not None and other.stdout.readline() == "held\n"
        writer = threading.Thread(target=a_manifest.append, args=(LINE,))
        writer.start()
        writer.join(0.2)
        assert writer.is_alive() and a_manifest.path.read_bytes() == b""
        other.stdin.write("\n")
        other.stdin.flush()
        writer.join(10)
    lines = a_manifest.path.read_bytes().splitlines()
    assert lines[0] == b"theirs" and json.loads(lines[1])["frame"] == 1001


def test_when_a_file_system_has_no_locks_then_it_is_said_and_the_line_is_written(
    a_manifest: Manifest, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def refuse(handle: int, operation: int) -> None:
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(fcntl, "lockf", refuse)
    a_manifest.append(LINE)
    assert "one machine only" in caplog.text and read_manifest(a_manifest.path).done == {1001: LINE}


def test_when_many_writers_append_then_no_line_is_lost_or_mixed(a_manifest: Manifest) -> None:
    def write(first: int) -> None:
        for number in range(first, first + 40):
            Manifest(a_manifest.path).append(ManifestLine(number, "done", report={"text": "x" * 2000}))

    writers = [threading.Thread(target=write, args=(1000 * i,)) for i in range(4)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    history = read_manifest(a_manifest.path)
    assert len(history.done) == 160 and history.damaged == 0


def test_when_a_manifest_is_read_by_hand_then_it_is_plain_json(a_manifest: Manifest) -> None:
    a_manifest.append(LINE)
    (text,) = a_manifest.path.read_text().splitlines()
    data = json.loads(text)
    assert data["format"] == FORMAT and data["frame"] == 1001 and data["report"] == {"gain": 2.0}


def test_when_it_cannot_be_written_or_read_then_that_is_said(tmp_path: Path) -> None:
    with pytest.raises(PlateError, match="manifest cannot be written"):
        Manifest(tmp_path / "nowhere" / "a.jsonl").append(LINE)
    with pytest.raises(PlateError, match="manifest cannot be read"):
        read_manifest(tmp_path)


@pytest.mark.parametrize(
    ("pattern", "name"),
    [
        ("out/sh010.####.exr", "out/sh010.manifest.jsonl"),
        ("out/sh010_%04d.exr", "out/sh010.manifest.jsonl"),
        ("out/sh010_age.v002.%04d.exr", "out/sh010_age.v002.manifest.jsonl"),
        ("out/####.exr", "out/frames.manifest.jsonl"),
        ("out/still.exr", "out/still.manifest.jsonl"),
        ("out/sh.$F4.left.exr", "out/sh..left.manifest.jsonl"),
    ],
)
def test_when_a_pattern_is_given_then_its_manifest_lies_beside(pattern: str, name: str) -> None:
    assert manifest_path(pattern) == Path(name)


def test_when_data_are_hashed_then_the_order_of_keys_is_no_matter(tmp_path: Path) -> None:
    assert data_sha256({"a": 1, "b": [2.5]}) == data_sha256({"b": [2.5], "a": 1})
    assert data_sha256({"a": 1}) != data_sha256({"a": 1.5})
    with pytest.raises(ValueError, match="JSON"):
        data_sha256({"a": float("nan")})
    (tmp_path / "f").write_bytes(b"abc")
    assert file_sha256(tmp_path / "f") == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
