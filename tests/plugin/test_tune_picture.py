"""The pictures of the tuner: of every edit what it changes, several faces, masks, and nothing made twice."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from lineament.core.errors import ColourError, DataError, PlateError
from lineament.core.frame import Frame, Part, Window
from lineament.core.io import write_frame
from lineament.core.recipe import Move, Strength
from lineament.core.view_transform import View
from lineament.plugin import tune_picture
from lineament.plugin.tune_api import TuneApi
from lineament.plugin.tune_picture import Look, Patch

from .tuning import DEMO, FRAMES, SIDE, open_demo


def write_matte(folder: Path) -> None:
    """White on the left half of every frame."""
    window = Window(0, 0, SIDE, SIDE)
    plane = np.zeros((SIDE, SIDE), np.float16)
    plane[:, : SIDE // 2] = 1.0
    for number in FRAMES:
        write_frame(
            folder / f"matte.{number}.exr", Frame((Part("", ("Y",), {"Y": plane}, window, window),), number)
        )


def second_track(folder: Path) -> Path:
    """The demonstration's landmarks, higher up and to the left: a second face in the wall."""
    track = json.loads((DEMO / "track.json").read_text())
    for frame in track["frames"]:
        for name, value in frame.items():
            if isinstance(value, list):
                frame[name] = [value[0] - 150.0, value[1] - 100.0]
    path = folder / "friend.json"
    path.write_text(json.dumps(track))
    return path


@pytest.fixture(scope="module")
def api(tmp_path_factory) -> TuneApi:
    return open_demo(tmp_path_factory.mktemp("pictures"))


def look(api: TuneApi, **fields) -> Look:
    return Look(**({"frame": FRAMES[0], "zoom": "", "size": 960, "view": api.desk.views()[0]} | fields))


def faces(api: TuneApi, name: str = "age", value: float = 2.0, **fields):
    moves = (Move(name, Strength.constant(value)),)
    return tuple(replace(f, recipe=replace(f.recipe, moves=moves, **fields)) for f in api.desk.shot.faces)


def laid(plate: Patch, patch: Patch) -> np.ndarray:
    picture = plate.pixels.copy()
    h, w = patch.pixels.shape[:2]
    picture[patch.top : patch.top + h, patch.left : patch.left + w] = patch.pixels
    return picture


def test_when_a_patch_is_laid_over_its_plate_then_the_rest_is_the_plate(api: TuneApi) -> None:
    plate, patch = api.desk.plate(look(api)), api.desk.patch(look(api), faces(api))
    assert (patch.width, patch.height) == (plate.width, plate.height) == (SIDE, SIDE)
    assert 50 < patch.pixels.shape[0] < SIDE / 2 and (laid(plate, patch) != plate.pixels).any()
    small = api.desk.patch(look(api, size=480), faces(api))
    assert (small.width, small.height) == (480, 480)


def test_when_nothing_is_edited_then_the_patch_is_empty(api: TuneApi) -> None:
    assert api.desk.patch(look(api), faces(api, value=0.0)).pixels.size == 0
    assert api.desk.patch(look(api), faces(api, mix=0.0)).pixels.size == 0


def test_when_the_exposure_or_view_changes_then_nothing_is_synthesised_or_read_again(
    api, monkeypatch
) -> None:
    calls: list[str] = []
    real = tune_picture.preview_frame
    monkeypatch.setattr(tune_picture, "preview_frame", lambda *given: calls.append("made") or real(*given))
    monkeypatch.setattr(tune_picture, "read_frame", lambda *given: calls.append("read"))
    edit = faces(api, "smile", 1.25)
    api.desk.patch(look(api), edit)
    assert calls == ["made"]
    shown = [api.desk.patch(look(api, stops=stops), edit).pixels for stops in (0.0, 1.0, -1.0)]
    assert calls == ["made"] and shown[1].mean() > shown[0].mean() > shown[2].mean()


def test_when_a_mask_is_asked_for_then_it_is_white_on_the_face(api: TuneApi) -> None:
    mask = api.desk.patch(look(api), faces(api), "mask").pixels
    assert mask.shape == (SIDE, SIDE, 3) and mask.max() == 255 and (mask[:60] == 0).all()


@pytest.mark.parametrize(
    ("fields", "error"),
    [
        ({"frame": 999}, DataError),
        ({"view": View("sRGB - Display", "Sepia")}, ColourError),
    ],
)
def test_when_there_is_no_such_look_then_it_says_so(api: TuneApi, fields, error) -> None:
    with pytest.raises(error) as caught:
        api.desk.plate(look(api, **fields))
    assert caught.value.remedy


def test_when_the_shot_has_a_mask_then_only_its_half_is_edited_and_shown(tmp_path: Path) -> None:
    write_matte(tmp_path)
    api = open_demo(tmp_path, f"mask: {tmp_path}/matte.####.exr")
    plate, edited = api.desk.plate(look(api)), api.desk.patch(look(api), faces(api))
    changed = (laid(plate, edited) != plate.pixels).any(axis=-1)
    mask = api.desk.patch(look(api), faces(api), "mask").pixels
    assert changed[:, : SIDE // 2].any() and not changed[:, SIDE // 2 :].any()
    assert mask[:, : SIDE // 2].max() == 255 and mask[:, SIDE // 2 :].max() == 0
    (tmp_path / f"matte.{FRAMES[1]}.exr").unlink()
    with pytest.raises(PlateError, match="do not exist"):
        api.desk.plate(look(api, frame=FRAMES[1]))


def test_when_a_shot_has_two_faces_then_each_is_edited_by_its_own_recipe(tmp_path: Path) -> None:
    lines = [
        f"  lead: {{face: {{track: {DEMO / 'track.json'}}}}}",
        f"  friend: {{face: {{track: {second_track(tmp_path)}}}}}",
    ]
    api = open_demo(tmp_path, "faces:", *lines)
    ask = {
        "frame": FRAMES[0],
        "edit": {"op": "strength", "attribute": "age", "value": 2.0, "frame": FRAMES[0]},
    }
    places = {}
    for name in ("lead", "friend"):
        told = api.picture(ask | {"edit": ask["edit"] | {"face": name}}).told
        places[name] = (told["left"], told["top"])
        assert api.state()["faces"][name]["strengths"]["age"]["values"] == [2.0]
        api.edit({"op": "undo"})
    assert places["friend"][0] < places["lead"][0] - 100 and places["friend"][1] < places["lead"][1] - 50
    close = [
        api.picture({"frame": FRAMES[0], "zoom": name, "side": "plate"}).pixels for name in ("lead", "friend")
    ]
    assert close[0] != close[1]
    assert [face["name"] for face in api.shot()["faces"]] == ["lead", "friend"]
