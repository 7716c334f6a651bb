"""What the state file remembers of the requests that were made: over restarts, boots and clocks that are set."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from scriptixd.jobs.clock import Now
from scriptixd.jobs.store.database import open_state
from scriptixd.jobs.store.tables import Store

KEY = "abcd1234"
NOW = Now(1_700_000_000.0, 5_000.0)


def later(seconds: float, *, boot: float | None = None) -> Now:
    return Now(NOW.wall + seconds, NOW.boot + seconds if boot is None else boot)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    opened = Store(open_state(tmp_path / "state.db"))
    yield opened
    opened.close()


def another_boot(store: Store) -> None:
    with store.database.transaction() as connection:
        connection.execute("UPDATE asked SET boot_id = 'another'")
        connection.execute("UPDATE silences SET boot_id = 'another'")


def test_what_was_noted_comes_back_in_order(store: Store) -> None:
    for seconds in (0.0, 1.5, 3.0):
        store.asked.note(KEY, later(seconds))
    store.asked.note("another", later(4.0))
    assert list(store.asked.asked(KEY, later(5.0))) == [NOW.boot, NOW.boot + 1.5, NOW.boot + 3.0]


def test_after_a_reboot_the_wall_clock_tells_how_long_ago_it_was(store: Store) -> None:
    store.asked.note(KEY, NOW)
    another_boot(store)
    now = later(40.0, boot=12.0)
    assert list(store.asked.asked(KEY, now)) == [12.0 - 40.0]
    assert list(store.asked.asked(KEY, later(45.0, boot=17.0))) == [12.0 - 40.0], "and from then on it ages"


def test_a_clock_that_was_set_back_makes_it_just_now_and_only_once(store: Store) -> None:
    store.asked.note(KEY, NOW)
    another_boot(store)
    now = later(-9_000.0, boot=12.0)
    assert list(store.asked.asked(KEY, now)) == [12.0]
    another_boot(store)
    assert list(store.asked.asked(KEY, later(-8_900.0, boot=3.0))) == [3.0 - 100.0], "it ages over the next reboot, too"


def test_what_is_older_than_an_hour_is_forgotten(store: Store) -> None:
    for second in range(0, 10_000, 10):
        store.asked.note(KEY, later(float(second)))
    with store.database.reading() as connection:
        (count,) = connection.execute("SELECT count(*) FROM asked").fetchone()
    assert count <= 3_700 / 10 + 51
    assert min(store.asked.asked(KEY, later(10_000.0))) >= NOW.boot + 10_000 - 3_700


def test_a_silence_ends_when_it_ends_in_this_boot_and_in_the_next(store: Store) -> None:
    assert store.asked.silence(KEY, NOW) is None
    store.asked.note_silence(KEY, NOW.boot + 100.0, NOW)
    assert store.asked.silence(KEY, later(99.0)) == NOW.boot + 100.0
    assert store.asked.silence(KEY, later(100.0)) is None
    another_boot(store)
    assert store.asked.silence(KEY, later(60.0, boot=7.0)) == 7.0 + 40.0
    assert store.asked.silence(KEY, later(-9_000.0, boot=7.0)) == 7.0 + 3_600.0, "no clock makes a day of it"


def test_noting_is_no_news_for_anybody(store: Store) -> None:
    woken: list[None] = []
    store.database.on_commit = lambda: woken.append(None)
    store.asked.note(KEY, NOW)
    store.asked.note_silence(KEY, NOW.boot + 1, NOW)
    assert not woken
