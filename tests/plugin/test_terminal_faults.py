"""The event log and the last line of a run, when disks are full, names are wrong and frames fail."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from lineament.core.errors import PlateError, RecipeError
from lineament.core.recipe import EditRecipe
from lineament.plugin.batch import Failure, Outcome, Plan
from lineament.plugin.cli import main
from lineament.plugin.event_log import EventLog, refuse_as_log
from lineament.plugin.messages import FrameRequest, FrameResult
from lineament.plugin.terminal import JsonReporter, summary_line

from .conftest import Studio

LOG = '{"event": "start", "frames": "1"}\n'


def a_plan(folder: Path, *numbers: int, skipped: tuple[int, ...] = ()) -> Plan:
    requests = tuple(
        FrameRequest(f"{folder}/in.{number}", f"{folder}/out.{number}", number, EditRecipe())
        for number in numbers
    )
    return Plan(requests, skipped)


def pictures(plan: Plan) -> list[str]:
    return [name for request in plan.requests for name in (request.plate, request.output)]


@pytest.mark.parametrize("name", ["in.1", "out.2", "link"])
def test_when_the_log_is_a_plate_or_an_output_then_it_is_refused(name: str, tmp_path: Path) -> None:
    (tmp_path / "in.1").write_text(LOG)  # even if it looks like a log
    (tmp_path / "link").symlink_to(tmp_path / "in.1")
    with pytest.raises(RecipeError, match="plate or an output"):
        refuse_as_log(tmp_path / name, pictures(a_plan(tmp_path, 1, 2)))


@pytest.mark.parametrize("content", [b"\x76\x2f\x31\x01", b"{}", b"text\n", b'{"size": [96, 72]}\n', b"\n"])
def test_when_a_file_is_no_log_then_nothing_is_appended(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "notes"
    path.write_bytes(content)
    with pytest.raises(RecipeError, match="is not a log"):
        refuse_as_log(path, pictures(a_plan(tmp_path, 1)))
    assert path.read_bytes() == content


@pytest.mark.parametrize("name", ["new.exr", "new.PNG", "new.jpeg", "new.tif", "new.dpx"])
def test_when_a_new_log_is_named_like_a_picture_then_it_is_refused(name: str, tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match="suffix of a picture"):
        refuse_as_log(tmp_path / name, pictures(a_plan(tmp_path, 1)))


def test_when_the_log_is_new_empty_or_an_earlier_one_then_it_is_taken(tmp_path: Path) -> None:
    (tmp_path / "old.jsonl").write_text(LOG)
    (tmp_path / "empty").touch()
    for name in ("old.jsonl", "empty", "new.log"):
        refuse_as_log(tmp_path / name, pictures(a_plan(tmp_path, 1)))
    refuse_as_log(Path("/dev/null"), pictures(a_plan(tmp_path, 1)))


def test_when_a_reporter_has_begun_a_log_then_the_next_run_may_go_on(tmp_path: Path) -> None:
    reporter = JsonReporter(tmp_path / "log")
    reporter.started(a_plan(tmp_path, 1))
    reporter.finished(Outcome(a_plan(tmp_path, 1)))
    refuse_as_log(tmp_path / "log", pictures(a_plan(tmp_path, 1)))
    assert json.loads((tmp_path / "log").read_text().splitlines()[0])["frames"] == "1"


def test_when_a_plate_is_named_as_log_on_the_command_line_then_it_keeps_its_bytes(
    studio: Studio, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    other = studio.plate.replace("####", "1003")  # not among the frames asked for
    before = Path(other).read_bytes()
    for more in ((), ("--dry-run",)):
        ask = studio.arguments(tmp_path / "out", "--frames", "1001", "--log-json", other, *more)
        assert main(ask) == 2
        assert "What to do: Name a new file with --log-json" in capsys.readouterr().err
    assert Path(other).read_bytes() == before and not (tmp_path / "out").exists()


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="this system has no /dev/full")
def test_when_the_disk_of_the_log_is_full_then_it_is_said_once_and_frames_are_written(
    studio: Studio, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(studio.arguments(tmp_path / "out", "--log-json", "/dev/full")) == 0
    said = capsys.readouterr()
    assert said.err.count("The log has stopped: No space left on device.") == 1
    assert "Unexpected" not in said.err and said.out.startswith("3 of 3 frames written")
    assert len(list((tmp_path / "out").iterdir())) == 3


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="this system has no /dev/full")
def test_when_a_log_is_lost_then_its_owner_is_told_once() -> None:
    lost: list[str] = []
    log = EventLog(Path("/dev/full"), on_loss=lambda error: lost.append(error.what))
    log.write("start")
    log.write("summary")
    log.close()
    assert len(lost) == 1


def test_when_the_log_is_a_folder_then_it_is_said(tmp_path: Path) -> None:
    refuse_as_log(tmp_path, pictures(a_plan(tmp_path / "shot", 1)))
    with pytest.raises(PlateError, match="cannot be written: Is a directory"):
        JsonReporter(tmp_path)


def an_outcome(plan: Plan, done: tuple[int, ...], failed: tuple[int, ...]) -> Outcome:
    results = [FrameResult(f"out.{number}", number, 1.0) for number in done]
    return Outcome(plan, results, [Failure(number, PlateError("Broken.")) for number in failed], 2.0)


def test_when_the_only_frame_fails_then_it_is_counted_and_no_frames_are_asked_for(tmp_path: Path) -> None:
    line = summary_line(an_outcome(a_plan(tmp_path, 0), (), (0,)))
    assert line == "0 of 1 frames written, 2.0 s, 1 failed (frame 0)."


def test_when_frames_of_a_shot_fail_then_they_are_counted_and_named(tmp_path: Path) -> None:
    line = summary_line(an_outcome(a_plan(tmp_path, 1, 2, 3, 4), (1, 4), (2, 3)))
    assert line == "2 of 4 frames written, 2.0 s, 2 failed (frames 2-3), to do again: --frames 2-3."


def test_when_the_last_frame_of_a_resumed_shot_fails_then_it_is_asked_for(tmp_path: Path) -> None:
    line = summary_line(an_outcome(a_plan(tmp_path, 9, skipped=(7, 8)), (), (9,)))
    assert line.endswith("1 failed (frame 9), to do again: --frames 9.")
