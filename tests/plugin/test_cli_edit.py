"""``lineament edit`` with the real pipeline on a model in miniature: good ways, and every bad one a person
can take."""

from __future__ import annotations

import json
import re
import shutil
import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from lineament.core.io import read_frame, write_frame
from lineament.core.recipe import EditRecipe
from lineament.core.strength_file import parse_keys
from lineament.plugin import cli_edit
from lineament.plugin.cli import main
from lineament.plugin.engine import tool_options
from lineament.plugin.node_spec import ATTRIBUTE_EDIT
from lineament.plugin.options import build_choices

from .conftest import FRAMES, Studio, make_model

Listing = Callable[[], list[str]]


@pytest.fixture(autouse=True)
def same_signals() -> Iterator[None]:
    handler = signal.getsignal(signal.SIGTERM)
    yield
    signal.signal(signal.SIGTERM, handler)


def planes(path: Path | str) -> dict[str, np.ndarray]:
    return dict(read_frame(path).parts[0].planes)


def scaled(source: str, target: Path, number: int, gain: float) -> None:
    frame = read_frame(source, number)
    layer = frame.layer("")
    rgb = frame.rgb(layer) * np.float32(gain)
    write_frame(target, frame.with_rgb(layer, rgb, np.ones(rgb.shape[:2], bool)))


def test_when_options_and_declaration_are_compared_then_none_is_missing() -> None:
    declared = {parameter.id for parameter in ATTRIBUTE_EDIT.parameters if parameter.target != "strength"}
    assert set(cli_edit.PARAMETERS) == declared


def test_when_a_shot_is_edited_then_only_colour_inside_the_face_differs(
    studio: Studio, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    log = tmp_path / "log.jsonl"
    assert main(studio.arguments(tmp_path / "out", "--set", "age=2", "--log-json", str(log))) == 0
    said = capsys.readouterr()
    assert said.out.startswith("3 of 3 frames written")
    assert re.search(r"frame 1002 \(2/3\) .*s/frame, ETA", said.err)
    for number in FRAMES:
        before = planes(studio.plate.replace("####", str(number)))
        after = planes(tmp_path / "out" / f"shot.{number}.exr")
        assert np.array_equal(before["A"], after["A"]) and np.array_equal(before["Z"], after["Z"])
        changed = before["R"] != after["R"]
        assert 0 < changed.mean() < 0.9
    events = [json.loads(line) for line in log.read_text().splitlines()]
    assert [event["event"] for event in events] == ["start", "exposure", "frame", "frame", "frame", "summary"]
    assert events[2]["report"]["strengths"] == {"age": 2.0}
    assert events[1]["exposure"] == events[2]["report"]["exposure"] == events[4]["report"]["exposure"] > 0.0
    assert {"read", "invert", "composite", "write"} <= set(events[2]["report"]["stages"])


def test_when_a_shot_is_rendered_in_chunks_or_resumed_then_the_bytes_are_the_same(
    studio: Studio, tmp_path: Path
) -> None:
    plates = tmp_path / "plates"
    plates.mkdir()
    for number, gain in ((1001, 1.0), (1002, 0.1), (1003, 1.0)):  # the light goes out and comes back
        scaled(studio.plate.replace("####", str(number)), plates / f"shot.{number}.exr", number, gain)
    shot = Studio(studio.folder, studio.model, str(plates / "shot.####.exr"), studio.track)

    def rendered(folder: str, *more: str) -> bytes:
        assert main(shot.arguments(tmp_path / folder, "--set", "age=2", *more)) == 0
        return (tmp_path / folder / "shot.1002.exr").read_bytes()

    whole = rendered("whole", "--frames", "1001-1002")
    assert rendered("chunk", "--frames", "1002") == whole
    (tmp_path / "whole" / "shot.1002.exr").unlink()
    assert rendered("whole", "--skip-existing") == whole


def test_when_nothing_is_asked_then_the_plate_is_copied_bit_for_bit(studio: Studio, tmp_path: Path) -> None:
    assert main(studio.arguments(tmp_path, "--frames", "1001")) == 0
    before, after = planes(studio.plate.replace("####", "1001")), planes(tmp_path / "shot.1001.exr")
    assert all(before[name].tobytes() == after[name].tobytes() for name in before)


def test_when_a_worker_renders_then_the_pixels_are_the_same(studio: Studio, tmp_path: Path) -> None:
    for folder, more in (("local", ()), ("worker", ("--worker",))):
        arguments = studio.arguments(tmp_path / folder, "--frames", "1002", "--set", "smile=1", *more)
        assert main(arguments) == 0
    local, worker = (planes(tmp_path / folder / "shot.1002.exr") for folder in ("local", "worker"))
    assert all(np.array_equal(local[name], worker[name]) for name in local)


def test_when_strengths_are_keyed_then_each_frame_gets_its_own(studio: Studio, tmp_path: Path) -> None:
    log = tmp_path / "log.jsonl"
    arguments = studio.arguments(tmp_path / "out", "--keys", "age=1001:0,1003:2", "--log-json", str(log))
    assert main(arguments) == 0
    events = [json.loads(line) for line in log.read_text().splitlines()]
    strengths = [event["report"]["strengths"] for event in events if event["event"] == "frame"]
    assert strengths == [{}, {"age": 1.0}, {"age": 2.0}]
    assert parse_keys("age=1001:0,1003:2").strength.at(1002) == 1.0


def test_when_recipe_environment_and_option_disagree_then_the_nearest_wins(
    studio: Studio, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    recipe = tmp_path / "r.yaml"
    recipe.write_text("schema_version: 1\nstrengths: {age: 1, smile: 2}\ncolourspace: ACEScg\n")

    def resolved(*more: str) -> str:
        assert main(studio.arguments(tmp_path, "--recipe", str(recipe), "--dry-run", *more)) == 0
        return capsys.readouterr().out

    assert "strengths: age 1, smile 2" in resolved()
    assert "colour space: ACEScg" in resolved()
    monkeypatch.setenv("LINEAMENT_COLOURSPACE", "ACES2065-1")
    for name, value in (("SET", "age=3"), ("KEYS", "age=1:1"), ("FRAMES", "1002"), ("RECIPE", "/no.yaml")):
        monkeypatch.setenv(f"LINEAMENT_{name}", value)  # what belongs to one call is not taken from there
    assert "colour space: ACES2065-1" in resolved()
    assert "strengths: age 1, smile 2" in resolved()
    text = resolved("--colorspace", "ACEScct", "--set", "smile=-1")
    assert "colour space: ACEScct" in text
    assert "strengths: age 1, smile -1" in text


def test_when_it_is_a_dry_run_then_everything_is_told_and_nothing_written(
    studio: Studio, tmp_path: Path, listing: Listing, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(studio.arguments(tmp_path / "new" / "out.%04d.exr", "--set", "age=1", "--dry-run")) == 0
    text = capsys.readouterr().out
    for part in (
        "frames: 1001-1003 (3)",
        "layer: main (R, G, B)",
        "96 x 72",
        "colour space: ",
        "GiB",
        "out.1003.exr",
    ):
        assert part in text
    assert listing() == []


def test_when_frames_are_missing_then_the_policy_decides(
    studio: Studio, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    ask = ("--frames", "1001-1005x2", "--set", "age=0")
    assert main(studio.arguments(tmp_path, *ask)) == 3
    assert "1005" in capsys.readouterr().err
    assert main(studio.arguments(tmp_path / "skip", *ask, "--missing", "skip")) == 0
    assert len(list((tmp_path / "skip").iterdir())) == 2
    assert main(studio.arguments(tmp_path / "hold", *ask, "--missing", "hold")) == 0
    assert (tmp_path / "hold" / "shot.1005.exr").exists()
    assert "held for missing plates: 1005" in capsys.readouterr().out


def test_when_outputs_exist_then_only_the_user_decides(
    studio: Studio, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    target = tmp_path / "shot.1002.exr"
    target.write_bytes(b"precious")
    assert main(studio.arguments(tmp_path)) == 2
    assert "1002" in capsys.readouterr().err and target.read_bytes() == b"precious"
    assert main(studio.arguments(tmp_path, "--skip-existing")) == 0
    assert target.read_bytes() == b"precious" and (tmp_path / "shot.1003.exr").exists()
    assert main(studio.arguments(tmp_path, "--overwrite")) == 0
    assert target.read_bytes() != b"precious"


def test_when_one_frame_is_broken_then_the_others_are_written_and_the_rest_is_named(
    studio: Studio, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    plates = tmp_path / "plates"
    shutil.copytree(Path(studio.plate).parent, plates)
    (plates / "shot.1002.exr").write_bytes((plates / "shot.1002.exr").read_bytes()[:900])
    broken = Studio(studio.folder, studio.model, str(plates / "shot.####.exr"), studio.track)
    assert main(broken.arguments(tmp_path / "out", "--set", "age=1")) == 1
    said = capsys.readouterr()
    assert "2 of 3 frames written" in said.out and "--frames 1002" in said.out
    assert "What: " in said.err and "shot.1002.exr" in said.err
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["shot.1001.exr", "shot.1003.exr"]
    assert main(broken.arguments(tmp_path / "fast", "--set", "age=1", "--fail-fast")) == 1
    assert "--frames 1002-1003" in capsys.readouterr().out


def spoilt(studio: Studio, tmp_path: Path) -> Path:
    """A copy of the model with one byte of its weights changed."""
    model = tmp_path / "spoilt"
    shutil.copytree(studio.model, model)
    weights = model / "generator.safetensors"
    content = bytearray(weights.read_bytes())
    content[-5] ^= 1
    weights.write_bytes(bytes(content))
    return model


def foreign_directions(studio: Studio, tmp_path: Path) -> Path:
    """A model with the directions of another generator, hashes in order."""
    from lineament.core.generators.package import add_files, load_package

    model, other = tmp_path / "mixed", make_model(tmp_path / "other", seed=8)
    shutil.copytree(studio.model, model)
    source = load_package(other)
    add_files(
        model,
        tensors={"directions.safetensors": source.tensors("directions.safetensors")},
        documents={"directions.json": source.document("directions.json")},
    )
    shutil.rmtree(other)
    return model


def bad_calls(studio: Studio, tmp_path: Path) -> dict[str, tuple[list[str], int, str]]:
    """Name -> arguments, exit code, what must be said."""
    first = studio.plate.replace("####", "1001")
    (tmp_path / "file").write_text("")
    (tmp_path / "unknown.yaml").write_text("schema_version: 1\nstrenght: 1\n")
    out = tmp_path / "out"

    def call(*more: str, output: Path | str = out) -> list[str]:
        return studio.arguments(output, "--frames", "1001", *more)

    plate = ["edit", str(tmp_path / "no.exr"), "-o", str(out)]
    return {
        "unknown attribute": (call("--set", "agee=1"), 2, r'no attribute "agee".*Did you mean age'),
        "missing plate": (plate, 3, r"does not exist.*no\.exr"),
        "wrong layer": (call("--set", "age=1", "--layer", "specular"), 3, "specular"),
        "unknown colour space": (call("--set", "age=1", "--colourspace", "ACESsg"), 4, "ACESsg"),
        "missing config": (call("--set", "age=1", "--ocio", "/no/config.ocio"), 4, "/no/config.ocio"),
        "output is the plate": (call("--overwrite", output=Path(first).parent), 2, "the plate itself"),
        "output is no folder": (call(output=f"{tmp_path}/file/deeper/"), 3, "is not a folder"),
        "output of another format": (call(output=tmp_path / "out.png"), 2, r"\.exr.*\.png"),
        "many frames to one file": (studio.arguments(tmp_path / "one.exr"), 2, "3 frames"),
        "no such device": (call("--set", "age=1", "--device", "cuda:77"), 5, "cuda:77"),
        "no device at all": (call("--set", "age=1", "--device", "tape"), 5, "tape"),
        "bad set": (call("--set", "age"), 2, "--set age.*--set age=1.5"),
        "bad keys": (call("--keys", "age=first:1"), 2, "first:1"),
        "too strong": (call("--set", "age=50"), 2, "50"),
        "bad frames": ([*studio.arguments(out), "--frames", "10o1"], 2, "10o1"),
        "bad policy": (call("--missing", "guess"), 2, "guess"),
        "bad choice": (call("--inverter", "magic"), 2, "magic"),
        "mix out of range": (call("--mix", "1.5"), 2, "1.5"),
        "two policies": (call("--overwrite", "--skip-existing"), 2, "exclude each other"),
        "unknown recipe field": (call("--recipe", f"{tmp_path}/unknown.yaml"), 2, 'field "strenght"'),
        "missing recipe": (call("--recipe", f"{tmp_path}/none.yaml"), 2, "none.yaml"),
        "missing model": (call("--set", "age=1", "--model", "nobody"), 4, 'no model "nobody"'),
        "missing track": (call("--set", "age=1", "--track", "/no/track.json"), 3, "/no/track.json"),
        "unwritable log": (call("--log-json", f"{tmp_path}/file/log"), 3, "log"),
        "tampered weights": (call("--set", "age=1", "--model", f"{tmp_path}/spoilt"), 4, "SHA-256"),
        "foreign directions": (call("--set", "age=1", "--model", f"{tmp_path}/mixed"), 4, "generator"),
    }


CASES = (
    *("unknown attribute", "missing plate", "wrong layer", "unknown colour space", "missing config"),
    *("output is the plate", "output is no folder", "output of another format", "many frames to one file"),
    *("no such device", "no device at all", "bad set", "bad keys", "too strong", "bad frames", "bad policy"),
    *("bad choice", "mix out of range", "two policies", "unknown recipe field", "missing recipe"),
    *("missing model", "missing track", "unwritable log", "tampered weights", "foreign directions"),
)
BY_THE_PARSER = {"bad policy", "bad choice", "mix out of range", "two policies"}


@pytest.mark.parametrize("case", CASES)
def test_when_a_call_is_wrong_then_code_and_text_say_how_and_nothing_is_written(
    case: str, studio: Studio, tmp_path: Path, listing: Listing, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments, code, says = bad_calls(studio, tmp_path)[case]
    if case == "tampered weights":
        spoilt(studio, tmp_path)
    if case == "foreign directions":
        foreign_directions(studio, tmp_path)
    before = listing()
    plates = {path: path.read_bytes() for path in Path(studio.plate).parent.iterdir()}
    assert main(arguments) == code
    said = " ".join(capsys.readouterr().err.replace("│", " ").split())
    assert re.search(says, said), said
    if case not in BY_THE_PARSER:
        assert "What: " in said and "What to do: " in said
    assert "Traceback" not in said
    assert listing() == before
    assert {path: path.read_bytes() for path in Path(studio.plate).parent.iterdir()} == plates


def test_when_the_cases_are_listed_then_each_is_run(studio: Studio, tmp_path: Path) -> None:
    assert set(bad_calls(studio, tmp_path)) == set(CASES)


def test_when_the_output_is_a_link_to_the_plate_then_it_is_refused(
    studio: Studio, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    link = tmp_path / "innocent.exr"
    link.symlink_to(studio.plate.replace("####", "1001"))
    assert main(studio.arguments(link, "--frames", "1001", "--overwrite")) == 2
    assert "the plate itself" in capsys.readouterr().err


def test_when_something_unforeseen_happens_then_details_go_to_a_file(
    studio: Studio, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def bug(*_: object) -> None:
        raise ZeroDivisionError("a bug")

    monkeypatch.setattr("lineament.plugin.plan.resolve", bug)
    assert main(studio.arguments(tmp_path)) == 1
    said = capsys.readouterr().err
    path = re.search(r"written to (\S+\.txt)", said)
    assert path is not None and "a bug" in Path(path[1]).read_text()
    assert "Traceback" not in said


@pytest.mark.parametrize("ask", [("--set", "smile=9"), ("--keys", "smile=1001:0,1003:9")])
@pytest.mark.parametrize("mode", [(), ("--dry-run",)], ids=["render", "dry run"])
def test_when_any_strength_is_beyond_its_limits_then_it_is_refused_before_the_first_frame(
    mode: tuple[str, ...],
    ask: tuple[str, str],
    studio: Studio,
    tmp_path: Path,
    listing: Listing,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(studio.arguments(tmp_path / "out", *ask, *mode)) == 2
    assert 'Strength 9 for "smile"' in capsys.readouterr().err
    assert listing() == []


def test_when_a_recipe_has_a_seed_then_the_tools_get_it() -> None:
    choices = build_choices(EditRecipe(seed=5), {})
    assert choices.seed == 5
    assert getattr(tool_options(choices), "seed", 5) == 5
