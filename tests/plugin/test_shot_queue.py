"""Reading ahead and writing behind: bounded, in any case finished, and deaf to nobody's error."""

from __future__ import annotations

import gc
import threading
import time
import weakref
from collections.abc import Callable

import pytest
from lineament.core.errors import PlateError
from lineament.plugin.shot_queue import Flow, Stages


class Picture:
    """Something large that must not be kept."""

    alive: weakref.WeakSet[Picture] = weakref.WeakSet()

    def __init__(self, number: int) -> None:
        self.number = number
        Picture.alive.add(self)


def stages(
    read: Callable[[int], Picture] = Picture,
    make: Callable[[int, Picture], Picture] = lambda ask, seen: seen,
    write: Callable[[int, Picture], int] = lambda ask, made: 10 * made.number,
) -> Stages[int, Picture, Picture, int]:
    return Stages(read, make, write, lambda ask, err: PlateError(f"{ask}: {err}", remedy="Look."))


def broken_at(number: int) -> Callable[..., Picture]:
    def stage(ask: int, seen: Picture | None = None) -> Picture:
        picture = seen or Picture(ask)
        if ask == number:
            raise RuntimeError("broken")
        return picture

    return stage


def test_when_all_goes_well_then_every_item_ends_in_order() -> None:
    flow = Flow(range(20), stages())
    assert [(step.ask, step.done) for step in flow] == [(n, 10 * n) for n in range(20)]
    assert flow.close() == []


def test_when_there_is_nothing_to_do_then_it_ends() -> None:
    flow = Flow((), stages())
    assert list(flow) == [] and flow.close() == []


@pytest.mark.parametrize("place", ["read", "make", "write"])
def test_when_one_item_breaks_then_the_others_go_on(place: str) -> None:
    def write(ask: int, made: Picture) -> int:
        return broken_at(4)(ask, made).number

    broken = write if place == "write" else broken_at(4)
    steps = list(Flow(range(9), stages(**{place: broken})))
    assert sorted(step.ask for step in steps) == list(range(9))
    (bad,) = [step for step in steps if step.error is not None]
    assert bad.ask == 4 and str(bad.error).startswith("4: broken")


@pytest.mark.parametrize("place", ["read", "make"])
def test_when_items_break_then_their_pictures_are_let_go(place: str) -> None:
    gc.collect()
    before = len(Picture.alive)
    steps = list(Flow([4] * 30, stages(**{place: broken_at(4)})))
    assert all(step.error is not None and step.error.__traceback__ is None for step in steps)
    assert len(Picture.alive) <= before + 1


@pytest.mark.parametrize("slow", ["read", "make", "write"])
def test_when_one_stage_is_slow_then_only_few_items_exist(slow: str) -> None:
    most, lock = [0], threading.Lock()
    gc.collect()
    before = len(Picture.alive)

    def look(is_slow: bool) -> None:
        time.sleep(0.01 if is_slow else 0.0)
        with lock:
            most[0] = max(most[0], len(Picture.alive) - before)

    def read(ask: int) -> Picture:
        look(slow == "read")
        return Picture(ask)

    def make(ask: int, seen: Picture) -> Picture:
        look(slow == "make")
        return seen

    def write(ask: int, made: Picture) -> int:
        look(slow == "write")
        return ask

    assert len(list(Flow(range(40), stages(read, make, write), ahead=2, behind=2))) == 40
    assert most[0] <= 5  # ahead + behind, and the one that is being let go


def test_when_it_is_stopped_then_what_was_made_is_written_and_nothing_else_begins() -> None:
    made: list[int] = []

    def make(ask: int, seen: Picture) -> Picture:
        made.append(ask)
        return seen

    flow, ended = Flow(range(1000), stages(make=make)), []
    for step in flow:
        ended.append(step.ask)
        if step.ask == 5:
            flow.stop()
    assert ended == made and len(made) < 12
    assert flow.close() == []


def test_when_an_interrupt_arrives_then_close_still_gives_what_was_written() -> None:
    written: list[int] = []

    def make(ask: int, seen: Picture) -> Picture:
        if ask == 7:
            raise KeyboardInterrupt
        return seen

    def write(ask: int, made: Picture) -> int:
        time.sleep(0.01)
        written.append(ask)
        return ask

    flow, ended = Flow(range(1000), stages(make=make, write=write)), []
    with pytest.raises(KeyboardInterrupt):
        for step in flow:
            ended.append(step.ask)
    ended += [step.ask for step in flow.close()]
    assert ended == written == list(range(7))


def test_when_a_flow_was_never_begun_then_it_can_be_closed() -> None:
    assert Flow(range(3), stages()).close() == []
