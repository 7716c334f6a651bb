"""A thread around a `run_once(now)`: calls it, waits until it is wanted again, and shows that it moves.

Whatever a loop cannot handle ends the process, and systemd starts it again: nothing is half alive.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from typing import Final, Protocol

from scriptixd.errors import StateTrouble, Stopped
from scriptixd.jobs.clock import Now, read_clock
from scriptixd.roots.place import Words

LOG = logging.getLogger("scriptixd.daemon")

LONGEST_REST: Final = 10.0  # s: a loop that waits shows so often that it is alive
STATE_REST: Final = 5.0  # s between attempts while the state file cannot be written
MOVED_LATELY: Final = 120.0  # s: longer than any wait inside a step; a slow PATCH beats with every piece


class Ends(Protocol):
    """Somebody who says when it is over."""

    def is_set(self) -> bool: ...


class Loop:
    """One loop; `failure` is what ended it before its time."""

    def __init__(
        self,
        name: str,
        run_once: Callable[[Now], float],
        stop: Ends,
        *,
        vital: bool = True,
        leave: Callable[[], None] | None = None,
    ) -> None:
        self.name = Words(name)  # of the house and of folders
        self.vital = vital  # whether systemd's watchdog waits for it: a loop on a foreign disk may hang
        self.failure: BaseException | None = None
        self.moved_at = awake()
        self._run_once = run_once
        self._leave = leave  # the last that it does when it is asked to stop
        self._stop = stop
        self._woken = threading.Event()
        self._blocked = False
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)

    def start(self) -> None:
        self._thread.start()

    def wake(self) -> None:
        """There is something to do, or to end."""
        self._woken.set()

    def beat(self) -> None:
        """A long step moves."""
        self.moved_at = awake()

    def join(self, timeout: float) -> bool:
        """Whether the thread has ended within `timeout` seconds."""
        self._thread.join(timeout)
        return not self._thread.is_alive()

    def _run(self) -> None:
        try:
            while not self._stop.is_set():
                self._woken.clear()
                wanted = self._guarded()
                self.beat()
                rest = wanted - read_clock().boot
                while rest > 0 and not self._stop.is_set() and not self._woken.wait(min(rest, LONGEST_REST)):
                    self.beat()
                    rest = wanted - read_clock().boot
            if self._leave is not None:
                self._leave()
        except Stopped:
            return
        except BaseException as error:  # noqa: BLE001 - nothing is swallowed: the process ends with it
            self.failure = error

    def _guarded(self) -> float:
        """One run; a state file that cannot be written is told once, and waited for."""
        now = read_clock()
        try:
            wanted = self._run_once(now)
        except Stopped:  # all of it, or what it was about, as a folder that a reload has given up: there may be more
            return now.boot
        except StateTrouble as trouble:
            if not self._blocked:
                LOG.error("%s waits: %s", self.name, trouble)
            self._blocked = True
            return now.boot + STATE_REST
        if self._blocked:
            LOG.info("%s goes on: the state file can be written again", self.name)
        self._blocked = False
        return wanted


def awake() -> float:
    """Seconds of CLOCK_MONOTONIC, which stands still while the machine sleeps: nobody moves meanwhile, nor has to."""
    return time.monotonic()


def is_still(moved_at: float) -> bool:
    """Whether what moved then, in seconds of `awake`, should have moved since."""
    return awake() - moved_at > MOVED_LATELY


def standing_still(loops: Iterable[Loop]) -> Sequence[str]:
    """The names of the vital loops that have not moved lately: what the watchdog and /healthz go by."""
    return [loop.name for loop in loops if loop.vital and is_still(loop.moved_at)]
