"""The demonstration does what the README promises: frames, pictures, and an edit that beats every null row."""

from __future__ import annotations

from pathlib import Path

import pytest
from lineament.core.io import read_frame
from lineament.plugin import demo
from PIL import Image


@pytest.fixture(scope="module")
def shown(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[str]]:
    folder = tmp_path_factory.mktemp("demo")
    lines: list[str] = []
    demo.run_demo(folder, lines.append)
    return folder, lines


def scores(lines: list[str], edit: str) -> dict[str, float]:
    """Method -> mean edit gain of one edit, as printed."""
    rows = [line for line in lines if line.startswith(edit) and ".." in line]
    return {row[9:31].strip(): float(row[31:39]) for row in rows}


@pytest.mark.parametrize("edit", ["age", "smile", "glasses"])
def test_when_an_edit_has_a_truth_then_it_beats_doing_nothing_and_random_directions(
    shown: tuple[Path, list[str]], edit: str
) -> None:
    found = scores(shown[1], edit)
    nulls = {method: gain for method, gain in found.items() if not method.startswith(edit)}
    own = next(gain for method, gain in found.items() if method.startswith(edit))
    assert set(nulls) == {"do nothing", "8 random directions"}
    assert nulls["do nothing"] == 0.0
    assert own > 0.0
    assert own > max(nulls.values())


def test_when_the_demo_has_run_then_every_edit_left_its_frames_and_the_sheet(
    shown: tuple[Path, list[str]],
) -> None:
    folder, _ = shown
    for edit in demo.EDITS:
        frames = sorted((folder / edit.name).glob("*.exr"))
        assert len(frames) == len(demo.FRAMES)
        plate = read_frame(demo.SHOT / "plate" / f"plate.{demo.FRAMES[0]}.exr").rgb("")
        changed = (read_frame(frames[0]).rgb("") != plate).any(-1).mean()
        assert 0.01 < changed < 0.4
    with Image.open(folder / "contact_sheet.png") as sheet:
        assert min(sheet.size) > 1000
    assert (folder / "scores.txt").read_text().count("do nothing") == 3
