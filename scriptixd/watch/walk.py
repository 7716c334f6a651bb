"""One run's way through the directories of a root: list, compare, write the differences down.

Infers that something is gone only from two listings of the directory that held it, after everything else
that the run saw was written down, and only while the disk is still the one that the run began with.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from errno import EIO
from typing import Final

from scriptixd.errors import FileTrouble, Hung, ShareTrouble, SourceMissing, Stopped
from scriptixd.jobs.clock import Now
from scriptixd.jobs.source import HELD_FOR_FLOOD, Sighting, Source
from scriptixd.roots.paths import is_within, joined, parent, shown
from scriptixd.roots.root import Disk, Listing, Root
from scriptixd.watch.book import Book
from scriptixd.watch.claim import NAME as CLAIM
from scriptixd.watch.comparison import Findings, Judge, Moment
from scriptixd.watch.listings import Listings, Seen
from scriptixd.watch.strangers import MOST, Stranger
from scriptixd.watch.tree import Calm, Tree

AT_ONCE: Final = 200  # sightings in one transaction, which takes a tenth of a second
BROKEN_MOST: Final = 20  # directories that a disk cannot read while it answers; of more, the disk itself is broken


@dataclass(frozen=True, slots=True)
class Means:
    """What a run works with: the folder's disk, and those who help."""

    folder: str
    root: Root
    disk: Disk
    book: Book
    judge: Judge
    clock: Callable[[], Now]
    beat: Callable[[], None]  # called once a directory, and stop asked
    stop: Callable[[], bool]
    cover: Callable[[str], None]  # ring for a directory, from before it is listed
    leave: Callable[[Iterable[str]], None]  # directories that are gone
    learns: bool  # another inode of what is known otherwise is written down
    refuse_empty: Callable[[], None]  # raises, where an empty root may be a disk that is not there


@dataclass(slots=True)
class Walk:
    """What one run looks at, and what it has found so far."""

    means: Means
    tree: Tree
    unread_before: Collection[str]  # what could not be seen until now: it, or what is in it, was there before
    doubtful: Mapping[str, frozenset[str]]  # by directory: what was missing in it the last time
    unmounted: Mapping[str, str]  # directories whose disk is not there, or waits for a yes, each with the sentence
    fresh: Collection[str]  # directories with another disk of their own, with which this is the first contact
    allowance: float  # files that may still come within the hour without a yes
    seen: set[str] = field(default_factory=set)
    tried: set[str] = field(default_factory=set)  # those, and what could not be seen, or is there no more
    problems: dict[str, str] = field(default_factory=dict)
    unread: set[str] = field(default_factory=set)  # files that could not be seen, and directories not as a whole
    unseen: set[str] = field(default_factory=set)  # directories with files that could not be seen
    told: set[str] = field(default_factory=set)  # of the files that could not be seen until now, those that were
    unreached: set[str] = field(default_factory=set)  # of the unmounted ones, those whose directory is there
    missing: dict[str, frozenset[str]] = field(default_factory=dict)  # as in `doubtful`, for the first time
    due: dict[str, float] = field(default_factory=dict)  # by directory: boot time of a look that can settle something
    files: int = 0
    strangers: list[Stranger] = field(default_factory=list)
    renumbered: int = 0  # files of which only the inode is another
    held: int = 0  # that have settled and wait for a person's yes
    flooded: bool = False
    _lost: list[tuple[str, list[str]]] = field(default_factory=list)
    _vanished: list[str] = field(default_factory=list)
    _broken: int = 0  # directories that the disk could not read

    def everything(self, first_contact: bool) -> None:
        with self._listings() as listings:
            self._whole(listings, "", first_contact)
        self._lose()

    def some(self, directories: Iterable[str], trees: Iterable[str]) -> None:
        """Look at single directories, and at whole trees that are new."""
        with self._listings() as listings:
            for directory in sorted(directories):
                self._nearest(listings, directory)
            for directory in sorted(trees):
                self._whole(listings, directory, first_contact=False)
        self._lose()

    def _listings(self) -> Listings:
        return Listings(self.means.root, self.means.clock, self.means.cover)

    def _whole(self, listings: Listings, top: str, first_contact: bool) -> None:
        pending = [(top, first_contact)]
        while pending:
            directory, first = pending.pop()
            if directory in self.unmounted:
                self.unreached.add(directory)
            if directory in self.seen or directory in self.unmounted:
                continue
            first = first or directory in self.unread_before or directory in self.fresh
            pending += [(below, first) for below in self._look(listings, directory, first) or ()]
            listings.ahead(
                below
                for below, _ in reversed(pending[-listings.width :])
                if below not in self.seen and below not in self.unmounted
            )

    def _nearest(self, listings: Listings, directory: str) -> None:
        """Look at a directory, or at the nearest one above it that is there and shows that it is not."""
        if any(is_within(directory, unmounted) for unmounted in self.unmounted):
            return
        while directory not in self.seen:
            first = directory in self.unread_before
            known = self.tree.children(directory)
            below = self._look(listings, directory, first)
            if below is not None:
                for new in below:
                    if new not in known:
                        self._whole(listings, new, first)
                return
            if not directory:
                return
            directory = parent(directory)

    def _look(self, listings: Listings, directory: str, first_contact: bool) -> tuple[str, ...] | None:
        """The directories to enter from here; None if this one is not there (any more)."""
        self.means.beat()
        if self.means.stop():
            raise Stopped
        self.tried.add(directory)
        try:
            seen = listings.take(directory)
        except SourceMissing:
            return None
        except FileTrouble as trouble:
            self.unread.add(directory)
            return self._leave_out(directory, trouble)
        except ShareTrouble as trouble:
            self._blame_directory(directory, trouble)
            if first_contact:
                self.unread.add(directory)
            return self._leave_out(directory, trouble)
        signature = _without_claim(seen.listing).signature if not directory else seen.listing.signature
        calm = self.tree.calm(directory, signature)
        if calm is None:
            calm = self._compare(directory, seen, signature, first_contact)
        self.tree.add(directory)
        self.seen.add(directory)
        self.files += calm.files
        self.strangers += calm.strangers[: MOST - len(self.strangers)]
        return calm.directories

    def _leave_out(self, directory: str, trouble: FileTrouble | ShareTrouble) -> tuple[str, ...]:
        self.problems[directory] = str(trouble)
        self.tree.calmed(directory, None)
        return ()

    def _blame_directory(self, directory: str, trouble: ShareTrouble) -> None:
        """Raises the trouble again, unless the disk answers and only this directory cannot be read from it."""
        cause = trouble.__cause__  # of a disk that is reached through a child, the sentence is all that comes over
        is_io = not isinstance(cause, OSError) or cause.errno == EIO
        if not directory or isinstance(trouble, Hung) or not is_io or self._broken >= BROKEN_MOST:
            raise trouble
        self._same_disk()
        self.means.root.listing("")
        self._broken += 1

    def _compare(self, directory: str, seen: Seen, signature: int, first_contact: bool) -> Calm:
        means = self.means
        known = means.book.in_directory(means.folder, directory)
        moment = Moment(seen.span, first_contact, self.allowance < 0, self.unread_before, means.learns)
        findings = means.judge.compare(directory, seen.listing, known, moment)
        children = self.tree.children(directory)
        vanished = children - set(findings.directories) - findings.unknown
        if not directory and findings.nothing and (findings.missing or children):
            means.refuse_empty()
        self._record(directory, findings.sightings, seen.span.ended)
        self._note_new(findings, known)
        self._note_unseen(directory, findings, first_contact)
        loses = self._note_missing(directory, findings.missing, vanished)
        if findings.due < math.inf:
            self.due[directory] = findings.due
        calm = Calm(signature, findings.files, findings.directories, findings.strangers)
        self.tree.calmed(directory, None if findings.restless or loses else calm)
        return calm

    def _note_new(self, findings: Findings, known: Mapping[str, Source]) -> None:
        """A flood is noticed by what has come, before the first of it has settled: also under names that are known."""
        self.allowance -= sum(not one.existing and _has_come(one, known.get(one.name)) for one in findings.sightings)

    def _note_unseen(self, directory: str, findings: Findings, first_contact: bool) -> None:
        """What the first contact cannot see was there before, when it can be seen."""
        if findings.unknown:
            self.unseen.add(directory)
        self.unread |= {path for path in findings.unknown if first_contact or path in self.unread_before}
        if self.unread_before:
            self.told |= {joined(directory, one.name) for one in findings.sightings}.intersection(self.unread_before)
        self.renumbered += sum(one.look is None for one in findings.sightings)

    def _note_missing(self, directory: str, names: Iterable[str], vanished: Iterable[str]) -> bool:
        """Whether anything is; each name and each directory has to be missing twice."""
        missing = {*names, *(f"{one}/" for one in vanished)}  # no name has a "/" at its end
        twice = missing.intersection(self.doubtful.get(directory, ()))
        if twice:
            self._lost.append((directory, [name for name in sorted(twice) if not name.endswith("/")]))
            self._vanished += [name[:-1] for name in twice if name.endswith("/")]
        if missing - twice:
            self.missing[directory] = frozenset(missing - twice)
        return bool(missing)

    def _lose(self) -> None:
        """What has been missing twice is gone; last of all, so that what was renamed is there under its new name."""
        if not (self._lost or self._vanished):
            return
        self._same_disk()
        now = self.means.clock()
        for directory, names in self._lost:
            self._record(directory, [Sighting(name, None) for name in names], now)
        for top in sorted(self._vanished):
            for directory in (gone := self.tree.cut(top)):
                known = self.means.book.in_directory(self.means.folder, directory)
                self._record(directory, [Sighting(name, None) for name, source in known.items() if source.present], now)
            self.means.leave(gone)
            self.tried.update(gone)

    def _record(self, directory: str, sightings: Sequence[Sighting], now: Now) -> None:
        """A few at a time: fifty thousand files in one directory must not keep everybody else from the state file."""
        for start in range(0, len(sightings), AT_ONCE):
            self.means.beat()
            if start and self.means.stop():
                raise Stopped
            part = sightings[start : start + AT_ONCE]
            held = self.means.book.record(self.means.folder, directory, part, now.wall)
            flood = any(one.admission and one.admission.held_for == HELD_FOR_FLOOD for one in part)
            self.held += held
            self.flooded = self.flooded or bool(held and flood)

    def _same_disk(self) -> None:
        if self.means.root.disk() != self.means.disk:
            raise ShareTrouble(f"the disk of {shown(self.means.folder)} was exchanged while it was looked at")


def _has_come(sighting: Sighting, before: Source | None) -> bool:
    """Whether it is another recording than the one that was known, which did not merely grow."""
    if before is None or sighting.stat is None:
        return before is None
    return sighting.stat.size != before.stat.size and (before.settled or not before.present)


def _without_claim(listing: Listing) -> Listing:
    """Of the root: our own claim, renewed all the time, is nothing new."""
    return Listing([row for row in listing.rows if row[0] != CLAIM])
