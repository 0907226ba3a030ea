"""Submit the Deadline jobs beside this file: python submit.py [deadlinecommand]

For each shot the analysis goes first; its job number is put into the render job, which waits for it. The standard
library is enough. Checked against the format only.
"""

from __future__ import annotations

import re
import subprocess
import sys
import tempfile
from pathlib import Path

PLACEHOLDER, ALL = "@ANALYSE_JOB@", "@RENDER_JOBS@"
REVIEW = "review"
"""The job behind all others, if there is one; those of shots have a suffix."""


def submit(command: str, info: Path, plugin: Path) -> str:
    """Submit one job and return its number. Raises SystemExit with what the command printed if it gave none."""
    done = subprocess.run(  # noqa: S603 - the program that was named, no shell
        [command, str(info), str(plugin)], capture_output=True, text=True, check=False
    )
    found = re.search(r"^JobID=(\S+)", done.stdout, re.MULTILINE)
    if done.returncode != 0 or found is None:
        raise SystemExit(f"{info.name} was not submitted: {done.stdout}{done.stderr}")
    return found[1]


def submit_filled(command: str, folder: Path, name: str, mark: str, jobs: str) -> str:
    """Submit the job of that name with the numbers of the jobs that it waits for; its own number."""
    text = (folder / f"{name}_job.txt").read_text(encoding="utf-8")
    with tempfile.TemporaryDirectory() as scratch:
        filled = Path(scratch) / f"{name}_job.txt"
        filled.write_text(text.replace(mark, jobs), encoding="utf-8")
        return submit(command, filled, folder / f"{name}_plugin.txt")


def main(folder: Path, command: str) -> None:
    """Submit both jobs of every shot; those of shots before a failure stay submitted, and were told."""
    renders = []
    for info in sorted(folder.glob("*_analyse_job.txt")):
        shot = info.name.removesuffix("_analyse_job.txt")
        first = submit(command, info, folder / f"{shot}_analyse_plugin.txt")
        renders.append(submit_filled(command, folder, f"{shot}_render", PLACEHOLDER, first))
        sys.stdout.write(f"{shot}: {first}, {renders[-1]}\n")
    if (folder / f"{REVIEW}_job.txt").exists():
        sys.stdout.write(f"{REVIEW}: {submit_filled(command, folder, REVIEW, ALL, ','.join(renders))}\n")


if __name__ == "__main__":
    main(Path(__file__).resolve().parent, sys.argv[1] if len(sys.argv) > 1 else "deadlinecommand")
