"""The batch loop on fake sessions: what is collected, what ends a run, and which exit code comes out."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from lineament.core.errors import (
    DeviceError,
    FaceError,
    GeneratorError,
    HostError,
    LineamentError,
    PlateError,
    RecipeError,
)
from lineament.core.recipe import EditRecipe, Move, Strength
from lineament.plugin.batch import Outcome, Terminated, run
from lineament.plugin.messages import FrameRequest, FrameResult
from lineament.plugin.plan import Job, Plan, UsageError, make_plan
from lineament.plugin.terminal import JsonReporter, LiveReporter, PlainReporter, show_error, summary_line


class FakeSession:
    """Answers with the exposure, or with whatever is listed for a frame."""

    def __init__(self, troubles: dict[int, BaseException] | None = None) -> None:
        self.troubles = troubles or {}
        self.asked: list[FrameRequest] = []
        self.probed: list[int] = []
        self.is_cancelled = False

    def open(self) -> dict[str, object]:
        if 0 in self.troubles:
            raise self.troubles[0]
        return {}

    def probe(self, plate: str, number: int, recipe: EditRecipe, pixel_aspect: float = 0.0) -> float:
        self.probed.append(number)
        if number >= 1000 and number in self.troubles:
            raise self.troubles[number]
        return 4.0

    def render(self, request: FrameRequest, on_stage: Callable[[str], None] | None = None) -> FrameResult:
        self.asked.append(request)
        assert on_stage is not None
        on_stage("read")
        if request.number in self.troubles:
            raise self.troubles[request.number]
        return FrameResult(request.output, request.number, 0.1, {"exposure": 4.0, "notes": ["held"]})

    def cancel(self) -> None:
        self.is_cancelled = True

    def close(self) -> None:
        pass


def a_plan(count: int = 4) -> Plan:
    return Plan(tuple(FrameRequest("p", "o", number, EditRecipe()) for number in range(1, count + 1)))


def a_run(troubles: dict[int, BaseException], keep_going: bool = True) -> Outcome:
    return run(a_plan(), FakeSession(troubles), [PlainReporter()], keep_going=keep_going)


AGED = EditRecipe((Move("age", Strength.constant(1.0)),))
NO_FACE, NO_PLATE = FaceError("No face."), PlateError("No plate.", where="p", remedy="Give one.")


@pytest.mark.parametrize(
    ("troubles", "keep_going", "code", "left"),
    [
        ({}, True, 0, ()),
        ({2: NO_FACE}, True, 1, (2,)),
        ({2: NO_FACE}, False, 1, (2, 3, 4)),
        (dict.fromkeys(range(1, 5), NO_FACE), True, 3, (1, 2, 3, 4)),
        ({3: DeviceError("Full.")}, True, 5, (3, 4)),
        ({1: RecipeError("No such attribute.")}, True, 2, (1, 2, 3, 4)),
        ({3: RecipeError("Face 1 is missing.")}, True, 1, (3,)),
        ({3: ZeroDivisionError("a bug")}, True, 1, (3,)),
        ({2: KeyboardInterrupt()}, True, 130, (2, 3, 4)),
        ({2: Terminated()}, True, 143, (2, 3, 4)),
        ({1: NO_FACE, 2: DeviceError("Full.")}, True, 5, (1, 2, 3, 4)),
    ],
)
def test_when_frames_fail_then_code_and_remaining_frames_are_right(
    troubles: dict[int, BaseException], keep_going: bool, code: int, left: tuple[int, ...]
) -> None:
    outcome = a_run(troubles, keep_going)
    assert (outcome.exit_code, outcome.left) == (code, left)


def test_when_a_run_is_interrupted_then_the_session_is_told() -> None:
    session = FakeSession({1: KeyboardInterrupt()})
    run(a_plan(), session, [])
    assert session.is_cancelled


def a_shot(folder: Path, *, first: int = 1001, count: int = 12) -> str:
    folder.mkdir(exist_ok=True)
    for number in range(first, first + count):
        (folder / f"p.{number}.exr").touch()
    return str(folder / "p.####.exr")


@pytest.mark.parametrize("frames", ["", "1005", "1003-1004"])
def test_when_part_of_a_shot_is_rendered_then_the_shots_first_plate_is_exposed_for(
    frames: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    session, log = FakeSession(), tmp_path / "log"
    plan = make_plan(Job(a_shot(tmp_path / "in"), f"{tmp_path}/out/", AGED, frames))
    run(plan, session, [PlainReporter(), JsonReporter(log)])
    assert session.probed == [1001]
    assert {request.recipe.exposure for request in session.asked} == {4.0}
    event = json.loads(log.read_text().splitlines()[1])
    assert event == {"event": "exposure", "exposure": 4.0, "plate": f"{tmp_path}/in/p.1001.exr"}
    assert "exposure 4, chosen on" in capsys.readouterr().err


def test_when_the_first_plates_have_no_face_then_the_next_is_exposed_for(tmp_path: Path) -> None:
    session = FakeSession({1001: NO_FACE, 1002: NO_PLATE})
    run(make_plan(Job(a_shot(tmp_path / "in"), f"{tmp_path}/out/", AGED, "1007")), session, [])
    assert session.probed == [1001, 1002, 1003]


def test_when_no_plate_has_a_face_then_the_run_ends_with_that_error(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    session = FakeSession(dict.fromkeys(range(1001, 1020), NO_FACE))
    plan = make_plan(Job(a_shot(tmp_path / "in"), f"{tmp_path}/out/", AGED))
    outcome = run(plan, session, [PlainReporter()])
    assert (session.probed, session.asked) == (list(range(1001, 1009)), [])
    assert outcome.exit_code == FaceError.exit_code
    assert "What: No face." in capsys.readouterr().err


@pytest.mark.parametrize(
    "recipe",
    [EditRecipe(), replace(AGED, exposure=2.0), replace(AGED, mix=0.0)],
    ids=["identity", "given", "mix"],
)
def test_when_there_is_nothing_to_choose_then_no_plate_is_probed(recipe: EditRecipe, tmp_path: Path) -> None:
    session = FakeSession()
    run(make_plan(Job(a_shot(tmp_path / "in"), f"{tmp_path}/out/", recipe)), session, [])
    assert session.probed == [] and session.asked[0].recipe == recipe


def test_when_a_still_serves_frames_then_it_is_probed_itself(tmp_path: Path) -> None:
    (tmp_path / "still.exr").touch()
    plan = make_plan(Job(f"{tmp_path}/still.exr", f"{tmp_path}/out/e.####.exr", AGED, "1-3"))
    assert plan.probes[0] == (f"{tmp_path}/still.exr", 0)


@pytest.mark.parametrize("error", [GeneratorError("No model."), NO_FACE, HostError("Dead.")])
def test_when_the_session_cannot_be_opened_then_no_frame_is_tried(
    error: LineamentError, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    session, log = FakeSession({0: error}), tmp_path / "log"
    outcome = run(a_plan(), session, [PlainReporter(), JsonReporter(log)])
    assert (outcome.exit_code, session.asked, outcome.left) == (error.exit_code, [], (1, 2, 3, 4))
    assert capsys.readouterr().err.count(f"What: {error.what}") == 1
    assert json.loads(log.read_text().splitlines()[-1])["error"]["what"] == error.what


def test_when_a_run_ends_then_one_line_counts_and_names_what_to_do_again(
    capsys: pytest.CaptureFixture[str],
) -> None:
    outcome = a_run({2: NO_PLATE, 3: NO_FACE})
    said = capsys.readouterr()
    assert said.out.splitlines() == [summary_line(outcome)]
    assert (
        "2 of 4 frames written" in said.out
        and "2 failed (frames 2-3)" in said.out
        and "--frames 2-3" in said.out
    )
    assert said.err.splitlines()[1:5] == [
        said.err.splitlines()[1],
        "What: No plate.",
        "Where: p",
        "What to do: Give one.",
    ]
    assert "frame 2 (2/4) FAILED" in said.err


def test_when_a_terminal_watches_then_the_same_is_said(capsys: pytest.CaptureFixture[str]) -> None:
    run(a_plan(), FakeSession({2: NO_PLATE}), [LiveReporter()])
    said = capsys.readouterr()
    assert "3 of 4 frames written" in said.out
    assert "What: No plate." in said.err


def test_when_a_log_is_kept_then_runs_are_appended(tmp_path: Path) -> None:
    for _ in range(2):
        run(a_plan(2), FakeSession({2: NO_PLATE}), [JsonReporter(tmp_path / "log")])
    events = [json.loads(line) for line in (tmp_path / "log").read_text().splitlines()]
    assert [event["event"] for event in events] == ["start", "frame", "frame", "summary"] * 2
    assert events[2]["error"]["what"] == "No plate."
    assert (events[3]["left"], events[3]["exit_code"]) == ("2", 1)


def test_when_text_looks_like_markup_then_it_is_printed_as_it_is(capsys: pytest.CaptureFixture[str]) -> None:
    show_error(LineamentError("Plate [bold]x[/bold] [/]", where="[red]", remedy="Rename."))
    assert capsys.readouterr().err == "What: Plate [bold]x[/bold] [/]\nWhere: [red]\nWhat to do: Rename.\n"


def test_when_an_output_pattern_has_a_token_or_is_a_folder_then_names_follow(tmp_path: Path) -> None:
    for number in (1, 2):
        (tmp_path / f"p.{number:04d}.exr").touch()
    plate = str(tmp_path / "p.%04d.exr")

    def outputs(output: str) -> list[str]:
        plan = make_plan(Job(plate, output, EditRecipe()))
        return [str(Path(request.output).relative_to(tmp_path)) for request in plan.requests]

    assert outputs(f"{tmp_path}/out/e.####.exr") == ["out/e.0001.exr", "out/e.0002.exr"]
    assert outputs(f"{tmp_path}/out") == ["out/p.0001.exr", "out/p.0002.exr"]
    assert outputs(f"{tmp_path}/v1.2/") == ["v1.2/p.0001.exr", "v1.2/p.0002.exr"]
    assert not (tmp_path / "out").exists()


def test_when_a_still_serves_many_frames_then_a_folder_is_refused(tmp_path: Path) -> None:
    (tmp_path / "still.exr").touch()
    with pytest.raises(UsageError, match=r"3 frames would be written to 1 file"):
        make_plan(Job(str(tmp_path / "still.exr"), f"{tmp_path}/out/", EditRecipe(), "1-3"))


def test_when_a_folder_may_not_be_looked_into_then_it_is_a_plate_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plate = tmp_path / "p.0001.exr"
    plate.touch()
    locked = tmp_path / "locked"
    locked.mkdir()
    real = Path.stat

    def stat(path: Path, **more: bool) -> os.stat_result:
        if path.parent == locked:
            raise PermissionError(13, "Permission denied", str(path))
        return real(path, **more)

    monkeypatch.setattr(Path, "stat", stat)
    for output in (locked / "e.exr", f"{locked}/deeper/", f"{locked}/e.####.exr"):
        with pytest.raises(PlateError) as caught:
            make_plan(Job(str(plate), str(output), EditRecipe()))
        assert "Permission denied" in caught.value.what and caught.value.remedy


def test_when_a_frame_would_overwrite_another_frames_plate_then_it_is_refused(tmp_path: Path) -> None:
    for number in (1, 2):
        (tmp_path / f"p.{number:04d}.exr").write_bytes(b"x")
    (tmp_path / "e.0001.exr").hardlink_to(tmp_path / "p.0002.exr")
    with pytest.raises(UsageError, match="the plate itself"):
        make_plan(Job(f"{tmp_path}/p.####.exr", f"{tmp_path}/e.####.exr", EditRecipe(), existing="overwrite"))
