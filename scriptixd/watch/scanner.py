"""One folder's scanner: when to look, at what, and what to do when the disk is not there.

The scan is the only truth; doorbell and timer merely say when it is due. Nothing is inferred from a
root that cannot be read. Nothing sleeps here: every run returns when the next one is wanted.
"""

from __future__ import annotations

import logging
import random
from collections.abc import Callable
from dataclasses import dataclass, field

from scriptixd.errors import AdministratorHeals, ShareTrouble, Stopped
from scriptixd.jobs.clock import Now, boot_id, read_clock
from scriptixd.jobs.job import Request
from scriptixd.jobs.source import Existing
from scriptixd.roots.paths import shown
from scriptixd.roots.root import Identity, Kind, Root
from scriptixd.watch.book import Book
from scriptixd.watch.comparison import Judge
from scriptixd.watch.doorbell import Bell, Rung
from scriptixd.watch.filters import Filter
from scriptixd.watch.mode import Choice, Mode, choose_mode, scan_interval, settle_window
from scriptixd.watch.settle import due
from scriptixd.watch.walk import Tree, Walk

JITTER = 0.1  # of the interval, either way: many folders on one server are not looked at in the same second
BELL_CHECK = 10.0  # s: a root that was exchanged leaves a doorbell that is deaf and does not know it
REST = 0.25  # s between two looks: a burst of events is one look, not thousands
REST_SHARE = 3.0  # times the length of a look: a folder where something happens all the time costs a quarter of a core
REST_MOST = 10.0  # s
RETRY_FIRST, RETRY_MOST = 1.0, 60.0  # s between attempts to reach a root that is not there, doubled each time

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Watched:
    """What the configuration says about watching one folder; None is `auto`."""

    name: str
    filter: Filter = field(default_factory=Filter)
    existing: Existing = Existing.HOLD
    watch: Mode | None = None
    settle_window: float | None = None  # s
    scan_interval: float | None = None  # s


@dataclass(frozen=True, slots=True)
class Offline:
    """Why a folder cannot be looked at, and since when (Unix seconds)."""

    reason: str
    hint: str
    since: float


@dataclass(frozen=True, slots=True)
class ScanReport:
    """What a status tells about one folder."""

    name: str
    offline: Offline | None = None
    choice: Choice | None = None  # None until the root was reached for the first time
    last_full_scan: float | None = None  # Unix seconds
    files: int = 0  # that were picked up by the last full scan
    unsettled: int = 0
    problems: tuple[str, ...] = ()  # directories that could not be read


@dataclass(frozen=True, slots=True)
class _Disk:
    """The disk that was reached, and what follows from its kind."""

    identity: Identity
    choice: Choice
    interval: float  # s
    judge: Judge


class Scanner:
    """Keeps the book of one folder's sources true.

    `terms` gives the request for a path. `open_bell` starts a doorbell on the root; it is asked only where
    events are to be had. `beat` is called, and `stop` asked, once a directory.
    """

    def __init__(
        self,
        watched: Watched,
        root: Root,
        book: Book,
        terms: Callable[[str], Request],
        open_bell: Callable[[], Bell],
        *,
        beat: Callable[[], None],
        stop: Callable[[], bool],
        clock: Callable[[], Now] = read_clock,
        boot: str | None = None,
    ) -> None:
        self._watched = watched
        self._root = root
        self._book = book
        self._terms = terms
        self._open_bell = open_bell
        self._beat = beat
        self._stop = stop
        self._clock = clock
        self._boot = boot_id() if boot is None else boot
        self._bell: Bell | None = None
        self._disk: _Disk | None = None
        self._tree = Tree()
        self._problems: dict[str, str] = {}
        self._due: dict[str, float] = {}  # directory → boot time at which something in it may settle
        self._next_full = 0.0
        self._not_before = 0.0
        self._retry = RETRY_FIRST
        self._report = ScanReport(watched.name)

    @property
    def view(self) -> ScanReport:
        """How the folder is doing; safe to ask from any thread."""
        return self._report

    @property
    def offline(self) -> Offline | None:
        return self._report.offline

    def close(self) -> None:
        """Stop the doorbell and its threads."""
        if self._bell is not None:
            self._bell.stop()
            self._bell = None

    def run_once(self, now: Now) -> float:
        """Do what is due; returns the CLOCK_BOOTTIME at which the next run is wanted."""
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
        identity = self._root.identity()
        disk = self._disk
        rung = self._bell.take() if self._bell is not None else Rung()
        deaf = self._bell is not None and not self._bell.alive()
        if disk is None or disk.identity != identity or deaf or rung.everything or now.boot >= self._next_full:
            self._look_at_everything(identity)
            return
        settling = {directory for directory, at in self._due.items() if at <= now.boot}
        if rung or settling:
            walk = self._walk(disk)
            next_full = self._next_full
            self._next_full = 0.0  # what has rung is taken already: whatever interrupts this look, all is looked at
            walk.some(rung.directories | settling, rung.trees)
            self._next_full = next_full
            self._problems = {place: why for place, why in self._problems.items() if place not in walk.seen}
            self._finish(walk, disk, now, full=False)

    def _look_at_everything(self, identity: Identity) -> None:
        began = self._clock()
        self._next_full = 0.0  # whatever interrupts this look, it is still due
        disk = self._meet(identity)
        folder, key = self._watched.name, identity.key
        last = self._book.last_disk(folder)
        if last not in (None, key):
            self._refuse_bare_directory()
        first_contact = self._book.begin_contact(folder, key, began.wall)
        self._tree = Tree(self._book.directories(folder))
        walk = self._walk(disk)
        walk.everything(first_contact)
        if first_contact or last != key:
            self._book.complete_contact(folder, key, self._clock().wall)
        self._problems = {}
        self._finish(walk, disk, began, full=True)
        self._next_full = self._clock().boot + disk.interval * random.uniform(1 - JITTER, 1 + JITTER)  # noqa: S311 - no secret

    def _meet(self, identity: Identity) -> _Disk:
        """A fresh doorbell before every full look: whatever made the old one deaf is over with it."""
        self.close()
        watched = self._watched
        choice = choose_mode(watched.watch, identity.filesystem)
        if choice.mode is Mode.EVENTS:
            try:
                self._bell = self._open_bell()
            except AdministratorHeals as trouble:
                choice = Choice(Mode.POLL, str(trouble))
        window = settle_window(watched.settle_window, identity.filesystem)
        judge = Judge(watched.filter, watched.existing, window, self._boot, self._terms)
        self._disk = _Disk(identity, choice, scan_interval(watched.scan_interval, choice.mode), judge)
        return self._disk

    def _refuse_bare_directory(self) -> None:
        """Another disk than before, and nothing on it: the directory under a share that is not mounted."""
        filter_ = self._watched.filter
        for entry in self._root.listing(""):
            if entry.kind is Kind.DIRECTORY and filter_.enters(entry.name):
                return
            if entry.kind is Kind.FILE and filter_.why_not(entry.name, None) is None:
                return
        if self._book.directories(self._watched.name):
            raise ShareTrouble(
                f"{shown(self._watched.name)} is empty, and not the disk that it was",
                "mount its share again; nothing is forgotten meanwhile",
            )

    def _walk(self, disk: _Disk) -> Walk:
        return Walk(
            folder=self._watched.name,
            root=self._root,
            identity=disk.identity,
            book=self._book,
            judge=disk.judge,
            tree=self._tree,
            unread_before=self._problems.keys(),
            clock=self._clock,
            beat=self._beat,
            stop=self._stop,
        )

    def _finish(self, walk: Walk, disk: _Disk, began: Now, *, full: bool) -> None:
        """What the next run and the status need to know of this one."""
        now = self._clock()
        self._problems |= walk.problems
        self._tell(walk)
        unsettled = self._plan_looks(disk.judge.window, began, now)
        rest = min(max(REST, REST_SHARE * (now.boot - began.boot)), REST_MOST)
        self._not_before = now.boot + rest
        if self.offline is not None:
            log.warning("%s: is there again", shown(self._watched.name))
        self._retry = RETRY_FIRST
        earlier = self._report
        self._report = ScanReport(
            name=self._watched.name,
            choice=disk.choice,
            last_full_scan=now.wall if full else earlier.last_full_scan,
            files=walk.files if full else earlier.files,
            unsettled=unsettled,
            problems=tuple(self._problems.values()),
        )

    def _tell(self, walk: Walk) -> None:
        """What needs a person's hand, once, when it begins."""
        name = shown(self._watched.name)
        if walk.held:
            log.warning("%s: %d file(s) wait for your yes: scriptixd approve %s", name, walk.held, name)
        for problem in walk.problems.values():
            if problem not in self._report.problems:
                log.warning("%s: %s", name, problem)

    def _plan_looks(self, window: float, began: Now, now: Now) -> int:
        """When to look again at what may settle; returns how many files that are."""
        self._due = {}
        unsettled = self._book.unsettled(self._watched.name)
        for source in unsettled:
            at = due(source, self._boot, window)
            if at <= began.boot:  # this look was the one for it, and could not tell: no sense in hurrying
                at = now.boot + max(window, REST)
            self._due[source.directory] = min(at, self._due.get(source.directory, at))
        return len(unsettled)

    def _next_run(self) -> float:
        wanted = [self._next_full, *self._due.values()]
        if self._bell is not None:
            wanted.append(self._clock().boot + BELL_CHECK)
        return max(min(wanted), self._not_before)

    def _lose_root(self, trouble: ShareTrouble) -> float:
        """The folder is OFFLINE: nothing is inferred, and a fresh start waits for its disk."""
        now = self._clock()
        self.close()
        self._disk = None
        earlier = self._report
        since = now.wall if earlier.offline is None else earlier.offline.since
        if earlier.offline is None or earlier.offline.reason != trouble.what:
            log.warning("%s: %s", shown(self._watched.name), trouble)
        offline = Offline(trouble.what, trouble.hint, since)
        self._report = ScanReport(
            self._watched.name, offline, None, earlier.last_full_scan, earlier.files, earlier.unsettled
        )
        self._not_before = now.boot + self._retry
        self._retry = min(self._retry * 2, RETRY_MOST)
        return self._not_before
