"""Tasks and shots for tests of runs on Dask; a module of its own, because workers look functions up by name.

Also a program that renders fake shots, for tests that interrupt it: ``python fake_dask.py FOLDER WORKERS PAUSE``.
"""

from __future__ import annotations

import os
import random
import signal
import sys
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fake_shot import FakeRenderer, Order, make_shot, shot_in
from lineament.core.errors import FaceError
from lineament.plugin.farm_dask import DaskOptions, DaskPool
from lineament.plugin.farm_dask_chunk import refuse_stopped
from lineament.plugin.farm_dask_shots import DaskShots, Trade
from lineament.plugin.farm_dask_worker import is_stopped, once
from lineament.plugin.shot_run import ShotsJob, prepare


@dataclass(frozen=True)
class Task:
    """A number, where its traces lie, and at how many attempts its worker is killed."""

    number: int
    folder: Path
    deaths: int = 0
    pause_s: float = 0.0


def mark(folder: Path, name: str) -> int:
    """Leave a trace; how many of that name there were before."""
    with (folder / name).open("a") as stream:
        stream.write(f"{os.getpid()}\n")
    return len((folder / name).read_text().split()) - 1


def work(task: Task) -> tuple[int, int]:
    """The number's square and who computed it; refuses number 13, trips over number 17."""
    once("model", lambda: mark(task.folder, "loads"))
    if mark(task.folder, f"attempt.{task.number}") < task.deaths:
        os.kill(os.getpid(), signal.SIGKILL)
    if task.number == 13:
        raise FaceError("No face in 13.", where="task 13", remedy="Take 14.")
    if task.number == 17:
        raise ZeroDivisionError("seventeen")
    time.sleep(task.pause_s)
    return task.number**2, os.getpid()


def work_all(tasks: list[Task]) -> list[int]:
    """The squares of several."""
    return [work(task)[0] for task in tasks]


def until_stopped(task: Task) -> str:
    """Runs until it is told to end."""
    mark(task.folder, "begun")
    end = time.monotonic() + 60
    while not is_stopped() and time.monotonic() < end:
        time.sleep(0.02)
    return "stopped" if is_stopped() else "nobody said anything"


def unpicklable(task: Task) -> Any:
    """A result that cannot be sent."""
    return threading.Lock()


def threads(task: Task) -> tuple[int, str]:
    """What a worker computes with."""
    import torch

    return torch.get_num_threads(), os.environ["MALLOC_TRIM_THRESHOLD_"]


@dataclass(frozen=True)
class KillingOrder(Order):
    """Kills the process that renders a frame of ``kill_at``, once each, at a moment drawn by ``seed``; one of
    ``die_at`` always. ``analysis`` is an error's text; ``model`` is that of the machine."""

    marks: str = ""
    kill_at: tuple[int, ...] = ()
    seed: int = 0
    analysis: str = ""
    model: str = "fake model"


class KillingRenderer(FakeRenderer):
    """As ``FakeRenderer``, more dangerous."""

    def __init__(self, order: KillingOrder) -> None:
        super().__init__(order)
        self.model = order.model

    def render(self, frame: Any, number: int, matte: Any) -> Any:
        order = self._order
        if number in order.kill_at and not mark(Path(order.marks), f"kill.{number}"):
            moment = random.Random(1000 * order.seed + number).uniform(0.0, 0.02)
            threading.Timer(moment, os.kill, (os.getpid(), signal.SIGKILL)).start()
            time.sleep(
                random.Random(order.seed + number).choice((0.0, 0.03))
            )  # in this frame, or in one behind it
        return super().render(frame, number, matte)


def open_killing(order: KillingOrder) -> KillingRenderer:
    """As ``ShotOpener``."""
    if order.marks:
        mark(Path(order.marks), "opened")
    if order.refusal:
        raise FaceError(order.refusal, remedy="Analyse the shot.")
    return KillingRenderer(order)


def analyse(opener: Any, order: KillingOrder) -> tuple[str, ...]:
    """As ``analyse_order``."""
    refuse_stopped()
    if order.analysis:
        raise FaceError(order.analysis, remedy="Show a face.")
    return ("a problem",) if order.marks else ()


def trade(order: KillingOrder, own: KillingOrder | None = None) -> Trade:
    """How fake shots are opened, here with ``own`` if it is given."""
    return Trade(lambda shot, plates: order, lambda shot, plates: own or order, open_killing, analyse, None)


def serve(ca_file: str, cert: str, key: str) -> None:
    """A scheduler with one worker that talks to holders of a certificate only; says its address, and stays."""
    from distributed import Scheduler, SpecCluster, Worker
    from distributed.security import Security

    names = {f"tls_{role}_cert": cert for role in ("client", "scheduler", "worker")}
    names |= {f"tls_{role}_key": key for role in ("client", "scheduler", "worker")}
    security = Security(require_encryption=True, tls_ca_file=ca_file, **names)
    common = {"host": "127.0.0.1", "protocol": "tls://", "security": security}
    scheduler = {"cls": Scheduler, "options": {**common, "dashboard_address": "127.0.0.1:0"}}
    workers = {0: {"cls": Worker, "options": {**common, "nthreads": 1}}}
    with SpecCluster(workers, scheduler, security=security) as cluster:
        sys.stdout.write(f"{cluster.scheduler_address}\n")
        sys.stdout.flush()
        time.sleep(120)


def main() -> int:
    """Render a fake shot on a cluster of this machine; the exit code of the run."""
    from lineament.plugin.batch import Terminated

    def terminate(number: int, frame: object) -> None:
        raise Terminated

    signal.signal(signal.SIGTERM, terminate)
    folder, workers, pause_s = Path(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3])
    job = ShotsJob((shot_in(folder),))
    with DaskPool(DaskOptions(workers=workers)) as pool:
        shots = DaskShots(job, pool, trade(KillingOrder(pause_s=pause_s)), chunk=4)
        total = shots.render(prepare(job), lambda shot: [])
    outcome = total.outcomes[0]
    sys.stdout.write(f"end {len(outcome.done)} {len(outcome.failed)}\n")
    return total.exit_code


__all__ = ["main", "make_shot"]

if __name__ == "__main__":
    import fake_dask  # by the name that workers know it by

    sys.exit(fake_dask.main())
