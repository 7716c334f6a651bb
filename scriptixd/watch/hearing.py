"""A folder's doorbell where there can be one, and the reason where there is none.

What the kernel refuses is told once, the folder is polled meanwhile, and the kernel is asked again later.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable

from scriptixd.errors import AdministratorHeals
from scriptixd.jobs.clock import Now
from scriptixd.roots.place import Place
from scriptixd.roots.root import Disk
from scriptixd.watch.doorbell import Bell, Rung
from scriptixd.watch.mode import SCAN_WITH_EVENTS, Choice, Mode, choose_mode

LOG = logging.getLogger("scriptixd.watch")


class Hearing:
    """One folder's ears. `open_bell` is asked only where events are to be had; raises ShareTrouble as it does."""

    def __init__(self, folder: str, configured: Mode | None, open_bell: Callable[[], Bell]) -> None:
        self._folder = folder
        self._configured = configured
        self._open_bell = open_bell
        self._bell: Bell | None = None
        self._refusal: AdministratorHeals | None = None
        self._again = 0.0  # boot time from which the kernel is asked again
        self._told = False

    @property
    def rings(self) -> bool:
        return self._bell is not None

    def choice(self, disk: Disk) -> Choice:
        """How the folder is watched now, and why."""
        chosen = choose_mode(self._configured, disk)
        if chosen.mode is Mode.EVENTS and self._refusal is not None:
            return Choice(Mode.POLL, str(self._refusal))
        return chosen

    def open(self, disk: Disk, now: Now) -> None:
        """Before a full look: a doorbell, where there is none and can be one."""
        wanted = choose_mode(self._configured, disk).mode is Mode.EVENTS
        if wanted and self._bell is None and now.boot >= self._again:
            self._refusal = None
            try:
                self._bell = self._open_bell()
            except AdministratorHeals as refusal:
                self._refusal = refusal

    def cover(self, directory: str) -> None:
        """Ring for a directory from now on."""
        if self._bell is not None and self._refusal is None:
            try:
                self._bell.cover(directory)
            except AdministratorHeals as refusal:
                self._refusal = refusal

    def leave(self, directories: Iterable[str]) -> None:
        """These are gone."""
        if self._bell is not None:
            self._bell.leave(directories)

    def take(self) -> Rung:
        """What has rung since the last time; everything, if the bell is dead or leads to another disk."""
        if self._bell is None:
            return Rung()
        rung = self._bell.take()
        if self._bell.alive():
            return rung
        self.close()
        return Rung(everything=True)

    def deletions_seen(self) -> bool:
        """Whether somebody was seen deleting in the root itself."""
        return self._bell is not None and self._bell.deletions_seen()

    def settle(self, now: Now) -> bool:
        """After a look: a folder of which only a part would ring is polled, told once; whether that begins now."""
        if self._refusal is None:
            if self._told:
                LOG.info("%s is polled no more: its events are heard again", Place(self._folder))
            self._told = False
            return False
        begins = self._bell is not None
        if self._again <= now.boot:
            self._again = now.boot + SCAN_WITH_EVENTS
        self.close()
        if not self._told:  # the numbers in it change all the time
            LOG.warning("%s is polled: %s", Place(self._folder), self._refusal)
        self._told = True
        return begins

    def close(self) -> None:
        """Stop the doorbell and its threads."""
        bell, self._bell = self._bell, None
        if bell is not None:
            bell.stop()
