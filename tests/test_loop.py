"""A loop moves, waits, is woken, tells once what blocks it, and ends the process with what it cannot handle."""

from __future__ import annotations

import threading
import time

import pytest

from scriptixd.daemon.loop import Loop
from scriptixd.errors import StateTrouble, Stopped
from scriptixd.jobs.clock import Now

PATIENCE = 10.0  # s


def wait_for(condition: threading.Event) -> None:
    assert condition.wait(PATIENCE)


def test_a_loop_runs_when_it_wants_to_and_when_it_is_woken() -> None:
    stop, twice = threading.Event(), threading.Event()
    runs: list[Now] = []

    def run_once(now: Now) -> float:
        runs.append(now)
        if len(runs) >= 2:
            twice.set()
        return now.boot + 3600.0

    loop = Loop("test", run_once, stop)
    loop.start()
    while not runs:
        time.sleep(0.01)
    loop.wake()
    wait_for(twice)
    stop.set()
    loop.wake()
    assert loop.join(PATIENCE)
    assert loop.failure is None


def test_what_is_stopped_in_the_middle_of_one_thing_goes_on_with_the_next() -> None:
    stop, again = threading.Event(), threading.Event()
    runs: list[Now] = []

    def run_once(now: Now) -> float:
        runs.append(now)
        if len(runs) == 1:
            raise Stopped("a folder that was given up a moment ago")
        again.set()
        return now.boot + 3600.0

    loop = Loop("test", run_once, stop)
    loop.start()
    wait_for(again)
    stop.set()
    loop.wake()
    assert loop.join(PATIENCE)


def test_what_a_loop_cannot_handle_is_kept_for_the_daemon() -> None:
    def run_once(now: Now) -> float:
        raise KeyError("a bug")

    loop = Loop("test", run_once, threading.Event())
    loop.start()
    assert loop.join(PATIENCE)
    assert isinstance(loop.failure, KeyError)


def test_a_full_disk_under_the_state_file_is_told_once_and_waited_for(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("scriptixd.daemon.loop.STATE_REST", 0.01)
    stop, healed = threading.Event(), threading.Event()
    runs = 0

    def run_once(now: Now) -> float:
        nonlocal runs
        runs += 1
        if runs <= 3:
            raise StateTrouble("the state file cannot be written: disk full", "make room")
        healed.set()
        return now.boot + 3600.0

    caplog.set_level("INFO", "scriptixd.daemon")
    loop = Loop("deliver", run_once, stop)
    loop.start()
    wait_for(healed)
    stop.set()
    loop.wake()
    assert loop.join(PATIENCE)
    told = [record.getMessage() for record in caplog.records]
    assert told == [
        "deliver waits: the state file cannot be written: disk full (make room)",
        "deliver goes on: the state file can be written again",
    ]


def test_waiting_counts_as_moving() -> None:
    stop = threading.Event()
    loop = Loop("test", lambda now: now.boot + 3600.0, stop)
    first = loop.moved_at
    loop.start()
    deadline = time.monotonic() + PATIENCE
    while loop.moved_at == first:
        assert time.monotonic() < deadline
        time.sleep(0.01)
    stop.set()
    loop.wake()
    assert loop.join(PATIENCE)
