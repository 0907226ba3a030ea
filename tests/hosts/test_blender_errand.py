"""Waiting for the engine: whatever interrupts it, no call goes on unseen."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from lineament.hosts.blender import errand
from lineament.hosts.blender.errand import Errand
from lineament.plugin.messages import RenderCancelled


class FakeSession:
    """Its call goes on until it is cancelled."""

    def __init__(self) -> None:
        self.cancelled = threading.Event()
        self.began, self.ended = threading.Event(), threading.Event()
        self.closed = 0

    def call(self, tell) -> str:
        self.began.set()
        tell("render")
        if not self.cancelled.wait(20.0):
            return "finished"
        self.ended.set()
        raise RenderCancelled("cancelled")

    def cancel(self) -> None:
        self.cancelled.set()

    def close(self) -> None:
        self.closed += 1


class Interrupted(ThreadPoolExecutor):
    """Ctrl-C arrives when the thread has begun and nobody has its future yet."""

    def submit(self, *told):
        super().submit(*told)
        raise KeyboardInterrupt


def test_when_it_is_interrupted_while_it_starts_then_the_call_is_ended(monkeypatch) -> None:
    session = FakeSession()
    monkeypatch.setattr(errand, "ThreadPoolExecutor", Interrupted)
    with pytest.raises(KeyboardInterrupt):
        next(Errand(session, session.call).wait())
    assert session.ended.is_set() or not session.began.is_set()


def test_when_nobody_waits_yet_then_nothing_runs() -> None:
    session = FakeSession()
    waiting = Errand(session, session.call).wait()
    assert not session.began.wait(0.1)
    waiting.close()
    assert not session.cancelled.is_set()


def test_when_the_one_who_waits_leaves_then_the_call_is_ended() -> None:
    session = FakeSession()
    waiting = Errand(session, session.call).wait()
    next(waiting)
    waiting.close()
    assert session.ended.wait(5.0)


def test_when_it_is_cancelled_before_it_begins_then_its_answer_says_so() -> None:
    session = FakeSession()
    found = Errand(session, session.call)
    found.cancel()
    assert all(isinstance(stage, str) for stage in found.wait())
    with pytest.raises(RenderCancelled):
        _ = found.answer


def test_when_the_call_ends_by_itself_then_its_answer_is_given() -> None:
    session = FakeSession()
    found = Errand(session, lambda tell: 7)
    assert list(found.wait()) == [] or found.answer == 7
    assert found.answer == 7 and session.closed == 0
