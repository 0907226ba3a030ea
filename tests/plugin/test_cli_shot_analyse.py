"""``lineament shot analyse``: what it prints, what it keeps, and what it refuses."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from lineament.core.errors import DataError
from lineament.core.shots.analysis_store import load_analysis
from lineament.core.shots.plates import shot_plates
from lineament.core.shots.shot_file import read_show
from lineament.core.tools import open_tools
from lineament.plugin.cli import main
from lineament.plugin.engine import tool_options
from lineament.plugin.shot_engine import shot_choices

DEMO = Path(__file__).resolve().parents[2] / "plugin" / "demo_shot" / "plate"


@pytest.fixture
def show(tmp_path: Path) -> Path:
    """Two frames of the demo shot."""
    (tmp_path / "plate").mkdir()
    plates = sorted(DEMO.glob("*.exr"))[:2]
    for number, plate in enumerate(plates, 1001):
        (tmp_path / "plate" / f"plate.{number}.exr").write_bytes(plate.read_bytes())
    path = tmp_path / "shots.yaml"
    path.write_text(
        "schema_version: 1\n"
        "show: {name: demo}\n"
        "shots:\n"
        "  sh010:\n"
        "    plate: plate/plate.####.exr\n"
        "    output: out/out.####.exr\n"
        "    strengths: {age: 1.0}\n"
    )
    return path


def test_when_a_shot_is_analysed_then_it_says_what_was_found_and_rendering_finds_it(
    show: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["shot", "analyse", str(show), "sh010", "--cache", str(tmp_path / "cache")]
    assert main(arguments) == 0
    told = capsys.readouterr()
    assert "sh010, main: found 1001-1002; exposure" in told.out
    assert "locate: 2 of 2" in told.err and "invert: 2 of 2" in told.err
    assert main([*arguments, "--json"]) == 0
    data = json.loads(capsys.readouterr().out)
    assert data["faces"]["main"]["found"] == "1001-1002" and data["problems"] == [] and not data["tuned"]
    shot = read_show(show).shot("sh010")
    tools = open_tools(tool_options(shot_choices(shot)))
    analysis = load_analysis(tmp_path / "cache", shot, shot_plates(shot).frames, tools)
    assert str(analysis.folder) == data["folder"] and analysis.digest == data["digest"]
    with pytest.raises(DataError, match="has not been analysed"):
        load_analysis(tmp_path / "nowhere", shot, shot_plates(shot).frames, tools)


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["sh020"], 2, "sh010"),
        ([], 2, "name one shot"),
        (["sh010", "sh020"], 2, "name one shot"),
    ],
)
def test_when_the_shot_is_not_named_well_then_it_is_refused(
    show: Path, capsys: pytest.CaptureFixture[str], words: list[str], code: int, said: str
) -> None:
    assert main(["shot", "analyse", str(show), *words]) == code
    assert said in capsys.readouterr().err


def test_when_plates_are_missing_then_it_names_the_shot_and_exits_as_for_input(
    show: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for plate in (show.parent / "plate").iterdir():
        plate.unlink()
    assert main(["shot", "analyse", str(show), "sh010"]) == 3
    assert "sh010" in capsys.readouterr().err
