"""One frame of one node: tap it, see whether its result still holds, and if not let the engine edit it."""

from __future__ import annotations

import logging
from collections.abc import Callable, Generator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from lineament.core.errors import HostError, LineamentError
from lineament.plugin.messages import FrameRequest, FrameResult, RenderCancelled, ToolChoices
from lineament.plugin.node_spec import ATTRIBUTE_EDIT

from . import engine
from .cache import Location, work_folder
from .carrier import EditNode
from .errand import Errand
from .exposure import Exposures
from .homing import former_places
from .places import location
from .record import EDITED, ENGINE_FIELDS, IDENTITY, Ask, FrameRecord, ask_data, content_digest
from .showing import shown_frames
from .shown import Look, Shown
from .tap import Helper, Taps
from .tap_file import digest_of, is_constant
from .values import EditState

log = logging.getLogger(__name__)

Work = Generator[Errand[Any], None, str]
"""Yields the engine's calls to wait for; returns "edited", "valid" or "identity"."""


_ADOPTED = "adopted"
"""How a view's frame ends that was valid in another folder: valid, but its file is new here."""


class FrameEdit:
    """Edits frames of a scene's nodes; remembers between frames what does not change. ``engine_s`` is the engine's
    share of the time, in seconds."""

    def __init__(self, scene: Any, shown: Shown, *, force: bool, is_live: bool) -> None:
        self._scene, self._shown = scene, shown
        self._force, self._is_live = force, is_live
        self._exposures = Exposures(scene)
        self._engines: dict[ToolChoices, dict[str, Any]] = {}
        self._refusals: dict[ToolChoices, LineamentError] = {}
        self._keys: dict[Location, str] = {}
        self.engine_s = 0.0

    def begin(self) -> None:
        """A frame begins: nothing of it is made yet."""
        self._keys.clear()

    def refuse_replaced(self, frame: int) -> None:
        """Raise HostError if another process has put something else in the place of what the frame was given."""
        for place, key in self._keys.items():
            made = place.made(frame)
            if made is None or made.key != key or not place.is_whole(made):
                raise HostError(
                    "Another process put a result of other settings in the place of this frame's while it was baked.",
                    where=str(place.result(frame)),
                    remedy="Is the file also baked elsewhere? Let one finish, then bake this frame again.",
                )

    def run(self, helper: Helper, edit: EditNode, frame: int, folder: Path) -> Work:
        """Bring the node's frame up to date, in every view. Raises LineamentError; then nothing was placed."""
        state: EditState = helper.sound_state(edit)
        if state.is_muted:
            return "valid"  # Blender lets the plate through; what was baked is there when it is wanted again
        if state.is_identity:
            return self._pass_plate(edit, frame, lambda: helper.taps(edit, folder))
        taps = helper.taps(edit, folder)
        if self._is_masked_out(state, taps):
            return self._pass_plate(edit, frame, lambda: taps)
        outcomes = set()
        for view, tap in taps.items():
            outcomes.add((yield from self._view(edit, state, frame, view, tap)))
        self._shown.show(edit, frame, is_new=bool(outcomes & {EDITED, _ADOPTED}))
        return EDITED if EDITED in outcomes else "valid"

    def _view(self, edit: EditNode, state: EditState, frame: int, view: str, taps: Taps) -> Work:
        place = location(self._scene, edit.tree, view)
        matte = taps.mask if state.uses_mask else None
        exposure = yield from self._exposures.choose(edit, state, view, place, taps.image.parent)
        ask = Ask(
            digest_of(taps.image),
            "" if matte is None else digest_of(matte),
            matte is not None and state.invert_mask,
            replace(state.recipe, exposure=exposure),
            state.choices,
            ATTRIBUTE_EDIT.version,
            state.pixel_aspect,
        )
        yield from self._open(state.choices)
        told = self._engines.get(state.choices)
        made = place.made(frame)
        is_valid = place.is_valid(made, ask.key, told)
        self._keys[place] = ask.key
        if is_valid and not self._force:
            place.forget_failure(frame)
            return "valid"
        self._refuse_passive(edit, frame)
        if not self._force and self._adopt(edit, place, view, frame, ask.key, told):
            return _ADOPTED
        try:
            yield from self._edit(edit, frame, ask, place, taps.image, matte)
        except RenderCancelled:
            raise
        except LineamentError:
            if not is_valid:
                place.withdraw(frame)  # it is of other pixels or settings, or damaged
            raise
        return EDITED

    def _edit(
        self, edit: EditNode, frame: int, ask: Ask, place: Location, plate: Path, matte: Path | None
    ) -> Generator[Errand[Any], None, None]:
        """Let the engine make the frame and place it."""
        told = self._engines.get(ask.choices)
        if told is None:
            raise self._refusals[ask.choices]
        with work_folder(place.folder) as work:
            request = _request(ask, frame, plate, matte, work / "result.exr")
            result, digest = yield from _rendered(ask.choices, request)
            self.engine_s += result.seconds
            place.place(work / "result.exr", _record(edit, frame, ask, told, result, digest))

    def _adopt(
        self, edit: EditNode, place: Location, view: str, frame: int, key: str, told: dict[str, Any] | None
    ) -> bool:
        """Take the frame over from where the node's results lay before, if it is valid there."""
        for former in former_places(self._scene, edit.tree, view):
            record = former.made(frame)
            if record is not None and former.is_valid(record, key, told):
                place.adopt(former, record)
                return True
        return False

    def _is_masked_out(self, state: EditState, taps: Mapping[str, Taps]) -> bool:
        """Whether the mask leaves nothing of the edit, in any view."""
        nothing = 1.0 if state.invert_mask else 0.0
        masks = [tap.mask for tap in taps.values()] if state.uses_mask else [None]
        return all(mask is not None and is_constant(mask, nothing) for mask in masks)

    def _pass_plate(self, edit: EditNode, frame: int, look: Look) -> str:
        """Nothing to edit: the node lets the plate itself through, which no copy of it could equal for certain.

        Raises HostError for a linked node that shows a result on the frame: its files and its switch belong elsewhere.
        """
        if edit.tree.library is not None:
            _refuse_shown(self._scene, edit, frame)
            return IDENTITY
        for view in self._shown.views:
            place = location(self._scene, edit.tree, view)
            record = FrameRecord(frame, IDENTITY, "", edit.name)
            if place.record(frame) != record or place.result(frame).exists():
                try:
                    place.place_identity(record)
                except HostError as err:  # the plate passes all the same
                    log.warning("frame %d: %s", frame, err)
        self._shown.hide(edit, frame, look)
        return IDENTITY

    def _open(self, choices: ToolChoices) -> Generator[Errand[Any], None, None]:
        """Start the engine once; where it cannot, remember why: frames that hold do without it."""
        if choices in self._engines or choices in self._refusals:
            return
        try:
            session = engine.session(choices)
            errand: Errand[dict[str, Any]] = Errand(session, lambda _: engine.info(choices))
            yield errand
            self._engines[choices] = errand.answer
        except RenderCancelled:
            raise
        except LineamentError as err:
            self._refusals[choices] = err

    def _refuse_passive(self, edit: EditNode, frame: int) -> None:
        if edit.tree.library is not None:
            raise HostError(
                f"Frame {frame} is not baked, or was baked with other settings, and the node is linked from another "
                "file, so that it cannot be edited here.",
                where=f"{edit.name}, linked from {edit.tree.library.filepath}",
                remedy="Bake it there, or make it local.",
            )
        if self._is_live and not edit.tree.lineament.is_live:
            raise HostError(
                f"Frame {frame} is not baked, or was baked with other settings.",
                where=edit.name,
                remedy="Bake it first, or let the node edit while rendering.",
            )


def _refuse_shown(scene: Any, edit: EditNode, frame: int) -> None:
    if frame in shown_frames(scene, edit.tree):
        raise HostError(
            f"Frame {frame} is not to be edited here, but the node is linked from another file, which shows its "
            "result.",
            where=f"{edit.name}, linked from {edit.tree.library.filepath}",
            remedy="Mute the node, or make it local.",
        )


def _rendered(
    choices: ToolChoices, request: FrameRequest
) -> Generator[Errand[Any], None, tuple[FrameResult, str]]:
    """The engine's answer and the digest of what it wrote, which takes long enough to be waited for as well."""
    session = engine.session(choices)

    def call(tell: Callable[[str], None]) -> tuple[FrameResult, str]:
        result = session.render(request, tell)
        return result, content_digest(Path(result.output))

    errand: Errand[tuple[FrameResult, str]] = Errand(session, call)
    yield errand
    return errand.answer


def _request(ask: Ask, frame: int, plate: Path, matte: Path | None, output: Path) -> FrameRequest:
    return FrameRequest(
        str(plate),
        str(output),
        frame,
        ask.recipe,
        matte="" if matte is None else str(matte),
        invert_matte=ask.invert_matte,
        pixel_aspect=ask.pixel_aspect,
    )


def _record(
    edit: EditNode, frame: int, ask: Ask, engine_info: dict[str, Any], result: FrameResult, digest: str
) -> FrameRecord:
    """The sidecar: what the engine was asked, what it is, and what it said."""
    kept = (*ENGINE_FIELDS, "model", "licence", "device", "torch")
    told = {name: engine_info[name] for name in kept if name in engine_info}
    size = Path(result.output).stat().st_size
    return FrameRecord(
        frame, EDITED, ask.key, edit.name, ask_data(ask), told, result.report, size=size, digest=digest
    )
