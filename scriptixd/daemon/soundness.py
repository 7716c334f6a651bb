"""The loop that looks once a week whether the state file is in order, and hourly while it is not. Mends nothing."""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path
from typing import Final

from scriptixd.jobs.clock import Now
from scriptixd.jobs.store.soundness import first_fault
from scriptixd.roots.place import Words

LOG = logging.getLogger("scriptixd.daemon")

AFTER_START: Final = 900.0  # s: whoever has just been started has better things to do
WEEK: Final = 7 * 86_400.0  # s
HOUR: Final = 3600.0  # s: a disk that could not be read for a moment leaves no damage


class Soundness:
    """`fault`: what was wrong at the last look, empty where nothing was."""

    def __init__(self, state: Path, stop: Callable[[], bool]) -> None:
        self.fault = ""
        self._state = state
        self._stop = stop
        self._due_at: float | None = None  # s of CLOCK_BOOTTIME

    def run_once(self, now: Now) -> float:
        """One look; returns when the next one is wanted, in seconds of CLOCK_BOOTTIME."""
        if self._due_at is None:
            self._due_at = now.boot + AFTER_START
        if now.boot >= self._due_at:
            found = first_fault(self._state, self._stop)
            if found is not None:
                if found and not self.fault:
                    LOG.error("the state file %s is damaged: %s", self._state, Words(found))
                if self.fault and not found:
                    LOG.info("the state file %s is in order", self._state)
                self.fault = found
            self._due_at = now.boot + _wait(found)
        return self._due_at


def _wait(found: str | None) -> float:
    """Seconds until the next look; None was no look at all."""
    if found is None:
        return AFTER_START
    return HOUR if found else WEEK
