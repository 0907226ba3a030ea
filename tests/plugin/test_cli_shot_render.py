"""``lineament shot render`` as it is typed: analysed once, rendered again and again, by a real model in miniature."""

from __future__ import annotations

import json
import os
import shutil
import signal
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from lineament.core.io import read_frame
from lineament.plugin.cli import main
from lineament.plugin.manifest import read_manifest
from lineament.plugin.shot_engine import ShotOpener

SHOW = """schema_version: 1
defaults: {{model: {model}, face: {{track: {track}}}, analysis: {{occlusion: false}}}}
shots:
  sh010: {{plate: {plates}/shot.####.exr, output: "out/{{shot}}.####.exr", strengths: {{age: {age}}}}}
  sh020: {{plate: {plates}/shot.####.exr, output: "out/{{shot}}.####.exr", strengths: {{smile: {{1001: 0, 1003: 1}}}}}}
"""


@pytest.fixture(autouse=True)
def same_signals() -> Iterator[None]:
    handler = signal.getsignal(signal.SIGTERM)
    yield
    signal.signal(signal.SIGTERM, handler)


@dataclass
class Stage:
    """A show in a folder of its own, analysed."""

    folder: Path
    studio: Any
    capture: Callable[[], tuple[str, str]]

    def show(self, age: float = 1.5) -> Path:
        """Write the show file with another strength."""
        text = SHOW.format(
            model=self.folder / "model", track=self.studio.track, plates=self.folder / "plate", age=age
        )
        path = self.folder / "shots.yaml"
        path.write_text(text)
        return path

    def run(self, *words: object, verb: str = "render") -> tuple[int, str, str]:
        """Type a command of the group ``shot``: exit code, standard output, standard error."""
        line = ["shot", verb, self.folder / "shots.yaml", *words, "--cache", self.folder / "cache"]
        code = main([str(word) for word in line])
        return code, *self.capture()

    def outputs(self) -> dict[str, bytes]:
        """The pictures by name."""
        return {path.name: path.read_bytes() for path in sorted((self.folder / "out").glob("*.exr"))}


@pytest.fixture(scope="module")
def analysed(studio: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Plates and a cache that knows both shots; read only."""
    folder = tmp_path_factory.mktemp("analysed")
    shutil.copytree(Path(studio.plate).parent, folder / "plate")
    shutil.copytree(studio.model, folder / "model")
    card = folder / "model" / "card.json"
    data = json.loads(card.read_text())
    del data["files"][
        "locator.safetensors"
    ]  # a shot opens its locator, track or not; the default model's is a real one
    card.write_text(json.dumps(data))
    stage = Stage(folder, studio, lambda: ("", ""))
    stage.show()
    for name in ("sh010", "sh020"):
        assert stage.run(name, verb="analyse")[0] == 0
    return folder


@pytest.fixture
def stage(analysed: Path, studio: Any, capfd: pytest.CaptureFixture[str]) -> Stage:
    """The analysed show; outputs and manifests are removed."""
    shutil.rmtree(analysed / "out", ignore_errors=True)
    found = Stage(analysed, studio, capfd.readouterr)
    found.show()
    return found


def test_when_a_shot_is_rendered_then_pictures_and_manifest_are_there(stage: Stage) -> None:
    code, out, err = stage.run("sh010")
    assert code == 0 and "3 of 3 frames written" in out and "shot sh010" in err
    assert list(stage.outputs()) == ["sh010.1001.exr", "sh010.1002.exr", "sh010.1003.exr"]
    line = read_manifest(stage.folder / "out" / "sh010.manifest.jsonl").done[1002]
    assert line.report["faces"][0]["strengths"] == {"age": 1.5}
    plate = read_frame(stage.folder / "plate" / "shot.1002.exr")
    edited = read_frame(stage.folder / "out" / "sh010.1002.exr")
    assert (plate.rgb() != edited.rgb()).any() and plate.parts[0].header == edited.parts[0].header


def test_when_it_is_rendered_again_then_nothing_is_done_until_a_strength_changes(stage: Stage) -> None:
    stage.run("sh010")
    first = stage.outputs()
    assert "0 of 0 frames written, 3 skipped as they are valid" in stage.run("sh010")[1]
    stage.show(age=0.5)
    assert "3 of 3 frames written" in stage.run("sh010")[1]
    assert set(stage.outputs()) == set(first) and stage.outputs() != first
    stage.show()
    assert "3 of 3 frames written" in stage.run("sh010")[1]
    assert stage.outputs() == first


def test_when_a_shot_is_finished_then_its_model_is_not_opened(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    stage.run("sh010")
    opened: list[str] = []
    real = ShotOpener.__call__
    monkeypatch.setattr(
        ShotOpener, "__call__", lambda self, order: opened.append(order.shot.name) or real(self, order)
    )
    code, out, _ = stage.run("sh010")
    assert code == 0 and "3 skipped as they are valid" in out
    code, out, _ = stage.run("sh010", "--dry-run")
    assert code == 0 and "valid, left alone: 1001-1003" in out and opened == []
    (stage.folder / "out" / "sh010.1002.exr").write_bytes(b"")
    assert "1 of 1 frames written, 2 skipped" in stage.run("sh010")[1] and opened == ["sh010"]
    assert "3 of 3 frames written" in stage.run("sh010", "--overwrite")[1] and len(opened) == 2


def test_when_frames_chunks_and_jobs_differ_then_the_bytes_are_the_same(stage: Stage) -> None:
    stage.run("sh010", "sh020")
    whole = stage.outputs()
    assert len(whole) == 6
    shutil.rmtree(stage.folder / "out")
    for frames in ("1003,1001", "1002"):
        assert stage.run("sh020", "--frames", frames)[0] == 0
    assert stage.run("sh010", "--jobs", 2)[0] == 0
    assert stage.outputs() == whole


def test_when_it_is_only_planned_then_reasons_are_told_and_nothing_is_written(stage: Stage) -> None:
    code, out, _ = stage.run("sh010", "sh020", "--dry-run")
    assert code == 0 and "because not rendered yet: 1001-1003" in out and "shot: sh020" in out
    assert not (stage.folder / "out").exists()
    stage.run("sh010", "--frames", "1002")
    (stage.folder / "out" / "sh010.1002.exr").write_bytes(b"")
    _, out, _ = stage.run("sh010", "--dry-run")
    assert "because the output was changed or damaged: 1002" in out and "manifest.jsonl" in out


def test_when_one_frame_fails_then_the_code_is_1_and_the_summary_can_be_run_again(stage: Stage) -> None:
    plate = stage.folder / "plate" / "shot.1002.exr"
    data = plate.read_bytes()
    time = plate.stat()
    try:
        plate.write_bytes(data[:-300] + bytes(300))  # of the same size and time, as a disk would damage it
        os.utime(plate, ns=(time.st_atime_ns, time.st_mtime_ns))
        code, out, err = stage.run("sh010", "sh020")
        assert code == 1 and "to do again: --frames 1002." in out and "0 of 2 shots complete" in out
        assert f"lineament shot render {stage.folder / 'shots.yaml'} sh020 --frames 1002" in out
        assert "has changed since the shot was analysed" in err and len(stage.outputs()) == 4
        code, out, _ = stage.run("sh010", "sh020", "--fail-fast", "--overwrite")
        assert code == 1 and "To do again: lineament shot render" in out and "sh020 --frames 1001-1003" in out
    finally:
        plate.write_bytes(data)
        os.utime(plate, ns=(time.st_atime_ns, time.st_mtime_ns))
    assert stage.run("sh010", "sh020", "--frames", "1002")[0] == 0 and len(stage.outputs()) == 6


@pytest.mark.parametrize(
    ("words", "code", "text"),
    [
        (("sh030",), 2, "no shot"),
        ((), 2, "name each shot once"),
        (("sh010", "sh010"), 2, "name each shot once"),
        (("sh010", "--frames", "900"), 2, "has no frame 900"),
        (("sh010", "--frames", "x"), 2, "not a frame range"),
        (("sh010", "--jobs", "0"), 2, "jobs"),
        (("sh010", "--log-json", "plate.exr"), 2, "suffix of a picture"),
        (("sh010", "--mask", "none.exr"), 3, "mask does not exist"),
        (("sh010", "--device", "cuda:9"), 5, "cuda"),
    ],
)
def test_when_the_command_is_wrong_then_the_code_says_how(
    stage: Stage, words: tuple[str, ...], code: int, text: str
) -> None:
    found, out, err = stage.run(*words)
    assert found == code and text in out + err and not stage.outputs()


def test_when_a_shot_was_not_analysed_then_it_says_what_to_do_and_others_go_on(stage: Stage) -> None:
    path = stage.folder / "shots.yaml"
    path.write_text(path.read_text().replace("sh010: {", "sh010: {seed: 5, "))
    code, out, err = stage.run("sh010", "sh020")
    assert code == 1 and "lineament shot analyse" in err and "1 of 2 shots complete" in out
    assert stage.run("sh010")[0] == 3


def test_when_a_strength_is_unknown_or_too_strong_then_nothing_is_rendered(stage: Stage) -> None:
    stage.show(age=500)
    code, _, err = stage.run("sh010")
    assert code == 2 and "500" in err and not stage.outputs()
    path = stage.folder / "shots.yaml"
    path.write_text(path.read_text().replace("{age: 500}", "{agee: 1}"))
    code, _, err = stage.run("sh010")
    assert code == 2 and "agee" in err


def test_when_events_are_logged_then_each_shot_begins_and_ends(stage: Stage) -> None:
    log = stage.folder / "log.jsonl"
    log.unlink(missing_ok=True)
    stage.run("sh010", "sh020", "--log-json", log)
    events = [json.loads(line) for line in log.read_text().splitlines()]
    assert [event["shot"] for event in events if event["event"] == "summary"] == ["sh010", "sh020"]
    assert sum(event["event"] == "frame" for event in events) == 6


def test_when_the_mix_is_given_then_it_wins_over_the_show_file(stage: Stage) -> None:
    assert stage.run("sh010", "--mix", "0")[0] == 0
    plate, edited = (
        read_frame(stage.folder / name) for name in ("plate/shot.1001.exr", "out/sh010.1001.exr")
    )
    assert (plate.rgb() == edited.rgb()).all()
    assert "3 of 3 frames written" in stage.run("sh010")[1]
