"""Tasks on Dask: each has one outcome, whoever dies; nothing of a run is left, and nobody else can talk to it."""

from __future__ import annotations

import gc
import os
import socket
import ssl
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from lineament.core.errors import FaceError, HostError, LineamentError, RecipeError
from lineament.plugin import farm_dask
from lineament.plugin.farm_dask import DaskOptions, DaskPool, TaskOutcome, run_on_dask

psutil = pytest.importorskip("psutil")
distributed = pytest.importorskip("distributed")


@pytest.fixture(scope="module")
def fake(repository: Path) -> ModuleType:
    """The module fake_dask.py, by a name that workers find too."""
    sys.path.insert(0, str(repository / "tests" / "plugin"))
    import fake_dask

    return fake_dask


@pytest.fixture(scope="module")
def pool(fake: ModuleType) -> Iterator[DaskPool]:
    """Two workers of this machine for all tests that leave them alone."""
    with DaskPool(DaskOptions(workers=2, retries=2)) as pool:
        yield pool


@pytest.fixture(scope="module")
def other_cluster(fake: ModuleType) -> Iterator[Any]:
    """A scheduler that is somebody else's, with Dask's own settings: a worker with a GPU by name, and one without."""
    worker = {"cls": distributed.Nanny, "options": {"nthreads": 2, "dashboard_address": ":0"}}
    gpu = {"cls": distributed.Nanny, "options": {**worker["options"], "resources": {"GPU": 1}}}
    scheduler = {
        "cls": distributed.Scheduler,
        "options": {"host": "127.0.0.1", "dashboard_address": "127.0.0.1:0"},
    }
    with distributed.SpecCluster({"gpu": gpu, "plain": worker}, scheduler, silence_logs=50) as cluster:
        yield cluster


def tasks(fake: ModuleType, folder: Path, numbers: Any, **fields: Any) -> list[Any]:
    return [fake.Task(number, folder, **fields) for number in numbers]


def by_number(outcomes: Any) -> dict[int, TaskOutcome[Any, Any]]:
    """Outcomes by the number of their task; each task has one."""
    found = list(outcomes)
    assert len({outcome.task.number for outcome in found}) == len(found)
    return {outcome.task.number: outcome for outcome in found}


def traces(folder: Path, name: str) -> list[str]:
    return (folder / name).read_text().split()


def test_when_tasks_run_then_each_has_its_result_or_its_error(
    fake: ModuleType, pool: DaskPool, tmp_path: Path
) -> None:
    found = by_number(pool.run(tasks(fake, tmp_path, range(20)), fake.work))
    assert sorted(found) == list(range(20))
    good = {number: one.result[0] for number, one in found.items() if one.error is None}
    assert good == {number: number**2 for number in range(20) if number not in (13, 17)}
    assert isinstance(found[13].error, FaceError) and found[13].error.remedy == "Take 14."
    assert isinstance(found[17].error, HostError) and "ZeroDivisionError" in found[17].error.what
    assert all(len(traces(tmp_path, f"attempt.{number}")) == 1 for number in range(20))


def test_when_workers_do_many_tasks_then_each_process_loads_its_model_once(
    fake: ModuleType, tmp_path: Path
) -> None:
    with DaskPool(DaskOptions(workers=2)) as own:
        outcomes = [
            *own.run(tasks(fake, tmp_path, range(8), pause_s=0.05), fake.work),
            *own.run(tasks(fake, tmp_path, range(20, 28), pause_s=0.05), fake.work),
        ]
    loads = traces(tmp_path, "loads")
    assert len(loads) == 2 == len(set(loads)) and {str(one.result[1]) for one in outcomes} == set(loads)


def test_when_a_worker_is_killed_then_its_task_is_done_by_another_one(
    fake: ModuleType, pool: DaskPool, tmp_path: Path
) -> None:
    asked = [*tasks(fake, tmp_path, range(6)), fake.Task(6, tmp_path, deaths=1)]
    found = by_number(pool.run(asked, fake.work))
    assert {number: one.result[0] for number, one in found.items()} == {n: n**2 for n in range(7)}
    assert [len(traces(tmp_path, f"attempt.{n}")) for n in range(7)] == [1] * 6 + [2]


def test_when_a_task_kills_every_worker_then_it_alone_fails(
    fake: ModuleType, pool: DaskPool, tmp_path: Path
) -> None:
    asked = [fake.Task(0, tmp_path, deaths=99), *tasks(fake, tmp_path, range(1, 12), pause_s=0.05)]
    found = by_number(pool.run(asked, fake.work))
    assert sorted(found) == list(range(12))
    assert [number for number, one in found.items() if one.error is not None] == [0]
    error = found[0].error
    assert isinstance(error, HostError) and "died 3 times" in error.what and error.where and error.remedy
    assert len(traces(tmp_path, "attempt.0")) == 3
    assert all(len(traces(tmp_path, f"attempt.{number}")) == 1 for number in range(1, 12))


def test_when_a_task_that_kills_can_be_split_then_only_the_guilty_part_fails(
    fake: ModuleType, pool: DaskPool, tmp_path: Path
) -> None:
    groups = [
        tasks(fake, tmp_path, range(3)),
        [*tasks(fake, tmp_path, (3, 4)), fake.Task(5, tmp_path, deaths=99)],
    ]
    found = list(pool.run(groups, fake.work_all, split=lambda group: [[one] for one in group]))
    good = sorted(number for one in found if one.error is None for number in one.result)
    assert good == [0, 1, 4, 9, 16]
    assert [[task.number for task in one.task] for one in found if one.error is not None] == [[5]]


def test_when_a_result_cannot_be_sent_then_its_task_fails_with_a_sentence(
    fake: ModuleType, pool: DaskPool, tmp_path: Path
) -> None:
    (outcome,) = pool.run(tasks(fake, tmp_path, [1]), fake.unpicklable)
    assert isinstance(outcome.error, HostError) and "pickle" in outcome.error.what and outcome.error.remedy


def test_when_a_run_is_stopped_then_its_tasks_hear_of_it_and_the_next_run_is_not_concerned(
    fake: ModuleType, pool: DaskPool, tmp_path: Path
) -> None:
    run = pool.run(tasks(fake, tmp_path, range(9)), fake.until_stopped)
    while not (tmp_path / "begun").exists():
        run._count_workers()
        run._hand_out()
        run._listen(0.05)
    outcomes = run.close()
    assert 1 <= len(outcomes) <= 2 and {one.result for one in outcomes} == {"stopped"}
    assert list(run) == []
    assert [one.result[0] for one in pool.run(tasks(fake, tmp_path, [5]), fake.work)] == [25]


def test_when_the_workers_compute_then_with_one_thread_and_the_memory_settings_of_ours(
    fake: ModuleType, pool: DaskPool, tmp_path: Path
) -> None:
    (outcome,) = pool.run(tasks(fake, tmp_path, [1]), fake.threads)
    assert outcome.result == (1, "100000000000")


def test_when_the_workers_have_other_software_then_the_run_is_refused(
    fake: ModuleType, pool: DaskPool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(farm_dask, "versions_here", lambda: (("lineament", "9.9"), ("torch", "9.0")))
    run = pool.run(tasks(fake, tmp_path, range(4)), fake.work)
    with pytest.raises(
        HostError, match=r"lineament \S+ instead of 9\.9, torch \S+ instead of 9\.0"
    ) as caught:
        list(run)
    run.close()
    assert "same versions" in caught.value.remedy and not (tmp_path / "loads").exists()


def test_when_a_cluster_is_local_then_it_is_closed_to_everybody_else(pool: DaskPool) -> None:
    end = time.monotonic() + 30
    while len(pool.workers()[1]) < 2:  # one that a test has killed is on its way
        assert time.monotonic() < end
        time.sleep(0.05)
    me = psutil.Process()
    doors = [
        door.laddr
        for process in (me, *me.children(recursive=True))
        for door in process.net_connections("inet")
        if door.status == psutil.CONN_LISTEN
    ]
    assert len(doors) >= 5 and {door.ip for door in doors} == {"127.0.0.1"}
    assert 8787 not in {door.port for door in doors}
    assert not any(answers(door.port) for door in doors)


def answers(port: int) -> bool:
    """Whether a port talks to somebody without the cluster's certificate, plainly or encrypted."""
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    for is_encrypted in (False, True):
        with socket.create_connection(("127.0.0.1", port), 5) as plain:
            plain.settimeout(5)
            try:
                link = context.wrap_socket(plain) if is_encrypted else plain
                link.sendall(b"GET / HTTP/1.0\r\n\r\n")
                if link.recv(100):
                    return True
            except (OSError, ssl.SSLError):
                continue
            finally:
                if is_encrypted and "link" in locals():
                    link.close()
    return False


def test_when_a_run_has_ended_then_no_process_and_no_file_is_left(
    fake: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import tempfile

    (tmp_path / "system").mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "system"))
    before, path, environment = workers_of_ours(), list(sys.path), dict(os.environ)
    outcomes = run_on_dask(tasks(fake, tmp_path, range(50), pause_s=0.2), fake.work, DaskOptions(workers=2))
    first = next(outcomes)
    assert first.error is None
    assert len(workers_of_ours() - before) == 2
    outcomes.close()  # in the middle of it
    assert workers_of_ours() <= before and sys.path == path and dict(os.environ) == environment
    assert list((tmp_path / "system").iterdir()) == []


def workers_of_ours() -> set[int]:
    """Worker processes of this one; the tracker of shared memory that Python starts once is none."""
    children = psutil.Process().children(recursive=True)
    return {child.pid for child in children if "resource_tracker" not in " ".join(child.cmdline())}


def test_when_a_resource_is_asked_for_then_only_workers_that_have_it_work(
    fake: ModuleType, other_cluster: Any, tmp_path: Path
) -> None:
    options = DaskOptions(other_cluster.scheduler_address, resources={"GPU": 1}, wait_s=1.0)
    asked = [*tasks(fake, tmp_path, range(10), pause_s=0.02), fake.Task(10, tmp_path, deaths=1)]
    found = by_number(run_on_dask(asked[:10], fake.work, options))
    assert len(found) == 10 and len({one.result[1] for one in found.values()}) == 1
    with pytest.raises(HostError, match=r"No worker with the resources GPU=2 .* for 1 s") as caught:
        list(run_on_dask(asked, fake.work, DaskOptions(options.scheduler, resources={"GPU": 2}, wait_s=1.0)))
    assert '--resources "GPU=2"' in caught.value.remedy


def test_when_the_scheduler_is_somebody_elses_then_deaths_are_counted_alike(
    fake: ModuleType, other_cluster: Any, tmp_path: Path
) -> None:
    asked = [
        fake.Task(0, tmp_path, deaths=99),
        *tasks(fake, tmp_path, range(1, 8)),
        fake.Task(8, tmp_path, deaths=1),
    ]
    found = by_number(run_on_dask(asked, fake.work, DaskOptions(other_cluster.scheduler_address, retries=1)))
    assert sorted(found) == list(range(9))
    assert [number for number, one in found.items() if one.error is not None] == [0]
    with distributed.Client(other_cluster.scheduler_address, set_as_default=False) as client:
        assert len(client.nthreads()) >= 1 and not client.run_on_scheduler(held_tasks)


def held_tasks(dask_scheduler: Any) -> int:
    return len(dask_scheduler.tasks)


def test_when_an_encrypted_scheduler_goes_away_then_the_run_ends_with_a_sentence(
    fake: ModuleType, tmp_path: Path
) -> None:
    from distributed.security import Security

    keys = Security.temporary().get_tls_config_for_role("client")
    for name, text in keys.items():
        if str(text).startswith("-----BEGIN"):
            (tmp_path / name).write_text(text)
    pem = {name: str(tmp_path / name) for name in ("ca_file", "cert", "key")}
    code = "import sys, fake_dask; fake_dask.serve(*sys.argv[1:])"
    command = [sys.executable, "-c", code, *pem.values()]
    environment = {**os.environ, "PYTHONPATH": str(Path(fake.__file__).parent)}
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) as server:
        address = server.stdout.readline().strip()
        assert address.startswith("tls://127.0.0.1")
        with pytest.raises(HostError, match="cannot be reached"), DaskPool(DaskOptions(address, connect_s=3)):
            pass
        files = {"tls_ca": pem["ca_file"], "tls_cert": pem["cert"], "tls_key": pem["key"]}
        outcomes = run_on_dask(
            tasks(fake, tmp_path, range(500), pause_s=0.05), fake.work, DaskOptions(address, **files)
        )
        assert next(outcomes).error is None
        server.kill()
        with pytest.raises(HostError, match="connection to the Dask scheduler is lost") as caught:
            list(outcomes)
    assert caught.value.where == address and "same command again" in caught.value.remedy


def test_when_a_client_cannot_be_opened_then_it_is_not_left_to_the_garbage_collector() -> None:
    from lineament.plugin.farm_dask_cluster import CarefulClient

    before = {id(one) for one in gc.get_objects() if issubclass(type(one), distributed.Client)}
    with pytest.raises(TypeError) as caught:
        CarefulClient("tls://127.0.0.1:1", timeout=1, set_as_default=False)
    new = [
        one for one in gc.get_objects() if issubclass(type(one), distributed.Client) and id(one) not in before
    ]
    assert [one.status for one in new] == ["closed"] and caught.value


@pytest.mark.parametrize("address", ["tcp://127.0.0.1:1", "nonsense://host:1", "tls://127.0.0.1:1", "host"])
def test_when_the_scheduler_cannot_be_reached_then_it_is_said(fake: ModuleType, address: str) -> None:
    with pytest.raises(HostError, match="scheduler cannot be reached") as caught:
        list(run_on_dask([], fake.work, DaskOptions(address, connect_s=1.0)))
    assert caught.value.where == address and "--scheduler" in caught.value.remedy


@pytest.mark.parametrize(
    ("options", "text"),
    [
        (DaskOptions("tcp://127.0.0.1:1", tls_ca="ca.pem"), "not an encrypted one"),
        (DaskOptions("tls://127.0.0.1:1", tls_ca="ca.pem"), 'no file "ca.pem"'),
        (DaskOptions("tls://127.0.0.1:1", tls_ca=__file__, tls_cert=__file__), "--tls-key is missing"),
        (DaskOptions(tls_ca="ca.pem"), "a scheduler that is named"),
    ],
)
def test_when_certificates_make_no_sense_then_they_are_refused(options: DaskOptions, text: str) -> None:
    with pytest.raises(RecipeError, match=text) as caught, DaskPool(options):
        pass
    assert caught.value.remedy


def test_when_dask_is_not_installed_then_it_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "lineament.plugin.farm_dask_cluster", None)
    with pytest.raises(LineamentError, match="Dask is not installed") as caught, DaskPool(DaskOptions()):
        pass
    assert "lineament[dask]" in caught.value.remedy
