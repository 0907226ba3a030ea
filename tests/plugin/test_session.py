"""Sessions: the same answers in process and in a worker; a worker dies alone, once, and with its parent."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from lineament.core.errors import FaceError, GeneratorError, HostError, PlateError, RecipeError
from lineament.core.recipe import EditRecipe, Move, Strength
from lineament.plugin import messages
from lineament.plugin.messages import FrameRequest, FrameResult, RenderCancelled, ToolChoices
from lineament.plugin.session import LocalSession, Session, WorkerSession

FAKE = Path(__file__).with_name("fake_worker.py")
RECIPE = EditRecipe(
    (Move("age", Strength(((1001, 0.0), (1003, 2.0)))), Move("smile", Strength.constant(-0.5)))
)


def a_request(behaviour: str = "ok", number: int = 1002) -> FrameRequest:
    return FrameRequest(behaviour, "out.exr", number, RECIPE)


def a_worker(*arguments: str, model: str = "default", **limits: float) -> WorkerSession:
    return WorkerSession(ToolChoices(model=model), (sys.executable, str(FAKE), *arguments), **limits)


def a_local(model: str = "default") -> LocalSession:
    namespace: dict[str, object] = {"__name__": "fake_worker"}
    exec(compile(FAKE.read_text(), str(FAKE), "exec"), namespace)
    return LocalSession(ToolChoices(model=model), namespace["open_engine"])


@pytest.fixture(scope="module")
def worker() -> Iterator[WorkerSession]:
    with a_worker(cancel_s=1.0) as session:
        yield session


def alive(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return False
    return state != "Z"


def wait_until_dead(pid: int, limit_s: float) -> bool:
    end = time.monotonic() + limit_s
    while alive(pid) and time.monotonic() < end:
        time.sleep(0.05)
    return not alive(pid)


def test_when_a_request_travels_then_nothing_is_lost() -> None:
    request = FrameRequest("p.exr", "o.exr", 7, EditRecipe(RECIPE.moves, seed=3, notes={"a": "b"}), False)
    line = messages.encode({"type": "render", "request": messages.request_data(request)})
    assert line.count(b"\n") == 1
    assert messages.request_from(messages.decode(line)["request"]) == request


def test_when_an_error_travels_then_class_and_parts_arrive() -> None:
    for error in (PlateError("a", where="b", remedy="c"), RecipeError("x"), RenderCancelled("y")):
        back = messages.error_from(messages.error_data(error))
        assert (type(back), back.what, back.where, back.remedy) == (
            type(error),
            error.what,
            error.where,
            error.remedy,
        )
    assert type(messages.error_from({"kind": "SystemExit", "what": "no"})) is HostError


@pytest.mark.parametrize("line", [b"hello\n", b"[1]\n", b"{}\n", b"\xff\n"])
def test_when_a_line_is_not_a_message_then_it_is_quoted(line: bytes) -> None:
    with pytest.raises(HostError, match="not a message"):
        messages.decode(line)


@pytest.mark.parametrize("kind", ["local", "worker"])
def test_when_a_frame_is_rendered_then_stage_and_report_arrive(kind: str, worker: WorkerSession) -> None:
    session: Session = a_local() if kind == "local" else worker
    stages: list[str] = []
    assert session.open() == {"model": "fake"}
    result = session.render(a_request(), stages.append)
    assert isinstance(result, FrameResult)
    assert (result.output, result.number) == ("out.exr", 1002)
    assert result.report["strengths"] == {"age": 1.0, "smile": -0.5}
    assert stages == ["read"]


@pytest.mark.parametrize("kind", ["local", "worker"])
def test_when_the_plate_is_bad_then_its_own_error_arrives_and_the_session_goes_on(
    kind: str, worker: WorkerSession
) -> None:
    session: Session = a_local() if kind == "local" else worker
    with pytest.raises(PlateError) as caught:
        session.render(a_request("no-plate"))
    assert (caught.value.what, caught.value.remedy) == ("No plate.", "Give one.")
    assert session.render(a_request()).number == 1002


@pytest.mark.parametrize("kind", ["local", "worker"])
def test_when_the_model_is_missing_then_opening_says_so(kind: str) -> None:
    session: Session = a_local("missing") if kind == "local" else a_worker(model="missing")
    with pytest.raises(GeneratorError, match="No such model"):
        session.open()
    session.close()


def test_when_anything_prints_in_the_worker_then_the_protocol_is_untouched(worker: WorkerSession) -> None:
    assert worker.render(a_request("stray")).number == 1002


def test_when_a_worker_starts_then_the_allocator_is_set(
    worker: WorkerSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert worker.render(a_request()).report["malloc"] == "0"


def test_when_the_engine_has_a_bug_then_the_worker_survives_and_says_what(worker: WorkerSession) -> None:
    pid = worker.render(a_request()).report["pid"]
    with pytest.raises(HostError, match="ZeroDivisionError: a bug"):
        worker.render(a_request("bug"))
    assert worker.render(a_request()).report["pid"] == pid


def test_when_the_worker_dies_once_then_the_frame_is_rendered_by_a_new_one(
    worker: WorkerSession, tmp_path: Path
) -> None:
    before = worker.render(a_request()).report["pid"]
    result = worker.render(a_request(f"die-once:{tmp_path / 'died'}"))
    assert result.report["pid"] != before
    assert not alive(before)


def test_when_the_worker_dies_again_then_a_host_error_quotes_its_last_words(worker: WorkerSession) -> None:
    with pytest.raises(HostError, match="died twice: the fake worker dies") as caught:
        worker.render(a_request("die"))
    assert "doctor" in caught.value.remedy
    assert worker.render(a_request()).number == 1002


@pytest.mark.parametrize("kind", ["local", "worker"])
def test_when_a_plate_is_probed_then_its_exposure_or_its_error_arrives(
    kind: str, worker: WorkerSession
) -> None:
    session: Session = a_local() if kind == "local" else worker
    assert session.probe("ok", 8, RECIPE) == 8.0
    assert session.probe("ok", 8, RECIPE, 0.5) == 8.5
    with pytest.raises(FaceError, match="No face"):
        session.probe("no-face", 8, RECIPE)


@pytest.mark.parametrize("kind", ["local", "worker"])
def test_when_a_cancel_comes_just_before_a_frame_then_it_is_not_lost(
    kind: str, worker: WorkerSession
) -> None:
    session: Session = a_local() if kind == "local" else worker
    session.open()
    session.cancel()
    with pytest.raises(RenderCancelled):
        session.render(a_request())
    assert session.render(a_request()).number == 1002


@pytest.mark.parametrize("kind", ["local", "worker"])
def test_when_a_cancel_comes_while_probing_then_it_ends_the_probe(kind: str, worker: WorkerSession) -> None:
    session: Session = a_local() if kind == "local" else worker
    session.open()
    timer = threading.Timer(0.3, session.cancel)
    timer.start()
    with pytest.raises(RenderCancelled):
        session.probe("wait", 1, RECIPE)
    timer.join()
    assert session.probe("ok", 2, RECIPE) == 2.0


def test_when_a_cancel_comes_while_opening_then_the_worker_is_ended() -> None:
    session = a_worker(model="slow")
    timer = threading.Timer(0.5, session.cancel)
    timer.start()
    start = time.monotonic()
    with pytest.raises(RenderCancelled):
        session.render(a_request())
    assert time.monotonic() - start < 8.0 and session.pid is None
    timer.join()


def test_when_opening_fails_then_the_next_frame_hears_the_same_reason() -> None:
    with a_worker(model="missing") as session:
        for _ in range(2):
            with pytest.raises(GeneratorError, match="No such model"):
                session.render(a_request())
            assert session.pid is None


@pytest.mark.parametrize("behaviour", ["wait", "deaf"])
def test_when_a_frame_is_cancelled_then_the_session_is_free_again(
    behaviour: str, worker: WorkerSession
) -> None:
    timer = threading.Timer(0.3, worker.cancel)
    timer.start()
    start = time.monotonic()
    with pytest.raises(RenderCancelled):
        worker.render(a_request(behaviour))
    assert time.monotonic() - start < 8.0
    timer.join()
    assert worker.render(a_request()).number == 1002


def test_when_a_frame_takes_too_long_then_the_worker_is_stopped() -> None:
    with a_worker(frame_s=0.3) as session:
        session.open()
        pid = session.pid
        with pytest.raises(HostError, match=r"no \"result\" within 0 s"):
            session.render(a_request("deaf"))
        assert pid is not None and not alive(pid)


def test_when_the_heartbeat_stops_then_the_worker_counts_as_dead() -> None:
    with a_worker("mute", silent_s=0.6) as session, pytest.raises(HostError, match="silent"):
        session.render(a_request("deaf"))


def test_when_the_protocol_differs_then_both_versions_are_named() -> None:
    with (
        a_worker("old") as session,
        pytest.raises(
            HostError,
            match=f"protocol {messages.PROTOCOL_VERSION - 1}, this side {messages.PROTOCOL_VERSION}",
        ),
    ):
        session.open()


def test_when_the_command_does_not_exist_then_the_remedy_names_the_variable() -> None:
    session = WorkerSession(ToolChoices(), ("/no/such/python",))
    with pytest.raises(HostError) as caught:
        session.open()
    assert "LINEAMENT_PYTHON" in caught.value.remedy


def test_when_a_session_is_closed_then_its_worker_ends_and_it_can_be_opened_again() -> None:
    session = a_worker()
    session.open()
    first = session.pid
    session.close()
    assert first is not None and wait_until_dead(first, 3.0)
    assert session.render(a_request()).report["pid"] != first
    session.close()


@pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")
def test_when_the_parent_is_killed_then_the_worker_ends_too(tmp_path: Path) -> None:
    script = tmp_path / "parent.py"
    script.write_text(
        "import sys, threading\n"
        "from lineament.plugin.session import WorkerSession\n"
        "from lineament.plugin.messages import ToolChoices\n"
        f"session = WorkerSession(ToolChoices(), (sys.executable, {str(FAKE)!r}))\n"
        "opener = threading.Thread(target=session.open)\n"
        "opener.start(); opener.join()\n"
        "print(session.pid, flush=True)\n"
        "input()\n"
    )
    parent = subprocess.Popen([sys.executable, str(script)], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert parent.stdout is not None and parent.stdin is not None
    with parent.stdin, parent.stdout:
        pid = int(parent.stdout.readline())
        time.sleep(0.2)
        assert alive(pid), "the thread that opened the session has ended, its worker must not"
        os.kill(parent.pid, signal.SIGKILL)
        parent.wait()
        assert wait_until_dead(pid, 5.0)


@pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")
def test_when_the_parent_is_killed_during_a_frame_then_the_worker_cleans_up(tmp_path: Path) -> None:
    temporary, script = tmp_path / "temporary", tmp_path / "parent.py"
    script.write_text(
        "import sys, threading\n"
        "from lineament.core.recipe import EditRecipe\n"
        "from lineament.plugin.session import WorkerSession\n"
        "from lineament.plugin.messages import FrameRequest, ToolChoices\n"
        f"session = WorkerSession(ToolChoices(), (sys.executable, {str(FAKE)!r}))\n"
        "session.open()\n"
        "print(session.pid, flush=True)\n"
        f"session.render(FrameRequest('tidy:{temporary}', 'o.exr', 1, EditRecipe()))\n"
    )
    parent = subprocess.Popen([sys.executable, str(script)], stdout=subprocess.PIPE)
    assert parent.stdout is not None
    with parent.stdout:
        pid = int(parent.stdout.readline())
        end = time.monotonic() + 5.0
        while not temporary.exists() and time.monotonic() < end:
            time.sleep(0.02)
        assert temporary.exists()
        os.kill(parent.pid, signal.SIGKILL)
        parent.wait()
        assert wait_until_dead(pid, 8.0)
    assert not temporary.exists()


def test_when_a_session_is_closed_during_a_frame_then_the_frame_ends_and_no_worker_is_started() -> None:
    session = a_worker(cancel_s=1.0)
    session.open()
    caught: list[BaseException] = []

    def work() -> None:
        try:
            session.render(a_request("deaf"))
        except HostError as err:
            caught.append(err)

    thread = threading.Thread(target=work)
    thread.start()
    time.sleep(0.5)
    session.close()
    thread.join(20.0)
    assert not thread.is_alive() and isinstance(caught[0], RenderCancelled)
    assert "closed" in caught[0].what and session.pid is None
    assert session.render(a_request()).number == 1002, "who asks again later is served"
    session.close()
