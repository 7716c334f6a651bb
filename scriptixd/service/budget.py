"""The request budget: how many requests a token may still make just now.

One sliding window for everything that asks the service. Pure in time, safe for threads, never sleeps.
"""

from __future__ import annotations

import threading
from collections import deque

from scriptixd.jobs.clock import Now

WINDOW = 61.0  # s: the service counts minutes when requests arrive, and on their way they lose up to a second


class Budget:
    """Never more than `per_minute` requests in any minute."""

    def __init__(self, per_minute: int) -> None:
        self.per_minute = per_minute
        self._lock = threading.Lock()
        self._taken: deque[float] = deque()  # boot seconds, ascending, none older than the window
        self._held_until = float("-inf")

    def take(self, now: Now) -> float | None:
        """Take one request: None when it is ours, else the boot second at which to ask again."""
        with self._lock:
            ready = self._ready(now.boot)
            if ready > now.boot:
                return ready
            # Threads read their clocks before they get here, so one may come with an older now.
            self._taken.append(max(now.boot, self._taken[-1]) if self._taken else now.boot)
            return None

    def ready_at(self, now: Now) -> float:
        """The boot second at which a request is free; `now.boot` if one is."""
        with self._lock:
            return self._ready(now.boot)

    def taken(self, now: Now) -> int:
        """How many requests were made in the window that ends now."""
        with self._lock:
            self._ready(now.boot)
            return len(self._taken)

    def hold(self, until: float) -> None:
        """The service asked for silence until this boot second; never shortens what holds already."""
        with self._lock:
            self._held_until = max(self._held_until, until)

    def _ready(self, boot: float) -> float:
        while self._taken and self._taken[0] + WINDOW <= boot:
            self._taken.popleft()
        free = self._taken[-self.per_minute] + WINDOW if len(self._taken) >= self.per_minute else boot
        return max(boot, free, self._held_until)
