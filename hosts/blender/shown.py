"""What each node shows on which frame: kept in step with the files, told to the tree only when it changes."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from .carrier import EditNode, show_result
from .compat import view_names
from .frames import format_frames
from .places import location
from .tap import Taps

Look = Callable[[], Mapping[str, Taps]]
"""Taps a node now: view -> what flows into it."""


class Shown:
    """The shown frames of a scene's nodes. ``views`` are the scene's view names, ("",) where it has but one."""

    needs_plate = False
    """Whether ``hide`` must be given the plate's pixels, because the nodes cannot let them through by themselves."""

    def __init__(self, scene: Any) -> None:
        self.scene = scene
        self.views = view_names(scene)
        self._frames: dict[str, set[int]] = {}
        self._told: set[str] = set()

    def show(self, edit: EditNode, frame: int, *, is_new: bool) -> None:
        """Show the result of a frame; ``is_new`` if its file was written since Blender may have read it."""
        frames = self._of(edit)
        if is_new or frame not in frames or edit.tree.lineament.uid not in self._told:
            frames.add(frame)
            if is_new or edit.tree.library is None:
                self._tell(edit)

    def hide(self, edit: EditNode, frame: int, look: Look | None = None) -> None:
        """Let the plate through on a frame. A linked node shows what its own file says."""
        frames = self._of(edit)
        if frame in frames or edit.tree.lineament.uid not in self._told:
            frames.discard(frame)
            if edit.tree.library is None:
                self._tell(edit)

    def renew(self, edit: EditNode) -> None:
        """Show the node's frames anew: its results lie elsewhere now."""
        self._tell(edit)

    def tell(self, edits: Sequence[EditNode], status: str) -> None:
        """Write what the panel says of each node."""
        for edit in edits:
            if edit.tree.library is None:
                edit.tree.lineament.status = status
                edit.tree.lineament.baked_ranges = format_frames(self._of(edit))

    def _of(self, edit: EditNode) -> set[int]:
        """The frames of a node; at first those whose results lie on the disk in every view."""
        uid = edit.tree.lineament.uid
        if uid not in self._frames:
            found = [set(location(self.scene, edit.tree, view).edited_frames()) for view in self.views]
            self._frames[uid] = set.intersection(*found)
        return self._frames[uid]

    def _tell(self, edit: EditNode) -> None:
        self._told.add(edit.tree.lineament.uid)
        pattern = location(self.scene, edit.tree, self.views[0]).pattern
        show_result(self.scene, edit, pattern, sorted(self._of(edit)))
