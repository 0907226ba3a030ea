"""The attributes of a model, without its networks."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from lineament.core.directions.library import load_library
from lineament.core.directions.limits import CARDS_FILE, NUMBERS_FILE
from lineament.core.errors import GeneratorError
from lineament.core.generators.cards import find_package
from lineament.core.generators.package import open_package
from lineament.core.shots.attributes import read_limits


def test_when_limits_are_read_then_they_are_those_of_the_library() -> None:
    folder = find_package("default")
    limits = read_limits(folder)
    known = {one.name: one.limits for one in load_library(open_package("default")).directions}
    assert limits == known and limits


@pytest.mark.parametrize("name", [CARDS_FILE, NUMBERS_FILE])
def test_when_a_file_was_altered_then_it_is_refused(tmp_path: Path, name: str) -> None:
    folder = tmp_path / "model"
    shutil.copytree(find_package("default"), folder)
    (folder / name).write_bytes((folder / name).read_bytes() + b" ")
    with pytest.raises(GeneratorError, match="is not the file that the card describes"):
        read_limits(folder)


@pytest.mark.parametrize(
    "module", ["plugin.shot_look", "plugin.shot_run", "plugin.shot_finished", "core.shots.analysis_receipt"]
)
def test_when_a_show_is_checked_or_known_to_be_finished_then_torch_is_not_loaded(module: str) -> None:
    program = f"import sys, lineament.{module}; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program], check=False, timeout=60).returncode == 0
