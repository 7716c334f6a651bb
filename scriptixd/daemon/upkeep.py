"""What is done once a day, and at the start: copies of the state file that were kept before an upgrade are deleted.

Touches nothing that a person has made.
"""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Final

from scriptixd.jobs.clock import Now
from scriptixd.jobs.store.copies import KEPT_FOR, delete_expired
from scriptixd.roots.place import Words

LOG = logging.getLogger("scriptixd.daemon")

DAY: Final = 86_400.0  # s


class Upkeep:
    """The daily round; `run_once` costs nothing until it is due."""

    def __init__(self, state: Path) -> None:
        self._state = state
        self._due_at = 0.0  # s of CLOCK_BOOTTIME

    def run_once(self, now: Now) -> None:
        if now.boot < self._due_at:
            return
        self._due_at = now.boot + DAY
        try:
            for path in delete_expired(self._state, now.wall):
                LOG.info("%s was kept for %.0f days, and is deleted", Words(path), KEPT_FOR / DAY)
        except OSError as error:
            LOG.warning("a copy of the state file whose time is over cannot be deleted: %s", error)
