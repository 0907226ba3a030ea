"""The bake: every frame of every node tapped, edited out of process, placed and shown; the same for a window,
a background process and a live render.

``Baker.steps`` is pumped by a modal operator and never blocks it for an engine's call; ``bake`` runs it to the end.
"""

from __future__ import annotations

import logging
import os
import tempfile
import traceback
from collections.abc import Generator, Iterator, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

from lineament.core.errors import HostError, LineamentError, RecipeError
from lineament.plugin.messages import RenderCancelled

from .building import ensure_sockets
from .carrier import EditNode, edit_nodes, migrate, used_edit_nodes
from .circles import refuse_circles
from .errand import Errand
from .frame_edit import FrameEdit
from .frames import refuse_frame
from .homing import claim_folder, settle
from .journal import announce
from .nodes_order import all_edit_nodes, refuse_shared_scenes
from .places import location, refuse_foreign_folder, remove_abandoned_taps, tap_folder
from .report import BakeReport, Step
from .shown import Shown
from .tap import Helper
from .wording import in_node_words

log = logging.getLogger(__name__)


class Baker:
    """One bake of a scene's nodes over some frames.

    ``nodes`` are edit nodes by name, all of the scene if None; ``force`` edits valid frames anew; ``keep_going``
    says whether frames after a failed one are still tried; ``live`` shows the results of a render that runs, in which
    nodes that are not to be edited then have what their cache has. Raises HostError if the nodes cannot be listed, or
    one is of a newer version or keeps its results on another system, and RecipeError for a frame that Blender does
    not have and for links in a circle.
    """

    def __init__(
        self,
        scene: Any,
        frames: Sequence[int],
        *,
        nodes: Sequence[str] | None = None,
        force: bool = False,
        keep_going: bool = True,
        live: Shown | None = None,
    ) -> None:
        refuse_shared_scenes(scene)
        refuse_circles(scene)
        for frame in frames:
            refuse_frame(frame)
        self.report = BakeReport(tuple(frames))
        self._scene, self._keep_going = scene, keep_going
        wanted = tuple(edit for edit in edit_nodes(scene) if nodes is None or edit.name in nodes)
        used = {edit.path for edit in used_edit_nodes(scene)}
        self._edits = tuple(edit for edit in wanted if edit.path in used)
        self._unused = tuple(edit for edit in wanted if edit.path not in used)
        self._shown = live or Shown(scene)
        self._work = FrameEdit(scene, self._shown, force=force, is_live=live is not None)
        self._errand: Errand[Any] | None = None
        self._reached = 0
        self._is_cancelled = self._is_gone = False
        for edit in self._edits:
            refuse_foreign_folder(edit.tree, edit.name)
            migrate(edit.tree)
            if edit.tree.library is None:
                ensure_sockets(edit.tree)  # somebody may have removed one from the group's interface
            if live is None and settle(edit.tree):
                self._shown.renew(edit)
            claim_folder(edit.tree)
        remove_abandoned_taps()
        self._tell_unused()

    @property
    def engine_s(self) -> float:
        """Seconds that the engine itself has taken so far."""
        return self._work.engine_s

    def steps(self) -> Iterator[Step]:
        """Bake frame by frame, telling every moment; errors of frames go to the report. Ending early cancels."""
        try:
            for frame in self.report.frames:
                yield from self.frame_steps(frame)
                if self.report.is_cancelled or (self.report.failed and not self._keep_going) or self._is_gone:
                    break
        finally:
            self.report.engine_s = self.engine_s
            if self._is_there():
                self._shown.tell(self._edits, self.report.summary)

    def frame_steps(self, frame: int) -> Iterator[Step]:
        """Bake one frame in every node; its outcome goes to the report, nothing is raised."""
        outcome = "failed"
        try:
            outcome = yield from self._frame(frame)
            (self.report.done if outcome == "edited" else self.report.skipped).append(frame)
        except RenderCancelled:
            self.report.is_cancelled = True
            outcome = "cancelled"
        except ReferenceError:
            self._is_gone = True
            self.report.failed[frame] = _gone(frame)
        except LineamentError as err:
            self._failed(frame, err)
        except Exception as err:  # noqa: BLE001 - the host's one boundary: the other frames, and Blender, must go on
            self._failed(frame, unexpected(err, frame))
        yield self._step(frame, "", outcome)

    def cancel(self) -> None:
        """End the bake at its next step; an engine that does not stop in time is killed. No partial file is left."""
        self._is_cancelled = True
        if self._errand is not None:
            self._errand.cancel()

    def _frame(self, frame: int) -> Generator[Step, None, str]:
        """Every node of a frame, upstream ones first; the frame is as good as its worst node."""
        self._reached = 0
        self._refuse_gone()
        self._work.begin()
        refuse_frame(frame)
        with tap_folder() as folder, Helper(self._scene, frame) as helper:
            is_right = False
            try:
                outcome = yield from self._nodes(helper, frame, folder)
                is_right = True
            finally:
                if not is_right and not self._is_cancelled and self._is_there():
                    self._withdraw(helper, frame, folder)
        return outcome

    def _nodes(self, helper: Helper, frame: int, folder: Path) -> Generator[Step, None, str]:
        outcomes = set()
        for index, edit in enumerate(self._edits):
            self._reached = index
            yield self._step(frame, edit.name, "tap")
            outcome = yield from self._node(helper, edit, frame, folder / str(index))
            outcomes.add(outcome)
            yield self._step(frame, edit.name, outcome)
        self._work.refuse_replaced(frame)
        return "edited" if "edited" in outcomes else "valid"

    def _node(self, helper: Helper, edit: EditNode, frame: int, folder: Path) -> Generator[Step, None, str]:
        """One node's frame; between the engine's words the caller is given time, and may cancel."""
        self._refuse_cancelled()
        self._refuse_gone()
        work = self._work.run(helper, edit, frame, folder)
        while True:
            try:
                errand = next(work)
            except StopIteration as end:
                return str(end.value)
            self._errand = errand
            try:
                if self._is_cancelled:
                    errand.cancel()
                for stage in errand.wait():
                    yield self._step(frame, edit.name, stage)
            finally:
                self._errand = None
            self._refuse_cancelled()
            self._refuse_gone()

    def _withdraw(self, helper: Helper, frame: int, folder: Path) -> None:
        """Let the plate through where an edit failed, and below it: what is there was made of something else."""
        for index, edit in enumerate(self._edits[self._reached :]):
            with suppress(LineamentError):
                self._shown.hide(edit, frame, partial(helper.taps, edit, folder / f"plate.{index}"))

    def _failed(self, frame: int, error: LineamentError) -> None:
        """Note a frame's error in the node's words; the frame shows its plate until it is right again."""
        if self._reached < len(self._edits):
            error = in_node_words(error, self._edits[self._reached].name, frame)
        log.warning("frame %d: %s", frame, error)
        self.report.failed[frame] = error
        for edit in self._edits[self._reached :]:
            if edit.tree.library is None:
                for view in self._shown.views:
                    location(self._scene, edit.tree, view).place_failure(frame, edit.name, error)
            self._shown.hide(edit, frame)

    def _tell_unused(self) -> None:
        """Say once which nodes are left out, because nobody sees what they make."""
        for edit in self._unused:
            text = f"{edit.name} feeds nothing and is not edited. Connect it to an output, or remove it."
            self.report.warnings.append(announce(log, text))
            if edit.tree.library is None:
                edit.tree.lineament.status = text

    def _refuse_gone(self) -> None:
        if not self._is_there():
            raise ReferenceError("a node of the bake is gone")

    def _is_there(self) -> bool:
        """Whether scene and nodes are still those that the bake began with; dead ones must not be touched."""
        try:
            there = {edit.path: edit.tree for edit in all_edit_nodes(self._scene)}
            return all(there.get(edit.path) == edit.tree for edit in self._edits)
        except ReferenceError:
            return False

    def _refuse_cancelled(self) -> None:
        if self._is_cancelled:
            raise RenderCancelled("The bake was cancelled.")

    def _step(self, frame: int, node: str, stage: str) -> Step:
        ended = len(self.report.done) + len(self.report.skipped) + len(self.report.failed)
        return Step(frame, node, stage, ended, len(self.report.frames))


def bake(
    scene: Any,
    frames: Sequence[int],
    *,
    nodes: Sequence[str] | None = None,
    force: bool = False,
    keep_going: bool = True,
) -> BakeReport:
    """Bake to the end; errors of frames are in the report. Raises HostError if the nodes cannot be listed."""
    baker = Baker(scene, frames, nodes=nodes, force=force, keep_going=keep_going)
    for _ in baker.steps():
        pass
    return baker.report


def bake_frame(scene: Any, frame: int) -> BakeReport:
    """Bake one frame, as a live render does. Raises what the frame met; the plate then shows."""
    report = bake(scene, (frame,))
    for error in report.failed.values():
        raise error
    return report


def refuse_nothing_to_bake(scene: Any) -> None:
    """Raise RecipeError for a scene without an Attribute Edit that reaches an output."""
    if used_edit_nodes(scene):
        return
    unused = ", ".join(edit.name for edit in all_edit_nodes(scene))
    raise RecipeError(
        f"No Attribute Edit of the scene reaches an output: {unused}."
        if unused
        else "The scene has no Attribute Edit to bake.",
        where=f"scene {scene.name}",
        remedy="Connect it to what is rendered."
        if unused
        else "Add one in the compositor, or choose another scene.",
    )


def _gone(frame: int) -> HostError:
    return HostError(
        "The scene or a node of it was removed while it was baked, or undo put others in their place.",
        where=f"frame {frame}",
        remedy="Bake again; the frames that were done before are valid.",
    )


def unexpected(error: Exception, frame: int) -> HostError:
    """One sentence for an error that nobody foresaw; its details go to a file."""
    handle, path = tempfile.mkstemp(prefix="lineament-error-", suffix=".txt")
    with os.fdopen(handle, "w", encoding="utf-8") as stream:
        stream.write("".join(traceback.format_exception(type(error), error, error.__traceback__)))
    return HostError(
        f"Unexpected error ({type(error).__name__}); details were written to {path}.",
        where=f"frame {frame}",
        remedy="Please report it together with that file.",
    )
