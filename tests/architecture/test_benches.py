"""A benchmark that no longer runs is found here, not on the day somebody needs the number."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path


def test_when_the_synthesis_bench_runs_then_both_formulations_draw_the_same(repository: Path) -> None:
    bench = repository / "bench" / "bench_synthesis.py"
    command = [sys.executable, str(bench), "--sizes", "64", "--rounds", "1"]
    run = subprocess.run(
        command, capture_output=True, text=True, timeout=120, check=False, cwd=repository / "bench"
    )
    assert run.returncode == 0, run.stderr
    row = next(line for line in run.stdout.splitlines() if line.lstrip().startswith("64 |"))
    differences = [float(value) for value in re.findall(r"\d\.\de-\d\d", row)]
    assert len(differences) == 2
    assert max(differences) < 1e-4
