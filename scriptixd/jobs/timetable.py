"""Local time: the days and months of a calendar, hours of the day, and rates that change with them.

Pure. What counts is what the clock on the wall shows: where it is set, a day has 23 or 25 hours, and an hour
of it may come twice or not at all. Times are Unix seconds, times of the day minutes since 00:00.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, tzinfo
from typing import Final

MINUTE: Final = 60  # s: what people set clocks and timetables by
DAY: Final = 24 * 60  # minutes that a clock can show
LONGEST_DAY: Final = 49 * 60  # minutes: one that came twice, and an hour
LONGEST_MONTH: Final = 32 * 24 * 60  # minutes, and more
LOOK_AHEAD: Final = 3 * 24 * 60  # minutes: a time that one day lacks is there on the next


@dataclass(frozen=True, slots=True)
class Span:
    """From `start` until before `end`."""

    start: float
    end: float

    def __contains__(self, wall: float) -> bool:
        return self.start <= wall < self.end


class Calendar:
    """What a clock shows in a zone; in this machine's own, if none is given."""

    def __init__(self, zone: tzinfo | None = None) -> None:
        self._zone = zone

    def reading(self, wall: float) -> datetime:
        return datetime.fromtimestamp(wall, UTC).astimezone(self._zone)

    def time_of_day(self, wall: float) -> int:
        """The minute of the day."""
        shown = self.reading(wall)
        return shown.hour * 60 + shown.minute

    def day(self, wall: float) -> Span:
        """The calendar day around a moment, from its first minute to the next day's."""
        today = self.reading(wall).date()
        return Span(
            self._first(wall, -LONGEST_DAY, lambda shown: shown.date() >= today),
            self._first(wall, LONGEST_DAY, lambda shown: shown.date() > today),
        )

    def month(self, wall: float) -> Span:
        """The calendar month around a moment."""
        now = self.reading(wall)
        this = (now.year, now.month)
        return Span(
            self._first(wall, -LONGEST_MONTH, lambda shown: (shown.year, shown.month) >= this),
            self._first(wall, LONGEST_MONTH, lambda shown: (shown.year, shown.month) > this),
        )

    def when(self, wall: float, wanted: Callable[[int], bool]) -> float | None:
        """The first moment from now on at which the time of day is a wanted one; None if no day has it."""
        if wanted(self.time_of_day(wall)):
            return wall
        now = int(wall // MINUTE)
        later = range(now + 1, now + LOOK_AHEAD)
        return next((float(one * MINUTE) for one in later if wanted(self.time_of_day(one * MINUTE))), None)

    def _first(self, wall: float, reach: int, holds: Callable[[datetime], bool]) -> float:
        """The first minute between now and `reach` minutes from now, or before it, from which on it holds."""
        now = int(wall // MINUTE)
        around = range(now + min(0, reach), now + max(0, reach) + 1)
        place = bisect_left(around, True, key=lambda one: holds(self.reading(one * MINUTE)))
        return float(around[place] * MINUTE)


@dataclass(frozen=True, slots=True)
class Hours:
    """Some hours of the day, as they are written; a pair that ends before it begins goes over midnight."""

    written: str
    pairs: tuple[tuple[int, int], ...]  # from … until before …; the end may be DAY

    def __contains__(self, time: int) -> bool:
        return any(begin <= time < end if begin < end else time >= begin or time < end for begin, end in self.pairs)

    def meets(self, other: Hours) -> bool:
        """Whether there is a minute that belongs to both."""
        return any(time in self and time in other for time in range(DAY))


@dataclass(frozen=True, slots=True)
class Rates:
    """Bytes per second, from a time of the day on until the next; None is as fast as it goes."""

    steps: tuple[tuple[int, float | None], ...]  # ascending, at least one

    def at(self, time: int) -> float | None:
        """Before the first step of a day, the last one of the day before holds."""
        return self.steps[bisect_right(_times(self.steps), time) - 1][1]


def _times(steps: Sequence[tuple[int, float | None]]) -> list[int]:
    return [time for time, _ in steps]
