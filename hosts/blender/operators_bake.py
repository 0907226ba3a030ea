"""Operators around the cache: bake, bake one frame, cancel, clear, and the two pages that tell more."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import bpy
from lineament.core.errors import HostError

from . import engine, preferences
from .cache_view import forget
from .compat import view_names
from .engine_check import CheckWork
from .frames import format_frames, parse_frames
from .help_page import help_page
from .journal import JOURNAL
from .modal import TimedOperator, Told, Work, running
from .nodes_order import all_edit_nodes
from .operators import TREE_PROPERTY, EditOperator
from .places import location
from .selection import Selected
from .service import Baker, refuse_nothing_to_bake
from .showing import show_result

log = logging.getLogger(__name__)


class BakeWork(Work):
    """A bake of all edits of a scene over some frames. Raises HostError if there are none."""

    label = "Bake"

    def __init__(self, scene: Any, frames: Sequence[int], force: bool) -> None:
        self.baker = Baker(scene, frames, force=force)
        refuse_nothing_to_bake(scene)

    def steps(self) -> Iterator[Told]:
        """Pump the baker."""
        for step in self.baker.steps():
            yield step.done / max(1, step.total), f"frame {step.frame} {step.node} {step.stage}"

    def stop(self) -> None:
        """Cancel the bake."""
        self.baker.cancel()


class BakeOperator(TimedOperator):
    """Mix-in of the two bakes."""

    @classmethod
    def poll(cls, context: Any) -> bool:
        """A scene, and nothing that runs."""
        return context.scene is not None and running() is None

    def conclude(self, context: Any, work: Work) -> set[str]:
        """Tell how it went; a failed frame is an error, so that a script that bakes hears of it."""
        assert isinstance(work, BakeWork)
        forget()
        report = work.baker.report
        if report.failed:
            frame, error = next(iter(report.failed.items()))
            self.report({"ERROR"}, f"{report.summary} Frame {frame}: {error}")  # type: ignore[attr-defined]
            return {"FINISHED"} if report.right else {"CANCELLED"}
        is_fine = not report.is_cancelled and not report.warnings
        told = " ".join((report.summary, *report.warnings))
        self.report({"INFO" if is_fine else "WARNING"}, told)  # type: ignore[attr-defined]
        return {"CANCELLED"} if report.is_cancelled else {"FINISHED"}


class LINEAMENT_OT_bake(BakeOperator, bpy.types.Operator):  # type: ignore[misc]
    """Edits every frame of the range"""

    bl_idname = "lineament.bake"
    bl_label = "Bake"
    bl_description = (
        "Edits the frames of the scene's range in every Attribute Edit; valid ones are kept. Esc stops"
    )
    bl_options = {"REGISTER"}  # noqa: RUF012

    frames: bpy.props.StringProperty(  # type: ignore[valid-type]
        name="Frames",
        description="Frames to bake, such as 1001-1100x2,1105; empty takes the scene's range",
        options={"SKIP_SAVE"},
    )
    force: bpy.props.BoolProperty(  # type: ignore[valid-type]
        name="Force", description="Edits valid frames anew too", options={"SKIP_SAVE"}
    )

    def begin(self, context: Any) -> Work:
        """The frames that are asked for."""
        scene = context.scene
        chosen = self.frames.strip()
        span = range(scene.frame_start, scene.frame_end + 1, scene.frame_step)
        return BakeWork(scene, parse_frames(chosen) if chosen else tuple(span), self.force)


class LINEAMENT_OT_bake_frame(BakeOperator, bpy.types.Operator):  # type: ignore[misc]
    """Edits the current frame"""

    bl_idname = "lineament.bake_frame"
    bl_label = "Bake Frame"
    bl_description = (
        "Edits the current frame in every Attribute Edit of the scene; a valid one is kept. Esc stops"
    )
    bl_options = {"REGISTER"}  # noqa: RUF012

    force: bpy.props.BoolProperty(  # type: ignore[valid-type]
        name="Force", description="Edits the frame anew even if it is valid", options={"SKIP_SAVE"}
    )

    def begin(self, context: Any) -> Work:
        """The one frame."""
        return BakeWork(context.scene, (context.scene.frame_current,), self.force)


class LINEAMENT_OT_cancel(bpy.types.Operator):  # type: ignore[misc]
    """Stops what runs"""

    bl_idname = "lineament.cancel"
    bl_label = "Cancel"
    bl_description = "Stops the bake or the check that runs; the frames that are done stay"

    @classmethod
    def poll(cls, context: Any) -> bool:
        """Something runs."""
        return running() is not None

    def execute(self, context: Any) -> set[str]:
        """Stop it; its own operator cleans up."""
        found = running()
        if found is not None:
            found.work.stop()
        return {"FINISHED"}


class LINEAMENT_OT_clear(EditOperator, bpy.types.Operator):  # type: ignore[misc]
    """Removes the results of the node"""

    bl_idname = "lineament.clear"
    bl_label = "Clear"
    bl_description = "Removes the baked frames of this node from the disk, past undo; the plate shows"
    bl_options = {"REGISTER", "UNDO"}  # noqa: RUF012

    tree: bpy.props.StringProperty(**TREE_PROPERTY)  # type: ignore[valid-type]

    def invoke(self, context: Any, event: Any) -> Any:
        """Ask first: an hour of baking is gone at a slip."""
        if bpy.app.background:
            return self.execute(context)
        return context.window_manager.invoke_confirm(self, event)

    def change(self, context: Any, edit: Selected) -> str:
        """Show the plate, then remove the files."""
        if running() is not None:
            raise HostError("A bake is running.", where=edit.tree.name, remedy="Cancel it first.")
        places = [location(context.scene, edit.tree, view) for view in view_names(context.scene)]
        for node in all_edit_nodes(context.scene):
            if node.tree == edit.tree:
                show_result(context.scene, node, places[0].pattern, ())
        cleared = max(place.clear() for place in places)
        edit.tree.lineament.baked_ranges = edit.tree.lineament.status = edit.tree.lineament.former_folder = ""
        forget()
        return f"{cleared} frames removed."


class LINEAMENT_OT_check_engine(TimedOperator, bpy.types.Operator):  # type: ignore[misc]
    """Looks at the engine's installation"""

    bl_idname = "lineament.check_engine"
    bl_label = "Check Engine"
    bl_description = (
        "Lets the engine look at its own installation and shows what it finds; nothing is changed or sent"
    )

    @classmethod
    def poll(cls, context: Any) -> bool:
        """Nothing runs."""
        return running() is None

    def begin(self, context: Any) -> Work:
        """The check. Raises HostError if no interpreter is set."""
        return CheckWork()

    def conclude(self, context: Any, work: Work) -> set[str]:
        """Tell the verdict; the findings are in the preferences."""
        assert isinstance(work, CheckWork)
        if work.found is None:
            self.report({"WARNING"}, "The check was stopped.")
            return {"CANCELLED"}
        for line in work.found.lines:
            log.info("check: %s", line)
        if work.found.is_sound:
            self.report({"INFO"}, "The engine is ready.")
            return {"FINISHED"}
        self.report({"ERROR"}, "The engine cannot work: " + " ".join(work.found.lines))
        return {"CANCELLED"}


class LINEAMENT_OT_open_log(bpy.types.Operator):  # type: ignore[misc]
    """Opens the log"""

    bl_idname = "lineament.open_log"
    bl_label = "Open Log"
    bl_description = "Writes what the add-on and the engine said last into a text file and opens it"

    def execute(self, context: Any) -> set[str]:
        """Write it, and open it where there is a window."""
        path = Path(bpy.app.tempdir) / "lineament_log.txt"
        path.write_text("\n".join((*_about(), *JOURNAL.lines, "")), encoding="utf-8")
        return _open(self, path)


class LINEAMENT_OT_open_help(bpy.types.Operator):  # type: ignore[misc]
    """Opens the help"""

    bl_idname = "lineament.open_help"
    bl_label = "Help"
    bl_description = "Opens the add-on's help, a page of the extension that needs no network"

    def execute(self, context: Any) -> set[str]:
        """Write the page out and open it: a browser may be kept from reading the extension's own folder."""
        path = Path(bpy.app.tempdir) / "lineament_help.html"
        path.write_text(help_page(), encoding="utf-8")
        return _open(self, path)


def _open(operator: Any, path: Path) -> set[str]:
    operator.report({"INFO"}, str(path))
    if not bpy.app.background:
        bpy.ops.wm.path_open(filepath=str(path))
    return {"FINISHED"}


def _about() -> tuple[str, ...]:
    """What a reader of the log wants to know first."""
    python = preferences.settings().interpreter or "not set"
    return (
        f"Blender {bpy.app.version_string}, package {preferences.package() or 'none'}, interpreter {python}",
        f"engines running: {format_frames(engine.KEEPER.pids()) or 'none'}",
    )


CLASSES = (
    LINEAMENT_OT_bake,
    LINEAMENT_OT_bake_frame,
    LINEAMENT_OT_cancel,
    LINEAMENT_OT_clear,
    LINEAMENT_OT_check_engine,
    LINEAMENT_OT_open_log,
    LINEAMENT_OT_open_help,
)
