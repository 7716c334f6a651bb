"""What may be sent now: a person's pauses, the hours of the day, and how much a day or a month may bring.

Decides by the sums of what was sent and by the time it is given; waits for nobody. Whatever stands still is told
with the moment at which it goes on, all limits taken together.
"""

from __future__ import annotations

import math
import threading
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final, Protocol

from scriptixd.jobs.bandwidth import Bucket
from scriptixd.jobs.bounds import ALL, Bounds, Halt, Limit
from scriptixd.jobs.clock import Now, read_clock
from scriptixd.jobs.job import Job
from scriptixd.jobs.ports import Standstill
from scriptixd.jobs.store.limits import Openings, Pauses
from scriptixd.jobs.tally import NO_WISH, Tally, Wish
from scriptixd.jobs.timetable import LOOK_AHEAD, MINUTE, Calendar, Hours, Span
from scriptixd.roots.paths import typed

HOUR: Final = 3600.0  # s
PROMISED: Final = 120.0  # s that a place is kept for an upload: longer than opening one takes
SOON: Final = 5.0  # s until somebody asks again who has to see whether such a place is taken
HOPS: Final = 20  # limits that each put off what the one before let through; there are five a folder


@dataclass(frozen=True, slots=True)
class _Promise:
    """A place that is kept for an upload: it is just being opened, or goes alone, and first, on a fresh day."""

    folder: str
    seconds: float
    since: float  # s of CLOCK_BOOTTIME; long ago where it holds now, whatever older moment another thread asks about …
    until: float  # … and until when it is kept


class Limiter:
    """The limits of a configuration, for all threads. Errors: StateTrouble."""

    def __init__(
        self,
        of_all: Bounds,
        of_folders: Mapping[str, Bounds],
        openings: Openings,
        pauses: Pauses,
        calendar: Calendar,
        clock: Callable[[], Now] = read_clock,
    ) -> None:
        self._bounds: Mapping[str, Bounds] = {}
        self._openings = openings
        self._pauses = pauses
        self._calendar = calendar
        self._clock = clock
        self._guard = threading.RLock()
        self._buckets: dict[str, Bucket] = {}
        self._tally = Tally(openings, calendar)
        self._promises: dict[int, _Promise] = {}
        self._latest = 0.0  # s of CLOCK_BOOTTIME: a thread that has read a file for long asks with an old moment
        self._shut: dict[str, Span] = {}  # by whose hours: within this they are known to be over
        self._paused: Collection[str] = frozenset(pauses.paused())
        self.adopt(of_all, of_folders)

    def adopt(self, of_all: Bounds, of_folders: Mapping[str, Bounds]) -> None:
        """Go by these limits from now on; what was sent before counts for them as well."""
        bounds = {ALL: of_all, **of_folders}
        with self._guard:
            self._buckets = {
                whose: self._buckets[whose]
                if whose in self._buckets and self._bounds[whose].bandwidth == one.bandwidth
                else Bucket(one.bandwidth, self._calendar)
                for whose, one in bounds.items()
                if one.bandwidth
            }
            self._counts = any(one.counts for one in bounds.values())
            self._shut = {}
            self._bounds = bounds

    def look_again(self) -> bool:
        """Somebody may have paused or resumed something; returns whether anything is paused that was not."""
        before, self._paused = self._paused, frozenset(self._pauses.paused())
        return not set(self._paused) <= set(before)

    def paused(self) -> Collection[str]:
        """The folders whose uploads a person has paused, by name or all together."""
        return self._bounds.keys() if ALL in self._paused else self._paused

    def opening(self, folder: str, now: Now) -> Standstill | None:
        """Whether an upload may be opened for this folder."""
        with self._guard:
            self._catch_up(now)
            return self._standstill(folder, now.wall, self._opening)

    def feeding(self, folder: str, now: Now) -> Standstill | None:
        """Whether an upload of this folder that is open may go on."""
        return self._standstill(folder, now.wall, self._feeding)

    def admits(self, job: Job, folder: str, seconds: float | None, now: Now) -> Standstill | None:
        """Whether this job, which plays so long as far as is known, may be opened today.

        A yes keeps its place, so that two that are opened at once do not both take the last one.
        """
        with self._guard:
            self._catch_up(now)
            self._promises.pop(job.id, None)
            counted_at = self._openings.counted_at(job.id) if self._counts else None
            wish = Wish(seconds or 0.0, counted_at)

            def halts(whose: str, wall: float) -> Iterator[Halt]:
                return self._opening(whose, wall, wish)

            found = self._standstill(folder, now.wall, halts)
            if found is not None and found.until is not None and self._is_longer_than_all(folder, wish):
                fresh = now.boot + found.until - now.wall
                self._promises[job.id] = _Promise(folder, wish.seconds, fresh, fresh + PROMISED)
            if found is None and self._is_promised_away(folder, now, wish):
                reason = "another one's turn comes first, and may take all that the limits leave for today"
                found = Standstill(reason, "", now.wall + SOON)
            if found is None and self._counts:
                self._promises[job.id] = _Promise(folder, wish.seconds, -math.inf, self._latest + PROMISED)
        return found

    def wait(self, folder: str, count: int) -> float:
        """Account for `count` bytes that are about to be sent; seconds to wait before them."""
        buckets = [self._buckets[whose] for whose in (ALL, folder) if whose in self._buckets]
        if not buckets:
            return 0.0
        with self._guard:
            now = self._clock()
            return max(bucket.take(count, now) for bucket in buckets)

    def halts(self, now: Now) -> Sequence[Halt]:
        """Everything that stands still, each with the moment when it goes on if nothing else happens."""
        with self._guard:
            self._catch_up(now)
            found = [(whose, halt) for whose in self._bounds for halt in self._opening(whose, now.wall)]
            return [
                replace(halt, standstill=self._to_the_end(whose, halt.standstill, self._opening))
                for whose, halt in found
            ]

    def _catch_up(self, now: Now) -> None:
        self._latest = max(self._latest, now.boot)
        if not self._counts:
            return
        for job_id in self._tally.catch_up(now.wall):
            self._promises.pop(job_id, None)
        if self._promises:
            self._promises = {job: one for job, one in self._promises.items() if one.until > self._latest}

    def _standstill(self, folder: str, wall: float, halts: _Halts) -> Standstill | None:
        """The halt that lasts longest, with the moment when really nothing speaks against it any more."""
        found = [halt.standstill for whose in _concerned(folder) for halt in halts(whose, wall)]
        if not found:
            return None
        return self._to_the_end(folder, max(found, key=_lasting), halts)

    def _to_the_end(self, folder: str, standstill: Standstill, halts: _Halts) -> Standstill:
        """The same until all limits let it through, one after the other."""
        until = standstill.until
        for _ in range(HOPS):
            if until is None:
                break
            later = [halt.standstill for whose in _concerned(folder) for halt in halts(whose, until)]
            if not later:
                return replace(standstill, until=until)
            until = max(later, key=_lasting).until
        return replace(standstill, until=None)

    def _feeding(self, whose: str, wall: float) -> Iterator[Halt]:
        """What keeps an open upload from going on: only what its owner and the hours of the day say."""
        if whose in self._paused:
            yield Halt(whose, Limit.PAUSE, paused(whose))
            return
        bounds = self._bounds.get(whose)
        hours = bounds.upload_hours if bounds else None
        if hours is not None and (until := self._shut_until(whose, hours, wall)) > wall:
            yield Halt(whose, Limit.UPLOAD_HOURS, Standstill(_over(whose, hours), "", until))

    def _opening(self, whose: str, wall: float, wish: Wish = NO_WISH) -> Iterator[Halt]:
        """What keeps new uploads from being opened: the same, and what was sent already."""
        yield from self._feeding(whose, wall)
        bounds = self._bounds.get(whose)
        if bounds is None or not bounds.counts:
            return
        day, month = self._tally.day, self._tally.month
        if bounds.files_per_day is not None and wall in day.span and day.files[whose] >= bounds.files_per_day:
            reason = f"{day.files[whose]} file(s){_of(whose)} were sent today, {_as_many(whose, Limit.FILES_PER_DAY)}"
            yield Halt(whose, Limit.FILES_PER_DAY, Standstill(reason, "", day.span.end))
        for sum_, limit, most in (
            (day, Limit.HOURS_PER_DAY, bounds.hours_per_day),
            (month, Limit.HOURS_PER_MONTH, bounds.hours_per_month),
        ):
            if most is not None and wall in sum_.span:
                used, more = sum_.seconds.get(whose, 0.0), wish.within(sum_.span)
                if _too_long(used, more, most):
                    reason = _hours_used(whose, limit, used, more, most)
                    yield Halt(whose, limit, Standstill(reason, "", sum_.span.end))

    def _is_longer_than_all(self, folder: str, wish: Wish) -> bool:
        """Whether no day, or no month, has as many hours as this job plays."""
        bounds = [self._bounds[whose] for whose in _concerned(folder) if whose in self._bounds]
        most = [most for one in bounds for most in (one.hours_per_day, one.hours_per_month) if most is not None]
        return any(wish.seconds > one * HOUR for one in most)

    def _is_promised_away(self, folder: str, now: Now, wish: Wish) -> bool:
        """Whether it would be too much once everything is open that has a place."""
        for whose in _concerned(folder):
            bounds = self._bounds.get(whose)
            kept = [one for one in self._promises.values() if one.since <= now.boot]
            others = [one for one in kept if whose in (ALL, one.folder)]
            if bounds is None or not others:
                continue
            if bounds.files_per_day is not None and (
                self._tally.day.files[whose] + len(others) >= bounds.files_per_day
            ):
                return True
            length = sum(one.seconds for one in others)
            for sum_, most in ((self._tally.day, bounds.hours_per_day), (self._tally.month, bounds.hours_per_month)):
                used = sum_.seconds.get(whose, 0.0) + length
                if most is not None and now.wall in sum_.span and _too_long(used, wish.within(sum_.span), most):
                    return True
        return False

    def _shut_until(self, whose: str, hours: Hours, wall: float) -> float:
        """When these hours begin; now, if they have."""
        known = self._shut.get(whose)
        if known is not None and wall in known:
            return known.end
        until = self._calendar.when(wall, hours.__contains__)
        if until is None:  # hours that no clock shows within days: looked for again then
            until = wall + LOOK_AHEAD * MINUTE
        if until > wall:
            self._shut[whose] = Span(wall, until)
        return until


class _Halts(Protocol):
    """What stands still at a moment, of one folder alone or of ALL."""

    def __call__(self, whose: str, wall: float, /) -> Iterator[Halt]: ...


def _concerned(folder: str) -> tuple[str, ...]:
    return (ALL, folder) if folder else (ALL,)


def _lasting(standstill: Standstill) -> float:
    return math.inf if standstill.until is None else standstill.until


def _too_long(used: float, more: float, most: float) -> bool:
    """Whether so many seconds are too many hours; a job that is longer than all of them goes alone, not never."""
    return used > 0 and (used >= most * HOUR or used + more > most * HOUR)


def paused(whose: str) -> Standstill:
    """What a person has paused, in words."""
    name = f" {typed(whose)}" if whose else ""
    what = f"uploads of {whose} are paused" if whose else "all uploads are paused"
    return Standstill(what, f"to go on: scriptixd resume{name}", None)


def _over(whose: str, hours: Hours) -> str:
    return f"uploads{_of(whose)} are made from {hours.written} only, as {_as(whose, Limit.UPLOAD_HOURS)} says"


def _hours_used(whose: str, limit: Limit, used: float, more: float, most: float) -> str:
    period = "today" if limit is Limit.HOURS_PER_DAY else "this month"
    sent = f"{used / HOUR:.1f} h of media{_of(whose)} were sent {period}"
    if used >= most * HOUR:
        return f"{sent}, {_as_many(whose, limit)}"
    return f"it plays {more / HOUR:.1f} h, {sent}, and {_as(whose, limit)} allows {most:g}"


def _of(whose: str) -> str:
    return f" of {whose}" if whose else ""


def _as(whose: str, limit: Limit) -> str:
    return f"its {limit}" if whose else f"limits.{limit}"


def _as_many(whose: str, limit: Limit) -> str:
    return f"as many as {_as(whose, limit)} allows"
