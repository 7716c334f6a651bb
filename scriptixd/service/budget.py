"""The request budget: how many requests a token may still make just now, and whose turn it is.

Windows that slide, over everything that asks the service, remembered over restarts by the journal. Pure in
time, safe for threads, never sleeps.
"""

from __future__ import annotations

import threading
from collections import deque
from dataclasses import dataclass
from typing import Final

from scriptixd.jobs.clock import Now
from scriptixd.jobs.ports import Journal, Lane

WINDOW: Final = 61.0  # s: the service counts minutes when requests arrive, and on their way they lose up to a second
HOUR: Final = 3601.0  # s, likewise
KEEN: Final = 2.0  # s after a request for which its lane counts as waiting for the next one
LONGEST_SILENCE: Final = 3600.0  # s: asking once an hour is cheap, and an absurd limit must not silence us for days


@dataclass(frozen=True, slots=True)
class Use:
    """What of the budget is in use; `silent_until` is in seconds of CLOCK_BOOTTIME, None where all may ask."""

    last_minute: int
    uploads_last_minute: int  # of these, as far as this process made them
    per_minute: int  # in force: the service may have told of less than is configured
    last_hour: int | None  # None where no hour is counted
    per_hour: int | None
    silent_until: float | None

    @property
    def sentence(self) -> str:
        """Why a request has to wait."""
        if self.silent_until is not None:
            return "the service wants to be asked nothing"
        if self.last_hour is not None and self.per_hour is not None and self.last_hour >= self.per_hour:
            return f"the request budget of {self.per_hour} an hour is used up"
        return f"the request budget of {self.per_minute} a minute is used up"


class Budget:
    """Never more than `per_minute` requests in any minute, nor `per_hour` in any hour.

    While both lanes wait, uploads get two thirds of a minute and asking one third; what one leaves the other takes.
    """

    def __init__(
        self,
        per_minute: int,
        per_hour: int | None = None,
        *,
        token: str = "",
        journal: Journal | None = None,
        now: Now | None = None,
    ) -> None:
        self.per_minute = per_minute
        self.per_hour = per_hour
        self._told: int | None = None  # a smaller rate that the service told of …
        self._told_until = float("-inf")  # … which is believed so long
        self._token = token
        self._journal = journal
        self._lock = threading.Lock()
        # Boot seconds, ascending: of the last minute all, and by lane; of the last hour, where that is counted.
        self._minute: deque[float] = deque()
        self._by_lane: dict[Lane, deque[float]] = {lane: deque() for lane in Lane}
        self._hour: deque[float] = deque()
        self._keen = dict.fromkeys(Lane, float("-inf"))  # until when a lane counts as waiting
        self._refused = dict.fromkeys(Lane, float("-inf"))  # until when it was told to wait
        self._held_until = float("-inf")
        if journal is not None and now is not None:
            for boot in journal.asked(token, now):
                self._note(boot, None)
            self._held_until = journal.silence(token, now) or float("-inf")

    def take(self, now: Now, lane: Lane) -> float | None:
        """Take one request: None when it is ours, else the boot second at which to ask again.

        Raises StateTrouble, and the request must not be made, if it cannot be remembered.
        """
        with self._lock:
            ready = self._ready(now.boot, lane)
            if ready > now.boot:
                return ready
            # Threads read their clocks before they get here, so one may come with an older now.
            self._note(max(now.boot, self._minute[-1]) if self._minute else now.boot, lane)
        if self._journal is not None:
            self._journal.note(self._token, now)
        return None

    def ready_at(self, now: Now, lane: Lane) -> float:
        """The boot second at which a request of this lane is free; `now.boot` if one is. Who asks counts as waiting."""
        with self._lock:
            return self._ready(now.boot, lane)

    def waiting(self, now: Now) -> bool:
        """Whether a lane was told to wait, and still does."""
        with self._lock:
            return any(until > now.boot for until in self._refused.values())

    def use(self, now: Now) -> Use:
        with self._lock:
            self._forget(now.boot)
            silent = self._held_until if self._held_until > now.boot else None
            return Use(
                last_minute=len(self._minute),
                uploads_last_minute=len(self._by_lane[Lane.UPLOAD]),
                per_minute=self._rate(now.boot),
                last_hour=None if self.per_hour is None else len(self._hour),
                per_hour=self.per_hour,
                silent_until=silent,
            )

    def hold(self, until: float, now: Now) -> None:
        """The service asked for silence until this boot second; never shortens what holds already."""
        until = min(until, now.boot + LONGEST_SILENCE)
        with self._lock:
            if until <= max(self._held_until, now.boot):
                return
            self._held_until = until
        if self._journal is not None:
            self._journal.note_silence(self._token, until, now)

    def learn(self, per_minute: int, now: Now) -> None:
        """The service told its own rate; a smaller one than ours is believed for an hour, or until it tells another."""
        with self._lock:
            self._told = max(1, per_minute)
            self._told_until = now.boot + HOUR

    def _ready(self, boot: float, lane: Lane) -> float:
        self._forget(boot)
        rate = self._rate(boot)
        ready = max(boot, self._held_until, _free(self._minute, rate, WINDOW))
        if self.per_hour is not None:
            ready = max(ready, _free(self._hour, self.per_hour, HOUR))
        other = Lane.ASK if lane is Lane.UPLOAD else Lane.UPLOAD
        mine = _free(self._by_lane[lane], _share(lane, rate), WINDOW)
        ready = max(ready, min(mine, self._keen[other]))  # the other's share is free when it waits no more
        self._refused[lane] = ready if ready > boot else float("-inf")
        self._keen[lane] = max(boot, ready) + KEEN
        return ready

    def _note(self, boot: float, lane: Lane | None) -> None:
        self._minute.append(boot)
        if lane is not None:
            self._by_lane[lane].append(boot)
        if self.per_hour is not None:
            self._hour.append(boot)

    def _rate(self, boot: float) -> int:
        told = self._told if self._told is not None and boot < self._told_until else self.per_minute
        return min(self.per_minute, told)

    def _forget(self, boot: float) -> None:
        windows = [(self._hour, HOUR), *((taken, WINDOW) for taken in (self._minute, *self._by_lane.values()))]
        for taken, window in windows:
            while taken and taken[0] + window <= boot:
                taken.popleft()


def _free(taken: deque[float], most: int, window: float) -> float:
    """When the next request is free, of which `most` may be within a window; long ago if one is free now."""
    return taken[-most] + window if len(taken) >= most else float("-inf")


def _share(lane: Lane, rate: int) -> int:
    uploads = max(1, round(rate * 2 / 3))
    return uploads if lane is Lane.UPLOAD else max(1, rate - uploads)
