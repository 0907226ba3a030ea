"""Shots on Dask: the bytes of a plain run, whoever dies; every frame once; exactly the guilty frames fail."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from lineament.core.errors import FaceError, GeneratorError, HostError
from lineament.plugin.farm_dask import DaskOptions, DaskPool
from lineament.plugin.farm_dask_shots import DaskShots, chunk_size
from lineament.plugin.manifest import read_manifest
from lineament.plugin.shot_render import local_flow, render_shot
from lineament.plugin.shot_run import ShotsJob, prepare

pytest.importorskip("distributed")
FRAMES = 12


@pytest.fixture(scope="module")
def fakes(repository: Path) -> tuple[ModuleType, ModuleType]:
    """The modules fake_dask.py and fake_shot.py, by names that workers find too."""
    sys.path.insert(0, str(repository / "tests" / "plugin"))
    import fake_dask
    import fake_shot

    return fake_dask, fake_shot


@pytest.fixture(scope="module")
def fake(fakes: tuple[ModuleType, ModuleType]) -> ModuleType:
    return fakes[0]


@pytest.fixture(scope="module")
def fake_shot(fakes: tuple[ModuleType, ModuleType]) -> ModuleType:
    return fakes[1]


@pytest.fixture(scope="module")
def pool(fake: ModuleType) -> Iterator[DaskPool]:
    with DaskPool(DaskOptions(workers=2, retries=2)) as pool:
        yield pool


@pytest.fixture(scope="module")
def plain(fake_shot: ModuleType, tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """The outputs of a run in one process."""
    return plain_run(fake_shot, tmp_path_factory.mktemp("plain"), FRAMES)


def plain_run(fake_shot: ModuleType, folder: Path, frames: int) -> dict[str, bytes]:
    renderer = fake_shot.open_fake(fake_shot.Order())
    plan = fake_shot.plan_of(fake_shot.make_shot(folder, frames), renderer)
    assert render_shot(plan, local_flow(renderer), []).exit_code == 0
    return fake_shot.outputs(folder)


class Heard:
    """A reporter that remembers what it was told."""

    def __init__(self) -> None:
        self.events: list[tuple[str, Any]] = []

    def __getattr__(self, name: str) -> Callable[..., None]:
        return lambda *told: self.events.append((name, told[0] if told else None))

    def numbers(self, event: str) -> list[int]:
        return [told.number for name, told in self.events if name == event]


def render(
    pool: DaskPool, trade: Any, *shots: Any, chunk: int = 0, **job: Any
) -> tuple[Any, dict[str, Heard]]:
    """Render shots; how they ended, and what was told of each."""
    heard: dict[str, Heard] = {}

    def reporters(shot: Any) -> list[Heard]:
        return [heard.setdefault(shot.name, Heard())]

    asked = ShotsJob(shots, **job)
    return DaskShots(asked, pool, trade, chunk).render(prepare(asked), reporters), heard


def done_lines(shot: Any) -> Counter[int]:
    """How many lines of the manifest say that a frame is done."""
    from json import loads

    from lineament.plugin.manifest import manifest_path

    path = manifest_path(shot.output)
    assert read_manifest(path).damaged == 0
    lines = [loads(line) for line in path.read_text().splitlines()]
    return Counter(line["frame"] for line in lines if line["status"] == "done")


@pytest.mark.parametrize("chunk", [0, 1, 5, 100])
def test_when_a_shot_is_rendered_then_its_bytes_are_those_of_a_plain_run(
    fake: ModuleType,
    fake_shot: ModuleType,
    pool: DaskPool,
    tmp_path: Path,
    plain: dict[str, bytes],
    chunk: int,
) -> None:
    shot = fake_shot.make_shot(tmp_path, FRAMES)
    total, heard = render(pool, fake.trade(fake.KillingOrder()), shot, chunk=chunk)
    assert total.exit_code == 0 and fake_shot.outputs(tmp_path) == plain
    assert sorted(heard["sh010"].numbers("frame_done")) == list(range(1001, 1001 + FRAMES))
    assert done_lines(shot) == Counter(range(1001, 1001 + FRAMES))
    again, heard = render(pool, fake.trade(fake.KillingOrder()), shot, chunk=chunk)
    assert again.exit_code == 0 and again.outcomes[0].plan.skipped == tuple(range(1001, 1001 + FRAMES))
    assert heard["sh010"].numbers("frame_done") == [] and sum(done_lines(shot).values()) == FRAMES


def test_when_there_are_several_shots_then_each_is_reported_as_a_whole(
    fake: ModuleType, fake_shot: ModuleType, pool: DaskPool, tmp_path: Path, plain: dict[str, bytes]
) -> None:
    marks = tmp_path / "marks"
    marks.mkdir()
    first = fake_shot.make_shot(tmp_path, FRAMES)
    shots = [replace(first, name=name, output=str(tmp_path / name / "sh010.####.exr")) for name in "abc"]
    total, heard = render(pool, fake.trade(fake.KillingOrder(marks=str(marks))), *shots, chunk=3)
    assert total.exit_code == 0 and list(heard) == list("abc")
    for name in "abc":
        assert [event for event, _ in heard[name].events][:1] == ["started"]
        assert len(heard[name].numbers("frame_done")) == FRAMES
        assert {path.name: path.read_bytes() for path in (tmp_path / name).glob("*.exr")} == plain


def test_when_a_worker_has_opened_a_shot_then_the_next_chunk_finds_it_open(
    fake: ModuleType, fake_shot: ModuleType, pool: DaskPool, tmp_path: Path
) -> None:
    shot = fake_shot.make_shot(tmp_path, FRAMES)
    render(pool, fake.trade(fake.KillingOrder(marks=str(tmp_path))), shot, chunk=1)
    opened = Counter((tmp_path / "opened").read_text().split())
    assert set(opened.values()) == {1} and 2 <= len(opened) <= 3  # the workers, and this process to plan


def test_when_a_frame_kills_every_worker_then_only_it_fails(
    fake: ModuleType, fake_shot: ModuleType, pool: DaskPool, tmp_path: Path, plain: dict[str, bytes]
) -> None:
    shot = fake_shot.make_shot(tmp_path, FRAMES)
    total, heard = render(pool, fake.trade(fake.KillingOrder(die_at=(1005,))), shot, chunk=4)
    outcome = total.outcomes[0]
    assert (
        total.exit_code == 1 and outcome.left == (1005,) and heard["sh010"].numbers("frame_failed") == [1005]
    )
    assert isinstance(outcome.failed[0].error, HostError) and "died 3 times" in outcome.failed[0].error.what
    expected = {name: data for name, data in plain.items() if name != "sh010.1005.exr"}
    assert fake_shot.outputs(tmp_path) == expected
    history = read_manifest(tmp_path / "out" / "sh010.manifest.jsonl")
    assert history.last[1005].status == "failed" and "died" in history.last[1005].error["what"]
    assert Counter(heard["sh010"].numbers("frame_done")) == Counter(set(range(1001, 1013)) - {1005})


def test_when_frames_fail_then_the_others_are_rendered_or_none_is_begun(
    fake: ModuleType, fake_shot: ModuleType, pool: DaskPool, tmp_path: Path, plain: dict[str, bytes]
) -> None:
    shot = fake_shot.make_shot(tmp_path, FRAMES)
    order = fake.KillingOrder(fail_at=(1002, 1009))
    total, _ = render(pool, fake.trade(order), shot, chunk=3)
    assert total.exit_code == 1 and total.outcomes[0].left == (1002, 1009)
    assert len(fake_shot.outputs(tmp_path)) == FRAMES - 2
    slow = replace(order, fail_at=(1001,), pause_s=0.05)
    other = replace(shot, name="other", output=str(tmp_path / "other" / "a.####.exr"))
    total, heard = render(pool, fake.trade(slow), shot, other, chunk=2, overwrite=True, keep_going=False)
    assert len(total.outcomes) == 1 and list(heard) == ["sh010"]
    assert total.exit_code == (1 if total.outcomes[0].done else 3)
    assert 1001 in total.outcomes[0].left and len(total.outcomes[0].done) <= 4
    assert total.outcomes[0].failed[0].number == 1001


def test_when_a_shot_cannot_be_analysed_then_the_others_are_rendered(
    fake: ModuleType, fake_shot: ModuleType, pool: DaskPool, tmp_path: Path, plain: dict[str, bytes]
) -> None:
    shot = fake_shot.make_shot(tmp_path, FRAMES)
    faceless = replace(shot, name="faceless", output=str(tmp_path / "faceless" / "a.####.exr"))
    good = fake.trade(fake.KillingOrder())
    bad = fake.KillingOrder(analysis="No face in the shot.")
    trade = replace(
        good, order_of=lambda shot, plates: bad if shot.name == "faceless" else fake.KillingOrder()
    )
    total, _ = render(pool, trade, faceless, shot)
    assert [outcome.exit_code for outcome in total.outcomes] == [3, 0] and total.exit_code == 1
    assert isinstance(total.outcomes[0].stopped_by, FaceError) and fake_shot.outputs(tmp_path) == plain
    assert not (tmp_path / "faceless").exists()


@pytest.mark.parametrize(
    ("change", "text"), [({"model": "older"}, "another model"), ({"gain": 3.0}, "other parameters")]
)
def test_when_a_worker_would_render_something_else_then_the_shot_is_refused(
    fake: ModuleType, fake_shot: ModuleType, pool: DaskPool, tmp_path: Path, change: dict[str, Any], text: str
) -> None:
    shot = fake_shot.make_shot(tmp_path, FRAMES)
    theirs = replace(fake.KillingOrder(), **change)
    total, _ = render(pool, fake.trade(theirs, own=fake.KillingOrder()), shot)
    error = total.outcomes[0].stopped_by
    assert isinstance(error, GeneratorError) and text in error.what and error.remedy and total.exit_code == 4
    assert fake_shot.outputs(tmp_path) == {}


def test_when_the_output_cannot_be_written_then_the_run_ends_with_its_error(
    fake: ModuleType, fake_shot: ModuleType, pool: DaskPool, tmp_path: Path
) -> None:
    shot = fake_shot.make_shot(tmp_path, FRAMES)
    (tmp_path / "out").write_text("no folder")
    total, _ = render(pool, fake.trade(fake.KillingOrder()), shot)
    assert total.exit_code == 3 and total.outcomes[0].stopped_by is not None and total.outcomes[0].done == []


@pytest.mark.slow
def test_when_a_fifth_of_the_tasks_lose_their_worker_then_no_frame_is_lost_and_none_comes_twice(
    fake: ModuleType, fake_shot: ModuleType, tmp_path: Path
) -> None:
    frames, chunk = 200, 8
    expected = plain_run(fake_shot, tmp_path / "plain", frames)
    shot = fake_shot.make_shot(tmp_path, frames)
    chosen = random.Random(7).sample(
        range(frames // chunk), frames // chunk // 5
    )  # chunks, then a frame of each
    kill_at = tuple(1001 + chunk * one + random.Random(one).randrange(chunk) for one in chosen)
    order = fake.KillingOrder(marks=str(tmp_path), kill_at=kill_at, seed=3)
    with DaskPool(DaskOptions(workers=2, retries=3)) as pool:
        total, heard = render(pool, fake.trade(order), shot, chunk=chunk)
    kills = len(list(tmp_path.glob("kill.*")))
    assert kills == len(kill_at) == 5
    assert (
        total.exit_code == 0
        and fake_shot.outputs(tmp_path) == expected
        and not fake_shot.unreadable(tmp_path)
    )
    assert Counter(heard["sh010"].numbers("frame_done")) == Counter(range(1001, 1001 + frames))
    lines = done_lines(shot)
    assert set(lines) == set(range(1001, 1001 + frames))
    assert sum(lines.values()) <= frames + kills  # a line is written before its picture has its name
    assert [path.name for path in (tmp_path / "out").iterdir() if path.name.startswith(".")] == []


def start(fake_file: Path, folder: Path, pause_s: float) -> subprocess.Popen[bytes]:
    """A program that renders on two workers, in a process group of its own."""
    command = [sys.executable, fake_file, folder, 2, pause_s]
    return subprocess.Popen(
        [str(word) for word in command],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        start_new_session=True,
        env={**os.environ, "PYTHONPATH": str(fake_file.parent)},
    )


@pytest.mark.parametrize(
    ("sent", "code", "to_group"),
    [(signal.SIGINT, 130, True), (signal.SIGTERM, 143, False)],
)
def test_when_it_is_interrupted_then_it_ends_in_order_and_can_go_on(
    fakes: tuple[ModuleType, ModuleType],
    pool: DaskPool,
    tmp_path: Path,
    plain: dict[str, bytes],
    sent: signal.Signals,
    code: int,
    to_group: bool,
) -> None:
    fake, fake_shot = fakes
    shot = fake_shot.make_shot(tmp_path, FRAMES)
    process = start(Path(fake.__file__), tmp_path, pause_s=0.3)
    wait_until(lambda: len(list((tmp_path / "out").glob("sh010.*.exr"))) >= 1)
    workers = descendants(process.pid)
    (os.killpg if to_group else os.kill)(process.pid, sent)
    out, err = process.communicate(timeout=60)
    assert process.returncode == code and b"Traceback" not in err, err.decode()
    assert workers and not any(is_alive(pid) for pid in workers)
    there = fake_shot.outputs(tmp_path)
    assert 1 <= len(there) < FRAMES and f"end {len(there)} 0" in out.decode()
    assert not [path for path in (tmp_path / "out").iterdir() if path.name.startswith(".")]
    total, _ = render(pool, fake.trade(fake.KillingOrder()), shot)
    assert total.exit_code == 0 and fake_shot.outputs(tmp_path) == plain


def test_when_the_program_is_killed_then_its_workers_leave_too(
    fakes: tuple[ModuleType, ModuleType], tmp_path: Path, plain: dict[str, bytes]
) -> None:
    fake, fake_shot = fakes
    fake_shot.make_shot(tmp_path, FRAMES)
    process = start(Path(fake.__file__), tmp_path, pause_s=0.2)
    wait_until(lambda: len(list((tmp_path / "out").glob("sh010.*.exr"))) >= 1)
    workers = descendants(process.pid)
    process.kill()
    process.communicate()
    wait_until(lambda: not any(is_alive(pid) for pid in workers))
    there = fake_shot.outputs(tmp_path)
    assert len(workers) >= 2 and there == {name: plain[name] for name in there}


@pytest.mark.slow
def test_when_two_runs_render_the_same_shot_then_neither_is_harmed(
    fakes: tuple[ModuleType, ModuleType], tmp_path: Path, plain: dict[str, bytes]
) -> None:
    fake, fake_shot = fakes
    shot = fake_shot.make_shot(tmp_path, FRAMES)
    processes = [start(Path(fake.__file__), tmp_path, pause_s=0.05) for _ in range(2)]
    ends = [process.communicate(timeout=120) for process in processes]
    assert [process.returncode for process in processes] == [0, 0], ends
    assert fake_shot.outputs(tmp_path) == plain and max(done_lines(shot).values()) <= 2


@pytest.mark.parametrize(
    ("frames", "workers", "size"), [(4, 2, 1), (48, 2, 6), (1000, 4, 10), (48, 0, 10), (0, 2, 1)]
)
def test_when_nobody_names_a_chunk_then_every_worker_gets_several(
    frames: int, workers: int, size: int
) -> None:
    assert chunk_size(frames, workers) == size


def descendants(pid: int) -> list[int]:
    import psutil

    found = psutil.Process(pid).children(recursive=True)
    return [child.pid for child in found if "resource_tracker" not in " ".join(child.cmdline())]


def is_alive(pid: int) -> bool:
    import psutil

    return psutil.pid_exists(pid) and psutil.Process(pid).status() != psutil.STATUS_ZOMBIE


def wait_until(is_so: Callable[[], bool], limit_s: float = 60.0) -> None:
    end = time.monotonic() + limit_s
    while not is_so():
        assert time.monotonic() < end, "it took too long"
        time.sleep(0.01)
