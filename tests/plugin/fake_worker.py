"""A worker with a fake engine; the plate's name says how it behaves. Run as a script by the session tests."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable
from pathlib import Path

from lineament.core.errors import FaceError, GeneratorError, PlateError
from lineament.core.recipe import EditRecipe
from lineament.plugin import messages, worker
from lineament.plugin.messages import FrameRequest, FrameResult, RenderCancelled, ToolChoices


class FakeEngine:
    """Renders nothing, tells its stages, and can misbehave."""

    info = {"model": "fake"}

    def render(
        self, request: FrameRequest, cancelled: Callable[[], bool], tell: Callable[[str], None]
    ) -> FrameResult:
        behaviour, _, argument = request.plate.partition(":")
        tell("read")
        if behaviour == "die" or (behaviour == "die-once" and not Path(argument).exists()):
            if argument:
                Path(argument).touch()
            sys.stderr.write("the fake worker dies\n")
            sys.stderr.flush()
            os._exit(9)
        if behaviour == "no-plate":
            raise PlateError("No plate.", where=request.plate, remedy="Give one.")
        if behaviour == "bug":
            raise ZeroDivisionError("a bug")
        if behaviour == "stray":
            print("stray print")  # noqa: T201 - the very thing that is tested
            os.write(1, b"stray write\n")
        if behaviour == "wait":
            for _ in range(400):
                if cancelled():
                    raise RenderCancelled("The frame was cancelled.")
                time.sleep(0.05)
        if behaviour == "tidy":  # writes, and cleans up as the real engine does
            temporary = Path(argument)
            temporary.touch()
            try:
                while not cancelled():
                    time.sleep(0.02)
                time.sleep(1.5)  # longer than a heartbeat, which must not end the process
                raise RenderCancelled("The frame was cancelled.")
            finally:
                temporary.unlink()
        if behaviour == "deaf":
            time.sleep(60)
        strengths = request.recipe.strengths_at(request.number)
        report = {"strengths": strengths, "malloc": os.environ.get("MALLOC_MMAP_MAX_"), "pid": os.getpid()}
        return FrameResult(request.output, request.number, 0.0, report)

    def probe(self, plate: str, number: int, recipe: EditRecipe, pixel_aspect: float = 0.0) -> float:
        if plate == "wait":
            time.sleep(1.0)
        if plate == "no-face":
            raise FaceError("No face.", where=plate)
        return float(number) + pixel_aspect


def open_engine(choices: ToolChoices) -> FakeEngine:
    if choices.model == "missing":
        raise GeneratorError("No such model.", where=choices.model, remedy="Import it.")
    if choices.model == "slow":
        time.sleep(30.0)
    return FakeEngine()


if __name__ == "__main__":
    if "old" in sys.argv:
        worker.PROTOCOL_VERSION = messages.PROTOCOL_VERSION - 1
    if "mute" in sys.argv:
        worker.HEARTBEAT_S = 1000.0
    worker.main(open_engine)
