"""The analysis pass over a shot: locate, track, crop, look for what passes before the face, invert, solve, tune.

Each part keeps what it has done in the work folder until the analysis is finished.
"""

from __future__ import annotations

import logging
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from ..errors import DataError, FaceError
from ..faces.base import Face
from ..faces.track import TrackLocator
from ..io.sequences import FramePath, format_frames
from ..tools import Tools
from .analysis import STATUSES, Analysis, FaceAnalysis
from .analysis_store import TUNING, WORK, analysis_key, folder_of, load_analysis, write_analysis
from .face_pass import FacePass, Progress, analyse_face
from .looks import Seen, look_at_all
from .shot import FaceEdit, Shot
from .tracking import follow
from .tune import tune_on

log = logging.getLogger(__name__)


def analyse(
    shot: Shot,
    plates: Sequence[FramePath],
    tools: Tools,
    cache: Path,
    *,
    on_progress: Progress = lambda stage, done, total: None,
) -> Analysis:
    """Analyse a shot, or return what is stored; an interrupted analysis goes on where it stopped.

    ``plates`` are those of the whole shot, handles included, as ``plates.shot_plates`` gives them; ``tools`` are
    opened with the shot's model and inverter. A frame whose face is missing or hidden is reported in the result and
    never an error. ``on_progress`` gets the stage ("locate", "crop", "invert", "tune"), steps done and steps in all.
    Raises PlateError for a plate that cannot be read, FaceError if the shot shows none of its faces, ColourError,
    GeneratorError, DeviceError, and DataError if the cache cannot be written.
    """
    try:
        return load_analysis(cache, shot, plates, tools)
    except DataError as err:
        log.info("%s", err)
    try:
        return _analysed(shot, plates, tools, cache, on_progress)
    except DataError as err:
        try:  # another process may have finished it meanwhile, and cleared the work folder that both shared
            return load_analysis(cache, shot, plates, tools)
        except DataError:
            raise err from None


def _analysed(
    shot: Shot, plates: Sequence[FramePath], tools: Tools, cache: Path, on_progress: Progress
) -> Analysis:
    """All stages in turn."""
    key = analysis_key(shot, plates, tools)
    folder = folder_of(cache, key)
    work = folder / WORK
    tracks = tracks_of(shot, tools)
    seen = look_at_all(
        shot, plates, tools, tracks, work, lambda done: on_progress("locate", done, len(plates))
    )
    followed = follow_all(shot, seen, tracks)
    common = shared_exposure(seen, followed)
    passes: list[FacePass] = []
    for index, face in enumerate(shot.faces):
        exposure = face.recipe.exposure or common
        passes.append(
            analyse_face(shot, index, followed[index], exposure, plates, seen, tools, work, on_progress)
        )
    generator_id = tools.generator.id
    render_id = generator_id
    if shot.analysis.tune_steps > 0:
        render_id = tune_on(passes, shot, tools, work, folder / TUNING, on_progress)
    faces = tuple(one.analysis for one in passes)
    identities = tuple(one.identity for one in seen)
    problems = tuple(line for face in faces for line in problems_of(face, [one.number for one in identities]))
    made = Analysis(key, "", folder, generator_id, render_id, identities, faces, problems)
    stored = write_analysis(made)
    shutil.rmtree(work, ignore_errors=True)
    return stored


def tracks_of(shot: Shot, tools: Tools) -> dict[int, TrackLocator]:
    """The track of every face that has one, by its index. Raises FaceError for a file that is no track."""
    found: dict[int, TrackLocator] = {}
    for index, face in enumerate(shot.faces):
        if face.choice.track:
            found[index] = TrackLocator.from_file(Path(face.choice.track))
        elif isinstance(tools.locator, TrackLocator):
            found[index] = tools.locator
    return found


def follow_all(
    shot: Shot, seen: Sequence[Seen], tracks: Mapping[int, TrackLocator]
) -> list[list[Face | None]]:
    """Every face of the shot on every frame. Raises the first face's FaceError if no face is seen on any frame."""
    looks = [one.look for one in seen]
    found: list[list[Face | None]] = []
    first: FaceError | None = None
    for index, face in enumerate(shot.faces):
        try:
            found.append(follow(looks, face.choice, tracks.get(index)))
        except FaceError as err:
            first = first or err
            found.append([None] * len(looks))
    if not any(face is not None for faces in found for face in faces):
        raise first or no_face(shot.faces[0], looks[0].number if looks else 0)
    return found


def no_face(face: FaceEdit, number: int) -> FaceError:
    """What to say of a track that covers no frame of the shot."""
    return FaceError(
        f'The face "{face.name}" ({face.choice}) is on no frame of the shot.',
        where=f"from frame {number} on",
        remedy="Check the track's frame numbers, or choose the face in another way.",
    )


def shared_exposure(seen: Sequence[Seen], followed: Sequence[Sequence[Face | None]]) -> float:
    """The shot's one power of two: the median, in stops, of what suits its faces on every frame."""
    votes: list[float] = []
    for index, faces in enumerate(followed):
        for one, face in zip(seen, faces, strict=True):
            if face is None:
                continue
            exposure = one.tracked.get(index, 0.0)
            if not exposure:
                places = [k for k, other in enumerate(one.look.faces) if other is face]
                exposure = one.exposures[places[0]] if places else 0.0
            if exposure > 0.0:
                votes.append(float(np.log2(exposure)))
    return 2.0 ** round(float(np.median(votes))) if votes else 1.0


def problems_of(face: FaceAnalysis, numbers: Sequence[int]) -> list[str]:
    """Sentences on what a person should know about one face."""
    said = {
        "missing": "has no face; the plate is kept",
        "occluded": "hides most of the face; its latent comes from the frames around",
        "bridged": "shows no face, but lies between frames that do; its place is interpolated",
    }
    lines = []
    for status in STATUSES:
        of_status = [n for n, s in zip(numbers, face.track.statuses, strict=True) if s == status]
        if of_status and status in said:
            plural = "Frames" if len(of_status) > 1 else "Frame"
            lines.append(
                f'{plural} {format_frames(of_status)} ({status}), face "{face.name}": {said[status]}.'
            )
    return lines
