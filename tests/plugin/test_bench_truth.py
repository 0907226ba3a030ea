"""The truth benchmark: edits as the product makes them, strengths from development shots, honest rows, and resuming."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from lineament.core.errors import RecipeError
from lineament.core.generators.package import add_files, load_package, save_package
from lineament.core.generators.tiny import build_tiny
from lineament.core.pipeline import render_frame
from lineament.core.recipe import EditRecipe, Move, Strength
from lineament.core.scorer import ScorerNet
from lineament.plugin import bench_truth, bench_truth_methods
from lineament.plugin.bench_truth_cells import Row, edited_frames, look, truth_step
from lineament.plugin.bench_truth_judge import SCORER, identity_of, open_judge
from lineament.plugin.bench_truth_methods import CROP_ORACLE, NOTHING, SHIPPED, TRUTH, Method
from lineament.plugin.bench_truth_settings import BenchSettings, settings_of
from lineament.plugin.bench_truth_shots import EDITS, TruthShot, open_shot
from lineament.plugin.bench_truth_strengths import CHANGE, CRITERIA, GAIN, calibrate
from lineament.plugin.bench_truth_work import CELLS, read_cells
from lineament.plugin.cli import main
from PIL import Image

ATTRIBUTE = "smile"


@pytest.fixture(scope="module")
def shot(shared_data: Path) -> TruthShot:
    """The sample shot; its grain differs between plate and truth, so gains are small."""
    return open_shot(shared_data / "shot_a", 100)


def settings(folder: Path) -> BenchSettings:
    return replace(
        settings_of("quick", folder, folder / "no-assets", attributes=[ATTRIBUTE], seeds=2), randoms=2
    )


@pytest.fixture(scope="module")
def finished(shot: TruthShot, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str, list[str]]:
    """A benchmark over two short shots: its folder, the report, and what was told on the way."""
    folder = tmp_path_factory.mktemp("bench")
    told: list[str] = []
    return folder, run(folder, shot, told), told


def run(folder: Path, shot: TruthShot, told: list[str]) -> str:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(bench_truth_methods, "SAMPLED", 120)
        shots = [replace(shot, numbers=shot.numbers[2:4]), replace(shot, seed=101, numbers=shot.numbers[6:7])]
        development = [replace(shot, seed=0, numbers=shot.numbers[:1])]
        return bench_truth.bench_shots(settings(folder), shots, development, told.append)


def test_when_a_row_is_edited_then_it_is_what_the_product_renders(shot: TruthShot, tmp_path: Path) -> None:
    tools = replace(settings(tmp_path).tools("encoder"), locator=shot.locator())
    number = shot.numbers[0]
    view = look(shot, tools, open_judge(tools, [ATTRIBUTE]), [number])[number]
    plate = shot.plate(number)
    rows = [Row(SHIPPED, tools.library.get(ATTRIBUTE), 1.5), Row(NOTHING), Row(TRUTH)]
    found = edited_frames(plate, shot.truth(ATTRIBUTE, number).rgb(""), rows, view, tools)
    recipe = EditRecipe(moves=(Move(ATTRIBUTE, Strength.constant(1.5)),))
    wanted = render_frame(plate, recipe, tools).frame.rgb("")
    assert (wanted != plate.rgb("")).any()
    differs = np.abs(found[SHIPPED] - wanted) > 1e-3 * np.maximum(wanted, 0.01)
    assert differs.mean() < 1e-4, "only rounding of a larger batch may differ"
    assert (found[NOTHING] == plate.rgb("")).all()


def test_when_the_truth_is_the_plate_then_a_fickle_matte_adds_no_change(
    shot: TruthShot, tmp_path: Path
) -> None:
    tools = replace(settings(tmp_path).tools("encoder"), locator=shot.locator())
    assert tools.refiner is not None
    number = shot.numbers[0]
    view = look(shot, tools, open_judge(tools, [ATTRIBUTE]), [number])[number]
    nobody = SimpleNamespace(matte=lambda image: (np.zeros_like(image[:1]),) * 2)
    same = SimpleNamespace(plate=shot.plate, truth=lambda attribute, number: shot.plate(number))
    for one in (replace(tools, segmenter=nobody), replace(tools, segmenter=nobody, refiner=None)):
        step = truth_step(same, ATTRIBUTE, number, view, one)
        assert view.sight.crop.fine is not None
        size = view.sight.crop.fine.picture.shape[-1] if one.refiner else tools.alignment.resolution
        assert step.picture.shape == (3, size, size)
        assert (step.picture == 0.0).all()


def test_when_a_run_ends_then_every_row_is_in_the_report(finished: tuple[Path, str, list[str]]) -> None:
    _, report, _ = finished
    for row in ("do nothing", "shipped", "partial_effects", "mean_difference", "whitened_mean_difference",
                "least_squares", "random direction", "oracle: truth through the crop", "oracle: truth inverted",
                "truth"):  # fmt: skip
        assert f"| {row} |" in report
    assert "smile, inverter encoder (2 shots)" in report
    assert "identity network" in report


def test_when_rows_are_known_in_advance_then_they_score_so(finished: tuple[Path, str, list[str]]) -> None:
    folder, _, _ = finished
    rows = {row["row"]: row for row in json.loads((folder / "results.json").read_text())["rows"]}
    assert rows[NOTHING]["gain"]["mean"] == 0.0
    assert rows[TRUTH]["gain"] == {"mean": 1.0, "low": 1.0, "high": 1.0}
    assert rows[TRUTH]["share"]["mean"] == 1.0
    assert rows[TRUTH]["leak_mean"] == 0.0
    assert 0.0 < rows[CROP_ORACLE]["gain"]["mean"] < 1.0
    assert rows[SHIPPED]["gain"]["mean"] > 0.0 > rows["random direction"]["gain"]["mean"]
    assert rows[CROP_ORACLE]["share"]["mean"] > 0.5


def test_when_strengths_are_chosen_then_development_shots_decide_alone(
    finished: tuple[Path, str, list[str]], shot: TruthShot, tmp_path: Path
) -> None:
    folder, _, _ = finished
    kept = json.loads((folder / "strengths.json").read_text())
    assert kept["development"] == [0]
    rows = kept["strengths"]["encoder"][ATTRIBUTE]
    best = rows[SHIPPED]
    assert best["strength"] == best["tried"][int(np.argmax(best["gains"]))]
    assert rows["random direction 1"]["strength"] == best["strength"]


def test_when_a_finished_run_is_repeated_then_nothing_is_measured_again(
    finished: tuple[Path, str, list[str]], shot: TruthShot
) -> None:
    folder, report, _ = finished
    before = (folder / CELLS).read_text()
    told: list[str] = []
    assert run(folder, shot, told) == report
    assert "0 cells to measure" in told
    assert (folder / CELLS).read_text() == before


def test_when_a_run_was_killed_then_only_missing_cells_are_measured(
    finished: tuple[Path, str, list[str]], shot: TruthShot, tmp_path: Path
) -> None:
    folder, report, _ = finished
    lines = (folder / CELLS).read_text().splitlines(keepends=True)
    for name in ("labels.npz", "strengths.json"):
        (tmp_path / name).write_bytes((folder / name).read_bytes())
    (tmp_path / CELLS).write_text("".join(lines[:-2]) + lines[-2][:40])
    told: list[str] = []
    assert run(tmp_path, shot, told) == report
    assert "2 cells to measure" in told
    assert len(read_cells(tmp_path, json.loads(lines[0])["run"])) == len(lines)


def test_when_a_run_ends_then_there_are_pictures_to_look_at(finished: tuple[Path, str, list[str]]) -> None:
    folder, _, _ = finished
    for name in ("figure.png", "sheet.png"):
        with Image.open(folder / name) as picture:
            assert min(picture.size) > 200


def test_when_the_package_has_an_identity_network_then_it_judges(shot: TruthShot, tmp_path: Path) -> None:
    folder = tmp_path / "model"
    shutil.copytree(load_package("default").folder, folder)
    torch.manual_seed(0)
    net = ScorerNet(tuple(f"identity{i}" for i in range(24)), (8, 8, 8, 8), 16)
    add_files(folder, tensors={"identity.safetensors": {k: v.half() for k, v in net.state_dict().items()}})
    tools = replace(settings(tmp_path), model=str(folder)).tools("encoder")
    judge = open_judge(tools, [ATTRIBUTE])
    assert judge.identity.source == "identity network"
    seen = look(shot, tools, judge, shot.numbers[:1])
    embedding = seen[shot.numbers[0]].embedding
    assert embedding.shape == (24,) and abs(np.linalg.norm(embedding)) > 0.0


def test_when_the_package_has_no_identity_network_then_the_graders_features_stand_in(tmp_path: Path) -> None:
    save_package(tmp_path / "model", build_tiny(), name="hero")
    grader = ScorerNet(("smile",), (4, 4, 4), 6)
    identity = identity_of(load_package(tmp_path / "model"), grader)
    assert "no identity network" in identity.source
    assert identity.net(torch.zeros(2, 3, 32, 32)).shape == (2, 6)
    assert grader(torch.zeros(2, 3, 32, 32)).shape == (2, 1), "the grader itself is left as it is"


def test_when_strengths_follow_the_change_then_the_attribute_moves_as_far_as_in_the_truth(
    shot: TruthShot, tmp_path: Path
) -> None:
    tools = replace(
        settings(tmp_path).tools("encoder"), refiner=None
    )  # as sharp as it sees, so grain counts little
    scorer = open_judge(tools, [ATTRIBUTE], SCORER)
    views = [(shot, look(shot, tools, scorer, shot.numbers[:1]))]
    rows = [Method(SHIPPED, "shipped", tools.library.get(ATTRIBUTE))]
    found = {
        criterion: calibrate(ATTRIBUTE, ATTRIBUTE, rows, views, tools, scorer, criterion)[SHIPPED]
        for criterion in CRITERIA
    }
    by_change, by_gain = found[CHANGE], found[GAIN]
    assert by_change.shares == by_gain.shares
    assert by_change.strength == by_change.tried[int(np.abs(np.array(by_change.shares) - 1).argmin())]
    assert by_gain.strength == by_gain.tried[int(np.argmax(by_gain.gains))]
    assert by_change.strength > by_gain.strength, "a small generator is best at less than the whole change"


# ---- from the seed to the report


@pytest.mark.slow
def test_when_the_command_runs_then_it_renders_measures_and_finds_all_done_the_second_time(
    shared_data: Path,
    gl: None,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    if not (shared_data / "facekit").is_dir():
        pytest.skip("no CC0 head package")
    monkeypatch.setattr(bench_truth_methods, "SAMPLED", 120)
    arguments = ["bench", "truth", "--assets", str(shared_data / "facekit"), "-o", str(tmp_path / "out")]
    arguments += [
        "--attributes",
        "lipstick",
        "--seeds",
        "2",
        "--frames",
        "1",
        "--size",
        "256x144",
        "--workers",
        "1",
    ]
    assert main(arguments) == 0
    first = capsys.readouterr()
    assert "6 of 6 shots to render" in first.err
    assert "## lipstick, inverter encoder (2 shots)" in first.out
    rows = {row["row"]: row for row in json.loads((tmp_path / "out" / "results.json").read_text())["rows"]}
    assert 0.3 < rows[CROP_ORACLE]["gain"]["mean"] < 1.0
    assert main(arguments) == 0
    second = capsys.readouterr()
    assert "0 of 6 shots to render" in second.err
    assert "0 cells to measure" in second.err
    assert second.out == first.out


# ---- what is asked for


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"first_seed": 99}, "Seed 99 is for development"),
        ({"attributes": ["age", "anger"]}, 'Unknown attribute "anger"'),
        ({"inverters": ["magic"]}, 'Unknown inverter "magic"'),
    ],
)
def test_when_a_run_cannot_be_then_it_is_refused(tmp_path: Path, given: dict, words: str) -> None:
    with pytest.raises(RecipeError, match=words):
        settings_of("quick", tmp_path, tmp_path, **given)


def test_when_a_profile_is_unknown_then_the_known_ones_are_named(tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match="quick, full"):
        settings_of("huge", tmp_path, tmp_path)


def test_when_a_profile_is_changed_then_the_rest_is_kept(tmp_path: Path) -> None:
    chosen = settings_of(
        "full", tmp_path, tmp_path, seeds=3, first_seed=200, size=(640, 360), inverters=["encoder"]
    )
    assert chosen.seeds == (200, 201, 202)
    assert (chosen.plan.width, chosen.plan.height, chosen.plan.frames) == (640, 360, 48)
    assert chosen.inverters == ("encoder",)
    assert max(chosen.development) < 100
    assert chosen.plan.frames_of(chosen.development[0]) == 2


def test_when_every_edit_of_the_benchmark_is_planned_then_the_renderer_understands_it(tmp_path: Path) -> None:
    chosen = settings_of("quick", tmp_path, tmp_path, attributes=list(EDITS))
    asked = chosen.plan.settings(100)
    assert {f"truth_{edit.name}" for edit in asked.edits} == {edit.truth for edit in EDITS.values()}


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--profile", "huge"], "Unknown profile"),
        (["--attributes", "anger"], "Unknown attribute"),
        (["--first-seed", "5"], "for development"),
        (["--size", "large"], "no size"),
    ],
)
def test_when_the_command_is_asked_for_nonsense_then_it_says_what_and_ends_with_two(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], words: str
) -> None:
    asset = tmp_path / "head.npz"
    asset.write_bytes(b"")
    code = main(["bench", "truth", "--assets", str(asset), "-o", str(tmp_path / "out"), *arguments])
    assert code == 2
    assert words in " ".join(capsys.readouterr().err.split())
    assert not (tmp_path / "out").exists()
