"""A review of rendered shots: pictures, a contact sheet and a page for each, and a page that lists them.

Frames are looked at once, in order, and their pictures go to disk at once; what is kept in memory are the figures.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from lineament.core.colour_config import load_config
from lineament.core.shots.looks import Opened
from lineament.core.shots.quality_report import ShotReport
from lineament.core.shots.shot import Shot
from PIL import Image

from .plan import UsageError
from .review_folder import INDEX, SHOTS, refuse_foreign_shot, shot_folder, staged, write_page
from .review_html import PageFrame, ShotLine, ShotPage, index_html, shot_html
from .review_movie import Layout, Movie
from .review_pictures import FramePictures, Viewing, choose_view, file_name, files_of, pictures_of
from .review_sheet import choose, contact_sheet
from .shot_report import ReportedFrame, ShotSurvey

LINE = "review.json"
SHEET, MOVIE = "sheet.png", "movie.mp4"
FPS = 24.0
"""Where the plate's header does not tell."""


@dataclass(frozen=True)
class ReviewOptions:
    """How shots are reviewed: pictures ``height`` pixels high at most, through ``display`` and ``view`` of the OCIO
    config ("" = its default); only ``frames`` if there are any; a ``movie`` of which layout, None for none."""

    height: int = 540
    display: str = ""
    view: str = ""
    frames: tuple[int, ...] = ()
    movie: Layout | None = None


def review_shot(looked: ShotSurvey, folder: Path, options: ReviewOptions) -> ShotReport:
    """Write a shot's part of the review into ``folder``/shots/NAME, whole or not at all, and its line for the list.

    Raises UsageError for a name or frames that cannot be, ColourError for an unknown view, PlateError for a disk that
    does not take it, and what looking at the shot raises.
    """
    target = shot_folder(folder, looked.shot.name)
    refuse_foreign_shot(target)
    _refuse_frames(looked, options)
    config = load_config(looked.shot.ocio)
    viewing = Viewing(config, choose_view(config, options.display, options.view), options.height)
    with staged(target) as stage:
        frames = _pictures(looked, stage, viewing, options)
        report = looked.report()
        _finish(report, frames, stage, looked.shot, viewing)
    return report


def write_index(folder: Path, show: str, order: Sequence[str], errors: dict[str, str]) -> Path:
    """The page that lists every shot of the folder, in the ``order`` of the show; ``errors`` are of shots that could
    not be reviewed now."""
    lines = {
        path.parent.name: line for path in (folder / SHOTS).glob(f"*/{LINE}") if (line := _read_line(path))
    }
    for name, text in errors.items():
        old = lines.get(name)
        lines[name] = ShotLine(name, old.link if old else "", old.thumb if old else "", {}, {}, (), text)
    names = [name for name in order if name in lines]
    names += sorted(set(lines) - set(names))
    path = folder / INDEX
    write_page(path, index_html(show, [lines[name] for name in names]))
    return path


@dataclass
class _Frames:
    """The frames of a page, as they come."""

    shown: list[PageFrame] = field(default_factory=list)
    fps: float = 0.0
    space: str = ""


def _refuse_frames(looked: ShotSurvey, options: ReviewOptions) -> None:
    known = {plate.number for plate in looked.plates}
    if options.frames and not known & set(options.frames):
        raise UsageError(
            f'The shot "{looked.shot.name}" has none of these frames.',
            where="--frames",
            remedy=f"It has {min(known)} to {max(known)}.",
        )


def _pictures(looked: ShotSurvey, stage: Path, viewing: Viewing, options: ReviewOptions) -> _Frames:
    """Look at every frame, and write the pictures of those asked for."""
    frames = _Frames()
    with ExitStack() as stack:
        movie: Movie | None = None
        for found in looked:
            if found.plate is not None and not frames.fps:
                frames.fps = fps_of(found.plate)
            if options.frames and found.entry.number not in options.frames:
                continue
            pictures = pictures_of(found, viewing)
            frames.shown.append(_written(found, pictures, stage))
            frames.space = frames.space or (found.colour.space if found.colour else "")
            if options.movie and pictures is not None:
                movie = movie or stack.enter_context(Movie(stage / MOVIE, frames.fps, options.movie))
                movie.add(pictures.before, pictures.after)
    return frames


def _written(found: ReportedFrame, pictures: FramePictures | None, stage: Path) -> PageFrame:
    if pictures is None:
        return PageFrame(found.entry, {})
    names = {}
    for kind, data in files_of(pictures).items():
        names[kind] = file_name(kind, found.entry.number)
        (stage / names[kind]).write_bytes(data)
    height, width = pictures.before.shape[:2]
    return PageFrame(found.entry, names, (width, height), pictures.focus())


def _finish(report: ShotReport, frames: _Frames, stage: Path, shot: Shot, viewing: Viewing) -> None:
    """The contact sheet, the page, and the line for the list."""
    numbers = [frame.entry.number for frame in frames.shown if frame.files]
    entries = {entry.number: entry for entry in report.frames}
    sheet = ""
    if numbers:
        sheet = SHEET
        on_sheet = [entries[number] for number in choose(report, numbers)]
        title = f"{report.show} {report.shot}   {viewing.view.name}, {viewing.view.display}"
        (stage / SHEET).write_bytes(contact_sheet(on_sheet, lambda *one: _load(stage, *one), title))
    movie = MOVIE if (stage / MOVIE).is_file() else ""
    colour = f"{frames.space} seen through {viewing.view.name} on {viewing.view.display}"
    notes = tuple(
        (f"{face.name}: {name}" if len(shot.faces) > 1 else name, text)
        for face in shot.faces
        for name, text in face.recipe.notes.items()
    )
    page = ShotPage(report, tuple(frames.shown), colour, frames.fps or FPS, notes, sheet, movie)
    (stage / INDEX).write_bytes(shot_html(page))
    middle = frames.shown[len(frames.shown) // 2].files.get("thumb", "") if frames.shown else ""
    line = {
        "show": report.show,
        "name": report.shot,
        "thumb": middle,
        "counts": report.counts(),
        "figures": report.figures(),
        "worst": [entry.number for entry in report.worst()],
        "problems": list(report.problems),
    }
    (stage / LINE).write_text(json.dumps(line, indent=1, sort_keys=True), "utf-8")


def _load(stage: Path, kind: str, number: int) -> npt.NDArray[np.uint8] | None:
    """A picture that was written before."""
    path = stage / file_name(kind, number)
    if not path.is_file():
        return None
    with Image.open(path) as image:
        return np.asarray(image.convert("RGB"))


def fps_of(plate: Opened) -> float:
    """Frames a second by the plate's header, FPS where it does not tell."""
    value = plate.frame.header_value(plate.layer, "framesPerSecond")
    if (
        isinstance(value, tuple)
        and len(value) == 2
        and all(isinstance(one, int) and one > 0 for one in value)
    ):
        fps = float(value[0]) / float(value[1])
        return fps if 1.0 <= fps <= 240.0 else FPS
    return FPS


def _read_line(path: Path) -> ShotLine | None:
    """What an earlier run has said of a shot; None for anything else."""
    name = path.parent.name
    try:
        told: dict[str, Any] = json.loads(path.read_text("utf-8"))
        thumb = Path(str(told["thumb"])).name
        counts = {str(key): int(value) for key, value in told["counts"].items()}
        figures = {
            str(key): None if value is None else float(value) for key, value in told["figures"].items()
        }
        worst = tuple(int(number) for number in told["worst"])
        problems = tuple(str(text) for text in told.get("problems", ()))
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None
    folder = f"{SHOTS}/{name}"
    thumb = f"{folder}/{thumb}" if thumb else ""
    return ShotLine(name, f"{folder}/{INDEX}", thumb, counts, figures, worst, problems=problems)
