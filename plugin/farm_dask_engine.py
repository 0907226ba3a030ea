"""Real shots on Dask workers: how they are analysed and opened. Importing it loads torch."""

from __future__ import annotations

from pathlib import Path

import torch
from lineament.core.shots.analyse import analyse

from .farm_dask_chunk import refuse_stopped
from .farm_dask_shots import Trade
from .shot_engine import ShotOpener, ShotOrder, orders


def trade(device: str, cache: Path) -> Trade:
    """Shots rendered on a device of the workers from a folder of analyses that all machines see; this process looks at
    them without a GPU."""
    return Trade(orders(device, cache), orders("cpu", cache), ShotOpener(), analyse_order, settle)


def analyse_order(opener: ShotOpener, order: ShotOrder) -> tuple[str, ...]:
    """Analyse a shot with the tools that it will be rendered with; its problems. Raises what ``analyse`` raises."""
    tools = opener.tools(order.choices)
    return analyse(order.shot, order.plates, tools, order.cache, on_progress=refuse_stopped).problems


def settle() -> None:
    """One torch thread in a worker: results must not depend on the machine, and cores are shared among workers."""
    torch.set_num_threads(1)
