"""``lineament edit --mask``: one still for all frames, a sequence, and every way to get it wrong."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from lineament.core.errors import PlateError, RecipeError
from lineament.core.frame import Frame, Part, Window
from lineament.core.io import read_frame, write_frame
from lineament.core.recipe import EditRecipe, Move, Strength
from lineament.plugin.cli import main
from lineament.plugin.plan import Job, UsageError, make_plan

from .conftest import FRAMES, HEIGHT, WIDTH, Studio

AGED = EditRecipe((Move("age", Strength.constant(2.0)),))


@pytest.fixture(autouse=True)
def same_signals() -> Iterator[None]:
    handler = signal.getsignal(signal.SIGTERM)
    yield
    signal.signal(signal.SIGTERM, handler)


def write_mask(path: Path, columns: int) -> str:
    """White in the first ``columns`` columns, black elsewhere."""
    values = np.zeros((HEIGHT, WIDTH), np.float32)
    values[:, :columns] = 1.0
    window = Window(0, 0, WIDTH, HEIGHT)
    write_frame(path, Frame((Part("", ("R",), {"R": values}, window, window, compression="zip"),)))
    return str(path)


@pytest.fixture
def masks(tmp_path: Path) -> str:
    """A mask for every frame of the studio's shot, each of its own width: 0, 48, 96 columns."""
    folder = tmp_path / "masks"
    folder.mkdir()
    for index, number in enumerate(FRAMES):
        write_mask(folder / f"roto.{number}.exr", index * WIDTH // 2)
    return str(folder / "roto.%04d.exr")


def red(path: str | Path) -> np.ndarray:
    return read_frame(path).parts[0].planes["R"]


def changed_columns(studio: Studio, output: Path, number: int) -> tuple[bool, bool]:
    """Whether anything differs from the plate in its left and in its right half."""
    differs = red(output / f"shot.{number}.exr") != red(studio.plate.replace("####", str(number)))
    return bool(differs[:, : WIDTH // 2].any()), bool(differs[:, WIDTH // 2 :].any())


def test_when_a_sequence_of_masks_is_given_then_every_frame_has_its_own(
    studio: Studio, masks: str, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    assert main(studio.arguments(out, "--set", "age=2", "--mask", masks)) == 0
    assert [changed_columns(studio, out, number) for number in FRAMES] == [
        (False, False),
        (True, False),
        (True, True),
    ]


def test_when_the_mask_is_inverted_then_the_other_half_changes(
    studio: Studio, masks: str, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    assert main(studio.arguments(out, "--set", "age=2", "--mask", masks, "--invert-mask", "--worker")) == 0
    assert [changed_columns(studio, out, number) for number in FRAMES] == [
        (True, True),
        (False, True),
        (False, False),
    ]


def test_when_the_mask_is_a_still_then_it_serves_all_frames(studio: Studio, tmp_path: Path) -> None:
    mask = write_mask(tmp_path / "left.exr", WIDTH // 2)
    assert main(studio.arguments(tmp_path / "out", "--set", "age=2", "--mask", mask)) == 0
    assert all(changed_columns(studio, tmp_path / "out", number) == (True, False) for number in FRAMES)


def test_when_masks_are_missing_then_their_frames_are_named_and_nothing_is_written(
    studio: Studio, masks: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for number in FRAMES[:2]:
        Path(masks % number).unlink()
    for policy in ("error", "skip"):  # the policy is for plates
        given = ["--set", "age=2", "--mask", masks, "--missing", policy]
        assert main(studio.arguments(tmp_path / "out", *given)) == 3
        assert "2 mask(s) do not exist: frames 1001-1002" in " ".join(capsys.readouterr().err.split())
    assert not (tmp_path / "out").exists()


def test_when_a_still_mask_is_missing_then_it_is_said(studio: Studio, tmp_path: Path) -> None:
    job = Job(studio.plate, str(tmp_path / "out"), AGED, mask=str(tmp_path / "gone.exr"))
    with pytest.raises(PlateError, match=r"The mask does not exist\..*gone\.exr"):
        make_plan(job)
    with pytest.raises(PlateError, match="mask does not exist"):
        make_plan(replace(job, mask=str(tmp_path)))  # a folder
    with pytest.raises(RecipeError):
        make_plan(replace(job, mask=str(tmp_path / "m.%04d.####.exr")))


def test_when_a_mask_has_another_size_then_a_dry_run_says_so_too(
    studio: Studio, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    window = Window(0, 0, 8, 8)
    planes = {"R": np.ones((8, 8), np.float32)}
    write_frame(tmp_path / "small.exr", Frame((Part("", ("R",), planes, window, window, compression="zip"),)))
    given = ["--set", "age=2", "--mask", str(tmp_path / "small.exr")]
    for more in ((), ("--dry-run",)):
        assert main(studio.arguments(tmp_path / "out", *given, *more)) == 3
        assert "The mask has 8 x 8 pixels" in " ".join(capsys.readouterr().err.split())
    assert not list((tmp_path / "out").glob("*")) if (tmp_path / "out").exists() else True


def test_when_there_is_nothing_to_invert_then_it_is_a_usage_error(
    studio: Studio, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(studio.arguments(tmp_path / "out", "--set", "age=2", "--invert-mask")) == 2
    assert "There is no mask to invert" in capsys.readouterr().err


def test_when_the_job_is_described_then_the_mask_is_named(
    studio: Studio, masks: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    given = ["--set", "age=2", "--mask", masks, "--invert-mask", "--dry-run"]
    assert main(studio.arguments(tmp_path / "out", *given)) == 0
    said = "".join(capsys.readouterr().out.split())
    assert f"mask:{masks % 1001},inverted" in said


def test_when_masks_come_from_the_environment_then_they_count(
    studio: Studio, masks: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LINEAMENT_MASK", masks)
    monkeypatch.setenv("LINEAMENT_INVERT_MASK", "1")
    assert main(studio.arguments(tmp_path / "out", "--set", "age=2", "--frames", "1002")) == 0
    assert changed_columns(studio, tmp_path / "out", 1002) == (False, True)


def test_when_the_output_would_replace_a_mask_then_it_is_refused(
    studio: Studio, masks: str, tmp_path: Path
) -> None:
    job = Job(studio.plate, masks, AGED, existing="overwrite", mask=masks)
    with pytest.raises(UsageError, match="output is the mask"):
        make_plan(job)
    with pytest.raises(UsageError, match="output is the mask"):  # one of a frame that is not asked for
        make_plan(replace(job, frames="1001", output=masks % 1003))


def test_when_the_log_would_be_written_into_a_mask_then_it_is_refused(
    studio: Studio, masks: str, tmp_path: Path
) -> None:
    target = tmp_path / "log.jsonl"
    target.hardlink_to(masks % 1002)
    given = ["--set", "age=2", "--mask", masks, "--log-json", str(target)]
    assert main(studio.arguments(tmp_path / "out", *given)) == 2
    assert red(masks % 1002).shape == (HEIGHT, WIDTH)


def test_when_a_plate_is_held_then_its_own_mask_comes_with_it(
    studio: Studio, masks: str, tmp_path: Path
) -> None:
    job = Job(studio.plate, str(tmp_path / "out"), AGED, "1003-1005", "hold", mask=masks)
    assert [Path(ask.matte).name for ask in make_plan(job).requests] == ["roto.1003.exr"] * 3


def test_when_an_attribute_is_at_0_then_a_missing_mask_is_an_error_all_the_same(
    studio: Studio, tmp_path: Path
) -> None:
    given = ["--set", "age=0", "--mask", str(tmp_path / "gone.exr")]
    assert main(studio.arguments(tmp_path / "out", *given)) == 3
