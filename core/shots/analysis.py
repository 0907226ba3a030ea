"""What is known of a shot before it is rendered: where its faces are, how they are exposed, and their latents.

Made by ``analyse`` (analyse.py), kept by analysis_store.py, used by ``render_shot_frame`` (render.py). Axes: F frames
of the shot in rising order, M map pixels along a crop's side, num_ws and w_dim those of the generator.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np
import numpy.typing as npt

from ..checks import expect_shape
from ..errors import DataError
from ..io.sequences import format_frames

Status = Literal["found", "bridged", "occluded", "missing"]
"""found: seen and inverted; bridged: between two seen frames, interpolated; occluded: something covers most of the
face, its latent comes from the frames around; missing: no face, the plate is left alone."""
STATUSES: tuple[Status, ...] = get_args(Status)

Array = npt.NDArray[np.float32]
Half = npt.NDArray[np.float16]
Doubles = npt.NDArray[np.float64]


@dataclass(frozen=True)
class FaceTrack:
    """One face over a shot.

    ``statuses`` (F); ``landmarks`` (F, 6, 2) float64, pixels of the data window's array, smoothed so that the crop
    follows the face without trembling, NaN where the face is missing; ``scores`` (F,) float64 in [0, 1], 0 where no
    face was seen.
    """

    statuses: tuple[Status, ...]
    landmarks: Doubles
    scores: Doubles

    def __post_init__(self) -> None:
        frames = len(self.statuses)
        expect_shape(self.landmarks, "F 6 2", name="landmarks", F=frames)
        expect_shape(self.scores, "F", name="scores", F=frames)


@dataclass(frozen=True)
class FaceAnalysis:
    """Everything that rendering one face needs besides the plate.

    ``name`` is the FaceEdit's. ``exposure`` is the power of two of every crop. ``latents`` (F, num_ws, w_dim) float32
    belong to ``Analysis.generator_id``, solved over the shot. ``mattes`` (F, M, M) float16 in [0, 1], 1 on the person;
    ``keeps`` (F, M, M) float16 in [0, 1], 0 where the plate must stay: outside it, or behind what passes before the
    face. ``covered`` (F,) float64 is the share of the face behind something. Rows of missing frames are 0.
    """

    name: str
    track: FaceTrack
    exposure: float
    latents: Array
    mattes: Half
    keeps: Half
    covered: Doubles

    def __post_init__(self) -> None:
        frames = len(self.track.statuses)
        expect_shape(self.latents, "F L w", name="latents", F=frames)
        expect_shape(self.mattes, "F M M", name="mattes", F=frames)
        expect_shape(self.keeps, "F M M", name="keeps", F=frames, M=self.mattes.shape[1])
        expect_shape(self.covered, "F", name="covered", F=frames)


@dataclass(frozen=True)
class PlateIdentity:
    """What a plate was when it was analysed: ``number`` in the shot, ``source`` number of its own picture, absolute
    ``path``, ``size`` in bytes, ``mtime_ns``, and the ``sha256`` of its bytes."""

    number: int
    source: int
    path: str
    size: int
    mtime_ns: int
    sha256: str


@dataclass(frozen=True)
class Analysis:
    """A shot's analysis.

    ``key`` (64 hex digits) stands for shot, settings and model, ``digest`` for the result: both belong in a frame's
    parameter hash. ``folder`` holds the files. ``generator_id`` names the latents' generator; ``render_id`` the one to
    render with, which differs where the generator was tuned on the shot. ``faces`` are in the order of the shot's.
    ``problems`` are sentences for people: missing or occluded frames and the like.
    """

    key: str
    digest: str
    folder: Path
    generator_id: str
    render_id: str
    plates: tuple[PlateIdentity, ...]
    faces: tuple[FaceAnalysis, ...]
    problems: tuple[str, ...] = ()

    @property
    def numbers(self) -> tuple[int, ...]:
        """The frame numbers, rising: row i of every array belongs to the i-th."""
        return tuple(plate.number for plate in self.plates)

    @cached_property
    def _rows(self) -> dict[int, int]:
        return {number: row for row, number in enumerate(self.numbers)}

    def row(self, number: int) -> int:
        """The row of a frame. Raises DataError for one that was not analysed."""
        if number not in self._rows:
            raise DataError(
                f"Frame {number} is not in the analysis, which has {format_frames(self.numbers)}.",
                where=str(self.folder),
                remedy='Analyse the shot again with "lineament shot analyse".',
            )
        return self._rows[number]

    def face(self, name: str) -> FaceAnalysis:
        """A face by its name. Raises DataError if there is none of that name."""
        for face in self.faces:
            if face.name == name:
                return face
        raise DataError(
            f'The analysis has no face "{name}".',
            where=str(self.folder),
            remedy='Analyse the shot again with "lineament shot analyse".',
        )

    def summary(self) -> dict[str, Any]:
        """Plain data for reports: per face the frames of every status, the exposure, and the largest cover."""
        return {face.name: face_summary(face, self.numbers) for face in self.faces}


def face_summary(face: FaceAnalysis, numbers: tuple[int, ...]) -> dict[str, Any]:
    """One face of ``Analysis.summary``; frames as ranges such as "1001-1004,1007"."""
    found: dict[str, Any] = {"exposure": face.exposure, "most_covered": float(face.covered.max(initial=0.0))}
    for status in STATUSES:
        of_status = [n for n, s in zip(numbers, face.track.statuses, strict=True) if s == status]
        found[status] = format_frames(of_status) if of_status else ""
    return found
