"""Plans that would destroy something, or take rubbish for a result, are refused before the first pixel."""

from __future__ import annotations

import os
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
from lineament.core.errors import PlateError
from lineament.core.recipe import EditRecipe, Move, Strength
from lineament.plugin.demo import SHOT
from lineament.plugin.engine import open_engine
from lineament.plugin.messages import FrameRequest, ToolChoices
from lineament.plugin.plan import Job, UsageError, make_plan

RECIPE = EditRecipe(moves=(Move("smile", Strength(((1002, 0.5), (1004, 2.5)))),), exposure=0.5)


@pytest.fixture
def a_job(tmp_path: Path) -> Job:
    (tmp_path / "plates").mkdir()
    for number in (1001, 1002, 1004):
        shutil.copy(SHOT / "plate" / f"plate.{number}.exr", tmp_path / "plates" / f"p.{number}.exr")
    return Job(str(tmp_path / "plates" / "p.%04d.exr"), str(tmp_path / "out"), RECIPE)


def test_when_the_output_is_empty_then_nothing_lands_in_the_current_folder(a_job: Job) -> None:
    with pytest.raises(UsageError, match="output is empty"):
        make_plan(replace(a_job, output=""))


def test_when_the_output_is_another_plate_of_the_shot_then_it_is_refused(a_job: Job, tmp_path: Path) -> None:
    other = str(tmp_path / "plates" / "p.1002.exr")
    with pytest.raises(UsageError, match="output is the plate"):
        make_plan(replace(a_job, frames="1001", output=other, existing="overwrite"))


def test_when_an_output_is_an_empty_file_then_skipping_does_not_count_it_as_done(
    a_job: Job, tmp_path: Path
) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "p.1001.exr").touch()
    (tmp_path / "out" / "p.1002.exr").write_bytes(b"something")
    plan = make_plan(replace(a_job, existing="skip"))
    assert plan.skipped == (1002,)
    assert [request.number for request in plan.requests] == [1001, 1004]


def test_when_an_output_is_a_link_to_nowhere_then_it_counts_as_existing(a_job: Job, tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    os.symlink(tmp_path / "gone.exr", tmp_path / "out" / "p.1001.exr")
    with pytest.raises(UsageError, match="exist already: frames 1001"):
        make_plan(a_job)


def test_when_a_plate_is_held_then_the_track_is_read_at_its_own_number(a_job: Job, tmp_path: Path) -> None:
    plan = make_plan(replace(a_job, frames="1003", missing="hold"))
    (request,) = plan.requests
    assert (request.number, request.source) == (1003, 1002)
    engine = open_engine(ToolChoices(track=str(SHOT / "track.json")))
    found = [
        engine.render(
            replace(each, output=str(tmp_path / f"{i}.exr")), lambda: False, lambda stage: None
        ).report
        for i, each in enumerate((request, replace(request, number=1002)))
    ]
    assert found[0]["face"]["landmarks"] == found[1]["face"]["landmarks"]
    assert found[0]["strengths"] == {"smile": 1.5} and found[1]["strengths"] == {"smile": 0.5}


def test_when_an_output_exists_then_a_session_says_so_before_it_works(a_job: Job, tmp_path: Path) -> None:
    target = tmp_path / "there.exr"
    target.write_bytes(b"something")
    stages: list[str] = []
    request = FrameRequest(
        str(tmp_path / "plates" / "p.1001.exr"), str(target), 1001, RECIPE, overwrite=False
    )
    with pytest.raises(PlateError, match="output exists"):
        open_engine(ToolChoices()).render(request, lambda: False, stages.append)
    assert stages == []
