"""A run that is killed at any moment leaves whole files, and the same command ends with the same bytes."""

from __future__ import annotations

import random
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import ModuleType

import pytest
from lineament.core.io import read_frame
from lineament.plugin.augment_finish import check_set

PICTURES, KILLS = 12, 4
NOT_COMPARED = ("manifest.jsonl", ".lock")
"""The manifest says how long things took."""


@pytest.fixture(scope="module")
def fake(repository: Path) -> ModuleType:
    """The module fake_dataset.py."""
    sys.path.insert(0, str(repository / "tests" / "plugin"))
    import fake_dataset

    return fake_dataset


def contents(folder: Path) -> dict[str, bytes]:
    files = [one for one in folder.rglob("*") if one.is_file() and one.name not in NOT_COMPARED]
    return {str(one.relative_to(folder)): one.read_bytes() for one in files}


def killed(command: list[str], output: Path, wait_s: float) -> bool:
    """Start the command and kill it some time after it took the folder; whether it was still at work."""
    (output / ".lock").unlink(missing_ok=True)
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    limit = time.monotonic() + 120
    while not (output / ".lock").exists() and process.poll() is None:
        assert time.monotonic() < limit
        time.sleep(0.002)
    time.sleep(wait_s)
    process.send_signal(signal.SIGKILL)
    return process.wait() == -signal.SIGKILL


@pytest.mark.slow
@pytest.mark.parametrize("layout", ["folder", "webdataset"])
def test_when_killed_again_and_again_then_no_file_is_broken_and_the_bytes_are_the_same(
    fake: ModuleType, tmp_path: Path, layout: str
) -> None:
    album, output = fake.make_album(tmp_path / "in", PICTURES), tmp_path / "set"
    fake.make_set(album, tmp_path / "plain", layout=layout)
    chance = random.Random(layout)
    command = [sys.executable, fake.__file__, str(album), str(output), layout]
    kills = sum(
        killed(command, output, chance.choice((0.02, 0.15, 0.5)) * chance.random()) for _ in range(KILLS)
    )
    assert kills >= 1
    for path in output.rglob("*.exr"):
        if not path.name.startswith("."):
            assert read_frame(path).rgb("").shape == (fake.SIDE, fake.SIDE, 3)
    fake.make_set(album, output, layout=layout)
    assert contents(output) == contents(tmp_path / "plain")
    assert check_set(output) == (4 * PICTURES, [])
