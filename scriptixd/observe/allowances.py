"""How much of what limits allow is used: files and hours, of today and of this month. Decides nothing."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from scriptixd.jobs.bounds import Bounds, Limit
from scriptixd.jobs.store.limits import Openings
from scriptixd.jobs.tally import Tally
from scriptixd.jobs.timetable import Calendar

HOUR: Final = 3600.0  # s


@dataclass(frozen=True, slots=True)
class Allowance:
    """One limit: files, or hours of media."""

    folder: str  # ALL for all of them together
    limit: Limit
    used: float
    most: float


def allowances(openings: Openings, bounds: Mapping[str, Bounds], calendar: Calendar, now: float) -> Sequence[Allowance]:
    """Every limit that counts, by folder and for ALL; nothing is read where none does."""
    counted = {whose: one for whose, one in bounds.items() if one.counts}
    if not counted:
        return ()
    tally = Tally(openings, calendar)
    tally.catch_up(now)
    return [one for whose, of in counted.items() for one in _of(whose, of, tally)]


def _of(whose: str, bounds: Bounds, tally: Tally) -> Iterator[Allowance]:
    day, month = tally.day, tally.month
    if bounds.files_per_day is not None:
        yield Allowance(whose, Limit.FILES_PER_DAY, day.files[whose], bounds.files_per_day)
    if bounds.hours_per_day is not None:
        yield Allowance(whose, Limit.HOURS_PER_DAY, day.seconds.get(whose, 0.0) / HOUR, bounds.hours_per_day)
    if bounds.hours_per_month is not None:
        yield Allowance(whose, Limit.HOURS_PER_MONTH, month.seconds.get(whose, 0.0) / HOUR, bounds.hours_per_month)
