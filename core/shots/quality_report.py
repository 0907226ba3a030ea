"""What is told of a rendered shot: every frame with its state and figures, the shot as a whole, and the frames that a
person should look at, worst first.

A frame is worse than another by its ``severity``: the largest of its figures over what is accepted of them (LIMITS).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Literal, get_args

import numpy as np

from .quality import FrameQuality
from .temporal_metrics import IdentityOverTime, Seam

SCHEMA_VERSION = 1
"""Raise it whenever a field of the report changes its name or meaning."""

State = Literal["rendered", "held", "no face", "failed", "missing"]
"""rendered: written; held: written from a neighbouring plate; no face: written, and nothing of it was edited because
its faces are missing; failed: the last attempt failed, or what it wrote cannot be read; missing: there is no output."""
STATES: tuple[State, ...] = get_args(State)

LIMITS: Mapping[str, float] = {"flicker": 1.05, "seam": 1.0, "identity_drop": 0.05}
"""What is accepted of a frame: flicker over the plate's; the edit's slope at its mask's edge over what hides it; how
much less alike neighbouring faces are than in the plate, as a difference of cosines."""
NEVER = 100.0
"""Severity of what must not happen at all: changes outside the mask, new NaN or infinities."""


@dataclass(frozen=True)
class FaceOnFrame:
    """One face on one frame: its ``status`` in the analysis, ``strengths`` in sigma and ``mix`` as rendered, the share
    that is ``covered``; cosines of identity embeddings, None where there are none: ``local`` of the output's face and
    that of the frame before, ``plate_local`` the same of the plates, ``to_plate`` of output and plate."""

    name: str
    status: str
    strengths: Mapping[str, float]
    mix: float
    covered: float = 0.0
    local: float | None = None
    plate_local: float | None = None
    to_plate: float | None = None


@dataclass(frozen=True)
class Concern:
    """One figure that has a limit: its ``severity`` is the value over the limit, ``text`` says it to people."""

    name: str
    value: float
    severity: float
    text: str


@dataclass(frozen=True)
class FrameEntry:
    """One frame of the report.

    ``source`` is the number of the plate's own picture. ``stale`` says why the output no longer follows from shot file
    and plate, "" if it does. ``error`` has the three parts of what went wrong. ``counts`` are the give-back's pixel
    counts as the render recorded them, ``seconds`` what the frame took. ``is_animated`` where strengths differ from the
    frame before, so that it flickers as it was asked to.
    """

    number: int
    source: int
    state: State
    faces: tuple[FaceOnFrame, ...] = ()
    quality: FrameQuality | None = None
    stale: str = ""
    error: Mapping[str, Any] = field(default_factory=dict)
    counts: Mapping[str, int] = field(default_factory=dict)
    seconds: float = 0.0
    is_animated: bool = False

    @property
    def severity(self) -> float:
        """The largest figure over its limit; up to 1 nothing is beyond any."""
        return max([0.0, *(one.severity for one in self._figures())])

    def concerns(self) -> tuple[Concern, ...]:
        """What is beyond its limit, the worst first."""
        found = [one for one in self._figures() if one.severity > 1.0]
        return tuple(sorted(found, key=lambda one: -one.severity))

    def _figures(self) -> list[Concern]:
        return [*_figures_of_pixels(self.quality), *_figures_of_faces(self.faces)]


def _figures_of_pixels(quality: FrameQuality | None) -> list[Concern]:
    if quality is None:
        return []
    figures = []
    for name, value in (("flicker", quality.flicker_above_still), ("seam", quality.seam_ratio)):
        if math.isfinite(value):
            limit = LIMITS[name]
            figures.append(Concern(name, value, value / limit, f"{name} {value:.3f}, accepted {limit:g}"))
    fresh = quality.non_finite - quality.plate_non_finite
    for name, count, text in (
        ("outside", quality.outside_px, "changed outside the mask"),
        ("non_finite", max(0, fresh), "not finite that are in the plate"),
    ):
        if count:
            figures.append(Concern(name, float(count), NEVER, f"{count} pixels {text}"))
    return figures


def _figures_of_faces(faces: Sequence[FaceOnFrame]) -> list[Concern]:
    limit = LIMITS["identity_drop"]
    figures = []
    for face in faces:
        if face.local is not None and face.plate_local is not None:
            drop = face.plate_local - face.local
            name = f"{face.name}: " if len(faces) > 1 else ""
            text = f"{name}identity {face.local:.3f} to the frame before, plate {face.plate_local:.3f}"
            figures.append(Concern("identity_drop", drop, drop / limit, text))
    return figures


@dataclass(frozen=True)
class FaceIdentity:
    """Identity of one face over a shot (Tzaban et al. 2022): ratios to the plate's, at most 1, and the raw cosines;
    ``to_plate`` is the mean cosine of outputs and their plates. None in shots of one frame."""

    tl_id: float | None
    tg_id: float | None
    local: float | None
    plate_local: float | None
    overall: float | None
    plate_overall: float | None
    to_plate: float | None


def face_identity(over_time: IdentityOverTime, to_plate: Sequence[float]) -> FaceIdentity:
    """The figures of a face whose ``over_time`` holds the cosines of true neighbours alone."""
    return FaceIdentity(
        tl_id=finite(over_time.tl_id),
        tg_id=finite(over_time.tg_id),
        local=mean_of(over_time.local),
        plate_local=mean_of(over_time.plate_local),
        overall=finite(over_time.overall),
        plate_overall=finite(over_time.plate_overall),
        to_plate=mean_of(to_plate),
    )


@dataclass(frozen=True)
class ShotReport:
    """A rendered shot. ``identity`` has a face's figures by its name, or is None, and then ``identity_reason`` says
    why. ``problems`` are sentences about the shot; ``skipped`` the frames of the cut that its policy leaves out."""

    show: str
    shot: str
    frames: tuple[FrameEntry, ...]
    identity: Mapping[str, FaceIdentity] | None = None
    identity_reason: str = ""
    problems: tuple[str, ...] = ()
    skipped: tuple[int, ...] = ()
    output: str = ""
    model: str = ""
    analysis: str = ""

    def by_severity(self) -> tuple[FrameEntry, ...]:
        """All frames: failed ones, then missing ones, then by severity; equals in rising order."""
        rank = {"failed": 0, "missing": 1}
        return tuple(sorted(self.frames, key=lambda one: (rank.get(one.state, 2), -one.severity, one.number)))

    def worst(self) -> tuple[FrameEntry, ...]:
        """The frames that somebody should look at, worst first."""
        return tuple(
            one for one in self.by_severity() if one.state in ("failed", "missing") or one.concerns()
        )

    def counts(self) -> dict[str, int]:
        """Frames by state."""
        return {state: sum(one.state == state for one in self.frames) for state in STATES}

    def figures(self) -> dict[str, float | None]:
        """The shot's own figures: means over the frames that have them, and the largest."""
        measured = [one.quality for one in self.frames if one.quality is not None]
        edited = [one for one in measured if one.mask_px > 0.0]
        return {
            "flicker": mean_of([one.flicker for one in measured]),
            "flicker_max": largest_of([one.flicker for one in measured]),
            "jitter": mean_of([one.jitter for one in measured]),
            "seam_step": mean_of([one.seam.step for one in edited]),
            "seam_plate": mean_of([one.seam.plate for one in edited]),
            "seam_ratio_max": largest_of([one.seam_ratio for one in edited]),
            "edit_mean": mean_of([one.edit_mean for one in edited]),
            "edit_max": largest_of([one.edit_max for one in edited]),
            "mask_share": mean_of([one.mask_share for one in measured]),
            "outside_px": float(sum(one.outside_px for one in measured)),
            "non_finite": float(sum(one.non_finite for one in measured)),
        }

    def as_data(self) -> dict[str, Any]:
        """Plain data for JSON; what is not a number is null."""
        identity = self.identity
        return {
            "schema_version": SCHEMA_VERSION,
            "show": self.show,
            "shot": self.shot,
            "output": self.output,
            "model": self.model,
            "analysis": self.analysis,
            "limits": dict(LIMITS),
            "summary": {"frames": len(self.frames), **self.counts(), **self.figures()},
            "identity": None if identity is None else {name: asdict(one) for name, one in identity.items()},
            "identity_reason": self.identity_reason,
            "skipped": list(self.skipped),
            "problems": list(self.problems),
            "worst": [_worst_data(one) for one in self.worst()],
            "frames": [_frame_data(one) for one in self.frames],
        }


def _worst_data(entry: FrameEntry) -> dict[str, Any]:
    return {"frame": entry.number, "severity": _rounded(entry.severity), "reasons": list(reasons(entry))}


def reasons(entry: FrameEntry) -> tuple[str, ...]:
    """Why a frame should be looked at, in sentences' parts."""
    told = [str(entry.error.get("what", ""))] if entry.state == "failed" and entry.error else []
    if entry.state in ("failed", "missing"):
        told = told or [entry.state]
    concerns = [one.text for one in entry.concerns()]
    return (*told, *concerns, *(["strengths change here"] if concerns and entry.is_animated else []))


def _frame_data(entry: FrameEntry) -> dict[str, Any]:
    return {
        "frame": entry.number,
        "source": entry.source,
        "status": entry.state,
        "stale": entry.stale,
        "animated": entry.is_animated,
        "severity": _rounded(entry.severity),
        "error": dict(entry.error) or None,
        "faces": [_face_data(face) for face in entry.faces],
        "quality": None if entry.quality is None else _quality_data(entry.quality),
        "counts": dict(entry.counts),
        "seconds": entry.seconds,
    }


def _face_data(face: FaceOnFrame) -> dict[str, Any]:
    data = asdict(face)
    return {name: _rounded(value) if isinstance(value, float) else value for name, value in data.items()}


def _quality_data(quality: FrameQuality) -> dict[str, Any]:
    data: dict[str, Any] = {}
    for name, value in vars(quality).items():
        if isinstance(value, Seam):
            data[name] = {part: _rounded(number) for part, number in vars(value).items()}
        elif name != "number":
            data[name] = _rounded(value) if isinstance(value, float) else value
    return {**data, "seam_ratio": _rounded(quality.seam_ratio)}


def _rounded(value: float) -> float | None:
    """Six digits: what is behind them is noise."""
    return float(f"{value:.6g}") if math.isfinite(value) else None


def finite(value: float) -> float | None:
    """The value with six digits, None if it is not a number."""
    return _rounded(float(value))


def mean_of(values: Sequence[float] | np.ndarray[Any, Any]) -> float | None:
    """The mean of the finite values, None if there are none."""
    kept = [float(value) for value in values if math.isfinite(value)]
    return finite(float(np.mean(kept))) if kept else None


def largest_of(values: Sequence[float]) -> float | None:
    """The largest of the finite values, None if there are none."""
    return finite(max(kept)) if (kept := [value for value in values if math.isfinite(value)]) else None
