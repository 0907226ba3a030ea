"""A worker for tests that answers at once and predictably, without a network.

It stands where the engine's interpreter stands (see ``fake_python`` in conftest.py). The picture's colours
become ``rgb * (1 + age)`` where the matte allows it, mixed by ``mix``; alpha is copied. The recipe tells it
to misbehave through strengths: smile 3.0 raises a FaceError, glasses 3.0 kills the process, beard 3.0 waits
until it is cancelled, beard 4.0 hears no cancel; lipstick s sleeps s seconds; moustache 3.0 finds no room on the disk.
$LINEAMENT_FAKE_MODE makes it "old" (of another protocol), "faceless" (no face in plates below frame 2) or "numbered"
(the exposure tells the frame that was probed).
"""

from __future__ import annotations

import json
import os
import runpy
import sys
import time
from pathlib import Path

import numpy as np
from lineament.core.errors import FaceError, PlateError
from lineament.plugin import worker
from lineament.plugin.messages import FrameRequest, FrameResult, RenderCancelled, ToolChoices
from lineament.plugin.node_spec import ATTRIBUTE_EDIT
from plate_files import read_exr, write_exr

PROBED_EXPOSURE = 2.0
LIMIT = 4.0


class FakeEngine:
    """Multiplies; ``info`` has the fields of the real engine's."""

    def __init__(self, choices: ToolChoices) -> None:
        self.choices = choices
        names = [parameter.id for parameter in ATTRIBUTE_EDIT.for_target("strength")]
        self.info = {
            "generator_id": "fake-" + choices.model,
            "attributes": names,
            "limits": {name: [-LIMIT, LIMIT] for name in names},
            "inverter": choices.inverter,
            "model": choices.model,
            "licence": "CC0-1.0",
            "weights": os.environ.get("LINEAMENT_FAKE_WEIGHTS", "0" * 64),
            "version": "0.1.0",
        }

    def probe(self, plate, number, recipe, pixel_aspect=0.0) -> float:
        """A constant, so that tests can tell a probed exposure from a given one."""
        if mode() == "faceless" and number < 2:
            raise FaceError("No face was found.", where=f"frame {number}", remedy="Name another frame.")
        return 2.0**number if mode() == "numbered" else PROBED_EXPOSURE

    def render(self, request: FrameRequest, cancelled, tell) -> FrameResult:
        """Read, multiply, write."""
        strengths = request.recipe.strengths_at(request.number)
        tell("read")
        note_call(request)
        misbehave(strengths, cancelled)
        picture = read_exr(Path(request.plate))
        tell("render")
        pixels = picture.rgba
        amount = weight(request, pixels.shape[:2]) * request.recipe.mix * strengths.get("age", 0.0)
        pixels[..., :3] *= 1.0 + amount[..., None]
        tell("write")
        target = Path(request.output)
        partial = target.with_name(f".{target.name}.{os.getpid()}.partial")
        write_exr(partial, pixels, origin=picture.data_window[:2])
        os.replace(partial, target)
        report = {"identity": False, "strengths": strengths, "exposure": request.recipe.exposure}
        return FrameResult(request.output, request.number, 0.01, report)


def mode() -> str:
    """How the whole worker misbehaves."""
    return os.environ.get("LINEAMENT_FAKE_MODE", "")


def weight(request: FrameRequest, shape: tuple[int, int]) -> np.ndarray:
    """The matte's first channel in [0, 1], or 1 everywhere."""
    if not request.matte:
        return np.ones(shape, np.float32)
    matte = np.clip(read_exr(Path(request.matte)).rgba[..., 0], 0.0, 1.0)
    return (1.0 - matte if request.invert_matte else matte).astype(np.float32)


def misbehave(strengths: dict[str, float], cancelled) -> None:
    """What the recipe's danger values ask for."""
    if strengths.get("smile") == 3.0:
        raise FaceError("No face was found.", where="the fake engine", remedy="Lower the smile.")
    if strengths.get("glasses") == 3.0:
        os._exit(7)
    if strengths.get("moustache") == 3.0:
        raise PlateError("The picture cannot be written: No space left on device.", remedy="Make room.")
    if strengths.get("beard") == 4.0:
        time.sleep(60.0)
    time.sleep(max(0.0, strengths.get("lipstick", 0.0)))
    while strengths.get("beard") == 3.0:
        if cancelled():
            raise RenderCancelled("The frame was cancelled.")
        time.sleep(0.02)


def note_call(request: FrameRequest) -> None:
    """One line per rendered frame in the file that $LINEAMENT_FAKE_LOG names: tests count calls with it."""
    log = os.environ.get("LINEAMENT_FAKE_LOG", "")
    if log:
        strengths = request.recipe.strengths_at(request.number)
        line = {"frame": request.number, "plate": request.plate, "strengths": strengths}
        with Path(log).open("a") as file:
            file.write(json.dumps(line) + "\n")


def main(arguments: list[str]) -> None:
    """Answer as ``python ARGUMENTS`` would, but with the fake engine as the worker."""
    if arguments[:2] == ["-m", "lineament.plugin.worker"]:
        if mode() == "old":
            worker.PROTOCOL_VERSION -= 1
        worker.main(FakeEngine)
    elif arguments[:1] == ["-m"]:
        sys.argv = arguments[1:]
        runpy.run_module(arguments[1], run_name="__main__", alter_sys=True)
    else:
        os.execv(sys.executable, [sys.executable, *arguments])


if __name__ == "__main__":
    main(sys.argv[1:])
