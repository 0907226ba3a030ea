"""``lineament shot report`` on shots with faults of every kind: what is measured, what is told, what is written."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from lineament.core.io import read_frame, write_frame
from lineament.plugin import demo

from .rendered_shot import NUMBERS, RenderedShow


def report_of(show: RenderedShow) -> dict[str, Any]:
    assert show.run("shot", "report", show.file, "sh010") == 0
    return json.loads((show.folder / "out" / "sh010.report.json").read_text())


def by_number(report: dict[str, Any]) -> dict[int, dict[str, Any]]:
    return {frame["frame"]: frame for frame in report["frames"]}


def test_when_a_shot_is_sound_then_every_frame_is_measured(spoilt_show: RenderedShow) -> None:
    report = report_of(spoilt_show)
    frames = by_number(report)
    assert tuple(frames) == NUMBERS
    assert {frame["status"] for frame in frames.values()} == {"rendered"}
    assert {frame["stale"] for frame in frames.values()} == {""}
    for frame in frames.values():
        assert frame["faces"][0]["strengths"] == {"age": 1.5} and frame["faces"][0]["mix"] == 1.0
        assert frame["quality"]["outside_px"] == frame["quality"]["non_finite"] == 0
        assert 0.0 < frame["quality"]["mask_share"] < 0.5
        assert frame["quality"]["edit_max"] > frame["quality"]["edit_mean"] > 0.0
        assert "clamped" in frame["counts"]
    assert frames[1001]["quality"]["flicker"] is None
    assert frames[1002]["quality"]["flicker"] > 0.5
    assert report["identity"] is None
    assert "no identity network" in report["identity_reason"]


def test_when_one_output_leaps_in_brightness_then_it_is_the_worst_frame(spoilt_show: RenderedShow) -> None:
    spoilt_show.brighten(1004, 0.8)
    report = report_of(spoilt_show)
    assert {one["frame"] for one in report["worst"][:2]} == {1004, 1005}  # there and back again
    assert "flicker" in " ".join(report["worst"][0]["reasons"])
    frames = by_number(report)
    assert frames[1004]["quality"]["flicker"] > 3.0 * frames[1003]["quality"]["flicker"]
    assert frames[1004]["stale"] == "the output was changed or damaged"


def test_when_frames_are_lost_or_fail_then_each_is_told_with_its_reason(spoilt_show: RenderedShow) -> None:
    spoilt_show.output(1002).unlink()
    whole = spoilt_show.output(1005).read_bytes()
    spoilt_show.output(1005).write_bytes(whole[: len(whole) // 2])
    failed = {
        "what": "The plate of frame 1003 has changed.",
        "where": "p.1003.exr",
        "remedy": "Analyse again.",
    }
    line = {"format": 1, "frame": 1003, "status": "failed", "output": "sh010.1003.exr", "error": failed}
    with (spoilt_show.folder / "out" / "sh010.manifest.jsonl").open("a") as stream:
        stream.write(json.dumps(line) + "\n")
    report = report_of(spoilt_show)
    frames = by_number(report)
    assert [frames[n]["status"] for n in NUMBERS] == [
        "rendered",
        "missing",
        "failed",
        "rendered",
        "failed",
        "rendered",
    ]
    assert frames[1003]["error"] == failed
    assert frames[1003]["quality"] is not None  # an earlier output lies there
    assert "damaged" in frames[1005]["error"]["what"] and frames[1005]["quality"] is None
    assert [one["frame"] for one in report["worst"][:3]] == [1003, 1005, 1002]
    assert frames[1006]["quality"]["flicker"] is None  # its neighbour is lost


def test_when_strengths_have_changed_since_then_frames_are_stale_and_told_as_rendered(
    spoilt_show: RenderedShow,
) -> None:
    spoilt_show.file.write_text(spoilt_show.file.read_text().replace("age: 1.5", "age: 0.5"))
    frames = by_number(report_of(spoilt_show))
    assert {frame["stale"] for frame in frames.values()} == {"other parameters"}
    assert {frame["faces"][0]["strengths"]["age"] for frame in frames.values()} == {1.5}


def test_when_an_output_is_not_finite_then_its_pixels_are_counted(spoilt_show: RenderedShow) -> None:
    frame = read_frame(spoilt_show.output(1003))
    rgb = frame.rgb()
    spots = np.zeros(rgb.shape[:2], bool)
    spots[40, 45:49] = True
    planes = dict(frame.parts[0].planes)
    planes["R"] = planes["R"].copy()
    planes["R"][spots] = np.nan
    write_frame(
        spoilt_show.output(1003),
        replace(frame, parts=(replace(frame.parts[0], planes=planes),)),
        overwrite=True,
    )
    report = report_of(spoilt_show)
    assert by_number(report)[1003]["quality"]["non_finite"] == 4
    assert report["worst"][0]["frame"] == 1003


def test_when_programs_ask_then_they_get_every_shot_as_json(
    spoilt_show: RenderedShow, capsys: pytest.CaptureFixture[str]
) -> None:
    assert spoilt_show.run("shot", "report", spoilt_show.file, "--json") == 0
    told = json.loads(capsys.readouterr().out)
    assert [one["shot"] for one in told] == ["sh010", "sh020"]
    assert told[1]["summary"]["missing"] == 3
    assert told[1]["summary"]["flicker"] is None


def test_when_people_ask_then_the_worst_frame_stands_first(
    spoilt_show: RenderedShow, capsys: pytest.CaptureFixture[str]
) -> None:
    spoilt_show.output(1005).unlink()
    assert spoilt_show.run("shot", "report", spoilt_show.file, "sh010") == 0
    told = capsys.readouterr().out
    rows = [line.split() for line in told.splitlines()]
    first = next(row for row in rows if row and row[0] == "1005")
    assert first[1] == "missing"
    assert rows.index(first) < min(rows.index(row) for row in rows if row and row[0] == "1001")
    assert "5 rendered, 1 missing" in told


def test_when_a_shot_cannot_be_measured_then_others_are_and_the_code_tells(
    spoilt_show: RenderedShow, capsys: pytest.CaptureFixture[str]
) -> None:
    text = spoilt_show.file.read_text().replace("frames: 1001-1003", "frames: 1001-1009")
    spoilt_show.file.write_text(text)
    assert spoilt_show.run("shot", "report", spoilt_show.file, "sh020", "sh010") == 3
    told = capsys.readouterr()
    assert "1007-1009" in told.err
    assert "sh010: 6 rendered" in told.out


def test_when_the_report_cannot_be_written_then_the_error_says_so(
    spoilt_show: RenderedShow, capsys: pytest.CaptureFixture[str]
) -> None:
    (spoilt_show.folder / "out" / "sh010.report.json").mkdir()
    assert spoilt_show.run("shot", "report", spoilt_show.file, "sh010") == 3
    assert "The report cannot be written" in capsys.readouterr().err
    assert not list((spoilt_show.folder / "out").glob(".tmp-*"))


@pytest.mark.slow
def test_when_the_demo_shot_is_edited_by_the_real_model_then_its_figures_are_sound(tmp_path: Path) -> None:
    plates = Path(demo.__file__).with_name("demo_shot") / "plate"
    show = RenderedShow(tmp_path)
    show.file.write_text(
        f"schema_version: 1\nshots: {{demo: {{plate: {plates}/plate.####.exr, output: out/sh010.####.exr, "
        "strengths: {age: 1.2, glasses: 2}}}\n"
    )
    for verb in ("analyse", "render", "report"):
        assert show.run("shot", verb, show.file, "demo") == 0
    report = json.loads((tmp_path / "out" / "sh010.report.json").read_text())
    summary, identity = report["summary"], report["identity"]["main"]
    assert summary["rendered"] == 4 and report["worst"] == []
    assert 0.8 < summary["flicker"] <= summary["flicker_max"] < 1.05
    assert summary["seam_ratio_max"] < 0.2 and summary["outside_px"] == 0
    assert 0.95 < identity["tl_id"] <= 1.0 and 0.95 < identity["tg_id"] <= 1.0
    assert 0.3 < identity["to_plate"] < 0.999
    assert all(frame["faces"][0]["local"] > 0.95 for frame in report["frames"][1:])
