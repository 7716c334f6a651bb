"""What stands still because of a limit or a person, told once when it begins and once when it ends.

Decides nothing: asks the limits, and remembers what they said last.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from datetime import datetime

from scriptixd.errors import with_hint
from scriptixd.jobs.bounds import Halt, Limit
from scriptixd.jobs.clock import Now
from scriptixd.jobs.limits import Limiter
from scriptixd.observe.live import LivePause
from scriptixd.roots.paths import shown
from scriptixd.roots.place import Words

LOG = logging.getLogger("scriptixd.limits")


class Standstills:
    """What stood still when somebody looked last."""

    def __init__(self, limits: Limiter) -> None:
        self._limits = limits
        self._last: Mapping[tuple[str, Limit], Halt] = {}

    def look(self, now: Now) -> Sequence[Halt]:
        """Everything that stands still now."""
        halts = self._limits.halts(now)
        last, self._last = self._last, {(halt.folder, halt.limit): halt for halt in halts}
        for key, halt in self._last.items():
            if key not in last:
                LOG.info("%s", Words(shown(_begun(halt))))
        for folder, limit in last.keys() - self._last.keys():
            LOG.info("%s", Words(shown(_ended(folder, limit))))
        return halts

    def last(self) -> Sequence[Halt]:
        """What stood still then."""
        return tuple(self._last.values())


def pause_of(halt: Halt) -> LivePause:
    """As it is shown."""
    standstill = halt.standstill
    return LivePause(halt.limit, halt.folder, standstill.reason, standstill.hint, standstill.until)


def _begun(halt: Halt) -> str:
    sentence = with_hint(halt.standstill.reason, halt.standstill.hint)
    if halt.standstill.until is None:
        return sentence
    local = datetime.fromtimestamp(halt.standstill.until).astimezone()
    return f"{sentence}; it goes on at {local:%Y-%m-%d %H:%M}"


def _ended(folder: str, limit: Limit) -> str:
    whose = f"uploads of {folder}" if folder else "uploads"
    return f"{whose} are not paused any more" if limit is Limit.PAUSE else f"{whose} go on: {limit} lets them again"
