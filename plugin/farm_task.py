"""A task of a farm: frames of one shot, as plain data, and who renders it in a process that keeps the model."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, Protocol

from lineament.core.errors import HostError
from lineament.core.shots.shot_file import read_show

from .batch import Reporter


@dataclass(frozen=True)
class FrameTask:
    """Frames of a shot of a show file, in the syntax of ``--frames`` ("" for all); ``cache`` is the folder of
    analyses."""

    file: str
    shot: str
    frames: str = ""
    device: str = "cpu"
    cache: str = ""

    @classmethod
    def of(cls, data: Any) -> FrameTask:
        """The task that was described as plain data. Raises HostError for anything else."""
        names = {field.name for field in fields(cls)}
        if not (
            isinstance(data, dict)
            and set(data) == names
            and all(isinstance(text, str) for text in data.values())
        ):
            raise HostError(
                "A task is not described as this version of Lineament does it.",
                where="resident worker",
                remedy="Use one version for all commands of a job.",
            )
        return cls(**data)


class TaskRunner(Protocol):
    """Renders one task after the other and keeps what the next one needs."""

    def warm(self, task: FrameTask) -> None:
        """Load the model of a task's shot. Raises LineamentError."""
        ...

    def run(self, task: FrameTask, reporters: Sequence[Reporter]) -> int:
        """Render what is not valid; the exit code. Raises LineamentError for what is wrong with the task."""
        ...


class ShotTasks:
    """The real runner, as ``TaskRunner``. Making one loads torch."""

    def __init__(self) -> None:
        from .shot_engine import ShotOpener

        self._open = ShotOpener()

    def warm(self, task: FrameTask) -> None:
        """Open the shot's tools."""
        from .shot_order import shot_choices

        self._open.tools(shot_choices(read_show(Path(task.file)).shot(task.shot), task.device))

    def run(self, task: FrameTask, reporters: Sequence[Reporter]) -> int:
        """As ``lineament shot render`` does it, without reading the model again."""
        from .shot_order import orders
        from .shot_run import ShotsJob, ShotsRun, prepare

        job = ShotsJob((read_show(Path(task.file)).shot(task.shot),), task.frames)
        run = ShotsRun(job, orders(task.device, Path(task.cache)), self._open)
        return run.render(prepare(job), lambda shot: reporters).exit_code
