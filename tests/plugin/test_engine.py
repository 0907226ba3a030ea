"""The real engine behind a session: what it refuses, and what it does to a shot."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from lineament.core.errors import PlateError
from lineament.core.recipe import EditRecipe, Move, Strength
from lineament.plugin.messages import FrameRequest, ToolChoices
from lineament.plugin.session import LocalSession

from .conftest import Studio

AGED = EditRecipe((Move("age", Strength.constant(2.0)),))


@pytest.fixture(scope="module")
def session(studio: Studio) -> LocalSession:
    return LocalSession(ToolChoices(model=str(studio.model), track=str(studio.track)))


def test_when_a_host_names_the_plate_as_output_then_the_plate_stays(
    session: LocalSession, studio: Studio, tmp_path: Path
) -> None:
    plate = tmp_path / "plate.exr"
    shutil.copy(studio.plate.replace("####", "1001"), plate)
    (tmp_path / "link.exr").symlink_to(plate)
    before = plate.read_bytes()
    for output in (plate, tmp_path / "link.exr"):
        with pytest.raises(PlateError, match="is the input plate itself"):
            session.render(FrameRequest(str(plate), str(output), 1001, AGED))
    assert plate.read_bytes() == before


def test_when_a_plate_is_probed_then_the_exposure_of_its_render_is_told(
    session: LocalSession, studio: Studio, tmp_path: Path
) -> None:
    plate = studio.plate.replace("####", "1001")
    result = session.render(FrameRequest(plate, str(tmp_path / "out.exr"), 1001, AGED))
    assert session.probe(plate, 1001, AGED) == result.report["exposure"] > 0.0
