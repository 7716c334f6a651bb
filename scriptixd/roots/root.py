"""The seam to other people's disks: what a folder's files can be asked and given.

Everything that touches a file under a configured folder goes through a Root. Paths are relative to
the root, with `/` between and surrogate escapes for bytes that are not UTF-8; "" is the root itself.
A Root never follows a symbolic link below itself and never changes a file that is not ours.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from types import TracebackType
from typing import Final, Protocol, Self

from scriptixd.roots.mounts import is_local

NOTICE = "_TRANSCRIPTS-WAITING.txt"  # the one file of ours in a folder that is made to be read by people
TEMPORARY_PREFIX = ".scriptixd-"  # the scanner ignores these, and what a crash left of them is swept
TEMPORARY_SUFFIX = ".tmp"


@dataclass(frozen=True, slots=True)
class Stat:
    """What tells one version of a file from the next: size in bytes, mtime in ns, inode number."""

    size: int
    mtime_ns: int
    inode: int

    def same_content(self, other: Stat) -> bool:
        """Whether nobody wrote between the two looks; the inode may differ on network shares."""
        return self.size == other.size and self.mtime_ns == other.mtime_ns


class Kind(StrEnum):
    FILE = "file"
    DIRECTORY = "directory"
    OTHER = "other"  # links, sockets, devices: never entered, never read

    __hash__ = str.__hash__  # Enum's own is Python code, and a signature takes one hash for each file


@dataclass(frozen=True, slots=True)
class Entry:
    """One name in a directory; `stat` is None where it could not be taken or is not a file.

    `allocated` is what the file takes on the disk, in bytes: none at all for a large one is a placeholder,
    whose content lies on a tape or in a cloud until somebody opens it.
    """

    name: str
    kind: Kind
    stat: Stat | None
    allocated: int = 0


# Name, kind, size, mtime in ns, inode, allocated bytes; size, mtime and inode are -1 where there is no stat.
Row = tuple[str, Kind, int, int, int, int]


class Listing:
    """Every name in a directory, as cheap as it can be had: a million files are looked at again and again."""

    __slots__ = ("rows",)

    def __init__(self, rows: list[Row]) -> None:
        self.rows = rows

    @classmethod
    def of(cls, entries: Iterable[Entry]) -> Self:
        return cls([_row(entry) for entry in entries])

    @property
    def signature(self) -> int:
        """64 bits that are the same, within this process, for the same rows in the same order."""
        return hash(tuple(self.rows))

    def __len__(self) -> int:
        return len(self.rows)

    def __iter__(self) -> Iterator[Entry]:
        for name, kind, size, mtime_ns, inode, allocated in self.rows:
            yield Entry(name, kind, Stat(size, mtime_ns, inode) if size >= 0 else None, allocated)


def _row(entry: Entry) -> Row:
    if entry.stat is None:
        return entry.name, entry.kind, -1, -1, -1, entry.allocated
    return entry.name, entry.kind, entry.stat.size, entry.stat.mtime_ns, entry.stat.inode, entry.allocated


@dataclass(frozen=True, slots=True)
class Identity:
    """Which disk a root is: file-system type, source and sub-path, never a device number or mount id."""

    filesystem: str
    source: str
    subpath: str

    @property
    def key(self) -> str:
        return f"{self.filesystem}\0{self.source}\0{self.subpath}"

    def __str__(self) -> str:
        """As people know it: `cifs //nas/council`, `ext4 /dev/sda1`."""
        return f"{self.filesystem} {self.source}"


@dataclass(frozen=True, slots=True)
class Nested:
    """Another file system that is mounted in a directory below the root."""

    directory: str
    identity: Identity


@dataclass(frozen=True, slots=True)
class Disk:
    """What a root is on now: its own file system, where that is mounted, and those mounted below it."""

    identity: Identity
    mountpoint: str  # absolute
    nested: tuple[Nested, ...] = ()  # by directory; those under another one's mount, too
    beyond: bool = False  # the way to it leads through a file system that is not local

    @property
    def foreign(self) -> Identity | None:
        """The first of its file systems that others than this machine may write to, None if there is none."""
        every = (self.identity, *(nested.identity for nested in self.nested))
        return next((one for one in every if not is_local(one.filesystem)), None)


@dataclass(frozen=True, slots=True)
class FileAccess:
    """Who may do what with a file of ours, where that is not left to its directory."""

    mode: int | None = None  # permission bits, none of them for executing
    group: str | None = None  # name or number


LIKE_ITS_DIRECTORY: Final = FileAccess()


class Reader(Protocol):
    """An open source file; closed by `with`. Errors: ShareTrouble, FileTrouble."""

    def stat(self) -> Stat:
        """The open file as it is now, which may differ from what it was when it was opened."""

    def read(self, offset: int, count: int) -> bytes:
        """At most `count` bytes from `offset`; b"" only at the end of the file."""

    def written_to(self) -> bool | None:
        """Whether somebody has the file open for writing now; None where the disk cannot tell."""

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...


class Root(Protocol):
    """A folder's files, local or over there; the same contract for every kind of disk.

    Every method raises ShareTrouble when the disk itself is not there: not mounted, not a directory,
    ESTALE, EIO, EHOSTDOWN; Hung, which is a ShareTrouble, when it does not answer in time. Nothing may
    be inferred then. All of them may be called from several threads at once.
    """

    @property
    def at_once(self) -> int:
        """How many calls are worth having under way at the same time: each one waits for a network, or none does."""

    def disk(self) -> Disk:
        """Which disk this is now."""

    def listing(self, directory: str) -> Listing:
        """Every name in a directory. SourceMissing if it is not there, FileTrouble if it may not be read."""

    def open(self, path: str) -> Reader:
        """Open for reading without following links. SourceMissing, or FileTrouble if it may not be read."""

    def probe(self, directory: str, access: FileAccess = LIKE_ITS_DIRECTORY) -> None:
        """Show that a sidecar could be written there: makes and removes a temporary. TargetTrouble if not."""

    def make(self, directory: str) -> None:
        """Make a directory and those above it, as far as they are not there, each like the one that it is in.

        NameTaken if a file has the name, TargetTrouble if the disk refuses.
        """

    def write(self, path: str, data: bytes, replaces: str | None, access: FileAccess = LIKE_ITS_DIRECTORY) -> None:
        """Write atomically and durably, whole or not at all.

        With `replaces=None` the name must be free; else the file there now must have that SHA-256
        (64 hex digits), or be gone. NameTaken if another file has the name, TargetTrouble if the
        disk refuses, SourceMissing if the directory is gone.
        """

    def remove(self, path: str, sha256: str) -> None:
        """Remove a file of ours, which must have that SHA-256 (64 hex digits), or be gone; NameTaken if it has not."""

    def sweep(self, directory: str) -> int:
        """Remove temporaries of ours that a crash left there; returns how many."""
