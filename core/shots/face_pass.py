"""One face over a shot: a steady crop, what covers it, its latents, and the solve over time."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from ..devices import device_errors
from ..faces.base import Face
from ..inversion.base import Inverter
from ..io.sequences import FramePath
from ..latent_cache import CachedInverter, LatentCache
from ..tools import Tools
from .analysis import FaceAnalysis, FaceTrack, Status
from .crops import CropFile, Place, cut_all
from .looks import Seen
from .occlusion import Maps, Usual, covered_share, covers, faded, keep_map
from .shot import Shot
from .smoothing import Run, bridged, runs, smoothed, steady_landmarks
from .temporal import solve

Array = npt.NDArray[np.float32]
Doubles = npt.NDArray[np.float64]
Progress = Callable[[str, int, int], None]

HIDDEN = 0.6
"""Share of the face behind something from which on the frame's own latent is not looked for."""
MATTE_SIGMA = 2.0
"""Frames over which the person map is smoothed in the steady crop: the segmenter judges every frame alone, and its
edge trembles."""
WORK_BYTES = 2**40  # the work folder of latents is removed as a whole, never trimmed


@dataclass(frozen=True)
class Hidden:
    """What passes before a face, for every crop (N): ``shown`` (N, M, M) where nothing hides it, ``keeps`` (N, M, M)
    where the edit may act, ``mattes`` (N, M, M) the person as if nothing passed, ``covered`` (N,) the share of the face
    that is hidden, ``usual`` pictures."""

    shown: Array
    keeps: Array
    mattes: Array
    covered: Doubles
    usual: tuple[Usual, ...]


@dataclass(frozen=True)
class FacePass:
    """A finished face, and its crops with what hides them, for tuning."""

    analysis: FaceAnalysis
    crops: tuple[CropFile, ...]
    hidden: Hidden


def analyse_face(
    shot: Shot,
    index: int,
    faces: Sequence[Face | None],
    exposure: float,
    plates: Sequence[FramePath],
    seen: Sequence[Seen],
    tools: Tools,
    work: Path,
    tell: Progress,
) -> FacePass:
    """Everything about one face of the shot; ``faces`` (F) is where it was seen. Raises as ``analyse`` does."""
    numbers = [plate.number for plate in plates]
    landmarks, stretches = place_face(faces, numbers, shot, seen)
    places = [Place(row, landmarks[row], seen[row].identity) for stretch in stretches for row in stretch.rows]
    cut = cut_all(shot, plates, places, exposure, tools, work, lambda done: tell("crop", done, len(places)))
    crops = [crop for crop in cut if crop is not None]
    hidden = look_behind(crops, numbers, occlusion=shot.analysis.occlusion)
    found, confidence = invert_all(crops, hidden, faces, tools, work, tell)
    statuses, latents = solve_all(stretches, crops, found, confidence, faces, hidden, shot, tools, numbers)
    return FacePass(
        _gathered(shot.faces[index].name, exposure, statuses, landmarks, faces, latents, crops, hidden),
        tuple(crops),
        hidden,
    )


def place_face(
    faces: Sequence[Face | None], numbers: Sequence[int], shot: Shot, seen: Sequence[Seen]
) -> tuple[Doubles, tuple[Run, ...]]:
    """Steady landmarks (F, 6, 2), NaN outside the stretches in which the face is, and these."""
    is_seen = np.array([face is not None for face in faces])
    stretches = runs(numbers, is_seen)
    steady = np.full((len(faces), 6, 2), np.nan)
    aspect = seen[0].look.pixel_aspect
    for stretch in stretches:
        known = is_seen[list(stretch.rows)]
        raw = np.stack([_points(faces[row]) for row in stretch.rows]).reshape(len(stretch.rows), 12)
        whole = bridged(raw, stretch.numbers, known).reshape(-1, 6, 2)
        steady[list(stretch.rows)] = steady_landmarks(
            whole,
            stretch.numbers,
            centre=shot.analysis.smooth_centre,
            scale=shot.analysis.smooth_scale,
            pixel_aspect=aspect,
        )
    return steady, stretches


def _points(face: Face | None) -> Doubles:
    return np.zeros((6, 2)) if face is None else face.landmarks


def look_behind(crops: Sequence[CropFile], numbers: Sequence[int], *, occlusion: bool) -> Hidden:
    """Find what passes before the face, and smooth the person map over time where nothing does."""
    if not crops:
        empty = np.zeros((0, 1, 1), np.float32)
        return Hidden(empty, empty, empty, np.zeros(0), ())
    maps = Maps(
        *(np.stack([getattr(crop, name) for crop in crops]) for name in ("picture", "face", "person"))
    )
    usual = maps.usual()
    found = covers(maps, usual) if occlusion else np.zeros(maps.faces.shape, np.bool_)
    persons = np.stack([np.where(c, u.person, p) for c, u, p in zip(found, usual, maps.persons, strict=True)])
    rows = [numbers[crop.row] for crop in crops]
    flat = smoothed(persons.reshape(len(crops), -1).astype(np.float64), rows, MATTE_SIGMA)
    shown = np.stack([keep_map(c) for c in found])
    valid = np.stack([crop.valid for crop in crops])
    covered = np.array([covered_share(c, u.face) for c, u in zip(found, usual, strict=True)])
    mattes = flat.reshape(persons.shape).clip(0.0, 1.0).astype(np.float32)
    return Hidden(shown, faded(shown) * valid, mattes, covered, usual)


def invert_all(
    crops: Sequence[CropFile],
    hidden: Hidden,
    faces: Sequence[Face | None],
    tools: Tools,
    work: Path,
    tell: Progress,
) -> tuple[Array, Doubles]:
    """The frames' own latents (N, num_ws, w_dim) and the confidence in each (N,), 0 where none was looked for.

    What hides part of a face is painted over with what is usually there. Raises GeneratorError or DeviceError.
    """
    shape = (len(crops), tools.generator.num_ws, tools.generator.w_dim)
    latents, confidence = np.zeros(shape, np.float32), np.zeros(len(crops))
    inverter = stored_inverter(tools, work)
    for place, crop in enumerate(crops):
        face, covered = faces[crop.row], hidden.covered[place]
        if face is not None and covered < HIDDEN:
            told = crop.crop(hidden.mattes[place], hidden.usual[place].image, hidden.shown[place])
            with device_errors(tools.device):
                latents[place] = inverter.invert(told).ws
            confidence[place] = max(face.score, 1e-2) * (1.0 - covered) ** 2
        tell("invert", place + 1, len(crops))
    return latents, confidence


def stored_inverter(tools: Tools, work: Path) -> Inverter:
    """The tools' inverter, remembering what it has found in the work folder."""
    return CachedInverter(tools.inverter, LatentCache(work / "latents", WORK_BYTES), tools.generator.id)


def solve_all(
    stretches: Sequence[Run],
    crops: Sequence[CropFile],
    found: Array,
    confidence: Doubles,
    faces: Sequence[Face | None],
    hidden: Hidden,
    shot: Shot,
    tools: Tools,
    numbers: Sequence[int],
) -> tuple[list[Status], Array]:
    """Statuses (F) and latents (F, num_ws, w_dim), each stretch solved for itself."""
    shape = (len(faces), tools.generator.num_ws, tools.generator.w_dim)
    statuses: list[Status] = ["missing"] * len(faces)
    latents = np.zeros(shape, np.float32)
    places = {crop.row: place for place, crop in enumerate(crops)}
    for stretch in stretches:
        rows = [row for row in stretch.rows if row in places]
        there = [places[row] for row in rows]
        if not there or not (confidence[there] > 0.0).any():
            continue  # nothing of the face can be seen: the plate is kept
        told = [numbers[row] for row in rows]
        latents[rows] = solve(found[there], confidence[there], told, shot.analysis.temporal_weight)
        for row, place in zip(rows, there, strict=True):
            statuses[row] = _status(faces[row], float(hidden.covered[place]))
    return statuses, latents


def _status(face: Face | None, covered: float) -> Status:
    if face is None:
        return "bridged"
    return "occluded" if covered >= HIDDEN else "found"


def _gathered(
    name: str,
    exposure: float,
    statuses: list[Status],
    landmarks: Doubles,
    faces: Sequence[Face | None],
    latents: Array,
    crops: Sequence[CropFile],
    hidden: Hidden,
) -> FaceAnalysis:
    """Everything on the rows of the shot; rows of missing frames are 0, their landmarks NaN."""
    frames, size = len(faces), hidden.mattes.shape[-1]
    mattes, keeps = (np.zeros((frames, size, size), np.float16) for _ in range(2))
    covered = np.zeros(frames)
    for place, crop in enumerate(crops):
        mattes[crop.row], keeps[crop.row] = hidden.mattes[place], hidden.keeps[place]
        covered[crop.row] = hidden.covered[place]
    is_missing = np.array([status == "missing" for status in statuses])
    mattes[is_missing], keeps[is_missing] = 0.0, 0.0
    points = np.where(is_missing[:, None, None], np.nan, landmarks)
    scores = np.array([0.0 if face is None else float(face.score) for face in faces])
    track = FaceTrack(tuple(statuses), points, scores)
    return FaceAnalysis(name, track, exposure, latents, mattes, keeps, covered)
