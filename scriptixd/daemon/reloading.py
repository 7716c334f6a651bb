"""Applies a configuration to a house that goes on: no job and no upload is dropped for it.

What can be exchanged at once is; watchers end first, which a disk that hangs can hold up, and so in a loop of its own.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

from scriptixd.config.settings import Folder, Settings
from scriptixd.daemon.changes import Changes, changes, in_effect
from scriptixd.daemon.house import House, access_of
from scriptixd.daemon.outputs import guard_outputs
from scriptixd.daemon.watchers import Watcher
from scriptixd.jobs import afterwards
from scriptixd.jobs.clock import Now
from scriptixd.roots.place import Place
from scriptixd.roots.reaching import FolderRoot, close_together

LOG = logging.getLogger("scriptixd.daemon")

IDLE: Final = 3600.0  # s: whoever reloads wakes the loop
LOOK_EVERY: Final = 0.5  # s while a watcher is to end
AWAITED_EVERY: Final = 10.0  # s while something that was paid for is still to be brought to a folder that was given up


@dataclass(slots=True)
class _Plans:
    """What is still to be done for the last configuration."""

    fresh: dict[str, Folder] = field(default_factory=dict)  # to be watched, once nobody else does
    removed: dict[str, Watcher] = field(default_factory=dict)  # to be given up, once their watcher has ended
    parting: set[str] = field(default_factory=set)  # given up, and their notice may still lie there
    leaving: set[str] = field(default_factory=set)  # given up, but for what was paid for
    unused: list[FolderRoot] = field(default_factory=list)  # ways to disks that nobody takes any more


class Reloading:
    """One house, and what it is to go by."""

    def __init__(self, house: House) -> None:
        self._house = house
        self._plans = _Plans()
        self._guard = threading.Lock()  # of the plans: who applies and who carries out are two threads

    def apply(self, after: Settings) -> Changes:
        """Go by these settings, as far as they need no restart; `run_once` does the rest."""
        with self._guard:
            return self._apply(after)

    def run_once(self, now: Now) -> float:
        """Exchange what can be exchanged by now; returns when to look again, in seconds of CLOCK_BOOTTIME."""
        with self._guard:
            parting = set(self._plans.parting)
        for name in parting:  # which takes its time where a disk hangs, as closing does
            self._house.noticing.part(name)
        with self._guard:
            self._plans.parting -= parting
            unused = self._exchange(now)
        close_together(unused)
        with self._guard:
            plans = self._plans
            if plans.removed or plans.fresh or plans.unused or plans.parting:
                return now.boot + LOOK_EVERY
            return now.boot + (AWAITED_EVERY if plans.leaving else IDLE)

    def _apply(self, after: Settings) -> Changes:
        house, plans = self._house, self._plans
        found = changes(house.settings, after)
        settings = in_effect(house.settings, after)
        for name in (*found.removed, *found.changed):
            if name in house.tower.watchers:
                house.tower.watchers[name].end()
        for name in found.removed:
            plans.fresh.pop(name, None)
            if name in house.tower.watchers:  # or nobody watches it yet, because its last watcher has not ended
                plans.removed[name] = house.tower.drop(name)
                house.leaving.append(plans.removed[name])
        plans.leaving |= set(found.removed)
        plans.leaving -= set(found.added)
        plans.parting -= set(found.added)
        plans.fresh |= {one.name: one for one in settings.folders if one.name in {*found.added, *found.changed}}
        plans.unused += house.folders.adopt(settings, plans.leaving)
        guard_outputs(house.folders, house.store)
        house.service.keep_quiet(access_of(settings).secrets)
        house.limits.adopt(settings.limits.bounds, {one.name: one.limits.bounds for one in settings.folders})
        house.breakers.forget((*found.removed, *found.changed))
        house.retention.adopt(settings.keep.results, settings.keep.history)
        house.noticing.adopt(settings.folders)
        house.settings = settings
        for loop in house.staff.adopt(settings):
            house.figures.listen(loop.name, loop.beat)
            loop.start()
        house.wake()
        return found

    def _exchange(self, now: Now) -> Sequence[FolderRoot]:
        """Whatever can be; returns the ways that nobody takes any more."""
        house, plans = self._house, self._plans
        for name, watcher in list(plans.removed.items()):
            if watcher.loop.join(0.0):
                self._give_up(name, watcher, now)
        for name, folder in list(plans.fresh.items()):
            before = house.tower.watchers.get(name)
            if name in plans.removed or (before is not None and not before.loop.join(0.0)):
                continue
            if before is not None:
                before.scanner.close()
            del plans.fresh[name]
            house.tower.put(folder).loop.start()
        self._let_go(now)
        if plans.removed or plans.fresh:
            return ()
        unused, plans.unused = plans.unused, []
        return unused

    def _give_up(self, name: str, watcher: Watcher, now: Now) -> None:
        """Nobody watches a folder any more: what was not paid for is left alone."""
        house = self._house
        watcher.scanner.close()
        house.leaving.remove(watcher)
        del self._plans.removed[name]
        if name in self._plans.leaving:
            if house.store.notices.get(name) is not None:
                self._plans.parting.add(name)
            count = house.store.sources.leave(name, now.wall, house.store.sources.awaited(name))
            LOG.info("%s: %d file(s) in it are left alone", Place(name), count)

    def _let_go(self, now: Now) -> None:
        """A folder to which everything was brought that was paid for is no more."""
        house, plans = self._house, self._plans
        waited_for = plans.removed.keys() | plans.parting
        done = [name for name in plans.leaving - waited_for if self._is_over(name, now)]
        if done:
            for name in done:
                house.store.sources.leave(name, now.wall)
                afterwards.leave(house.store, name, now)
            plans.leaving -= set(done)
            plans.unused += house.folders.adopt(house.settings, plans.leaving)

    def _is_over(self, folder: str, now: Now) -> bool:
        """Whether everything is brought that was paid for, and every command behind it has run or failed."""
        store = self._house.store
        reached = [folder] if folder in self._house.folders.names() else []
        return not store.sources.awaited(folder) and not store.errands.pressing(now.wall, reached)
