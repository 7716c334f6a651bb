"""What was sent today and this month: sums of the openings in the state file, kept up in memory.

Counts uploads, and the media hours of jobs: an upload that had to be opened anew counts twice, its hours once.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from typing import Final

from scriptixd.jobs.bounds import ALL
from scriptixd.jobs.store.limits import Opening, Openings
from scriptixd.jobs.timetable import Calendar, Span

AT_ONCE: Final = 5000  # openings in memory: a busy year's first look must not cost what a large file does
_NO_TIME: Final = Span(0.0, 0.0)


@dataclass(slots=True)
class Sum:
    """What was sent within a day or a month, by folder; ALL has the sum of them."""

    span: Span
    files: Counter[str] = field(default_factory=Counter)
    seconds: dict[str, float] = field(default_factory=dict)

    def add(self, opening: Opening) -> None:
        if opening.opened_at not in self.span:
            return
        again = opening.counted_at is not None and opening.counted_at in self.span
        length = 0.0 if again else opening.media_seconds or 0.0
        for whose in (ALL, opening.folder):
            self.files[whose] += 1
            self.seconds[whose] = self.seconds.get(whose, 0.0) + length


@dataclass(frozen=True, slots=True)
class Wish:
    """What a job would add: nothing where its length was counted before, as when its upload was lost."""

    seconds: float = 0.0
    counted_at: float | None = None

    def within(self, span: Span) -> float:
        return 0.0 if self.counted_at is not None and self.counted_at in span else self.seconds


NO_WISH: Final = Wish()


class Tally:
    """The sums of today and of this month: read once, and then kept up with what is opened."""

    def __init__(self, openings: Openings, calendar: Calendar) -> None:
        self._openings = openings
        self._calendar = calendar
        self._last = 0
        self.day, self.month = Sum(_NO_TIME), Sum(_NO_TIME)

    def catch_up(self, wall: float) -> Collection[int]:
        """Count what is new, and begin anew with a new day; returns the jobs that were counted."""
        if wall not in self.month.span:
            self.day, self.month = Sum(self._calendar.day(wall)), Sum(self._calendar.month(wall))
            self._last = self._openings.first_since(self.month.span.start) - 1
        elif wall not in self.day.span:
            self.day = Sum(self._calendar.day(wall))
            for opening in self._after(self._openings.first_since(self.day.span.start) - 1):
                if opening.id <= self._last:  # of this day and counted before it: the clock was set
                    self.day.add(opening)
        counted = []
        for opening in self._after(self._last):
            self.day.add(opening)
            self.month.add(opening)
            self._last = opening.id
            counted.append(opening.job_id)
        return counted

    def _after(self, last: int) -> Iterator[Opening]:
        while some := self._openings.after(last, AT_ONCE):
            yield from some
            last = some[-1].id
