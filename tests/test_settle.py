"""A file is complete when it has looked the same for long enough, by our own clock."""

from __future__ import annotations

from dataclasses import replace

from scriptixd.jobs.clock import Now
from scriptixd.jobs.source import Look, Source
from scriptixd.roots.root import Stat
from scriptixd.watch.settle import Span, due, look

WINDOW = 10.0
STAT = Stat(5000, 1_700_000_000_000_000_000, 7)
SOURCE = Source(1, "council", "a.wav", STAT, Look("boot-1", 100.0, 1), False, True, False, False)


def at(boot: float, until: float | None = None) -> Span:
    """A listing that began and ended then."""
    ended = boot if until is None else until
    return Span(Now(1_700_000_000 + boot, boot), Now(1_700_000_000 + ended, ended))


def test_the_first_look_settles_nothing_however_old_the_file_says_it_is() -> None:
    assert look(None, STAT, at(1e6), "boot-1", WINDOW) == (Look("boot-1", 1e6, 1), False)


def test_the_same_file_is_settled_by_a_second_look_after_the_window() -> None:
    assert look(SOURCE, STAT, at(109.9), "boot-1", WINDOW) == (Look("boot-1", 100.0, 2), False)
    assert look(SOURCE, STAT, at(110.0), "boot-1", WINDOW) == (Look("boot-1", 100.0, 2), True)


def test_a_window_of_nothing_still_takes_two_looks() -> None:
    first, settled = look(None, STAT, at(5), "boot-1", 0.0)
    assert not settled
    assert look(replace(SOURCE, look=first), STAT, at(5), "boot-1", 0.0)[1]


def test_a_file_that_grew_starts_the_window_anew() -> None:
    grown = replace(STAT, size=6000)
    assert look(SOURCE, grown, at(200), "boot-1", WINDOW) == (Look("boot-1", 200.0, 1), False)


def test_a_file_of_the_same_size_that_was_written_to_starts_the_window_anew() -> None:
    written = replace(STAT, mtime_ns=STAT.mtime_ns + 1)
    assert look(SOURCE, written, at(200), "boot-1", WINDOW) == (Look("boot-1", 200.0, 1), False)


def test_another_boot_starts_the_window_anew() -> None:
    assert look(SOURCE, STAT, at(500), "boot-2", WINDOW) == (Look("boot-2", 500.0, 1), False)


def test_a_settled_file_stays_settled_over_boots_and_another_inode() -> None:
    settled = replace(SOURCE, settled=True)
    moved = replace(STAT, inode=99)
    assert look(settled, moved, at(1), "boot-2", WINDOW) == (settled.look, True)


def test_a_settled_file_that_changes_is_settled_no_more() -> None:
    settled = replace(SOURCE, settled=True)
    assert look(settled, replace(STAT, size=1), at(300), "boot-1", WINDOW) == (Look("boot-1", 300.0, 1), False)


def test_a_file_that_was_away_settles_anew() -> None:
    away = replace(SOURCE, settled=True, present=False)
    assert look(away, STAT, at(300), "boot-1", WINDOW) == (Look("boot-1", 300.0, 1), False)


def test_looks_beyond_the_second_change_nothing_that_would_have_to_be_written() -> None:
    twice, _ = look(SOURCE, STAT, at(105), "boot-1", WINDOW)
    assert look(replace(SOURCE, look=twice), STAT, at(106), "boot-1", WINDOW) == (twice, False)


def test_a_listing_that_took_long_makes_no_file_look_older_than_it_is() -> None:
    first, _ = look(None, STAT, at(100, until=150), "boot-1", WINDOW)
    assert first.since == 150
    assert not look(replace(SOURCE, look=first), STAT, at(155, until=200), "boot-1", WINDOW)[1]
    assert look(replace(SOURCE, look=first), STAT, at(160, until=200), "boot-1", WINDOW)[1]


def test_the_look_that_is_due_is_one_that_settles() -> None:
    for since in (0.1, 100.0, 12345.678, 99999.999):
        source = replace(SOURCE, look=Look("boot-1", since, 1))
        assert look(source, STAT, at(due(source.look, 0.7)), "boot-1", 0.7)[1]
