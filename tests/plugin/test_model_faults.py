"""``lineament model`` and ``sample`` when files are missing, folders in use and numbers too large."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from lineament.plugin.cli import main

from .conftest import Studio


def test_when_models_are_listed_then_the_untrained_one_is_marked(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["model", "list"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line for line in lines if line.startswith("tiny: untrained, for tests")]


def test_when_files_of_a_model_are_missing_then_the_list_names_them(
    studio: Studio, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("whole", "half"):
        shutil.copytree(studio.model, tmp_path / name)
    (tmp_path / "half" / "generator.safetensors").unlink()
    monkeypatch.setenv("LINEAMENT_MODELS", str(tmp_path))
    assert main(["model", "list"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert any(
        line.startswith("half: INCOMPLETE, without generator.safetensors; stylegan2") for line in lines
    )
    assert any(line.startswith("whole: stylegan2") for line in lines)


@pytest.mark.parametrize(("name", "says"), [("none.pkl", "does not exist"), ("folder", "is a folder")])
def test_when_the_checkpoint_is_not_there_then_its_path_is_named(
    name: str, says: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "folder").mkdir()
    assert main(["model", "import", str(tmp_path / name), "-o", str(tmp_path / "mine")]) == 3
    said = capsys.readouterr().err.splitlines()
    assert said[0] == f"What: The checkpoint {says}." and said[1] == f"Where: {tmp_path / name}"
    assert not (tmp_path / "mine").exists()


@pytest.mark.parametrize("is_folder", [True, False])
def test_when_the_folder_of_a_new_model_is_in_use_then_it_is_left_alone(
    is_folder: bool, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "net.pkl").write_bytes(b"\x80\x02.")
    (tmp_path / "mine").mkdir()
    precious = tmp_path / "mine" / "precious"
    precious.write_text("keep")
    target = precious.parent if is_folder else precious
    assert main(["model", "import", str(tmp_path / "net.pkl"), "-o", str(target)]) == 2
    assert f"Where: {target}\n" in capsys.readouterr().err
    assert precious.read_text() == "keep" and list(precious.parent.iterdir()) == [precious]


@pytest.mark.parametrize("seed", [2**31, 2**31 - 2, 2**64, 10**30])
def test_when_a_sample_has_too_large_a_seed_then_it_is_refused(
    seed: int, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    ask = ["sample", "-o", str(tmp_path / "a.png"), "--model", "tiny", "--count", "3", "--seed", str(seed)]
    assert main(ask) == 2
    assert "Choose a seed of at most 2147483645." in capsys.readouterr().err
    assert not (tmp_path / "a.png").exists()


def test_when_a_sample_has_the_largest_seed_then_it_is_drawn(tmp_path: Path) -> None:
    ask = ["sample", "-o", str(tmp_path / "a.png"), "--model", "tiny", "--count", "1"]
    assert main([*ask, "--seed", str(2**31 - 1)]) == 0
