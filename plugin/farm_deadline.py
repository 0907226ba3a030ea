"""Jobs for Deadline 10: text files for its CommandLine plugin, two jobs a shot, and a program that submits them.

Checked against the format only; no server was asked. The render job waits for the analysis job, whose number is known
when it is submitted: ``submit.py`` puts it in. Format: Thinkbox, "Manual Job Submission", job and plugin info files.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from .farm_frames import openjd_range
from .farm_job import LABEL, FarmFile, FarmJob, FarmShot
from .farm_submit import ALL, PLACEHOLDER, REVIEW
from .plan import UsageError

FRAMES = "<STARTFRAME>-<ENDFRAME>"
"""Deadline replaces it by the frames of a task."""
_KEYWORD = re.compile(r"<[A-Za-z0-9_%#+-]+>")


def deadline_files(job: FarmJob) -> tuple[FarmFile, ...]:
    """Job and plugin info of every job, and the program that submits them."""
    files = [file for shot in job.shots for file in (*_analyse(job, shot), *_render(job, shot))]
    if job.review:
        lines = {"Frames": "0", "ChunkSize": "1", "JobDependencies": ALL}
        files += _files(job, REVIEW, lines, job.review_words())
    program = Path(__file__).with_name("farm_submit.py").read_text(encoding="utf-8")
    return (*files, FarmFile("submit.py", program))


def _analyse(job: FarmJob, shot: FarmShot) -> tuple[FarmFile, ...]:
    lines = {"Frames": "0", "ChunkSize": "1"}
    return _files(job, f"{shot.name}_analyse", lines, job.analyse_words(shot))


def _render(job: FarmJob, shot: FarmShot) -> tuple[FarmFile, ...]:
    """A task of several frames names only its first and last one, so that a shot with holes gets a task for each."""
    chunk = job.chunk if shot.is_whole else 1
    lines = {
        "Frames": openjd_range(shot.frames).replace(":", "x"),
        "ChunkSize": str(chunk),
        "JobDependencies": PLACEHOLDER,
        **{f"OutputDirectory{index}": folder for index, folder in enumerate(shot.output_folders)},
    }
    words = job.render_words(shot, FRAMES)
    return _files(job, f"{shot.name}_render", lines, words)


def _files(job: FarmJob, name: str, more: dict[str, str], words: Sequence[str]) -> tuple[FarmFile, ...]:
    info = {
        "Plugin": "CommandLine",
        "Name": name,
        "BatchName": f"Lineament {job.show}",
        "Comment": f"{LABEL}. Checked against the format only.",
        **more,
    }
    plugin = {
        "Executable": words[0],
        "Arguments": " ".join(_word(word) for word in words[1:]),
        "Shell": "default",
        "ShellExecute": "False",
        "SingleFramesOnly": "False",
        "StartupDirectory": "",
    }
    return (
        FarmFile(f"{name}_job.txt", _text(info)),
        FarmFile(f"{name}_plugin.txt", _text(plugin)),
    )


def _word(word: str) -> str:
    """A word of the argument line, in quotes where it has blanks. Raises UsageError for what has no spelling there."""
    if word != FRAMES and ('"' in word or word.endswith("\\") or _KEYWORD.search(word)):
        raise UsageError(
            "A path holds a quotation mark, a Deadline keyword such as <STARTFRAME>, or ends with a backslash.",
            where=word,
            remedy="Rename it, or export for another engine.",
        )
    return f'"{word}"' if not word or re.search(r"[\s';&|]", word) else word


def _text(lines: dict[str, str]) -> str:
    return "".join(f"{name}={value}\n" for name, value in lines.items())
