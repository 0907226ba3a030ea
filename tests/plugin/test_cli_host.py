"""``lineament host``: which Blender is started, how, with what environment, and what comes back."""

from __future__ import annotations

import os
import signal
import stat
import subprocess
import sys
import time
from pathlib import Path

import pytest
from lineament.core.errors import HostError
from lineament.plugin import cli_host
from lineament.plugin.cli import main


@pytest.fixture
def blender(tmp_path: Path) -> Path:
    """A program that stands in for Blender: it notes its arguments and environment and ends as CODE says."""
    script = tmp_path / "a blender"
    script.write_text(
        f"#!{sys.executable}\n"
        "import json, os, pathlib, signal, sys, time\n"
        f"told = pathlib.Path({str(tmp_path / 'told.json')!r})\n"
        "names = ('LINEAMENT_PYTHON', 'PYTHONPATH', 'PYTHONHOME')\n"
        "told.write_text(json.dumps([sys.argv[1:], {n: os.environ.get(n) for n in names}]))\n"
        "code = os.environ.get('CODE', '0')\n"
        "if code == 'stranger': sys.exit(0)\n"
        "pathlib.Path(os.environ['LINEAMENT_SIGN']).touch()\n"
        "if code == 'kill': os.kill(os.getpid(), signal.SIGKILL)\n"
        "if code == 'wait': time.sleep(60)\n"
        "sys.exit(int(code))\n"
    )
    script.chmod(script.stat().st_mode | stat.S_IXUSR)
    return script


def told(tmp_path: Path) -> tuple[list[str], dict[str, str | None]]:
    import json

    arguments, environment = json.loads((tmp_path / "told.json").read_text())
    return arguments, environment


def test_when_a_file_is_rendered_then_blender_gets_the_launcher_and_every_option(
    blender: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTHONPATH", "/elsewhere")
    options = [
        "--scene",
        "Main",
        "--frames",
        "-1-3",
        "-o",
        "/out/o.####",
        "--force",
        "--fail-fast",
        "--bake-only",
    ]
    code = main(["host", "blender", "render", "shot é.blend", *options, "--blender", str(blender)])
    arguments, environment = told(tmp_path)
    assert code == 0
    assert arguments[:4] == ["--background", "--python-exit-code", "1", "--python"]
    assert Path(arguments[4]).name == "launch.py" and Path(arguments[4]).is_file()
    assert arguments[5:] == [
        *("--", "render", "shot é.blend", "--scene=Main", "--frames=-1-3", "--output=/out/o.####"),
        *("--force", "--fail-fast", "--bake-only"),
    ]
    assert environment == {"LINEAMENT_PYTHON": sys.executable, "PYTHONPATH": None, "PYTHONHOME": None}


def test_when_a_python_has_bpy_then_it_runs_the_launcher_itself() -> None:
    command = cli_host.command_of("/opt/venv/bin/python3.11", ["doctor"])
    assert command[0] == "/opt/venv/bin/python3.11" and command[2:] == ["doctor"]
    assert Path(command[1]).name == "launch.py"


@pytest.mark.parametrize("code", [0, 1, 2, 3, 4, 5, 130])
def test_when_blender_ends_then_its_exit_code_is_ours(blender: Path, code: int, monkeypatch) -> None:
    monkeypatch.setenv("CODE", str(code))
    assert main(["host", "blender", "render", "a.blend", "--blender", str(blender)]) == code


def test_when_the_variable_names_blender_then_the_option_is_not_needed(
    blender: Path, tmp_path, monkeypatch
) -> None:
    monkeypatch.setenv("LINEAMENT_BLENDER", str(blender))
    monkeypatch.setenv("LINEAMENT_PYTHON", "/studio/python")
    assert main(["host", "blender", "doctor"]) == 0
    arguments, environment = told(tmp_path)
    assert arguments[-1] == "doctor" and environment["LINEAMENT_PYTHON"] == "/studio/python"


def test_when_there_is_no_blender_then_the_error_says_how_to_name_it(monkeypatch, capsys) -> None:
    monkeypatch.setenv("PATH", "")
    assert main(["host", "blender", "doctor"]) == HostError.exit_code
    said = capsys.readouterr().err
    assert "no Blender" in said and "LINEAMENT_BLENDER" in said


def test_when_blender_is_killed_then_the_signal_is_named(blender: Path, monkeypatch, capsys) -> None:
    monkeypatch.setenv("CODE", "kill")
    assert main(["host", "blender", "render", "a.blend", "--blender", str(blender)]) == 1
    assert "SIGKILL" in capsys.readouterr().err


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_when_the_command_is_stopped_then_blender_is_stopped_too(
    blender: Path, tmp_path: Path, number: int, code: int
) -> None:
    command = [sys.executable, "-m", "lineament.plugin.cli", "host", "blender", "render", "a.blend"]
    process = subprocess.Popen(
        [*command, "--blender", str(blender)], env={**os.environ, "CODE": "wait"}, start_new_session=True
    )
    deadline = time.monotonic() + 30
    while not (tmp_path / "told.json").exists() and time.monotonic() < deadline:
        time.sleep(0.05)
    begin = time.monotonic()
    process.send_signal(number)
    assert process.wait(20) == code
    assert time.monotonic() - begin < 5


def test_when_the_program_is_no_blender_then_its_exit_code_is_not_believed(
    blender: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CODE", "stranger")
    with pytest.raises(HostError, match="exit code 0 before the renderer began") as caught:
        cli_host._run(str(blender), ["render", "a.blend"])
    assert "Python that has bpy" in caught.value.remedy


def test_when_a_python_has_no_bpy_then_that_is_what_is_said() -> None:
    with pytest.raises(HostError, match="before the renderer began"):
        cli_host._run(sys.executable, ["doctor"])


def test_when_the_launcher_runs_then_it_needs_no_installation(tmp_path: Path) -> None:
    launcher = cli_host.command_of("python", [])[1]
    code = (
        "import importlib.util, pathlib, sys\n"
        f"spec = importlib.util.spec_from_file_location('launch', {launcher!r})\n"
        "launch = importlib.util.module_from_spec(spec); spec.loader.exec_module(launch)\n"
        f"launch.provide_layers(pathlib.Path({launcher!r}).resolve().parents[2])\n"
        "from lineament.plugin.session import WorkerSession\n"
        "from lineament.core.errors import HostError\n"
        "import lineament.hosts.blender.cache as cache\n"
        "assert launch.arguments_of(['blender', '-b', '--', 'render', 'x']) == ['render', 'x']\n"
        "assert launch.arguments_of(['launch.py', 'doctor']) == ['doctor']\n"
        "assert 'torch' not in sys.modules\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, cwd=tmp_path, timeout=60
    )
    assert done.returncode == 0, done.stderr
