"""Faces drawn in no time, for the tests of everything around the renderer; worker processes import this file."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from lineament.core.errors import DeviceError
from lineament.core.synthetic.dataset import Draw, Drawn
from lineament.core.synthetic.params import FaceParams

SIX = np.array([[0.6, 0.4], [0.4, 0.4], [0.5, 0.5], [0.57, 0.65], [0.43, 0.65], [0.5, 0.8]])


def draw_one(params: FaceParams, size: int, number: int) -> Drawn:
    """Colours from the face, a mask with two classes, points from the pose."""
    y, x = np.mgrid[:size, :size].astype(np.float64) / size
    tint = np.array([params.skin, params.age / 90, params.smile])
    noise = np.random.default_rng(number % 1000).integers(0, 8, (size, size, 1))
    picture = (200 * (tint * x[..., None] + (1 - tint) * y[..., None]) + noise).astype(np.uint8)
    mask = np.where((x - 0.5) ** 2 + (y - 0.5) ** 2 < 0.1, 1, 0).astype(np.uint8)
    turn = params.yaw / 600
    six = SIX + np.array([turn, 0.0])
    return Drawn(picture, mask, np.full((70, 2), 0.5) + turn, six, {"exposure": 1.0})


def kill(mark: str) -> None:
    """End this process at once, and leave the file ``mark``."""
    Path(mark).touch()
    os.kill(os.getpid(), signal.SIGKILL)


@contextmanager
def open_draw(size: int, behaviour: str = "", argument: str = "") -> Iterator[Draw]:
    """``behaviour``: "no-gl" cannot be opened; "kill-once" kills its process at the third face and "kill-writing" at
    the first write, unless the file ``argument`` exists, which they make; "slow" takes a tenth of a second for a face
    and leaves its process id in the name of a file that begins with ``argument``."""
    if behaviour == "no-gl":
        raise DeviceError("No OpenGL.", where="EGL", remedy="Install it.")
    if behaviour == "slow":
        Path(f"{argument}{os.getpid()}").touch()
    if behaviour == "kill-writing" and not Path(argument).exists():
        os.fsync = lambda handle: kill(argument)
    drawn = 0

    def draw(base: FaceParams, members: Sequence[FaceParams], number: int) -> Iterator[Drawn]:
        nonlocal drawn
        for params in (base, *members):
            drawn += 1
            if behaviour == "kill-once" and drawn == 3 and not Path(argument).exists():
                kill(argument)
            if behaviour == "slow":
                time.sleep(0.1)
            yield draw_one(params, size, number)

    yield draw


@contextmanager
def open_worker(behaviour: str) -> Iterator[Callable[[int], int]]:
    """Squares numbers; "bug" fails at 3, "deaf" never ends at 3."""

    def work(job: int) -> int:
        if job == 3 and behaviour == "bug":
            raise ZeroDivisionError
        if job == 3 and behaviour == "deaf":
            signal.signal(signal.SIGTERM, signal.SIG_IGN)
            time.sleep(60)
        return job * job

    yield work
