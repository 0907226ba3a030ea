"""A shot without a network, for tests of the render pass: plates of a ramp, an edit that is a gain, and all faults.

Also a program that renders it, for tests that kill it: ``python fake_shot.py FOLDER JOBS FRAMES GAIN PAUSE``.
"""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from lineament.core.errors import FaceError, LineamentError
from lineament.core.frame import Frame, Part, Window
from lineament.core.io import read_frame, resolve, write_frame
from lineament.core.shots.shot import MaskSource, Shot
from lineament.plugin.shot_frame import Rendered
from lineament.plugin.shot_plan import make_shot_plan, shot_requests

WIDTH, HEIGHT = 64, 48


@dataclass(frozen=True)
class Order:
    """What the fake renderer is opened with; pickles, as a real order does."""

    gain: float = 2.0
    pause_s: float = 0.0
    mask: MaskSource | None = None
    fail_at: tuple[int, ...] = ()
    die_at: tuple[int, ...] = ()
    plates: Mapping[int, str] = field(default_factory=dict)
    refusal: str = ""


class FakeRenderer:
    """Multiplies the picture by a gain and the frame's number."""

    model = "fake model"

    def __init__(self, order: Order) -> None:
        self._order = order
        self.mask = order.mask
        self.rendered: list[int] = []

    def parameters(self, number: int, source: int) -> dict[str, Any]:
        return {"gain": self._order.gain, "frame": [number, source]}

    def plate_sha256(self, number: int) -> str:
        return self._order.plates.get(number, "")

    def plate_part(self, frame: Frame) -> Part:
        return frame.parts[0]

    def render(self, frame: Frame, number: int, matte: Any) -> Rendered:
        time.sleep(self._order.pause_s)
        if number in self._order.fail_at:
            raise FaceError("No face found.", where=f"frame {number}", remedy="Give a track.")
        if number in self._order.die_at:
            os.kill(os.getpid(), signal.SIGKILL)
        self.rendered.append(number)
        rgb = frame.rgb()
        weight = np.float32(1.0) if matte is None else matte[..., None]
        edited = rgb * (1 + weight * np.float32(self._order.gain - 1 + number % 7))
        return Rendered(
            frame.with_rgb(None, edited, np.any(edited != rgb, axis=-1)), {"gain": self._order.gain}
        )


def open_fake(order: Order) -> FakeRenderer:
    """As ``ShotOpener``; a module's function, because workers look it up by name."""
    if order.refusal:
        raise FaceError(order.refusal, remedy="Analyse the shot.")
    return FakeRenderer(order)


def make_shot(folder: Path, frames: int = 8, size: tuple[int, int] = (WIDTH, HEIGHT)) -> Shot:
    """Plates 1001 and up in ``folder/plate``, outputs in ``folder/out``."""
    (folder / "plate").mkdir(parents=True, exist_ok=True)
    width, height = size
    window = Window(0, 0, width, height)
    noise = np.random.default_rng(5).random((height, width, 3)).astype(np.float16)
    for number in range(1001, 1001 + frames):
        planes = {name: np.roll(noise[..., i], number) for i, name in enumerate("RGB")}
        part = Part("", tuple(planes), planes, window, window, compression="zip")
        write_frame(folder / "plate" / f"p.{number}.exr", Frame((part,), number))
    return shot_in(folder)


def shot_in(folder: Path) -> Shot:
    """The shot that ``make_shot`` has made there."""
    return Shot("sh010", str(folder / "plate" / "p.####.exr"), str(folder / "out" / "sh010.####.exr"))


def plan_of(shot: Shot, renderer: Any, frames: str = "", *, overwrite: bool = False) -> Any:
    """The plan of a fake shot."""
    plates = resolve(shot.plate, "", shot.missing)
    return make_shot_plan(shot, shot_requests(shot, plates, frames), renderer, overwrite=overwrite)


def outputs(folder: Path) -> dict[str, bytes]:
    """The pictures under their final names, by name."""
    found = sorted((folder / "out").glob("sh010.*.exr"))
    return {path.name: path.read_bytes() for path in found}


def unreadable(folder: Path) -> list[str]:
    """Final names whose picture cannot be read."""
    bad = []
    for path in sorted((folder / "out").glob("sh010.*.exr")):
        try:
            read_frame(path).rgb()
        except LineamentError:
            bad.append(path.name)
    return bad


def main() -> int:
    """Render what is not valid; the exit code of the run."""
    from lineament.plugin.batch import Terminated
    from lineament.plugin.shot_crew import Crew
    from lineament.plugin.shot_render import local_flow, render_shot

    def terminate(number: int, frame: object) -> None:
        raise Terminated

    signal.signal(signal.SIGTERM, terminate)
    folder, jobs, frames, gain = Path(sys.argv[1]), int(sys.argv[2]), sys.argv[3], float(sys.argv[4])
    order = replace(Order(), gain=gain, pause_s=float(sys.argv[5]))
    renderer = open_fake(order)
    plan = plan_of(shot_in(folder), renderer, frames)
    sys.stdout.write(f"begin {len(plan.requests)}\n")
    sys.stdout.flush()
    if jobs == 1:
        outcome = render_shot(plan, local_flow(renderer), [])
    else:
        with Crew(jobs, open_fake) as crew:
            outcome = render_shot(plan, crew.flow(order), [])
    sys.stdout.write(f"end {len(outcome.done)} {len(outcome.failed)} {list(outcome.left)}\n")
    return outcome.exit_code


if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).parent))
    import fake_shot  # by the name that workers know it by

    sys.exit(fake_shot.main())
