"""One folder's scanner: when to look, at what, and what to do when the disk is not there.

The scan is the only truth; doorbell and timer merely say when it is due. Nothing is inferred from a
root that cannot be read. Nothing sleeps here: every run returns when the next one is wanted.
"""

from __future__ import annotations

import logging
import math
import random
from collections.abc import Callable, Collection
from dataclasses import dataclass, field, replace
from typing import Final

from scriptixd.errors import Hung, ShareTrouble, Stopped
from scriptixd.jobs.clock import Now, boot_id, read_clock
from scriptixd.jobs.source import FLOOD_WITHIN, Restless
from scriptixd.roots.paths import typed
from scriptixd.roots.place import Place, Words
from scriptixd.roots.root import Disk, Nested, Root
from scriptixd.watch.book import Book
from scriptixd.watch.comparison import Judge
from scriptixd.watch.filters import Filter, picked_up_before
from scriptixd.watch.ground import Asks, Footing, Ground
from scriptixd.watch.hearing import Hearing
from scriptixd.watch.mode import SETTLE_REMOTE, Mode, scan_interval, settle_window
from scriptixd.watch.policy import Policy
from scriptixd.watch.report import Offline, ScanReport
from scriptixd.watch.tree import Tree
from scriptixd.watch.walk import Means, Walk

LOG = logging.getLogger("scriptixd.watch")

JITTER: Final = 0.1  # of the interval, either way: many folders on one server are not looked at in the same second
BELL_CHECK: Final = 10.0  # s: a root that was exchanged leaves a doorbell that is deaf and does not know it
REST: Final = 0.25  # s between two looks: a burst of events is one look, not thousands
REST_SHARE: Final = 3.0  # times the length of a look: a folder where all is in motion costs a quarter of a core
REST_MOST: Final = 10.0  # s
CONFIRM: Final = 1.0  # s until what is missing is looked for again: the other half of a rename may be on its way
RETRY_FIRST: Final = 1.0  # s between attempts to reach a root that is not there, doubled each time up to …
RETRY_MOST: Final = 60.0  # s
RETRY_UNREAD: Final = 60.0  # s until what the disk could not show is looked at again
NUMBERS_STAY: Final = 3600.0  # s for which new inodes are not written down again: some disks give them at each look
RETRY_ASKING: Final = 2.0  # s: a person has said yes, and watches whether it helps
RESTLESS_WINDOWS: Final = 10.0  # settle windows after which a file is named that has not stopped changing …
RESTLESS_LEAST: Final = 600.0  # s, but not before: a recording may take that long to be copied
RESTLESS_NAMED: Final = 10  # files; more would bury the status


@dataclass(frozen=True, slots=True)
class Watched:
    """What the configuration says about watching one folder; None is `auto`, for ask_above it is "never"."""

    name: str
    policy: Callable[[str], Policy]
    filter: Filter = field(default_factory=Filter)
    watch: Mode | None = None
    windows: tuple[float | None, ...] = (None,)  # s: every settle window that a file in it may have
    scan_interval: float | None = None  # s
    ask_above: int | None = None  # files within an hour
    marked: Callable[[str, Collection[str]], bool] = lambda _path, _names: False  # see Judge


class Scanner:
    """Keeps the book of one folder's sources true.

    `stands` is told why the folder's files are not to be touched, or None when they may be. `beat` is called,
    and `stop` asked, once a directory.
    """

    def __init__(
        self,
        watched: Watched,
        root: Root,
        book: Book,
        ground: Ground,
        hearing: Hearing,
        *,
        stands: Callable[[ShareTrouble | None], None],
        beat: Callable[[], None],
        stop: Callable[[], bool],
        clock: Callable[[], Now] = read_clock,
        boot: str | None = None,
    ) -> None:
        self._watched = watched
        self._root = root
        self._book = book
        self._ground = ground
        self._hearing = hearing
        self._stands = stands
        self._beat = beat
        self._stop = stop
        self._clock = clock
        self._boot = boot_id() if boot is None else boot
        self._disk: Disk | None = None
        self._tree = Tree()
        self._problems: dict[str, str] = {}  # directories that could not be read
        self._unread: set[str] = set()  # files, and directories as a whole, that were not seen: they were there before
        self._away: dict[str, str] = {}  # directories whose own disk is not mounted, or is another one
        self._waiting: tuple[Nested, ...] = ()  # those other ones: each waits for a yes
        self._doubtful: dict[str, frozenset[str]] = {}  # by directory: what was missing in it at the last look
        self._learns_at = 0.0  # boot time from which new inodes are written down
        self._due: dict[str, float] = {}  # directory → boot time at which something in it may settle, or be gone
        self._next_full = 0.0
        self._not_before = 0.0
        self._retry = RETRY_FIRST
        self._flooded = False
        self._nudged = False
        self._report = ScanReport(watched.name)

    @property
    def view(self) -> ScanReport:
        """How the folder is doing; safe to ask from any thread."""
        return self._report

    def window(self, path: str) -> float:
        """Seconds for which a file must not change before it is complete."""
        configured, disk = self._watched.policy(path).settle_window, self._disk
        if disk is None:
            return SETTLE_REMOTE if configured is None else configured
        return settle_window(configured, disk)

    def nudge(self) -> None:
        """Something has changed that may bring the folder back: do not wait for the next attempt. From any thread."""
        self._nudged = True

    def close(self) -> None:
        """Stop the doorbell and its threads."""
        self._hearing.close()

    def leave(self) -> None:
        """The end of the last run: other daemons may watch the folder from now on."""
        if self._report.offline is None:
            self._ground.leave(self._clock())

    def run_once(self, now: Now) -> float:
        """Do what is due; returns the CLOCK_BOOTTIME at which the next run is wanted."""
        nudged, self._nudged = self._nudged, False
        if nudged and self._report.offline is not None:
            self._not_before, self._retry = 0.0, RETRY_FIRST
        if now.boot < self._not_before:
            return self._not_before
        try:
            self._reach(now)
        except ShareTrouble as trouble:
            return self._lose_root(trouble)
        except Stopped:
            return now.boot
        return self._next_run()

    def _reach(self, now: Now) -> None:
        footing = self._ground.stand(now)
        self._stands(None)
        if self._disk != footing.disk:
            self._meet(footing.disk)
        if self._waiting != footing.exchanged:
            self._waiting, self._next_full = footing.exchanged, 0.0
        rung = self._hearing.take()
        if rung.everything or now.boot >= self._next_full:
            self._look_at_everything(footing)
            return
        looked_for = {directory for directory, at in self._due.items() if at <= now.boot}
        if rung or looked_for:
            walk = self._walk(footing, now, None)
            next_full = self._next_full
            self._next_full = 0.0  # what has rung is taken already: whatever interrupts this look, all is looked at
            walk.some(rung.directories | looked_for, rung.trees)
            self._next_full = next_full
            self._problems = {place: why for place, why in self._problems.items() if place not in walk.seen}
            self._finish(walk, footing.disk, now, full=False)

    def _meet(self, disk: Disk) -> None:
        """A disk that was not looked at until now, or other mounts on it: nothing of before is taken for granted."""
        self._hearing.close()
        self._disk = disk
        self._tree = Tree(self._book.directories(self._watched.name))
        self._unread = set(self._book.unread(self._watched.name))
        self._doubtful = {}
        self._next_full = self._learns_at = 0.0

    def _look_at_everything(self, footing: Footing) -> None:
        began = self._clock()
        self._next_full = 0.0  # whatever interrupts this look, it is still due
        folder, scope = self._watched.name, self._watched.filter.scope
        last, before = self._book.last_disk(folder), picked_up_before(self._book.scope(folder), self._watched.filter)
        self._hearing.open(footing.disk, began)
        walk = self._walk(footing, began, before)
        walk.everything(footing.first_contact)
        disk = footing.after(walk.unreached | walk.problems.keys(), last)
        self._book.complete_pass(folder, disk, scope, self._clock().wall, walk.unread)
        self._ground.stood()
        self._problems = {}
        self._away = {directory: footing.unmounted[directory] for directory in sorted(walk.unreached)}
        self._finish(walk, footing.disk, began, full=True)
        interval = scan_interval(self._watched.scan_interval, self._hearing.choice(footing.disk).mode)
        self._next_full = self._clock().boot + interval * random.uniform(1 - JITTER, 1 + JITTER)  # noqa: S311 - no secret

    def _walk(self, footing: Footing, now: Now, before: Filter | None) -> Walk:
        watched, disk = self._watched, footing.disk
        judge = Judge(watched.filter, before, watched.policy, settle_window(None, disk), self._boot, watched.marked)
        means = Means(
            folder=watched.name,
            root=self._root,
            disk=disk,
            book=self._book,
            judge=judge,
            clock=self._clock,
            beat=self._move,
            stop=self._stop,
            cover=self._hearing.cover,
            leave=self._hearing.leave,
            refuse_empty=lambda: self._ground.refuse_empty(self._clock()),
            learns=now.boot >= self._learns_at,
        )
        allowance = math.inf
        if (most := watched.ask_above) is not None:
            allowance = most - self._book.arrived(watched.name, now.wall - FLOOD_WITHIN, most)
        return Walk(means, self._tree, self._unread, self._doubtful, footing.unmounted, footing.fresh, allowance)

    def _move(self) -> None:
        """A long look moves, and must not look to other daemons as if we had died."""
        self._beat()
        self._ground.hold_claim(self._clock())

    def _finish(self, walk: Walk, disk: Disk, began: Now, *, full: bool) -> None:
        """What the next run and the status need to know of this one."""
        now = self._clock()
        if self._hearing.settle(now) and not full:
            self._next_full = 0.0  # what would have rung is to be looked for
        self._problems |= walk.problems
        problems = (*self._problems.values(), *self._away.values())
        self._tell(walk, problems)
        self._unread = walk.unread | (set() if full else self._unread - walk.seen - walk.told)
        still = () if full else self._doubtful.items()
        self._doubtful = walk.missing | {place: what for place, what in still if place not in walk.tried}
        self._ground.over(accounted=not self._doubtful)
        self._plan_looks(walk, began, now)
        if full and walk.renumbered:
            self._learns_at = now.boot + NUMBERS_STAY
        unsettled = self._book.unsettled(self._watched.name)
        restless = self._restless(disk, now) if unsettled else ()
        self._tell_restless(restless)
        rest = min(max(REST, REST_SHARE * (now.boot - began.boot)), REST_MOST)
        self._not_before = now.boot + rest
        if self._report.offline is not None:
            LOG.info("%s: is there again", Place(self._watched.name))
        self._retry = RETRY_FIRST
        earlier = self._report
        self._report = ScanReport(
            name=self._watched.name,
            choice=self._hearing.choice(disk),
            last_full_scan=now.wall if full else earlier.last_full_scan,
            files=walk.files if full else earlier.files,
            unsettled=unsettled,
            problems=problems,
            restless=restless,
            strangers=tuple(walk.strangers) if full else earlier.strangers,
        )

    def _tell(self, walk: Walk, problems: tuple[str, ...]) -> None:
        """What needs a person's hand, once, when it begins."""
        name = Place(self._watched.name)
        command = Words(f"scriptixd approve {typed(self._watched.name)}")
        if walk.flooded and not self._flooded:
            LOG.warning(
                "%s: more than %s files came within an hour (ask_above): they wait for your yes: %s",
                name,
                Words(self._watched.ask_above),
                command,
            )
        elif walk.held and not walk.flooded:
            LOG.warning("%s: %d file(s) wait for your yes: %s", name, walk.held, command)
        self._flooded = walk.flooded or (self._flooded and walk.allowance < 0)
        for problem in problems:
            if problem not in self._report.problems:
                LOG.warning("%s: %s", name, problem)
        for problem in self._report.problems:
            if problem not in problems:
                LOG.info("%s: is over: %s", name, problem)

    def _tell_restless(self, restless: Collection[Restless]) -> None:
        """What does not stop changing, when that begins, and when it ends."""
        before, after = {one.path for one in self._report.restless}, {one.path for one in restless}
        for path in sorted(after - before):
            LOG.info("%s: has not stopped changing for long: it is not complete yet", Place(self._watched.name, path))
        for path in sorted(before - after):
            LOG.info("%s: is not among what changes all the time any more", Place(self._watched.name, path))

    def _plan_looks(self, walk: Walk, began: Now, now: Now) -> None:
        """When to look again at what may settle, may be gone, or could not be read.

        What was planned and is still to come stays so, however often something else is looked at meanwhile.
        """
        planned = {place: at for place, at in self._due.items() if at > began.boot and place not in walk.tried}
        self._due = planned | walk.due
        later = dict.fromkeys(walk.problems.keys() | walk.unseen, now.boot + RETRY_UNREAD)
        if self._hearing.rings:  # else the next full look tells whether what is missing has only been renamed
            later |= {place: planned.get(place, now.boot + CONFIRM) for place in self._doubtful}
        for place, at in later.items():
            self._due[place] = min(at, self._due.get(place, math.inf))

    def _restless(self, disk: Disk, now: Now) -> tuple[Restless, ...]:
        window = max(settle_window(configured, disk) for configured in self._watched.windows)
        since = now.wall - max(RESTLESS_WINDOWS * window, RESTLESS_LEAST)
        return tuple(self._book.restless(self._watched.name, since, RESTLESS_NAMED))

    def _next_run(self) -> float:
        wanted = [self._next_full, self._ground.due_at, *self._due.values()]
        if self._hearing.rings:
            wanted.append(self._clock().boot + BELL_CHECK)
        return max(min(wanted), self._not_before)

    def _lose_root(self, trouble: ShareTrouble) -> float:
        """The folder is OFFLINE: nothing is inferred, and a fresh start waits for its disk."""
        now = self._clock()
        self._stands(trouble)
        self._hearing.close()
        self._disk = None
        earlier = self._report
        since = now.wall if earlier.offline is None else earlier.offline.since
        if earlier.offline is None or earlier.offline.reason != trouble.what:
            LOG.warning("%s: %s", Place(self._watched.name), trouble)
        asks = isinstance(trouble, Asks)
        offline = Offline(trouble.what, trouble.hint, since, isinstance(trouble, Hung), asks)
        self._report = replace(ScanReport(self._watched.name), offline=offline, last_full_scan=earlier.last_full_scan)
        self._not_before = now.boot + (RETRY_ASKING if asks else self._retry)
        if self._ground.due_at > now.boot:  # somebody else's claim, at which we have to look again to tell
            self._not_before = min(self._not_before, self._ground.due_at)
        self._retry = min(self._retry * 2, RETRY_MOST)
        return self._not_before
