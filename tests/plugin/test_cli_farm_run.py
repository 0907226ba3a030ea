"""``lineament farm run``: what a person types, sees, and gets wrong; and once with the model that is delivered."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from lineament.plugin.cli import main
from lineament.plugin.cli_farm_run import parse_resources

pytest.importorskip("distributed")
FRAMES = ("1001", "1002", "1003", "1004")


@pytest.fixture
def a_show(tmp_path: Path, repository: Path) -> Path:
    """The demo shot as a show of one shot."""
    return write_show(tmp_path, repository, "out")


def write_show(folder: Path, repository: Path, output: str) -> Path:
    demo = repository / "plugin" / "demo_shot"
    shot = {
        "plate": str(demo / "plate" / "plate.####.exr"),
        "output": f"{output}/sh010.####.exr",
        "face": {"track": str(demo / "track.json")},
        "strengths": {"smile": 1.0},
    }
    path = folder / f"{output}.json"
    path.write_text(json.dumps({"schema_version": 1, "shots": {"sh010": shot}}))
    return path


def typed(*words: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "lineament.plugin.cli", *map(str, words)]
    return subprocess.run(command, capture_output=True, text=True, timeout=300, env=dict(os.environ))


def lines_of(folder: Path) -> dict[int, dict[str, Any]]:
    """The manifest by frame, without the seconds."""
    lines = [json.loads(line) for line in (folder / "sh010.manifest.jsonl").read_text().splitlines()]
    assert len(lines) == len(FRAMES)
    return {line["frame"]: {**line, "seconds": 0} for line in lines}


@pytest.mark.slow
def test_when_the_demo_shot_is_run_then_frames_and_manifest_are_those_of_shot_render(
    a_show: Path, tmp_path: Path, repository: Path
) -> None:
    cache = tmp_path / "cache"
    log = tmp_path / "log.jsonl"
    ran = typed("farm", "run", a_show, "--cache", cache, "--chunk-size", 1, "--log-json", log)
    assert ran.returncode == 0, ran.stderr
    assert "4 of 4 frames written" in ran.stdout and "2 workers of this machine" in ran.stderr
    assert (
        "sh010: analysed" in ran.stderr and "Traceback" not in ran.stderr and "distributed" not in ran.stderr
    )
    events = [json.loads(line)["event"] for line in log.read_text().splitlines()]
    assert events == ["start", "frame", "frame", "frame", "frame", "summary"]
    other = write_show(tmp_path, repository, "serial")
    rendered = typed("shot", "render", other, "sh010", "--cache", cache)
    assert rendered.returncode == 0, rendered.stderr
    for number in FRAMES:
        name = f"sh010.{number}.exr"
        assert (tmp_path / "out" / name).read_bytes() == (tmp_path / "serial" / name).read_bytes()
    assert lines_of(tmp_path / "out") == lines_of(tmp_path / "serial")


@pytest.mark.parametrize(
    ("words", "code", "text"),
    [
        (["--engine", "ray"], 2, "use dask"),
        (["--resources", "GPU"], 2, "no resource such as GPU=1"),
        (["--resources", "GPU=-1"], 2, "no resource such as GPU=1"),
        (["--resources", "a b=1"], 2, "no resource such as GPU=1"),
        (["sh010", "sh010"], 2, "name each shot once"),
        (["sh999"], 2, "sh999"),
        (["--frames", "5000"], 2, "no frame 5000"),
        (["--tls-ca", "ca.pem"], 2, "the local cluster makes its own"),
        (["--scheduler", "tcp://127.0.0.1:1", "--connect-timeout", "0.5"], 1, "scheduler cannot be reached"),
        (["--workers", "0"], 2, "workers"),
    ],
)
def test_when_something_is_typed_wrong_then_nothing_is_started(
    a_show: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], words: list[str], code: int, text: str
) -> None:
    shots = [word for word in words if word.startswith("sh")]
    options = [word for word in words if word not in shots]
    assert main(["farm", "run", str(a_show), *shots, "--cache", str(tmp_path / "c"), *options]) == code
    told = " ".join(capsys.readouterr().err.replace("│", " ").split())
    assert text in told and "Traceback" not in told
    assert not (tmp_path / "out").exists() and not (tmp_path / "c").exists()


def test_when_a_log_would_be_a_plate_then_it_is_refused(
    a_show: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["farm", "run", str(a_show), "--log-json", str(tmp_path / "a.exr")]) == 2
    assert "a.exr" in " ".join(capsys.readouterr().err.split())


def test_when_resources_are_typed_then_they_are_numbers_by_name() -> None:
    assert parse_resources(" GPU=1, MEMORY=8e9 ") == {"GPU": 1.0, "MEMORY": 8e9}
    assert parse_resources("") == {}
