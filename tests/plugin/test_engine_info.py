"""What an engine tells a host: enough to show it, to key a cache by it, and to make a frame again."""

from __future__ import annotations

import json
import shutil
from importlib import metadata
from pathlib import Path

import pytest
from lineament.core.generators.package import load_package
from lineament.core.recipe import EditRecipe, Move, Strength
from lineament.plugin.engine_info import weights_hash
from lineament.plugin.messages import FrameRequest, ToolChoices, request_data, request_from
from lineament.plugin.session import LocalSession, WorkerSession

from .conftest import Studio, make_model

AGED = EditRecipe((Move("age", Strength.constant(2.0)),))


def choices(studio: Studio) -> ToolChoices:
    return ToolChoices(model=str(studio.model), track=str(studio.track))


@pytest.fixture(scope="module")
def session(studio: Studio) -> LocalSession:
    return LocalSession(choices(studio))


def test_when_a_session_opens_then_model_limits_and_versions_are_told(
    session: LocalSession, studio: Studio
) -> None:
    info = session.open()
    card = load_package(studio.model).card
    assert info["attributes"] == ["age", "smile"] == list(info["limits"])
    assert all(low < 0.0 < high for low, high in info["limits"].values())
    assert info["generator_id"] == card.id
    assert (info["model"], info["resolution"], info["licence"]) == (card.name, card.resolution, card.licence)
    assert info["device"] == "cpu" and info["version"] == metadata.version("lineament")
    assert info["torch"] and info["inverter"]
    assert json.loads(json.dumps(info)) == info


def test_when_a_worker_opens_then_it_tells_the_same(session: LocalSession, studio: Studio) -> None:
    with WorkerSession(choices(studio)) as worker:
        assert worker.open() == session.open()


def test_when_any_file_of_a_model_changes_then_its_hash_does(studio: Studio, tmp_path: Path) -> None:
    package = load_package(studio.model)
    copy = shutil.copytree(studio.model, tmp_path / "copy")
    other = make_model(tmp_path / "other", seed=8)
    assert weights_hash(load_package(copy)) == weights_hash(package)
    assert weights_hash(load_package(other)) != weights_hash(package)
    assert len(weights_hash(load_package("tiny"))) == 64
    card = json.loads((copy / "card.json").read_text())
    card["files"]["encoder.safetensors"] = "0" * 64
    (copy / "card.json").write_text(json.dumps(card))
    assert weights_hash(load_package(copy)) != weights_hash(package)


def test_when_a_frame_is_reported_then_it_says_how_it_was_made(
    session: LocalSession, studio: Studio, tmp_path: Path
) -> None:
    plate = studio.plate.replace("####", "1001")
    report = session.render(FrameRequest(plate, str(tmp_path / "a.exr"), 1001, AGED)).report
    assert report["space"] and report["space_reason"] and report["config"].startswith("cg-config")
    assert report["inverter"] == session.open()["inverter"]
    assert report["exposure"] > 0.0 and report["strengths"] == {"age": 2.0}


def test_when_a_request_travels_then_no_field_is_lost() -> None:
    request = FrameRequest(
        "a.exr", "b.exr", 7, AGED, False, 5, matte="m.exr", invert_matte=True, pixel_aspect=2.0
    )
    assert request_from(json.loads(json.dumps(request_data(request)))) == request


def test_when_the_host_knows_the_pixel_aspect_then_it_wins_over_the_header(
    session: LocalSession, studio: Studio, tmp_path: Path
) -> None:
    plate = studio.plate.replace("####", "1001")
    found = {
        aspect: (tmp_path / f"{aspect}.exr", FrameRequest(plate, "", 1001, AGED, pixel_aspect=aspect))
        for aspect in (0.0, 1.0, 2.0)
    }
    for target, request in found.values():
        session.render(FrameRequest(**{**vars(request), "output": str(target)}))
    own, same, wide = (target.read_bytes() for target, _ in found.values())
    assert own == same != wide
    assert session.probe(plate, 1001, AGED, 2.0) > 0.0
