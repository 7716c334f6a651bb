"""How fast is sent: one bucket for a limit, which all threads that send share.

Pure but for its own memory: it says how long to wait, and never waits itself.
"""

from __future__ import annotations

from typing import Final

from scriptixd.jobs.clock import Now
from scriptixd.jobs.timetable import MINUTE, Calendar, Rates

AT_ONCE: Final = 0.25  # s worth of bytes: less than a person on the same line notices


class Bucket:
    """Fills at the rate that the time of the day has; whoever takes more than is in it waits for the rest."""

    def __init__(self, rates: Rates, calendar: Calendar) -> None:
        self._rates = rates
        self._calendar = calendar
        self._minute = -1  # since 1970: when the rate was looked up
        self._rate: float | None = None  # bytes/s
        self._filling = 0.0  # bytes; below zero they are promised already
        self._at = 0.0  # s of CLOCK_BOOTTIME

    def take(self, count: int, now: Now) -> float:
        """Seconds to wait before so many bytes."""
        minute = int(now.wall // MINUTE)
        if minute != self._minute:
            self._minute = minute
            self._turn_to(self._rates.at(self._calendar.time_of_day(now.wall)), now)
        if self._rate is None:
            return 0.0
        filled = self._filling + max(0.0, now.boot - self._at) * self._rate
        self._filling = min(filled, self._rate * AT_ONCE) - count
        self._at = now.boot
        return max(0.0, -self._filling / self._rate)

    def _turn_to(self, rate: float | None, now: Now) -> None:
        if rate != self._rate:
            self._rate, self._at = rate, now.boot
            self._filling = 0.0  # whoever waits at the rate before goes on doing so
