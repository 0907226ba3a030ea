"""``lineament tune``: how it starts and how it ends."""

from __future__ import annotations

import http.client
import os
import re
import signal
import socket
import stat
import subprocess
import sys
import webbrowser
from pathlib import Path

import pytest
from lineament.plugin import cli_tune
from lineament.plugin.cli import main
from lineament.plugin.tune_server import HOST, TOKEN_HEADER

from .tuning import write_show

LINES = ("strengths: {age: 0.5}",)


@pytest.fixture(scope="module")
def words(tmp_path_factory) -> list[str]:
    """The command without a browser, for a shot that is analysed the first time."""
    folder = tmp_path_factory.mktemp("tuned")
    show = write_show(folder, *LINES)
    return ["tune", str(show), "sh010", "--no-browser", "--cache", str(folder / "cache")]


@pytest.fixture
def running(words: list[str]):
    """The command as a process, once its page is there: process, port and token."""
    command = [sys.executable, "-m", "lineament.plugin.cli", *words]
    with subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=os.environ | {"OMP_NUM_THREADS": "1"},
    ) as process:
        try:
            found = re.fullmatch(r"http://127\.0\.0\.1:(\d+)/#(\S{43})\n", process.stdout.readline())
            assert found, process.stderr.read()
            yield process, int(found[1]), found[2]
        finally:
            process.kill()


def post(port: int, token: str, path: str, body: bytes) -> int:
    link = http.client.HTTPConnection(HOST, port, timeout=120)
    link.request("POST", path, body, {TOKEN_HEADER: token, "Content-Type": "application/json"})
    status = link.getresponse().status
    link.close()
    return status


def test_when_ctrl_c_is_pressed_then_it_ends_with_130_and_tells_what_was_not_saved(running) -> None:
    process, port, token = running
    change = b'{"op": "strength", "face": "main", "attribute": "age", "value": 2.0, "frame": 1001}'
    assert post(port, token, "/api/edit", change) == 200
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=120)
    assert process.returncode == 130, said
    assert "Traceback" not in said
    assert re.search(r"lineament shots set \S+shots.yaml sh010 age=2\n", said)


def test_when_quit_is_pressed_then_it_ends_with_0_and_the_port_is_free(running) -> None:
    process, port, token = running
    assert post(port, token, "/api/quit", b"{}") == 200
    _, said = process.communicate(timeout=120)
    assert process.returncode == 0, said
    assert "Not saved" not in said
    with pytest.raises(ConnectionRefusedError):
        post(port, token, "/api/state", b"{}")


def test_when_nobody_opens_the_page_then_it_ends_by_itself(tmp_path: Path, capsys) -> None:
    words = [
        "tune",
        str(write_show(tmp_path, *LINES)),
        "sh010",
        "--no-browser",
        "--cache",
        str(tmp_path / "c"),
    ]
    assert main([*words, "--idle", "0.01"]) == 0
    said = capsys.readouterr().err
    assert "invert: 3 of 3" in said and "No page was open for 0.01 minutes" in said


def test_when_the_port_is_taken_then_it_says_so(words: list[str], capsys) -> None:
    with socket.create_server((HOST, 0)) as taken:
        port = taken.getsockname()[1]
        assert main([*words, "--port", str(port)]) == 1
    assert f"127.0.0.1:{port}" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("lines", "shot", "code", "message"),
    [
        (LINES, "sh099", 2, 'no shot "sh099"'),
        (("strengths: {wings: 1}",), "sh010", 2, 'no attribute "wings"'),
        (("strengths: {age: 9}",), "sh010", 2, "outside its range"),
        (("ocio: /nowhere.ocio",), "sh010", 4, "nowhere.ocio"),
    ],
)
def test_when_the_shot_cannot_be_opened_then_no_page_is_served(
    tmp_path: Path, capsys, lines, shot: str, code: int, message: str
) -> None:
    words = [
        "tune",
        str(write_show(tmp_path, *lines)),
        shot,
        "--no-browser",
        "--cache",
        str(tmp_path / "cache"),
    ]
    assert main(words) == code
    out, err = capsys.readouterr()
    assert message in err and "What to do" in err and out == ""


def test_when_the_browser_is_opened_then_its_command_line_has_no_token(monkeypatch) -> None:
    seen: list[tuple[str, int, str]] = []

    def look(address: str) -> bool:
        path = Path(address.removeprefix("file://"))
        seen.append((address, stat.S_IMODE(path.stat().st_mode), path.read_text()))
        return True

    monkeypatch.setattr(webbrowser, "open", look)
    with cli_tune.opened("http://127.0.0.1:9/#secret"):
        pass
    ((address, mode, text),) = seen
    assert "secret" not in address and mode == 0o600 and 'url=http://127.0.0.1:9/#secret"' in text
    assert not Path(address.removeprefix("file://")).exists()
