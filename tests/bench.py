"""A folder, its scanner on a book, and a clock that the test moves."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path

from memory_book import MemoryBook, StoredBook

from scriptixd.errors import ShareTrouble
from scriptixd.jobs.clock import Now
from scriptixd.jobs.job import DocumentType, Request
from scriptixd.jobs.source import Admission, Existing
from scriptixd.roots.local import LocalRoot
from scriptixd.roots.root import Disk, Listing, Nested
from scriptixd.watch.claim import Claim
from scriptixd.watch.doorbell import Bell, Rung
from scriptixd.watch.ground import Ground
from scriptixd.watch.hearing import Hearing
from scriptixd.watch.policy import Policy
from scriptixd.watch.scanner import CONFIRM, Scanner, Watched

SOUND = b"sound" * 1000
DUTCH = Request("nl", DocumentType.CAPTION)
ENGLISH = Request("en", DocumentType.CAPTION)
WINDOW = 10.0  # s
BOOKS: dict[str, Callable[[], MemoryBook]] = {"memory": MemoryBook, "state file": StoredBook}


def policy(existing: Existing = Existing.HOLD, window: float | None = WINDOW) -> Callable[[str], Policy]:
    return lambda path: Policy(ENGLISH if path.startswith("en/") else DUTCH, existing, window)


WATCHED = Watched("council", policy(), windows=(WINDOW,), scan_interval=900.0)


def nothing(directory: str) -> None:
    """What happens before a listing, usually."""


class HandBell:
    """A doorbell that the test rings."""

    def __init__(self) -> None:
        self.rung = Rung()
        self.living = True
        self.stopped = False
        self.witness = False
        self.covered: set[str] = set()

    def cover(self, directory: str) -> None:
        self.covered.add(directory)

    def leave(self, directories: Iterable[str]) -> None:
        self.covered.difference_update(directories)

    def take(self) -> Rung:
        rung, self.rung = self.rung, Rung()
        return rung

    def deletions_seen(self) -> bool:
        return self.witness

    def alive(self) -> bool:
        return self.living

    def stop(self) -> None:
        self.stopped = True


class CountingRoot(LocalRoot):
    """A local root that remembers what it was asked, and can lose its disk, or be on another one."""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self.listed: list[str] = []
        self.away = False
        self.source: str | None = None
        self.mountpoint: str | None = None
        self.nested: tuple[Nested, ...] = ()
        self.before_listing: Callable[[str], None] = nothing

    def disk(self) -> Disk:
        if self.away:
            raise ShareTrouble("the share is away", "mount it")
        here = super().disk()
        identity = here.identity if self.source is None else replace(here.identity, source=self.source)
        return Disk(identity, self.mountpoint or here.mountpoint, self.nested)

    def listing(self, directory: str) -> Listing:
        self.before_listing(directory)
        if self.away:
            raise ShareTrouble("the share is away", "mount it")
        self.listed.append(directory)
        return super().listing(directory)


class Bench:
    """A folder with everything that watches it."""

    def __init__(self, folder: Path, book: MemoryBook, watched: Watched = WATCHED, boot: str = "boot-1") -> None:
        self.folder = folder
        self.book = book
        self.now = Now(1_800_000_000.0, 5000.0)
        self.bells: list[HandBell] = []
        self.beats = 0
        self.stopping = False
        self.trouble: ShareTrouble | None = None
        self.root = CountingRoot(folder)
        self.start(watched, boot)

    def start(
        self,
        watched: Watched = WATCHED,
        boot: str = "boot-1",
        hang: Callable[[], Bell] | None = None,
        instance: str = "a" * 32,
    ) -> None:
        """A scanner as a fresh daemon has it, on the same book."""
        self.claim = Claim(self.root, instance, "this-host")
        hearing = Hearing(watched.name, watched.watch, hang or self._hang)
        self.scanner = Scanner(
            watched,
            self.root,
            self.book,
            Ground(watched.name, self.root, self.book, watched.filter, self.claim, hearing.deletions_seen),
            hearing,
            stands=self._stand,
            beat=self._beat,
            stop=lambda: self.stopping,
            clock=lambda: self.now,
            boot=boot,
        )

    def _stand(self, trouble: ShareTrouble | None) -> None:
        self.trouble = trouble

    def _hang(self) -> Bell:
        self.bells.append(HandBell())
        return self.bells[-1]

    def _beat(self) -> None:
        self.beats += 1

    def put(self, path: str, content: bytes = SOUND) -> Path:
        place = self.folder / path
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(content)
        return place

    def run(self, after: float = 1.0) -> float:
        """One run, so many seconds later; returns in how many seconds the next is wanted."""
        self.now = Now(self.now.wall + after, self.now.boot + after)
        return self.scanner.run_once(self.now) - self.now.boot

    def ring(self, *directories: str, trees: tuple[str, ...] = (), everything: bool = False) -> None:
        self.bells[-1].rung = Rung(frozenset(directories), frozenset(trees), everything)

    def hear(self, *directories: str, trees: tuple[str, ...] = (), everything: bool = False) -> None:
        """A ring, the look that follows it, and the one that confirms what was missing."""
        self.ring(*directories, trees=trees, everything=everything)
        self.run()
        self.run(CONFIRM)

    @property
    def offline(self) -> str:
        """Why the folder cannot be looked at, empty while it can."""
        offline = self.scanner.view.offline
        return offline.reason if offline else ""

    @property
    def present(self) -> set[str]:
        return {source.path for source in self.book.sources.values() if source.present}

    @property
    def admitted(self) -> dict[str, Admission]:
        return dict(self.book.admitted)

    def settle(self) -> None:
        self.run()
        self.run(WINDOW + 1)
        self.run(WINDOW + 1)
