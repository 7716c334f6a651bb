"""A source while it is being sent: the bytes of one chunk, hashed on their way, and never half a file.

The digest covers the content from its first byte; whoever changes the file ends the request before
the server has the last byte of the chunk.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol, Self

from scriptixd.errors import FileTrouble, Stopped
from scriptixd.roots.root import Reader, Stat

PIECE = 1024 * 1024  # bytes read at a time: what is in memory of a file


class Digest(Protocol):
    """A running SHA-256."""

    def update(self, data: bytes, /) -> None: ...

    def copy(self) -> Self: ...

    def hexdigest(self) -> str: ...


class Changed(FileTrouble):
    """The file is not what its job was made for; it settles anew."""


@dataclass(frozen=True, slots=True)
class Prefix:
    """What was read of a content so far: its first `length` bytes and their digest."""

    length: int
    digest: Digest


NOTHING = Prefix(0, hashlib.sha256())


class Content:
    """An open source that must stay what `stat` says. Errors: Changed, Stopped, ShareTrouble, FileTrouble."""

    def __init__(
        self, reader: Reader, path: str, stat: Stat, stop: Callable[[], bool], beat: Callable[[], None]
    ) -> None:
        self.reader = reader
        self._path = path
        self._stat = stat
        self._stop = stop
        self._beat = beat

    def check(self) -> None:
        """Raise Changed if the file is not what it was."""
        if not self.reader.stat().same_content(self._stat):
            raise self.changed()

    def changed(self) -> Changed:
        """The sentence for a file that is not what it was."""
        return Changed(f"{self._path} has changed since it was found complete", "it is sent once it stays the same")

    def piece(self, offset: int, count: int) -> bytes:
        """Bytes of the file, as many as asked for."""
        if self._stop():
            raise Stopped(self._path)
        self._beat()
        data = self.reader.read(offset, min(count, PIECE))
        if not data:
            raise Changed(f"{self._path} became shorter while it was read", "it is sent once it stays the same")
        return data

    def extend(self, prefix: Prefix, length: int) -> Prefix:
        """The digest of the first `length` bytes, from what is known already where that is of use."""
        known = prefix if prefix.length <= length else NOTHING
        digest, offset = known.digest.copy(), known.length
        while offset < length:
            data = self.piece(offset, length - offset)
            digest.update(data)
            offset += len(data)
        return Prefix(length, digest)


class Chunk:
    """The body of one PATCH: `count` bytes from where the prefix ends; afterwards `prefix` covers them too.

    `whole` is given with the last chunk: the SHA-256 that the whole content was found to have.
    """

    def __init__(
        self, content: Content, prefix: Prefix, count: int, sent: Callable[[int], None], whole: str | None = None
    ) -> None:
        self._content = content
        self._digest = prefix.digest.copy()
        self._offset = prefix.length
        self._end = prefix.length + count
        self._count = count
        self._sent = sent
        self._whole = whole

    def __len__(self) -> int:
        return self._count

    def read(self, count: int = -1, /) -> bytes:
        left = self._end - self._offset
        if left == 0:
            return b""
        data = self._content.piece(self._offset, left if count < 0 else min(count, left))
        self._digest.update(data)
        self._offset += len(data)
        if self._offset == self._end:
            # Before the server gets the last bytes of this chunk.
            self._content.check()
            if self._whole is not None and self._digest.hexdigest() != self._whole:
                raise self._content.changed()
        self._sent(self._offset)
        return data

    @property
    def prefix(self) -> Prefix:
        """What has been read by now, from the first byte of the file."""
        return Prefix(self._offset, self._digest)
