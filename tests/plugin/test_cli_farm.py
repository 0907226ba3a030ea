"""``lineament farm`` as it is typed, and a whole job with the real model on the shot that comes with the program."""

from __future__ import annotations

import json
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from lineament.plugin.cli import main

SHOW = """schema_version: 1
shots:
  sh010: {plate: "p/p.####.exr", output: "out/{shot}.####.exr", strengths: {smile: 1}}
  sh020: {plate: "p/p.####.exr", output: "out/{shot}.####.exr", strengths: {smile: 1}}
"""
DEMO = """schema_version: 1
shots:
  sh010:
    plate: plate/plate.####.exr
    output: out/{shot}.####.exr
    face: {track: track.json}
    analysis: {occlusion: false}
    strengths: {smile: 1}
"""


@pytest.fixture(autouse=True)
def same_signals() -> Iterator[None]:
    handler = signal.getsignal(signal.SIGTERM)
    yield
    signal.signal(signal.SIGTERM, handler)


@pytest.fixture
def show(tmp_path: Path) -> Path:
    """Two shots of the same four plates, which are empty files."""
    (tmp_path / "p").mkdir()
    for number in (1001, 1002, 1003, 1005):
        (tmp_path / "p" / f"p.{number}.exr").write_text("")
    (tmp_path / "shots.yaml").write_text(SHOW)
    return tmp_path / "shots.yaml"


def run(capfd: pytest.CaptureFixture[str], *words: object) -> tuple[int, str]:
    """Type a command: exit code, and all that it prints."""
    code = main([str(word) for word in words])
    seen = capfd.readouterr()
    return code, seen.out + seen.err


@pytest.mark.parametrize(
    ("engine", "file", "command"),
    [
        ("openjd", "template.yaml", "deadline bundle submit"),
        ("opencue", "opencue_job.xml", "launchSpecAndWait"),
        ("deadline", "sh020_render_job.txt", "submit.py"),
        ("tractor", "lineament.alf", "tractor-spool"),
    ],
)
def test_when_a_job_is_exported_then_shots_files_and_the_next_step_are_told(
    show: Path, capfd: pytest.CaptureFixture[str], engine: str, file: str, command: str
) -> None:
    folder = show.parent / "job 1"
    code, text = run(capfd, "farm", "export", show, "--engine", engine, "-o", folder)
    assert code == 0 and f"{folder / file}\n" in text and command in text
    assert "sh010: 4 frames, 1001-1003,1005" in text and "shared one with --cache" in text
    assert (folder / file).is_file()
    code, text = run(capfd, "farm", "export", show, "sh010", "--engine", engine, "-o", folder, "--overwrite")
    assert code == 0 and "sh020" not in "".join(path.read_text() for path in folder.iterdir())


def test_when_it_is_only_planned_then_nothing_is_written(
    show: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    folder = show.parent / "job"
    code, text = run(capfd, "farm", "export", show, "-o", folder, "--dry-run", "--cache", show.parent / "c")
    assert code == 0 and "template.yaml" in text and not folder.exists() and "shared one" not in text


def test_when_paths_are_relative_then_the_job_has_whole_ones(
    show: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(show.parent)
    assert run(capfd, "farm", "export", "sh010", "-o", "job", "--cache", "cache", "--chunk-size", 3)[0] == 0
    values = yaml.safe_load((show.parent / "job" / "local_parameters.yaml").read_text())
    assert values["ShowFile"] == str(show) and values["CacheFolder"] == str(show.parent / "cache")
    assert values["ChunkSize"] == "3"


def test_when_the_command_is_wrong_then_the_code_says_how(
    show: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    folder = show.parent / "job"
    full = show.parent / "full"
    full.mkdir()
    (full / "x").write_text("")
    empty = show.with_name("empty.yaml")
    empty.write_text("schema_version: 1\nshots: {}\n")
    odd = show.with_name("odd\nname.yaml")
    odd.write_text(SHOW)
    cases: list[tuple[tuple[object, ...], int, str]] = [
        ((show, "-o", folder, "--engine", "qube"), 2, "qube"),
        ((show,), 2, "-o"),
        ((show, "sh030", "-o", folder), 2, "no shot"),
        ((show, "sh010", "sh010", "-o", folder), 2, "named twice"),
        ((show, "-o", folder, "--frames", "1004"), 2, "has no frame 1004"),
        ((show, "-o", folder, "--chunk-size", 0), 2, "chunk-size"),
        ((show, "-o", full), 2, "not empty"),
        ((show, "-o", full, "--overwrite"), 2, "something else"),
        ((show, "-o", show), 3, "is not a folder"),
        ((show, "-o", "/proc/job"), 3, "/proc"),
        ((empty, "-o", folder), 2, "shots"),
        ((odd, "-o", folder), 2, "control character"),
        ((show.with_name("none.yaml"), "-o", folder), 2, "does not exist"),
    ]
    for words, code, text in cases:
        found, seen = run(capfd, "farm", "export", *words)
        assert (found, text in seen) == (code, True), (words, seen)
        assert not folder.exists() and sorted(path.name for path in full.iterdir()) == ["x"]


def test_when_a_sessions_command_is_wrong_then_no_worker_is_started(
    show: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    folder = show.parent / "r"
    code, text = run(capfd, "farm", "render", folder, show, "sh010", "--frames", "1-5x2", "--openjd")
    assert code == 2 and "openjd_fail: '1-5x2' is not a range of frames." in text and not folder.exists()
    code, text = run(capfd, "farm", "stop", folder)
    assert code == 0 and "no worker" in text


def test_when_a_shot_is_rendered_for_an_engine_then_it_is_told_why_it_fails(
    show: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    code, text = run(capfd, "shot", "render", show, "sh010", "--frames", "9", "--openjd")
    assert code == 2 and re.search(r"^openjd_fail: The shot has no frame 9\.", text, re.MULTILINE)
    code, text = run(capfd, "shot", "analyse", show, "sh030", "--openjd")
    assert code == 2 and re.search("^openjd_fail: There is no shot", text, re.MULTILINE)
    assert "openjd" not in run(capfd, "shot", "render", show, "sh010", "--frames", "9")[1]


@pytest.mark.slow
def test_when_a_job_is_run_with_the_real_model_then_its_bytes_are_those_of_one_command(
    tmp_path: Path, repository: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    for name in ("plate", "track.json"):
        source = repository / "plugin" / "demo_shot" / name
        (shutil.copytree if source.is_dir() else shutil.copy)(source, tmp_path / name)
    file, cache = tmp_path / "shots.yaml", tmp_path / "cache"
    file.write_text(DEMO)
    beside = Path(sys.executable).parent
    export = ("-o", tmp_path / "job", "--cache", cache, "--chunk-size", 2, "--program", beside / "lineament")
    assert run(capfd, "farm", "export", file, *export)[0] == 0
    values = f"file://{tmp_path / 'job' / 'local_parameters.yaml'}"
    command = [str(beside / "openjd"), "run", str(tmp_path / "job" / "template.yaml"), "-p", values]
    done = subprocess.run([*command, "--output", "json"], capture_output=True, text=True, timeout=240)
    assert done.returncode == 0, done.stdout + done.stderr
    pictures = {path.name: path.read_bytes() for path in sorted((tmp_path / "out").glob("*.exr"))}
    assert len(pictures) == 4
    shutil.rmtree(tmp_path / "out")
    code, text = run(capfd, "shot", "render", file, "sh010", "--cache", cache, "--openjd")
    assert code == 0 and re.findall(r"^openjd_progress: (\S+)$", text, re.MULTILINE) == [
        "25.0",
        "50.0",
        "75.0",
        "100.0",
    ]
    assert {path.name: path.read_bytes() for path in sorted((tmp_path / "out").glob("*.exr"))} == pictures
    code, text = run(capfd, "shot", "analyse", file, "sh010", "--cache", cache, "--openjd")
    assert code == 0 and "openjd_progress: 100.0" in text
    manifest = (tmp_path / "out" / "sh010.manifest.jsonl").read_text().splitlines()
    assert [json.loads(line)["status"] for line in manifest] == ["done"] * 4
