"""Several processes that render one shot at the same time, as a farm's retried task does beside the one it replaces."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest
from lineament.plugin.manifest import read_manifest

FRAMES = 12


@pytest.fixture
def fake(repository: Path) -> ModuleType:
    """The module fake_shot.py, by a name that workers find too."""
    sys.path.insert(0, str(repository / "tests" / "plugin"))
    import fake_shot

    return fake_shot


def started(fake: ModuleType, folder: Path, frames: str, jobs: int = 1) -> subprocess.Popen[str]:
    """A process that renders these frames of the shot in ``folder``."""
    arguments = [str(folder), str(jobs), frames, "2.0", "0.02"]
    return subprocess.Popen(
        [sys.executable, str(fake.__file__), *arguments], stdout=subprocess.PIPE, text=True
    )


def finished(processes: list[subprocess.Popen[str]]) -> list[int]:
    """Their exit codes."""
    codes = []
    for process in processes:
        process.communicate(timeout=120)
        codes.append(process.returncode)
    return codes


def test_when_three_processes_render_the_same_shot_then_nothing_is_lost_or_damaged(
    tmp_path: Path, fake: ModuleType
) -> None:
    alone, together = tmp_path / "alone", tmp_path / "together"
    for folder in (alone, together):
        fake.make_shot(folder, FRAMES)
    assert finished([started(fake, alone, "")]) == [0]
    assert (
        finished(
            [
                started(fake, together, ""),
                started(fake, together, ""),
                started(fake, together, "1006-1012,1001-1005"),
            ]
        )
        == [0] * 3
    )
    assert fake.outputs(together) == fake.outputs(alone)
    assert fake.unreadable(together) == []
    history = read_manifest(together / "out" / "sh010.manifest.jsonl")
    assert history.damaged == 0 and sorted(history.done) == list(range(1001, 1001 + FRAMES))
    assert {line.status for line in history.last.values()} == {"done"}
    assert [path.name for path in (together / "out").iterdir() if "tmp" in path.name] == []


def test_when_they_are_done_then_another_run_finds_every_frame_valid(
    tmp_path: Path, fake: ModuleType
) -> None:
    shot = fake.make_shot(tmp_path, FRAMES)
    assert finished([started(fake, tmp_path, ""), started(fake, tmp_path, "")]) == [0, 0]
    plan = fake.plan_of(shot, fake.open_fake(fake.Order(gain=2.0)))
    assert plan.requests == () and len(plan.plan.skipped) == FRAMES


def test_when_they_have_chunks_of_their_own_then_the_manifest_holds_one_line_a_frame(
    tmp_path: Path, fake: ModuleType
) -> None:
    fake.make_shot(tmp_path, FRAMES)
    chunks = ["1001-1004", "1005-1008", "1009-1012"]
    assert finished([started(fake, tmp_path, chunk) for chunk in chunks]) == [0] * 3
    lines = (tmp_path / "out" / "sh010.manifest.jsonl").read_bytes().splitlines()
    assert len(lines) == FRAMES and read_manifest(tmp_path / "out" / "sh010.manifest.jsonl").damaged == 0
