"""What is dear to find out, remembered for a while: whoever asks often must not keep the machine busy with it."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Generic, TypeVar

from scriptixd.jobs.clock import Now, read_clock

T = TypeVar("T")

FRESH: Final = 2.0  # s: a person who has asked something of the daemon sees within this what came of it
# Of the time may go into looking: a state file of a million jobs takes seconds to be counted, and a monitoring that
# asks every few seconds must not occupy a core with that.
SHARE: Final = 0.05


@dataclass(frozen=True, slots=True)
class Finding(Generic[T]):
    """What was found, and when that was asked for."""

    value: T
    at: Now


class Kept(Generic[T]):
    """One look for all who ask within FRESH seconds, or within what it costs. Safe for threads."""

    def __init__(self, look: Callable[[], T], clock: Callable[[], Now] = read_clock) -> None:
        self._look = look
        self._clock = clock
        self._turn = threading.Lock()
        self._last: Finding[T] | None = None
        self._until = 0.0  # s of CLOCK_BOOTTIME

    def get(self) -> Finding[T]:
        """The last finding, or a new one; who asks meanwhile waits for that. What looking raises is not kept."""
        with self._turn:
            began = self._clock()
            if self._last is None or began.boot >= self._until:
                self._last = Finding(self._look(), began)
                ended = self._clock().boot
                self._until = ended + max(FRESH, (ended - began.boot) / SHARE)
            return self._last
