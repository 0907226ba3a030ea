"""The live edit of a running render: nodes show a folder that is filled frame by frame.

A running render has already looked at its trees when a frame begins, so a switch that is turned then is seen a frame
late; a file is read when it is needed. So the job begins by turning every switch to a folder of its own, each frame
puts its result there, or its plate where there is none, and the end turns everything back.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from .cache import Location
from .carrier import EditNode, edit_nodes, refresh, show_result
from .compat import views
from .homing import settle
from .places import keep_tap_folder, location
from .shown import Look, Shown
from .tap import Taps


class LiveShown(Shown):
    """Shows results and plates through files in a folder in memory, while a render of ``frames`` runs."""

    needs_plate = True

    def __init__(self, scene: Any, frames: Iterable[int]) -> None:
        super().__init__(scene)
        self._expected = frozenset(frames)
        self._suffixes = views(scene)
        self._folder = keep_tap_folder()
        self._edits = tuple(edit for edit in edit_nodes(scene) if edit.tree.library is None)
        for edit in self._edits:
            settle(edit.tree)
            (self._folder / edit.tree.lineament.uid).mkdir()
            show_result(scene, edit, self._place(edit, self.views[0]).pattern, sorted(self._expected))

    def expects(self, frame: int) -> bool:
        """Whether the switches were turned for this frame; of another one only the plate can be seen."""
        return frame in self._expected

    def show(self, edit: EditNode, frame: int, *, is_new: bool) -> None:
        """Show the result of a frame. A linked node shows its cache already."""
        if edit.tree.library is not None:
            return
        self._of(edit).add(frame)
        for view in self.views:
            _lend(location(self.scene, edit.tree, view).result(frame), self._place(edit, view).result(frame))
        refresh(edit.tree)

    def hide(self, edit: EditNode, frame: int, look: Look | None = None) -> None:
        """Show what flows into the node; nothing, if not even that can be had."""
        self._of(edit).discard(frame)
        if (
            edit.tree.library is not None
            or look is None
            or self._place(edit, self.views[0]).result(frame).exists()
        ):
            return
        found: Mapping[str, Taps] = look()
        for view in self.views:
            shutil.copyfile(found[view].image, self._place(edit, view).result(frame))
        refresh(edit.tree)

    def drop(self, frame: int) -> None:
        """Remove the files of a frame that is written: memory must not fill up."""
        for edit in self._edits:
            for view in self.views:
                with suppress(OSError):
                    self._place(edit, view).result(frame).unlink()

    def end(self) -> None:
        """The job is over: show the caches again, and leave nothing behind."""
        for edit in self._edits:
            self._tell(edit)
        self.tell(self._edits, "")
        shutil.rmtree(self._folder, ignore_errors=True)

    def _place(self, edit: EditNode, view: str) -> Location:
        return Location(self._folder / edit.tree.lineament.uid, self._suffixes[view])


def _lend(source: Path, target: Path) -> None:
    """Let a result appear under another name, without a copy where the system allows it."""
    with suppress(FileNotFoundError):
        target.unlink()
    try:
        target.symlink_to(source)
    except OSError:  # Windows without the right to make links
        shutil.copyfile(source, target)
