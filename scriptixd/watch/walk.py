"""One run's way through the directories of a root: list, compare, write the differences down.

Infers that something is gone only from a listing of the directory that held it, and only while the
disk is still the one that the run began with.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Final

from scriptixd.errors import FileTrouble, ShareTrouble, SourceMissing, Stopped
from scriptixd.jobs.clock import Now
from scriptixd.jobs.source import Sighting
from scriptixd.roots.paths import parent
from scriptixd.roots.root import Identity, Root
from scriptixd.watch.book import Book
from scriptixd.watch.comparison import Findings, Judge, Moment

AT_ONCE: Final = 200  # sightings in one transaction, which takes a tenth of a second


class Tree:
    """The directories that are known, each under its parent; "" is the root and always known."""

    def __init__(self, directories: Iterable[str] = ()) -> None:
        self._children: dict[str, set[str]] = {"": set()}
        for directory in directories:
            self.add(directory)

    def __contains__(self, directory: str) -> bool:
        return directory in self._children

    def add(self, directory: str) -> None:
        while directory not in self._children:
            self._children[directory] = set()
            above = parent(directory)
            known = above in self._children
            if known:
                self._children[above].add(directory)
                return
            self.add(above)
            self._children[above].add(directory)

    def children(self, directory: str) -> frozenset[str]:
        return frozenset(self._children.get(directory, ()))

    def cut(self, directory: str) -> list[str]:
        """Forget a directory with everything below it; returns them all."""
        self._children.get(parent(directory), set()).discard(directory)
        gone, pending = [], [directory]
        while pending:
            one = pending.pop()
            gone.append(one)
            pending += self._children.pop(one, set())
        return gone


@dataclass(slots=True)
class Walk:
    """What one run looks at, and what it has found so far."""

    folder: str
    root: Root
    identity: Identity
    book: Book
    judge: Judge
    tree: Tree
    unread_before: Collection[str]  # directories that could not be read until now: what is in them was there before
    clock: Callable[[], Now]
    beat: Callable[[], None]
    stop: Callable[[], bool]
    seen: set[str] = field(default_factory=set)
    problems: dict[str, str] = field(default_factory=dict)
    files: int = 0
    held: int = 0  # that have settled and wait for a person's yes

    def everything(self, first_contact: bool) -> None:
        self._whole("", first_contact)

    def some(self, directories: Iterable[str], trees: Iterable[str]) -> None:
        """Look at single directories, and at whole trees that are new."""
        for directory in sorted(directories):
            self._nearest(directory)
        for directory in sorted(trees):
            self._whole(directory, first_contact=False)

    def _whole(self, top: str, first_contact: bool) -> None:
        pending = [(top, first_contact)]
        while pending:
            directory, first = pending.pop()
            if directory not in self.seen:
                first = first or directory in self.unread_before
                pending += [(below, first) for below in self._look(directory, first) or ()]

    def _nearest(self, directory: str) -> None:
        """Look at a directory, or at the nearest one above it that is there and shows that it is not."""
        while directory not in self.seen:
            first = directory in self.unread_before
            known = self.tree.children(directory)
            below = self._look(directory, first)
            if below is not None:
                for new in below:
                    if new not in known:
                        self._whole(new, first)
                return
            if not directory:
                return
            directory = parent(directory)

    def _look(self, directory: str, first_contact: bool) -> tuple[str, ...] | None:
        """The directories to enter from here; None if this one is not there (any more)."""
        self.beat()
        if self.stop():
            raise Stopped
        now = self.clock()  # before the listing: a long run must not make a file look older than it was seen
        try:
            entries = self.root.listing(directory)
        except SourceMissing:
            return None
        except FileTrouble as trouble:
            self.problems[directory] = str(trouble)
            return ()
        known = self.book.in_directory(self.folder, directory)
        findings = self.judge.compare(directory, entries, known, Moment(now, first_contact))
        vanished = self.tree.children(directory) - set(findings.directories) - findings.unknown
        if findings.loses or vanished:
            self._same_disk()
        self._record(directory, findings.sightings, now)
        for top in sorted(vanished):
            self._lose(top, now)
        self._remember(directory, findings)
        return findings.directories

    def _lose(self, top: str, now: Now) -> None:
        """A directory is not in its parent's listing: neither is anything that was below it."""
        for directory in self.tree.cut(top):
            known = self.book.in_directory(self.folder, directory)
            gone = [Sighting(name, None) for name, source in known.items() if source.present]
            self._record(directory, gone, now)

    def _record(self, directory: str, sightings: Sequence[Sighting], now: Now) -> None:
        """A few at a time: fifty thousand files in one directory must not keep everybody else from the state file."""
        for start in range(0, len(sightings), AT_ONCE):
            self.beat()
            if start and self.stop():
                raise Stopped
            part = sightings[start : start + AT_ONCE]
            self.book.record(self.folder, directory, part, now.wall)
            self.held += sum(bool(one.admission and one.admission.held_for) for one in part)

    def _remember(self, directory: str, findings: Findings) -> None:
        self.tree.add(directory)
        self.seen.add(directory)
        self.files += findings.files

    def _same_disk(self) -> None:
        if self.root.identity() != self.identity:
            raise ShareTrouble(f"the disk of {self.folder} was exchanged while it was looked at")
