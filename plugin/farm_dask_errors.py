"""What goes wrong between a program and its Dask workers, in words."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lineament.core.errors import HostError

from .farm_dask_worker import ForeignWorker

if TYPE_CHECKING:
    from .farm_dask import DaskOptions


def lost(scheduler: str) -> HostError:
    """The scheduler is gone."""
    return HostError(
        "The connection to the Dask scheduler is lost.",
        where=scheduler or "local cluster",
        remedy="Look at the scheduler's log. Run the same command again: what was finished is kept.",
    )


def no_worker(options: DaskOptions) -> HostError:
    """Nobody is there to do a task."""
    needed = ", ".join(f"{name}={amount:g}" for name, amount in options.resources.items())
    kind = f"worker with the resources {needed}" if needed else "worker"
    return HostError(
        f"No {kind} has been there for {options.wait_s:g} s.",
        where=options.scheduler or "local cluster",
        remedy='Start workers with "dask worker ADDRESS --nthreads 1'
        + (f' --resources "{needed}"' if needed else "")
        + '", or look at why they have left.',
    )


def hopeless(deaths: int, address: str) -> HostError:
    """Workers die before they have done anything."""
    return HostError(
        f"Worker processes died {deaths} times, and no task was ever done.",
        where=address,
        remedy="Look at the workers' logs. Is memory short? Try fewer workers, or one process without a farm.",
    )


def died_of(deaths: int, address: str) -> HostError:
    """A task that workers die of."""
    times = "once" if deaths == 1 else f"{deaths} times"
    return HostError(
        f"A worker process died {times} of this task.",
        where=address,
        remedy="Is memory short? Look at the worker's log, or do it in one process without a farm.",
    )


def not_run(err: BaseException) -> HostError:
    """A task that Dask could not even begin or answer: mostly software that a worker does not have."""
    deepest = err
    while deepest.__cause__ is not None:
        deepest = deepest.__cause__
    text = " ".join(f"{type(deepest).__name__}: {deepest}".split())[:300]
    kind = ForeignWorker if isinstance(deepest, ImportError | AttributeError) else HostError
    return kind(
        f"A worker could not take the task or send its answer ({text}).",
        where="Dask worker",
        remedy="Install the same Lineament, with its extras, where the workers run.",
    )
