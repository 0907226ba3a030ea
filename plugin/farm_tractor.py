"""A job for Tractor: an ``.alf`` file, a Tcl script of nested tasks that Tractor reads without executing it.

Checked against the format only, with a Tcl interpreter; no server was asked. Inside a shot tasks run one after the
other, the analysis and then all chunks of frames side by side; shots run side by side. A task's own command follows its
subtasks, as the review does. Format: Pixar, "Tractor: Job
Scripting", and the operators described there.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from .farm_frames import openjd_range
from .farm_job import LABEL, FarmFile, FarmJob, FarmShot, chunks
from .plan import UsageError

NAME = "lineament.alf"
SERVICE = "Lineament"
"""The key that a machine must offer to get tasks; farms map it to their machines."""
_PLAIN = re.compile(r"[A-Za-z0-9_./:=,+-]")


def tractor_files(job: FarmJob) -> tuple[FarmFile, ...]:
    """The one file of the export."""
    lines = [
        "##AlfredToDo 3.0",
        f"# {LABEL}. Checked against the format only.",
        f"Job -title {tcl_word(f'Lineament {job.show}')} -service {tcl_word(SERVICE)} -subtasks {{",
        *(["Task review -subtasks {"] if job.review else []),
        *(line for shot in job.shots for line in _shot_lines(job, shot)),
        *([f"}} -cmds {{ {_command(job.review_words())} }}"] if job.review else []),
        "}",
    ]
    return (FarmFile(NAME, "\n".join(lines) + "\n"),)


def tcl_word(text: str) -> str:
    """A text as one word of a Tcl list: what could mean anything gets a backslash. That holds however many braces are
    put around it, as braces with a backslash are not counted."""
    return (
        "".join(letter if _PLAIN.match(letter) or ord(letter) > 127 else f"\\{letter}" for letter in text)
        or "{}"
    )


def _shot_lines(job: FarmJob, shot: FarmShot) -> list[str]:
    tasks = [
        _task(f"{shot.name} {openjd_range(piece)}", job.render_words(shot, openjd_range(piece)), "      ")
        for piece in chunks(shot.frames, job.chunk)
    ]
    return [
        f"  Task {tcl_word(shot.name)} -serialsubtasks 1 -subtasks {{",
        _task(f"{shot.name} analyse", job.analyse_words(shot), "    "),
        f"    Task {tcl_word(f'{shot.name} render')} -subtasks {{",
        *tasks,
        "    }",
        "  }",
    ]


def _task(title: str, words: Sequence[str], indent: str) -> str:
    """A task with one command."""
    return f"{indent}Task {tcl_word(title)} -cmds {{ {_command(words)} }}"


def _command(words: Sequence[str]) -> str:
    """A command for some machine of the farm. Raises UsageError for a percent sign, with which the server's own
    variables begin."""
    percent = next((word for word in words if "%" in word), None)
    if percent is not None:
        raise UsageError(
            "A path holds a percent sign, with which Tractor's variables begin.",
            where=percent,
            remedy="Rename it, or export for another engine.",
        )
    launch = " ".join(tcl_word(word) for word in words)
    return f"RemoteCmd {{{launch}}} -service {{{SERVICE}}}"
