"""What a root and the child process that serves it say to each other: messages on a stream socket.

A message is two lengths, a head in JSON (names that are not UTF-8 travel as lone surrogates, escaped) and raw
bytes. Knows no files and no processes.
"""

from __future__ import annotations

import json
import socket
import struct
import time
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

from scriptixd.errors import FileTrouble, Hung, NameTaken, ShareTrouble, SourceMissing, TargetTrouble, Trouble
from scriptixd.roots.root import Disk, Identity, Kind, Nested, Row, Stat

LENGTHS: Final = struct.Struct("!II")  # bytes of the head, bytes of the data
BLOCK: Final = 1 << 18  # bytes taken from the socket at once: what its buffer holds by default


class Errand(StrEnum):
    """What is asked of the child: the methods of a Root and of its readers."""

    DISK = "disk"
    LISTING = "listing"
    OPEN = "open"
    PROBE = "probe"
    MAKE = "make"
    WRITE = "write"
    REMOVE = "remove"
    SWEEP = "sweep"
    STAT = "stat"
    READ = "read"
    WRITTEN_TO = "written_to"
    CLOSE = "close"


class Word(StrEnum):
    """What the child says."""

    READY = "ready"  # once, on each line: the process has started
    PART = "part"  # more of this answer comes
    DONE = "done"
    TROUBLE = "trouble"
    BUG = "bug"


@dataclass(frozen=True, slots=True)
class Message:
    kind: Errand | Word
    fields: Sequence[Any] = ()  # whatever JSON holds
    data: bytes = b""


_TROUBLES: Final = {
    kind.__name__: kind for kind in (ShareTrouble, Hung, FileTrouble, SourceMissing, TargetTrouble, NameTaken)
}
_KINDS: Final = {str(kind): kind for kind in Kind}
_SAID: Final[dict[str, Errand | Word]] = {str(kind): kind for kind in (*Errand, *Word)}


class Line:
    """One end of a connection, used by one thread at a time. Errors: TimeoutError; another OSError if it is cut."""

    def __init__(self, end: socket.socket) -> None:
        self._end = end

    def send(self, message: Message, deadline: float | None = None) -> None:
        """`deadline` by time.monotonic(); None waits for as long as it takes."""
        head = json.dumps([message.kind, *message.fields], separators=(",", ":")).encode("ascii")
        self._wait_until(deadline)
        self._end.sendall(LENGTHS.pack(len(head), len(message.data)) + head)
        if message.data:
            self._wait_until(deadline)
            self._end.sendall(message.data)

    def receive(self, deadline: float | None = None) -> Message:
        head, data = LENGTHS.unpack(self._exactly(LENGTHS.size, deadline))
        kind, *fields = json.loads(self._exactly(head, deadline))
        return Message(_SAID[kind], fields, self._exactly(data, deadline) if data else b"")

    def cut(self) -> None:
        """Wake whoever waits at either end, from any thread."""
        self._end.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        self._end.close()

    def _exactly(self, count: int, deadline: float | None) -> bytes:
        blocks, left = [], count
        while left:
            self._wait_until(deadline)
            block = self._end.recv(min(left, BLOCK))
            if not block:
                raise ConnectionResetError("the other end is gone")
            blocks.append(block)
            left -= len(block)
        return blocks[0] if len(blocks) == 1 else b"".join(blocks)

    def _wait_until(self, deadline: float | None) -> None:
        if deadline is None:
            return
        left = deadline - time.monotonic()
        if left <= 0:
            raise TimeoutError
        self._end.settimeout(left)


def from_trouble(trouble: Trouble) -> Message:
    return Message(Word.TROUBLE, (type(trouble).__name__, trouble.what, trouble.hint))


def to_trouble(said: Message) -> Trouble:
    kind, what, hint = said.fields
    return _TROUBLES[kind](what, hint)


def from_disk(disk: Disk) -> Message:
    nested = [[one.directory, *_of_identity(one.identity)] for one in disk.nested]
    return Message(Word.DONE, (_of_identity(disk.identity), disk.mountpoint, nested))


def to_disk(said: Message) -> Disk:
    identity, mountpoint, nested = said.fields
    below = (Nested(directory, Identity(*its)) for directory, *its in nested)
    return Disk(Identity(*identity), mountpoint, tuple(below))


def from_stat(stat: Stat) -> Message:
    return Message(Word.DONE, (stat.size, stat.mtime_ns, stat.inode))


def to_stat(said: Message) -> Stat:
    size, mtime_ns, inode = said.fields
    return Stat(size, mtime_ns, inode)


def from_rows(rows: Sequence[Row]) -> Message:
    return Message(Word.PART, rows)


def to_rows(said: Message) -> list[Row]:
    kinds = _KINDS
    return [(name, kinds[kind], size, mtime, inode, room) for name, kind, size, mtime, inode, room in said.fields]


def _of_identity(identity: Identity) -> tuple[str, str, str]:
    return identity.filesystem, identity.source, identity.subpath
