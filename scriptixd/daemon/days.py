"""A day in numbers: for the receivers that want to be told of it, and a line of the log once a day.

The line is said at the first look after midnight, in the configured time zone, and also of a day on which nothing
happened: who misses it knows that nothing runs. Days that ended while no daemon ran are told together by the next one.
"""

from __future__ import annotations

import logging
from collections.abc import Collection
from typing import Final

from scriptixd.jobs.clock import Now
from scriptixd.jobs.job import ACTIVE, State
from scriptixd.jobs.news import Day, Told, Topic
from scriptixd.jobs.store.tables import Store
from scriptixd.jobs.store.told import THE_LOG
from scriptixd.jobs.store.views import DELIVERING, SETTLING
from scriptixd.jobs.timetable import Calendar
from scriptixd.roots.place import Words

LOG = logging.getLogger("scriptixd.day")

LOOK: Final = 60.0  # s: nobody reads it to the second
HOUR: Final = 3600.0  # s
WAITING: Final = frozenset({SETTLING, DELIVERING, *map(str, ACTIVE)})


def yesterday(calendar: Calendar, now: Now) -> int:
    """The day before, as an ordinal of the proleptic Gregorian calendar."""
    return calendar.reading(now.wall).date().toordinal() - 1


def told_through(mark: int | None, last: int) -> int:
    """The last day that was told, or counts as told: at the very first look, and after a clock was set back by days."""
    return last if mark is None or last < mark - 1 else mark


def days_after(store: Store, calendar: Calendar, told: int, now: Now) -> Day:
    """The days that have ended since the one that was told last, in numbers; and what there is to do now."""
    end = start = calendar.day(now.wall).start
    while calendar.reading(start).date().toordinal() > told + 1:
        start = calendar.day(start - 1.0).start
    done, seconds = store.tidings.done(start, end)
    counts = store.views.counts()

    def files(states: Collection[str]) -> int:
        return sum(count for (_, state), count in counts.items() if state in states)

    _, paid = store.tidings.paid(start, end)
    return Day(
        first=told + 1,
        last=yesterday(calendar, now),
        done=done,
        media_seconds=seconds,
        failed=files({State.FAILED}),
        held=files({State.HELD}),
        waiting=files(WAITING),
        paid_seconds=paid,
        reused=store.tidings.reused(start, end),
    )


class Days:
    """The loop that says the line."""

    def __init__(self, store: Store, calendar: Calendar) -> None:
        self._store = store
        self._calendar = calendar
        self._told: int | None = None  # as the state file has it

    def run_once(self, now: Now) -> float:
        """Up to yesterday, once; returns when to look again, in seconds of CLOCK_BOOTTIME."""
        if self._told is None:
            self._told = self._store.tidings.told(THE_LOG).marks.get(Topic.SUMMARY)
        last = yesterday(self._calendar, now)
        through = told_through(self._told, last)
        day = days_after(self._store, self._calendar, through, now) if last > through else None
        if (through := max(through, last)) != self._told:
            self._store.tidings.save(THE_LOG, Told(marks={Topic.SUMMARY: through}), now.wall)
            self._told = through
        if day is not None:
            LOG.info(
                "%s: %d file(s) done, %.1f hour(s) paid, %d reused for free; now: %d failed, %d held, %d waiting",
                Words(day.dates),
                day.done,
                day.paid_seconds / HOUR,
                day.reused,
                day.failed,
                day.held,
                day.waiting,
            )
        return now.boot + LOOK
