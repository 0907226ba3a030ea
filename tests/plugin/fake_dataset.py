"""A set that is made in a moment: pictures of one colour, a model that only adds, and pauses to be killed in.

Run as a program, it makes the set of the folders given: ``fake_dataset.py INPUT OUTPUT [VARIANTS]``.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from lineament.core.augment.draws import Draws, Variant
from lineament.core.augment.edit import Made
from lineament.core.augment.filters import Limits, Measured
from lineament.core.frame import Frame, Part, Window
from lineament.core.io import write_frame
from lineament.core.recipe import EditRecipe
from lineament.plugin import augment_run, augment_work
from lineament.plugin.augment_job import AugmentJob, Form, find_pictures
from lineament.plugin.messages import ToolChoices

SIDE = 24


class FakeSubject:
    """A picture whose face is all of it; an edit makes it brighter by the strength."""

    def __init__(self, frame: Frame, *tools: object) -> None:
        self._frame, self.layer = frame, frame.layer("")
        self.signature = ""

    def variants(self, wanted: Iterable[Variant]) -> Iterator[Made]:
        """Each picture takes some milliseconds."""
        for variant in wanted:
            time.sleep(0.004)
            rgb = self._frame.rgb(self.layer) + np.float32(sum(variant.strengths.values()))
            done = self._frame.with_rgb(self.layer, rgb, np.ones(rgb.shape[:2], np.bool_))
            yield Made(variant, done, Measured(1.0, 1.0, 0.1, 0.0, 0, 0.0, {}))

    def face_box(self) -> tuple[float, float, float, float]:
        return 0.0, 0.0, float(SIDE), float(SIDE)


class FakeWorkshop(augment_work.Workshop):
    """The workshop without a model."""

    def __init__(self, job: AugmentJob) -> None:
        self._job, self._tools, self._judges = job, None, None  # type: ignore[assignment]
        self._origin = {"tool": "fake", "model": "fake", "seed": job.draws.seed}


def make_album(folder: Path, count: int) -> Path:
    """Small EXRs of one colour each."""
    folder.mkdir(parents=True, exist_ok=True)
    window = Window(0, 0, SIDE, SIDE)
    for index in range(count):
        planes = {name: np.full((SIDE, SIDE), 0.1 * index + 0.2, np.float16) for name in "RGB"}
        frame = Frame((Part("", tuple("RGB"), planes, window, window, compression="zip"),), index)
        write_frame(folder / f"p{index:03d}.exr", frame)
    return folder


def make_set(album: Path, output: Path, variants: int = 4, **form: Any) -> augment_run.AugmentOutcome:
    """Make or go on with a set, in this process."""
    plain = augment_work.Subject, augment_run.open_workshop
    augment_work.Subject, augment_run.open_workshop = FakeSubject, FakeWorkshop  # type: ignore[assignment,misc]
    try:
        job = AugmentJob(
            find_pictures([str(album)], str(output)),
            Draws(ranges=(("age", -1.0, 2.0),), count=variants),
            Limits(),
            EditRecipe(),
            ToolChoices(),
            Form(**form),
            str(output),
        )
        return augment_run.augment(job)
    finally:
        augment_work.Subject, augment_run.open_workshop = plain  # type: ignore[misc]


if __name__ == "__main__":
    layout = sys.argv[3] if len(sys.argv) > 3 else "folder"
    make_set(Path(sys.argv[1]), Path(sys.argv[2]), layout=layout)
