"""A render without a window that never writes a frame it should not: bake first, then render what succeeded."""

from __future__ import annotations

import argparse
import logging
import signal
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NoReturn

import bpy
from lineament.core.errors import LineamentError, PlateError, RecipeError

from . import engine, registration
from .carrier import all_edit_nodes, used_edit_nodes
from .circles import refuse_circles
from .compat import working_space
from .frames import format_frames, parse_frames, refuse_frame
from .journal import announce
from .render_job import (
    RenderJob,
    adapt,
    older_pictures,
    output_path,
    refuse_unable,
    refuse_unreadable_path,
    stamps_of,
)
from .report import BakeReport, Step
from .saving import refuse_unwritable, save_atomically
from .service import Baker, refuse_nothing_to_bake

log = logging.getLogger(__name__)

OK, SOME_FAILED, USAGE, INTERRUPTED, TERMINATED = 0, 1, 2, 130, 143

_ENDED = ("edited", "valid", "failed")


def main(arguments: Sequence[str]) -> int:
    """Run one command and return its exit code: 0 ok, 1 some frames failed, 2 usage, 3 input, 4 model or colour,
    5 device, 130 interrupted, 143 terminated.
    """
    with _orderly_end() as signals:
        code = _run(arguments, signals)
    if signal.SIGTERM in signals:
        return TERMINATED
    return INTERRUPTED if signals else code


def _run(arguments: Sequence[str], signals: list[int]) -> int:
    try:
        told = _parser().parse_args(arguments)
        told.signals, told.stamps = signals, {}
    except SystemExit as leaving:
        return leaving.code if isinstance(leaving.code, int) else USAGE
    was_there = registration.is_registered()
    if not was_there:
        registration.register("lineament")
    try:
        return int(told.command(told))
    except LineamentError as error:
        _show_error(error)
        return error.exit_code
    except KeyboardInterrupt:
        _say("Interrupted; what was finished stays. The same command goes on.")
        return INTERRUPTED
    finally:
        engine.close_all()
        if not was_there:
            registration.unregister()


def end_process(code: int) -> NoReturn:
    """Leave with an exit code, everything said."""
    sys.stdout.flush()
    sys.stderr.flush()
    sys.exit(code)


@contextmanager
def _orderly_end() -> Iterator[list[int]]:
    """Let Ctrl-C and SIGTERM end a render after its frame, with the engine stopped and nothing half-written."""
    seen: list[int] = []

    def leave(number: int, _: Any) -> NoReturn:
        seen.append(number)
        raise KeyboardInterrupt

    before = {number: signal.signal(number, leave) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield seen
    finally:
        for number, handler in before.items():
            if handler is not None:  # None: the host's own handler, set from C, which Python cannot put back
                signal.signal(number, handler)


def render(told: argparse.Namespace) -> int:
    """Bake the file's nodes over the frames, save the file if asked, then render the frames that are right."""
    asked = parse_frames(told.frames) if told.frames else ()
    for frame in asked:
        refuse_frame(frame)
    scene = _open(told.file, told.scene)
    output, sentence = output_path(scene, told.output) if told.output else ("", "")
    refuse_unreadable_path(scene, output or scene.render.filepath)
    refuse_circles(scene)
    if told.bake_only:
        refuse_nothing_to_bake(scene)
    if used_edit_nodes(scene):
        refuse_unable(scene)
    if told.save:
        refuse_unwritable(told.file)
    report = _bake(scene, asked or _range_of(scene), told)
    for frame, error in sorted(report.failed.items()):
        _show_error(error, f"frame {frame}")
    if report.is_cancelled:
        return report.exit_code
    if told.save:
        save_atomically(told.file)
        _say(f"Saved {told.file}.")
    lost: dict[int, LineamentError] = {}
    if not told.bake_only and (told.keep_going or not report.left):
        scene.render.filepath = output or scene.render.filepath
        _say_if(sentence)
        lost = _render(scene, report.right, told)
    for frame, error in sorted(lost.items()):
        _show_error(error, f"frame {frame}")
    _say(report.summary)
    if lost:
        _say(f"Not written: {format_frames(lost)}.")
    for name in older_pictures(scene, {*report.left, *lost} if not told.bake_only else ()):
        _say(f"An older picture is still there: {name}.")
    _say_again({*report.left, *lost})
    return report.exit_code or (SOME_FAILED if lost else OK)


def doctor(told: argparse.Namespace) -> int:
    """Say what this Blender is and whether it finds a sound engine."""
    _say(
        f"Blender {bpy.app.version_string}, Python {sys.version.split()[0]}, working space {working_space()}"
    )
    python = engine.interpreter()
    _say(f"engine {python}")
    found = engine.check(python)
    for line in found.lines:
        _say(line)
    return OK if found.is_sound else 4


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="lineament host blender", description=__doc__)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    one = commands.add_parser("render", help="Bake every Attribute Edit node of a file, then render it.")
    one.add_argument("file", type=Path, help="Blender file to render.")
    one.add_argument("--scene", default="", help="Scene to render; the file's active one if not given.")
    one.add_argument(
        "--frames", default="", help="Frames such as 1001-1100x2; the scene's range if not given."
    )
    one.add_argument(
        "--output", "-o", default="", help="Output path as Blender writes it, with #### for the frame."
    )
    one.add_argument("--force", action="store_true", help="Edit every frame anew.")
    one.add_argument("--bake-only", action="store_true", help="Fill the caches and render no picture.")
    one.add_argument("--save", action="store_true", help="Save the file, so that it shows what was baked.")
    one.add_argument(
        "--keep-going", action="store_true", default=True, help="Go on after a frame that failed."
    )
    one.add_argument("--fail-fast", dest="keep_going", action="store_false", help="Stop at the first one.")
    one.set_defaults(command=render)
    two = commands.add_parser("doctor", help="Check this Blender and the engine.")
    two.set_defaults(command=doctor)
    return parser


def _open(file: Path, name: str) -> Any:
    """The scene to render of a file. Raises PlateError for the file, RecipeError for the scene."""
    if not file.is_file():
        raise PlateError("There is no such Blender file.", where=str(file), remedy="Check the path.")
    try:
        bpy.ops.wm.open_mainfile(filepath=str(file.resolve()), load_ui=False)
    except RuntimeError as err:
        raise PlateError(
            f"The Blender file cannot be opened: {str(err).strip()}.",
            where=str(file),
            remedy="Open it in Blender of this version and save it again.",
        ) from err
    if not name:
        return bpy.context.scene
    if name not in bpy.data.scenes:
        raise RecipeError(
            f"The file has no scene {name!r}; it has {', '.join(scene.name for scene in bpy.data.scenes)}.",
            where=str(file),
            remedy="Name one of them with --scene.",
        )
    return bpy.data.scenes[name]


def _range_of(scene: Any) -> tuple[int, ...]:
    return tuple(range(scene.frame_start, scene.frame_end + 1, scene.frame_step))


def _bake(scene: Any, frames: tuple[int, ...], told: argparse.Namespace) -> BakeReport:
    nodes = used_edit_nodes(scene)
    _say(f"{told.file.name}, {scene.name}: {len(nodes)} nodes, frames {format_frames(frames)}")
    if not nodes:
        return _unedited(scene, frames)
    baker = Baker(scene, frames, force=told.force, keep_going=told.keep_going)
    try:
        for step in baker.steps():
            _tell(step)
            if step.stage in _ENDED and not step.node:
                told.stamps[step.frame] = stamps_of(scene, nodes, step.frame)
            if told.signals:  # Blender drops the exception of a signal that arrives inside its own handlers
                raise KeyboardInterrupt
    except KeyboardInterrupt:
        baker.cancel()
        baker.report.is_cancelled = True
    return baker.report


def _unedited(scene: Any, frames: tuple[int, ...]) -> BakeReport:
    """The report of a scene in which nothing is to be edited, which is said and is no error."""
    edits = ", ".join(edit.name for edit in all_edit_nodes(scene))
    why = f"none of its Attribute Edits reaches an output ({edits})" if edits else "it has no Attribute Edit"
    announce(log, f"Warning: nothing in {scene.name} is edited, {why}. It is rendered as it is.")
    return BakeReport(frames, skipped=list(frames))


def _tell(step: Step) -> None:
    """One line a frame: for logs and farms."""
    if step.stage in _ENDED and not step.node:
        _say(f"frame {step.frame} {step.stage} ({step.done}/{step.total})")


def _render(scene: Any, frames: tuple[int, ...], told: argparse.Namespace) -> dict[int, LineamentError]:
    """Render frames from the caches; those that could not be delivered, with the reason."""
    for sentence in adapt(scene) if used_edit_nodes(scene) else ():
        _say(sentence)
    stamps = {frame: told.stamps.get(frame, ()) for frame in frames}
    return RenderJob(scene, stamps, lambda: bool(told.signals)).run()


def _say_if(text: str) -> None:
    if text:
        _say(text)


def _say_again(frames: set[int]) -> None:
    if frames:
        _say(f"To do again: --frames {format_frames(frames)}")


def _say(text: str) -> None:
    sys.stdout.write(f"lineament: {text}\n")
    sys.stdout.flush()


def _show_error(error: LineamentError, about: str = "") -> None:
    """What, where, what to do; a part that is empty is left out."""
    parts = (("What", error.what), ("Where", error.where), ("What to do", error.remedy))
    head = f"{about}: " if about else ""
    text = "".join(f"lineament: {head}{name}: {value}\n" for name, value in parts if value)
    sys.stderr.write(text)
    sys.stderr.flush()
