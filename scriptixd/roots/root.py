"""The seam to other people's disks: what a folder's files can be asked and given.

Everything that touches a file under a configured folder goes through a Root. Paths are relative to
the root, with `/` between and surrogate escapes for bytes that are not UTF-8; "" is the root itself.
A Root never follows a symbolic link below itself and never changes a file that is not ours.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from types import TracebackType
from typing import Protocol, Self

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


@dataclass(frozen=True, slots=True)
class Entry:
    """One name in a directory; `stat` is None where it could not be taken or is not a file."""

    name: str
    kind: Kind
    stat: Stat | None


@dataclass(frozen=True, slots=True)
class Identity:
    """Which disk a root is: file-system type, source and sub-path, never a device number or mount id."""

    filesystem: str
    source: str
    subpath: str

    @property
    def key(self) -> str:
        return f"{self.filesystem}\0{self.source}\0{self.subpath}"


class Reader(Protocol):
    """An open source file; closed by `with`. Errors: ShareTrouble, FileTrouble."""

    def stat(self) -> Stat:
        """The open file as it is now, which may differ from what it was when it was opened."""

    def read(self, offset: int, count: int) -> bytes:
        """At most `count` bytes from `offset`; b"" only at the end of the file."""

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...


class Root(Protocol):
    """A folder's files, local or over there; the same contract for every kind of disk.

    Every method raises ShareTrouble when the disk itself is not there: not mounted, not a directory,
    ESTALE, EIO, EHOSTDOWN. Nothing may be inferred then.
    """

    def identity(self) -> Identity:
        """Which disk this is now."""

    def listing(self, directory: str) -> Sequence[Entry]:
        """Every name in a directory. SourceMissing if it is not there, FileTrouble if it may not be read."""

    def open(self, path: str) -> Reader:
        """Open for reading without following links. SourceMissing, or FileTrouble if it may not be read."""

    def probe(self, directory: str) -> None:
        """Show that a sidecar could be written there: makes and removes a temporary. TargetTrouble if not."""

    def write(self, path: str, data: bytes, replaces: str | None) -> None:
        """Write atomically and durably, whole or not at all.

        With `replaces=None` the name must be free; else the file there now must have that SHA-256
        (64 hex digits), or be gone. NameTaken if another file has the name, TargetTrouble if the
        disk refuses, SourceMissing if the directory is gone.
        """

    def sweep(self, directory: str) -> int:
        """Remove temporaries of ours that a crash left there; returns how many."""
