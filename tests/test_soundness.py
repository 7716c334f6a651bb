"""Whether the state file is in order is looked at now and then, beside those who write, and told where it is not."""

from __future__ import annotations

import json
import logging
import sqlite3
import time
from contextlib import closing
from pathlib import Path

import pytest
from desk import Desk

from scriptixd.daemon.soundness import AFTER_START, HOUR, WEEK, Soundness
from scriptixd.jobs.clock import Now
from scriptixd.jobs.store.soundness import first_fault
from scriptixd.observe.live import Live, LiveFile, live_path


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    desk = Desk(tmp_path)
    desk.add("a.mp4")
    return desk


def damage(state: Path) -> None:
    """What a bad sector comes to."""
    with closing(sqlite3.connect(state)) as connection:
        (size,) = connection.execute("PRAGMA page_size").fetchone()
        (root,) = connection.execute("SELECT rootpage FROM sqlite_schema WHERE name = 'sources'").fetchone()
    with state.open("r+b") as file:
        file.seek((root - 1) * size)
        file.write(b"\xff" * size)


def test_what_is_in_order_is_told_of_by_nobody(desk: Desk, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    with desk.store() as store, store.database.transaction():  # somebody writes just now
        look = Soundness(desk.state, lambda: False)
        wanted = look.run_once(Now(0.0, 100.0))
        assert wanted == 100.0 + AFTER_START
        assert look.run_once(Now(0.0, wanted)) == wanted + WEEK
    assert (look.fault, caplog.records) == ("", [])


def test_what_is_damaged_is_told_once_and_shown_for_as_long_as_it_is(
    desk: Desk, caplog: pytest.LogCaptureFixture
) -> None:
    damage(desk.state)
    look = Soundness(desk.state, lambda: False)
    now = 100.0
    for _ in range(3):
        now = look.run_once(Now(0.0, now))
    assert look.fault
    assert [record.levelname for record in caplog.records] == ["ERROR"]
    assert f"the state file {desk.state} is damaged: " in caplog.text


def test_what_was_a_passing_fault_of_the_disk_is_over_within_the_hour(
    desk: Desk, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    sound = desk.state.read_bytes()
    damage(desk.state)
    look = Soundness(desk.state, lambda: False)
    looked_at = look.run_once(Now(0.0, 0.0))
    again = look.run_once(Now(0.0, looked_at))
    assert (bool(look.fault), again) == (True, looked_at + HOUR)
    desk.state.write_bytes(sound)
    assert look.run_once(Now(0.0, again)) == again + WEEK
    assert look.fault == ""
    assert caplog.messages[-1] == f"the state file {desk.state} is in order"


def test_a_look_ends_where_it_is_asked_to_and_comes_again(desk: Desk) -> None:
    assert first_fault(desk.state, lambda: True) is None
    look = Soundness(desk.state, lambda: True)
    assert look.run_once(Now(0.0, look.run_once(Now(0.0, 0.0)))) == 2 * AFTER_START
    assert look.fault == ""


def test_everybody_who_asks_is_told(desk: Desk) -> None:
    with desk.store():
        LiveFile(live_path(desk.state)).tell(Live(1, "1", 0.0, time.time(), damage="row 7 missing from index x"))
        told = desk.say("status").stdout
        assert "damaged  the state file: row 7 missing from index x (stop the daemon, and put the last copy" in told
        assert json.loads(desk.say("status", "--json").stdout)["state_damage"] == "row 7 missing from index x"
        failed = desk.say("status", "--fail")
    assert failed.returncode == 1
    assert "state: the state file is damaged: row 7 missing from index x (stop the daemon" in failed.stdout
