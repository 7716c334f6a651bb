"""A day in numbers: for the receivers that want to be told of it, and a line of the log once a day.

The line is said at the first look after midnight, in the configured time zone, and also of a day on which nothing
happened: who misses it knows that nothing runs. A day that ended before the daemon was started is not told.
"""

from __future__ import annotations

import logging
from collections.abc import Collection
from typing import Final

from scriptixd.jobs.clock import Now
from scriptixd.jobs.job import ACTIVE, State
from scriptixd.jobs.news import Day
from scriptixd.jobs.store import Store
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


def day_before(store: Store, calendar: Calendar, now: Now) -> Day:
    """Yesterday in numbers, and what there is to do now."""
    span = calendar.day(calendar.day(now.wall).start - 1.0)
    done, seconds = store.tidings.done(span.start, span.end)
    counts = store.views.counts()

    def files(states: Collection[str]) -> int:
        return sum(count for (_, state), count in counts.items() if state in states)

    date = calendar.reading(span.start).date().isoformat()
    _, paid = store.tidings.paid(span.start, span.end)
    return Day(
        date=date,
        ordinal=yesterday(calendar, now),
        done=done,
        media_seconds=seconds,
        failed=files({State.FAILED}),
        held=files({State.HELD}),
        waiting=files(WAITING),
        paid_seconds=paid,
        reused=store.tidings.reused(span.start, span.end),
    )


class Days:
    """The loop that says the line."""

    def __init__(self, store: Store, calendar: Calendar) -> None:
        self._store = store
        self._calendar = calendar
        self._told: int | None = None

    def run_once(self, now: Now) -> float:
        """Yesterday, once; returns when to look again, in seconds of CLOCK_BOOTTIME."""
        ordinal = yesterday(self._calendar, now)
        if self._told is None or ordinal < self._told - 1:  # the start, or a clock that was set back
            self._told = ordinal
        if ordinal > self._told:
            day = day_before(self._store, self._calendar, now)
            self._told = ordinal
            LOG.info(
                "%s: %d file(s) done, %.1f hour(s) paid, %d reused for free; now: %d failed, %d held, %d waiting",
                Words(day.date),
                day.done,
                day.paid_seconds / HOUR,
                day.reused,
                day.failed,
                day.held,
                day.waiting,
            )
        return now.boot + LOOK
