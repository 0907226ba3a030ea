"""Jobs in several processes: every result arrives, every failure ends all of them."""

from __future__ import annotations

import multiprocessing
import time
from functools import partial
from pathlib import Path

import pytest
from lineament.core.errors import HostError
from lineament.core.synthetic import jobs
from lineament.core.synthetic.jobs import run_jobs


@pytest.fixture
def open_worker(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.syspath_prepend(str(Path(__file__).parent))
    import fake_draw

    return fake_draw.open_worker


@pytest.mark.parametrize("workers", [1, 3])
def test_when_jobs_are_done_then_every_result_arrives_and_the_processes_end(
    open_worker, workers: int
) -> None:
    assert sorted(run_jobs(partial(open_worker, ""), [5, 4, 3, 2], workers)) == [4, 9, 16, 25]
    assert multiprocessing.active_children() == []


def test_when_there_is_no_job_then_no_process_is_started(open_worker) -> None:
    assert list(run_jobs(partial(open_worker, ""), [], 2)) == []


def test_when_a_worker_has_a_bug_then_the_job_is_named(
    open_worker, capfd: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(HostError, match="exit status 1") as info:
        list(run_jobs(partial(open_worker, "bug"), [1, 2, 3, 4], 1))
    assert info.value.where == "3"
    assert "ZeroDivisionError" in capfd.readouterr().err
    assert multiprocessing.active_children() == []


def test_when_a_worker_does_not_listen_then_it_is_killed(
    open_worker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(jobs, "PATIENCE_S", 0.2)
    results = run_jobs(partial(open_worker, "deaf"), [1, 3], 2)
    assert next(results) == 1
    time.sleep(0.5)  # until the other one has stopped listening
    begin = time.monotonic()
    results.close()
    assert time.monotonic() - begin < 5
    assert multiprocessing.active_children() == []
