"""What a folder holds now, and what would become of each file: the look that `plan` takes, beside a daemon or without.

Writes nothing and sends nothing. Opens only what would be sent or waits for a yes, to read how long it plays: never
a file that may still be written, and never one whose content is not on the disk.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

from scriptixd.cli.obstacles import Obstacle
from scriptixd.config.settings import Folder
from scriptixd.daemon.folders import filter_of, marked_in
from scriptixd.errors import FileTrouble, SourceMissing, Stopped
from scriptixd.jobs.job import State
from scriptixd.jobs.media import media_seconds
from scriptixd.jobs.source import Existing
from scriptixd.jobs.store import views
from scriptixd.jobs.store.views import SourceView
from scriptixd.roots.paths import joined, shown
from scriptixd.roots.root import Entry, Kind, Root, Stat
from scriptixd.watch.filters import Filter

PLACEHOLDER: Final = 2**20  # bytes: a smaller file may lie in its directory entry, and take no room of its own


class Fate(StrEnum):
    """What becomes of a file, as far as anybody can tell now."""

    NOW = "now"  # it is uploaded when its turn comes
    HELD = "held"  # it waits for a person's yes
    SETTLING = "settling"  # it may still be written: decided when it is complete
    STOPPED = "stopped"  # something keeps its folder, or its directory, from going on
    BESIDE = "beside"  # a transcript lies beside it: if that is of its content, it is taken as it is
    DONE = "done"  # paid for, finished or on its way
    FAILED = "failed"
    DISMISSED = "dismissed"
    IGNORED = "ignored"  # was there before, and `existing: ignore`
    TOO_LARGE = "too_large"  # larger than max_size


# The others cost nothing any more, or nothing by themselves.
COUNTED: Final = (Fate.NOW, Fate.HELD, Fate.SETTLING, Fate.STOPPED)
MEASURED: Final = (Fate.NOW, Fate.HELD, Fate.STOPPED)

_FATES: Final[Mapping[str, Fate]] = {
    State.FOUND: Fate.NOW,
    State.UPLOADING: Fate.NOW,
    State.HELD: Fate.HELD,
    State.CLOSING: Fate.DONE,
    State.UPLOADED: Fate.DONE,
    State.TRANSCRIBING: Fate.DONE,
    views.DELIVERING: Fate.DONE,
    views.DONE: Fate.DONE,
    State.FAILED: Fate.FAILED,
    State.DISMISSED: Fate.DISMISSED,
    views.IGNORED: Fate.IGNORED,
}  # whatever else is known of a file that is there: it is back, or new, and settles first
_EXISTING: Final[Mapping[Existing, Fate]] = {
    Existing.HOLD: Fate.HELD,
    Existing.PROCESS: Fate.NOW,
    Existing.IGNORE: Fate.IGNORED,
}


@dataclass(slots=True)
class Sum:
    """So many files, so large, and so long; `unknown` is how many of them did not tell how long they play."""

    files: int = 0
    bytes: int = 0
    media_seconds: float = 0.0
    unknown: int = 0

    def add(self, size: int, seconds: float | None) -> None:
        self.files += 1
        self.bytes += size
        self.media_seconds += seconds or 0.0
        self.unknown += seconds is None

    def include(self, other: Sum) -> None:
        self.files += other.files
        self.bytes += other.bytes
        self.media_seconds += other.media_seconds
        self.unknown += other.unknown


@dataclass(slots=True)
class Outlook:
    """What was found in one folder."""

    first_contact: bool
    sums: dict[Fate, Sum] = field(default_factory=lambda: {fate: Sum() for fate in Fate})
    unseen: int = 0  # files that are new since the last look at a folder that is known
    flooded: bool = False  # there are more of them than go without a yes
    elsewhere: int = 0  # files whose content is not on this disk
    problems: list[str] = field(default_factory=list)
    obstacles: Sequence[Obstacle] = ()  # what keeps the folder, or a directory in it, from going on


@dataclass(frozen=True, slots=True)
class Memory:
    """What the state file knows of a folder; the default is that it knows nothing."""

    sources: Mapping[str, SourceView] = field(default_factory=dict)  # by path
    disk: str | None = None  # the identity of its disk
    before: Filter | None = None  # what was picked up then, if that is another filter than today's
    allowance: int | None = None  # how many new files go without a yes; None: any number
    obstacles: Callable[[Root], Sequence[Obstacle]] = lambda _: ()  # asks the disk
    forgotten: Callable[[str], Stat | None] = lambda _: None  # by path: what was left alone without a name


@dataclass(frozen=True, slots=True)
class _File:
    path: str
    size: int
    fate: Fate
    seconds: float | None  # by the state file
    here: bool  # whether its content is on this disk


@dataclass(frozen=True, slots=True)
class Survey:
    """One folder's look. `looked` is told how many names were looked at, `stop` asked whether anybody waits."""

    folder: Folder
    root: Root
    memory: Memory
    looked: Callable[[int], None]
    stop: Callable[[], bool]

    def outlook(self) -> Outlook:
        """Look at everything; raises ShareTrouble if the disk is not there, Stopped if nobody waits any more."""
        found = Outlook(self.root.disk().identity.key != self.memory.disk, obstacles=self.memory.obstacles(self.root))
        filter_ = filter_of(self.folder)
        with ThreadPoolExecutor(self.root.at_once) as pool:
            for directory, entries in self._directories(filter_, found):
                names = frozenset(entry.name for entry in entries)
                files = [file for entry in entries if (file := self._file(filter_, directory, entry, names, found))]
                self.looked(len(entries))
                for file, seconds in zip(files, pool.map(self._seconds, files), strict=True):
                    found.sums[file.fate].add(file.size, seconds)
                    found.elsewhere += not file.here and file.fate in COUNTED
        allowance = self.memory.allowance
        if allowance is not None and found.unseen > allowance:
            found.flooded = True
            found.sums[Fate.HELD].include(found.sums.pop(Fate.SETTLING))
            found.sums[Fate.SETTLING] = Sum()
        return found

    def _directories(self, filter_: Filter, found: Outlook) -> Iterator[tuple[str, list[Entry]]]:
        pending = [""]
        while pending:
            if self.stop():
                raise Stopped(self.folder.name)
            directory = pending.pop()
            try:
                entries = list(self.root.listing(directory))
            except SourceMissing:
                continue  # removed since its parent was looked at
            except FileTrouble as trouble:
                found.problems.append(str(trouble))
                continue
            below = [joined(directory, entry.name) for entry in entries if entry.kind is Kind.DIRECTORY]
            away = {one.directory for one in found.obstacles if one.away}
            pending += [path for path in sorted(below, reverse=True) if filter_.enters(path) and path not in away]
            yield directory, entries

    def _file(
        self, filter_: Filter, directory: str, entry: Entry, names: frozenset[str], found: Outlook
    ) -> _File | None:
        """A file that is picked up, None for everything else."""
        path = joined(directory, entry.name)
        if entry.kind is not Kind.FILE or filter_.why_not(path, entry.stat.size if entry.stat else None) is not None:
            return None
        if entry.stat is None:
            found.problems.append(f"{shown(path)} cannot be looked at")
            return None
        size = entry.stat.size
        view = self.memory.sources.get(path)
        if view is None and (left := self.memory.forgotten(path)) is not None and left.same_content(entry.stat):
            return _File(path, size, Fate.DISMISSED, None, here=True)
        current = view is not None and (view.size, view.mtime) == (size, entry.stat.mtime_ns / 1e9)
        return _File(
            path,
            size,
            self._fate(path, size, view, names, found, current=current),
            view.media_seconds if view is not None and current else None,
            here=size < PLACEHOLDER or entry.allocated > 0,
        )

    def _fate(
        self, path: str, size: int, view: SourceView | None, names: frozenset[str], found: Outlook, *, current: bool
    ) -> Fate:
        stops = any(one.concerns(path) for one in found.obstacles)
        fate = self._fate_otherwise(path, size, view, found, current=current)
        if view is None and fate in (Fate.NOW, Fate.HELD, Fate.SETTLING) and self._is_beside(path, names):
            return Fate.BESIDE
        if fate is Fate.SETTLING and view is None and not stops:
            found.unseen += 1
        return Fate.STOPPED if stops and fate in {Fate.NOW, Fate.SETTLING} else fate

    def _fate_otherwise(self, path: str, size: int, view: SourceView | None, found: Outlook, *, current: bool) -> Fate:
        """If nothing kept its directory from going on."""
        if view is not None and current:
            return _FATES.get(view.state, Fate.SETTLING)
        here = self.folder.at(path)
        if here is None or size > here.max_size:
            return Fate.TOO_LARGE
        if view is not None:
            return Fate.SETTLING
        before = self.memory.before
        if found.first_contact or (before is not None and before.why_not(path, size) is not None):
            return _EXISTING[here.existing]
        return Fate.SETTLING

    def _is_beside(self, path: str, names: frozenset[str]) -> bool:
        """Whether a transcript may lie beside it; in a directory for outputs nobody looks here."""
        here = self.folder.at(path)
        return here is not None and here.output.directory is None and marked_in(self.folder)(path, names)

    def _seconds(self, file: _File) -> float | None:
        """How long a file plays; None where it does not tell, or is not asked."""
        if file.seconds is not None or not file.here or file.fate not in MEASURED:
            return file.seconds
        if self.stop():
            raise Stopped(self.folder.name)
        try:
            with self.root.open(file.path) as reader:
                return media_seconds(reader, file.path, file.size)
        except FileTrouble:
            return None  # not to be read by us, or gone since: the daemon says it when its turn comes
