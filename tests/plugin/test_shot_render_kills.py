"""Whoever is killed, whenever: no unreadable picture under a final name, no frame lost, the bytes of a plain run."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest
from lineament.plugin.shot_render import local_flow, render_shot

FRAMES = 16
QUICK, MANY = range(12), range(12, 112)


@pytest.fixture(scope="module")
def fake(repository: Path) -> ModuleType:
    """The module fake_shot.py, by a name that workers find too."""
    sys.path.insert(0, str(repository / "tests" / "plugin"))
    import fake_shot

    return fake_shot


@pytest.fixture(scope="module")
def plain_run(fake: ModuleType, tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """The outputs of a run that nobody disturbs."""
    folder = tmp_path_factory.mktemp("plain")
    fake.make_shot(folder, FRAMES)
    assert finish(start(folder, jobs=1))[0] == 0
    return fake.outputs(folder)


@pytest.fixture
def a_folder(fake: ModuleType, tmp_path: Path) -> Path:
    fake.make_shot(tmp_path, FRAMES)
    return tmp_path


def start(
    folder: Path, jobs: int = 1, frames: str = "", gain: float = 2.0, pause_s: float = 0.0
) -> subprocess.Popen[bytes]:
    """A program that renders, in a process group of its own; it has begun when this returns."""
    program = Path(__file__).with_name("fake_shot.py")
    command = [sys.executable, program, folder, jobs, frames, gain, pause_s]
    process = subprocess.Popen(
        [str(word) for word in command],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        bufsize=0,  # or the first line would take others with it
        start_new_session=True,
    )
    assert process.stdout is not None and process.stdout.readline().startswith(b"begin")
    return process


def finish(process: subprocess.Popen[bytes]) -> tuple[int, str, str]:
    """Wait for the end: exit code, standard output, standard error."""
    out, err = process.communicate(timeout=60)
    return process.returncode, out.decode(), err.decode()


def resume(fake: ModuleType, folder: Path) -> int:
    """Run it again in this process, to its end; how many frames were left to do. Raises what a run reports."""
    shot = fake.shot_in(folder)
    renderer = fake.open_fake(fake.Order())
    outcome = render_shot(fake.plan_of(shot, renderer), local_flow(renderer), [])
    assert outcome.exit_code == 0
    return len(outcome.done)


def leftovers(folder: Path) -> list[str]:
    """Unfinished files beside the outputs."""
    return [path.name for path in (folder / "out").iterdir() if path.name.startswith(".")]


def kill_and_resume(
    fake: ModuleType, folder: Path, plain: dict[str, bytes], jobs: int, after_s: float
) -> None:
    process = start(folder, jobs, pause_s=0.01)
    time.sleep(after_s)
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate()
    assert fake.unreadable(folder) == []
    there = fake.outputs(folder)
    assert there == {name: plain[name] for name in there}
    assert resume(fake, folder) >= FRAMES - len(there)
    assert fake.outputs(folder) == plain
    assert jobs > 1 or leftovers(folder) == []  # a worker that nobody has buried yet counts as alive


def delay(case: int, jobs: int) -> float:
    """Anywhere from before the first frame to after the last one."""
    return random.Random(case).uniform(0.0, 0.45) + (0.35 if jobs > 1 else 0.0)


@pytest.mark.parametrize("case", QUICK)
def test_when_it_is_killed_at_any_moment_then_a_second_run_finishes_it(
    fake: ModuleType, a_folder: Path, plain_run: dict[str, bytes], case: int
) -> None:
    jobs = 2 if case % 4 == 3 else 1
    kill_and_resume(fake, a_folder, plain_run, jobs, delay(case, jobs))


@pytest.mark.slow
@pytest.mark.parametrize("case", MANY)
def test_when_it_is_killed_a_hundred_times_then_nothing_is_ever_lost(
    fake: ModuleType, a_folder: Path, plain_run: dict[str, bytes], case: int
) -> None:
    jobs = 2 if case % 4 == 3 else 1
    kill_and_resume(fake, a_folder, plain_run, jobs, delay(case, jobs))


@pytest.mark.parametrize(("sent", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
@pytest.mark.parametrize("jobs", [1, 2])
@pytest.mark.parametrize("to_group", [False, True])
def test_when_it_is_interrupted_then_it_ends_in_order_and_can_be_resumed(
    fake: ModuleType,
    a_folder: Path,
    plain_run: dict[str, bytes],
    sent: signal.Signals,
    code: int,
    jobs: int,
    to_group: bool,
) -> None:
    process = start(a_folder, jobs, pause_s=0.05)
    wait_until(lambda: len(list((a_folder / "out").glob("sh010.*.exr"))) >= 2)
    (os.killpg if to_group else os.kill)(process.pid, sent)
    returned, out, err = finish(process)
    assert returned == code and "Traceback" not in err
    there = fake.outputs(a_folder)
    assert 2 <= len(there) < FRAMES and fake.unreadable(a_folder) == [] and leftovers(a_folder) == []
    assert f"end {len(there)} 0" in out  # what was on its way to the disk has arrived, and is counted
    resume(fake, a_folder)
    assert fake.outputs(a_folder) == plain_run


def test_when_workers_are_killed_again_and_again_then_the_run_still_finishes(
    fake: ModuleType, a_folder: Path, plain_run: dict[str, bytes]
) -> None:
    process = start(a_folder, jobs=2, pause_s=0.02)
    for count in (1, 4, 8):
        wait_until(lambda: len(list((a_folder / "out").glob("sh010.*.exr"))) >= count)  # noqa: B023
        os.kill(children(process.pid)[0], signal.SIGKILL)
    code, out, _ = finish(process)
    assert code == 0 and out.startswith(f"end {FRAMES} 0")
    assert fake.outputs(a_folder) == plain_run and leftovers(a_folder) == []


def test_when_the_parent_is_killed_then_its_workers_leave_too(
    fake: ModuleType, a_folder: Path, plain_run: dict[str, bytes]
) -> None:
    process = start(a_folder, jobs=2, pause_s=0.05)
    wait_until(lambda: len(list((a_folder / "out").glob("sh010.*.exr"))) >= 1)
    workers = children(process.pid)
    os.kill(process.pid, signal.SIGKILL)
    process.communicate()
    wait_until(lambda: not any(is_alive(pid) for pid in workers))
    assert len(workers) == 2 and fake.unreadable(a_folder) == []
    resume(fake, a_folder)
    assert fake.outputs(a_folder) == plain_run


def test_when_two_processes_render_the_same_shot_then_neither_is_harmed(
    fake: ModuleType, a_folder: Path, plain_run: dict[str, bytes]
) -> None:
    processes = [start(a_folder), start(a_folder), start(a_folder, jobs=2)]
    assert [finish(process)[0] for process in processes] == [0, 0, 0]
    assert fake.outputs(a_folder) == plain_run and leftovers(a_folder) == []
    assert resume(fake, a_folder) == 0


def test_when_two_processes_render_different_strengths_then_no_frame_is_taken_for_the_other(
    fake: ModuleType, a_folder: Path, plain_run: dict[str, bytes]
) -> None:
    processes = [start(a_folder, gain=gain, pause_s=0.003) for gain in (2.0, 5.0)]
    assert [finish(process)[0] for process in processes] == [0, 0]
    assert fake.unreadable(a_folder) == []
    resume(fake, a_folder)
    assert fake.outputs(a_folder) == plain_run


def children(pid: int) -> list[int]:
    """The workers of a process: its children that are no tracker of resources."""
    listed = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return [int(one) for one in listed if b"spawn_main" in Path(f"/proc/{one}/cmdline").read_bytes()]


def is_alive(pid: int) -> bool:
    try:
        return "Z" not in Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False


def wait_until(is_so: Callable[[], bool], limit_s: float = 30.0) -> None:
    end = time.monotonic() + limit_s
    while not is_so():
        assert time.monotonic() < end, "it took too long"
        time.sleep(0.005)
