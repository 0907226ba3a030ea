"""The worker of a session and the tasks that call it: strangers, garbage, deaths, silence, and orderly ends."""

from __future__ import annotations

import json
import os
import signal
import socket
import stat
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest
from lineament.core.errors import DeviceError, FaceError, HostError, LineamentError
from lineament.plugin import farm_link, farm_session
from lineament.plugin.batch import Failure, Outcome, Terminated
from lineament.plugin.farm_link import MAX_LINE, Line, Meeting, called, open_door, publish, read_meeting
from lineament.plugin.farm_resident import Resident, main
from lineament.plugin.farm_session import render, stop
from lineament.plugin.farm_task import FrameTask
from lineament.plugin.messages import FrameRequest, FrameResult
from lineament.plugin.plan import Plan

TASK = FrameTask("/show/shots.yaml", "sh010", "1-3")


class Runner:
    """Renders nothing: tells of as many frames as the task's name of a shot says, and does what it is told to."""

    def __init__(self) -> None:
        self.warmed: list[FrameTask] = []
        self.during: Callable[[int], None] = lambda number: None
        self.ran: list[FrameTask] = []

    def warm(self, task: FrameTask) -> None:
        self.warmed.append(task)

    def run(self, task: FrameTask, reporters: Sequence[Any]) -> int:
        self.ran.append(task)
        asks = tuple(FrameRequest("p", "o", number, None) for number in (1, 2, 3))  # type: ignore[arg-type]
        outcome = Outcome(Plan(asks))
        reporters[0].started(outcome.plan)
        try:
            for ask in asks:
                reporters[0].frame_begins(ask)
                self.during(ask.number)
                result = FrameResult(ask.output, ask.number, 0.1)
                outcome.done.append(result)
                reporters[0].frame_done(result)
        except FaceError as err:
            outcome.failed.append(Failure(2, err))
            reporters[0].frame_failed(outcome.failed[0])
        except Terminated:
            outcome.signal_code = 143
        reporters[0].finished(outcome)
        return outcome.exit_code


class Hall:
    """A worker that serves in a thread."""

    def __init__(self, folder: Path, idle_s: float = 60.0) -> None:
        self.folder, self.runner = folder, Runner()
        self.resident = Resident(folder, self.runner, idle_s)
        self.thread = threading.Thread(target=self.resident.serve)
        self.thread.start()
        limit = time.monotonic() + 10
        while read_meeting(folder) is None and time.monotonic() < limit:
            time.sleep(0.01)

    @property
    def meeting(self) -> Meeting:
        meeting = read_meeting(self.folder)
        assert meeting is not None
        return meeting

    def render(self) -> tuple[int, list[dict[str, Any]]]:
        heard: list[dict[str, Any]] = []
        return render(self.folder, TASK, heard.append), heard

    def close(self) -> None:
        self.resident.leave()
        self.thread.join(20)
        assert not self.thread.is_alive()


@pytest.fixture(params=["socket", "port"])
def hall(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Hall]:
    if request.param == "port":
        monkeypatch.setattr(farm_link, "MAX_SOCKET_PATH", 1)
    found = Hall(farm_link.own_folder(tmp_path / "resident"))
    yield found
    found.close()


def said(meeting: Meeting, data: bytes) -> bytes:
    """What the worker answers to raw bytes."""
    link = socket.socket(socket.AF_UNIX if meeting.address else socket.AF_INET)
    with closing(link):
        link.settimeout(10)
        link.connect(meeting.address or (farm_link.LOOPBACK, meeting.port))
        try:
            link.sendall(data)
            return link.recv(1 << 16)
        except (BrokenPipeError, ConnectionResetError):
            return b""


def test_when_a_task_is_rendered_then_its_frames_are_told_in_order(hall: Hall) -> None:
    for _ in range(2):
        code, heard = hall.render()
        assert code == 0 and [one["type"] for one in heard] == ["started", *["frame"] * 3, "finished"]
        assert "3 of 3 frames written" in heard[-1]["summary"] and heard[-1]["left"] == ""
    assert hall.runner.ran == [TASK, TASK]


def test_when_a_frame_fails_then_the_code_is_1_and_the_rest_is_named(hall: Hall) -> None:
    def fail(number: int) -> None:
        if number == 2:
            raise FaceError("No face.", where="frame 2", remedy="Give a track.")

    hall.runner.during = fail
    code, heard = hall.render()
    assert code == 1 and heard[-1]["left"] == "2-3"
    assert heard[2] == {
        "type": "failed",
        "number": 2,
        "error": {"kind": "FaceError", "what": "No face.", "where": "frame 2", "remedy": "Give a track."},
    }


def test_when_nobody_else_may_read_then_folder_file_and_socket_say_so(hall: Hall) -> None:
    paths = [hall.folder, farm_link.meeting_path(hall.folder)]
    if hall.meeting.address:
        paths.append(Path(hall.meeting.address))
    modes = [stat.S_IMODE(path.stat().st_mode) for path in paths]
    assert modes == [0o700, 0o600, 0o600][: len(modes)]
    assert len(hall.meeting.token) == 64


STRANGERS = (
    b"",
    b"\n",
    b"null\n",
    b"[]\n",
    b'{"type": "close"}\n',
    b'{"type": "close", "token": ""}\n',
    b'{"type": "close", "token": 7}\n',
    b'{"type": "close", "token": "\\ud800"}\n',
    b'{"type": "render", "token": "' + b"0" * 64 + b'"}\n',
    b"\x80\x04\x95cos\nsystem\n",
    b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n",
    b'{"type": "' + b"x" * (MAX_LINE + 10) + b'"}\n',
    b"\xff" * 5000 + b"\n",
    b"[" * 100000 + b"\n",
)


@pytest.mark.parametrize("data", STRANGERS, ids=range(len(STRANGERS)))
def test_when_a_stranger_calls_then_nothing_happens_and_the_worker_lives(hall: Hall, data: bytes) -> None:
    answer = said(hall.meeting, data) if data else b""
    if not data:
        with closing(socket.socket(socket.AF_UNIX if hall.meeting.address else socket.AF_INET)) as link:
            link.connect(hall.meeting.address or (farm_link.LOOPBACK, hall.meeting.port))
    assert answer == b"" or b"token of this session" in answer
    assert hall.runner.ran == [] and hall.render()[0] == 0


@pytest.mark.parametrize(
    "task", [None, {}, {"file": 1}, {**asdict(TASK), "more": ""}, {**asdict(TASK), "shot": []}]
)
def test_when_a_task_is_not_described_as_agreed_then_it_is_refused(hall: Hall, task: Any) -> None:
    message = {"type": "render", "token": hall.meeting.token, "task": task}
    assert b"not described" in said(hall.meeting, json.dumps(message).encode() + b"\n")
    assert hall.runner.ran == [] and hall.render()[0] == 0


def test_when_callers_say_nothing_then_they_hold_nobody_up(hall: Hall) -> None:
    quiet = [socket.socket(socket.AF_UNIX if hall.meeting.address else socket.AF_INET) for _ in range(5)]
    try:
        for link in quiet:
            link.connect(hall.meeting.address or (farm_link.LOOPBACK, hall.meeting.port))
        quiet[0].sendall(b'{"type": "ren')
        assert hall.render()[0] == 0
    finally:
        for link in quiet:
            link.close()


def test_when_the_task_process_goes_away_then_the_task_ends_behind_its_frame(hall: Hall) -> None:
    begun, may_go = threading.Event(), threading.Event()

    def wait(number: int) -> None:
        begun.set()
        may_go.wait(10)

    hall.runner.during = wait
    with called(hall.meeting) as line:
        line.say("render", token=hall.meeting.token, task=asdict(TASK))
        assert begun.wait(10)
    time.sleep(0.2)
    may_go.set()
    hall.runner.during = lambda number: None
    assert hall.render()[0] == 0 and len(hall.runner.ran) == 2


def test_when_a_task_is_interrupted_then_it_stops_and_the_worker_goes_on(
    hall: Hall, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[str] = []

    def hear(message: dict[str, Any]) -> None:
        seen.append(message["type"])
        if seen == ["started", "frame"]:
            raise Terminated

    hall.runner.during = lambda number: time.sleep(0.2)
    with pytest.raises(Terminated):
        render(hall.folder, TASK, hear)
    assert seen[-1] == "finished" and seen.count("frame") < 3
    hall.runner.during = lambda number: None
    assert hall.render()[0] == 0


@pytest.mark.parametrize("kind", [DeviceError, RuntimeError])
def test_when_the_worker_cannot_be_trusted_any_more_then_it_leaves(
    hall: Hall, kind: type[Exception], monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(number: int) -> None:
        raise kind("The device is lost.")

    hall.runner.during = fail
    code, heard = hall.render()
    assert code == (5 if kind is DeviceError else 1) and heard[-1]["type"] == "refused"
    hall.thread.join(10)
    assert not hall.thread.is_alive() and read_meeting(hall.folder) is None


def test_when_nobody_comes_or_the_folder_goes_then_it_leaves(tmp_path: Path) -> None:
    bored = Hall(farm_link.own_folder(tmp_path / "bored"), idle_s=0.1)
    lost = Hall(farm_link.own_folder(tmp_path / "lost"))
    farm_link.meeting_path(lost.folder).unlink()
    for one in (bored, lost):
        one.thread.join(10)
        assert not one.thread.is_alive() and not list(one.folder.iterdir())


def test_when_it_falls_silent_then_the_task_fails_in_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(farm_link, "SILENCE_S", 0.3)
    folder = farm_link.own_folder(tmp_path)
    door, meeting = open_door(folder)
    publish(folder, Meeting(2**22 + 1, meeting.token, meeting.address, meeting.port))

    def half_alive() -> None:
        for greeting in (b'{"type": "here"}\n', b""):
            link, _ = door.accept()
            link.sendall(greeting)
            guests.append(link)

    guests: list[socket.socket] = []
    thread = threading.Thread(target=half_alive)
    thread.start()
    with pytest.raises(HostError, match="fallen silent"):
        render(folder, TASK, lambda message: None)
    thread.join(10)
    for link in (door, *guests):
        link.close()
    assert read_meeting(folder) is None


PROGRAM = """
import json, sys, time
from pathlib import Path
from lineament.plugin.farm_resident import main
class Quick:
    def warm(self, task):
        if task.shot == "slow": time.sleep(60)
        if task.shot == "broken": raise SystemExit(7)
    def run(self, task, reporters):
        if task.shot == "hang":
            Path(__file__).with_suffix(".hangs").touch()
            time.sleep(600)
        if task.shot == "die":
            import os; os.kill(os.getpid(), 9)
        return 0
sys.exit(main(sys.argv[1:], Quick))
"""


@pytest.fixture
def command(tmp_path: Path) -> Iterator[tuple[str, ...]]:
    """A worker in a process of its own; none is left when a test ends."""
    program = tmp_path / "resident_program.py"
    program.write_text(PROGRAM)
    yield (sys.executable, str(program))
    stop(tmp_path / "r", patience_s=0.0)


def test_when_a_worker_dies_then_its_task_fails_and_the_next_one_gets_another(
    tmp_path: Path, command: tuple[str, ...]
) -> None:
    folder, heard = tmp_path / "r", []
    process = farm_session.start(folder, TASK, command=command)
    assert process is not None and farm_session.start(folder, TASK, command=command) is None
    with pytest.raises(HostError, match="died during the task") as caught:
        render(folder, FrameTask("f", "die"), heard.append, command=command)
    assert caught.value.exit_code == 1 and process.wait(10) == -signal.SIGKILL
    assert render(folder, TASK, heard.append, command=command) == 0
    assert heard == [{"type": "restarted"}]
    second = read_meeting(folder)
    assert second is not None and second.pid != process.pid
    assert stop(folder) and not stop(folder)
    limit = time.monotonic() + 10
    while Path(f"/proc/{second.pid}").exists() and time.monotonic() < limit:
        time.sleep(0.02)
    assert not Path(f"/proc/{second.pid}").exists()
    assert [path.name for path in folder.iterdir()] == ["resident.log"]


def test_when_a_worker_hangs_then_stop_kills_it(tmp_path: Path, command: tuple[str, ...]) -> None:
    folder = tmp_path / "r"
    process = farm_session.start(folder, TASK, command=command)
    assert process is not None
    meeting = read_meeting(folder)
    assert meeting is not None
    with called(meeting) as line:
        line.say("render", token=meeting.token, task=asdict(FrameTask("f", "hang")))
        limit = time.monotonic() + 10
        while not (tmp_path / "resident_program.hangs").exists() and time.monotonic() < limit:
            time.sleep(0.02)
        assert stop(folder, patience_s=0.3)
        assert process.wait(10) == -signal.SIGKILL
    with pytest.raises(ProcessLookupError):
        os.kill(process.pid, 0)


@pytest.mark.parametrize(("shot", "text"), [("broken", "exit status 7"), ("slow", "not loaded the model")])
def test_when_the_model_is_not_loaded_then_start_says_so_and_nothing_stays(
    tmp_path: Path, command: tuple[str, ...], monkeypatch: pytest.MonkeyPatch, shot: str, text: str
) -> None:
    monkeypatch.setattr(farm_session, "LOAD_S", 3.0 if shot == "slow" else 60.0)
    with pytest.raises(HostError, match=text):
        farm_session.start(tmp_path / "r", FrameTask("f", shot), command=command)
    assert read_meeting(tmp_path / "r") is None


def test_when_the_folder_cannot_be_used_then_the_error_says_so(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(HostError, match="cannot be used"):
        farm_session.start(tmp_path / "file", TASK)
    assert not stop(tmp_path / "none")


def test_when_a_damaged_meeting_lies_there_then_it_counts_as_none(tmp_path: Path) -> None:
    for text in ("", "{}", "[]", '{"pid": "x", "token": 1}', "\0" * 100):
        farm_link.meeting_path(tmp_path).write_text(text)
        assert read_meeting(tmp_path) is None
    assert not stop(tmp_path)


def test_when_the_number_of_a_dead_worker_is_another_process_then_that_one_lives(tmp_path: Path) -> None:
    with subprocess.Popen(["sleep", "60"]) as other:
        publish(tmp_path, Meeting(other.pid, "0" * 64, str(tmp_path / "none.sock")))
        assert not stop(tmp_path, patience_s=0.0)
        assert other.poll() is None and read_meeting(tmp_path) is None
        other.kill()


def test_when_the_real_model_is_missing_then_the_worker_ends_with_its_code(tmp_path: Path) -> None:
    class Broken(Runner):
        def warm(self, task: FrameTask) -> None:
            raise DeviceError("There is no device.", remedy="Use the CPU.")

    before = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]
    try:
        assert main([str(tmp_path), json.dumps(asdict(TASK)), "5"], Broken) == 5
        with pytest.raises(LineamentError):
            main([str(tmp_path), "{}", "5"], Broken)
    finally:
        for number, handler in zip((signal.SIGINT, signal.SIGTERM), before, strict=True):
            signal.signal(number, handler)
    assert list(tmp_path.iterdir()) == []


def test_when_a_line_is_cut_then_it_is_no_message() -> None:
    ours, theirs = socket.socketpair()
    with closing(Line(ours)) as line:
        theirs.sendall(b'{"type": "x"')
        theirs.close()
        with pytest.raises(HostError, match="cut short"):
            line.hear()
