"""What is told of a shot: order of badness, reasons, and JSON that any program reads."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from lineament.core.shots.embedding import FaceHistory
from lineament.core.shots.quality import FrameQuality
from lineament.core.shots.quality_report import (
    FaceOnFrame,
    FrameEntry,
    ShotReport,
    face_identity,
    reasons,
)
from lineament.core.shots.temporal_metrics import Seam

NAN = float("nan")
FINE = FrameQuality(0, 1.0, 0.02, 0.02, 0.1, Seam(0.01, 0.1, 0.05), 0.2, 1.0, 900.0, 0.1, 0, 0, 0)


def entry(number: int, **fields: Any) -> FrameEntry:
    face = FaceOnFrame("main", "found", {"age": 1.0}, 1.0)
    return FrameEntry(number, number, "rendered", (face,), quality=replace(FINE, number=number), **fields)


def with_flicker(one: FrameEntry, ratio: float) -> FrameEntry:
    quality = replace(one.quality, flicker=ratio, output_unsteadiness=0.02 * ratio)
    return replace(one, quality=quality)


def numbers(entries: tuple[FrameEntry, ...]) -> list[int]:
    return [one.number for one in entries]


def test_when_frames_are_fine_then_none_is_to_be_looked_at() -> None:
    report = ShotReport("show", "sh010", (entry(1001), entry(1002)))
    assert report.worst() == ()
    assert numbers(report.by_severity()) == [1001, 1002]


def test_when_frames_are_ordered_then_failed_and_missing_ones_lead_and_severity_decides() -> None:
    lost = {"what": "The plate has changed.", "where": "p.1004.exr", "remedy": "Analyse the shot again."}
    frames = (
        with_flicker(entry(1001), 1.2),
        with_flicker(entry(1002), 1.8),
        replace(entry(1003), state="missing", quality=None),
        replace(entry(1004), state="failed", quality=None, error=lost),
        entry(1005),
        replace(entry(1006), quality=replace(FINE, outside_px=3)),
    )
    report = ShotReport("show", "sh010", frames)
    assert numbers(report.worst()) == [1004, 1003, 1006, 1002, 1001]
    assert numbers(report.by_severity()) == [1004, 1003, 1006, 1002, 1001, 1005]
    assert reasons(frames[3]) == ("The plate has changed.",)
    assert reasons(frames[5]) == ("3 pixels changed outside the mask",)
    assert reasons(replace(frames[1], is_animated=True)) == (
        "flicker 1.800, accepted 1.05",
        "strengths change here",
    )


@pytest.mark.parametrize(
    ("quality", "word"),
    [
        (replace(FINE, seam=Seam(0.3, 0.1, 0.05)), "seam 3.000"),
        (replace(FINE, non_finite=5, plate_non_finite=1), "4 pixels not finite"),
    ],
)
def test_when_a_figure_is_beyond_its_limit_then_the_reason_names_it(quality: FrameQuality, word: str) -> None:
    assert word in reasons(replace(entry(1), quality=quality))[0]


def test_when_a_face_leaps_then_its_cosines_are_the_reason() -> None:
    face = FaceOnFrame("main", "found", {}, 1.0, local=0.70, plate_local=0.99)
    assert "identity 0.700 to the frame before, plate 0.990" in reasons(replace(entry(1), faces=(face,)))[0]
    as_plate = replace(face, local=0.70, plate_local=0.71)
    assert reasons(replace(entry(1), faces=(as_plate,))) == ()


def test_when_a_report_is_written_then_json_has_null_for_what_was_not_measured() -> None:
    first = replace(
        entry(1001), quality=replace(FINE, flicker=NAN, plate_unsteadiness=NAN, output_unsteadiness=NAN)
    )
    report = ShotReport(
        "show", "sh010", (first, with_flicker(entry(1002), 1.5)), identity_reason="no network"
    )
    data = json.loads(json.dumps(report.as_data(), allow_nan=False))
    assert data["schema_version"] == 1
    assert data["identity"] is None and data["identity_reason"] == "no network"
    assert data["summary"]["frames"] == 2 and data["summary"]["rendered"] == 2
    assert data["summary"]["flicker"] == data["summary"]["flicker_max"] == 1.5
    assert data["frames"][0]["quality"]["flicker"] is None
    assert [one["frame"] for one in data["worst"]] == [1002]


def test_when_a_face_is_followed_then_neighbours_and_all_pairs_are_told() -> None:
    history = FaceHistory()
    east, north = np.array([1.0, 0.0]), np.array([0.0, 1.0])
    assert history.add(east, east, is_neighbour=False) is None
    assert history.add(east, north, is_neighbour=True) == pytest.approx((0.0, 1.0))
    assert history.add(east, north, is_neighbour=False) is None  # a gap: no neighbour, but one of all pairs
    figures = face_identity(history.over_time(), history.to_plate)
    assert (figures.local, figures.plate_local, figures.tl_id) == pytest.approx((0.0, 1.0, 0.0))
    assert figures.overall == pytest.approx(1.0 / 3.0) and figures.plate_overall == pytest.approx(1.0)
    assert figures.tg_id == pytest.approx(1.0 / 3.0)
    assert figures.to_plate == pytest.approx(1.0 / 3.0)
