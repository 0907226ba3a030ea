"""Truth shots: plate and truth differ by the edit alone, and a stopped run goes on where it was."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from lineament.core.errors import DeviceError, PlateError, RecipeError
from lineament.core.faces.track import TrackLocator
from lineament.core.frame import Window
from lineament.core.io import read_frame
from lineament.core.synthetic.backgrounds import background
from lineament.core.synthetic.edits import parse_edits, plate_face
from lineament.core.synthetic.geometry import BACKGROUND, LIPS, SKIN
from lineament.core.synthetic.occluder import Occluder
from lineament.core.synthetic.params import FaceParams
from lineament.core.synthetic.sampler import Sampler
from lineament.core.synthetic.shot import ShotMaker, ShotSettings
from lineament.core.synthetic.shot_files import is_finished, write_shot
from PIL import Image

from .fake_renderer import FakeRenderer, plain_backdrop

EDITS = parse_edits(["age=+25", "smile=1", "lipstick=0.8"])
SETTINGS = ShotSettings(seed=107, edits=EDITS, frames=3, width=160, height=90, grain=0.3)
BASE = FaceParams(age=30.0)


def maker(settings: ShotSettings = SETTINGS, renderer: FakeRenderer | None = None) -> ShotMaker:
    """A shot of the plain face."""
    return ShotMaker(settings, BASE, renderer or FakeRenderer(), plain_backdrop)


def shot_folder(tmp_path: Path, settings: ShotSettings = SETTINGS) -> Path:
    """A shot written to disk."""
    write_shot(maker(settings), tmp_path / "shot")
    return tmp_path / "shot"


def test_when_a_frame_is_made_then_its_truths_differ_in_their_regions_alone() -> None:
    made = maker().frame(1002)
    assert set(made.truths) == {"age", "smile", "lipstick"}
    for name, truth in made.truths.items():
        differs = np.abs(truth - made.plate).max(-1) > 1e-3
        assert made.regions[name].any()
        assert not (differs & ~made.regions[name]).any(), "grain or backdrop differ"


def test_when_there_is_grain_then_plate_and_truth_have_the_same() -> None:
    clean, grainy = (maker(replace(SETTINGS, grain=grain)).frame(1001) for grain in (0.0, 1.0))
    added = grainy.plate - clean.plate
    assert 0.01 < added.std() < 0.2
    for name in clean.truths:
        assert np.abs(grainy.truths[name] - clean.truths[name] - added).max() < 1e-6


def test_when_frames_follow_then_grain_is_new_and_the_face_moves() -> None:
    first, second = (maker().frame(number) for number in (1001, 1003))
    assert np.abs(first.plate - second.plate).mean() > 0.005
    assert 0.0 < np.linalg.norm(first.landmarks - second.landmarks, axis=1).max() < 3.0


def test_when_frames_are_made_in_another_order_then_they_are_the_same() -> None:
    backwards = maker()
    last = backwards.frame(1003)
    assert (backwards.frame(1001).plate == maker().frame(1001).plate).all()
    assert (last.plate == maker().frame(1003).plate).all()


def test_when_the_camera_wanders_then_the_backdrop_goes_the_other_way_with_the_face() -> None:
    made = [maker(replace(SETTINGS, grain=0.0, frames=200)).frame(number) for number in (1001, 1060)]
    ramp = [one.plate[2, 2:30, 0].mean() for one in made]
    pan = [one.moment.pan[0] * SETTINGS.height for one in made]
    per_pixel = (3.0 - 0.1) / (SETTINGS.width + 2 * round(0.08 * SETTINGS.height) - 1)
    assert ramp[1] - ramp[0] == pytest.approx(-(pan[1] - pan[0]) * per_pixel, abs=1e-3)


@pytest.mark.parametrize("seed", range(100, 112))
def test_when_a_shot_is_framed_at_hd_then_it_is_a_medium_close_up(seed: int) -> None:
    settings = ShotSettings(seed=seed, frames=96)
    shown = ShotMaker(replace(settings, width=480, height=270), BASE, FakeRenderer(), plain_backdrop)
    for number in (1001, 1040, 1096):
        points = shown.frame(number).landmarks / 270
        assert 0.185 < np.linalg.norm(points[:2].mean(0) - points[5]) < 0.245
        assert 0.36 < points[:2, 1].mean() < 0.49
        assert abs(points[:2, 0].mean() - 480 / 270 / 2) < 0.12


def test_when_an_edit_cannot_be_shown_then_no_shot_begins() -> None:
    with pytest.raises(RecipeError, match="from 80 to 105"):
        ShotMaker(SETTINGS, FaceParams(age=80.0), FakeRenderer(), plain_backdrop)


@pytest.mark.parametrize(
    ("name", "value"),
    [("frames", 0), ("width", 10), ("grain", 2.0), ("grain", float("nan")), ("samples", 0), ("seed", -1)],
)
def test_when_a_setting_is_out_of_range_then_it_is_named(name: str, value: float) -> None:
    with pytest.raises(RecipeError, match=name):
        ShotSettings(**{"seed": 1, name: value})


# ---- the occluder


def covered(number: int, face: FaceParams) -> np.ndarray:
    """Where the post of the shot hides everything."""
    post = Occluder(SETTINGS.seed).drawn(SETTINGS.width, SETTINGS.height, number - SETTINGS.first, face)
    return post[1] == 1.0


def test_when_a_post_passes_then_it_is_the_same_in_plate_and_truths_and_in_no_region() -> None:
    settings = replace(SETTINGS, occluder=True, grain=0.0)
    frames = {n: maker(replace(settings, occluder=False)).frame(n) for n in range(1001, 1097, 12)}
    posts = {n: covered(n, one.moment.params) for n, one in frames.items()}
    number = max(frames, key=lambda n: int((posts[n] & (frames[n].classes != BACKGROUND)).sum()))
    made, full = maker(settings).frame(number), posts[number]
    assert 0.015 < full.mean() < 0.2
    assert (frames[number].classes[full] != BACKGROUND).sum() > 20, "it does not pass before the face"
    assert (made.classes[full] == BACKGROUND).all()
    for name, truth in made.truths.items():
        assert not made.regions[name][full].any()
        assert (truth == made.plate)[full].all()


def test_when_the_post_moves_then_it_crosses_the_face() -> None:
    settings = replace(SETTINGS, occluder=True, grain=0.0)
    plain = replace(settings, occluder=False)
    hidden = []
    for number in range(1001, 1049, 9):
        shown, free = maker(settings).frame(number), maker(plain).frame(number)
        hidden.append(float((shown.classes[free.classes > 0] == BACKGROUND).mean()))
    assert max(hidden) > 0.1
    assert max(hidden) - min(hidden) > 0.05


# ---- on disk


def test_when_a_shot_is_written_then_everything_is_there(tmp_path: Path) -> None:
    folder = shot_folder(tmp_path)
    found = sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())
    names = [f"{kind}/{kind}.{n}.exr" for kind in ("plate", "truth_age", "truth_smile", "truth_lipstick") for n in
             (1001, 1002, 1003)]  # fmt: skip
    masks = [
        f"mask/{kind}.{n}.png" for kind in ("classes", "age", "smile", "lipstick") for n in (1001, 1002, 1003)
    ]
    assert found == sorted([*names, *masks, "shot.json", "track.json"])


def test_when_a_plate_is_read_then_it_is_acescg_half_with_its_origin_in_the_header(tmp_path: Path) -> None:
    folder = shot_folder(tmp_path)
    frame = read_frame(folder / "truth_smile" / "truth_smile.1002.exr")
    part = frame.parts[0]
    assert part.channels == ("R", "G", "B")
    assert {plane.dtype for plane in part.planes.values()} == {np.dtype(np.float16)}
    assert frame.header_value("", "colorInteropID") == "lin_ap1_scene"
    assert frame.header_value("", "chromaticities")[0] == pytest.approx(0.713)
    assert frame.header_value("", "lineament:edit") == "smile=1"
    assert frame.rgb("").max() > 1.0
    wanted = maker().frame(1002).truths["smile"]
    assert np.abs(frame.rgb("") - wanted).max() < 2e-3


def test_when_the_track_is_read_then_it_gives_the_plates_landmarks(tmp_path: Path) -> None:
    locator = TrackLocator.from_file(shot_folder(tmp_path) / "track.json")
    window = Window(0, 0, SETTINGS.width, SETTINGS.height)
    face = locator.locate_in(window, window, 1.0, 1003)[0]
    assert face.landmarks == pytest.approx(maker().frame(1003).landmarks)


def test_when_masks_are_read_then_they_are_classes_and_regions(tmp_path: Path) -> None:
    folder = shot_folder(tmp_path)
    classes = np.asarray(Image.open(folder / "mask" / "classes.1001.png"))
    region = np.asarray(Image.open(folder / "mask" / "lipstick.1001.png"))
    assert {SKIN, LIPS} <= set(np.unique(classes))
    assert set(np.unique(region)) == {0, 255}
    assert ((region == 255) == (classes == LIPS)).mean() > 0.99


def test_when_the_notes_are_read_then_seed_edits_base_and_every_frame_are_told(tmp_path: Path) -> None:
    notes = json.loads((shot_folder(tmp_path) / "shot.json").read_text())
    assert notes["settings"]["seed"] == 107
    assert notes["edits"]["age"]["age"] == {"asked": "age=+25", "before": 30.0, "after": 55.0}
    assert notes["base"]["identity"] == [0.0] * 64
    assert [frame["frame"] for frame in notes["frames"]] == [1001, 1002, 1003]
    assert notes["frames"][1]["params"]["yaw"] == maker().frame(1002).moment.params.yaw


def test_when_a_run_was_stopped_then_finished_frames_are_kept(tmp_path: Path) -> None:
    class Stopped(Exception):
        pass

    def stop(line: str) -> None:
        if "2/3" in line:
            raise Stopped

    folder = tmp_path / "shot"
    with pytest.raises(Stopped):
        write_shot(maker(), folder, stop)
    assert not (folder / "shot.json").exists()
    assert not is_finished(folder, SETTINGS)
    renderer = FakeRenderer()
    assert write_shot(maker(renderer=renderer), folder) == 1
    assert len(renderer.calls) == 2 + len(EDITS), "one to see how large the face is"
    assert is_finished(folder, SETTINGS)
    assert write_shot(maker(), folder) == 0
    assert len(json.loads((folder / "track.json").read_text())["frames"]) == 3


def test_when_the_folder_holds_another_shot_then_it_is_refused(tmp_path: Path) -> None:
    folder = shot_folder(tmp_path)
    with pytest.raises(RecipeError, match="another shot"):
        write_shot(maker(replace(SETTINGS, grain=0.1)), folder)
    assert not is_finished(folder, replace(SETTINGS, grain=0.1))


def test_when_the_notes_are_damaged_then_the_error_names_the_file(tmp_path: Path) -> None:
    folder = shot_folder(tmp_path)
    (folder / "shot.json").write_text('{"settings": ')
    with pytest.raises(RecipeError, match=r"shot\.json"):
        write_shot(maker(), folder)


def test_when_the_folder_cannot_be_made_then_the_error_says_what_to_do(tmp_path: Path) -> None:
    (tmp_path / "taken").write_text("")
    with pytest.raises(PlateError, match="Choose another folder"):
        write_shot(maker(), tmp_path / "taken" / "shot")


def test_when_the_real_renderer_draws_then_plate_and_truth_agree_outside_the_edit(
    head_asset, tmp_path: Path
) -> None:
    renderer_module = pytest.importorskip(
        "lineament.core.synthetic.renderer", reason="rendering needs moderngl"
    )
    settings = replace(
        SETTINGS, edits=parse_edits(["lipstick=0.9", "glasses=1"]), frames=1, grain=0.2, samples=1
    )
    base = plate_face(Sampler("none"), settings.seed, settings.edits)
    try:
        renderer = renderer_module.FaceRenderer(head_asset)
    except DeviceError as err:
        pytest.skip(err.what)
    with renderer:
        made = ShotMaker(settings, base, renderer, background).frame(1001)
    lips = np.isin(made.classes, (LIPS,))
    assert made.regions["lipstick"][lips].mean() > 0.5
    assert made.regions["lipstick"].mean() < 0.05
    for name, truth in made.truths.items():
        differs = np.abs(truth - made.plate).max(-1) > 3e-3
        assert differs.any() and not (differs & ~made.regions[name]).any()
    inside = Window(0, 0, settings.width, settings.height)
    assert all(inside.x0 <= x < inside.x1 and inside.y0 <= y < inside.y1 for x, y in made.landmarks)
