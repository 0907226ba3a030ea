"""The other commands, and what all of them share: help, start-up, version, signals."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import typer
from lineament.core.io import read_frame
from lineament.plugin.cli import app, main
from PIL import Image

from .conftest import FRAMES, Studio

COMMANDS = (
    *("edit", "invert", "sample", "doctor", "demo", "model list", "model inspect", "model import"),
    *("directions list", "directions show", "train default", "train locator", "train refiner"),
    *("faces assets", "faces dataset", "faces sheet", "faces correlations", "faces shot", "bench truth"),
    *("shots init", "shots check", "shots list", "shots set", "shots diff"),
    *("shot analyse", "shot render", "shot report", "review"),
    *("tune", "dataset augment", "dataset check"),
    *("farm export", "farm run", "farm start", "farm render", "farm stop"),
    *("host blender render", "host blender doctor"),
)


@pytest.fixture(autouse=True)
def same_signals() -> Iterator[None]:
    handler = signal.getsignal(signal.SIGTERM)
    yield
    signal.signal(signal.SIGTERM, handler)


def leaves(command: object, path: tuple[str, ...] = ()) -> Iterator[tuple[str, object]]:
    """Every command below a group, with its full name."""
    children = getattr(command, "commands", None)
    if children is None:
        yield " ".join(path), command
    else:
        for name, child in children.items():
            yield from leaves(child, (*path, name))


def test_when_the_commands_are_listed_then_they_are_the_agreed_ones() -> None:
    assert {name for name, _ in leaves(typer.main.get_command(app))} == set(COMMANDS)


def test_when_help_is_asked_then_every_command_and_option_has_text() -> None:
    silent = []
    for name, command in leaves(typer.main.get_command(app)):
        if not (command.help or "").strip():
            silent.append(name)
        silent += [f"{name} {p.name}" for p in command.params if len((p.help or "").split()) < 3]
    assert silent == []


@pytest.mark.parametrize("command", COMMANDS)
def test_when_a_command_is_asked_for_help_then_it_gives_it(
    command: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([*command.split(), "--help"]) == 0
    assert f"lineament {command}" in " ".join(capsys.readouterr().out.split())


def test_when_the_program_starts_then_nothing_heavy_is_loaded() -> None:
    code = (
        "import sys\n"
        "from lineament.plugin.cli import main\n"
        "assert main(['--help']) == 0\n"
        "heavy = {'torch', 'numpy', 'moderngl', 'OpenImageIO', 'PyOpenColorIO', 'cv2', 'scipy', 'pydantic'}\n"
        "assert not heavy & set(sys.modules), heavy & set(sys.modules)"
    )
    before = os.times().children_user
    subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, timeout=60)
    assert os.times().children_user - before < 1.5, "processor seconds to show the help"


def test_when_the_version_is_asked_then_it_is_printed(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--version"]) == 0
    assert re.fullmatch(r"\d+\.\d+\.\d+\S*\n", capsys.readouterr().out)


@pytest.mark.parametrize(
    "arguments", [["edti"], ["edit"], ["sample", "--count", "many"], ["doctor", "--wat"]]
)
def test_when_the_call_is_no_call_then_the_code_is_usage(
    arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(arguments) == 2
    assert "Usage: lineament" in capsys.readouterr().err


def test_when_a_face_is_inverted_then_latent_and_picture_are_written(
    studio: Studio, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from lineament.core.generators.package import load_package
    from safetensors import safe_open

    where = ["--model", str(studio.model), "--track", str(studio.track), "--frames", "1001-1002"]
    assert main(["invert", studio.plate, "-o", str(tmp_path / "latents"), *where]) == 0
    card = load_package(studio.model).card
    with safe_open(tmp_path / "latents" / "shot.1001.latent.safetensors", framework="np") as file:
        ws, about = file.get_tensor("ws"), file.metadata()
    assert ws.shape == (card.num_ws, card.w_dim) and np.isfinite(ws).all()
    assert about["format"] == "lineament-inversion-1"
    assert about["generator_id"] == card.id and json.loads(about["source"])["frame"] == 1001
    with Image.open(tmp_path / "latents" / "inversion.png") as picture:
        assert picture.height > 2 * 192
    assert "rms error" in capsys.readouterr().out


def test_when_one_face_is_missing_then_the_other_frames_are_inverted(
    studio: Studio, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    track = json.loads(studio.track.read_text())
    track["frames"] = [frame for frame in track["frames"] if frame["frame"] != 1003]
    (tmp_path / "track.json").write_text(json.dumps(track))
    call = ["invert", studio.plate, "--model", str(studio.model), "--track", str(tmp_path / "track.json")]
    assert main([*call, "-o", str(tmp_path / "some")]) == 1
    said = capsys.readouterr()
    assert "2 of 3 frames inverted, failed: 1003." in said.out and "What: " in said.err
    assert sorted(path.name for path in (tmp_path / "some").iterdir()) == [
        "inversion.png",
        "shot.1001.latent.safetensors",
        "shot.1002.latent.safetensors",
    ]
    assert main([*call, "-o", str(tmp_path / "none"), "--frames", "1003"]) == 3
    assert not (tmp_path / "none").exists()


def test_when_inversion_runs_out_of_memory_then_the_device_is_named(
    studio: Studio, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    import torch

    def full(*_: object) -> None:
        raise torch.OutOfMemoryError("full")

    monkeypatch.setattr("lineament.plugin.inversion_job.synthesise_pair", full)
    where = ["--model", str(studio.model), "--track", str(studio.track)]
    assert main(["invert", studio.plate, "-o", str(tmp_path), *where]) == 5
    assert "Out of memory on cpu" in capsys.readouterr().err


def test_when_samples_are_drawn_then_they_depend_on_the_seed_alone(studio: Studio, tmp_path: Path) -> None:
    def grid(name: str, *more: str) -> np.ndarray:
        path = tmp_path / name
        assert main(["sample", "-o", str(path), "--model", str(studio.model), "--columns", "3", *more]) == 0
        with Image.open(path) as picture:
            return np.asarray(picture)

    nine, again = grid("a.png", "--count", "9"), grid("b.png", "--count", "9")
    three, other = grid("c.png", "--count", "3"), grid("d.png", "--count", "3", "--seed", "50")
    assert np.array_equal(nine, again)
    assert np.array_equal(nine[: three.shape[0] - 30], three[:-30])
    assert not np.array_equal(three, other)


@pytest.mark.parametrize("name", ["no/suffix", "picture.wat"])
def test_when_a_picture_cannot_be_written_then_it_is_said(
    name: str, studio: Studio, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    target = tmp_path / name
    assert main(["sample", "-o", str(target), "--model", str(studio.model), "--count", "1"]) == 3
    assert "What to do: Choose another path" in capsys.readouterr().err
    assert not target.exists()


def test_when_models_are_listed_then_installed_and_damaged_ones_are_told_apart(
    studio: Studio, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "good").symlink_to(studio.model)
    (tmp_path / "bad").mkdir()
    (tmp_path / "bad" / "card.json").write_text("{")
    monkeypatch.setenv("LINEAMENT_MODELS", str(tmp_path))
    assert main(["model", "list"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert any(line.startswith("good: stylegan2, 32 px") for line in lines)
    assert any(line.startswith("bad: DAMAGED") for line in lines)
    assert main(["model", "list", "--json"]) == 0
    assert {"good", "bad"} <= set(json.loads(capsys.readouterr().out))
    assert main(["model", "inspect", "good"]) == 0
    assert json.loads(capsys.readouterr().out)["resolution"] == 32
    assert main(["model", "inspect", "nobody"]) == 4
    assert "What: There is no model" in capsys.readouterr().err


def test_when_a_checkpoint_is_imported_then_the_package_can_be_used(
    shared_data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    source = sorted((shared_data / "golden").rglob("*.pkl"))[0]
    assert main(["model", "import", str(source), "-o", str(tmp_path / "mine")]) == 0
    assert main(["model", "inspect", str(tmp_path / "mine")]) == 0
    assert main(["directions", "list", "--model", str(tmp_path / "mine")]) == 0
    assert "This model has no directions." in capsys.readouterr().out


def test_when_a_checkpoint_is_rubbish_then_nothing_is_left(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "rubbish.pkl").write_bytes(b"cos\nsystem\n(S'true'\ntR.")
    assert main(["model", "import", str(tmp_path / "rubbish.pkl"), "-o", str(tmp_path / "mine")]) == 4
    assert "What: " in capsys.readouterr().err
    assert not (tmp_path / "mine").exists()


def test_when_a_foreign_checkpoint_is_named_as_model_then_the_import_command_is_shown(
    studio: Studio, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "net.pkl").write_bytes(b"\x80\x04.")
    assert main([*studio.arguments(tmp_path / "out"), "--model", str(tmp_path / "net.pkl")]) == 4
    assert "lineament model import" in capsys.readouterr().err


def test_when_directions_are_asked_for_then_names_limits_and_card_are_shown(
    studio: Studio, capsys: pytest.CaptureFixture[str]
) -> None:
    where = ["--model", str(studio.model)]
    assert main(["directions", "list", *where]) == 0
    assert capsys.readouterr().out.splitlines() == ["age: -3 to 3", "smile: -3 to 3"]
    assert main(["directions", "list", "--json", *where]) == 0
    assert [row["name"] for row in json.loads(capsys.readouterr().out)] == ["age", "smile"]
    assert main(["directions", "show", "age", *where]) == 0
    assert json.loads(capsys.readouterr().out)["limits"] == [-3.0, 3.0]
    assert main(["directions", "show", "agee", *where]) == 2
    assert "Did you mean age" in capsys.readouterr().err


def a_running_edit(studio: Studio, tmp_path: Path) -> subprocess.Popen[str]:
    """An edit of thousands of frames, in a process of its own, after its first frame."""
    still = studio.plate.replace("####", "1001")
    track = json.loads(studio.track.read_text())
    track["frames"].append({**track["frames"][0], "frame": 9999})
    (tmp_path / "track.json").write_text(json.dumps(track))
    arguments = [
        "edit",
        still,
        "-o",
        str(tmp_path / "out.####.exr"),
        "--frames",
        "1001-9999",
        "--set",
        "age=1",
    ]
    arguments += ["--model", str(studio.model), "--track", str(tmp_path / "track.json"), "--cache", ""]
    process = subprocess.Popen(
        [sys.executable, "-m", "lineament.plugin.cli", *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stderr is not None
    assert process.stderr.readline().startswith("exposure ")
    assert process.stderr.readline().startswith("frame 1001")
    return process


def test_when_a_run_is_terminated_then_frames_are_whole_and_the_rest_is_named(
    studio: Studio, tmp_path: Path
) -> None:
    process = a_running_edit(studio, tmp_path)
    time.sleep(0.3)
    process.send_signal(signal.SIGTERM)
    said, _ = process.communicate(timeout=60)
    assert process.returncode == 143
    assert re.search(r"of 8999 frames written.* to do again: --frames \d+-9999\.", said)
    written = sorted(tmp_path.glob("*.exr"))
    assert written and all(read_frame(path).parts for path in written)
    assert sorted(path.name for path in tmp_path.iterdir()) == [*(p.name for p in written), "track.json"]


def test_when_frames_are_listed_then_the_studio_has_them(studio: Studio) -> None:
    assert [Path(studio.plate.replace("####", str(number))).exists() for number in FRAMES] == [True] * 3
