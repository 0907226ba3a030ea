"""The program of a farm's machines without a model: real commands and a real worker, pictures from ``fake_shot``.

``orders.json`` beside the show file says what goes wrong: ``fail_at``, ``die_at`` (frames at which the worker is
killed, once each), ``pause_s``, ``analysis`` (an exit code), ``model`` (an exit code while it is loaded).
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any

from lineament.core.errors import GeneratorError
from lineament.core.io.sequences import parse_frames
from lineament.core.shots.shot_file import read_show
from lineament.plugin import farm_resident, farm_session
from lineament.plugin.farm_task import FrameTask
from lineament.plugin.shot_run import ShotsJob, ShotsRun, prepare

FRAMES = 12
NAME = "frames of a ü'show"


def wishes(file: str) -> dict[str, Any]:
    """What is to go wrong."""
    path = Path(file).with_name("orders.json")
    return json.loads(path.read_text()) if path.exists() else {}


class FakeTasks:
    """As ``ShotTasks``."""

    def warm(self, task: FrameTask) -> None:
        code = wishes(task.file).get("model", 0)
        if code:
            raise GeneratorError("The model is broken.", where=task.file, remedy="Bring it back.")

    def run(self, task: FrameTask, reporters: Any) -> int:
        import fake_shot

        wish = wishes(task.file)
        mark = Path(task.file).with_name("died")
        died = set(json.loads(mark.read_text())) if mark.exists() else set()
        order = fake_shot.Order(
            pause_s=wish.get("pause_s", 0.0),
            fail_at=tuple(wish.get("fail_at", ())),
            die_at=tuple((set(wish.get("die_at", ())) - died) & set(parse_frames(task.frames))),
        )
        mark.write_text(json.dumps(sorted(died | set(order.die_at))))
        job = ShotsJob((read_show(Path(task.file)).shot(task.shot),), task.frames)
        run = ShotsRun(job, lambda shot, plates: order, fake_shot.open_fake)
        return run.render(prepare(job), lambda shot: reporters).exit_code


def make_show(folder: Path, frames: int = FRAMES, shots: str = "sh010") -> Path:
    """A show of fake plates, in a folder with a name that nothing may trip over; its file."""
    import fake_shot

    place = folder / NAME
    fake_shot.make_shot(place, frames)
    lines = ["schema_version: 1", "shots:"]
    for name in shots.split():
        fields = f'plate: "plate/p.####.exr", output: "out/{name}.####.exr", strengths: {{smile: 1}}'
        lines.append(f"  {name}: {{{fields}}}")
    (place / "shots.yaml").write_text("\n".join(lines) + "\n")
    return place / "shots.yaml"


def make_program(folder: Path) -> Path:
    """A command that runs this file."""
    folder = folder / "bin of the 'farm'"
    folder.mkdir(exist_ok=True)
    program = folder / "lineament"
    here = Path(__file__).resolve()
    program.write_text(f'#!/bin/sh\nexec "{sys.executable}" "{here}" "$@"\n')
    program.chmod(0o755)
    return program


def main(words: list[str]) -> int:
    """One command, or the worker."""
    if words[0] == "resident-worker":
        return farm_resident.main(words[1:], FakeTasks)
    if words[:2] == ["shot", "analyse"]:
        code = int(wishes(words[2]).get("analysis", 0))
        with Path(words[2]).with_name("analysed").open("a") as stream:
            stream.write(f"{words[3]} {code}\n")
        return code
    if words[:2] == ["shot", "render"]:
        task = FrameTask(words[2], words[3], words[words.index("--frames") + 1])
        return FakeTasks().run(task, [])
    farm_session.COMMAND = (sys.executable, str(Path(__file__).resolve()), "resident-worker")
    farm_session.start.__kwdefaults__["command"] = farm_session.COMMAND
    farm_session.render.__kwdefaults__["command"] = farm_session.COMMAND
    from lineament.plugin.cli import main as command_line

    return command_line(words)


if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).parent))
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    sys.exit(main(sys.argv[1:]))
