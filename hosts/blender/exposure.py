"""One exposure for a shot: chosen on the plate of its first frame, whichever frame is edited first.

A farm edits frame 50 in a process that has never seen frame 1, and must give the bytes of a bake in order. So the
choice looks at the unedited plate of fixed frames, not at the frame at hand, and is kept beside the results.
"""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import replace
from pathlib import Path
from typing import Any

from lineament.core.errors import FaceError, LineamentError, PlateError

from . import engine
from .cache import Location, remember_exposure, remembered_exposure
from .carrier import EditNode
from .errand import Errand
from .record import Ask
from .tap import Helper, Taps
from .tap_file import digest_of
from .values import EditState


class Exposures:
    """The exposures of one bake, by what they depend on."""

    def __init__(self, scene: Any) -> None:
        self._scene = scene
        self._found: dict[tuple[str, str], float] = {}
        self._refused: dict[tuple[str, str], LineamentError] = {}

    def choose(
        self, edit: EditNode, state: EditState, view: str, place: Location, folder: Path
    ) -> Generator[Errand[Any], None, float]:
        """The exposure of a node, given or chosen; yields the engine's calls to wait for. Raises LineamentError."""
        if state.recipe.exposure != 0.0:
            return float(state.recipe.exposure)
        plain = Ask(
            "", "", False, replace(state.recipe, moves=(), mix=1.0), state.choices, "", state.pixel_aspect
        )
        mark = (f"{edit.tree.lineament.uid} {view}", plain.key)
        if mark in self._refused:
            raise self._refused[mark]
        if mark not in self._found:
            try:
                self._found[mark] = yield from self._search(edit, plain, view, place, folder)
            except (FaceError, PlateError) as err:
                self._refused[mark] = err
                raise
        return self._found[mark]

    def _search(
        self, edit: EditNode, plain: Ask, view: str, place: Location, folder: Path
    ) -> Generator[Errand[Any], None, float]:
        """The exposure of the first of the scene's start, middle and end that has a face; else the first error."""
        start, end = self._scene.frame_start, self._scene.frame_end
        first: LineamentError | None = None
        for frame in dict.fromkeys((start, (start + end) // 2, end)):
            try:
                plate = self._plate(edit, frame, view, folder)
                return (yield from self._probe(replace(plain, plate=digest_of(plate)), plate, frame, place))
            except (FaceError, PlateError) as err:
                first = first or err
        assert first is not None
        raise first

    def _plate(self, edit: EditNode, frame: int, view: str, folder: Path) -> Path:
        """The picture that flows into the node with every edit upstream left out."""
        target = folder / f"probe.{frame}"
        target.mkdir(exist_ok=True)
        with Helper(self._scene, frame) as helper:
            helper.leave_out_edits()
            helper.refuse_missing_plates(edit)
            taps: Taps = helper.taps(edit, target)[view]
        return taps.image

    def _probe(
        self, ask: Ask, plate: Path, frame: int, place: Location
    ) -> Generator[Errand[Any], None, float]:
        known = remembered_exposure(place.folder, ask.key)
        if known is not None:
            return known
        errand = _probe_errand(ask, str(plate), frame)
        yield errand
        remember_exposure(place.folder, ask.key, errand.answer)
        return errand.answer


def _probe_errand(ask: Ask, plate: str, frame: int) -> Errand[float]:
    """Ask the engine for the exposure that suits a plate. Raises HostError if no engine is set up."""
    session = engine.session(ask.choices)
    return Errand(session, lambda _: session.probe(plate, frame, ask.recipe, ask.pixel_aspect))
