"""Once a day, forgets what is kept no longer: transcripts, history, and the names of files that are gone for long.

What the state file has no use for any more goes back to its disk. All of it a little at a time, so that nobody
who writes waits for it.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from typing import Final

from scriptixd.jobs.clock import Now
from scriptixd.jobs.store.tables import Store
from scriptixd.roots.place import Words

LOG = logging.getLogger("scriptixd.retention")

DAY: Final = 86_400.0  # s
MIB: Final = 1024 * 1024
AFTER_START: Final = 60.0  # s: whoever has just been started has better things to do
BREATH: Final = 0.2  # s between two bites
REQUESTS_KEPT: Final = 30 * DAY  # s: what a verb asked was answered long before
OPENINGS_KEPT: Final = 62 * DAY  # s: the longest that a limit counts is a calendar month


class Retention:
    """The loop that forgets; None keeps for ever."""

    def __init__(self, store: Store, keep_results: float | None, keep_history: float | None) -> None:
        self._expiry = store.expiry
        self._after_start = AFTER_START
        self._next: float | None = None  # s of CLOCK_BOOTTIME
        self._removed: dict[str, int] = {}
        self._given_back = 0  # bytes
        self.adopt(keep_results, keep_history)

    def adopt(self, keep_results: float | None, keep_history: float | None) -> None:
        """Go by these times from the next look on."""
        expiry = self._expiry
        steps: Sequence[tuple[str, Callable[[float], int], float | None]] = (
            ("stored transcript(s)", expiry.results, keep_results),
            ("line(s) of history", expiry.history, keep_history),
            ("name(s) of files that are gone", expiry.names, keep_history),
            ("request(s) of verbs", expiry.requests, REQUESTS_KEPT),
            ("opening(s) of uploads", expiry.openings, OPENINGS_KEPT),
        )
        self._steps = [(what, expire, keep) for what, expire, keep in steps if keep is not None]

    def begin_at_once(self) -> None:
        """For a run that ends by itself, and may be over before long: another may never come that is not."""
        self._after_start = 0.0

    def run_once(self, now: Now) -> float:
        """One bite; returns when the next one is wanted, in seconds of CLOCK_BOOTTIME."""
        if self._next is None:
            self._next = now.boot + self._after_start
        if now.boot < self._next:
            return self._next
        for what, expire, keep in self._steps:
            if count := expire(now.wall - keep):
                self._removed[what] = self._removed.get(what, 0) + count
                return now.boot + BREATH
        if given_back := self._expiry.space():
            self._given_back += given_back
            return now.boot + BREATH
        if self._removed:
            told = ", ".join(f"{count} {what}" for what, count in self._removed.items())
            LOG.info("kept no longer, as keep_results and keep_history say: %s", Words(told))
        if self._given_back:
            LOG.info("the state file needs %.0f MiB less", self._given_back / MIB)
        self._removed, self._given_back, self._next = {}, 0, now.boot + DAY
        return self._next
