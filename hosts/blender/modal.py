"""Long work behind a window: a timer asks for a little of it at a time, Escape ends it, and one place cleans up.

Without a window the same work runs to its end at once.
"""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from collections.abc import Iterator
from typing import Any

import bpy
from lineament.core.errors import LineamentError

TIMER_S = 0.1
"""Shorter costs redraws, longer makes Escape feel late."""

SLICE_S = 0.03
"""How much of each timer event is spent on the work; the window must answer within 0.05 s."""

Told = tuple[float, str]
"""How far the work is, 0 to 1, and what is being done."""


class Work(ABC):
    """Something that takes long: ``steps`` does it bit by bit, ``stop`` makes the next step the last."""

    label = ""

    @abstractmethod
    def steps(self) -> Iterator[Told]:
        """Do a little, tell, and again. Raises LineamentError."""

    @abstractmethod
    def stop(self) -> None:
        """End soon; may be called more than once."""


class Running:
    """The work that a timer drives, as the panel shows it."""

    def __init__(self, work: Work) -> None:
        self.work = work
        self.fraction, self.text = 0.0, ""


_RUNNING: list[Running] = []


def running() -> Running | None:
    """The work that runs now, None if none does."""
    return _RUNNING[0] if _RUNNING else None


class TimedOperator:
    """Mix-in of operators with long work: ``begin`` makes it, ``conclude`` reports what came of it.

    Both are abstract; Blender's own metaclass leaves no room for ABC's.
    """

    _timer: Any = None
    _steps: Iterator[Told] | None = None
    _running: Running | None = None

    def begin(self, context: Any) -> Work:
        """The work to do. Raises LineamentError."""
        raise NotImplementedError

    def conclude(self, context: Any, work: Work) -> set[str]:
        """Report what came of work that ended by itself; returns the operator's status."""
        raise NotImplementedError

    def execute(self, context: Any) -> set[str]:
        """Do all of it now."""
        try:
            work = self.begin(context)
            for _ in work.steps():
                pass
            return self.conclude(context, work)
        except LineamentError as err:
            return refuse(self, err)

    def invoke(self, context: Any, event: Any) -> set[str]:
        """Begin; without a window, do all of it."""
        if bpy.app.background or context.window is None:
            return self.execute(context)
        if _RUNNING:
            self.report({"WARNING"}, f"{_RUNNING[0].work.label} is still running.")  # type: ignore[attr-defined]
            return {"CANCELLED"}
        try:
            work = self.begin(context)
        except LineamentError as err:
            return refuse(self, err)
        self._running = Running(work)
        self._steps = work.steps()
        _RUNNING.append(self._running)
        manager = context.window_manager
        self._timer = manager.event_timer_add(TIMER_S, window=context.window)
        manager.modal_handler_add(self)
        manager.progress_begin(0.0, 1.0)
        return {"RUNNING_MODAL"}

    def modal(self, context: Any, event: Any) -> set[str]:
        """Escape stops; a timer event does a slice of the work; undo waits, as it replaces what is worked on."""
        assert self._running is not None
        if event.type == "ESC":
            self._running.work.stop()
            return {"RUNNING_MODAL"}
        if event.type == "Z" and (event.ctrl or event.oskey):
            return {"RUNNING_MODAL"}
        if event.type != "TIMER":
            return {"PASS_THROUGH"}
        work, is_going = self._running.work, False
        try:
            is_going = self._do_slice()
        except LineamentError as err:
            return refuse(self, err)
        finally:
            if not is_going:
                self.finish(context)
        if not is_going:
            return self.conclude(context, work)
        self._show(context)
        return {"PASS_THROUGH"}

    def cancel(self, context: Any) -> None:
        """Blender ends the operator: another file is opened, or the window closes."""
        self.finish(context)

    def finish(self, context: Any) -> None:
        """Give back the timer, the cursor and the status line; closing the steps ends the work."""
        steps, self._steps = self._steps, None
        if self._running in _RUNNING:
            _RUNNING.remove(self._running)
        if steps is not None:
            steps.close()  # type: ignore[attr-defined]
        if self._timer is not None:
            manager = context.window_manager
            manager.event_timer_remove(self._timer)
            manager.progress_end()
            self._timer = None
        if getattr(context, "workspace", None) is not None:
            context.workspace.status_text_set(None)
        redraw_node_editors(context)

    def _do_slice(self) -> bool:
        """Work for one slice of time; False when it has ended."""
        assert self._running is not None and self._steps is not None
        deadline = time.monotonic() + SLICE_S
        while time.monotonic() < deadline:
            told = next(self._steps, None)
            if told is None:
                return False
            self._running.fraction, self._running.text = told
        return True

    def _show(self, context: Any) -> None:
        assert self._running is not None
        context.window_manager.progress_update(self._running.fraction)
        if getattr(context, "workspace", None) is not None:
            context.workspace.status_text_set(f"{self._running.work.label}: {self._running.text} (Esc stops)")
        redraw_node_editors(context)


def refuse(operator: Any, error: LineamentError) -> set[str]:
    """Report an error in its three parts; the operator has done nothing then."""
    operator.report({"ERROR"}, str(error))
    return {"CANCELLED"}


def redraw_node_editors(context: Any) -> None:
    """Ask every node editor and every preferences window to draw again."""
    manager = getattr(context, "window_manager", None)
    for window in manager.windows if manager is not None else ():
        for area in window.screen.areas if window.screen is not None else ():
            if area.type in ("NODE_EDITOR", "PREFERENCES"):
                area.tag_redraw()
